/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening and saving heads: GGUF files of their own (tensors head, head.dense), and those that
 * models carry (tensors cls.output, cls).
 */
#include "model/head.h"

#include <stdio.h>
#include <string.h>

#include "model/adapter.h"

/* enum oa_pooling and oa_embed_flags, of the floor above. */
enum { POOL_MEAN, POOL_LAST, POOL_CLS, NORMALIZE = 1 };
enum { MAX_LABELS = 1 << 16 };

static const char *const kinds[] = {"reward", "labels"};               /* enum oa_head_kind */
static const char *const poolings[] = {"mean", "last", "cls"};         /* enum oa_pooling */
static const char *const functions[] = {"none", "sigmoid", "softmax"}; /* enum oa_head_function */

/* One of several names, the default when the key is missing. */
static int read_name(const oa__gguf *g, const char *key, const char *const *names, size_t n,
                     bool required, uint32_t *out)
{
    const char *text;
    size_t len;
    if (!oa__gguf_has(g, key)) {
        return required ? oa__err(OA_EFORMAT, "gguf key %s is missing", key) : OA_OK;
    }
    OA__TRY(oa__gguf_str(g, key, &text, &len));
    for (uint32_t i = 0; i < n; i++) {
        if (strlen(names[i]) != len || memcmp(text, names[i], len) != 0) continue;
        *out = i;
        return OA_OK;
    }
    return oa__err(OA_EUNSUPPORTED, "%s \"%.*s\" is not supported", key, (int)(len < 64 ? len : 64),
                   text);
}

static int read_labels(oa_head *h, const oa__gguf *g, const char *key)
{
    oa__gguf_strings it;
    size_t n;
    h->info.n_scores = 1;
    if (h->info.kind == OA_HEAD_REWARD) return OA_OK;
    if (!oa__gguf_has(g, key)) return oa__err(OA_EFORMAT, "gguf key %s is missing", key);
    OA__TRY(oa__gguf_strings_begin(g, key, &it, &n));
    if (n == 0 || n > MAX_LABELS) {
        return oa__err(OA_EFORMAT, "%zu labels, want 1 to %d", n, MAX_LABELS);
    }
    h->labels = oa__alloc_array(&h->model->mem, n, sizeof *h->labels);
    if (h->labels == NULL) return OA_ENOMEM;
    h->info.n_scores = (uint32_t)n;
    for (size_t i = 0; oa__gguf_strings_next(&it); i++) {
        if (it.len == 0 || memchr(it.text, '\0', it.len) != NULL) {
            return oa__err(OA_EFORMAT, "label %zu is empty or holds a NUL", i);
        }
        h->labels[i] = oa__strndup(&h->model->mem, it.text, it.len);
        if (h->labels[i] == NULL) return OA_ENOMEM;
    }
    return OA_OK;
}

static int check_shape(const oa__gguf_tensor *t, uint64_t d0, uint64_t d1)
{
    if (t->dims[0] == d0 && t->dims[1] == d1 && t->dims[2] == 1 && t->dims[3] == 1) return OA_OK;
    return oa__err(OA_EFORMAT, "tensor %s: %llu x %llu, want %llu x %llu", t->name,
                   (unsigned long long)t->dims[0], (unsigned long long)t->dims[1],
                   (unsigned long long)d0, (unsigned long long)d1);
}

/* A tensor that may be missing. */
static int read_floats(oa_head *h, const oa__gguf *g, const char *name, uint64_t d0, uint64_t d1,
                       float **out)
{
    const oa__gguf_tensor *t = oa__gguf_tensor_find(g, name);
    if (t == NULL) return OA_OK;
    OA__TRY(check_shape(t, d0, d1));
    return oa__adapter_floats(&h->model->mem, g, t, out);
}

/* What a head is made of, under the names of its file or of a model's. */
static const char *const names[2][4] = {
    {"head.weight", "head.bias", "head.dense.weight", "head.dense.bias"},
    {"cls.output.weight", "cls.output.bias", "cls.weight", "cls.bias"}};

static int read_tensors(oa_head *h, const oa__gguf *g, const char *const name[4])
{
    const uint64_t d = h->d_model, n = h->info.n_scores;
    if (oa__gguf_tensor_find(g, name[0]) == NULL) {
        return oa__err(OA_EFORMAT, "tensor %s is missing", name[0]);
    }
    OA__TRY(read_floats(h, g, name[0], d, n, &h->weight));
    OA__TRY(read_floats(h, g, name[1], n, 1, &h->bias));
    OA__TRY(read_floats(h, g, name[2], d, d, &h->dense));
    if (h->dense == NULL) return OA_OK;
    return read_floats(h, g, name[3], d, 1, &h->dense_bias);
}

static int refuse_strangers(const oa__gguf *g)
{
    for (size_t i = 0; i < oa__gguf_tensor_count(g); i++) {
        const char *name = oa__gguf_tensor_at(g, i)->name;
        size_t k = 0;
        while (k < OA__ARRAY_LEN(names[0]) && strcmp(name, names[0][k]) != 0)
            k++;
        const bool alone = k == 3 && oa__gguf_tensor_find(g, names[0][2]) == NULL;
        if (k < OA__ARRAY_LEN(names[0]) && !alone) continue;
        return oa__err(OA_EUNSUPPORTED, "tensor %s is not part of a head", name);
    }
    return OA_OK;
}

static int read_head(oa_head *h, const oa__gguf *g)
{
    static const char *const types[] = {"head"};
    uint32_t type;
    bool normalize = false;
    OA__TRY(read_name(g, "general.type", types, 1, true, &type));
    OA__TRY(read_name(g, "head.type", kinds, OA__ARRAY_LEN(kinds), true, &h->info.kind));
    OA__TRY(
        read_name(g, "head.pooling", poolings, OA__ARRAY_LEN(poolings), false, &h->info.pooling));
    OA__TRY(read_name(g, "head.function", functions, OA__ARRAY_LEN(functions), false,
                      &h->info.function));
    if (oa__gguf_has(g, "head.normalize")) {
        OA__TRY(oa__gguf_bool(g, "head.normalize", &normalize));
    }
    h->info.flags = normalize ? NORMALIZE : 0;
    OA__TRY(read_labels(h, g, "head.labels"));
    OA__TRY(refuse_strangers(g));
    return read_tensors(h, g, names[0]);
}

/* GGUF's number for what a classifier looks at. */
static int read_own_pooling(oa_head *h, const oa__gguf *g, const char *key)
{
    static const uint32_t by_number[] = {UINT32_MAX, POOL_MEAN, POOL_CLS, POOL_LAST};
    uint64_t v;
    h->info.pooling = h->model->arch->encoder ? POOL_CLS : POOL_LAST;
    if (!oa__gguf_has(g, key)) return OA_OK;
    OA__TRY(oa__gguf_u64(g, key, &v));
    if (v < 1 || v >= OA__ARRAY_LEN(by_number)) {
        return oa__err(OA_EUNSUPPORTED, "%s is %llu, want 1 to 3", key, (unsigned long long)v);
    }
    h->info.pooling = by_number[v];
    return OA_OK;
}

/* The head that the model carries. One score without a name is a reward. */
static int read_own(oa_head *h)
{
    const oa__gguf *g = h->model->gguf;
    const oa__gguf_tensor *t = oa__gguf_tensor_find(g, names[1][0]);
    const char *arch = h->model->arch->name;
    char key[128];
    if (t == NULL) return oa__err(OA_ENOTFOUND, "the model carries no head");
    snprintf(key, sizeof key, "%s.classifier.pooling_type", arch);
    OA__TRY(read_own_pooling(h, g, key));
    snprintf(key, sizeof key, "%s.classifier.output_labels", arch);
    const bool reward = t->dims[1] == 1 && !oa__gguf_has(g, key);
    h->info.kind = reward ? OA_HEAD_REWARD : OA_HEAD_LABELS;
    OA__TRY(read_labels(h, g, key));
    snprintf(key, sizeof key, "%s.classifier.function", arch);
    h->info.function = reward                  ? OA_HEAD_NONE
                       : h->info.n_scores == 1 ? OA_HEAD_SIGMOID
                                               : OA_HEAD_SOFTMAX;
    OA__TRY(read_name(g, key, functions, OA__ARRAY_LEN(functions), false, &h->info.function));
    return read_tensors(h, g, names[1]);
}

static int open_head(oa_head **out, oa_model *model, const char *path)
{
    oa__gguf *g = NULL;
    oa_head *h = oa__alloc(&model->mem, sizeof *h);
    if (h == NULL) return OA_ENOMEM;
    h->model = oa_model_ref(model);
    h->info.size = sizeof h->info;
    h->info.pooling = POOL_LAST;
    h->d_model = model->hp.d_model;
    int rc;
    if (path == NULL) {
        rc = read_own(h);
    } else {
        rc = oa__gguf_open(&g, &model->mem, path, true, false);
        if (rc == OA_OK) rc = read_head(h, g);
        oa__gguf_free(g);
    }
    if (rc < 0) {
        oa_head_free(h);
        return oa__err_in_file(rc, path != NULL ? path : model->path);
    }
    *out = h;
    return OA_OK;
}

int oa_head_open(oa_head **out, oa_model *model, const char *path)
{
    if (out == NULL) return oa__err(OA_EINVAL, "out is NULL");
    *out = NULL;
    if (model == NULL) return oa__err(OA_EINVAL, "model is NULL");
    if (path != NULL && path[0] == '\0') return oa__err(OA_EINVAL, "path is empty");
    if (!model->has_weights) {
        return oa__err(OA_EINVAL, "model was opened for its vocabulary only; it has no heads");
    }
    oa__fp fp;
    oa__fp_enter(&fp);
    const int rc = open_head(out, model, path);
    oa__fp_leave(&fp);
    return rc;
}

void oa_head_free(oa_head *head)
{
    if (head == NULL) return;
    oa_model *model = head->model;
    for (uint32_t i = 0; head->labels != NULL && i < head->info.n_scores; i++)
        oa__free(&model->mem, head->labels[i]);
    oa__free(&model->mem, head->labels);
    oa__free(&model->mem, head->weight);
    oa__free(&model->mem, head->bias);
    oa__free(&model->mem, head->dense);
    oa__free(&model->mem, head->dense_bias);
    oa__free(&model->mem, head);
    oa_model_free(model);
}

/* --- saving ---------------------------------------------------------------------------------- */

typedef struct saving {
    const float *parts[4]; /* those that there are */
    size_t n;
} saving;

static int give(void *arg, size_t index, uint64_t done, const void **data)
{
    const saving *s = arg;
    (void)done;
    *data = s->parts[index];
    return OA_OK;
}

static int write_text(oa__gguf_writer *w, const char *key, const char *text)
{
    return oa__gguf_writer_str(w, key, text, strlen(text));
}

static int write_head(const oa_head *h, oa__gguf_writer *w, saving *s)
{
    const uint64_t d = h->d_model, n = h->info.n_scores;
    const float *const parts[] = {h->weight, h->bias, h->dense, h->dense_bias};
    const uint64_t dims[][2] = {{d, n}, {n, 1}, {d, d}, {d, 1}};
    OA__TRY(write_text(w, "general.type", "head"));
    OA__TRY(write_text(w, "general.architecture", h->model->arch->name));
    OA__TRY(write_text(w, "head.type", kinds[h->info.kind]));
    OA__TRY(write_text(w, "head.pooling", poolings[h->info.pooling]));
    OA__TRY(oa__gguf_writer_bool(w, "head.normalize", (h->info.flags & NORMALIZE) != 0));
    OA__TRY(write_text(w, "head.function", functions[h->info.function]));
    if (h->labels != NULL) {
        OA__TRY(oa__gguf_writer_strings(w, "head.labels", (const char *const *)h->labels, NULL,
                                        h->info.n_scores));
    }
    for (size_t i = 0; i < OA__ARRAY_LEN(parts); i++) {
        if (parts[i] == NULL) continue;
        s->parts[s->n++] = parts[i];
        OA__TRY(oa__gguf_writer_tensor(w, names[0][i], OA__F32, i % 2 == 0 ? 2 : 1, dims[i]));
    }
    return OA_OK;
}

int oa_head_save(const oa_head *head, const char *path)
{
    if (head == NULL) return oa__err(OA_EINVAL, "head is NULL");
    if (path == NULL || path[0] == '\0') return oa__err(OA_EINVAL, "path is NULL or empty");
    saving s = {0};
    oa__gguf_writer *w;
    OA__TRY(oa__gguf_writer_new(&w, oa__model_mem(head->model)));
    int rc = write_head(head, w, &s);
    if (rc == OA_OK) rc = oa__gguf_writer_save(w, path, give, &s, NULL);
    oa__gguf_writer_free(w);
    return rc;
}
