/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a safetensors file, everything in it read; and, when they begin with '{', as the
 * index of a folder with two files.
 */
#include "file/file.h"

#include "util/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static uint64_t check(const oa__safetensors *st)
{
    uint64_t sum = oa__safetensors_hash(st, 1);
    for (size_t i = 0; i < oa__safetensors_count(st); i++) {
        const oa__st_tensor *t = oa__safetensors_at(st, i);
        if (oa__safetensors_find(st, t->name) != t) __builtin_trap();
        sum = oa__fnv1a(sum, t->data, t->size);
        oa__safetensors_drop(st, t, 0, t->size);
    }
    return sum;
}

static folder shards;

static void remove_shards(void)
{
    folder_remove(&shards);
}

/* Files that the seeds name. */
static void make_shards(void)
{
    static const float v[4] = {1, 2, 3, 4};
    st_build b = {0};
    folder_make(&shards, "fuzz_safetensors");
    atexit(remove_shards);
    st_tensor(&b, "a", "F32", "[2]", v, 8);
    st_tensor(&b, "b", "F16", "[2]", v, 4);
    st_write(&b, &shards, "1.safetensors");
    st_tensor(&b, "c", "F32", "[2, 2]", v, 16);
    st_write(&b, &shards, "2.safetensors");
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oa__mem mem;
    oa__safetensors *st;
    /* What a file costs in memory is bounded by its size. */
    oa__mem_init(&mem, NULL, 65536 + 32 * (uint64_t)size);
    if (oa__safetensors_open_memory(&st, &mem, data, size) == OA_OK) check(st);
    oa__safetensors_free(st);
    if (mem.used != 0) __builtin_trap();
    if (size == 0 || data[0] != '{') return 0;
    if (shards.path[0] == '\0') make_shards();
    folder_write(&shards, "model.safetensors.index.json", data, size);
    if (oa__safetensors_open_folder(&st, &mem, shards.path, "model", false) == OA_OK) check(st);
    oa__safetensors_free(st);
    if (mem.used != 0) __builtin_trap();
    return 0;
}
