#include "alertmanager/payload.h"

#include <dirent.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define PAYLOADS "tests/data/payloads/"

/* What each body must yield. The first thirteen were captured from Alertmanager 0.25 (the last of them
 * derived for 0.34). */
static const struct expected {
	const char *file;
	bool captured;
	size_t n, rejected;
	int64_t truncated;
	const char *why; /* not NULL: refused as a whole, and the sentence holds this */
} payloads[] = {
	{"01_firing_one.json", true, 1, 0, 0, NULL},
	{"02_firing_two_same_group_old_alert_repeated.json", true, 2, 0, 0, NULL},
	{"03_mixed_resolved_and_firing_status_firing.json", true, 2, 0, 0, NULL},
	{"04_all_resolved.json", true, 1, 0, 0, NULL},
	{"05_refire_same_fingerprint_new_startsAt.json", true, 1, 0, 0, NULL},
	{"06_max_alerts_1_truncated.json", true, 1, 0, 1, NULL},
	{"07_max_alerts_1_says_resolved_but_truncated_alert_still_fires.json", true, 1, 0, 1, NULL},
	{"08_retry_after_503_identical_body_a.json", true, 1, 0, 0, NULL},
	{"09_retry_after_503_identical_body_b.json", true, 1, 0, 0, NULL},
	{"10_ha_duplicate_from_peer_1.json", true, 1, 0, 0, NULL},
	{"11_ha_duplicate_from_peer_2.json", true, 1, 0, 0, NULL},
	{"12_resolved_while_silenced_sibling_still_fires.json", true, 1, 0, 0, NULL},
	{"13_v0.34_notification_reason_routeLabels.json", true, 2, 0, 0, NULL},
	{"14_v3_number_group_key.json", false, 1, 0, 0, NULL},
	{"15_google_managed.json", false, 1, 0, 0, NULL},
	{"16_grafana.json", false, 2, 0, 0, NULL},
	{"17_grafana_test_button.json", false, 1, 0, 1, NULL},
	{"18_vmalert.json", false, 1, 0, 0, NULL},
	{"19_missing_fingerprint.json", false, 6, 0, 0, NULL},
	{"20_missing_group_fields.json", false, 1, 0, 0, NULL},
	{"21_null_maps.json", false, 1, 0, 0, NULL},
	{"22_offsets_and_nanoseconds.json", false, 5, 0, 0, NULL},
	{"23_status_upper_case.json", false, 2, 1, 0, NULL},
	{"24_prometheus_bare_array.json", false, 0, 0, 0, "/api/v2/alerts"},
	{"25_custom_payload_without_alerts.json", false, 0, 0, 0, "no \"alerts\" array"},
	{"26_empty_body.json", false, 0, 0, 0, "the body is empty"},
	{"27_empty_alerts.json", false, 0, 0, 0, NULL},
	{"28_strange_alerts_among_good_ones.json", false, 30, 16, 0, NULL},
	{"29_hostile_labels.json", false, 15, 0, 0, NULL},
	{"30_alerts_is_an_object.json", false, 0, 0, 0, "\"alerts\" is no array"},
	{"31_not_an_object.json", false, 0, 0, 0, "no JSON object"},
	{"32_truncated_body.json", false, 0, 0, 0, "not JSON"},
	{"33_duplicate_status.json", false, 0, 0, 0, "duplicate key"},
	{"34_null_alerts.json", false, 0, 0, 0, "no \"alerts\" array"},
	{"35_odd_characters.json", false, 3, 0, 0, NULL},
	{"36_two_labels_become_one.json", false, 2, 1, 0, NULL},
};

struct body {
	char *text; /* owned, with a closing NUL that is not part of it */
	size_t len;
};

static struct body read_body(const char *file)
{
	char path[256];
	struct body b = {malloc(64 * 1024), 0};

	snprintf(path, sizeof(path), PAYLOADS "%s", file);
	FILE *f = fopen(path, "rb");
	assert_non_null(f);
	assert_non_null(b.text);
	b.len = fread(b.text, 1, 64 * 1024 - 1, f);
	b.text[b.len] = '\0';
	assert_int_equal(fclose(f), 0);
	return b;
}

static struct alert_group *parse(const char *body, size_t len)
{
	struct alert_group *g = NULL;
	struct payload_fault fault = {""};
	int r = alert_group_parse(body, len, &g, &fault);

	if (r != 0)
		fail_msg("refused: %s", fault.why);
	return g;
}

static struct alert_group *parse_file(const char *file)
{
	struct body b = read_body(file);
	struct alert_group *g = parse(b.text, b.len);

	free(b.text);
	return g;
}

static struct alert_group *parse_text(const char *text)
{
	return parse(text, strlen(text));
}

/* The group of one alert: '{"status":"firing","labels":{"a":"b"}<more>}'. */
static struct alert_group *parse_one(const char *more)
{
	char text[1024];

	snprintf(text, sizeof(text), "{\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}%s}]}", more);
	return parse_text(text);
}

static int64_t utc(int year, int month, int day, int hour, int minute, int second, int us)
{
	struct tm tm = {.tm_year = year - 1900,
	                .tm_mon = month - 1,
	                .tm_mday = day,
	                .tm_hour = hour,
	                .tm_min = minute,
	                .tm_sec = second};

	return (int64_t)timegm(&tm) * 1000000 + us;
}

/* ---- every file ---- */

static void every_body_in_the_folder_has_its_expectation(void **state)
{
	(void)state;
	DIR *dir = opendir(PAYLOADS);
	size_t files = 0;

	assert_non_null(dir);
	for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
		size_t i = 0;
		if (e->d_name[0] == '.')
			continue;
		while (i < ARRAY_LEN(payloads) && strcmp(payloads[i].file, e->d_name) != 0)
			i++;
		if (i == ARRAY_LEN(payloads))
			fail_msg("%s is not in the table", e->d_name);
		files++;
	}
	closedir(dir);
	assert_int_equal(files, ARRAY_LEN(payloads));
}

static void check_refused(const struct expected *e, const struct body *b)
{
	struct alert_group *g = NULL;
	struct payload_fault fault = {""};

	assert_int_equal(alert_group_parse(b->text, b->len, &g, &fault), -EINVAL);
	assert_null(g);
	if (!strstr(fault.why, e->why))
		fail_msg("%s: \"%s\" does not say \"%s\"", e->file, fault.why, e->why);
}

static void check_labels(const struct alert *a, struct json_object *sent)
{
	struct json_object *labels = NULL;

	assert_int_equal(json_get_obj(sent, "labels", &labels), 1);
	assert_int_equal(a->n_labels, json_object_object_length(labels));
	json_object_object_foreach(labels, name, value)
	{
		assert_non_null(alert_label(a, name));
		assert_string_equal(alert_label(a, name), json_object_get_string(value));
	}
	for (size_t i = 1; i < a->n_labels; i++)
		assert_true(strcmp(a->labels[i - 1].name, a->labels[i].name) < 0);
}

static void check_alert(const struct alert *a, struct json_object *sent)
{
	assert_non_null(a->generator_url);
	assert_int_equal(strspn(a->fingerprint, "0123456789abcdef"), strlen(a->fingerprint));
	if (a->rejected) {
		assert_true(strlen(a->why) > 20);
		assert_int_equal(strlen(a->fingerprint), 32);
		assert_int_equal(a->n_labels, 0);
		assert_null(a->labels);
		return;
	}
	assert_null(a->why);
	assert_string_equal(json_str_or(sent, "status", ""), a->status == ALERT_FIRING ? "firing" : "resolved");
	assert_true(a->status == ALERT_RESOLVED || a->ends_at_us == 0);
	check_labels(a, sent);
}

static const char *fingerprint_sent(const char *file, size_t i, char out[33])
{
	CLEANUP(json_cleanup) struct json_object *root = NULL;
	struct json_object *alerts = NULL;
	struct body b = read_body(file);

	assert_int_equal(json_parse(b.text, b.len, &root, NULL), 0);
	assert_int_equal(json_get_arr(root, "alerts", &alerts), 1);
	snprintf(out, 33, "%s", json_str_or(json_object_array_get_idx(alerts, i), "fingerprint", ""));
	free(b.text);
	return out;
}

static void check_accepted(const struct expected *e, const struct body *b)
{
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse(b->text, b->len);
	CLEANUP(json_cleanup) struct json_object *root = NULL;
	struct json_object *sent = NULL;
	size_t rejected = 0;

	assert_int_equal(json_parse(b->text, b->len, &root, NULL), 0);
	assert_int_equal(json_get_arr(root, "alerts", &sent), 1);
	assert_int_equal(g->n, e->n);
	assert_int_equal(g->n, json_object_array_length(sent));
	assert_int_equal(g->truncated, e->truncated);
	for (size_t i = 0; i < g->n; i++) {
		check_alert(&g->alerts[i], json_object_array_get_idx(sent, i));
		rejected += g->alerts[i].rejected ? 1 : 0;
	}
	assert_int_equal(rejected, e->rejected);
}

static void every_body_yields_what_the_table_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		struct body b = read_body(payloads[i].file);
		print_message("  %s\n", payloads[i].file);
		if (payloads[i].why)
			check_refused(&payloads[i], &b);
		else
			check_accepted(&payloads[i], &b);
		free(b.text);
	}
}

/* Alertmanager wrote both the labels and the fingerprint: its arithmetic must be ours. */
static void our_label_hash_is_alertmanagers_own(void **state)
{
	(void)state;
	size_t compared = 0;

	for (size_t i = 0; i < ARRAY_LEN(payloads); i++) {
		if (!payloads[i].captured)
			continue;
		CLEANUP(alert_group_cleanup) struct alert_group *g = parse_file(payloads[i].file);
		for (size_t k = 0; k < g->n; k++) {
			char ours[17], buffer[33];
			const char *sent = fingerprint_sent(payloads[i].file, k, buffer);
			snprintf(ours, sizeof(ours), "%016llx",
			         (unsigned long long)text_fingerprint(g->alerts[k].labels, g->alerts[k].n_labels));
			assert_string_equal(ours, sent);
			assert_string_equal(g->alerts[k].fingerprint, sent);
			compared++;
		}
	}
	assert_int_equal(compared, 16);
}

/* ---- single files, in detail ---- */

static void a_captured_alert_is_read_in_full(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup)
	struct alert_group *g = parse_file("03_mixed_resolved_and_firing_status_firing.json");
	const struct alert *a = &g->alerts[0], *b = &g->alerts[1];

	assert_int_equal(a->status, ALERT_RESOLVED);
	assert_int_equal(b->status, ALERT_FIRING);
	assert_true(a->starts_at_us == utc(2026, 11, 22, 18, 46, 41, 121022));
	assert_true(a->ends_at_us == utc(2026, 11, 22, 18, 46, 56, 131620));
	assert_true(b->starts_at_us == utc(2026, 11, 22, 18, 46, 49, 129414));
	assert_true(b->ends_at_us == 0);
	assert_string_equal(alert_label(a, "instance"), "a");
	assert_string_equal(alert_label(b, "instance"), "b");
	assert_null(alert_label(a, "instanc"));
	assert_null(alert_label(a, "instances"));
	assert_string_equal(alert_annotation(a, "summary"), "5xx > 5% & <b>rising</b> — été");
	assert_string_equal(a->generator_url, "http://prom:9090/graph?g0.expr=rate(x[5m])+%3E+0.05&g0.tab=1");
}

static void a_refire_is_the_same_labels_with_a_new_start(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup) struct alert_group *first = parse_file("01_firing_one.json");
	CLEANUP(alert_group_cleanup)
	struct alert_group *again = parse_file("05_refire_same_fingerprint_new_startsAt.json");

	assert_string_equal(first->alerts[0].fingerprint, again->alerts[0].fingerprint);
	assert_true(first->alerts[0].starts_at_us < again->alerts[0].starts_at_us);
}

static void copies_of_two_peers_are_the_same_alert(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup) struct alert_group *one = parse_file("10_ha_duplicate_from_peer_1.json");
	CLEANUP(alert_group_cleanup) struct alert_group *two = parse_file("11_ha_duplicate_from_peer_2.json");

	assert_string_equal(one->alerts[0].fingerprint, two->alerts[0].fingerprint);
	assert_true(one->alerts[0].starts_at_us == two->alerts[0].starts_at_us);
}

static void a_number_as_group_key_is_no_reason_to_refuse(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse_file("14_v3_number_group_key.json");

	assert_false(g->alerts[0].rejected);
	assert_true(g->alerts[0].starts_at_us == utc(2025, 10, 14, 8, 0, 0, 0));
}

static void the_end_of_a_firing_alert_is_never_believed(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup) struct alert_group *google = parse_file("15_google_managed.json");
	CLEANUP(alert_group_cleanup)
	struct alert_group *future =
		parse_one(",\"endsAt\":\"2035-01-01T00:00:00Z\",\"startsAt\":\"2025-10-14T10:00:00Z\"");

	assert_int_equal(google->alerts[0].status, ALERT_FIRING);
	assert_true(google->alerts[0].ends_at_us == 0);
	assert_string_equal(google->alerts[0].fingerprint, "1f2e3d4c5b6a7988");
	assert_int_equal(future->alerts[0].status, ALERT_FIRING);
	assert_true(future->alerts[0].ends_at_us == 0);
}

static void an_alert_counts_by_its_own_status_not_the_groups(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse_file("16_grafana.json");

	assert_int_equal(g->alerts[0].status, ALERT_RESOLVED);
	assert_int_equal(g->alerts[1].status, ALERT_FIRING);
	assert_true(g->alerts[0].starts_at_us == utc(2025, 10, 14, 8, 0, 0, 123456));
	assert_true(g->alerts[0].ends_at_us == utc(2025, 10, 14, 10, 5, 0, 0));
	assert_string_equal(g->alerts[1].fingerprint, "27ee3c1bd2b0a0f1");
}

/* The file holds the labels of capture 01 in another order, without a usable fingerprint. */
static void a_missing_fingerprint_is_computed_as_alertmanager_would(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup) struct alert_group *sent = parse_file("01_firing_one.json");
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse_file("19_missing_fingerprint.json");

	for (size_t i = 0; i < g->n; i++)
		assert_string_equal(g->alerts[i].fingerprint, sent->alerts[0].fingerprint);
}

static void any_hex_fingerprint_up_to_32_digits_is_taken_as_sent(void **state)
{
	(void)state;
	static const char *const good[] = {"0", "ABCDEF0123456789", "0123456789abcdef0123456789abcdef"};

	for (size_t i = 0; i < ARRAY_LEN(good); i++) {
		char more[100];
		snprintf(more, sizeof(more), ",\"fingerprint\":\"%s\"", good[i]);
		CLEANUP(alert_group_cleanup) struct alert_group *g = parse_one(more);
		assert_string_equal(g->alerts[0].fingerprint, good[i]);
	}
}

static void missing_and_null_fields_count_as_absent(void **state)
{
	(void)state;
	static const char *const files[] = {"20_missing_group_fields.json", "21_null_maps.json"};

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		CLEANUP(alert_group_cleanup) struct alert_group *g = parse_file(files[i]);
		assert_int_equal(g->truncated, 0);
		assert_int_equal(g->alerts[0].n_annotations, 0);
		assert_string_equal(g->alerts[0].generator_url, "");
		assert_true(g->alerts[0].ends_at_us == 0);
		assert_string_equal(alert_label(&g->alerts[0], "alertname"), "CSTErrorRate");
	}
}

static void one_instant_is_one_start_however_it_is_spelled(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse_file("22_offsets_and_nanoseconds.json");

	for (size_t i = 0; i < g->n; i++)
		assert_true(g->alerts[i].starts_at_us == utc(2025, 10, 14, 10, 0, 0, 123456));
}

static void a_start_before_1970_is_no_start(void **state)
{
	(void)state;
	static const char *const starts[] = {"0001-01-01T00:00:00Z", "0001-01-01T00:00:00+05:30",
	                                     "1970-01-01T00:00:00Z", "1969-12-31T23:59:59Z"};

	for (size_t i = 0; i < ARRAY_LEN(starts); i++) {
		char more[100];
		snprintf(more, sizeof(more), ",\"startsAt\":\"%s\"", starts[i]);
		CLEANUP(alert_group_cleanup) struct alert_group *g = parse_one(more);
		assert_false(g->alerts[0].rejected);
		assert_true(g->alerts[0].starts_at_us == 0);
	}
}

static void an_unknown_status_rejects_that_alert_only(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse_file("23_status_upper_case.json");

	assert_true(g->alerts[0].rejected);
	assert_non_null(strstr(g->alerts[0].why, "\"FIRING\""));
	assert_false(g->alerts[1].rejected);
	assert_int_equal(g->alerts[1].status, ALERT_FIRING);
}

/* The expected digits: printf '{"status" : "FIRING"}' | sha256sum */
static void a_rejected_alert_is_known_by_the_hash_of_its_text(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup)
	struct alert_group *g = parse_text("{\"alerts\":[ {\"status\" : \"FIRING\"}, {\"status\":\"firing\"} ]}");

	assert_true(g->alerts[0].rejected && g->alerts[1].rejected);
	assert_string_equal(g->alerts[0].fingerprint, "8b04dbfabd075f8f26ba24fd4efe5b6e");
	assert_string_not_equal(g->alerts[1].fingerprint, g->alerts[0].fingerprint);
}

/* The file's first 16 alerts can't be acted on, the next five have no startsAt that is a time, the others only have
 * strange decoration. */
static void strange_alerts_are_rejected_one_by_one(void **state)
{
	(void)state;
	static const char *const why[] = {
		"no JSON object",
		"no JSON object",
		"no JSON object",
		"no JSON object",
		"no status",
		"no status",
		"no status",
		"\"pending\"",
		"no labels",
		"no labels",
		"no labels",
		"labels are no JSON object",
		"labels are no JSON object",
		"label \"a\" is no string",
		"label \"a\" is no string",
		"empty name",
	};
	CLEANUP(alert_group_cleanup)
	struct alert_group *g = parse_file("28_strange_alerts_among_good_ones.json");

	for (size_t i = 0; i < g->n; i++) {
		assert_int_equal(g->alerts[i].rejected, i < ARRAY_LEN(why));
		if (i < ARRAY_LEN(why) && !strstr(g->alerts[i].why, why[i]))
			fail_msg("alert %zu: \"%s\" does not say \"%s\"", i, g->alerts[i].why, why[i]);
	}
	for (size_t i = ARRAY_LEN(why); i <= 21; i++)
		assert_true(g->alerts[i].starts_at_us == 0);
	assert_true(g->alerts[22].starts_at_us == utc(9999, 12, 31, 23, 59, 59, 0));
	assert_true(g->alerts[23].ends_at_us == utc(2026, 11, 22, 18, 0, 0, 0));
	assert_true(g->alerts[23].ends_at_us < g->alerts[23].starts_at_us);
	assert_true(g->alerts[24].ends_at_us == 0);
	assert_true(g->alerts[25].starts_at_us == 0);
	assert_int_equal(g->alerts[27].n_annotations, 0);
	assert_int_equal(g->alerts[28].n_annotations, 0);
	assert_string_equal(g->alerts[29].generator_url, "");
}

static void hostile_labels_arrive_byte_for_byte(void **state)
{
	(void)state;
	static const char *const values[] = {
		"$(touch pwned)",
		"`id`",
		"; rm -rf /",
		"line\nbreak",
		"%0d%0aX: y",
		"<script>alert(1)</script>",
		"' OR 1=1 --",
		"../../etc/passwd",
		"-rf",
		"<!channel>",
		"@everyone",
		"\x1b[31mred",
		"\xe2\x80\xaegnp.exe",
		"\xf0\x9f\x94\xa5",
		"",
	};
	CLEANUP(alert_group_cleanup) struct alert_group *g = parse_file("29_hostile_labels.json");

	assert_int_equal(g->n, ARRAY_LEN(values));
	for (size_t i = 0; i < g->n; i++)
		assert_string_equal(alert_label(&g->alerts[i], "alertname"), values[i]);
}

static void a_body_cut_anywhere_is_refused_with_a_sentence(void **state)
{
	(void)state;
	struct body b = read_body("02_firing_two_same_group_old_alert_repeated.json");
	size_t whole = (size_t)(strrchr(b.text, '}') - b.text) + 1;

	for (size_t len = 0; len < whole; len++) {
		struct alert_group *g = NULL;
		struct payload_fault fault = {""};
		assert_int_equal(alert_group_parse(b.text, len, &g, &fault), -EINVAL);
		assert_null(g);
		assert_string_not_equal(fault.why, "");
	}
	free(b.text);
}

static void group_fields_are_never_a_reason_to_refuse(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup)
	struct alert_group *g =
		parse_text("{\"receiver\":1,\"status\":[],\"groupKey\":{},\"externalURL\":false,\"truncatedAlerts\":-5,"
	                   "\"version\":1e400,\"alerts\":[{\"status\":\"firing\",\"labels\":{\"a\":\"b\"}}]}");

	assert_int_equal(g->truncated, 0);
	assert_false(g->alerts[0].rejected);
}

static void sentences_stay_one_line_whatever_they_quote(void **state)
{
	(void)state;
	CLEANUP(alert_group_cleanup)
	struct alert_group *g =
		parse_text("{\"alerts\":[{\"status\":\"x\\ny\\u001b[31m\\u202e\",\"labels\":{\"a\":\"b\"}}]}");

	assert_true(g->alerts[0].rejected);
	assert_null(strpbrk(g->alerts[0].why, "\n\x1b"));
	assert_null(strstr(g->alerts[0].why, "\xe2\x80\xae"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_body_in_the_folder_has_its_expectation),
		cmocka_unit_test(every_body_yields_what_the_table_says),
		cmocka_unit_test(our_label_hash_is_alertmanagers_own),
		cmocka_unit_test(a_captured_alert_is_read_in_full),
		cmocka_unit_test(a_refire_is_the_same_labels_with_a_new_start),
		cmocka_unit_test(copies_of_two_peers_are_the_same_alert),
		cmocka_unit_test(a_number_as_group_key_is_no_reason_to_refuse),
		cmocka_unit_test(the_end_of_a_firing_alert_is_never_believed),
		cmocka_unit_test(an_alert_counts_by_its_own_status_not_the_groups),
		cmocka_unit_test(a_missing_fingerprint_is_computed_as_alertmanager_would),
		cmocka_unit_test(any_hex_fingerprint_up_to_32_digits_is_taken_as_sent),
		cmocka_unit_test(missing_and_null_fields_count_as_absent),
		cmocka_unit_test(one_instant_is_one_start_however_it_is_spelled),
		cmocka_unit_test(a_start_before_1970_is_no_start),
		cmocka_unit_test(an_unknown_status_rejects_that_alert_only),
		cmocka_unit_test(a_rejected_alert_is_known_by_the_hash_of_its_text),
		cmocka_unit_test(strange_alerts_are_rejected_one_by_one),
		cmocka_unit_test(hostile_labels_arrive_byte_for_byte),
		cmocka_unit_test(a_body_cut_anywhere_is_refused_with_a_sentence),
		cmocka_unit_test(group_fields_are_never_a_reason_to_refuse),
		cmocka_unit_test(sentences_stay_one_line_whatever_they_quote),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
