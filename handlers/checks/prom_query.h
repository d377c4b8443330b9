/*
 * Prometheus' query API: the one client, and the one idea of what a good answer is.
 *
 * Good is a 2xx without a redirect, of the documented shape and within its bounds, without warnings, and where it is to
 * be evidence, of samples that are young enough. Everything else is unknown, with the reason said.
 *
 * Engine thread, or the one thread of a program with a loop of its own. Call backs come once, never inside the call
 * that started, and no later than the time limit.
 */
#ifndef HANDLERS_CHECKS_PROM_QUERY_H
#define HANDLERS_CHECKS_PROM_QUERY_H

#include "alertmanager/prometheus.h"
#include "handlers/settings/settings.h"
#include "server/core/loop.h"

#define PROM_WHY_MAX 200

struct prom_question {
	const char *query;  /* copied */
	int64_t timeout_us; /* of everything together */
	enum loop_share share;
	/* Only samples younger than this count (monotonic; 0: any age). The ages of all series that the query names are
	 * asked before the values: what was young then is not older afterwards. Prometheus' own clock is compared with
	 * itself. */
	int64_t since_mono_us;
	bool past;  /* it may compare with what is behind an offset, whose age does not matter */
	bool range; /* a range query: from, to, step */
	int64_t from_us, to_us, step_us;
	size_t max_series, max_points;
};

struct prom_reply {
	bool sent;                  /* it was asked at all */
	bool reached;               /* Prometheus itself said something, if only no */
	bool stale;                 /* it has samples, none of them young enough yet */
	struct prom_vector vector;  /* an instant query's; n == 0 with why "": it has no data */
	struct json_object *series; /* a range query's (prom_matrix_parse) */
	char why[PROM_WHY_MAX];     /* "": the answer is good; else a sentence, and nothing else is set */
};

struct prom_query;
/* r is borrowed for the call. */
typedef void prom_query_fn(void *arg, const struct prom_reply *r);
/* 0, or -errno: nothing was started. Without a Prometheus the reply is unknown, too. o is borrowed until the end. */
int prom_query_start(struct loop *l, const struct prometheus_options *o, const struct prom_question *q,
                     prom_query_fn *fn, void *arg, struct prom_query **ret) MUST_CHECK;
void prom_query_cancel(struct prom_query *q); /* no call back; NULL is fine */

/* --- many at once, each answered with one number or a reason why not --- */

struct prom_answer {
	bool asked;                  /* false: the query was NULL */
	bool reached;                /* Prometheus answered at all */
	bool stale;                  /* it knows nothing young enough yet */
	size_t n;                    /* samples */
	double least, most;          /* of them; NaN when there are none, or one is no number */
	char names[160];             /* their labels' values, as many as there is room for: "go, lua and 3 more" */
	char why[PROM_WHY_MAX + 16]; /* why there is no number; "" when there is one */
};

/* The one number of a bound: the worst sample. NaN: unknown, and why says it. Pure. */
double prom_answer_worst(const struct prom_answer *a, bool low_is_bad);

struct prom_ask;
typedef void prom_ask_fn(void *arg, const struct prom_answer *answers, size_t n);
/* queries are copied; a NULL one is skipped. 0 or -errno: nothing was started. */
int prom_ask_start(struct loop *l, const struct prometheus_options *o, const char *const *queries, size_t n,
                   int64_t since_mono_us, prom_ask_fn *fn, void *arg, struct prom_ask **ret) MUST_CHECK;
void prom_ask_cancel(struct prom_ask *a); /* no call back; NULL is fine */

#endif
