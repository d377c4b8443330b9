/* Durations and times of text.h. */
#include "server/core/text.h"
#include "server/core/clock.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define MINUTE_US       (60 * US_PER_S)
#define HOUR_US         (60 * MINUTE_US)
#define DAY_US          (24 * HOUR_US)
#define YEAR_US         (365 * DAY_US)
#define DURATION_MAX_US (100 * YEAR_US)

/* Largest first, the order in which a duration must be written. */
static const struct unit {
	const char *name;
	int64_t us;
	bool only_whole; /* printed only when nothing is left over: 90d, not 12w6d */
} units[] = {
	{"y", YEAR_US, true},    {"w", 7 * DAY_US, true}, {"d", DAY_US, false},     {"h", HOUR_US, false},
	{"m", MINUTE_US, false}, {"s", US_PER_S, false},  {"ms", US_PER_MS, false},
};

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* The unit that s begins with: "ms" is not "m". */
static size_t unit_find(const char *s, size_t *ret_len)
{
	size_t len = 0;

	while (s[len] && !is_digit(s[len]))
		len++;
	*ret_len = len;
	for (size_t i = 0; i < ARRAY_LEN(units); i++)
		if (strlen(units[i].name) == len && memcmp(units[i].name, s, len) == 0)
			return i;
	return ARRAY_LEN(units);
}

/* One "12h"; *at moves behind it. Each unit once and in order, so *ret_unit must be next or later. */
static int duration_part(const char **at, size_t next, size_t *ret_unit, int64_t *ret_us)
{
	int64_t n = 0;
	const char *s = *at;
	size_t len;

	if (!is_digit(*s))
		return -EINVAL;
	for (; is_digit(*s); s++)
		if (n <= DURATION_MAX_US)
			n = n * 10 + (*s - '0');
	size_t unit = unit_find(s, &len);
	if (unit == ARRAY_LEN(units) || unit < next)
		return -EINVAL;
	*at = s + len;
	*ret_unit = unit;
	*ret_us = n > DURATION_MAX_US / units[unit].us ? DURATION_MAX_US + 1 : n * units[unit].us;
	return 0;
}

int text_duration_parse(const char *s, int64_t *ret_us)
{
	assert(s && ret_us);
	int64_t sum = 0, us;
	size_t next = 0;

	if (strcmp(s, "0") == 0) {
		*ret_us = 0;
		return 0;
	}
	do {
		size_t unit;
		int r = duration_part(&s, next, &unit, &us);
		if (r < 0)
			return r;
		next = unit + 1;
		if (sum <= DURATION_MAX_US)
			sum += us;
	} while (*s);
	if (sum > DURATION_MAX_US)
		return -ERANGE;
	*ret_us = sum;
	return 0;
}

/* The size of a signed number; INT64_MIN has no positive twin. */
static uint64_t magnitude(int64_t v)
{
	return v < 0 ? -(uint64_t)v : (uint64_t)v;
}

void text_duration(int64_t us, char *out, size_t size)
{
	assert(out && size > 0);
	uint64_t left = magnitude(us) / US_PER_MS * US_PER_MS;
	size_t at = 0;

	if (left == 0) {
		snprintf(out, size, "0s");
		return;
	}
	if (us < 0)
		at += (size_t)snprintf(out, size, "-");
	for (size_t i = 0; i < ARRAY_LEN(units) && at < size; i++) {
		uint64_t unit = (uint64_t)units[i].us, n = left / unit;
		if (n == 0 || (units[i].only_whole && left % unit != 0))
			continue;
		at += (size_t)snprintf(out + at, size - at, "%llu%s", (unsigned long long)n, units[i].name);
		left -= n * unit;
	}
}

void text_duration_words(int64_t us, char *out, size_t size)
{
	assert(out && size > 0);
	static const struct {
		const char *one, *many;
		uint64_t us, from;
	} words[] = {
		{"day", "days", DAY_US, 3 * DAY_US + 1},
		{"hour", "hours", HOUR_US, HOUR_US},
		{"minute", "minutes", MINUTE_US, MINUTE_US},
		{"s", "s", US_PER_S, US_PER_S},
	};
	uint64_t left = magnitude(us), n;
	const char *sign = us < 0 ? "-" : "";
	size_t i = 0, at;

	while (i < ARRAY_LEN(words) && left < words[i].from)
		i++;
	if (i == ARRAY_LEN(words)) {
		snprintf(out, size, left < US_PER_MS ? "%s0 s" : "%s%u ms", left < US_PER_MS ? "" : sign,
		         (unsigned)(left / US_PER_MS));
		return;
	}
	n = left / words[i].us;
	at = (size_t)snprintf(out, size, "%s%llu %s", sign, (unsigned long long)n,
	                      n == 1 ? words[i].one : words[i].many);
	left %= words[i].us;
	if (++i >= ARRAY_LEN(words) || at >= size || left < words[i].us)
		return;
	n = left / words[i].us;
	snprintf(out + at, size - at, " %llu %s", (unsigned long long)n, n == 1 ? words[i].one : words[i].many);
}

/* Days since 1970-01-01 in the proleptic Gregorian calendar. The year is counted from March, so that the leap
 * day is its last day, in eras of 400 years (146097 days), so that division never meets a negative number. */
static int64_t days_from_date(int64_t year, unsigned month, unsigned day)
{
	year -= month <= 2;
	int64_t era = (year >= 0 ? year : year - 399) / 400;
	int64_t year_of_era = year - era * 400;
	int64_t day_of_year = (153 * ((month + 9) % 12) + 2) / 5 + day - 1;
	return era * 146097 + year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year - 719468;
}

struct date {
	int64_t year;
	unsigned month, day;
};

static struct date date_from_days(int64_t days)
{
	days += 719468;
	int64_t era = (days >= 0 ? days : days - 146096) / 146097;
	int64_t day_of_era = days - era * 146097;
	int64_t year_of_era = (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
	int64_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	int64_t month_from_march = (5 * day_of_year + 2) / 153;
	unsigned month = (unsigned)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);

	return (struct date) {
		.year = year_of_era + era * 400 + (month <= 2),
		.month = month,
		.day = (unsigned)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
	};
}

static unsigned month_days(unsigned year, unsigned month)
{
	assert(month >= 1 && month <= 12);
	static const unsigned char days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
	bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;

	return days[month - 1] + (month == 2 && leap);
}

/* What is left to read. */
struct time_cursor {
	const char *s;
	size_t len;
};

static bool take_char(struct time_cursor *c, const char *any_of)
{
	if (c->len == 0 || !c->s[0] || !strchr(any_of, c->s[0]))
		return false;
	c->s++;
	c->len--;
	return true;
}

/* Exactly n digits, least..most. */
static bool take_number(struct time_cursor *c, size_t n, unsigned least, unsigned most, unsigned *ret)
{
	assert(n > 0 && least <= most);
	unsigned v = 0;

	if (c->len < n)
		return false;
	for (size_t i = 0; i < n; i++) {
		if (!is_digit(c->s[i]))
			return false;
		v = v * 10 + (unsigned)(c->s[i] - '0');
	}
	c->s += n;
	c->len -= n;
	*ret = v;
	return v >= least && v <= most;
}

/* The part behind "12:00:00"; microseconds. */
static bool take_fraction(struct time_cursor *c, int64_t *ret_us)
{
	size_t n = 0;
	int64_t us = 0;

	if (!take_char(c, ".")) {
		*ret_us = 0;
		return true;
	}
	for (; c->len > 0 && is_digit(c->s[0]); c->s++, c->len--, n++)
		if (n < 6)
			us = us * 10 + (c->s[0] - '0');
	if (n == 0)
		return false;
	for (; n < 6; n++)
		us *= 10;
	*ret_us = us;
	return true;
}

static bool take_offset(struct time_cursor *c, int64_t *ret_us)
{
	unsigned hours, minutes;

	*ret_us = 0;
	if (take_char(c, "Zz"))
		return true;
	bool west = c->len > 0 && c->s[0] == '-';
	if (!take_char(c, "+-") || !take_number(c, 2, 0, 24, &hours) || !take_char(c, ":") ||
	    !take_number(c, 2, 0, 59, &minutes)) /* 24: Go has it, so Alertmanager may send it */
		return false;
	int64_t us = hours * HOUR_US + minutes * MINUTE_US;
	*ret_us = west ? -us : us;
	return true;
}

int text_time_parse(const char *s, size_t len, int64_t *ret_us)
{
	assert((s || len == 0) && ret_us);
	struct time_cursor c = {s, len};
	unsigned year, month, day, hour, minute, second;
	int64_t fraction, offset;

	if (!take_number(&c, 4, 0, 9999, &year) || !take_char(&c, "-") || !take_number(&c, 2, 1, 12, &month) ||
	    !take_char(&c, "-") || !take_number(&c, 2, 1, 31, &day) || day > month_days(year, month))
		return -EINVAL;
	if (!take_char(&c, "Tt") || !take_number(&c, 2, 0, 23, &hour) || !take_char(&c, ":") ||
	    !take_number(&c, 2, 0, 59, &minute) || !take_char(&c, ":") || !take_number(&c, 2, 0, 60, &second))
		return -EINVAL;
	if (!take_fraction(&c, &fraction) || !take_offset(&c, &offset) || c.len > 0)
		return -EINVAL;
	if (second == 60)
		second = 59;
	*ret_us = days_from_date(year, month, day) * DAY_US + hour * HOUR_US + minute * MINUTE_US + second * US_PER_S +
	          fraction - offset;
	return 0;
}

/* Splits at midnight, rounding down also before 1970. */
static int64_t day_and_rest(int64_t us, int64_t *ret_rest)
{
	int64_t days = us / DAY_US, rest = us % DAY_US;

	if (rest < 0) {
		rest += DAY_US;
		days--;
	}
	*ret_rest = rest;
	return days;
}

static void put_digits(char *at, size_t n, unsigned v)
{
	for (size_t i = n; i-- > 0; v /= 10)
		at[i] = (char)('0' + v % 10);
}

static void text_time_far(const struct date *d, int second, int fraction, char *out, size_t size)
{
	char digits[12] = "";

	if (fraction)
		snprintf(digits, sizeof(digits), ".%06d", fraction);
	snprintf(out, size, "%s%04lld-%02u-%02uT%02d:%02d:%02d%sZ", d->year < 0 ? "-" : "",
	         (long long)(d->year < 0 ? -d->year : d->year), d->month, d->day, second / 3600, second / 60 % 60,
	         second % 60, digits);
}

/* By hand, for a list holds thousands. */
void text_time(int64_t us, char *out, size_t size)
{
	assert(out && size > 0);
	int64_t rest;
	struct date d = date_from_days(day_and_rest(us, &rest));
	int second = (int)(rest / US_PER_S), fraction = (int)(rest % US_PER_S);
	char text[] = "0000-00-00T00:00:00.000000Z";

	if (d.year < 0 || d.year > 9999 || size < sizeof(text)) {
		text_time_far(&d, second, fraction, out, size);
		return;
	}
	put_digits(text, 4, (unsigned)d.year);
	put_digits(text + 5, 2, d.month);
	put_digits(text + 8, 2, d.day);
	put_digits(text + 11, 2, (unsigned)(second / 3600));
	put_digits(text + 14, 2, (unsigned)(second / 60 % 60));
	put_digits(text + 17, 2, (unsigned)(second % 60));
	if (fraction)
		put_digits(text + 20, 6, (unsigned)fraction);
	else
		memcpy(text + 19, "Z", 2);
	memcpy(out, text, sizeof(text));
}

static void local_text(int64_t us, bool to_the_second, char *out, size_t size)
{
	assert(out && size >= 40);
	int64_t rest, day = day_and_rest(us, &rest);
	time_t seconds = day * (DAY_US / US_PER_S) + rest / US_PER_S;
	struct tm local;

	if (!localtime_r(&seconds, &local) ||
	    strftime(out, size, to_the_second ? "%Y-%m-%d %H:%M:%S %Z" : "%Y-%m-%d %H:%M %Z", &local) == 0)
		text_time(us, out, size);
}

void text_time_local(int64_t us, char *out, size_t size)
{
	local_text(us, true, out, size);
}

void text_time_words(int64_t us, char *out, size_t size)
{
	local_text(us, false, out, size);
}
