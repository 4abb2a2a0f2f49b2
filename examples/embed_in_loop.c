/* SPDX-License-Identifier: Apache-2.0 */
/* embed_in_loop: an assistant inside a program that has other things to do. It brings its own
 * allocator and log, is told of progress, gives an answer a budget of time, and goes on after it
 * was cancelled.
 *
 *     embed_in_loop MODEL [PROMPT [MILLISECONDS]]
 */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <openassistant/openassistant.h>

/* What the program knows while the library works. */
typedef struct app {
    double deadline; /* seconds; 0 = none */
    unsigned n_polls, n_log_lines;
    size_t n_text;
    _Atomic size_t n_blocks, n_allocations; /* the allocator is called from any thread */
} app;

static double now(void)
{
    struct timespec t;
    timespec_get(&t, TIME_UTC);
    return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static void *app_alloc(size_t n_bytes, void *user)
{
    app *a = user;
    void *ptr = malloc(n_bytes);
    if (ptr) {
        a->n_blocks++;
        a->n_allocations++;
    }
    return ptr;
}

static void app_free(void *ptr, void *user)
{
    app *a = user;
    a->n_blocks--;
    free(ptr);
}

static void on_log(uint32_t level, const char *line, void *user)
{
    app *a = user;
    a->n_log_lines++;
    printf("log %u: %s\n", (unsigned)level, line);
}

/* Called at least every 50 ms of work, on our own thread: the place to serve the main loop, draw
 * a window, look at the clock. Anything but 0 cancels. */
static int on_progress(const char *what, uint64_t done, uint64_t total, void *user)
{
    app *a = user;
    (void)what, (void)done, (void)total;
    a->n_polls++;
    return a->deadline > 0 && now() > a->deadline;
}

static int on_text(const char *text, size_t text_len, void *user)
{
    app *a = user;
    a->n_text += text_len;
    fwrite(text, 1, text_len, stdout);
    return a->deadline > 0 && now() > a->deadline;
}

/* One turn of the main loop: an answer within a budget. */
static int ask(app *a, oa_chat *chat, const char *prompt, double seconds)
{
    oa_generate_result result = OA_GENERATE_RESULT_INIT;
    a->deadline = now() + seconds;
    int rc = oa_chat_say(chat, prompt, on_text, a);
    a->deadline = 0;
    if (rc < 0 && rc != OA_ECANCELLED) return rc;
    if (oa_chat_get_result(chat, &result) < 0) result.finish = OA_FINISH_CANCELLED;
    printf("\n(%s after %u tokens)\n",
           rc == OA_ECANCELLED || result.finish == OA_FINISH_CANCELLED ? "cancelled" : "ended",
           (unsigned)result.n_tokens);
    return OA_OK;
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: embed_in_loop MODEL [PROMPT [MILLISECONDS]]\n");
        return 2;
    }
    const char *prompt = argc > 2 ? argv[2] : "Tell me a long story.";
    double seconds = argc > 3 ? strtod(argv[3], NULL) / 1000 : 2;
    app a = {0};
    oa_model *model = NULL;
    oa_chat *chat = NULL;
    oa_allocator allocator = OA_ALLOCATOR_INIT;
    oa_model_opts model_opts = OA_MODEL_OPTS_INIT;
    oa_session_opts session_opts = OA_SESSION_OPTS_INIT;
    oa_chat_opts chat_opts = OA_CHAT_OPTS_INIT;

    allocator.alloc_fn = app_alloc;
    allocator.free_fn = app_free;
    allocator.user = &a;
    model_opts.allocator = &allocator;
    model_opts.log_level = OA_LOG_INFO;
    model_opts.log_fn = on_log;
    model_opts.log_user = &a;
    model_opts.progress_fn = on_progress;
    model_opts.progress_user = &a;
    session_opts.progress_fn = on_progress;
    session_opts.progress_user = &a;
    chat_opts.session = &session_opts;
    chat_opts.max_tokens = 64;

    int rc = oa_model_open(&model, argv[1], &model_opts);
    if (rc == OA_OK) rc = oa_chat_new(&chat, model, &chat_opts);
    for (int turn = 0; rc == OA_OK && turn < 2; turn++)
        rc = ask(&a, chat, prompt, seconds);
    if (rc < 0) fprintf(stderr, "embed_in_loop: %s\n", oa_error_last());

    oa_chat_free(chat);
    oa_model_free(model);
    printf("polls %u, log lines %u, text %zu bytes, allocations %zu, blocks left %zu\n", a.n_polls,
           a.n_log_lines, a.n_text, (size_t)a.n_allocations, (size_t)a.n_blocks);
    return rc < 0 || a.n_blocks != 0;
}
