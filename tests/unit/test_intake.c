/* A webhook that is taken twice, because what it did first was undone together with the jobs beside it. */
#include "tests/unit/db_fixture.h"
#include "tests/unit/settings_fixture.h"

#include "handlers/incident/intake.h"

static const char config[] =
	"{\"global\":{},\"sla\":{},\"limits\":{},\"channels\":[],\"rollouts\":[{\"name\":\"shop\",\"title\":\"Shop\","
	"\"alerts\":[\"rollout=shop\"],\"flags\":{\"file\":\"%s/flags.env\",\"percentage\":\"PCT\"},"
	"\"verify\":{\"checks\":[]},\"stages\":[]}],"
	"\"playbooks\":[{\"name\":\"down\",\"match\":[\"action=auto_rollback\"],\"rollback\":{\"to\":0}}]}";

static const char drill[] = "{\"alerts\":[{\"status\":\"firing\",\"startsAt\":\"2026-01-01T00:00:00Z\","
			    "\"labels\":{\"rollout\":\"shop\",\"action\":\"auto_rollback\",\"drill\":\"yes\"}}]}";

static struct settings *settings;
static struct db *db;

static void put_flags_file(void)
{
	FILE *f = fopen(scratch_path("flags.env"), "w");

	assert_non_null(f);
	assert_true(fputs("PCT=10\n", f) > 0);
	assert_int_equal(fclose(f), 0);
}

static int setup(void **state)
{
	char text[1000], why[300];

	assert_int_equal(scratch_make(state), 0);
	snprintf(text, sizeof(text), config, scratch);
	assert_int_equal(settings_of(text, &settings, why, sizeof(why)), 0);
	put_flags_file();
	db = fixture_start();
	return 0;
}

static int teardown(void **state)
{
	db_stop(db);
	db_close(db);
	settings_unref(settings);
	return scratch_remove(state);
}

static struct intake *intake_of(const char *body)
{
	struct alert_group *g = NULL;
	struct payload_fault fault;
	struct intake *in = NULL;

	assert_int_equal(alert_group_parse(body, strlen(body), &g, &fault), 0);
	assert_int_equal(intake_plan(settings, g, clock_wall_us(), &in), 0);
	return in;
}

static int record(struct db_tx *tx, void *arg)
{
	return intake_record(tx, arg);
}

static int record_and_fail(struct db_tx *tx, void *arg)
{
	int r = intake_record(tx, arg);

	return r < 0 ? r : -EPERM;
}

/* Else a file is lowered for an incident that is not on record. */
static void nothing_is_left_of_a_run_that_was_undone(void **state)
{
	(void)state;
	CLEANUP(intake_cleanup)
	struct intake *in = intake_of("{\"alerts\":[{\"status\":\"firing\",\"startsAt\":\"2026-01-01T00:00:00Z\","
	                              "\"labels\":{\"rollout\":\"shop\",\"action\":\"auto_rollback\"}}]}");

	assert_int_equal(in_tx(db, record_and_fail, in), -EPERM);
	assert_int_equal(in_tx(db, record, in), 0);
	assert_int_equal(in->n_begun, 1);
	assert_int_equal(in->n_results, 1);
	assert_int_equal(in->begun[0].incident, in->results[0].incident_id);
	assert_int_equal(in_tx(db, record, in), 0);
	assert_int_equal(in->n_begun, 0);
	assert_int_equal(in->results[0].disposition, DISP_DUPLICATE);
}

/* A drill has a fingerprint of its own on record, and the answer to its copies is not kept by its sender's. */
static void a_drill_is_no_repeat(void **state)
{
	(void)state;
	CLEANUP(intake_cleanup) struct intake *in = intake_of(drill);

	assert_int_equal(in_tx(db, record, in), 0);
	assert_int_equal(in_tx(db, record, in), 0);
	assert_int_equal(in->results[0].disposition, DISP_DUPLICATE);
	assert_int_equal(in->mark.n, 0);
}

#define ALERT(labels)                                                                                                  \
	"{\"alerts\":[{\"status\":\"firing\",\"startsAt\":\"2026-01-01T00:00:00Z\",\"fingerprint\":\"0\","             \
	"\"labels\":{" labels "}}]}"

/* A sender of its own make calls all its alerts the same: what is said of one passes no other over. */
static void a_trigger_by_the_name_of_another_alert_is_acted_on(void **state)
{
	(void)state;
	CLEANUP(intake_cleanup) struct intake *harmless = intake_of(ALERT("\"alertname\":\"a\""));
	CLEANUP(intake_cleanup)
	struct intake *trigger = intake_of(ALERT("\"rollout\":\"shop\",\"action\":\"auto_rollback\""));

	assert_int_equal(in_tx(db, record, harmless), 0);
	assert_int_equal(harmless->results[0].disposition, DISP_NO_MATCH);
	assert_int_equal(in_tx(db, record, trigger), 0);
	assert_int_equal(trigger->n_results, 1);
	assert_int_equal(trigger->results[0].disposition, DISP_ROLLBACK_STARTED);
	assert_int_equal(in_tx(db, record, trigger), 0);
	assert_int_equal(trigger->results[0].disposition, DISP_DUPLICATE);
	assert_int_equal(trigger->mark.n, 1);
	assert_int_equal(in_tx(db, record, harmless), 0);
	assert_int_equal(harmless->results[0].disposition, DISP_DUPLICATE);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_left_of_a_run_that_was_undone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_drill_is_no_repeat, setup, teardown),
		cmocka_unit_test_setup_teardown(a_trigger_by_the_name_of_another_alert_is_acted_on, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
