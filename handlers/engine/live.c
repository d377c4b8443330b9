#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/settings/snapshot.h"
#include "server/core/thread.h"

struct live *live_find(struct engine *e, int64_t id)
{
	assert(e && id > 0);
	for (struct live *l = e->lives; l; l = l->next)
		if (l->id == id)
			return l;
	return NULL;
}

struct live *live_new(struct engine *e, int64_t id)
{
	assert(e && id > 0);
	struct live *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->engine = e;
	l->id = id;
	l->there = l->file = -1;
	for (int i = 0; i < SLOT_N; i++)
		l->slot[i].of = l;
	l->next = e->lives;
	e->lives = l;
	return l;
}

static void live_forget_rows(struct live *l)
{
	incident_free(&l->inc);
	step_list_free(&l->steps);
}

static void forget_older(struct live *l)
{
	for (size_t i = 0; i < l->n_older; i++)
		plan_unref(l->older[i]);
	free(l->older);
	l->older = NULL;
	l->n_older = 0;
}

static void live_free(struct live *l)
{
	acts_drop(l);
	for (int i = 0; i < SLOT_N; i++)
		change_clear(&l->slot[i].ch);
	change_clear(&l->own);
	loop_timer_cancel(l->engine->o.loop, l->timer);
	settings_unref(l->job_settings);
	live_forget_rows(l);
	forget_older(l);
	plan_unref(l->plan);
	free(l);
}

void live_drop(struct live *l)
{
	assert(l && l->engine && l->engine->lives);
	struct live **at = &l->engine->lives;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	live_free(l);
}

static bool is_busy(const struct live *l)
{
	for (int i = 0; i < SLOT_N; i++)
		if (l->slot[i].busy)
			return true;
	return false;
}

/* The incident goes by another config since somebody met it: what is under way goes on by the one it began with. */
static int follow_config(struct live *l)
{
	struct plan *next = NULL;

	if (!is_busy(l))
		forget_older(l);
	if (l->plan && !strcmp(l->plan_sha, l->inc.config))
		return 0;
	int r = plan_get(l->engine->reader, l->inc.config, &next);
	if (r < 0)
		return r;
	if (l->plan) {
		struct plan **more = reallocarray(l->older, l->n_older + 1, sizeof(*more));

		if (!more) {
			plan_unref(next);
			return -ENOMEM;
		}
		l->older = more;
		l->older[l->n_older++] = l->plan;
	}
	l->plan = next;
	snprintf(l->plan_sha, sizeof(l->plan_sha), "%s", l->inc.config);
	return 0;
}

int live_read(struct live *l)
{
	assert(l && thread_may(THREAD_ENGINE));
	struct db_conn *c = l->engine->reader;

	live_forget_rows(l);
	int r = incident_load(c, l->id, &l->inc);
	if (r == -ENOENT)
		return 0;
	if (r == 0)
		r = step_of_incident(c, l->id, &l->steps);
	if (r == 0)
		r = follow_config(l);
	return r < 0 ? r : incident_is_live(l->inc.state);
}
