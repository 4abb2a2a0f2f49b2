/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a saved chat. What opens is walked through, saved and opened again. */
#include <openassistant/openassistant.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static oa_model *model;
static char path[64];

static void give_up(void)
{
    oa_model_free(model);
    remove(path);
}

static void need(bool ok)
{
    if (!ok) __builtin_trap();
}

static void open_tiny(void)
{
    char tiny[4096];
    const char *root = getenv("OA_TEST_SOURCE");
    snprintf(tiny, sizeof tiny, "%s/tests/golden/tiny.gguf", root ? root : ".");
    snprintf(path, sizeof path, "oa-fuzz-chat-%ld.json", (long)getpid());
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    o.n_threads = 1;
    o.memory_limit = 64 << 20;
    need(oa_model_open(&model, tiny, &o) == OA_OK);
    atexit(give_up);
}

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
    if (!model) open_tiny();
    remove(path); /* writing over a file may wait for the disk */
    FILE *f = fopen(path, "wb");
    need(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
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
