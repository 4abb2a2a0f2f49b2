/* SPDX-License-Identifier: Apache-2.0 */
/* What is said of tensors whose rows do not fit the type they should get. */
#include <stdio.h>

#include "model/convert_priv.h"

void oa__fallbacks_add(oa__fallbacks *f, const oa__log *log, const oa__gguf_tensor *t,
                       uint32_t want, uint32_t type)
{
    const char *const want_name = oa__type_get(want)->name, *const name = oa__type_get(type)->name;
    size_t i = 0;
    while (i < f->n && (f->kinds[i].n_cols != t->dims[0] || f->kinds[i].want != want))
        i++;
    /* a model has a few widths: one with more kinds than there is room for gets a line for each */
    const bool room = i < OA__ARRAY_LEN(f->kinds);
    oa__log_line(log, room ? OA_LOG_INFO : OA_LOG_WARN,
                 "tensor %s: rows of %llu do not fit %s, taking %s", t->name,
                 (unsigned long long)t->dims[0], want_name, name);
    if (!room) return;
    if (i == f->n)
        f->kinds[f->n++] =
            (oa__fallback){.first = t->name, .n_cols = t->dims[0], .want = want, .type = type};
    f->kinds[i].n_tensors++;
}

void oa__fallbacks_say(const oa__fallbacks *f, const oa__log *log)
{
    for (size_t i = 0; i < f->n; i++) {
        const oa__fallback *k = &f->kinds[i];
        const oa__type_info *want = oa__type_get(k->want);
        char who[40];
        snprintf(who, sizeof who, "%u tensors", k->n_tensors);
        oa__log_line(log, OA_LOG_WARN, "%s%s: %llu columns are no multiple of %u, %s -> %s",
                     k->n_tensors > 1 ? who : "tensor ", k->n_tensors > 1 ? "" : k->first,
                     (unsigned long long)k->n_cols, want->block_len, want->name,
                     oa__type_get(k->type)->name);
    }
}
