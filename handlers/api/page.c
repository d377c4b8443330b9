/*
 * Where the links of messages lead: a page for browsers (web.c), and text, made of the reports, for everybody else.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/incident.h"
#include "db/rollout.h"
#include "handlers/api/api.h"
#include "handlers/api/page.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/text.h"
#include "server/core/text.h"

#define INDEX_MAX  (1024 * 1024)
#define LINE_SHOWN 300 /* bytes of a text in one line */

static enum http_verdict as_text(struct http_reply *reply, enum http_verdict v)
{
	if (reply->status == 200)
		reply->content_type = "text/plain; charset=utf-8";
	return v;
}

enum http_verdict page_incident(const struct api_read *q, struct http_reply *reply)
{
	int64_t id;

	if (!page_is_html(q->req))
		return as_text(reply, incident_report_show(q, reply));
	return api_incident_id(q->segment, reply, &id) < 0 ? HTTP_REPLIED : page_incident_html(q, id, reply);
}

enum http_verdict page_rollout(const struct api_read *q, struct http_reply *reply)
{
	return page_is_html(q->req) ? page_rollout_html(q, reply) : as_text(reply, plan_report(q, reply));
}

static void percentage(struct buf *b, int32_t pct, const char *what)
{
	char text[16];

	text_pct(pct, text, sizeof(text));
	buf_printf(b, ", %s%s %s", text, pct < 0 ? "" : "%", what);
}

static int rollout_lines(struct buf *b, struct db_conn *c, const struct rollout *r)
{
	struct rollout_row row = {.stage = -1, .pct_wanted = -1, .pct_seen = -1};
	struct incident inc = {0};
	int err = rollout_load(c, r->name, &row);

	if (err == 0 || err == -ENOENT) {
		text_one_line(b, r->title, strlen(r->title), LINE_SHOWN);
		if (row.stage >= 0)
			buf_printf(b, ": stage %d", row.stage);
		else
			buf_str(b, ": no stage");
		percentage(b, row.pct_wanted, "wanted");
		percentage(b, row.pct_seen, "seen");
		buf_printf(b, "\n  /rollouts/%s\n", r->name);
		err = incident_open_of(c, r->name, &inc);
	}
	if (err == 1 && !kind_of(&inc)->brief) {
		assert(inc.summary);
		buf_printf(b, "  %s, %s: ", message_title(&inc), incident_state_name(inc.state));
		text_one_line(b, inc.summary, strlen(inc.summary), LINE_SHOWN);
		buf_printf(b, "\n  /incidents/%lld\n", (long long)inc.id);
	}
	incident_free(&inc);
	rollout_row_free(&row);
	return err < 0 ? err : 0;
}

enum http_verdict page_index(const struct api_read *q, struct http_reply *reply)
{
	const struct settings *s = q->settings;
	int r = 0;

	if (page_is_html(q->req))
		return page_index_html(q, reply);
	reply->body.max = INDEX_MAX;
	for (size_t i = 0; r == 0 && i < s->n_rollouts; i++)
		r = rollout_lines(&reply->body, q->conn, &s->rollouts[i]);
	if (r == 0 && !s->n_rollouts)
		buf_str(&reply->body, "no rollouts\n");
	if (r < 0) {
		buf_free(&reply->body);
		api_answer_errno(reply, r, "");
		return HTTP_REPLIED;
	}
	reply->status = 200;
	return as_text(reply, HTTP_REPLIED);
}
