/* SPDX-License-Identifier: Apache-2.0 */
/* strftime_now(): the local time that the caller gave, as C's strftime writes it in English. */
#include "text/template_priv.h"

#include <string.h>

static const char *const days[] = {"Sunday",   "Monday", "Tuesday", "Wednesday",
                                   "Thursday", "Friday", "Saturday"};
static const char *const months[] = {"January",   "February", "March",    "April",
                                     "May",       "June",     "July",     "August",
                                     "September", "October",  "November", "December"};

typedef struct date {
    int64_t year;
    int mon, day, yday, wday; /* mon and yday from 0, day from 1, wday from Sunday = 0 */
    int hour, min, sec;
} date;

static bool is_leap(int64_t y)
{
    return (y % 4 == 0 && y % 100 != 0) || y % 400 == 0;
}

/* Days since 1970 to a date, by 400-year eras beginning in March. */
static date split(uint64_t s)
{
    static const int before[] = {0, 31, 59, 90, 120, 151, 181, 212, 243, 273, 304, 334};
    date d;
    int64_t n = (int64_t)(s / 86400), rest = (int64_t)(s % 86400);
    d.hour = (int)(rest / 3600);
    d.min = (int)(rest / 60 % 60);
    d.sec = (int)(rest % 60);
    d.wday = (int)((n + 4) % 7);
    int64_t z = n + 719468, era = z / 146097, doe = z % 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100), mp = (5 * doy + 2) / 153;
    d.day = (int)(doy - (153 * mp + 2) / 5) + 1;
    d.mon = (int)(mp < 10 ? mp + 2 : mp - 10);
    d.year = yoe + era * 400 + (d.mon < 2);
    d.yday = before[d.mon] + d.day - 1 + (d.mon > 1 && is_leap(d.year));
    return d;
}

/* ISO 8601 week and its year. */
static void iso_week(const date *d, int64_t *year, int *week)
{
    int wday = (d->wday + 6) % 7; /* Monday = 0 */
    int w = (d->yday - wday + 10) / 7;
    *year = d->year;
    if (w < 1) {
        *year -= 1;
        int yday = d->yday + 365 + is_leap(*year);
        w = (yday - wday + 10) / 7;
    } else if (w == 53) {
        int days_in_year = 365 + is_leap(d->year);
        if (d->yday - wday + 3 >= days_in_year) {
            w = 1;
            *year += 1;
        }
    }
    *week = w;
}

static int add_num(tmpl *t, tout *o, int64_t v, int width, char pad, char flag)
{
    if (flag == '-') width = 0;
    if (flag == '_') pad = ' ';
    if (flag == '0') pad = '0';
    return oa__tmpl_out_addf(t, o, pad == ' ' ? "%*lld" : "%0*lld", width, (long long)v);
}

static int add_text(tmpl *t, tout *o, const char *s, size_t len, char flag)
{
    for (size_t i = 0; i < len; i++) {
        char c = s[i];
        if (flag == '^' && c >= 'a' && c <= 'z') c = (char)(c - 32);
        OA__TRY(oa__tmpl_out_add(t, o, &c, 1));
    }
    return OA_OK;
}

static int add_time(tmpl *t, tout *o, const date *d, const char *fmt, size_t len);

static int add_one(tmpl *t, tout *o, const date *d, char c, char flag)
{
    int64_t iso_year;
    int week, hour12 = d->hour % 12 == 0 ? 12 : d->hour % 12;
    iso_week(d, &iso_year, &week);
    switch (c) {
    case 'a':
        return add_text(t, o, days[d->wday], 3, flag);
    case 'A':
        return add_text(t, o, days[d->wday], strlen(days[d->wday]), flag);
    case 'b':
    case 'h':
        return add_text(t, o, months[d->mon], 3, flag);
    case 'B':
        return add_text(t, o, months[d->mon], strlen(months[d->mon]), flag);
    case 'c':
        return add_time(t, o, d, "%a %b %e %H:%M:%S %Y", 20);
    case 'C':
        return add_num(t, o, d->year / 100, 2, '0', flag);
    case 'd':
        return add_num(t, o, d->day, 2, '0', flag);
    case 'D':
    case 'x':
        return add_time(t, o, d, "%m/%d/%y", 8);
    case 'e':
        return add_num(t, o, d->day, 2, ' ', flag);
    case 'f':
        return oa__tmpl_out_add(t, o, "000000", 6);
    case 'F':
        return add_time(t, o, d, "%Y-%m-%d", 8);
    case 'g':
        return add_num(t, o, iso_year % 100, 2, '0', flag);
    case 'G':
        return add_num(t, o, iso_year, 0, '0', flag);
    case 'H':
        return add_num(t, o, d->hour, 2, '0', flag);
    case 'I':
        return add_num(t, o, hour12, 2, '0', flag);
    case 'j':
        return add_num(t, o, d->yday + 1, 3, '0', flag);
    case 'k':
        return add_num(t, o, d->hour, 2, ' ', flag);
    case 'l':
        return add_num(t, o, hour12, 2, ' ', flag);
    case 'm':
        return add_num(t, o, d->mon + 1, 2, '0', flag);
    case 'M':
        return add_num(t, o, d->min, 2, '0', flag);
    case 'n':
        return oa__tmpl_out_add(t, o, "\n", 1);
    case 'p':
        return oa__tmpl_out_add(t, o, d->hour < 12 ? "AM" : "PM", 2);
    case 'P':
        return oa__tmpl_out_add(t, o, d->hour < 12 ? "am" : "pm", 2);
    case 'r':
        return add_time(t, o, d, "%I:%M:%S %p", 11);
    case 'R':
        return add_time(t, o, d, "%H:%M", 5);
    case 's':
        return oa__tmpl_out_addf(t, o, "%llu", (unsigned long long)t->now_s);
    case 'S':
        return add_num(t, o, d->sec, 2, '0', flag);
    case 't':
        return oa__tmpl_out_add(t, o, "\t", 1);
    case 'T':
    case 'X':
        return add_time(t, o, d, "%H:%M:%S", 8);
    case 'u':
        return add_num(t, o, d->wday == 0 ? 7 : d->wday, 1, '0', flag);
    case 'U':
        return add_num(t, o, (d->yday + 7 - d->wday) / 7, 2, '0', flag);
    case 'V':
        return add_num(t, o, week, 2, '0', flag);
    case 'w':
        return add_num(t, o, d->wday, 1, '0', flag);
    case 'W':
        return add_num(t, o, (d->yday + 7 - (d->wday + 6) % 7) / 7, 2, '0', flag);
    case 'y':
        return add_num(t, o, d->year % 100, 2, '0', flag);
    case 'Y':
        return add_num(t, o, d->year, 0, '0', flag);
    case 'z':
    case 'Z':
        return OA_OK; /* a time without zone, as datetime.now() */
    case '%':
        return oa__tmpl_out_add(t, o, "%", 1);
    default:
        return oa__tmpl_fail(t, "strftime_now: format %%%c is not supported",
                             c > ' ' && c < 127 ? c : '?');
    }
}

static int add_time(tmpl *t, tout *o, const date *d, const char *fmt, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (fmt[i] != '%' || i + 1 >= len) {
            OA__TRY(oa__tmpl_out_add(t, o, &fmt[i], 1));
            continue;
        }
        char flag = 0;
        i++;
        if (i + 1 < len && fmt[i] != '\0' && strchr("-_0^", fmt[i]) != NULL) flag = fmt[i++];
        OA__TRY(oa__tmpl_charge(t, 1));
        OA__TRY(add_one(t, o, d, fmt[i], flag));
    }
    return OA_OK;
}

int oa__tmpl_strftime(tmpl *t, tval fmt, tval *out)
{
    tout o = {0};
    if (fmt.type != T_STR) {
        return oa__tmpl_fail(t, "strftime() argument must be str, not %s",
                             oa__tmpl_type_name(fmt.type));
    }
    const uint64_t behind = t->utc_offset_s < 0 ? 0 - (uint64_t)t->utc_offset_s : 0;
    if (t->now_s < behind || t->now_s > UINT64_C(253402300799) - 86400) {
        return oa__tmpl_fail(t, "the year is before 1970 or after 9999");
    }
    date d = split(t->now_s + (uint64_t)(int64_t)t->utc_offset_s);
    OA__TRY(add_time(t, &o, &d, fmt.u.s->s, fmt.u.s->len));
    return oa__tmpl_str_out(t, &o, out);
}
