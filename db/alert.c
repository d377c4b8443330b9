#include "db/alert.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/rows.h"
#include "db/stmt.h"

static const char *const disposition_names[DISP_N] = {
	[DISP_ROLLBACK_STARTED] = "rollback_started",
	[DISP_PENDING] = "pending",
	[DISP_HELD] = "held",
	[DISP_ATTACHED] = "attached",
	[DISP_ALREADY_THERE] = "already_there",
	[DISP_DUPLICATE] = "duplicate",
	[DISP_RESOLVED] = "resolved",
	[DISP_STALE] = "stale",
	[DISP_HEARTBEAT] = "heartbeat",
	[DISP_NO_MATCH] = "no_match",
	[DISP_REJECTED] = "rejected",
};

const char *disposition_name(enum disposition d)
{
	assert(d > 0 && d < DISP_N);
	return disposition_names[d];
}

int alert_add(struct db_tx *tx, const struct alert_seen *s, int64_t *ret_id)
{
	assert(tx && s && ret_id && s->fingerprint && s->labels);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), ALERT_ADD);

	assert(s->delivery == DELIVERY_FIRING || s->delivery == DELIVERY_RESOLVED || s->delivery == DELIVERY_REJECTED);
	stmt_text(&st, 1, s->fingerprint);
	stmt_i64(&st, 2, s->starts_at_us);
	stmt_i64(&st, 3, s->delivery);
	stmt_text(&st, 4, s->labels);
	stmt_text(&st, 5, s->annotations);
	stmt_text(&st, 6, s->generator_url);
	stmt_i64(&st, 7, s->delivery == DELIVERY_RESOLVED ? s->ends_at_us : 0);
	stmt_i64(&st, 8, db_tx_now(tx));
	stmt_i64(&st, 9, s->began_us);
	int r = stmt_run(&st);
	if (r < 0)
		return r;
	*ret_id = stmt_last_id(&st);
	return 0;
}

static void read_episode(struct stmt *st, void *to)
{
	struct episode *e = to;
	char *decided = column_text(st, 9);

	*e = (struct episode) {
		.id = column_i64(st, 0),
		.firing = column_i64(st, 1) == DELIVERY_FIRING,
		.starts_at_us = column_i64(st, 2),
		.began_us = column_i64(st, 3),
		.ends_at_us = column_i64(st, 4),
		.last_at_us = column_i64(st, 5),
		.ended_at_us = column_i64(st, 6),
		.stale_at_us = column_i64(st, 7),
		.stale_times = column_i64(st, 8),
	};
	snprintf(e->decided, sizeof(e->decided), "%s", decided ? decided : "");
	free(decided);
}

int episode_last(struct db_conn *c, const char *fingerprint, enum delivery status, struct episode *ret)
{
	assert(c && fingerprint && ret);
	assert(status >= DELIVERY_FIRING && status <= DELIVERY_REJECTED);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, EPISODE_LAST);

	stmt_text(&st, 1, fingerprint);
	stmt_i64(&st, 2, status);
	int r = stmt_step(&st);
	if (r == 1)
		read_episode(&st, ret);
	return st.error ? st.error : r;
}

int episode_firing(struct db_conn *c, const char *fingerprint, struct episode_list *ret)
{
	assert(c && fingerprint && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, EPISODE_FIRING);
	struct rows rows = {0};

	stmt_text(&st, 1, fingerprint);
	int r = rows_read(&st, sizeof(struct episode), read_episode, &rows);
	if (r < 0)
		free(rows.item);
	else
		*ret = (struct episode_list) {rows.item, rows.n};
	return r;
}

/* The statements of one number and the time. */
static int touch(struct db_tx *tx, enum sql id, int64_t alert)
{
	assert(tx && alert > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), id);

	stmt_i64(&st, 1, alert);
	stmt_i64(&st, 2, db_tx_now(tx));
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

int alert_again(struct db_tx *tx, int64_t id)
{
	return touch(tx, ALERT_AGAIN, id);
}

int alert_stale(struct db_tx *tx, int64_t id)
{
	return touch(tx, ALERT_STALE, id);
}

int alert_newer(struct db_tx *tx, int64_t id, const char *labels, const char *annotations)
{
	assert(tx && id > 0 && labels && annotations);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), ALERT_NEWER);

	stmt_i64(&st, 1, id);
	stmt_text(&st, 2, annotations);
	stmt_text(&st, 3, labels);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

int alert_end(struct db_tx *tx, int64_t id, int64_t ends_at_us)
{
	assert(tx && id > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), ALERT_END);

	stmt_i64(&st, 1, id);
	stmt_i64(&st, 2, ends_at_us);
	stmt_i64(&st, 3, db_tx_now(tx));
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

int alert_decided(struct db_tx *tx, int64_t id, const char *config)
{
	assert(tx && id > 0 && config);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), ALERT_DECIDED);

	stmt_i64(&st, 1, id);
	stmt_text(&st, 2, config);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

int disposition_withdraw(struct db_tx *tx, int64_t alert_id, enum delivery delivery)
{
	assert(tx && alert_id > 0 && delivery >= DELIVERY_FIRING && delivery <= DELIVERY_REJECTED);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), DISPOSITION_WITHDRAW);

	stmt_i64(&st, 1, alert_id);
	stmt_i64(&st, 2, delivery);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

int disposition_add(struct db_tx *tx, int64_t alert_id, enum delivery delivery, const char *rollout, enum disposition d,
                    int64_t incident_id, const char *reason)
{
	assert(tx && alert_id > 0 && rollout && incident_id >= 0);
	assert(delivery >= DELIVERY_FIRING && delivery <= DELIVERY_REJECTED && d > 0 && d < DISP_N);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), DISPOSITION_ADD);

	stmt_i64(&st, 1, alert_id);
	stmt_i64(&st, 2, delivery);
	stmt_text(&st, 3, rollout);
	stmt_i64(&st, 4, d);
	stmt_i64(&st, 5, incident_id);
	stmt_text(&st, 6, reason);
	stmt_i64(&st, 7, db_tx_now(tx));
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

static void read_disposition(struct stmt *st, void *to)
{
	*(struct alert_disposition *)to =
		(struct alert_disposition) {column_text(st, 0), (enum disposition)column_i64(st, 1), column_i64(st, 2)};
}

int disposition_of_alert(struct db_conn *c, int64_t alert_id, enum delivery delivery,
                         struct alert_disposition_list *ret)
{
	assert(c && alert_id > 0 && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, DISPOSITION_OF_ALERT);
	struct rows rows = {0};

	stmt_i64(&st, 1, alert_id);
	stmt_i64(&st, 2, delivery);
	int r = rows_read(&st, sizeof(struct alert_disposition), read_disposition, &rows);
	struct alert_disposition_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		disposition_list_free(&l);
	else
		*ret = l;
	return r;
}

void disposition_list_free(struct alert_disposition_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++)
		free(l->item[i].rollout);
	free(l->item);
	*l = (struct alert_disposition_list) {0};
}

int alert_attach(struct db_tx *tx, int64_t incident_id, int64_t alert_id)
{
	assert(tx && incident_id > 0 && alert_id > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), ALERT_ATTACH);

	stmt_i64(&st, 1, incident_id);
	stmt_i64(&st, 2, alert_id);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

static void read_row(struct stmt *st, void *to)
{
	*(struct alert_row *)to = (struct alert_row) {
		.id = column_i64(st, 0),
		.fingerprint = column_text(st, 1),
		.labels = column_text(st, 2),
		.annotations = column_text(st, 3),
		.generator_url = column_text(st, 4),
		.status = (enum delivery)column_i64(st, 5),
		.starts_at_us = column_i64(st, 6),
		.ends_at_us = column_i64(st, 7),
		.first_at_us = column_i64(st, 8),
		.last_at_us = column_i64(st, 9),
		.times = column_i64(st, 10),
	};
}

int alert_of_incident(struct db_conn *c, int64_t incident_id, size_t limit, struct alert_list *ret)
{
	assert(c && incident_id > 0 && limit > 0 && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, ALERT_OF_INCIDENT);
	struct rows rows = {0};

	stmt_i64(&st, 1, incident_id);
	stmt_i64(&st, 2, (int64_t)limit);
	int r = rows_read(&st, sizeof(struct alert_row), read_row, &rows);
	struct alert_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		alert_list_free(&l);
	else
		*ret = l;
	return r;
}

int alert_load(struct db_conn *c, int64_t id, struct alert_list *ret)
{
	assert(c && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, ALERT_LOAD);
	struct rows rows = {0};

	stmt_i64(&st, 1, id);
	int r = rows_read(&st, sizeof(struct alert_row), read_row, &rows);
	struct alert_list l = {.item = rows.item, .n = rows.n};

	if (r == 0 && l.n == 0)
		r = -ENOENT;
	if (r < 0)
		alert_list_free(&l);
	else
		*ret = l;
	return r;
}

void alert_list_free(struct alert_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++) {
		free(l->item[i].fingerprint);
		free(l->item[i].labels);
		free(l->item[i].annotations);
		free(l->item[i].generator_url);
	}
	free(l->item);
	*l = (struct alert_list) {0};
}

int alert_count(struct db_conn *c, int64_t incident_id, int64_t *ret_all, int64_t *ret_firing)
{
	assert(c && incident_id > 0 && ret_all && ret_firing);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, ALERT_COUNT);

	stmt_i64(&st, 1, incident_id);
	int r = stmt_step(&st);
	if (r < 0)
		return r;
	*ret_all = column_i64(&st, 0);
	*ret_firing = column_i64(&st, 1);
	return 0;
}

int alert_incidents(struct db_conn *c, int64_t alert_id, int64_t *ids, size_t max)
{
	assert(c && alert_id > 0 && ids && max > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, ALERT_INCIDENTS);
	int n = 0, r;

	stmt_i64(&st, 1, alert_id);
	stmt_i64(&st, 2, (int64_t)max);
	while ((r = stmt_step(&st)) == 1)
		ids[n++] = column_i64(&st, 0);
	return r < 0 ? r : n;
}

/* The texts of a statement that is bound: at most max, the caller's to free. Returns how many. */
static int read_texts(struct stmt *st, char **ret, size_t max)
{
	assert(ret && max > 0);
	size_t n = 0;
	int r = 0;

	while (n < max && (r = stmt_step(st)) == 1)
		ret[n++] = column_text(st, 0);
	if (r < 0 || st->error) {
		while (n)
			free(ret[--n]);
		return r < 0 ? r : st->error;
	}
	return (int)n;
}

int alert_labels_of_incident(struct db_conn *c, int64_t incident_id, char **ret_labels, size_t max)
{
	assert(c && incident_id > 0 && ret_labels);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, ALERT_LABELS_OF_INCIDENT);

	stmt_i64(&st, 1, incident_id);
	stmt_i64(&st, 2, (int64_t)max);
	return read_texts(&st, ret_labels, max);
}

int alert_unresolved(struct db_conn *c, const char *rollout, int64_t since_us, char **ret_labels, size_t max)
{
	assert(c && rollout && ret_labels);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, ALERT_UNRESOLVED);

	stmt_text(&st, 1, rollout);
	stmt_i64(&st, 2, since_us);
	stmt_i64(&st, 3, (int64_t)max);
	return read_texts(&st, ret_labels, max);
}
