/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Writes the logits after every token of a sequence, for scripts that compare them with another
 * implementation's:
 *
 *     oracle_logits MODEL IDS OUT [n_rows_per_pass [f16|f32 [n_threads]]]
 *
 * IDS holds int32 token ids, OUT receives (n_ids, n_vocab) floats; both little-endian.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "model/model.h"

static int fail(const char *what)
{
    fprintf(stderr, "oracle_logits: %s: %s\n", what, oa_error_last());
    return 1;
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: oracle_logits MODEL IDS OUT [n_rows [f16|f32 [n_threads]]]\n");
        return 2;
    }
    const size_t n_rows = argc > 4 ? strtoul(argv[4], NULL, 10) : 256;
    const uint32_t kv_type = argc > 5 && strcmp(argv[5], "f32") == 0 ? OA_KV_F32 : OA_KV_F16;
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    opts.n_threads = argc > 6 ? (uint32_t)strtoul(argv[6], NULL, 10) : 0;

    oa_model *m;
    if (oa_model_open(&m, argv[1], &opts) < 0) return fail("open");
    char *data;
    size_t size;
    if (oa__file_read(NULL, argv[2], 1 << 26, &data, &size) < 0) return fail("ids");
    const size_t n_ids = size / sizeof(int32_t), n_vocab = oa__model_n_vocab(m);
    const int32_t *ids = (const int32_t *)data;

    const size_t n_pages = n_ids / OA__KV_PAGE + 1;
    void **pages = calloc(n_pages, sizeof *pages);
    oa__row *rows = calloc(n_rows, sizeof *rows);
    float *logits = malloc(n_rows * n_vocab * sizeof *logits);
    if (pages == NULL || rows == NULL || logits == NULL) return 99;
    for (size_t i = 0; i < n_pages; i++) {
        pages[i] = oa__alloc(NULL, oa__model_page_size(m, kv_type));
        if (pages[i] == NULL) return fail("pages");
    }
    oa__work *work;
    if (oa__work_new(&work, m, n_rows, n_rows) < 0) return fail("work");
    FILE *out = fopen(argv[3], "wb");
    if (out == NULL) return 1;
    const uint64_t begin = oa__clock_ns();
    for (size_t at = 0; at < n_ids; at += n_rows) {
        const size_t n = n_ids - at < n_rows ? n_ids - at : n_rows;
        for (size_t i = 0; i < n; i++) {
            rows[i] = (oa__row){.id = ids[at + i],
                                .pos = (uint32_t)(at + i),
                                .pages = pages,
                                .logits = logits + i * n_vocab};
        }
        if (oa__model_forward(m, work, kv_type, rows, n, NULL, NULL) < 0) return fail("forward");
        if (fwrite(logits, n_vocab * sizeof *logits, n, out) != n) return 1;
    }
    fprintf(stderr, "%zu tokens in %.3f s\n", n_ids, (double)(oa__clock_ns() - begin) * 1e-9);
    if (fclose(out) != 0) return 1;
    oa__work_free(work);
    for (size_t i = 0; i < n_pages; i++)
        oa__free(NULL, pages[i]);
    free(pages);
    free(rows);
    free(logits);
    oa__free(NULL, data);
    oa_model_free(m);
    return 0;
}
