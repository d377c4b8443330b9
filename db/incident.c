#include "db/incident.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db/private.h"
#include "db/query.h"
#include "db/search.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define COUNT_MAX 1000
/* A place is no further behind the millisecond of opening than so many others were opened in between. */
#define PLACES_BETWEEN 60000

static const char *const state_names[INC_STATE_N] = {
	[INC_PENDING] = "pending",     [INC_ROLLING_BACK] = "rolling_back",
	[INC_VERIFYING] = "verifying", [INC_ROLLED_BACK] = "rolled_back",
	[INC_FAILED] = "failed",       [INC_HELD] = "held",
	[INC_CANCELLED] = "cancelled", [INC_RESOLVED] = "resolved",
};
static const char *const kind_names[KIND_N] = {
	[KIND_AUTO] = "auto",       [KIND_MANUAL] = "manual", [KIND_DRILL] = "drill",
	[KIND_ADVANCE] = "advance", [KIND_FLAG] = "flag",
};
static const char *const condition_names[CONDITION_N] = {"written", "acknowledged", "effective", "cured"};
static const char *const condition_status[] = {"unknown", "yes", "no"};

TEXT_ENUM_NAME(incident_state_name, enum incident_state, state_names)

int incident_state_find(const char *name)
{
	assert(name);
	return text_enum_find(state_names, INC_STATE_N, name);
}

TEXT_ENUM_NAME(incident_kind_name, enum incident_kind, kind_names)

int incident_kind_find(const char *name)
{
	assert(name);
	return text_enum_find(kind_names, KIND_N, name);
}

TEXT_ENUM_NAME(condition_name, enum condition_type, condition_names)

TEXT_ENUM_NAME(condition_status_name, enum condition_status, condition_status)

bool incident_is_open(enum incident_state s)
{
	assert(s > 0 && s < INC_STATE_N);
	return s != INC_CANCELLED && s != INC_RESOLVED;
}

ROW_TYPE(incident_row, struct incident, INCIDENT_ROW);
ROW_TYPE(incident_saved_row, struct incident, INCIDENT_ROW_REST);
ROW_TYPE(snapshot_type, struct snapshot_row, SNAPSHOT_ROW);
ROW_FREE(incident_free, struct incident, incident_row)
ROW_LIST(incident_list, incident_row)
ROW_LIST(snapshot_list, snapshot_type)

/* All places between the one that was asked for last and the one that was found are taken: a hundred incidents of one
 * webhook do not each walk past those before. */
static int find_place(struct db_tx *tx, int64_t opened_at_us, int64_t *ret)
{
	int64_t ms = opened_at_us / US_PER_MS, asked = ms > 0 ? ms : 1, from = asked;

	if (tx->place && tx->place_asked <= asked && asked <= tx->place)
		from = tx->place + 1;
	int r = query_number(tx->conn, INCIDENT_PLACE, ret, V(from));
	if (r != 1)
		return r < 0 ? r : -EIO;
	tx->place_asked = asked;
	tx->place = *ret;
	return 0;
}

static bool is_whole(const struct incident *i)
{
	return i->rollout && i->state > 0 && i->state < INC_STATE_N && i->kind > 0 && i->kind < KIND_N;
}

int64_t incident_decided_us(const struct incident *inc)
{
	assert(inc);
	return inc->decided_at_us ? inc->decided_at_us : inc->opened_at_us;
}

int64_t incident_acted_us(const struct incident *inc)
{
	assert(inc);
	return inc->decided_at_us ? inc->acted_at_us : inc->started_at_us;
}

bool incident_note_act(struct incident *inc, int64_t now_us)
{
	assert(inc && now_us > 0);
	bool first = !inc->started_at_us, since = inc->decided_at_us && !inc->acted_at_us;
	int64_t decided = incident_decided_us(inc);

	if (now_us < decided) /* the transaction had begun before it came */
		now_us = decided;
	if (first)
		inc->started_at_us = now_us;
	if (since)
		inc->acted_at_us = now_us;
	return first || since;
}

int incident_insert(struct db_tx *tx, struct incident *inc)
{
	assert(inc && inc->id == 0 && is_whole(inc));
	int r = find_place(tx, inc->opened_at_us, &inc->place);

	if (r == 0)
		r = query_insert(tx, INCIDENT_ADD, &inc->id, V(row_value(&incident_row, inc)));
	if (r < 0)
		return r;
	inc->seq = 1;
	return search_note(tx, inc->id, SEARCH_NEW);
}

int incident_save(struct db_tx *tx, struct incident *inc)
{
	assert(inc && inc->id > 0 && inc->seq > 0 && is_whole(inc));
	int r = query_run(tx, INCIDENT_SAVE, V(row_value(&incident_saved_row, inc), inc->id, inc->seq));

	if (r != 1)
		return r < 0 ? r : -ESTALE;
	inc->seq++;
	return 0;
}

int incident_load(struct db_conn *c, int64_t id, struct incident *ret)
{
	return query_found(query_one(c, INCIDENT_LOAD, &incident_row, ret, V(id)));
}

int incident_open_of(struct db_conn *c, const char *rollout, struct incident *ret)
{
	assert(rollout);
	return query_one(c, INCIDENT_OPEN_OF, &incident_row, ret, V(rollout));
}

int incident_open_ids(struct db_conn *c, int64_t **ret, size_t *ret_n)
{
	return query_list(c, INCIDENT_OPEN_IDS, &number_row, ret, ret_n, V());
}

bool incident_filter_is_open(const struct incident_filter *f)
{
	return f->open_only || (f->state && incident_is_open((enum incident_state)f->state));
}

void incident_filter_values(const struct incident_filter *f, struct value *ret)
{
	assert(f && ret && f->limit > 0 && f->since_us >= 0 && f->until_us >= 0);
	int64_t until = f->until_us ? f->until_us : INT64_MAX, last = until / US_PER_MS + PLACES_BETWEEN;
	int64_t before = f->before && f->before < last ? f->before : last;
	int64_t numbers[] = {f->state,    before,      f->since_us / US_PER_MS,
	                     f->since_us, until,       (int64_t)f->limit,
	                     KIND_AUTO,   KIND_MANUAL, KIND_DRILL};
	const size_t kind = ARRAY_LEN(numbers) - 3;

	if (f->kind)
		memcpy(numbers + kind, (const int64_t[]) {f->kind, 0, 0}, 3 * sizeof(*numbers));
	ret[0] = value_text(f->rollout);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		ret[1 + i] = value_number(numbers[i]);
	static_assert(ARRAY_LEN(numbers) + 1 == FILTER_VALUES, "?1 to ?10");
}

/* Live ones are few, whatever the filter; of the others each state and rollout has its index. */
static enum sql list_of(const struct incident_filter *f)
{
	static const enum sql ended[2][2] = {{INCIDENT_LIST, INCIDENT_LIST_OF},
	                                     {INCIDENT_LIST_ENDED, INCIDENT_LIST_ENDED_OF}};

	return incident_filter_is_open(f) ? INCIDENT_LIST_LIVE : ended[f->state != 0][f->rollout != NULL];
}

/* Those that the search has found. */
static int load_found(struct db_conn *c, const struct searched *found, struct incident_list *ret)
{
	struct rows rows = {0};
	int r = 0;

	for (size_t i = 0; r == 0 && i < found->n; i++)
		r = query_rows(c, INCIDENT_AT, &incident_row, &rows, V(found->place[i]));
	if (r == 0)
		*ret = (struct incident_list) {rows.item, rows.n, found->next, found->from};
	return r;
}

static int search(struct db_conn *c, const struct incident_filter *f, struct incident_list *ret)
{
	struct searched found = {0};
	int r = search_find(c, f, &found);

	if (r == 0)
		r = load_found(c, &found, ret);
	free(found.place);
	return r;
}

int incident_find(struct db_conn *c, const struct incident_filter *f, struct incident_list *ret)
{
	struct value v[FILTER_VALUES + 1] = {0};

	if (f->q && f->q[0])
		return search(c, f, ret);
	incident_filter_values(f, v);
	return query_list(c, list_of(f), &incident_row, &ret->item, &ret->n, v);
}

int incident_rollbacks_since(struct db_conn *c, const char *rollout, int64_t since_us, int64_t **ret, size_t *ret_n)
{
	assert(rollout && ret && ret_n);
	return query_list(c, INCIDENT_ROLLBACKS_SINCE, &number_row, ret, ret_n, V(rollout, since_us, COUNT_MAX));
}

int incident_unreviewed(struct db_conn *c, const char *rollout, int64_t *ret_id)
{
	assert(rollout);
	return query_done(query_number(c, INCIDENT_UNREVIEWED, ret_id, V(rollout)));
}

int incident_last_rollback(struct db_conn *c, const char *rollout, int64_t *ret_us)
{
	assert(rollout && ret_us);
	*ret_us = 0;
	return query_done(query_number(c, INCIDENT_LAST_ROLLBACK, ret_us, V(rollout)));
}

int incident_count_states(struct db_conn *c, int64_t counts[INC_STATE_N])
{
	assert(counts);
	struct number_pair of[INC_STATE_N] = {{0}}; /* state, how many */
	struct rows rows = {.item = of, .max = INC_STATE_N};
	int r = query_rows(c, INCIDENT_COUNT_STATES, &number_pair_row, &rows, V());

	for (size_t i = 0; i < rows.n; i++)
		if (of[i].first > 0 && of[i].first < INC_STATE_N)
			counts[of[i].first] = of[i].second;
	return r;
}

int snapshot_put(struct db_tx *tx, int64_t incident_id, int64_t decided_at_us, const char *name, const char *unit,
                 const char *series_json, const char *error)
{
	assert(incident_id > 0 && decided_at_us >= 0 && name && (series_json || error));
	return query_done(
		query_run(tx, SNAPSHOT_PUT, V(incident_id, decided_at_us, name, unit ? unit : "", series_json, error)));
}

int snapshot_of(struct db_conn *c, int64_t incident_id, struct snapshot_list *ret)
{
	assert(incident_id > 0);
	return query_list(c, SNAPSHOT_OF, &snapshot_type, &ret->item, &ret->n, V(incident_id));
}
