#include "handlers/checks/prom_query.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertmanager/prometheus.h"
#include "server/core/answer.h"
#include "server/core/clock.h"

#define BODY_MAX (2 * 1024 * 1024)
#define URL_MAX  (16 * 1024)

struct question {
	struct ask *of;
	struct loop_fetch *fetch; /* NULL: answered, or never sent */
};

struct ask {
	struct loop *loop;
	struct loop_timer *timer; /* when there is nothing to wait for */
	int64_t timeout_us;
	struct question *questions;
	struct answer *answers;
	size_t n, waiting;
	ask_fn *fn;
	void *arg;
};

double answer_worst(const struct answer *a, bool low_is_bad)
{
	return low_is_bad ? a->least : a->most;
}

static void ask_free(struct ask *a)
{
	free(a->questions);
	free(a->answers);
	free(a);
}

static void tell(void *arg)
{
	struct ask *a = arg;

	a->timer = NULL;
	a->fn(a->arg, a->answers, a->n);
	ask_free(a);
}

static void take_samples(struct answer *to, const struct prom_vector *v)
{
	to->n = v->n;
	for (size_t i = 0; i < v->n; i++) {
		double value = v->samples[i].value;

		if (!isfinite(value)) {
			to->least = to->most = NAN;
			snprintf(to->why, sizeof(to->why), "the answer is no number");
			return;
		}
		to->least = i && to->least < value ? to->least : value;
		to->most = i && to->most > value ? to->most : value;
	}
	if (!v->n)
		snprintf(to->why, sizeof(to->why), "no data");
}

static void on_answer(void *arg, const struct fetch_result *r)
{
	struct question *q = arg;
	struct ask *a = q->of;
	struct answer *to = &a->answers[q - a->questions];
	struct prom_vector v = {0};
	struct buf b = BUF(ASK_WHY_MAX);

	q->fetch = NULL;
	to->reached = r->error == 0 && (answer_is_good(r) || (r->body_len && r->body[0] == '{'));
	if (!to->reached) {
		buf_str(&b, "Prometheus: ");
		answer_failure(&b, r, a->timeout_us);
		snprintf(to->why, sizeof(to->why), "%s", buf_text(&b));
	} else if (prom_vector_parse(r->body, r->body_len, &v, to->why, sizeof(to->why)) == 0) {
		to->why[0] = '\0';
		take_samples(to, &v);
	}
	prom_vector_free(&v);
	buf_free(&b);
	if (--a->waiting == 0)
		tell(a);
}

static void send(struct ask *a, size_t i, const struct prometheus_options *o, const char *query)
{
	struct buf url = BUF(URL_MAX);
	struct fetch_spec spec = {
		.method = "GET", .timeout_us = o->timeout_us, .max_body = BODY_MAX, .share = LOOP_SHARE_ACT};
	int r = prom_query_url(&url, o->url, query, (double)o->timeout_us / US_PER_S);

	spec.url = buf_text(&url);
	if (r >= 0)
		r = url.error ? url.error
		              : loop_fetch(a->loop, &spec, on_answer, &a->questions[i], &a->questions[i].fetch);
	if (r < 0)
		snprintf(a->answers[i].why, ASK_WHY_MAX, "Prometheus could not be asked: %s", strerrordesc_np(-r));
	else
		a->waiting++;
	buf_free(&url);
}

int ask_start(struct loop *l, const struct prometheus_options *o, const char *const *queries, size_t n, ask_fn *fn,
              void *arg, struct ask **ret)
{
	struct ask *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct ask) {.loop = l, .timeout_us = o->timeout_us, .n = n, .fn = fn, .arg = arg};
	a->questions = calloc(n + 1, sizeof(*a->questions));
	a->answers = calloc(n + 1, sizeof(*a->answers));
	if (!a->questions || !a->answers) {
		ask_free(a);
		return -ENOMEM;
	}
	for (size_t i = 0; i < n; i++) {
		a->questions[i].of = a;
		a->answers[i] = (struct answer) {.asked = queries[i] != NULL, .least = NAN, .most = NAN};
		if (queries[i] && o->url[0])
			send(a, i, o, queries[i]);
		else
			snprintf(a->answers[i].why, ASK_WHY_MAX,
			         queries[i] ? "no Prometheus is configured" : "not asked");
	}
	if (a->waiting == 0 && !(a->timer = loop_timer_at(l, clock_mono_us(), tell, a))) {
		ask_free(a);
		return -ENOMEM;
	}
	*ret = a;
	return 0;
}

void ask_cancel(struct ask *a)
{
	if (!a)
		return;
	loop_timer_cancel(a->loop, a->timer);
	for (size_t i = 0; i < a->n; i++)
		if (a->questions[i].fetch)
			loop_fetch_cancel(a->loop, a->questions[i].fetch);
	ask_free(a);
}
