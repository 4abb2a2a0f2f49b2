/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What the environment says about certificates and proxies, as far as libcurl leaves that to the
 * programs that use it. The variables are those of the curl command and of Python's requests, which
 * the hub's own tools use: who has set one up for them needs nothing more.
 *
 * libcurl reads http_proxy, https_proxy and HTTPS_PROXY, all_proxy and ALL_PROXY, no_proxy and
 * NO_PROXY itself.
 */
#include "hub/net_env.h"

static const char *value_of(const char *name)
{
    const char *value = oa__env(name);
    return value && value[0] ? value : NULL;
}

void oa__net_env_read(oa__net_env *out)
{
    static const char *const bundles[] = {"CURL_CA_BUNDLE", "REQUESTS_CA_BUNDLE", "SSL_CERT_FILE"};
    *out = (oa__net_env){NULL, NULL, NULL};
    for (size_t i = 0; !out->ca_file && i < OA__ARRAY_LEN(bundles); i++)
        out->ca_file = value_of(bundles[i]);
    out->ca_folder = value_of("SSL_CERT_DIR");
    if (out->ca_file && oa__is_folder(out->ca_file)) {
        out->ca_folder = out->ca_file;
        out->ca_file = NULL;
    }
    /* In a CGI program HTTP_PROXY is what a stranger's request says ("Proxy:"): so libcurl leaves
     * it alone, and so do we there. */
    if (!value_of("REQUEST_METHOD") && !value_of("http_proxy"))
        out->http_proxy = value_of("HTTP_PROXY");
}
