/* SPDX-License-Identifier: Apache-2.0 */
/* Where the default model is: OA_TEST_MODEL, else the folder of installed models. */
#ifndef OA_TESTS_UTIL_MODEL_H
#define OA_TESTS_UTIL_MODEL_H

#include <stdio.h>
#include <stdlib.h>

#define TEST_MODEL_NAME "SmolLM2-135M-Instruct.Q4_1.gguf"

/* NULL when it is not there: the test skips, saying so. */
static inline const char *test_model_path(void)
{
    static char path[4096];
    const char *env = getenv("OA_TEST_MODEL"), *data = getenv("XDG_DATA_HOME");
    const char *home = getenv("HOME");
    if (env != NULL && env[0] != '\0') {
        snprintf(path, sizeof path, "%s", env);
    } else if (data != NULL && data[0] == '/') {
        snprintf(path, sizeof path, "%s/openassistant/models/" TEST_MODEL_NAME, data);
    } else {
        snprintf(path, sizeof path, "%s/.local/share/openassistant/models/" TEST_MODEL_NAME,
                 home ? home : "");
    }
    FILE *f = fopen(path, "rb");
    if (f == NULL) return NULL;
    fclose(f);
    return path;
}

#endif
