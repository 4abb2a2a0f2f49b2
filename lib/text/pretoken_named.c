/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The pipelines that GGUF files name in tokenizer.ggml.pre: what the tokenizer.json of the models
 * behind each name does. docs/tokenizers.md says what each was tested against.
 */
#include "text/pretoken.h"

#include <stdio.h>
#include <string.h>

#define CONTRACTIONS "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
#define UPPER "\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}"
#define LOWER "\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}"
#define SPACES "|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+"
#define LINES "[\\r\\n]"
#define PUNCT "[!\"#$%&'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~]"
#define KANJI_KANA "[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+"
#define CJK_WIDE "[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+"

static const char llama3[] = CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}"
                                          "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES;
static const char qwen2[] = CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
                                         "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES;
static const char qwen35[] = CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?[\\p{L}\\p{M}]+|\\p{N}"
                                          "| ?[^\\s\\p{L}\\p{M}\\p{N}]+[\\r\\n]*" SPACES;
static const char many_digits[] = CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}+"
                                               "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES;
static const char no_contractions[] = "[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}"
                                      "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES;
static const char seed_coder[] = CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1}"
                                              "| ?[^\\s\\p{L}\\p{N}\\r\\n]+" SPACES;
static const char bailing[] = "'(?i:[sdmt]|ll|ve|re)|[^\\r\\n\\p{L}\\p{N}]?+\\p{L}+|\\p{N}"
                              "| ?[^\\s\\p{L}\\p{N}]++[\\r\\n]*|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
static const char exaone_moe[] =
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?(?:\\p{L}\\p{M}*(?: \\p{L}\\p{M}*)*)+|\\p{N}"
                 "| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]?|\\s*[\\r\\n]|\\s+(?!\\S)|\\s+";
static const char jais2[] =
    CONTRACTIONS "|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*"
                 "|\\s*[\\r\\n]+|\\s{512}(?!\\S)|\\s{256}(?!\\S)|\\s{128}(?!\\S)|\\s{64}(?!\\S)"
                 "|\\s{32}(?!\\S)|\\s{16}(?!\\S)|\\s{8}(?!\\S)|\\s{4}(?!\\S)|\\s{1,2}(?!\\S)"
                 "|\\s{1}";
static const char gpt4o[] = "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+" CONTRACTIONS "?"
                            "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]+[" LOWER "]*" CONTRACTIONS "?"
                            "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACES;
static const char youtu_main[] = "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+" CONTRACTIONS "?"
                                 "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]+[" LOWER "]*" CONTRACTIONS "?"
                                 "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACES;
static const char tekken[] = "[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]*[" LOWER "]+"
                             "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "]+[" LOWER "]*"
                             "|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*" SPACES;
static const char kimi[] =
    "[\\p{Han}]+"
    "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "&&[^\\p{Han}]]*[" LOWER "&&[^\\p{Han}]]+" CONTRACTIONS "?"
    "|[^\\r\\n\\p{L}\\p{N}]?[" UPPER "&&[^\\p{Han}]]+[" LOWER "&&[^\\p{Han}]]*" CONTRACTIONS "?"
    "|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*" SPACES;
static const char bloom[] = " ?[^(\\s|[.,!?\u2026\u3002\uff0c\u3001\u0964\u06d4\u060c])]+";
static const char deepseek_letters[] =
    "\\s?[A-Za-z"
    "\u00b5\u00c0-\u00d6\u00d8-\u00f6\u00f8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af"
    "\u0370-\u0373\u0376\u0377\u037b-\u037d\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1"
    "\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5\u13a0-\u13f5"
    "\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a"
    "\u1e00-\u1f15\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d"
    "\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3"
    "\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107\u210a-\u2113\u2115"
    "\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f"
    "\u2145-\u2149\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3"
    "\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf"
    "\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\U00010400-\U0001044f"
    "\U000104b0-\U000104d3\U000104d8-\U000104fb\U00010c80-\U00010cb2\U00010cc0-\U00010cf2"
    "\U000118a0-\U000118df\U0001e900-\U0001e943"
    "]+";
static const char deepseek_punct[] =
    "\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+";
static const char deepseek_v3[] = PUNCT "[A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                                        "| ?[\\p{P}\\p{S}]+[\r\n]*" SPACES;
static const char spark[] = PUNCT "[A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+"
                                  "| ?[\\p{P}\\p{S}]+|[\r\n]|\\s+(?!\\S)|\\s+";
static const char youtu_scripts[] =
    "[\uac00-\ud7a3\u3131-\u318e]+|[\uff01\u2026\u201c\u201d\u2018\u2019\u2014\uff1a\uff1b\uff0c"
    "\u3001-\u303f\ufe30-\ufe4f]+|[\u3105-\u312f]+|[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+";
static const char afmoe_cjk[] =
    "[\u4e00-\u9fff\u3400-\u4dbf\uf900-\ufaff\u3040-\u309f\u30a0-\u30ff\uff65-\uff9f\u2f00-\u2fdf"
    "\u0e40-\u0e7f\u0e80-\u0eff\u1780-\u17ff\u1000-\u109f\uaa60-\uaa7f\ua9e0-\ua9ff\uac00-\ud7af"
    "\u1100-\u11ff]+";
/* Groups of three digits, counted from the right. */
static const char afmoe_digits[] =
    "(?<=\\p{N})\\G\\p{N}{3}|(?<!\\p{N})\\p{N}{1,3}(?=(?:\\p{N}{3})*+(?!\\p{N}))";
static const char aya_digits[] = "\\d{1,3}(?=(?:\\d{3})*\\b)";
static const char default_punct[] = "[\\p{P}$+<=>^~|]+";
static const char lines[] = "[^\\n]+|[\\n]+";

#define REGEX(rx)                                                                                  \
    {                                                                                              \
        .kind = OA__PRE_REGEX, .text = { rx, sizeof rx - 1 }                                       \
    }
#define CONTIGUOUS(rx)                                                                             \
    {                                                                                              \
        .kind = OA__PRE_REGEX, .split = OA__SPLIT_CONTIGUOUS, .text = { rx, sizeof rx - 1 }        \
    }
#define BYTES                                                                                      \
    {                                                                                              \
        .kind = OA__PRE_BYTES                                                                      \
    }

static const oa__norm_spec nfc[] = {{.kind = OA__NORM_NFC}};
static const oa__norm_spec marks[] = {
    {.kind = OA__NORM_REPLACE, .text = {" ", 1}, .with = {OA__MARK, 3}}};

static const oa__pre_spec pre_gpt2[] = {REGEX(OA__REGEX_GPT2), BYTES};
static const oa__pre_spec pre_digits[] = {REGEX(OA__REGEX_DIGIT), REGEX(OA__REGEX_GPT2), BYTES};
static const oa__pre_spec pre_llama3[] = {REGEX(llama3), BYTES};
static const oa__pre_spec pre_qwen2[] = {REGEX(qwen2), BYTES};
static const oa__pre_spec pre_qwen35[] = {REGEX(qwen35), BYTES};
static const oa__pre_spec pre_no_contractions[] = {REGEX(no_contractions), BYTES};
static const oa__pre_spec pre_seed_coder[] = {REGEX(seed_coder), BYTES};
static const oa__pre_spec pre_bailing[] = {REGEX(bailing), BYTES};
static const oa__pre_spec pre_exaone_moe[] = {REGEX(exaone_moe), BYTES};
static const oa__pre_spec pre_jais2[] = {REGEX(jais2), BYTES};
static const oa__pre_spec pre_gpt4o[] = {REGEX(gpt4o), BYTES};
static const oa__pre_spec pre_tekken[] = {REGEX(tekken), BYTES};
static const oa__pre_spec pre_kimi[] = {REGEX(kimi), BYTES};
static const oa__pre_spec pre_bloom[] = {REGEX(bloom), BYTES};
static const oa__pre_spec pre_viking[] = {REGEX(bloom), REGEX(OA__REGEX_DIGIT), BYTES};
static const oa__pre_spec pre_falcon[] = {CONTIGUOUS(OA__REGEX_PUNCTUATION), REGEX(OA__REGEX_GPT2),
                                          BYTES, CONTIGUOUS(OA__REGEX_DIGIT),
                                          REGEX("[0-9][0-9][0-9]")};
static const oa__pre_spec pre_deepseek_llm[] = {
    REGEX(LINES),   REGEX(deepseek_letters), REGEX(deepseek_punct),
    REGEX("\\s+$"), REGEX(CJK_WIDE),         REGEX(OA__REGEX_DIGIT),
    BYTES};
static const oa__pre_spec pre_deepseek_coder[] = {REGEX(LINES),           REGEX("\\s?\\p{L}+"),
                                                  REGEX("\\s?\\p{P}+"),   REGEX(CJK_WIDE),
                                                  REGEX(OA__REGEX_DIGIT), BYTES};
static const oa__pre_spec pre_deepseek_v3[] = {REGEX("\\p{N}{1,3}"), REGEX(KANJI_KANA),
                                               REGEX(deepseek_v3), BYTES};
static const oa__pre_spec pre_spark[] = {REGEX("\\p{N}{1,3}"), REGEX(KANJI_KANA), REGEX(spark),
                                         REGEX("\\p{N}"), BYTES};
static const oa__pre_spec pre_youtu[] = {REGEX(youtu_scripts), REGEX(youtu_main), BYTES};
static const oa__pre_spec pre_chameleon[] = {REGEX("<sentinel:[0-9]+>"),
                                             REGEX("(IMGIMG)((A|B|C|D|E|F|G|H|I){1,4})Z"),
                                             REGEX("([\\t\\n]|    |  )"),
                                             REGEX(OA__REGEX_DIGIT),
                                             REGEX(OA__REGEX_PUNCTUATION),
                                             REGEX(OA__REGEX_GPT2),
                                             BYTES};
static const oa__pre_spec pre_tiny_aya[] = {REGEX(aya_digits), REGEX(gpt4o), BYTES};
static const oa__pre_spec pre_afmoe[] = {REGEX(afmoe_digits), REGEX(afmoe_cjk), REGEX(deepseek_v3),
                                         BYTES};
static const oa__pre_spec pre_laguna[] = {REGEX(lines), REGEX(qwen2), BYTES};
static const oa__pre_spec pre_minicpm5[] = {REGEX("\\p{N}{1,3}"), REGEX(many_digits), BYTES};
static const oa__pre_spec pre_lines[] = {REGEX(lines)};
static const oa__pre_spec pre_default[] = {REGEX(default_punct), REGEX(OA__REGEX_GPT2),
                                           REGEX("\\p{N}+"), REGEX("[0-9][0-9][0-9]"), BYTES};

#define STEPS(list) .pre = list, .n_pre = OA__ARRAY_LEN(list)
#define FORM(list) .norm = list, .n_norm = OA__ARRAY_LEN(list)

/* The first name of each is its own. */
static const struct named {
    const char *aliases[14];
    oa__pipeline_spec spec;
} named[] = {
    {{"gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v2-es", "jina-v2-de", "a.x-4.0",
      "mellum", "modern-bert", "exaone4", "jais", "trillion", "granite-docling"},
     {.name = "gpt-2", STEPS(pre_gpt2), .bytes = true}},
    {{"roberta-bpe", "jina-v1-en", "jina-v2-code"},
     {.name = "roberta-bpe", STEPS(pre_gpt2), .add_bos = true, .add_eos = true, .bytes = true}},
    {{"gpt-neox", "olmo", "mpt"}, {.name = "gpt-neox", STEPS(pre_gpt2), FORM(nfc), .bytes = true}},
    {{"smollm", "starcoder", "refact", "codeshell", "exaone", "minerva-7b", "mellum2"},
     {.name = "smollm", STEPS(pre_digits), .bytes = true}},
    {{"command-r"}, {.name = "command-r", STEPS(pre_digits), FORM(nfc), .bytes = true}},
    {{"llama-3", "llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0",
      "lfm2", "jina-v5-nano"},
     {.name = "llama-3", STEPS(pre_llama3), .ignore_merges = true, .add_bos = true, .bytes = true}},
    {{"glm4", "glm5"}, {.name = "glm4", STEPS(pre_llama3), .ignore_merges = true, .bytes = true}},
    {{"dbrx", "smaug-bpe", "chatglm-bpe"}, {.name = "dbrx", STEPS(pre_llama3), .bytes = true}},
    {{"jais-2"}, {.name = "jais-2", STEPS(pre_jais2), .bytes = true}},
    {{"qwen2", "deepseek-r1-qwen", "kormo", "f2llmv2", "megrez", "stablelm2"},
     {.name = "qwen2", STEPS(pre_qwen2), FORM(nfc), .bytes = true}},
    {{"hunyuan", "solar-open", "grok-2"}, {.name = "hunyuan", STEPS(pre_qwen2), .bytes = true}},
    {{"qwen35"}, {.name = "qwen35", STEPS(pre_qwen35), .bytes = true}},
    {{"ufakzeka"}, {.name = "ufakzeka", STEPS(pre_no_contractions), .bytes = true}},
    {{"seed-coder"}, {.name = "seed-coder", STEPS(pre_seed_coder), .bytes = true}},
    {{"bailingmoe", "bailingmoe2", "llada-moe"},
     {.name = "bailingmoe", STEPS(pre_bailing), .bytes = true}},
    {{"exaone-moe"}, {.name = "exaone-moe", STEPS(pre_exaone_moe), .bytes = true}},
    {{"minicpm5"}, {.name = "minicpm5", STEPS(pre_minicpm5), .ignore_merges = true, .bytes = true}},
    {{"laguna"}, {.name = "laguna", STEPS(pre_laguna), .bytes = true}},
    {{"gpt-4o", "llama4", "kanana2", "talkie", "minimax-m2"},
     {.name = "gpt-4o", STEPS(pre_gpt4o), .bytes = true}},
    {{"granite-embed-multi-97m"},
     {.name = "granite-embed-multi-97m", STEPS(pre_gpt4o), .ignore_merges = true, .bytes = true}},
    {{"tiny_aya", "cohere2moe"}, {.name = "tiny_aya", STEPS(pre_tiny_aya), .bytes = true}},
    {{"tekken"},
     {.name = "tekken", STEPS(pre_tekken), .ignore_merges = true, .add_bos = true, .bytes = true}},
    {{"kimi-k2"}, {.name = "kimi-k2", STEPS(pre_kimi), .bytes = true}},
    {{"deepseek-llm"}, {.name = "deepseek-llm", STEPS(pre_deepseek_llm), .bytes = true}},
    {{"deepseek-coder"}, {.name = "deepseek-coder", STEPS(pre_deepseek_coder), .bytes = true}},
    {{"deepseek-v3", "hunyuan-dense", "joyai-llm", "hy_v4"},
     {.name = "deepseek-v3", STEPS(pre_deepseek_v3), .bytes = true}},
    {{"spark2_5"}, {.name = "spark2_5", STEPS(pre_spark), .bytes = true}},
    {{"youtu"}, {.name = "youtu", STEPS(pre_youtu), .ignore_merges = true, .bytes = true}},
    {{"afmoe"}, {.name = "afmoe", STEPS(pre_afmoe), .bytes = true}},
    {{"falcon"}, {.name = "falcon", STEPS(pre_falcon), .bytes = true}},
    {{"bloom", "poro-chat", "gpt3-finnish"}, {.name = "bloom", STEPS(pre_bloom), .bytes = true}},
    {{"viking"}, {.name = "viking", STEPS(pre_viking), .bytes = true}},
    {{"chameleon"}, {.name = "chameleon", STEPS(pre_chameleon), .add_bos = true, .bytes = true}},
    {{"gemma4", "granite-embed-multi-311m", "sarvam-moe"},
     {.name = "gemma4",
      STEPS(pre_lines),
      FORM(marks),
      .byte_fallback = true,
      .fuse_unk = true,
      .marks = true}},
    {{"default"}, {.name = "default", STEPS(pre_default), .bytes = true}},
};

const char *oa__pipeline_alias(size_t i)
{
    for (size_t k = 0; k < OA__ARRAY_LEN(named); k++)
        for (size_t a = 0; a < OA__ARRAY_LEN(named[k].aliases) && named[k].aliases[a]; a++)
            if (i-- == 0) return named[k].aliases[a];
    return NULL;
}

int oa__pipeline_named(const oa__pipeline_spec **out, const char *name)
{
    char list[480] = "";
    size_t n = 0;
    *out = NULL;
    for (size_t k = 0; name && k < OA__ARRAY_LEN(named); k++) {
        for (size_t a = 0; a < OA__ARRAY_LEN(named[k].aliases) && named[k].aliases[a]; a++) {
            if (strcmp(name, named[k].aliases[a]) != 0) continue;
            *out = &named[k].spec;
            return OA_OK;
        }
    }
    for (size_t k = 0; k < OA__ARRAY_LEN(named); k++) {
        int more = snprintf(list + n, sizeof list - n, n ? ", %s" : "%s", named[k].spec.name);
        if (more < 0 || (size_t)more >= sizeof list - n) break;
        n += (size_t)more;
    }
    if (!name)
        return oa__err(OA_EUNSUPPORTED, "tokenizer names no pattern (tokenizer.ggml.pre), want %s",
                       list);
    return oa__err(OA_EUNSUPPORTED, "tokenizer pattern \"%.40s\", want %s", name, list);
}

void oa__pattern_ends(const char *pattern, bool *add_bos, bool *add_eos)
{
    const oa__pipeline_spec *p;
    bool known = pattern && oa__pipeline_named(&p, pattern) == OA_OK;
    *add_bos = known && p->add_bos;
    *add_eos = known && p->add_eos;
}

static bool spans_equal(oa__span a, oa__span b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.data, b.data, a.len) == 0);
}

static bool steps_equal(const oa__pipeline_spec *a, const oa__pipeline_spec *b)
{
    if (a->n_pre != b->n_pre || a->n_norm != b->n_norm) return false;
    for (size_t i = 0; i < a->n_pre; i++) {
        const oa__pre_spec *x = &a->pre[i], *y = &b->pre[i];
        if (x->kind != y->kind || x->split != y->split || x->flags != y->flags ||
            !spans_equal(x->text, y->text))
            return false;
    }
    for (size_t i = 0; i < a->n_norm; i++) {
        const oa__norm_spec *x = &a->norm[i], *y = &b->norm[i];
        if (x->kind != y->kind || x->flags != y->flags || !spans_equal(x->text, y->text) ||
            !spans_equal(x->with, y->with))
            return false;
    }
    return true;
}

/* Among equal ones the first in the table; "default" is nobody's own name. */
const char *oa__pipeline_name_of(const oa__pipeline_spec *spec)
{
    for (size_t k = 0; k + 1 < OA__ARRAY_LEN(named); k++) {
        const oa__pipeline_spec *s = &named[k].spec;
        if (s->bytes == spec->bytes && s->ignore_merges == spec->ignore_merges &&
            steps_equal(s, spec))
            return s->name;
    }
    return NULL;
}
