/* What bounds a webhook body: how many alerts, how much of one is kept, what odd bytes and floods of values do. */
#include "alertmanager/truncate.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

struct body {
	char *text; /* owned */
	size_t len;
};

static struct alert_group *parse(const char *body, size_t len)
{
	struct alert_group *g = NULL;
	struct payload_fault fault = {""};
	int r = alert_group_parse(body, len, &g, &fault);

	if (r != 0)
		fail_msg("refused: %s", fault.why);
	return g;
}

static struct alert_group *parse_text(const char *text)
{
	return parse(text, strlen(text));
}

/* '{"alerts":[<alert>,<alert>,…]}' */
static struct body repeated(const char *alert, size_t n)
{
	size_t one = strlen(alert) + 1;
	struct body b = {malloc(n * one + 32), 0};

	assert_non_null(b.text);
	b.len = (size_t)sprintf(b.text, "{\"alerts\":[");
	for (size_t i = 0; i < n; i++)
		b.len += (size_t)sprintf(b.text + b.len, "%s%s", i ? "," : "", alert);
	b.len += (size_t)sprintf(b.text + b.len, "]}");
	return b;
}

static void twenty_thousand_alerts_are_taken_and_no_more(void **state)
{
	(void)state;
	static const char alert[] = "{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}}";
	struct body most = repeated(alert, PAYLOAD_ALERTS_MAX), over = repeated(alert, PAYLOAD_ALERTS_MAX + 1);
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse(most.text, most.len);
	struct alert_group *none = NULL;
	struct payload_fault fault = {""};

	assert_int_equal(g->n, PAYLOAD_ALERTS_MAX);
	assert_false(g->alerts[PAYLOAD_ALERTS_MAX - 1].rejected);
	assert_int_equal(alert_group_parse(over.text, over.len, &none, &fault), -E2BIG);
	assert_null(none);
	assert_non_null(strstr(fault.why, "20000"));
	free(most.text);
	free(over.text);
}

static int acts(void *arg, const struct alert *a)
{
	(void)arg;
	return a->rejected || alert_label(a, "action");
}

/* What stands behind the 20000th is taken if it decides something, whatever else comes. */
static void of_more_alerts_those_that_decide_are_taken(void **state)
{
	static const char plain[] = "{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}}",
			  acting[] = "{\"status\":\"firing\",\"labels\":{\"alertname\":\"T\",\"action\":\"x\"}}";
	const struct payload_judge judge = {.decides = acts};
	struct payload_fault fault = {""};
	CLEANUP(buf_free) struct buf b = BUF(4 << 20);
	CLEANUP(alert_group_cleanup) struct alert_group *g = NULL;

	(void)state;
	buf_str(&b, "{\"alerts\":[");
	for (size_t i = 0; i < PAYLOAD_ALERTS_MAX + 5; i++)
		buf_printf(&b, "%s,", plain);
	for (size_t i = 0; i < PAYLOAD_DECIDING_MAX + 2; i++)
		buf_printf(&b, "%s,", acting);
	buf_printf(&b, "%s,{\"status\":\"odd\"}]}", plain);
	assert_int_equal(b.error, 0);
	assert_int_equal(alert_group_parse_judged(buf_text(&b), b.len, &judge, &g, &fault), 0);
	assert_int_equal(g->n, PAYLOAD_ALERTS_MAX + PAYLOAD_DECIDING_MAX);
	for (size_t i = PAYLOAD_ALERTS_MAX; i < g->n; i++)
		assert_string_equal(alert_label(&g->alerts[i], "alertname"), "T");
	assert_int_equal(g->left_out, 5 + 2 + 1 + 1);
	assert_int_equal(g->left_out_deciding, 2 + 1);
	assert_string_equal(g->left_out_name, "T");
}

static int takes_too_long(void *arg, const struct alert *a)
{
	(void)arg;
	(void)a;
	return -E2BIG;
}

static void a_judge_that_takes_too_long_ends_the_reading(void **state)
{
	struct body over = repeated("{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}}", PAYLOAD_ALERTS_MAX + 2);
	const struct payload_judge judge = {.decides = takes_too_long};
	struct payload_fault fault = {""};
	struct alert_group *g = NULL;

	(void)state;
	assert_int_equal(alert_group_parse_judged(over.text, over.len, &judge, &g, &fault), -E2BIG);
	assert_null(g);
	free(over.text);
}

/* {"alerts":[{"status":"firing","labels":{"alertname":"x","l0":"v","l1":"v",…}}]} */
static struct alert_group *parse_labels(int n, const char *value)
{
	struct buf b = BUF(8 << 20);

	buf_str(&b, "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"x\"");
	for (int i = 0; i < n; i++)
		buf_printf(&b, ",\"l%d\":\"%s\"", i, value);
	buf_str(&b, "}}]}");
	assert_int_equal(b.error, 0);
	struct alert_group *g = parse_text(buf_text(&b));
	buf_free(&b);
	return g;
}

static struct json_object *parsed(const char *text)
{
	struct json_object *o = NULL;

	assert_int_equal(json_parse(text, strlen(text), &o, NULL), 0);
	return o;
}

/* How many labels and alertname itself are kept, and whether it is said that some are not. */
static void check_kept(const struct alert *a, int most, bool all)
{
	struct truncated_alert k = {0};

	assert_int_equal(alert_truncate(a, &k), 0);
	CLEANUP(json_cleanup) struct json_object *labels = parsed(k.labels), *annotations = parsed(k.annotations);
	assert_true(json_object_object_length(labels) <= most);
	assert_int_equal(all, (size_t)json_object_object_length(labels) == a->n_labels);
	assert_string_equal(json_str_or(labels, "alertname", ""), alert_label(a, "alertname"));
	assert_int_equal(all, json_object_object_get(annotations, TRUNCATE_NOTE) == NULL);
	assert_true(strlen(k.labels) < TRUNCATE_LABEL_BYTES + 8 * TRUNCATE_LABELS_MAX);
	truncated_alert_free(&k);
}

/* What decides is never cut; what goes on record is. */
static void all_labels_are_matched_and_a_bounded_part_of_them_kept(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup) struct alert_group *few = parse_labels(TRUNCATE_LABELS_MAX - 1, "v");
	CLEANUP(alert_group_cleanup) struct alert_group *many = parse_labels(5000, "v");
	CLEANUP(alert_group_cleanup)
	struct alert_group *large = parse_labels(
		250, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
		     "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");

	check_kept(&few->alerts[0], TRUNCATE_LABELS_MAX, true);
	assert_false(many->alerts[0].rejected);
	assert_string_equal(alert_label(&many->alerts[0], "l4999"), "v");
	check_kept(&many->alerts[0], TRUNCATE_LABELS_MAX, false);
	assert_string_equal(alert_label(&large->alerts[0], "l249"), alert_label(&large->alerts[0], "l0"));
	check_kept(&large->alerts[0], TRUNCATE_LABELS_MAX, false);
}

static struct alert_group *parse_long(const char *before, size_t n, const char *after)
{
	CLEANUP(cleanup_free) char *text = malloc(n + 512);

	assert_non_null(text);
	size_t at = (size_t)sprintf(text, "%s", before);
	memset(text + at, 'x', n);
	memcpy(text + at + n, after, strlen(after) + 1);
	return parse_text(text);
}

static void a_long_label_is_matched_but_not_kept(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup)
	struct alert_group *g = parse_long(
		"{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"x\",\"path\":\"", 1 << 20, "\"}}]}");

	assert_false(g->alerts[0].rejected);
	assert_int_equal(strlen(alert_label(&g->alerts[0], "path")), 1 << 20);
	check_kept(&g->alerts[0], 1, false);
}

/* Decoration must not stand between a trigger and its rollback. */
static void an_oversized_annotation_is_cut_and_its_alert_taken(void **state)
{
	(void)state;
	static const char before[] =
		"{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"alertname\":\"x\"},\"annotations\":{\"s\":\"";
	CLEANUP(alert_group_cleanup)
	struct alert_group *fits = parse_long(before, PAYLOAD_ANNOTATION_MAX, "\"}}]}");
	CLEANUP(alert_group_cleanup)
	struct alert_group *over = parse_long(before, PAYLOAD_ANNOTATION_MAX + 1, "\",\"summary\":\"short\"}}]}");

	assert_int_equal(strlen(alert_annotation(&fits->alerts[0], "s")), PAYLOAD_ANNOTATION_MAX);
	check_kept(&fits->alerts[0], 1, true);
	assert_false(over->alerts[0].rejected);
	assert_string_equal(alert_annotation(&over->alerts[0], "summary"), "short");
	assert_string_equal(alert_annotation(&over->alerts[0], "s") + PAYLOAD_ANNOTATION_MAX, "…");
	assert_int_equal(over->alerts[0].annotations_cut, 1);
	assert_int_equal(over->alerts[0].bytes_cut, 1);
}

/* {"summary": behind 400 others of 1 kB} */
static void the_summary_is_kept_before_all_other_annotations(void **state)
{
	(void)state;
	struct buf b = BUF(1 << 20);
	struct truncated_alert k = {0};

	buf_str(&b, "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"annotations\":{");
	for (int i = 0; i < 400; i++)
		buf_printf(&b, "\"a%d\":\"%01000d\",", i, 0);
	buf_str(&b, "\"summary\":\"too many errors\"}}]}");
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse_text(buf_text(&b));
	assert_string_equal(alert_annotation(&g->alerts[0], "summary"), "too many errors");
	assert_int_equal(alert_truncate(&g->alerts[0], &k), 0);
	assert_true(strlen(k.annotations) < PAYLOAD_ANNOTATIONS_MAX + 2000);
	assert_non_null(strstr(k.annotations, TRUNCATE_NOTE));
	assert_true(alert_group_size(g) < 3 * PAYLOAD_ANNOTATIONS_MAX);
	truncated_alert_free(&k);
	buf_free(&b);
}

/* One odd character costs neither its own alert nor the one beside it. */
static void odd_characters_are_replaced_and_reject_nothing(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup)
	struct alert_group *g = parse_text(
		"{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"path\":\"/"
		"x\\u0000y\",\"half\":\"\\ud83d\",\"raw\":\"\xff\","
		"\"action\\u0000\":\"auto_rollback\"},\"annotations\":{\"d\":\"a\\u0000b\"},\"generatorURL\":\"http://"
		"p/\\u0000\"},"
		"{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}}],\"commonAnnotations\":{\"d\":\"\\u0000\"}}");
	const struct alert *a = &g->alerts[0];

	assert_false(a->rejected || g->alerts[1].rejected);
	assert_string_equal(alert_label(a, "path"), "/x\xef\xbf\xbdy");
	assert_string_equal(alert_label(a, "half"), "\xef\xbf\xbd");
	assert_string_equal(alert_label(a, "raw"), "\xef\xbf\xbd");
	assert_null(alert_label(a, "action")); /* a name with a NUL is not the name without it */
	assert_string_equal(alert_label(a, "action\xef\xbf\xbd"), "auto_rollback");
	assert_string_equal(alert_annotation(a, "d"), "a\xef\xbf\xbd"
	                                              "b");
	assert_string_equal(a->generator_url, "http://p/\xef\xbf\xbd");
}

/* Which of the two would be matched? */
static void two_labels_that_odd_characters_make_one_reject_their_alert(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup)
	struct alert_group *g =
		parse_text("{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\\u0000\":\"1\",\"a\xff\":\"2\"}},"
	                   "{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}}]}");

	assert_true(g->alerts[0].rejected);
	assert_non_null(strstr(g->alerts[0].why, "two labels"));
	assert_false(g->alerts[1].rejected);
}

static double cpu_seconds(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* before, unit as often as fits into 16 MiB, after. What would be gigabytes as a tree costs no more than its bytes. */
static void check_flood(const char *before, const char *unit, const char *after, int expected)
{
	CLEANUP(buf_free) struct buf b = BUF(20 << 20);
	CLEANUP(alert_group_cleanup) struct alert_group *g = NULL;
	struct payload_fault fault = {""};

	buf_str(&b, before);
	while (b.len < 16u << 20)
		buf_str(&b, unit);
	buf_str(&b, after);
	assert_int_equal(b.error, 0);
	double start = cpu_seconds();
	int r = alert_group_parse(buf_text(&b), b.len, &g, &fault);
	if (r != expected)
		fail_msg("16 MiB of %s: %d %s", unit, r, fault.why);
	if (r < 0)
		assert_string_not_equal(fault.why, "");
	else
		assert_true(alert_group_size(g) <= PAYLOAD_MEMORY_MAX + (8u << 20));
#ifndef __SANITIZE_ADDRESS__
	assert_true(cpu_seconds() - start < 2);
#else
	(void)start;
#endif
}

static void sixteen_mebibytes_of_anything_cost_little(void **state)
{
	(void)state;
	static const char head[] = "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}";

	check_flood("{\"alerts\":[],\"x\":[", "{},", "0]}", -E2BIG);
	check_flood("{\"alerts\":[", "{},", "0]}", -E2BIG);
	check_flood("{\"alerts\":[],\"x\":[", "{\"abcd\":0},", "0]}", 0);
	check_flood(head, "        ", "}]}", 0);
	check_flood("{\"alerts\":[],\"x\":\"", "\xff", "\"}", 0);
	check_flood("{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"", "\\u0000", "\"}}]}", 0);
	check_flood("{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"", "\xff", "\"}}]}", 0);
	check_flood("{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"},\"annotations\":{\"s\":\"", "xyz",
	            "\"}}]}", 0);
}

/* What goes on record of an alert with these labels and annotations. */
static void check_record(const char *sent_labels, const char *sent_annotations, bool as_sent, const char *labels,
                         const char *annotations)
{
	char text[1000];
	struct truncated_alert k = {0};

	snprintf(text, sizeof(text), "{\"alerts\":[{\"status\":\"firing\",\"labels\":%s,\"annotations\":%s}]}",
	         sent_labels, sent_annotations);
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse_text(text);
	const struct alert *a = &g->alerts[0];
	assert_int_equal(alert_truncate(a, &k), 0);
	assert_string_equal(k.labels, labels);
	assert_string_equal(k.annotations, annotations);
	assert_int_equal(a->labels_as_sent != NULL, as_sent);
	assert_int_equal(a->annotations_as_sent != NULL, as_sent);
	truncated_alert_free(&k);
}

/* As Alertmanager writes them; whatever else means the same is written so. */
static void the_record_has_one_form(void **state)
{
	(void)state;
	static const char plain[] = "{\"a\":\"1\",\"b\":\"\xc3\xa9 2\"}",
			  odd[] = "{\"a\":\"1\",\"b\":\"\xef\xbf\xbd\"}";

	check_record(plain, plain, true, plain, plain);
	check_record("{\"a\":\"1\"}", "{}", true, "{\"a\":\"1\"}", "{}");
	check_record("{\"a\": \"1\",\"b\":\"\xc3\xa9 2\"}", "{ \"a\":\"1\",\"b\":\"\xc3\xa9 2\"}", false, plain, plain);
	check_record("{\"a\":\"\\u0031\",\"b\":\"\xc3\xa9 2\"}", "{\"\\u0061\":\"1\",\"b\":\"\xc3\xa9 2\"}", false,
	             plain, plain);
	check_record("{\"a\":\"1\",\"b\":\"\xff\"}", "{\"a\":\"1\",\"b\":\"\\u0000\"}", false, odd, odd);
}

static void labels_are_put_in_order(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup)
	struct alert_group *g =
		parse_text("{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"b\":\"2\",\"a\":\"1\"}}]}");
	struct truncated_alert k = {0};

	assert_int_equal(alert_truncate(&g->alerts[0], &k), 0);
	assert_string_equal(k.labels, "{\"a\":\"1\",\"b\":\"2\"}");
	truncated_alert_free(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(twenty_thousand_alerts_are_taken_and_no_more),
		cmocka_unit_test(of_more_alerts_those_that_decide_are_taken),
		cmocka_unit_test(a_judge_that_takes_too_long_ends_the_reading),
		cmocka_unit_test(all_labels_are_matched_and_a_bounded_part_of_them_kept),
		cmocka_unit_test(a_long_label_is_matched_but_not_kept),
		cmocka_unit_test(an_oversized_annotation_is_cut_and_its_alert_taken),
		cmocka_unit_test(the_summary_is_kept_before_all_other_annotations),
		cmocka_unit_test(odd_characters_are_replaced_and_reject_nothing),
		cmocka_unit_test(two_labels_that_odd_characters_make_one_reject_their_alert),
		cmocka_unit_test(the_record_has_one_form),
		cmocka_unit_test(labels_are_put_in_order),
		cmocka_unit_test(sixteen_mebibytes_of_anything_cost_little),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
