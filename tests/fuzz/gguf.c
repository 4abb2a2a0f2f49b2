/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a GGUF file: opened whole and header only, then everything in it read. */
#include "file/file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void read_all(const oa__gguf *g, oa__mem *mem)
{
    oa__str text = {.mem = mem, .max = 1 << 20};
    uint64_t sum = 0;
    for (size_t i = 0; i < oa__gguf_meta_count(g); i++) {
        const char *key = oa__gguf_meta_key(g, i);
        uint64_t u;
        int64_t s;
        double f;
        bool flag;
        size_t n;
        oa__gguf_strings it;
        const char *str;
        oa__gguf_meta_text(g, key, &text);
        text.len = 0;
        oa__gguf_u64(g, key, &u);
        oa__gguf_i64(g, key, &s);
        oa__gguf_f64(g, key, &f);
        oa__gguf_bool(g, key, &flag);
        if (oa__gguf_str(g, key, &str, &n) == OA_OK) sum = oa__fnv1a(sum, str, n);
        if (oa__gguf_strings_begin(g, key, &it, &n) == OA_OK) {
            while (oa__gguf_strings_next(&it))
                sum = oa__fnv1a(sum, it.text, it.len);
        }
    }
    for (size_t i = 0; i < oa__gguf_tensor_count(g); i++) {
        const oa__gguf_tensor *t = oa__gguf_tensor_at(g, i);
        if (oa__gguf_tensor_find(g, t->name) != t) __builtin_trap();
        if (t->data != NULL) sum = oa__fnv1a(sum, t->data, t->size);
        if (t->groups != NULL) {
            /* The rows are at most as long as what the file holds. */
            uint8_t *rows = oa__alloc(mem, t->size);
            if (rows == NULL || oa__gguf_tensor_load(g, t, rows) != OA_OK) __builtin_trap();
            sum = oa__fnv1a(sum, rows, t->size);
            oa__free(mem, rows);
        }
    }
    oa__str_free(&text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    for (int header_only = 0; header_only < 2; header_only++) {
        oa__mem mem;
        oa__gguf *g;
        /* What a file costs in memory is bounded by its size. */
        oa__mem_init(&mem, NULL, 65536 + 32 * (uint64_t)size);
        if (oa__gguf_open_memory(&g, &mem, data, size, header_only != 0) == OA_OK) {
            read_all(g, &mem);
        }
        oa__gguf_free(g);
        if (mem.used != 0) __builtin_trap();
    }
    return 0;
}
