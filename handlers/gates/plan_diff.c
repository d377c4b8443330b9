#include "handlers/gates/plan_diff.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/json.h"
#include "server/core/text.h"

#define TOLD_MAX  5  /* changes in one sentence */
#define VALUE_MAX 60 /* bytes of a value; a longer one is only said to be another */

/* Members of a rollout that are its plan; the first two are told by stage. */
static const char *const parts[] = {"stages", "checklists", "freeze", "milestones", "blocked_by", "review_before"};
#define BY_STAGE 2

/* And how an item is ticked: that it is, and for how long, counts. */
static const char *const only_read[] = {"name",          "title",  "unit",  "text",     "prefill",
                                        "release_notes", "reason", "owner", "evidence", "by"};
static const char *const durations[] = {"duration", "over", "after", "valid", "every", "in", "certify"};
static const char *const labels[] = {"name", "text", "reason", "number"};

/* What one element of a list is called. */
static const struct {
	const char *list, *one;
} ones[] = {{"criteria", "criterion"},   {"items", "item"},           {"set", "flag"},
            {"milestones", "milestone"}, {"checklists", "checklist"}, {"stages", "stage"}};

static bool is_among_words(const char *const words[], size_t n, const char *word)
{
	assert(words && word);
	return text_enum_find(words, n, word) >= 0;
}

/* --- parts of a plan --- */

struct json_object *plan_of_rollout(struct json_object *rollout)
{
	struct json_object *plan = json_object_new_object();

	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		struct json_object *part = NULL;

		if (json_object_object_get_ex(rollout, parts[i], &part))
			json_add(plan, parts[i], json_object_get(part));
	}
	return plan;
}

struct json_object *plan_of_no_stage(struct json_object *plan)
{
	struct json_object *rest = plan_of_rollout(plan);

	for (size_t i = 0; i < BY_STAGE; i++)
		json_object_object_del(rest, parts[i]);
	return rest;
}

struct json_object *plan_of_stage(struct json_object *plan, int32_t number)
{
	struct json_object *o = json_object_new_object(), *stages = json_arr_of(plan, "stages"),
			   *lists = json_arr_of(plan, "checklists");
	const char *name = NULL;

	for (size_t i = 0; i < json_len(stages); i++) {
		struct json_object *stage = json_item(stages, i);

		if (json_int_or(stage, "number", -1) != number)
			continue;
		json_add(o, "stage", json_object_get(stage));
		name = json_str_or(stage, "checklist", NULL);
	}
	for (size_t i = 0; name && i < json_len(lists); i++)
		if (!strcmp(json_str_or(json_item(lists, i), "name", ""), name))
			json_add(o, "checklist", json_object_get(json_item(lists, i)));
	return o;
}

/* --- values --- */

static bool is_nothing(struct json_object *v)
{
	switch (json_object_get_type(v)) {
	case json_type_null:
		return true;
	case json_type_boolean:
	case json_type_int:
	case json_type_double:
		return json_object_get_double(v) == 0;
	case json_type_string:
		return json_object_get_string_len(v) == 0;
	case json_type_array:
		return json_object_array_length(v) == 0;
	case json_type_object:
		return json_object_object_length(v) == 0;
	}
	return false;
}

static bool is_same(struct json_object *was, struct json_object *is)
{
	return json_object_equal(was, is) || (is_nothing(was) && is_nothing(is));
}

static void say_value(struct buf *b, const char *key, struct json_object *v)
{
	assert(b && key);
	char text[40];

	if (is_nothing(v))
		v = NULL;
	if (v && is_among_words(durations, ARRAY_LEN(durations), key)) {
		text_duration_words((int64_t)(json_object_get_double(v) * (double)US_PER_S), text, sizeof(text));
		buf_str(b, text);
	} else if (json_object_is_type(v, json_type_array)) {
		for (size_t i = 0; i < json_len(v); i++)
			buf_printf(b, "%s%s", i ? ", " : "", json_object_get_string(json_item(v, i)));
	} else if (v) {
		buf_str(b, json_object_get_string(v));
	}
	if (b->len == 0)
		buf_str(b, "nothing");
}

/* --- the walk --- */

struct differing {
	struct json_object *out; /* changes */
	const char *path;        /* "criterion \"cache\" ", or "" */
};

static void say(const struct differing *d, const char *key, bool resets, const char *text)
{
	assert(d && key && text);
	struct json_object *o = json_object_new_object();
	CLEANUP(cleanup_free) char *line = text_format("%s%s: %s", d->path, key, text);

	json_add_str(o, "text", line ? line : d->path);
	json_add_bool(o, "resets", resets);
	json_object_array_add(d->out, o);
}

static void differ(const struct differing *d, struct json_object *was, struct json_object *is);

static const char *label_of(struct json_object *element)
{
	struct json_object *v = NULL;

	for (size_t i = 0; i < ARRAY_LEN(labels); i++)
		if (json_object_object_get_ex(element, labels[i], &v) && v)
			return json_object_get_string(v);
	return "";
}

static const char *one_of(const char *list)
{
	for (size_t i = 0; i < ARRAY_LEN(ones); i++)
		if (!strcmp(ones[i].list, list))
			return ones[i].one;
	return list;
}

static bool has_name(struct json_object *a, struct json_object *b)
{
	return !strcmp(label_of(a), label_of(b));
}

/* All but what is only read is the same. */
static bool has_shape(struct json_object *a, struct json_object *b)
{
	CLEANUP(json_cleanup) struct json_object *out = json_object_new_array();

	differ(&(struct differing) {out, ""}, a, b);
	return !plan_diff_resets(out);
}

/* pair[i]: which of is belongs to element i of was, 1 and up; 0: none yet. taken: the same from the other side. */
static void pair_up(struct json_object *was, struct json_object *is, size_t *pair, bool *taken,
                    bool (*belongs)(struct json_object *, struct json_object *))
{
	assert(pair && taken && belongs);
	for (size_t i = 0; i < json_len(was); i++)
		for (size_t k = 0; k < json_len(is) && !pair[i]; k++)
			if (!taken[k] && belongs(json_item(was, i), json_item(is, k))) {
				pair[i] = k + 1;
				taken[k] = true;
			}
}

static void differ_element(const struct differing *d, const char *list, struct json_object *was, struct json_object *is)
{
	assert(was || is);
	CLEANUP(cleanup_free)
	char *name = text_format("%s \"%.100s\"", one_of(list), label_of(was ? was : is));
	CLEANUP(cleanup_free) char *path = text_format("%s%s ", d->path, name ? name : list);

	if (!was || !is)
		say(d, name ? name : list, true, is ? "new" : "gone");
	else
		differ(&(struct differing) {d->out, path ? path : ""}, was, is);
}

static void differ_list(const struct differing *d, const char *key, struct json_object *was, struct json_object *is)
{
	size_t n = json_len(was), m = json_len(is);
	CLEANUP(cleanup_free) size_t *pair = calloc(n + 1, sizeof(*pair));
	CLEANUP(cleanup_free) bool *taken = calloc(m + 1, sizeof(*taken));

	if (!pair || !taken)
		abort(); /* out of memory */
	pair_up(was, is, pair, taken, has_name);
	pair_up(was, is, pair, taken, has_shape);
	for (size_t i = 0; i < n; i++)
		differ_element(d, key, json_item(was, i), pair[i] ? json_item(is, pair[i] - 1) : NULL);
	for (size_t k = 0; k < m; k++)
		if (!taken[k])
			differ_element(d, key, NULL, json_item(is, k));
}

static bool is_list(struct json_object *v)
{
	return json_object_is_type(v, json_type_array) && json_len(v) &&
	       json_object_is_type(json_item(v, 0), json_type_object);
}

static void differ_value(const struct differing *d, const char *key, struct json_object *was, struct json_object *is)
{
	CLEANUP(buf_free) struct buf from = BUF(64 * 1024), to = BUF(64 * 1024);
	bool resets = !is_among_words(only_read, ARRAY_LEN(only_read), key);

	say_value(&from, key, was);
	say_value(&to, key, is);
	CLEANUP(cleanup_free)
	char *both = from.len > VALUE_MAX || to.len > VALUE_MAX
	                     ? text_format("changed")
	                     : text_format("%s \u2192 %s", buf_text(&from), buf_text(&to));
	say(d, key, resets, both ? both : "changed");
	buf_free(&to);
}

static void differ_member(const struct differing *d, const char *key, struct json_object *was, struct json_object *is)
{
	assert(d && key);
	if (is_same(was, is))
		return;
	if (json_object_is_type(was, json_type_object) && json_object_is_type(is, json_type_object))
		differ(d, was, is);
	else if (is_list(was) || is_list(is))
		differ_list(d, key, was, is);
	else
		differ_value(d, key, was, is);
}

static void differ(const struct differing *d, struct json_object *was, struct json_object *is)
{
	struct json_object_iterator end = json_object_iter_end(was), at = json_object_iter_begin(was);

	for (; !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *key = json_object_iter_peek_name(&at);
		struct json_object *other = NULL;

		json_object_object_get_ex(is, key, &other);
		differ_member(d, key, json_object_iter_peek_value(&at), other);
	}
	end = json_object_iter_end(is);
	for (at = json_object_iter_begin(is); !json_object_iter_equal(&at, &end); json_object_iter_next(&at)) {
		const char *key = json_object_iter_peek_name(&at);

		if (!json_object_object_get_ex(was, key, NULL))
			differ_member(d, key, NULL, json_object_iter_peek_value(&at));
	}
}

struct json_object *plan_diff(struct json_object *was, struct json_object *is)
{
	struct json_object *out = json_object_new_array();

	differ(&(struct differing) {out, ""}, was, is);
	return out;
}

bool plan_diff_resets(struct json_object *changes)
{
	for (size_t i = 0; i < json_len(changes); i++)
		if (json_true(json_item(changes, i), "resets"))
			return true;
	return false;
}

void plan_diff_words(struct buf *b, struct json_object *changes, bool resets)
{
	assert(b);
	size_t n = 0;

	for (size_t i = 0; i < json_len(changes); i++) {
		struct json_object *o = json_item(changes, i);

		if (json_true(o, "resets") == resets && n++ < TOLD_MAX)
			buf_printf(b, "%s%s", n > 1 ? "; " : "", json_str_or(o, "text", ""));
	}
	if (n > TOLD_MAX)
		buf_printf(b, " and %zu more", n - TOLD_MAX);
}
