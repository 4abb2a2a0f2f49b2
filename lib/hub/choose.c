/* SPDX-License-Identifier: Apache-2.0 */
/* Which files of a repository make up what the user asked for. */
#include "hub/hub_priv.h"

#include <string.h>

enum { MAX_LISTED = 400 };

static const uint64_t MAX_SIDE_SIZE = 4 << 20; /* of a card or a licence */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_letters(const char *a, const char *b, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (lower(a[i]) != lower(b[i])) return false;
    return true;
}

static bool ends_with(const char *text, const char *end)
{
    const size_t len = strlen(text), n = strlen(end);
    return len >= n && same_letters(text + len - n, end, n);
}

static bool begins_with(const char *text, const char *begin)
{
    const size_t n = strlen(begin);
    return strlen(text) >= n && same_letters(text, begin, n);
}

static const char *last_part(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static bool is_digits(const char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (text[i] < '0' || text[i] > '9') return false;
    return true;
}

/* The length of "STEM" in "STEM-00001-of-00003<ending>", with the part's number; else 0. */
static size_t split_stem(const char *path, const char *ending, unsigned *number)
{
    const size_t len = strlen(path), n = strlen(ending);
    if (!ends_with(path, ending) || len < n + 16) return 0;
    const char *tail = path + len - n - 15;
    if (tail[0] != '-' || !is_digits(tail + 1, 5) || memcmp(tail + 6, "-of-", 4) != 0 ||
        !is_digits(tail + 10, 5))
        return 0;
    *number = 0;
    for (int i = 1; i <= 5; i++)
        *number = *number * 10 + (unsigned)(tail[i] - '0');
    return (size_t)(tail - path);
}

/* A GGUF file that stands for a model: no second part of one, nothing that only sees or hears. */
static bool is_gguf_head(const char *path)
{
    unsigned number = 1;
    if (!ends_with(path, ".gguf") || begins_with(last_part(path), "mmproj")) return false;
    return split_stem(path, ".gguf", &number) == 0 || number == 1;
}

/* "Q4_K_M", "F16", "IQ4_NL": a letter first, and a number in it. */
static bool is_type(const char *text)
{
    const char first = lower(text[0]);
    return first >= 'a' && first <= 'z' && strpbrk(text, "0123456789") != NULL;
}

/* Whether a type stands in a file's name as a word: "Q4_K" is in "x-q4_k.gguf" and "x.Q4_K.gguf",
 * and is not in "x-Q4_K_M.gguf". */
static bool has_type(const char *path, const char *type)
{
    const size_t n = strlen(type);
    for (const char *at = path; strlen(at) >= n; at++) {
        if (!same_letters(at, type, n)) continue;
        const char before = at == path ? '-' : at[-1], after = at[n];
        if (strchr("-._/", before) && (after == '.' || after == '-' || after == '/')) return true;
    }
    return false;
}

static int not_clear(const oa__hub_listing *l, int code, const char *why,
                     bool (*show)(const char *path))
{
    oa__str list = {.mem = l->mem};
    int rc = oa__str_add_z(&list, "");
    size_t n_more = 0;
    for (size_t i = 0; i < l->n_files && rc == OA_OK; i++) {
        if (!show(l->files[i].path)) continue;
        if (list.len > MAX_LISTED) {
            n_more++;
            continue;
        }
        rc = oa__str_addf(&list, "%s%s", list.len ? ", " : "", l->files[i].path);
    }
    if (rc == OA_OK && n_more) rc = oa__str_addf(&list, " and %zu more", n_more);
    if (rc == OA_OK) rc = oa__err(code, "%s: %s", why, list.len ? list.data : "nothing");
    oa__str_free(&list);
    return rc;
}

static bool is_data(const char *path)
{
    return !begins_with(path, "README") && !begins_with(path, "LICEN");
}

static bool any(const char *path)
{
    (void)path;
    return true;
}

/* The file itself, and when it is a part of a split model, all others. */
static void want_with_parts(oa__hub_listing *l, size_t index)
{
    unsigned number;
    const char *path = l->files[index].path;
    const char *ending = ends_with(path, ".gguf") ? ".gguf" : ".safetensors";
    const size_t stem = split_stem(path, ending, &number);
    l->files[index].wanted = true;
    for (size_t i = 0; stem && i < l->n_files; i++) {
        const char *other = l->files[i].path;
        if (split_stem(other, ending, &number) == stem && memcmp(other, path, stem) == 0 &&
            strcmp(other + stem + 6, path + stem + 6) == 0)
            l->files[i].wanted = true;
    }
}

/* The first part of the split model that a file belongs to. */
static size_t head_of(const oa__hub_listing *l, size_t index)
{
    unsigned number;
    const char *path = l->files[index].path;
    const size_t stem = split_stem(path, ".gguf", &number);
    for (size_t i = 0; stem && number != 1 && i < l->n_files; i++) {
        const char *other = l->files[i].path;
        if (split_stem(other, ".gguf", &number) == stem && memcmp(other, path, stem) == 0 &&
            number == 1 && strcmp(other + stem + 6, path + stem + 6) == 0)
            return i;
    }
    return index;
}

/* --- folders of safetensors ------------------------------------------------------------------- */

static bool is_beside_weights(const char *path)
{
    static const char *const names[] = {"config.json",
                                        "generation_config.json",
                                        "tokenizer.json",
                                        "tokenizer_config.json",
                                        "tokenizer.model",
                                        "special_tokens_map.json",
                                        "added_tokens.json",
                                        "vocab.json",
                                        "merges.txt",
                                        "vocab.txt",
                                        "chat_template.jinja",
                                        "chat_template.json",
                                        "adapter_config.json",
                                        "spiece.model",
                                        "sentencepiece.bpe.model",
                                        "modules.json",
                                        "sentence_bert_config.json",
                                        "preprocessor_config.json"};
    for (size_t i = 0; i < OA__ARRAY_LEN(names); i++)
        if (strcmp(path, names[i]) == 0) return true;
    return strcmp(path, "1_Pooling/config.json") == 0;
}

static bool has_file(const oa__hub_listing *l, const char *path)
{
    for (size_t i = 0; i < l->n_files; i++)
        if (strcmp(l->files[i].path, path) == 0) return true;
    return false;
}

/* Of several copies of the weights in one folder, the one that a loader would take. */
static bool is_weights(const oa__hub_listing *l, const char *path)
{
    unsigned number;
    if (strchr(path, '/')) return false;
    if (has_file(l, "model.safetensors.index.json"))
        return strcmp(path, "model.safetensors.index.json") == 0 ||
               (split_stem(path, ".safetensors", &number) == 5 && begins_with(path, "model"));
    if (has_file(l, "model.safetensors")) return strcmp(path, "model.safetensors") == 0;
    return strcmp(path, "adapter_model.safetensors") == 0;
}

static bool want_folder(oa__hub_listing *l)
{
    bool found = false;
    for (size_t i = 0; i < l->n_files; i++)
        if (is_weights(l, l->files[i].path)) found = l->files[i].wanted = true;
    for (size_t i = 0; found && i < l->n_files; i++)
        if (is_beside_weights(l->files[i].path)) l->files[i].wanted = true;
    return found;
}

/* --- models and data sets --------------------------------------------------------------------- */

/* The one GGUF model of a type ("" = of any); SIZE_MAX for none, and *several. */
static size_t find_gguf(const oa__hub_listing *l, const char *type, bool *several)
{
    size_t found = SIZE_MAX;
    *several = false;
    for (size_t i = 0; i < l->n_files; i++) {
        const char *path = l->files[i].path;
        if (!is_gguf_head(path) || (type[0] && !has_type(path, type))) continue;
        if (found != SIZE_MAX)
            *several = true;
        else
            found = i;
    }
    return found;
}

static int choose_named(oa__hub_listing *l, const char *part, const char **main_path)
{
    bool several;
    size_t at = SIZE_MAX;
    for (size_t i = 0; i < l->n_files; i++)
        if (strcmp(l->files[i].path, part) == 0) at = i;
    if (at == SIZE_MAX && is_type(part)) {
        at = find_gguf(l, part, &several);
        if (several)
            return not_clear(l, OA_EINVAL, "several files are of that type; name one of them",
                             is_gguf_head);
    }
    if (at == SIZE_MAX && (strcmp(part, "safetensors") == 0) && want_folder(l)) {
        *main_path = "";
        return OA_OK;
    }
    if (at == SIZE_MAX)
        return not_clear(l, OA_ENOTFOUND, "no such file or type in the repository; there is", any);
    want_with_parts(l, at);
    *main_path = l->files[head_of(l, at)].path;
    return OA_OK;
}

static int choose_model(oa__hub_listing *l, const char **main_path)
{
    /* The best that fits most machines first, then what is nearest to it. */
    static const char *const types[] = {"",       "Q4_K_M", "Q4_K_S", "Q4_1",   "Q4_0", "Q4_K",
                                        "Q5_K_M", "IQ4_NL", "IQ4_XS", "Q5_K_S", "Q6_K", "Q8_0",
                                        "Q3_K_M", "F16",    "BF16",   "F32"};
    for (size_t i = 0; i < OA__ARRAY_LEN(types); i++) {
        bool several;
        const size_t at = find_gguf(l, types[i], &several);
        if (at == SIZE_MAX || several) continue;
        want_with_parts(l, at);
        *main_path = l->files[at].path;
        return OA_OK;
    }
    *main_path = "";
    if (want_folder(l)) return OA_OK;
    bool several;
    if (find_gguf(l, "", &several) != SIZE_MAX)
        return not_clear(l, OA_EINVAL, "several models; name one of them", is_gguf_head);
    return not_clear(l, OA_EUNSUPPORTED, "no GGUF and no safetensors in the repository; there is",
                     any);
}

static int choose_data(oa__hub_listing *l, const char **main_path)
{
    size_t at = SIZE_MAX, n = 0;
    for (size_t i = 0; i < l->n_files; i++) {
        if (!is_data(l->files[i].path)) continue;
        at = i;
        n++;
    }
    if (n != 1)
        return not_clear(l, OA_EINVAL,
                         "name a file of the data set, as in OWNER/NAME:FILE; "
                         "there is",
                         is_data);
    l->files[at].wanted = true;
    *main_path = l->files[at].path;
    return OA_OK;
}

int oa__hub_choose(oa__hub_listing *l, int kind, const oa__hub_name *name, const char **main_path)
{
    if (name->part[0]) {
        OA__TRY(choose_named(l, name->part, main_path));
    } else if (kind == OA__HUB_DATASET) {
        OA__TRY(choose_data(l, main_path));
    } else {
        OA__TRY(choose_model(l, main_path));
    }
    for (size_t i = 0; i < l->n_files; i++) {
        const char *path = l->files[i].path;
        if (strchr(path, '/') || l->files[i].size > MAX_SIDE_SIZE) continue;
        if (strcmp(path, "README.md") == 0 || begins_with(path, "LICEN") ||
            begins_with(path, "NOTICE") || begins_with(path, "COPYING") ||
            begins_with(path, "USE_POLICY"))
            l->files[i].wanted = true;
    }
    return OA_OK;
}
