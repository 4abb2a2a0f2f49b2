/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A chat in a file: JSON, one message per line.
 *
 *   {"format": "openassistant chat", "version": 1, "system": "...", "current": 1,
 *    "messages": [
 *    {"parent": null, "role": "user", "text": "..."},
 *    {"parent": 0, "role": "assistant", "text": "..."}
 *   ]}
 *
 * "parent" is the place of the message that is answered, always an earlier one; "current" is the
 * last message of the current path, null when it is empty. Unknown members are ignored, so that
 * later versions can add some.
 */
#include "session/session_priv.h"

#include <jansson.h>
#include <string.h>

#define FORMAT "openassistant chat"

enum { VERSION = 1 };

/* A parsed value costs about this much, whatever it says; so a file may be only so long and have
 * only so many of them. A million messages fit. */
static const size_t FILE_SIZE_MAX = (size_t)256 << 20;
static const size_t N_VALUES_MAX = (size_t)4 << 20;
static const uint64_t VALUE_SIZE = 128;

/* --- writing ---------------------------------------------------------------------------------- */

static int add_json(oa__str *out, const char *text, size_t len)
{
    OA__TRY(oa__str_add_char(out, '"'));
    size_t from = 0;
    for (size_t i = 0; i <= len; i++) {
        const unsigned char b = i < len ? (unsigned char)text[i] : 0;
        if (i < len && b >= 0x20 && b != '"' && b != '\\' && b != 0x7f) continue;
        OA__TRY(oa__str_add(out, text + from, i - from));
        from = i + 1;
        if (i == len) break;
        if (b == '\n')
            OA__TRY(oa__str_add(out, "\\n", 2));
        else
            OA__TRY(oa__str_addf(out, "\\u%04x", b));
    }
    return oa__str_add_char(out, '"');
}

static int add_index(oa__str *out, size_t index)
{
    if (index == OA__NONE) return oa__str_add_z(out, "null");
    return oa__str_addf(out, "%zu", index);
}

static int write_json(const oa_chat *c, oa__str *out)
{
    const oa__tree *t = &c->tree;
    OA__TRY(
        oa__str_addf(out, "{\"format\": \"%s\", \"version\": %d, \"system\": ", FORMAT, VERSION));
    if (c->system)
        OA__TRY(add_json(out, c->system, strlen(c->system)));
    else
        OA__TRY(oa__str_add_z(out, "null"));
    OA__TRY(oa__str_add_z(out, ", \"current\": "));
    OA__TRY(add_index(out, t->n_path > 0 ? t->path[t->n_path - 1] : OA__NONE));
    OA__TRY(oa__str_add_z(out, ",\n \"messages\": ["));
    for (size_t i = 0; i < t->n; i++) {
        const oa__said *m = &t->nodes[i];
        OA__TRY(oa__str_addf(out, "%s\n {\"parent\": ", i > 0 ? "," : ""));
        OA__TRY(add_index(out, m->parent));
        OA__TRY(oa__str_addf(out, ", \"role\": \"%s\", \"text\": ", oa__role_name(m->role)));
        OA__TRY(add_json(out, m->text, m->len));
        OA__TRY(oa__str_add_char(out, '}'));
    }
    return oa__str_add_z(out, "\n]}\n");
}

int oa_chat_save(const oa_chat *chat, const char *path)
{
    if (!chat) return oa__err(OA_EINVAL, "chat is NULL");
    if (!path) return oa__err(OA_EINVAL, "path is NULL");
    if (chat->tree.n > N_VALUES_MAX / 5) {
        return oa__err(OA_ELIMIT, "chat has %zu messages, more than a file may", chat->tree.n);
    }
    oa__str out = {.mem = chat->mem, .max = FILE_SIZE_MAX};
    oa__file_out *file = NULL;
    int rc = write_json(chat, &out);
    if (rc == OA_OK) rc = oa__file_out_open(&file, chat->mem, path);
    if (rc == OA_OK) {
        rc = oa__file_out_write(file, out.data, out.len);
        if (rc == OA_OK)
            rc = oa__file_out_commit(file);
        else
            oa__file_out_abandon(file);
    }
    oa__str_free(&out);
    return rc;
}

/* --- reading ---------------------------------------------------------------------------------- */

static int load_message(oa_chat *c, const json_t *m)
{
    oa__tree *t = &c->tree;
    const size_t i = t->n;
    const json_t *parent = json_object_get(m, "parent");
    const json_t *text = json_object_get(m, "text");
    const char *role_name = json_string_value(json_object_get(m, "role"));
    if (!role_name || !json_is_string(text) || !parent) {
        return oa__err(OA_EFORMAT, "saved chat: message %zu lacks parent, role or text", i);
    }
    size_t at = OA__NONE;
    if (!json_is_null(parent)) {
        const json_int_t p = json_integer_value(parent);
        if (!json_is_integer(parent) || p < 0 || (uint64_t)p >= i) {
            return oa__err(OA_EFORMAT, "saved chat: message %zu answers none before it", i);
        }
        at = (size_t)p;
    }
    enum oa__role role = OA__ROLE_USER;
    if (strcmp(role_name, "assistant") == 0) {
        role = OA__ROLE_ASSISTANT;
    } else if (strcmp(role_name, "user") != 0) {
        return oa__err(OA_EFORMAT, "saved chat: message %zu has the role \"%s\"", i, role_name);
    }
    char *copy;
    size_t len;
    OA__TRY(oa__tree_reserve(t, 1));
    OA__TRY(
        oa__chat_copy_text(c->mem, json_string_value(text), json_string_length(text), &copy, &len));
    oa__tree_take(t, at, role, copy, len);
    return OA_OK;
}

static int load(oa_chat *c, const json_t *root)
{
    const char *format = json_string_value(json_object_get(root, "format"));
    if (!format || strcmp(format, FORMAT) != 0) {
        return oa__err(OA_EFORMAT, "not a saved chat: no format \"%s\"", FORMAT);
    }
    const json_t *version = json_object_get(root, "version");
    if (!json_is_integer(version) || json_integer_value(version) != VERSION) {
        return oa__err(json_is_integer(version) ? OA_EVERSION : OA_EFORMAT,
                       "saved chat: version %lld, want %d", (long long)json_integer_value(version),
                       VERSION);
    }
    const json_t *system = json_object_get(root, "system");
    if (json_is_string(system)) {
        if (strlen(json_string_value(system)) != json_string_length(system)) {
            return oa__err(OA_EFORMAT, "saved chat: a NUL in the system text");
        }
        char *copy;
        size_t len;
        OA__TRY(oa__chat_copy_text(c->mem, json_string_value(system), json_string_length(system),
                                   &copy, &len));
        oa__free(c->mem, c->system);
        c->system = copy;
    } else if (system && !json_is_null(system)) {
        return oa__err(OA_EFORMAT, "saved chat: the system text is no string");
    }
    const json_t *messages = json_object_get(root, "messages");
    if (!json_is_array(messages)) {
        return oa__err(OA_EFORMAT, "saved chat: messages are no array");
    }
    for (size_t i = 0; i < json_array_size(messages); i++) {
        OA__TRY(load_message(c, json_array_get(messages, i)));
    }
    const json_t *current = json_object_get(root, "current");
    const json_int_t at = json_integer_value(current);
    if (json_is_integer(current) && at >= 0 && (uint64_t)at < c->tree.n) {
        oa__tree_go(&c->tree, (size_t)at);
    } else if (current && !json_is_null(current)) {
        return oa__err(OA_EFORMAT, "saved chat: the current message is not there");
    }
    return OA_OK;
}

/* At most how many values a JSON text has. */
static size_t count_values(const char *text, size_t len)
{
    size_t n = 1;
    bool quoted = false;
    for (size_t i = 0; i < len; i++) {
        if (quoted && text[i] == '\\')
            i++;
        else if (text[i] == '"')
            quoted = !quoted;
        else if (!quoted && strchr("[{,:", text[i]) && text[i])
            n++;
    }
    return n;
}

static int parse(json_t **root, oa_chat *c, const char *data, size_t len)
{
    json_error_t e;
    *root = json_loadb(data, len, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &e);
    if (*root) return load(c, *root);
    if (json_error_code(&e) == json_error_out_of_memory) return oa__err_nomem(len);
    return oa__err(OA_EFORMAT, "saved chat: line %d: %s", e.line, e.text);
}

int oa__chat_load(oa_chat *c, const char *path)
{
    char *data;
    size_t len;
    OA__TRY(oa__file_read(c->mem, path, FILE_SIZE_MAX, &data, &len));
    const size_t n_values = count_values(data, len);
    /* The parser's memory is not ours to give, but it counts. */
    const uint64_t size = n_values * VALUE_SIZE + len;
    json_t *root = NULL;
    int rc;
    if (n_values > N_VALUES_MAX) {
        rc =
            oa__err(OA_EFORMAT, "saved chat: %zu values, want at most %zu", n_values, N_VALUES_MAX);
    } else {
        rc = oa__mem_reserve(c->mem, size);
        if (rc == OA_OK) {
            rc = parse(&root, c, data, len);
            json_decref(root);
            oa__mem_release(c->mem, size);
        }
    }
    oa__free(c->mem, data);
    return rc;
}

int oa_chat_open_saved(oa_chat **out, oa_model *model, const char *path, const oa_chat_opts *opts)
{
    if (!out) return oa__err(OA_EINVAL, "out is NULL");
    *out = NULL;
    if (!path) return oa__err(OA_EINVAL, "path is NULL");
    oa_chat *c;
    OA__TRY(oa_chat_new(&c, model, opts));
    const int rc = oa__chat_load(c, path);
    if (rc < 0) {
        oa_chat_free(c);
        return rc;
    }
    *out = c;
    return OA_OK;
}
