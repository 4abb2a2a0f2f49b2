/* SPDX-License-Identifier: Apache-2.0 */
/* complete: continue a text. Tokens go in, tokens come out, one at a time.
 *
 *     complete MODEL "Once upon a time" [TOKENS]
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openassistant/openassistant.h>

static int fail(const char *what)
{
    fprintf(stderr, "complete: %s: %s\n", what, oa_error_last());
    return 1;
}

/* Tokens of a text: asked twice, first for their number. */
static int32_t *tokenize(const oa_model *model, const char *text, size_t *n)
{
    int32_t *ids = NULL;
    if (oa_model_tokenize(model, text, strlen(text), OA_TOKENIZE_NO_EOS, NULL, 0, n) < 0)
        return NULL;
    ids = malloc((*n + 1) * sizeof(*ids));
    if (ids && oa_model_tokenize(model, text, strlen(text), OA_TOKENIZE_NO_EOS, ids, *n, n) == 0)
        return ids;
    free(ids);
    return NULL;
}

/* One token can be a part of a character: write what it spells, byte by byte. */
static int print_token(const oa_model *model, int32_t id)
{
    char text[256];
    size_t len = 0;
    int rc = oa_model_detokenize(model, &id, 1, 0, text, sizeof(text), &len);
    if (rc == OA_OK) fwrite(text, 1, len, stdout);
    return rc;
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: complete MODEL TEXT [TOKENS]\n");
        return 2;
    }
    long n_tokens = argc > 3 ? strtol(argv[3], NULL, 10) : 32;
    oa_model *model = NULL;
    oa_session *session = NULL;
    oa_sampler *sampler = NULL;
    int32_t *ids = NULL;
    size_t n = 0;
    int code = 0;

    if (oa_model_open(&model, argv[1], NULL) < 0) return fail(argv[1]);
    ids = tokenize(model, argv[2], &n);
    if (!ids || oa_session_new(&session, model, NULL) < 0 || oa_sampler_new(&sampler, NULL) < 0 ||
        oa_sampler_set(sampler, "temperature", 0) < 0 || oa_session_append(session, ids, n) < 0)
        code = fail("prompt");

    if (!code) printf("%s", argv[2]);
    for (long i = 0; !code && i < n_tokens; i++) {
        int32_t id;
        int rc = oa_session_step(session, sampler, &id);
        if (rc == OA_EFULL || (rc == OA_OK && oa_model_is_end(model, id))) break;
        if (rc < 0 || print_token(model, id) < 0) code = fail("step");
        fflush(stdout);
    }
    if (!code) putchar('\n');

    /* Any order will do: each handle keeps what it needs alive. */
    free(ids);
    oa_model_free(model);
    oa_sampler_free(sampler);
    oa_session_free(session);
    return code;
}
