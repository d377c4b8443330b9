/* What takes back what people said: a changed plan, and evidence that turns bad. */
#include "tests/unit/plan_fixture.h"

#include "handlers/plan/reconcile.h"

/* One pass, as far as these two go; the note of the newest event of that word is in said. */
struct pass {
	int plan; /* 1: a run began */
	char said[600];
	struct approval_list approvals;
};

static int pass_run(struct db_tx *tx, void *arg)
{
	struct pass *pass = arg;
	const struct rollout *r = settings_rollout(settings, "shop");
	struct rollout_state st = {0};
	struct event_list events = {0};

	assert_int_equal(rollout_state_load(db_tx_conn(tx), r, db_tx_now(tx), NULL, &st), 0);
	struct evaluation ev = {
		.at_us = db_tx_now(tx), .stage = st.row.stage, .run = st.p.run, .results = &result, .n = 1, .seen = -1};
	struct reconcile l = {.tx = tx,
	                      .s = settings,
	                      .r = r,
	                      .ev = &ev,
	                      .st = &st,
	                      .stage = rollout_state_stage(&st, r),
	                      .now = db_tx_now(tx)};
	pass->plan = reconcile_plan(&l, &st.p);
	if (pass->plan == 0)
		assert_int_equal(progress_save(tx, &st.p), 0);
	assert_true(pass->plan >= 0);
	assert_int_equal(reconcile_approvals(&l), 0);
	assert_int_equal(event_find(db_tx_conn(tx), &(struct event_filter) {.rollout = "shop", .limit = 1}, &events),
	                 0);
	snprintf(pass->said, sizeof(pass->said), "%s", events.n && events.item[0].note ? events.item[0].note : "");
	event_list_free(&events);
	approval_list_free(&pass->approvals);
	assert_int_equal(approval_of_run(db_tx_conn(tx), "shop", st.p.run, &pass->approvals), 0);
	rollout_state_free(&st);
	return 0;
}

static struct pass pass;

static int look(void)
{
	assert_int_equal(in_tx(db, pass_run, &pass), 0);
	return pass.plan;
}

#define NAMED(name, max)                                                                                               \
	"{\"number\":1,\"name\":\"" name "\",\"percentage\":10,\"environment\":\"production\",\"duration\":172800,"    \
	"\"checklist\":\"canary\",\"approvals\":[\"lead\",\"owner\"],\"criteria\":[{\"name\":\"errors\",\"query\":"    \
	"\"e\",\"max\":" max ",\"unit\":\"\",\"over\":0,\"after\":0,\"min_samples\":0}]}"

static void a_word_begins_nothing_anew_and_a_bound_does(void **state)
{
	(void)state;
	load_settings(PLAN_SETTINGS(NAMED("Canary", "0.001"), CHECKLISTS));
	stands(1, 1000, DAY_US, true);
	assert_int_equal(look(), 0);
	load_settings(PLAN_SETTINGS(NAMED("First users", "0.001"), CHECKLISTS));
	assert_int_equal(look(), 0);
	assert_string_equal(pass.said, "name: Canary \u2192 First users");
	load_settings(PLAN_SETTINGS(NAMED("First users", "0.002"), CHECKLISTS));
	assert_int_equal(look(), 1);
	assert_string_equal(pass.said,
	                    "its plan was changed in the config (criterion \"errors\" max: 0.001 \u2192 0.002): "
	                    "clock, approvals and ticks begin anew");
	assert_int_equal(look(), 0); /* it is measured by that one from now on */
	assert_int_equal(look(), 0);
}

static void an_approval_is_void_when_a_criterion_turns_against_it(void **state)
{
	(void)state;
	stands(1, 1000, 2 * DAY_US, true);
	assert_int_equal(act("alice", MOVE_CHECK, .item = "Logs read"), 0);
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "lead"), 0);
	result.state = CRITERION_UNKNOWN;
	look();
	assert_int_equal(pass.approvals.item[0].void_at_us, 0); /* that nobody can tell is no verdict */
	result.state = CRITERION_FAILS;
	snprintf(result.why, sizeof(result.why), "fails: 0.02, at most 0.001");
	look();
	assert_string_equal(pass.said,
	                    "the approval of alice as lead counts no more: errors: fails: 0.02, at most 0.001");
	assert_true(pass.approvals.item[0].void_at_us > 0);
	result.state = CRITERION_HOLDS;
	look();
	assert_true(pass.approvals.item[0].void_at_us > 0); /* it does not come back by itself */
	assert_int_equal(act("bob", MOVE_APPROVE, .role = "owner"), 0);
	assert_int_equal(act("alice", MOVE_ADVANCE), -EPERM);
	says("approval of role lead for leaving stage 1: that of alice counts no more, since errors: fails: 0.02");
	assert_int_equal(act("alice", MOVE_APPROVE, .role = "lead"), 0);
	look();
	assert_int_equal(act("alice", MOVE_ADVANCE), 0);
}

#define TEST(fn) cmocka_unit_test_setup_teardown(fn, plan_setup, plan_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_word_begins_nothing_anew_and_a_bound_does),
		TEST(an_approval_is_void_when_a_criterion_turns_against_it),
	};
	int r = cmocka_run_group_tests(tests, NULL, NULL);

	approval_list_free(&pass.approvals);
	return r;
}
