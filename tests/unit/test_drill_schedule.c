/* Drills by themselves: when one is asked for, and what came of it. */
#include "db_fixture.h"
#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "handlers/incident/drill.h"
#include "handlers/readiness/drill_schedule.h"
#include "handlers/readiness/marks.h"
#include "tests/unit/settings_fixture.h"

static struct db *db;
static struct settings *settings;
static int64_t asked; /* what the last pass wanted to be sent; 0 nothing */

static int setup(void **state)
{
	char why[200];

	if (scratch_make(state) < 0 ||
	    settings_of("{\"rollouts\":[{\"name\":\"shop\",\"drill\":{\"cron\":\"* * * * *\"}}],"
	                "\"channels\":[{\"name\":\"pager\",\"webhook\":{\"url\":\"http://p\"},\"events\":[\"page\"]}]}",
	                &settings, why, sizeof(why)) < 0)
		return -1;
	db = fixture_start();
	return 0;
}

static int teardown(void **state)
{
	settings_unref(settings);
	db_close(db);
	return scratch_remove(state);
}

static int pass_run(struct db_tx *tx, void *arg)
{
	asked = 0;
	return drill_schedule(tx, settings, &settings->rollouts[0], arg, &asked);
}

static void pass(const char *not_now)
{
	assert_int_equal(in_tx(db, pass_run, (char *)not_now), 0);
}

struct mark {
	const char *what;
	int64_t ago_us, read;
};

static int set_mark(struct db_tx *tx, void *arg)
{
	const struct mark *m = arg;

	return mark_set(tx, &settings->rollouts[0], m->what, db_tx_now(tx) - m->ago_us);
}

/* As if it had been written so long ago. */
static void mark_ago(const char *what, int64_t ago_us)
{
	assert_int_equal(in_tx(db, set_mark, &(struct mark) {what, ago_us, 0}), 0);
}

static int get_mark(struct db_tx *tx, void *arg)
{
	struct mark *m = arg;

	m->read = mark_get(db_tx_conn(tx), &settings->rollouts[0], m->what);
	return 0;
}

static int64_t mark(const char *what)
{
	struct mark m = {.what = what};

	assert_int_equal(in_tx(db, get_mark, &m), 0);
	return m.read;
}

/* The newest event: "what: note". */
static int read_event(struct db_tx *tx, void *arg)
{
	const struct event_filter f = {.limit = 1};
	struct event_list l = {0};
	int r = event_find(db_tx_conn(tx), &f, &l);

	strcpy(arg, "none"); /* NOLINT: room for more */
	if (r == 0 && l.n)
		snprintf(arg, 400, "%s: %s", l.item[0].what, l.item[0].note);
	event_list_free(&l);
	return r;
}

static void told(const char *want)
{
	char is[400];

	assert_int_equal(in_tx(db, read_event, is), 0);
	assert_string_equal(is, want);
}

static int count_pages(struct db_tx *tx, void *arg)
{
	struct message_list l = {0};
	int r = outbox_due(db_tx_conn(tx), INT64_MAX, 50, &l);

	*(size_t *)arg = l.n;
	message_list_free(&l);
	return r;
}

static size_t pages(void)
{
	size_t n = 0;

	assert_int_equal(in_tx(db, count_pages, &n), 0);
	return n;
}

/* A drill's incident as it stands. state 0: opened now. */
static int put_drill(struct db_tx *tx, void *arg)
{
	const struct incident *like = arg;
	struct incident inc = *like;

	inc.rollout = inc.playbook = inc.severity = (char *)"shop";
	inc.config = fixture_config(tx, "{}");
	inc.opened_by = (char *)"alertmanager";
	inc.opened_at_us = db_tx_now(tx);
	inc.resolved_at_us = inc.state == INC_RESOLVED ? db_tx_now(tx) : 0;
	inc.kind = KIND_DRILL;
	int r = incident_insert(tx, &inc);
	return r < 0 ? r : drill_record(tx, &inc);
}

static void drill_is_now(int64_t of, enum incident_state state)
{
	char *summary = drill_summary(of);
	const struct incident inc = {.summary = summary, .state = state, .stage = 1};

	assert_int_equal(in_tx(db, put_drill, (void *)&inc), 0);
	free(summary);
}

static void the_first_one_comes_at_its_next_time(void **state)
{
	(void)state;
	pass(NULL);
	assert_int_equal(asked, 0);
	told("none");
	mark_ago("drill_considered", 61 * US_PER_S);
	pass(NULL);
	assert_true(asked > 0 && asked == mark("drill_asked"));
	told("scheduled_drill: through Alertmanager");
}

static void it_is_put_off_while_something_goes_on(void **state)
{
	(void)state;
	mark_ago("drill_considered", 61 * US_PER_S);
	pass("incident 3 is open");
	assert_int_equal(asked, 0);
	told("none");
	pass(NULL);
	assert_true(asked > 0);
}

static void its_alert_is_sent_until_its_incident_is_there(void **state)
{
	(void)state;
	mark_ago("drill_asked", 30 * US_PER_S);
	int64_t of = mark("drill_asked");
	pass(NULL);
	assert_int_equal(asked, of);
	pass("incident 3 is open"); /* it is under way: nothing puts it off any more */
	assert_int_equal(asked, of);
	drill_is_now(of - 1000 * US_PER_S, INC_CANCELLED); /* another one, of a person */
	pass(NULL);
	assert_int_equal(asked, of);
	drill_is_now(of, INC_VERIFYING);
	pass(NULL);
	assert_int_equal(asked, 0);
	assert_int_equal(mark("drill_asked"), of);
}

static void one_that_passed_says_so(void **state)
{
	struct drill_standing d = {0};

	(void)state;
	assert_int_equal(drill_standing_of(&d), -1);
	mark_ago("drill_asked", 30 * US_PER_S);
	drill_is_now(mark("drill_asked"), INC_RESOLVED);
	pass(NULL);
	told("scheduled_drill_passed: drill 1");
	assert_int_equal(mark("drill_asked"), 0);
	assert_true(mark(DRILL_PASSED_MARK) > 0 && mark(DRILL_FAILED_MARK) == 0);
	assert_int_equal(pages(), 0);
}

static void one_whose_alert_never_comes_pages(void **state)
{
	(void)state;
	mark_ago("drill_asked", 121 * US_PER_S);
	pass(NULL);
	assert_int_equal(asked, 0);
	told("scheduled_drill_failed: its alert did not come here through Alertmanager within 2 minutes (rollbackctl "
	     "doctor)");
	assert_int_equal(pages(), 1);
	assert_true(mark(DRILL_FAILED_MARK) > 0 && mark("drill_asked") == 0);
	pass(NULL);
	assert_int_equal(pages(), 1);
}

static void one_that_failed_is_told_by_its_incident_and_one_called_off_is_no_failure(void **state)
{
	(void)state;
	mark_ago("drill_asked", 30 * US_PER_S);
	drill_is_now(mark("drill_asked"), INC_CANCELLED);
	pass(NULL);
	told("scheduled_drill_called_off: drill 1: cancelled");
	assert_int_equal(mark(DRILL_FAILED_MARK), 0);
	mark_ago("drill_asked", 20 * US_PER_S);
	drill_is_now(mark("drill_asked"), INC_FAILED);
	pass(NULL);
	told("scheduled_drill_failed: drill 2: failed");
	assert_int_equal(pages(), 0); /* the incident's own page, which this test does not make */
	assert_true(mark(DRILL_FAILED_MARK) > 0);
}

static int put_message(struct db_tx *tx, void *arg)
{
	struct message m = {.incident_id = 1,
	                    .rollout = (char *)"shop",
	                    .channel = (char *)"pager",
	                    .event = (char *)"page",
	                    .what = (char *)"drill_passed",
	                    .body = (char *)"{}",
	                    .page = true};
	int r = outbox_add(tx, &m);

	m.state = *(enum message_state *)arg;
	m.error = (char *)"answered 404";
	return r < 0 ? r : outbox_save(tx, &m);
}

/* Passed is said when chat has it, too: that is where the way ends. */
static void a_message_that_is_not_taken_fails_it(void **state)
{
	enum message_state message = MSG_UNDELIVERABLE;

	(void)state;
	mark_ago("drill_asked", 30 * US_PER_S);
	drill_is_now(mark("drill_asked"), INC_RESOLVED);
	assert_int_equal(in_tx(db, put_message, &message), 0);
	pass(NULL);
	told("scheduled_drill_failed: its message to pager was not taken: answered 404");
}

static void what_fell_due_while_nobody_ran_is_left_out(void **state)
{
	time_t now = time(NULL) - 3 * 3600;
	struct tm t;
	char cron[40];

	(void)state;
	gmtime_r(&now, &t);
	snprintf(cron, sizeof(cron), "%d %d * * *", t.tm_min, t.tm_hour);
	settings->rollouts[0].drill.when.cron = cron;
	mark_ago("drill_considered", 4 * 3600 * US_PER_S);
	pass(NULL);
	assert_int_equal(asked, 0);
	told("scheduled_drill_left_out: rollbackd did not run at its time");
	mark_ago("drill_considered", 4 * 3600 * US_PER_S);
	pass("incident 3 is open");
	told("scheduled_drill_left_out: incident 3 is open");
}

static int refuse_it(struct db_tx *tx, void *arg)
{
	return event_add(tx, &(struct event) {.rollout = (char *)"shop",
	                                      .who = (char *)"alertmanager",
	                                      .what = (char *)DRILL_REFUSED,
	                                      .note = arg});
}

/* Between the pass that asked for it and its alert something real began: that is no fault of the way. */
static void one_whose_alert_met_something_real_is_called_off(void **state)
{
	(void)state;
	assert_int_equal(in_tx(db, refuse_it, (char *)"no drill while incident 2 is open"), 0);
	mark_ago("drill_asked", -US_PER_S); /* after that refusal, which was another one's */
	pass(NULL);
	assert_true(asked > 0);
	mark_ago("drill_asked", 30 * US_PER_S);
	pass(NULL);
	told("scheduled_drill_called_off: no drill while incident 2 is open");
	assert_true(mark("drill_asked") == 0 && mark(DRILL_FAILED_MARK) == 0 && pages() == 0);
}

/* Yesterday and today, so that midnight is no exception. */
static void on_a_date_that_is_excepted_none_begins(void **state)
{
	char dates[2][16];
	const char *except[] = {dates[0], dates[1], NULL};

	(void)state;
	for (int i = 0; i < 2; i++) {
		time_t at = time(NULL) - i * 86400;
		struct tm t;

		localtime_r(&at, &t);
		strftime(dates[i], sizeof(dates[i]), "%Y-%m-%d", &t);
	}
	settings->rollouts[0].drill.when.except = except;
	mark_ago("drill_considered", 61 * US_PER_S);
	pass(NULL);
	assert_int_equal(asked, 0);
	told("none");
	settings->rollouts[0].drill.when.except = NULL;
	pass(NULL);
	assert_true(asked > 0);
}

static void one_that_falls_due_while_they_are_suspended_is_left_out(void **state)
{
	(void)state;
	settings->rollouts[0].drill.when.suspend = true;
	mark_ago("drill_considered", 61 * US_PER_S);
	pass(NULL);
	assert_int_equal(asked, 0);
	told("scheduled_drill_left_out: drills are suspended (drill.suspend)");
	settings->rollouts[0].drill.when.suspend = false;
	pass(NULL); /* what was left out is not made up for */
	assert_int_equal(asked, 0);
}

static void one_that_is_under_way_is_followed_whatever_the_config_says_now(void **state)
{
	(void)state;
	mark_ago("drill_asked", 30 * US_PER_S);
	settings->rollouts[0].drill.when.suspend = true;
	drill_is_now(mark("drill_asked"), INC_RESOLVED);
	pass(NULL);
	told("scheduled_drill_passed: drill 1");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(the_first_one_comes_at_its_next_time, setup, teardown),
		cmocka_unit_test_setup_teardown(it_is_put_off_while_something_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(its_alert_is_sent_until_its_incident_is_there, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_passed_says_so, setup, teardown),
		cmocka_unit_test_setup_teardown(one_whose_alert_never_comes_pages, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_failed_is_told_by_its_incident_and_one_called_off_is_no_failure, setup, teardown),
		cmocka_unit_test_setup_teardown(a_message_that_is_not_taken_fails_it, setup, teardown),
		cmocka_unit_test_setup_teardown(what_fell_due_while_nobody_ran_is_left_out, setup, teardown),
		cmocka_unit_test_setup_teardown(one_whose_alert_met_something_real_is_called_off, setup, teardown),
		cmocka_unit_test_setup_teardown(on_a_date_that_is_excepted_none_begins, setup, teardown),
		cmocka_unit_test_setup_teardown(one_that_falls_due_while_they_are_suspended_is_left_out, setup,
	                                        teardown),
		cmocka_unit_test_setup_teardown(one_that_is_under_way_is_followed_whatever_the_config_says_now, setup,
	                                        teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
