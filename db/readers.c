#include "db/readers.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unistd.h>

#include "db/engine.h"
#include "server/core/clock.h"
#include "server/core/metrics.h"
#include "server/core/thread.h"

#define THREADS   2
#define DEAR_ONES 1 /* the thread that takes them */
#define NICE      5 /* a webhook, and what lowers, has a processor before a page */

enum outcome { READ_DONE, READ_REFUSED, READ_TIMEOUT }; /* order of rollbackd_db_reads_total */

/* Waiting and running together stay below the 20 s after which the http server gives a request up. */
static const struct {
	size_t most;
	int64_t wait_us, run_us;
} lanes[DB_READ_LANES] = {
	[DB_READ_URGENT] = {DB_READ_URGENT_MAX, 5 * US_PER_S, 5 * US_PER_S},
	[DB_READ_CHEAP] = {DB_READ_CHEAP_MAX, 5 * US_PER_S, 5 * US_PER_S},
	[DB_READ_DEAR] = {DB_READ_DEAR_MAX, 10 * US_PER_S, 8 * US_PER_S},
};

struct reader {
	struct db_readers *all;
	struct db_conn *conn;
	pthread_t thread;
	bool started;
	atomic_llong busy_since; /* mono; 0: it waits */
};

struct db_readers {
	struct reader reader[THREADS];
	atomic_bool stopping;
	pthread_mutex_t mutex; /* guards the rest */
	pthread_cond_t more;
	struct lane {
		struct db_read_job *head, **tail;
		size_t n;
	} lane[DB_READ_LANES];
};

/* --- the bound of what runs --- */

bool db_conn_over(struct db_conn *c)
{
	assert(c);
	if (!c->until_us)
		return false; /* what ends a read has no bound */
	if (clock_mono_us() >= c->until_us || (c->stop && atomic_load(c->stop)))
		c->ended = true;
	return c->ended;
}

/* --- the queue --- */

static struct db_read_job *pop(struct lane *l)
{
	struct db_read_job *job = l->head;

	if (!job)
		return NULL;
	l->head = job->next;
	if (!l->head)
		l->tail = &l->head;
	assert(l->n > 0);
	l->n--;
	return job;
}

/* What this thread does next. */
static struct db_read_job *next_job(const struct reader *r, enum db_read_lane *ret_lane)
{
	static const enum db_read_lane order[] = {DB_READ_URGENT, DB_READ_DEAR, DB_READ_CHEAP};
	bool dear = r == &r->all->reader[DEAR_ONES];

	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		struct db_read_job *job = order[i] == DB_READ_DEAR && !dear ? NULL : pop(&r->all->lane[order[i]]);

		*ret_lane = order[i];
		if (job)
			return job;
	}
	return NULL;
}

static struct db_read_job *wait_job(struct reader *r, enum db_read_lane *ret_lane)
{
	struct db_readers *all = r->all;
	struct db_read_job *job = NULL;

	atomic_store(&r->busy_since, 0);
	pthread_mutex_lock(&all->mutex);
	while (!atomic_load(&all->stopping) && !(job = next_job(r, ret_lane)))
		pthread_cond_wait(&all->more, &all->mutex);
	pthread_mutex_unlock(&all->mutex);
	if (job)
		atomic_store(&r->busy_since, clock_mono_us());
	return job;
}

int db_read(struct db *db, struct db_read_job *job, enum db_read_lane lane)
{
	assert(db && job && job->run && job->done && lane < DB_READ_LANES);
	struct db_readers *all = db->readers;
	int r = 0;

	if (!all)
		return -ESHUTDOWN;
	pthread_mutex_lock(&all->mutex);
	struct lane *l = &all->lane[lane];
	if (atomic_load(&all->stopping))
		r = -ESHUTDOWN;
	else if (l->n >= lanes[lane].most)
		r = -EAGAIN;
	if (r == 0) {
		job->waits_until_us = clock_mono_us() + lanes[lane].wait_us;
		job->next = NULL;
		*l->tail = job;
		l->tail = &job->next;
		l->n++;
		pthread_cond_broadcast(&all->more); /* one of them may not take it */
	}
	pthread_mutex_unlock(&all->mutex);
	if (r == -EAGAIN)
		metric_add(M_READS, READ_REFUSED, 1);
	return r;
}

/* --- a thread --- */

static int run(struct reader *r, struct db_read_job *job, int64_t now_us, int64_t bound_us)
{
	struct db_conn *c = r->conn;

	c->until_us = now_us + bound_us;
	c->ended = false;
	db_moment_begin(c);
	int result = job->run(c, job);
	c->until_us = 0;
	db_moment_end(c);
	if (!c->ended) {
		metric_add(M_READS, READ_DONE, 1);
		return result;
	}
	metric_add(M_READS, READ_TIMEOUT, 1);
	return atomic_load(&r->all->stopping) ? -ESHUTDOWN : -ETIMEDOUT;
}

/* This thread alone, on Linux, and however nice the daemon is; may it not, then as before. */
static void give_way(void)
{
	id_t self = (id_t)gettid();

	setpriority(PRIO_PROCESS, self, getpriority(PRIO_PROCESS, self) + NICE);
}

static void *reader_main(void *arg)
{
	struct reader *r = arg;
	struct db_read_job *job;
	enum db_read_lane lane;

	thread_is(THREAD_READER);
	give_way();
	while ((job = wait_job(r, &lane))) {
		int64_t now = clock_mono_us();
		int result = -EAGAIN;

		if (now < job->waits_until_us)
			result = run(r, job, now, lanes[lane].run_us);
		else
			metric_add(M_READS, READ_REFUSED, 1);
		job->done(job, result);
	}
	return NULL;
}

/* --- start and stop --- */

static int start_one(struct db *db, struct reader *r)
{
	assert(db && r->all && !r->conn);
	int err = db_reader_open(db, &r->conn);

	if (err < 0)
		return err;
	r->conn->stop = &r->all->stopping;
	engine_bound(r->conn);
	err = -pthread_create(&r->thread, NULL, reader_main, r);
	r->started = err == 0;
	return err;
}

int db_readers_start(struct db *db)
{
	assert(db && !db->readers);
	struct db_readers *all = calloc(1, sizeof(*all));
	int r = 0;

	if (!all)
		return -ENOMEM;
	pthread_mutex_init(&all->mutex, NULL);
	pthread_cond_init(&all->more, NULL);
	for (size_t i = 0; i < DB_READ_LANES; i++)
		all->lane[i].tail = &all->lane[i].head;
	db->readers = all;
	for (size_t i = 0; i < THREADS && r == 0; i++) {
		all->reader[i].all = all;
		r = start_one(db, &all->reader[i]);
	}
	if (r < 0)
		db_readers_stop(db);
	return r;
}

static void refuse_waiting(struct db_readers *all)
{
	for (size_t i = 0; i < DB_READ_LANES; i++) {
		struct db_read_job *job;

		while ((job = pop(&all->lane[i])))
			job->done(job, -ESHUTDOWN);
	}
}

void db_readers_stop(struct db *db)
{
	assert(db);
	struct db_readers *all = db->readers;

	if (!all)
		return;
	pthread_mutex_lock(&all->mutex);
	atomic_store(&all->stopping, true);
	pthread_cond_broadcast(&all->more);
	pthread_mutex_unlock(&all->mutex);
	for (size_t i = 0; i < THREADS; i++) {
		if (all->reader[i].started)
			pthread_join(all->reader[i].thread, NULL);
		all->reader[i].started = false;
	}
	refuse_waiting(all); /* nobody adds to it any more */
}

void db_readers_free(struct db_readers *all)
{
	if (!all)
		return;
	assert(atomic_load(&all->stopping));
	for (size_t i = 0; i < THREADS; i++) {
		assert(!all->reader[i].started);
		db_reader_close(all->reader[i].conn);
	}
	pthread_cond_destroy(&all->more);
	pthread_mutex_destroy(&all->mutex);
	free(all);
}

int64_t db_readers_busy_since_us(const struct db *db)
{
	assert(db);
	int64_t longest = 0;

	for (size_t i = 0; db->readers && i < THREADS; i++) {
		int64_t since = atomic_load(&db->readers->reader[i].busy_since);

		if (since && (!longest || since < longest))
			longest = since;
	}
	return longest;
}
