/* SPDX-License-Identifier: Apache-2.0 */
/* Reading metadata under an architecture's prefix. A key that is missing leaves the value alone;
 * one of the wrong type or out of range is an error that names it. */
#ifndef OA_MODEL_KEYS_H
#define OA_MODEL_KEYS_H

#include "file/file.h"

enum { OA__KEYS_LAYERS = 1024 }; /* longest array of oa__keys_layers() */

typedef struct oa__keys {
    const oa__gguf *g;
    const char *arch;
    int arch_len;
    char key[160]; /* the last one that was asked for */
} oa__keys;

/* Build the key and tell whether it is there. */
bool oa__keys_has(oa__keys *k, const char *suffix);
int oa__keys_u32(oa__keys *k, const char *suffix, uint32_t min, uint32_t max, uint32_t *out);
int oa__keys_f64(oa__keys *k, const char *suffix, double min, double max, double *out);
int oa__keys_f32(oa__keys *k, const char *suffix, double min, double max, float *out);
int oa__keys_bool(oa__keys *k, const char *suffix, bool *out);
/* The index of the text among names, which ends with NULL. */
int oa__keys_name(oa__keys *k, const char *suffix, const char *const *names, uint32_t *out);
/* Of an array of n bools or whole numbers, set or clear `bit` in each layer's flags. */
int oa__keys_layers(oa__keys *k, const char *suffix, uint8_t *flags, uint32_t n, uint8_t bit,
                    bool set_when);

#endif
