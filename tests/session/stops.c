/* SPDX-License-Identifier: Apache-2.0 */
#include "session/session_priv.h"

#include "tiny.h"

/* Feed a text byte by byte; returns where it stops (length of what comes before), or SIZE_MAX. */
static size_t run(const char *const *stops, size_t n, const char *text)
{
    oa__stops st;
    assert_ok(oa__stops_init(&st, NULL, stops, n));
    size_t found = SIZE_MAX;
    for (size_t i = 0; text[i] && found == SIZE_MAX; i++) {
        size_t len;
        if (oa__stops_feed(&st, text[i], &len))
            found = i + 1 - len;
        else
            assert_true(oa__stops_held(&st) <= i + 1);
    }
    oa__stops_free(&st);
    return found;
}

/* The same, by looking at every place. */
static size_t plain(const char *const *stops, size_t n, const char *text)
{
    for (size_t end = 1; end <= strlen(text); end++) {
        size_t longest = 0;
        for (size_t k = 0; k < n; k++) {
            const size_t len = strlen(stops[k]);
            if (len <= end && len > longest && !memcmp(text + end - len, stops[k], len)) {
                longest = len;
            }
        }
        if (longest > 0) return end - longest;
    }
    return SIZE_MAX;
}

static void test_session_stops__against_a_plain_search(void **state)
{
    (void)state;
    uint64_t seed = 1;
    size_t n_found = 0;
    for (size_t round = 0; round < 3000; round++) {
        char store[4][16], text[64];
        const char *stops[4];
        const size_t n = 1 + tiny_random(&seed) % 4;
        for (size_t k = 0; k < n; k++) {
            const size_t len = 1 + tiny_random(&seed) % 9;
            for (size_t i = 0; i < len; i++)
                store[k][i] = "ab"[tiny_random(&seed) % 8 == 0];
            store[k][len] = '\0';
            stops[k] = store[k];
        }
        const size_t len = tiny_random(&seed) % 60;
        for (size_t i = 0; i < len; i++)
            text[i] = "ab"[tiny_random(&seed) % 3 == 0];
        text[len] = '\0';
        const size_t want = plain(stops, n, text);
        assert_int_equal(run(stops, n, text), want);
        n_found += want != SIZE_MAX;
    }
    assert_true(n_found > 500 && n_found < 2990);
}

static void test_session_stops__held_is_the_longest_beginning(void **state)
{
    (void)state;
    const char *stops[] = {"abab!", "ba?"};
    oa__stops st;
    assert_ok(oa__stops_init(&st, NULL, stops, 2));
    static const size_t held[] = {1, 2, 3, 4, 3, 4, 0};
    const char *text = "abababx";
    for (size_t i = 0; text[i]; i++) {
        size_t len;
        assert_false(oa__stops_feed(&st, text[i], &len));
        assert_int_equal(oa__stops_held(&st), held[i]);
    }
    oa__stops_free(&st);
}

static void test_session_stops__what_is_refused(void **state)
{
    (void)state;
    oa__stops st;
    const char *null[] = {"a", NULL}, *empty[] = {"a", ""}, *half[] = {"\xc3"};
    assert_err(oa__stops_init(&st, NULL, NULL, 1), OA_EINVAL, "NULL");
    assert_err(oa__stops_init(&st, NULL, null, 2), OA_EINVAL, "NULL");
    assert_err(oa__stops_init(&st, NULL, empty, 2), OA_EINVAL, "empty");
    assert_err(oa__stops_init(&st, NULL, half, 1), OA_EINVAL, "UTF-8");
    assert_ok(oa__stops_init(&st, NULL, NULL, 0));
    size_t len;
    assert_false(oa__stops_feed(&st, 'a', &len));
    oa__stops_free(&st);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_session_stops__against_a_plain_search),
        cmocka_unit_test(test_session_stops__held_is_the_longest_beginning),
        cmocka_unit_test(test_session_stops__what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
