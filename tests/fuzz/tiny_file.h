/* SPDX-License-Identifier: Apache-2.0 */
/* What targets that read files of the tiny model share: the model, and a file of their own. */
#ifndef OA_TESTS_FUZZ_TINY_FILE_H
#define OA_TESTS_FUZZ_TINY_FILE_H

#include <openassistant/openassistant.h>

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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

/* Open the model once, in little memory; the file's name tells the targets apart. */
static void open_tiny(const char *kind)
{
    if (model) return;
    char tiny[4096];
    const char *root = getenv("OA_TEST_SOURCE");
    snprintf(tiny, sizeof tiny, "%s/tests/golden/tiny.gguf", root ? root : ".");
    snprintf(path, sizeof path, "oa-fuzz-%s-%ld", kind, (long)getpid());
    oa_model_opts o = OA_MODEL_OPTS_INIT;
    o.n_threads = 1;
    o.memory_limit = 64 << 20;
    need(oa_model_open(&model, tiny, &o) == OA_OK);
    atexit(give_up);
}

static void write_file(const uint8_t *data, size_t size)
{
    remove(path); /* writing over a file may wait for the disk */
    FILE *f = fopen(path, "wb");
    need(f && fwrite(data, 1, size, f) == size && fclose(f) == 0);
}

#endif
