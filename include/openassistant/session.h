/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file session.h
 * A session: one sequence of tokens and what the model has computed of it.
 *
 * A session holds the keys and values of its tokens in pages. Sessions of one model share the
 * pages of equal beginnings: a fork costs nothing until it goes its own way, and a prompt that
 * begins like one that was read before is not read again. By the library's promise of one answer
 * (docs/architecture.md) neither changes a single bit of any result.
 *
 * A session belongs to one thread at a time; different sessions of one model may run in
 * different threads. A callback that runs inside a call may read the session's tokens; every
 * other call with that session returns OA_EBUSY there, and it must not be freed there.
 */
#ifndef OPENASSISTANT_SESSION_H
#define OPENASSISTANT_SESSION_H

#include <openassistant/adapter.h>
#include <openassistant/model.h>
#include <openassistant/sampler.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A sequence. */
typedef struct oa_session oa_session;

/** Options of oa_session_new() and oa_session_open_saved(). Zero is the default everywhere. */
typedef struct oa_session_opts {
    size_t size;      /**< set by OA_SESSION_OPTS_INIT; do not touch */
    uint32_t flags;   /**< sum of #oa_session_flags; default 0 */
    uint32_t n_ctx;   /**< most tokens the session can hold; 0 = what the model was trained for
                           (default); pages are allocated as they are needed. A model with
                           longrope (oa_model_info::n_ctx_short is not 0) has two sets of
                           factors: with 0 the length of the sequence decides, and the call in
                           which it crosses n_ctx_short reads all of it again; a context that
                           is given decides once, short factors up to n_ctx_short, else long */
    uint32_t kv_type; /**< one of #oa_kv_type; default OA_KV_F16 */
    uint32_t n_batch; /**< most tokens read in one pass; 0 = the library chooses (default);
                           results do not depend on it */
    oa_progress_fn progress_fn;  /**< told how the reading of prompts goes, may cancel it;
                                      default NULL */
    void *progress_user;         /**< given to progress_fn; default NULL */
    oa_adapter *const *adapters; /**< (n_adapters) of the model, added up in this order; the session
                                      becomes one more owner of each; default NULL */
    const float *adapter_scales; /**< (n_adapters) finite, 1 = as trained; NULL = all 1 (default) */
    size_t n_adapters;           /**< how many, at most 16; default 0 */
    oa_model *draft;  /**< a smaller model of the same vocabulary that guesses tokens; the session
                           becomes one more owner of it; NULL = none (default) */
    uint32_t n_draft; /**< most tokens guessed ahead and checked in one pass; 0 = what pays, at most
                           15 (default). Results do not depend on it: see oa_session_step() */
    uint32_t reserved; /**< 0 */
} oa_session_opts;

/** Switches of oa_session_opts::flags. */
enum oa_session_flags {
    OA_SESSION_NO_SHARING = 1 << 0, /**< neither look for nor leave pages that other sessions of
                                        the model could share */
    OA_SESSION_NO_DRAFT = 1 << 1    /**< guess no tokens ahead, also not from the text itself */
};

/** Default options. */
#define OA_SESSION_OPTS_INIT                                                                       \
    {                                                                                              \
        sizeof(oa_session_opts), 0, 0, 0, 0, NULL, NULL, NULL, NULL, 0, NULL, 0, 0                 \
    }

/**
 * Make an empty session.
 *
 * @param out    receives the session, owned by the caller (free with oa_session_free()); NULL on
 *               failure
 * @param model  an open model; the session becomes one more owner of it
 * @param opts   NULL for defaults; not kept after return
 * @return OA_OK; OA_EINVAL also for a model opened with OA_MODEL_VOCAB_ONLY, for a context of
 *         more tokens than a model with learned positions has, and for a draft model of another
 *         vocabulary; OA_ENOMEM
 *
 * Thread safety: any thread; the session then belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_new(oa_session **out, oa_model *model, const oa_session_opts *opts);

/**
 * Free a session.
 *
 * @param session  may be NULL
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API void oa_session_free(oa_session *session);

/**
 * Make a second session that continues from the same tokens. Their pages are shared until one of
 * the two changes them.
 *
 * @param out      receives the new session, owned by the caller; NULL on failure
 * @param session  the session to continue from; unchanged
 * @return OA_OK, OA_EINVAL, OA_ENOMEM
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_fork(oa_session **out, const oa_session *session);

/**
 * Add tokens at the end and compute them.
 *
 * Everything or nothing: on failure the session is as it was before. Pages of an equal beginning
 * that any session of the model has computed are used instead of computing them again.
 *
 * @param session  the session
 * @param ids      token ids
 * @param n_ids    how many; any number that fits; 0 does nothing
 * @return OA_OK; OA_EINVAL also for an id outside the vocabulary; OA_EFULL when the context
 *         can't hold them; OA_ECANCELLED; OA_ENOMEM
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_append(oa_session *session, const int32_t *ids, size_t n_ids);

/**
 * Make the session hold exactly these tokens, keeping the longest beginning it already holds.
 * This is how a conversation that was edited or extended is brought up to date.
 *
 * @param session   the session
 * @param ids       token ids
 * @param n_ids     how many; 0 empties the session
 * @param n_reused  receives how many tokens did not have to be computed; may be NULL
 * @return OA_OK; OA_EINVAL; OA_EFULL; OA_ECANCELLED; OA_ENOMEM; on failure the session holds what
 *         it held before, or the beginning it has in common with `ids`
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_set_ids(oa_session *session, const int32_t *ids, size_t n_ids,
                              size_t *n_reused);

/**
 * Pick the next token from the logits after the last one and add it to the sequence.
 *
 * The token is computed when the next call needs its logits, so the last token of a generation
 * costs nothing. When the text repeats itself, or with oa_session_opts::draft, tokens that are
 * likely to follow are computed in the same pass, and picked without another one if they do
 * (speculative decoding). What is picked, and every logit, has the same bits with and without it;
 * it is done only while it makes things faster.
 *
 * @param session  a session that holds at least one token
 * @param sampler  how to pick; NULL picks the most likely token. It is told of the token
 * @param id       receives the token
 * @return OA_OK; OA_EINVAL also for an empty session; OA_EFULL when the context is full;
 *         OA_ECANCELLED; OA_ENOMEM; OA_ELIMIT from the sampler
 *
 * Thread safety: session and sampler belong to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_step(oa_session *session, oa_sampler *sampler, int32_t *id);

/** One member of oa_session_step_many(). */
typedef struct oa_step {
    oa_session *session; /**< each session at most once per call */
    oa_sampler *sampler; /**< as for oa_session_step() */
    const int32_t *ids;  /**< tokens to append before the pick; NULL = none */
    size_t n_ids;        /**< how many */
    int32_t id;          /**< receives the token that was picked */
    int32_t status;      /**< receives OA_OK or the member's error code */
} oa_step;

/**
 * Append to many sessions of one model and pick the next token of each, in shared passes. Every
 * member gets what oa_session_append() and then oa_session_step() would give it alone, bit for
 * bit, failures included.
 *
 * @param steps      the members
 * @param n_steps    how many; 0 does nothing
 * @param step_size  sizeof(oa_step) of the caller
 * @return OA_OK when the pass ran, also when members failed: what happened to each stands in its
 *         `status`, and the others go on; OA_EINVAL for a bad array, sessions of different
 *         models, or a session named twice (no member is then touched); OA_ENOMEM;
 *         OA_ECANCELLED when a member's progress callback ended the pass
 *
 * Thread safety: all members belong to the calling thread.
 * @since 0.1
 */
OA_API int oa_session_step_many(oa_step *steps, size_t n_steps, size_t step_size);

/** Why a generation ended. */
enum oa_finish {
    OA_FINISH_NONE = 0,      /**< nothing was generated, or the call failed */
    OA_FINISH_END = 1,       /**< the model ended its answer */
    OA_FINISH_STOP = 2,      /**< a stop string was met; it is not part of the text */
    OA_FINISH_LENGTH = 3,    /**< max_tokens were generated */
    OA_FINISH_CANCELLED = 4, /**< a callback ended it */
    OA_FINISH_FULL = 5       /**< the context is full; the call returns OA_EFULL */
};

/** Options of oa_session_generate(). */
typedef struct oa_generate_opts {
    size_t size;              /**< set by OA_GENERATE_OPTS_INIT; do not touch */
    uint32_t flags;           /**< sum of #oa_generate_flags; default 0 */
    uint32_t max_tokens;      /**< most tokens to generate; 0 = until the end (default) */
    const char *const *stops; /**< NUL-terminated texts that end the generation; default NULL */
    size_t n_stops;           /**< how many; default 0 */
} oa_generate_opts;

/** Switches of oa_generate_opts::flags. */
enum oa_generate_flags {
    OA_GENERATE_IGNORE_END = 1 << 0, /**< go on past end tokens */
    OA_GENERATE_SPECIAL = 1 << 1     /**< give special tokens to the callback as text */
};

/** Default options. */
#define OA_GENERATE_OPTS_INIT                                                                      \
    {                                                                                              \
        sizeof(oa_generate_opts), 0, 0, NULL, 0                                                    \
    }

/** What a generation did; filled also when it fails. */
typedef struct oa_generate_result {
    size_t size;          /**< set by OA_GENERATE_RESULT_INIT; do not touch */
    uint32_t finish;      /**< one of #oa_finish */
    uint32_t n_tokens;    /**< tokens generated, an end token included */
    uint64_t n_prompt;    /**< tokens of the prompt; 0 from oa_session_generate() itself */
    uint64_t n_reused;    /**< tokens of the prompt that were in the cache */
    uint64_t n_dropped;   /**< messages that oa_chat left out whole to make the rest fit */
    uint64_t prompt_ns;   /**< nanoseconds spent on the prompt */
    uint64_t generate_ns; /**< nanoseconds spent on generating */
    uint64_t n_cut;       /**< tokens that oa_chat cut off with #OA_CHAT_CUT_OLDEST */
    uint64_t n_drafted;   /**< tokens that were guessed ahead and computed */
    uint64_t n_accepted;  /**< those of them that were then picked */
} oa_generate_result;

/** A result to be filled. */
#define OA_GENERATE_RESULT_INIT                                                                    \
    {                                                                                              \
        sizeof(oa_generate_result), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0                                   \
    }

/**
 * Generate text until something ends it.
 *
 * Text reaches the callback as whole characters. Text that could be the beginning of a stop
 * string is held back until it is known not to be, also across token borders. Afterwards the
 * session holds every token that was generated.
 *
 * @param session   a session that holds at least one token
 * @param sampler   as for oa_session_step()
 * @param opts      NULL for defaults; not kept after return
 * @param text_fn   receives the text; may be NULL
 * @param user      given to text_fn
 * @param result    its `size` says how much the caller knows; filled in any case; may be NULL
 * @return OA_OK, also when text_fn ended it; OA_EINVAL; OA_EFULL when the context became full
 *         before the answer ended (what was generated has been given to text_fn);
 *         OA_ECANCELLED from the session's progress callback; OA_ENOMEM; OA_ELIMIT
 *
 * Thread safety: session and sampler belong to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_generate(oa_session *session, oa_sampler *sampler,
                               const oa_generate_opts *opts, oa_text_fn text_fn, void *user,
                               oa_generate_result *result);

/**
 * Keep the first tokens and forget the rest.
 *
 * @param session  the session
 * @param n_ids    how many to keep; 0 empties the session
 * @return OA_OK; OA_EINVAL when it holds fewer; OA_ENOMEM when a shared page could not be copied,
 *         the session is then as it was
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_truncate(oa_session *session, size_t n_ids);

/**
 * Borrow the tokens of the sequence.
 *
 * @param session  the session
 * @param ids      receives a pointer that is valid until the next call that changes the session;
 *                 may be NULL
 * @param n_ids    receives how many there are; may be NULL
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_get_ids(const oa_session *session, const int32_t **ids, size_t *n_ids);

/**
 * Borrow the logits after the last token, computing them if that was put off.
 *
 * @param session   a session that holds at least one token
 * @param logits    receives a pointer to one float per token of the vocabulary, valid until the
 *                  next call that changes the session
 * @param n_logits  receives how many; may be NULL
 * @return OA_OK; OA_EINVAL also for an empty session; OA_ECANCELLED; OA_ENOMEM
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_get_logits(oa_session *session, const float **logits, size_t *n_logits);

/**
 * Compute tokens as oa_session_append() does and copy the logits after each of them.
 *
 * @param session     the session
 * @param ids         token ids
 * @param n_ids       how many
 * @param logits      receives n_ids rows of one float per token of the vocabulary
 * @param logits_len  floats at `logits`, at least n_ids * n_vocab
 * @return what oa_session_append() returns; OA_ELIMIT when logits_len is too small
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_append_logits(oa_session *session, const int32_t *ids, size_t n_ids,
                                    float *logits, size_t logits_len);

/** Which hidden states an embedding is made of. */
enum oa_pooling {
    OA_POOL_MEAN = 0, /**< the mean of all tokens' */
    OA_POOL_LAST = 1, /**< the last token's */
    OA_POOL_CLS = 2   /**< the first token's */
};

/** Switches of oa_session_embed(). */
enum oa_embed_flags {
    OA_EMBED_NORMALIZE = 1 << 0 /**< scale to length 1, so that a sum of products is a cosine */
};

/**
 * Turn a text's tokens into one vector, from the hidden states behind the model's last norm.
 *
 * The session is emptied first and then holds these tokens. Its adapters take part. Sums are in
 * double, in ascending order: the vector has the same bits with any number of threads, on any tier
 * and with any n_batch. This is all that encoders (BERT) can do: what appends or steps returns
 * OA_EUNSUPPORTED for them.
 *
 * @param session  the session; what it held is forgotten
 * @param ids      token ids
 * @param n_ids    how many, at least 1
 * @param pooling  one of #oa_pooling
 * @param flags    sum of #oa_embed_flags
 * @param out      receives oa_model_info::d_model floats
 * @param out_len  floats at `out`
 * @return OA_OK; OA_EINVAL also for an id outside the vocabulary; OA_EFULL when the context can't
 *         hold them; OA_ELIMIT when out_len is too small; OA_EFORMAT when the model gives no
 *         numbers; OA_ECANCELLED; OA_ENOMEM. On failure the session is empty or, when the arguments
 *         were refused, as it was
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_embed(oa_session *session, const int32_t *ids, size_t n_ids, uint32_t pooling,
                            uint32_t flags, float *out, size_t out_len);

/**
 * Turn the tokens of two texts into one vector, as oa_session_embed() does with those of one.
 *
 * @param session  the session; what it held is forgotten
 * @param ids      what oa_model_tokenize_pair() gave
 * @param n_ids    how many, at least 1
 * @param n_first  how many of them are of the first segment. BERT tells segments apart; of models
 *                 that never do, it is not looked at
 * @param pooling  one of #oa_pooling
 * @param flags    sum of #oa_embed_flags
 * @param out      receives oa_model_info::d_model floats
 * @param out_len  floats at `out`
 * @return what oa_session_embed() returns; OA_EINVAL also for an n_first over n_ids;
 *         OA_EUNSUPPORTED for two segments when the model has a tensor for one only
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_embed_pair(oa_session *session, const int32_t *ids, size_t n_ids,
                                 size_t n_first, uint32_t pooling, uint32_t flags, float *out,
                                 size_t out_len);

/**
 * Write the session to a file: its tokens, its cache, and which model they belong to. The file
 * appears under its name only when it is complete.
 *
 * @param session  the session
 * @param path     UTF-8 path
 * @return OA_OK, OA_EINVAL, OA_EIO, OA_EACCES, OA_ENOTFOUND, OA_ENOMEM, OA_ECANCELLED
 *
 * Thread safety: a session belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_save(oa_session *session, const char *path);

/**
 * Make a session from a file that oa_session_save() wrote. Going on from it gives the same bits
 * as going on from the session that was saved.
 *
 * @param out    receives the session, owned by the caller; NULL on failure
 * @param model  the model it was saved with
 * @param path   UTF-8 path
 * @param opts   NULL for defaults; kv_type is taken from the file
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND; OA_EIO; OA_EFORMAT when the file is damaged; OA_EVERSION
 *         for another version of the format; OA_EUNSUPPORTED when it belongs to another model;
 *         OA_EFULL when n_ctx is too small for it; OA_ENOMEM
 *
 * Thread safety: any thread; the session then belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_session_open_saved(oa_session **out, oa_model *model, const char *path,
                                 const oa_session_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
