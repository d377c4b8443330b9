/*
 * The rules that every history must keep, judged after each commit, at each act, and at the end.
 */
#ifndef TESTS_SIMULATE_WATCH_H
#define TESTS_SIMULATE_WATCH_H

#include <stdbool.h>
#include <stdint.h>

void watch_begin(void);
/* After each commit. */
void watch_commit(void);
/* Some instance runs with something else now. */
void watch_world(int service);
/* Somebody else sets a service to pct. */
void watch_outside(int service, int32_t pct);
/* Is this incident one of entering a stage. */
bool watch_may_raise(int64_t incident);
/* Has this rollback not acted before. */
bool watch_first_act(int64_t incident);
/* A program of this incident begins that can change its service. */
void watch_program_starts(int64_t incident);
/* A trigger (or a person) asked for at most pct, and the daemon said yes. service: where, by the config of that moment.
 */
void watch_demand(int rollout, int service, int32_t pct);
/* Somebody wants 0, or may: whether the daemon hears of it or not. */
void watch_asks_zero(int rollout);
/* A person took it into his own hands: nothing is demanded any more. */
void watch_void(int rollout);
/* An alert's episode opened an incident of a rollout, as the daemon says. */
void watch_opened(int rollout, int alert, int64_t starts_at_us, int64_t incident);
/* It was reported resolved, and fires: it may open another one. */
void watch_denied(int alert);
bool watch_is_open(int64_t incident);
/* An alert is one of this incident's, which goes by the config of this moment then. service: its; -1: as it was. */
void watch_attached(int64_t incident, int service);
/* Nothing has gone wrong for long. */
void watch_end(void);
/* An incident acts on this service from now on. */
void watch_goes_by(int64_t incident, int service);
/* The open incident of a rollout, as far as was seen; 0: none. */
int64_t watch_open(int rollout);

#endif
