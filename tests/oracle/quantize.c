/* SPDX-License-Identifier: Apache-2.0 */
/* quantize TYPE N: a row of N floats from standard input, file blocks to standard output; on
 * standard error the seconds that the fastest of three runs took. For quantize_llama_cpp.py. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tensor/tensor.h"

int main(int argc, char **argv)
{
    size_t size = 0, n = argc == 3 ? strtoull(argv[2], NULL, 10) : 0;
    const uint32_t type = argc == 3 ? (uint32_t)strtoul(argv[1], NULL, 10) : UINT32_MAX;
    if (oa__type_row_size(type, n, &size)) {
        fprintf(stderr, "%s\n", oa_error_last());
        return 2;
    }
    float *src = oa__alloc_array(NULL, n, sizeof *src);
    void *dst = oa__alloc(NULL, size);
    int rc = 1;
    if (src && dst && fread(src, sizeof *src, n, stdin) == n) {
        double least = 1e9;
        for (int i = 0; i < 3; i++) { /* the first run meets cold pages */
            const clock_t begun = clock();
            rc = oa__row_quantize(oa__cpu_flags(), type, src, dst, n, NULL);
            const double took = (double)(clock() - begun) / CLOCKS_PER_SEC;
            least = took < least ? took : least;
        }
        fprintf(stderr, "%f\n", least);
        if (rc < 0) fprintf(stderr, "%s\n", oa_error_last());
        rc = rc < 0 || fwrite(dst, 1, size, stdout) != size;
    }
    oa__free(NULL, src);
    oa__free(NULL, dst);
    return rc;
}
