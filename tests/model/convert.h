/* SPDX-License-Identifier: Apache-2.0 */
/* A folder for every test of oa_convert(), and files in it. */
#ifndef OA_TESTS_MODEL_CONVERT_H
#define OA_TESTS_MODEL_CONVERT_H

#include "session/tiny.h"

#include <dirent.h>
#include <sys/stat.h>

#include "model/convert_priv.h"

static char scratch[64];

static inline const char *in_folder(const char *name)
{
    static char path[4][400];
    static unsigned next;
    char *p = path[next++ % 4];
    snprintf(p, sizeof path[0], "%s/%s", scratch, name);
    return p;
}

static inline int setup(void **state)
{
    (void)state;
    snprintf(scratch, sizeof scratch, "/tmp/oa-convert-XXXXXX");
    assert_non_null(mkdtemp(scratch));
    return 0;
}

/* How many files there are; all are removed when `remove_them`. */
static inline size_t n_files(bool remove_them)
{
    size_t n = 0;
    DIR *d = opendir(scratch);
    assert_non_null(d);
    for (struct dirent *e; (e = readdir(d)) != NULL;) {
        if (e->d_name[0] == '.') continue;
        n++;
        if (remove_them) unlink(in_folder(e->d_name));
    }
    closedir(d);
    return n;
}

static inline int teardown(void **state)
{
    (void)state;
    n_files(true);
    rmdir(scratch);
    return 0;
}

static inline char *slurp(const char *path, size_t *len)
{
    char *data;
    assert_ok(oa__file_read(NULL, path, 64 << 20, &data, len));
    return data;
}

static inline void assert_same_bytes(const char *a, const char *b, bool same)
{
    size_t n, k;
    char *x = slurp(a, &n), *y = slurp(b, &k);
    if ((n == k && memcmp(x, y, n) == 0) != same)
        fail_msg("%s (%zu bytes) and %s (%zu): want %s", a, n, b, k, same ? "the same" : "others");
    oa__free(NULL, x);
    oa__free(NULL, y);
}

static inline int to_type(const char *in, const char *out, const char *type, uint32_t flags,
                          oa_convert_result *result)
{
    oa_convert_opts o = OA_CONVERT_OPTS_INIT;
    o.type = type;
    o.flags = flags;
    o.n_threads = 2;
    o.result = result;
    return oa_convert(in, out, &o);
}

/* Tensors "blk.0.ffn_down.weight" (n, 3) and a vector, of floats from get. */
typedef struct made_file {
    uint64_t n;
    float bad; /* of row 1, element 5 */
    float *rows;
} made_file;

static inline int give_floats(void *arg, size_t tensor, uint64_t done, const void **data)
{
    made_file *m = arg;
    (void)tensor;
    (void)done;
    for (size_t i = 0; i < 3 * m->n; i++)
        m->rows[i] = (float)((int)(i * 37 % 101) - 50) / 64.0f;
    if (m->bad != 0) m->rows[m->n + 5] = m->bad;
    *data = m->rows;
    return OA_OK;
}

static inline void make_file(const char *path, uint64_t n, float bad)
{
    const uint64_t dims[2] = {n, 3};
    made_file m = {.n = n, .bad = bad, .rows = calloc(3 * n, sizeof(float))};
    oa__gguf_writer *w;
    assert_ok(oa__gguf_writer_new(&w, NULL));
    assert_ok(oa__gguf_writer_str(w, "general.architecture", "llama", 5));
    assert_ok(oa__gguf_writer_u32(w, "llama.block_count", 8));
    assert_ok(oa__gguf_writer_u32(w, "split.count", 1));
    assert_ok(oa__gguf_writer_str(w, "user.key", "kept", 4));
    assert_ok(oa__gguf_writer_tensor(w, "blk.7.ffn_down.weight", OA__F32, 2, dims));
    assert_ok(oa__gguf_writer_tensor(w, "blk.7.ffn_norm.weight", OA__F32, 1, dims));
    assert_ok(oa__gguf_writer_save(w, path, give_floats, &m, NULL));
    oa__gguf_writer_free(w);
    free(m.rows);
}

static inline uint32_t type_in(const char *path, const char *tensor)
{
    oa__gguf *g;
    assert_ok(oa__gguf_open(&g, NULL, path, false, false));
    const oa__gguf_tensor *t = oa__gguf_tensor_find(g, tensor);
    assert_non_null(t);
    const uint32_t type = t->type;
    oa__gguf_free(g);
    return type;
}

static inline uint64_t number_in(const char *path, const char *key)
{
    oa__gguf *g;
    uint64_t v = UINT64_MAX;
    assert_ok(oa__gguf_open(&g, NULL, path, false, false));
    if (oa__gguf_has(g, key)) assert_ok(oa__gguf_u64(g, key, &v));
    oa__gguf_free(g);
    return v;
}

#endif
