/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file model.h
 * A model: weights, vocabulary and chat template of one file, ready to run.
 *
 * A model is immutable once it is open. Any number of threads may use one model at the same time,
 * through sessions of their own and through every function of this header.
 */
#ifndef OPENASSISTANT_MODEL_H
#define OPENASSISTANT_MODEL_H

#include <openassistant/error.h>
#include <openassistant/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/** An open model. Counted: see oa_model_ref() and oa_model_free(). */
typedef struct oa_model oa_model;

/** Switches of oa_model_opts::flags. */
enum oa_model_flags {
    OA_MODEL_NO_MMAP = 1 << 0,   /**< read the file into memory instead of mapping it */
    OA_MODEL_VOCAB_ONLY = 1 << 1 /**< load no weights: tokenize, render and inspect only */
};

/** Instruction tiers for oa_model_opts::cpu; every tier gives the same bits. */
enum oa_cpu {
    OA_CPU_BEST = 0,       /**< the widest tier that this machine has (default) */
    OA_CPU_C = 1,          /**< plain C */
    OA_CPU_AVX2 = 2,       /**< x86: AVX2, FMA and F16C */
    OA_CPU_AVX512VNNI = 3, /**< x86: AVX-512 F, BW, VL, DQ and VNNI */
    OA_CPU_NEON = 4,       /**< ARM, 64 bits: NEON */
    OA_CPU_DOTPROD = 5     /**< ARM, 64 bits: NEON with the dot product of int8 */
};

/** Options of oa_model_open(). Zero is the default in every field. */
typedef struct oa_model_opts {
    size_t size;                /**< set by OA_MODEL_OPTS_INIT; do not touch */
    uint32_t flags;             /**< sum of #oa_model_flags; default 0 */
    uint32_t n_threads;         /**< threads that work on one call; 0 = one per core (default) */
    uint64_t memory_limit;      /**< bytes that the model, its sessions and chats may use together,
                                     weights included; 0 = no limit (default) */
    uint32_t cpu;               /**< one of #oa_cpu; a tier that the machine lacks is
                                     OA_EUNSUPPORTED; the environment variable OA_CPU caps the
                                     default; default OA_CPU_BEST */
    uint32_t log_level;         /**< one of #oa_log_level; default OA_LOG_DEFAULT */
    oa_log_fn log_fn;           /**< receives log lines; NULL = silence (default) */
    void *log_user;             /**< given to log_fn; default NULL */
    oa_progress_fn progress_fn; /**< told how loading goes, may cancel it; default NULL */
    void *progress_user;        /**< given to progress_fn; default NULL */
    const oa_allocator *allocator; /**< NULL = the C library's (default); copied, but its `user`
                                        must outlive the model */
} oa_model_opts;

/** Default options. */
#define OA_MODEL_OPTS_INIT                                                                         \
    {                                                                                              \
        sizeof(oa_model_opts), 0, 0, 0, 0, 0, NULL, NULL, NULL, NULL, NULL                         \
    }

/** What a model is; filled by oa_model_get_info(). Strings live as long as the model. */
typedef struct oa_model_info {
    size_t size;               /**< set by OA_MODEL_INFO_INIT; do not touch */
    const char *path;          /**< the file that was opened */
    const char *architecture;  /**< for example "llama" */
    const char *name;          /**< general.name, or "" */
    const char *license;       /**< general.license, or "" */
    const char *type;          /**< the commonest weight type, for example "Q4_1" */
    const char *tokenizer;     /**< kind and pattern, for example "bpe smollm" */
    const char *chat_template; /**< the text of the model's template; NULL when it carries none */
    const char *cpu;           /**< the tier in use, for example "avx2" */
    uint64_t n_params;         /**< number of weights */
    uint64_t file_size;        /**< bytes */
    uint64_t weights_size;     /**< bytes of memory that the weights take; 0 when none are loaded */
    uint32_t n_layers;         /**< decoder layers */
    uint32_t d_model;          /**< width of the residual stream */
    uint32_t d_ff;             /**< width of the feed-forward layer */
    uint32_t n_heads;          /**< attention heads */
    uint32_t n_heads_kv;       /**< key and value heads (grouped-query attention) */
    uint32_t d_head;           /**< width of one head */
    uint32_t n_vocab;          /**< number of tokens */
    uint32_t n_ctx_train;      /**< longest context that the model was trained for, in tokens */
    uint32_t n_threads;        /**< threads in use */
    int32_t bos_id;            /**< beginning of sequence; -1 when there is none */
    int32_t eos_id;            /**< end of sequence; -1 when there is none */
    int32_t eot_id;            /**< end of turn; -1 when there is none */
    int32_t unk_id;            /**< unknown token; -1 when there is none */
    int32_t pad_id;            /**< padding; -1 when there is none */
    uint32_t add_bos;          /**< 1 when oa_model_tokenize() puts bos_id in front */
    uint32_t add_eos;          /**< 1 when oa_model_tokenize() puts eos_id at the end */
    const char *types;         /**< number of tensors of each type, the type with the most weights
                                    first, for example "Q4_1 211, F32 61" */
    uint32_t n_ctx_short;      /**< longest sequence that the short factors of longrope are for, see
                                    oa_session_opts::n_ctx; 0 = the model has no such */
    uint32_t reserved;         /**< 0 */
} oa_model_info;

/** An info struct to be filled. */
#define OA_MODEL_INFO_INIT                                                                         \
    {                                                                                              \
        sizeof(oa_model_info), NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, 0, 0, 0, 0, 0, 0,   \
            0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, NULL, 0, 0                                      \
    }

/** Element types of the key/value cache. */
enum oa_kv_type {
    OA_KV_F16 = 0, /**< 16-bit floats (default) */
    OA_KV_F32 = 1, /**< 32-bit floats */
    OA_KV_Q8 = 2   /**< 8-bit integers, a 16-bit scale for every 32 of a head: 17/32 of F16 */
};

/** What a model would need; filled by oa_model_estimate_memory(). All in bytes. */
typedef struct oa_memory_estimate {
    size_t size;           /**< set by OA_MEMORY_ESTIMATE_INIT; do not touch */
    uint64_t weights_size; /**< weights, as they lie in memory once loaded */
    uint64_t cache_size;   /**< key/value cache of one session, when the context is full */
    uint64_t work_size;    /**< scratch memory of one session while it works */
    uint64_t total_size;   /**< the sum, vocabulary included */
} oa_memory_estimate;

/** An estimate to be filled. */
#define OA_MEMORY_ESTIMATE_INIT                                                                    \
    {                                                                                              \
        sizeof(oa_memory_estimate), 0, 0, 0, 0                                                     \
    }

/**
 * Open a model file.
 *
 * @param out   receives the model, owned by the caller (free with oa_model_free()); NULL on
 *              failure
 * @param path  UTF-8 path of a GGUF file, of the first of several that make one model
 *              ("...-00001-of-00003.gguf"), or of a Hugging Face folder (docs/files.md says what
 *              is read of one); or the name of an installed model: a word without a slash, looked
 *              for in the models folder when no such file exists (see oa_model_find()); not kept
 *              after return
 * @param opts  NULL for defaults; not kept after return, what it points to is copied or must
 *              outlive the model as each field says
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND; OA_EACCES; OA_EIO; OA_EFORMAT when the file is damaged
 *         or is no model; OA_EVERSION for a GGUF version other than 2 and 3; OA_EUNSUPPORTED for
 *         an architecture, tensor type or CPU tier that is not there; OA_ENOMEM when memory or
 *         oa_model_opts::memory_limit does not suffice; OA_ECANCELLED
 *
 * Thread safety: any thread; a model is immutable once open.
 * @since 0.1
 */
OA_API int oa_model_open(oa_model **out, const char *path, const oa_model_opts *opts);

/**
 * Become one more owner of a model.
 *
 * @param model  may be NULL
 * @return the same pointer; each owner calls oa_model_free() once
 *
 * Thread safety: any thread that owns the model.
 * @since 0.1
 */
OA_API oa_model *oa_model_ref(oa_model *model);

/**
 * Give up one reference to a model. Sessions and chats hold references of their own, so the
 * order in which things are freed never matters.
 *
 * @param model  may be NULL
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API void oa_model_free(oa_model *model);

/**
 * Tell what a model is.
 *
 * @param model  an open model
 * @param info   its `size` says how much the caller knows; at most that much is written. The
 *               strings live as long as the model
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_get_info(const oa_model *model, oa_model_info *info);

/**
 * Tell how many metadata entries the model file carries.
 *
 * @param model  an open model
 * @param n      receives the number
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_get_meta_count(const oa_model *model, size_t *n);

/**
 * Borrow the key of a metadata entry.
 *
 * @param model  an open model
 * @param index  0 to count - 1, in the order of the file
 * @param key    receives the key, which lives as long as the model
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_get_meta_key(const oa_model *model, size_t index, const char **key);

/**
 * Copy a metadata value as text. Numbers are written in decimal, booleans as true and false,
 * arrays as "[type x count]".
 *
 * @param model     an open model
 * @param key       the entry's key
 * @param buf       receives the text and a terminating NUL; NULL when buf_size is 0
 * @param buf_size  bytes at `buf`; when they do not suffice nothing is written
 * @param text_len  receives the length of the text without the NUL; may be NULL
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND for an unknown key; OA_ELIMIT when buf_size is not 0
 *         and too small
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_copy_meta(const oa_model *model, const char *key, char *buf, size_t buf_size,
                              size_t *text_len);

/**
 * Tell how much memory a model would take, without loading it: only the file's header is read.
 *
 * @param path      as for oa_model_open()
 * @param opts      as for oa_model_open(); NULL for defaults; memory_limit is not applied
 * @param n_ctx     tokens of context per session; 0 = what the model was trained for
 * @param kv_type   one of #oa_kv_type
 * @param estimate  its `size` says how much the caller knows; at most that much is written
 * @return OA_OK, or what oa_model_open() would return for the file
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_estimate_memory(const char *path, const oa_model_opts *opts, uint32_t n_ctx,
                                    uint32_t kv_type, oa_memory_estimate *estimate);

/**
 * Find the file that a model name stands for.
 *
 * The models folder is `$XDG_DATA_HOME/openassistant/models`, or
 * `$HOME/.local/share/openassistant/models` when XDG_DATA_HOME is unset or no absolute path. A
 * name matches a file there by its whole name, its name without ".gguf", or, ignoring case, by
 * the beginning of it ("smollm2" finds "SmolLM2-135M-Instruct.Q4_1.gguf").
 *
 * @param name      the name; NULL or "" to get the models folder itself
 * @param buf       receives the path and a terminating NUL; NULL when buf_size is 0
 * @param buf_size  bytes at `buf`; when they do not suffice nothing is written
 * @param path_len  receives the length of the path without the NUL; may be NULL
 * @return OA_OK; OA_EINVAL when several files match (the text lists them); OA_ENOTFOUND;
 *         OA_ELIMIT when buf_size is not 0 and too small; OA_ENOMEM
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_find(const char *name, char *buf, size_t buf_size, size_t *path_len);

/** Switches of oa_model_tokenize(). */
enum oa_tokenize_flags {
    OA_TOKENIZE_SPECIAL = 1 << 0, /**< text that spells a special token becomes that token;
                                       without it such text is encoded letter by letter */
    OA_TOKENIZE_NO_BOS = 1 << 1,  /**< never add the beginning-of-sequence token in front */
    OA_TOKENIZE_NO_EOS = 1 << 2   /**< never add the end-of-sequence token at the end */
};

/**
 * Turn text into token ids.
 *
 * Bytes that are no valid UTF-8 count as U+FFFD, one per maximal invalid part, as Python's
 * "replace" error handler decides. A beginning or end token is added where the model file says
 * so, unless the flags forbid it.
 *
 * @param model     an open model
 * @param text      UTF-8, may contain NUL bytes; may be NULL when text_len is 0
 * @param text_len  bytes at `text`
 * @param flags     sum of #oa_tokenize_flags
 * @param ids       receives the ids; NULL when ids_len is 0
 * @param ids_len   ids that fit at `ids`; when they do not suffice nothing is written
 * @param n_ids     receives how many ids the text has; may be NULL
 * @return OA_OK; OA_EINVAL; OA_ENOMEM; OA_ELIMIT when ids_len is not 0 and too small
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_tokenize(const oa_model *model, const char *text, size_t text_len,
                             uint32_t flags, int32_t *ids, size_t ids_len, size_t *n_ids);

/**
 * Turn two texts into the ids of one, as models want them that were trained on pairs: a question
 * and a passage, for example. What stands between them is what tokenizer.json says; files without
 * it get what their kind of tokenizer usually has ("[CLS] first [SEP] second [SEP]",
 * "<s> first </s></s> second </s>"). The flags are about both ends, not about what is between.
 *
 * @param model       an open model
 * @param first       UTF-8, may contain NUL bytes; may be NULL when first_len is 0
 * @param first_len   bytes at `first`
 * @param second      likewise
 * @param second_len  bytes at `second`
 * @param flags       sum of #oa_tokenize_flags
 * @param ids         receives the ids; NULL when ids_len is 0
 * @param ids_len     ids that fit at `ids`; when they do not suffice nothing is written
 * @param n_ids       receives how many ids there are; may be NULL
 * @param n_first     receives how many of them, from the front, are of the first segment, for
 *                    oa_session_embed_pair(); all of them where the tokenizer makes no difference;
 *                    may be NULL
 * @return OA_OK; OA_EINVAL; OA_ENOMEM; OA_ELIMIT when ids_len is not 0 and too small;
 *         OA_EUNSUPPORTED when the tokenizer has no form for two texts
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_tokenize_pair(const oa_model *model, const char *first, size_t first_len,
                                  const char *second, size_t second_len, uint32_t flags,
                                  int32_t *ids, size_t ids_len, size_t *n_ids, size_t *n_first);

/** Switches of oa_model_detokenize(). */
enum oa_detokenize_flags {
    OA_DETOKENIZE_SPECIAL = 1 << 0 /**< write special tokens as their text; without it they are
                                        left out */
};

/**
 * Turn token ids into text. The result is what the tokens spell; it may end inside a character
 * when the ids do (a streaming generation holds such bytes back by itself).
 *
 * @param model     an open model
 * @param ids       token ids; may be NULL when n_ids is 0
 * @param n_ids     how many
 * @param flags     sum of #oa_detokenize_flags
 * @param buf       receives the text and a terminating NUL; NULL when buf_size is 0
 * @param buf_size  bytes at `buf`; when they do not suffice nothing is written
 * @param text_len  receives the length of the text without the NUL; may be NULL
 * @return OA_OK; OA_EINVAL also for an id outside the vocabulary; OA_ENOMEM; OA_ELIMIT when
 *         buf_size is not 0 and too small
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_detokenize(const oa_model *model, const int32_t *ids, size_t n_ids,
                               uint32_t flags, char *buf, size_t buf_size, size_t *text_len);

/**
 * Tell whether a token ends a generation: end of sequence, end of turn, or a token that the
 * model file names as one of its end tokens.
 *
 * @param model  an open model
 * @param id     any number
 * @return 1 or 0; 0 for a NULL model or an id outside the vocabulary
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_is_end(const oa_model *model, int32_t id);

/** One message of a conversation. */
typedef struct oa_message {
    const char *role;    /**< "system", "user", "assistant", "tool"; NUL-terminated */
    const char *content; /**< UTF-8 */
    size_t content_len;  /**< bytes at `content`; 0 = up to its NUL */
} oa_message;

/** Switches of oa_render_opts::flags. */
enum oa_render_flags {
    OA_RENDER_ADD_GENERATION_PROMPT = 1 << 0 /**< end with what opens the assistant's answer */
};

/** What was left out of a conversation that was too long: see oa_render_opts::max_ids. */
typedef struct oa_render_cut {
    size_t size;         /**< set by OA_RENDER_CUT_INIT; do not touch */
    uint64_t n_ids;      /**< tokens of the whole conversation */
    uint64_t n_cut;      /**< tokens that were left out; 0 = it fitted */
    uint64_t n_messages; /**< messages of users and assistants of which nothing is left */
    uint64_t n_partial;  /**< 1 when of one more only its end is left, else 0 */
    uint64_t n_added;    /**< tokens of a user's opening put in front of that end, mostly 0 */
} oa_render_cut;

/** A report to be filled. */
#define OA_RENDER_CUT_INIT                                                                         \
    {                                                                                              \
        sizeof(oa_render_cut), 0, 0, 0, 0, 0                                                       \
    }

/** Options of oa_model_render_chat(). */
typedef struct oa_render_opts {
    size_t size;                /**< set by OA_RENDER_OPTS_INIT; do not touch */
    uint32_t flags;             /**< sum of #oa_render_flags; default 0 */
    uint32_t max_ids;           /**< for oa_model_tokenize_chat(): cut a conversation of more tokens
                                     as Open Assistant's workers do. What stands before the first
                                     message stays; behind it stand the last tokens that fit, one
                                     in a hundred less, with a user's opening in front when none
                                     is among them. Needs `cut`. 0 = never (default) */
    const char *template_name;  /**< NULL = the model's own template (default); or one of "oasst",
                                     "oasst-v2.5", "oasst-prefix", "oasst-v2", "oasst-legacy",
                                     "oasst-text", "chatml", "llama-2", "zephyr", "plain" */
    const char *template_text;  /**< Jinja text to use instead; NULL = none (default) */
    const char *variables_json; /**< a JSON object whose members become variables of the template
                                     ("tools", "documents", ...); NULL = none (default) */
    oa_render_cut *cut;         /**< receives what max_ids left out; its `size` says how much the
                                     caller knows; NULL = nowhere (default) */
} oa_render_opts;

/** Default options. */
#define OA_RENDER_OPTS_INIT                                                                        \
    {                                                                                              \
        sizeof(oa_render_opts), 0, 0, NULL, NULL, NULL, NULL                                       \
    }

/**
 * Write a conversation as the text that the model was trained to continue.
 *
 * The template is run by an interpreter of our own with limits on steps, depth and output; it
 * can reach nothing but its variables. What it can't run is an error with the template's line:
 * no other template is ever used in its place. A built-in template that needs a special token
 * which the model's vocabulary does not have is an error too.
 *
 * @param model         an open model
 * @param messages      the conversation, oldest first; may be NULL when n_messages is 0
 * @param n_messages    how many
 * @param message_size  sizeof(oa_message) of the caller
 * @param opts          NULL for defaults
 * @param buf           receives the text and a terminating NUL; NULL when buf_size is 0
 * @param buf_size      bytes at `buf`; when they do not suffice nothing is written
 * @param text_len      receives the length of the text without the NUL; may be NULL
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND when the model carries no template and none is named;
 *         OA_ETEMPLATE when the template has an error or refuses the conversation (the text
 *         holds its message); OA_ELIMIT when a limit was reached, or buf_size is not 0 and too
 *         small; OA_EVERSION when a message sets a field that this library does not know;
 *         OA_ENOMEM
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_render_chat(const oa_model *model, const oa_message *messages,
                                size_t n_messages, size_t message_size, const oa_render_opts *opts,
                                char *buf, size_t buf_size, size_t *text_len);

/**
 * Write a conversation as token ids: oa_model_render_chat(), then tokenize with special tokens.
 * Text inside the messages that merely spells a special token is encoded letter by letter, so a
 * message can't pretend to be another turn. The same holds for texts inside variables_json, but
 * those of members whose name ends in "_token".
 *
 * @param model         an open model
 * @param messages      the conversation, oldest first; may be NULL when n_messages is 0
 * @param n_messages    how many
 * @param message_size  sizeof(oa_message) of the caller
 * @param opts          NULL for defaults
 * @param ids           receives the ids; NULL when ids_len is 0
 * @param ids_len       ids that fit at `ids`; when they do not suffice nothing is written
 * @param n_ids         receives how many ids there are; may be NULL
 * @return what oa_model_render_chat() and oa_model_tokenize() return; with max_ids also
 *         OA_EUNSUPPORTED when it is too long and its format is none that can be cut, OA_EFULL when
 *         the system part alone leaves no room
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_model_tokenize_chat(const oa_model *model, const oa_message *messages,
                                  size_t n_messages, size_t message_size,
                                  const oa_render_opts *opts, int32_t *ids, size_t ids_len,
                                  size_t *n_ids);

#ifdef __cplusplus
}
#endif

#endif
