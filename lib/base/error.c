/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { TEXT_SIZE = 512 };

static _Thread_local char last_text[TEXT_SIZE];

/* Characters that move the cursor, break the line or turn the direction of what follows. */
static bool is_unprintable(uint32_t cp)
{
    return cp < 0x20 || (cp >= 0x7f && cp < 0xa0) || cp == 0x200e || cp == 0x200f ||
           (cp >= 0x2028 && cp <= 0x202e) || (cp >= 0x2066 && cp <= 0x2069);
}

void oa__printable(char *out, size_t out_size, const char *text)
{
    static const char hex[] = "0123456789abcdef";
    size_t len = strlen(text), n = 0, i = 0;

    while (i < len) {
        uint32_t cp = 0;
        size_t taken = oa__utf8_decode(text + i, len - i, &cp);
        bool broken = cp == 0xfffd && !(taken == 3 && memcmp(text + i, "\xef\xbf\xbd", 3) == 0);
        bool escape = broken || is_unprintable(cp);
        if (n + (escape ? 4 * taken : taken) >= out_size) break;
        for (size_t j = 0; j < taken; j++, i++) {
            uint8_t byte = (uint8_t)text[i];
            if (!escape) {
                out[n++] = (char)byte;
                continue;
            }
            out[n++] = '\\';
            out[n++] = 'x';
            out[n++] = hex[byte >> 4];
            out[n++] = hex[byte & 15];
        }
    }
    out[n] = '\0';
}

int oa__err(int code, const char *fmt, ...)
{
    /* Formatted aside first: an argument may be the old text. */
    char raw[TEXT_SIZE];
    va_list args;
    va_start(args, fmt);
    if (vsnprintf(raw, sizeof raw, fmt, args) < 0) raw[0] = '\0';
    va_end(args);
    oa__printable(last_text, sizeof last_text, raw);
    return code;
}

int oa__err_nomem(size_t size)
{
    return oa__err(OA_ENOMEM, "out of memory: %zu bytes wanted", size);
}

/* Own words: strerror() follows the locale and its safe variants differ between C libraries. */
static const char *errno_text(int errnum)
{
    switch (errnum) {
    case ENOENT:
        return "no such file or directory";
    case ENOTDIR:
        return "a part of the path is no directory";
    case EACCES:
        return "permission denied";
    case EPERM:
        return "operation not permitted";
    case EROFS:
        return "read-only file system";
    case ENOMEM:
        return "out of memory";
    case EIO:
        return "input or output error";
    case ENOSPC:
        return "no space left on the device";
    case EDQUOT:
        return "disk quota exceeded";
    case EFBIG:
        return "file too large";
    case EISDIR:
        return "is a directory";
    case EMFILE:
        return "too many open files";
    case ENFILE:
        return "too many open files in the system";
    case ENAMETOOLONG:
        return "name too long";
    case ELOOP:
        return "too many symbolic links";
    case EEXIST:
        return "exists already";
    case ENOTEMPTY:
        return "not empty";
    case EBUSY:
        return "in use";
    case ENODEV:
        return "cannot be mapped";
    case EPIPE:
        return "broken pipe";
    case EAGAIN:
        return "try again";
    default:
        return NULL;
    }
}

int oa__err_errno(int errnum, const char *what, const char *path)
{
    int code = OA_EIO;
    char number[32];
    const char *text = errno_text(errnum);

    switch (errnum) {
    case ENOENT:
    case ENOTDIR:
        code = OA_ENOTFOUND;
        break;
    case EACCES:
    case EPERM:
    case EROFS:
        code = OA_EACCES;
        break;
    case ENOMEM:
        code = OA_ENOMEM;
        break;
    }
    if (!text) {
        snprintf(number, sizeof number, "error number %d", errnum);
        text = number;
    }
    if (!path) return oa__err(code, "%s: %s", what, text);
    return oa__err(code, "%s: cannot %s: %s", path, what, text);
}

int oa__err_in_file(int code, const char *path)
{
    if (code != OA_EFORMAT && code != OA_EVERSION && code != OA_EUNSUPPORTED) return code;
    if (strncmp(last_text, path, strlen(path)) == 0) return code;
    char text[sizeof last_text];
    memcpy(text, last_text, sizeof text);
    return oa__err(code, "%s: %s", path, text);
}

const char *oa_error_last(void)
{
    return last_text;
}

const char *oa_error_name(int code)
{
    switch (code) {
#define CASE(name, number, text)                                                                   \
    case number:                                                                                   \
        return "OA_" #name;
        OA_ERROR_MAP(CASE)
#undef CASE
    }
    return "OA_UNKNOWN";
}

const char *oa_error_text(int code)
{
    switch (code) {
#define CASE(name, number, text)                                                                   \
    case number:                                                                                   \
        return text;
        OA_ERROR_MAP(CASE)
#undef CASE
    }
    return "unknown error";
}
