/*
 * What the tests of db/ share: a directory of their own, and jobs that are waited for.
 */
#ifndef TESTS_UNIT_DB_FIXTURE_H
#define TESTS_UNIT_DB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "db/config.h"
#include "db/db.h"
#include "server/core/clock.h"

#define PATIENCE_S 30

static char scratch[64]; /* the directory of the running test */

static inline int scratch_make(void **state)
{
	(void)state;
	strcpy(scratch, "/tmp/rollbackd-db-XXXXXX");
	return mkdtemp(scratch) ? 0 : -1;
}

static inline int scratch_remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static inline int scratch_remove(void **state)
{
	(void)state;
	return nftw(scratch, scratch_remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static inline const char *scratch_path(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", scratch, name);
	return path;
}

/* The directory below scratch, opened; it must work. */
static inline struct db *fixture_open(void)
{
	struct db *db = NULL;
	char why[300] = "";
	int r = db_open(scratch_path("state"), &db, why, sizeof(why));

	if (r < 0)
		fail_msg("db_open: %s: %s", strerror(-r), why);
	return db;
}

static inline struct db *fixture_start(void)
{
	struct db *db = fixture_open();

	assert_int_equal(db_start(db), 0);
	return db;
}

/* A condition that another thread brings about. */
#define UNTIL(condition)                                                                                               \
	do {                                                                                                           \
		int64_t until_ = clock_mono_us() + PATIENCE_S * US_PER_S;                                              \
		while (!(condition) && clock_mono_us() < until_)                                                       \
			usleep(2000);                                                                                  \
		assert_true(condition);                                                                                \
	} while (0)

typedef int job_fn(struct db_tx *tx, void *arg);

struct call {
	struct db_job job; /* first */
	job_fn *fn;
	void *arg;
	int result;
	int *told; /* may be NULL: how often done was called, written by the writer */
	sem_t ended;
};

static inline int call_run(struct db_tx *tx, struct db_job *job)
{
	struct call *c = (struct call *)job;

	return c->fn(tx, c->arg);
}

static inline void call_done(struct db_job *job, int result)
{
	struct call *c = (struct call *)job;

	c->result = result;
	if (c->told)
		++*c->told;
	sem_post(&c->ended);
}

static inline void call_init(struct call *c, job_fn *fn, void *arg)
{
	*c = (struct call) {.job = {.run = call_run, .done = call_done}, .fn = fn, .arg = arg};
	sem_init(&c->ended, 0, 0);
}

static inline int call_wait(struct call *c)
{
	struct timespec until;
	int r;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	while ((r = sem_timedwait(&c->ended, &until)) < 0 && errno == EINTR)
		;
	if (r < 0)
		fail_msg("a job was not done within %d s", PATIENCE_S);
	return c->result;
}

/* One job, waited for: what its done was told. */
static inline int in_tx(struct db *db, job_fn *fn, void *arg)
{
	struct call c;

	call_init(&c, fn, arg);
	int r = db_submit(db, &c.job, DB_URGENT);
	return r < 0 ? r : call_wait(&c);
}

/* A config is on record, as every incident's must be; its hash, until the next call. */
static inline char *fixture_config(struct db_tx *tx, const char *text)
{
	static char sha[CONFIG_SHA_SIZE];

	assert_int_equal(config_row_put(tx, text, sha), 0);
	return sha;
}

#endif
