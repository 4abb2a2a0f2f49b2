/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A folder as PEFT writes it, as a virtual GGUF adapter. Its tensors are called
 * "base_model.model." + the matrix's name in the base model + ".lora_A.weight" or ".lora_B.weight";
 * B's rows are those of the matrix, so they are laid out as the matrix's are.
 */
#include "model/adapter.h"
#include "model/hf.h"

#include <math.h>
#include <string.h>

#define PREFIX "base_model.model."
enum { MAX_RANK = 1 << 20 };

/* What would change the numbers, and has to be as it is when nobody asked for it. */
static int refuse_extras(const json_t *config)
{
    static const char *const flags[] = {"use_dora",
                                        "use_bdlora",
                                        "lora_bias",
                                        "alpha_pattern",
                                        "layer_replication",
                                        "modules_to_save",
                                        "trainable_token_indices",
                                        "corda_config",
                                        "arrow_config"};
    for (size_t i = 0; i < OA__ARRAY_LEN(flags); i++) {
        if (oa__hf_truthy(oa__hf_get(config, flags[i]))) {
            return oa__err(OA_EUNSUPPORTED, "adapter_config.json: %s is not supported", flags[i]);
        }
    }
    const char *type = NULL, *bias = "none";
    OA__TRY(oa__hf_str(config, "peft_type", &type, NULL));
    if (type == NULL || strcmp(type, "LORA") != 0) {
        return oa__err(OA_EUNSUPPORTED, "adapter_config.json: peft_type is %.40s, want LORA",
                       type != NULL ? type : "missing");
    }
    OA__TRY(oa__hf_str(config, "bias", &bias, NULL));
    if (bias != NULL && strcmp(bias, "none") != 0) {
        return oa__err(OA_EUNSUPPORTED, "adapter_config.json: bias is %.40s, want none", bias);
    }
    return OA_OK;
}

/* Scales of rank-stabilised adapters are alpha / sqrt(rank), which is one alpha for one rank. */
static int read_alpha(const json_t *config, float *alpha)
{
    double a = 0;
    uint32_t rank = 0;
    bool found, stable = false;
    OA__TRY(oa__hf_f64(config, "lora_alpha", 1e-6, 1e9, &a, &found));
    if (!found) return oa__err(OA_EFORMAT, "adapter_config.json: lora_alpha is missing");
    OA__TRY(oa__hf_u32(config, "r", 1, MAX_RANK, &rank, &found));
    if (!found) return oa__err(OA_EFORMAT, "adapter_config.json: r is missing");
    OA__TRY(oa__hf_bool(config, "use_rslora", &stable, NULL));
    if (stable && oa__hf_truthy(oa__hf_get(config, "rank_pattern"))) {
        return oa__err(OA_EUNSUPPORTED,
                       "adapter_config.json: use_rslora with a rank_pattern is not "
                       "supported");
    }
    *alpha = (float)(stable ? a * sqrt((double)rank) : a);
    return OA_OK;
}

/* The scale is alpha over the tensors' rank: one that the configuration does not tell is damage. */
static int check_rank(const json_t *config, const oa__st_tensor *t)
{
    uint32_t rank = 0;
    OA__TRY(oa__hf_u32(config, "r", 1, MAX_RANK, &rank, NULL));
    if (t->n_dims != 2 || t->dims[0] == rank) return OA_OK;
    /* Its keys are regexes: any of the ranks will do. */
    const char *key;
    json_t *v;
    json_object_foreach(json_object_get(config, "rank_pattern"), key, v)
    {
        if (json_is_integer(v) && (uint64_t)json_integer_value(v) == t->dims[0]) return OA_OK;
    }
    return oa__err(OA_EFORMAT, "tensor %.128s: rank %llu, adapter_config.json says %u", t->name,
                   (unsigned long long)t->dims[0], rank);
}

static int add(oa__hf *h, const oa__st_tensor *t, uint32_t recipe, const char *name)
{
    oa__part parts[3] = {{.from = t}};
    if (t->n_dims != 2) {
        return oa__err(OA_EFORMAT, "tensor %.128s: %u dimensions, want 2", t->name, t->n_dims);
    }
    const uint64_t dims[2] = {t->dims[1], t->dims[0]};
    const size_t n = oa__hf_parts(h, recipe, t, parts);
    h->used[t - oa__safetensors_at(h->st, 0)] = true;
    return oa__assembly_add(h->assembly, h->w, name, t->known ? t->type : OA__F32, 2, dims, parts,
                            n, 0);
}

/* The pair of one matrix, when the folder has it. */
static int add_pair(oa__hf *h, const oa__hf_tensor *row, uint32_t layer)
{
    static const struct {
        const char *from, *to;
    } halves[] = {{".lora_A.weight", ".weight.lora_a"}, {".lora_B.weight", ".weight.lora_b"}};
    char from[OA__HF_NAME_SIZE], to[OA__HF_NAME_SIZE];
    memcpy(from, PREFIX, sizeof PREFIX);
    for (size_t i = 0; i < 2; i++) {
        char name[OA__HF_NAME_SIZE];
        oa__hf_expand(name, row->from, layer, 0, halves[i].from);
        if (strlen(name) + sizeof PREFIX > sizeof from) continue;
        memcpy(from + sizeof PREFIX - 1, name, strlen(name) + 1);
        const oa__st_tensor *t = oa__safetensors_find(h->st, from);
        if (t == NULL || h->used[t - oa__safetensors_at(h->st, 0)]) continue;
        if (i == 0) OA__TRY(check_rank(h->config, t));
        /* The halves of a transposed matrix are as those of any other. */
        const bool as_is = i == 0 || row->recipe == OA__HF_TRANSPOSE;
        oa__hf_expand(to, row->to, layer, 0, halves[i].to);
        OA__TRY(add(h, t, as_is ? OA__HF_AS_IS : row->recipe, to));
    }
    return OA_OK;
}

static int add_tensors(oa__hf *h, const char *arch)
{
    const size_t n = oa__safetensors_count(h->st);
    h->used = oa__alloc_array(h->mem, n, sizeof *h->used);
    if (h->used == NULL) return OA_ENOMEM;
    /* Families of one architecture share most names; each tensor is taken once. */
    for (size_t f = 0; (h->family = oa__hf_family_of(arch, f)) != NULL; f++) {
        for (uint32_t layer = 0; layer < h->n_layers; layer++) {
            for (size_t i = 0; i < h->family->n_tensors; i++) {
                const oa__hf_tensor *row = &h->family->tensors[i];
                const bool one = strchr(row->from, '%') != NULL && strchr(row->from, '#') == NULL;
                if (one) OA__TRY(add_pair(h, row, layer));
            }
        }
    }
    for (size_t i = 0; i < n; i++) {
        if (h->used[i]) continue;
        return oa__err(OA_EUNSUPPORTED, "tensor %.128s adapts nothing that can be adapted in %s",
                       oa__safetensors_at(h->st, i)->name, arch);
    }
    return OA_OK;
}

static int write_keys(oa__hf *h, const char *arch)
{
    float alpha = 0;
    OA__TRY(refuse_extras(h->config));
    OA__TRY(read_alpha(h->config, &alpha));
    OA__TRY(oa__gguf_writer_str(h->w, "general.architecture", arch, strlen(arch)));
    OA__TRY(oa__gguf_writer_str(h->w, "general.type", "adapter", 7));
    OA__TRY(oa__gguf_writer_str(h->w, "adapter.type", "lora", 4));
    return oa__gguf_writer_f32(h->w, "adapter.lora.alpha", alpha);
}

int oa__hf_adapter_open(oa__gguf **out, oa__mem *mem, const char *arch, size_t arch_len,
                        const oa__hparams *hp, const char *folder)
{
    char name[65]; /* hparams.c knows no longer ones */
    oa__hf h = {.mem = mem,
                .folder = folder,
                .n_layers = hp->n_layers,
                .n_heads = hp->n_heads,
                .n_heads_kv = hp->n_heads_kv};
    oa__safetensors *st = NULL;
    int rc;
    *out = NULL;
    if (arch_len >= sizeof name || hp->n_heads == 0 || hp->n_heads_kv == 0) {
        return oa__err(OA_EFORMAT, "the model has no heads, or a name of %zu bytes", arch_len);
    }
    memcpy(name, arch, arch_len);
    name[arch_len] = '\0';
    OA__TRY_GOTO(oa__hf_read_json(&h, "adapter_config.json", &h.config));
    OA__TRY_GOTO(oa__gguf_writer_new(&h.w, mem));
    OA__TRY_GOTO(oa__hf_of_file(write_keys(&h, name), "adapter_config.json"));
    OA__TRY_GOTO(oa__safetensors_open_folder(&st, mem, folder, "adapter_model", false));
    OA__TRY_GOTO(oa__assembly_new(&h.assembly, mem, st));
    h.st = st;
    st = NULL;
    OA__TRY_GOTO(add_tensors(&h, name));
    OA__TRY_GOTO(oa__assembly_finish(h.assembly, h.w, out));
    h.assembly = NULL;
fail:
    oa__safetensors_free(st);
    json_decref(h.config);
    oa__free(mem, h.used);
    oa__assembly_free(h.assembly);
    oa__gguf_writer_free(h.w);
    return rc;
}
