/* What is known already of an item or milestone, beside it and as its note. */
#include "tests/unit/plan_fixture.h"

#include "db/incident.h"
#include "handlers/plan/prefill.h"

#define ITEMS                                                                                                          \
	",\"compare\":{\"step\":3600,\"metrics\":[{\"name\":\"errors\",\"unit\":\"ratio\",\"value\":{\"candidate\":"   \
	"\"a\",\"baseline\":\"b\"}},{\"name\":\"calls\",\"cost\":true,\"value\":{\"candidate\":\"c\",\"baseline\":"    \
	"\"d\"}}]},\"checklists\":[{\"name\":\"pre\",\"items\":[]},{\"name\":\"canary\",\"items\":[{\"text\":"         \
	"\"Performance\",\"prefill\":\"comparison\"},{\"text\":\"Cost\",\"prefill\":\"cost\"},{\"text\":"              \
	"\"Incidents\","                                                                                               \
	"\"prefill\":\"incidents\"},{\"text\":\"Logs read\"}]}],\"milestones\":[{\"after_stage\":1,\"in\":0,\"text\":" \
	"\"Cost report\",\"prefill\":\"cost\"}]"

static const char compared[] =
	"{\"from\":\"2025-10-14T10:00:00Z\",\"to\":\"2025-10-28T10:00:00Z\",\"metrics\":[{\"name\":\"errors\","
	"\"verdict\":\"equal\",\"unit\":\"ratio\",\"candidate\":0.0011,\"baseline\":0.001},{\"name\":\"calls\","
	"\"verdict\":\"better\",\"unit\":\"calls\",\"candidate\":1,\"baseline\":1.5}]}";

static struct json_object *comparison;

static int fill_setup(void **state)
{
	int r = plan_setup(state);

	load_settings(PLAN_SETTINGS(STAGE_0 "," STAGE_1 "," STAGE_2 "," STAGE_3, ITEMS));
	comparison = json_tokener_parse(compared);
	return r;
}

static int fill_teardown(void **state)
{
	json_object_put(TAKE(comparison));
	return plan_teardown(state);
}

struct asked {
	const char *what;
	struct json_object *comparison;
	char *text;
};

static int ask(struct db_tx *tx, void *arg)
{
	struct asked *a = arg;
	int err = 0;

	a->text = prefill_text(db_tx_conn(tx), settings_rollout(settings, "shop"), a->what, a->comparison, &err);
	return err;
}

static void is_known(const char *what, struct json_object *of, const char *text)
{
	struct asked a = {what, of, NULL};

	assert_int_equal(in_tx(db, ask, &a), 0);
	if (text)
		assert_string_equal(a.text, text);
	else
		assert_null(a.text);
	free(a.text);
}

static void what_was_compared_is_known(void **state)
{
	(void)state;
	is_known("comparison", comparison,
	         "2025-10-14 10:00 UTC to 2025-10-28 10:00 UTC; errors equal, 0.11% against 0.1%; "
	         "calls better, 1 call against 1.5 calls");
	is_known("cost", comparison,
	         "2025-10-14 10:00 UTC to 2025-10-28 10:00 UTC; calls better, 1 call against 1.5 calls");
	is_known("cost", NULL, "not compared yet");
	is_known(NULL, comparison, NULL);
}

static int add_incidents(struct db_tx *tx, void *arg)
{
	static const struct {
		const char *summary, *severity;
		enum incident_kind kind;
		enum incident_state state;
		enum review review;
		bool acted;
	} rows[] = {
		{"Errors", "critical", KIND_AUTO, INC_RESOLVED, REVIEW_NONE, true},
		{"A rehearsal", "", KIND_DRILL, INC_RESOLVED, REVIEW_NONE, false},
		{"Memory", "warning", KIND_AUTO, INC_RESOLVED, REVIEW_NONE, false},
		{"Corruption", "P0", KIND_AUTO, INC_RESOLVED, REVIEW_DONE, true},
	};
	int r = 0;

	(void)arg;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(rows); i++) {
		CLEANUP(cleanup_free) char *sha = strdup(fixture_config(tx, "{\"plan\":1}"));
		struct incident inc = {.rollout = (char *)"shop",
		                       .playbook = (char *)"p",
		                       .severity = (char *)rows[i].severity,
		                       .summary = (char *)rows[i].summary,
		                       .kind = rows[i].kind,
		                       .state = rows[i].state,
		                       .config = sha,
		                       .opened_by = (char *)"alertmanager",
		                       .stage = 1,
		                       .pct_before = 1000,
		                       .pct_seen = -1,
		                       .review = rows[i].review,
		                       .reviewed_by = (char *)(rows[i].review ? "carol" : NULL),
		                       .started_at_us = rows[i].acted,
		                       .opened_at_us = (1760436000 + (int64_t)i * 3600) * 1000000};

		r = incident_insert(tx, &inc);
	}
	return r;
}

static void incidents_are_known_with_what_became_of_them(void **state)
{
	(void)state;
	is_known("incidents", NULL, "0 incidents, 0 rollbacks, 0 P0");
	assert_int_equal(in_tx(db, add_incidents, NULL), 0);
	is_known("incidents", NULL,
	         "3 incidents, 2 rollbacks, 1 P0; 4, 2025-10-14 13:00 UTC, Corruption: reviewed by carol; "
	         "3, 2025-10-14 12:00 UTC, Memory: nothing was rolled back; "
	         "1, 2025-10-14 10:00 UTC, Errors: rolled back");
}

/* --- the note of what is done without one --- */

static const char *const cost = "2025-10-14 10:00 UTC to 2025-10-28 10:00 UTC; calls better, 1 call against 1.5 calls";

static int read_notes(struct db_tx *tx, void *arg)
{
	struct checkmark_list ticks = {0};
	struct settled_list done = {0};
	int r = checkmark_of_run(db_tx_conn(tx), "shop", 1, &ticks);

	(void)arg;
	assert_int_equal(settled_of(db_tx_conn(tx), "shop", &done), 0);
	assert_int_equal(ticks.n, 4);
	for (size_t i = 0; i < ticks.n; i++)
		if (!strcmp(ticks.item[i].item, "Cost"))
			assert_string_equal(ticks.item[i].note, cost);
		else if (!strcmp(ticks.item[i].item, "Incidents"))
			assert_string_equal(ticks.item[i].note, "all read");
		else
			assert_null(ticks.item[i].note);
	assert_int_equal(done.n, 1);
	assert_string_equal(done.item[0].note, cost);
	checkmark_list_free(&ticks);
	settled_list_free(&done);
	return r;
}

static void what_is_known_is_the_note_of_what_is_done_without_one(void **state)
{
	(void)state;
	stands(1, 1000, 0, true);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "Cost", .comparison = comparison), 0);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "Incidents", .note = "all read"), 0);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "Logs read", .comparison = comparison), 0);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "Performance"), 0); /* nothing was compared: no note */
	assert_int_equal(act("alice", MOVE_DONE, .item = "Cost report", .comparison = comparison), 0);
	assert_int_equal(in_tx(db, read_notes, NULL), 0);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, fill_setup, fill_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_was_compared_is_known),
		TEST(incidents_are_known_with_what_became_of_them),
		TEST(what_is_known_is_the_note_of_what_is_done_without_one),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
