/* The description of the API says what the table of routes says, in both directions. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#include "db/incident.h"
#include "handlers/api/routes.h"
#include "handlers/incident/actions.h"
#include "handlers/incident/kinds.h"
#include "handlers/plan/actions.h"
#include "server/core/text.h"

/* Calls fn with each word of "a,b,c". How many there were. */
static size_t each(const char *list, void (*fn)(const struct api_route *r, const char *word), const struct api_route *r)
{
	char word[64];
	size_t n = 0;

	while (list && *list) {
		size_t len = strcspn(list, ",");

		assert_in_range(len, 1, sizeof(word) - 1);
		snprintf(word, sizeof(word), "%.*s", (int)len, list);
		fn(r, word);
		n++;
		list += len + (list[len] == ',');
	}
	return n;
}

static void is_param(const struct api_route *r, const char *word)
{
	const struct api_word *w = api_param(r, word);

	if (!w || !w->help || !w->example)
		fail_msg("%s: nobody wrote down what the parameter %s means", r->pattern, word);
	if (w->of && !text_is_listed(w->example, w->of))
		fail_msg("%s: %s is no example of %s", r->pattern, w->example, word);
}

static void is_member(const struct api_route *r, const char *word)
{
	const struct api_word *w = api_member(r, word);

	if (strcmp(word, "*") != 0 && !r->form && (!w || !w->help))
		fail_msg("%s: nobody wrote down what the member %s means", r->pattern, word);
}

static void each_row_says_what_it_is(void **state)
{
	size_t n;
	const struct api_route *r = api_routes(&n);

	(void)state;
	assert_true(n > 20);
	for (; n > 0; n--, r++) {
		const char *second = strchr(r->pattern, '*') ? strchr(strchr(r->pattern, '*') + 1, '*') : NULL;

		if (!r->summary || !r->summary[0] || r->summary[strlen(r->summary) - 1] == '.')
			fail_msg("%s: no summary, a sentence without its point", r->pattern);
		if ((second != NULL) != (r->words != NULL))
			fail_msg("%s: words say what may stand for the second *", r->pattern);
		if ((r->read != NULL) == (r->handle != NULL) || (r->method == HTTP_GET && (r->body || r->form)))
			fail_msg("%s: one of read and handle; a body for what changes something", r->pattern);
		each(r->params, is_param, r);
		each(r->body, is_member, r);
	}
}

static void is_action(const struct api_route *r, const char *word)
{
	(void)r;
	assert_true(action_find(word) >= 0);
}

static void is_move(const struct api_route *r, const char *word)
{
	(void)r;
	assert_true(plan_move_find(word) >= 0);
}

static const struct api_route *row(enum http_method method, const char *pattern)
{
	size_t n;
	const struct api_route *r = api_routes(&n);

	for (; n > 0; n--, r++)
		if (r->method == method && !strcmp(r->pattern, pattern))
			return r;
	fail_msg("no row %s", pattern);
	return NULL;
}

static void its_words_are_all_that_can_be_done(void **state)
{
	const struct api_route *act = row(HTTP_POST, "/api/v1/incidents/*/*"),
			       *move = row(HTTP_POST, "/api/v1/rollouts/*/*");
	char states[300] = "", kinds[100] = "";

	(void)state;
	assert_int_equal(each(act->words, is_action, act), ACTION_N);
	assert_int_equal(each(move->words, is_move, move) + 3,
	                 MOVE_N); /* approve, evidence and a flag have rows of their own */
	for (int i = 1; i < INC_STATE_N; i++)
		snprintf(states + strlen(states), sizeof(states) - strlen(states), "%s%s", i > 1 ? "," : "",
		         incident_state_name((enum incident_state)i));
	for (int i = 1; i < KIND_ADVANCE; i++)
		snprintf(kinds + strlen(kinds), sizeof(kinds) - strlen(kinds), "%s%s", i > 1 ? "," : "",
		         incident_kind_name((enum incident_kind)i));
	const struct api_route *list = row(HTTP_GET, "/api/v1/incidents");
	assert_string_equal(api_param(list, "state")->of, states);
	assert_string_equal(api_param(list, "kind")->of, kinds);
}

/* "/api/v1/incidents/{id}" as somebody would ask for it. */
static void filled(const char *path, char out[300])
{
	size_t n = 0;

	for (; *path; path++) {
		if (*path == '{') {
			out[n++] = '1';
			path = strchr(path, '}');
			assert_non_null(path);
		} else {
			out[n++] = *path;
		}
	}
	out[n] = '\0';
}

static void ignored(const struct api_route *r, const char *word)
{
	(void)r;
	(void)word;
}

static void each_documented_path_is_there_and_each_row_is_documented(void **state)
{
	CLEANUP(json_cleanup) struct json_object *doc = openapi_document("1.2.3");
	struct json_object *paths = json_obj_of(doc, "paths");
	size_t n, documented = 0, wanted = 0;
	const struct api_route *r = api_routes(&n);

	(void)state;
	json_object_object_foreach(paths, path, methods)
	{
		json_object_object_foreach(methods, method, op)
		{
			enum http_method m = !strcmp(method, "get")    ? HTTP_GET
			                     : !strcmp(method, "post") ? HTTP_POST
			                                               : HTTP_PUT;
			char asked[300];

			filled(path, asked);
			struct route_info i = api_route(m, asked);
			if (i.status != 200)
				fail_msg("%s %s is not there", method, path);
			assert_non_null(json_obj_of(op, "responses"));
			documented++;
		}
	}
	for (; n > 0; n--, r++)
		wanted += r->words ? each(r->words, ignored, r) : 1;
	assert_int_equal(documented, wanted);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_row_says_what_it_is),
		cmocka_unit_test(its_words_are_all_that_can_be_done),
		cmocka_unit_test(each_documented_path_is_there_and_each_row_is_documented),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
