/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A vocabulary: made once, checked, never changed.
 *
 * What a damaged or hostile file may bring, and what becomes of it:
 *   empty token            never matched, spells nothing
 *   equal texts            the last one of the normal ones counts; if none is normal, the last
 *   type 0                 normal; other unknown types are OA_EFORMAT
 *   merge of no tokens     OA_EFORMAT; a merge that would give a control token is left out
 *   special id outside     OA_EFORMAT
 *   <0xZZ> as a byte token OA_EFORMAT
 *   score NaN              lowest of all; scores missing for SPM and UGM are OA_EFORMAT
 *   no byte tokens         BPE: OA_EFORMAT; SPM, UGM: OA_EFORMAT unless there is an unknown token
 *   token text no UTF-8    kept and spelled as it is, never found in a text
 */
#include "text/vocab_priv.h"

#include <stdio.h>

enum { MAX_TOKENS = 1 << 24 };

static int check_id(const oa__vocab_spec *spec, int32_t id, const char *what)
{
    if (id < -1 || (id >= 0 && (size_t)id >= spec->n_tokens))
        return oa__err(OA_EFORMAT, "%s token id %d in a vocabulary of %zu", what, (int)id,
                       spec->n_tokens);
    return OA_OK;
}

static int check_spec(const oa__vocab_spec *spec)
{
    if (spec->kind > OA__VOCAB_WPM) return oa__err(OA_EINVAL, "tokenizer kind %d", (int)spec->kind);
    if (spec->n_tokens == 0 || !spec->tokens) return oa__err(OA_EFORMAT, "vocabulary is empty");
    if (spec->n_tokens > MAX_TOKENS)
        return oa__err(OA_EFORMAT, "vocabulary of %zu tokens, want at most %d", spec->n_tokens,
                       (int)MAX_TOKENS);
    OA__TRY(check_id(spec, spec->bos_id, "beginning"));
    OA__TRY(check_id(spec, spec->eos_id, "end"));
    OA__TRY(check_id(spec, spec->eot_id, "end-of-turn"));
    OA__TRY(check_id(spec, spec->unk_id, "unknown"));
    OA__TRY(check_id(spec, spec->pad_id, "padding"));
    if (spec->n_prefix > OA__ENDS_MAX || spec->n_suffix > OA__ENDS_MAX ||
        spec->n_middle > OA__ENDS_MAX || spec->n_middle_first > spec->n_middle)
        return oa__err(OA_EFORMAT, "over %d tokens at an end of the text", OA__ENDS_MAX);
    for (size_t i = 0; spec->prefix && i < spec->n_prefix; i++)
        OA__TRY(check_id(spec, spec->prefix[i], "first"));
    for (size_t i = 0; spec->suffix && i < spec->n_suffix; i++)
        OA__TRY(check_id(spec, spec->suffix[i], "last"));
    for (size_t i = 0; spec->middle && i < spec->n_middle; i++)
        OA__TRY(check_id(spec, spec->middle[i], "middle"));
    return OA_OK;
}

static int copy_types(oa__vocab *v, const oa__vocab_spec *spec)
{
    v->types = oa__alloc(v->mem, v->n_tokens);
    v->flags = oa__alloc(v->mem, v->n_tokens);
    if (!v->types || !v->flags) return OA_ENOMEM;
    for (size_t i = 0; i < v->n_tokens; i++) {
        int32_t type = spec->types ? spec->types[i] : OA__TOKEN_NORMAL;
        if (type == 0) type = OA__TOKEN_NORMAL;
        if (type < OA__TOKEN_NORMAL || type > OA__TOKEN_BYTE)
            return oa__err(OA_EFORMAT, "token %zu has type %d, want 1 to 6", i, (int)type);
        /* Byte-level BPE has no byte tokens besides its alphabet. */
        if (type == OA__TOKEN_BYTE && v->byte_level) type = OA__TOKEN_NORMAL;
        v->types[i] = (uint8_t)type;
    }
    if (!spec->types) {
        const int32_t ids[] = {v->bos_id, v->eos_id, v->eot_id};
        for (size_t i = 0; i < OA__ARRAY_LEN(ids); i++)
            if (ids[i] >= 0) v->types[ids[i]] = OA__TOKEN_CONTROL;
        if (v->unk_id >= 0) v->types[v->unk_id] = OA__TOKEN_UNKNOWN;
    }
    return OA_OK;
}

static int copy_texts(oa__vocab *v, const oa__vocab_spec *spec)
{
    size_t total = 0;
    v->text_off = oa__alloc_array(v->mem, v->n_tokens + 1, sizeof *v->text_off);
    if (!v->text_off) return OA_ENOMEM;
    for (size_t i = 0; i < v->n_tokens; i++) {
        if (!oa__add_size(total, spec->tokens[i].len, &total))
            return oa__err(OA_EFORMAT, "token texts are too long");
        v->text_off[i + 1] = total;
    }
    v->text = oa__alloc(v->mem, total);
    if (!v->text) return OA_ENOMEM;
    for (size_t i = 0; i < v->n_tokens; i++)
        if (spec->tokens[i].len > 0)
            memcpy(v->text + v->text_off[i], spec->tokens[i].data, spec->tokens[i].len);
    return OA_OK;
}

/* The byte of "<0x0A>", or -1. */
static int read_byte_token(oa__span t)
{
    if (t.len != 6 || memcmp(t.data, "<0x", 3) != 0 || t.data[5] != '>') return -1;
    int value = 0;
    for (size_t i = 3; i < 5; i++) {
        char c = t.data[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                           : -1;
        if (digit < 0) return -1;
        value = value * 16 + digit;
    }
    return value;
}

/* Byte-level text to bytes; false when a character stands for no byte. */
static bool spell_bpe(oa__span t, char *out, size_t *n)
{
    *n = 0;
    for (size_t i = 0; i < t.len;) {
        uint32_t cp;
        size_t size = oa__utf8_decode(t.data + i, t.len - i, &cp);
        int byte = oa__bpe_char_to_byte(cp);
        if (byte < 0) return false;
        out[(*n)++] = (char)byte;
        i += size;
    }
    return true;
}

static size_t spell_spm(oa__span t, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < t.len;) {
        if (t.len - i >= 3 && memcmp(t.data + i, OA__SPM_SPACE, 3) == 0) {
            out[n++] = ' ';
            i += 3;
        } else {
            out[n++] = t.data[i++];
        }
    }
    return n;
}

/* What each token writes when it is decoded. Longer than its stored text by one byte at most. */
static int spell_tokens(oa__vocab *v, const oa__vocab_spec *spec, bool marks)
{
    size_t total = 0;
    v->bytes_off = oa__alloc_array(v->mem, v->n_tokens + 1, sizeof *v->bytes_off);
    v->bytes = oa__alloc(v->mem, v->text_off[v->n_tokens] + v->n_tokens);
    if (!v->bytes || !v->bytes_off) return OA_ENOMEM;
    for (int b = 0; b < 256; b++)
        v->byte_id[b] = -1;
    for (size_t i = 0; i < v->n_tokens; i++) {
        oa__span t = oa__vocab_token(v, (int32_t)i);
        char *out = v->bytes + total;
        size_t n = 0;
        switch (v->types[i]) {
        case OA__TOKEN_CONTROL:
        case OA__TOKEN_UNKNOWN:
            break;
        case OA__TOKEN_BYTE: {
            int byte = read_byte_token(t);
            if (byte < 0)
                return oa__err(OA_EFORMAT, "byte token %zu is \"%.*s\", want <0x00> to <0xFF>", i,
                               t.len > 20 ? 20 : (int)t.len, t.data);
            v->byte_id[byte] = (int32_t)i;
            out[n++] = (char)byte;
            break;
        }
        case OA__TOKEN_USER_DEFINED:
            if (t.len > 0) memcpy(out, t.data, t.len);
            n = t.len;
            break;
        default:
            if (v->kind == OA__VOCAB_WPM) {
                n = oa__wordpiece_spell(t, spec, out);
            } else if (v->byte_level && spell_bpe(t, out, &n)) {
                v->flags[i] |= OA__TOKEN_MAPPED;
            } else if (v->byte_level || !marks) {
                if (t.len > 0) memcpy(out, t.data, t.len);
                n = t.len;
            } else {
                n = spell_spm(t, out);
            }
        }
        total += n;
        v->bytes_off[i + 1] = total;
    }
    return OA_OK;
}

static int index_texts(oa__vocab *v, uint64_t key)
{
    size_t n_plain = 0;
    for (size_t i = 0; i < v->n_tokens; i++)
        n_plain += oa__vocab_is_plain(v, (int32_t)i);
    OA__TRY(oa__strtab_init(&v->plain, v->mem, n_plain, key, v->text, v->text_off));
    OA__TRY(oa__strtab_init(&v->other, v->mem, v->n_tokens - n_plain, key, v->text, v->text_off));
    /* Normal tokens last: they count before others of the same text. */
    for (int normal = 0; normal < 2; normal++) {
        for (size_t i = 0; i < v->n_tokens; i++) {
            if ((v->types[i] == OA__TOKEN_NORMAL) != normal) continue;
            oa__strtab *t = oa__vocab_is_plain(v, (int32_t)i) ? &v->plain : &v->other;
            if (v->text_off[i + 1] > v->text_off[i]) oa__strtab_put(t, (int32_t)i);
        }
    }
    return OA_OK;
}

/* Where a token is looked for: in texts as they are, or in their normal form. */
static int index_added(oa__vocab *v, int32_t id, unsigned added, oa__str *scratch)
{
    bool user = v->types[id] == OA__TOKEN_USER_DEFINED;
    oa__span t = oa__vocab_token(v, id);
    /* A control token whose own normal form it is may as well be found in the text as it is, where
     * guards stand. */
    bool normal = added & OA__ADDED_NORMALIZED;
    if (normal && v->normalizer) {
        OA__TRY(oa__str_add(scratch, "", 0));
        OA__TRY(oa__normalize(v->normalizer, t.data, t.len, scratch));
        bool same = scratch->len == t.len && memcmp(scratch->data, t.data, t.len) == 0;
        if (same && !user) normal = false;
        if (!same) t = (oa__span){scratch->data, scratch->len};
    } else if (!user) {
        normal = false;
    }
    if (!user) OA__TRY(oa__finder_add(&v->control_fwd, v->mem, t, id));
    oa__finder *f =
        user ? (normal ? &v->user : &v->user_raw) : (normal ? &v->control_norm : &v->control);
    return oa__finder_add(f, v->mem, t, id);
}

static int index_special(oa__vocab *v, const oa__vocab_spec *spec)
{
    oa__finder *const finders[] = {&v->control, &v->control_norm, &v->user, &v->user_raw,
                                   &v->control_fwd};
    oa__str scratch = {.mem = v->mem};
    int rc = OA_OK;
    if (spec->added) {
        v->added = oa__alloc(v->mem, v->n_tokens);
        if (!v->added) return OA_ENOMEM;
        memcpy(v->added, spec->added, v->n_tokens);
    }
    for (size_t i = 0; i < OA__ARRAY_LEN(finders) - 1; i++)
        finders[i]->reversed = true;
    for (size_t i = 0; i < v->n_tokens && rc >= 0; i++) {
        bool user = v->types[i] == OA__TOKEN_USER_DEFINED;
        unsigned added = v->added ? v->added[i] : OA__ADDED | (user ? OA__ADDED_NORMALIZED : 0);
        if (!user && !oa__vocab_is_special(v, (int32_t)i)) continue;
        oa__span t = oa__vocab_token(v, (int32_t)i);
        if (!(added & OA__ADDED) || t.len == 0) continue;
        if (!oa__utf8_valid(t.data, t.len)) continue; /* texts are made valid: never there */
        rc = index_added(v, (int32_t)i, added, &scratch);
    }
    oa__str_free(&scratch);
    for (size_t i = 0; i < OA__ARRAY_LEN(finders) && rc >= 0; i++)
        rc = oa__finder_finish(finders[i], v->mem);
    return rc;
}

/* Texts that end a generation wherever a control or user-defined token has them. */
static const char *const end_texts[] = {
    "<|im_end|>",
    "<|eot_id|>",
    "<|eom_id|>",
    "<|end_of_text|>",
    "<|endoftext|>",
    "<|end|>",
    "</s>",
    "<end_of_turn>",
    "<eos>",
    "<|endofturn|>",
    "<|end_of_turn|>",
    "<|eot|>",
    "<EOT>",
    "_<EOT>",
    "<|return|>",
    "<|end_of_sentence|>",
    "<\357\275\234end\342\226\201of\342\226\201sentence\357\275\234>",
};

static void mark_ends(oa__vocab *v, const oa__vocab_spec *spec)
{
    for (size_t i = 0; i < spec->n_end_ids; i++) {
        const int32_t id = spec->end_ids[i];
        if (id >= 0 && (size_t)id < v->n_tokens) v->flags[id] |= OA__TOKEN_END;
    }
    for (size_t i = 0; i < v->n_tokens; i++) {
        if (v->types[i] != OA__TOKEN_CONTROL && v->types[i] != OA__TOKEN_USER_DEFINED) continue;
        oa__span t = oa__vocab_token(v, (int32_t)i);
        for (size_t k = 0; k < OA__ARRAY_LEN(end_texts); k++)
            if (t.len == strlen(end_texts[k]) && memcmp(t.data, end_texts[k], t.len) == 0)
                v->flags[i] |= OA__TOKEN_END;
    }
    if (v->eos_id >= 0) v->flags[v->eos_id] |= OA__TOKEN_END;
    if (v->eot_id >= 0) v->flags[v->eot_id] |= OA__TOKEN_END;
}

static int build(oa__vocab *v, const oa__vocab_spec *spec)
{
    uint64_t key = oa__random_os(); /* of the tables; no result depends on it */
    const oa__pipeline_spec *p = spec->pipeline;
    if (!p && v->kind == OA__VOCAB_BPE) OA__TRY(oa__pipeline_named(&p, spec->pattern));
    if (p) {
        v->byte_level = p->bytes && v->kind == OA__VOCAB_BPE;
        v->ignore_merges = p->ignore_merges;
        v->fuse_unk = p->fuse_unk;
        v->strip_space = p->strip > 0 || v->kind == OA__VOCAB_WPM;
        OA__TRY(oa__normalizer_new(&v->normalizer, v->mem, p));
        OA__TRY(oa__pretoken_new(&v->pretoken, v->mem, p));
    }
    OA__TRY(copy_texts(v, spec));
    OA__TRY(copy_types(v, spec));
    OA__TRY(spell_tokens(v, spec, !p || p->marks));
    OA__TRY(index_texts(v, key));
    OA__TRY(index_special(v, spec));
    mark_ends(v, spec);
    if (v->kind == OA__VOCAB_BPE) {
        OA__TRY(oa__bpe_init(v, spec, key));
        snprintf(v->describe, sizeof v->describe, "bpe %s", p->name);
    } else if (v->kind == OA__VOCAB_WPM) {
        OA__TRY(oa__wordpiece_init(v, spec));
        snprintf(v->describe, sizeof v->describe, "wordpiece");
    } else if (v->kind == OA__VOCAB_UGM) {
        OA__TRY(oa__unigram_init(v, spec));
        snprintf(v->describe, sizeof v->describe, "unigram");
    } else {
        OA__TRY(oa__spm_init(v, spec));
        snprintf(v->describe, sizeof v->describe, "spm");
    }
    return OA_OK;
}

/* What the tables take, without the allocator's and PCRE2's own overhead. */
static uint64_t measure(const oa__vocab *v, const oa__vocab_spec *spec)
{
    size_t n = v->n_tokens;
    uint64_t size = sizeof *v + (uint64_t)v->text_off[n] * 2 + (n + 1) * 2 * sizeof(size_t) + n * 2;
    size += (v->plain.mask + v->other.mask + 2) * sizeof *v->plain.slots;
    size += (v->control.cap + v->control_fwd.cap + v->control_norm.cap + v->user.cap +
             v->user_raw.cap) *
            sizeof *v->control.nodes;
    if (v->kind == OA__VOCAB_BPE) {
        size += (v->words.mask + 1) * sizeof *v->words.slots + (v->direct ? n : 0);
        size += (v->merges.mask + 1) * sizeof *v->merges.slots;
        size += spec->n_merges * sizeof *v->merged_id;
    } else if (v->kind == OA__VOCAB_WPM) {
        const oa__wordpiece *w = v->wordpiece;
        size += (w->first.cap + w->inner.cap) * sizeof *w->first.nodes;
    } else if (v->kind == OA__VOCAB_UGM) {
        size += n * sizeof *v->unigram->score + v->unigram->charsmap.texts_size;
        size += v->unigram->trie.cap * sizeof *v->unigram->trie.nodes;
        size += v->unigram->charsmap.n_units * sizeof *v->unigram->charsmap.units;
    } else {
        size += n * sizeof *v->rank + 129 * 128 * sizeof *v->ascii;
    }
    return size;
}

static size_t copy_ends(int32_t *out, const int32_t *ids, size_t n, bool add, int32_t id)
{
    if (ids) {
        for (size_t i = 0; i < n; i++)
            out[i] = ids[i];
        return n;
    }
    out[0] = id;
    return add && id >= 0;
}

/* Files that don't say it: BERT ends the first text, RoBERTa does so twice, and others end one text
 * and begin another. */
static void guess_middle(oa__vocab *v)
{
    const bool both = v->n_prefix > 0 && v->n_suffix > 0;
    v->one_segment = v->kind != OA__VOCAB_WPM && both;
    if (v->n_suffix > 0) v->middle[v->n_middle++] = v->suffix[0];
    v->n_middle_first = v->n_middle;
    if (v->one_segment) v->middle[v->n_middle++] = v->suffix[0];
    if (!both && v->n_prefix > 0) v->middle[v->n_middle++] = v->prefix[0];
}

static void set_ends(oa__vocab *v, const oa__vocab_spec *s)
{
    v->n_prefix = copy_ends(v->prefix, s->prefix, s->n_prefix, s->add_bos, s->bos_id);
    v->n_suffix = copy_ends(v->suffix, s->suffix, s->n_suffix, s->add_eos, s->eos_id);
    if (!s->prefix) {
        guess_middle(v);
        return;
    }
    for (size_t i = 0; i < s->n_middle; i++)
        v->middle[i] = s->middle[i];
    v->n_middle = s->n_middle;
    v->n_middle_first = s->n_middle_first;
    v->one_segment = s->one_segment;
    v->no_pair = s->no_pair;
}

int oa__vocab_new(oa__vocab **out, oa__mem *mem, const oa__vocab_spec *spec)
{
    *out = NULL;
    OA__TRY(check_spec(spec));
    oa__vocab *v = oa__alloc(mem, sizeof *v);
    if (!v) return OA_ENOMEM;
    v->mem = mem;
    v->kind = spec->kind;
    v->n_tokens = spec->n_tokens;
    v->bos_id = spec->bos_id;
    v->eos_id = spec->eos_id;
    v->eot_id = spec->eot_id;
    v->unk_id = spec->unk_id;
    set_ends(v, spec);
    v->add_space_prefix = spec->add_space_prefix;
    v->strip_space =
        spec->kind == OA__VOCAB_WPM || (spec->add_space_prefix && spec->kind != OA__VOCAB_BPE);
    int rc = build(v, spec);
    if (rc < 0) {
        oa__vocab_free(v);
        return rc;
    }
    v->memory = measure(v, spec);
    *out = v;
    return OA_OK;
}

void oa__vocab_free(oa__vocab *v)
{
    if (!v) return;
    oa__pretoken_free(v->pretoken, v->mem);
    oa__normalizer_free(v->normalizer);
    oa__unigram_free(v->unigram, v->mem);
    oa__wordpiece_free(v->wordpiece, v->mem);
    void *const parts[] = {v->text,
                           v->text_off,
                           v->bytes,
                           v->bytes_off,
                           v->types,
                           v->flags,
                           v->plain.slots,
                           v->other.slots,
                           v->words.slots,
                           (void *)v->direct,
                           v->merges.slots,
                           v->merged_id,
                           v->control.nodes,
                           v->control_fwd.nodes,
                           v->user.nodes,
                           v->user_raw.nodes,
                           v->control_norm.nodes,
                           v->added,
                           v->ascii,
                           v->rank};
    for (size_t i = 0; i < OA__ARRAY_LEN(parts); i++)
        oa__free(v->mem, parts[i]);
    oa__free(v->mem, v);
}

size_t oa__vocab_size(const oa__vocab *v)
{
    return v->n_tokens;
}

uint64_t oa__vocab_memory(const oa__vocab *v)
{
    return v->memory;
}

const char *oa__vocab_describe(const oa__vocab *v)
{
    return v->describe;
}

oa__span oa__vocab_token(const oa__vocab *v, int32_t id)
{
    return (oa__span){v->text + v->text_off[id], v->text_off[id + 1] - v->text_off[id]};
}

int32_t oa__vocab_find(const oa__vocab *v, const char *text, size_t len)
{
    int32_t id = oa__strtab_get(&v->plain, text, len);
    return id >= 0 ? id : oa__strtab_get(&v->other, text, len);
}

bool oa__vocab_is_special(const oa__vocab *v, int32_t id)
{
    return v->types[id] == OA__TOKEN_CONTROL || v->types[id] == OA__TOKEN_UNKNOWN;
}

bool oa__vocab_is_marked(const oa__vocab *v, int32_t id)
{
    return oa__vocab_is_special(v, id) || v->types[id] == OA__TOKEN_USER_DEFINED;
}

bool oa__vocab_is_end(const oa__vocab *v, int32_t id)
{
    return id >= 0 && (size_t)id < v->n_tokens && (v->flags[id] & OA__TOKEN_END);
}
