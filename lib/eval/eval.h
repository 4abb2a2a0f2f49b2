/* SPDX-License-Identifier: Apache-2.0 */
/* Door of floor 7, eval: measuring models. The floors above use the public header; this door adds
 * nothing to it yet. */
#ifndef OA_EVAL_EVAL_H
#define OA_EVAL_EVAL_H

#include <openassistant/eval.h>

#endif
