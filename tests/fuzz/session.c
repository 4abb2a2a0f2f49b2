/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Any bytes as a saved session of the tiny model: as they are, and with the sums made right, so
 * that what is behind them is reached. What opens is gone on with; what opens as it is, is saved
 * and opened again (not the others: a save waits for the disk).
 */
#include "base/base.h"

#include "tiny_file.h"

#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put32(uint8_t *p, uint32_t v)
{
    for (int i = 0; i < 4; i++)
        p[i] = (uint8_t)(v >> (8 * i));
}

static void run(const uint8_t *data, size_t size, bool save)
{
    write_file(data, size);
    oa_session *s;
    const int rc = oa_session_open_saved(&s, model, path, NULL);
    need((rc == OA_OK) == (s != NULL));
    if (rc < 0) {
        need(oa_error_last()[0] != '\0');
        return;
    }
    int32_t id = 1;
    size_t n;
    const int32_t *ids;
    need(oa_session_get_ids(s, &ids, &n) == OA_OK);
    if (n < 100) need(oa_session_append(s, &id, 1) == OA_OK);
    oa_session_step(s, NULL, &id);
    if (save) {
        oa_session *again;
        need(oa_session_save(s, path) == OA_OK);
        need(oa_session_open_saved(&again, model, path, NULL) == OA_OK);
        oa_session_free(again);
    }
    oa_session_free(s);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    open_tiny("session");
    run(data, size, true);
    if (size < 76) return 0;
    uint8_t *sealed = malloc(size);
    need(sealed != NULL);
    memcpy(sealed, data, size);
    put32(sealed + 68, oa__crc32c(0, sealed, 68));
    put32(sealed + size - 4, oa__crc32c(0, sealed + 72, size - 76));
    run(sealed, size, false);
    free(sealed);
    return 0;
}
