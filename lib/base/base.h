/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Door of floor 0: memory, errors, log, options, strings, files, threads, cpu, clock, random.
 *
 * Everything that the system gives sits behind this header, so that a port is one folder. Nothing
 * here knows what a model is. Functions that can fail return an oa_error code and have set the
 * text; OA__TRY passes it on.
 */
#ifndef OA_BASE_BASE_H
#define OA_BASE_BASE_H

#include <fenv.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <openassistant/error.h>
#include <openassistant/log.h>

#define OA__ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define OA__PRINTF(fmt, args) __attribute__((format(printf, fmt, args)))

/* --- errors (error.c) -------------------------------------------------------------------- */

/* Set this thread's error text and return `code`. One line, lower case, no full stop: what was
 * found and what was wanted. Untrusted bytes in it are made printable. */
int oa__err(int code, const char *fmt, ...) OA__PRINTF(2, 3);

/* The text of this thread's last error with a file's name in front, unless it stands there already;
 * for codes that tell what is wrong with a file's content. Returns code. */
int oa__err_in_file(int code, const char *path);

/* The usual texts. */
int oa__err_nomem(size_t size);                                    /* OA_ENOMEM */
int oa__err_errno(int errnum, const char *what, const char *path); /* from errno: NOTFOUND, ACCES,
                                                                      IO, NOMEM */

/* Pass a failure on. */
#define OA__TRY(expr)                                                                              \
    do {                                                                                           \
        int oa__rc_ = (expr);                                                                      \
        if (oa__rc_ < 0) return oa__rc_;                                                           \
    } while (0)

/* The same inside a function with a `fail:` exit and an `int rc`. */
#define OA__TRY_GOTO(expr)                                                                         \
    do {                                                                                           \
        rc = (expr);                                                                               \
        if (rc < 0) goto fail;                                                                     \
    } while (0)

/* A broken internal invariant; debug builds trap, release builds compile it away. Never for bad
 * files or input. */
#ifdef NDEBUG
#define oa__assert(cond) ((void)0)
#else
#define oa__assert(cond) ((cond) ? (void)0 : __builtin_trap())
#endif

/* --- memory (mem.c) ----------------------------------------------------------------------- */

/* An allocator with an account: every allocation is counted against `limit`. Lives inside the
 * handle that owns it (model, sampler). Thread safe when the allocator is. */
typedef struct oa__mem {
    oa_allocator a;        /* alloc_fn NULL = the C library */
    uint64_t limit;        /* bytes; 0 = none */
    _Atomic uint64_t used; /* bytes allocated or reserved now */
} oa__mem;

/* Copies `a` (NULL = C library). OA_EINVAL when only one of the two functions is set. */
int oa__mem_init(oa__mem *mem, const oa_allocator *a, uint64_t limit);

/* All return memory aligned to 64 bytes, zeroed, or NULL with the error text set (OA_ENOMEM).
 * mem NULL = the C library without an account. Size 0 gives a valid pointer. */
void *oa__alloc(oa__mem *mem, size_t size);
void *oa__alloc_array(oa__mem *mem, size_t n, size_t elem_size); /* checks the product */
/* Grows or shrinks, keeping what fits; new bytes are zero. On failure the old block stays. */
void *oa__realloc(oa__mem *mem, void *ptr, size_t size);
void oa__free(oa__mem *mem, void *ptr);                        /* NULL is fine */
char *oa__strndup(oa__mem *mem, const char *text, size_t len); /* NUL-terminated */

/* Ask the system for large pages under a block of some megabytes that is used whole: fewer faults
 * to fill it, fewer misses to read it. A hint; nothing happens where there are none. */
void oa__mem_huge(void *ptr, size_t size);

/* Count memory that is not allocated here (maps) against the limit. */
int oa__mem_reserve(oa__mem *mem, uint64_t size);
void oa__mem_release(oa__mem *mem, uint64_t size);

/* Overflow-checked sizes: false on overflow. */
bool oa__mul_size(size_t a, size_t b, size_t *out);
bool oa__add_size(size_t a, size_t b, size_t *out);

/* Make room for `need` elements in a growing array (doubling): OA_OK or OA_ENOMEM.
 * Use: OA__TRY(oa__grow(mem, (void **)&v, &cap, n + 1, sizeof *v)); */
int oa__grow(oa__mem *mem, void **array, size_t *cap, size_t need, size_t elem_size);

/* --- options (opts.c) --------------------------------------------------------------------- */

/* The only reader of size-first option structs. dst gets src: NULL src = all zero; a smaller
 * caller's missing tail is zero; a larger caller's tail must be zero, else OA_EVERSION; a size
 * below min_size (the first release's size) or unset is OA_EINVAL. dst's first size_t is set. */
int oa__opts_read(void *dst, size_t dst_size, size_t min_size, const void *src);
/* For structs that we fill: copies min(caller's size, full_size) and keeps the caller's size. */
int oa__opts_write(void *dst, const void *full, size_t full_size, size_t min_size);
/* An element of a caller's array: of this size (OA_EINVAL when it is too small or absurd), and with
 * nothing but zero behind what we know (OA_EVERSION). */
int oa__elem_size(const char *what, size_t elem_size, size_t known_size);
int oa__elem_tail(const char *what, const void *elem, size_t elem_size, size_t known_size);

/* --- log (log.c) -------------------------------------------------------------------------- */

typedef struct oa__log {
    oa_log_fn fn; /* NULL = silence */
    void *user;
    uint32_t level; /* enum oa_log_level */
} oa__log;

void oa__log_line(const oa__log *log, uint32_t level, const char *fmt, ...) OA__PRINTF(3, 4);

/* Progress with its own clock: oa__progress_poll() calls fn at most every 40 ms and always at the
 * beginning and the end; returns OA_OK or OA_ECANCELLED (sticky). Only on the calling thread. */
typedef struct oa__progress {
    oa_progress_fn fn; /* NULL = nothing happens */
    void *user;
    const char *what;
    uint64_t total;
    uint64_t last_ns; /* 0 = not called yet */
    bool cancelled;
} oa__progress;

int oa__progress_poll(oa__progress *p, uint64_t done);

/* --- strings (str.c, utf8.c, num.c) ------------------------------------------------------- */

/* A growing byte string; `data` is always NUL-terminated once something was added. After a failed
 * call the contents are as before. Zero-initialise with {.mem = mem}. */
typedef struct oa__str {
    oa__mem *mem;
    char *data;
    size_t len, cap;
    size_t max; /* most bytes allowed, 0 = no limit; beyond it OA_ELIMIT */
} oa__str;

int oa__str_add(oa__str *s, const char *data, size_t len);
int oa__str_add_z(oa__str *s, const char *z);
int oa__str_add_char(oa__str *s, char c);
int oa__str_add_utf8(oa__str *s, uint32_t codepoint);
int oa__str_addf(oa__str *s, const char *fmt, ...) OA__PRINTF(2, 3); /* no floats: locale */
void oa__str_free(oa__str *s);

/* Copy out through (buf, buf_size, len): the convention of every public copy function. buf_size 0
 * only reports; too small is OA_ELIMIT and writes nothing but *out_len. Adds a NUL. */
int oa__copy_out(const char *data, size_t len, char *buf, size_t buf_size, size_t *out_len);

/* Decode one code point at text[0..len), len >= 1. Returns the bytes taken, at least 1, and sets
 * *cp; an invalid part gives U+FFFD and its maximal length (Unicode 15, table 3-8). */
size_t oa__utf8_decode(const char *text, size_t len, uint32_t *cp);
size_t oa__utf8_encode(uint32_t cp, char out[4]); /* returns 1 to 4 */
bool oa__utf8_valid(const char *text, size_t len);
/* How many bytes at the end of text are the beginning of a character that is not complete yet
 * (0 to 3). */
size_t oa__utf8_incomplete_tail(const char *text, size_t len);

/* Numbers without locale. Both take the whole of text, else OA_EINVAL. */
int oa__parse_i64(const char *text, size_t len, int64_t *out);
int oa__parse_u64(const char *text, size_t len, uint64_t *out);
int oa__parse_f64(const char *text, size_t len, double *out);
/* Shortest text that reads back as the same double, as Python's repr writes it ("0.1", "1e+16",
 * "1.0" with force_point). Returns the length; buf of 32 bytes suffices. */
size_t oa__format_f64(double v, bool force_point, char buf[32]);

/* FNV-1a, for hash tables and for checksums of results. Seed with OA__FNV_BASIS. */
#define OA__FNV_BASIS 0xcbf29ce484222325u
uint64_t oa__fnv1a(uint64_t seed, const void *data, size_t size);
/* CRC-32C (Castagnoli), for files. Start with 0. */
uint32_t oa__crc32c(uint32_t crc, const void *data, size_t size);

/* --- files (file_*.c, folder.c, path.c, dl.c) ------------------------------------------------ */

/* A read-only view of a whole file, mapped or read. */
typedef struct oa__map {
    const uint8_t *data;
    size_t size;
    oa__mem *mem; /* account */
    bool mapped;
} oa__map;

/* The file is mapped, or read when no_mmap. Directories, pipes and empty files are OA_EFORMAT
 * ("is a directory", ...). Charged to mem. */
int oa__map_open(oa__map *map, oa__mem *mem, const char *path, bool no_mmap);
void oa__map_close(oa__map *map);
/* Tell the system that a part was used for the last time; it may take the pages back. */
void oa__map_drop(const oa__map *map, size_t offset, size_t size);

/* A file that appears under its name when it is complete: written beside it, fsync, rename. */
typedef struct oa__file_out oa__file_out;
int oa__file_out_open(oa__file_out **out, oa__mem *mem, const char *path);
int oa__file_out_write(oa__file_out *f, const void *data, size_t size);
int oa__file_out_commit(oa__file_out *f);   /* frees f, on failure too */
void oa__file_out_abandon(oa__file_out *f); /* frees f and removes the part; NULL is fine */

/* A file that is made in several goes: "<path>.partial" keeps what came so far, across processes
 * and crashes, until it takes its name. One process at a time has it (OA_EBUSY for the others; a
 * process that ends gives it up however it ends). */
typedef struct oa__file_part oa__file_part;
int oa__file_part_open(oa__file_part **out, oa__mem *mem, const char *path);
const char *oa__file_part_path(const oa__file_part *f); /* with ".partial" */
int oa__file_part_size(const oa__file_part *f, uint64_t *size);
/* Fewer bytes than asked for, or none, at its end. */
int oa__file_part_read(oa__file_part *f, uint64_t offset, void *buf, size_t size, size_t *got);
int oa__file_part_write(oa__file_part *f, uint64_t offset, const void *data, size_t size);
int oa__file_part_cut(oa__file_part *f, uint64_t size);
int oa__file_part_sync(oa__file_part *f);
int oa__file_part_commit(oa__file_part *f); /* fsync, rename; frees f, on failure too */
/* All of it at once: these bytes are the file. Frees f, on failure too. */
int oa__file_part_replace(oa__file_part *f, const void *data, size_t size);
void oa__file_part_close(oa__file_part *f);  /* frees f, what came stays; NULL is fine */
void oa__file_part_remove(oa__file_part *f); /* frees f and removes what came; NULL is fine */

/* A file of any size from its beginning to its end; *got 0 is the end. */
typedef struct oa__file_in oa__file_in;
int oa__file_in_open(oa__file_in **out, oa__mem *mem, const char *path);
int oa__file_in_read(oa__file_in *f, void *buf, size_t size, size_t *got);
void oa__file_in_close(oa__file_in *f); /* NULL is fine */

/* What lies under a path, links followed. */
typedef struct oa__file_info {
    bool is_file, is_folder;
    uint64_t size; /* of a file */
    uint64_t mtime_ns;
} oa__file_info;
int oa__file_stat(const char *path, oa__file_info *info);
int oa__file_remove(const char *path);
int oa__dir_make(oa__mem *mem, const char *path); /* with all above it; fine when it is there */
int oa__dir_remove(const char *path);             /* an empty one */
int oa__disk_free(const char *path, uint64_t *size);

/* Read a whole file of at most max bytes into *out (NUL added, free with oa__free). */
int oa__file_read(oa__mem *mem, const char *path, size_t max, char **out, size_t *len);
bool oa__file_exists(const char *path);
bool oa__is_folder(const char *path);
bool oa__file_same(const char *a, const char *b); /* both are there, and are one file */
/* Call fn for each name in a folder, sorted bytewise; OA_ENOTFOUND when there is none. */
int oa__dir_list(oa__mem *mem, const char *path, int (*fn)(const char *name, void *arg), void *arg);
/* Environment variable or NULL; the one place that reads it. */
const char *oa__env(const char *name);
/* A shared library of the system by its soname, loaded for good; NULL when it is not there. */
void *oa__lib_open(const char *soname);
void *oa__lib_find(void *lib, const char *name); /* or NULL */

/* --- threads (pool.c, lock.c) -------------------------------------------------------------- */

typedef struct oa__lock {
    _Atomic uint32_t state;
} oa__lock; /* futex mutex; zero = open */
void oa__lock_take(oa__lock *l);
bool oa__lock_try(oa__lock *l);
void oa__lock_drop(oa__lock *l);

/* A pool of n_threads workers, the caller counted as one. */
typedef struct oa__pool oa__pool;
int oa__pool_new(oa__pool **out, oa__mem *mem, uint32_t n_threads);
void oa__pool_free(oa__pool *pool);
uint32_t oa__pool_size(const oa__pool *pool);
uint32_t oa__cpu_count(void); /* processors that this process may run on */

/* Run fn(arg, task, worker) for every task in [0, n_tasks), in any order, on the pool's threads
 * and the calling one, and return when all are done. worker is in [0, oa__pool_size()). Tasks
 * are handed out one by one, so a slow thread holds nobody up for longer than one task. When the
 * pool is busy with another caller's job, or pool is NULL, the caller does all tasks itself as
 * worker 0: results must never depend on who does what. fn must not fail or allocate. */
typedef void (*oa__task_fn)(void *arg, size_t task, uint32_t worker);
void oa__pool_run(oa__pool *pool, oa__task_fn fn, void *arg, size_t n_tasks);

/* --- cpu (cpu.c) --------------------------------------------------------------------------- */

#define OA__CPU_AVX2 1u       /* AVX2, FMA, F16C, and the system saves ymm */
#define OA__CPU_AVX512VNNI 2u /* AVX-512 F BW VL DQ VNNI, and the system saves zmm */
#define OA__CPU_NEON 4u       /* 64-bit ARM */
#define OA__CPU_DOTPROD 8u    /* and its int8 dot product */

unsigned oa__cpu_flags(void); /* what the machine has */
/* Turn an oa_model_opts::cpu value into flags that the kernels may use: BEST = all the machine
 * has, capped by the environment variable OA_CPU ("c", "avx2", "avx512vnni", "neon", "dotprod").
 * The tiers of a processor family are nested; a cap of another family leaves C. OA_EUNSUPPORTED
 * when a tier was asked for by value and the machine lacks it; OA_EINVAL for an unknown word or
 * number. */
int oa__cpu_select(uint32_t cpu, unsigned *flags, uint32_t *tier /* enum oa_cpu */);
const char *oa__cpu_tier_name(uint32_t tier);

/* --- clock (clock.c) ----------------------------------------------------------------------- */

uint64_t oa__clock_ns(void);     /* monotonic */
uint64_t oa__clock_wall_s(void); /* seconds since 1970, for strftime_now */
/* What local time is ahead of UTC at that time, in seconds; 0 where it is not known. */
int32_t oa__clock_offset_s(uint64_t wall_s);
void oa__clock_sleep(uint64_t ns);

/* --- random (random.c) --------------------------------------------------------------------- */

/* xoshiro256** (Blackman and Vigna 2018), seeded by splitmix64: the same numbers everywhere. */
typedef struct oa__random {
    uint64_t s[4];
} oa__random;
void oa__random_seed(oa__random *r, uint64_t seed);
uint64_t oa__random_u64(oa__random *r);
double oa__random_f64(oa__random *r);                 /* [0, 1), 53 bits */
uint64_t oa__random_below(oa__random *r, uint64_t n); /* [0, n), unbiased, n >= 1 */
uint64_t oa__random_os(void);                         /* from the system, for default seeds */

/* --- maths (math.c) ------------------------------------------------------------------------ */

/* Double-precision functions of our own: the same bits on every machine and C library. For
 * tables and sampling, not for hot loops. Relative error below 4e-16 over the range that the
 * library uses (checked by tests/base/math.c). */
double oa__math_exp(double x);
double oa__math_log(double x);
double oa__math_pow(double x, double y); /* x > 0 */
double oa__math_sin(double x);           /* |x| < 2^40, else NaN */
double oa__math_cos(double x);

/* Between these the thread computes as the worker threads do: rounding to nearest, denormals as
 * they are, no traps. Afterwards the environment is the caller's again, flags included. */
typedef fenv_t oa__fp;
void oa__fp_enter(oa__fp *callers);
void oa__fp_leave(const oa__fp *callers);

/* IEEE half and bfloat conversions, round to nearest even, NaN kept quiet. Same bits as F16C. */
float oa__f16_to_f32(uint16_t h);
uint16_t oa__f32_to_f16(float f);
float oa__bf16_to_f32(uint16_t h);
uint16_t oa__f32_to_bf16(float f);

#endif
