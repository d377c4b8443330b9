#include "alertmanager/alert_clock.h"

#include <assert.h>

static enum alert_change absent(struct alert_clock *c, int64_t at_us, int64_t keep_us)
{
	bool fired = c->fired_us != 0;

	if (fired && keep_us && !c->kept_us)
		c->kept_us = at_us;
	if (fired && keep_us && at_us - c->kept_us < keep_us)
		return ALERT_SAME;
	*c = (struct alert_clock) {0};
	return fired ? ALERT_ENDED : ALERT_SAME;
}

enum alert_change alert_clock_step(struct alert_clock *c, int64_t at_us, bool present, int64_t for_us, int64_t keep_us)
{
	assert(c && at_us > 0 && for_us >= 0 && keep_us >= 0);
	if (!present)
		return absent(c, at_us, keep_us);
	c->kept_us = 0;
	if (!c->active_us)
		c->active_us = at_us;
	if (c->fired_us || at_us - c->active_us < for_us)
		return ALERT_SAME;
	c->fired_us = at_us;
	return ALERT_BEGAN_TO_FIRE;
}
