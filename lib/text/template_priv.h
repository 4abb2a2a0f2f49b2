/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Inside of the chat template interpreter: types that its files share. Nobody else includes this.
 *
 * The way of a render: template.c makes a `tmpl`; template_lex.c and template_parse.c turn the
 * text into nodes; template_exec.c runs statements and template_eval.c expressions over values
 * (template_value.c); the text that results is copied out at the end.
 *
 * Invariants
 *  1. Everything lives in the arena of one render and is freed at once; nothing is freed earlier,
 *     so values share memory freely (a slice points into the string it came from).
 *  2. Values never change once others can see them. Exceptions: namespaces, and the positions of
 *     iterators, loops, cyclers and joiners.
 *  3. Every loop over data that a template can make long charges steps, and every recursion goes
 *     through oa__tmpl_enter, so time and stack have a bound.
 *  4. Functions return OA_OK or a code whose text is set and begins "chat template line N: ".
 *  5. Strings are valid UTF-8; positions that templates see count code points.
 */
#ifndef OA_TEXT_TEMPLATE_PRIV_H
#define OA_TEXT_TEMPLATE_PRIV_H

#include "text/text.h"

/* --- limits ----------------------------------------------------------------------------------- */

enum {
    OA__TMPL_DEPTH = 600,     /* nested evaluation: expressions, statements, macros, values */
    OA__TMPL_NESTING = 150,   /* nested brackets and blocks in the text */
    OA__TMPL_RANGE = 100000,  /* longest range(), as jinja2's sandbox has it */
    OA__TMPL_JSON_DEPTH = 200 /* nested values in variables_json */
};
#define OA__TMPL_MEMORY ((size_t)512 << 20)    /* bytes of arena per render */
#define OA__TMPL_MAX_OUTPUT ((size_t)64 << 20) /* default */
#define OA__TMPL_MAX_STEPS UINT64_C(10000000)  /* default */

/* --- values ----------------------------------------------------------------------------------- */

typedef struct tmpl tmpl;
typedef struct tnode tnode;
typedef struct tscope tscope;
typedef struct tval tval;

enum tval_type {
    T_MISSING, /* inside only: an argument that was not given, an absent key */
    T_UNDEF,
    T_NONE,
    T_BOOL,
    T_INT,
    T_FLOAT,
    T_STR,
    T_LIST,
    T_TUPLE,
    T_DICT,
    T_RANGE,
    T_VIEW, /* what keys(), values() and items() of a dict give */
    T_ITER, /* a lazy sequence that can be read once: what map, select ... give */
    T_NS,   /* namespace() */
    T_LOOP,
    T_MACRO,
    T_METHOD, /* a method bound to its object */
    T_FUNC,   /* a global function */
    T_CYCLER,
    T_JOINER
};

/* A string buffer that several strings share; it may grow behind the longest one. */
typedef struct tbuf {
    char *data;
    size_t len, cap;
} tbuf;

typedef struct tstr {
    const char *s;
    size_t len;  /* bytes */
    size_t n_cp; /* code points, SIZE_MAX = not counted yet */
    tbuf *buf;   /* where s lies, when it can be appended to in place; else NULL */
} tstr;

typedef struct tlist {
    tval *items;
    size_t len;
} tlist;

typedef struct tdict tdict;
typedef struct tundef tundef;
typedef struct titer titer;
typedef struct tloop tloop;
typedef struct tmacro tmacro;
typedef struct tmethod tmethod;
typedef struct trange trange;
typedef struct tcycler tcycler;

struct tval {
    uint8_t type; /* enum tval_type */
    uint8_t flag; /* T_STR: 1 = marked safe; T_TUPLE: 1 = a group of groupby */
    uint16_t pad;
    uint32_t sub; /* T_FUNC: which; T_VIEW: 0 keys, 1 values, 2 items */
    union {
        int64_t i; /* T_BOOL, T_INT */
        double f;
        tstr *s;
        tlist *l;
        tdict *d; /* T_DICT, T_NS, T_VIEW */
        trange *r;
        titer *it;
        tloop *loop;
        tmacro *macro;
        tmethod *m;
        tundef *u;
        tcycler *cy;
        void *p;
    } u;
};

struct trange {
    int64_t start, stop, step;
    int64_t len;
};

struct tundef {
    enum { UNDEF_NAME, UNDEF_MEMBER, UNDEF_HINT, UNDEF_UNSAFE } kind;
    const char *hint; /* UNDEF_HINT: the whole message */
    uint8_t obj_type; /* UNDEF_MEMBER and UNSAFE: enum tval_type of the object */
    tval name;        /* what was asked for */
};

typedef struct tdent {
    tval key, val;
    uint64_t hash;
} tdent;

/* Insertion order, as Python's. */
struct tdict {
    tdent *ents;
    size_t len, cap;
    uint32_t *index; /* open addressing, entry + 1; NULL while small */
    size_t index_cap;
};

struct tcycler {
    tlist items;
    size_t pos;
};

/* --- names and scopes ------------------------------------------------------------------------- */

/* An interned name with its value at the top level of the template. */
typedef struct tatom {
    tstr str;
    uint64_t hash;
    struct tatom *next; /* in the bucket */
    tval root;          /* set by the template or given by the caller; T_MISSING = none */
} tatom;

typedef struct tvar {
    const tatom *name;
    tval val; /* T_MISSING: undefined here, whatever the scopes around have */
} tvar;

struct tscope {
    tscope *parent; /* NULL: the top level, whose variables are in the atoms */
    tvar *vars;
    uint32_t len, cap;
    bool captured; /* a macro or lazy filter keeps it: don't reuse */
};

/* --- nodes ------------------------------------------------------------------------------------ */

enum tnode_kind {
    /* statements */
    S_TEXT,
    S_OUT,
    S_IF,
    S_FOR,
    S_SET,
    S_SET_BLOCK,
    S_MACRO,
    S_CALL,
    S_FILTER,
    S_WITH,
    S_SCOPE,
    S_BREAK,
    S_CONTINUE,
    /* expressions */
    E_CONST,
    E_NAME,
    E_ATTR,
    E_ITEM,
    E_SLICE,
    E_CALL,
    E_FILTER,
    E_TEST,
    E_NOT,
    E_NEG,
    E_POS,
    E_AND,
    E_OR,
    E_COND,
    E_CMP,
    E_MATH,
    E_CONCAT,
    E_LIST,
    E_TUPLE,
    E_DICT,
    E_NSREF
};

enum tnode_op {
    OP_ADD,
    OP_SUB,
    OP_MUL,
    OP_DIV,
    OP_FLOORDIV,
    OP_MOD,
    OP_POW,
    OP_EQ,
    OP_NE,
    OP_LT,
    OP_LE,
    OP_GT,
    OP_GE,
    OP_IN,
    OP_NOTIN
};

/* Arguments as written. */
typedef struct targs {
    tnode **pos;
    uint32_t n_pos;
    uint32_t n_kw;
    const tatom **kw_names; /* (n_kw) */
    tnode **kw;             /* (n_kw) */
    tnode *dyn_args, *dyn_kwargs;
} targs;

struct tnode {
    uint8_t kind; /* enum tnode_kind */
    uint8_t flag;
    uint16_t id; /* E_FILTER, E_TEST: index in the table */
    uint32_t line;
    uint32_t n_kids;
    tnode **kids;
    const uint8_t *ops; /* E_MATH, E_CMP: (n_kids - 1), ops[i] stands between kid i and i + 1 */
    const tatom *name;
    const targs *args;
    tnode *a, *b, *c;     /* what they are: see the functions that make the kinds */
    const tatom **hidden; /* S_SCOPE as the body of a scope: its own names, see template_scope.c */
    uint32_t n_hidden;
    tval value; /* E_CONST, S_TEXT */
};

enum { MACRO_VARARGS = 1, MACRO_KWARGS = 2, MACRO_CALLER = 4, MACRO_HAS_CALLER_PARAM = 8 };

struct tmacro {
    const tnode *node; /* S_MACRO or S_CALL: kids = body, args->pos = names, args->kw = defaults */
    tscope *scope;     /* where it was defined */
};

struct tmethod {
    tval self;
    uint16_t id;
};

/* Arguments with their values. */
typedef struct tcall {
    const tval *pos;
    size_t n_pos;
    const tdict *kw; /* NULL = none; keys are strings */
} tcall;

enum titer_kind {
    IT_EMPTY,
    IT_LIST,
    IT_STR,
    IT_RANGE,
    IT_DICT,
    IT_VIEW,
    IT_REVERSED,
    IT_MAP,
    IT_ATTR,
    IT_SELECT,
    IT_UNIQUE,
    IT_BATCH,
    IT_SLICE,
    IT_LOOP_IF,
    IT_LOOP,
    IT_GUARDED
};

struct titer {
    uint8_t kind;
    bool done;
    bool reject;  /* IT_SELECT */
    bool by_attr; /* IT_SELECT: test an attribute of the item; IT_UNIQUE: case sensitive */
    int32_t id;   /* IT_MAP: filter, IT_SELECT: test; -1 = none given */
    int64_t pos;
    tval src;      /* what is iterated */
    titer *in;     /* IT_MAP ... : where items come from, opened on first use */
    tval attr;     /* attribute path, or T_MISSING */
    tval fallback; /* IT_ATTR: default; IT_BATCH and IT_SLICE: fill */
    tcall call;
    int64_t count;     /* IT_BATCH, IT_SLICE */
    tdict *seen;       /* IT_UNIQUE */
    const tnode *node; /* IT_LOOP_IF */
    tscope *scope;
    const char *err; /* IT_GUARDED: the message of the first use */
};

struct tloop {
    titer *it;
    tval src;
    const tnode *node;
    tscope *scope; /* around the loop, for recursive ones */
    int64_t index0;
    int64_t length; /* -1 = not known yet */
    int64_t depth0;
    tval before, current, after, changed; /* T_MISSING = none */
    bool exhausted;
};

/* --- the render ------------------------------------------------------------------------------- */

typedef struct tchunk {
    struct tchunk *next;
} tchunk;

/* A growing output; data in the arena. */
typedef struct tout {
    char *data;
    size_t len, cap;
} tout;

enum tflow { FLOW_NEXT, FLOW_BREAK, FLOW_CONTINUE };

struct tmpl {
    oa__mem *mem;
    tchunk *chunks;
    char *free_at, *free_end;
    size_t arena_size, next_chunk;

    tatom **atoms; /* buckets */
    size_t n_atoms, atoms_cap;

    uint32_t line; /* of what runs now, for messages */
    uint32_t depth;
    uint64_t steps, max_steps;
    bool over_limit; /* the last failed allocation hit the arena limit */
    size_t max_output;
    uint64_t now_s;
    int32_t utc_offset_s;
    const oa__vocab *vocab; /* what special_token() asks, and guards are for; NULL = nothing */
    bool guard;             /* texts of variables get guards */

    tout *out;
    tscope *scope; /* NULL = top level */
    enum tflow flow;

    const tstr *empty;
    tstr *ascii[128]; /* one-character strings, made on demand */
};

/* --- template_arena.c ------------------------------------------------------------------------- */

void *oa__tmpl_alloc(tmpl *t, size_t size); /* zeroed, 16-aligned; NULL with the text set */
void *oa__tmpl_alloc_array(tmpl *t, size_t n, size_t elem_size);
void oa__tmpl_free_arena(tmpl *t);
/* Grow an array in the arena; the old one stays as garbage. */
int oa__tmpl_grow(tmpl *t, void **array, size_t *cap, size_t need, size_t elem_size);
const tatom *oa__tmpl_atom(tmpl *t, const char *s, size_t len);
int oa__tmpl_out_add(tmpl *t, tout *o, const char *s, size_t len);
int oa__tmpl_out_addf(tmpl *t, tout *o, const char *fmt, ...) OA__PRINTF(3, 4);

/* OA_ETEMPLATE with "chat template line N: " before the text. */
int oa__tmpl_fail(tmpl *t, const char *fmt, ...) OA__PRINTF(2, 3);
int oa__tmpl_fail_at(uint32_t line, const char *fmt, ...) OA__PRINTF(2, 3);
int oa__tmpl_limit(tmpl *t, const char *fmt, ...) OA__PRINTF(2, 3); /* OA_ELIMIT */
int oa__tmpl_nomem(tmpl *t); /* the code of a failed allocation: OA_ENOMEM or OA_ELIMIT */
int oa__tmpl_charge(tmpl *t, uint64_t steps);
/* For a filter or method: one step, and one for every 64 bytes of text that it gets. */
int oa__tmpl_charge_call(tmpl *t, tval self, const tcall *call);
/* One level of recursion; leave only after a successful enter. */
int oa__tmpl_enter(tmpl *t);
static inline void oa__tmpl_leave(tmpl *t)
{
    t->depth--;
}

/* --- template_parse.c, template_expr.c -------------------------------------------------------- */

/* Text to a list of statements in one S_SCOPE node. */
int oa__tmpl_parse(tmpl *t, const char *text, size_t len, tnode **out);

/* --- template_scope.c ------------------------------------------------------------------------- */

int oa__tmpl_find_hidden(tmpl *t, tnode *root);

/* --- template_value.c ------------------------------------------------------------------------- */

static inline tval oa__tmpl_none(void)
{
    return (tval){.type = T_NONE};
}
static inline tval oa__tmpl_missing(void)
{
    return (tval){.type = T_MISSING};
}
static inline tval oa__tmpl_bool(bool b)
{
    return (tval){.type = T_BOOL, .u.i = b};
}
static inline tval oa__tmpl_int(int64_t i)
{
    return (tval){.type = T_INT, .u.i = i};
}
static inline tval oa__tmpl_float(double f)
{
    return (tval){.type = T_FLOAT, .u.f = f};
}
static inline bool oa__tmpl_is_int(tval v) /* booleans are integers, as in Python */
{
    return v.type == T_INT || v.type == T_BOOL;
}
static inline bool oa__tmpl_is_number(tval v)
{
    return v.type == T_INT || v.type == T_BOOL || v.type == T_FLOAT;
}

int oa__tmpl_str(tmpl *t, const char *s, size_t len, tval *out);      /* shares s */
int oa__tmpl_str_copy(tmpl *t, const char *s, size_t len, tval *out); /* copies */
int oa__tmpl_str_z(tmpl *t, const char *z, tval *out);                /* shares z */
int oa__tmpl_str_out(tmpl *t, const tout *o, tval *out);              /* takes over o's data */
int oa__tmpl_str_cat(tmpl *t, tstr *a, const char *s, size_t len, tval *out);
size_t oa__tmpl_str_len(tstr *s); /* code points */
/* Byte offset of a code point; at >= length gives the byte length. */
size_t oa__tmpl_str_offset(tmpl *t, tstr *s, size_t at);

int oa__tmpl_list(tmpl *t, enum tval_type type, size_t n, tval *out); /* n empty places */
typedef struct tvec {
    tval *items;
    size_t len, cap;
} tvec;
int oa__tmpl_vec_add(tmpl *t, tvec *v, tval x);
int oa__tmpl_vec_done(tmpl *t, enum tval_type type, const tvec *v, tval *out);

int oa__tmpl_dict(tmpl *t, tval *out);
int oa__tmpl_dict_set(tmpl *t, tdict *d, tval key, tval val);
/* T_MISSING when absent; unhashable keys fail. */
int oa__tmpl_dict_get(tmpl *t, const tdict *d, tval key, tval *out);
tval oa__tmpl_dict_get_str(const tdict *d, const char *s, size_t len);

int oa__tmpl_undef_name(tmpl *t, const tstr *name, tval *out);
int oa__tmpl_undef_member(tmpl *t, tval obj, tval name, bool unsafe, tval *out);
int oa__tmpl_undef_hint(tmpl *t, const char *hint, tval *out);
int oa__tmpl_undef_fail(tmpl *t, tval v); /* fails with the message of an undefined value */

const char *oa__tmpl_type_name(uint8_t type);
bool oa__tmpl_truth(tval v);
int oa__tmpl_hash(tmpl *t, tval v, uint64_t *out);
int oa__tmpl_equal(tmpl *t, tval a, tval b, bool *out);
int oa__tmpl_less(tmpl *t, tval a, tval b, enum tnode_op op, bool *out); /* LT LE GT GE */
int oa__tmpl_contains(tmpl *t, tval box, tval item, bool *out);
bool oa__tmpl_same(tval a, tval b);
int oa__tmpl_size(tmpl *t, tval v, size_t *out); /* len() */
bool oa__tmpl_has_size(tval v);
bool oa__tmpl_iterable(tval v);

/* --- template_repr.c -------------------------------------------------------------------------- */

int oa__tmpl_add_str(tmpl *t, tout *o, tval v);  /* str() */
int oa__tmpl_add_repr(tmpl *t, tout *o, tval v); /* repr() */
int oa__tmpl_to_str(tmpl *t, tval v, tval *out); /* T_STR; strings come back as they are */

/* --- template_json.c -------------------------------------------------------------------------- */

int oa__tmpl_tojson(tmpl *t, tval v, const tcall *call, tval *out);
/* Set the members of a JSON object as variables. */
int oa__tmpl_load_json(tmpl *t, const char *json);

/* --- template_iter.c -------------------------------------------------------------------------- */

int oa__tmpl_iter(tmpl *t, tval v, titer **out);
/* *out is T_MISSING at the end. */
int oa__tmpl_next(tmpl *t, titer *it, tval *out);
int oa__tmpl_lazy(tmpl *t, enum titer_kind kind, tval src, titer **it, tval *out);
int oa__tmpl_to_vec(tmpl *t, tval v, tvec *out); /* all items */

/* --- template_member.c ------------------------------------------------------------------------ */

int oa__tmpl_get_attr(tmpl *t, tval obj, tval name, tval *out); /* obj.name */
int oa__tmpl_get_item(tmpl *t, tval obj, tval key, tval *out);  /* obj[key] */
int oa__tmpl_get_slice(tmpl *t, tval obj, tval start, tval stop, tval step, tval *out);
/* "a.b.0" as filters take it. */
int oa__tmpl_get_path(tmpl *t, tval obj, tval path, tval fallback, tval *out);
int oa__tmpl_loop_attr(tmpl *t, tloop *loop, const tstr *name, tval *out);

/* --- template_method.c ------------------------------------------------------------------------ */

int oa__tmpl_method_find(uint8_t type, const tstr *name); /* -1 = no such method */
const char *oa__tmpl_method_name(int id);
bool oa__tmpl_method_unsafe(int id); /* would change its object: the sandbox refuses it */
int oa__tmpl_method_call(tmpl *t, int id, tval self, const tcall *call, tval *out);

/* --- template_op.c ---------------------------------------------------------------------------- */

int oa__tmpl_math(tmpl *t, enum tnode_op op, tval a, tval b, tval *out);
int oa__tmpl_negate(tmpl *t, tval a, bool plus, tval *out);
int oa__tmpl_repeat(tmpl *t, tval seq, int64_t n, tval *out);
int oa__tmpl_percent(tmpl *t, tval fmt, tval args, tval *out); /* "..." % args */

/* --- template_format.c ------------------------------------------------------------------------ */

int oa__tmpl_str_format(tmpl *t, tstr *fmt, const tcall *call, tval *out); /* str.format */
int oa__tmpl_strftime(tmpl *t, tval fmt, tval *out);

/* --- template_eval.c, template_exec.c --------------------------------------------------------- */

int oa__tmpl_eval(tmpl *t, const tnode *n, tval *out);
int oa__tmpl_call(tmpl *t, tval fn, const tcall *call, tval *out);
int oa__tmpl_args(tmpl *t, const targs *args, tcall *out);
int oa__tmpl_run(tmpl *t, const tnode *root); /* what oa__tmpl_parse gave */
int oa__tmpl_exec(tmpl *t, tnode *const *body, uint32_t n);
int oa__tmpl_macro_call(tmpl *t, tmacro *m, const tcall *call, tval *out);
int oa__tmpl_loop_call(tmpl *t, tloop *loop, const tcall *call, tval *out);
int oa__tmpl_assign(tmpl *t, const tnode *target, tval v);
int oa__tmpl_scope_set(tmpl *t, const tatom *name, tval v);
int oa__tmpl_scope_push(tmpl *t, tscope *parent, tscope **out);
void oa__tmpl_capture_scope(tscope *s);
int oa__tmpl_lookup(tmpl *t, const tatom *name, tval *out);

/* --- template_func.c -------------------------------------------------------------------------- */

int oa__tmpl_set_globals(tmpl *t, bool named); /* named: a built-in template runs */
bool oa__tmpl_is_named(const char *text);
const char *oa__tmpl_func_name(uint32_t id);
int oa__tmpl_func_call(tmpl *t, uint32_t id, const tcall *call, tval *out);
/* Put arguments into named places: vals[i] stays T_MISSING when not given. `names` ends with
 * NULL; the first `n_required` must be there. `first` is the self of filters, in place 0. */
int oa__tmpl_bind(tmpl *t, const char *what, const tcall *call, const char *const *names,
                  size_t n_required, tval *vals);

/* --- template_filter.c, template_filter_seq.c, template_test.c -------------------------------- */

typedef int (*oa__tmpl_filter_fn)(tmpl *t, tval in, const tcall *call, tval *out);
typedef struct tfilter {
    const char *name;
    oa__tmpl_filter_fn fn;
} tfilter;

int oa__tmpl_filter_find(const char *name, size_t len); /* -1 = unknown */
int oa__tmpl_filter_call(tmpl *t, int id, tval in, const tcall *call, tval *out);
extern const tfilter oa__tmpl_filters_text[], oa__tmpl_filters_seq[]; /* end with a NULL name */
/* For HTML; a string that is marked safe stays as it is unless `again`. */
int oa__tmpl_escape(tmpl *t, tval in, bool again, tval *out);
int oa__tmpl_wordwrap(tmpl *t, tval in, const tcall *call, tval *out); /* template_filter_rare.c */
int oa__tmpl_xmlattr(tmpl *t, tval in, const tcall *call, tval *out);
int oa__tmpl_test_find(const char *name, size_t len);
int oa__tmpl_test_call(tmpl *t, int id, tval in, const tcall *call, bool *out);

/* --- template_text.c: Unicode as Python sees it ----------------------------------------------- */

bool oa__tmpl_is_space(uint32_t cp);
bool oa__tmpl_is_printable(uint32_t cp);
/* Unicode data (template_case.c). */
typedef struct tspecial {
    uint32_t cp;
    uint32_t upper[3], title[3]; /* 0 = no more */
} tspecial;
extern const tspecial oa__tmpl_special_case[];
extern const size_t oa__tmpl_n_special_case;
extern const uint32_t oa__tmpl_other_lower[][2], oa__tmpl_other_upper[][2];
extern const size_t oa__tmpl_n_other_lower, oa__tmpl_n_other_upper;
enum tcase { CASE_UPPER, CASE_LOWER, CASE_TITLE, CASE_CAPITAL, CASE_SWAP, CASE_FOLD };
int oa__tmpl_case(tmpl *t, const tstr *s, enum tcase how, tval *out);
enum tclass {
    CLASS_ALPHA,
    CLASS_DIGIT,
    CLASS_DECIMAL,
    CLASS_NUMERIC,
    CLASS_ALNUM,
    CLASS_SPACE,
    CLASS_LOWER,
    CLASS_UPPER,
    CLASS_TITLE,
    CLASS_ASCII,
    CLASS_PRINTABLE,
    CLASS_IDENTIFIER
};
bool oa__tmpl_is_class(const tstr *s, enum tclass c);
bool oa__tmpl_is_word(uint32_t cp); /* \w */
/* sides: 1 left, 2 right; chars NULL = white space. Shares memory. */
int oa__tmpl_strip(tmpl *t, const tstr *s, const tstr *chars, int sides, tval *out);
/* Next occurrence of needle at or after byte `from`, or SIZE_MAX. Linear time. */
size_t oa__tmpl_find(const tstr *s, const tstr *needle, size_t from);
int oa__tmpl_replace(tmpl *t, const tstr *s, const tstr *from, const tstr *to, int64_t count,
                     tval *out);
int oa__tmpl_splitlines(tmpl *t, const tstr *s, bool keep_ends, tval *out);
int oa__tmpl_to_int(tmpl *t, const tstr *s, int base, bool *ok, int64_t *out); /* int("...") */
bool oa__tmpl_to_float(tmpl *t, const tstr *s, double *out);                   /* float("...") */
/* %.*f, %.*e, %.*g without locale. conv: 'f' 'e' 'g' 'F' 'E' 'G'. buf gets at most cap. */
int oa__tmpl_fixed(tmpl *t, double v, char conv, int prec, bool alt, tout *o);

#endif
