/* SPDX-License-Identifier: Apache-2.0 */
/* Values of config.json and its neighbours, each held against a type and a range. */
#include "model/hf.h"

#include <stdio.h>
#include <string.h>

/* Added tokens are listed there too, a few hundred bytes each. */
enum { MAX_SIZE = 16 << 20 };

int oa__hf_read_json(oa__hf *h, const char *name, json_t **out)
{
    oa__str path = {.mem = h->mem};
    char *text = NULL;
    size_t len;
    json_error_t e;
    int rc;
    *out = NULL;
    OA__TRY_GOTO(oa__str_addf(&path, "%s/%s", h->folder, name));
    OA__TRY_GOTO(oa__file_read(h->mem, path.data, MAX_SIZE, &text, &len));
    *out = json_loadb(text, len, JSON_REJECT_DUPLICATES, &e);
    if (*out == NULL) {
        rc = oa__err(OA_EFORMAT, "%s: line %d: %s", name, e.line, e.text);
    } else if (!json_is_object(*out)) {
        rc = oa__err(OA_EFORMAT, "%s: not a JSON object", name);
        json_decref(*out);
        *out = NULL;
    }
fail:
    oa__free(h->mem, text);
    oa__str_free(&path);
    return rc;
}

const json_t *oa__hf_get(const json_t *object, const char *name)
{
    const json_t *v = json_object_get(object, name);
    return v != NULL && !json_is_null(v) ? v : NULL;
}

bool oa__hf_truthy(const json_t *v)
{
    if (v == NULL || json_is_null(v) || json_is_false(v)) return false;
    if (json_is_number(v)) return json_number_value(v) != 0;
    if (json_is_string(v)) return json_string_length(v) > 0;
    if (json_is_array(v)) return json_array_size(v) > 0;
    if (json_is_object(v)) return json_object_size(v) > 0;
    return true;
}

static int wrong_type(const char *name, const char *want)
{
    return oa__err(OA_EFORMAT, "config.json: %s is not %s", name, want);
}

int oa__hf_u32(const json_t *object, const char *name, uint32_t min, uint32_t max, uint32_t *out,
               bool *found)
{
    const json_t *v = oa__hf_get(object, name);
    if (found != NULL) *found = v != NULL;
    if (v == NULL) return OA_OK;
    if (!json_is_integer(v)) return wrong_type(name, "a whole number");
    const json_int_t n = json_integer_value(v);
    if (n < (json_int_t)min || n > (json_int_t)max) {
        return oa__err(OA_EUNSUPPORTED, "config.json: %s is %lld, want %u to %u", name,
                       (long long)n, min, max);
    }
    *out = (uint32_t)n;
    return OA_OK;
}

int oa__hf_f64(const json_t *object, const char *name, double min, double max, double *out,
               bool *found)
{
    const json_t *v = oa__hf_get(object, name);
    if (found != NULL) *found = v != NULL;
    if (v == NULL) return OA_OK;
    if (!json_is_number(v)) return wrong_type(name, "a number");
    const double d = json_number_value(v);
    if (!(d >= min && d <= max)) {
        return oa__err(OA_EUNSUPPORTED, "config.json: %s is out of range", name);
    }
    *out = d;
    return OA_OK;
}

int oa__hf_of_file(int rc, const char *file)
{
    static const char other[] = "config.json: ";
    char text[256];
    if (rc >= 0 || strncmp(oa_error_last(), other, sizeof other - 1) != 0) return rc;
    snprintf(text, sizeof text, "%s", oa_error_last() + sizeof other - 1);
    return oa__err(rc, "%s: %s", file, text);
}

int oa__hf_bool(const json_t *object, const char *name, bool *out, bool *found)
{
    const json_t *v = oa__hf_get(object, name);
    if (found != NULL) *found = v != NULL;
    if (v == NULL) return OA_OK;
    if (!json_is_boolean(v)) return wrong_type(name, "true or false");
    *out = json_is_true(v);
    return OA_OK;
}

int oa__hf_str(const json_t *object, const char *name, const char **out, bool *found)
{
    const json_t *v = oa__hf_get(object, name);
    if (found != NULL) *found = v != NULL;
    if (v == NULL) return OA_OK;
    if (!json_is_string(v)) return wrong_type(name, "a string");
    *out = json_string_value(v); /* jansson refuses a NUL inside */
    return OA_OK;
}

const char *oa__hf_key(oa__hf *h, const char *suffix)
{
    snprintf(h->key, sizeof h->key, "%s.%s", h->family->arch, suffix);
    return h->key;
}
