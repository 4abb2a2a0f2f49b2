/* SPDX-License-Identifier: Apache-2.0 */
/* Opening a Hugging Face folder as a virtual GGUF file. */
#include "model/hf.h"

#include <string.h>

#include "model/model.h"

static void close_hf(oa__hf *h)
{
    json_decref(h->config);
    json_decref(h->generation);
    oa__free(h->mem, h->used);
    oa__assembly_free(h->assembly);
    oa__gguf_writer_free(h->w);
}

static int find_family(oa__hf *h)
{
    const char *type = NULL;
    OA__TRY(oa__hf_str(h->config, "model_type", &type, NULL));
    if (type == NULL) return oa__err(OA_EFORMAT, "config.json: model_type is missing");
    h->family = oa__hf_family_find(type);
    return h->family != NULL ? OA_OK : oa__hf_family_unknown(type);
}

static int open_weights(oa__hf *h)
{
    static const char *const others[] = {"pytorch_model.bin", "pytorch_model.bin.index.json",
                                         "tf_model.h5", "consolidated.safetensors"};
    oa__safetensors *st;
    int rc = oa__safetensors_open_folder(&st, h->mem, h->folder, "model", h->no_mmap);
    if (rc == OA_ENOTFOUND) {
        rc = oa__err(OA_EFORMAT, "folder has no model.safetensors");
        for (size_t i = 0; i < OA__ARRAY_LEN(others); i++) {
            oa__str path = {.mem = h->mem};
            OA__TRY(oa__str_addf(&path, "%s/%s", h->folder, others[i]));
            if (oa__file_exists(path.data)) {
                rc = oa__err(OA_EUNSUPPORTED, "folder has %s, want model.safetensors", others[i]);
            }
            oa__str_free(&path);
        }
    }
    OA__TRY(rc);
    rc = oa__assembly_new(&h->assembly, h->mem, st);
    if (rc < 0) {
        oa__safetensors_free(st);
        return rc;
    }
    h->st = st;
    return OA_OK;
}

static int read_optional(oa__hf *h, const char *name, json_t **out)
{
    const int rc = oa__hf_read_json(h, name, out);
    return rc == OA_ENOTFOUND ? OA_OK : rc;
}

int oa__hf_open(oa__gguf **out, oa__mem *mem, const char *folder, bool no_mmap)
{
    oa__hf h = {.mem = mem, .folder = folder, .no_mmap = no_mmap};
    int rc;
    *out = NULL;
    OA__TRY_GOTO(oa__hf_read_json(&h, "config.json", &h.config));
    OA__TRY_GOTO(find_family(&h));
    OA__TRY_GOTO(read_optional(&h, "generation_config.json", &h.generation));
    OA__TRY_GOTO(oa__gguf_writer_new(&h.w, mem));
    OA__TRY_GOTO(open_weights(&h));
    OA__TRY_GOTO(oa__hf_keys(&h));
    OA__TRY_GOTO(oa__hf_tensors(&h));
    OA__TRY_GOTO(oa__hf_tokenizer(&h));
    OA__TRY_GOTO(oa__assembly_finish(h.assembly, h.w, out));
    h.assembly = NULL;
fail:
    close_hf(&h);
    return rc;
}
