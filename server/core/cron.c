#include "server/core/cron.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/scope.h"

#define MINUTE_US   (60 * US_PER_S)
#define BACK_MAX_US (31 * 86400 * US_PER_S)

struct field {
	unsigned least, most;
};
static const struct field fields[] = {{0, 59}, {0, 23}, {1, 31}, {1, 12}, {0, 7}};

static int number(const char **at, unsigned *ret)
{
	char *end;

	if (!isdigit((unsigned char)**at))
		return -EINVAL;
	unsigned long n = strtoul(*at, &end, 10);
	if (n > 99)
		return -EINVAL;
	*at = end;
	*ret = (unsigned)n;
	return 0;
}

/* "*", "5", "1-5", each with or without "/2". */
static int part(const char **at, const struct field *f, uint64_t *bits)
{
	unsigned from = f->least, to = f->most, step = 1;
	bool star = **at == '*', ranged = star;

	if (star)
		(*at)++;
	else if (number(at, &from) < 0)
		return -EINVAL;
	else
		to = from;
	if (!star && **at == '-') {
		(*at)++;
		ranged = true;
		if (number(at, &to) < 0)
			return -EINVAL;
	}
	if (**at == '/') {
		(*at)++;
		if (number(at, &step) < 0 || step == 0 || !ranged)
			return -EINVAL;
	}
	if (from < f->least || to > f->most || from > to)
		return -EINVAL;
	for (unsigned n = from; n <= to; n += step)
		*bits |= UINT64_C(1) << n;
	return 0;
}

static int field(const char **at, const struct field *f, uint64_t *bits)
{
	*bits = 0;
	while (**at == ' ' || **at == '\t')
		(*at)++;
	for (;;) {
		int r = part(at, f, bits);

		if (r < 0 || **at != ',')
			return r < 0 || (**at && **at != ' ' && **at != '\t') ? -EINVAL : 0;
		(*at)++;
	}
}

static bool is_star(const char *text, int nth)
{
	for (; nth >= 0; nth--) {
		text += strspn(text, " \t");
		if (nth == 0)
			return *text == '*' && (!text[1] || text[1] == ' ' || text[1] == '\t');
		text += strcspn(text, " \t");
	}
	return false;
}

int cron_parse(const char *text, struct cron *ret)
{
	uint64_t bits[ARRAY_LEN(fields)];
	const char *at = text;

	for (size_t i = 0; i < ARRAY_LEN(fields); i++)
		if (field(&at, &fields[i], &bits[i]) < 0)
			return -EINVAL;
	if (at[strspn(at, " \t")])
		return -EINVAL;
	if (bits[4] & (1 << 7))
		bits[4] |= 1;
	*ret = (struct cron) {.minute = bits[0],
	                      .hour = (uint32_t)bits[1],
	                      .day = (uint32_t)bits[2],
	                      .month = (uint32_t)bits[3],
	                      .weekday = (uint32_t)bits[4],
	                      .any_day = is_star(text, 2),
	                      .any_weekday = is_star(text, 4)};
	return 0;
}

bool cron_matches(const struct cron *c, const struct tm *t)
{
	bool day = c->day >> t->tm_mday & 1, weekday = c->weekday >> t->tm_wday & 1;
	/* crontab(5): when both are restricted, either is enough. */
	bool date = !c->any_day && !c->any_weekday ? day || weekday : day && weekday;

	return (c->minute >> t->tm_min & 1) && (c->hour >> t->tm_hour & 1) && (c->month >> (t->tm_mon + 1) & 1) && date;
}

int64_t cron_last_us(const struct cron *c, int64_t now_us, int64_t back_us)
{
	int64_t first = now_us - (back_us > BACK_MAX_US ? BACK_MAX_US : back_us);

	for (int64_t at = now_us - now_us % MINUTE_US, step; at > first && at > 0; at -= step) {
		time_t seconds = (time_t)(at / US_PER_S);
		struct tm local;

		if (!localtime_r(&seconds, &local))
			return 0;
		if (cron_matches(c, &local))
			return at;
		/* Of an hour that does not match, half of it at once: no zone changes its clock by less. */
		step = c->hour >> local.tm_hour & 1 ? MINUTE_US : (local.tm_min % 30 + 1) * MINUTE_US;
	}
	return 0;
}
