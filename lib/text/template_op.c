/* SPDX-License-Identifier: Apache-2.0 */
/* Arithmetic as in Python; integers have 64 bits here, and what does not fit is an error. */
#include "text/template_priv.h"

#include <math.h>
#include <string.h>

static const char *const op_names[] = {"+", "-", "*", "/", "//", "%", "**"};

static int too_large(tmpl *t)
{
    return oa__tmpl_fail(t, "integer does not fit 64 bits");
}

static int no_op(tmpl *t, enum tnode_op op, tval a, tval b)
{
    return oa__tmpl_fail(t, "unsupported operand type(s) for %s: '%s' and '%s'", op_names[op],
                         oa__tmpl_type_name(a.type), oa__tmpl_type_name(b.type));
}

/* base ** exp with exp >= 0, by squaring. */
static int int_pow(tmpl *t, int64_t base, int64_t exp, tval *out)
{
    int64_t r = 1;
    while (exp > 0) {
        if ((exp & 1) && __builtin_mul_overflow(r, base, &r)) return too_large(t);
        exp >>= 1;
        if (exp > 0 && __builtin_mul_overflow(base, base, &base)) return too_large(t);
    }
    *out = oa__tmpl_int(r);
    return OA_OK;
}

static int int_math(tmpl *t, enum tnode_op op, int64_t a, int64_t b, tval *out)
{
    int64_t r;
    switch (op) {
    case OP_ADD:
        if (__builtin_add_overflow(a, b, &r)) return too_large(t);
        break;
    case OP_SUB:
        if (__builtin_sub_overflow(a, b, &r)) return too_large(t);
        break;
    case OP_MUL:
        if (__builtin_mul_overflow(a, b, &r)) return too_large(t);
        break;
    case OP_FLOORDIV:
    case OP_MOD: {
        if (b == 0) {
            return oa__tmpl_fail(t, op == OP_MOD ? "integer modulo by zero"
                                                 : "integer division or modulo by zero");
        }
        if (b == -1) { /* INT64_MIN / -1 */
            if (op == OP_FLOORDIV && a == INT64_MIN) return too_large(t);
            r = op == OP_MOD ? 0 : -a;
            break;
        }
        int64_t q = a / b, m = a % b;
        if (m != 0 && (m < 0) != (b < 0)) {
            q--;
            m += b;
        }
        r = op == OP_MOD ? m : q;
        break;
    }
    default:
        oa__assert(op == OP_POW);
        return int_pow(t, a, b, out);
    }
    *out = oa__tmpl_int(r);
    return OA_OK;
}

/* C's pow() where one of the numbers is zero or not finite; x is not 1 and y not 0. */
static double odd_pow(double x, double y)
{
    bool odd = !isinf(y) && fmod(y, 2) != 0 && floor(y) == y;
    if (isnan(x) || isnan(y)) return NAN;
    if (isinf(y)) {
        if (fabs(x) == 1) return 1;
        return (fabs(x) > 1) == (y > 0) ? INFINITY : 0;
    }
    double r = (x == 0) == (y > 0) ? 0 : INFINITY;
    return odd ? copysign(r, x) : r;
}

static int float_pow(tmpl *t, double x, double y, tval *out)
{
    double r;
    bool whole = floor(y) == y;
    if (y == 0 || x == 1) {
        r = 1;
    } else if (x == 0 && y < 0) {
        return oa__tmpl_fail(t, "0.0 cannot be raised to a negative power");
    } else if (isnan(x) || isnan(y) || isinf(x) || isinf(y) || x == 0) {
        r = odd_pow(x, y);
    } else if (whole && fabs(y) <= 64) {
        double p = 1, f = x;
        for (int n = (int)fabs(y); n > 0; n >>= 1, f *= f) {
            if (n & 1) p *= f;
        }
        r = y < 0 ? 1 / p : p;
    } else if (x < 0 && !whole) {
        return oa__tmpl_fail(t, "complex numbers are not supported");
    } else {
        r = oa__math_pow(fabs(x), y);
        if (x < 0 && fmod(y, 2) != 0) r = -r;
    }
    if (isinf(r) && !isinf(x) && !isinf(y)) {
        return oa__tmpl_fail(t, "numerical result out of range");
    }
    *out = oa__tmpl_float(r);
    return OA_OK;
}

static int float_math(tmpl *t, enum tnode_op op, double a, double b, tval *out)
{
    double m;
    if ((op == OP_DIV || op == OP_FLOORDIV || op == OP_MOD) && b == 0) {
        return oa__tmpl_fail(t, op == OP_DIV        ? "float division by zero"
                                : op == OP_FLOORDIV ? "float floor division by zero"
                                                    : "float modulo");
    }
    switch (op) {
    case OP_ADD:
        *out = oa__tmpl_float(a + b);
        return OA_OK;
    case OP_SUB:
        *out = oa__tmpl_float(a - b);
        return OA_OK;
    case OP_MUL:
        *out = oa__tmpl_float(a * b);
        return OA_OK;
    case OP_DIV:
        *out = oa__tmpl_float(a / b);
        return OA_OK;
    case OP_POW:
        return float_pow(t, a, b, out);
    default:
        break;
    }
    m = fmod(a, b);
    double div = (a - m) / b;
    if (m != 0) {
        if ((b < 0) != (m < 0)) {
            m += b;
            div -= 1;
        }
    } else {
        m = copysign(0, b);
    }
    if (op == OP_MOD) {
        *out = oa__tmpl_float(m);
        return OA_OK;
    }
    double q = div == 0 ? copysign(0, a / b) : floor(div);
    if (div != 0 && div - q > 0.5) q += 1;
    *out = oa__tmpl_float(q);
    return OA_OK;
}

static double to_double(tval v)
{
    return v.type == T_FLOAT ? v.u.f : (double)v.u.i;
}

int oa__tmpl_repeat(tmpl *t, tval seq, int64_t n, tval *out)
{
    if (n < 0) n = 0;
    size_t total;
    if (seq.type == T_STR) {
        const tstr *s = seq.u.s;
        if (!oa__mul_size(s->len, (size_t)n, &total) || total > t->max_output) {
            return oa__tmpl_limit(t, "makes more than %zu bytes of text", t->max_output);
        }
        OA__TRY(oa__tmpl_charge(t, total / 64));
        char *p = oa__tmpl_alloc(t, total);
        if (p == NULL) return oa__tmpl_nomem(t);
        if (s->len == 1) {
            memset(p, s->s[0], total);
        } else {
            for (size_t i = 0; i < total; i += s->len)
                memcpy(p + i, s->s, s->len);
        }
        OA__TRY(oa__tmpl_str(t, p, total, out));
        out->flag = seq.flag;
        return OA_OK;
    }
    if (!oa__mul_size(seq.u.l->len, (size_t)n, &total)) total = SIZE_MAX / sizeof(tval);
    OA__TRY(oa__tmpl_list(t, (enum tval_type)seq.type, total, out));
    for (size_t i = 0; i < total; i++)
        out->u.l->items[i] = seq.u.l->items[i % seq.u.l->len];
    return OA_OK;
}

/* Text marked safe takes others in only after escaping them. */
static int add_safe(tmpl *t, tval a, tval b, tval *out)
{
    tcall none = {0};
    int id = oa__tmpl_filter_find("escape", 6);
    if (!a.flag) OA__TRY(oa__tmpl_filter_call(t, id, a, &none, &a));
    if (!b.flag) OA__TRY(oa__tmpl_filter_call(t, id, b, &none, &b));
    OA__TRY(oa__tmpl_str_cat(t, a.u.s, b.u.s->s, b.u.s->len, out));
    out->flag = 1;
    return OA_OK;
}

int oa__tmpl_math(tmpl *t, enum tnode_op op, tval a, tval b, tval *out)
{
    OA__TRY(oa__tmpl_charge(t, 1));
    /* "..." % x formats x, so an undefined value is fine there. */
    if (op == OP_MOD && a.type == T_STR) return oa__tmpl_percent(t, a, b, out);
    if (a.type == T_UNDEF) return oa__tmpl_undef_fail(t, a);
    if (b.type == T_UNDEF) return oa__tmpl_undef_fail(t, b);
    if (oa__tmpl_is_int(a) && oa__tmpl_is_int(b)) {
        if (op == OP_DIV) {
            if (b.u.i == 0) return oa__tmpl_fail(t, "division by zero");
            *out = oa__tmpl_float((double)a.u.i / (double)b.u.i);
            return OA_OK;
        }
        if (op == OP_POW && b.u.i < 0) return float_math(t, op, (double)a.u.i, (double)b.u.i, out);
        return int_math(t, op, a.u.i, b.u.i, out);
    }
    if (oa__tmpl_is_number(a) && oa__tmpl_is_number(b)) {
        return float_math(t, op, to_double(a), to_double(b), out);
    }
    if (op == OP_ADD && a.type == b.type) {
        if (a.type == T_STR && (a.flag || b.flag)) return add_safe(t, a, b, out);
        if (a.type == T_STR) return oa__tmpl_str_cat(t, a.u.s, b.u.s->s, b.u.s->len, out);
        if (a.type == T_LIST || a.type == T_TUPLE) {
            size_t n = a.u.l->len, m = b.u.l->len;
            OA__TRY(oa__tmpl_list(t, (enum tval_type)a.type, n + m, out));
            if (n > 0) memcpy(out->u.l->items, a.u.l->items, n * sizeof(tval));
            if (m > 0) memcpy(out->u.l->items + n, b.u.l->items, m * sizeof(tval));
            return OA_OK;
        }
    }
    if (op == OP_MUL) {
        bool seq_a = a.type == T_STR || a.type == T_LIST || a.type == T_TUPLE;
        bool seq_b = b.type == T_STR || b.type == T_LIST || b.type == T_TUPLE;
        if (seq_a && oa__tmpl_is_int(b)) return oa__tmpl_repeat(t, a, b.u.i, out);
        if (seq_b && oa__tmpl_is_int(a)) return oa__tmpl_repeat(t, b, a.u.i, out);
    }
    if (op == OP_ADD && (a.type == T_STR || a.type == T_LIST || a.type == T_TUPLE)) {
        const char *name = oa__tmpl_type_name(a.type);
        return oa__tmpl_fail(t, "can only concatenate %s (not \"%s\") to %s", name,
                             oa__tmpl_type_name(b.type), name);
    }
    return no_op(t, op, a, b);
}

int oa__tmpl_negate(tmpl *t, tval a, bool plus, tval *out)
{
    if (a.type == T_UNDEF) return oa__tmpl_undef_fail(t, a);
    if (a.type == T_FLOAT) {
        *out = oa__tmpl_float(plus ? a.u.f : -a.u.f);
        return OA_OK;
    }
    if (!oa__tmpl_is_int(a)) {
        return oa__tmpl_fail(t, "bad operand type for unary %c: '%s'", plus ? '+' : '-',
                             oa__tmpl_type_name(a.type));
    }
    if (!plus && a.u.i == INT64_MIN) return too_large(t);
    *out = oa__tmpl_int(plus ? a.u.i : -a.u.i);
    return OA_OK;
}
