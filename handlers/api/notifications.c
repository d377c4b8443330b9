#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/outbox.h"
#include "handlers/api/api.h"
#include "handlers/api/job.h"
#include "handlers/incident/announce.h"
#include "server/core/http_reply.h"

/* --- a test message --- */

struct test_job {
	struct api_job base;       /* first */
	struct json_object *body;  /* owned */
	const char *channel, *who; /* borrowed from it and from the request; channel NULL: all */
};

static int test_write(struct db_tx *tx, struct api_job *w)
{
	struct test_job *j = (struct test_job *)w;
	const struct settings *s = w->settings;
	size_t told = 0;
	int r = 0;

	w->data = json_object_new_array();
	for (size_t i = 0; r == 0 && i < s->n_channels; i++) {
		struct json_object *o = NULL;
		int64_t id = 0;

		if (j->channel && strcmp(j->channel, s->channels[i].name) != 0)
			continue;
		r = announce_test(tx, s, &s->channels[i], j->who, &id);
		o = json_object_new_object();
		json_object_array_add(w->data, o);
		json_add_int(o, "id", id);
		json_add_str(o, "channel", s->channels[i].name);
		told++;
	}
	if (r < 0 || told)
		return r;
	snprintf(w->why, sizeof(w->why), "there is no channel%s%.100s", j->channel ? " " : "",
	         j->channel ? j->channel : "");
	return -ENOENT;
}

static void test_free(struct api_job *w)
{
	struct test_job *j = (struct test_job *)w;

	json_object_put(j->body);
	free(j);
}

static const struct api_job_kind test_kind = {.write = test_write, .free = test_free};

enum http_verdict notification_test(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                    const char *word)
{
	CLEANUP(json_cleanup) struct json_object *body = NULL;
	const char *channel = NULL;

	(void)segment;
	(void)word;
	if (api_body(req, reply, &body) < 0)
		return HTTP_REPLIED;
	if (json_get_str(body, "channel", &channel) < 0) {
		http_error(reply, 400, "bad_data", "channel must be the name of a channel");
		return HTTP_REPLIED;
	}
	struct test_job *j = calloc(1, sizeof(*j));
	if (!j) {
		api_answer_errno(reply, -ENOMEM, "");
		return HTTP_REPLIED;
	}
	j->body = TAKE(body);
	j->channel = channel;
	j->who = req->user;
	api_job_init(&j->base, &test_kind, a, req);
	return api_job_write(&j->base, reply);
}

/* --- what became of a message --- */

enum http_verdict notification_show(const struct api_read *q, struct http_reply *reply)
{
	struct message m = {0};
	char *end = NULL;

	errno = 0;
	long long id = strtoll(q->segment, &end, 10);
	int r = errno || end == q->segment || *end || id <= 0 ? -ENOENT : outbox_load(q->conn, id, &m);
	if (r == -ENOENT) {
		http_error(reply, 404, "not_found", "there is no notification %.50s", q->segment);
		return HTTP_REPLIED;
	}
	if (r < 0) {
		api_answer_errno(reply, r, "");
		return HTTP_REPLIED;
	}
	struct json_object *o = json_object_new_object();

	json_add_int(o, "id", m.id);
	json_add_str(o, "channel", m.channel);
	json_add_str(o, "event", m.event);
	json_add_str(o, "what", m.what);
	json_add_str(o, "state", message_state_name(m.state));
	json_add_int(o, "attempts", m.attempts);
	json_add_time(o, "queued_at", m.queued_at_us);
	json_add_time(o, "sent_at", m.sent_at_us);
	json_add_str(o, "error", m.error);
	message_free(&m);
	api_answer(reply, 200, o, NULL);
	return HTTP_REPLIED;
}
