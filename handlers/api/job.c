#include "handlers/api/job.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>

#include "db/incident.h"
#include "db/readers.h"
#include "handlers/incident/json.h"
#include "handlers/settings/current.h"
#include "server/core/http_reply.h"
#include "server/core/loop.h"
#include "server/core/thread.h"

/* --- its life --- */

static bool is_handlers(void)
{
	return thread_may(THREAD_HTTP) || thread_may(THREAD_READER);
}

void api_job_init(struct api_job *j, const struct api_job_kind *kind, struct api *a, struct http_req *req)
{
	assert(j && kind && kind->free && a && req && is_handlers());
	*j = (struct api_job) {.kind = kind, .api = a, .req = req, .settings = current_settings()};
}

void api_job_drop(struct api_job *j)
{
	assert(j && !j->asking);
	settings_unref(j->settings);
	json_object_put(j->data);
	j->kind->free(j);
}

static void fill(struct api_job *j, int result, struct http_reply *reply)
{
	if (j->kind->answer)
		j->kind->answer(j, result, reply);
	else if (result < 0)
		api_answer_errno(reply, result, j->why);
	else
		api_answer(reply, 200, TAKE(j->data), NULL);
}

static void complete(struct api_job *j, struct http_reply *reply)
{
	j->req->complete(j->req, reply);
	api_job_drop(j);
}

enum http_verdict api_job_handed(struct api_job *j, int r, struct http_reply *reply)
{
	assert(j && reply && is_handlers());
	if (r == 0)
		return HTTP_DEFERRED; /* it may be answered and gone */
	fill(j, r, reply);
	api_job_drop(j);
	return HTTP_REPLIED;
}

/* --- what is being asked: one daemon, one list; the http thread adds, the loop's thread removes --- */

static struct {
	pthread_mutex_t lock;
	LIST_HEAD(asking_jobs, api_job) all;
	size_t n;
} asking = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool asking_enter(struct api_job *j)
{
	pthread_mutex_lock(&asking.lock);
	j->asking = asking.n < API_ASKING_MAX;
	if (j->asking) {
		LIST_INSERT_HEAD(&asking.all, j, link);
		asking.n++;
	}
	pthread_mutex_unlock(&asking.lock);
	return j->asking;
}

static void asking_leave(struct api_job *j)
{
	if (!j->asking)
		return;
	pthread_mutex_lock(&asking.lock);
	LIST_REMOVE(j, link);
	assert(asking.n > 0);
	asking.n--;
	pthread_mutex_unlock(&asking.lock);
	j->asking = false;
}

static void on_loop(void *arg)
{
	struct api_job *j = arg;

	j->kind->ask(j);
}

static int submit_ask(struct api_job *j)
{
	assert(j->kind->ask && j->kind->cancel);
	if (!asking_enter(j)) {
		snprintf(j->why, sizeof(j->why), "%d such questions are being answered already; try again",
		         API_ASKING_MAX);
		return -EAGAIN;
	}
	int r = loop_post(j->api->loop, on_loop, j);
	if (r < 0)
		asking_leave(j);
	return r;
}

enum http_verdict api_job_ask(struct api_job *j, struct http_reply *reply)
{
	return api_job_handed(j, submit_ask(j), reply);
}

void api_job_go_ask(struct api_job *j)
{
	int r = submit_ask(j);

	if (r < 0)
		api_job_done(j, r);
}

void api_jobs_cancel(void)
{
	struct api_job *j;

	while ((j = LIST_FIRST(&asking.all)) != NULL) {
		j->kind->cancel(j);
		api_job_done(j, -ESHUTDOWN);
	}
}

void api_job_done(struct api_job *j, int result)
{
	assert(j && j->req);
	struct http_reply reply = {.status = 200};

	assert(result <= 0);
	asking_leave(j);
	fill(j, result, &reply);
	complete(j, &reply);
}

/* --- writing --- */

static struct api_job *of_db(struct db_job *job)
{
	return (struct api_job *)((char *)job - offsetof(struct api_job, db_job));
}

static int write_it(struct db_tx *tx, struct db_job *job)
{
	assert(thread_may(THREAD_WRITER));
	struct api_job *j = of_db(job);
	struct incident inc = {0};
	int r = j->kind->write(tx, j);

	if (r < 0 || !j->incident_id)
		return r;
	r = incident_load(db_tx_conn(tx), j->incident_id, &inc);
	if (r == 0)
		r = incident_json(db_tx_conn(tx), &inc, PART_ALL & ~(unsigned)PART_SNAPSHOT, &j->data);
	incident_free(&inc);
	return r;
}

static void written(struct db_job *job, int result)
{
	struct api_job *j = of_db(job);
	struct http_reply reply = {.status = 200};
	int r = result < 0 ? result : 0;

	fill(j, r, &reply);
	if (r == 0 && j->incident_id)
		engine_notify(j->api->engine, j->incident_id);
	if (r == 0 && !j->quiet)
		j->api->ring(j->api->arg);
	complete(j, &reply);
}

static int submit_write(struct api_job *j)
{
	assert(j->kind->write);
	j->db_job = (struct db_job) {.run = write_it, .done = written, .again = j->kind->again};
	return db_submit(j->api->db, &j->db_job, j->lowers ? DB_URGENT : DB_NORMAL);
}

enum http_verdict api_job_write(struct api_job *j, struct http_reply *reply)
{
	return api_job_handed(j, submit_write(j), reply);
}

void api_job_go_on(struct api_job *j)
{
	asking_leave(j);
	int r = submit_write(j);

	if (r < 0)
		api_job_done(j, r);
}

/* --- asking the database --- */

static struct api_job *of_read(struct db_read_job *job)
{
	return (struct api_job *)((char *)job - offsetof(struct api_job, db_read_job));
}

static int query_it(struct db_conn *c, struct db_read_job *job)
{
	struct api_job *j = of_read(job);
	int r = j->kind->query(c, j);

	j->handed_on = r == API_HANDED_ON;
	return r;
}

static void queried(struct db_read_job *job, int result)
{
	struct api_job *j = of_read(job);

	if (j->handed_on)
		api_job_drop(j);
	else
		api_job_done(j, result);
}

static int submit_query(struct api_job *j, enum db_read_lane lane)
{
	assert(j->kind->query);
	j->db_read_job = (struct db_read_job) {.run = query_it, .done = queried};
	int r = db_read(j->api->db, &j->db_read_job, lane);
	if (r == -EAGAIN)
		snprintf(j->why, sizeof(j->why), "too many such questions are waiting; try again");
	return r;
}

enum http_verdict api_job_query(struct api_job *j, enum db_read_lane lane, struct http_reply *reply)
{
	return api_job_handed(j, submit_query(j, lane), reply);
}

void api_job_look(struct api_job *j, enum db_read_lane lane)
{
	int r = submit_query(j, lane);

	if (r < 0)
		api_job_done(j, r);
}

/* --- reading bodies --- */

static void read_it(struct background_job *job)
{
	struct api_job *j = (struct api_job *)((char *)job - offsetof(struct api_job, background_job));

	j->kind->read(j);
}

enum http_verdict api_job_read(struct api_job *j, struct http_reply *reply)
{
	assert(j->kind->read);
	j->background_job = (struct background_job) {.run = read_it};
	return api_job_handed(j, background_submit(j->api->background, &j->background_job), reply);
}
