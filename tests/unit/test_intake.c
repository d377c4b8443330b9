/* A webhook that is taken twice, because what it did first was undone together with the jobs beside it. */
#include "tests/unit/db_fixture.h"
#include "tests/unit/settings_fixture.h"

#include "db/incident.h"
#include "handlers/incident/intake.h"
#include "server/core/text.h"

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

/* --- one alert, more rollouts than anybody counted on --- */

#define MANY 40

static int setup_many(void **state)
{
	CLEANUP(buf_free) struct buf b = BUF(64 * 1024);
	char why[300];

	assert_int_equal(scratch_make(state), 0);
	buf_str(&b,
	        "{\"global\":{},\"sla\":{},\"limits\":{},\"channels\":[],\"playbooks\":[{\"name\":\"slow\",\"match\":["
	        "\"action=auto_rollback\"],\"rollback\":{\"to\":0,\"after\":3600}}],\"rollouts\":[");
	for (int i = 0; i < MANY; i++)
		buf_printf(&b,
		           "%s{\"name\":\"r%d\",\"title\":\"R\",\"alerts\":[\"team=all\"],\"apply\":[{\"name\":"
		           "\"reload\",\"command\":[\"/bin/"
		           "r\"],\"timeout\":30}],\"verify\":{\"checks\":[]},\"stages\":[]}",
		           i ? "," : "", i);
	buf_str(&b, "]}");
	assert_int_equal(settings_of(buf_text(&b), &settings, why, sizeof(why)), 0);
	db = fixture_start();
	return 0;
}

static void take(const char *status)
{
	CLEANUP(cleanup_free)
	char *body =
		text_format("{\"alerts\":[{\"status\":\"%s\",\"startsAt\":\"2026-01-01T00:00:00Z\",\"endsAt\":"
	                    "\"2026-01-01T00:10:00Z\",\"labels\":{\"team\":\"all\",\"action\":\"auto_rollback\"}}]}",
	                    status);
	CLEANUP(intake_cleanup) struct intake *in = intake_of(body);

	assert_int_equal(in_tx(db, record, in), 0);
	assert_int_equal(in->n_results, MANY);
}

static int count_quiet(struct db_tx *tx, void *arg)
{
	CLEANUP(cleanup_free) int64_t *ids = NULL;
	struct incident inc = {0};
	size_t n = 0;

	assert_int_equal(incident_open_ids(db_tx_conn(tx), &ids, &n), 0);
	assert_int_equal(n, MANY);
	for (size_t i = 0; i < n; i++) {
		assert_int_equal(incident_load(db_tx_conn(tx), ids[i], &inc), 0);
		*(int *)arg += inc.quiet_since_us != 0;
		incident_free(&inc);
	}
	return 0;
}

/* Else the last ones go on waiting, and roll back what is over. */
static void what_ends_ends_for_every_rollout_that_it_concerns(void **state)
{
	int quiet = 0;

	(void)state;
	take("firing");
	assert_int_equal(in_tx(db, count_quiet, &quiet), 0);
	assert_int_equal(quiet, 0);
	take("resolved");
	assert_int_equal(in_tx(db, count_quiet, &quiet), 0);
	assert_int_equal(quiet, MANY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(nothing_is_left_of_a_run_that_was_undone, setup, teardown),
		cmocka_unit_test_setup_teardown(a_drill_is_no_repeat, setup, teardown),
		cmocka_unit_test_setup_teardown(a_trigger_by_the_name_of_another_alert_is_acted_on, setup, teardown),
		cmocka_unit_test_setup_teardown(what_ends_ends_for_every_rollout_that_it_concerns, setup_many,
	                                        teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
