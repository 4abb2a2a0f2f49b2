/* SPDX-License-Identifier: Apache-2.0 */
/* Text to ids and back. */
#include "model/model_priv.h"

#include <string.h>

enum { TOKENIZE_FLAGS = OA_TOKENIZE_SPECIAL | OA_TOKENIZE_NO_BOS | OA_TOKENIZE_NO_EOS };

int oa__copy_ids(const oa__ids *found, int32_t *ids, size_t ids_len, size_t *n_ids)
{
    if (n_ids != NULL) *n_ids = found->len;
    if (ids_len == 0) return OA_OK;
    if (ids_len < found->len) {
        return oa__err(OA_ELIMIT, "%zu ids, room for %zu", found->len, ids_len);
    }
    if (found->len > 0) memcpy(ids, found->data, found->len * sizeof *ids);
    return OA_OK;
}

int oa_model_tokenize(const oa_model *model, const char *text, size_t text_len, uint32_t flags,
                      int32_t *ids, size_t ids_len, size_t *n_ids)
{
    if (model == NULL || (text == NULL && text_len > 0) || (ids == NULL && ids_len > 0)) {
        return oa__err(OA_EINVAL, "model, text or ids is NULL");
    }
    if (flags & ~(uint32_t)TOKENIZE_FLAGS) {
        return oa__err(OA_EINVAL, "unknown flags 0x%x", flags);
    }
    oa__ids found = {.mem = oa__model_mem(model)};
    int rc = oa__vocab_encode(model->vocab, text ? text : "", text_len, flags, &found);
    if (rc == OA_OK) rc = oa__copy_ids(&found, ids, ids_len, n_ids);
    oa__ids_free(&found);
    return rc;
}

int oa_model_tokenize_pair(const oa_model *model, const char *first, size_t first_len,
                           const char *second, size_t second_len, uint32_t flags, int32_t *ids,
                           size_t ids_len, size_t *n_ids, size_t *n_first)
{
    if (model == NULL || (first == NULL && first_len > 0) || (second == NULL && second_len > 0) ||
        (ids == NULL && ids_len > 0)) {
        return oa__err(OA_EINVAL, "model, a text or ids is NULL");
    }
    if (flags & ~(uint32_t)TOKENIZE_FLAGS) {
        return oa__err(OA_EINVAL, "unknown flags 0x%x", flags);
    }
    oa__ids found = {.mem = oa__model_mem(model)};
    size_t n = 0;
    int rc = oa__vocab_encode_pair(model->vocab, (oa__span){first ? first : "", first_len},
                                   (oa__span){second ? second : "", second_len}, flags, &found, &n);
    if (rc == OA_OK && n_first != NULL) *n_first = n;
    if (rc == OA_OK) rc = oa__copy_ids(&found, ids, ids_len, n_ids);
    oa__ids_free(&found);
    return rc;
}

int oa_model_detokenize(const oa_model *model, const int32_t *ids, size_t n_ids, uint32_t flags,
                        char *buf, size_t buf_size, size_t *text_len)
{
    if (model == NULL || (ids == NULL && n_ids > 0) || (buf == NULL && buf_size > 0)) {
        return oa__err(OA_EINVAL, "model, ids or buf is NULL");
    }
    if (flags & ~(uint32_t)OA_DETOKENIZE_SPECIAL) {
        return oa__err(OA_EINVAL, "unknown flags 0x%x", flags);
    }
    if (n_ids > PTRDIFF_MAX / sizeof *ids) {
        return oa__err(OA_EINVAL, "%zu ids are more than fit into memory", n_ids);
    }
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] < 0 || (uint32_t)ids[i] >= model->hp.n_vocab) {
            return oa__err(OA_EINVAL, "token %d, the vocabulary has %u", ids[i], model->hp.n_vocab);
        }
    }
    oa__str text = {.mem = oa__model_mem(model)};
    int rc = oa__vocab_decode(model->vocab, ids, n_ids, (flags & OA_DETOKENIZE_SPECIAL) != 0, true,
                              &text);
    if (rc == OA_OK) {
        rc = oa__copy_out(text.data ? text.data : "", text.len, buf, buf_size, text_len);
    }
    oa__str_free(&text);
    return rc;
}

int oa_model_is_end(const oa_model *model, int32_t id)
{
    return model != NULL && id >= 0 && (uint32_t)id < model->hp.n_vocab &&
           oa__vocab_is_end(model->vocab, id);
}
