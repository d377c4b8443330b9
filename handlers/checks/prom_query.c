#include "handlers/checks/prom_query.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertmanager/promql.h"
#include "server/core/answer.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define BODY_MAX        (2 * 1024 * 1024)
#define URL_MAX         (16 * 1024)
#define FORM_MAX        (256 * 1024) /* of a range query: the expressions of rules, put together */
#define TIMEOUT_DEFAULT (3 * US_PER_S)
#define AHEAD_MOST_S    1.0  /* of a sample, before its Prometheus' own now: rounding */
#define AGE_MOST_S      1e10 /* older than what any clock shows */

struct prom_query {
	struct loop *loop;
	const struct prometheus_options *o;
	struct prom_question ask; /* query owned */
	char *query;
	struct promql_ages ages; /* none when the age does not matter */
	size_t next;             /* age to ask for; behind the last the query itself */
	int64_t sent_mono_us, until_mono_us;
	struct loop_fetch *fetch;
	struct loop_timer *timer; /* when there is nothing to ask */
	struct prom_reply reply;
	prom_query_fn *fn;
	void *arg;
};

static void query_free(struct prom_query *q)
{
	if (!q)
		return;
	prom_vector_free(&q->reply.vector);
	json_object_put(q->reply.series);
	promql_ages_free(&q->ages);
	free(q->query);
	free(q);
}

static void query_cleanup(struct prom_query **q)
{
	query_free(*q);
}

static void tell(void *arg)
{
	CLEANUP(query_cleanup) struct prom_query *q = arg;

	assert(q->fn);
	q->fn(q->arg, &q->reply);
}

static void fail(struct prom_query *q, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void fail(struct prom_query *q, const char *fmt, ...)
{
	assert(fmt);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(q->reply.why, sizeof(q->reply.why), fmt, ap);
	va_end(ap);
}

/* Errors of Prometheus come as JSON with another status, and say more than the status does; those of a proxy do not. */
static bool is_answer(struct prom_query *q, const struct fetch_result *r)
{
	CLEANUP(buf_free) struct buf b = BUF(PROM_WHY_MAX);

	q->reply.sent = true;
	q->reply.reached = r->error == 0 && (answer_is_good(r) || (r->body_len && r->body[0] == '{'));
	if (q->reply.reached)
		return true;
	answer_failure(&b, r, q->ask.timeout_us);
	fail(q, "%s", buf_text(&b));
	return false;
}

static int parse(const struct prom_query *q, const struct fetch_result *r, struct prom_reply *to)
{
	if (q->ask.range)
		return prom_matrix_parse(r->body, r->body_len, q->ask.max_series, q->ask.max_points, &to->series,
		                         to->why, sizeof(to->why));
	return prom_vector_parse(r->body, r->body_len, &to->vector, to->why, sizeof(to->why));
}

/* Into the reply: the answer, or why it is none. */
static void take(struct prom_query *q, const struct fetch_result *r)
{
	if (!is_answer(q, r))
		return;
	if (parse(q, r, &q->reply) < 0)
		return;
	if (answer_is_good(r))
		return;
	prom_vector_free(&q->reply.vector);
	json_object_put(q->reply.series);
	q->reply.series = NULL;
	fail(q, "Prometheus answered %d with a body that says success", r->status);
}

static void ask_next(struct prom_query *q);

/* The age counts from when it was asked, on our clock; how old a sample is says Prometheus' clock alone. */
static void judge_age(struct prom_query *q)
{
	assert(q->next < q->ages.n);
	const struct prom_vector *v = &q->reply.vector;
	char age[32];

	if (q->reply.why[0])
		return;
	if (v->n == 0) {
		fail(q, "no data");
		return;
	}
	double old_s = v->samples[0].at - v->samples[0].value;
	/* Prometheus knows no sample of later than now: whose clock does, shows no age at all. */
	if (v->n != 1 || !isfinite(old_s) || old_s < -AHEAD_MOST_S || old_s > AGE_MOST_S) {
		fail(q, "how old the samples are cannot be told");
		return;
	}
	int64_t lag = q->ages.list[q->next].lag_us, of = q->sent_mono_us - (int64_t)(old_s * US_PER_S) - lag;

	if (of > q->ask.since_mono_us)
		return;
	q->reply.stale = true;
	int64_t old = (int64_t)(old_s > 0 ? old_s * US_PER_S : 0) + lag;
	text_duration(old / US_PER_S * US_PER_S, age, sizeof(age));
	fail(q, "the newest sample is older (%s) than what it should show", age);
}

static void on_age(void *arg, const struct fetch_result *r)
{
	struct prom_query *q = arg;

	q->fetch = NULL;
	take(q, r);
	judge_age(q);
	prom_vector_free(&q->reply.vector);
	q->reply.vector = (struct prom_vector) {0};
	q->next++;
	if (q->reply.why[0])
		tell(q);
	else
		ask_next(q);
}

static void on_value(void *arg, const struct fetch_result *r)
{
	struct prom_query *q = arg;

	q->fetch = NULL;
	take(q, r);
	tell(q);
}

static int send(struct prom_query *q, const char *query, bool range, loop_fetch_fn *fn)
{
	assert(query && !q->fetch);
	static const char *const form[] = {"Content-Type: application/x-www-form-urlencoded", NULL};
	CLEANUP(buf_free) struct buf url = BUF(range ? FORM_MAX : URL_MAX);
	int64_t now = clock_mono_us(), left = q->until_mono_us - now;

	if (left <= 0)
		return -ETIMEDOUT;
	double limit = (double)left / US_PER_S, from = (double)q->ask.from_us / US_PER_S,
	       to = (double)q->ask.to_us / US_PER_S, step = (double)q->ask.step_us / US_PER_S;
	int r = range ? prom_range_url(&url, q->o->url, query, from, to, step, limit)
	              : prom_query_url(&url, q->o->url, query, limit);
	struct fetch_spec spec = {.method = "GET",
	                          .url = buf_text(&url),
	                          .timeout_us = left,
	                          .max_body = BODY_MAX,
	                          .share = q->ask.share};

	q->sent_mono_us = now;
	char *parameters = r >= 0 && url.len > URL_MAX ? strchr(url.data, '?') : NULL;
	if (parameters) { /* what is too long for a URL is the body */
		*parameters = '\0';
		spec.method = "POST";
		spec.headers = form;
		spec.body = parameters + 1;
		spec.body_len = strlen(parameters + 1);
	}
	return r < 0 ? r : loop_fetch(q->loop, &spec, fn, q, &q->fetch);
}

/* What cannot be sent is told from the loop, never inside the call that started. */
static void ask_next(struct prom_query *q)
{
	bool age = q->next < q->ages.n;
	int r = age ? send(q, q->ages.list[q->next].query, false, on_age) : send(q, q->query, q->ask.range, on_value);

	if (r == 0)
		return;
	fail(q, "Prometheus could not be asked: %s", strerrordesc_np(-r));
	q->timer = loop_timer_at(q->loop, clock_mono_us(), tell, q);
	if (!q->timer)
		abort(); /* out of memory: a crash is safe, a question without an answer is not */
}

/* Why nothing is asked at all; "" : it is. */
static int prepare(struct prom_query *q)
{
	int r = q->ask.since_mono_us ? promql_ages(q->query, q->ask.past, &q->ages) : 0;

	if (!q->o->url[0])
		fail(q, "no Prometheus is configured");
	else if (r == -EINVAL)
		fail(q, "how old its samples are cannot be told from this query; ask for a series by its name");
	return r == -EINVAL ? 0 : r;
}

int prom_query_start(struct loop *l, const struct prometheus_options *o, const struct prom_question *ask,
                     prom_query_fn *fn, void *arg, struct prom_query **ret)
{
	assert(l && o && ret);
	CLEANUP(query_cleanup) struct prom_query *q = calloc(1, sizeof(*q));

	assert(ask->query && fn && !(ask->range && ask->since_mono_us));
	if (!q)
		return -ENOMEM;
	*q = (struct prom_query) {.loop = l, .o = o, .ask = *ask, .fn = fn, .arg = arg};
	if (q->ask.timeout_us <= 0)
		q->ask.timeout_us = TIMEOUT_DEFAULT;
	q->until_mono_us = clock_mono_us() + q->ask.timeout_us;
	q->query = strdup(ask->query);
	int r = q->query ? prepare(q) : -ENOMEM;
	if (r < 0)
		return r;
	if (q->reply.why[0] && !(q->timer = loop_timer_at(l, clock_mono_us(), tell, q)))
		return -ENOMEM;
	if (!q->reply.why[0])
		ask_next(q);
	*ret = TAKE(q);
	return 0;
}

void prom_query_cancel(struct prom_query *q)
{
	if (!q)
		return;
	loop_timer_cancel(q->loop, q->timer);
	if (q->fetch)
		loop_fetch_cancel(q->loop, q->fetch);
	query_free(q);
}
