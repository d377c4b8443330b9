#include "db/event.h"

#include <assert.h>
#include <errno.h>

#include "db/private.h"
#include "db/rows.h"
#include "db/stmt.h"

int event_add(struct db_tx *tx, const struct event *e)
{
	assert(tx && e && e->who && e->what && e->incident_id >= 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), EVENT_ADD);

	stmt_i64(&st, 1, e->at_us ? e->at_us : db_tx_now(tx));
	stmt_i64(&st, 2, e->incident_id);
	stmt_text(&st, 3, e->rollout ? e->rollout : "");
	stmt_text(&st, 4, e->who);
	stmt_text(&st, 5, e->what);
	stmt_text(&st, 6, e->note);
	int r = stmt_run(&st);
	tx->events = true;
	return r < 0 ? r : 0;
}

static void read_row(struct stmt *st, void *to)
{
	*(struct event *)to = (struct event) {
		.id = column_i64(st, 0),
		.at_us = column_i64(st, 1),
		.incident_id = column_i64(st, 2),
		.rollout = column_text(st, 3),
		.who = column_text(st, 4),
		.what = column_text(st, 5),
		.note = column_text_or_null(st, 6),
	};
}

static enum sql statement_of(const struct event_filter *f)
{
	static const enum sql which[3][2] = {{EVENT_NEWEST, EVENT_OLDEST},
	                                     {EVENT_NEWEST_ROLLOUT, EVENT_OLDEST_ROLLOUT},
	                                     {EVENT_NEWEST_OF, EVENT_OLDEST_OF}};

	assert(!f->what || (f->rollout && !f->incident_id && !f->oldest_first && !f->after_id));
	if (f->what)
		return EVENT_NEWEST_PLAN;
	return which[f->incident_id ? 2 : f->rollout != NULL][f->oldest_first || f->after_id];
}

int event_find(struct db_conn *c, const struct event_filter *f, struct event_list *ret)
{
	assert(c && f && ret);
	assert(f->limit > 0);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, statement_of(f));
	struct rows rows = {0};

	if (f->incident_id)
		stmt_i64(&st, 1, f->incident_id);
	if (f->incident_id || f->rollout)
		stmt_text(&st, 2, f->rollout);
	stmt_i64(&st, 3, f->after_id);
	stmt_i64(&st, 4, f->before_id ? f->before_id : INT64_MAX);
	stmt_i64(&st, 5, (int64_t)f->limit);
	if (f->what)
		stmt_text(&st, 6, f->what);
	int r = rows_read(&st, sizeof(struct event), read_row, &rows);
	struct event_list l = {.item = rows.item, .n = rows.n};

	if (r < 0)
		event_list_free(&l);
	else
		*ret = l;
	return r;
}

void event_list_free(struct event_list *l)
{
	assert(l && (l->item || l->n == 0));
	for (size_t i = 0; i < l->n; i++) {
		free(l->item[i].rollout);
		free(l->item[i].who);
		free(l->item[i].what);
		free(l->item[i].note);
	}
	free(l->item);
	*l = (struct event_list) {0};
}

int meta_set(struct db_tx *tx, const char *key, int64_t value)
{
	assert(tx && key);
	CLEANUP(stmt_end) struct stmt st = stmt_use(db_tx_conn(tx), META_SET);

	stmt_text(&st, 1, key);
	stmt_i64(&st, 2, value);
	int r = stmt_run(&st);
	return r < 0 ? r : 0;
}

int meta_get(struct db_conn *c, const char *key, int64_t *ret)
{
	assert(c && key && ret);
	CLEANUP(stmt_end) struct stmt st = stmt_use(c, META_GET);

	stmt_text(&st, 1, key);
	int r = stmt_step(&st);
	if (r != 1)
		return r < 0 ? r : -ENOENT;
	*ret = column_i64(&st, 0);
	return 0;
}
