/* SPDX-License-Identifier: Apache-2.0 */
/* Finding an architecture in the table. */
#include "model/arch.h"

#include <string.h>

/* Files of these architectures were written before the pre-tokenizer had a key. */
const char *oa__arch_pattern(const char *name)
{
    static const char *const pairs[][2] = {
        {"gptneox", "gpt-neox"}, {"gpt2", "gpt-2"}, {"falcon", "falcon"}, {"qwen2", "qwen2"}};
    for (size_t i = 0; i < OA__ARRAY_LEN(pairs); i++) {
        if (strcmp(pairs[i][0], name) == 0) return pairs[i][1];
    }
    return NULL;
}

const oa__arch *oa__arch_find(const char *name, size_t len)
{
    const oa__arch *a;
    for (size_t i = 0; (a = oa__arch_at(i)) != NULL; i++) {
        if (strlen(a->name) == len && memcmp(a->name, name, len) == 0) return a;
    }
    return NULL;
}

int oa__arch_unknown(const char *name, size_t len)
{
    char known[384] = "";
    size_t at = 0;
    const oa__arch *a;
    for (size_t i = 0; (a = oa__arch_at(i)) != NULL; i++) {
        const size_t n = strlen(a->name);
        if (at + n + 3 > sizeof known) break;
        if (i > 0) {
            memcpy(known + at, ", ", 2);
            at += 2;
        }
        memcpy(known + at, a->name, n + 1);
        at += n;
    }
    return oa__err(OA_EUNSUPPORTED, "architecture \"%.*s\" is not supported; known: %s",
                   (int)(len < 64 ? len : 64), name, known);
}
