/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One GET through libcurl.
 *
 * libcurl is loaded when the first request is made: most runs of a program never make one, and
 * are spared its thirty libraries; and a copy of this library that is moved between systems (the
 * Python wheel) uses the system's TLS and certificates instead of carrying old ones around.
 *
 * Redirects are followed here and not by libcurl, since what may go where is our affair: the token
 * stays with the host that it was meant for, only http and https are followed, and https never
 * turns into http. Certificates and proxies are those of the environment (net_env.c).
 */
#include "hub/hub_priv.h"

#include <curl/curl.h>
#include <string.h>

#include "hub/net_env.h"

enum { MAX_HEADER = 128 * 1024, MAX_HOPS = 10, MAX_REST = 64 * 1024, POLL_MS = 40 };

#define CURL_FUNCTIONS(X)                                                                          \
    X(global_init)                                                                                 \
    X(easy_init)                                                                                   \
    X(easy_setopt)                                                                                 \
    X(easy_getinfo)                                                                                \
    X(easy_reset)                                                                                  \
    X(easy_cleanup)                                                                                \
    X(easy_strerror)                                                                               \
    X(multi_init)                                                                                  \
    X(multi_add_handle)                                                                            \
    X(multi_remove_handle)                                                                         \
    X(multi_perform)                                                                               \
    X(multi_poll)                                                                                  \
    X(multi_info_read)                                                                             \
    X(multi_cleanup)                                                                               \
    X(slist_append)                                                                                \
    X(slist_free_all)                                                                              \
    X(url)                                                                                         \
    X(url_set)                                                                                     \
    X(url_get)                                                                                     \
    X(url_cleanup)                                                                                 \
    X(free)

/* Loaded once, for good. */
static struct {
#define MEMBER(name) __typeof__(curl_##name) *name;
    CURL_FUNCTIONS(MEMBER)
#undef MEMBER
} curl;
static oa__lock load_lock;
static bool loaded;

static int load_locked(void)
{
    static const char *const sonames[] = {"libcurl.so.4", "libcurl-gnutls.so.4"};
    void *lib = NULL;
    if (loaded) return OA_OK;
    for (size_t i = 0; !lib && i < OA__ARRAY_LEN(sonames); i++)
        lib = oa__lib_open(sonames[i]);
    if (!lib) return oa__err(OA_ENOTBUILT, "%s is not installed: it is needed to pull", sonames[0]);
        /* ISO C knows no way from an object pointer to a function pointer; POSIX does. */
#define FIND(name)                                                                                 \
    *(void **)&curl.name = oa__lib_find(lib, "curl_" #name);                                       \
    if (!curl.name) return oa__err(OA_ENOTBUILT, "%s has no curl_" #name, sonames[0]);
    CURL_FUNCTIONS(FIND)
#undef FIND
    if (curl.global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
        return oa__err(OA_EIO, "libcurl does not start");
    loaded = true;
    return OA_OK;
}

static int load(void)
{
    oa__lock_take(&load_lock);
    int rc = load_locked();
    oa__lock_drop(&load_lock);
    return rc;
}

struct oa__net {
    oa__mem *mem;
    CURLM *multi;
    CURL *easy;
    oa__net_env env;
};

void oa__net_free(oa__net *net)
{
    if (!net) return;
    if (net->easy) curl.easy_cleanup(net->easy);
    if (net->multi) curl.multi_cleanup(net->multi);
    oa__free(net->mem, net);
}

int oa__net_new(oa__net **out, oa__mem *mem)
{
    *out = NULL;
    OA__TRY(load());
    oa__net *net = oa__alloc(mem, sizeof *net);
    if (!net) return OA_ENOMEM;
    net->mem = mem;
    oa__net_env_read(&net->env);
    net->multi = curl.multi_init();
    net->easy = curl.easy_init();
    if (!net->multi || !net->easy) {
        oa__net_free(net);
        return oa__err(OA_ENOMEM, "out of memory for a connection");
    }
    *out = net;
    return OA_OK;
}

/* --- heads of answers ------------------------------------------------------------------------- */

typedef struct hop {
    const oa__http *request;
    oa__http_head *head;
    size_t header_size, rest_size;
    uint64_t last_ns; /* when something came last */
    bool head_whole;  /* its empty line came */
    bool head_told;
    int rc; /* of a callback, OA_OK so far */
} hop;

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

/* The value of a header line when it has this name (given in lower case), else NULL. */
static const char *value_of(const char *line, size_t len, const char *name, size_t *value_len)
{
    size_t n = strlen(name);
    if (len <= n || line[n] != ':') return NULL;
    for (size_t i = 0; i < n; i++)
        if (lower(line[i]) != name[i]) return NULL;
    for (n++; n < len && (line[n] == ' ' || line[n] == '\t'); n++) {
    }
    while (len > n && (unsigned char)line[len - 1] <= ' ')
        len--;
    *value_len = len - n;
    return line + n;
}

static void copy_text(char *out, size_t out_size, const char *text, size_t len)
{
    if (len >= out_size) len = 0; /* cut, it would mean something else */
    memcpy(out, text, len);
    out[len] = '\0';
}

/* "bytes 5-9/10" or "bytes 5-9/" and a star */
static void read_range(oa__http_head *head, const char *v, size_t len)
{
    const char *dash = memchr(v, '-', len), *slash = memchr(v, '/', len);
    uint64_t first, last;
    if (len < 6 || memcmp(v, "bytes ", 6) != 0 || !dash || !slash || dash > slash) return;
    if (oa__parse_u64(v + 6, (size_t)(dash - v) - 6, &first) < 0) return;
    if (oa__parse_u64(dash + 1, (size_t)(slash - dash) - 1, &last) < 0 || last < first) return;
    head->has_range = true;
    head->range_first = first;
    head->has_total =
        oa__parse_u64(slash + 1, len - (size_t)(slash + 1 - v), &head->range_total) == OA_OK;
}

/* <URL>; rel="next", <URL>; rel=... */
static void read_link(oa__http_head *head, const char *v, size_t len)
{
    const char *end = v + len;
    while (v < end) {
        const char *open = memchr(v, '<', (size_t)(end - v));
        const char *close = open ? memchr(open, '>', (size_t)(end - open)) : NULL;
        if (!close) return;
        const char *comma = memchr(close, ',', (size_t)(end - close));
        size_t n = (size_t)((comma ? comma : end) - close);
        if (memmem(close, n, "rel=\"next\"", 10) || memmem(close, n, "rel=next", 8)) {
            copy_text(head->next, sizeof head->next, open + 1, (size_t)(close - open) - 1);
            return;
        }
        v = comma ? comma + 1 : end;
    }
}

static void read_header(oa__http_head *head, const char *line, size_t len)
{
    const char *v;
    size_t n;
    uint64_t number;
    if ((v = value_of(line, len, "content-length", &n))) {
        head->has_length = oa__parse_u64(v, n, &head->length) == OA_OK;
    } else if ((v = value_of(line, len, "content-range", &n))) {
        read_range(head, v, n);
    } else if ((v = value_of(line, len, "content-encoding", &n))) {
        head->is_encoded = n > 0 && !(n == 8 && memcmp(v, "identity", 8) == 0);
    } else if ((v = value_of(line, len, "etag", &n))) {
        copy_text(head->etag, sizeof head->etag, v, n);
    } else if ((v = value_of(line, len, "link", &n))) {
        read_link(head, v, n);
    } else if ((v = value_of(line, len, "retry-after", &n))) {
        if (oa__parse_u64(v, n, &number) == OA_OK && number <= 3600)
            head->retry_after_s = (uint32_t)number;
    } else if ((v = value_of(line, len, "x-error-code", &n))) {
        copy_text(head->error_code, sizeof head->error_code, v, n);
    } else if ((v = value_of(line, len, "x-error-message", &n))) {
        copy_text(head->error_text, sizeof head->error_text, v, n);
    }
}

static size_t on_header(char *line, size_t size, size_t n_items, void *user)
{
    hop *h = user;
    size_t len = size * n_items;
    h->last_ns = oa__clock_ns();
    h->header_size += len;
    if (h->header_size > MAX_HEADER) {
        h->rc = oa__err(OA_ELIMIT, "%s: the head of the answer has more than %d bytes",
                        h->request->url, MAX_HEADER);
        return len + 1; /* anything but len ends it */
    }
    if (len > 5 && memcmp(line, "HTTP/", 5) == 0) {
        const char *space = memchr(line, ' ', len);
        uint64_t status = 0;
        *h->head =
            (oa__http_head){0}; /* a preliminary answer (100) may stand before the real one */
        if (space && (size_t)(line + len - space) >= 4) oa__parse_u64(space + 1, 3, &status);
        h->head->status = (int)status;
        h->head_whole = false;
    } else if (line[0] == '\r' || line[0] == '\n') {
        h->head_whole = true;
    } else {
        read_header(h->head, line, len);
    }
    return len;
}

static int tell_head(hop *h)
{
    if (h->head_told) return OA_OK;
    h->head_told = true;
    if (is_redirect(h->head->status) || !h->request->on_head) return OA_OK;
    return h->request->on_head(h->request->arg, h->head);
}

static size_t on_body(char *data, size_t size, size_t n_items, void *user)
{
    hop *h = user;
    size_t len = size * n_items;
    h->last_ns = oa__clock_ns();
    h->rc = tell_head(h);
    if (h->rc < 0) return len + 1;
    if (h->head->status < 200 || h->head->status > 299) {
        /* What an error has to say stands in its head; the rest is read so that the connection
         * can be used again, but not for ever. */
        h->rest_size += len;
        return h->rest_size > MAX_REST ? len + 1 : len;
    }
    if (h->request->on_body) h->rc = h->request->on_body(h->request->arg, data, len);
    return h->rc < 0 ? len + 1 : len;
}

/* --- one hop ---------------------------------------------------------------------------------- */

static bool may_pass(CURLcode code)
{
    switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CIPHER:
    case CURLE_OUT_OF_MEMORY:
        return false;
    default:
        return true;
    }
}

static int wait_until_done(oa__net *net, hop *h, CURLcode *result, bool *again)
{
    const oa__http *r = h->request;
    const uint64_t began = oa__clock_ns();
    for (;;) {
        int running = 0, left;
        if (curl.multi_perform(net->multi, &running) != CURLM_OK)
            return oa__err(OA_EIO, "%s: libcurl fails", r->url);
        for (CURLMsg *m; (m = curl.multi_info_read(net->multi, &left));) {
            if (m->msg != CURLMSG_DONE) continue;
            *result = m->data.result;
            return OA_OK;
        }
        if (r->on_poll) OA__TRY(r->on_poll(r->arg));
        const uint64_t now = oa__clock_ns();
        *again = true;
        if (now - h->last_ns > r->stall_ms * UINT64_C(1000000))
            return oa__err(OA_EIO, "%s: nothing came for %u ms", r->url, r->stall_ms);
        if (r->max_ms && now - began > r->max_ms * UINT64_C(1000000))
            return oa__err(OA_EIO, "%s: not done after %u ms", r->url, r->max_ms);
        *again = false;
        curl.multi_poll(net->multi, NULL, 0, POLL_MS, NULL);
    }
}

static int add_line(struct curl_slist **lines, oa__str *line)
{
    struct curl_slist *grown = curl.slist_append(*lines, line->data);
    if (!grown) return oa__err(OA_ENOMEM, "out of memory for a request");
    *lines = grown;
    line->len = 0;
    return OA_OK;
}

static int set_up(oa__net *net, hop *h, const char *url, bool with_token, struct curl_slist **lines,
                  char *why)
{
    const oa__http *r = h->request;
    const bool plain = strncmp(url, "http:", 5) == 0;
    const oa__net_env *env = &net->env;
    oa__str text = {.mem = net->mem};
    int rc = OA_OK;
    if (with_token && r->token) {
        OA__TRY_GOTO(oa__str_addf(&text, "Authorization: Bearer %s", r->token));
        OA__TRY_GOTO(add_line(lines, &text));
    }
    if (r->first > 0 && r->if_range[0] != '\0') {
        OA__TRY_GOTO(oa__str_addf(&text, "If-Range: %s", r->if_range));
        OA__TRY_GOTO(add_line(lines, &text));
    }
    OA__TRY_GOTO(oa__str_addf(&text, "%llu-", (unsigned long long)r->first));
    curl.easy_reset(net->easy);
    bool ok = true;
#define SET(option, value) ok &= curl.easy_setopt(net->easy, CURLOPT_##option, value) == CURLE_OK
    SET(URL, url);
    SET(ERRORBUFFER, why);
    SET(NOSIGNAL, 1L);
    SET(NOPROGRESS, 1L);
    SET(FOLLOWLOCATION, 0L);
    SET(HTTPHEADER, *lines);
    SET(HEADEROPT, (long)CURLHEADER_SEPARATE); /* a proxy gets no token */
    SET(SUPPRESS_CONNECT_HEADERS, 1L);
    if (env->ca_file || env->ca_folder) {
        SET(CAINFO, env->ca_file);
        SET(CAPATH, env->ca_folder);
    }
    /* Without encryption a token goes to this machine only (pull.c), so not through a proxy. */
    if (plain && with_token && r->token) {
        SET(PROXY, "");
    } else if (plain && env->http_proxy) {
        SET(PROXY, env->http_proxy);
    }
    SET(USERAGENT, "openassistant");
    SET(CONNECTTIMEOUT_MS, (long)r->stall_ms);
    SET(TCP_KEEPALIVE, 1L);
    SET(HEADERFUNCTION, on_header);
    SET(HEADERDATA, h);
    SET(WRITEFUNCTION, on_body);
    SET(WRITEDATA, h);
    if (r->first > 0) SET(RANGE, text.data);
#undef SET
    /* Refused behind a failure to resolve a name, and not needed. */
    curl.easy_setopt(net->easy, CURLOPT_BUFFERSIZE, 256L * 1024);
    /* Checked by us before; older libraries do not know it. */
    curl.easy_setopt(net->easy, CURLOPT_PROTOCOLS_STR, "http,https");
    rc = ok ? OA_OK : oa__err(OA_EIO, "%s: libcurl refuses the request", url);
fail:
    oa__str_free(&text);
    return rc;
}

/* The reason, in libcurl's words, and what the user can do about it. */
static int tell_failure(oa__net *net, const char *url, CURLcode result, const char *why,
                        bool *again)
{
    long proxy_status = 0, verify = 0;
    if (!why[0]) why = curl.easy_strerror(result);
    curl.easy_getinfo(net->easy, CURLINFO_HTTP_CONNECTCODE, &proxy_status);
    curl.easy_getinfo(net->easy, CURLINFO_SSL_VERIFYRESULT, &verify);
    if (proxy_status >= 400) {
        *again = oa__status_passes((int)proxy_status);
        return oa__err(OA_EIO, "%s: the proxy refuses with status %ld%s", url, proxy_status,
                       proxy_status == 407 ? ": it wants a user name and a password, as in "
                                             "https_proxy=http://USER:PASSWORD@HOST:PORT"
                                           : "");
    }
    /* OpenSSL's numbers for an issuer that is not known. */
    const bool unknown = result == CURLE_PEER_FAILED_VERIFICATION && verify >= 18 && verify <= 21;
    return oa__err(OA_EIO, "%s: %s%s", url, why,
                   unknown ? " (SSL_CERT_FILE may name a file of certificates to trust)" : "");
}

static int one_hop(oa__net *net, hop *h, const char *url, bool with_token, bool *again)
{
    char why[CURL_ERROR_SIZE] = "";
    struct curl_slist *lines = NULL;
    CURLcode result = CURLE_OK;
    int rc;
    h->last_ns = oa__clock_ns();
    OA__TRY_GOTO(set_up(net, h, url, with_token, &lines, why));
    if (curl.multi_add_handle(net->multi, net->easy) != CURLM_OK) {
        rc = oa__err(OA_ENOMEM, "out of memory for a request");
        goto fail;
    }
    rc = wait_until_done(net, h, &result, again);
    curl.multi_remove_handle(net->multi, net->easy);
    if (rc < 0) goto fail;
    if (h->rc < 0) {
        rc = h->rc;
    } else if (result == CURLE_OK && !h->head_whole) {
        /* A connection that ends in the middle of a head is no error to libcurl. */
        *again = true;
        rc = oa__err(OA_EIO, "%s: the answer ends within its head", url);
    } else if (result == CURLE_OK || (h->rest_size > MAX_REST && result == CURLE_WRITE_ERROR)) {
        rc = h->rc = tell_head(h);
    } else {
        *again = may_pass(result);
        rc = tell_failure(net, url, result, why, again);
    }
fail:
    curl.slist_free_all(lines);
    return rc;
}

/* --- the way from hop to hop ------------------------------------------------------------------ */

/* "https://host:443", lower case, of a URL; OA_EFORMAT for what is neither http nor https. */
static int origin_of(const char *url, char out[512])
{
    char *scheme = NULL, *host = NULL, *port = NULL, *user = NULL;
    int rc = OA_OK;
    CURLU *u = curl.url();
    if (!u) return oa__err(OA_ENOMEM, "out of memory for an address");
    bool ok = curl.url_set(u, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) == CURLUE_OK &&
              curl.url_get(u, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK &&
              curl.url_get(u, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
              curl.url_get(u, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
              strlen(scheme) + strlen(host) + strlen(port) + 5 < 512;
    if (!ok || (strcmp(scheme, "http") != 0 && strcmp(scheme, "https") != 0)) {
        rc = oa__err(OA_EFORMAT, "address \"%s\": want http or https", url);
    } else if (curl.url_get(u, CURLUPART_USER, &user, 0) == CURLUE_OK) {
        rc = oa__err(OA_EFORMAT, "an address with a user name in it is not followed");
    } else {
        oa__str text = {0};
        rc = oa__str_addf(&text, "%s://%s:%s", scheme, host, port);
        for (size_t i = 0; rc == OA_OK && i <= text.len; i++)
            out[i] = lower(text.data[i]);
        oa__str_free(&text);
    }
    curl.free(scheme);
    curl.free(host);
    curl.free(port);
    curl.free(user);
    curl.url_cleanup(u);
    return rc;
}

int oa__net_get(oa__net *net, const oa__http *request, oa__http_head *head, bool *again)
{
    char first[512], origin[512];
    oa__str url = {.mem = net->mem};
    int rc;
    *again = false;
    *head = (oa__http_head){0};
    OA__TRY_GOTO(origin_of(request->url, first));
    OA__TRY_GOTO(oa__str_add_z(&url, request->url));
    memcpy(origin, first, sizeof origin);
    for (int n = 0;; n++) {
        hop h = {.request = request, .head = head};
        char *next = NULL;
        OA__TRY_GOTO(one_hop(net, &h, url.data, strcmp(origin, first) == 0, again));
        if (!is_redirect(head->status)) break;
        if (n == MAX_HOPS) {
            rc = oa__err(OA_EIO, "%s: more than %d redirects", request->url, MAX_HOPS);
            goto fail;
        }
        if (curl.easy_getinfo(net->easy, CURLINFO_REDIRECT_URL, &next) != CURLE_OK || !next) {
            rc = oa__err(OA_EFORMAT, "%s: a redirect to nowhere", request->url);
            goto fail;
        }
        const bool was_safe = strncmp(origin, "https:", 6) == 0;
        OA__TRY_GOTO(origin_of(next, origin));
        if (was_safe && strncmp(origin, "https:", 6) != 0) {
            rc = oa__err(OA_EACCES, "%s: redirected from https to http", request->url);
            goto fail;
        }
        url.len = 0;
        OA__TRY_GOTO(oa__str_add_z(&url, next));
    }
    rc = OA_OK;
fail:
    oa__str_free(&url);
    return rc;
}
