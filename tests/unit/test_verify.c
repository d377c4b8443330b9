#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <fcntl.h>
#include <math.h>
#include "handlers/checks/verify.h"
#include "server/core/clock.h"
#include "tests/unit/fake_http.h"

#define LIMIT_US        (20 * US_PER_S)
#define VECTOR(samples) "{\"status\":\"success\",\"data\":{\"resultType\":\"vector\",\"result\":[" samples "]}}"
#define SAMPLE(value)   "{\"metric\":{\"instance\":\"a\"},\"value\":[1760436000,\"" value "\"]}"

/* Judges. */

static struct wanted exactly(int32_t pct)
{
	return (struct wanted) {.pct = pct};
}

static struct verdict by_samples(const double *values, size_t n, int64_t instances, int32_t wanted)
{
	struct prom_sample samples[10] = {0};
	struct prom_vector v = {.samples = samples, .n = n};
	struct verdict ret;

	for (size_t i = 0; i < n; i++)
		samples[i].value = values[i];
	judge_prometheus(&v, instances, exactly(wanted), &ret);
	return ret;
}

#define SAMPLES(instances, wanted, ...)                                                                                \
	by_samples((const double[]) {__VA_ARGS__}, sizeof((const double[]) {__VA_ARGS__}) / sizeof(double), instances, \
	           wanted)

static void every_instance_must_say_the_wanted_percentage(void **state)
{
	struct verdict v = SAMPLES(3, 0, 0, 0, 0);

	(void)state;
	assert_int_equal(v.state, STATUS_YES);
	assert_int_equal(v.seen, 0);
	assert_string_equal(v.note, "3 of 3 at 0%");
	assert_int_equal(SAMPLES(-1, 1250, 12.5).state, STATUS_YES);
	v = SAMPLES(3, 0, 0, 10, 0);
	assert_int_equal(v.state, STATUS_NO);
	assert_int_equal(v.seen, 1000);
	assert_string_equal(v.note, "2 of 3 at 0%; at 10%");
	v = SAMPLES(-1, 1000, 10, 0);
	assert_int_equal(v.state, STATUS_NO);
	assert_string_equal(v.note, "1 of 2 at 10%; at 0%");
}

/* The note of a reply whose samples are these. */
static void note_is(const char *reply, const char *note)
{
	CLEANUP(prom_vector_free) struct prom_vector v = {0};
	struct verdict ret;
	char why[200];

	assert_int_equal(prom_vector_parse(reply, strlen(reply), &v, why, sizeof(why)), 0);
	judge_prometheus(&v, -1, exactly(0), &ret);
	assert_int_equal(ret.state, STATUS_NO);
	assert_string_equal(ret.note, note);
}

#define OF(labels, value) "{\"metric\":{" labels "},\"value\":[1760436000,\"" value "\"]}"
#define POD(pod, value)   OF("\"__name__\":\"p\",\"job\":\"web\",\"pod\":\"" pod "\",\"zone\":\"a\"", value)

static void instances_that_lag_are_named(void **state)
{
	(void)state;
	note_is(VECTOR(POD("web-6", "0") "," POD("web-7", "25")), "1 of 2 at 0%; at 25%: pod=\"web-7\"");
	note_is(VECTOR(POD("web-1", "10") "," POD("web-2", "25") "," POD("web-3", "10") "," POD("web-4", "25") "," POD(
			"web-5", "10") "," POD("web-6", "0")),
	        "1 of 6 at 0%; at 25%: pod=\"web-2\", pod=\"web-4\"; at 10%: pod=\"web-1\" and 2 more");
	/* Two processes in one pod: the instance tells them apart. */
	note_is(VECTOR(OF("\"pod\":\"a\",\"instance\":\"h:1\"", "0") "," OF("\"pod\":\"a\",\"instance\":\"h:2\"", "5")),
	        "1 of 2 at 0%; at 5%: instance=\"h:2\"");
	/* No label that is usual tells it: all but those that say nothing. */
	note_is(VECTOR(OF("\"job\":\"web\",\"dc\":\"x\",\"slot\":\"1\"", "5")),
	        "0 of 1 at 0%; at 5%: dc=\"x\" slot=\"1\"");
}

static void names_of_any_length_fit_into_the_note(void **state)
{
#define LONG "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
	const char *reply =
		VECTOR(POD("1" LONG, "5") "," POD("2" LONG, "5") "," POD("3" LONG, "5") "," POD("4" LONG, "5"));
	CLEANUP(prom_vector_free) struct prom_vector v = {0};
	struct verdict ret;
	char why[200];

	(void)state;
	assert_int_equal(prom_vector_parse(reply, strlen(reply), &v, why, sizeof(why)), 0);
	judge_prometheus(&v, 4, exactly(0), &ret);
	assert_non_null(strstr(ret.note, "pod=\"3xxx"));
	assert_string_equal(ret.note + strlen(ret.note) - strlen(" and 1 more"), " and 1 more");
}

static void what_is_missing_or_no_number_is_unknown_and_never_yes(void **state)
{
	(void)state;
	assert_int_equal(by_samples(NULL, 0, -1, 0).state, STATUS_UNKNOWN);
	assert_int_equal(by_samples(NULL, 0, 0, 0).state, STATUS_UNKNOWN);
	assert_int_equal(by_samples(NULL, 0, -1, 0).seen, -1);
	assert_int_equal(SAMPLES(-1, 0, NAN).state, STATUS_UNKNOWN);
	assert_int_equal(SAMPLES(-1, 0, 0, NAN).state, STATUS_UNKNOWN);
	assert_int_equal(SAMPLES(-1, 0, INFINITY).state, STATUS_UNKNOWN);
	assert_int_equal(SAMPLES(-1, 0, -1).state, STATUS_UNKNOWN);
	assert_int_equal(SAMPLES(-1, 0, 101).state, STATUS_UNKNOWN);
	assert_int_equal(SAMPLES(-1, 0, 0.001).state, STATUS_UNKNOWN);
	assert_int_equal(SAMPLES(6, 0, 0, 0).state, STATUS_UNKNOWN);
	assert_int_equal(SAMPLES(1, 0, 0, 0).state, STATUS_UNKNOWN);
}

static void one_plain_no_outweighs_everything_unknown(void **state)
{
	(void)state;
	assert_int_equal(SAMPLES(-1, 0, NAN, 10).state, STATUS_NO);
	assert_int_equal(SAMPLES(-1, 0, 10, NAN).state, STATUS_NO);
	assert_int_equal(SAMPLES(6, 0, 10).state, STATUS_NO);
}

static void a_value_is_a_percentage_and_nothing_beside_it(void **state)
{
	static const struct {
		const char *text;
		enum condition_status state;
		int32_t seen;
	} cases[] = {
		{"0", STATUS_YES, 0},
		{"0\n", STATUS_YES, 0},
		{" 0 \r\n", STATUS_YES, 0},
		{"0.00", STATUS_YES, 0},
		{"10", STATUS_NO, 1000},
		{"0.5", STATUS_NO, 50},
		{"", STATUS_UNKNOWN, -1},
		{"0%", STATUS_UNKNOWN, -1},
		{"off", STATUS_UNKNOWN, -1},
		{"0 0", STATUS_UNKNOWN, -1},
		{"-0", STATUS_UNKNOWN, -1},
		{"200", STATUS_UNKNOWN, -1},
		{"error: 0", STATUS_UNKNOWN, -1},
	};
	struct verdict v;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		judge_value(cases[i].text, strlen(cases[i].text), exactly(0), &v);
		assert_int_equal(v.state, cases[i].state);
		assert_int_equal(v.seen, cases[i].seen);
		assert_true(v.note[0] != '\0');
	}
	judge_value("10", 2, exactly(0), &v);
	assert_string_equal(v.note, "10%, not 0%");
}

static void a_json_value_is_a_number_or_a_text_that_is_one(void **state)
{
	static const struct {
		const char *text, *pointer;
		enum condition_status state;
	} cases[] = {
		{"{\"p\": 0}", "/p", STATUS_YES},
		{"{\"p\": 0.0}", "/p", STATUS_YES},
		{"{\"p\": \"0\"}", "/p", STATUS_YES},
		{"{\"a\": [{\"p\": 0}]}", "/a/0/p", STATUS_YES},
		{"{\"p\": 10}", "/p", STATUS_NO},
		{"{\"p\": \"10\"}", "/p", STATUS_NO},
		{"{\"p\": null}", "/p", STATUS_UNKNOWN},
		{"{\"p\": false}", "/p", STATUS_UNKNOWN},
		{"{\"p\": {}}", "/p", STATUS_UNKNOWN},
		{"{\"q\": 0}", "/p", STATUS_UNKNOWN},
		{"{\"p\": -1}", "/p", STATUS_UNKNOWN},
		{"{\"p\": 1e300}", "/p", STATUS_UNKNOWN},
		{"{\"p\": \"\"}", "/p", STATUS_UNKNOWN},
		{"{\"p\": [0]}", "/p", STATUS_UNKNOWN},
		{"{\"p\": 99999999999999999999}", "/p", STATUS_UNKNOWN},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		CLEANUP(json_cleanup) struct json_object *root = NULL;
		struct verdict v;

		assert_int_equal(json_parse(cases[i].text, strlen(cases[i].text), &root, NULL), 0);
		judge_json(json_at(root, cases[i].pointer), exactly(0), &v);
		assert_int_equal(v.state, cases[i].state);
	}
}

/* Walked over all cells: the sum is what the worst says, and yes only if all say yes. */
static void all_checks_together_say_what_the_worst_says(void **state)
{
	static const enum condition_status all[] = {STATUS_UNKNOWN, STATUS_YES, STATUS_NO};
	struct verdict none;

	(void)state;
	judge_all(NULL, 0, &none);
	assert_int_equal(none.state, STATUS_UNKNOWN);
	assert_int_equal(none.seen, -1);
	assert_true(none.partial && none.least == -1);
	for (int i = 0; i < 27; i++) {
		struct verdict v[3] = {0}, sum;
		int yes = 0, no = 0;

		for (int k = 0, rest = i; k < 3; k++, rest /= 3) {
			v[k] = (struct verdict) {.state = all[rest % 3], .answers = 2, .seen = k * 100 - 1};
			v[k].agree = v[k].state == STATUS_YES ? 2 : 0;
			yes += v[k].state == STATUS_YES;
			no += v[k].state == STATUS_NO;
		}
		judge_all(v, 3, &sum);
		assert_int_equal(sum.state, no ? STATUS_NO : yes == 3 ? STATUS_YES : STATUS_UNKNOWN);
		assert_int_equal(sum.seen, 199);
		assert_int_equal(sum.answers, 6);
		assert_int_equal(sum.agree, 2 * yes);
	}
}

/* What may be applied at most is the least that anybody has, and only once everybody has said what that is. */
static void the_least_is_known_when_everybody_has_answered(void **state)
{
	struct verdict v[2] = {0}, sum;

	(void)state;
	judge_value("50", 2, (struct wanted) {1000, true}, &v[0]);
	judge_value("5", 1, (struct wanted) {1000, true}, &v[1]);
	judge_all(v, 2, &sum);
	assert_int_equal(sum.state, STATUS_NO);
	assert_int_equal(sum.seen, 5000);
	assert_int_equal(sum.least, 500);
	assert_false(sum.partial);
	judge_value("busy", 4, (struct wanted) {1000, true}, &v[1]);
	judge_all(v, 2, &sum);
	assert_int_equal(sum.state, STATUS_NO);
	assert_int_equal(sum.least, 5000);
	assert_true(sum.partial);
	assert_false(sum.stale);
}

/* One says that it is above, the other has only not been scraped since it was asked: it will be. */
static void who_has_said_nothing_young_yet_will(void **state)
{
	struct verdict v[3] = {0}, sum;

	(void)state;
	judge_value("50", 2, (struct wanted) {1000, true}, &v[0]);
	v[1] = v[2] = (struct verdict) {
		.state = STATUS_UNKNOWN, .stale = true, .answers = 1, .seen = -1, .least = -1, .partial = true};
	judge_all(v, 3, &sum);
	assert_int_equal(sum.state, STATUS_NO);
	assert_true(sum.partial && sum.stale);
	v[2].stale = false; /* and a third does not answer at all */
	judge_all(v, 3, &sum);
	assert_true(sum.partial);
	assert_false(sum.stale);
	judge_all(v, 1, &sum); /* everybody has answered */
	assert_false(sum.partial || sum.stale);
}

/* Rounds. */

static struct loop *loop;
static char prometheus[64], url[100], file[64];
static struct plan plan;
static struct check checks[4];
static struct {
	int calls;
	struct verify_result r;
	char text[4096], written[PROBE_NOTE_MAX], acknowledged[PROBE_NOTE_MAX];
} answer;

static int setup(void **state)
{
	(void)state;
	plan = (struct plan) {.prometheus = {fake_url(prometheus, sizeof(prometheus), ""), US_PER_S},
	                      .rollout.checks = checks};
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
	snprintf(answer.text, sizeof(answer.text), "%s", r->text);
	snprintf(answer.written, sizeof(answer.written), "%s", r->written.note);
	snprintf(answer.acknowledged, sizeof(answer.acknowledged), "%s", r->acknowledged.note);
	loop_stop(loop);
}

static void add_check(struct check c)
{
	if (c.timeout_us == 0)
		c.timeout_us = 5 * US_PER_S;
	checks[plan.rollout.n_checks++] = c;
}

static void add_prometheus(const char *query, const char *instances)
{
	add_check((struct check) {.kind = CHECK_PROMETHEUS, .query = query, .instances = instances});
}

static void add_http(const char *path, const char *pointer)
{
	add_check((struct check) {.kind = CHECK_HTTP, .url = fake_url(url, sizeof(url), path), .pointer = pointer});
}

static void probe(int32_t wanted)
{
	struct loop_timer *limit = loop_timer_at(loop, clock_mono_us() + LIMIT_US, stop, NULL);
	struct verify *p;

	assert_int_equal(verify_start(loop, &plan, (struct wanted) {.pct = wanted, .at_most = true}, 0, NULL, on_probe,
	                              NULL, &p),
	                 0);
	assert_int_equal(answer.calls, 0);
	assert_int_equal(loop_run(loop), 0);
	loop_timer_cancel(loop, limit);
	assert_int_equal(answer.calls, 1);
}

static void all_three_kinds_of_checks_are_asked_and_summed_up(void **state)
{
	static const struct fake_answer answers[] = {
		{"/api/v1/query?query=count", 200, VECTOR(SAMPLE("4"))},
		{"/api/v1/query?query=cst", 200, VECTOR(SAMPLE("0") "," SAMPLE("0") "," SAMPLE("0") "," SAMPLE("0"))},
		{"/flags", 200, "{\"rollout_percentage\": 0}"},
	};
	const char *argv[] = {"/bin/echo", "0", NULL};

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	add_prometheus("cst", "count(up)");
	add_check((struct check) {.kind = CHECK_COMMAND, .argv = argv});
	add_http("/flags?token=secret", "/rollout_percentage");
	probe(0);
	assert_int_equal(answer.r.acknowledged.state, STATUS_YES);
	assert_string_equal(answer.acknowledged, "6 of 6");
	assert_int_equal(answer.r.written.state, STATUS_YES);
	assert_int_equal(answer.r.seen, 0);
	assert_non_null(strstr(answer.text, "Prometheus cst: 4 of 4 at 0%\n"));
	assert_non_null(strstr(answer.text, "/bin/echo: 0%\n"));
	assert_non_null(strstr(answer.text, "/flags /rollout_percentage: 0%\n"));
	assert_null(strstr(answer.text, "secret"));
}

static void one_check_that_disagrees_is_a_no_with_its_name(void **state)
{
	static const struct fake_answer answers[] = {
		{"/api/v1/query", 200, VECTOR(SAMPLE("0"))},
		{"/flags", 200, "{\"rollout_percentage\": 25}"},
	};

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	add_prometheus("cst", NULL);
	add_http("/flags", "/rollout_percentage");
	probe(0);
	assert_int_equal(answer.r.acknowledged.state, STATUS_NO);
	assert_int_equal(answer.r.seen, 2500);
	assert_non_null(strstr(answer.acknowledged, "1 of 2; http://"));
	assert_non_null(strstr(answer.acknowledged, "/flags /rollout_percentage: 25%, not 0%"));
}

static void whoever_does_not_answer_is_unknown_within_its_time(void **state)
{
	static const struct fake_answer answers[] = {{"/", 0, ""}};
	const char *argv[] = {"/bin/sleep", "60", NULL};
	int64_t begin = clock_mono_us();

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	add_check((struct check) {
		.kind = CHECK_PROMETHEUS, .query = "cst", .instances = "n", .timeout_us = 300 * US_PER_MS});
	add_check((struct check) {.kind = CHECK_COMMAND, .argv = argv, .timeout_us = 300 * US_PER_MS});
	probe(0);
	assert_true(clock_mono_us() - begin < 5 * US_PER_S);
	assert_int_equal(answer.r.acknowledged.state, STATUS_UNKNOWN);
	assert_int_equal(answer.r.seen, -1);
	assert_string_equal(answer.acknowledged, "0 of 2; Prometheus cst: no answer within 300ms");
	assert_non_null(strstr(answer.text, "/bin/sleep: no answer within 300ms\n"));
}

static void expect_unknown(const char *says)
{
	answer.calls = 0;
	probe(0);
	assert_int_equal(answer.r.acknowledged.state, STATUS_UNKNOWN);
	assert_non_null(strstr(answer.acknowledged, says));
	plan.rollout.n_checks = 0;
}

static void errors_are_unknown_and_say_what_they_are(void **state)
{
	static const struct fake_answer answers[] = {
		{"/api/v1/query?query=bad", 400,
	         "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"parse error here\"}"},
		{"/api/v1/query?query=proxy", 502, "<html>bad gateway</html>"},
		{"/api/v1/query?query=empty", 200, VECTOR("")},
		{"/api/v1/query?query=nan", 200, VECTOR(SAMPLE("NaN"))},
		{"/api/v1/query?query=zero", 200, VECTOR(SAMPLE("0"))},
		{"/broken", 200, "{\"p\": 0"},
		{"/moved", 302, ""},
	};
	const char *fails[] = {"/bin/sh", "-c", "echo 0; echo no such flag >&2; exit 4", NULL};
	const char *missing[] = {"/bin/there-is-no-such-program", NULL};
	const char *cut[] = {"/bin/sh", "-c", "printf '0%3000s25%3000s' '' ''", NULL};

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	add_prometheus("bad", NULL);
	expect_unknown("parse error here");
	add_prometheus("proxy", NULL);
	expect_unknown("answered 502: <html>");
	add_prometheus("empty", NULL);
	expect_unknown("no data");
	add_prometheus("nan", NULL);
	expect_unknown("NaN is no percentage");
	add_prometheus("zero", "empty");
	expect_unknown("how many instances");
	add_prometheus("zero", "nan");
	expect_unknown("how many instances");
	add_prometheus("zero", "bad");
	expect_unknown("parse error here");
	add_prometheus("zero", "zero");
	expect_unknown("1 answer, but 0 instances");
	add_http("/broken", "/p");
	expect_unknown("no JSON");
	add_http("/moved", "/p");
	expect_unknown("answered 302, a redirect");
	add_check((struct check) {.kind = CHECK_COMMAND, .argv = fails});
	expect_unknown("it ended with exit code 4: no such flag");
	add_check((struct check) {.kind = CHECK_COMMAND, .argv = missing});
	expect_unknown("No such file");
	add_check((struct check) {.kind = CHECK_COMMAND, .argv = cut});
	expect_unknown("more than 4096 bytes");
	plan.prometheus.url = "";
	add_prometheus("zero", NULL);
	expect_unknown("no Prometheus is configured");
	expect_unknown("no checks are configured");
}

static void put_flags(const char *text)
{
	int fd = open(file, O_WRONLY | O_TRUNC | O_CLOEXEC);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

static void the_flags_file_says_whether_it_is_written(void **state)
{
	static const struct fake_answer answers[] = {{"/five", 200, "{\"p\": 5}"}};
	int fd;

	(void)state;
	strcpy(file, "/tmp/probe-XXXXXX");
	fd = mkstemp(file);
	assert_true(fd >= 0);
	close(fd);
	plan.rollout.flags_file = file;
	plan.rollout.flags_key = "P";
	fake_answers(answers, ARRAY_LEN(answers));
	add_http("/five", "/p");
	put_flags("P=10\n");
	probe(0);
	assert_int_equal(answer.r.written.state, STATUS_NO);
	assert_string_equal(answer.written, "10%, not 0%");
	put_flags("P=x\n");
	answer.calls = 0;
	probe(0);
	assert_int_equal(answer.r.written.state, STATUS_UNKNOWN);
	/* Below the target counts as there. */
	put_flags("P=5\n");
	answer.calls = 0;
	probe(1000);
	assert_int_equal(answer.r.written.state, STATUS_YES);
	assert_int_equal(answer.r.acknowledged.state, STATUS_YES);
	assert_int_equal(unlink(file), 0);
	answer.calls = 0;
	probe(0);
	assert_int_equal(answer.r.written.state, STATUS_UNKNOWN);
}

static void a_cancelled_round_never_calls_back(void **state)
{
	static const struct fake_answer answers[] = {{"/slow", 0, ""}, {"/flags", 200, "{\"p\": 0}"}};
	const char *argv[] = {"/bin/sleep", "60", NULL};
	struct verify *p;

	(void)state;
	fake_answers(answers, ARRAY_LEN(answers));
	assert_int_equal(verify_start(loop, &plan, (struct wanted) {.at_most = true}, 0, NULL, on_probe, NULL, &p), 0);
	verify_cancel(p);
	verify_cancel(NULL);
	add_prometheus("cst", "n");
	add_check((struct check) {.kind = CHECK_COMMAND, .argv = argv});
	add_http("/flags", "/p");
	assert_int_equal(verify_start(loop, &plan, (struct wanted) {.at_most = true}, 0, NULL, on_probe, NULL, &p), 0);
	assert_non_null(loop_timer_at(loop, clock_mono_us() + 300 * US_PER_MS, stop, NULL));
	assert_int_equal(loop_run(loop), 0);
	verify_cancel(p);
	assert_non_null(loop_timer_at(loop, clock_mono_us() + 50 * US_PER_MS, stop, NULL));
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(answer.calls, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_instance_must_say_the_wanted_percentage),
		cmocka_unit_test(instances_that_lag_are_named),
		cmocka_unit_test(names_of_any_length_fit_into_the_note),
		cmocka_unit_test(what_is_missing_or_no_number_is_unknown_and_never_yes),
		cmocka_unit_test(one_plain_no_outweighs_everything_unknown),
		cmocka_unit_test(a_value_is_a_percentage_and_nothing_beside_it),
		cmocka_unit_test(a_json_value_is_a_number_or_a_text_that_is_one),
		cmocka_unit_test(all_checks_together_say_what_the_worst_says),
		cmocka_unit_test(the_least_is_known_when_everybody_has_answered),
		cmocka_unit_test(who_has_said_nothing_young_yet_will),
#define ROUND(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		ROUND(all_three_kinds_of_checks_are_asked_and_summed_up),
		ROUND(one_check_that_disagrees_is_a_no_with_its_name),
		ROUND(whoever_does_not_answer_is_unknown_within_its_time),
		ROUND(errors_are_unknown_and_say_what_they_are),
		ROUND(the_flags_file_says_whether_it_is_written),
		ROUND(a_cancelled_round_never_calls_back),
	};

	if (loop_global_init() < 0 || fake_start() < 0)
		return 1;
	int failed = cmocka_run_group_tests_name("probe", tests, NULL, NULL);
	fake_stop();
	return failed;
}
