/*
 * A request that changes something: one writer job, answered after its commit with the incident as it then is.
 */
#ifndef HANDLERS_API_WRITE_JOB_H
#define HANDLERS_API_WRITE_JOB_H

#include "handlers/api/api.h"
#include "handlers/settings/settings.h"

struct write_job {
	struct db_job job; /* the rest is filled by write_job_submit */
	struct api *api;
	struct http_req *req;
	struct settings *settings; /* a reference */
	bool lowers;               /* taken when the disk is nearly full, too */
	int64_t incident_id;       /* set by run: what the engine must look at and the answer shows */
	struct json_object *data;  /* owned: the answer, built inside the transaction */
	char why[700];             /* set by run when it refuses */
	/* Writer thread, inside the savepoint. */
	int (*run)(struct db_tx *tx, struct write_job *w);
	/* Frees the whole job. */
	void (*free)(struct write_job *w);
};

/* Takes w. HTTP_DEFERRED, or HTTP_REPLIED when it could not be queued. */
enum http_verdict write_job_submit(struct api *a, struct http_req *req, struct http_reply *reply, struct write_job *w);

#endif
