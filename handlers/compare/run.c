#include "handlers/compare/run.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/checks/prom_query.h"
#include "server/core/text.h"

struct question {
	struct compare_run *of;
	struct prom_query *query; /* NULL: answered, or never sent */
	bool buckets;
};

struct compare_run {
	struct loop *loop;
	struct loop_timer *timer; /* when there is nothing to wait for */
	struct compare_request rq;
	struct question *questions;
	struct compare_answer *answers;
	size_t n, waiting;
	compare_fn *fn;
	void *arg;
};

/* --- what was left out --- */

void compare_spans_free(struct compare_spans *s)
{
	assert(s && (s->item || s->n == 0));
	for (size_t i = 0; i < s->n; i++)
		free(s->item[i].reason);
	free(s->item);
	*s = (struct compare_spans) {0};
}

int compare_spans_add(struct compare_spans *s, int64_t from_us, int64_t to_us, const char *reason)
{
	assert(s && reason);
	struct compare_span *more = reallocarray(s->item, s->n + 1, sizeof(*more));

	if (!more)
		return -ENOMEM;
	s->item = more;
	s->item[s->n] = (struct compare_span) {from_us, to_us, strdup(reason)};
	if (!s->item[s->n].reason)
		return -ENOMEM;
	s->n++;
	return 0;
}

/* --- the grid --- */

int compare_grid_of(const struct compare_options *o, int64_t now_us, int64_t duration_us, struct compare_grid *ret,
                    char *why, size_t size)
{
	assert(o && ret && why && size > 0);
	int64_t n = o->step_us ? duration_us / o->step_us : 0;
	char step[32];

	text_duration(o->step_us, step, sizeof(step));
	if (!o->step_us)
		snprintf(why, size, "this rollout has no section compare in the config");
	else if (n < 1)
		snprintf(why, size, "duration must be at least one step of the comparison, %s", step);
	else if (n > COMPARE_HOURS_MAX)
		snprintf(why, size, "duration must be at most %d steps of %s", COMPARE_HOURS_MAX, step);
	if (n < 1 || n > COMPARE_HOURS_MAX)
		return -EINVAL;
	int64_t to_us = now_us - now_us % o->step_us;
	*ret = (struct compare_grid) {.from_us = to_us - n * o->step_us, .step_us = o->step_us, .n = (size_t)n};
	return 0;
}

/* --- questions --- */

size_t compare_questions(const struct compare_options *o, compare_take_fn *take, void *arg)
{
	assert(o && take);
	size_t n = 0;

	take(arg, n++, o->share, false);
	for (size_t i = 0; i < o->n_metrics; i++) {
		const struct compare_metric *m = &o->metrics[i];
		const struct compare_queries *sides[] = {&m->candidate, &m->baseline};

		for (size_t s = 0; s < ARRAY_LEN(sides); s++) {
			take(arg, n++, sides[s]->query, m->kind == COMPARE_HISTOGRAM);
			if (sides[s]->bad)
				take(arg, n++, sides[s]->bad, false);
		}
	}
	return n;
}

static void run_free(struct compare_run *r)
{
	for (size_t i = 0; r->answers && i < r->n; i++) {
		free(r->answers[i].line);
		compare_buckets_free(&r->answers[i].buckets);
	}
	compare_spans_free(&r->rq.left_out);
	free(r->answers);
	free(r->questions);
	free(r);
}

static void tell(void *arg)
{
	struct compare_run *r = arg;
	struct json_object *report = NULL;
	compare_fn *fn = r->fn;
	void *told = r->arg;
	int e = compare_report(&r->rq, r->answers, &report);

	assert(r->fn && r->waiting == 0);
	run_free(r);
	fn(told, e, report);
}

static int take_series(struct compare_answer *a, const struct question *q, struct json_object *series)
{
	const struct compare_grid *grid = &q->of->rq.grid;

	if (q->buckets)
		return compare_buckets_read(series, grid, &a->buckets, a->why, sizeof(a->why));
	CLEANUP(cleanup_free) double *line = calloc(grid->n, sizeof(*line));
	int e = line ? compare_line_read(series, grid, line, a->why, sizeof(a->why)) : -ENOMEM;
	if (e == 0)
		a->line = TAKE(line);
	return e;
}

static void take_answer(struct compare_answer *a, const struct question *q, const struct prom_reply *r)
{
	assert(a && q && q->of);
	int e = 0;

	if (r->why[0])
		snprintf(a->why, sizeof(a->why), "%s%s", r->sent && !r->reached ? "Prometheus: " : "", r->why);
	else
		e = take_series(a, q, r->series);
	if (e == -ENOMEM)
		snprintf(a->why, sizeof(a->why), "out of memory");
}

static void on_answer(void *arg, const struct prom_reply *reply)
{
	struct question *q = arg;
	struct compare_run *r = q->of;

	q->query = NULL;
	take_answer(&r->answers[q - r->questions], q, reply);
	if (--r->waiting == 0)
		tell(r);
}

static int ask(struct compare_run *r, size_t i, const char *query)
{
	assert(i < r->n && query);
	const struct compare_grid *g = &r->rq.grid;
	struct prom_question ask = {.query = query,
	                            .timeout_us = COMPARE_TIMEOUT_US,
	                            .share = LOOP_SHARE_STUDY,
	                            .range = true,
	                            .from_us = g->from_us + g->step_us,
	                            .to_us = g->from_us + g->step_us * (int64_t)g->n,
	                            .step_us = g->step_us,
	                            .max_series = COMPARE_BUCKETS_MAX,
	                            .max_points = COMPARE_HOURS_MAX + 1};

	return prom_query_start(r->loop, r->rq.prometheus, &ask, on_answer, &r->questions[i], &r->questions[i].query);
}

static void count_question(void *arg, size_t i, const char *query, bool buckets)
{
	(void)arg;
	(void)i;
	(void)query;
	(void)buckets;
}

static void send_question(void *arg, size_t i, const char *query, bool buckets)
{
	struct compare_run *r = arg;
	struct compare_answer *a = &r->answers[i];

	r->questions[i] = (struct question) {.of = r, .buckets = buckets};
	if (!query)
		return;
	int e = r->rq.prometheus->url[0] ? ask(r, i, query) : -EDESTADDRREQ;
	if (e < 0)
		snprintf(a->why, sizeof(a->why), "Prometheus could not be asked: %s", strerrordesc_np(-e));
	else
		r->waiting++;
}

int compare_start(struct loop *l, struct compare_request *rq, compare_fn *fn, void *arg, struct compare_run **ret)
{
	assert(l && rq && fn && ret);
	struct compare_run *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	*r = (struct compare_run) {.loop = l, .rq = *rq, .fn = fn, .arg = arg};
	r->rq.left_out = (struct compare_spans) {0};
	r->n = compare_questions(&rq->rollout->compare, count_question, NULL);
	r->questions = calloc(r->n, sizeof(*r->questions));
	r->answers = calloc(r->n, sizeof(*r->answers));
	if (!r->questions || !r->answers) {
		run_free(r);
		return -ENOMEM;
	}
	compare_questions(&rq->rollout->compare, send_question, r);
	if (r->waiting == 0 && !(r->timer = loop_timer_at(l, clock_mono_us(), tell, r))) {
		run_free(r);
		return -ENOMEM;
	}
	r->rq.left_out = rq->left_out;
	rq->left_out = (struct compare_spans) {0};
	*ret = r;
	return 0;
}

void compare_cancel(struct compare_run *r)
{
	if (!r)
		return;
	loop_timer_cancel(r->loop, r->timer);
	for (size_t i = 0; i < r->n; i++)
		prom_query_cancel(r->questions[i].query);
	run_free(r);
}
