/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_priv.h"

#include <stdio.h>
#include <string.h>

/* Room for len more bytes and the NUL. */
static int reserve(oa__str *s, size_t len)
{
    size_t total, need;
    if (!oa__add_size(s->len, len, &total) || !oa__add_size(total, 1, &need))
        return oa__err_nomem(SIZE_MAX);
    if (s->max && total > s->max)
        return oa__err(OA_ELIMIT, "text of %zu bytes, at most %zu allowed", total, s->max);
    return oa__grow(s->mem, (void **)&s->data, &s->cap, need, 1);
}

int oa__str_add(oa__str *s, const char *data, size_t len)
{
    OA__TRY(reserve(s, len));
    if (len) memcpy(s->data + s->len, data, len);
    s->len += len;
    s->data[s->len] = '\0';
    return OA_OK;
}

int oa__str_add_z(oa__str *s, const char *z)
{
    return oa__str_add(s, z, strlen(z));
}

int oa__str_add_char(oa__str *s, char c)
{
    return oa__str_add(s, &c, 1);
}

int oa__str_add_utf8(oa__str *s, uint32_t codepoint)
{
    char bytes[4];
    return oa__str_add(s, bytes, oa__utf8_encode(codepoint, bytes));
}

int oa__str_addf(oa__str *s, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    int len = vsnprintf(NULL, 0, fmt, args);
    va_end(args);
    if (len < 0) return oa__err(OA_EINTERNAL, "cannot format text");
    OA__TRY(reserve(s, (size_t)len));
    va_start(args, fmt);
    vsnprintf(s->data + s->len, (size_t)len + 1, fmt, args);
    va_end(args);
    s->len += (size_t)len;
    return OA_OK;
}

void oa__str_free(oa__str *s)
{
    oa__free(s->mem, s->data);
    s->data = NULL;
    s->len = s->cap = 0;
}

int oa__copy_out(const char *data, size_t len, char *buf, size_t buf_size, size_t *out_len)
{
    if (out_len) *out_len = len;
    if (buf_size == 0) return OA_OK;
    if (!buf) return oa__err(OA_EINVAL, "no buffer for %zu bytes", buf_size);
    if (len >= buf_size)
        return oa__err(OA_ELIMIT, "buffer of %zu bytes, %zu and a NUL wanted", buf_size, len);
    if (len) memcpy(buf, data, len);
    buf[len] = '\0';
    return OA_OK;
}
