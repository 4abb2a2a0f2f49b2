/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what the user types: with libedit and a history on a terminal, line by line elsewhere. */
#ifndef OPENASSISTANT_LINE_H
#define OPENASSISTANT_LINE_H

#include <stdbool.h>

typedef struct line_reader line_reader;

enum line_status {
    LINE_OK,        /* *text is the caller's */
    LINE_END,       /* end of input */
    LINE_INTERRUPT, /* Ctrl-C, or another signal that ends */
    LINE_FAILED     /* the reason has been said */
};

/* NULL when it said why not. */
line_reader *line_new(void);
void line_free(line_reader *r);
bool line_is_interactive(const line_reader *r);
/* Read one line without its newline. preset (may be NULL) stands on it to be edited. */
enum line_status line_read(line_reader *r, const char *prompt, const char *preset, char **text);
/* Read one message: a line that ends in a backslash goes on in the next; a line of three double
 * quotes begins a text that ends at the next such line. */
enum line_status line_read_message(line_reader *r, const char *prompt, const char *preset,
                                   char **text);

#endif
