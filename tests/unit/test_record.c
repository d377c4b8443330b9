/* What a round of verification leads to: fallbacks in their order and time, rolled back, what follows, and whether it
 * helped. */
#include "tests/unit/db_fixture.h"
#include "tests/unit/settings_fixture.h"

#include "db/event.h"
#include "db/rollout.h"
#include "handlers/engine/record.h"
#include "handlers/settings/snapshot.h"
#include "handlers/incident/open.h"

static const char config[] =
	"{\"global\":{\"external_url\":\"\",\"environment\":\"production\",\"timezone\":\"UTC\",\"prometheus\":{"
	"\"url\":\"http://p\",\"timeout\":3}},"
	" \"sla\":{\"detection\":1,\"decision\":2,\"execution\":3,\"verification\":4,\"total\":5,\"manual_decision\":6,"
	"\"manual_total\":7},"
	" \"limits\":{\"cooldown\":600,\"rollbacks_per_day\":3,\"quiet\":1800}, \"channels\":[],\"users\":[],"
	" \"rollouts\":[{\"name\":\"shop\",\"alerts\":[\"rollout=shop\"],\"title\":\"Shop\",\"dashboard_url\":\"\","
	"  \"apply\":[{\"name\":\"reload\",\"command\":[\"/bin/r\"],\"timeout\":30,\"idempotent\":true}],"
	"  \"fallback\":[{\"name\":\"restart\",\"command\":[\"/bin/a\"],\"timeout\":30,\"after\":60},"
	"    {\"name\":\"stop\",\"command\":[\"/bin/b\"],\"timeout\":30,\"after\":120}],"
	"  "
	"\"verify\":{\"delay\":1,\"every\":5,\"passes\":1,\"timeout\":300,\"checks\":[{\"command\":[\"/bin/"
	"ask\"],\"timeout\":10}],"
	"    "
	"\"effective\":{\"prometheus\":\"traffic\",\"max\":0.01},\"cured\":{\"prometheus\":\"symptom\",\"max\":0.001,"
	"\"timeout\":300}},"
	"  \"stages\":[]}],"
	" \"playbooks\":[{\"name\":\"corrupt\",\"match\":[\"action=x\"],\"severity\":\"P0\",\"rollback\":{\"to\":0,"
	"\"after\":0},"
	"  \"then\":[{\"name\":\"halt\",\"command\":[\"/bin/h\"],\"timeout\":30},"
	"    {\"name\":\"restore\",\"command\":[\"/bin/s\"],\"timeout\":30,\"needs\":\"approval\"}]}]}";

static struct settings *settings;
static struct db *db;
static int64_t id;
static int32_t wanted; /* of the incident that open_one() makes */

/* What the tests look at, read in the transaction of the change. */
static struct {
	int result;
	enum incident_state state;
	enum condition_status condition[CONDITION_N];
	int64_t next_probe_us;
	size_t n;
	struct {
		enum step_phase phase;
		enum step_state state;
		char name[20];
	} step[10];
} seen;

static int look(struct db_tx *tx)
{
	struct incident inc = {0};
	struct step_list l = {0};

	assert_int_equal(incident_load(db_tx_conn(tx), id, &inc), 0);
	assert_int_equal(step_of_incident(db_tx_conn(tx), id, &l), 0);
	seen.state = inc.state;
	seen.next_probe_us = inc.next_probe_us;
	for (int i = 0; i < CONDITION_N; i++)
		seen.condition[i] = inc.condition[i].state;
	seen.n = l.n;
	for (size_t i = 0; i < l.n && i < ARRAY_LEN(seen.step); i++) {
		seen.step[i].phase = l.item[i].phase;
		seen.step[i].state = l.item[i].state;
		snprintf(seen.step[i].name, sizeof(seen.step[i].name), "%s", l.item[i].name);
	}
	step_list_free(&l);
	incident_free(&inc);
	return 0;
}

/* An incident that verifies; arg: how long ago its apply steps ended. */
static int open_one(struct db_tx *tx, void *arg)
{
	char sha[CONFIG_SHA_SIZE];
	int64_t applied = db_tx_now(tx) - *(int64_t *)arg;
	struct incident inc = {.rollout = (char *)"shop",
	                       .playbook = (char *)"corrupt",
	                       .severity = (char *)"P0",
	                       .summary = (char *)"x",
	                       .kind = KIND_AUTO,
	                       .state = INC_VERIFYING,
	                       .config = sha,
	                       .opened_by = (char *)"alertmanager",
	                       .stage = 1,
	                       .pct_before = 1000,
	                       .pct_wanted = wanted,
	                       .pct_seen = -1,
	                       .opened_at_us = applied,
	                       .started_at_us = applied,
	                       .applied_at_us = applied,
	                       .verify_until_us = applied + 300 * US_PER_S};

	assert_int_equal(plan_put(tx, settings, &settings->rollouts[0], &settings->playbooks[0], sha), 0);
	assert_int_equal(incident_insert(tx, &inc), 0);
	id = inc.id;
	assert_int_equal(trigger_add_tail(tx, &inc, &settings->rollouts[0]), 0);
	return look(tx);
}

static int write_change(struct db_tx *tx, void *arg)
{
	struct change *ch = arg;
	struct incident inc = {0};

	assert_int_equal(incident_load(db_tx_conn(tx), id, &inc), 0);
	ch->incident_id = id;
	if (ch->kind == CHANGE_ROUND)
		ch->evidence_since_us = inc.evidence_since_us;
	incident_free(&inc);
	seen.result = change_write(tx, settings, ch);
	return look(tx);
}

static void change(struct change ch)
{
	assert_int_equal(in_tx(db, write_change, &ch), 0);
}

static void round_of(enum condition_status acknowledged, enum condition_status effective, enum condition_status cured)
{
	change((struct change) {.kind = CHANGE_ROUND,
	                        .written = STATUS_YES,
	                        .acknowledged = acknowledged,
	                        .effective = effective,
	                        .cured = cured,
	                        .seen = -1});
}

struct shift {
	enum step_phase phase;
	enum step_state to;
	int64_t applied_ago_us, rolled_back_ago_us;
	bool cure_is_late;
};

/* Sets what only time or the engine would. */
static int shift(struct db_tx *tx, void *arg)
{
	const struct shift *s = arg;
	struct incident inc = {0};
	struct step_list l = {0};

	assert_int_equal(incident_load(db_tx_conn(tx), id, &inc), 0);
	assert_int_equal(step_of_incident(db_tx_conn(tx), id, &l), 0);
	for (size_t i = 0; s->to && i < l.n; i++)
		if (l.item[i].phase == s->phase) {
			l.item[i].state = s->to;
			assert_int_equal(step_save(tx, &l.item[i]), 0);
		}
	if (s->applied_ago_us)
		inc.applied_at_us = db_tx_now(tx) - s->applied_ago_us;
	if (s->rolled_back_ago_us)
		inc.rolled_back_at_us = db_tx_now(tx) - s->rolled_back_ago_us;
	if (s->cure_is_late)
		inc.verify_until_us = db_tx_now(tx);
	assert_int_equal(incident_save(tx, &inc), 0);
	step_list_free(&l);
	incident_free(&inc);
	return look(tx);
}

static void verifying_since(int64_t ago_us)
{
	assert_int_equal(in_tx(db, open_one, &ago_us), 0);
}

static size_t in_phase(enum step_phase phase)
{
	size_t n = 0;

	for (size_t i = 0; i < seen.n; i++)
		n += seen.step[i].phase == phase;
	return n;
}

/* --- fallbacks --- */

static void a_fallback_waits_for_its_time_and_is_not_used_once_acknowledged(void **state)
{
	(void)state;
	verifying_since(50 * US_PER_S);
	round_of(STATUS_NO, STATUS_UNKNOWN, STATUS_UNKNOWN);
	assert_int_equal(in_phase(PHASE_FALLBACK), 0);
	in_tx(db, shift, &(struct shift) {.applied_ago_us = 200 * US_PER_S});
	round_of(STATUS_YES, STATUS_NO, STATUS_UNKNOWN); /* acknowledged, though traffic goes on */
	assert_int_equal(in_phase(PHASE_FALLBACK), 0);
	round_of(STATUS_UNKNOWN, STATUS_UNKNOWN, STATUS_UNKNOWN); /* nobody can tell: that is not acknowledged */
	assert_int_equal(in_phase(PHASE_FALLBACK), 1);
	assert_string_equal(seen.step[seen.n - 1].name, "restart");
}

static void fallbacks_are_used_in_order_one_at_a_time_and_once(void **state)
{
	(void)state;
	verifying_since(500 * US_PER_S);
	for (int i = 0; i < 3; i++)
		round_of(STATUS_NO, STATUS_UNKNOWN, STATUS_UNKNOWN);
	assert_int_equal(in_phase(PHASE_FALLBACK), 1); /* the first has not ended */
	in_tx(db, shift, &(struct shift) {.phase = PHASE_FALLBACK, .to = STEP_RUNNING});
	round_of(STATUS_NO, STATUS_UNKNOWN, STATUS_UNKNOWN);
	assert_int_equal(in_phase(PHASE_FALLBACK), 1);
	in_tx(db, shift, &(struct shift) {.phase = PHASE_FALLBACK, .to = STEP_FAILED});
	round_of(STATUS_NO, STATUS_UNKNOWN, STATUS_UNKNOWN);
	assert_int_equal(in_phase(PHASE_FALLBACK), 2);
	assert_string_equal(seen.step[seen.n - 1].name, "stop");
	in_tx(db, shift, &(struct shift) {.phase = PHASE_FALLBACK, .to = STEP_DONE});
	for (int i = 0; i < 3; i++)
		round_of(STATUS_NO, STATUS_UNKNOWN, STATUS_UNKNOWN);
	assert_int_equal(in_phase(PHASE_FALLBACK), 2);
}

static int apply_again(struct db_tx *tx, void *arg)
{
	struct incident inc = {0};

	(void)arg;
	assert_int_equal(incident_load(db_tx_conn(tx), id, &inc), 0);
	assert_int_equal(trigger_add_steps(tx, &inc), 0);
	incident_free(&inc);
	return look(tx);
}

static void a_fallback_armed_for_the_apply_before_is_skipped_and_keeps_its_turn(void **state)
{
	(void)state;
	verifying_since(500 * US_PER_S);
	round_of(STATUS_NO, STATUS_UNKNOWN, STATUS_UNKNOWN);
	in_tx(db, apply_again, NULL);
	for (size_t i = 0; i < seen.n; i++)
		if (seen.step[i].phase == PHASE_FALLBACK)
			assert_int_equal(seen.step[i].state, STEP_SKIPPED);
	round_of(STATUS_NO, STATUS_UNKNOWN, STATUS_UNKNOWN);
	assert_int_equal(in_phase(PHASE_FALLBACK), 2);
	assert_string_equal(seen.step[seen.n - 1].name, "restart");
	assert_int_equal(seen.step[seen.n - 1].state, STEP_TODO);
}

/* --- conditions --- */

/* Out of the next one's way. */
static void end_now(void)
{
	change((struct change) {.kind = CHANGE_EVENT, .event = EV_RESOLVE});
	if (seen.state != INC_RESOLVED) { /* verifying cannot be resolved */
		change((struct change) {.kind = CHANGE_EVENT, .event = EV_DEADLINE});
		change((struct change) {.kind = CHANGE_EVENT, .event = EV_RESOLVE});
	}
	assert_int_equal(seen.state, INC_RESOLVED);
}

static void rolled_back_needs_every_rung_that_is_asked_for(void **state)
{
	static const enum condition_status all[] = {STATUS_UNKNOWN, STATUS_YES, STATUS_NO};

	(void)state;
	for (size_t a = 0; a < ARRAY_LEN(all); a++)
		for (size_t e = 0; e < ARRAY_LEN(all); e++) {
			bool yes = all[a] == STATUS_YES && all[e] == STATUS_YES;

			verifying_since(US_PER_S);
			round_of(all[a], all[e], STATUS_NO); /* whether it helped is no condition */
			assert_int_equal(seen.state, yes ? INC_ROLLED_BACK : INC_VERIFYING);
			assert_int_equal(seen.condition[CONDITION_ACKNOWLEDGED], all[a]);
			assert_int_equal(seen.condition[CONDITION_EFFECTIVE], all[e]);
			end_now();
		}
}

static void above_zero_traffic_is_no_condition(void **state)
{
	(void)state;
	wanted = 500;
	verifying_since(US_PER_S);
	wanted = 0;
	round_of(STATUS_YES, STATUS_NO, STATUS_UNKNOWN);
	assert_int_equal(seen.state, INC_ROLLED_BACK);
	assert_int_equal(seen.condition[CONDITION_EFFECTIVE], STATUS_UNKNOWN);
}

static int write_late(struct db_tx *tx, void *arg)
{
	struct change *ch = arg;

	ch->incident_id = id;
	ch->evidence_since_us = db_tx_now(tx) - 3600 * US_PER_S;
	seen.result = change_write(tx, settings, ch);
	return look(tx);
}

static void a_round_that_asked_about_the_apply_before_counts_for_nothing(void **state)
{
	(void)state;
	verifying_since(US_PER_S);
	struct change late = {.kind = CHANGE_ROUND,
	                      .written = STATUS_YES,
	                      .acknowledged = STATUS_YES,
	                      .effective = STATUS_YES,
	                      .seen = -1};

	assert_int_equal(in_tx(db, write_late, &late), 0);
	assert_int_equal(seen.result, 0);
	assert_int_equal(seen.state, INC_VERIFYING);
	assert_int_equal(seen.condition[CONDITION_ACKNOWLEDGED], STATUS_UNKNOWN);
}

/* --- whether it helped --- */

static void the_cure_is_watched_until_it_is_there(void **state)
{
	(void)state;
	verifying_since(US_PER_S);
	round_of(STATUS_YES, STATUS_YES, STATUS_NO);
	assert_int_equal(seen.state, INC_ROLLED_BACK);
	assert_true(seen.next_probe_us != 0);
	round_of(STATUS_YES, STATUS_YES, STATUS_YES);
	assert_int_equal(seen.condition[CONDITION_CURED], STATUS_YES);
	assert_int_equal(seen.next_probe_us, 0);
	round_of(STATUS_YES, STATUS_YES, STATUS_NO); /* a round that was under way */
	assert_int_equal(seen.result, 0);
	assert_int_equal(seen.condition[CONDITION_CURED], STATUS_YES);
}

static void nothing_is_cured_before_it_is_effective(void **state)
{
	static const enum condition_status all[] = {STATUS_UNKNOWN, STATUS_YES, STATUS_NO};

	(void)state;
	for (size_t a = 0; a < ARRAY_LEN(all); a++)
		for (size_t e = 0; e < ARRAY_LEN(all); e++) {
			bool reached = all[a] == STATUS_YES && all[e] == STATUS_YES;

			verifying_since(US_PER_S);
			round_of(all[a], all[e], STATUS_YES);
			assert_int_equal(seen.condition[CONDITION_CURED], reached ? STATUS_YES : STATUS_UNKNOWN);
			end_now();
		}
	verifying_since(US_PER_S);
	round_of(STATUS_YES, STATUS_YES, STATUS_UNKNOWN);
	round_of(STATUS_NO, STATUS_YES, STATUS_YES); /* somebody raised it again meanwhile */
	assert_int_equal(seen.condition[CONDITION_CURED], STATUS_UNKNOWN);
}

static void a_symptom_that_was_there_is_gone_only_when_it_was_seen_gone(void **state)
{
	(void)state;
	verifying_since(US_PER_S);
	round_of(STATUS_YES, STATUS_YES, STATUS_NO);
	round_of(STATUS_YES, STATUS_YES, STATUS_UNKNOWN);
	assert_int_equal(seen.condition[CONDITION_CURED], STATUS_NO);
}

static int count_told(struct db_tx *tx, void *arg)
{
	struct event_list l = {0};
	int *n = arg;

	assert_int_equal(event_find(db_tx_conn(tx), &(struct event_filter) {.incident_id = id, .limit = 100}, &l), 0);
	*n = 0;
	for (size_t i = 0; i < l.n; i++)
		*n += !strcmp(l.item[i].what, "not cured");
	event_list_free(&l);
	return 0;
}

static void that_it_did_not_help_is_told_once_and_looking_goes_on(void **state)
{
	int told;

	(void)state;
	verifying_since(US_PER_S);
	round_of(STATUS_YES, STATUS_YES, STATUS_NO);
	in_tx(db, count_told, &told);
	assert_int_equal(told, 0);
	in_tx(db, shift, &(struct shift) {.rolled_back_ago_us = 301 * US_PER_S, .cure_is_late = true});
	for (int i = 0; i < 2; i++) {
		round_of(STATUS_YES, STATUS_YES, STATUS_NO);
		assert_int_equal(seen.condition[CONDITION_CURED], STATUS_NO);
		assert_true(seen.next_probe_us != 0);
		in_tx(db, count_told, &told);
		assert_int_equal(told, 1);
	}
	round_of(STATUS_YES, STATUS_YES, STATUS_YES);
	assert_int_equal(seen.condition[CONDITION_CURED], STATUS_YES);
	assert_int_equal(seen.next_probe_us, 0);
}

/* --- what did not last --- */

/* Everything was applied, and the deadline passed so long ago; arg: how long. */
static int fail_one(struct db_tx *tx, void *arg)
{
	struct incident inc = {0};
	struct step_list l = {0};

	assert_int_equal(incident_load(db_tx_conn(tx), id, &inc), 0);
	assert_int_equal(trigger_add_steps(tx, &inc), 0);
	assert_int_equal(step_of_incident(db_tx_conn(tx), id, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		if (l.item[i].phase == PHASE_APPLY) {
			l.item[i].state = STEP_DONE;
			assert_int_equal(step_save(tx, &l.item[i]), 0);
		}
	inc.state = INC_FAILED;
	inc.failed_at_us = inc.evidence_since_us = db_tx_now(tx) - *(int64_t *)arg;
	assert_int_equal(incident_save(tx, &inc), 0);
	step_list_free(&l);
	incident_free(&inc);
	return look(tx);
}

static void failed_since(int64_t ago_us)
{
	verifying_since(10 * US_PER_S); /* no fallback is due */
	assert_int_equal(in_tx(db, fail_one, &ago_us), 0);
}

static enum step_state apply_after(enum condition_status acknowledged, int32_t at)
{
	change((struct change) {.kind = CHANGE_ROUND, .written = STATUS_YES, .acknowledged = acknowledged, .seen = at});
	for (size_t i = 0; i < seen.n; i++)
		if (seen.step[i].phase == PHASE_APPLY)
			return seen.step[i].state;
	return 0;
}

static void what_did_not_last_is_applied_again(void **state)
{
	(void)state;
	failed_since(61 * US_PER_S);
	assert_int_equal(apply_after(STATUS_NO, 1000), STEP_TODO);
	assert_int_equal(seen.state, INC_FAILED);
	assert_int_equal(in_phase(PHASE_APPLY), 1); /* the same row */
}

static int attempts_of_apply(struct db_tx *tx, void *arg)
{
	struct step_list l = {0};

	assert_int_equal(step_of_incident(db_tx_conn(tx), id, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		if (l.item[i].phase == PHASE_APPLY) {
			l.item[i].attempts = *(int32_t *)arg;
			assert_int_equal(step_save(tx, &l.item[i]), 0);
		}
	step_list_free(&l);
	return 0;
}

static int end_it(struct db_tx *tx, void *arg)
{
	struct incident inc = {0};

	(void)arg;
	assert_int_equal(incident_load(db_tx_conn(tx), id, &inc), 0);
	inc.state = INC_RESOLVED; /* for the next one: a rollout has one that is open */
	assert_int_equal(incident_save(tx, &inc), 0);
	incident_free(&inc);
	return 0;
}

/* 0 raises nothing, but nobody reloads a service for ever because its monitoring is down. */
static void in_doubt_zero_is_applied_again_a_few_times(void **state)
{
	static const struct {
		int64_t ago_us;
		int32_t wanted, attempts;
		enum step_state state;
	} rows[] = {{3 * US_PER_S, 0, 1, STEP_DONE},
	            {10 * US_PER_S, 0, 1, STEP_TODO},
	            {10 * US_PER_S, 500, 1, STEP_DONE},
	            {3600 * US_PER_S, 0, 4, STEP_DONE}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int32_t before = wanted, attempts = rows[i].attempts;

		wanted = rows[i].wanted;
		failed_since(rows[i].ago_us);
		wanted = before;
		assert_int_equal(in_tx(db, attempts_of_apply, &attempts), 0);
		assert_int_equal(apply_after(STATUS_UNKNOWN, -1), rows[i].state);
		assert_int_equal(in_tx(db, end_it, NULL), 0);
	}
}

static void it_is_applied_again_once_a_minute(void **state)
{
	(void)state;
	failed_since(59 * US_PER_S);
	assert_int_equal(apply_after(STATUS_NO, 1000), STEP_DONE);
}

static void a_clock_that_was_set_back_does_not_delay_it(void **state)
{
	(void)state;
	failed_since(-3600 * US_PER_S);
	assert_int_equal(apply_after(STATUS_NO, 1000), STEP_TODO);
}

static int look_at_rollout(struct db_tx *tx, void *arg)
{
	struct rollout_row row = {0};

	assert_int_equal(rollout_load(db_tx_conn(tx), "shop", &row), 0);
	*(int32_t *)arg = row.pct_wanted;
	rollout_row_free(&row);
	return 0;
}

/* The engine decided so by the row as it was; a trigger to 0 %, which needs no question, came in between. */
static void what_was_lowered_to_zero_meanwhile_is_not_asked_about_after_a_start(void **state)
{
	(void)state;
	wanted = 0;
	verifying_since(US_PER_S);
	change((struct change) {.kind = CHANGE_EVENT, .event = EV_ASK});
	assert_int_equal(seen.result, 0);
	assert_int_equal(seen.state, INC_VERIFYING);
}

static void without_a_flags_file_the_target_is_what_is_watched_from_then_on(void **state)
{
	int32_t recorded = -1;

	(void)state;
	verifying_since(10 * US_PER_S);
	round_of(STATUS_YES, STATUS_YES, STATUS_UNKNOWN);
	assert_int_equal(seen.state, INC_ROLLED_BACK);
	assert_int_equal(in_tx(db, look_at_rollout, &recorded), 0);
	assert_int_equal(recorded, 0);
}

static int setup(void **state)
{
	char why[300] = "";

	if (settings_of(config, &settings, why, sizeof(why)) < 0) {
		print_error("%s\n", why);
		return -1;
	}
	if (scratch_make(state) < 0)
		return -1;
	db = fixture_start();
	return 0;
}

static int teardown(void **state)
{
	db_close(db);
	settings_unref(settings);
	return scratch_remove(state);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_did_not_last_is_applied_again),
		T(in_doubt_zero_is_applied_again_a_few_times),
		T(it_is_applied_again_once_a_minute),
		T(a_clock_that_was_set_back_does_not_delay_it),
		T(what_was_lowered_to_zero_meanwhile_is_not_asked_about_after_a_start),
		T(without_a_flags_file_the_target_is_what_is_watched_from_then_on),
		T(a_fallback_waits_for_its_time_and_is_not_used_once_acknowledged),
		T(fallbacks_are_used_in_order_one_at_a_time_and_once),
		T(a_fallback_armed_for_the_apply_before_is_skipped_and_keeps_its_turn),
		T(rolled_back_needs_every_rung_that_is_asked_for),
		T(above_zero_traffic_is_no_condition),
		T(a_round_that_asked_about_the_apply_before_counts_for_nothing),
		T(the_cure_is_watched_until_it_is_there),
		T(nothing_is_cured_before_it_is_effective),
		T(a_symptom_that_was_there_is_gone_only_when_it_was_seen_gone),
		T(that_it_did_not_help_is_told_once_and_looking_goes_on),
	};

	return cmocka_run_group_tests_name("record", tests, NULL, NULL);
}
