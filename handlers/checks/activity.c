#include "handlers/checks/activity.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertmanager/alerts_api.h"
#include "handlers/checks/onset.h"
#include "handlers/checks/prom_query.h"
#include "server/core/answer.h"
#include "server/core/clock.h"

#define WHY_MAX         400
#define QUERY_MAX       (12 * 1024)
#define URL_MAX         (32 * 1024)
#define BODY_MAX        (1024 * 1024)
#define LABELS_MAX      64
#define ALERTMANAGER_US (3 * US_PER_S) /* as global.prometheus.timeout, where that is not set */

struct name_question { /* about all alerts of one name */
	struct activity_question *of;
	struct json_object *labels; /* owned: what they share */
	struct loop_fetch *fetch;   /* to Alertmanager; NULL: not asked, or answered */
};

struct activity_question {
	struct loop *loop;
	int64_t timeout_us;
	struct name_question names[ACTIVITY_NAMES_MAX];
	size_t n;
	bool cannot_ask; /* about all of them */
	bool has_prometheus;
	struct prom_ask *ask;
	size_t waiting; /* for Alertmanager */
	enum activity prometheus, alertmanager;
	char why_prometheus[WHY_MAX], why_alertmanager[WHY_MAX];
	activity_fn *fn;
	void *arg;
};

enum activity activity_together(enum activity prometheus, enum activity alertmanager)
{
	assert(prometheus < ACTIVITY_N && alertmanager < ACTIVITY_N);
	static const enum activity table[ACTIVITY_N][ACTIVITY_N] = {
		/* Alertmanager:       unknown           over              active           nobody */
		[ACTIVITY_UNKNOWN] = {ACTIVITY_UNKNOWN, ACTIVITY_UNKNOWN, ACTIVITY_ACTIVE, ACTIVITY_UNKNOWN},
		[ACTIVITY_OVER] = {ACTIVITY_OVER, ACTIVITY_OVER, ACTIVITY_ACTIVE, ACTIVITY_OVER},
		[ACTIVITY_ACTIVE] = {ACTIVITY_ACTIVE, ACTIVITY_ACTIVE, ACTIVITY_ACTIVE, ACTIVITY_ACTIVE},
		[ACTIVITY_NOBODY] = {ACTIVITY_UNKNOWN, ACTIVITY_OVER, ACTIVITY_ACTIVE, ACTIVITY_NOBODY},
	};

	return table[prometheus][alertmanager];
}

/* --- which labels they share --- */

static const char *name_of(struct json_object *labels)
{
	return json_str_or(labels, "alertname", "");
}

static void keep_shared(struct json_object *shared, struct json_object *other)
{
	json_object_object_foreach(shared, name, value)
	{
		struct json_object *there = NULL;

		if (!json_object_object_get_ex(other, name, &there) || !json_object_equal(value, there))
			json_object_object_del(shared, name); /* json-c's foreach has moved on already */
	}
}

/* false: it cannot be asked about. */
static bool add_labels(struct activity_question *q, const char *text)
{
	CLEANUP(json_cleanup) struct json_object *labels = json_tokener_parse(text);

	if (!labels || !json_object_is_type(labels, json_type_object) || !name_of(labels)[0])
		return false;
	for (size_t i = 0; i < q->n; i++)
		if (!strcmp(name_of(q->names[i].labels), name_of(labels))) {
			keep_shared(q->names[i].labels, labels);
			return true;
		}
	if (q->n == ACTIVITY_NAMES_MAX)
		return false;
	q->names[q->n++] = (struct name_question) {.of = q, .labels = TAKE(labels)};
	return true;
}

/* --- the answers --- */

static void question_free(struct activity_question *q)
{
	for (size_t i = 0; i < q->n; i++)
		json_object_put(q->names[i].labels);
	free(q);
}

static void finish(struct activity_question *q)
{
	assert(q->fn);
	if (q->ask || q->waiting)
		return;
	enum activity a = activity_together(q->prometheus, q->alertmanager);
	const char *why = q->why_prometheus;

	if (q->alertmanager == ACTIVITY_ACTIVE || q->prometheus == ACTIVITY_NOBODY)
		why = q->why_alertmanager;
	if (q->cannot_ask && a != ACTIVITY_ACTIVE && a != ACTIVITY_NOBODY) {
		a = ACTIVITY_UNKNOWN;
		why = "there are more alerts than can be asked about";
	}
	q->fn(q->arg, a, why);
	question_free(q);
}

/* One more answer of the same side: active is what counts most, then unknown. */
static void add_answer(enum activity *all, enum activity one)
{
	assert(all);
	if (one == ACTIVITY_ACTIVE || *all == ACTIVITY_OVER)
		*all = one;
}

static void on_prometheus(void *arg, const struct prom_answer *answers, size_t n)
{
	struct activity_question *q = arg;

	assert(n == q->n);
	q->ask = NULL;
	q->prometheus = !q->has_prometheus ? ACTIVITY_NOBODY : n ? ACTIVITY_OVER : ACTIVITY_UNKNOWN;
	snprintf(q->why_prometheus, WHY_MAX, "Prometheus knows none of its alerts any more");
	for (size_t i = 0; q->has_prometheus && i < n; i++) {
		const struct prom_answer *a = &answers[i];
		enum activity one = a->n > 0                                       ? ACTIVITY_ACTIVE
		                    : a->reached && strcmp(a->why, "no data") == 0 ? ACTIVITY_OVER
		                                                                   : ACTIVITY_UNKNOWN;

		if (one == ACTIVITY_ACTIVE && q->prometheus != ACTIVITY_ACTIVE)
			snprintf(q->why_prometheus, WHY_MAX, "Prometheus says that %.200s is active",
			         name_of(q->names[i].labels));
		else if (one == ACTIVITY_UNKNOWN && q->prometheus == ACTIVITY_OVER)
			snprintf(q->why_prometheus, WHY_MAX, "%s", a->why);
		add_answer(&q->prometheus, one);
	}
	finish(q);
}

static void on_alertmanager(void *arg, const struct fetch_result *r)
{
	struct name_question *nq = arg;
	struct activity_question *q = nq->of;
	int n = answer_is_good(r) ? alerts_api_count(r->body, r->body_len) : -EIO;
	enum activity one = n > 0 ? ACTIVITY_ACTIVE : n == 0 ? ACTIVITY_OVER : ACTIVITY_UNKNOWN;
	struct buf b = BUF(WHY_MAX - 1);

	nq->fetch = NULL;
	if (one == ACTIVITY_ACTIVE)
		buf_printf(&b, "Alertmanager says that %.200s is active", name_of(nq->labels));
	else if (n == -EIO)
		buf_str(&b, "Alertmanager: "), answer_failure(&b, r, q->timeout_us);
	else
		buf_str(&b, n < 0 ? "Alertmanager's answer is no list of alerts"
		                  : "Alertmanager knows none of them any more");
	if (one == ACTIVITY_ACTIVE || q->alertmanager == ACTIVITY_OVER)
		snprintf(q->why_alertmanager, WHY_MAX, "%s", buf_text(&b));
	buf_free(&b);
	add_answer(&q->alertmanager, one);
	q->waiting--;
	finish(q);
}

/* --- asking --- */

static int add_query(struct json_object *labels, char **ret)
{
	struct text_pair pairs[LABELS_MAX];
	struct buf b = BUF(QUERY_MAX);
	size_t n = 0;

	pairs[n++] = (struct text_pair) {"alertname", name_of(labels)};
	json_object_object_foreach(labels, name, value)
	{
		/* one that does not fit is left out: the question is wider then, never narrower */
		if (n < LABELS_MAX && strcmp(name, "alertname") != 0)
			pairs[n++] = (struct text_pair) {name, json_object_get_string(value)};
	}
	int r = onset_query(&b, pairs, n); /* ALERTS_FOR_STATE: pending counts as active, too */
	*ret = r < 0 ? NULL : buf_take(&b);
	buf_free(&b);
	return *ret ? 0 : r < 0 ? r : -ENOMEM;
}

/* Calls back also when there is nobody or nothing to ask. */
static int ask_prometheus(struct activity_question *q, const struct settings *s)
{
	char *queries[ACTIVITY_NAMES_MAX] = {NULL};

	for (size_t i = 0; i < q->n; i++)
		q->cannot_ask |= add_query(q->names[i].labels, &queries[i]) < 0;
	int r = prom_ask_start(q->loop, &s->prometheus, (const char *const *)queries, q->n, 0, on_prometheus, q,
	                       &q->ask);
	for (size_t i = 0; i < q->n; i++)
		free(queries[i]);
	return r;
}

static void ask_alertmanager(struct activity_question *q, const struct settings *s)
{
	q->alertmanager = s->alertmanager_url[0] && q->n ? ACTIVITY_OVER : ACTIVITY_NOBODY;
	snprintf(q->why_alertmanager, WHY_MAX, "neither global.prometheus nor global.alertmanager is configured");
	for (size_t i = 0; s->alertmanager_url[0] && i < q->n; i++) {
		struct buf url = BUF(URL_MAX);
		struct fetch_spec spec = {
			.method = "GET", .timeout_us = q->timeout_us, .max_body = BODY_MAX, .share = LOOP_SHARE_ACT};
		int r = alerts_api_url(&url, s->alertmanager_url, q->names[i].labels);

		spec.url = buf_text(&url);
		if (r == 0)
			r = loop_fetch(q->loop, &spec, on_alertmanager, &q->names[i], &q->names[i].fetch);
		if (r == 0)
			q->waiting++;
		else
			add_answer(&q->alertmanager, ACTIVITY_UNKNOWN);
		buf_free(&url);
	}
}

int activity_start(struct loop *l, const struct settings *s, char *const *labels, size_t n, activity_fn *fn, void *arg,
                   struct activity_question **ret)
{
	assert(l && s && (labels || n == 0));
	struct activity_question *q = calloc(1, sizeof(*q));

	assert(fn && ret);
	if (!q)
		return -ENOMEM;
	*q = (struct activity_question) {.loop = l,
	                                 .fn = fn,
	                                 .arg = arg,
	                                 .cannot_ask = n == 0 || n > ACTIVITY_ALERTS_MAX,
	                                 .has_prometheus = s->prometheus.url[0] != '\0'};
	q->timeout_us = s->prometheus.timeout_us ? s->prometheus.timeout_us : ALERTMANAGER_US;
	for (size_t i = 0; i < n; i++)
		q->cannot_ask |= !add_labels(q, labels[i]);
	ask_alertmanager(q, s);
	int r = ask_prometheus(q, s);
	if (r < 0) {
		activity_cancel(q);
		return r;
	}
	*ret = q;
	return 0;
}

void activity_cancel(struct activity_question *q)
{
	if (!q)
		return;
	prom_ask_cancel(q->ask);
	for (size_t i = 0; i < q->n; i++)
		if (q->names[i].fetch)
			loop_fetch_cancel(q->loop, q->names[i].fetch);
	question_free(q);
}
