/*
 * When something recurs: a cron expression in global.timezone, the dates on which it does not begin, and whether it is
 * suspended. Pure but for the process's time zone; any thread.
 */
#ifndef HANDLERS_SETTINGS_CALENDAR_H
#define HANDLERS_SETTINGS_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

struct calendar {
	const char *cron;
	const char **except; /* NULL: none */
	bool suspend;
};

/* The latest beginning in (now - back, now], also of a suspended one: what falls due meanwhile is not made up for. 0:
 * none. */
int64_t calendar_last_us(const struct calendar *c, int64_t now_us, int64_t back_us);
/* When a span of that duration that is in force at now ends. 0: none is, or it is suspended. */
int64_t calendar_in_force_until_us(const struct calendar *c, int64_t now_us, int64_t duration_us);
/* The first excepted date on which it would not begin anyway: a slip. NULL: there is none. */
const char *calendar_idle_exception(const struct calendar *c);

#endif
