/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chat: a tree of messages, a session that is brought up to date with its current path, and a
 * sampler that answers.
 *
 *   path + new message ── template, tokens ──> session (only what is new) ── generate ──> answer
 *
 * Invariants between calls:
 * 1. The session holds the beginning of some conversation. It is a cache: everything an answer
 *    depends on is the tree, the system text and the sampler.
 * 2. Nothing is added to the tree before the answer has its first text or is complete; memory for
 *    adding was got before.
 */
#include "session/session_priv.h"

#include <string.h>

static int enter(oa_chat *c)
{
    if (!c) return oa__err(OA_EINVAL, "chat is NULL");
    if (c->busy) return oa__err(OA_EBUSY, "chat is inside a call; a callback can't change it");
    c->busy = true;
    return OA_OK;
}

static void leave(oa_chat *c)
{
    c->busy = false;
}

int oa__chat_copy_text(oa__mem *mem, const char *text, size_t len, char **out, size_t *out_len)
{
    oa__str s = {.mem = mem};
    int rc = oa__str_add(&s, "", 0);
    if (oa__utf8_valid(text, len)) {
        if (rc == OA_OK) rc = oa__str_add(&s, text, len);
    } else {
        for (size_t i = 0; i < len && rc == OA_OK;) {
            uint32_t cp;
            i += oa__utf8_decode(text + i, len - i, &cp);
            rc = oa__str_add_utf8(&s, cp);
        }
    }
    if (rc == OA_OK && !s.data) { /* an empty text still ends with a NUL */
        rc = oa__str_add_char(&s, '\0');
        s.len = 0;
    }
    if (rc < 0) {
        oa__str_free(&s);
        return rc;
    }
    *out = s.data;
    *out_len = s.len;
    return OA_OK;
}

static int copy_opt(oa__mem *mem, const char *text, char **out)
{
    size_t len;
    if (!text) return OA_OK;
    return oa__chat_copy_text(mem, text, strlen(text), out, &len);
}

/* --- life ------------------------------------------------------------------------------------- */

static int check_template(const oa_chat *c)
{
    if (c->template_text && c->template_name) {
        return oa__err(OA_EINVAL, "both a template text and a template name are given");
    }
    if (c->template_text) {
        return oa__template_check(c->mem, c->template_text, strlen(c->template_text));
    }
    if (c->template_name) {
        if (oa__template_named(c->template_name)) return OA_OK;
        return oa__err(OA_EINVAL, "no chat template is named \"%s\"", c->template_name);
    }
    oa_model_info info = OA_MODEL_INFO_INIT;
    OA__TRY(oa_model_get_info(c->model, &info));
    if (info.chat_template) return OA_OK;
    return oa__err(OA_ENOTFOUND, "model carries no chat template, and none is named");
}

int oa_chat_new(oa_chat **out, oa_model *model, const oa_chat_opts *opts)
{
    if (!out) return oa__err(OA_EINVAL, "out is NULL");
    *out = NULL;
    if (!model) return oa__err(OA_EINVAL, "model is NULL");
    oa_chat_opts o;
    OA__TRY(oa__opts_read(&o, sizeof o, sizeof o, opts));
    if (o.flags & ~(uint32_t)(OA_CHAT_DROP_OLDEST | OA_CHAT_CUT_OLDEST) || o.reserved != 0) {
        return oa__err(OA_EINVAL, "chat flags 0x%lx: unknown bits", (unsigned long)o.flags);
    }
    if ((o.flags & OA_CHAT_DROP_OLDEST) && (o.flags & OA_CHAT_CUT_OLDEST)) {
        return oa__err(OA_EINVAL, "chat flags: drop oldest and cut oldest exclude each other");
    }
    oa__mem *mem = oa__model_mem(model);
    oa_chat *c = oa__alloc(mem, sizeof *c);
    if (!c) return OA_ENOMEM;
    int rc = OA_OK;
    c->model = oa_model_ref(model);
    c->mem = mem;
    c->flags = o.flags;
    c->max_tokens = o.max_tokens;
    c->max_prompt = o.max_prompt;
    c->kept_from = OA__NONE;
    oa__tree_init(&c->tree, mem);
    OA__TRY_GOTO(oa_session_new(&c->session, model, o.session));
    c->n_ctx = c->session->n_ctx;
    OA__TRY_GOTO(oa__sampler_new_in(&c->sampler, mem));
    OA__TRY_GOTO(copy_opt(mem, o.system, &c->system));
    OA__TRY_GOTO(copy_opt(mem, o.template_name, &c->template_name));
    OA__TRY_GOTO(copy_opt(mem, o.template_text, &c->template_text));
    OA__TRY_GOTO(check_template(c));
    *out = c;
    return OA_OK;
fail:
    oa_chat_free(c);
    return rc;
}

void oa_chat_free(oa_chat *chat)
{
    oa_chat *c = chat;
    if (!c) return;
    oa_session_free(c->session);
    oa_sampler_free(c->sampler);
    oa__tree_free(&c->tree);
    oa__free(c->mem, c->system);
    oa__free(c->mem, c->template_name);
    oa__free(c->mem, c->template_text);
    oa_model *model = c->model;
    oa__free(c->mem, c);
    oa_model_free(model);
}

/* --- the prompt ------------------------------------------------------------------------------- */

/* What one answer is made from: the first n_keep messages of the path and perhaps a new one. */
typedef struct turn {
    size_t n_keep;
    char *text; /* the new user message, or NULL; owned until the tree takes it */
    size_t text_len;
    oa_message *messages; /* system text in front, when there is one */
    oa__ids ids;
    size_t n_dropped; /* messages */
    uint64_t n_cut;   /* tokens */
} turn;

/* Write and tokenize the conversation without its first n_skip messages, cut to max_ids tokens
 * unless that is 0. */
static int tokenize(const oa_chat *c, turn *t, size_t n_skip, uint32_t max_ids)
{
    size_t n = 0;
    if (c->system) {
        t->messages[n++] = (oa_message){"system", c->system, strlen(c->system)};
    }
    for (size_t i = n_skip; i < t->n_keep; i++) {
        const oa__said *m = &c->tree.nodes[c->tree.path[i]];
        t->messages[n++] = (oa_message){oa__role_name(m->role), m->text, m->len};
    }
    if (t->text) t->messages[n++] = (oa_message){"user", t->text, t->text_len};
    oa_render_opts o = OA_RENDER_OPTS_INIT;
    o.flags = OA_RENDER_ADD_GENERATION_PROMPT;
    o.template_name = c->template_name;
    o.template_text = c->template_text;
    oa_render_cut cut = OA_RENDER_CUT_INIT;
    o.max_ids = max_ids;
    o.cut = &cut;
    for (;;) {
        size_t n_ids = 0;
        const int rc = oa_model_tokenize_chat(c->model, t->messages, n, sizeof *t->messages, &o,
                                              t->ids.data, t->ids.cap, &n_ids);
        if (rc == OA_OK && t->ids.cap > 0) {
            t->ids.len = n_ids;
            t->n_cut = cut.n_cut;
            if (max_ids > 0) t->n_dropped = cut.n_messages;
            return OA_OK;
        }
        if (rc < 0 && (rc != OA_ELIMIT || n_ids <= t->ids.cap)) return rc;
        OA__TRY(oa__grow(c->mem, (void **)&t->ids.data, &t->ids.cap, n_ids > 0 ? n_ids : 1,
                         sizeof *t->ids.data));
    }
}

/* Leave out the oldest turns until the rest takes half of the context, so that the next few turns
 * fit without moving the beginning again (which would mean reading everything anew). */
static int drop_oldest(oa_chat *c, turn *t, size_t n_room)
{
    const oa__tree *tree = &c->tree;
    for (size_t i = 0; i < t->n_keep; i++) {
        if (tree->path[i] != c->kept_from) continue;
        OA__TRY(tokenize(c, t, i, 0));
        t->n_dropped = i;
        if (t->ids.len <= n_room) return OA_OK;
    }
    /* The conversation may begin with any user message; behind them all stands the new one. */
    size_t *starts = oa__alloc_array(c->mem, t->n_keep + 1, sizeof *starts);
    if (!starts) return OA_ENOMEM;
    size_t n = 0;
    for (size_t i = 0; i < t->n_keep; i++) {
        if (tree->nodes[tree->path[i]].role == OA__ROLE_USER) starts[n++] = i;
    }
    if (t->text) starts[n++] = t->n_keep;
    const size_t want = n_room < c->n_ctx / 2 ? n_room : c->n_ctx / 2;
    size_t low = 0, high = n - 1; /* the first that suffices, or the last */
    int rc = OA_OK;
    while (low < high && rc == OA_OK) {
        const size_t mid = low + (high - low) / 2;
        rc = tokenize(c, t, starts[mid], 0);
        if (t->ids.len <= want)
            high = mid;
        else
            low = mid + 1;
    }
    if (rc == OA_OK) {
        t->n_dropped = starts[low];
        c->kept_from = starts[low] < t->n_keep ? tree->path[starts[low]] : OA__NONE;
        rc = tokenize(c, t, starts[low], 0);
    }
    oa__free(c->mem, starts);
    return rc;
}

static int make_prompt(oa_chat *c, turn *t)
{
    const size_t n = t->n_keep + 2;
    t->messages = oa__alloc_array(c->mem, n, sizeof *t->messages);
    if (!t->messages) return OA_ENOMEM;
    /* Room for an answer, so that it is not cut off after a word. */
    uint32_t n_answer = c->n_ctx / 4;
    if (c->max_tokens && c->max_tokens < n_answer) n_answer = c->max_tokens;
    uint32_t n_room = c->n_ctx - n_answer;
    if (c->max_prompt && c->max_prompt < n_room) n_room = c->max_prompt;
    const bool may_cut = c->flags & OA_CHAT_CUT_OLDEST && c->n_ctx > 2;
    if (may_cut && n_room > c->n_ctx - 2) n_room = c->n_ctx - 2; /* one stays free */
    OA__TRY(tokenize(c, t, 0, may_cut ? n_room : 0));
    if ((c->flags & OA_CHAT_DROP_OLDEST) && t->ids.len > n_room) {
        OA__TRY(drop_oldest(c, t, n_room));
    }
    if (t->ids.len >= c->n_ctx) {
        return oa__err(OA_EFULL,
                       "conversation has %zu tokens, the context holds %lu and must have "
                       "room for an answer",
                       t->ids.len, (unsigned long)c->n_ctx);
    }
    return OA_OK;
}

/* --- the answer ------------------------------------------------------------------------------- */

typedef struct answer {
    oa__str text;
    oa_text_fn fn;
    void *user;
    int rc; /* OA_ENOMEM when the text could not be kept */
} answer;

static int on_text(const char *text, size_t len, void *user)
{
    answer *a = user;
    a->rc = oa__str_add(&a->text, text, len);
    if (a->rc < 0) return 1;
    return a->fn ? a->fn(text, len, a->user) : 0;
}

static int produce(oa_chat *c, turn *t, answer *a, oa_generate_result *r)
{
    OA__TRY(make_prompt(c, t));
    r->n_prompt = t->ids.len;
    r->n_dropped = t->n_dropped;
    r->n_cut = t->n_cut;
    const uint64_t start = oa__clock_ns();
    size_t n_reused = 0;
    OA__TRY(oa_session_set_ids(c->session, t->ids.data, t->ids.len, &n_reused));
    r->n_reused = n_reused;
    r->prompt_ns = oa__clock_ns() - start;
    /* Penalties are for what this answer repeats, not for what an abandoned branch said. */
    oa__sampler_forget(c->sampler);
    oa_generate_opts o = OA_GENERATE_OPTS_INIT;
    o.max_tokens = c->max_tokens;
    if (c->flags & OA_CHAT_CUT_OLDEST) {
        uint32_t n_spare = c->n_ctx - (uint32_t)t->ids.len - 1;
        if (n_spare == 0) n_spare = 1;
        if (!o.max_tokens || o.max_tokens > n_spare) o.max_tokens = n_spare;
    }
    oa_generate_result g = OA_GENERATE_RESULT_INIT;
    const int rc = oa_session_generate(c->session, c->sampler, &o, on_text, a, &g);
    r->finish = g.finish;
    r->n_tokens = g.n_tokens;
    r->generate_ns = g.generate_ns;
    return a->rc < 0 ? a->rc : rc;
}

/* Answer the first n_keep messages of the path and, when there is one, a new user message. */
static int answer_turn(oa_chat *c, size_t n_keep, const char *text, oa_text_fn fn, void *user)
{
    turn t = {.n_keep = n_keep, .ids = {.mem = c->mem}};
    answer a = {.text = {.mem = c->mem}, .fn = fn, .user = user};
    oa_generate_result r = OA_GENERATE_RESULT_INIT;
    int rc = OA_OK;
    OA__TRY_GOTO(oa__tree_reserve(&c->tree, 2));
    if (text) OA__TRY_GOTO(oa__chat_copy_text(c->mem, text, strlen(text), &t.text, &t.text_len));
    /* An answer without text needs its NUL too. */
    OA__TRY_GOTO(oa__str_add_char(&a.text, '\0'));
    a.text.len = 0;

    rc = produce(c, &t, &a, &r);
    if (rc < 0 && a.text.len == 0) goto fail;
    c->result = r;
    c->has_result = true;
    size_t parent = n_keep > 0 ? c->tree.path[n_keep - 1] : OA__NONE;
    if (t.text) {
        parent = oa__tree_take(&c->tree, parent, OA__ROLE_USER, t.text, t.text_len);
        t.text = NULL;
        if (t.n_dropped > 0 && t.n_dropped == n_keep) c->kept_from = parent;
    }
    parent = oa__tree_take(&c->tree, parent, OA__ROLE_ASSISTANT, a.text.data, a.text.len);
    a.text = (oa__str){.mem = c->mem};
    oa__tree_go(&c->tree, parent);
fail:
    oa__free(c->mem, t.messages);
    oa__free(c->mem, t.text);
    oa__ids_free(&t.ids);
    oa__str_free(&a.text);
    return rc;
}

int oa_chat_say(oa_chat *chat, const char *text, oa_text_fn text_fn, void *user)
{
    if (!text) return oa__err(OA_EINVAL, "text is NULL");
    OA__TRY(enter(chat));
    const int rc = answer_turn(chat, chat->tree.n_path, text, text_fn, user);
    leave(chat);
    return rc;
}

int oa_chat_regenerate(oa_chat *chat, oa_text_fn text_fn, void *user)
{
    OA__TRY(enter(chat));
    const oa__tree *t = &chat->tree;
    size_t n = t->n_path;
    while (n > 0 && t->nodes[t->path[n - 1]].role != OA__ROLE_USER)
        n--;
    const int rc = n > 0 ? answer_turn(chat, n, NULL, text_fn, user)
                         : oa__err(OA_EINVAL, "nothing was said that could be answered");
    leave(chat);
    return rc;
}

int oa_chat_edit(oa_chat *chat, size_t index, const char *text, oa_text_fn text_fn, void *user)
{
    if (!text) return oa__err(OA_EINVAL, "text is NULL");
    OA__TRY(enter(chat));
    const oa__tree *t = &chat->tree;
    int rc;
    if (index >= t->n_path) {
        rc = oa__err(OA_EINVAL, "message %zu of %zu", index, t->n_path);
    } else if (t->nodes[t->path[index]].role != OA__ROLE_USER) {
        rc = oa__err(OA_EINVAL, "message %zu is the assistant's, want a user's", index);
    } else {
        rc = answer_turn(chat, index, text, text_fn, user);
    }
    leave(chat);
    return rc;
}

/* --- the path --------------------------------------------------------------------------------- */

int oa_chat_back(oa_chat *chat, size_t n_messages)
{
    OA__TRY(enter(chat));
    int rc = OA_OK;
    if (n_messages > chat->tree.n_path) {
        rc = oa__err(OA_EINVAL, "can't keep %zu messages of %zu", n_messages, chat->tree.n_path);
    } else {
        chat->tree.n_path = n_messages;
    }
    leave(chat);
    return rc;
}

static int check_place(const oa_chat *c, size_t index)
{
    if (!c) return oa__err(OA_EINVAL, "chat is NULL");
    if (index <= c->tree.n_path) return OA_OK;
    return oa__err(OA_EINVAL, "place %zu, the path has %zu messages", index, c->tree.n_path);
}

int oa_chat_get_branches(const oa_chat *chat, size_t index, size_t *n_branches, size_t *current)
{
    if (n_branches) *n_branches = 0;
    if (current) *current = 0;
    OA__TRY(check_place(chat, index));
    const oa__tree *t = &chat->tree;
    size_t n = 0, at = OA__NONE;
    for (size_t i = oa__tree_first_at(t, index); i != OA__NONE; i = t->nodes[i].next) {
        if (index < t->n_path && i == t->path[index]) at = n;
        n++;
    }
    if (n_branches) *n_branches = n;
    if (current) *current = at == OA__NONE ? n : at;
    return OA_OK;
}

int oa_chat_select(oa_chat *chat, size_t index, size_t branch)
{
    OA__TRY(enter(chat));
    int rc = check_place(chat, index);
    if (rc == OA_OK) {
        oa__tree *t = &chat->tree;
        size_t n = 0, node = oa__tree_first_at(t, index);
        while (node != OA__NONE && n < branch) {
            node = t->nodes[node].next;
            n++;
        }
        if (node == OA__NONE) {
            rc = oa__err(OA_EINVAL, "branch %zu of %zu", branch, n);
        } else {
            while (t->nodes[node].last_child != OA__NONE)
                node = t->nodes[node].last_child;
            oa__tree_go(t, node);
        }
    }
    leave(chat);
    return rc;
}

int oa_chat_get_count(const oa_chat *chat, size_t *n)
{
    if (n) *n = 0;
    if (!chat) return oa__err(OA_EINVAL, "chat is NULL");
    if (!n) return oa__err(OA_EINVAL, "n is NULL");
    *n = chat->tree.n_path;
    return OA_OK;
}

int oa_chat_get_message(const oa_chat *chat, size_t index, oa_message *message, size_t message_size)
{
    if (!chat) return oa__err(OA_EINVAL, "chat is NULL");
    if (!message) return oa__err(OA_EINVAL, "message is NULL");
    OA__TRY(oa__elem_size("messages", message_size, sizeof *message));
    if (index >= chat->tree.n_path) {
        return oa__err(OA_EINVAL, "message %zu of %zu", index, chat->tree.n_path);
    }
    const oa__said *m = &chat->tree.nodes[chat->tree.path[index]];
    memset(message, 0, message_size);
    *message = (oa_message){oa__role_name(m->role), m->text, m->len};
    return OA_OK;
}

/* --- the rest --------------------------------------------------------------------------------- */

int oa_chat_set_system(oa_chat *chat, const char *system)
{
    OA__TRY(enter(chat));
    char *copy = NULL;
    const int rc = copy_opt(chat->mem, system, &copy);
    if (rc == OA_OK) {
        oa__free(chat->mem, chat->system);
        chat->system = copy;
    }
    leave(chat);
    return rc;
}

int oa_chat_get_sampler(oa_chat *chat, oa_sampler **sampler)
{
    if (sampler) *sampler = NULL;
    if (!chat) return oa__err(OA_EINVAL, "chat is NULL");
    if (!sampler) return oa__err(OA_EINVAL, "sampler is NULL");
    *sampler = chat->sampler;
    return OA_OK;
}

int oa_chat_get_result(const oa_chat *chat, oa_generate_result *result)
{
    if (!chat) return oa__err(OA_EINVAL, "chat is NULL");
    if (!result) return oa__err(OA_EINVAL, "result is NULL");
    if (!chat->has_result) return oa__err(OA_ENOTFOUND, "there was no answer yet");
    return oa__opts_write(result, &chat->result, sizeof chat->result, sizeof chat->result);
}
