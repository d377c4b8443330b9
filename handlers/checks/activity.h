/*
 * Is what these alerts told of still so? Asks Prometheus, and Alertmanager where one is configured.
 *
 * Alertmanager's "resolved" may only mean that it has not heard of Prometheus for a while: it proves nothing while
 * Prometheus is silent. So "over" is Prometheus' word; Alertmanager's counts only where there is no Prometheus.
 * Whoever says active is believed.
 *
 * Engine thread. activity_start calls back once, never inside the call, after the slowest answer or its time limit.
 */
#ifndef HANDLERS_CHECKS_ACTIVITY_H
#define HANDLERS_CHECKS_ACTIVITY_H

#include "handlers/settings/settings.h"
#include "server/core/loop.h"

enum activity {
	ACTIVITY_UNKNOWN, /* somebody who should know did not answer, or there is more than can be asked about */
	ACTIVITY_OVER,
	ACTIVITY_ACTIVE,
	ACTIVITY_NOBODY, /* neither Prometheus nor Alertmanager is configured */
	ACTIVITY_N
};

#define ACTIVITY_ALERTS_MAX 1000 /* labels that are looked at; more are unknown */
#define ACTIVITY_NAMES_MAX  16   /* names of alerts: each is one question to each */

/* What two answers make together; NOBODY is who was not asked. Pure. */
enum activity activity_together(enum activity prometheus, enum activity alertmanager);

struct activity_question;
/* why: one sentence. */
typedef void activity_fn(void *arg, enum activity a, const char *why);

/* labels: n JSON objects as text, copied. Alerts of one name are asked about at once, by the labels that they share: a
 * value that moves with each evaluation must not hide that the condition goes on. */
int activity_start(struct loop *l, const struct settings *s, char *const *labels, size_t n, activity_fn *fn, void *arg,
                   struct activity_question **ret) MUST_CHECK;
void activity_cancel(struct activity_question *q); /* no call back; NULL is fine */

#endif
