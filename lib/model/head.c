/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Heads: small GGUF files that turn an embedding into scores, and those that encoders carry:
 *
 *     scores = W tanh(D e + c) + b        tensors cls (D, c; may be missing), cls.output (W, b)
 */
#include <openassistant/head.h>

#include <stdio.h>
#include <string.h>

#include "model/adapter.h"

enum { MAX_LABELS = 1 << 16, NORMALIZE = 1 /* OA_EMBED_NORMALIZE */ };

struct oa_head {
    oa_model *model; /* owned reference */
    oa_head_info info;
    size_t d_model;
    char **labels; /* (n_scores), owned; NULL of a reward head */
    float *weight; /* (n_scores, d_model) */
    float *bias;   /* (n_scores); may be NULL */
    float *dense;  /* (d_model, d_model); may be NULL, as its bias */
    float *dense_bias;
};

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

static int read_tensors(oa_head *h, const oa__gguf *g)
{
    const oa__gguf_tensor *w = oa__gguf_tensor_find(g, "head.weight");
    const oa__gguf_tensor *b = oa__gguf_tensor_find(g, "head.bias");
    if (w == NULL) return oa__err(OA_EFORMAT, "tensor head.weight is missing");
    for (size_t i = 0; i < oa__gguf_tensor_count(g); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(g, i);
        if (t != w && t != b) {
            return oa__err(OA_EUNSUPPORTED, "tensor %s is not part of a head", t->name);
        }
    }
    OA__TRY(check_shape(w, h->d_model, h->info.n_scores));
    OA__TRY(oa__adapter_floats(&h->model->mem, g, w, &h->weight));
    if (b == NULL) return OA_OK;
    OA__TRY(check_shape(b, h->info.n_scores, 1));
    return oa__adapter_floats(&h->model->mem, g, b, &h->bias);
}

static int read_head(oa_head *h, const oa__gguf *g)
{
    static const char *const types[] = {"head"}, *const kinds[] = {"reward", "labels"};
    static const char *const poolings[] = {"mean", "last", "cls"}; /* enum oa_pooling */
    uint32_t type;
    bool normalize = false;
    h->info.pooling = 1;
    OA__TRY(read_name(g, "general.type", types, 1, true, &type));
    OA__TRY(read_name(g, "head.type", kinds, 2, true, &h->info.kind));
    OA__TRY(read_name(g, "head.pooling", poolings, 3, false, &h->info.pooling));
    if (oa__gguf_has(g, "head.normalize")) {
        OA__TRY(oa__gguf_bool(g, "head.normalize", &normalize));
    }
    h->info.flags = normalize ? NORMALIZE : 0;
    OA__TRY(read_labels(h, g, "head.labels"));
    return read_tensors(h, g);
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

/* The head that an encoder carries. */
static int read_own(oa_head *h)
{
    const oa__gguf *g = h->model->gguf;
    const uint64_t d = h->d_model;
    char key[128];
    if (!h->model->arch->encoder || oa__gguf_tensor_find(g, "cls.output.weight") == NULL) {
        return oa__err(OA_ENOTFOUND, "the model carries no head");
    }
    h->info.kind = OA_HEAD_LABELS;
    h->info.pooling = 2;
    snprintf(key, sizeof key, "%s.classifier.output_labels", h->model->arch->name);
    OA__TRY(read_labels(h, g, key));
    const uint64_t n = h->info.n_scores;
    OA__TRY(read_floats(h, g, "cls.weight", d, d, &h->dense));
    OA__TRY(read_floats(h, g, "cls.bias", d, 1, &h->dense_bias));
    OA__TRY(read_floats(h, g, "cls.output.weight", d, n, &h->weight));
    return read_floats(h, g, "cls.output.bias", n, 1, &h->bias);
}

static int open_head(oa_head **out, oa_model *model, const char *path)
{
    oa__gguf *g = NULL;
    oa_head *h = oa__alloc(&model->mem, sizeof *h);
    if (h == NULL) return OA_ENOMEM;
    h->model = oa_model_ref(model);
    h->info.size = sizeof h->info;
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

int oa_head_get_info(const oa_head *head, oa_head_info *info)
{
    if (head == NULL || info == NULL) return oa__err(OA_EINVAL, "head or info is NULL");
    return oa__opts_write(info, &head->info, sizeof head->info, sizeof head->info);
}

int oa_head_get_label(const oa_head *head, size_t index, const char **label)
{
    if (label == NULL) return oa__err(OA_EINVAL, "label is NULL");
    *label = NULL;
    if (head == NULL) return oa__err(OA_EINVAL, "head is NULL");
    if (index >= head->info.n_scores) {
        return oa__err(OA_EINVAL, "label %zu of %u", index, head->info.n_scores);
    }
    *label = head->labels != NULL ? head->labels[index] : "reward";
    return OA_OK;
}

/* y = W x + b */
static void multiply(float *y, const float *w, const float *b, const float *x, size_t n_out,
                     size_t n_in)
{
    for (size_t k = 0; k < n_out; k++, w += n_in) {
        double sum = 0;
        for (size_t i = 0; i < n_in; i++)
            sum += (double)w[i] * (double)x[i];
        if (b != NULL) sum += (double)b[k];
        y[k] = (float)sum;
    }
}

int oa_head_apply(const oa_head *head, const float *embedding, size_t embedding_len, float *scores,
                  size_t scores_len)
{
    if (head == NULL) return oa__err(OA_EINVAL, "head is NULL");
    if (embedding == NULL || scores == NULL) {
        return oa__err(OA_EINVAL, "embedding or scores is NULL");
    }
    if (embedding_len != head->d_model) {
        return oa__err(OA_EINVAL, "embedding of %zu floats, want %zu", embedding_len,
                       head->d_model);
    }
    if (scores_len < head->info.n_scores) {
        return oa__err(OA_ELIMIT, "room for %zu scores, want %u", scores_len, head->info.n_scores);
    }
    const size_t d = head->d_model;
    oa__mem *mem = oa__model_mem(head->model);
    float *hidden = NULL;
    if (head->dense != NULL) {
        hidden = oa__alloc_array(mem, d, sizeof *hidden);
        if (hidden == NULL) return OA_ENOMEM;
    }
    oa__fp fp;
    oa__fp_enter(&fp);
    if (hidden != NULL) {
        multiply(hidden, head->dense, head->dense_bias, embedding, d, d);
        head->model->kern->softcap(hidden, 1, d); /* tanh */
        embedding = hidden;
    }
    multiply(scores, head->weight, head->bias, embedding, head->info.n_scores, d);
    oa__fp_leave(&fp);
    oa__free(mem, hidden);
    return OA_OK;
}
