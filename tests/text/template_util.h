/* SPDX-License-Identifier: Apache-2.0 */
/* Rendering of small templates in tests. Include after cmocka. */
#ifndef OA_TESTS_TEXT_TEMPLATE_UTIL_H
#define OA_TESTS_TEXT_TEMPLATE_UTIL_H

#include "text/text.h"

static const oa__chat_message util_chat[] = {
    {"system", "Be brief.", 9},
    {"user", " H\xC3\xA4? ", 6},
    {"assistant", "Yes\n", 4},
    {"user", "ok", 2},
};

static inline oa__render_args util_args(void)
{
    oa__render_args args = {.messages = util_chat,
                            .n_messages = 4,
                            .bos_token = "<s>",
                            .eos_token = "</s>",
                            .now_s = 1732279503 /* 2024-11-22 12:45:03 */};
    return args;
}

/* What comes of a template: its text, or its error text behind "ERROR ". Free with oa__str_free. */
static inline int util_render(oa__str *out, const char *text, const oa__render_args *args)
{
    int rc = oa__template_render(NULL, text, strlen(text), args, out);
    if (rc < 0) {
        assert_int_equal(out->len, 0); /* a failure leaves the output alone */
        oa__str_add_z(out, "ERROR ");
        oa__str_add_z(out, oa_error_last());
    }
    if (out->data == NULL) oa__str_add_z(out, "");
    return rc;
}

typedef struct util_case {
    const char *text, *want;
} util_case;

static inline void util_check(const util_case *cases, size_t n, const char *variables)
{
    for (size_t i = 0; i < n; i++) {
        oa__render_args args = util_args();
        oa__str out = {0};
        args.variables_json = variables;
        util_render(&out, cases[i].text, &args);
        const char *got = out.data == NULL ? "" : out.data;
        if (strcmp(got, cases[i].want) != 0) print_error("template: %s\n", cases[i].text);
        assert_string_equal(got, cases[i].want);
        oa__str_free(&out);
    }
}

#endif
