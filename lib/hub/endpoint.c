/* SPDX-License-Identifier: Apache-2.0 */
/* Which hub, and the token for it: from the options, else from the environment. */
#include "hub/hub_priv.h"

#include <string.h>

static const char DEFAULT_ENDPOINT[] = "https://huggingface.co";

int oa__hub_endpoint(const oa_hub_opts *opts, oa__str *out)
{
    const char *url = opts->endpoint ? opts->endpoint : oa__env("HF_ENDPOINT");
    if (!url || !url[0]) url = DEFAULT_ENDPOINT;
    size_t len = strlen(url);
    while (len > 0 && url[len - 1] == '/')
        len--;
    if (strncmp(url, "http://", 7) != 0 && strncmp(url, "https://", 8) != 0)
        return oa__err(OA_EINVAL, "endpoint \"%s\": want http:// or https://", url);
    return oa__str_add(out, url, len);
}

/* Whether what is sent there can be read by nobody on the way: TLS, or this very machine. */
static bool is_private(const char *endpoint)
{
    if (strncmp(endpoint, "https://", 8) == 0) return true;
    const char *host = endpoint + strlen("http://");
    const size_t len = strcspn(host, "/?#");
    size_t n = host[0] == '[' ? strcspn(host, "]") + 1 : strcspn(host, ":");
    if (n > len) n = len;
    if (memchr(host, '@', len)) return false;
    if (n == 9 && strncmp(host, "localhost", 9) == 0) return true;
    if (n == 5 && strncmp(host, "[::1]", 5) == 0) return true;
    return n > 4 && strncmp(host, "127.", 4) == 0 && strspn(host, "0123456789.") == n;
}

static bool is_token(const char *text)
{
    for (; *text; text++)
        if (*text <= ' ' || *text > '~') return false;
    return true;
}

/* The file that the hub's own tools keep a token in; OA_OK without one when there is none. */
static int read_token_file(char **token)
{
    const char *hf = oa__env("HF_HOME"), *cache = oa__env("XDG_CACHE_HOME");
    const char *home = oa__env("HOME");
    oa__str path = {0};
    size_t len = 0;
    int rc = OA_OK;
    if (hf && hf[0]) {
        rc = oa__str_addf(&path, "%s/token", hf);
    } else if (cache && cache[0] == '/') {
        rc = oa__str_addf(&path, "%s/huggingface/token", cache);
    } else if (home && home[0]) {
        rc = oa__str_addf(&path, "%s/.cache/huggingface/token", home);
    }
    if (rc == OA_OK && path.len > 0 && oa__file_exists(path.data))
        rc = oa__file_read(NULL, path.data, 4096, token, &len);
    while (*token && len > 0 && (unsigned char)(*token)[len - 1] <= ' ')
        (*token)[--len] = '\0';
    oa__str_free(&path);
    return rc;
}

int oa__hub_token(const oa_hub_opts *opts, const char *endpoint, const oa__log *log, char **token)
{
    const char *given = opts->token ? opts->token : oa__env("HF_TOKEN");
    int rc = OA_OK;
    *token = NULL;
    if (given && (given[0] || opts->token)) {
        *token = oa__strndup(NULL, given, strlen(given));
        if (!*token) rc = OA_ENOMEM;
    } else {
        rc = read_token_file(token);
    }
    if (rc == OA_OK && *token && !is_token(*token))
        rc = oa__err(OA_EINVAL, "the token contains spaces or odd characters");
    const bool usable = rc == OA_OK && *token && (*token)[0];
    if (usable && !is_private(endpoint))
        oa__log_line(log, OA_LOG_WARN, "%s: without https the token is not sent", endpoint);
    if (!usable || !is_private(endpoint)) {
        oa__free(NULL, *token);
        *token = NULL;
    }
    return rc;
}
