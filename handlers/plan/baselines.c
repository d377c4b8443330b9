#include "handlers/plan/baselines.h"

#include <assert.h>
#include <math.h>
#include <string.h>

#include "alertmanager/promql.h"
#include "db/progress.h"
#include "handlers/gates/rollout_state.h"
#include "handlers/incident/kinds.h"

static int64_t back_of(const char *query)
{
	struct promql p = {0};
	int64_t back = query && promql_scan(query, &p) == 0 ? promql_back(&p) : 0;

	promql_free(&p);
	return back;
}

int64_t baseline_back_us(const struct baseline_query *q)
{
	assert(q && q->query);
	int64_t value = back_of(q->query), samples = back_of(q->samples);

	return value > samples ? value : samples;
}

bool baseline_may_be_pinned(const struct baseline_moment *m)
{
	assert(m && m->now_us > 0);
	bool full = m->wanted >= 10000;
	bool saw_trouble = m->trouble_us && m->now_us - m->trouble_us < m->back_us;
	bool saw_move = m->moved_us && m->now_us - m->moved_us < m->back_us;

	return !m->open && !full && !saw_trouble && (!saw_move || !m->pinned);
}

static bool is_pinned(const struct reconcile *l, const char *metric)
{
	for (size_t i = 0; i < l->st->baselines.n; i++)
		if (!strcmp(l->st->baselines.item[i].metric, metric))
			return true;
	return false;
}

int baselines_pin(const struct reconcile *l)
{
	assert(l && l->r && l->ev && l->st);
	bool open = l->st->open && l->st->kind->acts;
	int r = open ? reconcile_set_mark(l, "baseline_trouble", NULL, l->now) : 0;
	struct baseline_moment m = {.now_us = l->now,
	                            .moved_us = l->st->row.pct_changed_us,
	                            .trouble_us = reconcile_mark(l, "baseline_trouble", NULL),
	                            .wanted = l->st->row.pct_wanted,
	                            .open = open};

	for (size_t i = 0; r == 0 && i < l->r->n_baselines && i < EVALUATION_BASELINES_MAX; i++) {
		const struct baseline_query *q = &l->r->baselines[i];

		m.back_us = baseline_back_us(q);
		m.pinned = is_pinned(l, q->metric);
		if (!isnan(l->ev->baselines[i].value) && baseline_may_be_pinned(&m))
			r = baseline_set(l->tx, l->r->name, q->metric, l->ev->baselines[i].value,
			                 l->ev->baselines[i].samples);
	}
	return r;
}
