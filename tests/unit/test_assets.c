/*
 * What stands in the program for browsers: found by its name, told in the coding that is asked for.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "server/core/text.h"
#include "server/web/assets.h"

static const char *coding, *known; /* what is asked with */

static const char *header(const struct http_req *req, const char *name)
{
	(void)req;
	return strcmp(name, "Accept-Encoding") == 0 ? coding : strcmp(name, "If-None-Match") == 0 ? known : NULL;
}

static struct http_reply ask(const char *file, const char *accept_encoding, const char *if_none_match)
{
	struct http_req req = {.path = file, .header = header};
	struct http_reply reply = {0};

	coding = accept_encoding;
	known = if_none_match;
	asset_answer(&req, file, &reply);
	return reply;
}

static const char *file_of(const struct asset *a)
{
	return a->href + strlen("/assets/");
}

static void all_are_there(void **state)
{
	(void)state;
	static const char *const names[] = {"page.css", "page.js"};

	assert_null(asset_named("page.cs"));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		const struct asset *a = asset_named(names[i]);

		if (!a && i > 0)
			continue; /* PAGE=no */
		assert_non_null(a);
		assert_true(a->plain_len > 0 && strlen((const char *)a->plain) == a->plain_len);
		assert_true(a->packed_len > 2 && a->packed[0] == 0x1f && a->packed[1] == 0x8b);
		struct http_reply r = ask(file_of(a), NULL, NULL);
		assert_int_equal(r.status, 200);
		assert_null(r.encoding);
		assert_int_equal(r.body.len, a->plain_len);
		assert_memory_equal(r.body.data, a->plain, a->plain_len);
		assert_string_equal(r.cache, "public, max-age=31536000, immutable");
		assert_string_equal(r.vary, "Accept-Encoding");
		buf_free(&r.body);
	}
}

static void a_name_changes_with_what_is_in_it(void **state)
{
	(void)state;
	char sha[65];

	for (size_t i = 0; i < n_assets; i++) {
		assert_int_equal(text_sha256((const char *)assets[i].plain, assets[i].plain_len, sha), 0);
		sha[16] = '\0';
		assert_non_null(strstr(assets[i].href, sha));
		assert_non_null(strstr(assets[i].etag, sha));
	}
	struct http_reply r = ask("page-0123456789abcdef.css", "gzip", NULL);
	assert_int_equal(r.status, 404);
	assert_null(r.cache);
	buf_free(&r.body);
	r = ask("page.css", "gzip", NULL);
	assert_int_equal(r.status, 404);
	buf_free(&r.body);
}

static void it_is_compressed_for_who_takes_that(void **state)
{
	(void)state;
	static const struct {
		const char *asked;
		bool packed;
	} rows[] = {{"gzip, deflate, br, zstd", true},
	            {"br;q=1.0, GZIP;q=0.8", true},
	            {"*", true},
	            {"deflate,gzip", true},
	            {"gzip ; q=0.5", true},
	            {NULL, false},
	            {"", false},
	            {"identity", false},
	            {"gzip;q=0", false},
	            {"gzip; q=0.0, *;q=1", false},
	            {"*;q=0", false},
	            {"xgzip, gzipx", false},
	            {"br", false},
	            {",,;", false}};
	const struct asset *a = asset_named("page.css");

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct http_reply r = ask(file_of(a), rows[i].asked, NULL);

		if (rows[i].packed != (r.encoding && strcmp(r.encoding, "gzip") == 0))
			fail_msg("%s: %s", rows[i].asked, r.encoding ? r.encoding : "plain");
		assert_int_equal(r.body.len, rows[i].packed ? a->packed_len : a->plain_len);
		buf_free(&r.body);
	}
}

static void who_has_it_is_told_so(void **state)
{
	(void)state;
	const struct asset *a = asset_named("page.css");
	const char *const has[] = {a->etag, a->etag + 2, "*", "\"x\", W/\"y\""};

	for (size_t i = 0; i < ARRAY_LEN(has); i++) {
		struct http_reply r = ask(file_of(a), "gzip", has[i]);

		assert_int_equal(r.status, i < 3 ? 304 : 200);
		assert_string_equal(r.etag, a->etag);
		assert_true((r.status == 304) == (r.body.len == 0));
		buf_free(&r.body);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(all_are_there),
		cmocka_unit_test(a_name_changes_with_what_is_in_it),
		cmocka_unit_test(it_is_compressed_for_who_takes_that),
		cmocka_unit_test(who_has_it_is_told_so),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
