#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "handlers/steps/command.h"
#include "handlers/steps/names.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/text.h"
#include "server/core/thread.h"

static void look_at(struct engine *e, int64_t id)
{
	assert(id > 0);
	struct open_incident *l = open_incident_find(e, id);

	if (l) {
		engine_advance(l);
		return;
	}
	l = open_incident_new(e, id);
	if (!l)
		return;
	int r = open_incident_read(l);
	if (r == 1)
		tell_others(l); /* one of them may have given way to it */
	engine_advance_as_read(l, r);
	lowering_forget(e, id);
}

static void on_inbox(void *arg)
{
	assert(thread_may(THREAD_ENGINE));
	struct engine *e = arg;

	pthread_mutex_lock(&e->lock);
	int64_t *ids = e->inbox;
	size_t n = e->n_inbox;
	e->inbox = NULL;
	e->n_inbox = e->cap_inbox = 0;
	pthread_mutex_unlock(&e->lock);
	for (size_t i = 0; i < n; i++)
		look_at(e, ids[i]);
	free(ids);
}

static void on_clock(void *arg)
{
	struct engine *e = arg;
	CLEANUP(cleanup_free) int64_t *ids = NULL;
	size_t n = 0;

	if (incident_open_ids(e->reader, &ids, &n) < 0)
		n = 0; /* each looks again by its own timer */
	for (size_t i = 0; i < n; i++)
		look_at(e, ids[i]);
}

void engine_clock_was_set(struct engine *e)
{
	assert(e);
	if (loop_post(e->o.loop, on_clock, e) < 0)
		abort(); /* out of memory: the restart reads everything again */
}

static int inbox_add(struct engine *e, int64_t id)
{
	for (size_t i = 0; i < e->n_inbox; i++)
		if (e->inbox[i] == id)
			return 0;
	if (e->n_inbox == e->cap_inbox) {
		size_t cap = e->cap_inbox ? e->cap_inbox * 2 : 16;
		int64_t *more = reallocarray(e->inbox, cap, sizeof(*more));

		if (!more)
			return -ENOMEM;
		e->inbox = more;
		e->cap_inbox = cap;
	}
	e->inbox[e->n_inbox++] = id;
	return e->n_inbox == 1 ? 1 : 0;
}

void engine_notify(struct engine *e, int64_t incident_id)
{
	assert(e && incident_id > 0);
	pthread_mutex_lock(&e->lock);
	int first = inbox_add(e, incident_id);
	pthread_mutex_unlock(&e->lock);
	if (first < 0 || (first == 1 && loop_post(e->o.loop, on_inbox, e) < 0))
		abort(); /* out of memory: the restart takes the incident up from disk */
}

/* The outcome of that attempt is on disk. */
static bool has_ended(struct engine *e, int64_t step_id, int32_t attempt)
{
	struct step s = {0};
	bool ended = step_load(e->reader, step_id, &s) == 0 && (s.state != STEP_RUNNING || s.attempts != attempt);

	step_free(&s);
	return ended;
}

/* A crash between the outcome's commit and forget_attempt leaves the runner's files. */
static void forget_ended_attempts(struct engine *e)
{
	DIR *dir = opendir(e->commands);
	int32_t attempt;
	int64_t step;

	for (struct dirent *f; dir && (f = readdir(dir)) != NULL;) {
		size_t len = attempt_name_parse(e->o.db, f->d_name, &step, &attempt);

		if (len == 0 || !has_ended(e, step, attempt))
			continue;
		f->d_name[len] = '\0';
		command_forget(e->commands, f->d_name);
	}
	if (dir)
		closedir(dir);
}

int engine_start(struct engine *e)
{
	assert(e && !e->open);
	CLEANUP(cleanup_free) int64_t *ids = NULL;
	size_t n = 0;
	CLEANUP(cleanup_free) int64_t *acting = NULL;
	size_t n_acting = 0;
	int r = incident_open_ids(e->reader, &ids, &n);

	if (r == 0)
		r = step_running_in(e->reader, &acting, &n_acting);
	forget_ended_attempts(e);
	for (size_t i = 0; r == 0 && i < n_acting; i++)
		engine_notify(e, acting[i]);
	for (size_t i = 0; r == 0 && i < n; i++) {
		e->taken_up = ids[i] > e->taken_up ? ids[i] : e->taken_up;
		engine_notify(e, ids[i]);
	}
	if (r == 0 && n)
		log_info("taking up open incidents", "count", log_num(n));
	return r;
}

int engine_new(const struct engine_options *o, struct engine **ret)
{
	assert(o && o->loop && o->db && ret);
	struct engine *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	e->o = *o;
	e->began_us = clock_wall_us();
	pthread_mutex_init(&e->lock, NULL);
	CLEANUP(cleanup_free) char *dir = realpath(db_dir(o->db), NULL); /* a runner works in / */
	e->commands = dir ? text_format("%s/commands", dir) : NULL;
	int r = !e->commands ? -ENOMEM : mkdir(e->commands, 0700) < 0 && errno != EEXIST ? -errno : 0;
	if (r == 0)
		r = db_reader_open(o->db, &e->reader);
	if (r < 0) {
		engine_free(e);
		return r;
	}
	*ret = e;
	return 0;
}

void engine_free(struct engine *e)
{
	if (!e)
		return;
	while (e->open)
		open_incident_drop(e->open);
	revivals_drop(e);
	lowerings_free(e);
	db_reader_close(e->reader);
	pthread_mutex_destroy(&e->lock);
	free(e->inbox);
	free(e->commands);
	free(e);
}
