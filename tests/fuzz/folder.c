/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A Hugging Face folder: the input is config.json, a NUL byte, the header of model.safetensors, and
 * perhaps another NUL and generation_config.json. The data are zeros, the tokenizer is a right one.
 */
#include "model/model.h"

#include "model/hf_made.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { DATA_SIZE = 1 << 18, MAX_LOAD = 1 << 20 };

static folder f;

static void remove_folder(void)
{
    folder_remove(&f);
}

static void write_weights(const uint8_t *json, size_t n)
{
    uint8_t *file = calloc(1, 8 + n + DATA_SIZE);
    if (file == NULL) exit(99);
    for (int i = 0; i < 8; i++)
        file[i] = (uint8_t)((uint64_t)n >> (8 * i));
    memcpy(file + 8, json, n);
    folder_write(&f, "model.safetensors", file, 8 + n + DATA_SIZE);
    free(file);
}

/* Up to a NUL byte. */
static size_t part(const uint8_t *data, size_t size)
{
    const uint8_t *end = memchr(data, 0, size);
    return end != NULL ? (size_t)(end - data) : size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oa__mem mem;
    oa__gguf *g;
    if (f.path[0] == '\0') {
        folder_make(&f, "fuzz_folder");
        atexit(remove_folder);
        hf_write_tokenizer(&f);
    }
    const size_t n_config = part(data, size);
    folder_write(&f, "config.json", data, n_config);
    data += n_config < size ? n_config + 1 : n_config;
    size -= n_config < size ? n_config + 1 : n_config;
    const size_t n_header = part(data, size);
    write_weights(data, n_header);
    unlink(folder_file(&f, "generation_config.json"));
    if (n_header < size) {
        folder_write(&f, "generation_config.json", data + n_header + 1, size - n_header - 1);
    }
    oa__mem_init(&mem, NULL, 64 << 20);
    if (oa__source_open(&g, &mem, f.path, false, false) == OA_OK) {
        for (size_t i = 0; i < oa__gguf_tensor_count(g); i++) {
            const oa__gguf_tensor *t = oa__gguf_tensor_at(g, i);
            void *bytes = t->size <= MAX_LOAD ? oa__alloc(&mem, t->size) : NULL;
            if (bytes != NULL && oa__gguf_tensor_load(g, t, bytes) != OA_OK) __builtin_trap();
            oa__gguf_tensor_drop(g, t);
            oa__free(&mem, bytes);
        }
        oa__gguf_fingerprint(g);
    }
    oa__gguf_free(g);
    if (mem.used != 0) __builtin_trap();
    return 0;
}
