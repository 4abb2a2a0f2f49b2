/* SPDX-License-Identifier: Apache-2.0 */
#include "text/vocab_priv.h"

int oa__ids_add(oa__ids *ids, int32_t id)
{
    if (ids->len == ids->cap) {
        OA__TRY(
            oa__grow(ids->mem, (void **)&ids->data, &ids->cap, ids->len + 1, sizeof *ids->data));
    }
    ids->data[ids->len++] = id;
    return OA_OK;
}

void oa__ids_free(oa__ids *ids)
{
    oa__free(ids->mem, ids->data);
    ids->data = NULL;
    ids->len = ids->cap = 0;
}
