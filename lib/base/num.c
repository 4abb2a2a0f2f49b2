/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers to text and back, the same under every locale and C library. */
#include "base/base_priv.h"

#include <stdio.h>
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static int err_number(const char *kind, const char *text, size_t len)
{
    int shown = len < 40 ? (int)len : 40;
    return oa__err(OA_EINVAL, "\"%.*s\": want %s", shown, text, kind);
}

static bool parse_digits(const char *text, size_t len, uint64_t max, uint64_t *out)
{
    uint64_t v = 0;
    if (len == 0) return false;
    for (size_t i = 0; i < len; i++) {
        if (!is_digit(text[i])) return false;
        uint64_t digit = (uint64_t)(text[i] - '0');
        if (v > (max - digit) / 10) return false;
        v = v * 10 + digit;
    }
    *out = v;
    return true;
}

int oa__parse_i64(const char *text, size_t len, int64_t *out)
{
    bool minus = len > 0 && text[0] == '-';
    size_t sign = len > 0 && (minus || text[0] == '+');
    uint64_t v;
    if (!parse_digits(text + sign, len - sign, (uint64_t)INT64_MAX + minus, &v))
        return err_number("a whole number of 64 bits", text, len);
    *out = minus ? (int64_t)(0 - v) : (int64_t)v;
    return OA_OK;
}

int oa__parse_u64(const char *text, size_t len, uint64_t *out)
{
    size_t sign = len > 0 && text[0] == '+';
    if (!parse_digits(text + sign, len - sign, UINT64_MAX, out))
        return err_number("a whole number of 64 bits, not negative", text, len);
    return OA_OK;
}

/* --- text to double ------------------------------------------------------------------------ */

/* The decimal 0.d[0]d[1]... * 10^point, exact but for `more`: nonzero digits beyond the array.
 * 800 digits decide every rounding of a double (767 are the most that are needed). */
enum { MAX_DIGITS = 800 };

struct decimal {
    int n, point;
    bool more;
    uint8_t d[MAX_DIGITS + 20];
};

static void trim(struct decimal *x)
{
    if (x->n > MAX_DIGITS) {
        for (int i = MAX_DIGITS; i < x->n; i++)
            x->more = x->more || x->d[i];
        x->n = MAX_DIGITS;
    }
    while (x->n > 0 && x->d[x->n - 1] == 0)
        x->n--;
    if (x->n == 0) x->point = 0;
}

/* x *= 2^k, k <= 60. */
static void shift_left(struct decimal *x, int k)
{
    uint64_t carry = 0;
    uint8_t head[20];
    int n_head = 0;
    for (int i = x->n - 1; i >= 0; i--) {
        carry += (uint64_t)x->d[i] << k;
        x->d[i] = (uint8_t)(carry % 10);
        carry /= 10;
    }
    for (; carry; carry /= 10)
        head[n_head++] = (uint8_t)(carry % 10);
    memmove(x->d + n_head, x->d, (size_t)x->n);
    for (int i = 0; i < n_head; i++)
        x->d[i] = head[n_head - 1 - i];
    x->n += n_head;
    x->point += n_head;
    trim(x);
}

/* x /= 2^k, k <= 60. */
static void shift_right(struct decimal *x, int k)
{
    uint64_t rest = 0, mask = ((uint64_t)1 << k) - 1;
    int in = 0, out = 0;
    while (rest >> k == 0) { /* the first digit that is not zero */
        rest = rest * 10 + (in < x->n ? x->d[in] : 0);
        in++;
    }
    x->point -= in - 1;
    for (;;) {
        uint8_t digit = (uint8_t)(rest >> k);
        rest &= mask;
        if (out < MAX_DIGITS)
            x->d[out++] = digit;
        else
            x->more = x->more || digit;
        if (in >= x->n && rest == 0) break;
        rest = rest * 10 + (in < x->n ? x->d[in] : 0);
        in++;
    }
    x->n = out;
    trim(x);
}

/* x as a whole number, rounded to nearest even; x < 2^63. */
static uint64_t round_whole(const struct decimal *x)
{
    uint64_t v = 0;
    int i = 0;
    if (x->point < 0) return 0;
    for (; i < x->point; i++)
        v = v * 10 + (i < x->n ? x->d[i] : 0);
    if (i >= x->n || x->d[i] < 5) return v;
    if (x->d[i] == 5 && i + 1 == x->n && !x->more) return v + (v & 1);
    return v + 1;
}

/* The double nearest to x; false when it is beyond the largest one. */
static bool to_double(struct decimal *x, double *out)
{
    int exp = 0;
    uint64_t bits = 0;
    if (x->n > 0 && x->point > 310) return false;
    if (x->n > 0 && x->point > -330) {
        while (x->point > 0) { /* 3 bits are less than one digit, so x stays >= 2^-3 */
            int k = x->point > 18 ? 60 : x->point * 3;
            shift_right(x, k);
            exp += k;
        }
        while (x->point < 0 || x->d[0] < 5) {
            int k = x->point < -18 ? 60 : x->point < 0 ? -x->point * 3 : 1;
            shift_left(x, k);
            exp -= k;
        }
        exp--; /* now x is in [1/2, 1): as 1.f * 2^exp */
        if (exp < -1022) {
            shift_right(x, -1022 - exp > 60 ? 60 : -1022 - exp);
            exp = -1022;
        }
        shift_left(x, 53);
        uint64_t man = round_whole(x);
        if (man >> 53) {
            man >>= 1;
            exp++;
        }
        if (exp > 1023) return false;
        bits = man >> 52 ? (uint64_t)(exp + 1023) << 52 | (man & (((uint64_t)1 << 52) - 1)) : man;
    }
    memcpy(out, &bits, sizeof bits);
    return true;
}

/* Most numbers are a whole number below 2^53 times or over a power of ten that is a double: one
 * rounding, and it is the right one. */
static __attribute__((noinline)) bool exact(const struct decimal *x, double *out)
{
    static const double tens[] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                  1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                  1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    int scale = x->point - x->n;
    uint64_t whole = 0;
    if (x->n > 15 || x->more || scale > 22 || scale < -22) return false;
    for (int i = 0; i < x->n; i++)
        whole = whole * 10 + x->d[i];
    *out = scale < 0 ? (double)whole / tens[-scale] : (double)whole * tens[scale];
    return true;
}

/* Read [sign] digits [. digits] [e [sign] digits] into x; false when that is not what it is. */
static bool scan(const char *text, size_t len, struct decimal *x, bool *minus)
{
    size_t i = 0;
    bool any = false, point = false;
    int64_t scale = 0, exp = 0;

    memset(x, 0, sizeof *x);
    *minus = len > 0 && text[0] == '-';
    if (len > 0 && (text[0] == '-' || text[0] == '+')) i++;
    for (; i < len && (is_digit(text[i]) || (text[i] == '.' && !point)); i++) {
        if (text[i] == '.') {
            point = true;
            continue;
        }
        any = true;
        uint8_t digit = (uint8_t)(text[i] - '0');
        if (point) scale--;
        if (x->n == 0 && digit == 0) continue;
        if (x->n < MAX_DIGITS) {
            x->d[x->n++] = digit;
        } else {
            x->more = x->more || digit;
            scale++;
        }
    }
    if (!any) return false;
    if (i < len && (text[i] == 'e' || text[i] == 'E')) {
        bool exp_minus = ++i < len && text[i] == '-';
        if (i < len && (text[i] == '-' || text[i] == '+')) i++;
        if (i == len) return false;
        for (; i < len && is_digit(text[i]); i++) {
            if (exp < (int64_t)1 << 50) exp = exp * 10 + (text[i] - '0');
        }
        if (exp_minus) exp = -exp;
    }
    if (i != len) return false;
    int64_t at = scale + exp + x->n;
    x->point = at > 100000 ? 100000 : at < -100000 ? -100000 : (int)at;
    trim(x);
    return true;
}

int oa__parse_f64(const char *text, size_t len, double *out)
{
    struct decimal x;
    bool minus;
    double v;
    oa__fp fp;
    if (!scan(text, len, &x, &minus)) return err_number("a number", text, len);
    oa__fp_enter(&fp);
    const bool ok = exact(&x, &v) || to_double(&x, &v);
    oa__fp_leave(&fp);
    if (!ok) return err_number("a number below 1.8e308", text, len);
    *out = minus ? -v : v;
    return OA_OK;
}

/* --- double to text ------------------------------------------------------------------------ */

/* The n_digits decimal digits nearest to v > 0 and the place of the point: 0.ddd * 10^point. */
static void nearest_digits(double v, int n_digits, char *digits, int *point)
{
    char text[64];
    int n = 0;
    snprintf(text, sizeof text, "%.*e", n_digits - 1, v);
    const char *p = text;
    for (; *p != 'e'; p++) { /* skips the decimal point, whatever the locale makes of it */
        if (is_digit(*p) && n < n_digits) digits[n++] = *p;
    }
    int64_t exp = 0;
    oa__parse_i64(p + 1, strlen(p + 1), &exp);
    *point = (int)exp + 1;
}

static bool reads_back(double v, const char *digits, int n_digits, int point)
{
    struct decimal x = {.n = n_digits, .point = point};
    double back;
    for (int i = 0; i < n_digits; i++)
        x.d[i] = (uint8_t)(digits[i] - '0');
    trim(&x);
    return (exact(&x, &back) || to_double(&x, &back)) && back == v;
}

/* The decimal one unit of the last place higher. */
static void count_up(char *digits, int n_digits, int *point)
{
    int i = n_digits - 1;
    while (i >= 0 && digits[i] == '9')
        digits[i--] = '0';
    if (i >= 0) {
        digits[i]++;
        return;
    }
    digits[0] = '1'; /* 999 became 000: now 100, a place higher */
    (*point)++;
}

/* Whether n digits say v, in `digits`. Below a power of two the doubles lie closer than above it:
 * the nearest decimal may miss v from below where the next one, further away, hits it from above.
 */
static bool try_digits(double v, int n, char *digits, int *point)
{
    nearest_digits(v, n, digits, point);
    if (reads_back(v, digits, n, *point)) return true;
    count_up(digits, n, point);
    return reads_back(v, digits, n, *point);
}

static int shortest_digits(double v, char *digits, int *point)
{
    /* A normal double holds every decimal of 15 digits: one that is shorter shows as zeros at the
     * end of them, which the caller takes off. */
    for (int n = v < 0x1p-1022 ? 1 : 15; n < 17; n++) {
        if (try_digits(v, n, digits, point)) return n;
    }
    nearest_digits(v, 17, digits, point);
    return 17;
}

size_t oa__format_f64(double v, bool force_point, char buf[32])
{
    char digits[20];
    int point = 0, n = 1;
    size_t len = 0;

    if (v != v) return (size_t)snprintf(buf, 32, "nan");
    if (__builtin_signbit(v)) {
        buf[len++] = '-';
        v = -v;
    }
    if (v > 1.7976931348623157e308) return len + (size_t)snprintf(buf + len, 32 - len, "inf");
    if (v == 0) {
        digits[0] = '0';
        point = 1;
    } else {
        oa__fp fp;
        oa__fp_enter(&fp);
        n = shortest_digits(v, digits, &point);
        oa__fp_leave(&fp);
    }
    while (n > 1 && digits[n - 1] == '0')
        n--;
    if (point > 16 || point < -3) { /* d.ddde+XX */
        buf[len++] = digits[0];
        if (n > 1) buf[len++] = '.';
        memcpy(buf + len, digits + 1, (size_t)n - 1);
        len += (size_t)n - 1;
        return len + (size_t)snprintf(buf + len, 32 - len, "e%c%02d", point < 1 ? '-' : '+',
                                      point < 1 ? 1 - point : point - 1);
    }
    if (point <= 0) {
        buf[len++] = '0';
        buf[len++] = '.';
        for (int i = point; i < 0; i++)
            buf[len++] = '0';
    }
    for (int i = 0; i < n || i < point; i++) {
        if (i == point && i > 0) buf[len++] = '.';
        buf[len++] = i < n ? digits[i] : '0';
    }
    if (point >= n && force_point) {
        buf[len++] = '.';
        buf[len++] = '0';
    }
    buf[len] = '\0';
    return len;
}
