#include "handlers/settings/calendar.h"

#include <assert.h>
#include <stddef.h>

#include "server/core/cron.h"

/* False: what stands there is none, which the config would not have let through. */
static bool parse(const struct calendar *c, struct cron *ret)
{
	assert(c && ret);
	if (!c->cron || cron_parse(c->cron, ret) < 0)
		return false;
	ret->except = c->except;
	return true;
}

int64_t calendar_last_us(const struct calendar *c, int64_t now_us, int64_t back_us)
{
	struct cron cron;

	return parse(c, &cron) ? cron_last_us(&cron, now_us, back_us) : 0;
}

int64_t calendar_in_force_until_us(const struct calendar *c, int64_t now_us, int64_t duration_us)
{
	struct cron cron;

	return parse(c, &cron) && !c->suspend ? cron_in_force_until_us(&cron, now_us, duration_us) : 0;
}

const char *calendar_idle_exception(const struct calendar *c)
{
	struct cron cron;

	if (!parse(c, &cron))
		return NULL;
	for (const char **date = c->except; date && *date; date++)
		if (cron_is_date(*date) && !cron_begins_on(&cron, *date))
			return *date;
	return NULL;
}
