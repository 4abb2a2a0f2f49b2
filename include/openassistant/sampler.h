/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file sampler.h
 * A sampler: how one token is picked from logits.
 *
 * A sampler is a chain of stages, each of which changes the logits or removes candidates; the
 * last one draws. Its parameters stand in one table, which oa_sampler_get_param() lists; the
 * command line, the Python package and docs/sampling.md are made from the same table. With the
 * defaults the chain is: logit bias, penalties, DRY, top-k, typical, top-p, min-p, XTC,
 * temperature, draw. The parameter "order" changes it.
 *
 * The same seed, parameters and logits give the same tokens on every machine.
 */
#ifndef OPENASSISTANT_SAMPLER_H
#define OPENASSISTANT_SAMPLER_H

#include <openassistant/error.h>
#include <openassistant/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/** A sampler: parameters, random state, and the tokens it has seen. */
typedef struct oa_sampler oa_sampler;

/** Options of oa_sampler_new(). */
typedef struct oa_sampler_opts {
    size_t size;                   /**< set by OA_SAMPLER_OPTS_INIT; do not touch */
    const oa_allocator *allocator; /**< NULL = the C library's (default); copied */
} oa_sampler_opts;

/** Default options. */
#define OA_SAMPLER_OPTS_INIT                                                                       \
    {                                                                                              \
        sizeof(oa_sampler_opts), NULL                                                              \
    }

/** Types of a parameter. */
enum oa_param_type {
    OA_PARAM_INT = 1,   /**< a whole number */
    OA_PARAM_FLOAT = 2, /**< a real number */
    OA_PARAM_TEXT = 3   /**< text; min and max do not apply */
};

/** What can be known of a parameter; filled by oa_sampler_get_param(). Strings are constant. */
typedef struct oa_param {
    size_t size;              /**< set by OA_PARAM_INIT; do not touch */
    const char *key;          /**< its name, for example "temperature" */
    const char *help;         /**< one line that says what it does */
    const char *default_text; /**< the default as text, as oa_sampler_set_text() reads it */
    double min_value;         /**< smallest value allowed */
    double max_value;         /**< largest value allowed */
    double default_value;     /**< the default; 0 for texts */
    uint32_t type;            /**< one of #oa_param_type */
    uint32_t reserved;        /**< 0 */
} oa_param;

/** A struct to be filled. */
#define OA_PARAM_INIT                                                                              \
    {                                                                                              \
        sizeof(oa_param), NULL, NULL, NULL, 0, 0, 0, 0, 0                                          \
    }

/**
 * Make a sampler with default parameters.
 *
 * @param out   receives the sampler, owned by the caller (free with oa_sampler_free()); NULL on
 *              failure
 * @param opts  NULL for defaults; not kept after return
 * @return OA_OK, OA_EINVAL, OA_ENOMEM
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_new(oa_sampler **out, const oa_sampler_opts *opts);

/**
 * Make a copy: same parameters, random state and history.
 *
 * @param out      receives the copy, owned by the caller; NULL on failure
 * @param sampler  the one to copy
 * @return OA_OK, OA_EINVAL, OA_ENOMEM
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_fork(oa_sampler **out, const oa_sampler *sampler);

/**
 * Free a sampler.
 *
 * @param sampler  may be NULL
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API void oa_sampler_free(oa_sampler *sampler);

/**
 * Describe a parameter.
 *
 * @param index  0, 1, 2, ...; the order is that of the documentation
 * @param param  its `size` says how much the caller knows; at most that much is written
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND when index is past the last parameter
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_sampler_get_param(size_t index, oa_param *param);

/**
 * Set a number.
 *
 * @param sampler  the sampler
 * @param key      a parameter of type int or float, for example "temperature"
 * @param value    the new value; whole for an int parameter
 * @return OA_OK; OA_EINVAL when the value is out of range (the text tells the range);
 *         OA_ENOTFOUND for an unknown key
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_set(oa_sampler *sampler, const char *key, double value);

/**
 * Set any parameter from text, as a command line or a JSON document gives it.
 *
 * @param sampler  the sampler
 * @param key      a parameter
 * @param text     the value: a decimal number with a point, or the text itself
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND for an unknown key; OA_ENOMEM
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_set_text(oa_sampler *sampler, const char *key, const char *text);

/**
 * Read a number back.
 *
 * @param sampler  the sampler
 * @param key      a parameter of type int or float
 * @param value    receives the value
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND for an unknown key
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_get(const oa_sampler *sampler, const char *key, double *value);

/**
 * Copy any parameter as text.
 *
 * @param sampler   the sampler
 * @param key       a parameter
 * @param buf       receives the text and a terminating NUL; NULL when buf_size is 0
 * @param buf_size  bytes at `buf`; when they do not suffice nothing is written
 * @param text_len  receives the length of the text without the NUL; may be NULL
 * @return OA_OK; OA_EINVAL; OA_ENOTFOUND for an unknown key; OA_ELIMIT when buf_size is not 0
 *         and too small
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_copy_text(const oa_sampler *sampler, const char *key, char *buf,
                                size_t buf_size, size_t *text_len);

/**
 * Add a number to the logit of one token before every other stage.
 *
 * @param sampler  the sampler
 * @param id       the token, 0 or more
 * @param bias     the number to add; minus infinity forbids the token; 0 removes the entry
 * @return OA_OK; OA_EINVAL for a negative id or a NaN; OA_ENOMEM
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_set_bias(oa_sampler *sampler, int32_t id, float bias);

/**
 * Pick a token. The sampler's random state advances when the chain draws; its history does not:
 * tell it with oa_sampler_accept() which token was taken (sessions do both by themselves).
 *
 * @param sampler   the sampler
 * @param logits    one number per token of the vocabulary, unchanged; NaN counts as minus
 *                  infinity
 * @param n_logits  how many, 1 or more
 * @param id        receives the token
 * @return OA_OK; OA_EINVAL; OA_ENOMEM; OA_ELIMIT when no token is left to pick from
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_pick(oa_sampler *sampler, const float *logits, size_t n_logits, int32_t *id);

/**
 * Tell a sampler that a token was added to the sequence, for penalties and DRY.
 *
 * @param sampler  the sampler
 * @param id       the token, 0 or more
 * @return OA_OK; OA_EINVAL; OA_ENOMEM
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_accept(oa_sampler *sampler, int32_t id);

/**
 * Forget the history and go back to the random state that "seed" sets. Parameters and biases
 * stay.
 *
 * @param sampler  the sampler
 * @return OA_OK, OA_EINVAL
 *
 * Thread safety: a sampler belongs to one thread at a time.
 * @since 0.1
 */
OA_API int oa_sampler_reset(oa_sampler *sampler);

#ifdef __cplusplus
}
#endif

#endif
