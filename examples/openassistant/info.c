/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant info: what a model file is, and what memory it would take. Loads no weights. */
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static json_t *text_or_null(const char *text)
{
    return text ? load_json_text(text, strlen(text)) : json_null();
}

/* A metadata value as text, NULL when there is none. */
static char *copy_meta(const oa_model *model, const char *key)
{
    size_t len = 0;
    if (oa_model_copy_meta(model, key, NULL, 0, &len) < 0) return NULL;
    char *text = malloc(len + 1);
    if (text && oa_model_copy_meta(model, key, text, len + 1, NULL) < 0) {
        free(text);
        text = NULL;
    }
    return text;
}

static void print_row(const char *label, const char *text)
{
    printf("%-14s ", label);
    ui_put_line(text, strlen(text));
    putchar('\n');
}

static json_t *metadata_json(const oa_model *model)
{
    json_t *all = json_object();
    size_t n = 0;
    oa_model_get_meta_count(model, &n);
    for (size_t i = 0; i < n; i++) {
        const char *key = NULL;
        if (oa_model_get_meta_key(model, i, &key) < 0) continue;
        char *value = copy_meta(model, key);
        json_t *name = load_json_text(key, strlen(key));
        if (value && name)
            json_object_set_new(all, json_string_value(name), load_json_text(value, strlen(value)));
        json_decref(name);
        free(value);
    }
    return all;
}

/* Chat templates are shown whole, a tokenizer's file is not. */
#define MAX_SHOWN ((size_t)16384)

static void print_metadata(const oa_model *model)
{
    size_t n = 0;
    oa_model_get_meta_count(model, &n);
    puts("\nmetadata");
    for (size_t i = 0; i < n; i++) {
        const char *key = NULL;
        if (oa_model_get_meta_key(model, i, &key) < 0) continue;
        char *value = copy_meta(model, key);
        printf("  ");
        ui_put_line(key, strlen(key));
        printf(" = ");
        size_t len = value ? strlen(value) : 1;
        ui_put_line(value ? value : "?", len < MAX_SHOWN ? len : MAX_SHOWN);
        if (len > MAX_SHOWN) printf(" ... (%zu bytes)", len);
        putchar('\n');
        free(value);
    }
}

/* The lengths of context that the memory table shows: --ctx, or some up to the trained one. */
static size_t pick_contexts(const cli_args *args, const oa_model_info *info, uint32_t out[4])
{
    size_t n = 0;
    uint32_t trained = info->n_ctx_train;
    if (args->n_ctx) {
        out[n++] = args->n_ctx;
        return n;
    }
    static const uint32_t usual[] = {512, 2048, 8192};
    for (size_t i = 0; i < 3; i++)
        if (!trained || usual[i] < trained) out[n++] = usual[i];
    if (trained) out[n++] = trained;
    return n;
}

static json_t *estimate_json(const oa_memory_estimate *e, uint32_t n_ctx, const char *kv)
{
    json_t *o = json_object();
    json_object_set_new(o, "n_ctx", json_integer(n_ctx));
    json_object_set_new(o, "kv_type", json_string(kv));
    json_object_set_new(o, "weights_size", json_integer((json_int_t)e->weights_size));
    json_object_set_new(o, "cache_size", json_integer((json_int_t)e->cache_size));
    json_object_set_new(o, "work_size", json_integer((json_int_t)e->work_size));
    json_object_set_new(o, "total_size", json_integer((json_int_t)e->total_size));
    return o;
}

static void print_estimate(const oa_memory_estimate *e, uint32_t n_ctx, const char *kv, bool first)
{
    char total[32], weights[32], cache[32], work[32];
    printf("%-14s %s at context %" PRIu32 " (weights %s, cache %s %s, work %s)\n",
           first ? "memory" : "", load_size_text(e->total_size, total), n_ctx,
           load_size_text(e->weights_size, weights), kv, load_size_text(e->cache_size, cache),
           load_size_text(e->work_size, work));
}

/* Sizes at each context, printed, or added to `memory` when that is not NULL. */
static int tell_memory(const cli_args *args, oa_model_info *info, json_t *memory)
{
    oa_model_opts opts;
    uint32_t kv_type, contexts[4];
    int code = load_model_opts(args, 0, &opts);
    if (code == CLI_OK) code = load_kv_type(args, &kv_type);
    if (code != CLI_OK) return code;
    const char *kv = kv_type == OA_KV_F32 ? "f32" : kv_type == OA_KV_Q8 ? "q8" : "f16";
    /* A vocabulary file has nothing to load. */
    size_t n = info->n_params ? pick_contexts(args, info, contexts) : 0;
    for (size_t i = 0; i < n; i++) {
        oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT;
        int rc = oa_model_estimate_memory(info->path, &opts, contexts[i], kv_type, &e);
        if (rc < 0) return load_model_fail(rc, info->path);
        info->weights_size = e.weights_size;
        if (memory)
            json_array_append_new(memory, estimate_json(&e, contexts[i], kv));
        else
            print_estimate(&e, contexts[i], kv, i == 0);
    }
    return CLI_OK;
}

static int print_json(const cli_args *args, const oa_model *model, oa_model_info *info)
{
    json_t *o = json_object(), *memory = json_array();
    int code = tell_memory(args, info, memory);
    if (code != CLI_OK) {
        json_decref(o);
        json_decref(memory);
        return code;
    }
    const struct {
        const char *key, *text;
    } texts[] = {{"path", info->path},
                 {"name", info->name},
                 {"architecture", info->architecture},
                 {"license", info->license},
                 {"type", info->type},
                 {"types", info->types},
                 {"tokenizer", info->tokenizer},
                 {"chat_template", info->chat_template},
                 {"cpu", info->cpu}};
    const struct {
        const char *key;
        uint64_t n;
    } counts[] = {{"n_params", info->n_params},
                  {"file_size", info->file_size},
                  {"weights_size", info->weights_size},
                  {"n_layers", info->n_layers},
                  {"d_model", info->d_model},
                  {"d_ff", info->d_ff},
                  {"n_heads", info->n_heads},
                  {"n_heads_kv", info->n_heads_kv},
                  {"d_head", info->d_head},
                  {"n_vocab", info->n_vocab},
                  {"n_ctx_train", info->n_ctx_train},
                  {"n_ctx_short", info->n_ctx_short}};
    const struct {
        const char *key;
        int32_t id;
    } ids[] = {{"bos_id", info->bos_id},
               {"eos_id", info->eos_id},
               {"eot_id", info->eot_id},
               {"unk_id", info->unk_id},
               {"pad_id", info->pad_id}};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
        json_object_set_new(o, texts[i].key, text_or_null(texts[i].text));
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++)
        json_object_set_new(o, counts[i].key, json_integer((json_int_t)counts[i].n));
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++)
        json_object_set_new(o, ids[i].key, ids[i].id < 0 ? json_null() : json_integer(ids[i].id));
    json_object_set_new(o, "add_bos", json_boolean(info->add_bos));
    json_object_set_new(o, "add_eos", json_boolean(info->add_eos));
    json_object_set_new(o, "memory", memory);
    if (args->metadata) json_object_set_new(o, "metadata", metadata_json(model));
    return load_print_json(o, JSON_INDENT(2));
}

static int print_text(const cli_args *args, const oa_model *model, oa_model_info *info)
{
    char line[256], size[32];
    print_row("file", info->path);
    print_row("name", info->name[0] ? info->name : "(none)");
    print_row("architecture", info->architecture);
    snprintf(line, sizeof(line), "%.1f million in %" PRIu32 " layers", (double)info->n_params / 1e6,
             info->n_layers);
    print_row("weights", info->n_params ? line : "none: a vocabulary file");
    print_row("tensors", info->types);
    snprintf(line, sizeof(line), "%s on disk, %" PRIu64 " bytes",
             load_size_text(info->file_size, size), info->file_size);
    print_row("size", line);
    snprintf(line, sizeof(line),
             "d_model %" PRIu32 ", d_ff %" PRIu32 ", %" PRIu32 " heads of %" PRIu32 ", %" PRIu32
             " for keys and values",
             info->d_model, info->d_ff, info->n_heads, info->d_head, info->n_heads_kv);
    print_row("shape", line);
    snprintf(line, sizeof(line), "%" PRIu32 " tokens", info->n_ctx_train);
    print_row("context", line);
    if (info->n_ctx_short) {
        snprintf(line, sizeof(line),
                 "short factors up to %" PRIu32 " tokens, then long ones; --ctx takes one kind",
                 info->n_ctx_short);
        print_row("longrope", line);
    }
    snprintf(line, sizeof(line), "%.200s, %" PRIu32 " tokens", info->tokenizer, info->n_vocab);
    print_row("tokenizer", line);
    if (info->chat_template)
        snprintf(line, sizeof(line), "carried by the file, %zu bytes", strlen(info->chat_template));
    print_row("chat template", info->chat_template ? line : "none: name one with --template");
    print_row("licence", info->license[0] ? info->license : "not stated");
    int code = tell_memory(args, info, NULL);
    if (code == CLI_OK && args->metadata) print_metadata(model);
    return code;
}

int verb_info(cli_args *args)
{
    int code = CLI_OK;
    if (args->n_words > 1) return ui_usage("info", "found '%s', want one model", args->words[1]);
    if (args->n_words && args->model)
        return ui_usage("info", "both --model and '%s' are given", args->words[0]);
    const char *name = args->n_words ? args->words[0] : args->model;
    oa_model *model = load_model(args, name, OA_MODEL_VOCAB_ONLY, &code);
    if (!model) return code;
    oa_model_info info = OA_MODEL_INFO_INIT;
    int rc = oa_model_get_info(model, &info);
    if (rc < 0)
        code = ui_fail(rc, name);
    else
        code = args->json ? print_json(args, model, &info) : print_text(args, model, &info);
    oa_model_free(model);
    return code;
}
