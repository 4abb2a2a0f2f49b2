/* SPDX-License-Identifier: Apache-2.0 */
/* Shared inside base only. */
#ifndef OA_BASE_BASE_PRIV_H
#define OA_BASE_BASE_PRIV_H

#include "base/base.h"

/* Copy text into out (of out_size bytes, at least 1) so that it is one printable line of valid
 * UTF-8: control characters, line separators, direction overrides and broken bytes become \xNN. */
void oa__printable(char *out, size_t out_size, const char *text);

/* Sleep while *word == expected; may return early. Wake at most n sleepers. The only two places
 * that know how the system lets a thread wait. */
void oa__futex_wait(_Atomic uint32_t *word, uint32_t expected);
void oa__futex_wake(_Atomic uint32_t *word, uint32_t n);

/* Bring the folder's entry of a file to the disk. */
void oa__sync_folder(const char *path);

/* Tell the processor that this is a spin loop. */
static inline void oa__pause(void)
{
#if defined(__x86_64__) || defined(__i386__)
    __builtin_ia32_pause();
#elif defined(__aarch64__)
    __asm__ __volatile__("isb" ::: "memory");
#endif
}

#endif
