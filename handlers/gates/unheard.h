/*
 * A trigger that fires in Prometheus and does not come here: a silence, an inhibition or a route is in the way. Pure;
 * any thread.
 */
#ifndef HANDLERS_GATES_UNHEARD_H
#define HANDLERS_GATES_UNHEARD_H

#include "alertmanager/prometheus.h"
#include "handlers/settings/settings.h"

#define UNHEARD_QUERY "ALERTS{alertstate=\"firing\"}"

/* Triggers that were about to fire in the last week and never did: near misses. */
#define NEAR_MISS_QUERY                                                                                                \
	"count_over_time(ALERTS{alertstate=\"pending\"}[7d]) unless ignoring(alertstate) "                             \
	"count_over_time(ALERTS{alertstate=\"firing\"}[7d])"

#define UNHEARD_MAX 8 /* that are told apart; of more only the number is known */

struct unheard_alert {
	uint64_t fingerprint; /* of the labels that Prometheus has */
	char name[100];
	char obstacle[250]; /* half a sentence: what is in the way, as Alertmanager tells; "": nobody was asked */
};
struct unheard {
	size_t n; /* alerts, the first UNHEARD_MAX in list; what only says that it is a drill is none */
	struct unheard_alert list[UNHEARD_MAX];
};

/* Which of those that fire are triggers of r, and none of the alerts known here. known: n JSON objects as text. On the
 * way here labels may be added and dropped, so what both have must be equal, alertname among it. 0 or -ENOMEM. */
int unheard_find(const struct settings *s, const struct rollout *r, const struct prom_vector *firing,
                 char *const *known, size_t n, struct unheard *ret) MUST_CHECK;

#endif
