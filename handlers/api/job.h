/*
 * A request that is answered later: the one kind of asynchronous job of the API.
 *
 *   struct compare_job { struct api_job base; … };
 *   http thread   api_job_init, then one of api_job_read, _query, _write, _ask; from then on the job is not the
 * handler's (a handler that reads may do the same where it runs) elsewhere     the work, which ends in api_job_done,
 * once, on whatever thread there         kind.answer fills the reply, the request is completed, the job is freed
 *
 * The http server gives up on a deferred request after 20 s: the work must be bounded below that.
 */
#ifndef HANDLERS_API_JOB_H
#define HANDLERS_API_JOB_H

#include <sys/queue.h>
#include "handlers/api/api.h"
#include "handlers/api/background.h"
#include "handlers/settings/settings.h"

#define API_ASKING_MAX 8 /* on the loop at once; beyond: 503 */

#define API_HANDED_ON 1

struct api_job;
struct api_job_kind {
	/* Background thread: what would keep the http thread too long. Ends in api_job_go_on or api_job_done. */
	void (*read)(struct api_job *j);
	/* Reading thread, with its connection. 0; -errno; API_HANDED_ON: the request is another job's now. */
	int (*query)(struct db_conn *c, struct api_job *j);
	/* Writer thread, inside the savepoint; done after the commit. */
	int (*write)(struct db_tx *tx, struct api_job *j);
	bool again; /* write may be called once more, after what it did was undone (struct db_job) */
	/* Loop's thread: begins to ask others. May be done at once. */
	void (*ask)(struct api_job *j);
	/* The loop has ended: gives up what ask began; the answer is not its business. */
	void (*cancel)(struct api_job *j);
	/* Fills the reply for result (0, or -errno), any thread. NULL: data, or what fits the error, with why. */
	void (*answer)(struct api_job *j, int result, struct http_reply *reply);
	/* Frees what the job has of its own, and the job. Any thread. */
	void (*free)(struct api_job *j);
};

struct api_job {
	const struct api_job_kind *kind;
	struct api *api;
	struct http_req *req;
	struct settings *settings; /* a reference: those of when it was asked */
	bool lowers;               /* written when the disk is nearly full, too */
	bool quiet;                /* set by write: nobody has to be told of anything */
	int64_t incident_id;       /* set by write: what the engine must look at and the answer shows */
	struct json_object *data;  /* owned: the answer */
	char why[700];             /* of a refusal */
	/* the places' own */
	struct db_job db_job;
	struct db_read_job db_read_job;
	bool handed_on;
	struct background_job background_job;
	LIST_ENTRY(api_job) link;
	bool asking;
};

/* Of a job that is all zero but for what it has of its own. Http thread, or the reading thread of a handler. */
void api_job_init(struct api_job *j, const struct api_job_kind *kind, struct api *a, struct http_req *req);
/* Frees one that was not handed over. */
void api_job_drop(struct api_job *j);

/* Each takes j: HTTP_DEFERRED, or HTTP_REPLIED when there is no room. The same threads. */
enum http_verdict api_job_read(struct api_job *j, struct http_reply *reply);
enum http_verdict api_job_query(struct api_job *j, enum db_read_lane lane, struct http_reply *reply);
enum http_verdict api_job_write(struct api_job *j, struct http_reply *reply);
enum http_verdict api_job_ask(struct api_job *j, struct http_reply *reply);
/* The same for work that the handler handed over itself, which said r: less than 0 is answered at once. */
enum http_verdict api_job_handed(struct api_job *j, int r, struct http_reply *reply);

/* To ask, on the loop's thread, for what was answered elsewhere. Takes j. Any thread. */
void api_job_go_ask(struct api_job *j);
/* From read or ask to write, as lowers then says. Takes j. Any thread. */
void api_job_go_on(struct api_job *j);
/* The same to query, in its lane. */
void api_job_look(struct api_job *j, enum db_read_lane lane);
/* Answers, and frees j. Any thread. */
void api_job_done(struct api_job *j, int result);
/* Ends all that are asking with 503. After the loop has ended, before the http server does. */
void api_jobs_cancel(void);

#endif
