/* SPDX-License-Identifier: Apache-2.0 */
/* The floating-point environment: one answer needs one, whatever the calling program has set. */
#include "base/base_priv.h"

void oa__fp_enter(oa__fp *callers)
{
    fegetenv(callers);
    fesetenv(FE_DFL_ENV); /* glibc and musl: clears flush-to-zero, too */
}

void oa__fp_leave(const oa__fp *callers)
{
    fesetenv(callers);
}
