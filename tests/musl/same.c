/* SPDX-License-Identifier: Apache-2.0 */
/*
 * same MODEL...: what the library answers, in a form that can be compared between builds: for
 * every tier of the machine the ids of a text, a sampled continuation, and a hash of all logits.
 */
#include <openassistant/openassistant.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

static const char TEXT[] = "Why is the sky blue? 12,5 \xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80";

static uint64_t hash(uint64_t h, const void *data, size_t size)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < size; i++)
        h = (h ^ bytes[i]) * 0x100000001b3u;
    return h;
}

static int answer(oa_model *model, oa_session *session, oa_sampler *sampler)
{
    int32_t ids[256];
    size_t n_ids = 0, n_logits;
    const float *logits;
    uint64_t h = 0xcbf29ce484222325u;

    int rc = oa_model_tokenize(model, TEXT, sizeof TEXT - 1, 0, ids, 256, &n_ids);
    if (rc == OA_OK) rc = oa_session_append(session, ids, n_ids);
    for (size_t i = 0; i < n_ids; i++)
        printf("%" PRId32 " ", ids[i]);
    printf("->");
    for (int i = 0; i < 24 && rc == OA_OK; i++) {
        int32_t id;
        rc = oa_session_get_logits(session, &logits, &n_logits);
        if (rc == OA_OK) h = hash(h, logits, n_logits * sizeof *logits);
        if (rc == OA_OK) rc = oa_session_step(session, sampler, &id);
        if (rc == OA_OK) printf(" %" PRId32, id);
    }
    printf(" hash %016" PRIx64 "\n", h);
    return rc;
}

static int run(const char *path, uint32_t cpu)
{
    oa_model *model = NULL;
    oa_session *session = NULL;
    oa_sampler *sampler = NULL;
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    opts.cpu = cpu;
    opts.n_threads = 2;
    int rc = oa_model_open(&model, path, &opts);
    if (rc == OA_EUNSUPPORTED) {
        printf("tier %u is not here\n", (unsigned)cpu);
        return OA_OK;
    }
    if (rc == OA_OK) rc = oa_session_new(&session, model, NULL);
    if (rc == OA_OK) rc = oa_sampler_new(&sampler, NULL);
    if (rc == OA_OK) rc = oa_sampler_set(sampler, "seed", 7);
    if (rc == OA_OK) rc = oa_sampler_set(sampler, "temperature", 0.8);
    if (rc == OA_OK) rc = answer(model, session, sampler);
    if (rc < 0) printf("%s: %s: %s\n", path, oa_error_name(rc), oa_error_last());
    oa_sampler_free(sampler);
    oa_session_free(session);
    oa_model_free(model);
    return rc;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++) {
        for (uint32_t cpu = OA_CPU_C; cpu <= OA_CPU_DOTPROD; cpu++)
            failed |= run(argv[i], cpu) < 0;
    }
    return failed;
}
