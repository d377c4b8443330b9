/*
 * One thread for what would keep the http thread too long: bodies of megabytes to be read and matched.
 *
 * Jobs run one after the other, in the order in which they came, each to its end.
 */
#ifndef HANDLERS_API_BACKGROUND_H
#define HANDLERS_API_BACKGROUND_H

#include "server/core/scope.h"

#define BACKGROUND_JOBS_MAX 1024 /* waiting at once; there are no more connections than that */

struct background;
struct background_job {
	void (*run)(struct background_job *j); /* the background thread; the job is the callee's */
	struct background_job *next;           /* the queue's */
};

int background_start(struct background **ret) MUST_CHECK;
/* Any thread. 0, -EAGAIN or -ESHUTDOWN: run is not called. Without a thread (b NULL: the simulator) it runs at once. */
int background_submit(struct background *b, struct background_job *j) MUST_CHECK;
/* Runs what waits, then refuses and joins the thread. The owner; NULL is fine. */
void background_stop(struct background *b);
/* After that, when nobody can submit any more. NULL is fine. */
void background_free(struct background *b);

#endif
