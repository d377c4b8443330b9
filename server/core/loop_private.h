/*
 * What loop.c and loop_fetch.c know of each other. Loop thread only.
 *
 * A turn: fetches, children, inbox, timers, then the wait. What a callback starts is begun in the next turn,
 * so no callback ever runs inside the call that asked for it.
 */
#ifndef SERVER_CORE_LOOP_PRIVATE_H
#define SERVER_CORE_LOOP_PRIVATE_H

#include <pthread.h>
#include <stdatomic.h>
#include <sys/queue.h>
#include <curl/curl.h>
#include "server/core/loop.h"

#define LOOP_ACT_MAX   16 /* transfers at once */
#define LOOP_PAGE_MAX  16
#define LOOP_TELL_MAX  8
#define LOOP_STUDY_MAX 4
#define LOOP_QUEUE_MAX 1024 /* transfers that wait, per share */

struct loop_posted;
TAILQ_HEAD(loop_fetches, loop_fetch);
LIST_HEAD(loop_watches, loop_watch);

struct loop_timers {
	struct loop_timer **heap; /* least (at, order) first; each knows its place */
	size_t n, cap;
	uint64_t order; /* of the next timer: equal times fire in the order they were asked for */
};

struct loop {
	pthread_mutex_t inbox_lock; /* guards inbox */
	STAILQ_HEAD(loop_inbox, loop_posted) inbox;
	atomic_bool stop;
	_Atomic int64_t last_turn_us;
	atomic_bool turns; /* inside loop_run, which this thread called: */
	pthread_t thread;
	struct loop_timers timers;

	CURLM *multi;
	struct loop_fetches waiting[LOOP_SHARE_N];
	struct loop_fetches running[LOOP_SHARE_N];
	unsigned n_waiting[LOOP_SHARE_N], n_running[LOOP_SHARE_N];
	size_t bodies[LOOP_SHARE_N]; /* bytes of answers that have come and are not given back yet */

	struct children children;
	struct loop_watches watches;
	size_t n_watches;
	struct curl_waitfd *fds; /* owned: what the turn waits for, children's first */
	size_t cap_fds;
};

/* Nobody runs it, or this thread does. */
static inline bool loop_is_ours(const struct loop *l)
{
	return !atomic_load(&l->turns) || pthread_equal(l->thread, pthread_self());
}

/* Starts what is waiting, lets curl work, calls back what has ended. 0 or -errno: curl itself is broken. */
int loop_fetches_turn(struct loop *l);
/* Something waits that could be started now: do not wait. */
bool loop_fetches_ready(const struct loop *l);
void loop_fetches_free(struct loop *l);

#endif
