#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "server/http/server.h"
#include "server/http/guard.h"

#define HEADERS_MAX 5

typedef const char *const headers_case[HEADERS_MAX][2];

/* What the guard says of these headers. */
static const char *guard(headers_case pair, bool http_1_1)
{
	struct http_fields f = {0};

	for (size_t i = 0; i < HEADERS_MAX && pair[i][0]; i++)
		assert_int_equal(http_fields_add(&f, pair[i][0], pair[i][1]), 0);
	const char *why = http_guard_headers(&f, http_1_1);
	http_fields_free(&f);
	return why;
}

static void ordinary_headers_pass(void **state)
{
	static headers_case cases[] = {
		{{"Host", "a"}},
		{{"Host", "a"}, {"Content-Length", "0"}},
		{{"Host", "a"}, {"content-length", "123456"}, {"Content-Type", "application/json"}},
		{{"host", ""}, {"Transfer-Encoding", "Chunked"}},
		{{"Host", "a"}, {"Expect", "100-Continue"}, {"X-A", "tab\there, \xc3\xa4"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_null(guard(cases[i], true));
}

static void headers_that_two_servers_could_read_differently_are_refused(void **state)
{
	static headers_case cases[] = {
		{{"Host", "a"}, {"Content-Length", "3"}, {"Content-Length", "3"}},
		{{"Host", "a"}, {"Content-Length", "3"}, {"content-length", "4"}},
		{{"Host", "a"}, {"Content-Length", "3"}, {"Transfer-Encoding", "chunked"}},
		{{"Host", "a"}, {"Content-Length", "+3"}},
		{{"Host", "a"}, {"Content-Length", "0x3"}},
		{{"Host", "a"}, {"Content-Length", "3, 3"}},
		{{"Host", "a"}, {"Content-Length", "3 "}},
		{{"Host", "a"}, {"Content-Length", ""}},
		{{"Host", "a"}, {"Content-Length", "-1"}},
		{{"Host", "a"}, {"Content-Length", "18446744073709551617"}},
		{{"Host", "a"}, {"Content-Length ", "3"}},
		{{"Host", "a"}, {"Content-Length\t", "3"}},
		{{"Host", "a"}, {" X", "3"}},
		{{"Host", "a"}, {"", "3"}},
		{{"Host", "a"}, {"X(Y)", "3"}},
		{{"Host", "a"}, {"X", "a\rb"}},
		{{"Host", "a"}, {"X", "a\x7f"}},
		{{"Host", "a"}, {"Transfer-Encoding", "xchunked"}},
		{{"Host", "a"}, {"Transfer-Encoding", "gzip, chunked"}},
		{{"Host", "a"}, {"Transfer-Encoding", "identity"}},
		{{"Host", "a"}, {"Transfer-Encoding", "chunked"}, {"Transfer-Encoding", "chunked"}},
		{{"Host", "a"}, {"Expect", "200-ok"}},
		{{"Host", "a"}, {"Host", "a"}},
		{{"Accept", "*/*"}},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (!guard(cases[i], true))
			fail_msg("case %zu (%s: %s) passed", i, cases[i][1][0], cases[i][1][1]);
}

static void http_1_0_needs_no_host_and_knows_no_chunks(void **state)
{
	static headers_case no_host = {{"Accept", "*/*"}}, chunked = {{"Host", "a"}, {"Transfer-Encoding", "chunked"}};

	(void)state;
	assert_null(guard(no_host, false));
	assert_non_null(guard(chunked, false));
	assert_null(guard(chunked, true));
}

static void a_body_is_announced_by_its_length_or_by_chunks(void **state)
{
	struct http_fields none = {0}, zero = {0}, some = {0}, chunked = {0};

	(void)state;
	assert_int_equal(http_fields_add(&zero, "Content-Length", "000"), 0);
	assert_int_equal(http_fields_add(&some, "Content-Length", "17"), 0);
	assert_int_equal(http_fields_add(&chunked, "Transfer-Encoding", "chunked"), 0);
	assert_false(http_body_head(&none).any);
	assert_false(http_body_head(&zero).any);
	assert_true(http_body_head(&some).any && http_body_head(&some).known);
	assert_int_equal(http_body_head(&some).length, 17);
	assert_true(http_body_head(&chunked).any);
	assert_false(http_body_head(&chunked).known);
	http_fields_free(&zero);
	http_fields_free(&some);
	http_fields_free(&chunked);
}

static void a_path_is_decoded(void **state)
{
	static const char *const cases[][2] = {
		{"/", "/"},
		{"/metrics?x=%00", "/metrics"},
		{"/api/v1/rollouts/cst%2Dpipeline", "/api/v1/rollouts/cst-pipeline"},
		{"/a%20b", "/a b"},
		{"/a+b", "/a+b"},
		{"/%C3%A4", "/\xc3\xa4"},
		{"/a..b/...", "/a..b/..."},
		{"/trailing/", "/trailing/"},
	};
	char out[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(http_path_decode(cases[i][0], out), 0);
		assert_string_equal(out, cases[i][1]);
	}
}

static void a_path_that_hides_something_is_refused(void **state)
{
	static const char *const cases[] = {
		"",
		"*",
		"metrics",
		"http://a/metrics",
		"a:443",
		"//",
		"//metrics",
		"/a//b",
		"/a//",
		"/./metrics",
		"/a/.",
		"/..",
		"/../metrics",
		"/%2e%2e/metrics",
		"/a/%2E./b",
		"/metrics%00",
		"/%00/metrics",
		"/a%0d%0ab",
		"/a\tb",
		"/a b",
		"/a%7f",
		"/a%2fb",
		"/a%2Fb",
		"/%",
		"/%4",
		"/%zz",
		"/%c3",
		"/%c0%af",
		"/%ff",
		"/%?a=41",
	};
	char out[100];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		if (http_path_decode(cases[i], out) != -EINVAL)
			fail_msg("%s passed", cases[i]);
}

static void a_query_is_decoded(void **state)
{
	struct http_fields f = {0};

	(void)state;
	assert_int_equal(http_query_parse("/x?a=1&b=x%26y%3Dz&&c=a+b%2B&d&a=2&e=&=f&g==", &f), 0);
	assert_string_equal(http_fields_get(&f, "a"), "1");
	assert_string_equal(http_fields_get(&f, "b"), "x&y=z");
	assert_string_equal(http_fields_get(&f, "c"), "a b+");
	assert_string_equal(http_fields_get(&f, "d"), "");
	assert_string_equal(http_fields_get(&f, "e"), "");
	assert_string_equal(http_fields_get(&f, "g"), "=");
	assert_int_equal(http_fields_count(&f, "a"), 2);
	assert_null(http_fields_get(&f, "h"));
	http_fields_free(&f);
	assert_int_equal(http_query_parse("/x", &f), 0);
	assert_int_equal(f.n, 0);
}

static void a_malformed_or_endless_query_is_refused(void **state)
{
	static const char *const cases[] = {"/?a=%",   "/?a=%4",  "/?a=%4&b=1", "/?a=%00",
	                                    "/?%00=a", "/?a=%0a", "/?a=%ff",    "/?a=b c"};
	struct http_fields f = {0};
	struct buf many = BUF(10 * HTTP_FIELDS_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(http_query_parse(cases[i], &f), -EINVAL);
	for (int i = 0; i <= HTTP_FIELDS_MAX; i++)
		buf_str(&many, i ? "a&" : "/?a&");
	assert_int_equal(http_query_parse(many.data, &f), -ENOSPC);
	assert_int_equal(f.n, 0);
	buf_free(&many);
}

static void what_browsers_say_of_other_sites_is_believed(void **state)
{
	static const struct {
		const char *site;
		bool other;
	} cases[] = {
		{"cross-site", true},   {"same-site", true}, {"SAME-ORIGIN", true}, {"", true},
		{"same-origin", false}, {"none", false},     {NULL, false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_fields f = {0};

		if (cases[i].site)
			assert_int_equal(http_fields_add(&f, "Sec-Fetch-Site", cases[i].site), 0);
		assert_int_equal(http_from_other_site(&f), cases[i].other);
		http_fields_free(&f);
	}
	assert_true(http_changes_something(HTTP_POST));
	assert_true(http_changes_something(HTTP_DELETE));
	assert_true(http_changes_something(HTTP_OTHER));
	assert_false(http_changes_something(HTTP_GET));
	assert_false(http_changes_something(HTTP_HEAD));
}

static void json_is_what_the_content_type_says(void **state)
{
	static const struct {
		const char *type, *second;
		bool json;
	} cases[] = {
		{"application/json", NULL, true},
		{"Application/JSON; charset=utf-8", NULL, true},
		{"application/json \t;x=y", NULL, true},
		{NULL, NULL, false},
		{"", NULL, false},
		{"application/jsonp", NULL, false},
		{"application/json, text/plain", NULL, false},
		{"application/json x", NULL, false},
		{"text/plain", NULL, false},
		{"text/plain; application/json", NULL, false},
		{"application/x-www-form-urlencoded", NULL, false},
		{"application/json", "text/plain", false},
		{"application/json", "application/json", false},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_fields f = {0};

		if (cases[i].type)
			assert_int_equal(http_fields_add(&f, "Content-Type", cases[i].type), 0);
		if (cases[i].second)
			assert_int_equal(http_fields_add(&f, "content-type", cases[i].second), 0);
		if (http_is_type(&f, "application/json") != cases[i].json)
			fail_msg("case %zu", i);
		http_fields_free(&f);
	}
}

static void a_parameter_that_nobody_knows_is_named(void **state)
{
	static const struct {
		const char *target, *known, *fault;
	} cases[] = {
		{"/x", NULL, NULL},
		{"/x?", NULL, NULL},
		{"/x?limit=1&cursor=2", "limit,cursor", NULL},
		{"/x?limit=1", NULL, "limit"},
		{"/x?cursor=2&limi=1", "limit,cursor", "limi"},
		{"/x?limits=1", "limit,cursor", "limits"},
		{"/x?Limit=1", "limit,cursor", "Limit"},
		{"/x?limit,cursor=1", "limit,cursor", "limit,cursor"},
		{"/x?=1", "limit,cursor", ""},
		{"/x?limit=1&limit=1", "limit,cursor", "limit"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct http_fields f = {0};

		assert_int_equal(http_query_parse(cases[i].target, &f), 0);
		const char *fault = http_query_fault(&f, cases[i].known);
		if (!fault != !cases[i].fault || (fault && strcmp(fault, cases[i].fault) != 0))
			fail_msg("%s: %s", cases[i].target, fault ? fault : "no fault");
		http_fields_free(&f);
	}
}

static void methods_are_known_by_their_exact_name(void **state)
{
	(void)state;
	assert_int_equal(http_method_find("GET"), HTTP_GET);
	assert_int_equal(http_method_find("HEAD"), HTTP_HEAD);
	assert_int_equal(http_method_find("POST"), HTTP_POST);
	assert_int_equal(http_method_find("PUT"), HTTP_PUT);
	assert_int_equal(http_method_find("DELETE"), HTTP_DELETE);
	assert_int_equal(http_method_find("get"), HTTP_OTHER);
	assert_int_equal(http_method_find("TRACE"), HTTP_OTHER);
	assert_int_equal(http_method_find(""), HTTP_OTHER);
}

static void only_this_machines_addresses_are_loopback(void **state)
{
	static const char *const yes[] = {"127.0.0.1:9595", "127.1.2.3:0",          "localhost:9595",
	                                  "[::1]:9595",     "[::ffff:127.0.0.1]:1", "unix:/run/x.sock"};
	static const char *const no[] = {
		":9595",           "0.0.0.0:9595",        "[::]:9595",        "10.0.0.1:9595", "192.168.127.1:1",
		"[fe80::1]:1",     "[::ffff:10.0.0.1]:1", "example.com:9595", "127.0.0.1",     "127.0.0.1:",
		"127.0.0.1:65536", "127.0.0.1:x",         "::1:9595",         "unix:",         "",
		"127.1:80"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(yes); i++)
		if (!http_is_loopback(yes[i]))
			fail_msg("%s is loopback", yes[i]);
	for (size_t i = 0; i < ARRAY_LEN(no); i++)
		if (http_is_loopback(no[i]))
			fail_msg("%s is not loopback", no[i]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ordinary_headers_pass),
		cmocka_unit_test(headers_that_two_servers_could_read_differently_are_refused),
		cmocka_unit_test(http_1_0_needs_no_host_and_knows_no_chunks),
		cmocka_unit_test(a_body_is_announced_by_its_length_or_by_chunks),
		cmocka_unit_test(a_path_is_decoded),
		cmocka_unit_test(a_path_that_hides_something_is_refused),
		cmocka_unit_test(a_query_is_decoded),
		cmocka_unit_test(a_malformed_or_endless_query_is_refused),
		cmocka_unit_test(what_browsers_say_of_other_sites_is_believed),
		cmocka_unit_test(json_is_what_the_content_type_says),
		cmocka_unit_test(a_parameter_that_nobody_knows_is_named),
		cmocka_unit_test(methods_are_known_by_their_exact_name),
		cmocka_unit_test(only_this_machines_addresses_are_loopback),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
