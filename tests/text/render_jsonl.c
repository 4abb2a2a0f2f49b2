/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Renders chat templates from standard input, for comparison with jinja2: one JSON object per line
 * in, {"template": text, "vars": {...}, "now": seconds}, one out, {"text": ...} or {"error": ...,
 * "code": ...}.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "text/text.h"

static json_t *render(const json_t *in)
{
    const json_t *text = json_object_get(in, "template");
    char *vars = json_dumps(json_object_get(in, "vars"), JSON_ENCODE_ANY | JSON_REAL_PRECISION(17));
    oa__render_args args = {.variables_json = vars};
    args.now_s = (uint64_t)json_integer_value(json_object_get(in, "now"));
    oa__str out = {0};
    int rc =
        oa__template_render(NULL, json_string_value(text), json_string_length(text), &args, &out);
    json_t *result =
        rc == OA_OK ? json_pack("{s:s%}", "text", out.data == NULL ? "" : out.data, out.len)
                    : json_pack("{s:s, s:s}", "error", oa_error_last(), "code", oa_error_name(rc));
    oa__str_free(&out);
    free(vars);
    return result;
}

int main(void)
{
    char *line = NULL;
    size_t cap = 0;
    for (ssize_t n; (n = getline(&line, &cap, stdin)) > 0;) {
        json_error_t e;
        json_t *in = json_loadb(line, (size_t)n, JSON_ALLOW_NUL, &e);
        json_t *out = in == NULL ? NULL : render(in);
        char *text = out == NULL ? NULL : json_dumps(out, JSON_ENSURE_ASCII);
        puts(text == NULL ? "{\"error\": \"bad request\"}" : text);
        fflush(stdout);
        free(text);
        json_decref(out);
        json_decref(in);
    }
    free(line);
    return 0;
}
