/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which tensor gets which type. A recipe is a list of exceptions to "all matrices get the type";
 * they are those that files of these names have elsewhere, so that a name means the same size and
 * quality as users know it.
 */
#include "model/convert_priv.h"

#include <string.h>

enum mix {
    MIX_NONE,
    MIX_Q2_K,
    MIX_Q3_K_M,
    MIX_Q3_K_L,
    MIX_Q4_K_S,
    MIX_Q4_K_M,
    MIX_Q5_K_M,
    MIX_IQ4,
    MIX_OTHER /* the exceptions of every quantised type only */
};

typedef struct row {
    oa__recipe r;
    enum mix mix;
    bool alias; /* a second name, not listed */
} row;

/* In ascending order of size. */
static const row rows[] = {
    {{"Q2_K", "mostly Q2_K, some Q3_K: small, lossy", OA__Q2_K, 10}, MIX_Q2_K, false},
    {{"Q3_K_S", "Q3_K", OA__Q3_K, 11}, MIX_OTHER, false},
    {{"Q3_K_M", "mostly Q3_K, some Q4_K and Q5_K", OA__Q3_K, 12}, MIX_Q3_K_M, false},
    {{"Q3_K_L", "mostly Q3_K, some Q5_K", OA__Q3_K, 13}, MIX_Q3_K_L, false},
    {{"IQ4_XS", "IQ4_XS: 4 bits on an uneven scale", OA__IQ4_XS, 30}, MIX_IQ4, false},
    {{"IQ4_NL", "IQ4_NL: the same in blocks of 32", OA__IQ4_NL, 25}, MIX_IQ4, false},
    {{"Q4_0", "Q4_0", OA__Q4_0, 2}, MIX_OTHER, false},
    {{"Q4_K_S", "mostly Q4_K, some Q5_K", OA__Q4_K, 14}, MIX_Q4_K_S, false},
    {{"Q4_K_M", "mostly Q4_K, some Q6_K: a good choice", OA__Q4_K, 15}, MIX_Q4_K_M, false},
    {{"Q4_1", "Q4_1", OA__Q4_1, 3}, MIX_OTHER, false},
    {{"Q5_0", "Q5_0", OA__Q5_0, 8}, MIX_OTHER, false},
    {{"Q5_K_S", "Q5_K", OA__Q5_K, 16}, MIX_OTHER, false},
    {{"Q5_K_M", "mostly Q5_K, some Q6_K", OA__Q5_K, 17}, MIX_Q5_K_M, false},
    {{"Q5_1", "Q5_1", OA__Q5_1, 9}, MIX_OTHER, false},
    {{"Q6_K", "Q6_K: hardly a loss", OA__Q6_K, 18}, MIX_OTHER, false},
    {{"Q8_0", "Q8_0: next to no loss", OA__Q8_0, 7}, MIX_OTHER, false},
    {{"F16", "16-bit floats", OA__F16, 1}, MIX_NONE, false},
    {{"BF16", "16-bit floats of 8 bits' precision", OA__BF16, 32}, MIX_NONE, false},
    {{"F32", "32-bit floats", OA__F32, 0}, MIX_NONE, false},
    {{"Q3_K", "", OA__Q3_K, 12}, MIX_Q3_K_M, true},
    {{"Q4_K", "", OA__Q4_K, 15}, MIX_Q4_K_M, true},
    {{"Q5_K", "", OA__Q5_K, 17}, MIX_Q5_K_M, true},
};

enum role { EMBD = 1, OUTPUT = 2, VALUE = 4, KEY = 8, ATTN_OUT = 16, DOWN = 32 };

enum when {
    ALWAYS,
    LAYERS_MORE, /* first and last eighth, and every third between */
    LAYERS_8TH,  /* the first eighth */
    LAYERS_16TH, /* the first sixteenth */
    LAYERS_2,
    LAYERS_4,
    SHARED_4 /* at least four query heads share a key/value head */
};

enum family { ANY, PLAIN, FALCON, EXPERTS_8 /* eight experts per layer */ };

/* The first line that applies wins. */
static const struct rule {
    uint8_t mix, role, when, family;
    uint32_t type;
} rules[] = {
    {MIX_NONE, VALUE | KEY, ALWAYS, EXPERTS_8, OA__Q8_0}, /* of any recipe */
    {MIX_Q2_K, VALUE, SHARED_4, ANY, OA__Q4_K},
    {MIX_Q2_K, VALUE, ALWAYS, ANY, OA__Q3_K},
    {MIX_Q3_K_M, VALUE, LAYERS_2, ANY, OA__Q5_K},
    {MIX_Q3_K_M, VALUE, ALWAYS, ANY, OA__Q4_K},
    {MIX_Q3_K_L, VALUE, ALWAYS, ANY, OA__Q5_K},
    {MIX_Q4_K_S, VALUE, LAYERS_4, ANY, OA__Q5_K},
    {MIX_Q4_K_M, VALUE, LAYERS_MORE, ANY, OA__Q6_K},
    {MIX_Q5_K_M, VALUE, LAYERS_MORE, ANY, OA__Q6_K},
    {MIX_IQ4, VALUE, SHARED_4, ANY, OA__Q5_K},

    {MIX_Q2_K, DOWN, ALWAYS, ANY, OA__Q3_K},
    {MIX_Q3_K_M, DOWN, LAYERS_16TH, ANY, OA__Q5_K},
    {MIX_Q3_K_M, DOWN, ALWAYS, PLAIN, OA__Q4_K},
    {MIX_Q3_K_M, DOWN, LAYERS_MORE, FALCON, OA__Q4_K},
    {MIX_Q3_K_L, DOWN, ALWAYS, PLAIN, OA__Q5_K},
    {MIX_Q3_K_L, DOWN, ALWAYS, FALCON, OA__Q4_K},
    {MIX_Q4_K_S, DOWN, LAYERS_8TH, PLAIN, OA__Q5_K},
    {MIX_Q4_K_M, DOWN, LAYERS_MORE, PLAIN, OA__Q6_K},
    {MIX_Q4_K_M, DOWN, LAYERS_16TH, FALCON, OA__Q6_K},
    {MIX_Q4_K_M, DOWN, LAYERS_MORE, FALCON, OA__Q5_K},
    {MIX_Q5_K_M, DOWN, LAYERS_MORE, ANY, OA__Q6_K},
    {MIX_IQ4, DOWN, LAYERS_8TH, ANY, OA__Q5_K},

    {MIX_Q2_K, ATTN_OUT, ALWAYS, EXPERTS_8, OA__Q5_K},
    {MIX_Q3_K_M, ATTN_OUT, ALWAYS, EXPERTS_8, OA__Q5_K},
    {MIX_Q4_K_S, ATTN_OUT, ALWAYS, EXPERTS_8, OA__Q5_K},
    {MIX_Q4_K_M, ATTN_OUT, ALWAYS, EXPERTS_8, OA__Q5_K},
    {MIX_IQ4, ATTN_OUT, ALWAYS, EXPERTS_8, OA__Q5_K},
    {MIX_Q2_K, ATTN_OUT, ALWAYS, PLAIN, OA__Q3_K},
    {MIX_Q3_K_M, ATTN_OUT, ALWAYS, PLAIN, OA__Q4_K},
    {MIX_Q3_K_L, ATTN_OUT, ALWAYS, PLAIN, OA__Q5_K},
    {MIX_Q3_K_L, ATTN_OUT, ALWAYS, FALCON, OA__Q4_K},
};

int oa_convert_get_type(size_t index, const char **name, const char **help)
{
    if (name == NULL) return oa__err(OA_EINVAL, "name is NULL");
    *name = NULL;
    if (help != NULL) *help = NULL;
    if (index >= OA__ARRAY_LEN(rows) || rows[index].alias)
        return oa__err(OA_ENOTFOUND, "there is no type %zu", index);
    *name = rows[index].r.name;
    if (help != NULL) *help = rows[index].r.help;
    return OA_OK;
}

static char upper(char c)
{
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

const oa__recipe *oa__recipe_find(const char *name)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(rows); i++) {
        const char *want = rows[i].r.name;
        size_t n = 0;
        while (name[n] && want[n] && upper(name[n]) == want[n])
            n++;
        if (!name[n] && !want[n]) return &rows[i].r;
    }
    oa__str list = {0};
    for (size_t i = 0; i < OA__ARRAY_LEN(rows) && !rows[i].alias; i++) {
        if (oa__str_add_char(&list, ' ') < 0) break;
        if (oa__str_add_z(&list, rows[i].r.name) < 0) break;
    }
    oa__err(OA_EINVAL, "type \"%s\" is not known, want one of%s", name,
            list.data ? list.data : " them");
    oa__str_free(&list);
    return NULL;
}

static int read_u32(const oa__gguf *g, const char *arch, size_t arch_len, const char *what,
                    uint32_t none, uint32_t *out)
{
    oa__str key = {0};
    uint64_t v = none;
    uint32_t type;
    size_t n;
    int rc = oa__str_addf(&key, "%.*s.%s", (int)arch_len, arch, what);
    /* a value per layer says nothing here */
    if (rc == OA_OK && oa__gguf_has(g, key.data) &&
        oa__gguf_array_type(g, key.data, &type, &n) != OA_OK)
        rc = oa__gguf_u64(g, key.data, &v);
    oa__str_free(&key);
    *out = v < UINT32_MAX ? (uint32_t)v : UINT32_MAX;
    return rc;
}

int oa__recipe_model_read(oa__recipe_model *m, const oa__gguf *g)
{
    const char *arch = "";
    size_t len = 0;
    uint32_t heads, heads_kv;
    if (oa__gguf_has(g, "general.architecture"))
        OA__TRY(oa__gguf_str(g, "general.architecture", &arch, &len));
    if (len > 64) len = 64;
    OA__TRY(read_u32(g, arch, len, "block_count", 0, &m->n_layers));
    OA__TRY(read_u32(g, arch, len, "expert_count", 0, &m->n_experts));
    OA__TRY(read_u32(g, arch, len, "attention.head_count", 1, &heads));
    OA__TRY(read_u32(g, arch, len, "attention.head_count_kv", heads, &heads_kv));
    m->n_shared = heads_kv > 0 ? heads / heads_kv : 1;
    m->falcon = len == 6 && memcmp(arch, "falcon", 6) == 0;
    m->tied = oa__gguf_tensor_find(g, "output.weight") == NULL &&
              oa__gguf_tensor_find(g, "cls.output.weight") == NULL;
    return OA_OK;
}

static bool ends(const char *name, const char *tail)
{
    const size_t n = strlen(name), k = strlen(tail);
    return n >= k && strcmp(name + n - k, tail) == 0;
}

bool oa__recipe_takes(const oa__gguf_tensor *t)
{
    static const char *const not_these[] = {
        "_norm.weight",         "ffn_gate_inp.weight", "ffn_gate_inp_shexp.weight",
        "position_embd.weight", "token_types.weight",  "rope_freqs.weight",
        "attn_rel_b.weight",    "cls.weight",          "cls.output.weight"};
    if (t->dims[1] * t->dims[2] * t->dims[3] <= 1 || !ends(t->name, ".weight")) return false;
    for (size_t i = 0; i < OA__ARRAY_LEN(not_these); i++)
        if (ends(t->name, not_these[i])) return false;
    return true;
}

static unsigned role_of(const char *name, const oa__recipe_model *m)
{
    if (strcmp(name, "output.weight") == 0) return OUTPUT;
    if (strcmp(name, "token_embd.weight") == 0) return m->tied ? OUTPUT : EMBD;
    if (strstr(name, "attn_v.weight") || strstr(name, "attn_qkv.weight")) return VALUE;
    if (strstr(name, "attn_k.weight")) return KEY;
    if (strstr(name, "attn_output.weight")) return ATTN_OUT;
    return strstr(name, "ffn_down") ? DOWN : 0;
}

static uint32_t layer_of(const char *name)
{
    uint64_t n = 0;
    if (strncmp(name, "blk.", 4) != 0) return 0;
    for (const char *c = name + 4; *c >= '0' && *c <= '9' && n < UINT32_MAX / 10; c++)
        n = n * 10 + (uint64_t)(*c - '0');
    return (uint32_t)n;
}

static bool applies(enum when when, const oa__recipe_model *m, uint64_t i)
{
    const uint64_t n = m->n_layers;
    switch (when) {
    case LAYERS_MORE:
        return i < n / 8 || i >= 7 * n / 8 || (i - n / 8) % 3 == 2;
    case LAYERS_8TH:
        return i < n / 8;
    case LAYERS_16TH:
        return i < n / 16;
    case LAYERS_2:
        return i < 2;
    case LAYERS_4:
        return i < 4;
    case SHARED_4:
        return m->n_shared >= 4;
    default:
        return true;
    }
}

uint32_t oa__recipe_type(const oa__recipe *r, const oa__recipe_model *m, bool pure,
                         const oa__gguf_tensor *t)
{
    const row *w = (const row *)r; /* the recipe is its first member */
    const unsigned role = role_of(t->name, m);
    if (pure || w->mix == MIX_NONE || role == 0 || role == EMBD) return r->type;
    if (role == OUTPUT) {
        const oa__type_info *info = oa__type_get(r->type);
        if (m->falcon || t->dims[0] % info->block_len) return OA__Q8_0;
        return r->type == OA__Q8_0 ? OA__Q8_0 : OA__Q6_K;
    }
    for (size_t i = 0; i < OA__ARRAY_LEN(rules); i++) {
        const struct rule *u = &rules[i];
        const bool family =
            u->family == ANY || (u->family == EXPERTS_8 && m->n_experts == 8) ||
            (u->family == FALCON && m->falcon) ||
            (u->family == PLAIN && !m->falcon && (m->n_experts != 8 || role != ATTN_OUT));
        if ((u->mix == MIX_NONE || u->mix == w->mix) && (u->role & role) && family &&
            applies(u->when, m, layer_of(t->name)))
            return u->type;
    }
    return r->type;
}

uint32_t oa__recipe_fallback(uint32_t type, uint64_t n)
{
    const oa__type_info *t = oa__type_get(type);
    if (n % t->block_len == 0) return type;
    if (t->block_len > 32 && n % 32 == 0) {
        switch (type) {
        case OA__Q4_K:
            return OA__Q5_0;
        case OA__Q5_K:
            return OA__Q5_1;
        case OA__Q6_K:
            return OA__Q8_0;
        default:
            return OA__IQ4_NL;
        }
    }
    return OA__F16;
}
