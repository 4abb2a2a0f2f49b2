/* SPDX-License-Identifier: Apache-2.0 */
#include <openassistant/version.h>

#define OA__TEXT_(x) #x
#define OA__TEXT(x) OA__TEXT_(x)

const char *oa_version(void)
{
    return OA__TEXT(OA_VERSION_MAJOR) "." OA__TEXT(OA_VERSION_MINOR) "." OA__TEXT(OA_VERSION_PATCH);
}

uint32_t oa_version_number(void)
{
    return OA_VERSION_NUMBER;
}
