#include "handlers/plan/forecast.h"

#define FREEZES_IN_A_ROW 20 /* beyond that the plan is never free, and any date is as good */

static int64_t thawed(const struct gate_view *v, int64_t at_us)
{
	for (int i = 0; i < FREEZES_IN_A_ROW; i++) {
		struct freeze_span f = {0};

		if (!freeze_at(v->rollout, &v->st->p, at_us, &f))
			break;
		at_us = f.until_us;
	}
	return at_us;
}

/* Clean time that is left of the current stage; all of it when a rollback left the stage. */
static int64_t left(const struct gate_view *v, const struct gate *g)
{
	int64_t clean = g->enters_again ? 0 : v->st->p.clean_us;

	return g->current->duration_us > clean ? g->current->duration_us - clean : 0;
}

size_t forecast_stages(const struct gate_view *v, struct forecast *ret, size_t max)
{
	struct gate g = {0};
	int64_t at = thawed(v, v->now_us);
	size_t n = 0;

	gate_route(v, &g);
	if (!g.current)
		return 0;
	if (g.enters_again && n < max)
		ret[n++] = (struct forecast) {g.current, at};
	at += left(v, &g);
	for (const struct stage *s = stage_after(v, g.current->number); s && n < max; s = stage_after(v, s->number)) {
		at = thawed(v, at);
		ret[n++] = (struct forecast) {s, at};
		at += s->duration_us;
	}
	return n;
}
