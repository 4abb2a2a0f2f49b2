/* SPDX-License-Identifier: Apache-2.0 */
/* The texts of template_oasst.c; what they look like stands in docs/templates.md. */
#ifndef OA_TEXT_TEMPLATE_NAMED_H
#define OA_TEXT_TEMPLATE_NAMED_H

extern const char oa__template_oasst[];
extern const char oa__template_oasst_prefix[];
extern const char oa__template_oasst_v2[];
extern const char oa__template_oasst_legacy[];
extern const char oa__template_oasst_text[];

#endif
