/* SPDX-License-Identifier: Apache-2.0 */
/* The state of openassistant chat, shared by the loop (chat.c) and its commands. */
#ifndef OPENASSISTANT_CHAT_STATE_H
#define OPENASSISTANT_CHAT_STATE_H

#include "cli.h"
#include "line.h"

typedef struct chat_state {
    const cli_args *args;
    oa_model *model, *draft;
    oa_chat *chat;
    line_reader *reader;
    cli_adapters adapters;
    oa_session_opts session_opts;
    oa_chat_opts opts;
    char *template_text;
    char *preset;      /* stands on the next line to be edited */
    size_t edit_index; /* with preset: the message that the next line replaces */
    bool editing;
    bool leave;
    int code; /* exit code */
} chat_state;

/* Do what a line that begins with a slash says. */
void chat_command(chat_state *s, const char *line);
/* After oa_chat_say() and the like: end the line, tell what has to be told. */
void chat_after_answer(chat_state *s, int rc);
void chat_before_answer(void);
/* Replace the chat by the one in a file; CLI_OK, or CLI_FAILED with the reason said. */
int chat_load(chat_state *s, const char *path);

#endif
