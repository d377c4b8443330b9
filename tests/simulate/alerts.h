/*
 * Alertmanager: alerts that fire and end, told to the daemon by one or two of them, again and again.
 */
#ifndef TESTS_SIMULATE_ALERTS_H
#define TESTS_SIMULATE_ALERTS_H

#include <stdbool.h>
#include <stdint.h>

#define ALERTS_N 4

void alerts_begin(void);
/* A new alert fires, or one that did fires again. */
void alerts_fire(void);
/* One ends, or all. */
void alerts_resolve(bool all);
/* The clock that dates them is set, back as a rule. */
void alerts_clock_jumps(void);
/* An older body comes again, late. */
void alerts_repeat(void);
/* Does an alert fire that this query of Prometheus asks about. */
bool alerts_active(const char *query);
/* Does an alert of this rollout fire. */
bool alerts_fire_for(int rollout);

#endif
