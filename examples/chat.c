/* SPDX-License-Identifier: Apache-2.0 */
/* chat: a conversation in the terminal, in one screen of C.
 *
 *     chat [MODEL]
 */
#include <stdio.h>
#include <string.h>

#include <openassistant/openassistant.h>

/* Text comes in whole characters; a return value other than 0 would end the answer. */
static int on_text(const char *text, size_t text_len, void *user)
{
    FILE *out = user;
    return fwrite(text, 1, text_len, out) != text_len || fflush(out) != 0;
}

int main(int argc, char **argv)
{
    oa_model *model = NULL;
    oa_chat *chat = NULL;
    oa_sampler *sampler = NULL;
    oa_chat_opts opts = OA_CHAT_OPTS_INIT;
    char line[4096];
    int code = 1;

    /* A long conversation forgets its beginning instead of ending. */
    opts.flags = OA_CHAT_DROP_OLDEST;
    opts.max_tokens = 512;

    if (oa_model_open(&model, argc > 1 ? argv[1] : "smollm2", NULL) < 0 ||
        oa_chat_new(&chat, model, &opts) < 0 || oa_chat_get_sampler(chat, &sampler) < 0 ||
        oa_sampler_set(sampler, "temperature", 0.7) < 0) {
        fprintf(stderr, "chat: %s\n", oa_error_last());
        goto end;
    }
    code = 0;
    for (;;) {
        printf("> ");
        fflush(stdout);
        if (!fgets(line, sizeof(line), stdin)) break;
        line[strcspn(line, "\n")] = 0;
        if (!line[0]) continue;
        if (oa_chat_say(chat, line, on_text, stdout) < 0) {
            fprintf(stderr, "chat: %s\n", oa_error_last());
            code = 1;
            break;
        }
        printf("\n");
    }
end:
    oa_chat_free(chat);
    oa_model_free(model);
    return code;
}
