/* SPDX-License-Identifier: Apache-2.0 */
/* dequant TYPE N: a row of N elements in file blocks from standard input, floats to standard
 * output. For dequant_gguf.py. */
#include <stdio.h>
#include <stdlib.h>

#include "tensor/tensor.h"

int main(int argc, char **argv)
{
    size_t size = 0, n = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    const uint32_t type = argc == 3 ? (uint32_t)strtoul(argv[1], NULL, 10) : UINT32_MAX;
    if (oa__type_row_size(type, n, &size)) {
        fprintf(stderr, "%s\n", oa_error_last());
        return 2;
    }
    void *src = oa__alloc(NULL, size);
    float *dst = oa__alloc_array(NULL, n, sizeof *dst);
    int rc = 1;
    if (src && dst && fread(src, 1, size, stdin) == size) {
        oa__row_dequant(type, src, dst, n);
        rc = fwrite(dst, sizeof *dst, n, stdout) != n;
    }
    oa__free(NULL, src);
    oa__free(NULL, dst);
    return rc;
}
