/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a Hugging Face folder as a virtual GGUF file. */
#include "model/hf.h"

#include <string.h>

#include "model/model.h"

enum { MAX_CARD = 1 << 20 };

static void close_hf(oa__hf *h)
{
    json_decref(h->config);
    json_decref(h->generation);
    oa__free(h->mem, h->used);
    oa__assembly_free(h->assembly);
    oa__gguf_writer_free(h->w);
}

/* The config of a larger model's text model, with what stands beside it and what Gemma 3's leave
 * out because it is the default. */
static int take_text_config(oa__hf *h)
{
    static const struct {
        const char *name;
        double value;
    } defaults[] = {
        {"vocab_size", 262208},   {"num_attention_heads", 8}, {"num_key_value_heads", 4},
        {"head_dim", 256},        {"rms_norm_eps", 1e-6},     {"max_position_embeddings", 131072},
        {"sliding_window", 4096},
    };
    json_t *text = json_object_get(h->config, "text_config");
    if (!json_is_object(text)) return oa__err(OA_EFORMAT, "config.json: text_config is missing");
    json_t *whole = json_copy(text);
    int failed = whole == NULL || json_object_update_missing(whole, h->config) < 0;
    for (size_t i = 0; i < OA__ARRAY_LEN(defaults) && !failed; i++) {
        const double v = defaults[i].value;
        if (json_object_get(whole, defaults[i].name) != NULL) continue;
        json_t *n = v < 1 ? json_real(v) : json_integer((json_int_t)v);
        failed = json_object_set_new(whole, defaults[i].name, n) < 0;
    }
    if (failed) {
        json_decref(whole);
        return oa__err_nomem(0);
    }
    json_decref(h->config);
    h->config = whole;
    return OA_OK;
}

static int find_family(oa__hf *h)
{
    const char *type = NULL;
    OA__TRY(oa__hf_str(h->config, "model_type", &type, NULL));
    if (type == NULL) return oa__err(OA_EFORMAT, "config.json: model_type is missing");
    h->family = oa__hf_family_find(type);
    if (h->family == NULL) return oa__hf_family_unknown(type);
    return h->family->outer != NULL ? take_text_config(h) : OA_OK;
}

/* What a folder without weights holds. */
static const char no_weights[] = "\x02\0\0\0\0\0\0\0{}";

static int open_weights(oa__hf *h, bool header_only)
{
    static const char *const others[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                         "tf_model.h5", "consolidated.safetensors"};
    oa__safetensors *st;
    int rc = oa__safetensors_open_folder(&st, h->mem, h->folder, "model", h->no_mmap);
    if (rc == OA_ENOTFOUND && header_only) {
        rc = oa__safetensors_open_memory(&st, h->mem, no_weights, sizeof no_weights - 1);
    } else if (rc == OA_ENOTFOUND) {
        rc = oa__err(OA_EFORMAT, "folder has no model.safetensors");
        for (size_t i = 0; i < OA__ARRAY_LEN(others); i++) {
            oa__str path = {.mem = h->mem};
            OA__TRY(oa__str_addf(&path, "%s/%s", h->folder, others[i]));
            if (oa__file_exists(path.data)) {
                rc = oa__err(OA_EUNSUPPORTED, "folder has %s, want model.safetensors", others[i]);
            }
            oa__str_free(&path);
        }
    }
    OA__TRY(rc);
    rc = oa__assembly_new(&h->assembly, h->mem, st);
    if (rc < 0) {
        oa__safetensors_free(st);
        return rc;
    }
    h->st = st;
    return OA_OK;
}

/* --- what is said about the model --------------------------------------------------------------
 */

/* The last part of a hub's name; a path of somebody's machine is no name. */
static int write_name(oa__hf *h)
{
    const char *name = NULL;
    const json_t *v = oa__hf_get(h->config, "_name_or_path");
    if (json_is_string(v)) name = json_string_value(v);
    if (name == NULL || name[0] == '/' || name[0] == '.') return OA_OK;
    const char *slash = strrchr(name, '/');
    if (slash != NULL) name = slash + 1;
    return name[0] != '\0' ? oa__gguf_writer_str(h->w, "general.name", name, strlen(name)) : OA_OK;
}

/* "license: mit" among the lines between "---" at the top of a model card. */
static int write_license(oa__hf *h)
{
    static const char member[] = "\nlicense:";
    oa__str path = {.mem = h->mem};
    char *text = NULL;
    size_t len;
    int rc = oa__str_addf(&path, "%s/README.md", h->folder);
    if (rc == OA_OK) rc = oa__file_read(h->mem, path.data, MAX_CARD, &text, &len);
    oa__str_free(&path);
    if (rc == OA_ENOMEM) return rc;
    /* A card that is not there or too long says nothing. */
    if (rc < 0 || text == NULL) return OA_OK;
    char *end = strncmp(text, "---\n", 4) == 0 ? strstr(text + 3, "\n---") : NULL;
    if (end != NULL) *end = '\0';
    const char *at = end != NULL ? strstr(text + 3, member) : NULL;
    if (at != NULL) {
        at += sizeof member - 1;
        at += strspn(at, " ");
        const size_t n = strcspn(at, " \r\n");
        if (n > 0 && oa__utf8_valid(at, n)) {
            rc = oa__gguf_writer_str(h->w, "general.license", at, n);
        }
    }
    oa__free(h->mem, text);
    return rc;
}

/* Sampling is said where the model is meant to be sampled from. */
static int write_sampling(oa__hf *h)
{
    static const struct {
        const char *name, *key;
        double max;
    } values[] = {
        {"temperature", "general.sampling.temp", 100},
        {"top_p", "general.sampling.top_p", 1},
        {"min_p", "general.sampling.min_p", 1},
        {"repetition_penalty", "general.sampling.penalty_repeat", 100},
    };
    bool found;
    uint32_t top_k = 0;
    if (!oa__hf_truthy(oa__hf_get(h->generation, "do_sample"))) return OA_OK;
    for (size_t i = 0; i < OA__ARRAY_LEN(values); i++) {
        double v = 0;
        OA__TRY(oa__hf_f64(h->generation, values[i].name, 0, values[i].max, &v, &found));
        if (found) OA__TRY(oa__gguf_writer_f32(h->w, values[i].key, (float)v));
    }
    OA__TRY(oa__hf_u32(h->generation, "top_k", 0, INT32_MAX, &top_k, &found));
    return found ? oa__gguf_writer_i32(h->w, "general.sampling.top_k", (int32_t)top_k) : OA_OK;
}

static int read_optional(oa__hf *h, const char *name, json_t **out)
{
    const int rc = oa__hf_read_json(h, name, out);
    return rc == OA_ENOTFOUND ? OA_OK : rc;
}

int oa__hf_open(oa__gguf **out, oa__mem *mem, const char *folder, bool no_mmap, bool header_only)
{
    oa__hf h = {.mem = mem, .folder = folder, .no_mmap = no_mmap};
    int rc;
    *out = NULL;
    OA__TRY_GOTO(oa__hf_read_json(&h, "config.json", &h.config));
    OA__TRY_GOTO(find_family(&h));
    OA__TRY_GOTO(read_optional(&h, "generation_config.json", &h.generation));
    OA__TRY_GOTO(oa__gguf_writer_new(&h.w, mem));
    OA__TRY_GOTO(open_weights(&h, header_only));
    OA__TRY_GOTO(oa__hf_keys(&h));
    OA__TRY_GOTO(write_name(&h));
    OA__TRY_GOTO(write_license(&h));
    OA__TRY_GOTO(oa__hf_of_file(write_sampling(&h), "generation_config.json"));
    if (oa__safetensors_count(h.st) > 0 || !header_only) OA__TRY_GOTO(oa__hf_tensors(&h));
    OA__TRY_GOTO(oa__hf_tokenizer(&h));
    OA__TRY_GOTO(oa__assembly_finish(h.assembly, h.w, out));
    h.assembly = NULL;
fail:
    close_hf(&h);
    return rc;
}
