/* SPDX-License-Identifier: Apache-2.0 */
/* memory MODEL N_CTX: fill a context with tokens from all over the vocabulary; print the bytes that
 * oa_model_estimate_memory() foretold, and by how much the process grew at most. Linux. */
#include <openassistant/openassistant.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A line of /proc/self/status, in bytes. */
static unsigned long long status(const char *name)
{
    char line[256];
    unsigned long long kb = 0;
    FILE *f = fopen("/proc/self/status", "r");
    while (f && fgets(line, sizeof line, f))
        if (strncmp(line, name, strlen(name)) == 0) kb = strtoull(line + strlen(name), NULL, 10);
    if (f) fclose(f);
    return kb * 1024;
}

int main(int argc, char **argv)
{
    oa_memory_estimate e = OA_MEMORY_ESTIMATE_INIT;
    oa_model_info info = OA_MODEL_INFO_INIT;
    oa_session_opts opts = OA_SESSION_OPTS_INIT;
    oa_model *model = NULL;
    oa_session *session = NULL;
    const float *logits;
    if (argc != 3) return 2;
    const uint32_t n = opts.n_ctx = (uint32_t)strtoul(argv[2], NULL, 10);
    int32_t *ids = calloc(n + 1, sizeof *ids);
    const unsigned long long before = status("VmRSS:");
    int rc = oa_model_estimate_memory(argv[1], NULL, n, OA_KV_F16, &e);
    if (rc == OA_OK) rc = oa_model_open(&model, argv[1], NULL);
    const unsigned long long opened = status("VmHWM:");
    if (rc == OA_OK) rc = oa_model_get_info(model, &info);
    for (uint32_t i = 0, x = 1; ids && rc == OA_OK && i < n; i++) {
        x = x * 1664525u + 1013904223u;
        ids[i] = (int32_t)((x >> 8) % info.n_vocab);
    }
    if (rc == OA_OK) rc = oa_session_new(&session, model, &opts);
    if (rc == OA_OK) rc = oa_session_append(session, ids, n);
    if (rc == OA_OK) rc = oa_session_get_logits(session, &logits, NULL);
    if (rc < 0) fprintf(stderr, "memory: %s\n", oa_error_last());
    printf("{\"foretold\": %llu, \"weights\": %llu, \"opened\": %llu, \"peak\": %llu}\n",
           (unsigned long long)e.total_size, (unsigned long long)e.weights_size, opened - before,
           status("VmHWM:") - before);
    oa_session_free(session);
    oa_model_free(model);
    free(ids);
    return rc < 0;
}
