/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of this folder share: the tiny model, pseudo-random ids, hashes of logits. Uses
 * public functions only, so tests/api and tests/golden include it too. */
#ifndef OA_TESTS_SESSION_TINY_H
#define OA_TESTS_SESSION_TINY_H

#include "util/test.h"

#include <openassistant/openassistant.h>

enum { TINY_IDS_MAX = 512 };

static inline const char *tiny_path(void)
{
    static char path[1024];
    const char *root = getenv("OA_TEST_SOURCE");
    snprintf(path, sizeof path, "%s/tests/golden/tiny.gguf", root ? root : ".");
    return path;
}

static inline oa_model *tiny_open(const oa_model_opts *opts)
{
    oa_model *m = NULL;
    assert_ok(oa_model_open(&m, tiny_path(), opts));
    return m;
}

static inline uint32_t tiny_n_vocab(const oa_model *m)
{
    oa_model_info info = OA_MODEL_INFO_INIT;
    assert_ok(oa_model_get_info(m, &info));
    return info.n_vocab;
}

static inline uint64_t tiny_random(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* ids (n) that follow from the seed. */
static inline void tiny_ids(const oa_model *m, uint64_t seed, int32_t *ids, size_t n)
{
    const uint32_t n_vocab = tiny_n_vocab(m);
    for (size_t i = 0; i < n; i++)
        ids[i] = (int32_t)(tiny_random(&seed) % n_vocab);
}

static inline uint64_t tiny_hash(uint64_t h, const void *data, size_t size)
{
    const unsigned char *p = data;
    for (size_t i = 0; i < size; i++)
        h = (h ^ p[i]) * 0x100000001b3u;
    return h;
}

#define TINY_HASH_BASIS 0xcbf29ce484222325u

/* FNV-1a of the bits of the logits after the last token. */
static inline uint64_t tiny_logits(oa_session *s)
{
    const float *logits;
    size_t n;
    assert_ok(oa_session_get_logits(s, &logits, &n));
    return tiny_hash(TINY_HASH_BASIS, logits, n * sizeof *logits);
}

static inline oa_session *tiny_session(oa_model *m, uint32_t flags, uint32_t n_ctx)
{
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.flags = flags;
    o.n_ctx = n_ctx;
    oa_session *s = NULL;
    assert_ok(oa_session_new(&s, m, &o));
    return s;
}

/* What a session that shares nothing says after these ids. */
static inline uint64_t tiny_alone(oa_model *m, uint32_t kv_type, const int32_t *ids, size_t n)
{
    oa_session_opts o = OA_SESSION_OPTS_INIT;
    o.flags = OA_SESSION_NO_SHARING;
    o.kv_type = kv_type;
    o.n_ctx = 4096;
    oa_session *s = NULL;
    assert_ok(oa_session_new(&s, m, &o));
    assert_ok(oa_session_append(s, ids, n));
    const uint64_t h = tiny_logits(s);
    oa_session_free(s);
    return h;
}

static inline size_t tiny_len(const oa_session *s)
{
    size_t n;
    assert_ok(oa_session_get_ids(s, NULL, &n));
    return n;
}

#endif
