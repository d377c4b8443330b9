/* Could the old way take the traffic: what its checks say, and whom it is told. */
#include "db_fixture.h"
#include <math.h>
#include "db/event.h"
#include "db/outbox.h"
#include "handlers/gates/gate.h"
#include "handlers/readiness/fallback_probe.h"
#include "handlers/readiness/fallback_watch.h"
#include "server/core/loop.h"
#include "tests/unit/fake_http.h"
#include "tests/unit/settings_fixture.h"

#define LIMIT_US        (20 * US_PER_S)
#define VECTOR(samples) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" samples "]}}"
#define SAMPLE(value)   "{\"metric\":{\"instance\":\"a\"},\"value\":[1760436000,\"" value "\"]}"

static struct loop *loop;
static char prometheus[64], url[100];
static struct prometheus_options options;
static struct fallback_check checks[4];
static struct rollout rollout;
static struct probe_result answers[4];
static size_t n_answers;

static int setup(void **state)
{
	options = (struct prometheus_options) {fake_url(prometheus, sizeof(prometheus), ""), US_PER_S, NULL};
	rollout = (struct rollout) {.name = "shop", .title = "Shop", .probes = checks};
	n_answers = 0;
	fake_answers(NULL, 0);
	return loop_new(&loop) < 0 ? -1 : scratch_make(state);
}

static int teardown(void **state)
{
	loop_free(loop);
	return scratch_remove(state);
}

static void add(struct fallback_check c)
{
	c.name = c.name ? c.name : "check";
	c.check.timeout_us = c.check.timeout_us ? c.check.timeout_us : 5 * US_PER_S;
	checks[rollout.n_probes++] = c;
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void on_results(void *arg, const struct probe_result *results, size_t n)
{
	(void)arg;
	n_answers = n;
	memcpy(answers, results, n * sizeof(*results));
	loop_stop(loop);
}

static enum condition_status probe(char why[400])
{
	struct loop_timer *limit = loop_timer_at(loop, clock_mono_us() + LIMIT_US, stop, NULL);
	struct fallback_probe *p;

	assert_int_equal(fallback_probe_start(loop, &options, &rollout, on_results, NULL, &p), 0);
	assert_int_equal(n_answers, 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_cancel(loop, limit);
	assert_int_equal(n_answers, rollout.n_probes);
	return fallback_probe_all(&rollout, answers, n_answers, why, 400);
}

static void all_kinds_of_checks_are_asked(void **state)
{
	static const struct fake_answer replies[] = {
		{"/api/v1/query?query=capacity", 200, VECTOR(SAMPLE("0.9") "," SAMPLE("0.8"))},
		{"/probe", 200, "{\"seconds\": 0.25}"},
	};
	const char *argv[] = {"/bin/true", NULL};
	char why[400];

	(void)state;
	fake_answers(replies, 2);
	add((struct fallback_check) {
		.check = {.kind = CHECK_PROMETHEUS, .query = "capacity"}, .min = 0.75, .has_min = true});
	add((struct fallback_check) {.check = {.kind = CHECK_HTTP, .url = fake_url(url, sizeof(url), "/probe")}});
	add((struct fallback_check) {
		.check = {.kind = CHECK_HTTP, .url = url, .pointer = "/seconds"}, .max = 1, .has_max = true});
	add((struct fallback_check) {.check = {.kind = CHECK_COMMAND, .argv = argv}});
	assert_int_equal(probe(why), STATUS_YES);
	assert_string_equal(why, "");
	assert_true(answers[0].value == 0.8 && answers[2].value == 0.25 && isnan(answers[1].value));
	assert_string_equal(answers[0].why, "0.8, at least 0.75");
	assert_string_equal(answers[1].why, "answered 200");
}

static void one_no_outweighs_what_is_unknown(void **state)
{
	static const struct fake_answer replies[] = {
		{"/api/v1/query?query=capacity", 200, VECTOR("")},
		{"/probe", 503, "down"},
	};
	char why[400];

	(void)state;
	fake_answers(replies, 2);
	add((struct fallback_check) {.check = {.kind = CHECK_PROMETHEUS, .query = "capacity"},
	                             .min = 0.75,
	                             .has_min = true,
	                             .name = "capacity"});
	assert_int_equal(probe(why), STATUS_UNKNOWN);
	assert_string_equal(why, "capacity: no data");
	n_answers = 0;
	add((struct fallback_check) {.check = {.kind = CHECK_HTTP, .url = fake_url(url, sizeof(url), "/probe")},
	                             .name = "reachable"});
	assert_int_equal(probe(why), STATUS_NO);
	assert_string_equal(why, "reachable: answered 503: down");
}

/* One that never answers has its time limit, and is a no: a rollback would wait as long. */
static void every_check_has_its_time_limit(void **state)
{
	static const struct fake_answer replies[] = {{"/probe", 0, ""}};
	const char *argv[] = {"/bin/sleep", "60", NULL};
	char why[400];

	(void)state;
	fake_answers(replies, 1);
	add((struct fallback_check) {.check = {.kind = CHECK_HTTP,
	                                       .url = fake_url(url, sizeof(url), "/probe"),
	                                       .timeout_us = US_PER_S / 10}});
	add((struct fallback_check) {.check = {.kind = CHECK_COMMAND, .argv = argv, .timeout_us = US_PER_S / 10}});
	assert_int_equal(probe(why), STATUS_NO);
	assert_string_equal(answers[0].why, "no answer within 100ms");
	assert_string_equal(answers[1].why, "no answer within 100ms");
}

static void a_value_outside_its_bounds_is_a_no_and_one_that_is_no_number_unknown(void **state)
{
	static const struct fake_answer replies[] = {
		{"/slow", 200, "{\"seconds\": 1.5}"}, {"/odd", 200, "{\"seconds\": \"soon\"}"}, {"/text", 200, "fine"}};
	static const struct {
		const char *path;
		enum condition_status state;
		const char *why;
	} rows[] = {
		{"/slow", STATUS_NO, "1.5, at most 1"},
		{"/odd", STATUS_UNKNOWN, "the answer is no number"},
		{"/text", STATUS_UNKNOWN, "the answer is no JSON"},
	};
	char why[400];

	(void)state;
	fake_answers(replies, 3);
	for (size_t i = 0; i < 3; i++) {
		rollout.n_probes = n_answers = 0;
		add((struct fallback_check) {.check = {.kind = CHECK_HTTP,
		                                       .url = fake_url(url, sizeof(url), rows[i].path),
		                                       .pointer = "/seconds"},
		                             .max = 1,
		                             .has_max = true});
		assert_int_equal(probe(why), rows[i].state);
		assert_non_null(strstr(answers[0].why, rows[i].why));
	}
}

static void what_was_not_asked_is_unknown_and_locks_raising(void **state)
{
	static const char *nobody[] = {NULL};
	struct stage stages[] = {
		{.number = 1, .name = "a", .environment = "production", .pct = 1000, .approvals = nobody},
		{.number = 2, .name = "b", .environment = "production", .pct = 2500, .approvals = nobody}};
	const struct settings s = {.environment = "production"};
	struct rollout_state st = {.row.stage = 1, .there = 1000, .p = {.restart_at = -1, .entered_us = 1}};
	struct evaluation ev = {.at_us = 1, .stage = 1};
	struct gate g;
	char why[400];

	(void)state;
	assert_int_equal(fallback_probe_all(&rollout, NULL, 0, why, sizeof(why)),
	                 STATUS_YES); /* nothing is asked for */
	add((struct fallback_check) {.name = "reachable"});
	assert_int_equal(fallback_probe_all(&rollout, NULL, 0, why, sizeof(why)), STATUS_UNKNOWN);
	rollout.stages = stages;
	rollout.n_stages = 2;
	assert_int_equal(gate_judge(&(struct gate_view) {&s, &rollout, &st, &ev, 10}, &g), 0);
	assert_int_equal(g.n, 1);
	assert_string_equal(g.missing[0].what, "fallback");
	gate_free(&g);
	ev.fallback = answers;
	ev.n_fallback = 1;
	answers[0] = (struct probe_result) {.state = STATUS_YES};
	assert_int_equal(gate_judge(&(struct gate_view) {&s, &rollout, &st, &ev, 10}, &g), 0);
	assert_int_equal(g.n, 0);
	gate_free(&g);
	answers[0] = (struct probe_result) {.state = STATUS_NO, .why = "down"};
	assert_int_equal(gate_judge(&(struct gate_view) {&s, &rollout, &st, &ev, 10}, &g), 0);
	assert_string_equal(g.missing[0].text, "the old way could not take the traffic: reachable: down");
	gate_free(&g);
	const struct milestone removal = {.text = "Remove legacy", .removes_fallback = true},
			       other = {.text = "Report"};
	assert_true(milestone_is_locked(&rollout, &removal, &ev, why, sizeof(why)));
	assert_false(milestone_is_locked(&rollout, &other, &ev, why, sizeof(why)));
}

/* --- telling --- */

static struct settings *settings;

static int look(struct db_tx *tx, void *arg)
{
	return fallback_watch(tx, settings, &settings->rollouts[0], arg);
}

static void see(struct db *db, enum condition_status ready, bool above_zero)
{
	struct fallback_look l = {ready, "reachable: down", above_zero};

	assert_int_equal(in_tx(db, look, &l), 0);
}

/* What was told so far, oldest first: "fallback_not_ready fallback_ready ". */
static int read_told(struct db_tx *tx, void *arg)
{
	const struct event_filter f = {.limit = 50};
	struct event_list l = {0};
	char *out = arg;
	int r = event_find(db_tx_conn(tx), &f, &l);

	out[0] = '\0';
	for (size_t i = l.n; i-- > 0;)
		strcat(strcat(out, l.item[i].what), " "); /* NOLINT: a handful */
	event_list_free(&l);
	return r;
}

static void told(struct db *db, const char *want)
{
	char out[1000];

	assert_int_equal(in_tx(db, read_told, out), 0);
	assert_string_equal(out, want);
}

static void people_are_told_once_and_once_when_it_is_back(void **state)
{
	struct db *db = fixture_start();
	char why[200];

	(void)state;
	assert_int_equal(
		settings_of("{\"rollouts\":[{\"name\":\"shop\",\"fallback_probe\":[{\"command\":[\"/bin/true\"]}]}]}",
	                    &settings, why, sizeof(why)),
		0);
	assert_string_equal(settings->rollouts[0].probes[0].name, "/bin/true");
	see(db, STATUS_NO, false);
	told(db, ""); /* one look may fall into a restart */
	see(db, STATUS_NO, false);
	see(db, STATUS_UNKNOWN, false);
	see(db, STATUS_NO, false);
	told(db, "fallback_not_ready ");
	see(db, STATUS_NO, true); /* above 0 % it must wake somebody */
	see(db, STATUS_NO, true);
	told(db, "fallback_not_ready fallback_not_ready ");
	see(db, STATUS_YES, true);
	see(db, STATUS_YES, true);
	told(db, "fallback_not_ready fallback_not_ready fallback_ready ");
	see(db, STATUS_NO, true);
	see(db, STATUS_YES, true);
	told(db, "fallback_not_ready fallback_not_ready fallback_ready ");
	settings_unref(settings);
	db_close(db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(all_kinds_of_checks_are_asked, setup, teardown),
		cmocka_unit_test_setup_teardown(one_no_outweighs_what_is_unknown, setup, teardown),
		cmocka_unit_test_setup_teardown(every_check_has_its_time_limit, setup, teardown),
		cmocka_unit_test_setup_teardown(a_value_outside_its_bounds_is_a_no_and_one_that_is_no_number_unknown,
	                                        setup, teardown),
		cmocka_unit_test_setup_teardown(what_was_not_asked_is_unknown_and_locks_raising, setup, teardown),
		cmocka_unit_test_setup_teardown(people_are_told_once_and_once_when_it_is_back, setup, teardown),
	};

	if (loop_global_init() < 0 || fake_start() < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_stop();
	return failed;
}
