/* SPDX-License-Identifier: Apache-2.0 */
/* Built by install.sh as C and as C++ against an installed copy. */
#include <openassistant/openassistant.h>
#include <stdio.h>
#include <string.h>

int main(void)
{
    oa_model *model = NULL;
    oa_model_opts opts = OA_MODEL_OPTS_INIT;
    int rc = oa_model_open(&model, "no/such/file.gguf", &opts);
    if (rc != OA_ENOTFOUND || model || oa_error_last()[0] == '\0') {
        printf("open: %s: %s\n", oa_error_name(rc), oa_error_last());
        return 1;
    }
    if (oa_version_number() != OA_VERSION_NUMBER) {
        printf("library %u, headers %u\n", (unsigned)oa_version_number(),
               (unsigned)OA_VERSION_NUMBER);
        return 1;
    }
    printf("%s\n", oa_build_info());
    return 0;
}
