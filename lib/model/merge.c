/* SPDX-License-Identifier: Apache-2.0 */
#include "model/merge.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "model/adapter.h"

enum { NAME_SIZE = 256 }; /* the format allows 255 */

typedef struct source {
    oa__gguf *gguf;
    float alpha, scale;
} source;

struct oa__merge {
    oa__mem *mem;
    size_t n;
    source sources[OA__ADAPTERS_MAX];
};

static const oa__gguf_tensor *half_of(const oa__gguf *g, const char *tensor, const char *half)
{
    char name[NAME_SIZE + 16];
    snprintf(name, sizeof name, "%.255s%s", tensor, half);
    return oa__gguf_tensor_find(g, name);
}

/* --- opening --------------------------------------------------------------------------------- */

static int check_tensor(const oa__gguf *base, const oa__gguf *g, const oa__gguf_tensor *half)
{
    const char *end = strstr(half->name, ".lora_");
    const size_t len = end != NULL ? (size_t)(end - half->name) : 0;
    char name[NAME_SIZE];
    if (len == 0 || len >= sizeof name) {
        return oa__err(OA_EUNSUPPORTED, "tensor %s adapts nothing that can be adapted", half->name);
    }
    memcpy(name, half->name, len);
    name[len] = '\0';
    const oa__gguf_tensor *t = oa__gguf_tensor_find(base, name);
    const oa__gguf_tensor *a = half_of(g, name, ".lora_a"), *b = half_of(g, name, ".lora_b");
    if (t == NULL || t->n_dims != 2 || strncmp(name, "blk.", 4) != 0) {
        return oa__err(OA_EUNSUPPORTED, "tensor %s adapts nothing that can be adapted", half->name);
    }
    if (a == NULL || b == NULL) {
        return oa__err(OA_EFORMAT, "tensor %s has no partner", half->name);
    }
    return oa__adapter_check_pair(a, b, (size_t)t->dims[0], (size_t)t->dims[1]);
}

static int open_one(oa__merge *m, const oa__gguf *base, const char *path, source *s)
{
    const char *arch;
    size_t len;
    oa__hparams hp;
    OA__TRY(oa__gguf_str(base, "general.architecture", &arch, &len));
    OA__TRY(oa__hparams_read(&hp, base, arch, len));
    OA__TRY(oa__adapter_open_file(&s->gguf, m->mem, arch, len, &hp, path));
    OA__TRY(oa__adapter_check_header(s->gguf, arch, len, &s->alpha));
    for (size_t i = 0; i < oa__gguf_tensor_count(s->gguf); i++)
        OA__TRY(check_tensor(base, s->gguf, oa__gguf_tensor_at(s->gguf, i)));
    return OA_OK;
}

int oa__merge_new(oa__merge **out, oa__mem *mem, const oa__gguf *base, const char *const *paths,
                  const float *scales, size_t n)
{
    *out = NULL;
    if (n == 0) return OA_OK;
    if (paths == NULL || n > OA__ADAPTERS_MAX) {
        return oa__err(OA_EINVAL, "%zu adapters, want paths of at most %d", n, OA__ADAPTERS_MAX);
    }
    oa__merge *m = oa__alloc(mem, sizeof *m);
    if (m == NULL) return OA_ENOMEM;
    int rc = OA_OK;
    m->mem = mem;
    for (size_t i = 0; i < n && rc == OA_OK; i++) {
        source *s = &m->sources[m->n++];
        s->scale = scales != NULL ? scales[i] : 1;
        if (paths[i] == NULL || paths[i][0] == '\0' || !isfinite(s->scale)) {
            rc = oa__err(OA_EINVAL, "adapter %zu has no path, or a scale that is not finite", i);
        } else {
            rc = open_one(m, base, paths[i], s);
            if (rc == OA_ENOTFOUND && s->gguf != NULL) rc = OA_EFORMAT;
            rc = oa__err_in_file(rc, paths[i]);
        }
    }
    if (rc < 0) {
        oa__merge_free(m);
        return rc;
    }
    *out = m;
    return OA_OK;
}

void oa__merge_free(oa__merge *m)
{
    if (m == NULL) return;
    for (size_t i = 0; i < m->n; i++)
        oa__gguf_free(m->sources[i].gguf);
    oa__free(m->mem, m);
}

/* --- one matrix ------------------------------------------------------------------------------ */

bool oa__merge_changes(const oa__merge *m, const char *tensor)
{
    for (size_t i = 0; m != NULL && i < m->n; i++) {
        if (half_of(m->sources[i].gguf, tensor, ".lora_a") != NULL) return true;
    }
    return false;
}

int oa__merge_load(const oa__merge *m, const oa__gguf_tensor *t, oa__delta *d)
{
    *d = (oa__delta){.mem = m->mem, .n_in = (size_t)t->dims[0]};
    for (size_t i = 0; i < m->n; i++) {
        const source *s = &m->sources[i];
        const oa__gguf_tensor *a = half_of(s->gguf, t->name, ".lora_a");
        const oa__gguf_tensor *b = half_of(s->gguf, t->name, ".lora_b");
        if (a == NULL) continue;
        struct oa__delta_term *term = &d->terms[d->n++];
        term->rank = (size_t)a->dims[1];
        term->scale = s->scale * oa__adapter_scale(s->alpha, term->rank);
        OA__TRY(oa__adapter_floats(m->mem, s->gguf, a, &term->a));
        OA__TRY(oa__adapter_floats(m->mem, s->gguf, b, &term->b));
    }
    return OA_OK;
}

void oa__delta_add(const oa__delta *d, size_t row, float *x)
{
    enum { WIDTH = 256 };
    for (size_t i = 0; i < d->n; i++) {
        const struct oa__delta_term *t = &d->terms[i];
        const float *b = t->b + row * t->rank;
        for (size_t at = 0; at < d->n_in; at += WIDTH) {
            const size_t n = d->n_in - at < WIDTH ? d->n_in - at : WIDTH;
            float sum[WIDTH] = {0};
            for (size_t k = 0; k < t->rank; k++) {
                const float *a = t->a + k * d->n_in + at;
                for (size_t c = 0; c < n; c++)
                    sum[c] += b[k] * a[c];
            }
            for (size_t c = 0; c < n; c++)
                x[at + c] += t->scale * sum[c];
        }
    }
}

void oa__delta_free(oa__delta *d)
{
    for (size_t i = 0; i < d->n; i++) {
        oa__free(d->mem, d->terms[i].a);
        oa__free(d->mem, d->terms[i].b);
    }
    *d = (oa__delta){0};
}
