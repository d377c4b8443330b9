#include "handlers/api/loop_job.h"

#include <errno.h>
#include <pthread.h>
#include <stdbool.h>

#include "server/core/http_reply.h"
#include "server/core/loop.h"

/* One daemon, one list: the http thread adds, the loop's thread removes. */
static struct {
	pthread_mutex_t lock;
	LIST_HEAD(loop_jobs, loop_job) all;
	size_t n;
} jobs = {.lock = PTHREAD_MUTEX_INITIALIZER};

static bool enter(struct loop_job *j)
{
	pthread_mutex_lock(&jobs.lock);
	bool room = jobs.n < LOOP_JOBS_MAX;
	if (room) {
		LIST_INSERT_HEAD(&jobs.all, j, link);
		jobs.n++;
	}
	pthread_mutex_unlock(&jobs.lock);
	return room;
}

static void leave(struct loop_job *j)
{
	pthread_mutex_lock(&jobs.lock);
	LIST_REMOVE(j, link);
	jobs.n--;
	pthread_mutex_unlock(&jobs.lock);
}

static void end(struct loop_job *j, struct http_reply *reply)
{
	leave(j);
	j->req->complete(j->req, reply);
	j->free(j);
}

static void run(void *arg)
{
	struct loop_job *j = arg;

	j->run(j);
}

enum http_verdict loop_job_submit(struct api *a, struct http_req *req, struct http_reply *reply, struct loop_job *j)
{
	j->api = a;
	j->req = req;
	if (!enter(j)) {
		reply->retry_after_s = 5;
		http_error(reply, 503, "unavailable", "%d such questions are being answered already; try again",
		           LOOP_JOBS_MAX);
		j->free(j);
		return HTTP_REPLIED;
	}
	int r = loop_post(a->loop, run, j);
	if (r == 0)
		return HTTP_DEFERRED;
	leave(j);
	api_answer_errno(reply, r, "");
	j->free(j);
	return HTTP_REPLIED;
}

void loop_job_answer(struct loop_job *j, struct json_object *data)
{
	struct http_reply reply = {.status = 200};

	api_answer(&reply, 200, data, NULL);
	end(j, &reply);
}

void loop_job_refuse(struct loop_job *j, int err, const char *why)
{
	struct http_reply reply = {.status = 200};

	api_answer_errno(&reply, err, why);
	end(j, &reply);
}

void loop_jobs_cancel(void)
{
	struct loop_job *j;

	while ((j = LIST_FIRST(&jobs.all)) != NULL) {
		j->cancel(j);
		loop_job_refuse(j, -ESHUTDOWN, "");
	}
}
