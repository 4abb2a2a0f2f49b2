/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The parameters: their table, setting, reading.
 */
#include "sample/sample_priv.h"

#include <string.h>

typedef struct param_row {
    const char *key, *help, *default_text;
    double min_value, max_value, default_value;
    uint32_t type;
} param_row;

static const param_row table[OA__N_PARAMS] = {
#define ROW(name, key, type, min, max, def, def_text, help)                                        \
    {key, help, def_text, min, max, def, OA_PARAM_##type},
    OA__PARAM_MAP(ROW)
#undef ROW
};

static const char *const stage_names[OA__N_STAGES] = {
    "bias", "penalties", "dry", "top_k", "typical_p", "top_p", "min_p", "xtc", "temperature"};

/* The index of a key, or an error code. */
static int find(const char *key)
{
    if (!key) return oa__err(OA_EINVAL, "sampler parameter is NULL, want a name");
    for (int i = 0; i < OA__N_PARAMS; i++)
        if (strcmp(table[i].key, key) == 0) return i;
    return oa__err(OA_ENOTFOUND, "no sampler parameter \"%.60s\"", key);
}

int oa_sampler_get_param(size_t index, oa_param *param)
{
    if (!param) return oa__err(OA_EINVAL, "parameter struct is NULL");
    if (index >= OA__N_PARAMS)
        return oa__err(OA_ENOTFOUND, "no sampler parameter %zu, there are %d", index, OA__N_PARAMS);
    const param_row *row = &table[index];
    const oa_param full = {.size = sizeof full,
                           .key = row->key,
                           .help = row->help,
                           .default_text = row->default_text,
                           .min_value = row->min_value,
                           .max_value = row->max_value,
                           .default_value = row->default_value,
                           .type = row->type};
    return oa__opts_write(param, &full, sizeof full, sizeof full);
}

static int out_of_range(const param_row *row)
{
    char lo[32], hi[32];
    oa__format_f64(row->min_value, false, lo);
    oa__format_f64(row->max_value, false, hi);
    return oa__err(OA_EINVAL, "%s out of range, want %s to %s", row->key, lo, hi);
}

/* A whole double as text without a point or exponent. */
static size_t format_int(double v, char buf[32])
{
    char digits[32];
    size_t n = 0, len = 0;
    uint64_t u = (uint64_t)(v < 0 ? -v : v);
    do {
        digits[n++] = (char)('0' + u % 10);
        u /= 10;
    } while (u);
    if (v < 0) buf[len++] = '-';
    while (n)
        buf[len++] = digits[--n];
    buf[len] = '\0';
    return len;
}

static int set_number(oa_sampler *s, int i, double value)
{
    const param_row *row = &table[i];
    if (row->type == OA_PARAM_TEXT)
        return oa__err(OA_EINVAL, "%s is a text, not a number", row->key);
    if (!(value >= row->min_value && value <= row->max_value)) return out_of_range(row);
    if (row->type == OA_PARAM_INT && value != (double)(int64_t)value)
        return oa__err(OA_EINVAL, "%s is not whole, want a whole number", row->key);
    if (i == OA__PARAM_MIROSTAT && value == 1)
        return oa__err(OA_EINVAL, "mirostat 1 is not there, want 0 or 2");
    s->value[i] = value + 0.0; /* minus zero becomes zero */
    if (i == OA__PARAM_SEED) oa__sampler_restart(s);
    if (i == OA__PARAM_MIROSTAT || i == OA__PARAM_MIROSTAT_TAU)
        s->mu = 2 * s->value[OA__PARAM_MIROSTAT_TAU];
    return OA_OK;
}

int oa__stages_parse(const char *text, uint8_t order[OA__N_STAGES], uint32_t *n_order)
{
    uint8_t found[OA__N_STAGES];
    uint32_t n = 0;
    const char *p = text;
    while (*p) {
        size_t len = strcspn(p, ";");
        const char *name = p;
        size_t name_len = len;
        while (name_len && *name == ' ')
            name++, name_len--;
        while (name_len && name[name_len - 1] == ' ')
            name_len--;
        uint8_t stage = 0;
        while (stage < OA__N_STAGES && (strlen(stage_names[stage]) != name_len ||
                                        memcmp(stage_names[stage], name, name_len) != 0))
            stage++;
        if (stage == OA__N_STAGES)
            return oa__err(OA_EINVAL, "order: unknown stage \"%.*s\"",
                           name_len > 60 ? 60 : (int)name_len, name);
        for (uint32_t i = 0; i < n; i++)
            if (found[i] == stage)
                return oa__err(OA_EINVAL, "order: stage \"%s\" is there twice", stage_names[stage]);
        found[n++] = stage;
        p += len;
        if (*p == ';') p++;
    }
    memcpy(order, found, n);
    *n_order = n;
    return OA_OK;
}

static int set_order(oa_sampler *s, const char *text)
{
    uint8_t order[OA__N_STAGES];
    uint32_t n = 0;
    OA__TRY(oa__stages_parse(text, order, &n));
    char *copy = oa__strndup(s->mem, text, strlen(text));
    if (!copy) return OA_ENOMEM;
    oa__free(s->mem, s->order_text);
    s->order_text = copy;
    memcpy(s->order, order, n);
    s->n_order = n;
    return OA_OK;
}

/* Sift down, for sorting breakers: ids, the largest on top. */
static void sift(int32_t *ids, size_t i, size_t n)
{
    for (size_t child; (child = 2 * i + 1) < n; i = child) {
        if (child + 1 < n && ids[child + 1] > ids[child]) child++;
        if (ids[i] >= ids[child]) return;
        int32_t t = ids[i];
        ids[i] = ids[child];
        ids[child] = t;
    }
}

static void sort_ids(int32_t *ids, size_t n)
{
    for (size_t i = n / 2; i-- > 0;)
        sift(ids, i, n);
    for (size_t end = n; end > 1; end--) {
        int32_t t = ids[0];
        ids[0] = ids[end - 1];
        ids[end - 1] = t;
        sift(ids, 0, end - 1);
    }
}

static int set_breakers(oa_sampler *s, const char *text)
{
    int rc = OA_OK;
    int32_t *ids = NULL;
    size_t n = 0, cap = 0;
    char *copy = oa__strndup(s->mem, text, strlen(text));
    if (!copy) return OA_ENOMEM;
    for (const char *p = text + strspn(text, " ,"); *p; p += strspn(p, " ,")) {
        size_t len = strcspn(p, " ,");
        int64_t id = -1;
        if (oa__parse_i64(p, len, &id) < 0 || id < 0 || id > INT32_MAX) {
            rc = oa__err(OA_EINVAL, "dry_breakers: \"%.*s\" is no token id",
                         len > 60 ? 60 : (int)len, p);
            goto fail;
        }
        OA__TRY_GOTO(oa__grow(s->mem, (void **)&ids, &cap, n + 1, sizeof *ids));
        ids[n++] = (int32_t)id;
        p += len;
    }
    sort_ids(ids, n);
    oa__free(s->mem, s->breakers_text);
    oa__free(s->mem, s->breakers);
    s->breakers_text = copy;
    s->breakers = ids;
    s->n_breakers = n;
    return OA_OK;
fail:
    oa__free(s->mem, ids);
    oa__free(s->mem, copy);
    return rc;
}

int oa_sampler_set(oa_sampler *sampler, const char *key, double value)
{
    if (!sampler) return oa__err(OA_EINVAL, "sampler is NULL");
    int i = find(key);
    OA__TRY(i);
    return set_number(sampler, i, value);
}

int oa_sampler_set_text(oa_sampler *sampler, const char *key, const char *text)
{
    if (!sampler) return oa__err(OA_EINVAL, "sampler is NULL");
    int i = find(key);
    OA__TRY(i);
    if (!text) return oa__err(OA_EINVAL, "%s is NULL, want a value", table[i].key);
    if (i == OA__PARAM_ORDER) return set_order(sampler, text);
    if (i == OA__PARAM_DRY_BREAKERS) return set_breakers(sampler, text);
    double value = 0;
    if (oa__parse_f64(text, strlen(text), &value) < 0)
        return oa__err(OA_EINVAL, "%s is \"%.60s\", want a number", table[i].key, text);
    return set_number(sampler, i, value);
}

int oa_sampler_get(const oa_sampler *sampler, const char *key, double *value)
{
    if (!sampler || !value) return oa__err(OA_EINVAL, "sampler or value is NULL");
    int i = find(key);
    OA__TRY(i);
    if (table[i].type == OA_PARAM_TEXT)
        return oa__err(OA_EINVAL, "%s is a text, not a number", table[i].key);
    *value = sampler->value[i];
    return OA_OK;
}

int oa_sampler_copy_text(const oa_sampler *sampler, const char *key, char *buf, size_t buf_size,
                         size_t *text_len)
{
    if (!sampler) return oa__err(OA_EINVAL, "sampler is NULL");
    if (buf_size && !buf) return oa__err(OA_EINVAL, "buffer is NULL, but its size is not 0");
    int i = find(key);
    OA__TRY(i);
    const param_row *row = &table[i];
    char number[32];
    const char *text = row->default_text;
    size_t len;
    if (row->type == OA_PARAM_TEXT) {
        const char *set = i == OA__PARAM_ORDER ? sampler->order_text : sampler->breakers_text;
        if (set) text = set;
        len = strlen(text);
    } else {
        text = number;
        len = row->type == OA_PARAM_INT ? format_int(sampler->value[i], number)
                                        : oa__format_f64(sampler->value[i], false, number);
    }
    return oa__copy_out(text, len, buf, buf_size, text_len);
}
