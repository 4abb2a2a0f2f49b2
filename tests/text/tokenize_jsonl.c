/* SPDX-License-Identifier: Apache-2.0 */
/*
 * For tests: one JSON string per line in, one JSON array of ids per line out.
 *
 *     tokenize_jsonl VOCAB.gguf [-p PATTERN] [-s] [-b REPEATS] < texts > ids
 *     tokenize_jsonl tokenizer.json [-s] [-b REPEATS] [-x] < texts > ids
 *
 * -x: lines are bytes in hexadecimal; -s recognises special tokens; -b measures instead: megabytes
 * per second of all texts, best of REPEATS rounds. Neither beginning nor end tokens are added.
 */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <openassistant/model.h>

#include "load.h"

static int fail(void)
{
    fprintf(stderr, "tokenize_jsonl: %s\n", oa_error_last());
    return 1;
}

static int open_json(oa__vocab **v, const char *path)
{
    char *json;
    size_t len;
    OA__TRY(oa__file_read(NULL, path, 1 << 30, &json, &len));
    int rc = oa__tokenizer_json_read(v, NULL, json, len, NULL);
    oa__free(NULL, json);
    return rc;
}

static json_t *read_hex(const char *line, size_t n)
{
    static char bytes[1 << 20];
    size_t len = 0;
    unsigned value;
    for (size_t i = 0; i + 1 < n && len < sizeof bytes; i += 2) {
        if (sscanf(line + i, "%2x", &value) != 1) break;
        bytes[len++] = (char)value;
    }
    return json_stringn_nocheck(bytes, len);
}

static int print_ids(const oa__vocab *v, const char *text, size_t len, uint32_t flags)
{
    oa__ids ids = {0};
    if (oa__vocab_encode(v, text, len, flags, &ids) < 0) return fail();
    /* Decoding gives the text back wherever nothing had to be left out. */
    putchar('[');
    for (size_t i = 0; i < ids.len; i++)
        printf(i ? ", %d" : "%d", (int)ids.data[i]);
    puts("]");
    oa__ids_free(&ids);
    return 0;
}

int main(int argc, char **argv)
{
    const char *pattern = NULL;
    uint32_t flags = OA_TOKENIZE_NO_BOS | OA_TOKENIZE_NO_EOS;
    int repeats = 0;
    bool hex = false;
    for (int i = 2; i < argc; i++) {
        if (strcmp(argv[i], "-x") == 0) hex = true;
        if (strcmp(argv[i], "-s") == 0) flags |= OA_TOKENIZE_SPECIAL;
        if (strcmp(argv[i], "-p") == 0 && i + 1 < argc) pattern = argv[++i];
        if (strcmp(argv[i], "-b") == 0 && i + 1 < argc) repeats = (int)strtol(argv[++i], NULL, 10);
    }
    if (argc < 2) return 2;
    oa__vocab *v;
    size_t path_len = strlen(argv[1]);
    bool is_json = path_len > 5 && strcmp(argv[1] + path_len - 5, ".json") == 0;
    if ((is_json ? open_json(&v, argv[1]) : load_vocab(&v, NULL, argv[1], pattern)) < 0)
        return fail();
    char *line = NULL;
    size_t cap = 0;
    ssize_t n;
    oa__str all = {0};
    size_t *ends = NULL, n_ends = 0, ends_cap = 0;
    while ((n = getline(&line, &cap, stdin)) > 0) {
        json_t *text = hex ? read_hex(line, (size_t)n)
                           : json_loadb(line, (size_t)n, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
        if (!json_is_string(text)) return 2;
        if (repeats == 0) {
            if (print_ids(v, json_string_value(text), json_string_length(text), flags)) return 1;
        } else {
            if (oa__str_add(&all, json_string_value(text), json_string_length(text)) < 0 ||
                oa__grow(NULL, (void **)&ends, &ends_cap, n_ends + 1, sizeof *ends) < 0)
                return fail();
            ends[n_ends++] = all.len;
        }
        json_decref(text);
    }
    double best = 0;
    size_t n_ids = 0;
    for (int r = 0; r < repeats; r++) {
        oa__ids ids = {0};
        uint64_t t0 = oa__clock_ns();
        n_ids = 0;
        for (size_t i = 0; i < n_ends; i++) {
            size_t start = i ? ends[i - 1] : 0;
            ids.len = 0;
            if (oa__vocab_encode(v, all.data + start, ends[i] - start, flags, &ids) < 0)
                return fail();
            n_ids += ids.len;
        }
        double rate = (double)all.len * 1e3 / (double)(oa__clock_ns() - t0);
        if (rate > best) best = rate;
        oa__ids_free(&ids);
    }
    if (repeats) printf("%zu texts, %zu bytes, %zu ids, %.1f MB/s\n", n_ends, all.len, n_ids, best);
    free(line);
    oa__free(NULL, ends);
    oa__str_free(&all);
    oa__vocab_free(v);
    return 0;
}
