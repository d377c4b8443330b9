/* What a rollback did to the world: is the traffic gone, and what each trigger was about. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include "handlers/checks/verify.h"
#include "server/core/clock.h"
#include "tests/unit/fake_http.h"

#define LIMIT_US        (20 * US_PER_S)
#define VECTOR(samples) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" samples "]}}"
#define SAMPLE(value)   "{\"metric\":{\"instance\":\"a\"},\"value\":[1760436000,\"" value "\"]}"

static struct loop *loop;
static char prometheus[64];
static struct plan plan;
static struct {
	int calls;
	struct verify_result r;
	char cured[PROBE_NOTE_MAX];
} answer;

/* Of the triggers of the incident that is verified. */
static char *labels[8];
static size_t n_labels;

static int setup(void **state)
{
	(void)state;
	plan = (struct plan) {.prometheus = {fake_url(prometheus, sizeof(prometheus), ""), US_PER_S}};
	memset(&answer, 0, sizeof(answer));
	fake_answers(NULL, 0);
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void on_probe(void *arg, const struct verify_result *r)
{
	(void)arg;
	answer.calls++;
	answer.r = *r;
	snprintf(answer.cured, sizeof(answer.cured), "%s", r->cured.note);
	loop_stop(loop);
}

static void probe(int32_t wanted)
{
	struct loop_timer *limit = loop_timer_at(loop, clock_mono_us() + LIMIT_US, stop, NULL);
	struct asked_symptoms symptoms;
	struct verify *p;

	assert_int_equal(symptoms_of(&plan.rollout, labels, n_labels, false, 1234567890 * US_PER_S, &symptoms), 0);
	assert_int_equal(verify_start(loop, &plan, (struct wanted) {.pct = wanted, .at_most = true}, 0, &symptoms,
	                              on_probe, NULL, &p),
	                 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_cancel(loop, limit);
	assert_int_equal(answer.calls, 1);
}

static void effects(int32_t wanted, const char *effective, const char *cured)
{
	plan.rollout.effective_query = effective;
	plan.rollout.cured_query = cured;
	plan.rollout.effective_max = 0.01;
	plan.rollout.cured_max = 0.001;
	answer.calls = 0;
	probe(wanted);
}

static void what_it_did_to_the_world_is_judged_by_its_bound(void **state)
{
	static const struct fake_answer answers[] = {
		{"/api/v1/query?query=at", 200, VECTOR(SAMPLE("0.01"))},
		{"/api/v1/query?query=above", 200, VECTOR(SAMPLE("0.0101"))},
		{"/api/v1/query?query=one", 200, VECTOR(SAMPLE("0") "," SAMPLE("3"))},
		{"/api/v1/query?query=below", 200, VECTOR(SAMPLE("-0.5"))},
	};

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	effects(0, "at", "below");
	assert_int_equal(answer.r.effective.state, STATUS_YES);
	assert_int_equal(answer.r.cured.state, STATUS_YES);
	effects(0, "above", "at");
	assert_int_equal(answer.r.effective.state, STATUS_NO);
	assert_int_equal(answer.r.cured.state, STATUS_NO);
	effects(0, "one", NULL); /* one series above it is above it */
	assert_int_equal(answer.r.effective.state, STATUS_NO);
	assert_int_equal(answer.r.cured.state, STATUS_UNKNOWN);
	effects(500, "above", "above"); /* above 0 % traffic is what is wanted */
	assert_int_equal(answer.r.effective.state, STATUS_UNKNOWN);
	assert_int_equal(answer.r.cured.state, STATUS_NO);
}

static struct matchers matching(const char *text)
{
	struct matchers m = {0};
	struct matcher_fault fault;

	assert_int_equal(matchers_add(&m, text, &fault), 0);
	return m;
}

static void cured_of(const char *const triggers[], enum condition_status is, const char *note)
{
	for (n_labels = 0; triggers && triggers[n_labels]; n_labels++)
		labels[n_labels] = (char *)triggers[n_labels];
	effects(0, NULL, "errors");
	assert_int_equal(answer.r.cured.state, is);
	assert_string_equal(answer.cured, note);
	n_labels = 0;
}

static void every_trigger_is_asked_for_its_own_symptom(void **state)
{
	static const struct fake_answer answers[] = {
		{"/api/v1/query?query=errors", 200, VECTOR(SAMPLE("0.0005"))},
		{"/api/v1/query?query=p95", 200, VECTOR(SAMPLE("0.3"))},
		{"/api/v1/query?query=hits", 200, VECTOR(SAMPLE("0"))},
		{"/api/v1/query?query=memory", 200, VECTOR("")},
		{"/api/v1/query?query=now%20-%20then%20%40%201234567890.000%20offset%2010m%20%2B%201234567890.000", 200,
	         VECTOR(SAMPLE("7"))},
	};
	struct symptom all[] = {
		{"p95", "p95", matching("alertname=~\"Slow.*\""), 0.1},
		{"hit ratio", "hits", matching("alertname=\"Cold\""), 0.1},
		{"memory", "memory", matching("alertname=\"Leak\""), 1},
		{"before", "now - then @ ${onset} offset 10m + ${onset}", matching("alertname=\"Old\""), 8},
	};
	static const struct {
		const char *triggers[4];
		enum condition_status is;
		const char *note;
	} rows[] = {
		{{NULL}, STATUS_YES, "0.0005, at most 0.001"}, /* a person's */
		{{"{\"alertname\":\"Errors\"}"}, STATUS_YES, "0.0005, at most 0.001"},
		{{"{\"alertname\":\"SlowAnswers\"}"}, STATUS_NO, "p95: 0.3, at most 0.1"},
		{{"{\"alertname\":\"Cold\"}"}, STATUS_YES, "hit ratio: 0, at most 0.1"},
		{{"{\"alertname\":\"Leak\"}"}, STATUS_UNKNOWN, "memory: no data"},
		{{"{\"alertname\":\"Old\"}"}, STATUS_YES, "before: 7, at most 8"},
		{{"{\"alertname\":\"Errors\"}", "{\"alertname\":\"Cold\"}"},
	         STATUS_YES,
	         "0.0005, at most 0.001; hit ratio: 0, at most 0.1"},
		{{"{\"alertname\":\"Cold\"}", "{\"alertname\":\"Leak\"}"}, STATUS_UNKNOWN, "memory: no data"},
		{{"{\"alertname\":\"Leak\"}", "{\"alertname\":\"Slow\"}", "{\"alertname\":\"Cold\"}"},
	         STATUS_NO,
	         "p95: 0.3, at most 0.1"},
	};

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	plan.rollout.symptoms = all;
	plan.rollout.n_symptoms = ARRAY_LEN(all);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		cured_of(rows[i].triggers, rows[i].is, rows[i].note);
	plan.rollout.n_symptoms = 0;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		matchers_free(&all[i].match);
}

/* Of more triggers than are looked up every symptom is asked for. */
static void nothing_is_cured_by_what_was_not_looked_at(void **state)
{
	struct symptom one = {"p95", "p95", matching("alertname=\"Slow\""), 0.1};
	struct rollout r = {.cured_query = "errors", .symptoms = &one, .n_symptoms = 1};
	char *known[] = {(char *)"{\"alertname\":\"Errors\"}"};
	struct asked_symptoms s;

	(void)state;
	assert_int_equal(symptoms_of(&r, known, 1, false, 1, &s), 0);
	assert_int_equal(s.n, 1);
	symptoms_free(&s);
	assert_int_equal(symptoms_of(&r, known, 1, true, 1, &s), 0);
	assert_int_equal(s.n, 2);
	symptoms_free(&s);
	matchers_free(&one.match);
}

static void an_effect_without_a_number_is_unknown(void **state)
{
	static const struct fake_answer answers[] = {
		{"/api/v1/query?query=empty", 200, VECTOR("")},
		{"/api/v1/query?query=nan", 200, VECTOR(SAMPLE("0") "," SAMPLE("NaN"))},
		{"/api/v1/query?query=infinite", 200, VECTOR(SAMPLE("-Inf"))},
		{"/api/v1/query?query=bad", 400,
	         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}"},
		{"/api/v1/query?query=proxy", 502, "<html>"},
		{"/api/v1/query?query=torn", 200, "{\"status\":\"succ"},
	};
	static const char *const queries[] = {"empty", "nan", "infinite", "bad", "proxy", "torn", "nowhere"};

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	for (size_t i = 0; i < ARRAY_LEN(queries); i++) {
		effects(0, queries[i], queries[i]);
		assert_int_equal(answer.r.effective.state, STATUS_UNKNOWN);
		assert_int_equal(answer.r.cured.state, STATUS_UNKNOWN);
	}
}

int main(void)
{
#define ROUND(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		ROUND(what_it_did_to_the_world_is_judged_by_its_bound),
		ROUND(every_trigger_is_asked_for_its_own_symptom),
		ROUND(nothing_is_cured_by_what_was_not_looked_at),
		ROUND(an_effect_without_a_number_is_unknown),
	};

	if (loop_global_init() < 0 || fake_start() < 0)
		return 1;
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	fake_stop();
	return failed;
}
