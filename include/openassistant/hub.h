/* SPDX-License-Identifier: Apache-2.0 */
/**
 * @file hub.h
 * Getting models and data sets from the Hugging Face hub, and looking after those that are
 * installed.
 *
 * Only oa_hub_pull() uses the network. Opening a model never does.
 *
 * What is pulled lies in "openassistant/models" or "openassistant/datasets" below XDG_DATA_HOME (by
 * default ~/.local/share), in a folder OWNER/NAME for each repository, together with its model card
 * (README.md), its licence, and a record of where everything came from (docs/files.md).
 *
 * A name is OWNER/NAME, perhaps with ":FILE" or ":TYPE" behind it, perhaps with "@REVISION" behind
 * that ("HuggingFaceTB/SmolLM2-360M-Instruct-GGUF:Q8_0@main"), or a short name from the catalogue
 * ("smollm2"). The catalogue is built in, and a user's file "openassistant/catalogue.json" below
 * XDG_CONFIG_HOME (by default ~/.config) adds to it.
 */
#ifndef OPENASSISTANT_HUB_H
#define OPENASSISTANT_HUB_H

#include <openassistant/error.h>
#include <openassistant/log.h>

#ifdef __cplusplus
extern "C" {
#endif

/** Switches of oa_hub_opts::flags. */
enum oa_hub_flags {
    OA_HUB_DATASET = 1 << 0 /**< a data set, not a model */
};

/** Options of the functions of this header. Zero is the default in every field. */
typedef struct oa_hub_opts {
    size_t size;          /**< set by OA_HUB_OPTS_INIT; do not touch */
    uint32_t flags;       /**< sum of #oa_hub_flags; default 0 */
    uint32_t log_level;   /**< one of #oa_log_level; OA_LOG_INFO tells the licence of what is pulled
                               for the first time; default OA_LOG_DEFAULT */
    const char *revision; /**< branch, tag or commit; NULL = what the name says, else the
                               repository's default (default) */
    const char *endpoint; /**< address of the hub; NULL = the environment variable HF_ENDPOINT, else
                               https://huggingface.co (default) */
    const char *token;    /**< access token, sent to the endpoint's host only, and only over https
                               or to this machine; "" = none; NULL = the environment variable
                               HF_TOKEN, else the file "token" in HF_HOME, by default
                               ~/.cache/huggingface (default) */
    uint32_t n_tries;     /**< failures in a row, without a byte of progress between them, that end
                               a pull; 0 = 7 (default) */
    uint32_t retry_ms;    /**< milliseconds before the next try, doubled with every failure up to
                               30 seconds; a server's Retry-After wins; 0 = 250 (default) */
    uint32_t stall_ms;    /**< milliseconds of silence after which a connection is given up;
                               0 = 30000 (default) */
    uint32_t reserved;    /**< zero */
    oa_log_fn log_fn;     /**< receives log lines; NULL = silence (default) */
    void *log_user;       /**< given to log_fn; default NULL */
    oa_progress_fn progress_fn; /**< told bytes done and to do, of all files together; what is the
                                     name of the file that comes, or "ask" (what there is), "check"
                                     (what lies here already) or "wait" (for the server or for
                                     another process); may cancel; default NULL */
    void *progress_user;        /**< given to progress_fn; default NULL */
} oa_hub_opts;

/** Default options. */
#define OA_HUB_OPTS_INIT                                                                           \
    {                                                                                              \
        sizeof(oa_hub_opts), 0, 0, NULL, NULL, NULL, 0, 0, 0, 0, NULL, NULL, NULL, NULL            \
    }

/**
 * Get a model or a data set from the hub.
 *
 * A file takes its name only when it is whole and its size is the one that the hub tells, and so is
 * its SHA-256 (of large files) or git's sum of it (of small ones, of which the hub tells no
 * SHA-256). Until then what came is kept in "NAME.partial", and the next pull goes on there,
 * whatever ended the one before. What is there already is not fetched again. Any number of
 * processes may pull the same at the same time: one fetches, the others wait for it.
 *
 * Of a model, these files are fetched: the one that is named, with the other parts if it is one of
 * several; or the GGUF file of the type that is named; or, without either, the one GGUF file that
 * there is, else the one of the type Q4_K_M or what is nearest to it, else the folder of
 * safetensors with its configuration and its tokenizer.
 *
 * @param name      what to get, see above; not kept after return
 * @param opts      NULL for defaults; not kept after return
 * @param buf       receives the path of what was pulled, for oa_model_open() (a file or a folder),
 *                  with a NUL; may be NULL when buf_size is 0
 * @param buf_size  its size in bytes
 * @param path_len  receives the length of the path without the NUL; may be NULL
 * @return OA_OK; OA_EINVAL for a name that is none, or when several files fit; OA_ENOTFOUND when
 * the hub has no such repository, revision or file; OA_EACCES for a repository that is gated or
 *         private: the text says what to do; OA_EIO when the network, the server or the disk fails;
 *         OA_EFORMAT when sizes or checksums differ; OA_ELIMIT when the server limits the rate, an
 *         answer is too large, or buf too small (everything is there then); OA_EUNSUPPORTED when
 *         the repository holds nothing that is known; OA_ENOTBUILT without the part net or without
 *         libcurl; OA_ENOMEM; OA_ECANCELLED. What came so far is kept for the next time.
 *
 * Thread safety: any thread, also several at a time.
 * @since 0.1
 */
OA_API int oa_hub_pull(const char *name, const oa_hub_opts *opts, char *buf, size_t buf_size,
                       size_t *path_len);

/**
 * What is installed, as JSON.
 *
 * An object with "folder" (where) and "models", or "datasets" with OA_HUB_DATASET: a list of
 * objects with "name" (what oa_model_open() takes), "path", "size" (bytes of all its files); and
 * for what was pulled also "repository", "revision", "commit", "licence", "card" (path of the model
 * card). Members may be added.
 *
 * @param opts      of it, flags are looked at; NULL for defaults
 * @param buf       receives the text with a NUL; may be NULL when buf_size is 0
 * @param buf_size  its size in bytes
 * @param len       receives the length without the NUL; may be NULL
 * @return OA_OK, also when there is nothing; OA_EINVAL; OA_ELIMIT when buf is too small;
 *         OA_ENOTFOUND when neither XDG_DATA_HOME nor HOME is set; OA_EACCES; OA_EIO; OA_ENOMEM
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_hub_copy_installed(const oa_hub_opts *opts, char *buf, size_t buf_size, size_t *len);

/**
 * The short names that oa_hub_pull() knows, as JSON.
 *
 * A list of objects with "name", "kind" ("model" or "dataset"), "get" (what is pulled), "licence",
 * "about", those of the user's file first. Members may be added.
 *
 * @param buf       receives the text with a NUL; may be NULL when buf_size is 0
 * @param buf_size  its size in bytes
 * @param len       receives the length without the NUL; may be NULL
 * @return OA_OK; OA_EINVAL; OA_EFORMAT when the user's file is damaged; OA_ELIMIT when buf is too
 *         small; OA_EIO; OA_EACCES; OA_ENOMEM
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_hub_copy_catalogue(char *buf, size_t buf_size, size_t *len);

/**
 * Check an installed model or data set: the size and the SHA-256 of each of its files.
 *
 * @param name  of what is installed, as oa_hub_copy_installed() or oa_model_open() name it
 * @param opts  NULL for defaults: flags, log and progress are looked at; OA_LOG_INFO tells one line
 *              per file
 * @return OA_OK when all are as they were pulled; OA_EFORMAT when one is not, the text says which;
 *         OA_ENOTFOUND when there is no such thing, or no checksum of it is known; OA_EINVAL;
 *         OA_EACCES; OA_EIO; OA_ENOTBUILT without the part net; OA_ENOMEM; OA_ECANCELLED
 *
 * Thread safety: any thread.
 * @since 0.1
 */
OA_API int oa_hub_verify(const char *name, const oa_hub_opts *opts);

/**
 * Remove an installed model or data set: its files, and with the last of a repository also the
 * card, the licence, and what a broken pull left.
 *
 * @param name  of what is installed, as oa_hub_copy_installed() or oa_model_open() name it
 * @param opts  of it, flags are looked at; NULL for defaults
 * @return OA_OK; OA_ENOTFOUND when there is no such thing; OA_EINVAL when several match; OA_EACCES;
 *         OA_EIO; OA_ENOMEM
 *
 * Thread safety: any thread. Processes that have it open go on.
 * @since 0.1
 */
OA_API int oa_hub_remove(const char *name, const oa_hub_opts *opts);

#ifdef __cplusplus
}
#endif

#endif
