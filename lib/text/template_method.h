/* SPDX-License-Identifier: Apache-2.0 */
/* Shared by template_method.c and template_str.c: tables of methods, and reading arguments. */
#ifndef OA_TEXT_TEMPLATE_METHOD_H
#define OA_TEXT_TEMPLATE_METHOD_H

#include "text/template_priv.h"

typedef struct tmethod_entry {
    uint8_t type; /* of the object */
    const char *name;
    /* NULL: it would change its object, and the sandbox refuses it. */
    int (*fn)(tmpl *t, tval self, const tcall *call, tval *out);
} tmethod_entry;

extern const tmethod_entry oa__tmpl_str_methods[]; /* ends with a NULL name */

int oa__tmpl_no_args(tmpl *t, const char *what, const tcall *call);
/* Up to max arguments by position only. */
int oa__tmpl_positional(tmpl *t, const char *what, const tcall *call, size_t min, size_t max,
                        tval *a);
int oa__tmpl_want_str(tmpl *t, const char *what, tval v);
int oa__tmpl_want_int(tmpl *t, const char *what, tval v, int64_t fallback, int64_t *out);
int oa__tmpl_unsupported(tmpl *t, tval self, const tcall *call, tval *out);

#endif
