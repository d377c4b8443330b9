#include "tests/unit/db_fixture.h"

#include "db/alert.h"
#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "db/rollout.h"
#include "db/step.h"

/* Set up anew for each test: the database, a reader. */
static struct db *db;
static struct db_conn *reader;

static int setup(void **state)
{
	int r = scratch_make(state);

	if (r == 0) {
		db = fixture_start();
		r = db_reader_open(db, &reader);
	}
	return r;
}

static int teardown(void **state)
{
	db_reader_close(reader);
	db_close(db);
	return scratch_remove(state);
}

static char *copy(const char *s)
{
	return s ? strdup(s) : NULL;
}

static void same_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(a == b);
}

/* --- incidents --- */

/* Every member has a value of its own, so that two swapped columns show. full false: what may be NULL is NULL. */
static struct incident make_incident(const char *rollout, bool full, int64_t base)
{
	struct incident i = {
		.rollout = copy(rollout),
		.playbook = copy("playbook"),
		.severity = copy("severity"),
		.summary = copy("summary"),
		.kind = KIND_MANUAL,
		.state = INC_VERIFYING,
		.config = copy(""),
		.reason = copy(full ? "reason" : NULL),
		.opened_by = copy("opened by"),
		.stage = (int32_t)base + 1,
		.pct_before = (int32_t)base + 2,
		.pct_wanted = (int32_t)base + 3,
		.pct_seen = -1,
		.already_there = full,
		.opened_at_us = base + 5,
		.onset_at_us = base + 6,
		.onset_from = copy(full ? "startsAt" : NULL),
		.due_at_us = base + 7,
		.started_at_us = base + 8,
		.applied_at_us = base + 9,
		.verify_until_us = base + 10,
		.next_probe_us = base + 11,
		.verify_rounds = base + 12,
		.verify_passes = base + 13,
		.late = !full,
		.rolled_back_at_us = base + 14,
		.failed_at_us = base + 15,
		.resolved_at_us = base + 16,
		.quiet_since_us = base + 17,
		.acknowledged_by = copy(full ? "alice" : NULL),
		.acknowledged_at_us = base + 18,
		.seen_at_us = base + 40,
		.evidence_since_us = base + 41,
		.asking = full,
		.unknown_rounds = base + 42,
		.eta = copy(full ? "soon" : NULL),
	};
	for (int n = 0; n < CONDITION_N; n++)
		i.condition[n] = (struct condition) {(enum condition_status)((n + 1) % 3), base + 20 + n,
		                                     copy(full ? condition_name((enum condition_type)n) : NULL)};
	return i;
}

static void same_incident(const struct incident *a, const struct incident *b)
{
	const char *const texts[][2] = {
		{a->rollout, b->rollout},
		{a->playbook, b->playbook},
		{a->severity, b->severity},
		{a->summary, b->summary},
		{a->config, b->config},
		{a->reason, b->reason},
		{a->opened_by, b->opened_by},
		{a->onset_from, b->onset_from},
		{a->acknowledged_by, b->acknowledged_by},
		{a->eta, b->eta},
	};
	const int64_t numbers[][2] = {
		{a->id, b->id},
		{a->seq, b->seq},
		{a->kind, b->kind},
		{a->state, b->state},
		{a->stage, b->stage},
		{a->pct_before, b->pct_before},
		{a->pct_wanted, b->pct_wanted},
		{a->pct_seen, b->pct_seen},
		{a->already_there, b->already_there},
		{a->seen_at_us, b->seen_at_us},
		{a->evidence_since_us, b->evidence_since_us},
		{a->asking, b->asking},
		{a->unknown_rounds, b->unknown_rounds},
		{a->opened_at_us, b->opened_at_us},
		{a->onset_at_us, b->onset_at_us},
		{a->due_at_us, b->due_at_us},
		{a->started_at_us, b->started_at_us},
		{a->applied_at_us, b->applied_at_us},
		{a->verify_until_us, b->verify_until_us},
		{a->next_probe_us, b->next_probe_us},
		{a->verify_rounds, b->verify_rounds},
		{a->verify_passes, b->verify_passes},
		{a->late, b->late},
		{a->rolled_back_at_us, b->rolled_back_at_us},
		{a->failed_at_us, b->failed_at_us},
		{a->resolved_at_us, b->resolved_at_us},
		{a->quiet_since_us, b->quiet_since_us},
		{a->acknowledged_at_us, b->acknowledged_at_us},
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		same_text(texts[i][0], texts[i][1]);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		assert_int_equal(numbers[i][0], numbers[i][1]);
	for (int n = 0; n < CONDITION_N; n++) {
		assert_int_equal(a->condition[n].state, b->condition[n].state);
		assert_int_equal(a->condition[n].at_us, b->condition[n].at_us);
		same_text(a->condition[n].note, b->condition[n].note);
	}
}

static int insert_incident(struct db_tx *tx, void *arg)
{
	struct incident *inc = arg;

	free(inc->config);
	inc->config = strdup(fixture_config(tx, "{\"plan\":1}"));
	return incident_insert(tx, inc);
}

static int save_incident(struct db_tx *tx, void *inc)
{
	return incident_save(tx, inc);
}

/* One in this state, live or not; the id. */
static int64_t add_incident(const char *rollout, enum incident_state s, int64_t opened_at, const char *summary)
{
	struct incident i = make_incident(rollout, true, 100);

	i.state = s;
	i.opened_at_us = opened_at;
	i.already_there = false;
	free(i.summary);
	i.summary = copy(summary);
	assert_int_equal(in_tx(db, insert_incident, &i), 0);
	int64_t id = i.id;
	incident_free(&i);
	return id;
}

static void an_incident_is_read_back_as_it_was_written(void **state)
{
	(void)state;
	for (int full = 0; full < 2; full++) {
		struct incident i = make_incident(full ? "a" : "b", full, 1000 * (full + 1)), got = {0};

		assert_int_equal(in_tx(db, insert_incident, &i), 0);
		assert_true(i.id > 0);
		assert_int_equal(i.seq, 1);
		assert_int_equal(incident_load(reader, i.id, &got), 0);
		same_incident(&i, &got);
		incident_free(&got);
		incident_free(&i);
	}
}

static void a_saved_incident_is_read_back_in_every_column(void **state)
{
	(void)state;
	struct incident i = make_incident("a", true, 1000), got = {0};
	assert_int_equal(in_tx(db, insert_incident, &i), 0);
	struct incident other = make_incident("z", false, 7000);
	other.id = i.id;
	other.seq = i.seq;
	other.state = INC_FAILED;
	other.kind = KIND_DRILL;
	free(other.config);
	other.config = strdup(i.config);
	assert_int_equal(in_tx(db, save_incident, &other), 0);
	assert_int_equal(other.seq, 2);
	assert_int_equal(incident_load(reader, i.id, &got), 0);
	same_incident(&other, &got);
	assert_int_equal(in_tx(db, save_incident, &i), -ESTALE); /* it still has seq 1 */
	incident_free(&got);
	assert_int_equal(incident_load(reader, i.id, &got), 0);
	same_incident(&other, &got);
	incident_free(&got);
	incident_free(&other);
	incident_free(&i);
}

static void a_rollout_has_one_live_incident_at_most(void **state)
{
	struct incident got = {0};

	(void)state;
	assert_int_equal(incident_live_of(reader, "shop", &got), 0);
	int64_t old = add_incident("shop", INC_RESOLVED, 1, "old"),
		gone = add_incident("shop", INC_CANCELLED, 2, "gone");
	assert_int_equal(incident_live_of(reader, "shop", &got), 0);
	int64_t live = add_incident("shop", INC_HELD, 3, "live");
	assert_true(old < gone && gone < live);
	for (int s = 1; s < INC_STATE_N; s++) {
		struct incident second = make_incident("shop", true, 100);

		second.state = (enum incident_state)s;
		assert_int_equal(in_tx(db, insert_incident, &second),
		                 incident_is_live((enum incident_state)s) ? -EEXIST : 0);
		incident_free(&second);
	}
	assert_int_equal(incident_live_of(reader, "shop", &got), 1);
	assert_int_equal(got.id, live);
	incident_free(&got);
	add_incident("other", INC_PENDING, 4, "other");
	assert_int_equal(incident_load(reader, 4711, &got), -ENOENT);
}

/* Ids found by a filter, as text: "5 3 1". */
static const char *found(struct incident_filter f)
{
	static char text[400];
	struct incident_list l = {0};

	text[0] = '\0';
	if (!f.limit)
		f.limit = 100;
	assert_int_equal(incident_find(reader, &f, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld", i ? " " : "",
		         (long long)l.item[i].id);
	incident_list_free(&l);
	return text;
}

static int attach_alert(struct db_tx *tx, void *incident)
{
	struct alert_seen s = {.fingerprint = "f",
	                       .starts_at_us = 1,
	                       .delivery = DELIVERY_FIRING,
	                       .labels = "{\"pod\":\"Web-7\"}",
	                       .annotations = "{}",
	                       .generator_url = ""};
	struct alert_known k = {0};
	int r = alert_record(tx, &s, &k);

	return r < 0 ? r : alert_attach(tx, *(int64_t *)incident, k.id);
}

static void incidents_are_found_by_every_filter_newest_first(void **state)
{
	int64_t three = 3;

	(void)state;
	add_incident("shop", INC_RESOLVED, 100, "Errors 50%");
	add_incident("shop", INC_CANCELLED, 200, "latency");
	add_incident("shop", INC_FAILED, 300, "errors again");
	add_incident("cart", INC_VERIFYING, 400, "latency");
	assert_int_equal(in_tx(db, attach_alert, &three), 0);
	assert_string_equal(found((struct incident_filter) {0}), "4 3 2 1");
	assert_string_equal(found((struct incident_filter) {.limit = 2}), "4 3");
	assert_string_equal(found((struct incident_filter) {.limit = 2, .before_id = 3}), "2 1");
	assert_string_equal(found((struct incident_filter) {.before_id = 1}), "");
	assert_string_equal(found((struct incident_filter) {.rollout = "shop"}), "3 2 1");
	assert_string_equal(found((struct incident_filter) {.rollout = "sho"}), "");
	assert_string_equal(found((struct incident_filter) {.state = INC_CANCELLED}), "2");
	assert_string_equal(found((struct incident_filter) {.kind = KIND_MANUAL, .live_only = true}), "4 3");
	assert_string_equal(found((struct incident_filter) {.kind = KIND_AUTO}), "");
	assert_string_equal(found((struct incident_filter) {.since_us = 200}), "4 3 2");
	assert_string_equal(found((struct incident_filter) {.until_us = 200}), "2 1");
	assert_string_equal(found((struct incident_filter) {.since_us = 200, .until_us = 300}), "3 2");
	assert_string_equal(found((struct incident_filter) {.q = "ERRORS"}), "3 1");
	assert_string_equal(found((struct incident_filter) {.q = "50%"}), "1"); /* no pattern: a substring */
	assert_string_equal(found((struct incident_filter) {.q = "art"}), "4");
	assert_string_equal(found((struct incident_filter) {.q = "web-7"}), "3");
	assert_string_equal(found((struct incident_filter) {.q = "%"}), "1");
	assert_string_equal(found((struct incident_filter) {.q = "' OR 1=1 --"}), "");
}

static void long_lists_come_whole(void **state)
{
	int64_t *ids = NULL;
	size_t n = 0;
	char name[20];

	(void)state;
	for (int i = 1; i <= 70; i++) { /* past several growths of a list */
		struct incident_list l = {0};

		snprintf(name, sizeof(name), "r%d", i);
		add_incident(name, INC_PENDING, i, "s");
		assert_int_equal(incident_find(reader, &(struct incident_filter) {.limit = 1000}, &l), 0);
		assert_int_equal(l.n, i);
		for (int k = 0; k < i; k++)
			assert_int_equal(l.item[k].id, i - k);
		incident_list_free(&l);
	}
	assert_int_equal(incident_live_ids(reader, &ids, &n), 0);
	assert_int_equal(n, 70);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(ids[i], i + 1);
	free(ids);
}

static void incidents_are_counted(void **state)
{
	int64_t n = -1, counts[INC_STATE_N] = {0};
	struct incident there = make_incident("shop", true, 100);

	(void)state;
	add_incident("shop", INC_RESOLVED, 100, "s");
	add_incident("shop", INC_CANCELLED, 200, "s");
	add_incident("shop", INC_HELD, 300, "s");
	add_incident("cart", INC_HELD, 300, "s");
	there.state = INC_RESOLVED;
	there.opened_at_us = 400;
	assert_true(there.already_there);
	assert_int_equal(in_tx(db, insert_incident, &there), 0);
	incident_free(&there);
	assert_int_equal(incident_count_since(reader, "shop", 0, &n), 0);
	assert_int_equal(n, 2); /* not the cancelled one, nor that which was there already */
	assert_int_equal(incident_count_since(reader, "shop", 101, &n), 0);
	assert_int_equal(n, 1);
	assert_int_equal(incident_count_since(reader, "nobody", 0, &n), 0);
	assert_int_equal(n, 0);
	assert_int_equal(incident_count_states(reader, counts), 0);
	for (int s = 1; s < INC_STATE_N; s++)
		assert_int_equal(counts[s], s == INC_HELD ? 2 : 0);
}

static void names_and_states_translate_both_ways(void **state)
{
	(void)state;
	for (int s = 1; s < INC_STATE_N; s++)
		assert_int_equal(incident_state_find(incident_state_name((enum incident_state)s)), s);
	for (int k = 1; k < KIND_N; k++)
		assert_int_equal(incident_kind_find(incident_kind_name((enum incident_kind)k)), k);
	assert_int_equal(incident_state_find("no such"), -EINVAL);
	assert_int_equal(incident_kind_find(""), -EINVAL);
}

/* --- snapshots, steps, rollouts --- */

static int put_snapshots(struct db_tx *tx, void *arg)
{
	int64_t id = *(int64_t *)arg;
	int r = snapshot_put(tx, id, "errors", "ratio", "[[1,2]]", NULL);

	if (r == 0)
		r = snapshot_put(tx, id, "p99", NULL, NULL, "Prometheus did not answer");
	if (r == 0)
		r = snapshot_put(tx, id, "errors", "percent", "[[3,4]]", NULL);
	return r;
}

static void a_snapshot_is_kept_and_the_later_one_stands(void **state)
{
	struct snapshot_list l = {0};

	(void)state;
	int64_t id = add_incident("shop", INC_FAILED, 1, "s");
	assert_int_equal(in_tx(db, put_snapshots, &id), 0);
	assert_int_equal(snapshot_of(reader, id, &l), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.item[0].name, "errors");
	assert_string_equal(l.item[0].unit, "percent");
	assert_string_equal(l.item[0].series, "[[3,4]]");
	assert_null(l.item[0].error);
	assert_string_equal(l.item[1].unit, "");
	assert_null(l.item[1].series);
	assert_string_equal(l.item[1].error, "Prometheus did not answer");
	snapshot_list_free(&l);
}

static int insert_step(struct db_tx *tx, void *s)
{
	return step_insert(tx, s);
}

static int save_step(struct db_tx *tx, void *s)
{
	return step_save(tx, s);
}

static void same_step(const struct step *a, const struct step *b)
{
	const int64_t numbers[][2] = {
		{a->id, b->id},
		{a->incident_id, b->incident_id},
		{a->ord, b->ord},
		{a->phase, b->phase},
		{a->kind, b->kind},
		{a->state, b->state},
		{a->attempts, b->attempts},
		{a->started_at_us, b->started_at_us},
		{a->ended_at_us, b->ended_at_us},
	};
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		assert_int_equal(numbers[i][0], numbers[i][1]);
	same_text(a->name, b->name);
	same_text(a->spec, b->spec);
	same_text(a->output, b->output);
}

static void steps_are_read_back_in_their_order(void **state)
{
	struct step got = {0};
	struct step_list l = {0};

	(void)state;
	int64_t id = add_incident("shop", INC_ROLLING_BACK, 1, "s");
	struct step second = {.incident_id = id,
	                      .ord = 1,
	                      .phase = PHASE_THEN,
	                      .kind = STEP_COMMAND,
	                      .name = (char *)"name",
	                      .spec = (char *)"{\"a\":1}",
	                      .state = STEP_TODO,
	                      .attempts = 21,
	                      .started_at_us = 31,
	                      .ended_at_us = 41,
	                      .output = (char *)"said"};
	struct step first = {.incident_id = id,
	                     .ord = 0,
	                     .phase = PHASE_APPLY,
	                     .kind = STEP_FLAGS,
	                     .name = (char *)"first",
	                     .spec = (char *)"{}",
	                     .state = STEP_RUNNING};
	assert_int_equal(in_tx(db, insert_step, &second), 0);
	assert_int_equal(in_tx(db, insert_step, &first), 0);
	assert_int_equal(step_load(reader, second.id, &got), 0);
	same_step(&second, &got);
	step_free(&got);
	first.state = STEP_IN_DOUBT;
	first.attempts = 3;
	first.started_at_us = 51;
	first.ended_at_us = 61;
	first.output = (char *)"output\nof two lines";
	assert_int_equal(in_tx(db, save_step, &first), 0);
	assert_int_equal(step_of_incident(reader, id, &l), 0);
	assert_int_equal(l.n, 2);
	same_step(&first, &l.item[0]);
	same_step(&second, &l.item[1]);
	step_list_free(&l);
	assert_int_equal(in_tx(db, insert_step, &first), -EEXIST); /* one step per place */
	first.id = 4711;
	assert_int_equal(in_tx(db, save_step, &first), -ENOENT);
	assert_int_equal(step_load(reader, 4711, &got), -ENOENT);
	second.incident_id = 4711;
	assert_int_equal(in_tx(db, insert_step, &second), -EEXIST); /* no incident, no step */
}

static int save_rollout(struct db_tx *tx, void *r)
{
	return rollout_save(tx, r);
}

static void a_rollout_is_read_back_as_it_was_saved_last(void **state)
{
	struct rollout_row rows[] = {
		{(char *)"shop", -1, 11, -1, -1, 12, 13, 14, NULL},
		{(char *)"shop", 2, 21, 1000, 250, 22, 23, 24, (char *)"sha"},
		{(char *)"shop", 3, 31, 0, 10000, 32, 33, 34, NULL},
	};
	struct rollout_row got = {0};

	(void)state;
	assert_int_equal(rollout_load(reader, "shop", &got), -ENOENT);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct rollout_row *w = &rows[i];

		assert_int_equal(in_tx(db, save_rollout, &rows[i]), 0);
		assert_int_equal(rollout_load(reader, "shop", &got), 0);
		const int64_t numbers[][2] = {
			{w->stage, got.stage},
			{w->stage_since_us, got.stage_since_us},
			{w->pct_wanted, got.pct_wanted},
			{w->pct_seen, got.pct_seen},
			{w->pct_changed_us, got.pct_changed_us},
			{w->seen_at_us, got.seen_at_us},
			{w->generation, got.generation},
		};
		for (size_t n = 0; n < ARRAY_LEN(numbers); n++)
			assert_int_equal(numbers[n][0], numbers[n][1]);
		same_text(w->name, got.name);
		same_text(w->flags_sha, got.flags_sha);
		rollout_row_free(&got);
	}
}

/* --- events --- */

static int add_event(struct db_tx *tx, void *e)
{
	return event_add(tx, e);
}

static void an_event_is_read_back_as_it_was_written(void **state)
{
	struct event_list l = {0};
	struct event full = {.at_us = 7,
	                     .incident_id = 3,
	                     .rollout = (char *)"shop",
	                     .who = (char *)"alice",
	                     .what = (char *)"note",
	                     .note = (char *)"text"};
	struct event bare = {.who = (char *)"rollbackd", .what = (char *)"started"};

	(void)state;
	int64_t before = clock_wall_us();
	assert_int_equal(in_tx(db, add_event, &full), 0);
	assert_int_equal(in_tx(db, add_event, &bare), 0);
	assert_int_equal(event_find(reader, &(struct event_filter) {.limit = 9, .oldest_first = true}, &l), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.item[0].at_us, 7);
	assert_int_equal(l.item[0].incident_id, 3);
	same_text(l.item[0].rollout, "shop");
	same_text(l.item[0].who, "alice");
	same_text(l.item[0].what, "note");
	same_text(l.item[0].note, "text");
	assert_in_range(l.item[1].at_us, before, clock_wall_us());
	assert_int_equal(l.item[1].incident_id, 0);
	same_text(l.item[1].rollout, "");
	assert_null(l.item[1].note);
	event_list_free(&l);
}

static const char *events(struct event_filter f)
{
	static char text[200];
	struct event_list l = {0};

	text[0] = '\0';
	if (!f.limit)
		f.limit = 100;
	assert_int_equal(event_find(reader, &f, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld", i ? " " : "",
		         (long long)l.item[i].id);
	event_list_free(&l);
	return text;
}

static void events_are_paged_in_both_directions(void **state)
{
	(void)state;
	for (int i = 1; i <= 6; i++) { /* incidents 1 2 1 2 1 2, rollouts a a b b a a */
		struct event e = {.incident_id = 2 - i % 2,
		                  .rollout = (char *)((i - 1) / 2 == 1 ? "b" : "a"),
		                  .who = (char *)"w",
		                  .what = (char *)"x"};
		assert_int_equal(in_tx(db, add_event, &e), 0);
	}
	assert_string_equal(events((struct event_filter) {0}), "6 5 4 3 2 1");
	assert_string_equal(events((struct event_filter) {.limit = 2}), "6 5");
	assert_string_equal(events((struct event_filter) {.limit = 2, .before_id = 5}), "4 3");
	assert_string_equal(events((struct event_filter) {.limit = 2, .after_id = 2}), "3 4");
	assert_string_equal(events((struct event_filter) {.after_id = 2, .before_id = 5}), "3 4");
	assert_string_equal(events((struct event_filter) {.oldest_first = true, .limit = 3}), "1 2 3");
	assert_string_equal(events((struct event_filter) {.incident_id = 1}), "5 3 1");
	assert_string_equal(events((struct event_filter) {.incident_id = 2, .oldest_first = true}), "2 4 6");
	assert_string_equal(events((struct event_filter) {.incident_id = 2, .after_id = 2, .limit = 1}), "4");
	assert_string_equal(events((struct event_filter) {.incident_id = 1, .before_id = 5}), "3 1");
	assert_string_equal(events((struct event_filter) {.rollout = "b"}), "4 3");
	assert_string_equal(events((struct event_filter) {.rollout = "b", .incident_id = 2}), "4");
	assert_string_equal(events((struct event_filter) {.rollout = "c"}), "");
}

static int set_beat(struct db_tx *tx, void *value)
{
	return meta_set(tx, "beat", *(int64_t *)value);
}

static void a_named_value_is_the_last_one_set(void **state)
{
	int64_t got = -7, values[] = {5, INT64_MAX, INT64_MIN, 0};

	(void)state;
	assert_int_equal(meta_get(reader, "beat", &got), -ENOENT);
	assert_int_equal(got, -7);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		assert_int_equal(in_tx(db, set_beat, &values[i]), 0);
		assert_int_equal(meta_get(reader, "beat", &got), 0);
		assert_true(got == values[i]);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_incident_is_read_back_as_it_was_written),
		T(a_saved_incident_is_read_back_in_every_column),
		T(a_rollout_has_one_live_incident_at_most),
		T(incidents_are_found_by_every_filter_newest_first),
		T(long_lists_come_whole),
		T(incidents_are_counted),
		T(names_and_states_translate_both_ways),
		T(a_snapshot_is_kept_and_the_later_one_stands),
		T(steps_are_read_back_in_their_order),
		T(a_rollout_is_read_back_as_it_was_saved_last),
		T(an_event_is_read_back_as_it_was_written),
		T(events_are_paged_in_both_directions),
		T(a_named_value_is_the_last_one_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
