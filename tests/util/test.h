/* SPDX-License-Identifier: Apache-2.0 */
/* What every cmocka test includes; cmocka.h wants its own four headers before it. */
#ifndef OA_TESTS_UTIL_TEST_H
#define OA_TESTS_UTIL_TEST_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include <openassistant/error.h>

/* rc is OA_OK, else the test ends with the library's reason. */
#define assert_ok(expr)                                                                            \
    do {                                                                                           \
        int rc_ = (expr);                                                                          \
        if (rc_ < 0) fail_msg("%s: %s: %s", #expr, oa_error_name(rc_), oa_error_last());           \
    } while (0)

/* expr fails with code, and the reason contains text. */
#define assert_err(expr, code, text)                                                               \
    do {                                                                                           \
        int rc_ = (expr);                                                                          \
        if (rc_ != (code))                                                                         \
            fail_msg("%s: %s, want %s (%s)", #expr, oa_error_name(rc_), oa_error_name(code),       \
                     oa_error_last());                                                             \
        if (!strstr(oa_error_last(), text))                                                        \
            fail_msg("%s: \"%s\" lacks \"%s\"", #expr, oa_error_last(), text);                     \
    } while (0)

/* A remark in the output that the test protocol ignores. */
#define test_note(...) (printf("# " __VA_ARGS__), printf("\n"), fflush(stdout))

/* End this test as skipped, saying why. */
#define test_skip(...)                                                                             \
    do {                                                                                           \
        test_note("skipped: " __VA_ARGS__);                                                        \
        skip();                                                                                    \
    } while (0)

#endif
