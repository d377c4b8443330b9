#include "handlers/checks/prom_query.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"

#define NAME_MAX_BYTES 40
#define MORE_BYTES     24 /* " and 1000000 more" */

struct asked {
	struct prom_ask *of;
	struct prom_query *query; /* NULL: answered, or never sent */
};

struct prom_ask {
	struct loop *loop;
	struct loop_timer *timer; /* when there is nothing to wait for */
	struct asked *asked;
	struct prom_answer *answers;
	size_t n, waiting;
	prom_ask_fn *fn;
	void *arg;
};

double prom_answer_worst(const struct prom_answer *a, bool low_is_bad)
{
	assert(a);
	return low_is_bad ? a->least : a->most;
}

static void ask_free(struct prom_ask *a)
{
	free(a->asked);
	free(a->answers);
	free(a);
}

static void tell(void *arg)
{
	struct prom_ask *a = arg;

	assert(a->fn && a->waiting == 0);
	a->timer = NULL;
	a->fn(a->arg, a->answers, a->n);
	ask_free(a);
}

/* "go", or "go web-7" of two labels. */
static void add_name(struct buf *b, struct json_object *labels)
{
	int n = 0;

	json_object_object_foreach(labels, name, value)
	{
		const char *text = json_object_get_string(value);

		if (!strcmp(name, "__name__") || !text)
			continue;
		buf_str(b, n++ ? " " : "");
		text_one_line(b, text, strlen(text), NAME_MAX_BYTES);
	}
}

static void take_names(struct prom_answer *to, const struct prom_vector *v)
{
	CLEANUP(buf_free) struct buf all = BUF(sizeof(to->names) - MORE_BYTES);
	size_t n = 0;

	for (; n < v->n && v->samples[n].metric; n++) {
		CLEANUP(buf_free) struct buf one = BUF(sizeof(to->names));

		add_name(&one, v->samples[n].metric);
		if (all.len + one.len + 2 > all.max)
			break;
		buf_printf(&all, "%s%s", all.len && one.len ? ", " : "", buf_text(&one));
	}
	snprintf(to->names, sizeof(to->names), "%s", buf_text(&all));
	if (n < v->n && n > 0)
		snprintf(to->names, sizeof(to->names), "%s and %zu more", buf_text(&all), v->n - n);
}

static void take_samples(struct prom_answer *to, const struct prom_vector *v)
{
	to->n = v->n;
	take_names(to, v);
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

static void on_reply(void *arg, const struct prom_reply *r)
{
	struct asked *q = arg;
	struct prom_ask *a = q->of;
	struct prom_answer *to = &a->answers[q - a->asked];

	assert(a->waiting > 0);
	q->query = NULL;
	to->reached = r->reached;
	to->stale = r->stale;
	snprintf(to->why, sizeof(to->why), "%s%s", r->sent && !r->reached ? "Prometheus: " : "", r->why);
	if (!r->why[0])
		take_samples(to, &r->vector);
	if (--a->waiting == 0)
		tell(a);
}

int prom_ask_start(struct loop *l, const struct prometheus_options *o, const char *const *queries, size_t n,
                   int64_t since_mono_us, prom_ask_fn *fn, void *arg, struct prom_ask **ret)
{
	assert(l && o && (queries || n == 0) && fn && ret);
	struct prom_ask *a = calloc(1, sizeof(*a));

	if (!a)
		return -ENOMEM;
	*a = (struct prom_ask) {.loop = l, .n = n, .fn = fn, .arg = arg};
	a->asked = calloc(n + 1, sizeof(*a->asked));
	a->answers = calloc(n + 1, sizeof(*a->answers));
	int r = a->asked && a->answers ? 0 : -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++) {
		struct prom_question q = {.query = queries[i],
		                          .timeout_us = o->timeout_us,
		                          .share = LOOP_SHARE_ACT,
		                          .past = true,
		                          .since_mono_us = since_mono_us};

		a->asked[i].of = a;
		a->answers[i] = (struct prom_answer) {
			.asked = queries[i] != NULL, .least = NAN, .most = NAN, .why = "not asked"};
		if (!queries[i])
			continue;
		r = prom_query_start(l, o, &q, on_reply, &a->asked[i], &a->asked[i].query);
		a->waiting += r == 0;
	}
	if (r == 0 && a->waiting == 0 && !(a->timer = loop_timer_at(l, clock_mono_us(), tell, a)))
		r = -ENOMEM;
	if (r < 0) {
		prom_ask_cancel(a);
		return r;
	}
	*ret = a;
	return 0;
}

void prom_ask_cancel(struct prom_ask *a)
{
	if (!a)
		return;
	loop_timer_cancel(a->loop, a->timer);
	for (size_t i = 0; a->asked && i < a->n; i++)
		prom_query_cancel(a->asked[i].query);
	ask_free(a);
}
