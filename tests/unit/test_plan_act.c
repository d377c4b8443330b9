/* What people and programs do to a plan, and what is refused. */
#include "tests/unit/plan_fixture.h"

#include "handlers/incident/text.h"

/* --- saying where it stands --- */

static void a_stage_of_another_environment_is_set_at_0_only(void **state)
{
	(void)state;
	stands(3, 10000, 0, true);
	assert_int_equal(act("alice", MOVE_SET, .stage = 0), -EPERM);
	says("stage 0 is of environment staging, and it is at 100% here: its triggers would not roll it back");
	says("rollbackctl stage set shop 3");
	says("rollbackctl rollback shop");
	assert_int_equal(act("alice", MOVE_SET, .stage = 0, .force = true, .note = "anyway"), -EPERM);
	stands(3, 700, 0, false);
	assert_int_equal(act("alice", MOVE_SET, .stage = 0), -EPERM);
	says("it is at 7% here");
	stands(3, -1, 0, false);
	assert_int_equal(act("alice", MOVE_SET, .stage = 0), -EPERM);
	says("is not certain");
	stands(3, 0, 0, false);
	assert_int_equal(act("alice", MOVE_SET, .stage = 0), 0);
}

static int guarded(struct db_tx *tx, void *arg)
{
	const struct rollout *r = settings_rollout(settings, "shop");
	struct rollout_state st = {0};

	assert_int_equal(rollout_state_load(db_tx_conn(tx), r, db_tx_now(tx), NULL, &st), 0);
	*(int32_t *)arg = rollout_state_guarded_stage(settings, r, &st);
	rollout_state_free(&st);
	return 0;
}

/* However it came there: by a config, by the flags file, by a database of before. */
static void rules_never_see_a_stage_elsewhere_with_traffic_here(void **state)
{
	const struct {
		int32_t stage, pct, expected;
	} cases[] = {{0, 0, 0}, {0, 100, -1}, {0, -1, -1}, {1, 1000, 1}, {1, 0, 1}, {-1, 500, -1}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int32_t stage = 99;

		stands(cases[i].stage, cases[i].pct, 0, false);
		assert_int_equal(in_tx(db, guarded, &stage), 0);
		assert_int_equal(stage, cases[i].expected);
	}
}

/* --- approvals --- */

static struct approval_list approvals;

static int load_approvals(struct db_tx *tx, void *arg)
{
	(void)arg;
	approval_list_free(&approvals);
	return approval_of_run(db_tx_conn(tx), "shop", 1, &approvals);
}

static void nobody_approves_what_does_not_hold(void **state)
{
	(void)state;
	stands(1, 1000, DAY_US, true);
	result.state = CRITERION_FAILS;
	snprintf(result.why, sizeof(result.why), "fails: 0.02, at most 0.001");
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "lead"), -EPERM);
	says("not approved, 3 things are missing: errors: fails: 0.02, at most 0.001");
	assert_string_equal(missing_words(), "criterion clock checklist");
	result.state = CRITERION_UNKNOWN;
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "lead"), -EPERM);
	result.state = CRITERION_HOLDS;
	assert_int_equal(act("alice", MOVE_CHECK, .item = "Logs read"), 0);
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "lead"), -EPERM);
	assert_string_equal(missing_words(), "clock");
	assert_int_equal(in_tx(db, load_approvals, NULL), 0);
	assert_int_equal(approvals.n, 0);
}

static void ready_to_be_approved(void)
{
	stands(1, 1000, 2 * DAY_US, true);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "Logs read"), 0);
}

static void what_was_shown_is_kept_with_its_hash(void **state)
{
	char sha[65];

	(void)state;
	ready_to_be_approved();
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "lead", .note = "looks good"), 0);
	assert_int_equal(in_tx(db, load_approvals, NULL), 0);
	assert_int_equal(approvals.n, 1);
	const struct approval *a = &approvals.item[0];
	text_sha256(a->evidence, strlen(a->evidence), sha);
	assert_string_equal(a->evidence_sha, sha);
	CLEANUP(json_cleanup) struct json_object *shown = json_tokener_parse(a->evidence);
	struct json_object *criterion = json_item(json_arr_of(shown, "criteria"), 0);
	assert_string_equal(json_str_or(criterion, "name", ""), "errors");
	assert_true(json_double_or(criterion, "value", 0) == 0.0005);
	assert_string_equal(json_str_or(json_item(json_arr_of(shown, "checklist"), 0), "person", ""), "alice");
	approval_list_free(&approvals);
}

static void each_role_is_another_persons(void **state)
{
	(void)state;
	ready_to_be_approved();
	assert_int_equal(act("bob", MOVE_APPROVE, .role = "lead"), 0);
	assert_int_equal(act("bob", MOVE_APPROVE, .role = "owner"), -EPERM);
	says("one person cannot fill two roles");
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "lead"), -EPERM);
	says("bob approved as lead already");
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "owner"), -EACCES);
	assert_int_equal(act("alice", MOVE_ADVANCE), -EPERM);
	assert_string_equal(missing_words(), "approval");
}

/* --- ticks --- */

static void an_item_is_found_by_what_only_it_begins_with(void **state)
{
	(void)state;
	stands(0, 0, 0, false);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "ALL REV"), 0);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "all"), -ENOENT);
	says("checklist pre has several items that begin with \"all\": 1 All unit tests passing; 2 All reviewed");
	assert_int_equal(act("alice", MOVE_CHECK, .item = "nothing"), -ENOENT);
	says("checklist pre has no item \"nothing\": 1 All unit tests passing; 2 All reviewed");
	assert_int_equal(act("alice", MOVE_CHECK, .item = "1"), 0);
}

static void what_ci_finds_ticks_the_item_that_names_it(void **state)
{
	(void)state;
	stands(0, 0, 0, false);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "all reviewed"), 0);
	assert_int_equal(act("ci", MOVE_EVIDENCE, .name = "unit", .verdict = "maybe"), -EINVAL);
	assert_int_equal(act("ci", MOVE_EVIDENCE, .name = "load", .verdict = "pass"), -ENOENT);
	says("no item of a checklist names the evidence \"load\"; they name: unit");
	assert_int_equal(act("ci", MOVE_EVIDENCE, .name = "unit", .verdict = "fail", .link = "https://ci/7"), 0);
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "lead"), -EPERM);
	says("checklist pre: \"All unit tests passing\" failed: https://ci/7");
	assert_int_equal(act("alice", MOVE_CHECK, .item = "all unit"), -EPERM); /* a person does not overrule it */
	says("only a new verdict ticks it");
	assert_int_equal(act("ci", MOVE_EVIDENCE, .name = "unit", .verdict = "pass", .sha = "abc"), 0);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "all unit"), -EPERM); /* nor hide what it found */
	says("ci ticked \"All unit tests passing\" already, by evidence");
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "lead"), 0);
	assert_int_equal(act("ci", MOVE_EVIDENCE, .name = "unit", .verdict = "pass", .expires_us = 1), 0);
	assert_int_equal(act("alice", MOVE_ADVANCE), -EPERM);
	says("\"All unit tests passing\" is expired");
}

/* --- forcing, and straight up again --- */

static void above_50_it_takes_two_to_force(void **state)
{
	(void)state;
	stands(2, 5000, 0, true);
	assert_int_equal(act("alice", MOVE_HOLD, .note = "a demo"), 0);
	assert_int_equal(act("alice", MOVE_ADVANCE, .force = true, .note = "now"), 0);
	assert_int_equal(outcome.incident, 0);
	assert_non_null(
		strstr(outcome.waits, "alice wants stage 3, 100%, forced: now. Above 50% it takes a second person"));
	assert_int_equal(act("alice", MOVE_ADVANCE, .force = true, .note = "now"), 0); /* the same person */
	assert_int_equal(outcome.incident, 0);
	assert_int_equal(act("bob", MOVE_ADVANCE, .force = true, .note = "yes"), 0);
	assert_true(outcome.incident > 0 && !outcome.waits[0]);
}

static void up_to_50_one_is_enough(void **state)
{
	(void)state;
	stands(1, 1000, 0, true);
	assert_int_equal(act("alice", MOVE_ADVANCE, .force = true, .note = "now"), 0);
	assert_true(outcome.incident > 0 && !outcome.waits[0]);
}

static void setting_a_stage_is_no_way_around_the_second_person(void **state)
{
	(void)state;
	stands(1, 1000, 0, true);
	assert_int_equal(act("alice", MOVE_SET, .stage = 3, .force = true, .note = "now"), 0);
	assert_non_null(strstr(outcome.waits, "it takes a second person"));
	assert_int_equal(act("alice", MOVE_SET, .stage = 1), 0); /* it stayed where it was */
}

static int announce_entering(struct db_tx *tx, void *arg)
{
	struct incident inc = {0};
	int r = incident_load(db_tx_conn(tx), outcome.incident, &inc);

	if (r == 0)
		r = message_stage(arg, &inc, NULL, 0);
	incident_free(&inc);
	return r;
}

/* The announcement of the stage that is being entered. */
static void says_of_it(const char *words)
{
	CLEANUP(buf_free) struct buf b = BUF(MESSAGE_MAX);

	assert_int_equal(in_tx(db, announce_entering, &b), 0);
	if (!strstr(buf_text(&b), words))
		fail_msg("not in it: %s\n%s", words, buf_text(&b));
}

static void straight_up_again_needs_a_reason(void **state)
{
	(void)state;
	stands(3, 0, 0, false); /* rolled back */
	assert_int_equal(act("alice", MOVE_ADVANCE), -EPERM);
	says("it would go from 0% to 100% at once: begin lower (rollbackctl stage set shop 1), or say why not");
	assert_string_equal(missing_words(), "reason");
	assert_int_equal(act("alice", MOVE_ADVANCE, .note = "the alert was wrong"), 0);
	says_of_it("\n- Reason given by alice: the alert was wrong\n");
}

static void what_is_forced_says_so_and_what_it_passed_over(void **state)
{
	(void)state;
	stands(2, 0, 0, false); /* rolled back, and somebody holds it */
	assert_int_equal(act("bob", MOVE_HOLD, .note = "the market is open"), 0);
	assert_int_equal(act("alice", MOVE_ADVANCE, .force = true, .note = "now"), 0);
	says_of_it("\n- Forced by alice: now (passed over: held by bob: the market is open;");
}

static void from_the_lowest_stage_there_is_nothing_to_pass_over(void **state)
{
	(void)state;
	stands(1, 0, 0, false);
	assert_int_equal(act("alice", MOVE_ADVANCE), 0);
}

/* --- what is done once --- */

#define REMOVAL                                                                                                        \
	",\"milestones\":[{\"after_stage\":3,\"in\":0,\"text\":\"Cost report\"},{\"after_stage\":3,\"in\":0,"          \
	"\"text\":\"Remove legacy code\",\"approvals\":[\"owner\"]}]"

static int entered_full(struct db_tx *tx, void *arg)
{
	(void)arg;
	return meta_set(tx, "entered:shop:3", db_tx_now(tx) - DAY_US);
}

static void legacy_is_removed_after_two_stable_weeks_and_an_approval(void **state)
{
	(void)state;
	load_settings(PLAN_SETTINGS(STAGE_1 "," STAGE_3, REMOVAL CHECKLISTS));
	stands(3, 10000, 13 * DAY_US, true);
	assert_int_equal(in_tx(db, entered_full, NULL), 0);
	assert_int_equal(act("alice", MOVE_CERTIFY), -EPERM);
	says("24 hours of clean time left: 13 days of 14 days");
	assert_int_equal(act("bob", MOVE_APPROVE, .role = "owner", .milestone = "remove"), -EPERM);
	says("stage 3 has not been called stable yet: after 14 days of clean time, rollbackctl stage certify shop");
	assert_int_equal(act("alice", MOVE_DONE, .item = "remove"), -EPERM);
	assert_int_equal(act("alice", MOVE_DONE, .item = "cost", .note = "cheaper by a third"), 0);
	assert_int_equal(act("alice", MOVE_DONE, .item = "Cost report"), -EPERM);
	says("alice did \"Cost report\" already");

	stands(3, 10000, 14 * DAY_US, true);
	assert_int_equal(act("alice", MOVE_CERTIFY), 0);
	assert_int_equal(act("alice", MOVE_DONE, .item = "remove"), -EPERM);
	says("approval of role owner for \"Remove legacy code\" is missing");
	assert_int_equal(act("bob", MOVE_APPROVE, .role = "owner", .milestone = "remove"), 0);
	assert_int_equal(act("alice", MOVE_DONE, .item = "remove"), 0);
}

static void what_blocks_it_and_the_review_come_first(void **state)
{
	(void)state;
	load_settings(
		PLAN_SETTINGS(STAGE_0 "," STAGE_1,
	                      ",\"blocked_by\":[{\"text\":\"LanceDB resolution\"}],\"review_before\":1" CHECKLISTS));
	stands(0, 0, 0, false);
	assert_int_equal(act("alice", MOVE_ADVANCE), -EPERM);
	assert_string_equal(missing_words(), "blocked plan_review approval checklist checklist");
	says("blocked by: LanceDB resolution");
	assert_int_equal(act("alice", MOVE_DONE, .item = "lance", .note = "0.9 is out"), 0);
	assert_int_equal(act("alice", MOVE_DONE, .item = "review"), 0);
	assert_int_equal(act("alice", MOVE_ADVANCE), -EPERM);
	assert_string_equal(missing_words(), "approval checklist checklist");
}

static void nobody_unknown_vouches_for_anything(void **state)
{
	static const enum plan_move moves[] = {MOVE_APPROVE, MOVE_CHECK, MOVE_CERTIFY, MOVE_EVIDENCE, MOVE_DONE};

	(void)state;
	stands(1, 1000, 2 * DAY_US, true);
	for (size_t i = 0; i < ARRAY_LEN(moves); i++) {
		assert_int_equal(act_as(&(struct plan_request) {.move = moves[i],
		                                                .rollout = "shop",
		                                                .who = {"local", false},
		                                                .role = "lead",
		                                                .item = "1",
		                                                .name = "unit",
		                                                .verdict = "pass"}),
		                 -EACCES);
		says("who you are");
	}
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, plan_setup, plan_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_stage_of_another_environment_is_set_at_0_only),
		TEST(rules_never_see_a_stage_elsewhere_with_traffic_here),
		TEST(nobody_approves_what_does_not_hold),
		TEST(what_was_shown_is_kept_with_its_hash),
		TEST(each_role_is_another_persons),
		TEST(an_item_is_found_by_what_only_it_begins_with),
		TEST(what_ci_finds_ticks_the_item_that_names_it),
		TEST(above_50_it_takes_two_to_force),
		TEST(up_to_50_one_is_enough),
		TEST(setting_a_stage_is_no_way_around_the_second_person),
		TEST(straight_up_again_needs_a_reason),
		TEST(what_is_forced_says_so_and_what_it_passed_over),
		TEST(from_the_lowest_stage_there_is_nothing_to_pass_over),
		TEST(legacy_is_removed_after_two_stable_weeks_and_an_approval),
		TEST(what_blocks_it_and_the_review_come_first),
		TEST(nobody_unknown_vouches_for_anything),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
