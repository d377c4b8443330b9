#include "db/event.h"

#include <assert.h>
#include <errno.h>

#include "db/private.h"
#include "db/query.h"

ROW_TYPE(event_row, struct event, EVENT_ROW);
ROW_LIST(event_list, event_row)

int event_add(struct db_tx *tx, const struct event *e)
{
	assert(tx && e && e->who && e->what && e->incident_id >= 0);
	struct event row = *e;

	if (!row.at_us)
		row.at_us = db_tx_now(tx);
	if (!row.rollout)
		row.rollout = (char *)"";
	tx->events = true;
	return query_done(query_run(tx, EVENT_ADD, V(row_value(&event_row, &row))));
}

static enum sql statement_of(const struct event_filter *f)
{
	static const enum sql which[3][2] = {{EVENT_NEWEST, EVENT_OLDEST},
	                                     {EVENT_NEWEST_ROLLOUT, EVENT_OLDEST_ROLLOUT},
	                                     {EVENT_NEWEST_OF, EVENT_OLDEST_OF}};

	return which[f->incident_id ? 2 : f->rollout != NULL][f->oldest_first || f->after_id];
}

int event_find(struct db_conn *c, const struct event_filter *f, struct event_list *ret)
{
	assert(f && ret && f->limit > 0);
	assert(!f->what || (f->rollout && !f->incident_id && !f->oldest_first && !f->after_id));
	int64_t before = f->before_id ? f->before_id : INT64_MAX;

	if (f->what)
		return query_list(c, EVENT_NEWEST_PLAN, &event_row, &ret->item, &ret->n,
		                  V(f->incident_id, f->rollout, f->after_id, before, f->limit, f->what));
	return query_list(c, statement_of(f), &event_row, &ret->item, &ret->n,
	                  V(f->incident_id, f->rollout, f->after_id, before, f->limit));
}

int event_newest(struct db_conn *c, int64_t *ret)
{
	struct event_filter f = {.limit = 1};
	struct event_list l = {0};
	int r = event_find(c, &f, &l);

	assert(ret);
	if (r < 0)
		return r;
	*ret = l.n ? l.item[0].id : 0;
	event_list_free(&l);
	return 0;
}

int meta_set(struct db_tx *tx, const char *key, int64_t value)
{
	assert(key);
	return query_done(query_run(tx, META_SET, V(key, value)));
}

int meta_get(struct db_conn *c, const char *key, int64_t *ret)
{
	assert(key);
	return query_found(query_number(c, META_GET, ret, V(key)));
}

int meta_set_text(struct db_tx *tx, const char *key, const char *text)
{
	assert(key && text);
	return query_done(query_run(tx, META_SET_TEXT, V(key, (int64_t)0, text)));
}

int meta_get_text(struct db_conn *c, const char *key, char **ret)
{
	assert(key && ret);
	CLEANUP(cleanup_free) char *text = NULL;
	int r = query_found(query_text(c, META_TEXT, &text, V(key)));

	if (r == 0 && !text)
		return -ENOENT;
	if (r == 0)
		*ret = TAKE(text);
	return r;
}
