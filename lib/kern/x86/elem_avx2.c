/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/x86/vec_avx2.h"

#include "kern/x86/act_body.h"
#include "kern/x86/elem_body.h"
