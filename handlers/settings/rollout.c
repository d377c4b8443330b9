#include "handlers/settings/settings.h"

#include <assert.h>
#include <errno.h>

#include "handlers/settings/settings_private.h"

int options_matchers(struct json_object *o, const char *key, struct matchers *ret)
{
	assert(o && key && ret);
	struct json_object *list;
	struct matcher_fault fault;
	size_t n = list_of(o, key, &list);

	for (size_t i = 0; i < n; i++) {
		int r = matchers_add(ret, json_object_get_string(json_object_array_get_idx(list, i)), &fault);

		if (r < 0)
			return r;
	}
	return 0;
}

static int read_check(struct json_object *o, struct check *ret)
{
	struct json_object *http = section_of(o, "http"), *command = NULL;

	ret->timeout_us = duration_of(o, "timeout");
	if (http) {
		ret->kind = CHECK_HTTP;
		ret->url = str(http, "url");
		ret->pointer = str(http, "value");
		return 0;
	}
	if (json_get_arr(o, "command", &command) == 1) {
		ret->kind = CHECK_COMMAND;
		ret->argv = read_argv(o, "command");
		return ret->argv ? 0 : -ENOMEM;
	}
	ret->kind = CHECK_PROMETHEUS;
	ret->query = str(o, "prometheus");
	ret->instances = json_str_or(o, "instances", NULL);
	return 0;
}

static int read_apply(struct json_object *o, struct rollout *r)
{
	struct json_object *list;
	size_t n = list_of(o, "apply", &list);

	r->apply = array_of(n, sizeof(*r->apply));
	if (!r->apply)
		return -ENOMEM;
	while (r->n_apply < n) {
		int e = act_read(json_object_array_get_idx(list, r->n_apply), &r->apply[r->n_apply]);

		if (e < 0)
			return e;
		r->n_apply++;
	}
	return 0;
}

static int read_verify(struct json_object *o, struct rollout *r)
{
	struct json_object *v = section_of(o, "verify"), *list;
	size_t n = list_of(v, "checks", &list);

	r->verify_delay_us = duration_of(v, "delay");
	r->verify_every_us = duration_of(v, "every");
	r->verify_timeout_us = duration_of(v, "timeout");
	r->passes = (int)json_int_or(v, "passes", 2);
	r->checks = array_of(n, sizeof(*r->checks));
	if (!r->checks)
		return -ENOMEM;
	while (r->n_checks < n) {
		struct check c = {0};
		int e = read_check(json_object_array_get_idx(list, r->n_checks), &c);

		if (e < 0)
			return e;
		r->checks[r->n_checks++] = c;
	}
	return 0;
}

static double number_of(struct json_object *o, const char *key)
{
	double v = 0;

	json_get_double(o, key, &v);
	return v;
}

static int read_effects(struct json_object *v, struct rollout *r)
{
	struct json_object *effective = section_of(v, "effective"), *cured = section_of(v, "cured");

	r->effective_query = effective ? str(effective, "prometheus") : NULL;
	r->effective_max = number_of(effective, "max");
	r->cured_query = cured ? str(cured, "prometheus") : NULL;
	r->cured_max = number_of(cured, "max");
	r->cured_timeout_us = duration_of(cured, "timeout");
	return 0;
}

static int read_fallbacks(struct json_object *o, struct rollout *r)
{
	struct json_object *list;
	size_t n = list_of(o, "fallback", &list);

	r->fallbacks = array_of(n, sizeof(*r->fallbacks));
	if (!r->fallbacks)
		return -ENOMEM;
	while (r->n_fallbacks < n) {
		struct json_object *one = json_object_array_get_idx(list, r->n_fallbacks);
		int e = act_read(one, &r->fallbacks[r->n_fallbacks].act);

		if (e < 0)
			return e;
		r->fallbacks[r->n_fallbacks++].after_us = duration_of(one, "after");
	}
	return 0;
}

static int read_snapshot(struct json_object *o, struct rollout *r)
{
	struct json_object *s = section_of(o, "snapshot"), *list = NULL;
	size_t n = s ? list_of(s, "queries", &list) : 0;

	r->snapshot_window_us = s ? duration_of(s, "window") : 0;
	r->queries = array_of(n, sizeof(*r->queries));
	if (!r->queries)
		return -ENOMEM;
	for (; r->n_queries < n; r->n_queries++) {
		struct json_object *q = json_object_array_get_idx(list, r->n_queries);

		r->queries[r->n_queries] = (struct snapshot_query) {str(q, "name"), str(q, "unit"), str(q, "query")};
	}
	return 0;
}

int options_rollout(struct json_object *o, struct rollout *r)
{
	assert(o && r);
	struct json_object *flags = section_of(o, "flags");

	r->tree = json_object_get(o);
	r->name = str(o, "name");
	r->title = json_str_or(o, "title", r->name);
	r->dashboard_url = str(o, "dashboard_url");
	r->flags_file = flags ? str(flags, "file") : NULL;
	r->flags_key = flags ? str(flags, "percentage") : NULL;
	r->salt = flags ? json_str_or(flags, "salt", r->name) : r->name;
	int e = options_matchers(o, "alerts", &r->alerts);
	if (e == 0)
		e = read_apply(o, r);
	if (e == 0)
		e = read_verify(o, r);
	if (e == 0)
		e = read_effects(section_of(o, "verify"), r);
	if (e == 0)
		e = read_fallbacks(o, r);
	if (e == 0)
		e = read_snapshot(o, r);
	if (e == 0)
		e = compare_options_read(section_of(o, "compare"), &r->compare);
	return e == 0 ? rollout_read_plan(o, r) : e;
}

void options_rollout_free(struct rollout *r)
{
	assert(r);
	matchers_free(&r->alerts);
	for (size_t i = 0; i < r->n_apply; i++)
		act_free(&r->apply[i]);
	for (size_t i = 0; i < r->n_fallbacks; i++)
		act_free(&r->fallbacks[i].act);
	free(r->fallbacks);
	for (size_t i = 0; i < r->n_checks; i++)
		free(r->checks[i].argv);
	free(r->apply);
	free(r->checks);
	free(r->queries);
	compare_options_free(&r->compare);
	rollout_free_plan(r);
	free(r->frozen);
	json_object_put(r->tree);
}
