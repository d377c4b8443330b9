#include "handlers/incident/announce.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/alert.h"
#include "db/event.h"
#include "db/outbox.h"
#include "db/progress.h"
#include "handlers/incident/drill.h"
#include "handlers/incident/json.h"
#include "handlers/incident/kinds.h"
#include "handlers/settings/snapshot.h"
#include "handlers/incident/text.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/text.h"

#define TEXT_MAX (64 * 1024) /* bytes of a text that is no incident's: the longest is a report */
#define AT_MAX   80          /* of them for its last line */

/* One row per channel that listens, and one body for all of them. */
static int tell(struct db_tx *tx, const struct settings *s, unsigned classes, struct message *m,
                struct json_object *body)
{
	assert(tx && s && m && body);
	m->body = (char *)json_text(body);
	for (size_t i = 0; i < s->n_channels; i++) {
		const struct channel_options *a = &s->channels[i];
		const char *heard = event_heard(classes, a->events);

		if (!heard)
			continue;
		m->channel = (char *)a->name;
		m->event = (char *)heard;
		m->page = classes & a->events & EVENT_PAGE;
		int r = outbox_add(tx, m);
		if (r < 0)
			return r;
	}
	return 0;
}

/* What nobody hears is not made: it takes more than all the rest of opening an incident. */
static bool is_heard(const struct settings *s, unsigned classes)
{
	for (size_t i = 0; i < s->n_channels; i++)
		if (event_heard(classes, s->channels[i].events))
			return true;
	return false;
}

static struct json_object *body_new(const char *what, const char *text, const char *link)
{
	assert(what && text);
	struct json_object *body = json_object_new_object();

	json_add_str(body, "what", what);
	json_add_str(body, "text", text);
	json_add_str(body, "link", link);
	return body;
}

static char *incident_link(const struct incident *inc, const struct plan *plan)
{
	if (!plan || !plan->external_url[0])
		return text_format("%s", "");
	if (kind_of(inc)->brief)
		return text_format("%s/rollouts/%s", plan->external_url, inc->rollout);
	return text_format("%s/incidents/%lld", plan->external_url, (long long)inc->id);
}

/* The newest row of the timeline is what is being told: how it ended, what makes it worse. */
static void add_newest(struct db_conn *c, struct buf *text, const struct incident *inc, enum announcement_id id)
{
	const struct event_filter f = {.incident_id = inc->id, .limit = 1};
	bool ended = !incident_is_open(inc->state) && !drill_passed(inc);
	struct event_list l = {0};

	if ((!ended && id != ANNOUNCE_ESCALATED && id != ANNOUNCE_EXTENDED) || event_find(c, &f, &l) < 0 || l.n != 1)
		return;
	if (ended)
		message_ended(text, inc, l.item[0].who, l.item[0].note);
	else if (id == ANNOUNCE_EXTENDED)
		message_extended(text, l.item[0].who, l.item[0].note);
	else
		message_escalated(text, l.item[0].note);
	event_list_free(&l);
}

static int add_flag(struct db_conn *c, struct buf *text, const struct incident *inc, const struct plan *plan,
                    int64_t now)
{
	struct step_list steps = {0};
	int r = step_of_incident(c, inc->id, &steps);

	if (r == 0)
		message_flag(text, inc, plan, &steps, now);
	step_list_free(&steps);
	return r;
}

/* Each as far as it goes within its limit. */
static int add_text(struct db_tx *tx, struct buf *text, const struct incident *inc, const struct plan *plan,
                    enum announcement_id id)
{
	struct db_conn *c = db_tx_conn(tx);
	int64_t now = db_tx_now(tx);
	CLEANUP(buf_free) struct buf measured = BUF(MESSAGE_MAX);
	struct incident_facts facts = {0};
	struct alert_list alerts = {0};

	if (kind_of(inc)->texts == TEXTS_STAGE) {
		message_stage(text, inc, plan, now);
		return 0;
	}
	if (kind_of(inc)->texts == TEXTS_FLAG)
		return add_flag(c, text, inc, plan, now);
	int r = incident_facts_load(c, inc, &facts);
	if (r < 0)
		return r;
	if (kind_of(inc)->texts == TEXTS_DRILL)
		drill_message(text, inc, plan, now);
	else
		message_incident(text, inc, plan, &facts, now);
	add_newest(c, text, inc, id);
	if (alert_deciding(c, inc, &alerts) == 0)
		message_measured(&measured, &alerts, inc->summary);
	message_evidence(text, inc, plan, &facts, buf_text(&measured));
	alert_list_free(&alerts);
	return 0;
}

int announce_incident(struct db_tx *tx, const struct settings *s, const struct incident *inc, enum announcement_id id)
{
	assert(tx && s && inc && inc->id > 0);
	const struct announcement *a = announcement_of(inc->kind, id);
	CLEANUP(plan_cleanup) struct plan *plan = NULL;
	CLEANUP(json_cleanup) struct json_object *body = NULL;
	CLEANUP(cleanup_free) char *link = NULL;
	struct json_object *tree = NULL;
	struct buf text = BUF(MESSAGE_MAX);

	if (!a || !is_heard(s, a->classes))
		return 0;
	if (plan_get(db_tx_conn(tx), inc->config, &plan) == -ENOMEM)
		return -ENOMEM;
	int r = incident_json(db_tx_conn(tx), inc, PART_MESSAGE, &tree);
	if (r < 0)
		return r;
	r = add_text(tx, &text, inc, plan, id);
	if (r < 0) {
		json_object_put(tree);
		buf_free(&text);
		return r;
	}
	link = incident_link(inc, plan);
	body = body_new(a->what, buf_text(&text), link ? link : "");
	buf_free(&text);
	json_add_str(body, "title", plan ? plan->rollout.title : inc->rollout);
	json_add(body, "incident", tree);
	struct message m = {.incident_id = inc->id, .rollout = inc->rollout, .what = (char *)a->what};
	/* Found where it should be: nobody was paged, so nobody is told that it is over. */
	return tell(tx, s, a->classes & ~(inc->already_there ? EVENT_PAGE : 0u), &m, body);
}

static int tell_text(struct db_tx *tx, const struct settings *s, const struct announcement *a, const char *rollout,
                     const char *text)
{
	assert(text);
	CLEANUP(buf_free) struct buf b = BUF(TEXT_MAX);
	size_t len = strlen(text);

	buf_add(&b, text, len > TEXT_MAX - AT_MAX ? TEXT_MAX - AT_MAX : len);
	if (len && text[len - 1] != '\n')
		buf_char(&b, '\n');
	message_at(&b, db_tx_now(tx));
	CLEANUP(json_cleanup) struct json_object *body = body_new(a->what, buf_text(&b), s->external_url);
	struct message m = {.rollout = (char *)rollout, .what = (char *)a->what};

	json_add_str(body, "title", rollout ? rollout : "rollbackd");
	json_add(body, "incident", NULL);
	return tell(tx, s, a->classes, &m, body);
}

int announce_text(struct db_tx *tx, const struct settings *s, enum announcement_id id, const char *rollout,
                  const char *text)
{
	return tell_text(tx, s, announcement_get(id), rollout, text);
}

int announce_report(struct db_tx *tx, const struct settings *s, const char *name, const char *rollout, const char *text)
{
	assert(name);
	const struct announcement a = {name, event_of_report(name)};

	return tell_text(tx, s, &a, rollout, text);
}

int announce_test(struct db_tx *tx, const struct settings *s, const struct channel_options *channel, const char *who,
                  int64_t *ret_id)
{
	assert(tx && s && channel && who && ret_id);
	struct buf b = BUF(1000);

	buf_printf(&b, "[TEST] rollbackd: a test message to %.100s, by %.100s. Nothing has happened\n", channel->name,
	           who);
	message_at(&b, db_tx_now(tx));
	CLEANUP(json_cleanup) struct json_object *body = body_new("test", buf_text(&b), s->external_url);
	struct message m = {.channel = (char *)channel->name,
	                    .event = (char *)event_heard(channel->events, channel->events),
	                    .what = (char *)"test"};

	buf_free(&b);
	json_add_str(body, "title", "rollbackd");
	json_add(body, "incident", NULL);
	m.body = (char *)json_text(body);
	int r = outbox_add(tx, &m);
	*ret_id = m.id;
	return r;
}
