/* SPDX-License-Identifier: Apache-2.0 */
/* Certificates and proxies of the environment. */
#ifndef OA_HUB_NET_ENV_H
#define OA_HUB_NET_ENV_H

#include "base/base.h"

/* NULL where libcurl's own default stays. The texts are the environment's. */
typedef struct oa__net_env {
    const char *ca_file, *ca_folder; /* instead of the system's certificates when either is set */
    const char *http_proxy;          /* for addresses without TLS */
} oa__net_env;

void oa__net_env_read(oa__net_env *out);

#endif
