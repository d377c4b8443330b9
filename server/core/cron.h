/*
 * Five-field cron expressions (crontab(5)): when something begins, and how long it is in force. Pure but for the
 * process's time zone (TZ), which is set once before threads start. Any thread.
 *
 * Where the clock changes: what begins in minutes that are skipped begins when they are over; what begins in minutes
 * that come twice begins once, the first time. A span that is in force lasts as long as it says, and as long as the
 * clock on the wall says that it does; where those differ, the longer. A date that is excepted is one of the wall's: on
 * it nothing begins.
 */
#ifndef SERVER_CORE_CRON_H
#define SERVER_CORE_CRON_H

#include <stdbool.h>
#include <stdint.h>

struct cron {
	uint64_t minute;                    /* bit n: n matches */
	uint32_t hour, day, month, weekday; /* weekday 0 is Sunday; 7 is read as 0 */
	bool any_day, any_weekday;          /* begins with *: then the other one decides alone */
	const char **except;                /* borrowed: dates like 2026-12-24, NULL-terminated; NULL: none */
};

/* "0 16 * * 5", "0,30 9-17 * JAN-MAR MON-FRI", "@daily": numbers, names of months and days, lists, ranges, steps;
 * @hourly,
 * @daily, @midnight, @weekly, @monthly, @yearly, @annually. -EINVAL: it is none; -ERANGE: no such date ever comes (the
 * 31st of February). ret excepts no date. */
int cron_parse(const char *text, struct cron *ret);
/* The latest beginning in (now - back, now]; 0: none. */
int64_t cron_last_us(const struct cron *c, int64_t now_us, int64_t back_us);
/* When a span of that duration that is in force at now ends; 0: none is in force. */
int64_t cron_in_force_until_us(const struct cron *c, int64_t now_us, int64_t duration_us);

/* A day of the calendar, written like 2026-12-24. */
bool cron_is_date(const char *text);
/* Whether anything begins on that date, which is one, were it not excepted. */
bool cron_begins_on(const struct cron *c, const char *date);

#endif
