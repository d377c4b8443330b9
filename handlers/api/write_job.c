#include "handlers/api/write_job.h"

#include "db/incident.h"
#include "handlers/settings/current.h"
#include "handlers/incident/json.h"

static void drop(struct write_job *w)
{
	settings_unref(w->settings);
	json_object_put(w->data);
	w->free(w);
}

static int run(struct db_tx *tx, struct db_job *job)
{
	struct write_job *w = (struct write_job *)job;
	struct incident inc = {0};
	int r = w->run(tx, w);

	if (r < 0 || !w->incident_id)
		return r;
	r = incident_load(db_tx_conn(tx), w->incident_id, &inc);
	if (r == 0)
		r = incident_json(db_tx_conn(tx), &inc, PART_ALL & ~(unsigned)PART_SNAPSHOT, &w->data);
	incident_free(&inc);
	return r;
}

static void done(struct db_job *job, int result)
{
	struct write_job *w = (struct write_job *)job;
	struct http_reply reply = {.status = 200};

	if (result < 0) {
		api_answer_errno(&reply, result, w->why);
	} else {
		if (w->incident_id)
			engine_notify(w->api->engine, w->incident_id);
		w->api->ring(w->api->arg);
		api_answer(&reply, 200, w->data, NULL);
		w->data = NULL;
	}
	w->req->complete(w->req, &reply);
	drop(w);
}

enum http_verdict write_job_submit(struct api *a, struct http_req *req, struct http_reply *reply, struct write_job *w)
{
	w->job = (struct db_job) {.run = run, .done = done};
	w->api = a;
	w->req = req;
	w->settings = current_settings();
	int r = db_submit(a->db, &w->job, w->lowers ? DB_URGENT : DB_NORMAL);
	if (r == 0)
		return HTTP_DEFERRED;
	api_answer_errno(reply, r, "");
	drop(w);
	return HTTP_REPLIED;
}
