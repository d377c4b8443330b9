#include "handlers/engine/retention.h"

#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "db/retention.h"
#include "handlers/settings/current.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/thread.h"

#define FIRST_US (60 * US_PER_S)
#define EVERY_US (3600 * US_PER_S)
#define AGAIN_US (1 * US_PER_S) /* while there is more */
#define AT_ONCE  100            /* rows of a kind: a sweep must not hold up a webhook */

struct retire {
	struct loop *loop;
	struct db *db;
	struct db_job job;
	int64_t keep_us;
	int result;
};

static void sweep(void *arg);

static void wait(struct retire *r, int64_t us)
{
	assert(us > 0);
	if (!loop_timer_at(r->loop, clock_mono_us() + us, sweep, r))
		log_error("old records are not forgotten any more until a restart: out of memory");
}

static void on_swept(void *arg)
{
	struct retire *r = arg;

	if (r->result < 0)
		log_warn("old records could not be forgotten; trying again in an hour", "err", strerror(-r->result));
	else if (r->result > 0)
		log_info("old records forgotten", "count", log_num(r->result));
	wait(r, r->result >= AT_ONCE ? AGAIN_US : EVERY_US);
}

static int run(struct db_tx *tx, struct db_job *job)
{
	struct retire *r = (struct retire *)((char *)job - offsetof(struct retire, job));

	return retention_sweep(tx, db_tx_now(tx) - r->keep_us, AT_ONCE);
}

static void done(struct db_job *job, int result)
{
	struct retire *r = (struct retire *)((char *)job - offsetof(struct retire, job));

	r->result = result;
	if (loop_post(r->loop, on_swept, r) < 0)
		abort(); /* out of memory */
}

static void sweep(void *arg)
{
	assert(thread_may(THREAD_ENGINE));
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	struct retire *r = arg;

	if (!s)
		return; /* stopping */
	r->keep_us = s->retention_us;
	r->job = (struct db_job) {.run = run, .done = done};
	int e = db_submit(r->db, &r->job, DB_NORMAL);
	if (e < 0 && e != -ESHUTDOWN)
		wait(r, EVERY_US);
}

int retire_new(struct loop *l, struct db *db, struct retire **ret)
{
	assert(l && db && ret);
	struct retire *r = calloc(1, sizeof(*r));

	if (!r)
		return -ENOMEM;
	r->loop = l;
	r->db = db;
	wait(r, FIRST_US);
	*ret = r;
	return 0;
}

void retire_free(struct retire *r)
{
	free(r);
}
