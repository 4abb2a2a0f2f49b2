/* SPDX-License-Identifier: Apache-2.0 */
/* oa_convert(): plan every tensor's type, then write them one by one. */
#include "model/convert_priv.h"

#include <stdio.h>
#include <string.h>

#include "model/model_priv.h"

enum { CONVERT_FLAGS = OA_CONVERT_PURE | OA_CONVERT_NO_MMAP | OA_CONVERT_PACK, MAX_THREADS = 1024 };

typedef struct convert {
    oa__mem mem;
    oa__log log;
    oa_convert_opts opts;
    oa__str path;
    const char *out_path;
    const oa__recipe *recipe; /* NULL = types as they are */
    oa__recipe_model model;
    oa__gguf *in;
    oa__gguf_writer *out;
    oa__pool *pool;
    oa__merge *merge; /* NULL = no adapters */
    oa__delta delta;  /* of the tensor at hand */
    unsigned cpu_flags;
    oa__progress progress;
    oa_convert_result result;
    oa__fallbacks fallbacks;
    uint32_t *types;     /* of the tensors written */
    bool *packs;         /* likewise */
    void *loaded, *made; /* of the tensor at hand: as it was, as it becomes */
    void *packed;        /* and that packed */
} convert;

static int read_opts(convert *c, const oa_convert_opts *opts)
{
    oa_convert_opts *o = &c->opts;
    uint32_t tier;
    OA__TRY(oa__opts_read(o, sizeof *o, sizeof *o, opts));
    if (o->flags & ~(uint32_t)CONVERT_FLAGS)
        return oa__err(OA_EINVAL, "convert options: unknown flags 0x%x", o->flags);
    if (o->log_level > OA_LOG_TRACE)
        return oa__err(OA_EINVAL, "convert options: log level %u, want 0 to %d", o->log_level,
                       OA_LOG_TRACE);
    if (o->n_threads > MAX_THREADS)
        return oa__err(OA_EINVAL, "convert options: %u threads, want at most %d", o->n_threads,
                       MAX_THREADS);
    if (o->reserved != 0)
        return oa__err(OA_EINVAL, "convert options: reserved is %u, want 0", o->reserved);
    if (o->n_threads == 0) o->n_threads = oa__cpu_count();
    if (o->n_threads > MAX_THREADS) o->n_threads = MAX_THREADS;
    if (o->result != NULL) {
        const oa_convert_result zero = {.size = sizeof zero};
        OA__TRY(oa__opts_write(o->result, &zero, sizeof zero, sizeof zero));
    }
    if (o->type != NULL && o->type[0] != '\0') {
        c->recipe = oa__recipe_find(o->type);
        if (c->recipe == NULL) return OA_EINVAL;
    } else if (o->flags & OA_CONVERT_PURE) {
        return oa__err(OA_EINVAL, "convert options: pure wants a type");
    }
    c->log = (oa__log){o->log_fn, o->log_user, o->log_level ? o->log_level : OA_LOG_WARN};
    c->progress = (oa__progress){.fn = o->progress_fn, .user = o->progress_user, .what = "convert"};
    OA__TRY(oa__cpu_select(OA_CPU_BEST, &c->cpu_flags, &tier));
    return oa__mem_init(&c->mem, o->allocator, 0);
}

typedef struct same {
    const char *folder, *out_path;
    oa__str path;
    bool found;
} same;

static int same_file(const char *name, void *arg)
{
    same *s = arg;
    s->path.len = 0;
    OA__TRY(oa__str_addf(&s->path, "%s/%s", s->folder, name));
    s->found = s->found || oa__file_same(s->path.data, s->out_path);
    return OA_OK;
}

/* Of several files, each is the input. */
static int refuse_one(const char *path, const char *out_path)
{
    same s = {.folder = path, .out_path = out_path};
    s.found = oa__file_same(path, out_path);
    if (!s.found && oa__file_exists(out_path)) {
        char *folder = NULL;
        const char *slash = strrchr(path, '/');
        const char *base = slash ? slash + 1 : path;
        /* siblings of "NAME-00001-of-00003.gguf" too */
        if (strstr(base, "-of-")) {
            folder = slash ? oa__strndup(NULL, path, (size_t)(slash - path) + 1)
                           : oa__strndup(NULL, ".", 1);
            if (folder == NULL) return OA_ENOMEM;
            s.folder = folder;
        }
        const int rc = oa__dir_list(NULL, s.folder, same_file, &s);
        oa__str_free(&s.path);
        oa__free(NULL, folder);
        if (rc == OA_ENOMEM) return rc; /* no folder: nothing else to compare with */
    }
    if (s.found) return oa__err(OA_EINVAL, "%s: is the input; write to another file", out_path);
    return OA_OK;
}

/* Neither the model nor an adapter. */
static int refuse_input(const convert *c)
{
    OA__TRY(refuse_one(c->path.data, c->out_path));
    for (size_t i = 0; c->opts.adapter_paths != NULL && i < c->opts.n_adapters; i++) {
        const char *path = c->opts.adapter_paths[i];
        if (path != NULL) OA__TRY(refuse_one(path, c->out_path));
    }
    return OA_OK;
}

/* Of a folder config.json and the tensors may disagree, and the file would not open. */
static int refuse_folder(const char *path)
{
    oa_model *m;
    if (!oa__is_folder(path)) return OA_OK;
    OA__TRY(oa__model_open_header(&m, path));
    oa_model_free(m);
    return OA_OK;
}

static bool is_quantised(uint32_t type)
{
    return oa__type_get(type)->quantised;
}

/* The type that a tensor gets. */
static uint32_t plan_type(convert *c, const oa__gguf_tensor *t)
{
    if (!oa__recipe_takes(t)) return is_quantised(t->type) ? t->type : OA__F32;
    if (c->recipe == NULL) return t->type;
    const uint32_t want =
        oa__recipe_type(c->recipe, &c->model, (c->opts.flags & OA_CONVERT_PURE) != 0, t);
    const uint32_t type = oa__recipe_fallback(want, t->dims[0]);
    if (type != want) {
        c->result.n_fallback++;
        oa__fallbacks_add(&c->fallbacks, &c->log, t, want, type);
    }
    return type;
}

/* Packed or not, whatever the input is. */
static int plan_layout(convert *c)
{
    const size_t n = oa__gguf_tensor_count(c->in);
    c->packs = oa__alloc_array(&c->mem, n, sizeof *c->packs);
    if (c->packs == NULL) return OA_ENOMEM;
    if (c->opts.flags & OA_CONVERT_PACK) {
        OA__TRY(oa__pack_choose(c->path.data, c->in, c->packs));
        OA__TRY(oa__gguf_writer_u32(c->out, "general.alignment", OA__GGUF_PACKED_ALIGNMENT));
        return oa__gguf_writer_u32(c->out, OA__GGUF_PACKED_KEY, OA__GGUF_PACKED_VERSION);
    }
    if (!oa__gguf_has(c->in, OA__GGUF_PACKED_KEY)) return OA_OK;
    OA__TRY(oa__gguf_writer_remove(c->out, OA__GGUF_PACKED_KEY));
    return oa__gguf_writer_remove(c->out, "general.alignment");
}

static int plan(convert *c)
{
    static const char *const gone[] = {"split.no", "split.count", "split.tensors.count"};
    const size_t n = oa__gguf_tensor_count(c->in);
    bool quantised = false;
    uint64_t n_parts = 1;
    if (oa__gguf_has(c->in, "split.count")) OA__TRY(oa__gguf_u64(c->in, "split.count", &n_parts));
    if (n_parts > 1 && oa__gguf_has(c->in, "split.no"))
        return oa__err(OA_EUNSUPPORTED, "model is split into %llu files, want one",
                       (unsigned long long)n_parts);
    OA__TRY(oa__recipe_model_read(&c->model, c->in));
    OA__TRY(oa__gguf_writer_new(&c->out, &c->mem));
    OA__TRY(oa__gguf_writer_copy(c->out, c->in));
    OA__TRY(plan_layout(c));
    for (size_t i = 0; i < OA__ARRAY_LEN(gone); i++)
        OA__TRY(oa__gguf_writer_remove(c->out, gone[i]));
    if (n == 0) return oa__err(OA_EFORMAT, "there are no tensors");
    c->types = oa__alloc_array(&c->mem, n, sizeof *c->types);
    if (c->types == NULL) return OA_ENOMEM;
    for (size_t i = 0; i < n; i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(c->in, i);
        if (!t->there) return oa__err(OA_EFORMAT, "file ends before tensor %s does", t->name);
        const uint32_t type = c->types[i] = plan_type(c, t);
        const uint32_t written = type + (c->packs[i] ? OA__GGUF_PACKED : 0);
        size_t size, stored;
        OA__TRY(oa__gguf_sizes(t->name, written, t->dims, &size, &stored));
        quantised = quantised || is_quantised(type);
        c->result.n_tensors++;
        c->result.n_converted += type != t->type;
        const bool again = type != t->type || oa__merge_changes(c->merge, t->name);
        c->result.n_requantised += again && is_quantised(t->type) && is_quantised(type);
        c->result.n_params += t->dims[0] * t->dims[1] * t->dims[2] * t->dims[3];
        c->result.in_size += t->size;
        c->result.out_size += stored;
        OA__TRY(oa__gguf_writer_tensor(c->out, t->name, written, t->n_dims, t->dims));
    }
    oa__fallbacks_say(&c->fallbacks, &c->log);
    if (c->result.n_requantised > 0)
        oa__log_line(&c->log, OA_LOG_WARN,
                     "%u tensors are quantised already: to quantise them again loses more than to "
                     "do it once",
                     c->result.n_requantised);
    if (c->recipe == NULL) return OA_OK;
    OA__TRY(oa__gguf_writer_u32(c->out, "general.file_type", c->recipe->file_type));
    return quantised ? oa__gguf_writer_u32(c->out, "general.quantization_version", 2) : OA_OK;
}

/* Tensor i in its new type, by rows. */
static int give_rows(convert *c, size_t i, uint64_t done, const void **data)
{
    const oa__gguf_tensor *t = oa__gguf_tensor_at(c->in, i);
    const void *src = t->data;
    if (src == NULL) {
        c->loaded = oa__alloc(&c->mem, t->size);
        if (c->loaded == NULL) return OA_ENOMEM;
        OA__TRY(oa__gguf_tensor_load(c->in, t, c->loaded));
        src = c->loaded;
    }
    const uint32_t type = c->types[i];
    oa__log_line(&c->log, OA_LOG_INFO, "tensor %s: %s to %s", t->name, oa__type_get(t->type)->name,
                 oa__type_get(type)->name);
    *data = src;
    const bool changes = oa__merge_changes(c->merge, t->name);
    if (type == t->type && !changes) return OA_OK;
    oa__delta_free(&c->delta);
    if (changes) OA__TRY(oa__merge_load(c->merge, t, &c->delta));

    oa__convert_rows rows = {.name = t->name,
                             .src = src,
                             .src_type = t->type,
                             .dst_type = type,
                             .n = (size_t)t->dims[0],
                             .n_rows = (size_t)(t->dims[1] * t->dims[2] * t->dims[3]),
                             .delta = changes ? &c->delta : NULL};
    size_t row_size, size;
    OA__TRY(oa__type_row_size(type, t->dims[0], &row_size));
    if (!oa__mul_size(row_size, rows.n_rows, &size)) return oa__err_nomem(SIZE_MAX);
    c->made = oa__alloc(&c->mem, size);
    if (c->made == NULL) return OA_ENOMEM;
    rows.dst = c->made;
    *data = c->made;
    return oa__convert_rows_run(&rows, &c->mem, c->pool, c->cpu_flags, &c->progress, done);
}

static int give(void *arg, size_t i, uint64_t done, const void **data)
{
    convert *c = arg;
    const oa__gguf_tensor *t = oa__gguf_tensor_at(c->in, i);
    size_t size, stored;
    if (i > 0) oa__gguf_tensor_drop(c->in, oa__gguf_tensor_at(c->in, i - 1));
    oa__free(&c->mem, c->loaded);
    oa__free(&c->mem, c->made);
    oa__free(&c->mem, c->packed);
    c->loaded = c->made = c->packed = NULL;
    OA__TRY(give_rows(c, i, done, data));
    if (!c->packs[i]) return OA_OK;
    OA__TRY(oa__gguf_sizes(t->name, c->types[i] + OA__GGUF_PACKED, t->dims, &size, &stored));
    c->packed = oa__alloc(&c->mem, stored);
    if (c->packed == NULL) return OA_ENOMEM;
    const oa__pack_rows rows = {.rows = *data,
                                .room = c->packed,
                                .type = c->types[i],
                                .n = (size_t)t->dims[0],
                                .n_rows = (size_t)t->dims[1],
                                .n_matrices = (size_t)(t->dims[2] * t->dims[3])};
    *data = c->packed;
    return oa__pack_tensor(&rows, &c->mem, c->pool);
}

static int run(convert *c, const char *path)
{
    OA__TRY(oa__model_resolve(path, &c->path));
    OA__TRY(refuse_input(c));
    OA__TRY(oa__err_in_file(oa__source_open(&c->in, &c->mem, c->path.data,
                                            (c->opts.flags & OA_CONVERT_NO_MMAP) != 0, false),
                            c->path.data));
    OA__TRY(oa__merge_new(&c->merge, &c->mem, c->in, c->opts.adapter_paths, c->opts.adapter_scales,
                          c->opts.n_adapters));
    OA__TRY(oa__err_in_file(plan(c), c->path.data));
    OA__TRY(refuse_folder(c->path.data));
    OA__TRY(oa__pool_new(&c->pool, &c->mem, c->opts.n_threads));
    OA__TRY(oa__err_in_file(oa__gguf_writer_save(c->out, c->out_path, give, c, &c->progress),
                            c->path.data));
    if (c->opts.result != NULL) {
        c->result.size = sizeof c->result;
        OA__TRY(oa__opts_write(c->opts.result, &c->result, sizeof c->result, sizeof c->result));
    }
    return OA_OK;
}

int oa_convert(const char *path, const char *out_path, const oa_convert_opts *opts)
{
    convert c = {.out_path = out_path};
    if (out_path == NULL || out_path[0] == '\0')
        return oa__err(OA_EINVAL, "no path to write to is given");
    OA__TRY(read_opts(&c, opts));
    c.path.mem = &c.mem;
    oa__fp fp;
    oa__fp_enter(&fp);
    const int rc = run(&c, path);
    oa__fp_leave(&fp);
    oa__free(&c.mem, c.loaded);
    oa__free(&c.mem, c.made);
    oa__free(&c.mem, c.packed);
    oa__free(&c.mem, c.packs);
    oa__free(&c.mem, c.types);
    oa__pool_free(c.pool);
    oa__delta_free(&c.delta);
    oa__merge_free(c.merge);
    oa__gguf_writer_free(c.out);
    oa__gguf_free(c.in);
    oa__str_free(&c.path);
    return rc;
}
