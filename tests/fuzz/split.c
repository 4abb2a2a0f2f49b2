/* SPDX-License-Identifier: Apache-2.0 */
/* GGUF in two files: the input is the length of the first as a u16, the first, the second. */
#include "file/file.h"

#include "util/folder.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static folder f;

static void remove_folder(void)
{
    folder_remove(&f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    oa__mem mem;
    oa__gguf *g;
    if (size < 2) return 0;
    if (f.path[0] == '\0') {
        folder_make(&f, "fuzz_split");
        atexit(remove_folder);
    }
    size_t n = (size_t)data[0] | (size_t)data[1] << 8;
    if (n > size - 2) n = size - 2;
    folder_write(&f, "m-00001-of-00002.gguf", data + 2, n);
    folder_write(&f, "m-00002-of-00002.gguf", data + 2 + n, size - 2 - n);
    for (int header_only = 0; header_only < 2; header_only++) {
        oa__mem_init(&mem, NULL, 1 << 20);
        if (oa__gguf_open_parts(&g, &mem, folder_file(&f, "m-00001-of-00002.gguf"), false,
                                header_only != 0) == OA_OK) {
            for (size_t i = 0; i < oa__gguf_tensor_count(g); i++) {
                const oa__gguf_tensor *t = oa__gguf_tensor_at(g, i);
                uint8_t bytes[256];
                if (t->there && t->size <= sizeof bytes &&
                    oa__gguf_tensor_load(g, t, bytes) != OA_OK)
                    __builtin_trap();
                oa__gguf_tensor_drop(g, t);
            }
        }
        oa__gguf_free(g);
        if (mem.used != 0) __builtin_trap();
    }
    return 0;
}
