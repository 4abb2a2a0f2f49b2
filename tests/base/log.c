/* SPDX-License-Identifier: Apache-2.0 */
#include "util/test.h"

#include "base/base.h"

struct seen {
    int n;
    uint32_t level;
    char line[2048];
};

static void on_line(uint32_t level, const char *line, void *user)
{
    struct seen *seen = user;
    seen->n++;
    seen->level = level;
    snprintf(seen->line, sizeof seen->line, "%s", line);
}

static void test_base_log__levels(void **state)
{
    struct seen seen = {0};
    oa__log log = {on_line, &seen, OA_LOG_DEFAULT};
    oa__log_line(&log, OA_LOG_INFO, "no");
    assert_int_equal(seen.n, 0);
    oa__log_line(&log, OA_LOG_WARN, "two\n%s", "lines\n");
    assert_int_equal(seen.n, 1);
    assert_int_equal(seen.level, OA_LOG_WARN);
    assert_string_equal(seen.line, "two\\x0alines\\x0a"); /* one line whatever it holds */
    log.level = OA_LOG_TRACE;
    oa__log_line(&log, OA_LOG_TRACE, "yes");
    assert_int_equal(seen.n, 2);
    log.fn = NULL;
    oa__log_line(&log, OA_LOG_ERROR, "silence");
    oa__log_line(NULL, OA_LOG_ERROR, "silence");
    assert_int_equal(seen.n, 2);
}

struct calls {
    int n, stop_at;
    uint64_t done;
};

static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    struct calls *calls = user;
    assert_string_equal(what, "load");
    assert_int_equal(total, 100);
    calls->n++;
    calls->done = done;
    return calls->n == calls->stop_at;
}

static void test_base_log__progress_at_both_ends_and_at_times(void **state)
{
    struct calls calls = {0};
    oa__progress p = {.fn = on_progress, .user = &calls, .what = "load", .total = 100};
    for (uint64_t i = 0; i < 100; i++)
        assert_ok(oa__progress_poll(&p, i));
    assert_in_range(calls.n, 1, 50); /* one, unless the machine is very slow */
    assert_ok(oa__progress_poll(&p, 100));
    assert_int_equal(calls.done, 100);
    int n = calls.n;
    p.last_ns -= 41000000;
    assert_ok(oa__progress_poll(&p, 50));
    assert_int_equal(calls.n, n + 1);
    assert_ok(oa__progress_poll(NULL, 1));
    assert_ok(oa__progress_poll(&(oa__progress){0}, 1));
}

static void test_base_log__cancel_is_sticky(void **state)
{
    struct calls calls = {.stop_at = 1};
    oa__progress p = {.fn = on_progress, .user = &calls, .what = "load", .total = 100};
    for (int i = 0; i < 3; i++)
        assert_err(oa__progress_poll(&p, 7), OA_ECANCELLED,
                   "load: cancelled by a callback at 7 of 100");
    assert_int_equal(calls.n, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_base_log__levels),
        cmocka_unit_test(test_base_log__progress_at_both_ends_and_at_times),
        cmocka_unit_test(test_base_log__cancel_is_sticky),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
