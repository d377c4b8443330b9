/* Forgetting: what is old and over goes, what is open or owed stays. */
#include "tests/unit/db_reader_fixture.h"

#include "db/alert.h"
#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "db/progress.h"
#include "db/retention.h"
#include "db/step.h"

static int64_t ended, live, attached, lone;

static int add_incident(struct db_tx *tx, const char *rollout, enum incident_state s, int64_t *ret)
{
	struct incident i = {.rollout = (char *)rollout,
	                     .playbook = (char *)"p",
	                     .severity = (char *)"",
	                     .summary = (char *)"s",
	                     .kind = KIND_AUTO,
	                     .state = s,
	                     .config = fixture_config(tx, "{}"),
	                     .opened_by = (char *)"o",
	                     .resolved_at_us = 50};
	struct step st = {.ord = 0,
	                  .phase = PHASE_APPLY,
	                  .kind = STEP_FLAGS,
	                  .name = (char *)"n",
	                  .spec = (char *)"{}",
	                  .state = STEP_DONE};
	struct event e = {.who = (char *)"w", .what = (char *)"x", .at_us = 50};
	struct message m = {
		.channel = (char *)"c", .event = (char *)"incident", .what = (char *)"opened", .body = (char *)"{}"};
	int r = incident_insert(tx, &i);

	*ret = st.incident_id = e.incident_id = m.incident_id = i.id;
	if (r == 0)
		r = step_insert(tx, &st);
	if (r == 0)
		r = event_add(tx, &e);
	return r == 0 ? outbox_add(tx, &m) : r;
}

static int add_alert(struct db_tx *tx, const char *fingerprint, int64_t incident, int64_t *ret)
{
	struct alert_seen in = {.fingerprint = fingerprint,
	                        .delivery = DELIVERY_FIRING,
	                        .labels = "{}",
	                        .annotations = "{}",
	                        .generator_url = ""};
	int64_t id = 0;
	int r = alert_add(tx, &in, &id);

	*ret = id;
	if (r == 0)
		r = disposition_add(tx, id, DELIVERY_FIRING, "", DISP_NO_MATCH, incident, "");
	return r == 0 && incident ? alert_attach(tx, incident, id) : r;
}

static int fill(struct db_tx *tx, void *arg)
{
	int64_t of_ended;
	struct event e = {.who = (char *)"w", .what = (char *)"lone", .at_us = 50};
	int r = add_incident(tx, "a", INC_RESOLVED, &ended);

	(void)arg;
	if (r == 0)
		r = add_incident(tx, "a", INC_FAILED, &live);
	if (r == 0)
		r = add_alert(tx, "01", ended, &of_ended);
	if (r == 0)
		r = add_alert(tx, "02", live, &attached);
	if (r == 0)
		r = add_alert(tx, "03", 0, &lone);
	return r == 0 ? event_add(tx, &e) : r;
}

static int sweep_all(struct db_tx *tx, void *arg)
{
	(void)arg;
	return retention_sweep(tx, db_tx_now(tx) + 1, 100);
}

static int sweep_old(struct db_tx *tx, void *arg)
{
	(void)arg;
	return retention_sweep(tx, 40, 100);
}

static size_t steps_of(int64_t incident)
{
	struct step_list l = {0};

	assert_int_equal(step_of_incident(reader, incident, &l), 0);
	size_t n = l.n;
	step_list_free(&l);
	return n;
}

static size_t messages_of(int64_t incident)
{
	struct message_list l = {0};

	assert_int_equal(outbox_of_incident(reader, incident, &l), 0);
	size_t n = l.n;
	message_list_free(&l);
	return n;
}

static void what_is_over_and_old_goes_with_all_that_hangs_on_it(void **state)
{
	struct incident i = {0};

	(void)state;
	assert_int_equal(in_tx(db, fill, NULL), 0);
	assert_true(in_tx(db, sweep_all, NULL) >= 1);
	assert_int_equal(incident_load(reader, ended, &i), -ENOENT);
	assert_int_equal(steps_of(ended), 0);
}

static void what_is_live_stays_whole(void **state)
{
	struct incident i = {0};
	int64_t all = 0, firing = 0;

	(void)state;
	assert_int_equal(in_tx(db, fill, NULL), 0);
	assert_true(in_tx(db, sweep_all, NULL) >= 1);
	assert_int_equal(incident_load(reader, live, &i), 0);
	incident_free(&i);
	assert_int_equal(steps_of(live), 1);
	assert_int_equal(alert_count(reader, live, &all, &firing), 0);
	assert_int_equal(all, 1);
}

static void a_message_that_is_owed_is_not_forgotten(void **state)
{
	(void)state;
	assert_int_equal(in_tx(db, fill, NULL), 0);
	assert_true(in_tx(db, sweep_all, NULL) >= 1);
	assert_int_equal(messages_of(ended), 1);
}

static void what_is_younger_stays(void **state)
{
	struct incident i = {0};

	(void)state;
	assert_int_equal(in_tx(db, fill, NULL), 0);
	assert_int_equal(in_tx(db, sweep_old, NULL), 0);
	assert_int_equal(incident_load(reader, ended, &i), 0);
	incident_free(&i);
}

static int64_t unreviewed;

static int add_unreviewed(struct db_tx *tx, void *arg)
{
	struct incident i = {.rollout = (char *)"shop",
	                     .playbook = (char *)"p",
	                     .severity = (char *)"P0",
	                     .summary = (char *)"s",
	                     .kind = KIND_AUTO,
	                     .state = INC_RESOLVED,
	                     .config = fixture_config(tx, "{}"),
	                     .opened_by = (char *)"x",
	                     .stage = 1,
	                     .resolved_at_us = 1,
	                     .review = REVIEW_REQUIRED};
	struct hold_span h = {.since_us = 1, .until_us = 2, .why = (char *)"held by alice"};

	(void)arg;
	int r = incident_insert(tx, &i);
	unreviewed = i.id;
	return r < 0 ? r : hold_span_add(tx, "shop", &h);
}

static void an_open_review_is_not_forgotten_but_an_old_hold_is(void **state)
{
	struct hold_span_list l = {0};
	struct incident i = {0};

	(void)state;
	assert_int_equal(in_tx(db, add_unreviewed, NULL), 0);
	assert_int_equal(hold_span_of(reader, "shop", 0, 10, &l), 0);
	assert_int_equal(l.n, 1);
	hold_span_list_free(&l);
	while (in_tx(db, sweep_all, NULL) > 0)
		;
	assert_int_equal(hold_span_of(reader, "shop", 0, 10, &l), 0);
	assert_int_equal(l.n, 0);
	hold_span_list_free(&l);
	assert_int_equal(incident_load(reader, unreviewed, &i), 0);
	incident_free(&i);
}

static int add_runs(struct db_tx *tx, void *arg)
{
	struct stage_run old = {.run = 1,
	                        .stage = 1,
	                        .entered_us = 1,
	                        .clean_us = 2,
	                        .until_us = 3,
	                        .results = (char *)"{}"},
			 new = old;

	(void)arg;
	new.run = 2;
	new.until_us = db_tx_now(tx) + 3600 * US_PER_S;
	int r = stage_run_save(tx, "shop", &old);
	return r < 0 ? r : stage_run_save(tx, "shop", &new);
}

static void runs_are_kept_newest_first_and_forgotten_when_old(void **state)
{
	struct stage_run_list l = {0};

	(void)state;
	assert_int_equal(in_tx(db, add_runs, NULL), 0);
	assert_int_equal(in_tx(db, add_runs, NULL), 0); /* a later look replaces */
	assert_int_equal(stage_run_of(reader, "shop", &l), 0);
	assert_int_equal(l.n, 2);
	assert_int_equal(l.item[0].run, 2);
	assert_int_equal(l.item[1].clean_us, 2);
	assert_string_equal(l.item[1].results, "{}");
	stage_run_list_free(&l);
	assert_int_equal(stage_run_of(reader, "other", &l), 0);
	assert_int_equal(l.n, 0);
	while (in_tx(db, sweep_all, NULL) > 0)
		;
	assert_int_equal(stage_run_of(reader, "shop", &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.item[0].run, 2);
	stage_run_list_free(&l);
}

static void a_sweep_comes_to_an_end(void **state)
{
	int turns = 0;

	(void)state;
	assert_int_equal(in_tx(db, fill, NULL), 0);
	while (in_tx(db, sweep_all, NULL) > 0)
		assert_true(++turns < 10);
	assert_true(turns >= 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(what_is_over_and_old_goes_with_all_that_hangs_on_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_live_stays_whole, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_that_is_owed_is_not_forgotten, setup, teardown),
		cmocka_unit_test_setup_teardown(what_is_younger_stays, setup, teardown),
		cmocka_unit_test_setup_teardown(an_open_review_is_not_forgotten_but_an_old_hold_is, setup, teardown),
		cmocka_unit_test_setup_teardown(runs_are_kept_newest_first_and_forgotten_when_old, setup, teardown),
		cmocka_unit_test_setup_teardown(a_sweep_comes_to_an_end, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
