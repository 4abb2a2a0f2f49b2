/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening, sharing and freeing a model, and what it would cost.
 *
 * Invariants: a model's fields are constant once oa_model_open() has returned, apart from n_refs,
 * fingerprint, mem.used and the shared slot. Everything it owns is charged to mem, the struct
 * itself included.
 */
#include "model/model_priv.h"

#include <stdio.h>
#include <string.h>

enum { MODEL_FLAGS = OA_MODEL_NO_MMAP | OA_MODEL_VOCAB_ONLY, MAX_THREADS = 1024 };
#define MODEL_OPTS_MIN_SIZE sizeof(oa_model_opts)

static int new_model(oa_model **out, const oa_model_opts *opts, uint64_t limit)
{
    oa__mem mem;
    *out = NULL;
    OA__TRY(oa__mem_init(&mem, opts->allocator, limit));
    oa_model *m = oa__alloc(&mem, sizeof *m);
    if (m == NULL) return OA_ENOMEM;
    m->mem.a = mem.a;
    m->mem.limit = mem.limit;
    atomic_init(&m->mem.used, mem.used);
    atomic_init(&m->n_refs, 1);
    m->log =
        (oa__log){opts->log_fn, opts->log_user, opts->log_level ? opts->log_level : OA_LOG_WARN};
    m->bos_id = m->eos_id = m->eot_id = m->unk_id = m->pad_id = -1;
    m->type_name = "";
    *out = m;
    return OA_OK;
}

static void free_model(oa_model *m)
{
    if (m == NULL) return;
    if (m->shared != NULL) m->shared_drop(m->shared);
    oa__weights_unload(m);
    oa__vocab_free(m->vocab);
    oa__pool_free(m->pool);
    oa__gguf_free(m->gguf);
    oa__free(&m->mem, m->types_text);
    oa__free(&m->mem, m->template_text);
    oa__free(&m->mem, m->license);
    oa__free(&m->mem, m->name);
    oa__free(&m->mem, m->arch_name);
    oa__free(&m->mem, m->path);
    oa__mem mem;
    mem.a = m->mem.a;
    mem.limit = m->mem.limit;
    atomic_init(&mem.used, m->mem.used);
    oa__free(&mem, m);
}

/* The error's text with the file's name in front, unless it has it already. A key that is missing
 * from a file that is there makes the file a damaged one. */
static int name_file(int rc, const oa_model *m)
{
    const char *path = m->path;
    if (path == NULL) return rc;
    if (rc == OA_ENOTFOUND && m->gguf != NULL) rc = OA_EFORMAT;
    return oa__err_in_file(rc, path);
}

static int copy_text(oa_model *m, const char *key, char **out)
{
    const char *text = "";
    size_t len = 0;
    if (oa__gguf_has(m->gguf, key)) OA__TRY(oa__gguf_str(m->gguf, key, &text, &len));
    *out = oa__strndup(&m->mem, text, len);
    return *out != NULL ? OA_OK : OA_ENOMEM;
}

/* Half a download has a whole header; who reads no more than that must not take it for a model. */
static int refuse_cut(const oa_model *m)
{
    for (size_t i = 0; i < oa__gguf_tensor_count(m->gguf); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(m->gguf, i);
        if (t->there) continue;
        return oa__err(OA_EFORMAT, "file ends before tensor %s does: half a download?", t->name);
    }
    return OA_OK;
}

/* Everything that comes before the weights: header, hyper-parameters, vocabulary. */
static int read_header(oa_model *m, uint32_t flags, bool header_only)
{
    const bool vocab_only = (flags & OA_MODEL_VOCAB_ONLY) != 0;
    OA__TRY(oa__source_open(&m->gguf, &m->mem, m->path, (flags & OA_MODEL_NO_MMAP) != 0,
                            vocab_only || header_only));
    const char *arch;
    size_t arch_len;
    OA__TRY(oa__gguf_str(m->gguf, "general.architecture", &arch, &arch_len));
    OA__TRY(copy_text(m, "general.architecture", &m->arch_name));
    OA__TRY(copy_text(m, "general.name", &m->name));
    OA__TRY(copy_text(m, "general.license", &m->license));
    if (!vocab_only) {
        m->arch = oa__arch_find(arch, arch_len);
        if (m->arch == NULL) return oa__arch_unknown(arch, arch_len);
    }
    OA__TRY(oa__hparams_read(&m->hp, m->gguf, arch, arch_len));
    if (!vocab_only) OA__TRY(oa__hparams_check(&m->hp, m->arch));
    OA__TRY(oa__model_read_vocab(m));
    m->hp.n_vocab = (uint32_t)oa__vocab_size(m->vocab);
    OA__TRY(oa__model_count(m));
    if (vocab_only || header_only) OA__TRY(refuse_cut(m));
    return vocab_only ? OA_OK : oa__weights_plan(m);
}

static int load_weights(oa_model *m, const oa_model_opts *opts)
{
    unsigned cpu_flags;
    OA__TRY(oa__cpu_select(opts->cpu, &cpu_flags, &m->cpu_tier));
    m->kern = oa__kern_get(cpu_flags);
    OA__TRY(oa__pool_new(&m->pool, &m->mem, m->n_threads));
    oa__progress progress = {.fn = opts->progress_fn, .user = opts->progress_user};
    OA__TRY(oa__weights_load(m, &progress));
    OA__TRY(oa__rope_init(m));
    OA__TRY(oa__layers_init(m));
    m->has_weights = true;
    return OA_OK;
}

static int read_opts(oa_model_opts *o, const oa_model_opts *opts)
{
    OA__TRY(oa__opts_read(o, sizeof *o, MODEL_OPTS_MIN_SIZE, opts));
    if (o->flags & ~(uint32_t)MODEL_FLAGS) {
        return oa__err(OA_EINVAL, "model options: unknown flags 0x%x", o->flags);
    }
    if (o->log_level > OA_LOG_TRACE) {
        return oa__err(OA_EINVAL, "model options: log level %u, want 0 to %d", o->log_level,
                       OA_LOG_TRACE);
    }
    if (o->n_threads > MAX_THREADS) {
        return oa__err(OA_EINVAL, "model options: %u threads, want at most %d", o->n_threads,
                       MAX_THREADS);
    }
    if (o->n_threads == 0) o->n_threads = oa__cpu_count();
    if (o->n_threads > MAX_THREADS) o->n_threads = MAX_THREADS;
    return OA_OK;
}

static int set_path(oa_model *m, const char *path)
{
    oa__str resolved = {.mem = &m->mem};
    const int rc = oa__model_resolve(path, &resolved);
    if (rc < 0) {
        oa__str_free(&resolved);
        return rc;
    }
    m->path = resolved.data;
    return OA_OK;
}

static int open_model(oa_model **out, const char *path, const oa_model_opts *opts)
{
    int rc;
    oa_model_opts o;
    oa_model *m;
    OA__TRY(read_opts(&o, opts));
    OA__TRY(new_model(&m, &o, o.memory_limit));
    m->n_threads = o.n_threads;
    OA__TRY_GOTO(set_path(m, path));
    OA__TRY_GOTO(read_header(m, o.flags, false));
    oa__gguf_header_drop(m->gguf);
    if (!(o.flags & OA_MODEL_VOCAB_ONLY)) {
        OA__TRY_GOTO(load_weights(m, &o));
        oa__log_line(&m->log, OA_LOG_INFO, "%s: %s %s, %llu weights, %llu bytes, %u threads, %s",
                     m->path, m->arch_name, m->type_name, (unsigned long long)m->n_params,
                     (unsigned long long)m->weights_size, m->n_threads,
                     oa__cpu_tier_name(m->cpu_tier));
    } else {
        unsigned cpu_flags;
        OA__TRY_GOTO(oa__cpu_select(o.cpu, &cpu_flags, &m->cpu_tier));
    }
    *out = m;
    return OA_OK;
fail:
    rc = name_file(rc, m);
    if (rc != OA_ECANCELLED) oa__log_line(&m->log, OA_LOG_ERROR, "%s", oa_error_last());
    free_model(m);
    return rc;
}

int oa__model_open_header(oa_model **out, const char *path)
{
    int rc;
    oa_model *m;
    const oa_model_opts opts = OA_MODEL_OPTS_INIT;
    *out = NULL;
    OA__TRY(new_model(&m, &opts, 0));
    OA__TRY_GOTO(set_path(m, path));
    OA__TRY_GOTO(read_header(m, 0, true));
    *out = m;
    return OA_OK;
fail:
    rc = name_file(rc, m);
    free_model(m);
    return rc;
}

int oa_model_open(oa_model **out, const char *path, const oa_model_opts *opts)
{
    if (out == NULL) return oa__err(OA_EINVAL, "out is NULL");
    *out = NULL;
    oa__fp fp;
    oa__fp_enter(&fp);
    const int rc = open_model(out, path, opts);
    oa__fp_leave(&fp);
    return rc;
}

oa_model *oa_model_ref(oa_model *model)
{
    if (model != NULL) atomic_fetch_add_explicit(&model->n_refs, 1, memory_order_relaxed);
    return model;
}

void oa_model_free(oa_model *model)
{
    if (model == NULL) return;
    if (atomic_fetch_sub_explicit(&model->n_refs, 1, memory_order_acq_rel) == 1) free_model(model);
}

/* Of a header that asks for more than there is, the estimate is the largest number, not a small
 * one. */
static uint64_t plus(uint64_t a, uint64_t b)
{
    uint64_t sum;
    return __builtin_add_overflow(a, b, &sum) ? UINT64_MAX : sum;
}

static uint64_t times(uint64_t a, uint64_t b)
{
    uint64_t product;
    return __builtin_mul_overflow(a, b, &product) ? UINT64_MAX : product;
}

int oa_model_estimate_memory(const char *path, const oa_model_opts *opts, uint32_t n_ctx,
                             uint32_t kv_type, oa_memory_estimate *estimate)
{
    if (estimate == NULL) return oa__err(OA_EINVAL, "estimate is NULL");
    if (kv_type > OA_KV_Q8) {
        return oa__err(OA_EINVAL, "key/value type %u, want 0 to %d", kv_type, OA_KV_Q8);
    }
    oa_memory_estimate e = {.size = sizeof e};
    OA__TRY(oa__opts_write(estimate, &e, sizeof e, sizeof e));
    int rc;
    oa_model_opts o;
    oa_model *m;
    OA__TRY(read_opts(&o, opts));
    OA__TRY(new_model(&m, &o, 0));
    m->n_threads = o.n_threads;
    OA__TRY_GOTO(set_path(m, path));
    /* Only the header is wanted, so the rest is not read even with OA_MODEL_NO_MMAP. */
    OA__TRY_GOTO(read_header(m, o.flags & ~(uint32_t)OA_MODEL_NO_MMAP, true));
    const uint64_t header_size = m->mem.used;
    e.weights_size = m->weights_size;
    if (m->arch != NULL) {
        if (o.flags & OA_MODEL_NO_MMAP) {
            e.weights_size += oa__gguf_file_size(m->gguf) - m->in_place;
        }
        const uint64_t n = n_ctx > 0 ? n_ctx : m->hp.n_ctx_train;
        e.cache_size = times((n + OA__KV_PAGE - 1) / OA__KV_PAGE, oa__model_page_size(m, kv_type));
        e.work_size = oa__work_size(m, m->arch->encoder ? n : OA__MODEL_BATCH, 1);
    }
    e.total_size = plus(plus(e.weights_size, e.cache_size), plus(e.work_size, header_size));
    rc = oa__opts_write(estimate, &e, sizeof e, sizeof e);
fail:
    if (rc < 0) rc = name_file(rc, m);
    free_model(m);
    return rc;
}
