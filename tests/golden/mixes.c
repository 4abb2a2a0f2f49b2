/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One answer in random mixes of everything that must not show: types of weights and of the cache,
 * packed files, tiers, threads, chunks, batches, forks, truncations, saved sessions, shared pages,
 * guesses ahead. A few sessions of one model go random ways; whatever way that was, the logits
 * after their tokens are those of a session that read them alone, on the C tier, from the file that
 * was not packed. And each type of weights has its frozen hash.
 *
 *     mixes N_MIXES [SEED] [-v]
 */
#include "session/session_priv.h"

#include "session/tiny.h"

#include <stdlib.h>
#include <unistd.h>

enum { N_CTX = 160, N_IDS = 40, MAX_SESSIONS = 4, MAX_WAYS = 14 };

/* A hash of the logits after N_IDS tokens, f16 cache, of tests/golden/tiny.gguf with every matrix
 * of the type. */
static const struct {
    const char *type;
    uint64_t frozen;
} types[] = {
    {"F32", 0xcafebb8f604ba591},  {"F16", 0x7f563da11002a179},    {"BF16", 0x00bb99fae0b2292e},
    {"Q8_0", 0x7bbd2f7bfc4e0c9e}, {"Q4_0", 0x230c97113c67d272},   {"Q4_1", 0x62f9ce218819a2c3},
    {"Q5_0", 0x82fc0d28bc76406e}, {"Q5_1", 0x0d6b299351f335a7},   {"Q2_K", 0xc9001fd07a2f1428},
    {"Q3_K", 0x8d730ecd775315cd}, {"Q4_K", 0x70987e051d9c169d},   {"Q5_K", 0xcfc9d6caa9b5d3e4},
    {"Q6_K", 0xbce3531efde83518}, {"IQ4_NL", 0x56813170b3dc9a44}, {"IQ4_XS", 0xff6488cde73fc6cb},
};
enum { N_TYPES = OA__ARRAY_LEN(types), N_TIERS = 6 };

static uint32_t n_mixes = 20;
static uint64_t seed = 1;
static bool verbose, has_tier[N_TIERS];
static char folder[64];
static oa_model *plain[N_TYPES]; /* C tier, one thread; opened when asked for */

static void path_of(char path[128], size_t type, bool packed)
{
    snprintf(path, 128, "%s/%s%s.gguf", folder, types[type].type, packed ? ".packed" : "");
}

static void make(size_t type, bool packed)
{
    char from[128], path[128];
    path_of(path, type, packed);
    if (access(path, F_OK) == 0) return;
    oa_convert_opts o = OA_CONVERT_OPTS_INIT;
    if (packed) {
        make(type, false);
        path_of(from, type, false);
        o.flags = OA_CONVERT_PACK;
        assert_ok(oa_convert(from, path, &o));
    } else {
        o.type = types[type].type;
        o.flags = OA_CONVERT_PURE;
        assert_ok(oa_convert(tiny_path(), path, &o));
    }
}

static oa_model *open_model(size_t type, bool packed, uint32_t cpu, uint32_t n_threads)
{
    char path[128];
    oa_model *m;
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    make(type, packed);
    path_of(path, type, packed);
    o.cpu = cpu;
    o.n_threads = n_threads;
    assert_ok(oa_model_open(&m, path, &o));
    return m;
}

static oa_model *plain_model(size_t type)
{
    if (plain[type] == NULL) plain[type] = open_model(type, false, OA_CPU_C, 1);
    return plain[type];
}

/* --- a mix --------------------------------------------------------------------------------------
 */

typedef struct mix {
    uint64_t random;
    size_t type;
    uint32_t kv_type;
    oa_model *model;
    oa_session *sessions[MAX_SESSIONS];
    size_t n_sessions;
} mix;

static size_t below(mix *x, size_t n)
{
    return (size_t)(tiny_random(&x->random) % n);
}

static void random_opts(mix *x, oa_session_opts *o)
{
    *o = (oa_session_opts)OA_SESSION_OPTS_INIT;
    o->n_ctx = N_CTX;
    o->kv_type = x->kv_type;
    o->n_batch = below(x, 3) == 0 ? 1 + (uint32_t)below(x, 40) : 0;
    if (below(x, 3) == 0) o->flags |= OA_SESSION_NO_SHARING;
    if (below(x, 3) == 0) o->flags |= OA_SESSION_NO_DRAFT;
    o->n_draft = (uint32_t)below(x, 6);
    if (below(x, 4) == 0 && !(o->flags & OA_SESSION_NO_DRAFT)) o->draft = x->model;
}

static oa_session *add_session(mix *x)
{
    oa_session_opts o;
    oa_session *s;
    random_opts(x, &o);
    assert_ok(oa_session_new(&s, x->model, &o));
    s->draft_always = below(x, 2) == 0;
    return x->sessions[x->n_sessions++] = s;
}

/* Texts have equal beginnings and say things twice. */
static void random_ids(mix *x, int32_t *ids, size_t n)
{
    const size_t from = below(x, 3);
    int32_t text[N_IDS];
    tiny_ids(x->model, below(x, 4), text, N_IDS);
    for (size_t i = 0; i < n; i++)
        ids[i] = text[(from + i) % N_IDS];
}

static size_t room(const oa_session *s)
{
    return N_CTX - tiny_len(s);
}

static void append(mix *x, oa_session *s)
{
    int32_t ids[N_CTX];
    size_t n = 1 + below(x, below(x, 2) ? 4 : 70);
    if (n > room(s)) n = room(s);
    random_ids(x, ids, n);
    assert_ok(oa_session_append(s, ids, n));
}

static oa_sampler *random_sampler(mix *x)
{
    oa_sampler *sampler = NULL;
    if (below(x, 2) == 0) return NULL;
    assert_ok(oa_sampler_new(&sampler, NULL));
    assert_ok(oa_sampler_set(sampler, "seed", (double)below(x, 1000)));
    assert_ok(oa_sampler_set(sampler, "temperature", 0.3 + (double)below(x, 10) * 0.1));
    return sampler;
}

/* Tokens that are picked; each is what the reference would have picked. */
static void step(mix *x, oa_session *s)
{
    oa_sampler *sampler = random_sampler(x);
    for (size_t n = 1 + below(x, 12); n-- > 0 && room(s) > 0;) {
        int32_t id;
        assert_ok(oa_session_step(s, sampler, &id));
    }
    oa_sampler_free(sampler);
}

static void step_many(mix *x)
{
    oa_step steps[MAX_SESSIONS] = {{0}};
    int32_t ids[MAX_SESSIONS][N_CTX];
    for (size_t round = 1 + below(x, 4); round-- > 0;) {
        size_t n = 0;
        for (size_t i = 0; i < x->n_sessions; i++) {
            oa_session *s = x->sessions[i];
            if (room(s) < 12 || below(x, 4) == 0) continue;
            steps[n] = (oa_step){.session = s, .ids = ids[n], .n_ids = below(x, 2) * below(x, 10)};
            if (tiny_len(s) == 0) steps[n].n_ids = 5;
            random_ids(x, ids[n], steps[n].n_ids);
            n++;
        }
        assert_ok(oa_session_step_many(steps, n, sizeof *steps));
        for (size_t i = 0; i < n; i++)
            assert_ok(steps[i].status);
    }
}

static void save_and_open(mix *x, size_t at)
{
    char path[128];
    oa_session_opts o;
    oa_session *s;
    snprintf(path, sizeof path, "%s/saved", folder);
    assert_ok(oa_session_save(x->sessions[at], path));
    random_opts(x, &o);
    assert_ok(oa_session_open_saved(&s, x->model, path, &o));
    s->draft_always = below(x, 2) == 0;
    oa_session_free(x->sessions[at]);
    x->sessions[at] = s;
    unlink(path);
}

static void go(mix *x)
{
    const size_t at = below(x, x->n_sessions);
    oa_session *s = x->sessions[at], *f;
    int32_t ids[N_CTX];
    size_t n;
    if (tiny_len(s) == 0) append(x, s);
    switch (below(x, 9)) {
    case 0:
    case 1:
        if (room(s) > 0) append(x, s);
        break;
    case 2:
    case 3:
        step(x, s);
        break;
    case 4:
        step_many(x);
        break;
    case 5:
        assert_ok(oa_session_truncate(s, below(x, tiny_len(s) + 1)));
        break;
    case 6:
        save_and_open(x, at);
        break;
    case 7:
        if (x->n_sessions == MAX_SESSIONS) break;
        assert_ok(oa_session_fork(&f, s));
        x->sessions[x->n_sessions++] = f;
        break;
    default:
        n = 1 + below(x, N_CTX);
        random_ids(x, ids, n);
        assert_ok(oa_session_set_ids(s, ids, n, NULL));
    }
}

/* As if the session had read its tokens alone. */
static void check(mix *x, oa_session *s)
{
    const int32_t *ids;
    size_t n;
    assert_ok(oa_session_get_ids(s, &ids, &n));
    if (n == 0) return;
    const uint64_t want = tiny_alone(plain_model(x->type), x->kv_type, ids, n);
    assert_true(tiny_logits(s) == want);
}

/* A step picks what the logits before it say, with a seed of its own. */
static void check_pick(mix *x, oa_session *s)
{
    const int32_t *ids;
    size_t n;
    int32_t id, want;
    if (tiny_len(s) == 0 || room(s) == 0) return;
    oa_session *alone = tiny_session(plain_model(x->type), OA_SESSION_NO_DRAFT, N_CTX);
    if (x->kv_type == OA_KV_F16) {
        assert_ok(oa_session_get_ids(s, &ids, &n));
        assert_ok(oa_session_set_ids(alone, ids, n, NULL));
        assert_ok(oa_session_step(alone, NULL, &want));
        assert_ok(oa_session_step(s, NULL, &id));
        assert_int_equal(id, want);
    }
    oa_session_free(alone);
}

static void run_mix(uint64_t number)
{
    mix x = {.random = seed * 1000003 + number};
    uint32_t cpu;
    x.type = below(&x, N_TYPES);
    do {
        cpu = (uint32_t)below(&x, N_TIERS);
    } while (!has_tier[cpu]);
    x.kv_type = (uint32_t)below(&x, OA__N_KV_TYPES);
    const bool packed = below(&x, 3) == 0;
    const uint32_t n_threads = 1 + (uint32_t)below(&x, 3);
    const size_t n_ways = 4 + below(&x, MAX_WAYS - 4);
    if (verbose) {
        test_note("mix %llu: %s%s, tier %u, %u threads, cache %u", (unsigned long long)number,
                  types[x.type].type, packed ? " packed" : "", cpu, n_threads, x.kv_type);
    }
    x.model = open_model(x.type, packed, cpu, n_threads);
    add_session(&x);
    if (below(&x, 2)) add_session(&x);
    for (size_t i = 0; i < n_ways; i++)
        go(&x);
    for (size_t i = 0; i < x.n_sessions; i++) {
        check(&x, x.sessions[i]);
        check_pick(&x, x.sessions[i]);
        oa_session_free(x.sessions[i]);
    }
    oa_model_free(x.model);
}

static void test_golden_mixes__random(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < n_mixes; i++)
        run_mix(i);
}

/* --- types --------------------------------------------------------------------------------------
 */

static void test_golden_mixes__types(void **state)
{
    (void)state;
    int32_t ids[N_IDS];
    for (size_t t = 0; t < N_TYPES; t++) {
        for (uint32_t cpu = 0; cpu < N_TIERS; cpu++) {
            if (!has_tier[cpu]) continue;
            oa_model *m = open_model(t, cpu % 2 == 1, cpu, 1 + cpu % 3);
            tiny_ids(m, 1, ids, N_IDS);
            const uint64_t h = tiny_alone(m, OA_KV_F16, ids, N_IDS);
            if (verbose || h != types[t].frozen) {
                test_note("%s, tier %u: 0x%016llx", types[t].type, cpu, (unsigned long long)h);
            }
            if (!verbose) assert_true(h == types[t].frozen);
            oa_model_free(m);
        }
    }
}

static int begin(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/oa-mixes-XXXXXX");
    if (mkdtemp(folder) == NULL) return 1;
    for (uint32_t cpu = 0; cpu < N_TIERS; cpu++) {
        oa_model *m;
        oa_model_opts o = OA_MODEL_OPTS_INIT;
        o.cpu = cpu;
        const int rc = oa_model_open(&m, tiny_path(), &o);
        has_tier[cpu] = rc == OA_OK;
        oa_model_free(m);
        if (rc != OA_OK && rc != OA_EUNSUPPORTED) return 1;
    }
    return 0;
}

static int end(void **state)
{
    (void)state;
    for (size_t t = 0; t < N_TYPES; t++) {
        char path[128];
        oa_model_free(plain[t]);
        for (int packed = 0; packed < 2; packed++) {
            path_of(path, t, packed);
            unlink(path);
        }
    }
    return rmdir(folder);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_golden_mixes__types),
        cmocka_unit_test(test_golden_mixes__random),
    };
    for (int i = 1, n = 0; i < argc; i++) {
        if (strcmp(argv[i], "-v") == 0) {
            verbose = true;
        } else if (n++ == 0) {
            n_mixes = (uint32_t)strtoul(argv[i], NULL, 10);
        } else {
            seed = strtoull(argv[i], NULL, 10);
        }
    }
    return cmocka_run_group_tests_name("golden_mixes", tests, begin, end);
}
