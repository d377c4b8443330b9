/*
 * What Prometheus makes of one alert's samples from evaluation to evaluation: pending for its `for`, firing, kept
 * firing for its `keep_firing_for` (prometheus rules/alerting.go). Pure; any thread.
 */
#ifndef ALERTMANAGER_ALERT_CLOCK_H
#define ALERTMANAGER_ALERT_CLOCK_H

#include <stdbool.h>
#include <stdint.h>

struct alert_clock {                          /* zeros: inactive */
	int64_t active_us, fired_us, kept_us; /* since when; 0: it is not */
};
enum alert_change { ALERT_SAME, ALERT_BEGAN_TO_FIRE, ALERT_ENDED };

/* One evaluation. present: the expression gave this series. */
enum alert_change alert_clock_step(struct alert_clock *c, int64_t at_us, bool present, int64_t for_us, int64_t keep_us);

#endif
