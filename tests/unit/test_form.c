/* Forms as browsers send them, and the token that each must carry. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "server/core/text.h"
#include "server/web/form.h"

static int parse(const char *body, struct form *f)
{
	const char *why = NULL;
	int r = form_parse(body, strlen(body), f, &why);

	assert_true(r == 0 || why);
	return r;
}

static void fields_are_decoded(void **state)
{
	struct form f = {0};

	(void)state;
	assert_int_equal(
		parse("note=it+is%20over%21&step=1&step=2&empty=&bare&&u=%C3%A4%e2%82%ac&text=a%0D%0Ab%0Ac%0Dd", &f),
		0);
	assert_string_equal(form_get(&f, "note"), "it is over!");
	assert_string_equal(form_get(&f, "empty"), "");
	assert_string_equal(form_get(&f, "bare"), "");
	assert_string_equal(form_get(&f, "u"), "\xc3\xa4\xe2\x82\xac");
	assert_string_equal(form_get(&f, "text"), "a\nb\nc\rd");
	assert_string_equal(form_get(&f, "step"), "1");
	assert_true(form_has(&f, "step", "1") && form_has(&f, "step", "2"));
	assert_false(form_has(&f, "step", "3") || form_has(&f, "ste", "1") || form_has(&f, "note", "2"));
	assert_null(form_get(&f, "Note"));
	form_free(&f);
	assert_int_equal(parse("", &f), 0);
	assert_null(form_get(&f, "note"));
	form_free(&f);
	assert_int_equal(parse("a=b=c&=x", &f), 0);
	assert_string_equal(form_get(&f, "a"), "b=c");
	assert_string_equal(form_get(&f, ""), "x");
	form_free(&f);
}

static void what_is_malformed_is_refused_whole(void **state)
{
	static const char *const wrong[] = {"a=%",         "a=%4",     "a=%4g",      "a=1&b=%zz", "a=%00",
	                                    "%00=a",       "a=%1b[2J", "a=%7f",      "a=\x01",    "a=%C0%AF",
	                                    "a=%ED%A0%80", "a=%ff",    "a=%C3&b=%A4"};
	struct form f = {0};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++)
		if (parse(wrong[i], &f) != -EINVAL || f.text || f.n)
			fail_msg("taken: %s", wrong[i]);
}

static void too_much_is_refused(void **state)
{
	static char body[FORM_MAX + 2];
	struct form f = {0};
	size_t len = 0;

	(void)state;
	memset(body, 'a', FORM_MAX + 1);
	assert_int_equal(parse(body, &f), -E2BIG);
	body[FORM_MAX] = '\0';
	assert_int_equal(parse(body, &f), 0);
	form_free(&f);
	/* The shortest fields there are take the most room for each of their bytes. */
	for (int i = 0; i < FORM_FIELDS_MAX; i++)
		len += (size_t)snprintf(body + len, sizeof(body) - len, "%sa", i ? "&" : "");
	assert_int_equal(parse(body, &f), 0);
	assert_int_equal(f.n, FORM_FIELDS_MAX);
	form_free(&f);
	snprintf(body + len, sizeof(body) - len, "&a");
	assert_int_equal(parse(body, &f), -E2BIG);
}

static void a_body_need_not_end_in_a_nul(void **state)
{
	/* In memory of just that size, so that the sanitizer sees a byte too many. */
	static const char text[] = {'a', '=', '%', '4', '1', '%', '4'};
	struct form f = {0};
	const char *why = NULL;

	(void)state;
	for (size_t len = 0; len <= sizeof(text); len++) {
		char *body = malloc(len + !len);

		assert_non_null(body);
		memcpy(body, text, len);
		int r = form_parse(body, len, &f, &why);
		assert_int_equal(r, len == 3 || len == 4 || len >= 6 ? -EINVAL : 0);
		form_free(&f);
		free(body);
	}
}

static void unknown_fields_are_named(void **state)
{
	struct form f = {0};

	(void)state;
	assert_int_equal(parse("csrf=x&reason=r&stage=1", &f), 0);
	assert_null(form_unknown(&f, "stage,reason"));
	assert_string_equal(form_unknown(&f, "stage"), "reason");
	assert_string_equal(form_unknown(&f, NULL), "reason");
	form_free(&f);
}

#define TOKEN "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static bool fits(const char *body, const char *token)
{
	struct http_req req = {0};
	struct form f = {0};

	snprintf(req.form_token, sizeof(req.form_token), "%s", token);
	assert_int_equal(parse(body, &f), 0);
	bool r = form_token_fits(&f, &req);
	form_free(&f);
	return r;
}

static void only_the_whole_token_fits(void **state)
{
	char body[200];

	(void)state;
	assert_true(fits("a=b&csrf=" TOKEN, TOKEN));
	assert_false(fits("csrf=" TOKEN, ""));
	assert_false(fits("csrf=", ""));
	assert_false(fits("", ""));
	assert_false(fits("", TOKEN));
	assert_false(fits("csrf=", TOKEN));
	assert_false(fits("csrf=" TOKEN "0", TOKEN));
	assert_false(fits("Csrf=" TOKEN, TOKEN));
	assert_false(fits("csrf=x&csrf=" TOKEN, TOKEN)); /* the first counts */
	for (size_t i = 0; i < strlen(TOKEN); i++) {
		snprintf(body, sizeof(body), "csrf=%s", TOKEN);
		assert_false(fits((body[5 + i] = 'x', body), TOKEN));
		snprintf(body, sizeof(body), "csrf=%.*s", (int)i, TOKEN);
		assert_false(fits(body, TOKEN));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_decoded),       cmocka_unit_test(what_is_malformed_is_refused_whole),
		cmocka_unit_test(too_much_is_refused),      cmocka_unit_test(a_body_need_not_end_in_a_nul),
		cmocka_unit_test(unknown_fields_are_named), cmocka_unit_test(only_the_whole_token_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
