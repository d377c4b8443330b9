/* An incident that several triggers share: whose words, severity, percentages and clocks it has. */
#include "tests/unit/trigger_fixture.h"

#include "db/step.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/json.h"
#include "handlers/incident/report.h"
#include "handlers/incident/sla.h"
#include "handlers/incident/text.h"

/* The spans of the incident by their phase; 0: it has none. */
static void spans_of(const struct incident *inc, int64_t took_us[PHASE_N])
{
	struct sla_span s[PHASE_N];
	size_t n = sla_spans(inc, &settings->sla, s);

	memset(took_us, 0, PHASE_N * sizeof(*took_us));
	for (size_t i = 0; i < n; i++)
		took_us[s[i].phase] = s[i].took_us;
}

static bool is_about(int64_t took_us, int64_t wanted_us)
{
	return took_us >= wanted_us && took_us < wanted_us + 5 * S;
}

static size_t steps_named(struct db_conn *c, const char *name, const char *spec)
{
	struct step_list l = {0};
	size_t n = 0;

	assert_int_equal(step_of_incident(c, id, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		n += !strcmp(l.item[i].name, name) && strstr(l.item[i].spec, spec);
	step_list_free(&l);
	return n;
}

static void what_lowers_gives_the_incident_its_words_and_clocks(void **state)
{
	struct incident inc;
	int64_t took[PHASE_N];

	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = HOLD, .summary = "growth", .severity = "warning", .ago_us = 1000 * S});
	world_is(1000); /* somebody lowered it meanwhile */
	struct fired leak = fire((struct fired) {
		.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 30 * S, .began_us = 40 * S});
	is_rolled_back(29 * S, 20 * S);
	struct db_conn *c = reader();
	inc = load(c);
	assert_string_equal(inc.summary, "leak");
	assert_string_equal(inc.severity, "critical");
	assert_int_equal(inc.pct_before, 1000);
	assert_int_equal(inc.pct_wanted, 0);
	assert_int_equal(inc.decided_alert, leak.alert);
	spans_of(&inc, took);
	assert_true(is_about(took[PHASE_DETECTION], 40 * S));
	assert_true(is_about(took[PHASE_DECISION], 1 * S));
	assert_true(is_about(took[PHASE_EXECUTION], 9 * S));
	assert_true(is_about(took[PHASE_VERIFICATION], 20 * S));
	assert_true(is_about(took[PHASE_TOTAL], 70 * S));
	assert_int_equal(told(c, "rollback_started", "Trigger: leak\\n"), 1);
	assert_int_equal(told(c, "rolled_back", "Measured: value leak\\n"), 1);
	assert_int_equal(told(c, "rolled_back", "MISSED"), 0);
	incident_free(&inc);
}

static void a_p0_that_joins_makes_it_one_and_is_told(void **state)
{
	struct incident inc;

	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 30 * S});
	is_rolled_back(29 * S, 20 * S);
	fire((struct fired) {.playbook = CORRUPT, .summary = "corruption", .severity = "P0"});
	struct db_conn *c = reader();
	inc = load(c);
	assert_string_equal(inc.severity, "P0");
	assert_string_equal(inc.summary, "leak"); /* that lowered it */
	assert_int_equal(inc.pct_before, 2500);
	assert_int_equal(told(c, "escalated", "P0"), 1);
	assert_int_equal(told(c, "escalated", "corruption"), 1);
	incident_free(&inc);
	fire((struct fired) {.playbook = LEAK, .summary = "leak again", .severity = "critical"});
	c = reader();
	inc = load(c);
	assert_string_equal(inc.severity, "P0"); /* a P0 stays one */
	assert_int_equal(told(c, "escalated", ""), 1);
	incident_free(&inc);
}

static void what_follows_is_done_for_each_playbook_once(void **state)
{
	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = LEAK, .summary = "leak", .severity = "critical"});
	fire((struct fired) {.playbook = LEAK, .summary = "leak 2", .severity = "critical"});
	fire((struct fired) {.playbook = CORRUPT, .summary = "corruption", .severity = "P0"});
	fire((struct fired) {.playbook = CORRUPT, .summary = "corruption 2", .severity = "P0"});
	struct db_conn *c = reader();
	assert_int_equal(steps_named(c, "heap", "/bin/heap"), 1);
	assert_int_equal(steps_named(c, "halt", "/bin/halt"), 1);
}

static void before_each_trigger_that_decides_the_metrics_are_preserved(void **state)
{
	struct incident inc;
	char spec[60];

	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = HOLD, .summary = "growth", .severity = "warning", .ago_us = 1000 * S});
	assert_int_equal(steps_named(reader(), "preserve metrics", ""), 1);
	assert_int_equal(steps_named(reader(), "metrics afterwards", ""), 0); /* nothing was changed */
	fire((struct fired) {.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 30 * S});
	fire((struct fired) {.playbook = CORRUPT, .summary = "corruption", .severity = "P0"});
	inc = load(reader());
	snprintf(spec, sizeof(spec), "\"decided\":%lld", (long long)inc.decided_at_us);
	assert_int_equal(steps_named(reader(), "preserve metrics", ""), 2);
	assert_int_equal(steps_named(reader(), "preserve metrics", spec), 1);
	assert_int_equal(steps_named(reader(), "metrics afterwards", spec), 1);
	incident_free(&inc);
}

static int put_both(struct db_tx *tx, void *arg)
{
	const struct incident *inc = arg;
	long long held_s = (long long)(inc->opened_at_us / S), leak_s = (long long)(inc->decided_at_us / S);
	char series[2][120];

	snprintf(series[0], sizeof(series[0]), "[{\"labels\":{},\"points\":[[%lld,0.25]]}]", held_s - 60);
	snprintf(series[1], sizeof(series[1]), "[{\"labels\":{},\"points\":[[%lld,0.5]]}]", leak_s - 60);
	int r = snapshot_put(tx, id, 0, "errors", "ratio", series[0], NULL);
	return r < 0 ? r : snapshot_put(tx, id, inc->decided_at_us, "errors", "ratio", series[1], NULL);
}

static void both_are_shown_each_beside_its_trigger(void **state)
{
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	CLEANUP(buf_free) struct buf report = BUF(INCIDENT_REPORT_MAX);
	struct json_object *snap = NULL, *earlier = NULL, *series = NULL;
	struct incident inc;

	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = HOLD, .summary = "growth", .severity = "warning", .ago_us = 1000 * S});
	fire((struct fired) {.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 30 * S});
	struct db_conn *c = reader();
	inc = load(c);
	assert_int_equal(in_tx(db, put_both, &inc), 0);
	assert_int_equal(incident_json(c, &inc, PART_ALL, &o), 0);
	assert_int_equal(json_get_obj(o, "snapshot", &snap), 1);
	assert_int_equal(json_get_obj(snap, "series", &series), 1);
	assert_non_null(strstr(json_text(series), "0.5"));
	assert_null(strstr(json_text(series), "0.25"));
	assert_int_equal(json_get_arr(snap, "earlier", &earlier), 1);
	assert_int_equal(json_object_array_length(earlier), 1);
	assert_non_null(strstr(json_text(earlier), "0.25"));
	assert_int_equal(incident_report(c, &inc, &report), 0);
	assert_non_null(strstr(buf_text(&report), "| errors | 50% | no data | no data |"));
	assert_non_null(strstr(buf_text(&report), "| errors | 25% |"));
	incident_free(&inc);
}

static void a_deferred_decision_counts_from_when_it_is_due(void **state)
{
	struct incident inc;
	int64_t took[PHASE_N];

	(void)state;
	world_is(2500);
	fire((struct fired) {
		.playbook = SLOW, .summary = "slow", .severity = "P1", .ago_us = 3620 * S, .began_us = 50 * S});
	inc = load(reader());
	inc.due_at_us = inc.opened_at_us + 3600 * S;
	inc.started_at_us = inc.due_at_us + 2 * S;
	inc.applied_at_us = inc.due_at_us + 3 * S;
	inc.rolled_back_at_us = inc.due_at_us + 10 * S;
	spans_of(&inc, took);
	assert_int_equal(took[PHASE_DETECTION], 50 * S);
	assert_int_equal(took[PHASE_DECISION], 2 * S);
	assert_int_equal(took[PHASE_EXECUTION], 1 * S);
	assert_int_equal(took[PHASE_VERIFICATION], 7 * S);
	assert_int_equal(took[PHASE_TOTAL], 60 * S); /* the sum of its parts */
	incident_free(&inc);
}

static void what_makes_a_pending_one_act_now_decides_it(void **state)
{
	struct incident inc;
	int64_t took[PHASE_N];

	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = SLOW, .summary = "slow", .severity = "P1", .ago_us = 500 * S});
	fire((struct fired) {
		.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 10 * S, .began_us = S});
	is_rolled_back(9 * S, 8 * S);
	inc = load(reader());
	assert_string_equal(inc.summary, "leak");
	spans_of(&inc, took);
	assert_true(is_about(took[PHASE_DECISION], 1 * S));
	assert_true(is_about(took[PHASE_TOTAL], 11 * S));
	incident_free(&inc);
}

static void what_lowers_once_more_counts_from_its_own_trigger(void **state)
{
	struct incident inc;
	int64_t took[PHASE_N];
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), "%s", scratch_path("flags.env"));
	settings->rollouts[0].flags_file = path;
	settings->rollouts[0].flags_key = "PCT";
	flags_are("PCT=25\n");
	fire((struct fired) {.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 5000 * S});
	pass((struct pass) {.event = EV_APPLIED});
	pass((struct pass) {.event = EV_SEEN});
	flags_are("PCT=50\n"); /* somebody raises it again, and it fires again */
	fire((struct fired) {.playbook = LEAK, .summary = "leak 2", .severity = "critical", .ago_us = 20 * S});
	pass((struct pass) {.event = EV_APPLIED, .applied_ago_us = 10 * S});
	pass((struct pass) {.event = EV_SEEN});
	inc = load(reader());
	assert_string_equal(inc.summary, "leak 2");
	assert_int_equal(inc.pct_before, 5000);
	spans_of(&inc, took);
	assert_true(is_about(took[PHASE_TOTAL], 20 * S));
	incident_free(&inc);
}

static void a_person_who_decides_is_named_so(void **state)
{
	struct incident inc;
	struct sla_span s[PHASE_N];

	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = HOLD, .summary = "growth", .severity = "warning", .ago_us = 1000 * S});
	inc = load(reader());
	assert_string_equal(message_title(&inc), "Held");
	incident_free(&inc);
	fire((struct fired) {.person = "alice", .summary = "looks bad", .severity = "", .ago_us = 100 * S});
	is_rolled_back(99 * S, 98 * S);
	inc = load(reader());
	assert_string_equal(message_title(&inc), "Manual Rollback");
	assert_string_equal(inc.severity, "warning"); /* a person names none */
	assert_int_equal(sla_spans(&inc, &settings->sla, s), 4);
	assert_int_equal(s[0].budget_us, 900 * S);
	incident_free(&inc);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_lowers_gives_the_incident_its_words_and_clocks),
		T(a_p0_that_joins_makes_it_one_and_is_told),
		T(what_follows_is_done_for_each_playbook_once),
		T(before_each_trigger_that_decides_the_metrics_are_preserved),
		T(both_are_shown_each_beside_its_trigger),
		T(a_deferred_decision_counts_from_when_it_is_due),
		T(what_makes_a_pending_one_act_now_decides_it),
		T(what_lowers_once_more_counts_from_its_own_trigger),
		T(a_person_who_decides_is_named_so),
	};

	return cmocka_run_group_tests_name("trigger", tests, NULL, NULL);
}
