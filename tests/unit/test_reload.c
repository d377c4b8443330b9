/* What a config may not drop (server/reload.h). */
#include "tests/unit/db_fixture.h"
#include "db/incident.h"
#include "server/reload.h"

static struct db *db;

static struct settings *settings_with(const char *rollout)
{
	CLEANUP(json_cleanup) struct json_object *tree = NULL;
	struct settings *s = NULL;
	char text[400], why[300] = "";

	snprintf(text, sizeof(text),
	         "{\"rollouts\":[{\"name\":\"%s\",\"alerts\":[],\"apply\":[],\"verify\":{\"delay\":1,\"every\":1,"
	         "\"passes\":1,\"timeout\":60,\"checks\":[]}}]}",
	         rollout);
	tree = json_tokener_parse(text);
	if (!tree || settings_read(tree, &s, why, sizeof(why)) < 0)
		fail_msg("settings: %s", why);
	return s;
}

struct row {
	enum incident_kind kind;
	enum incident_state state;
};

static int insert(struct db_tx *tx, void *arg)
{
	const struct row *row = arg;
	struct incident inc = {.rollout = (char *)"canary",
	                       .playbook = (char *)"",
	                       .severity = (char *)"",
	                       .summary = (char *)"",
	                       .opened_by = (char *)"",
	                       .config = fixture_config(tx, "{}"),
	                       .kind = row->kind,
	                       .state = row->state};

	return incident_insert(tx, &inc);
}

static bool refused(enum incident_kind kind, enum incident_state state, const char *left)
{
	struct settings *s = settings_with(left);
	struct db_conn *c = NULL;
	char why[300] = "";

	assert_int_equal(in_tx(db, insert, &(struct row) {kind, state}), 0);
	assert_int_equal(db_reader_open(db, &c), 0);
	bool drops = reload_drops_live(c, s, why, sizeof(why));
	assert_int_equal(drops, strstr(why, "drops rollout canary") != NULL);
	db_reader_close(c);
	settings_unref(s);
	return drops;
}

static void a_live_incident_keeps_its_rollout(void **state)
{
	(void)state;
	assert_true(refused(KIND_AUTO, INC_ROLLED_BACK, "other"));
}

static void a_stage_that_is_being_entered_keeps_its_rollout(void **state)
{
	(void)state;
	assert_true(refused(KIND_ADVANCE, INC_ROLLING_BACK, "other"));
}

static void what_is_over_keeps_nothing(void **state)
{
	(void)state;
	assert_false(refused(KIND_AUTO, INC_RESOLVED, "other"));
	assert_false(refused(KIND_ADVANCE, INC_CANCELLED, "other"));
}

static void a_rollout_that_stays_is_not_dropped(void **state)
{
	(void)state;
	assert_false(refused(KIND_ADVANCE, INC_VERIFYING, "canary"));
}

static int setup(void **state)
{
	if (scratch_make(state) < 0)
		return -1;
	db = fixture_start();
	return 0;
}

static int teardown(void **state)
{
	db_close(db);
	return scratch_remove(state);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_live_incident_keeps_its_rollout),
		T(a_stage_that_is_being_entered_keeps_its_rollout),
		T(what_is_over_keeps_nothing),
		T(a_rollout_that_stays_is_not_dropped),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
