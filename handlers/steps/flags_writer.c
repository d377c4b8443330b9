#include "handlers/steps/flags_writer.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/log.h"
#include "server/core/scope.h"
#include "server/core/thread.h"

#define THREADS_MAX   12
#define DIRECTORY_MAX 8 /* of them in one directory: one file system that hangs does not take all */

/* A directory in which somebody writes. */
struct place {
	char dir[PATH_MAX];
	unsigned users; /* 0: free */
	bool opening;   /* whether it can be locked is being found out */
	int lock;       /* held for all of its users; -1: each takes his own, as flags_file_write does */
};

struct flags_writer {
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t more;  /* something waits, or may begin */
	struct flags_task *first;
	const struct flags_task *running[THREADS_MAX]; /* NULL: that thread has nothing to do */
	struct place place[THREADS_MAX];
	pthread_t thread[THREADS_MAX];
	unsigned n, idle;
	bool stopping;
};

/* With the lock held. NULL: nobody is there. */
static struct place *place_of(struct flags_writer *w, const char *path)
{
	size_t len = (size_t)(strrchr(path, '/') - path);

	for (size_t i = 0; i < ARRAY_LEN(w->place); i++)
		if (w->place[i].users && strlen(w->place[i].dir) == len && !memcmp(w->place[i].dir, path, len))
			return &w->place[i];
	return NULL;
}

static bool may_begin(struct flags_writer *w, const struct flags_task *t)
{
	const struct place *p = place_of(w, t->path);

	for (size_t i = 0; i < ARRAY_LEN(w->running); i++)
		if (w->running[i] && !strcmp(w->running[i]->path, t->path))
			return false;
	return !p || (!p->opening && p->users < DIRECTORY_MAX);
}

static struct flags_task *take_task(struct flags_writer *w)
{
	for (struct flags_task **at = &w->first; *at; at = &(*at)->next)
		if (may_begin(w, *at)) {
			struct flags_task *t = *at;

			*at = t->next;
			return t;
		}
	return NULL;
}

/* There are as many places as threads. */
static struct place *place_new(struct flags_writer *w, const char *path)
{
	struct place *p = w->place;

	while (p->users)
		p++;
	assert(p < w->place + ARRAY_LEN(w->place) && strlen(path) < sizeof(p->dir));
	snprintf(p->dir, sizeof(p->dir), "%.*s", (int)(strrchr(path, '/') - path), path);
	p->opening = true;
	p->lock = -1;
	return p;
}

/* The lock is released while the disk is asked. */
static struct place *enter(struct flags_writer *w, const char *path)
{
	struct place *p = place_of(w, path);

	if (p) {
		p->users++;
		return p;
	}
	p = place_new(w, path);
	p->users = 1;
	pthread_mutex_unlock(&w->lock);
	int lock = flags_dir_lock(path);
	pthread_mutex_lock(&w->lock);
	p->lock = lock < 0 ? -1 : lock;
	p->opening = false;
	pthread_cond_broadcast(&w->more);
	return p;
}

static void leave(struct place *p)
{
	assert(p->users > 0);
	if (--p->users == 0)
		cleanup_fd(&p->lock);
}

static void run(struct flags_writer *w, size_t self, struct flags_task *t)
{
	w->running[self] = t;
	struct place *p = enter(w, t->path);
	bool locked = p->lock >= 0;

	pthread_mutex_unlock(&w->lock);
	t->result = (locked ? flags_file_write_locked : flags_file_write)(t->path, t->key, t->pct, &t->change, t->why,
	                                                                  sizeof(t->why));
	pthread_mutex_lock(&w->lock);
	leave(p);
	w->running[self] = NULL;
	if (w->first)
		pthread_cond_broadcast(&w->more);
	pthread_mutex_unlock(&w->lock);
	t->done(t);
	pthread_mutex_lock(&w->lock);
}

struct start {
	struct flags_writer *w;
	size_t self;
};

static void *work(void *arg)
{
	struct start s = *(struct start *)arg;
	struct flags_writer *w = s.w;

	free(arg);
	thread_is(THREAD_FLAGS);
	pthread_mutex_lock(&w->lock);
	while (!w->stopping) {
		struct flags_task *t = take_task(w);

		if (t) {
			run(w, s.self, t);
			continue;
		}
		w->idle++;
		pthread_cond_wait(&w->more, &w->lock);
		w->idle--;
	}
	pthread_mutex_unlock(&w->lock);
	return NULL;
}

/* With the lock held. Fewer threads than wanted are slower, no more. */
static int add_thread(struct flags_writer *w)
{
	struct start *s = malloc(sizeof(*s));
	int r = s ? 0 : -ENOMEM;

	if (s)
		*s = (struct start) {w, w->n};
	if (r == 0)
		r = -pthread_create(&w->thread[w->n], NULL, work, s);
	if (r < 0)
		free(s);
	w->n += r == 0;
	return r;
}

int flags_writer_start(struct flags_writer **ret)
{
	assert(ret);
	struct flags_writer *w = calloc(1, sizeof(*w));

	if (!w)
		return -ENOMEM;
	pthread_mutex_init(&w->lock, NULL);
	pthread_cond_init(&w->more, NULL);
	pthread_mutex_lock(&w->lock);
	int r = add_thread(w);
	pthread_mutex_unlock(&w->lock);
	if (r < 0) {
		free(w);
		return r;
	}
	*ret = w;
	return 0;
}

int flags_writer_submit(struct flags_writer *w, struct flags_task *t)
{
	assert(w && t && t->path && t->path[0] == '/' && t->key && t->done);
	struct flags_task **at = &w->first;
	unsigned waiting = 1;
	int r = 0;

	t->next = NULL;
	pthread_mutex_lock(&w->lock);
	if (w->stopping)
		r = -ESHUTDOWN;
	for (; *at; at = &(*at)->next)
		waiting++;
	if (r == 0)
		*at = t;
	if (r == 0 && waiting > w->idle && w->n < THREADS_MAX && add_thread(w) < 0)
		log_warn("no other thread for flags files could be started; they are written more slowly");
	if (r == 0)
		pthread_cond_signal(&w->more);
	pthread_mutex_unlock(&w->lock);
	return r;
}

void flags_writer_stop(struct flags_writer *w)
{
	if (!w)
		return;
	pthread_mutex_lock(&w->lock);
	w->stopping = true;
	pthread_cond_broadcast(&w->more);
	unsigned n = w->n;
	pthread_mutex_unlock(&w->lock);
	for (unsigned i = 0; i < n; i++)
		pthread_join(w->thread[i], NULL);
}

void flags_writer_free(struct flags_writer *w)
{
	if (!w)
		return;
	assert(w->stopping);
	pthread_cond_destroy(&w->more);
	pthread_mutex_destroy(&w->lock);
	free(w);
}
