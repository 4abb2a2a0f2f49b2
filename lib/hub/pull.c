/* SPDX-License-Identifier: Apache-2.0 */
/*
 * oa_hub_pull(): ask what there is, choose, fetch, note.
 *
 *   /api/models/OWNER/NAME[/revision/R]       -> commit, licence
 *   /api/models/OWNER/NAME/tree/COMMIT?...    -> files, their sizes and checksums
 *   /OWNER/NAME/resolve/COMMIT/PATH           -> the bytes, often from another host
 *
 * The commit that the first answer names is used from there on, so that all files are of one state
 * of the repository whatever happens to it meanwhile.
 */
#include "hub/hub_priv.h"

#include <string.h>

enum { MAX_INFO = 8 << 20, MAX_PAGE = 16 << 20, MAX_PAGES = 200, MAX_CARD = 4 << 20 };

/* One pull on its way. */
typedef struct pull {
    oa_hub_opts opts;
    oa__log log;
    oa__patience patience;
    oa__progress progress;
    oa__net *net;
    int kind;
    oa__hub_name name;
    oa__hub_entry entry; /* of the catalogue, or empty */
    oa__hub_listing listing;
    const char *main_path;
    char *token; /* or NULL */
    oa__str endpoint, folder, licence;
    const char *file; /* that comes now; NULL before the first */
    uint64_t done;    /* bytes of the files before it */
} pull;

static int on_poll(void *arg, const char *what, uint64_t done)
{
    pull *p = arg;
    p->progress.what = what[0] ? what : p->file ? p->file : "ask";
    return oa__progress_poll(&p->progress, p->done + done);
}

static int find_name(pull *p, const char *text)
{
    if (strchr(text, '/')) return oa__hub_name_read(&p->name, text, p->opts.revision);
    const int rc = oa__catalogue_find(&p->entry, text);
    if (rc == OA_ENOTFOUND)
        return oa__err(OA_ENOTFOUND,
                       "\"%s\" is no short name of the catalogue; want one, or "
                       "OWNER/NAME",
                       text);
    OA__TRY(rc);
    if (p->kind == OA__HUB_DATASET && p->entry.kind != p->kind)
        return oa__err(OA_EINVAL, "\"%s\" is the short name of a model, not of a data set", text);
    p->kind = p->entry.kind;
    return oa__hub_name_read(&p->name, p->entry.target, p->opts.revision);
}

static int begin(pull *p, const char *name, const oa_hub_opts *opts)
{
    if (!name || !name[0]) return oa__err(OA_EINVAL, "no name given");
    OA__TRY(oa__opts_read(&p->opts, sizeof p->opts, sizeof p->opts, opts));
    if (p->opts.flags & ~(uint32_t)OA_HUB_DATASET)
        return oa__err(OA_EINVAL, "flags 0x%x: not known", p->opts.flags);
    if (p->opts.log_level > OA_LOG_TRACE)
        return oa__err(OA_EINVAL, "log level %u: not known", p->opts.log_level);
    p->log = (oa__log){p->opts.log_fn, p->opts.log_user, p->opts.log_level};
    p->progress.fn = p->opts.progress_fn;
    p->progress.user = p->opts.progress_user;
    p->patience = (oa__patience){.stall_ms = p->opts.stall_ms ? p->opts.stall_ms : 30000,
                                 .retry_ms = p->opts.retry_ms ? p->opts.retry_ms : 250,
                                 .n_tries = p->opts.n_tries ? p->opts.n_tries : 7,
                                 .log = &p->log,
                                 .poll = on_poll,
                                 .arg = p};
    p->kind = p->opts.flags & OA_HUB_DATASET ? OA__HUB_DATASET : OA__HUB_MODEL;
    OA__TRY(find_name(p, name));
    OA__TRY(oa__hub_endpoint(&p->opts, &p->endpoint));
    OA__TRY(oa__hub_token(&p->opts, p->endpoint.data, &p->log, &p->token));
    return oa__net_new(&p->net, NULL);
}

/* --- what the hub says --------------------------------------------------------------------------
 */

/* What an answer that is no success means for the user. */
static int explain(const pull *p, int rc, const oa__http_head *head)
{
    const char *owner = p->name.owner, *name = p->name.name, *at = p->endpoint.data;
    const char *below = p->kind == OA__HUB_DATASET ? "datasets/" : "";
    const char *code = head->error_code;
    if (strcmp(code, "GatedRepo") == 0)
        return oa__err(OA_EACCES, "%s/%s is gated: accept its terms at %s/%s%s/%s%s", owner, name,
                       at, below, owner, name,
                       p->token ? " with the account of your token"
                                : " and put a token of your account into HF_TOKEN");
    if (strcmp(code, "RevisionNotFound") == 0)
        return oa__err(OA_ENOTFOUND, "%s/%s has no revision \"%s\"", owner, name, p->name.revision);
    if (head->status == 401 && p->token && strcmp(code, "RepoNotFound") != 0)
        return oa__err(OA_EACCES, "%s refuses the token: make a new one and put it into HF_TOKEN",
                       at);
    if (head->status == 401 || (head->status == 404 && strcmp(code, "EntryNotFound") != 0))
        return oa__err(head->status == 404 || code[0] ? OA_ENOTFOUND : OA_EACCES,
                       "%s has no repository %s%s/%s, or it is a private one%s", at, below, owner,
                       name, p->token ? "" : ": check the name, or put a token into HF_TOKEN");
    if (head->status == 403)
        return oa__err(OA_EACCES, "no access to %s/%s: %s%s", owner, name,
                       head->error_text[0] ? head->error_text : "ask its owner",
                       p->token ? "" : ", and put a token into HF_TOKEN");
    if (head->status == 407)
        return oa__err(OA_EIO, "the proxy wants a user name and a password, as in "
                               "http_proxy=http://USER:PASSWORD@HOST:PORT");
    if (head->status == 429)
        return oa__err(OA_ELIMIT, "%s answers too many requests of yours: try again later%s", at,
                       p->token ? "" : ", or with a token in HF_TOKEN");
    return rc;
}

static int api_url(const pull *p, oa__str *url)
{
    OA__TRY(oa__str_add(url, p->endpoint.data, p->endpoint.len));
    return oa__str_addf(url, "/api/%s/%s/%s", p->kind == OA__HUB_DATASET ? "datasets" : "models",
                        p->name.owner, p->name.name);
}

static int ask_info(pull *p)
{
    oa__str url = {0}, text = {0};
    oa__http_head head = {0};
    int rc;
    OA__TRY_GOTO(api_url(p, &url));
    if (p->name.revision[0]) {
        OA__TRY_GOTO(oa__str_add_z(&url, "/revision/"));
        OA__TRY_GOTO(oa__url_add(&url, p->name.revision, false));
    }
    rc = oa__fetch_text(p->net, url.data, p->token, MAX_INFO, &p->patience, &text, &head);
    if (rc < 0) rc = explain(p, rc, &head);
    if (rc == OA_OK) rc = oa__hub_listing_info(&p->listing, text.data, text.len);
fail:
    oa__str_free(&text);
    oa__str_free(&url);
    return rc;
}

/* The state that all files are taken from. */
static const char *state_of(const pull *p)
{
    if (p->listing.commit[0]) return p->listing.commit;
    return p->name.revision[0] ? p->name.revision : "main";
}

static int ask_files(pull *p)
{
    oa__str url = {0}, text = {0};
    oa__http_head head = {0};
    int rc;
    OA__TRY_GOTO(api_url(p, &url));
    OA__TRY_GOTO(oa__str_add_z(&url, "/tree/"));
    OA__TRY_GOTO(oa__url_add(&url, state_of(p), false));
    OA__TRY_GOTO(oa__str_add_z(&url, "?recursive=true"));
    for (int page = 1;; page++) {
        rc = oa__fetch_text(p->net, url.data, p->token, MAX_PAGE, &p->patience, &text, &head);
        if (rc < 0) rc = explain(p, rc, &head);
        if (rc < 0) goto fail;
        OA__TRY_GOTO(oa__hub_listing_page(&p->listing, &p->log, text.data, text.len));
        if (!head.next[0]) break;
        /* With the token it goes to the host that we asked, or nowhere. */
        if (strncmp(head.next, p->endpoint.data, p->endpoint.len) != 0 ||
            head.next[p->endpoint.len] != '/') {
            rc = oa__err(OA_EFORMAT, "the hub's list of files goes on at another host");
            goto fail;
        }
        if (page == MAX_PAGES) {
            rc = oa__err(OA_ELIMIT, "the hub's list of files has more than %d pages", MAX_PAGES);
            goto fail;
        }
        url.len = 0;
        OA__TRY_GOTO(oa__str_add_z(&url, head.next));
    }
    rc = OA_OK;
fail:
    oa__str_free(&text);
    oa__str_free(&url);
    return rc;
}

/* --- the files ----------------------------------------------------------------------------------
 */

static int file_path(const pull *p, const char *name, oa__str *out)
{
    return oa__str_addf(out, "%s/%s", p->folder.data, name);
}

/* Whether the record knows this very content, and nobody touched the file since. */
static bool is_noted(const pull *p, const json_t *record, const oa__hub_file *f, const char *path)
{
    oa__file_info info;
    const json_t *entry = json_object_get(json_object_get(record, "files"), f->path);
    if (!entry || !oa__file_exists(path) || oa__file_stat(path, &info) < 0) return false;
    const char *key = f->sha256[0] ? "sha256" : "oid";
    const char *want = f->sha256[0] ? f->sha256 : f->oid;
    (void)p;
    return info.is_file && info.size == f->size && want[0] &&
           strcmp(oa__json_member(entry, key), want) == 0 &&
           (uint64_t)json_integer_value(json_object_get(entry, "mtime_ns")) == info.mtime_ns;
}

/* "X" into the list of models once. */
static int note_model(json_t *record, const char *path)
{
    json_t *models = json_object_get(record, "models"), *m;
    size_t i;
    if (!json_is_array(models)) {
        models = json_array();
        if (json_object_set_new(record, "models", models) < 0) return oa__err_nomem(1);
    }
    json_array_foreach(models, i, m)
    {
        if (json_is_string(m) && strcmp(json_string_value(m), path) == 0) return OA_OK;
    }
    return json_array_append_new(models, json_string(path)) < 0 ? oa__err_nomem(1) : OA_OK;
}

/* Change the record: of one file (NULL = of the whole). */
static int note(pull *p, const oa__hub_file *f, const oa__fetch *got)
{
    oa__file_part *lock = NULL;
    oa__str path = {0}, repo = {0};
    oa__file_info info;
    json_t *record = NULL;
    int rc = oa__record_lock(p->folder.data, &lock);
    if (rc < 0) return rc;
    record = oa__record_read(p->folder.data);
    OA__TRY_GOTO(oa__str_addf(&repo, "%s/%s", p->name.owner, p->name.name));
    bool ok = record != NULL;
    ok = ok && json_object_set_new(record, "repository", json_string(repo.data)) == 0;
    ok = ok && json_object_set_new(record, "endpoint", json_string(p->endpoint.data)) == 0;
    ok = ok &&
         json_object_set_new(record, "revision",
                             json_string(p->name.revision[0] ? p->name.revision : "main")) == 0;
    ok = ok && json_object_set_new(record, "commit", json_string(p->listing.commit)) == 0;
    if (f) {
        OA__TRY_GOTO(file_path(p, f->path, &path));
        OA__TRY_GOTO(oa__file_stat(path.data, &info));
        json_t *entry =
            json_pack("{s:I, s:s, s:s, s:I}", "size", (json_int_t)info.size, "sha256",
                      got->got_sha256, "oid", f->oid, "mtime_ns", (json_int_t)info.mtime_ns);
        ok = ok && json_object_set_new(json_object_get(record, "files"), f->path, entry) == 0;
    } else {
        ok = ok && json_object_set_new(record, "licence", json_string(p->licence.data)) == 0;
        ok = ok && (!p->main_path || note_model(record, p->main_path) == OA_OK);
    }
    if (ok) {
        rc = oa__record_write(lock, record);
        lock = NULL;
    } else {
        rc = oa__err(OA_ENOMEM, "out of memory for the record");
    }
fail:
    json_decref(record);
    oa__str_free(&repo);
    oa__str_free(&path);
    oa__record_unlock(lock);
    return rc;
}

static int fetch_one(pull *p, const json_t *record, const oa__hub_file *f)
{
    oa__str path = {0}, url = {0}, above = {0};
    oa__fetch fetch = {
        .token = p->token, .size = f->size, .has_size = true, .sha256 = f->sha256, .oid = f->oid};
    int rc;
    OA__TRY_GOTO(file_path(p, f->path, &path));
    const char *slash = strrchr(f->path, '/');
    p->file = slash ? slash + 1 : f->path;
    if (is_noted(p, record, f, path.data)) {
        oa__log_line(&p->log, OA_LOG_DEBUG, "%s is there", path.data);
        oa__fetch_tidy(NULL, path.data);
        goto done;
    }
    OA__TRY_GOTO(oa__str_add(&above, path.data, path.len - strlen(p->file) - 1));
    OA__TRY_GOTO(oa__dir_make(NULL, above.data));
    OA__TRY_GOTO(oa__str_addf(&url, "%s/%s%s/%s/resolve/", p->endpoint.data,
                              p->kind == OA__HUB_DATASET ? "datasets/" : "", p->name.owner,
                              p->name.name));
    OA__TRY_GOTO(oa__url_add(&url, state_of(p), false));
    OA__TRY_GOTO(oa__str_add_char(&url, '/'));
    OA__TRY_GOTO(oa__url_add(&url, f->path, true));
    fetch.url = url.data;
    fetch.path = path.data;
    rc = oa__fetch_file(p->net, NULL, &fetch, &p->patience);
    if (rc < 0) {
        const int status = fetch.head.status;
        if (status == 401 || status == 403 || status == 429) rc = explain(p, rc, &fetch.head);
        goto fail;
    }
    OA__TRY_GOTO(note(p, f, &fetch));
    if (fetch.pulled)
        oa__log_line(&p->log, OA_LOG_INFO, "pulled %s: %llu bytes, %s", f->path,
                     (unsigned long long)f->size,
                     f->sha256[0]           ? "the SHA-256 is as the hub says"
                     : strlen(f->oid) == 40 ? "git's sum is as the hub says"
                                            : "the size is as the hub says");
done:
    p->done += f->size;
    rc = on_poll(p, "", 0);
fail:
    oa__str_free(&above);
    oa__str_free(&url);
    oa__str_free(&path);
    return rc;
}

static bool is_card(const char *path)
{
    return strcmp(path, "README.md") == 0;
}

/* The licence: of the card, else what the hub says. Told when it is new. */
static int find_licence(pull *p, const json_t *record)
{
    oa__str path = {0}, text = {0};
    char *card = NULL, id[200] = "";
    size_t len;
    int rc;
    OA__TRY_GOTO(file_path(p, "README.md", &path));
    if (oa__file_exists(path.data) &&
        oa__file_read(NULL, path.data, MAX_CARD, &card, &len) == OA_OK)
        oa__licence_of_card(card, len, id);
    OA__TRY_GOTO(oa__str_add_z(&p->licence, id[0] ? id : p->listing.licence));
    if (!p->licence.len) OA__TRY_GOTO(oa__str_add_z(&p->licence, p->entry.licence));
    const json_t *known = json_object_get(record, "licence");
    if (json_is_string(known) && strcmp(json_string_value(known), p->licence.data) == 0) goto fail;
    OA__TRY_GOTO(oa__licence_text(&text, p->licence.data, p->name.owner, p->name.name));
    oa__log_line(&p->log, OA_LOG_INFO, "licence of %s/%s: %s", p->name.owner, p->name.name,
                 text.data);
fail:
    oa__free(NULL, card);
    oa__str_free(&text);
    oa__str_free(&path);
    return rc;
}

/* What the catalogue says about its file must be what the hub says. */
static int check_entry(const pull *p)
{
    for (size_t i = 0; p->entry.sha256[0] && i < p->listing.n_files; i++) {
        const oa__hub_file *f = &p->listing.files[i];
        if (strcmp(f->path, p->main_path) == 0 && strcmp(f->sha256, p->entry.sha256) != 0)
            return oa__err(OA_EFORMAT,
                           "%s: the hub's file has the SHA-256 %s, the catalogue "
                           "wants %s",
                           f->path, f->sha256, p->entry.sha256);
    }
    return OA_OK;
}

static int fetch_all(pull *p)
{
    json_t *record = NULL;
    int rc;
    OA__TRY_GOTO(check_entry(p));
    OA__TRY_GOTO(oa__hub_repo_folder(&p->folder, p->kind, &p->name));
    OA__TRY_GOTO(oa__dir_make(NULL, p->folder.data));
    record = oa__record_read(p->folder.data);
    for (size_t i = 0; i < p->listing.n_files; i++)
        if (p->listing.files[i].wanted) p->progress.total += p->listing.files[i].size;
    /* The card first: whoever does not like the licence can stop before the rest comes. */
    for (int turn = 0; turn < 2; turn++) {
        for (size_t i = 0; i < p->listing.n_files; i++) {
            const oa__hub_file *f = &p->listing.files[i];
            if (f->wanted && is_card(f->path) == (turn == 0)) OA__TRY_GOTO(fetch_one(p, record, f));
        }
        if (turn == 0) OA__TRY_GOTO(find_licence(p, record));
    }
    rc = note(p, NULL, NULL);
fail:
    json_decref(record);
    return rc;
}

static int main_file(const pull *p, oa__str *out)
{
    OA__TRY(oa__str_add(out, p->folder.data, p->folder.len));
    return p->main_path[0] ? oa__str_addf(out, "/%s", p->main_path) : OA_OK;
}

int oa_hub_pull(const char *name, const oa_hub_opts *opts, char *buf, size_t buf_size,
                size_t *path_len)
{
    pull p = {.main_path = NULL};
    oa__str path = {0};
    int rc;
    if (!buf && buf_size > 0) return oa__err(OA_EINVAL, "buf is NULL");
    OA__TRY_GOTO(begin(&p, name, opts));
    OA__TRY_GOTO(ask_info(&p));
    OA__TRY_GOTO(ask_files(&p));
    OA__TRY_GOTO(oa__hub_choose(&p.listing, p.kind, &p.name, &p.main_path));
    OA__TRY_GOTO(fetch_all(&p));
    OA__TRY_GOTO(main_file(&p, &path));
    rc = oa__copy_out(path.data, path.len, buf, buf_size, path_len);
fail:
    oa__net_free(p.net);
    oa__hub_listing_free(&p.listing);
    oa__free(NULL, p.token);
    oa__str_free(&p.licence);
    oa__str_free(&p.folder);
    oa__str_free(&p.endpoint);
    oa__str_free(&path);
    return rc;
}
