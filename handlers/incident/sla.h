/*
 * The rollback SLA: how long each phase of an incident took, against its budget. Pure; any thread.
 * (rollout plan: Rollback SLA; interface: section 3. Detection counts from the onset, all others from record.)
 */
#ifndef HANDLERS_INCIDENT_SLA_H
#define HANDLERS_INCIDENT_SLA_H

#include "db/incident.h"
#include "handlers/settings/settings.h"
#include "server/core/metrics.h"

struct sla_span {
	enum metric_phase phase;
	int64_t took_us, budget_us;
};

/* The phases that have begun and ended, in order; how many. */
size_t sla_spans(const struct incident *inc, const struct sla *sla, struct sla_span ret[PHASE_N]);

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
