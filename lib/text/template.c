/* SPDX-License-Identifier: Apache-2.0 */
/* The door's functions: set up a render, run it, copy its text out, free everything. */
#include "text/template_priv.h"

#include <string.h>

static int set_var(tmpl *t, const char *name, tval v)
{
    const tatom *a = oa__tmpl_atom(t, name, strlen(name));
    if (a == NULL) return oa__tmpl_nomem(t);
    ((tatom *)a)->root = v;
    return OA_OK;
}

static int text_value(tmpl *t, const char *what, const char *s, size_t len, tval *out)
{
    if (len > 0 && !oa__utf8_valid(s, len)) {
        return oa__err(OA_EINVAL, "%s is not valid UTF-8", what);
    }
    return oa__tmpl_str(t, s, len, out); /* the caller's memory outlives the render */
}

static int set_text(tmpl *t, const char *name, const char *text)
{
    tval v;
    if (text == NULL) return OA_OK;
    OA__TRY(text_value(t, name, text, strlen(text), &v));
    return set_var(t, name, v);
}

static int set_messages(tmpl *t, const oa__render_args *args)
{
    tval list, role_key, content_key;
    OA__TRY(oa__tmpl_str_z(t, "role", &role_key));
    OA__TRY(oa__tmpl_str_z(t, "content", &content_key));
    OA__TRY(oa__tmpl_list(t, T_LIST, args->n_messages, &list));
    for (size_t i = 0; i < args->n_messages; i++) {
        const oa__chat_message *m = &args->messages[i];
        tval *msg = &list.u.l->items[i], v;
        if (m->role == NULL) return oa__err(OA_EINVAL, "message %zu has no role", i);
        OA__TRY(oa__tmpl_dict(t, msg));
        OA__TRY(text_value(t, "a message's role", m->role, strlen(m->role), &v));
        OA__TRY(oa__tmpl_dict_set(t, msg->u.d, role_key, v));
        v = oa__tmpl_none();
        if (m->content != NULL) {
            OA__TRY(text_value(t, "a message's content", m->content, m->content_len, &v));
        }
        OA__TRY(oa__tmpl_dict_set(t, msg->u.d, content_key, v));
    }
    return set_var(t, "messages", list);
}

static int set_variables(tmpl *t, const oa__render_args *args, bool named)
{
    OA__TRY(oa__tmpl_set_globals(t, named));
    OA__TRY(set_messages(t, args));
    OA__TRY(set_var(t, "add_generation_prompt", oa__tmpl_bool(args->add_generation_prompt)));
    /* transformers always gives these two. */
    OA__TRY(set_var(t, "tools", oa__tmpl_none()));
    OA__TRY(set_var(t, "documents", oa__tmpl_none()));
    OA__TRY(set_text(t, "bos_token", args->bos_token));
    OA__TRY(set_text(t, "eos_token", args->eos_token));
    if (args->variables_json != NULL) OA__TRY(oa__tmpl_load_json(t, args->variables_json));
    return OA_OK;
}

static void init(tmpl *t, oa__mem *mem)
{
    *t = (tmpl){.mem = mem, .next_chunk = 4 << 10, .line = 1};
    t->max_steps = OA__TMPL_MAX_STEPS;
    t->max_output = OA__TMPL_MAX_OUTPUT;
}

int oa__template_render(oa__mem *mem, const char *text, size_t text_len,
                        const oa__render_args *args, oa__str *out)
{
    tmpl t;
    tnode *body;
    tout result = {0};
    init(&t, mem);
    if (args->max_steps > 0) t.max_steps = args->max_steps;
    if (args->max_output > 0) t.max_output = args->max_output;
    t.now_s = args->now_s;
    t.utc_offset_s = args->utc_offset_s;
    t.vocab = args->vocab;
    t.guard = args->guard && args->vocab != NULL;
    t.out = &result;
    int rc = set_variables(&t, args, oa__tmpl_is_named(text));
    if (rc == OA_OK) rc = oa__tmpl_parse(&t, text, text_len, &body);
    if (rc == OA_OK) rc = oa__tmpl_run(&t, body);
    if (rc == OA_OK && result.len > 0) rc = oa__str_add(out, result.data, result.len);
    oa__tmpl_free_arena(&t);
    return rc;
}

int oa__template_check(oa__mem *mem, const char *text, size_t text_len)
{
    tmpl t;
    tnode *body;
    init(&t, mem);
    int rc = oa__tmpl_parse(&t, text, text_len, &body);
    oa__tmpl_free_arena(&t);
    return rc;
}
