/* SPDX-License-Identifier: Apache-2.0 */
/* Installed models: the folder, and which file a name stands for. */
#include "model/model_priv.h"

#include <string.h>

#include "hub/hub.h"

int oa__model_resolve(const char *path, oa__str *out)
{
    if (path == NULL || path[0] == '\0') return oa__err(OA_EINVAL, "no model path given");
    if (oa__file_exists(path)) return oa__str_add_z(out, path);
    if (strchr(path, '/') == NULL) return oa__hub_find(path, out);
    /* OWNER/NAME of what was pulled, or the name of one file of it; what can't be that is a path,
     * and opening it says why not. */
    if (path[0] == '/' || path[0] == '.') return oa__str_add_z(out, path);
    const int rc = oa__hub_find(path, out);
    return rc == OA_OK || oa__hub_is_name(path) ? rc : oa__str_add_z(out, path);
}

int oa_model_find(const char *name, char *buf, size_t buf_size, size_t *path_len)
{
    if (buf == NULL && buf_size > 0) return oa__err(OA_EINVAL, "buf is NULL");
    oa__str path = {0};
    int rc = name == NULL || name[0] == '\0' ? oa__hub_folder(&path, OA__HUB_MODEL)
                                             : oa__hub_find(name, &path);
    if (rc == OA_OK) rc = oa__copy_out(path.data, path.len, buf, buf_size, path_len);
    oa__str_free(&path);
    return rc;
}
