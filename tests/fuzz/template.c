/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a chat template. The part behind a NUL, if there is one, is the variables (JSON).
 * Whatever comes, the result is a text or an error, within the limits.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const oa__chat_message chat[] = {
        {"system", "Be brief.", 9},
        {"user", "H\xC3\xA4? \xF0\x9F\x98\x80\n {{ x }}", 16},
        {"assistant", " ok ", 4},
        {"user", "", 0},
    };
    const uint8_t *nul = size == 0 ? NULL : memchr(data, 0, size);
    size_t len = nul == NULL ? size : (size_t)(nul - data);
    char *vars = NULL;
    oa__mem mem;
    if (oa__mem_init(&mem, NULL, 64 << 20) < 0) abort();
    if (nul != NULL) {
        vars = malloc(size - len);
        if (vars == NULL) return 0;
        memcpy(vars, nul + 1, size - len - 1);
        vars[size - len - 1] = '\0';
    }
    oa__render_args args = {.messages = chat,
                            .n_messages = 4,
                            .add_generation_prompt = true,
                            .bos_token = "<s>",
                            .eos_token = "</s>",
                            .variables_json = vars,
                            .max_output = 1 << 20,
                            .max_steps = 200000,
                            .now_s = 1700000000};
    oa__str out = {0};
    int rc = oa__template_render(&mem, (const char *)data, len, &args, &out);
    if (rc == OA_OK) {
        if (out.len > args.max_output) abort();
        if (out.len > 0 && !oa__utf8_valid(out.data, out.len)) abort();
    } else if (rc == OA_ETEMPLATE && strncmp(oa_error_last(), "chat template line ", 19) != 0) {
        abort();
    }
    oa__str_free(&out);
    oa__template_check(&mem, (const char *)data, len);
    if (mem.used != 0) abort();
    free(vars);
    return 0;
}
