/*
 * The rollback SLA: how long each phase of an incident took, against its budget. Pure; any thread.
 * Detection counts from the onset, all others from the record, both of the trigger that decides the incident.
 */
#ifndef HANDLERS_INCIDENT_SLA_H
#define HANDLERS_INCIDENT_SLA_H

#include "db/incident.h"
#include "handlers/settings/settings.h"
#include "server/core/json.h"
#include "server/core/metrics.h"

struct sla_span {
	enum metric_phase phase;
	int64_t took_us, budget_us;
	bool since_fired; /* detection: until Prometheus told when the condition began, how long it was pending is
	                     unknown */
};

/* How long its playbook had it wait before it was due; 0: it did not. */
int64_t sla_deferred_us(const struct incident *inc);
/* The phases that have begun and ended, in order; how many. They count from the trigger that decides it; the decision
 * of a deferred one from when it was due, and the total leaves the wait out. Detection is left out as long as only
 * startsAt is known of a rollback that goes on. */
size_t sla_spans(const struct incident *inc, const struct sla *sla, struct sla_span ret[PHASE_N]);

#define SLA_WORDS_SIZE 120
/* "41 s of 2 minutes", "(since it fired) 3 minutes of 2 minutes MISSED": for messages and lists alike. */
void sla_words(const struct sla_span *s, char out[SLA_WORDS_SIZE]);
/* {"detection": {"seconds", "limit", "met", "from", "text"}, …}: the caller's to put. */
struct json_object *sla_json(const struct incident *inc, const struct sla *sla);

/* Of many incidents: the spans of each phase. */
struct sla_tally {
	int64_t *took[PHASE_N]; /* owned */
	size_t n[PHASE_N], met[PHASE_N];
	int64_t budget_us[PHASE_N];
	size_t overdue; /* begun, never seen done, and the total is over: missed, whatever comes */
};
int sla_tally_add(struct sla_tally *t, const struct incident *inc, const struct sla *sla, int64_t now_us); /* -ENOMEM */
void sla_tally_free(struct sla_tally *t);
/* Sorts them: how long it took at most in so many percent of the cases (nearest rank); 0 without any. */
int64_t sla_percentile_us(struct sla_tally *t, enum metric_phase phase, int percent);

#endif
