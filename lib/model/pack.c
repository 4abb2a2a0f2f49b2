/* SPDX-License-Identifier: Apache-2.0 */
/* Which tensors a packed file has packed: the matrices that products use, and no others. */
#include "model/convert_priv.h"

#include "model/weights.h"

typedef struct choice {
    bool *packs; /* by the file's order */
} choice;

static int choose(oa_model *m, const oa__found *f, void *arg)
{
    const choice *c = arg;
    const oa__gguf_tensor *t = f->t;
    if (t == NULL) {
        if (!oa__spec_is_output(f->specs) || m->no_output) return OA_OK;
        t = m->embd;
    } else if (f->specs->flags & (OA__T_VECTOR | OA__T_ROWS)) {
        return OA_OK;
    }
    /* Of several matrices in one tensor each has to begin with a group. */
    size_t first = 0;
    for (size_t i = 0; f->n_experts == 0 && i < oa__found_parts(f); i++) {
        if (first % OA__KERN_ROWS != 0) return OA_OK;
        first += oa__spec_rows(m, oa__found_spec(f, i));
    }
    c->packs[t - oa__gguf_tensor_at(m->gguf, 0)] = true;
    return OA_OK;
}

int oa__pack_choose(const char *path, const oa__gguf *in, bool *packs)
{
    oa_model *m;
    choice c = {packs};
    int rc;
    OA__TRY(oa__model_open_header(&m, path));
    if (m->arch == NULL || oa__gguf_tensor_count(m->gguf) != oa__gguf_tensor_count(in)) {
        rc = oa__err(OA_EFORMAT, "%s: there are no weights to pack", path);
    } else {
        rc = oa__weights_walk(m, choose, &c);
    }
    oa_model_free(m);
    return rc;
}

int oa__pack_tensor(const oa__pack_rows *r, oa__mem *mem, oa__pool *pool)
{
    size_t row_size, size;
    OA__TRY(oa__type_row_size(r->type, r->n, &row_size));
    OA__TRY(oa__weight_size(r->type, r->n_rows, r->n, &size));
    for (size_t i = 0; i < r->n_matrices; i++) {
        oa__weight w = {0};
        const oa__weight_from from = {.rows = (const uint8_t *)r->rows + i * r->n_rows * row_size,
                                      .room = (uint8_t *)r->room + i * size};
        OA__TRY(oa__weight_load(&w, mem, pool, r->type, r->n_rows, r->n, &from));
    }
    return OA_OK;
}
