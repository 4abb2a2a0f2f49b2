/* SPDX-License-Identifier: Apache-2.0 */
/* Inside of the safetensors reader. */
#ifndef OA_FILE_SAFETENSORS_PRIV_H
#define OA_FILE_SAFETENSORS_PRIV_H

#include "file/gguf_priv.h"
#include "file/json_scan.h"

typedef struct oa__st_file {
    oa__map map; /* data NULL when opened from memory */
    const uint8_t *data;
    size_t size;
    size_t data_at; /* where the tensors' data begin */
} oa__st_file;

struct oa__safetensors {
    oa__mem *mem;
    oa__st_file *files;
    size_t n_files, files_cap;
    oa__st_tensor *tensors; /* sorted by name in the end */
    size_t *name_at;        /* in names, while they still grow */
    uint32_t *order;
    size_t n_tensors, tensors_cap, name_at_cap;
    oa__str names;
    uint64_t file_size;
    bool mapped;
};

int oa__safetensors_new(oa__safetensors **out, oa__mem *mem);
/* Map or read a file and add its tensors; then, once, oa__safetensors_index(). */
int oa__safetensors_add_file(oa__safetensors *st, const char *path, bool no_mmap);
int oa__safetensors_index(oa__safetensors *st);

#endif
