/* SPDX-License-Identifier: Apache-2.0 */
/* What a path is: a GGUF file, the first of several, or a Hugging Face folder. */
#include "model/hf.h"

#include "model/model.h"

int oa__source_open(oa__gguf **out, oa__mem *mem, const char *path, bool no_mmap, bool header_only)
{
    *out = NULL;
    if (!oa__is_folder(path)) {
        return oa__gguf_open_parts(out, mem, path, no_mmap, header_only);
    }
    oa__str config = {.mem = mem};
    int rc = oa__str_addf(&config, "%s/config.json", path);
    if (rc == OA_OK && !oa__file_exists(config.data)) {
        rc = oa__err(OA_EFORMAT, "%s: is a directory without config.json", path);
    }
    oa__str_free(&config);
    OA__TRY(rc);
    return oa__hf_open(out, mem, path, no_mmap, header_only);
}
