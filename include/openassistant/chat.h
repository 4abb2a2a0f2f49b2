/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file chat.h
 * A chat: messages over a session, kept as a tree with branches.
 *
 * Every message hangs under the one it answers. The chat has a current path from the first
 * message to the latest; saying something adds to its end. Regenerating an answer or editing a
 * message adds a sibling branch and makes it current; oa_chat_select() goes back to another.
 * Nothing that was said is lost.
 *
 * A chat belongs to one thread at a time. A callback that runs inside a call may read the chat;
 * calls that would change it return OA_EBUSY there, and it must not be freed there.
 */
#ifndef OPENASSISTANT_CHAT_H
#define OPENASSISTANT_CHAT_H

#include <openassistant/session.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A conversation. */
typedef struct oa_chat oa_chat;

/** Switches of oa_chat_opts::flags. */
enum oa_chat_flags {
    OA_CHAT_DROP_OLDEST = 1 << 0, /**< when the conversation does not fit, leave out its oldest
                                      turns (never the system text or the latest message) until
                                      the rest takes half of the context, and say how many
                                      messages that were in oa_generate_result::n_dropped. "Fits"
                                      leaves room for an answer: max_tokens, at most a quarter
                                      of the context. Without this switch a conversation that
                                      does not fit is OA_EFULL */
    OA_CHAT_CUT_OLDEST = 1 << 1   /**< when the conversation does not fit, cut it by tokens as
                                      oa_render_opts::max_ids says, also within a message, and
                                      leave one token of the context free, as Open Assistant's
                                      workers did. oa_generate_result::n_cut says how many tokens
                                      are gone, n_dropped how many messages wholly. What it
                                      "fits" is as above. Not together with
                                      #OA_CHAT_DROP_OLDEST */
};

/** Options of oa_chat_new(). Zero is the default everywhere. */
typedef struct oa_chat_opts {
    size_t size;                    /**< set by OA_CHAT_OPTS_INIT; do not touch */
    uint32_t flags;                 /**< sum of #oa_chat_flags; default 0 */
    uint32_t max_tokens;            /**< most tokens of one answer; 0 = until it ends (default) */
    const char *system;             /**< system text; NULL = none (default) */
    const char *template_name;      /**< as in oa_render_opts; default NULL */
    const char *template_text;      /**< as in oa_render_opts; default NULL */
    const oa_session_opts *session; /**< of the session underneath; NULL = defaults */
    uint32_t max_prompt;            /**< most tokens of a prompt for the two switches, when that is
                                         less than what fits; 0 = what fits (default) */
    uint32_t reserved;              /**< 0 */
} oa_chat_opts;

/** Default options. */
#define OA_CHAT_OPTS_INIT                                                                          \
    {                                                                                              \
        sizeof(oa_chat_opts), 0, 0, NULL, NULL, NULL, NULL, 0, 0                                   \
    }

/**
 * Begin a conversation.
 *
 * @param out    receives the chat, owned by the caller (free with oa_chat_free()); NULL on failure
 * @param model  an open model; the chat becomes one more owner of it
 * @param opts   NULL for defaults; not kept after return
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND when the model carries no template and none is named;
 *         OA_ENOMEM
 *
 * Thread safety: any thread; the chat then belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_new(oa_chat **out, oa_model *model, const oa_chat_opts *opts);

/**
 * Free a chat.
 *
 * @param chat  may be NULL
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API void oa_chat_free(oa_chat *chat);

/**
 * Say something and receive the answer.
 *
 * When it is cancelled the answer so far becomes the assistant's message. On any failure before
 * the first piece of text, the chat is as it was before.
 *
 * @param chat     the chat
 * @param text     the user's message, UTF-8, NUL-terminated
 * @param text_fn  receives the answer as it is made; may be NULL
 * @param user     given to text_fn
 * @return OA_OK, also when text_fn ended the answer; OA_EINVAL; OA_EFULL when the conversation
 *         or its answer does not fit the context; OA_ETEMPLATE; OA_ECANCELLED; OA_ELIMIT; OA_ENOMEM
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_say(oa_chat *chat, const char *text, oa_text_fn text_fn, void *user);

/**
 * Make another answer to the latest user message, as a sibling of the present one.
 *
 * @param chat     a chat whose current path has a user message
 * @param text_fn  receives the answer as it is made; may be NULL
 * @param user     given to text_fn
 * @return as oa_chat_say(); OA_EINVAL when there is no user message
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_regenerate(oa_chat *chat, oa_text_fn text_fn, void *user);

/**
 * Say something else in place of an earlier user message: the new text becomes a sibling branch
 * and is answered.
 *
 * @param chat     the chat
 * @param index    which message of the current path, 0 = the first; it must be a user's
 * @param text     the new text, UTF-8, NUL-terminated
 * @param text_fn  receives the answer as it is made; may be NULL
 * @param user     given to text_fn
 * @return as oa_chat_say()
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_edit(oa_chat *chat, size_t index, const char *text, oa_text_fn text_fn,
                        void *user);

/**
 * Go back: shorten the current path. The messages left out stay in the tree.
 *
 * @param chat        the chat
 * @param n_messages  how many messages of the current path to keep
 * @return OA_OK; OA_EINVAL when the path has fewer
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_back(oa_chat *chat, size_t n_messages);

/**
 * Tell how many branches there are at a place of the current path, and which is current.
 *
 * @param chat        the chat
 * @param index       which message of the current path, 0 = the first; the path's length asks
 *                    for the continuations that oa_chat_back() left behind its end
 * @param n_branches  receives how many messages stand at that place; may be NULL
 * @param current     receives the number of the current one, 0 = the oldest; for the place
 *                    behind the end it equals n_branches; may be NULL
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_get_branches(const oa_chat *chat, size_t index, size_t *n_branches,
                                size_t *current);

/**
 * Make another branch current. The path then goes on along the newest messages under it.
 *
 * @param chat    the chat
 * @param index   as in oa_chat_get_branches()
 * @param branch  which branch there, 0 = the oldest
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_select(oa_chat *chat, size_t index, size_t branch);

/**
 * Tell how many messages the current path has; the system text is not counted.
 *
 * @param chat  the chat
 * @param n     receives the number
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_get_count(const oa_chat *chat, size_t *n);

/**
 * Borrow a message of the current path.
 *
 * @param chat          the chat
 * @param index         0 = the first
 * @param message       receives pointers that are valid until the chat is changed or freed;
 *                      content_len is the length
 * @param message_size  sizeof(oa_message) of the caller
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_get_message(const oa_chat *chat, size_t index, oa_message *message,
                               size_t message_size);

/**
 * Change the system text; it takes effect with the next answer.
 *
 * @param chat    the chat
 * @param system  UTF-8, NUL-terminated; NULL = none
 * @return OA_OK, OA_EINVAL, OA_ENOMEM
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_set_system(oa_chat *chat, const char *system);

/**
 * Borrow the sampler that the chat answers with, to change its parameters.
 *
 * @param chat     the chat
 * @param sampler  receives the sampler, owned by the chat, valid as long as it
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_get_sampler(oa_chat *chat, oa_sampler **sampler);

/**
 * Tell how the latest answer went: why it ended, how many tokens it took, how many messages were
 * left out.
 *
 * @param chat    the chat
 * @param result  its `size` says how much the caller knows; at most that much is written
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND when there was no answer yet
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_get_result(const oa_chat *chat, oa_generate_result *result);

/**
 * Write the whole tree to a JSON file, which appears under its name only when it is complete.
 *
 * @param chat  the chat
 * @param path  UTF-8 path
 * @return OA_OK, OA_EINVAL, OA_EIO, OA_EACCES, OA_ENOTFOUND, OA_ENOMEM
 *
 * Thread safety: a chat belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_save(const oa_chat *chat, const char *path);

/**
 * Make a chat from a file that oa_chat_save() wrote.
 *
 * @param out    receives the chat, owned by the caller; NULL on failure
 * @param model  an open model, any
 * @param path   UTF-8 path
 * @param opts   NULL for defaults; a system text in the file wins over opts->system
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND; OA_EIO; OA_EFORMAT; OA_EVERSION; OA_ENOMEM
 *
 * Thread safety: any thread; the chat then belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_chat_open_saved(oa_chat **out, oa_model *model, const char *path,
                              const oa_chat_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
