/* SPDX-License-Identifier: Apache-2.0 */
/*
 * exp, log, pow, sin and cos of our own: additions, multiplications and divisions in a written
 * order, so that every machine and C library gives the same bits. Nothing here is fused.
 *
 * Each function takes its argument apart exactly (or in two doubles), sums a Taylor polynomial
 * that is long enough for its rounding to be the only error, and puts the parts together. The
 * constants are numbers of mathematics split by their leading bits; no table is involved.
 */
#include "base/base_priv.h"

#include <string.h>

static uint64_t bits_of(double x)
{
    uint64_t u;
    memcpy(&u, &x, sizeof u);
    return u;
}

static double double_of(uint64_t u)
{
    double x;
    memcpy(&x, &u, sizeof x);
    return x;
}

static double infinity(void)
{
    return double_of((uint64_t)0x7ff << 52);
}

static double not_a_number(void)
{
    return double_of((uint64_t)0x7ff8 << 48);
}

/* 2^k for a normal result. */
static double pow2(int k)
{
    return double_of((uint64_t)(k + 1023) << 52);
}

/* To the nearest whole number, ties to even; |x| < 2^51. */
static double nearest(double x)
{
    const double magic = 0x1.8p52;
    return (x + magic) - magic;
}

/* --- sums and products of two doubles, exact ------------------------------------------------ */

/* hi + lo, |lo| at most half a unit in the last place of hi. */
struct pair {
    double hi, lo;
};

static struct pair add_exact(double a, double b)
{
    double s = a + b, t = s - a;
    return (struct pair){s, (a - (s - t)) + (b - t)};
}

/* The upper 26 bits of x; |x| < 2^996. */
static double upper(double x)
{
    double t = x * 134217729.0; /* 2^27 + 1 */
    return t - (t - x);
}

static struct pair mul_exact(double a, double b)
{
    double p = a * b, ah = upper(a), al = a - ah, bh = upper(b), bl = b - bh;
    return (struct pair){p, ((ah * bh - p) + ah * bl + al * bh) + al * bl};
}

static struct pair add_pairs(struct pair a, struct pair b)
{
    struct pair s = add_exact(a.hi, b.hi), t = add_exact(a.lo, b.lo);
    s = add_exact(s.hi, s.lo + t.hi);
    return add_exact(s.hi, s.lo + t.lo);
}

static struct pair mul_pairs(struct pair a, struct pair b)
{
    struct pair p = mul_exact(a.hi, b.hi);
    return add_exact(p.hi, p.lo + (a.hi * b.lo + a.lo * b.hi));
}

static struct pair div_pairs(struct pair a, struct pair b)
{
    double q = a.hi / b.hi;
    struct pair p = mul_pairs((struct pair){q, 0}, b);
    struct pair rest = add_pairs(a, (struct pair){-p.hi, -p.lo});
    return add_exact(q, rest.hi / b.hi);
}

/* --- exp ------------------------------------------------------------------------------------ */

static const double LN2_TOP = 0x1.62e42fee00000p-1; /* 32 bits: k times it is exact */
static const double LN2_REST = 0x1.a39ef35793c76p-33;

/* e^(x + low) for |low| tiny beside x. */
static double exp_of(double x, double low)
{
    if (x != x) return x;
    if (x > 709.79) return infinity();
    if (x < -745.2) return 0;
    /* x + low = k ln 2 + r, |r| <= 0.35 */
    double k = nearest(x * 0x1.71547652b82fep0);
    struct pair r = add_exact(x - k * LN2_TOP, low - k * LN2_REST);
    /* e^r = 1 + r + r^2 (1/2! + r/3! + ... + r^12/14!) */
    double p = 1.0 / 87178291200.0, z = r.hi;
    p = p * z + 1.0 / 6227020800.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z + 1.0 / 39916800.0;
    p = p * z + 1.0 / 3628800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z + 1.0 / 5040.0;
    p = p * z + 1.0 / 720.0;
    p = p * z + 1.0 / 120.0;
    p = p * z + 1.0 / 24.0;
    p = p * z + 1.0 / 6.0;
    p = p * z + 0.5;
    double y = 1 + (r.hi + (r.lo + r.hi * r.hi * p));
    /* In two steps: 2^k alone may be out of range where y 2^k is not. */
    int whole = (int)k, half = whole / 2;
    return y * pow2(half) * pow2(whole - half);
}

double oa__math_exp(double x)
{
    return exp_of(x, 0);
}

/* --- log ------------------------------------------------------------------------------------ */

/* x = 2^k m, sqrt(1/2) <= m < sqrt(2); x positive and finite. */
static double split(double x, int *k)
{
    uint64_t u = bits_of(x);
    *k = 0;
    if (u >> 52 == 0) { /* denormal */
        u = bits_of(x * 0x1p54);
        *k = -54;
    }
    *k += (int)(u >> 52) - 1023;
    double m = double_of((u & (((uint64_t)1 << 52) - 1)) | (uint64_t)1023 << 52);
    if (m > 0x1.6a09e667f3bcdp0) {
        m = m * 0.5;
        (*k)++;
    }
    return m;
}

/* What log gives outside of the finite positive numbers; false inside. */
static bool log_special(double x, double *out)
{
    if (x > 0 && x < infinity()) return false;
    *out = x == 0 ? -infinity() : x < 0 ? not_a_number() : x;
    return true;
}

double oa__math_log(double x)
{
    int k;
    double special;
    if (log_special(x, &special)) return special;
    double f = split(x, &k) - 1;
    /* With s = f / (2 + f): log(1 + f) = 2 (s + s^3/3 + s^5/5 + ...). As 2s = f - s f, and the
     * square of f is taken out likewise, it is f - (f^2/2 - s (f^2/2 + R)), where R = 2 (s^2/3 +
     * s^4/5 + ...): the largest term is exact. */
    double s = f / (2 + f), z = s * s, h = 0.5 * f * f;
    double p = 2.0 / 23;
    p = p * z + 2.0 / 21;
    p = p * z + 2.0 / 19;
    p = p * z + 2.0 / 17;
    p = p * z + 2.0 / 15;
    p = p * z + 2.0 / 13;
    p = p * z + 2.0 / 11;
    p = p * z + 2.0 / 9;
    p = p * z + 2.0 / 7;
    p = p * z + 2.0 / 5;
    p = p * z + 2.0 / 3;
    return k * LN2_TOP - ((h - (s * (h + z * p) + k * LN2_REST)) - f);
}

/* log x in two doubles, for pow: an error of it is multiplied by the exponent. */
static struct pair log_pair(double x)
{
    static const struct pair ln2 = {0x1.62e42fefa39efp-1, 0x1.abc9e3b39803fp-56};
    int k;
    double m = split(x, &k);
    /* 2 s (1 + s^2/3 + s^4/5 + ...), s = (m - 1) / (m + 1), s^2 < 0.0295 */
    struct pair s = div_pairs((struct pair){m - 1, 0}, add_exact(m, 1));
    struct pair z = mul_pairs(s, s), p = {0, 0};
    for (int odd = 31; odd >= 1; odd -= 2) {
        struct pair term = div_pairs((struct pair){1, 0}, (struct pair){odd, 0});
        p = add_pairs(mul_pairs(p, z), term);
    }
    p = mul_pairs(p, s);
    return add_pairs(mul_pairs((struct pair){k, 0}, ln2), (struct pair){2 * p.hi, 2 * p.lo});
}

double oa__math_pow(double x, double y)
{
    double special;
    if (y == 0 || x == 1) return 1;
    if (x != x || y != y) return not_a_number();
    if (log_special(x, &special)) /* zero, infinity, or out of the domain */
        return x < 0 ? not_a_number() : (x == 0) == (y > 0) ? 0 : infinity();
    /* Beyond this only infinity, zero and one are possible, and the product below stays finite. */
    if (y > 0x1p70) y = 0x1p70;
    if (y < -0x1p70) y = -0x1p70;
    struct pair t = mul_pairs(log_pair(x), (struct pair){y, 0});
    return exp_of(t.hi, t.lo);
}

/* --- sin and cos ---------------------------------------------------------------------------- */

/* x = n pi/2 + r, |r| <= pi/4 and a little; returns n mod 4. |x| < 2^40. pi/2 is taken in three
 * doubles, 160 bits: n has at most 40, and no double comes nearer to a multiple than 2^-62. */
static int reduce(double x, struct pair *r)
{
    double n = nearest(x * 0x1.45f306dc9c883p-1);
    struct pair a = mul_exact(-n, 0x1.921fb54442d18p0);
    struct pair b = mul_exact(-n, 0x1.1a62633145c07p-54);
    double c = -n * -0x1.f1976b7ed8fbcp-110;
    struct pair t = add_exact(x, a.hi); /* no rounding: both are near */
    *r = add_pairs(add_pairs((struct pair){t.hi, 0}, add_exact(t.lo, a.lo)), b);
    *r = add_pairs(*r, (struct pair){c, 0});
    return (int)((int64_t)n & 3);
}

static double sin_part(struct pair r)
{
    double z = r.hi * r.hi;
    double p = -1.0 / 121645100408832000.0;
    p = p * z + 1.0 / 355687428096000.0;
    p = p * z - 1.0 / 1307674368000.0;
    p = p * z + 1.0 / 6227020800.0;
    p = p * z - 1.0 / 39916800.0;
    p = p * z + 1.0 / 362880.0;
    p = p * z - 1.0 / 5040.0;
    p = p * z + 1.0 / 120.0;
    p = p * z - 1.0 / 6.0;
    return r.hi + (r.hi * z * p + r.lo * (1 - 0.5 * z));
}

static double cos_part(struct pair r)
{
    double z = r.hi * r.hi;
    double p = 1.0 / 2432902008176640000.0;
    p = p * z - 1.0 / 6402373705728000.0;
    p = p * z + 1.0 / 20922789888000.0;
    p = p * z - 1.0 / 87178291200.0;
    p = p * z + 1.0 / 479001600.0;
    p = p * z - 1.0 / 3628800.0;
    p = p * z + 1.0 / 40320.0;
    p = p * z - 1.0 / 720.0;
    p = p * z + 1.0 / 24.0;
    double half = 0.5 * z, top = 1 - half;
    return top + (((1 - top) - half) + (z * z * p - r.hi * r.lo));
}

/* The sine of x plus turn right angles. */
static double sin_turned(double x, int turn)
{
    struct pair r;
    if (!(x > -0x1p40 && x < 0x1p40)) return not_a_number();
    int n = (reduce(x, &r) + turn) & 3;
    double y = n & 1 ? cos_part(r) : sin_part(r);
    return n & 2 ? -y : y;
}

double oa__math_sin(double x)
{
    return x == 0 ? x : sin_turned(x, 0);
}

double oa__math_cos(double x)
{
    return sin_turned(x, 1);
}
