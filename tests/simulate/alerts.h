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
/* One ends and begins again so soon that nobody is told of its end. */
void alerts_flap(void);
/* A replica that does not see it says that one is over, and the others go on saying that it fires. */
void alerts_deny(void);
/* The clock that dates them is set, back as a rule. */
void alerts_clock_jumps(void);
/* An older body comes again, late. */
void alerts_repeat(void);
/* Does an alert fire that this query of Prometheus asks about. */
bool alerts_active(const char *query);
/* Does an alert of this rollout fire. */
bool alerts_fire_for(int rollout);
/* Of one of its alerts that is over, an episode looks as if it went on: its end was never told, and since then the
 * clock that dates its alerts was set. */
bool alerts_unended(int rollout);
/* A person has ended what was done about those of this rollout. */
void alerts_settled(int rollout);
/* One that fires for this rollout, about which the daemon has said nothing yet; -1. */
int alerts_ignored(int rollout);

#endif
