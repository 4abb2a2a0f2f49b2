/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Dictionaries: entries in the order of insertion and, from nine entries on, a hash index over
 * them. The hash is not secret, so collisions can be made on purpose: every probe costs a step.
 */
#include "text/template_priv.h"

#include <string.h>

enum { SMALL = 8 };

int oa__tmpl_dict(tmpl *t, tval *out)
{
    tdict *d = oa__tmpl_alloc(t, sizeof *d);
    if (d == NULL) return oa__tmpl_nomem(t);
    *out = (tval){.type = T_DICT, .u.d = d};
    return OA_OK;
}

static int find(tmpl *t, const tdict *d, tval key, uint64_t hash, size_t *at)
{
    bool equal = false;
    *at = SIZE_MAX;
    if (d->index == NULL) {
        for (size_t i = 0; i < d->len; i++) {
            if (d->ents[i].hash != hash) continue;
            OA__TRY(oa__tmpl_equal(t, d->ents[i].key, key, &equal));
            if (equal) {
                *at = i;
                return OA_OK;
            }
        }
        return OA_OK;
    }
    for (size_t slot = hash & (d->index_cap - 1); d->index[slot] != 0;
         slot = (slot + 1) & (d->index_cap - 1)) {
        size_t i = d->index[slot] - 1;
        OA__TRY(oa__tmpl_charge(t, 1));
        if (d->ents[i].hash != hash) continue;
        OA__TRY(oa__tmpl_equal(t, d->ents[i].key, key, &equal));
        if (equal) {
            *at = i;
            return OA_OK;
        }
    }
    return OA_OK;
}

static int index_all(tmpl *t, tdict *d)
{
    size_t cap = 32;
    while (cap < d->len * 2)
        cap *= 2;
    if (d->index == NULL || cap > d->index_cap) {
        uint32_t *index = oa__tmpl_alloc_array(t, cap, sizeof *index);
        if (index == NULL) return oa__tmpl_nomem(t);
        d->index = index;
        d->index_cap = cap;
        OA__TRY(oa__tmpl_charge(t, d->len));
        for (size_t i = 0; i < d->len; i++) {
            size_t slot = d->ents[i].hash & (cap - 1);
            while (index[slot] != 0) {
                OA__TRY(oa__tmpl_charge(t, 1));
                slot = (slot + 1) & (cap - 1);
            }
            index[slot] = (uint32_t)i + 1;
        }
        return OA_OK;
    }
    size_t slot = d->ents[d->len - 1].hash & (d->index_cap - 1);
    while (d->index[slot] != 0) {
        OA__TRY(oa__tmpl_charge(t, 1));
        slot = (slot + 1) & (d->index_cap - 1);
    }
    d->index[slot] = (uint32_t)d->len;
    return OA_OK;
}

int oa__tmpl_dict_set(tmpl *t, tdict *d, tval key, tval val)
{
    uint64_t hash;
    size_t at;
    OA__TRY(oa__tmpl_hash(t, key, &hash));
    OA__TRY(find(t, d, key, hash, &at));
    if (at != SIZE_MAX) {
        d->ents[at].val = val;
        return OA_OK;
    }
    if (d->len >= UINT32_MAX / 2) return oa__tmpl_limit(t, "dictionary too large");
    OA__TRY(oa__tmpl_grow(t, (void **)&d->ents, &d->cap, d->len + 1, sizeof *d->ents));
    d->ents[d->len++] = (tdent){.key = key, .val = val, .hash = hash};
    return d->len > SMALL ? index_all(t, d) : OA_OK;
}

int oa__tmpl_dict_get(tmpl *t, const tdict *d, tval key, tval *out)
{
    uint64_t hash;
    size_t at;
    OA__TRY(oa__tmpl_hash(t, key, &hash));
    OA__TRY(find(t, d, key, hash, &at));
    *out = at == SIZE_MAX ? oa__tmpl_missing() : d->ents[at].val;
    return OA_OK;
}

tval oa__tmpl_dict_get_str(const tdict *d, const char *s, size_t len)
{
    for (size_t i = 0; i < d->len; i++) {
        const tval *k = &d->ents[i].key;
        if (k->type == T_STR && k->u.s->len == len && memcmp(k->u.s->s, s, len) == 0) {
            return d->ents[i].val;
        }
    }
    return oa__tmpl_missing();
}
