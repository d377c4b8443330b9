#include "server/core/buf.h"
#include "server/core/json.h"
#include "server/core/json_raw.h"

#include <errno.h>
#include <malloc.h>
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
		{"[\"\\u00g0\"]", "\\u is not followed by four hexadecimal digits", 2},
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

static void many_members_are_compared_in_time_and_more_are_too_much(void **state)
{
	(void)state;
	CLEANUP(cleanup_free) char *all_differ = many_keys(JSON_MEMBERS_MAX, JSON_MEMBERS_MAX);
	CLEANUP(cleanup_free) char *one_twice = many_keys(JSON_MEMBERS_MAX, 4711);
	CLEANUP(cleanup_free) char *too_many = many_keys(JSON_MEMBERS_MAX + 1, JSON_MEMBERS_MAX + 1);
	struct json_fault fault = {0, NULL};
	double start = cpu_seconds();

	assert_int_equal(json_check(all_differ, strlen(all_differ), &fault), 0);
	assert_int_equal(json_check(one_twice, strlen(one_twice), &fault), -EINVAL);
	assert_string_equal(fault.why, "duplicate key");
	assert_memory_equal(one_twice + fault.offset, "\"k4711\":262143}", 15);
	assert_int_equal(json_check(too_many, strlen(too_many), &fault), -E2BIG);
	assert_non_null(strstr(fault.why, "members"));
	assert_true(cpu_seconds() - start < 5); /* comparing each with each would take hours */
}

/* "[unit,unit,…,0]" */
static char *many(const char *unit, size_t n)
{
	struct buf b = BUF(64u << 20);

	buf_char(&b, '[');
	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s,", unit);
	buf_str(&b, "0]");
	assert_int_equal(b.error, 0);
	return buf_take(&b);
}

#ifndef __SANITIZE_ADDRESS__ /* it has a malloc of its own */
static void no_tree_is_larger_than_was_reckoned(void **state)
{
	(void)state;
	static const char *const units[] = {
		"{}",
		"[]",
		"null",
		"true",
		"7",
		"2.5",
		"\"\"",
		"\"a text of some length, as in a label\"",
		"[[0,1]]",
		"{\"a\":1}",
		"{\"a\":{},\"b\":[],\"c\":\"d\",\"e\":null}",
		"{\"a\":1,\"b\":1,\"c\":1,\"d\":1,\"e\":1,\"f\":1,\"g\":1,\"h\":1,\"i\":1,\"j\":1,\"k\":1,\"l\":1}",
	};

	for (size_t i = 0; i < ARRAY_LEN(units); i++) {
		CLEANUP(cleanup_free) char *text = many(units[i], 20000);
		CLEANUP(json_cleanup) struct json_object *obj = NULL;
		struct json_size size = {0};
		size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;

		assert_int_equal(json_measure(text, strlen(text), SIZE_MAX, &size, NULL), 0);
		assert_int_equal(json_parse_within(text, strlen(text), SIZE_MAX, &obj, NULL, NULL), 0);
		size_t took = mallinfo2().uordblks + mallinfo2().hblkhd - before;
		if (took > size.tree || size.tree > 4 * took)
			fail_msg("%s: reckoned %zu bytes, took %zu", units[i], size.tree, took);
	}
}
#else
static void no_tree_is_larger_than_was_reckoned(void **state)
{
	(void)state;
	print_message("not told under AddressSanitizer: it has a malloc of its own\n");
}
#endif

static void what_would_cost_too_much_is_refused_before_it_is_built(void **state)
{
	(void)state;
	CLEANUP(cleanup_free) char *objects = many("{}", 2u << 20);
	CLEANUP(cleanup_free) char *values = many("0", JSON_VALUES_MAX);
	struct json_fault fault = {0, NULL};
	struct json_object *obj = NULL;
	double start = cpu_seconds();

	assert_int_equal(json_parse(objects, strlen(objects), &obj, &fault), -E2BIG);
	assert_non_null(strstr(fault.why, "memory"));
	assert_true(fault.offset < JSON_TREE_MAX / 100); /* at once, not at the end */
	assert_int_equal(json_check(values, strlen(values), &fault), -E2BIG);
	assert_non_null(strstr(fault.why, "values"));
	assert_null(obj);
	assert_true(cpu_seconds() - start < 2);
}

static void odd_characters_become_the_replacement_character(void **state)
{
	(void)state;
	static const struct {
		const char *sent, *kept;
	} texts[] = {
		{"\"\\u0000\"", "\xef\xbf\xbd"},
		{"\"a\\u0000b\"", "a\xef\xbf\xbd"
	                          "b"},
		{"\"\\ud800\"", "\xef\xbf\xbd"},
		{"\"\\udc00\\ud800\"", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\"\\ud83d\\ude00\\ud83d\"", "\xf0\x9f\x98\x80\xef\xbf\xbd"},
		{"\"\\ud83dA\"", "\xef\xbf\xbd"
	                         "A"},
		{"\"\xff\"", "\xef\xbf\xbd"},
		{"\"\xe2\x82\"", "\xef\xbf\xbd\xef\xbf\xbd"},
		{"\"\xc0\xafx\"", "\xef\xbf\xbd\xef\xbf\xbdx"},
		{"\"\\\\u0000\\n\\u00e9\\/\"", "\\u0000\n\xc3\xa9/"},
	};

	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		const char *sent = texts[i].sent;
		struct json_raw whole = json_raw_whole(sent, strlen(sent));
		CLEANUP(json_cleanup) struct json_object *obj = NULL;
		char kept[64];

		assert_int_equal(json_parse(sent, strlen(sent), &obj, NULL), 0);
		assert_string_equal(json_object_get_string(obj), texts[i].kept);
		assert_int_equal(json_object_get_string_len(obj), strlen(texts[i].kept));
		assert_int_equal(json_raw_size(whole), strlen(texts[i].kept));
		assert_int_equal(json_raw_decode(whole, kept, sizeof(kept) - 1), strlen(texts[i].kept));
		assert_string_equal(kept, texts[i].kept);
	}
}

static void a_name_with_a_nul_is_not_the_name_without_it(void **state)
{
	(void)state;
	static const char text[] = "{\"action\\u0000x\":\"1\",\"action\\u0000\":\"2\",\"\\u0061ction\":\"3\"}";
	CLEANUP(json_cleanup) struct json_object *obj = NULL;
	struct json_raw value = {0};

	assert_int_equal(json_parse(text, strlen(text), &obj, NULL), 0);
	assert_int_equal(json_object_object_length(obj), 3);
	assert_string_equal(json_str_or(obj, "action", ""), "3");
	assert_true(json_raw_find(json_raw_whole(text, strlen(text)), "action", &value));
	assert_true(json_raw_is(value, "3"));
}

static void the_pieces_of_a_text_are_found_without_a_tree(void **state)
{
	(void)state;
	static const char text[] = " {\"a\" : [1,\"]}\\\"\" , {\"b\":[]}\n,null] ,\"n\":null,\"c\":{} } ";
	struct json_raw whole = json_raw_whole(text, strlen(text)), a = {0}, value = {0};
	static const char *const items[] = {"1", "\"]}\\\"\"", "{\"b\":[]}", "null"};

	assert_true(json_raw_find(whole, "a", &a));
	struct json_raw rest = json_raw_inside(a);
	for (size_t i = 0; i < ARRAY_LEN(items); i++) {
		assert_true(json_raw_item(&rest, &value));
		assert_int_equal(value.len, strlen(items[i]));
		assert_memory_equal(value.text, items[i], value.len);
	}
	assert_false(json_raw_item(&rest, &value));
	assert_false(json_raw_find(whole, "n", &value));
	assert_false(json_raw_find(whole, "b", &value));
	assert_false(json_raw_find(a, "b", &value));
	assert_true(json_raw_find(whole, "c", &value));
	rest = json_raw_inside(value);
	assert_false(json_raw_item(&rest, &value));
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

static void a_string_is_written_as_json_c_writes_it(void **state)
{
	(void)state;
	for (int c = 1; c < 256; c++) {
		CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
		CLEANUP(buf_free) struct buf b = BUF(200);
		char text[32] = "eight or more, then one, more ";
		text[13] = (char)c;
		json_add_str(o, "k", text);
		buf_str(&b, "{\"k\":");
		json_write_str(&b, text);
		buf_str(&b, "}");
		assert_string_equal(buf_text(&b), json_text(o));
	}
}

static void what_stands_for_itself_ends_at_the_first_that_does_not(void **state)
{
	(void)state;
	for (size_t at = 0; at < 40; at++)
		for (int c = 0; c < 256; c++) {
			char text[40];
			bool plain = c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
			memset(text, 'x', sizeof(text));
			text[at] = (char)c;
			assert_int_equal(json_raw_plain(text, sizeof(text)), plain ? sizeof(text) : at);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_listed_text_gets_its_verdict),
		cmocka_unit_test(the_parser_behind_agrees_with_every_verdict),
		cmocka_unit_test(an_accepted_text_is_refused_when_cut_anywhere),
		cmocka_unit_test(a_fault_names_its_place_and_reason),
		cmocka_unit_test(a_text_may_hold_any_bytes_and_is_never_read_beyond),
		cmocka_unit_test(many_members_are_compared_in_time_and_more_are_too_much),
		cmocka_unit_test(no_tree_is_larger_than_was_reckoned),
		cmocka_unit_test(what_would_cost_too_much_is_refused_before_it_is_built),
		cmocka_unit_test(odd_characters_become_the_replacement_character),
		cmocka_unit_test(a_name_with_a_nul_is_not_the_name_without_it),
		cmocka_unit_test(the_pieces_of_a_text_are_found_without_a_tree),
		cmocka_unit_test(no_depth_exhausts_the_stack),
		cmocka_unit_test(a_top_level_null_is_valid_json_but_no_tree),
		cmocka_unit_test(members_are_read_by_their_type),
		cmocka_unit_test(what_is_absent_null_or_of_another_type_leaves_the_result_alone),
		cmocka_unit_test(whole_numbers_beyond_64_bits_are_clamped),
		cmocka_unit_test(added_members_print_as_compact_json),
		cmocka_unit_test(malformed_text_is_repaired_before_it_is_added),
		cmocka_unit_test(a_pointer_finds_a_value_or_nothing),
		cmocka_unit_test(a_string_is_written_as_json_c_writes_it),
		cmocka_unit_test(what_stands_for_itself_ends_at_the_first_that_does_not),
	};

	return cmocka_run_group_tests(tests, read_cases, free_cases);
}
