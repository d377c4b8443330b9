#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <math.h>
#include "alertmanager/prometheus.h"
#include "handlers/checks/onset.h"
#include "handlers/checks/preserve.h"
#include "server/core/clock.h"
#include "tests/unit/fake_http.h"

#define LIMIT_US        (20 * US_PER_S)
#define T0              (INT64_C(1760436000) * US_PER_S)
#define MATRIX(series)  "{\"status\":\"success\",\"data\":{\"resultType\":\"matrix\",\"result\":[" series "]}}"
#define VECTOR(samples) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" samples "]}}"

static struct loop *loop;
static char prometheus[64];
static struct plan plan;
static struct snapshot_query queries[4];
static struct {
	int calls, err;
	struct snapshot_item *items;
	size_t n;
	int64_t onset_us;
} answer;

static int setup(void **state)
{
	(void)state;
	plan = (struct plan) {.prometheus = {fake_url(prometheus, sizeof(prometheus), ""), US_PER_S / 2},
	                      .rollout.queries = queries};
	memset(&answer, 0, sizeof(answer));
	fake_answers(NULL, 0);
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	snapshot_items_free(answer.items, answer.n);
	return 0;
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void run_loop(void)
{
	struct loop_timer *limit = loop_timer_at(loop, clock_mono_us() + LIMIT_US, stop, NULL);

	assert_int_equal(answer.calls, 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_cancel(loop, limit);
	assert_int_equal(answer.calls, 1);
}

static void on_snapshot(void *arg, struct snapshot_item *items, size_t n)
{
	(void)arg;
	answer.calls++;
	answer.items = items;
	answer.n = n;
	loop_stop(loop);
}

static void add_query(const char *name, const char *query)
{
	queries[plan.rollout.n_queries++] = (struct snapshot_query) {.name = name, .unit = "ratio", .query = query};
}

static void take_snapshot(void)
{
	struct snapshot *s;

	assert_int_equal(snapshot_start(loop, &plan, T0 - 1800 * US_PER_S, T0, on_snapshot, NULL, &s), 0);
	run_loop();
	assert_int_equal(answer.n, plan.rollout.n_queries);
}

static void every_query_gives_its_series_or_says_why_not(void **state)
{
	static const struct fake_answer answers[] = {
		{"/api/v1/query_range?query=good", 200,
	         MATRIX("{\"metric\":{\"pipeline\":\"cst\"},\"values\":[[1760434200,\"0.5\"],[1760434208,"
	                "\"NaN\"]]}")},
		{"/api/v1/query_range?query=bad", 400,
	         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error\"}"},
		{"/api/v1/query_range?query=slow", 0, ""},
	};

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	add_query("error rate", "good");
	add_query("latency", "bad");
	add_query("cache", "slow");
	take_snapshot();
	assert_string_equal(answer.items[0].name, "error rate");
	assert_string_equal(answer.items[0].unit, "ratio");
	assert_null(answer.items[0].error);
	struct json_object *root = NULL;
	assert_int_equal(json_parse(answer.items[0].series, strlen(answer.items[0].series), &root, NULL), 0);
	assert_string_equal(json_object_get_string(json_at(root, "/0/labels/pipeline")), "cst");
	assert_true(fabs(json_object_get_double(json_at(root, "/0/points/0/1")) - 0.5) < 1e-9);
	assert_int_equal(json_object_array_length(json_at(root, "/0/points")), 2);
	json_object_put(root);
	assert_null(answer.items[1].series);
	assert_non_null(strstr(answer.items[1].error, "parse error"));
	assert_string_equal(answer.items[2].error, "Prometheus: no answer within 500ms");
}

static void the_range_asked_for_is_the_window(void **state)
{
	static const struct fake_answer answers[] = {{"/", 200, MATRIX("")}};

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	add_query("a", "sum(rate(x[5m]))");
	take_snapshot();
	assert_non_null(strstr(
		fake.last, "query=sum%28rate%28x%5B5m%5D%29%29&start=1760434200.000&end=1760436000.000&step=8.000"));
	assert_null(answer.items[0].error);
}

static void without_queries_or_prometheus_it_still_comes_back(void **state)
{
	(void)state;
	take_snapshot();
	answer.calls = 0;
	snapshot_items_free(answer.items, answer.n);
	answer.items = NULL;
	plan.prometheus.url = "";
	add_query("a", "x");
	take_snapshot();
	assert_string_equal(answer.items[0].error, "no Prometheus is configured");
}

static void no_range_has_too_many_points(void **state)
{
	(void)state;
	for (int64_t s = 0; s < 100 * 86400; s = s * 2 + 7) {
		int64_t step = snapshot_step_s(T0, T0 + s * US_PER_S);

		assert_true(step >= 1);
		assert_true(s / step + 1 <= SNAPSHOT_POINTS_MAX);
		assert_true(step == 1 || s / (step - 1) + 1 > SNAPSHOT_POINTS_MAX);
	}
	assert_int_equal(snapshot_step_s(T0, T0 - US_PER_S), 1);
}

static void a_cancelled_snapshot_never_calls_back(void **state)
{
	static const struct fake_answer answers[] = {{"/", 0, ""}};
	struct snapshot *s;

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	assert_int_equal(snapshot_start(loop, &plan, T0, T0, on_snapshot, NULL, &s), 0);
	snapshot_cancel(s);
	snapshot_cancel(NULL);
	add_query("a", "x");
	add_query("b", "y");
	assert_int_equal(snapshot_start(loop, &plan, T0, T0, on_snapshot, NULL, &s), 0);
	assert_non_null(loop_timer_at(loop, clock_mono_us() + 100 * US_PER_MS, stop, NULL));
	assert_int_equal(loop_run(loop), 0);
	snapshot_cancel(s);
	assert_int_equal(answer.calls, 0);
}

/* When it began. */

static void the_onset_is_asked_for_with_labels_escaped(void **state)
{
	struct text_pair labels[] = {{"alertname", "Canary \"bad\" \\ a.b"},
	                             {"path", "/a.b\\c\"d\n(x)"},
	                             {"bad-name", "x"},
	                             {"__secret__", "x"}};
	struct buf b = BUF(1000);

	(void)state;
	assert_int_equal(onset_query(&b, labels, ARRAY_LEN(labels)), 0);
	assert_string_equal(buf_text(&b), "ALERTS_FOR_STATE{alertname=\"Canary \\\"bad\\\" \\\\ a.b\","
	                                  "path=~\"|/a\\\\.b\\\\\\\\c\\\"d\\n\\\\(x\\\\)\"}");
	buf_reset(&b);
	assert_int_equal(onset_query(&b, labels + 1, 1), -EINVAL);
	buf_free(&b);
}

/* Prometheus may hold another value: asked for ours, it would know no such alert. */
static void a_label_that_was_replaced_is_not_asked_for(void **state)
{
	struct text_pair labels[] = {{"alertname", "Canary"}, {"path", "/x\xef\xbf\xbdy"}, {"rollout", "shop"}};
	struct buf b = BUF(1000);

	(void)state;
	assert_int_equal(onset_query(&b, labels, ARRAY_LEN(labels)), 0);
	assert_string_equal(buf_text(&b), "ALERTS_FOR_STATE{alertname=\"Canary\",rollout=~\"|shop\"}");
	labels[0].value = "Can\xef\xbf\xbdry";
	assert_int_equal(onset_query(&b, labels, ARRAY_LEN(labels)), -EINVAL);
	buf_free(&b);
}

static void the_earliest_beginning_before_the_alert_counts(void **state)
{
	struct prom_sample s[] = {
		{.value = 1760435000}, {.value = 1760434000}, {.value = 1760436001}, {.value = 0}, {.value = NAN}};
	struct prom_vector v = {.samples = s, .n = ARRAY_LEN(s)};
	int64_t onset = 77;

	(void)state;
	assert_int_equal(onset_of(&v, T0, &onset), 0);
	assert_int_equal(onset, INT64_C(1760434000) * US_PER_S);
	v.samples += 2;
	v.n = 3;
	onset = 77;
	assert_int_equal(onset_of(&v, T0, &onset), -ENOENT);
	assert_int_equal(onset, 77);
	s[2].value = 1760436000;
	assert_int_equal(onset_of(&v, T0, &onset), 0);
}

static void on_onset(void *arg, int err, int64_t onset_us)
{
	(void)arg;
	answer.calls++;
	answer.err = err;
	answer.onset_us = onset_us;
	loop_stop(loop);
}

static void ask_onset(void)
{
	struct text_pair labels[] = {{"alertname", "CanaryErrors"}, {"rollout", "cst"}};
	struct onset *o;

	answer.calls = 0;
	assert_int_equal(onset_start(loop, &plan, labels, 2, T0, on_onset, NULL, &o), 0);
	run_loop();
}

static void prometheus_says_when_it_began_or_that_it_does_not_know(void **state)
{
	static const struct fake_answer known[] = {
		{"/api/v1/query?query=ALERTS_FOR_STATE%7Balertname%3D%22CanaryErrors%22", 200,
	         VECTOR("{\"metric\":{},\"value\":[1760436000,\"1760435940\"]}")}};
	static const struct fake_answer nothing[] = {{"/", 200, VECTOR("")}}, slow[] = {{"/", 0, ""}},
					broken[] = {{"/", 500, "x"}};

	(void)state;
	fake_answers(known, 1);
	ask_onset();
	assert_int_equal(answer.err, 0);
	assert_int_equal(answer.onset_us, T0 - 60 * US_PER_S);
	fake_answers(nothing, 1);
	ask_onset();
	assert_int_equal(answer.err, -ENOENT);
	fake_answers(slow, 1);
	ask_onset();
	assert_int_equal(answer.err, -EBADMSG);
	fake_answers(broken, 1);
	ask_onset();
	assert_int_equal(answer.err, -EBADMSG);
}

static void an_onset_that_cannot_be_asked_for_does_not_start(void **state)
{
	struct text_pair label = {"alertname", "A"};
	struct onset *o;

	(void)state;
	assert_int_equal(onset_start(loop, &plan, &label, 0, T0, on_onset, NULL, &o), -EINVAL);
	plan.prometheus.url = "";
	assert_int_equal(onset_start(loop, &plan, &label, 1, T0, on_onset, NULL, &o), -EINVAL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		TEST(every_query_gives_its_series_or_says_why_not),
		TEST(the_range_asked_for_is_the_window),
		TEST(without_queries_or_prometheus_it_still_comes_back),
		TEST(no_range_has_too_many_points),
		TEST(a_cancelled_snapshot_never_calls_back),
		TEST(the_onset_is_asked_for_with_labels_escaped),
		TEST(a_label_that_was_replaced_is_not_asked_for),
		TEST(the_earliest_beginning_before_the_alert_counts),
		TEST(prometheus_says_when_it_began_or_that_it_does_not_know),
		TEST(an_onset_that_cannot_be_asked_for_does_not_start),
	};

	if (loop_global_init() < 0 || fake_start() < 0)
		return 1;
	int failed = cmocka_run_group_tests_name("snapshot", tests, NULL, NULL);
	fake_stop();
	return failed;
}
