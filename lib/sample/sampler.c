/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The sampler's life, its biases and history, and the draw.
 *
 * A call that fails leaves the sampler as it was, random state included.
 */
#include "sample/sample_priv.h"

#include <string.h>

#define LN2 0.693147180559945309417

void oa__sampler_restart(oa_sampler *s)
{
    const double seed = s->value[OA__PARAM_SEED];
    oa__random_seed(&s->random, seed < 0 ? oa__random_os() : (uint64_t)seed);
    s->mu = 2 * s->value[OA__PARAM_MIROSTAT_TAU];
}

/* A zeroed sampler on an account: mem, or one of its own when mem is NULL. */
static int make(oa_sampler **out, oa__mem *mem, const oa_allocator *allocator)
{
    oa__mem own;
    OA__TRY(oa__mem_init(&own, allocator, 0));
    oa_sampler *s = oa__alloc(mem ? mem : &own, sizeof *s);
    if (!s) return OA_ENOMEM;
    s->own.a = own.a;
    atomic_init(&s->own.used, atomic_load(&own.used));
    s->mem = mem ? mem : &s->own;
    *out = s;
    return OA_OK;
}

static void set_defaults(oa_sampler *s)
{
#define SET(name, key, type, min, max, def, def_text, help) s->value[OA__PARAM_##name] = (def);
    OA__PARAM_MAP(SET)
#undef SET
    for (uint8_t i = 0; i < OA__N_STAGES; i++)
        s->order[i] = i; /* the enum is in default order */
    s->n_order = OA__N_STAGES;
    oa__sampler_restart(s);
}

int oa__sampler_new_in(oa_sampler **out, oa__mem *mem)
{
    *out = NULL;
    OA__TRY(make(out, mem, NULL));
    set_defaults(*out);
    return OA_OK;
}

int oa_sampler_new(oa_sampler **out, const oa_sampler_opts *opts)
{
    if (!out) return oa__err(OA_EINVAL, "result pointer is NULL");
    *out = NULL;
    oa_sampler_opts o;
    OA__TRY(oa__opts_read(&o, sizeof o, sizeof o, opts));
    OA__TRY(make(out, NULL, o.allocator));
    set_defaults(*out);
    return OA_OK;
}

/* Copy n elements, or leave *dst NULL when there are none. */
static int copy_array(oa_sampler *s, void **dst, const void *src, size_t n, size_t elem_size)
{
    if (n == 0) return OA_OK;
    *dst = oa__alloc_array(s->mem, n, elem_size);
    if (!*dst) return OA_ENOMEM;
    memcpy(*dst, src, n * elem_size);
    return OA_OK;
}

static int copy_text(oa_sampler *s, char **dst, const char *src)
{
    if (!src) return OA_OK;
    *dst = oa__strndup(s->mem, src, strlen(src));
    return *dst ? OA_OK : OA_ENOMEM;
}

int oa_sampler_fork(oa_sampler **out, const oa_sampler *sampler)
{
    if (!out) return oa__err(OA_EINVAL, "result pointer is NULL");
    *out = NULL;
    if (!sampler) return oa__err(OA_EINVAL, "sampler is NULL");
    int rc = OA_OK;
    oa_sampler *s = NULL;
    /* An account of its own: the copy may outlive the handle that the original was made in. */
    OA__TRY(make(&s, NULL, sampler->mem->a.alloc_fn ? &sampler->mem->a : NULL));
    memcpy(s->value, sampler->value, sizeof s->value);
    memcpy(s->order, sampler->order, sizeof s->order);
    s->n_order = sampler->n_order;
    s->random = sampler->random;
    s->mu = sampler->mu;
    OA__TRY_GOTO(copy_text(s, &s->order_text, sampler->order_text));
    OA__TRY_GOTO(copy_text(s, &s->breakers_text, sampler->breakers_text));
    OA__TRY_GOTO(copy_array(s, (void **)&s->breakers, sampler->breakers, sampler->n_breakers,
                            sizeof *s->breakers));
    s->n_breakers = sampler->n_breakers;
    OA__TRY_GOTO(
        copy_array(s, (void **)&s->bias, sampler->bias, sampler->bias_cap, sizeof *s->bias));
    s->bias_cap = sampler->bias_cap;
    s->n_bias = sampler->n_bias;
    OA__TRY_GOTO(copy_array(s, (void **)&s->history, sampler->history, sampler->n_history,
                            sizeof *s->history));
    s->n_history = s->history_cap = sampler->n_history;
    *out = s;
    return OA_OK;
fail:
    oa_sampler_free(s);
    return rc;
}

void oa_sampler_free(oa_sampler *sampler)
{
    if (!sampler) return;
    oa__mem *mem = sampler->mem;
    oa__free(mem, sampler->order_text);
    oa__free(mem, sampler->breakers_text);
    oa__free(mem, sampler->breakers);
    oa__free(mem, sampler->bias);
    oa__free(mem, sampler->history);
    oa__free(mem, sampler->val);
    oa__free(mem, sampler->count);
    oa__free(mem, sampler->z);
    oa__free(mem, sampler->cand);
    if (mem != &sampler->own) {
        oa__free(mem, sampler);
        return;
    }
    /* The account dies with the block it lies in: finish on a copy. */
    oa__mem last = {.a = sampler->own.a};
    atomic_init(&last.used, atomic_load(&sampler->own.used));
    oa__free(&last, sampler);
}

/* The slot of an id, or the free slot where it would go. cap is a power of two and never full. */
static oa__bias *bias_slot(oa__bias *slots, size_t cap, int32_t id)
{
    size_t i = (size_t)((uint32_t)id * 2654435761u) & (cap - 1);
    while (slots[i].id >= 0 && slots[i].id != id)
        i = (i + 1) & (cap - 1);
    return &slots[i];
}

int oa_sampler_set_bias(oa_sampler *sampler, int32_t id, float bias)
{
    if (!sampler) return oa__err(OA_EINVAL, "sampler is NULL");
    if (id < 0) return oa__err(OA_EINVAL, "token %d, want 0 or more", (int)id);
    if (bias != bias) return oa__err(OA_EINVAL, "bias of token %d is not a number", (int)id);
    oa_sampler *s = sampler;
    if (s->bias_cap) {
        oa__bias *slot = bias_slot(s->bias, s->bias_cap, id);
        if (slot->id == id) {
            slot->bias = bias;
            return OA_OK;
        }
    }
    if (bias == 0) return OA_OK;
    if ((s->n_bias + 1) * 2 > s->bias_cap) {
        size_t cap = s->bias_cap ? s->bias_cap * 2 : 16;
        oa__bias *fresh = oa__alloc_array(s->mem, cap, sizeof *fresh);
        if (!fresh) return OA_ENOMEM;
        for (size_t i = 0; i < cap; i++)
            fresh[i].id = -1;
        s->n_bias = 0;
        for (size_t i = 0; i < s->bias_cap; i++) { /* what was set back to 0 is left behind */
            if (s->bias[i].id < 0 || s->bias[i].bias == 0) continue;
            *bias_slot(fresh, cap, s->bias[i].id) = s->bias[i];
            s->n_bias++;
        }
        oa__free(s->mem, s->bias);
        s->bias = fresh;
        s->bias_cap = cap;
    }
    *bias_slot(s->bias, s->bias_cap, id) = (oa__bias){.id = id, .bias = bias};
    s->n_bias++;
    return OA_OK;
}

int oa_sampler_accept(oa_sampler *sampler, int32_t id)
{
    if (!sampler) return oa__err(OA_EINVAL, "sampler is NULL");
    if (id < 0) return oa__err(OA_EINVAL, "token %d, want 0 or more", (int)id);
    OA__TRY(oa__grow(sampler->mem, (void **)&sampler->history, &sampler->history_cap,
                     sampler->n_history + 1, sizeof *sampler->history));
    sampler->history[sampler->n_history++] = id;
    return OA_OK;
}

int oa_sampler_reset(oa_sampler *sampler)
{
    if (!sampler) return oa__err(OA_EINVAL, "sampler is NULL");
    sampler->n_history = 0;
    oa__sampler_restart(sampler);
    return OA_OK;
}

void oa__sampler_forget(oa_sampler *sampler)
{
    sampler->n_history = 0;
}

/* Draw from the list: walk it in order until the running sum of w passes u * (their sum). */
static int32_t draw(oa__run *r)
{
    oa_sampler *s = r->s;
    const double sum = oa__cand_softmax(r);
    const double target = oa__random_f64(&s->random) * sum;
    double at = 0;
    size_t i = 0, look = 8, last = 0;
    for (; i < r->n_c; i++) {
        if (i >= r->n_sorted) {
            oa__cand_sort(r, look);
            look = look > r->n_c / 8 ? r->n_c : look * 8;
        }
        if (r->c[i].w > 0) last = i; /* where rounding ends the walk too early */
        at += r->c[i].w;
        if (at > target) break;
    }
    const oa__cand *c = &r->c[i < r->n_c ? i : last];
    if (s->value[OA__PARAM_MIROSTAT] == 2) {
        double surprise = (oa__math_log(sum) - oa__math_log(c->w)) / LN2;
        s->mu -= s->value[OA__PARAM_MIROSTAT_ETA] * (surprise - s->value[OA__PARAM_MIROSTAT_TAU]);
    }
    return c->id;
}

int oa_sampler_pick(oa_sampler *sampler, const float *logits, size_t n_logits, int32_t *id)
{
    if (!sampler || !logits || !id) return oa__err(OA_EINVAL, "sampler, logits or id is NULL");
    if (n_logits == 0 || n_logits > INT32_MAX)
        return oa__err(OA_EINVAL, "%zu logits, want 1 to 2147483647", n_logits);
    const oa__random before = sampler->random;
    oa__run r;
    oa__fp fp;
    int32_t picked = -1;
    oa__fp_enter(&fp);
    int rc = oa__sampler_run(sampler, logits, n_logits, &r, &picked);
    if (rc < 0)
        sampler->random = before;
    else
        *id = picked >= 0 ? picked : draw(&r);
    oa__fp_leave(&fp);
    return rc < 0 ? rc : OA_OK;
}
