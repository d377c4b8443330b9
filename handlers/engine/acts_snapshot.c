/* Preserving metrics with the incident: slow, and beside its acts. */
#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <string.h>

#include "handlers/checks/preserve.h"
#include "handlers/incident/open.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/thread.h"

#define SNAPSHOT_AGAIN_US (60 * US_PER_S)

static void drop_snapshot(struct open_incident *l, struct slot *s)
{
	(void)l;
	snapshot_cancel(s->handle);
}

static void on_snapshot(void *arg, struct snapshot_item *items, size_t n)
{
	struct open_incident *l = arg;
	struct slot *s = &l->slot[SLOT_SNAPSHOT];
	struct buf b = BUF(8000);

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s: %s\n", items[i].name, items[i].error ? items[i].error : "preserved");
	s->busy = false;
	s->ready = true;
	s->handle = NULL;
	s->ch.items = items;
	s->ch.n_items = n;
	s->ch.text = buf_take(&b);
	engine_advance(l);
}

void snapshot_begin(struct open_incident *l, const struct step *step)
{
	assert(l && l->plan && step && thread_may(THREAD_ENGINE));
	struct slot *s = &l->slot[SLOT_SNAPSHOT];
	int64_t decided = snapshot_decided_us(step), came = decided ? decided : l->inc.opened_at_us;
	int64_t until = clock_wall_us(), from = came - l->plan->rollout.snapshot_window_us;
	struct snapshot *handle = NULL;

	change_clear(&s->ch);
	s->ch = (struct change) {.kind = CHANGE_SNAPSHOT, .step_id = step->id, .decided_at_us = decided};
	int r = snapshot_start(l->engine->o.loop, l->plan, from, until, on_snapshot, l, &handle);
	if (r < 0) {
		log_warn("the metrics of an incident could not be preserved", "incident", log_num(l->id), "err",
		         strerror(-r));
		l->no_snapshot_before = clock_mono_us() + SNAPSHOT_AGAIN_US;
		return;
	}
	s->busy = true;
	s->handle = handle;
	s->drop = drop_snapshot;
}
