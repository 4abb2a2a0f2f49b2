/* SPDX-License-Identifier: Apache-2.0 */
#include "tensor/quant_beside.h"
#include "tensor/quant_lanes.h"

const oa__quant_search oa__quant_search_avx2 = {lanes_sums, lanes_errs, beside_blocks, lanes_top};
