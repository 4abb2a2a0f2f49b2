/* SPDX-License-Identifier: Apache-2.0 */
#include "model/keys.h"

#include <stdio.h>
#include <string.h>

bool oa__keys_has(oa__keys *k, const char *suffix)
{
    snprintf(k->key, sizeof k->key, "%.*s.%s", k->arch_len, k->arch, suffix);
    return oa__gguf_has(k->g, k->key);
}

int oa__keys_u32(oa__keys *k, const char *suffix, uint32_t min, uint32_t max, uint32_t *out)
{
    if (!oa__keys_has(k, suffix)) return OA_OK;
    uint64_t v = 0;
    OA__TRY(oa__gguf_u64(k->g, k->key, &v));
    if (v < min || v > max) {
        return oa__err(OA_EUNSUPPORTED, "%s is %llu, want %u to %u", k->key, (unsigned long long)v,
                       min, max);
    }
    *out = (uint32_t)v;
    return OA_OK;
}

int oa__keys_f64(oa__keys *k, const char *suffix, double min, double max, double *out)
{
    if (!oa__keys_has(k, suffix)) return OA_OK;
    double v = 0;
    OA__TRY(oa__gguf_f64(k->g, k->key, &v));
    if (!(v >= min && v <= max)) { /* a NaN fails too */
        return oa__err(OA_EUNSUPPORTED, "%s is out of range", k->key);
    }
    *out = v;
    return OA_OK;
}

int oa__keys_f32(oa__keys *k, const char *suffix, double min, double max, float *out)
{
    double v = *out;
    OA__TRY(oa__keys_f64(k, suffix, min, max, &v));
    *out = (float)v;
    return OA_OK;
}

int oa__keys_bool(oa__keys *k, const char *suffix, bool *out)
{
    return oa__keys_has(k, suffix) ? oa__gguf_bool(k->g, k->key, out) : OA_OK;
}

int oa__keys_name(oa__keys *k, const char *suffix, const char *const *names, uint32_t *out)
{
    if (!oa__keys_has(k, suffix)) return OA_OK;
    const char *text;
    size_t len;
    OA__TRY(oa__gguf_str(k->g, k->key, &text, &len));
    char known[160] = "";
    size_t at = 0;
    for (uint32_t i = 0; names[i] != NULL; i++) {
        if (strlen(names[i]) == len && memcmp(names[i], text, len) == 0) {
            *out = i;
            return OA_OK;
        }
        if (at < sizeof known) {
            at += (size_t)snprintf(known + at, sizeof known - at, i ? ", %s" : "%s", names[i]);
        }
    }
    return oa__err(OA_EUNSUPPORTED, "%s is \"%.*s\", want one of %s", k->key,
                   (int)(len < 64 ? len : 64), text, known);
}

int oa__keys_layers(oa__keys *k, const char *suffix, uint8_t *flags, uint32_t n, uint8_t bit,
                    bool set_when)
{
    uint32_t type;
    size_t len;
    if (!oa__keys_has(k, suffix)) return OA_OK;
    OA__TRY(oa__gguf_array_type(k->g, k->key, &type, &len));
    if (len != n) {
        return oa__err(OA_EFORMAT, "%s has %zu elements, the model %u layers", k->key, len, n);
    }
    union {
        uint8_t b[OA__KEYS_LAYERS];
        int32_t i[OA__KEYS_LAYERS];
    } v;
    oa__assert(n <= OA__KEYS_LAYERS);
    const bool wide = type == OA__GGUF_U32 || type == OA__GGUF_I32;
    if (!wide) type = OA__GGUF_BOOL;
    OA__TRY(oa__gguf_array_copy(k->g, k->key, type, &v, n));
    for (uint32_t i = 0; i < n; i++) {
        const bool on = (wide ? v.i[i] : v.b[i]) != 0;
        flags[i] = (uint8_t)(on == set_when ? flags[i] | bit : flags[i] & ~bit);
    }
    return OA_OK;
}
