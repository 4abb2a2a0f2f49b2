/* SPDX-License-Identifier: Apache-2.0 */
#include "base/base_priv.h"

#include <time.h>

uint64_t oa__clock_ns(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t oa__clock_wall_s(void)
{
    struct timespec t = {0};
    clock_gettime(CLOCK_REALTIME, &t);
    return (uint64_t)t.tv_sec;
}

int32_t oa__clock_offset_s(uint64_t wall_s)
{
    const time_t t = (time_t)wall_s;
    struct tm local;
    return localtime_r(&t, &local) != NULL ? (int32_t)local.tm_gmtoff : 0;
}

void oa__clock_sleep(uint64_t ns)
{
    struct timespec t = {(time_t)(ns / 1000000000u), (long)(ns % 1000000000u)};
    nanosleep(&t, NULL); /* a signal ends it early, and whoever waits looks again */
}
