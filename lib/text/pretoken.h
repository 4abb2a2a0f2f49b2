/* SPDX-License-Identifier: Apache-2.0 */
/* Cutting into words, and normalising, compiled from the steps of a pipeline. */
#ifndef OA_TEXT_PRETOKEN_H
#define OA_TEXT_PRETOKEN_H

#include "text/pipeline.h"
#include "text/regex.h"

/* --- pretoken.c ------------------------------------------------------------------------------ */

typedef struct oa__pretoken oa__pretoken;

int oa__pretoken_new(oa__pretoken **out, oa__mem *mem, const oa__pipeline_spec *spec);
void oa__pretoken_free(oa__pretoken *p, oa__mem *mem);

/* One step at work on one piece: a run of parts, each a match or not, made into smaller pieces. */
typedef struct oa__cut {
    const char *text;
    size_t len;
    size_t gap, start, end; /* what lies in front of a match, and the match */
    unsigned parts;         /* 0 nothing, 1 the match, 2 both are still to come */
    struct {
        size_t start, end;
        bool match, full;
    } held; /* a part that waits for what follows */
    bool last_match, over, active;
    bool first; /* the piece stands at the very beginning of the text */
    oa__matcher matcher;
    char *buf; /* METASPACE, PREFIX_SPACE */
    size_t buf_cap;
} oa__cut;

/* Walks one text. Zero-initialise, then begin; end frees. */
typedef struct oa__words {
    const oa__pretoken *pretoken;
    oa__mem *mem;
    oa__cut *cuts; /* one for each step */
    const char *text;
    size_t len;
    bool first; /* the text stands at the very beginning */
    bool fresh;
    bool interpret; /* for tests: match without compiled code */
} oa__words;

int oa__words_begin(oa__words *w, const oa__pretoken *p, oa__mem *mem, const char *text, size_t len,
                    bool first);
/* 1 and a word, 0 at the end, or an error. A word is never empty. */
int oa__words_next(oa__words *w, const char **word, size_t *len);
void oa__words_end(oa__words *w);

/* --- pretoken_named.c ------------------------------------------------------------------------ */

/* The pipeline of a tokenizer.ggml.pre, or OA_EUNSUPPORTED with the list; NULL as a name likewise.
 */
int oa__pipeline_named(const oa__pipeline_spec **out, const char *name);
/* The name that stands for the same steps, or NULL. */
const char *oa__pipeline_name_of(const oa__pipeline_spec *spec);
/* All names that are known, NULL-terminated: one for each pipeline, or each alias. */
const char *oa__pipeline_alias(size_t i);

/* --- normalize.c ----------------------------------------------------------------------------- */

typedef struct oa__normalizer oa__normalizer;

int oa__normalizer_new(oa__normalizer **out, oa__mem *mem, const oa__pipeline_spec *spec);
void oa__normalizer_free(oa__normalizer *n);
/* Certainly in normal form already. */
bool oa__normalizer_is_trivial(const oa__normalizer *n, const char *text, size_t len);
/* Replace the contents of out by the normal form of text, which is valid UTF-8. */
int oa__normalize(const oa__normalizer *n, const char *text, size_t len, oa__str *out);

/* The four forms (nfc.c): text is valid UTF-8; appends. Linear but for runs of combining marks,
 * which are sorted. */
int oa__unicode_form(const char *text, size_t len, bool compat, bool composed, oa__str *out);
bool oa__nfc_is_trivial(const char *text, size_t len); /* certainly in form C already */
bool oa__nfd_is_trivial(const char *text, size_t len);

#endif
