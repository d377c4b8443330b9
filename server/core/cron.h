/*
 * Five-field cron expressions (crontab(5)): when something begins. Pure but for the process's time zone (TZ), which is
 * set once before threads start. Any thread.
 */
#ifndef SERVER_CORE_CRON_H
#define SERVER_CORE_CRON_H

#include <stdbool.h>
#include <stdint.h>
#include <time.h>

struct cron {
	uint64_t minute;                    /* bit n: n matches */
	uint32_t hour, day, month, weekday; /* weekday 0 is Sunday; 7 is read as 0 */
	bool any_day, any_weekday;          /* written as *: then the other one decides alone */
};

/* "0 16 * * 5", "0,30 9-17 * * 1-5": numbers, lists, ranges and steps; no names. -EINVAL. */
int cron_parse(const char *text, struct cron *ret);
bool cron_matches(const struct cron *c, const struct tm *local);
/* The latest minute in (now - back, now] that matches, in local time; 0: none. back is cut to 31 days. */
int64_t cron_last_us(const struct cron *c, int64_t now_us, int64_t back_us);

#endif
