#include "server/core/cron.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "server/core/clock.h"
#include "server/core/scope.h"

#define DAY_S       INT64_C(86400)
#define DAY_MINUTES 1440
#define ZONE_MOST_US                                                                                                   \
	(25 * 3600 * US_PER_S) /* Samoa left out a whole day in 2011; no zone changed its clock by more                \
	                        */
#define BACK_MOST_US (110 * 366 * DAY_S * US_PER_S) /* a duration is at most 100 years */

/* --- reading --- */

static const char *const month_names[] = {"jan", "feb", "mar", "apr", "may", "jun",
                                          "jul", "aug", "sep", "oct", "nov", "dec"};
static const char *const weekday_names[] = {"sun", "mon", "tue", "wed", "thu", "fri", "sat"};

static const struct field {
	unsigned least, most;
	const char *const *names; /* the first one means least */
	unsigned n_names;
} fields[] = {{0, 59, NULL, 0},
              {0, 23, NULL, 0},
              {1, 31, NULL, 0},
              {1, 12, month_names, ARRAY_LEN(month_names)},
              {0, 7, weekday_names, ARRAY_LEN(weekday_names)}};

static const struct {
	const char *name, *text;
} nicknames[] = {
	{"@hourly", "0 * * * *"},  {"@daily", "0 0 * * *"},  {"@midnight", "0 0 * * *"}, {"@weekly", "0 0 * * 0"},
	{"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"}, {"@annually", "0 0 1 1 *"},
};

static int name(const char **at, const struct field *f, unsigned *ret)
{
	for (unsigned i = 0; i < f->n_names; i++)
		if (strncasecmp(*at, f->names[i], 3) == 0 && !isalnum((unsigned char)(*at)[3])) {
			*at += 3;
			*ret = f->least + i;
			return 0;
		}
	return -EINVAL;
}

static int number(const char **at, const struct field *f, unsigned *ret)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return name(at, f, ret);
	unsigned long n = strtoul(*at, &end, 10);
	if (n > 99)
		return -EINVAL;
	*at = end;
	*ret = (unsigned)n;
	return 0;
}

/* "5", "1-5", "mon-sun"; *ret_ranged tells which. */
static int range(const char **at, const struct field *f, unsigned *from, unsigned *to, bool *ret_ranged)
{
	if (number(at, f, from) < 0)
		return -EINVAL;
	*to = *from;
	*ret_ranged = **at == '-';
	if (!*ret_ranged)
		return 0;
	(*at)++;
	if (number(at, f, to) < 0)
		return -EINVAL;
	if (f->most == 7 && *to == 0 && *from > 0)
		*to = 7; /* fri-sun */
	return 0;
}

/* "*", "5", "1-5", each but a lone number with or without "/2". */
static int part(const char **at, const struct field *f, uint64_t *bits)
{
	unsigned from = f->least, to = f->most, step = 1;
	bool ranged = **at == '*';

	if (ranged)
		(*at)++;
	else if (range(at, f, &from, &to, &ranged) < 0)
		return -EINVAL;
	if (**at == '/') {
		(*at)++;
		if (number(at, &fields[0], &step) < 0 || step == 0 || !ranged)
			return -EINVAL;
	}
	if (from < f->least || to > f->most || from > to)
		return -EINVAL;
	for (unsigned n = from; n <= to; n += step)
		*bits |= UINT64_C(1) << n;
	return 0;
}

static int field(const char **at, const struct field *f, uint64_t *bits, bool *ret_star)
{
	*bits = 0;
	*at += strspn(*at, " \t");
	*ret_star = **at == '*';
	for (;;) {
		int r = part(at, f, bits);

		if (r < 0 || **at != ',')
			return r < 0 || (**at && **at != ' ' && **at != '\t') ? -EINVAL : 0;
		(*at)++;
	}
}

static unsigned long_month(unsigned month)
{
	return month == 2 ? 29 : month == 4 || month == 6 || month == 9 || month == 11 ? 30 : 31;
}

/* crontab(5): when both are restricted, either is enough. */
static bool either_day(const struct cron *c)
{
	return !c->any_day && !c->any_weekday;
}

static bool date_exists(const struct cron *c)
{
	for (unsigned month = 1; month <= 12; month++)
		for (unsigned day = 1; day <= long_month(month); day++)
			if ((c->month >> month & 1) && ((c->day >> day & 1) || either_day(c)))
				return true;
	return false;
}

static const char *without_nickname(const char *text)
{
	size_t lead = strspn(text, " \t"), len = strcspn(text + lead, " \t");

	for (size_t i = 0; i < ARRAY_LEN(nicknames); i++)
		if (strlen(nicknames[i].name) == len && strncasecmp(text + lead, nicknames[i].name, len) == 0 &&
		    !text[lead + len + strspn(text + lead + len, " \t")])
			return nicknames[i].text;
	return text;
}

int cron_parse(const char *text, struct cron *ret)
{
	assert(text && ret);
	uint64_t bits[ARRAY_LEN(fields)];
	bool star[ARRAY_LEN(fields)];
	const char *at = without_nickname(text);

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (field(&at, &fields[i], &bits[i], &star[i]) < 0)
			return -EINVAL;
	if (at[strspn(at, " \t")])
		return -EINVAL;
	if (bits[4] & (1 << 7))
		bits[4] |= 1;
	struct cron c = {.minute = bits[0],
	                 .hour = (uint32_t)bits[1],
	                 .day = (uint32_t)bits[2],
	                 .month = (uint32_t)bits[3],
	                 .weekday = (uint32_t)bits[4],
	                 .any_day = star[2],
	                 .any_weekday = star[4]};
	if (!date_exists(&c))
		return -ERANGE;
	*ret = c;
	return 0;
}

/* --- the wall ---
 *
 * A wall time is written as the seconds since 1970 that it would be if the wall hung in UTC.
 */

static int64_t zone_offset(int64_t at)
{
	time_t seconds = (time_t)at;
	struct tm local = {0};

	return localtime_r(&seconds, &local) ? local.tm_gmtoff : 0;
}

static int64_t wall_of(int64_t at)
{
	return at + zone_offset(at);
}

/* When the zone's offset stops being what it is at lo; hi is after that. */
static int64_t change_between(int64_t lo, int64_t hi)
{
	int64_t before = zone_offset(lo);

	while (hi - lo > 1) {
		int64_t mid = lo + (hi - lo) / 2;

		if (zone_offset(mid) == before)
			lo = mid;
		else
			hi = mid;
	}
	return hi;
}

struct instants {
	int64_t first, last; /* seconds; they differ for a wall time that comes twice */
};

/* When the wall shows this. What it skips: when it goes on. */
static struct instants instants_of(int64_t wall)
{
	int64_t a = wall - zone_offset(wall - DAY_S), b = wall - zone_offset(wall + DAY_S);
	bool a_shows = wall_of(a) == wall, b_shows = wall_of(b) == wall;

	if (a_shows && b_shows)
		return (struct instants) {a < b ? a : b, a < b ? b : a};
	if (a_shows || b_shows)
		return (struct instants) {a_shows ? a : b, a_shows ? a : b};
	int64_t change = change_between(wall - 2 * DAY_S, wall + 2 * DAY_S);
	return (struct instants) {change, change};
}

/* --- looking back --- */

static bool rule_takes(const struct cron *c, const struct tm *t)
{
	bool date = c->day >> t->tm_mday & 1, weekday = c->weekday >> t->tm_wday & 1;

	return (c->month >> (t->tm_mon + 1) & 1) && (either_day(c) ? date || weekday : date && weekday);
}

static bool is_excepted(const struct cron *c, const struct tm *t)
{
	char date[16];

	if (!c->except || strftime(date, sizeof(date), "%Y-%m-%d", t) == 0)
		return false;
	for (const char **one = c->except; *one; one++)
		if (!strcmp(*one, date))
			return true;
	return false;
}

static bool date_matches(const struct cron *c, int64_t day)
{
	time_t seconds = (time_t)(day * DAY_S);
	struct tm t = {0};

	return gmtime_r(&seconds, &t) && rule_takes(c, &t) && !is_excepted(c, &t);
}

static bool minute_matches(const struct cron *c, int minute)
{
	return (c->hour >> (minute / 60) & 1) && (c->minute >> (minute % 60) & 1);
}

/* Of one day of the calendar, the latest beginning that is not after now; seconds, 0: none. again: what comes twice
 * begins again the second time. */
static int64_t last_of_day(const struct cron *c, int64_t day, int64_t now, bool again)
{
	bool changes = zone_offset((day - 1) * DAY_S) != zone_offset((day + 2) * DAY_S);
	int64_t best = 0;

	for (int minute = DAY_MINUTES - 1; minute >= 0; minute--) {
		if (!minute_matches(c, minute))
			continue;
		struct instants i = instants_of(day * DAY_S + minute * 60);
		int64_t at = again && i.last <= now ? i.last : i.first;
		if (at <= now && at > best)
			best = at;
		if (best && !changes)
			break; /* later minutes of the day are later instants */
	}
	return best;
}

static int64_t last_begin(const struct cron *c, int64_t now_us, int64_t back_us, bool again)
{
	int64_t now = now_us / US_PER_S, after_us = now_us - (back_us < BACK_MOST_US ? back_us : BACK_MOST_US);
	/* A day more on either side: the wall may have been set back over midnight, or forward over a day. */
	int64_t day = wall_of(now) / DAY_S + 1, first = (wall_of(after_us / US_PER_S) / DAY_S) - 1;
	int64_t best = 0;

	for (int64_t floor = first; day >= floor && day >= 0; day--) {
		int64_t at = date_matches(c, day) ? last_of_day(c, day, now, again) : 0;

		if (at > best)
			best = at;
		if (best && floor == first)
			floor = day - 2;
	}
	return best * US_PER_S > after_us ? best * US_PER_S : 0;
}

int64_t cron_last_us(const struct cron *c, int64_t now_us, int64_t back_us)
{
	assert(c && date_exists(c));
	return now_us > 0 && back_us > 0 ? last_begin(c, now_us, back_us, false) : 0;
}

/* The latest time that the wall can show for a beginning, not after the one it shows now, and after that minus back.
 * -1: none. */
static int64_t last_shown(const struct cron *c, int64_t wall, int64_t back)
{
	for (int64_t day = wall / DAY_S; day >= 0 && (day + 1) * DAY_S > wall - back; day--)
		for (int minute = DAY_MINUTES - 1; date_matches(c, day) && minute >= 0; minute--) {
			int64_t at = day * DAY_S + minute * 60;

			if (minute_matches(c, minute) && at <= wall)
				return at > wall - back ? at : -1;
		}
	return -1;
}

/* Until when the wall says that it is in force; 0: it does not. */
static int64_t shown_until_us(const struct cron *c, int64_t now_us, int64_t duration_us)
{
	int64_t duration = (duration_us + US_PER_S - 1) / US_PER_S, now = now_us / US_PER_S;
	int64_t shown = last_shown(c, wall_of(now), duration);

	if (shown < 0)
		return 0;
	struct instants end = instants_of(shown + duration);
	return (end.first > now ? end.first : end.last) * US_PER_S;
}

int64_t cron_in_force_until_us(const struct cron *c, int64_t now_us, int64_t duration_us)
{
	assert(c && date_exists(c));
	if (now_us <= 0 || duration_us <= 0)
		return 0;
	int64_t began = last_begin(c, now_us, duration_us, true);
	int64_t lasts = began ? began + duration_us : 0, shown = shown_until_us(c, now_us, duration_us);
	int64_t until = lasts > shown ? lasts : shown;
	return until > now_us ? until : 0;
}

/* --- dates --- */

/* timegm brings the 31st of February to March; strptime takes years of two digits. */
static bool read_date(const char *text, struct tm *ret)
{
	char again[16];

	*ret = (struct tm) {0};
	const char *end = strptime(text, "%Y-%m-%d", ret);
	if (!end || *end || end - text != 10 || timegm(ret) == -1)
		return false;
	return strftime(again, sizeof(again), "%Y-%m-%d", ret) > 0 && !strcmp(again, text);
}

bool cron_is_date(const char *text)
{
	struct tm t;

	assert(text);
	return read_date(text, &t);
}

bool cron_begins_on(const struct cron *c, const char *date)
{
	struct tm t;

	assert(c && date);
	return read_date(date, &t) && rule_takes(c, &t);
}
