/* SPDX-License-Identifier: Apache-2.0 */
/* Licences: what a model card says, and what it means in one line. */
#include "hub/hub_priv.h"

#include <string.h>

/* Identifiers of the hub. */
static const struct {
    const char *id, *text;
} known[] = {
    {"apache-2.0", "Apache-2.0"},
    {"mit", "MIT"},
    {"bsd-3-clause", "BSD 3-Clause"},
    {"cc-by-4.0", "CC BY 4.0: name the authors"},
    {"cc-by-sa-3.0", "CC BY-SA 3.0: name the authors, share alike"},
    {"cc-by-sa-4.0", "CC BY-SA 4.0: name the authors, share alike"},
    {"cc-by-nc-4.0", "CC BY-NC 4.0: non-commercial"},
    {"cc-by-nc-sa-4.0", "CC BY-NC-SA 4.0: non-commercial, share alike"},
    {"cc0-1.0", "CC0 1.0: public domain"},
    {"openrail", "OpenRAIL: uses are restricted"},
    {"bigscience-openrail-m", "BigScience OpenRAIL-M: uses are restricted"},
    {"bigcode-openrail-m", "BigCode OpenRAIL-M: uses are restricted"},
    {"llama2", "LLaMA 2 Community License: uses are restricted"},
    {"llama3", "LLaMA 3 Community License: uses are restricted"},
    {"llama3.1", "LLaMA 3.1 Community License: uses are restricted"},
    {"llama3.2", "LLaMA 3.2 Community License: uses are restricted"},
    {"llama3.3", "LLaMA 3.3 Community License: uses are restricted"},
    {"gemma", "Gemma Terms of Use: uses are restricted"},
};

static bool mentions(const char *text, const char *word)
{
    const size_t n = strlen(word);
    for (; *text; text++) {
        size_t i = 0;
        while (i < n && text[i] &&
               (text[i] == word[i] ||
                (text[i] >= 'A' && text[i] <= 'Z' && text[i] - 'A' + 'a' == word[i])))
            i++;
        if (i == n) return true;
    }
    return false;
}

int oa__licence_text(oa__str *out, const char *licence, const char *owner, const char *name)
{
    for (size_t i = 0; i < OA__ARRAY_LEN(known); i++)
        if (strcmp(licence, known[i].id) == 0) return oa__str_add_z(out, known[i].text);
    /* The first LLaMA was given out without an identifier of its own. */
    const bool llama = mentions(owner, "llama") || mentions(name, "llama");
    const char *note = llama ? " (LLaMA's is non-commercial; see README.md)" : " (see README.md)";
    if (!licence[0]) return oa__str_addf(out, "the card names none%s", note);
    if (strcmp(licence, "other") == 0) return oa__str_addf(out, "one of its own%s", note);
    return oa__str_add_z(out, licence);
}

/* The value behind "key:" of a line, without quotes and comments; false when it is another line. */
static bool value_of(const char *line, size_t len, const char *key, const char **value, size_t *n)
{
    const size_t key_len = strlen(key);
    if (len < key_len || memcmp(line, key, key_len) != 0) return false;
    const char *v = line + key_len, *end = line + len;
    while (v < end && (*v == ' ' || *v == '"' || *v == '\'' || *v == '[' || *v == '-'))
        v++;
    const char *stop = v;
    while (stop < end && (unsigned char)*stop > ' ' && !strchr("\"'],#", *stop))
        stop++;
    *value = v;
    *n = (size_t)(stop - v);
    return true;
}

static void take(char out[200], const char *value, size_t n)
{
    if (n >= 200 || !oa__utf8_valid(value, n)) return;
    memcpy(out, value, n);
    out[n] = '\0';
}

void oa__licence_of_card(const char *card, size_t len, char out[200])
{
    const char *at = card, *end = card + len, *value;
    size_t n;
    bool listed = false;
    char name[200] = "";
    out[0] = '\0';
    if (len < 4 || memcmp(card, "---", 3) != 0) return;
    for (int line = 0; at < end; line++) {
        const char *stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        size_t line_len = (size_t)(stop - at);
        if (line_len > 0 && at[line_len - 1] == '\r') line_len--;
        if (line > 0 && line_len >= 3 && memcmp(at, "---", 3) == 0) break;
        if (value_of(at, line_len, "license:", &value, &n)) {
            take(out, value, n);
            listed = n == 0;
        } else if (value_of(at, line_len, "license_name:", &value, &n)) {
            take(name, value, n);
        } else if (listed) {
            /* "license:" alone, then a list of which the first counts */
            if (value_of(at, line_len, "-", &value, &n) ||
                value_of(at, line_len, "  -", &value, &n))
                take(out, value, n);
            listed = false;
        }
        at = stop + 1;
    }
    if (strcmp(out, "other") == 0 && name[0]) memcpy(out, name, sizeof name);
}
