#include "db/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/query.h"
#include "server/core/text.h"

static const char *const state_names[MSG_STATE_N] = {
	[MSG_QUEUED] = "queued",
	[MSG_SENT] = "sent",
	[MSG_UNDELIVERABLE] = "undeliverable",
	[MSG_DROPPED] = "dropped",
};

TEXT_ENUM_NAME(message_state_name, enum message_state, state_names)

ROW_TYPE(message_row, struct message, MESSAGE_ROW);
ROW_TYPE(channel_count_row, struct channel_count, CHANNEL_COUNT_ROW);
ROW_LIST(message_list, message_row)
ROW_FREE(message_free, struct message, message_row)
ROW_LIST(channel_count_list, channel_count_row)

/* 1, 2, … of an incident and channel. */
static int next_number(struct db_tx *tx, const struct message *m, int64_t *ret)
{
	*ret = 0;
	if (!m->incident_id)
		return 0;
	return query_done(query_number(db_tx_conn(tx), OUTBOX_NUMBER, ret, V(m->incident_id, m->channel)));
}

static int make_room(struct db_tx *tx, const struct message *m)
{
	assert(m && m->channel);
	struct number_pair queue = {0}; /* how many, the oldest */
	struct message old = {0};
	char why[80];
	int r = query_one(db_tx_conn(tx), OUTBOX_QUEUE, &number_pair_row, &queue, V(m->channel, m->page));

	if (r < 0 || queue.first < OUTBOX_QUEUE_MAX)
		return query_done(r);
	r = outbox_load(db_tx_conn(tx), queue.second, &old);
	if (r < 0)
		return r;
	snprintf(why, sizeof(why), "%d newer ones wait for this channel", OUTBOX_QUEUE_MAX);
	free(old.error);
	old.error = strdup(why);
	old.state = MSG_UNDELIVERABLE;
	r = old.error ? outbox_save(tx, &old) : -ENOMEM;
	message_free(&old);
	return r;
}

int outbox_add(struct db_tx *tx, struct message *m)
{
	assert(m && m->channel && m->event && m->what && (m->body || m->body_id) && m->incident_id >= 0);
	int r = make_room(tx, m);

	if (r == 0)
		r = next_number(tx, m, &m->number);
	if (r == 0 && !m->body_id)
		r = query_insert(tx, BODY_ADD, &m->body_id, V(m->body));
	if (r < 0)
		return r;
	struct message row = *m;
	row.state = MSG_QUEUED;
	row.attempts = row.sent_at_us = 0;
	row.queued_at_us = row.since_us = row.due_at_us = db_tx_now(tx);
	row.error = NULL;
	return query_insert(tx, OUTBOX_ADD, &m->id, V(row_value(&message_row, &row)));
}

int outbox_due(struct db_conn *c, int64_t now_us, size_t limit, struct message_list *ret)
{
	assert(limit > 0 && ret);
	char **channels = NULL;
	size_t n = 0;
	struct rows due = {0};
	int r = query_list(c, OUTBOX_CHANNELS, &text_row, &channels, &n, V());

	for (size_t i = 0; r == 0 && i < n; i++)
		r = query_rows(c, OUTBOX_DUE, &message_row, &due,
		               V(now_us, limit, channels[i], now_us - OUTBOX_BLOCKED_US));
	rows_free(&text_row, &channels, &n);
	if (r == 0)
		*ret = (struct message_list) {due.item, due.n};
	return r;
}

int outbox_next_due(struct db_conn *c, int64_t *ret_us)
{
	return query_found(query_number(c, OUTBOX_NEXT, ret_us, V()));
}

int outbox_oldest(struct db_conn *c, int64_t *ret_us)
{
	assert(c && ret_us);
	return query_found(query_number(c, OUTBOX_OLDEST, ret_us, V()));
}

int outbox_load(struct db_conn *c, int64_t id, struct message *ret)
{
	int r = query_found(query_one(c, OUTBOX_LOAD, &message_row, ret, V(id)));

	if (r < 0 || !ret->body_id)
		return r;
	r = query_done(query_text(c, BODY_LOAD, &ret->body, V(ret->body_id)));
	if (r < 0)
		message_free(ret);
	return r;
}

int outbox_overtaken(struct db_conn *c, const struct message *m, int64_t *ret_by, int64_t *ret_by_page)
{
	assert(m && ret_by && ret_by_page);
	struct number_pair later = {0};
	int r = 0;

	if (m->incident_id) /* what is about no incident overtakes nothing */
		r = query_one(c, OUTBOX_LATER, &number_pair_row, &later, V(m->incident_id, m->channel, m->id));
	*ret_by = later.first;
	*ret_by_page = later.second;
	return query_done(r);
}

int outbox_save(struct db_tx *tx, const struct message *m)
{
	assert(m && m->state > 0 && m->state < MSG_STATE_N && m->id > 0);
	int r = query_run(tx, OUTBOX_SAVE, V(m->id, m->state, m->attempts, m->due_at_us, m->sent_at_us, m->error));

	if (r != 1)
		return r < 0 ? r : -ENOENT;
	if (m->state == MSG_QUEUED || !m->body_id)
		return 0;
	return query_done(query_run(tx, BODY_DROP, V(m->body_id)));
}

int outbox_of_incident(struct db_conn *c, int64_t incident_id, struct message_list *ret)
{
	assert(incident_id > 0);
	return query_list(c, OUTBOX_OF_INCIDENT, &message_row, &ret->item, &ret->n, V(incident_id));
}

int outbox_count(struct db_conn *c, struct channel_count_list *ret)
{
	return query_list(c, OUTBOX_COUNT, &channel_count_row, &ret->item, &ret->n, V());
}
