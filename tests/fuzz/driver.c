/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs a fuzz target without a fuzzing engine: every file that is named, or lies in a folder that
 * is named, and -m N seeded mutations of each. The input sits in a block of exactly its size, so
 * that a sanitizer sees a read past its end.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static unsigned long n_runs;
static unsigned long n_mutations;

static void run(const uint8_t *data, size_t size)
{
    uint8_t *copy = malloc(size + (size == 0));
    if (copy == NULL) exit(99);
    if (size > 0) memcpy(copy, data, size);
    LLVMFuzzerTestOneInput(copy, size);
    free(copy);
    n_runs++;
}

static uint64_t next(uint64_t *state)
{
    *state += 0x9e3779b97f4a7c15u;
    uint64_t z = *state;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* One to four changes: a bit, a byte, a run of equal bytes, a piece moved, a cut. */
static size_t mutate(uint8_t *data, size_t size, uint64_t *state)
{
    for (uint64_t n = 1 + next(state) % 4; n > 0 && size > 0; n--) {
        const size_t at = next(state) % size, room = size - at;
        switch (next(state) % 6) {
        case 0:
            data[at] ^= (uint8_t)(1u << next(state) % 8);
            break;
        case 1:
            data[at] = (uint8_t)next(state);
            break;
        case 2:
            memset(data + at, next(state) % 2 ? 0xff : 0, room < 8 ? room : 8);
            break;
        case 3: {
            const size_t from = next(state) % size;
            size_t len = 1 + next(state) % 16;
            if (len > room) len = room;
            if (len > size - from) len = size - from;
            memmove(data + at, data + from, len);
            break;
        }
        case 4:
            data[at] = (uint8_t)(data[at] + (next(state) % 2 ? 1 : 255));
            break;
        default:
            if (next(state) % 4 == 0) size = at;
            break;
        }
    }
    return size;
}

static void run_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        exit(1);
    }
    size_t size = 0, cap = 1 << 16;
    uint8_t *data = malloc(cap);
    while (data != NULL) {
        size += fread(data + size, 1, cap - size, f);
        if (size < cap) break;
        cap *= 2;
        uint8_t *grown = realloc(data, cap);
        if (grown == NULL) free(data);
        data = grown;
    }
    fclose(f);
    uint8_t *changed = malloc(size + 1);
    if (data == NULL || changed == NULL) exit(99);
    run(data, size);
    uint64_t state = size;
    for (unsigned long i = 0; i < n_mutations; i++) {
        memcpy(changed, data, size);
        run(changed, mutate(changed, size, &state));
    }
    free(changed);
    free(data);
}

static void run_path(const char *path)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        perror(path);
        exit(1);
    }
    if (!S_ISDIR(st.st_mode)) {
        run_file(path);
        return;
    }
    struct dirent **names;
    const int n = scandir(path, &names, NULL, alphasort);
    for (int i = 0; i < n; i++) {
        if (names[i]->d_name[0] != '.') {
            char inner[4096];
            snprintf(inner, sizeof inner, "%s/%s", path, names[i]->d_name);
            run_file(inner);
        }
        free(names[i]);
    }
    if (n >= 0) free(names);
}

int main(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "-m") == 0 && i + 1 < argc) {
            n_mutations = strtoul(argv[++i], NULL, 10);
        } else {
            run_path(argv[i]);
        }
    }
    printf("%lu inputs, no crash\n", n_runs);
    if (n_runs == 0) {
        fprintf(stderr, "no inputs\n");
        return 1;
    }
    return 0;
}
