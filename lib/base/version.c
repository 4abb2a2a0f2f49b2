/* SPDX-License-Identifier: Apache-2.0 */
#include <openassistant/version.h>

#include <pthread.h>
#include <stdio.h>

#include "base/base.h"

#define TEXT_(x) #x
#define TEXT(x) TEXT_(x)
#define VERSION_TEXT TEXT(OA_VERSION_MAJOR) "." TEXT(OA_VERSION_MINOR) "." TEXT(OA_VERSION_PATCH)

#ifndef OA__BUILD_TIERS /* the build system names the tiers it compiled */
#define OA__BUILD_TIERS "c"
#endif

#if defined(__clang__)
#define COMPILER                                                                                   \
    "clang " TEXT(__clang_major__) "." TEXT(__clang_minor__) "." TEXT(__clang_patchlevel__)
#elif defined(__GNUC__)
#define COMPILER "gcc " TEXT(__GNUC__) "." TEXT(__GNUC_MINOR__) "." TEXT(__GNUC_PATCHLEVEL__)
#else
#define COMPILER "cc"
#endif

static char build_info[256];
static pthread_once_t build_info_once = PTHREAD_ONCE_INIT;

static void make_build_info(void)
{
    unsigned flags;
    uint32_t tier;
    const char *uses = oa__cpu_select(0, &flags, &tier) < 0 ? "none" : oa__cpu_tier_name(tier);
    snprintf(build_info, sizeof build_info, VERSION_TEXT " " COMPILER " tiers %s uses %s",
             OA__BUILD_TIERS, uses);
}

const char *oa_version(void)
{
    return VERSION_TEXT;
}

uint32_t oa_version_number(void)
{
    return OA_VERSION_NUMBER;
}

const char *oa_build_info(void)
{
    pthread_once(&build_info_once, make_build_info);
    return build_info;
}
