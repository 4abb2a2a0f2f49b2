/* SPDX-License-Identifier: Apache-2.0 */
#include "kern/arm/matmul_body.h"
