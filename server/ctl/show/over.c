/*
 * "Is it over?" of one incident, of many, of all rollouts: one line, and it is the first.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/text.h"
#include "server/ctl/show/show_private.h"

#define NAMED_MAX 5

static void say(const char *answer, bool is_trouble, const char *because)
{
	CLEANUP(cleanup_free) char *line = text_format("Over: %s, because %s", answer, because);
	bool good = !is_trouble && !strcmp(answer, "yes");

	if (good)
		printf("%s%s%s\n", show_colour(SHOW_GOOD), line ? line : "", show_plain());
	else
		show_trouble(is_trouble, line ? line : "");
}

bool show_answer(struct json_object *inc, bool is_trouble)
{
	struct json_object *over = json_obj_of(inc, "over");
	CLEANUP(cleanup_free) char *because = show_cell(over, "because");

	if (over)
		say(json_str_or(over, "answer", "unknown"), is_trouble, because);
	return over;
}

/* Those of a list that are not over. */
struct open_ones {
	size_t n;
	bool is_certain; /* of one at least: no, and not only unknown */
	struct buf names;
	char *why; /* owned: of the first */
};

static void add_open(struct open_ones *o, const char *name, bool is_certain, const char *why)
{
	assert(o && name && why);
	if (o->n++ == 0)
		o->why = strdup(why);
	if (o->n <= NAMED_MAX)
		buf_printf(&o->names, "%s%s", o->n > 1 ? ", " : "", name);
	o->is_certain |= is_certain;
}

/* what: "incidents"; yes: why it is over when none is open. */
static void say_open(struct open_ones *o, const char *what, const char *yes)
{
	CLEANUP(buf_free) struct buf b = BUF(4096);
	const char *answer = o->is_certain ? "no" : "unknown";

	if (o->n > NAMED_MAX)
		buf_printf(&o->names, " and %zu more", o->n - NAMED_MAX);
	if (o->n == 1)
		buf_printf(&b, "%s: %s", buf_text(&o->names), o->why ? o->why : "");
	else
		buf_printf(&b, "%zu %s are not over: %s", o->n, what, buf_text(&o->names));
	say(o->n ? answer : "yes", o->n, o->n ? buf_text(&b) : yes);
	buf_free(&o->names);
	free(o->why);
}

/* NULL: it is over. */
static const char *answer_of(struct json_object *inc)
{
	const char *answer = json_str_or(json_obj_of(inc, "over"), "answer", "unknown");

	return strcmp(answer, "yes") ? answer : NULL;
}

void show_over_of_incidents(struct json_object *arr)
{
	struct open_ones open = {.names = BUF(2000)};
	CLEANUP(cleanup_free)
	char *yes = text_format(json_len(arr) == 1 ? "the incident of this list is over"
	                                           : "all %zu incidents of this list are over",
	                        json_len(arr));

	for (size_t i = 0; i < json_len(arr); i++) {
		struct json_object *o = json_item(arr, i);
		const char *answer = answer_of(o);
		CLEANUP(cleanup_free) char *because = show_cell(json_obj_of(o, "over"), "because");
		CLEANUP(cleanup_free)
		char *name = text_format("%lld (%s)", (long long)json_int_or(o, "id", 0),
		                         json_str_or(o, "rollout", "no rollout"));

		if (answer)
			add_open(&open, name ? name : "", !strcmp(answer, "no"), because);
	}
	say_open(&open, "incidents", yes ? yes : "");
}

/* Why a rollout needs somebody; the caller's to free. NULL: it does not. */
static char *why_open(struct json_object *o, bool *ret_certain)
{
	struct json_object *inc = json_obj_of(o, "incident");
	const char *answer = inc ? answer_of(inc) : NULL, *doubt = json_str_or(o, "doubt", NULL);
	CLEANUP(cleanup_free) char *because = show_cell(json_obj_of(inc, "over"), "because");
	CLEANUP(cleanup_free) char *seen = show_cell(o, "percentage_seen"), *wanted = show_cell(o, "percentage_wanted");

	*ret_certain = answer ? !strcmp(answer, "no") : show_differs(o);
	if (answer)
		return text_format("%s", because);
	if (show_differs(o))
		return text_format("%s%% is seen, %s%% wanted", seen, wanted);
	return doubt ? text_format("%s", doubt) : NULL;
}

void show_over_of_rollouts(struct json_object *arr)
{
	struct open_ones open = {.names = BUF(2000)};

	for (size_t i = 0; i < json_len(arr); i++) {
		struct json_object *o = json_item(arr, i);
		bool is_certain = false;
		CLEANUP(cleanup_free) char *why = why_open(o, &is_certain);

		if (why)
			add_open(&open, json_str_or(o, "name", ""), is_certain, why);
	}
	say_open(&open, "rollouts",
	         json_len(arr) == 1 ? "no incident of it is open, and it is where it should be"
	                            : "no incident is open, and every rollout is where it should be");
}
