/* SPDX-License-Identifier: Apache-2.0 */
/* openassistant tokenize: text to ids and back, one text or one per line. */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

/* `where` in what follows is "line N: " or nothing. */
static int fail_at(int rc, const char *where)
{
    const char *reason = oa_error_last();
    ui_error("%s%s", where, reason[0] ? reason : oa_error_text(rc));
    return CLI_FAILED;
}

/* Buffers that grow with the longest text. */
typedef struct ids_buffer {
    int32_t *ids;
    size_t n, cap;
} ids_buffer;

static int encode(const oa_model *model, const cli_args *args, const char *text, size_t len,
                  ids_buffer *out)
{
    uint32_t flags = args->special ? OA_TOKENIZE_SPECIAL : 0;
    if (!args->bos || args->no_bos) flags |= OA_TOKENIZE_NO_BOS;
    if (!args->bos) flags |= OA_TOKENIZE_NO_EOS;
    /* Most texts have fewer tokens than bytes, so that one call suffices. */
    if (out->cap < len + 16) {
        int32_t *grown = realloc(out->ids, (len + 16) * 2 * sizeof(*grown));
        if (!grown) return OA_ENOMEM;
        out->ids = grown;
        out->cap = (len + 16) * 2;
    }
    int rc = oa_model_tokenize(model, text, len, flags, out->ids, out->cap, &out->n);
    if (rc != OA_ELIMIT || out->n <= out->cap) return rc;
    int32_t *grown = realloc(out->ids, out->n * sizeof(*grown));
    if (!grown) return OA_ENOMEM;
    out->ids = grown;
    out->cap = out->n;
    return oa_model_tokenize(model, text, len, flags, out->ids, out->cap, &out->n);
}

static void print_ids(const ids_buffer *b, bool json)
{
    if (json) putchar('[');
    for (size_t i = 0; i < b->n; i++)
        printf(i ? (json ? ",%d" : " %d") : "%d", (int)b->ids[i]);
    puts(json ? "]" : "");
}

/* Read ids from text: decimal numbers with anything but letters between, so that both
 * "1 2 3" and "[1,2,3]" do. */
static int read_ids(const char *text, size_t len, const char *where, ids_buffer *out)
{
    const char *c = text, *end = text + len;
    while (c < end) {
        if (strchr(" \t\r\n,[]", *c) && *c) {
            c++;
            continue;
        }
        long v = 0;
        const char *first = c;
        while (c < end && *c >= '0' && *c <= '9' && v <= INT32_MAX)
            v = v * 10 + (*c++ - '0');
        if (c == first || v > INT32_MAX) {
            ui_error("%sfound '%.*s' where a token id was wanted", where,
                     (int)(end - first < 16 ? strcspn(first, "\r\n") : 16), first);
            return CLI_FAILED;
        }
        if (out->n == out->cap) {
            size_t cap = out->cap ? out->cap * 2 : 256;
            int32_t *grown = realloc(out->ids, cap * sizeof(*grown));
            if (!grown) {
                ui_error("out of memory");
                return CLI_FAILED;
            }
            out->ids = grown;
            out->cap = cap;
        }
        out->ids[out->n++] = (int32_t)v;
    }
    return CLI_OK;
}

static int decode(const oa_model *model, const cli_args *args, const char *where,
                  const ids_buffer *b)
{
    uint32_t flags = args->special ? OA_DETOKENIZE_SPECIAL : 0;
    size_t len = 0;
    int rc = oa_model_detokenize(model, b->ids, b->n, flags, NULL, 0, &len);
    char *text = rc == OA_OK ? malloc(len + 1) : NULL;
    if (rc == OA_OK && !text) rc = OA_ENOMEM;
    if (rc == OA_OK) rc = oa_model_detokenize(model, b->ids, b->n, flags, text, len + 1, &len);
    int code = CLI_OK;
    if (rc < 0)
        code = fail_at(rc, where);
    else if (args->json || args->jsonl)
        code = load_print_json(load_json_text(text, len), JSON_ENCODE_ANY | JSON_COMPACT);
    else
        ui_text(text, len, NULL);
    if (rc == OA_OK && ui_is_tty(stdout)) ui_text_end();
    free(text);
    return code;
}

/* One line of --jsonl. */
typedef struct line_user {
    const oa_model *model;
    const cli_args *args;
    ids_buffer b;
} line_user;

static int do_line(void *user, const char *line, size_t len, uint64_t number)
{
    line_user *u = user;
    const oa_model *model = u->model;
    const cli_args *args = u->args;
    ids_buffer *b = &u->b;
    json_error_t error;
    json_t *value = json_loadb(line, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &error);
    int code = CLI_OK;
    char where[32];
    snprintf(where, sizeof(where), "line %llu: ", (unsigned long long)number);
    if (!value || (args->decode ? !json_is_array(value) : !json_is_string(value))) {
        ui_error("%swant a JSON %s%s%s", where, args->decode ? "array of ids" : "string",
                 value ? "" : ": ", value ? "" : error.text);
        code = CLI_FAILED;
    } else if (args->decode) {
        /* A valid array; read_ids() tells what is no id. */
        b->n = 0;
        code = read_ids(line, len, where, b);
        if (code == CLI_OK) code = decode(model, args, where, b);
    } else {
        int rc = encode(model, args, json_string_value(value), json_string_length(value), b);
        if (rc == OA_OK)
            print_ids(b, true);
        else
            code = fail_at(rc, where);
    }
    json_decref(value);
    return code;
}

static int do_lines(const oa_model *model, const cli_args *args)
{
    line_user u = {.model = model, .args = args};
    const int code = load_lines(args->file, do_line, &u);
    free(u.b.ids);
    return code;
}

static int do_text(const oa_model *model, const cli_args *args)
{
    size_t len = 0;
    int code = CLI_OK;
    char *text = load_prompt(args, "tokenize", &len, &code);
    if (!text) return code;
    ids_buffer b = {0};
    code = CLI_OK;
    if (args->decode) {
        code = read_ids(text, len, "", &b);
        if (code == CLI_OK) code = decode(model, args, "", &b);
    } else {
        int rc = encode(model, args, text, len, &b);
        if (rc == OA_OK)
            print_ids(&b, args->json);
        else
            code = ui_fail(rc, NULL);
    }
    free(b.ids);
    free(text);
    return code;
}

int verb_tokenize(cli_args *args)
{
    int code = CLI_OK;
    if (args->jsonl && args->n_words && !(args->n_words == 1 && strcmp(args->words[0], "-") == 0))
        return ui_usage("tokenize", "--jsonl reads lines, found '%s'", args->words[0]);
    if (args->model && args->tokenizer)
        return ui_usage("tokenize", "both --model and --tokenizer are given");
    const char *name = args->tokenizer ? args->tokenizer : args->model;
    oa_model *model = load_model(args, name, OA_MODEL_VOCAB_ONLY, &code);
    if (!model) return code;
    code = args->jsonl ? do_lines(model, args) : do_text(model, args);
    oa_model_free(model);
    return code;
}
