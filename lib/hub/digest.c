/* SPDX-License-Identifier: Apache-2.0 */
/* SHA-256 by libsodium. */
#include "hub/hub_priv.h"

#include <sodium.h>

enum { BLOCK_SIZE = 256 * 1024 };

_Static_assert(sizeof(oa__sha256) >= sizeof(crypto_hash_sha256_state), "room for the state");

void oa__sha256_begin(oa__sha256 *h)
{
    crypto_hash_sha256_init((crypto_hash_sha256_state *)(void *)h->state);
}

void oa__sha256_add(oa__sha256 *h, const void *data, size_t size)
{
    crypto_hash_sha256_update((crypto_hash_sha256_state *)(void *)h->state, data, size);
}

void oa__sha256_end(oa__sha256 *h, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[32];
    crypto_hash_sha256_final((crypto_hash_sha256_state *)(void *)h->state, sum);
    for (size_t i = 0; i < 32; i++) {
        hex[2 * i] = digits[sum[i] >> 4];
        hex[2 * i + 1] = digits[sum[i] & 15];
    }
    hex[64] = '\0';
}

int oa__sha256_file(const char *path, char hex[65], int (*poll)(void *arg, uint64_t done),
                    void *arg)
{
    int rc;
    oa__sha256 h;
    oa__file_in *f = NULL;
    uint64_t done = 0;
    size_t got;
    uint8_t *block = oa__alloc(NULL, BLOCK_SIZE);
    hex[0] = '\0';
    if (!block) return OA_ENOMEM;
    oa__sha256_begin(&h);
    OA__TRY_GOTO(oa__file_in_open(&f, NULL, path));
    do {
        OA__TRY_GOTO(oa__file_in_read(f, block, BLOCK_SIZE, &got));
        oa__sha256_add(&h, block, got);
        done += got;
        if (poll) OA__TRY_GOTO(poll(arg, done));
    } while (got > 0);
    oa__sha256_end(&h, hex);
    rc = OA_OK;
fail:
    oa__file_in_close(f);
    oa__free(NULL, block);
    return rc;
}
