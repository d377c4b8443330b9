/*
 * Reading members of the normalised tree (internal to options). Strings are borrowed from the tree.
 */
#ifndef HANDLERS_SETTINGS_SETTINGS_PRIVATE_H
#define HANDLERS_SETTINGS_SETTINGS_PRIVATE_H

#include <math.h>
#include <stdlib.h>
#include "handlers/settings/settings.h"
#include "server/core/clock.h"
#include "server/core/json.h"
#include "server/core/text.h"

static inline const char *str(struct json_object *o, const char *key)
{
	return json_str_or(o, key, "");
}

static inline int64_t duration_of(struct json_object *o, const char *key)
{
	double s = 0;

	return json_get_double(o, key, &s) == 1 ? llround(s * (double)US_PER_S) : 0;
}

static inline int32_t pct_of(struct json_object *o, const char *key)
{
	double v = 0;
	int32_t pct = -1;

	return json_get_double(o, key, &v) == 1 && text_pct_from_double(v, &pct) == 0 ? pct : -1;
}

static inline size_t list_of(struct json_object *o, const char *key, struct json_object **ret)
{
	*ret = NULL;
	return json_get_arr(o, key, ret) == 1 ? json_object_array_length(*ret) : 0;
}

static inline struct json_object *section_of(struct json_object *o, const char *key)
{
	struct json_object *s = NULL;

	return json_get_obj(o, key, &s) == 1 ? s : NULL;
}

/* calloc that never asks for nothing. */
static inline void *array_of(size_t n, size_t size)
{
	return calloc(n ? n : 1, size);
}

/* The caller's to free; NULL: out of memory. */
static inline const char **read_argv(struct json_object *o, const char *key)
{
	struct json_object *list;
	size_t n = list_of(o, key, &list);
	const char **argv = array_of(n + 1, sizeof(*argv));

	if (!argv)
		return NULL;
	for (size_t i = 0; i < n; i++)
		argv[i] = json_object_get_string(json_object_array_get_idx(list, i));
	return argv;
}

/* The matchers of a list. */
int options_matchers(struct json_object *o, const char *key, struct matchers *ret);
/* A rollout; what was read so far is freed by options_rollout_free, also after a failure. */
int options_rollout(struct json_object *o, struct rollout *r);
void options_rollout_free(struct rollout *r);

#endif
