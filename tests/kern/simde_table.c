/* SPDX-License-Identifier: Apache-2.0 */
/* The AVX-512 kernels as built with SIMDe, as a tier of kerncheck. */
#include "kern/x86/table.h"

const oa__kern oa__kern_simde = OA__X86_TABLE(simde);
