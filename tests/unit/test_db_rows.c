#include "tests/unit/rows_fixture.h"

/* --- snapshots, steps, rollouts --- */

static int put_snapshots(struct db_tx *tx, void *arg)
{
	int64_t id = *(int64_t *)arg;
	int r = snapshot_put(tx, id, 0, "errors", "ratio", "[[1,2]]", NULL);

	if (r == 0)
		r = snapshot_put(tx, id, 0, "p99", NULL, NULL, "Prometheus did not answer");
	if (r == 0)
		r = snapshot_put(tx, id, 0, "errors", "percent", "[[3,4]]", NULL);
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
	                      .phase = PHASE_FOLLOWUP,
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
	assert_string_equal(events((struct event_filter) {.rollout = "a", .before_id = 6}), "5 2 1");
	assert_string_equal(events((struct event_filter) {.rollout = "a", .after_id = 1}), "2 5 6");
	assert_string_equal(events((struct event_filter) {.rollout = "a", .what = "x"}), ""); /* of the plan only */
	assert_int_equal(
		in_tx(db, add_event, &(struct event) {.rollout = (char *)"a", .who = (char *)"w", .what = (char *)"x"}),
		0);
	assert_string_equal(events((struct event_filter) {.rollout = "a", .what = "x"}), "7");
	assert_string_equal(events((struct event_filter) {.rollout = "a", .what = "y"}), "");
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
		T(a_snapshot_is_kept_and_the_later_one_stands), T(steps_are_read_back_in_their_order),
		T(a_rollout_is_read_back_as_it_was_saved_last), T(an_event_is_read_back_as_it_was_written),
		T(events_are_paged_in_both_directions),         T(a_named_value_is_the_last_one_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
