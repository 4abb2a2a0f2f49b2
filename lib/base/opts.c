/* SPDX-License-Identifier: Apache-2.0 */
/* The rule is that of the Linux kernel's copy_struct_from_user(). */
#include "base/base_priv.h"

#include <string.h>

/* No struct of ours comes near this; a larger size is a struct that was never initialised. */
enum { MAX_SIZE = 65536 };

static int read_size(const void *opts, size_t min_size, size_t *size)
{
    memcpy(size, opts, sizeof *size);
    if (*size < min_size || *size > MAX_SIZE)
        return oa__err(OA_EINVAL, "options of size %zu, want at least %zu: not initialised?", *size,
                       min_size);
    return OA_OK;
}

int oa__opts_read(void *dst, size_t dst_size, size_t min_size, const void *src)
{
    memset(dst, 0, dst_size);
    if (src) {
        size_t size;
        OA__TRY(read_size(src, min_size, &size));
        const unsigned char *bytes = src;
        for (size_t i = dst_size; i < size; i++) {
            if (bytes[i])
                return oa__err(OA_EVERSION,
                               "options of size %zu set a field that this library does not know "
                               "(it knows %zu bytes)",
                               size, dst_size);
        }
        memcpy(dst, src, size < dst_size ? size : dst_size);
    }
    memcpy(dst, &dst_size, sizeof dst_size);
    return OA_OK;
}

int oa__opts_write(void *dst, const void *full, size_t full_size, size_t min_size)
{
    if (!dst) return oa__err(OA_EINVAL, "no struct to write to");
    size_t size;
    OA__TRY(read_size(dst, min_size, &size));
    memset(dst, 0, size); /* a larger caller's tail: fields that we do not know are zero */
    memcpy(dst, full, size < full_size ? size : full_size);
    memcpy(dst, &size, sizeof size);
    return OA_OK;
}

int oa__elem_size(const char *what, size_t elem_size, size_t known_size)
{
    if (elem_size >= known_size && elem_size <= MAX_SIZE) return OA_OK;
    return oa__err(OA_EINVAL, "%s of %zu bytes each, want at least %zu", what, elem_size,
                   known_size);
}

int oa__elem_tail(const char *what, const void *elem, size_t elem_size, size_t known_size)
{
    const unsigned char *bytes = elem;
    for (size_t i = known_size; i < elem_size; i++) {
        if (bytes[i])
            return oa__err(OA_EVERSION,
                           "%s of %zu bytes each: one sets a field that this library does not "
                           "know (it knows %zu bytes)",
                           what, elem_size, known_size);
    }
    return OA_OK;
}
