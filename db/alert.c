#include "db/alert.h"

#include <assert.h>
#include <errno.h>

#include "db/query.h"
#include "db/search.h"
#include "server/core/clock.h"
#include "server/core/text.h"

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

TEXT_ENUM_NAME(disposition_name, enum disposition, disposition_names)

ROW_TYPE(episode_row, struct episode, EPISODE_ROW);
ROW_TYPE(alert_type, struct alert_row, ALERT_ROW);
ROW_TYPE(disposition_row, struct alert_disposition, DISPOSITION_ROW);
ROW_LIST(disposition_list, disposition_row)
ROW_LIST(alert_list, alert_type)

int alert_add(struct db_tx *tx, const struct alert_seen *s, int64_t *ret_id)
{
	assert(s && s->fingerprint && s->labels);
	assert(s->delivery == DELIVERY_FIRING || s->delivery == DELIVERY_RESOLVED || s->delivery == DELIVERY_REJECTED);
	int64_t ends_at_us = s->delivery == DELIVERY_RESOLVED ? s->ends_at_us : 0;

	return query_insert(tx, ALERT_ADD, ret_id,
	                    V(s->fingerprint, s->starts_at_us, s->delivery, s->labels, s->annotations, s->generator_url,
	                      ends_at_us, db_tx_now(tx), s->began_us, s->decided));
}

int episode_last(struct db_conn *c, const char *fingerprint, enum delivery status, struct episode *ret)
{
	assert(fingerprint && status >= DELIVERY_FIRING && status <= DELIVERY_REJECTED);
	return query_one(c, EPISODE_LAST, &episode_row, ret, V(fingerprint, status));
}

int episode_any(struct db_conn *c, const char *fingerprint)
{
	assert(fingerprint);
	int64_t id;

	return query_number(c, EPISODE_ANY, &id, V(fingerprint));
}

int episode_firing(struct db_conn *c, const char *fingerprint, struct episode_list *ret)
{
	assert(fingerprint);
	return query_list(c, EPISODE_FIRING, &episode_row, &ret->item, &ret->n, V(fingerprint));
}

int alert_again(struct db_tx *tx, int64_t id)
{
	assert(id > 0);
	return query_done(query_run(tx, ALERT_AGAIN, V(id, db_tx_now(tx))));
}

int alert_stale(struct db_tx *tx, int64_t id)
{
	assert(id > 0);
	return query_done(query_run(tx, ALERT_STALE, V(id, db_tx_now(tx))));
}

int alert_copy(struct db_tx *tx, int64_t id, int64_t told_start_us, const char *labels, const char *annotations)
{
	assert(id > 0 && labels && annotations);
	return query_run(tx, ALERT_COPY, V(id, db_tx_now(tx), labels, annotations, told_start_us));
}

int alert_end(struct db_tx *tx, int64_t id, int64_t ends_at_us)
{
	assert(id > 0);
	int r = query_run(tx, ALERT_END, V(id, ends_at_us, db_tx_now(tx)));

	return r == 1 ? query_done(query_run(tx, UNRESOLVED_END, V(id))) : query_done(r);
}

int alert_ended_again(struct db_tx *tx, int64_t id)
{
	assert(id > 0);
	return query_done(query_run(tx, ALERT_ENDED_AGAIN, V(id, db_tx_now(tx))));
}

int alert_decided(struct db_tx *tx, int64_t id, const char *config)
{
	assert(id > 0 && config);
	return query_done(query_run(tx, ALERT_DECIDED, V(id, config)));
}

int disposition_withdraw(struct db_tx *tx, int64_t alert_id, enum delivery delivery)
{
	assert(alert_id > 0 && delivery >= DELIVERY_FIRING && delivery <= DELIVERY_REJECTED);
	return query_done(query_run(tx, DISPOSITION_WITHDRAW, V(alert_id, delivery)));
}

int disposition_add(struct db_tx *tx, int64_t alert_id, enum delivery delivery, const char *rollout, enum disposition d,
                    int64_t incident_id, const char *reason)
{
	assert(alert_id > 0 && rollout && incident_id >= 0);
	assert(delivery >= DELIVERY_FIRING && delivery <= DELIVERY_REJECTED && d > 0 && d < DISP_N);
	return query_done(
		query_run(tx, DISPOSITION_ADD, V(alert_id, delivery, rollout, d, incident_id, reason, db_tx_now(tx))));
}

int disposition_of_alert(struct db_conn *c, int64_t alert_id, enum delivery delivery, struct disposition_list *ret)
{
	assert(alert_id > 0);
	return query_list(c, DISPOSITION_OF_ALERT, &disposition_row, &ret->item, &ret->n, V(alert_id, delivery));
}

int alert_attach(struct db_tx *tx, int64_t incident_id, int64_t alert_id)
{
	assert(incident_id > 0 && alert_id > 0);
	int r = query_run(tx, ALERT_ATTACH, V(incident_id, alert_id));

	if (r != 1)
		return query_done(r);
	r = query_run(tx, UNRESOLVED_ADD, V(incident_id, alert_id));
	return r < 0 ? r : search_note(tx, incident_id, alert_id);
}

int alert_of_incident(struct db_conn *c, int64_t incident_id, size_t limit, struct alert_list *ret)
{
	assert(incident_id > 0 && limit > 0);
	return query_list(c, ALERT_OF_INCIDENT, &alert_type, &ret->item, &ret->n, V(incident_id, limit));
}

int alert_deciding(struct db_conn *c, const struct incident *inc, struct alert_list *ret)
{
	assert(inc && ret);
	return inc->decided_alert ? alert_load(c, inc->decided_alert, ret) : alert_of_incident(c, inc->id, 1, ret);
}

int alert_load(struct db_conn *c, int64_t id, struct alert_list *ret)
{
	int r = query_list(c, ALERT_LOAD, &alert_type, &ret->item, &ret->n, V(id));

	return r == 0 && ret->n == 0 ? -ENOENT : r;
}

int alert_count(struct db_conn *c, int64_t incident_id, int64_t *ret_all, int64_t *ret_firing)
{
	assert(incident_id > 0 && ret_all && ret_firing);
	struct number_pair n = {0};
	int r = query_one(c, ALERT_COUNT, &number_pair_row, &n, V(incident_id));

	if (r < 0)
		return r;
	*ret_all = n.first;
	*ret_firing = n.second;
	return 0;
}

/* At most max, into the caller's own; how many. */
static int read_to(struct db_conn *c, enum sql which, const struct row_type *type, void *ret, size_t max,
                   const struct value *v)
{
	assert(ret && max > 0);
	struct rows rows = {.item = ret, .max = max};
	int r = query_rows(c, which, type, &rows, v);

	return r < 0 ? r : (int)rows.n;
}

int alert_incidents(struct db_conn *c, int64_t alert_id, int64_t *ids, size_t max)
{
	assert(alert_id > 0);
	return read_to(c, ALERT_INCIDENTS, &number_row, ids, max, V(alert_id, max));
}

int alert_labels_of_incident(struct db_conn *c, int64_t incident_id, char **ret_labels, size_t max)
{
	assert(incident_id > 0);
	return read_to(c, ALERT_LABELS_OF_INCIDENT, &text_row, ret_labels, max, V(incident_id, max));
}

int alert_unresolved(struct db_conn *c, const char *rollout, int64_t since_us, char **ret_labels, size_t max)
{
	assert(rollout);
	int64_t since = since_us / US_PER_MS, any;
	int r = query_number(c, UNRESOLVED_ANY, &any, V(rollout, since));

	if (r != 1)
		return r;
	return read_to(c, ALERT_UNRESOLVED, &text_row, ret_labels, max, V(rollout, since, max));
}
