/* SPDX-License-Identifier: Apache-2.0 */
/* Debian's static archives were compiled for glibc with _FORTIFY_SOURCE; musl has no such names.
 * Only the test program is linked with this. */
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room);
char *__strncpy_chk(char *to, const char *from, size_t n, size_t room);
int __vsnprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, va_list args);
int __snprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, ...);

void *__memcpy_chk(void *to, const void *from, size_t n, size_t room)
{
    if (n > room) __builtin_trap();
    return memcpy(to, from, n);
}

char *__strncpy_chk(char *to, const char *from, size_t n, size_t room)
{
    if (n > room) __builtin_trap();
    return strncpy(to, from, n);
}

int __vsnprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, va_list args)
{
    (void)flag;
    if (n > room) __builtin_trap();
    return vsnprintf(to, n, format, args);
}

int __snprintf_chk(char *to, size_t n, int flag, size_t room, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    const int len = __vsnprintf_chk(to, n, flag, room, format, args);
    va_end(args);
    return len;
}
