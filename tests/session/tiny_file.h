/* SPDX-License-Identifier: Apache-2.0 */
/* Set-up of tests that save and open: the tiny model and the name of a file of their own. */
#ifndef OA_TESTS_SESSION_TINY_FILE_H
#define OA_TESTS_SESSION_TINY_FILE_H

#include "tiny.h"

static oa_model *model;
static char path[512];

/* Setup and teardown of a group of tests. */
static int open_model(void **state)
{
    (void)state;
    model = tiny_open(NULL);
    snprintf(path, sizeof path, "oa-test-session-%ld", (long)getpid());
    return 0;
}

static int close_model(void **state)
{
    (void)state;
    remove(path);
    oa_model_free(model);
    return 0;
}

#endif
