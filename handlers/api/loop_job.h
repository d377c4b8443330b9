/*
 * A request that is answered by work on the engine's loop: something that has to ask others and wait for them.
 *
 *   struct compare_job { struct loop_job base; … };
 *   http thread    loop_job_submit(a, req, reply, &j->base)
 *   loop's thread  base.run starts the work; when it is done: loop_job_answer or loop_job_refuse, once
 *   at the stop    base.cancel for what is still under way, after the loop has ended
 *
 * The http server gives up on a deferred request after 20 s: the work must be bounded below that.
 */
#ifndef HANDLERS_API_LOOP_JOB_H
#define HANDLERS_API_LOOP_JOB_H

#include <sys/queue.h>
#include "handlers/api/api.h"

#define LOOP_JOBS_MAX 8 /* at once; beyond: 503 */

struct loop_job {
	/* Loop's thread. May answer at once. */
	void (*run)(struct loop_job *j);
	/* The loop has ended: gives up what run started, without an answer; it is freed after that. */
	void (*cancel)(struct loop_job *j);
	/* Frees the whole job. Any thread. */
	void (*free)(struct loop_job *j);
	struct api *api; /* the rest is filled by loop_job_submit */
	struct http_req *req;
	LIST_ENTRY(loop_job) link;
};

/* Takes j. HTTP_DEFERRED, or HTTP_REPLIED when there are too many. Http thread. */
enum http_verdict loop_job_submit(struct api *a, struct http_req *req, struct http_reply *reply, struct loop_job *j);
/* Answers with data (taken) and frees j. */
void loop_job_answer(struct loop_job *j, struct json_object *data);
/* Answers with what fits err and frees j; why may be "". */
void loop_job_refuse(struct loop_job *j, int err, const char *why);
/* Ends all that are under way with 503. After the loop has ended, before the http server does. */
void loop_jobs_cancel(void);

#endif
