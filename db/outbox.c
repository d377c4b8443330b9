#include "db/outbox.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/rows.h"
#include "db/stmt.h"

static const char *const state_names[MSG_STATE_N] = {
	[MSG_QUEUED] = "queued",
	[MSG_SENT] = "sent",
	[MSG_UNDELIVERABLE] = "undeliverable",
	[MSG_DROPPED] = "dropped",
};

const char *message_state_name(enum message_state s)
{
	assert(s > 0 && s < MSG_STATE_N);
	return state_names[s];
}

void message_free(struct message *m)
{
	assert(m);
	free(m->rollout);
	free(m->channel);
	free(m->event);
	free(m->what);
	free(m->body);
	free(m->error);
	*m = (struct message) {0};
}

void message_list_free(struct message_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++)
		message_free(&l->item[i]);
	free(l->item);
	*l = (struct message_list) {0};
}

static int next_number(struct db_tx *tx, const struct message *m, int64_t *ret)
{
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), OUTBOX_NUMBER);

	*ret = 0;
	if (!m->incident_id)
		return 0;
	stmt_i64(&st, 1, m->incident_id);
	stmt_text(&st, 2, m->channel);
	int r = stmt_step(&st);
	if (r < 0)
		return r;
	*ret = column_i64(&st, 0);
	return 0;
}

static int add_body(struct db_tx *tx, const char *body, int64_t *ret_id)
{
	assert(tx && body && ret_id);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), BODY_ADD);

	stmt_text(&st, 1, body);
	int r = stmt_run(&st);
	if (r < 0)
		return r;
	*ret_id = stmt_last_id(&st);
	return 0;
}

static int queue_of(struct db_tx *tx, const struct message *m, int64_t *ret_n, int64_t *ret_oldest)
{
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), OUTBOX_QUEUE);

	stmt_text(&st, 1, m->channel);
	stmt_i64(&st, 2, m->page);
	int r = stmt_step(&st);
	if (r < 0)
		return r;
	*ret_n = column_i64(&st, 0);
	*ret_oldest = column_i64(&st, 1);
	return 0;
}

static int make_room(struct db_tx *tx, const struct message *m)
{
	assert(tx && m && m->channel);
	int64_t n = 0, oldest = 0;
	struct message old = {0};
	char why[80];
	int r = queue_of(tx, m, &n, &oldest);

	if (r < 0 || n < OUTBOX_QUEUE_MAX)
		return r;
	r = outbox_load(db_tx_conn(tx), oldest, &old);
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
	assert(m && m->channel && m->event && m->what && (m->body || m->body_id));
	assert(tx && m->incident_id >= 0);
	int r = make_room(tx, m);

	if (r == 0)
		r = next_number(tx, m, &m->number);
	if (r == 0 && !m->body_id)
		r = add_body(tx, m->body, &m->body_id);
	if (r < 0)
		return r;
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), OUTBOX_ADD);
	stmt_i64(&st, 1, m->incident_id);
	stmt_text(&st, 2, m->rollout);
	stmt_text(&st, 3, m->channel);
	stmt_text(&st, 4, m->event);
	stmt_text(&st, 5, m->what);
	stmt_i64(&st, 6, m->body_id);
	stmt_i64(&st, 7, m->page);
	stmt_i64(&st, 8, m->number);
	stmt_i64(&st, 9, db_tx_now(tx));
	r = stmt_run(&st);
	if (r < 0)
		return r;
	m->id = stmt_last_id(&st);
	return 0;
}

static void read_row(struct stmt *st, void *to)
{
	*(struct message *)to = (struct message) {
		.id = column_i64(st, 0),
		.incident_id = column_i64(st, 1),
		.rollout = column_text_or_null(st, 2),
		.channel = column_text(st, 3),
		.event = column_text(st, 4),
		.what = column_text(st, 5),
		.body_id = column_i64(st, 6),
		.page = column_i64(st, 7) != 0,
		.number = column_i64(st, 8),
		.state = (enum message_state)column_i64(st, 9),
		.attempts = column_i64(st, 10),
		.queued_at_us = column_i64(st, 11),
		.since_us = column_i64(st, 12),
		.due_at_us = column_i64(st, 13),
		.sent_at_us = column_i64(st, 14),
		.error = column_text_or_null(st, 15),
	};
}

/* Appends all rows of st. */
static int read_all(struct stmt *st, struct message_list *l)
{
	struct rows rows = {.item = l->item, .n = l->n};
	int r = rows_read(st, sizeof(struct message), read_row, &rows);

	*l = (struct message_list) {.item = rows.item, .n = rows.n};
	return r;
}

static int due_of_channel(struct db_conn *c, const char *channel, int64_t now_us, size_t limit, struct message_list *l)
{
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, OUTBOX_DUE);

	stmt_i64(&st, 1, now_us);
	stmt_i64(&st, 2, (int64_t)limit);
	stmt_text(&st, 3, channel);
	stmt_i64(&st, 4, now_us - OUTBOX_BLOCKED_US);
	return read_all(&st, l);
}

int outbox_due(struct db_conn *c, int64_t now_us, size_t limit, struct message_list *ret)
{
	assert(c && limit > 0 && ret);
	CLEANUP(stmt_end) struct stmt channels = stmt_use(c, OUTBOX_CHANNELS);
	struct message_list l = {0};
	int r;

	while ((r = stmt_step(&channels)) == 1) {
		CLEANUP(cleanup_free) char *channel = column_text(&channels, 0);

		r = channel ? due_of_channel(c, channel, now_us, limit, &l) : -ENOMEM;
		if (r < 0)
			break;
	}
	if (r < 0) {
		message_list_free(&l);
		return r;
	}
	*ret = l;
	return 0;
}

int outbox_next_due(struct db_conn *c, int64_t *ret_us)
{
	assert(c && ret_us);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, OUTBOX_NEXT);
	int r = stmt_step(&st);

	if (r < 0)
		return r;
	CLEANUP(cleanup_free) char *text = column_text_or_null(&st, 0);
	if (!text)
		return -ENOENT;
	*ret_us = column_i64(&st, 0);
	return 0;
}

static int load_body(struct db_conn *c, int64_t id, char **ret)
{
	assert(c && id > 0 && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, BODY_LOAD);

	stmt_i64(&st, 1, id);
	int r = stmt_step(&st);
	if (r == 1)
		*ret = column_text(&st, 0);
	return r < 0 ? r : r == 1 && !*ret ? -ENOMEM : 0;
}

int outbox_load(struct db_conn *c, int64_t id, struct message *ret)
{
	assert(c && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, OUTBOX_LOAD);
	struct message_list l = {0};

	stmt_i64(&st, 1, id);
	int r = read_all(&st, &l);
	if (r == 0 && l.n == 0)
		r = -ENOENT;
	if (r < 0) {
		message_list_free(&l);
		return r;
	}
	r = l.item[0].body_id ? load_body(c, l.item[0].body_id, &l.item[0].body) : 0;
	if (r < 0) {
		message_list_free(&l);
		return r;
	}
	*ret = l.item[0];
	free(l.item);
	return 0;
}

int outbox_overtaken(struct db_conn *c, const struct message *m, int64_t *ret_by, int64_t *ret_by_page)
{
	assert(c && m && ret_by && ret_by_page);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, OUTBOX_LATER);

	*ret_by = *ret_by_page = 0;
	if (!m->incident_id)
		return 0; /* what is about no incident overtakes nothing */
	stmt_i64(&st, 1, m->incident_id);
	stmt_text(&st, 2, m->channel);
	stmt_i64(&st, 3, m->id);
	int r = stmt_step(&st);
	if (r < 0)
		return r;
	*ret_by = column_i64(&st, 0);
	*ret_by_page = column_i64(&st, 1);
	return 0;
}

static int drop_body(struct db_tx *tx, int64_t id)
{
	assert(tx && id > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), BODY_DROP);

	stmt_i64(&st, 1, id);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

int outbox_save(struct db_tx *tx, const struct message *m)
{
	assert(m && m->state > 0 && m->state < MSG_STATE_N);
	assert(tx && m->id > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), OUTBOX_SAVE);

	stmt_i64(&st, 1, m->id);
	stmt_i64(&st, 2, m->state);
	stmt_i64(&st, 3, m->attempts);
	stmt_i64(&st, 4, m->due_at_us);
	stmt_i64(&st, 5, m->sent_at_us);
	stmt_text(&st, 6, m->error);
	int r = stmt_run(&st);
	if (r != 1)
		return r < 0 ? r : -ENOENT;
	return m->state != MSG_QUEUED && m->body_id ? drop_body(tx, m->body_id) : 0;
}

int outbox_of_incident(struct db_conn *c, int64_t incident_id, struct message_list *ret)
{
	assert(c && incident_id > 0 && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, OUTBOX_OF_INCIDENT);
	struct message_list l = {0};

	stmt_i64(&st, 1, incident_id);
	int r = read_all(&st, &l);
	if (r < 0) {
		message_list_free(&l);
		return r;
	}
	*ret = l;
	return 0;
}

int outbox_count(struct db_conn *c, outbox_count_fn *fn, void *arg)
{
	assert(c && fn);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, OUTBOX_COUNT);
	int r;

	while ((r = stmt_step(&st)) == 1) {
		CLEANUP(cleanup_free) char *channel = column_text(&st, 0);

		r = channel ? fn(arg, channel, column_i64(&st, 1), column_i64(&st, 2)) : -ENOMEM;
		if (r < 0)
			return r;
	}
	return r;
}
