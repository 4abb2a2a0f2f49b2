/* SPDX-License-Identifier: Apache-2.0 */
/* In place of net.c and digest.c when the part `net` is left out of the build. */
#include "hub/hub_priv.h"

static int not_built(void)
{
    return oa__err(OA_ENOTBUILT, "this library was built without the part net");
}

void oa__sha256_begin(oa__sha256 *h)
{
    *h = (oa__sha256){0};
}

void oa__sha256_add(oa__sha256 *h, const void *data, size_t size)
{
    (void)h;
    (void)data;
    (void)size;
}

void oa__sha256_end(oa__sha256 *h, char hex[65])
{
    (void)h;
    hex[0] = '\0';
}

int oa__sha256_file(const char *path, char hex[65], int (*poll)(void *arg, uint64_t done),
                    void *arg)
{
    (void)path;
    (void)poll;
    (void)arg;
    hex[0] = '\0';
    return not_built();
}

int oa__net_new(oa__net **out, oa__mem *mem)
{
    (void)mem;
    *out = NULL;
    return not_built();
}

void oa__net_free(oa__net *net)
{
    (void)net;
}

int oa__net_get(oa__net *net, const oa__http *request, oa__http_head *head, bool *again)
{
    (void)net;
    (void)request;
    *head = (oa__http_head){0};
    *again = false;
    return not_built();
}
