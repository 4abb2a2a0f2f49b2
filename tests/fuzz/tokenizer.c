/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Fuzz target: vocabularies and texts.
 *
 * The first byte chooses: bit 0 SPM or BPE, bit 1 space prefix and both end tokens, bit 2 all 256
 * bytes are tokens, bit 3 streams, bits 4 and 5 the pattern, bits 6 and 7 flags of encoding. Then
 * come lines, each a kind and its text, up to an empty line; the rest is the text to encode:
 *
 *     n c u b x U    a token: normal, control, unknown, byte, unused, user-defined
 *     m              a merge
 *     s              the score of the next tokens: one byte, signed; 127 is NaN
 *     e              the last token is the end of sequence; likewise B beginning, k unknown
 *     K              kind: "u" unigram, "w" WordPiece; with "r" extra spaces go, with "k" spaces
 *                    (unigram) or case and accents (WordPiece) are kept
 *     C              more of the character map, two hexadecimal digits a byte
 *     P              what continues a word (WordPiece)
 *
 * What must hold: ids are in the vocabulary; without OA_TOKENIZE_SPECIAL none is a control token,
 * nor with guarded content; byte-level BPE with all bytes spells the cleaned text; guarding
 * changes nothing else.
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openassistant/model.h>

#include "text/text.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { MAX = 4096 };

static struct {
    oa__span tokens[MAX], merges[MAX];
    float scores[MAX];
    int32_t types[MAX];
    char names[256][8];
    char charsmap[65536], inner[64];
} in;

#define require(holds)                                                                             \
    do {                                                                                           \
        if (!(holds)) {                                                                            \
            fprintf(stderr, "fuzz_tokenizer:%d: does not hold: %s\n", __LINE__, #holds);           \
            abort();                                                                               \
        }                                                                                          \
    } while (0)

static void add(oa__vocab_spec *spec, const char *text, size_t len, int32_t type, float score)
{
    if (spec->n_tokens == MAX) return;
    in.tokens[spec->n_tokens] = (oa__span){text, len};
    in.types[spec->n_tokens] = type;
    in.scores[spec->n_tokens++] = score;
}

static void add_bytes(oa__vocab_spec *spec)
{
    unsigned next = 0x100;
    for (unsigned b = 0; b < 256; b++) {
        char *name = in.names[b];
        if (spec->kind == OA__VOCAB_SPM) {
            static const char hex[] = "0123456789ABCDEF";
            memcpy(name, "<0x00>", 6);
            name[3] = hex[b >> 4];
            name[4] = hex[b & 15];
            add(spec, name, 6, OA__TOKEN_BYTE, 0);
        } else {
            bool shown = (b > 0x20 && b < 0x7f) || (b > 0xa0 && b != 0xad);
            add(spec, name, oa__utf8_encode(shown ? b : next++, name), OA__TOKEN_NORMAL, 0);
        }
    }
}

static int digit(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : 0;
}

static void add_charsmap(oa__vocab_spec *spec, const char *text, size_t len)
{
    spec->charsmap = in.charsmap;
    for (size_t i = 0; i + 1 < len && spec->charsmap_size < sizeof in.charsmap; i += 2)
        in.charsmap[spec->charsmap_size++] = (char)(digit(text[i]) * 16 + digit(text[i + 1]));
}

static void set_kind(oa__vocab_spec *spec, const char *text, size_t len)
{
    bool keep = memchr(text, 'k', len);
    spec->kind = memchr(text, 'u', len) ? OA__VOCAB_UGM : OA__VOCAB_WPM;
    spec->remove_extra_spaces = memchr(text, 'r', len);
    spec->keep_spaces = spec->keep_case = spec->keep_accents = keep;
}

/* Reads the lines; returns where the text begins. */
static const char *read_lines(oa__vocab_spec *spec, const char *at, const char *end)
{
    float score = 0;
    while (at < end && *at != '\n') {
        char kind = *at++;
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        size_t len = (size_t)(stop - at);
        static const char kinds[] = "nucUxb"; /* in the order of enum oa__token_type */
        const char *known = memchr(kinds, kind, 6);
        if (known) {
            add(spec, at, len, (int32_t)(known - kinds) + 1, score);
        } else if (kind == 'm' && spec->n_merges < MAX) {
            in.merges[spec->n_merges++] = (oa__span){at, len};
        } else if (kind == 's' && len > 0) {
            score = *at == 127 ? NAN : (float)(signed char)*at;
        } else if (kind == 'e') {
            spec->eos_id = (int32_t)spec->n_tokens - 1;
        } else if (kind == 'B') {
            spec->bos_id = (int32_t)spec->n_tokens - 1;
        } else if (kind == 'k') {
            spec->unk_id = (int32_t)spec->n_tokens - 1;
        } else if (kind == 'K') {
            set_kind(spec, at, len);
        } else if (kind == 'C') {
            add_charsmap(spec, at, len);
        } else if (kind == 'P' && len < sizeof in.inner) {
            memcpy(in.inner, at, len);
            in.inner[len] = 0;
            spec->inner_prefix = in.inner;
        }
        at = stop < end ? stop + 1 : end;
    }
    return at < end ? at + 1 : end;
}

static void check_ids(const oa__vocab *v, const oa__ids *ids)
{
    for (size_t i = 0; i < ids->len; i++)
        require(ids->data[i] >= 0 && (size_t)ids->data[i] < oa__vocab_size(v));
}

static bool equal(const oa__ids *a, const oa__ids *b)
{
    return a->len == b->len && (a->len == 0 || !memcmp(a->data, b->data, a->len * sizeof *a->data));
}

/* Nothing special but the unknown token, which stands for what cannot be spelled. */
static void check_literal(const oa__vocab *v, const oa__ids *ids, int32_t unk_id)
{
    for (size_t i = 0; i < ids->len; i++)
        require(!oa__vocab_is_special(v, ids->data[i]) || ids->data[i] == unk_id);
}

/* A character map may make too much of a text, and nothing else may fail. */
static bool encode(const oa__vocab *v, const char *text, size_t len, uint32_t flags, oa__ids *ids)
{
    int rc = oa__vocab_encode(v, text, len, flags, ids);
    if (rc == OA_ELIMIT && strcmp(oa__vocab_describe(v), "unigram") == 0) return false;
    require(rc == OA_OK);
    return true;
}

static void check_text(const oa__vocab *v, const char *text, size_t len, uint32_t flags,
                       int32_t unk_id, bool spells)
{
    oa__ids ids = {0}, again = {0};
    oa__str guarded = {0}, back = {0}, clean = {0};
    if (!encode(v, text, len, flags, &ids)) goto done;
    check_ids(v, &ids);
    if (!encode(v, text, len, flags, &again)) goto done;
    require(equal(&ids, &again));
    require(oa__vocab_decode(v, ids.data, ids.len, flags & OA_TOKENIZE_SPECIAL, false, &back) ==
            OA_OK);
    if (spells) {
        for (size_t i = 0; i < len;) {
            uint32_t cp;
            i += oa__utf8_decode(text + i, len - i, &cp);
            require(oa__str_add_utf8(&clean, cp) == OA_OK);
        }
        require(back.len == clean.len && (!back.len || !memcmp(back.data, clean.data, back.len)));
    }
    /* Literal, and guarded with special tokens recognised: nothing special. */
    const uint32_t bare = OA_TOKENIZE_NO_BOS | OA_TOKENIZE_NO_EOS;
    ids.len = again.len = 0;
    if (!encode(v, text, len, bare, &ids)) goto done;
    check_literal(v, &ids, unk_id);
    require(oa__vocab_guard(v, text, len, &guarded) == OA_OK);
    if (!encode(v, guarded.data ? guarded.data : "", guarded.len,
                bare | OA_TOKENIZE_SPECIAL | OA__TOKENIZE_GUARDED, &again))
        goto done;
    if (!memmem(text, len, OA__GUARD, 3)) require(equal(&ids, &again));
    check_literal(v, &again, unk_id);
done:
    oa__ids_free(&ids);
    oa__ids_free(&again);
    oa__str_free(&guarded);
    oa__str_free(&back);
    oa__str_free(&clean);
}

static void check_stream(const char *text, size_t len)
{
    oa__utf8_stream st = {0};
    oa__str out = {0}, want = {0};
    for (size_t i = 0; i < len;) {
        size_t n = 1 + (uint8_t)text[i] % 5;
        if (n > len - i) n = len - i;
        require(oa__utf8_stream_add(&st, text + i, n, &out) == OA_OK);
        i += n;
    }
    require(oa__utf8_stream_end(&st, &out) == OA_OK);
    for (size_t i = 0; i < len;) {
        uint32_t cp;
        i += oa__utf8_decode(text + i, len - i, &cp);
        require(oa__str_add_utf8(&want, cp) == OA_OK);
    }
    require(out.len == want.len && (out.len == 0 || memcmp(out.data, want.data, out.len) == 0));
    oa__str_free(&out);
    oa__str_free(&want);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const patterns[] = {"gpt-2", "smollm", "llama-bpe", "qwen2"};
    if (size < 1) return 0;
    unsigned choice = data[0];
    const char *end = (const char *)data + size;
    oa__vocab_spec spec = {.kind = choice & 1 ? OA__VOCAB_SPM : OA__VOCAB_BPE,
                           .pattern = patterns[choice >> 4 & 3],
                           .tokens = in.tokens,
                           .scores = in.scores,
                           .types = in.types,
                           .merges = in.merges,
                           .bos_id = -1,
                           .eos_id = -1,
                           .eot_id = -1,
                           .unk_id = -1,
                           .pad_id = -1,
                           .add_bos = choice & 2,
                           .add_eos = choice & 2,
                           .add_space_prefix = choice & 2};
    if (choice & 4) add_bytes(&spec);
    const char *text = read_lines(&spec, (const char *)data + 1, end);
    if (choice & 8) check_stream(text, (size_t)(end - text));
    oa__vocab *v = NULL;
    if (oa__vocab_new(&v, NULL, &spec) < 0) {
        require(v == NULL && *oa_error_last());
        return 0;
    }
    uint32_t flags = choice & 64 ? OA_TOKENIZE_SPECIAL : 0;
    /* All text survives when nothing is added or recognised and no byte lacks a token. */
    bool spells =
        spec.kind == OA__VOCAB_BPE && (choice & 6) == 4 && !flags && (choice >> 4 & 3) != 3;
    check_text(v, text, (size_t)(end - text), flags, spec.unk_id, spells);
    oa__vocab_free(v);
    return 0;
}
