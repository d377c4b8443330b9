#include "handlers/checks/preserve.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "handlers/checks/prom_query.h"
#include "server/core/clock.h"

#define SERIES_BYTES_MAX (512 * 1024) /* of one query, as kept: 50 series of 240 points have about 300 KiB */

struct query {
	struct snapshot *of;
	struct prom_query *query; /* NULL: answered, or never sent */
	char *series, *error;     /* owned; one of them once answered */
};

struct snapshot {
	struct loop *loop;
	struct loop_timer *timer; /* when there is nothing to wait for */
	const struct plan *plan;
	struct query *queries; /* one per query of the plan's rollout */
	size_t n, waiting;
	snapshot_fn *fn;
	void *arg;
};

void snapshot_items_free(struct snapshot_item *items, size_t n)
{
	for (size_t i = 0; items && i < n; i++) {
		free(items[i].name);
		free(items[i].unit);
		free(items[i].series);
		free(items[i].error);
	}
	free(items);
}

static void snapshot_free(struct snapshot *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->queries[i].series);
		free(s->queries[i].error);
	}
	free(s->queries);
	free(s);
}

/* Out of memory is no reason to lose what was fetched without a word: a crash is safe, the snapshot is taken
 * again. */
static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

int64_t snapshot_step_s(int64_t from_us, int64_t to_us)
{
	int64_t span = to_us > from_us ? (to_us - from_us) / US_PER_S : 0;

	return span / SNAPSHOT_POINTS_MAX + 1;
}

static void snapshot_tell(void *arg)
{
	struct snapshot *s = arg;
	size_t n = s->n;
	struct snapshot_item *items = calloc(n + 1, sizeof(*items));
	snapshot_fn *fn = s->fn;
	void *told = s->arg;

	assert(s->fn);
	must(items);
	for (size_t i = 0; i < n; i++) {
		const struct snapshot_query *q = &s->plan->rollout.queries[i];

		items[i].name = must(text_format("%s", q->name));
		items[i].unit = must(text_format("%s", q->unit ? q->unit : ""));
		items[i].series = TAKE(s->queries[i].series);
		items[i].error = TAKE(s->queries[i].error);
	}
	snapshot_free(s);
	fn(told, items, n);
}

static void keep(struct query *q, const char *text)
{
	assert(text && !q->series && !q->error);
	if (strlen(text) > SERIES_BYTES_MAX)
		q->error = must(text_format("the series take %zu bytes, more than %d", strlen(text), SERIES_BYTES_MAX));
	else
		q->series = must(text_format("%s", text));
}

static void on_series(void *arg, const struct prom_reply *r)
{
	struct query *q = arg;

	q->query = NULL;
	if (r->why[0])
		q->error = must(text_format("%s%s", r->sent ? "Prometheus: " : "", r->why));
	else
		keep(q, json_text(r->series));
	if (--q->of->waiting == 0)
		snapshot_tell(q->of);
}

static void ask_for_series(struct query *q, const char *query, int64_t from_us, int64_t to_us)
{
	assert(query);
	const struct prometheus_options *o = &q->of->plan->prometheus;
	struct prom_question ask = {.query = query,
	                            .timeout_us = o->timeout_us,
	                            .share = LOOP_SHARE_ACT,
	                            .range = true,
	                            .from_us = from_us,
	                            .to_us = to_us,
	                            .step_us = snapshot_step_s(from_us, to_us) * US_PER_S,
	                            .max_series = SNAPSHOT_SERIES_MAX,
	                            .max_points = SNAPSHOT_POINTS_MAX};
	int r = prom_query_start(q->of->loop, o, &ask, on_series, q, &q->query);

	if (r < 0)
		q->error = must(text_format("Prometheus could not be asked: %s", strerrordesc_np(-r)));
	else
		q->of->waiting++;
}

int snapshot_start(struct loop *l, const struct plan *plan, int64_t from_us, int64_t to_us, snapshot_fn *fn, void *arg,
                   struct snapshot **ret)
{
	assert(l && plan && fn && ret);
	size_t n = plan->rollout.n_queries;
	struct snapshot *s = malloc(sizeof(*s));
	struct query *queries = calloc(n + 1, sizeof(*queries));

	if (!s || !queries) {
		free(s);
		free(queries);
		return -ENOMEM;
	}
	*s = (struct snapshot) {.loop = l, .plan = plan, .queries = queries, .n = n, .fn = fn, .arg = arg};
	for (size_t i = 0; i < n; i++) {
		s->queries[i].of = s;
		ask_for_series(&s->queries[i], plan->rollout.queries[i].query, from_us, to_us);
	}
	if (s->waiting == 0)
		s->timer = must(loop_timer_at(l, clock_mono_us(), snapshot_tell, s));
	*ret = s;
	return 0;
}

void snapshot_cancel(struct snapshot *s)
{
	if (!s)
		return;
	loop_timer_cancel(s->loop, s->timer);
	for (size_t i = 0; i < s->n; i++)
		prom_query_cancel(s->queries[i].query);
	snapshot_free(s);
}
