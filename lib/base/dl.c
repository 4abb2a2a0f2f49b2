/* SPDX-License-Identifier: Apache-2.0 */
/* Shared libraries of the system that are loaded when they are needed. */
#include "base/base_priv.h"

#include <dlfcn.h>

void *oa__lib_open(const char *soname)
{
    return dlopen(soname, RTLD_NOW | RTLD_LOCAL);
}

void *oa__lib_find(void *lib, const char *name)
{
    return dlsym(lib, name);
}
