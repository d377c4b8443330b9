/*
 * What Prometheus, Alertmanager's heartbeat and the service said about a rollout at one moment.
 */
#ifndef HANDLERS_GATES_EVALUATION_H
#define HANDLERS_GATES_EVALUATION_H

#include "db/incident.h"
#include "handlers/gates/criteria.h"
#include "handlers/gates/unheard.h"
#include "handlers/readiness/fallback_probe.h"

enum firing { FIRING_NONE, FIRING_YES, FIRING_UNKNOWN };

#define EVALUATION_BASELINES_MAX 32

struct evaluation {
	int64_t at_us;    /* wall; 0: never */
	int32_t stage;    /* of which stage the criteria are; -1 none */
	int64_t run;      /* of which run */
	int64_t left_run; /* results are of all success metrics, for that run, which a rollback ended just now;
	                     0: of the stage */
	struct criterion_result *results; /* owned: one per criterion of the stage */
	size_t n;
	double share;        /* observed share of traffic, 0 to 1; NaN unknown */
	char unreached[256]; /* why Prometheus could not be asked, at any percentage; "" : it answered, or nothing was
	                        asked */
	char blind[300];     /* why nobody watches it; "" : it is watched, or at 0 % */
	enum firing firing;  /* of the alerts not resolved here */
	char firing_why[300];
	bool heard;                  /* whether triggers come here could be told; else unheard says nothing */
	struct unheard unheard;      /* triggers that fire in Prometheus and did not come */
	int64_t near_at_us;          /* when Prometheus last told of near misses; 0: not yet */
	bool near_known;             /* whether it did */
	struct unheard near_misses;  /* triggers that were pending in the last week and never fired */
	enum condition_status there; /* is the world at the wanted percentage */
	int32_t seen;                /* highest percentage that anybody reported; -1 nobody */
	char there_why[300];
	struct probe_result *fallback; /* owned: one per check of fallback_probe */
	size_t n_fallback;
	struct {
		double value, samples;         /* value NaN: unknown, or too few samples; samples 0: not asked */
	} baselines[EVALUATION_BASELINES_MAX]; /* in the order of the config */
};

/* Could r's old way take the traffic? fallback_probe_all. */
enum condition_status evaluation_fallback(const struct evaluation *e, const struct rollout *r, char *why, size_t size);

/* Is the old way, which m takes down, not known to be ready? Then m is not due. */
bool milestone_is_locked(const struct rollout *r, const struct milestone *m, const struct evaluation *e, char *why,
                         size_t size);

void evaluation_free(struct evaluation *e);                              /* the members; leaves zeros */
int evaluation_copy(const struct evaluation *e, struct evaluation *ret); /* -ENOMEM */

#endif
