/* SPDX-License-Identifier: Apache-2.0 */
/* Conversations as the text that the model was trained on. */
#include "model/model_priv.h"

#include <string.h>

enum { RENDER_FLAGS = OA_RENDER_ADD_GENERATION_PROMPT };

typedef struct render {
    const oa_model *m;
    oa_render_opts opts;
    oa__chat_message *messages;
    size_t n_messages;
    oa__str guarded; /* roles and contents with guards, each followed by a NUL */
    oa__str text;    /* the result */
    bool guard;      /* special tokens in messages and variables are mere text */
} render;

static void render_free(render *r)
{
    oa__str_free(&r->text);
    oa__str_free(&r->guarded);
    oa__free(r->text.mem, r->messages);
}

static int read_message(const void *messages, size_t i, size_t message_size, oa__chat_message *out)
{
    oa_message msg;
    const char *at = (const char *)messages + i * message_size;
    OA__TRY(oa__elem_tail("messages", at, message_size, sizeof msg));
    memcpy(&msg, at, sizeof msg);
    if (msg.role == NULL || msg.content == NULL) {
        return oa__err(OA_EINVAL, "message %zu: role or content is NULL", i);
    }
    *out = (oa__chat_message){msg.role, msg.content,
                              msg.content_len ? msg.content_len : strlen(msg.content)};
    return OA_OK;
}

/* Replace roles and contents by copies in which nothing spells a special token. */
static int guard_messages(render *r)
{
    typedef struct place {
        size_t role, content, content_len;
    } place;
    place *at = oa__alloc_array(r->text.mem, r->n_messages, sizeof *at);
    if (at == NULL) return OA_ENOMEM;
    int rc = OA_OK;
    for (size_t i = 0; i < r->n_messages; i++) {
        const oa__chat_message *msg = &r->messages[i];
        at[i].role = r->guarded.len;
        OA__TRY_GOTO(oa__vocab_guard(r->m->vocab, msg->role, strlen(msg->role), &r->guarded));
        OA__TRY_GOTO(oa__str_add_char(&r->guarded, '\0'));
        at[i].content = r->guarded.len;
        OA__TRY_GOTO(oa__vocab_guard(r->m->vocab, msg->content, msg->content_len, &r->guarded));
        at[i].content_len = r->guarded.len - at[i].content;
        OA__TRY_GOTO(oa__str_add_char(&r->guarded, '\0'));
    }
    for (size_t i = 0; i < r->n_messages; i++) {
        r->messages[i] = (oa__chat_message){r->guarded.data + at[i].role,
                                            r->guarded.data + at[i].content, at[i].content_len};
    }
fail:
    oa__free(r->text.mem, at);
    return rc;
}

/* The text of a special token, NULL when there is none. */
static int special_text(const oa_model *m, int32_t id, char **out)
{
    *out = NULL;
    if (id < 0) return OA_OK;
    const oa__span s = oa__vocab_token(m->vocab, id);
    *out = oa__strndup(oa__model_mem(m), s.data, s.len);
    return *out != NULL ? OA_OK : OA_ENOMEM;
}

static int choose_template(const render *r, const char **text, size_t *len)
{
    if (r->opts.template_text != NULL && r->opts.template_name != NULL) {
        return oa__err(OA_EINVAL, "both a template text and a template name are given");
    }
    *text = r->opts.template_text;
    if (r->opts.template_name != NULL) {
        *text = oa__template_named(r->opts.template_name);
        if (*text == NULL) {
            return oa__err(OA_EINVAL, "no template is named \"%s\"", r->opts.template_name);
        }
    }
    if (*text != NULL) {
        *len = strlen(*text);
        return OA_OK;
    }
    if (r->m->template_text == NULL) {
        return oa__err(OA_ENOTFOUND, "the model carries no chat template and none is named");
    }
    *text = r->m->template_text;
    *len = r->m->template_len;
    return OA_OK;
}

static int run_template(render *r)
{
    const char *text;
    size_t len = 0;
    char *bos = NULL, *eos = NULL;
    int rc;
    OA__TRY(choose_template(r, &text, &len));
    OA__TRY_GOTO(special_text(r->m, r->m->bos_id, &bos));
    OA__TRY_GOTO(special_text(r->m, r->m->eos_id, &eos));
    const uint64_t now_s = oa__clock_wall_s();
    const oa__render_args args = {
        .messages = r->messages,
        .n_messages = r->n_messages,
        .add_generation_prompt = (r->opts.flags & OA_RENDER_ADD_GENERATION_PROMPT) != 0,
        .bos_token = bos,
        .eos_token = eos,
        .variables_json = r->opts.variables_json,
        .now_s = now_s,
        .utc_offset_s = oa__clock_offset_s(now_s),
        .vocab = r->m->vocab,
        .guard = r->guard,
    };
    rc = oa__template_render(r->text.mem, text, len, &args, &r->text);
fail:
    oa__free(r->text.mem, eos);
    oa__free(r->text.mem, bos);
    return rc;
}

static int render_chat(render *r, const oa_model *model, const oa_message *messages,
                       size_t n_messages, size_t message_size, const oa_render_opts *opts,
                       bool guard)
{
    *r = (render){.m = model, .guard = guard};
    if (model == NULL || (messages == NULL && n_messages > 0)) {
        return oa__err(OA_EINVAL, "model or messages is NULL");
    }
    if (n_messages > 0) OA__TRY(oa__elem_size("messages", message_size, sizeof(oa_message)));
    r->text.mem = r->guarded.mem = oa__model_mem(model);
    OA__TRY(oa__opts_read(&r->opts, sizeof r->opts, sizeof r->opts, opts));
    if (r->opts.flags & ~(uint32_t)RENDER_FLAGS) {
        return oa__err(OA_EINVAL, "render options: unknown flags 0x%x", r->opts.flags);
    }
    if (r->opts.max_ids > 0 && (!guard || r->opts.cut == NULL)) {
        return oa__err(OA_EINVAL, guard ? "max_ids is set and cut, the place of the report, is NULL"
                                        : "max_ids is set for a text, want it for tokens");
    }
    r->messages = oa__alloc_array(r->text.mem, n_messages, sizeof *r->messages);
    if (r->messages == NULL) return OA_ENOMEM;
    r->n_messages = n_messages;
    for (size_t i = 0; i < n_messages; i++) {
        OA__TRY(read_message(messages, i, message_size, &r->messages[i]));
    }
    if (guard) OA__TRY(guard_messages(r));
    return run_template(r);
}

int oa_model_render_chat(const oa_model *model, const oa_message *messages, size_t n_messages,
                         size_t message_size, const oa_render_opts *opts, char *buf,
                         size_t buf_size, size_t *text_len)
{
    if (buf == NULL && buf_size > 0) return oa__err(OA_EINVAL, "buf is NULL");
    render r;
    int rc = render_chat(&r, model, messages, n_messages, message_size, opts, false);
    if (rc == OA_OK) {
        rc = oa__copy_out(r.text.data ? r.text.data : "", r.text.len, buf, buf_size, text_len);
    }
    render_free(&r);
    return rc;
}

/* Templates write the beginning token where they know of it; it must not stand there twice. */
static bool begins_with_bos(const render *r)
{
    if (r->m->bos_id < 0) return false;
    const oa__span bos = oa__vocab_token(r->m->vocab, r->m->bos_id);
    return bos.len > 0 && r->text.len >= bos.len && memcmp(r->text.data, bos.data, bos.len) == 0;
}

int oa_model_tokenize_chat(const oa_model *model, const oa_message *messages, size_t n_messages,
                           size_t message_size, const oa_render_opts *opts, int32_t *ids,
                           size_t ids_len, size_t *n_ids)
{
    if (ids == NULL && ids_len > 0) return oa__err(OA_EINVAL, "ids is NULL");
    render r;
    oa__ids found = {0};
    int rc = render_chat(&r, model, messages, n_messages, message_size, opts, true);
    if (rc == OA_OK) {
        uint32_t flags = OA_TOKENIZE_SPECIAL | OA_TOKENIZE_NO_EOS | OA__TOKENIZE_GUARDED;
        if (begins_with_bos(&r)) flags |= OA_TOKENIZE_NO_BOS;
        found.mem = r.text.mem;
        rc = oa__vocab_encode(model->vocab, r.text.data ? r.text.data : "", r.text.len, flags,
                              &found);
    }
    if (rc == OA_OK && r.opts.max_ids > 0) {
        oa_render_cut report;
        rc = oa__chat_cut(model, &found, r.opts.max_ids, &report);
        if (rc == OA_OK) {
            rc = oa__opts_write(r.opts.cut, &report, sizeof report, sizeof report);
        }
    }
    if (rc == OA_OK) rc = oa__copy_ids(&found, ids, ids_len, n_ids);
    oa__ids_free(&found);
    render_free(&r);
    return rc;
}
