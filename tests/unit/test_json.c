#include "server/core/buf.h"
#include "server/core/json.h"

#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <cmocka.h>

#define CASES "tests/data/json/cases.txt"

struct json_case {
	bool accept;
	char *name, *body; /* owned */
	size_t len;
};

static struct json_case *cases;
static size_t n_cases;

static size_t percent_decode(char *s)
{
	size_t out = 0;

	for (size_t i = 0; s[i]; i++) {
		unsigned byte;
		if (s[i] == '%' && sscanf(s + i + 1, "%2x", &byte) == 1) {
			s[out++] = (char)byte;
			i += 2;
		} else {
			s[out++] = s[i];
		}
	}
	return out;
}

static void read_case(char *line)
{
	char *save = NULL, *verdict = strtok_r(line, " ", &save), *name = strtok_r(NULL, " ", &save);
	struct json_case *c;

	assert_non_null(name);
	assert_true(strcmp(verdict, "accept") == 0 || strcmp(verdict, "refuse") == 0);
	struct json_case *more = reallocarray(cases, n_cases + 1, sizeof(*cases));
	assert_non_null(more);
	cases = more;
	c = &cases[n_cases++];
	c->accept = strcmp(verdict, "accept") == 0;
	c->name = strdup(name);
	c->body = strdup(save ? save : "");
	c->len = percent_decode(c->body);
	/* Without a byte behind the end, so that reading over it is caught. */
	char *exact = malloc(c->len ? c->len : 1);
	assert_non_null(exact);
	memcpy(exact, c->body, c->len);
	free(c->body);
	c->body = exact;
}

static int read_cases(void **state)
{
	(void)state;
	char *line = NULL;
	size_t size = 0;
	FILE *f = fopen(CASES, "re");

	if (!f)
		return -1; /* run from the top of the repository */
	while (getline(&line, &size, f) >= 0) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] && line[0] != '#')
			read_case(line);
	}
	free(line);
	fclose(f);
	return 0;
}

static int free_cases(void **state)
{
	(void)state;
	for (size_t i = 0; i < n_cases; i++) {
		free(cases[i].name);
		free(cases[i].body);
	}
	free(cases);
	return 0;
}

static void every_listed_text_gets_its_verdict(void **state)
{
	(void)state;
	size_t accepted = 0;

	for (size_t i = 0; i < n_cases; i++) {
		struct json_fault fault = {0, NULL};
		int r = json_check(cases[i].body, cases[i].len, &fault);
		if (r != (cases[i].accept ? 0 : -EINVAL))
			fail_msg("%s: %d %s at %zu", cases[i].name, r, fault.why, fault.offset);
		if (r < 0) {
			assert_non_null(fault.why);
			assert_true(fault.offset <= cases[i].len);
		}
		accepted += cases[i].accept;
	}
	assert_true(accepted >= 80);
	assert_true(n_cases - accepted >= 150);
}

static void the_parser_behind_agrees_with_every_verdict(void **state)
{
	(void)state;

	for (size_t i = 0; i < n_cases; i++) {
		CLEANUP(json_cleanup) struct json_object *obj = NULL;
		struct json_fault fault = {0, NULL};
		int r = json_parse(cases[i].body, cases[i].len, &obj, &fault);
		if (r != (cases[i].accept ? 0 : -EINVAL))
			fail_msg("%s: %d %s at %zu", cases[i].name, r, fault.why, fault.offset);
		if (r == 0)
			assert_int_equal(json_check(json_text(obj), strlen(json_text(obj)), NULL), 0);
		else
			assert_null(obj);
	}
}

static bool is_one_of(char c, const char *any)
{
	return c && strchr(any, c);
}

/* json_check of a copy without a byte behind its end, so that reading over it is caught. */
static int check_exactly(const char *text, size_t len)
{
	CLEANUP(cleanup_free) char *exact = malloc(len ? len : 1);

	if (!exact)
		return -ENOMEM;
	memcpy(exact, text, len);
	return json_check(exact, len, NULL);
}

static void an_accepted_text_is_refused_when_cut_anywhere(void **state)
{
	(void)state;

	for (size_t i = 0; i < n_cases; i++) {
		const struct json_case *c = &cases[i];
		if (!c->accept || !is_one_of(c->body[0], "{[\"") || !is_one_of(c->body[c->len - 1], "}]\""))
			continue; /* a number cut is a number, and blanks at the end may go */
		for (size_t len = 0; len < c->len; len++) {
			if (check_exactly(c->body, len) != -EINVAL)
				fail_msg("%s cut to %zu bytes", c->name, len);
		}
	}
}

static void a_fault_names_its_place_and_reason(void **state)
{
	(void)state;
	static const struct {
		const char *text, *why;
		size_t offset;
	} faults[] = {
		{"[1, 01]", "number has a leading zero", 4},
		{"{\"a\":1,\"a\":2}", "duplicate key", 7},
		{"{\"a\":1,\"b\":2,\"b\":3,\"a\":4}", "duplicate key", 13},
		{"{\"b\":1,\"a\":2,\"a\":3,\"b\":4}", "duplicate key", 13},
		{"{\"a\":{\"\\u0062\":1,\"b\":2}}", "duplicate key", 17},
		{"[1,]", "no JSON value begins like this", 3},
		{"{} x", "something follows the JSON value", 3},
		{"[\"a\n\"]", "control character in a string", 3},
		{"[\"a\\x\"]", "unknown escape in a string", 3},
		{"[\"\xff\"]", "malformed UTF-8", 2},
		{"[\"\\ud800\"]", "half of a surrogate pair", 2},
		{"[\"\\u0000\"]", "the character U+0000 is not accepted", 2},
		{"{\"a\"", "the text ends too early", 4},
		{"", "the text ends too early", 0},
		{"\xef\xbb\xbf{}", "a byte order mark stands before the JSON", 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(faults); i++) {
		struct json_fault fault = {99, NULL};
		assert_int_equal(json_check(faults[i].text, strlen(faults[i].text), &fault), -EINVAL);
		assert_string_equal(fault.why, faults[i].why);
		assert_int_equal(fault.offset, faults[i].offset);
	}
}

static void a_text_may_hold_any_bytes_and_is_never_read_beyond(void **state)
{
	(void)state;

	for (unsigned a = 0; a < 256; a++)
		for (unsigned b = 0; b < 256; b++) {
			bool good = check_exactly((char[4]) {'[', (char)a, (char)b, ']'}, 4) == 0;
			bool digits = a >= '1' && a <= '9' && b >= '0' && b <= '9';
			bool blank_a = a && strchr(" \t\r\n", (int)a), blank_b = b && strchr(" \t\r\n", (int)b);
			bool digit_a = a >= '0' && a <= '9', digit_b = b >= '0' && b <= '9';
			bool pair = (a == '[' && b == ']') || (a == '{' && b == '}') || (a == '"' && b == '"') ||
			            (a == '-' && digit_b) || (blank_a && (blank_b || digit_b)) || (digit_a && blank_b);
			assert_int_equal(good, digits || pair);
		}
}

/* {"k0":0,"k1":1,…}; the key of the last member is made equal to that of member `same` unless that is n. */
static char *many_keys(size_t n, size_t same)
{
	struct buf b = BUF(64u << 20);

	buf_char(&b, '{');
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s\"k%zu\":%zu", i ? "," : "", i + 1 == n && same < n ? same : i, i);
	buf_char(&b, '}');
	assert_int_equal(b.error, 0);
	return buf_take(&b);
}

static double cpu_seconds(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void a_million_keys_are_checked_in_seconds(void **state)
{
	(void)state;
	CLEANUP(cleanup_free) char *all_differ = many_keys(1000000, 1000000);
	CLEANUP(cleanup_free) char *one_twice = many_keys(1000000, 4711);
	struct json_fault fault = {0, NULL};
	double start = cpu_seconds();

	assert_int_equal(json_check(all_differ, strlen(all_differ), &fault), 0);
	assert_int_equal(json_check(one_twice, strlen(one_twice), &fault), -EINVAL);
	assert_string_equal(fault.why, "duplicate key");
	assert_memory_equal(one_twice + fault.offset, "\"k4711\":999999}", 15);
	assert_true(cpu_seconds() - start < 20); /* comparing each with each would take hours */
}

static void no_depth_exhausts_the_stack(void **state)
{
	(void)state;
	const size_t len = 16u << 20;
	CLEANUP(cleanup_free) char *text = malloc(len);
	struct json_fault fault = {0, NULL};

	assert_non_null(text);
	memset(text, '[', len);
	assert_int_equal(json_check(text, len, &fault), -EINVAL);
	assert_string_equal(fault.why, "nested too deeply");
	assert_int_equal(fault.offset, JSON_DEPTH_MAX);
}

static void a_top_level_null_is_valid_json_but_no_tree(void **state)
{
	(void)state;
	struct json_object *obj = NULL;

	assert_int_equal(json_check("null", 4, NULL), 0);
	assert_int_equal(json_parse("null", 4, &obj, NULL), -EINVAL);
	assert_null(obj);
}

static struct json_object *parse(const char *text)
{
	struct json_object *obj = NULL;

	assert_int_equal(json_parse(text, strlen(text), &obj, NULL), 0);
	return obj;
}

static void members_are_read_by_their_type(void **state)
{
	(void)state;
	CLEANUP(json_cleanup)
	struct json_object *obj =
		parse("{\"s\":\"text\",\"i\":-5,\"d\":2.5,\"b\":true,\"o\":{\"x\":1},\"a\":[1,2],\"n\":null}");
	const char *s = NULL;
	int64_t i = 0;
	double d = 0;
	bool b = false;
	struct json_object *o = NULL, *a = NULL;

	assert_int_equal(json_get_str(obj, "s", &s), 1);
	assert_string_equal(s, "text");
	assert_int_equal(json_get_int(obj, "i", &i), 1);
	assert_int_equal(i, -5);
	assert_int_equal(json_get_double(obj, "d", &d), 1);
	assert_true(d == 2.5);
	assert_int_equal(json_get_double(obj, "i", &d), 1);
	assert_true(d == -5);
	assert_int_equal(json_get_bool(obj, "b", &b), 1);
	assert_true(b);
	assert_int_equal(json_get_obj(obj, "o", &o), 1);
	assert_int_equal(json_int_or(o, "x", 0), 1);
	assert_int_equal(json_get_arr(obj, "a", &a), 1);
	assert_int_equal(json_object_array_length(a), 2);
}

static void what_is_absent_null_or_of_another_type_leaves_the_result_alone(void **state)
{
	(void)state;
	CLEANUP(json_cleanup)
	struct json_object *obj = parse("{\"s\":\"12\",\"i\":1,\"d\":1.0,\"n\":null,\"huge\":1e400}");
	const char *s = "before";
	int64_t i = 77;
	double d = 77;
	bool b = true;

	assert_int_equal(json_get_str(obj, "nothing", &s), 0);
	assert_int_equal(json_get_str(obj, "n", &s), 0);
	assert_int_equal(json_get_str(obj, "i", &s), -EINVAL);
	assert_int_equal(json_get_str(NULL, "s", &s), -EINVAL);
	assert_string_equal(s, "before");
	assert_int_equal(json_get_int(obj, "s", &i), -EINVAL);
	assert_int_equal(json_get_int(obj, "d", &i), -EINVAL);
	assert_int_equal(json_get_int(obj, "n", &i), 0);
	assert_int_equal(i, 77);
	assert_int_equal(json_get_double(obj, "s", &d), -EINVAL);
	assert_int_equal(json_get_double(obj, "huge", &d), -EINVAL);
	assert_true(d == 77);
	assert_int_equal(json_get_bool(obj, "i", &b), -EINVAL);
	assert_true(b);
	assert_string_equal(json_str_or(obj, "n", "default"), "default");
	assert_string_equal(json_str_or(obj, "i", "default"), "default");
	assert_int_equal(json_int_or(obj, "s", -3), -3);
}

static void whole_numbers_beyond_64_bits_are_clamped(void **state)
{
	(void)state;
	CLEANUP(json_cleanup)
	struct json_object *obj = parse("{\"a\":9223372036854775808,\"c\":-99999999999999999999}");

	assert_int_equal(json_int_or(obj, "a", 0), INT64_MAX);
	assert_int_equal(json_int_or(obj, "c", 0), INT64_MIN);
}

static void added_members_print_as_compact_json(void **state)
{
	(void)state;
	CLEANUP(json_cleanup) struct json_object *obj = json_object_new_object();

	json_add_str(obj, "s", "a/b\"\n");
	json_add_str(obj, "none", NULL);
	json_add_int(obj, "i", INT64_MIN);
	json_add_double(obj, "d", 0.1);
	json_add_double(obj, "third", 1.0 / 3);
	json_add_double(obj, "nan", (double)NAN);
	json_add_double(obj, "inf", (double)-INFINITY);
	json_add_bool(obj, "b", false);
	json_add_pct(obj, "whole", 1000);
	json_add_pct(obj, "part", 3333);
	json_add_pct(obj, "tenth", 50);
	json_add_pct(obj, "unknown", -1);
	json_add_time(obj, "never", 0);
	json_add_time(obj, "at", INT64_C(1760436000000000));
	json_add(obj, "o", json_object_new_object());
	assert_string_equal(json_text(obj), "{\"s\":\"a/b\\\"\\n\",\"none\":null,\"i\":-9223372036854775808,\"d\":0.1,"
	                                    "\"third\":0.3333333333333333,\"nan\":null,\"inf\":null,\"b\":false,"
	                                    "\"whole\":10,\"part\":33.33,\"tenth\":0.5,\"unknown\":null,\"never\":null,"
	                                    "\"at\":\"2025-10-14T10:00:00Z\",\"o\":{}}");
}

static void malformed_text_is_repaired_before_it_is_added(void **state)
{
	(void)state;
	CLEANUP(json_cleanup) struct json_object *obj = json_object_new_object();

	json_add_str(obj, "s", "a\xff\xc3\xa9z\n\xe2\x82");
	assert_string_equal(json_str_or(obj, "s", ""), "a\xef\xbf\xbd\xc3\xa9z\n\xef\xbf\xbd\xef\xbf\xbd");
	assert_int_equal(json_check(json_text(obj), strlen(json_text(obj)), NULL), 0);
}

static void a_pointer_finds_a_value_or_nothing(void **state)
{
	(void)state;
	CLEANUP(json_cleanup)
	struct json_object *obj = parse("{\"a\":[{\"b\":5}],\"x/y\":{\"~\":6},\"n\":null}");

	assert_int_equal(json_object_get_int(json_at(obj, "/a/0/b")), 5);
	assert_int_equal(json_object_get_int(json_at(obj, "/x~1y/~0")), 6);
	assert_ptr_equal(json_at(obj, ""), obj);
	assert_null(json_at(obj, "/n"));
	assert_null(json_at(obj, "/a/1"));
	assert_null(json_at(obj, "/a/-1"));
	assert_null(json_at(obj, "/a/x"));
	assert_null(json_at(obj, "/b/c/d"));
	assert_null(json_at(obj, "a"));
	assert_null(json_at(NULL, "/a"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_listed_text_gets_its_verdict),
		cmocka_unit_test(the_parser_behind_agrees_with_every_verdict),
		cmocka_unit_test(an_accepted_text_is_refused_when_cut_anywhere),
		cmocka_unit_test(a_fault_names_its_place_and_reason),
		cmocka_unit_test(a_text_may_hold_any_bytes_and_is_never_read_beyond),
		cmocka_unit_test(a_million_keys_are_checked_in_seconds),
		cmocka_unit_test(no_depth_exhausts_the_stack),
		cmocka_unit_test(a_top_level_null_is_valid_json_but_no_tree),
		cmocka_unit_test(members_are_read_by_their_type),
		cmocka_unit_test(what_is_absent_null_or_of_another_type_leaves_the_result_alone),
		cmocka_unit_test(whole_numbers_beyond_64_bits_are_clamped),
		cmocka_unit_test(added_members_print_as_compact_json),
		cmocka_unit_test(malformed_text_is_repaired_before_it_is_added),
		cmocka_unit_test(a_pointer_finds_a_value_or_nothing),
	};

	return cmocka_run_group_tests(tests, read_cases, free_cases);
}
