#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/settings/current.h"
#include "handlers/settings/snapshot.h"
#include "server/core/thread.h"

struct open_incident *open_incident_find(struct engine *e, int64_t id)
{
	assert(e && id > 0);
	for (struct open_incident *l = e->open; l; l = l->next)
		if (l->id == id)
			return l;
	return NULL;
}

struct open_incident *open_incident_new(struct engine *e, int64_t id)
{
	assert(e && id > 0);
	struct open_incident *l = calloc(1, sizeof(*l));

	if (!l)
		return NULL;
	l->engine = e;
	l->id = id;
	l->seen = (struct sighting) {.there = -1, .file = -1};
	for (int i = 0; i < SLOT_N; i++)
		l->slot[i].of = l;
	l->next = e->open;
	e->open = l;
	return l;
}

static void forget_rows(struct open_incident *l)
{
	incident_free(&l->inc);
	step_list_free(&l->steps);
}

static void forget_older(struct open_incident *l)
{
	for (size_t i = 0; i < l->n_older; i++)
		plan_unref(l->older[i]);
	free(l->older);
	l->older = NULL;
	l->n_older = 0;
}

static void open_incident_free(struct open_incident *l)
{
	acts_drop(l);
	for (int i = 0; i < SLOT_N; i++)
		change_clear(&l->slot[i].ch);
	change_clear(&l->own);
	loop_timer_cancel(l->engine->o.loop, l->timer);
	settings_unref(l->job_settings);
	forget_rows(l);
	forget_older(l);
	plan_unref(l->plan);
	free(l);
}

void open_incident_drop(struct open_incident *l)
{
	assert(l && l->engine && l->engine->open);
	struct open_incident **at = &l->engine->open;

	while (*at != l)
		at = &(*at)->next;
	*at = l->next;
	open_incident_free(l);
}

static bool is_busy(const struct open_incident *l)
{
	for (int i = 0; i < SLOT_N; i++)
		if (l->slot[i].busy)
			return true;
	return false;
}

/* The incident goes by another config since somebody met it: what is under way goes on by the one it began with. */
static int follow_config(struct open_incident *l)
{
	struct plan *next = NULL;

	if (!is_busy(l))
		forget_older(l);
	if (l->plan && !strcmp(l->plan_sha, l->inc.config) && !plan_is_outdated(l->plan))
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

int open_incident_read(struct open_incident *l)
{
	assert(l && thread_may(THREAD_ENGINE));
	struct db_conn *c = l->engine->reader;

	forget_rows(l);
	db_moment_begin(c);
	int r = incident_load(c, l->id, &l->inc);
	if (r == 0)
		r = step_of_incident(c, l->id, &l->steps);
	if (r == 0)
		r = follow_config(l);
	db_moment_end(c);
	if (r == -ENOENT && !l->inc.id)
		return 0;
	return r < 0 ? r : incident_is_open(l->inc.state);
}
