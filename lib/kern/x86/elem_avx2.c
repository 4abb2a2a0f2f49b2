/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/x86/vec_avx2.h"
#include "kern/x86/x86.h"

#include "kern/act_body.h"
#include "kern/elem_body.h"
#include "kern/x86/rope_body.h"
