/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a saved chat. What opens is walked through, saved and opened again. */
#include "tiny_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void walk(oa_chat *c)
{
    size_t n, n_branches, current;
    oa_message m;
    need(oa_chat_get_count(c, &n) == OA_OK);
    for (size_t i = 0; i < n; i++) {
        need(oa_chat_get_message(c, i, &m, sizeof m) == OA_OK);
        need(m.content[m.content_len] == '\0');
        need(oa_chat_get_branches(c, i, &n_branches, &current) == OA_OK);
        need(current < n_branches);
    }
    need(oa_chat_back(c, 0) == OA_OK);
    need(oa_chat_get_branches(c, 0, &n_branches, &current) == OA_OK);
    for (size_t i = 0; i < n_branches && i < 8; i++)
        need(oa_chat_select(c, 0, i) == OA_OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_tiny("chat");
    write_file(data, size);
    oa_chat *c;
    const int rc = oa_chat_open_saved(&c, model, path, NULL);
    need((rc == OA_OK) == (c != NULL));
    if (rc < 0) {
        need(oa_error_last()[0] != '\0');
        return 0;
    }
    walk(c);
    need(oa_chat_save(c, path) == OA_OK);
    oa_chat *again;
    need(oa_chat_open_saved(&again, model, path, NULL) == OA_OK);
    oa_chat_free(again);
    oa_chat_free(c);
    return 0;
}
