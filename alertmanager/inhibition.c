#include "alertmanager/inhibition.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

static int read_one(struct json_object *o, struct inhibition *to)
{
	int r = config_matchers_read(o, "source_", &to->source);

	if (r == 0)
		r = config_matchers_read(o, "target_", &to->target);
	if (json_get_arr(o, "equal", &to->equal) != 1)
		to->equal = NULL;
	return r;
}

int inhibitions_read(struct json_object *config, struct inhibitions *ret)
{
	assert(config && ret);
	struct json_object *arr = NULL;
	struct inhibitions all = {0};
	size_t n = json_get_arr(config, "inhibit_rules", &arr) == 1 ? json_object_array_length(arr) : 0;
	int r = 0;

	all.list = calloc(n + 1, sizeof(*all.list));
	if (!all.list)
		return -ENOMEM;
	while (r == 0 && all.n < n) {
		struct inhibition *to = &all.list[all.n];

		r = read_one(json_object_array_get_idx(arr, all.n++), to);
	}
	if (r < 0)
		inhibitions_free(&all);
	else
		*ret = all;
	return r;
}

void inhibitions_free(struct inhibitions *all)
{
	assert(all);
	for (size_t i = 0; i < all->n; i++) {
		config_matchers_free(&all->list[i].source);
		config_matchers_free(&all->list[i].target);
	}
	free(all->list);
	*all = (struct inhibitions) {0};
}

static enum matchers_result side_says(const struct config_matchers *m, const struct inhibition_side *s)
{
	return config_matchers_might_hold(m, s->labels, s->n, s->open, s->arg, NULL, NULL);
}

static enum matchers_result both(enum matchers_result a, enum matchers_result b)
{
	return a < b ? a : b;
}

/* NULL: nobody knows; "": it has none. */
static const char *value_of(const struct inhibition_side *s, const char *label)
{
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->labels[i].name, label))
			return s->labels[i].value;
	return s->open(s->arg, label) ? NULL : "";
}

static enum matchers_result are_equal(const struct inhibition *i, const struct inhibition_side *source,
                                      const struct inhibition_side *target)
{
	enum matchers_result say = MATCHERS_YES;

	for (size_t k = 0; i->equal && k < json_object_array_length(i->equal); k++) {
		const char *label = json_object_get_string(json_object_array_get_idx(i->equal, k));
		const char *a = label ? value_of(source, label) : NULL, *b = label ? value_of(target, label) : NULL;

		if (a && b && strcmp(a, b) != 0)
			return MATCHERS_NO;
		if (!a || !b)
			say = MATCHERS_MAYBE;
	}
	return say;
}

/* An alert that matches both sides is hidden by none that does, itself included. */
static enum matchers_result is_spared(const struct inhibition *i, const struct inhibition_side *source,
                                      const struct inhibition_side *target)
{
	return both(side_says(&i->source, target), side_says(&i->target, source));
}

enum matchers_result inhibition_hides(const struct inhibition *i, const struct inhibition_side *source,
                                      const struct inhibition_side *target)
{
	assert(i && source && target);
	enum matchers_result say = both(side_says(&i->target, target), side_says(&i->source, source));

	say = both(say, are_equal(i, source, target));
	return say == MATCHERS_NO ? say : both(say, MATCHERS_YES - is_spared(i, source, target));
}

enum matchers_result inhibition_is_about(const struct inhibition *i, const struct inhibition_side *target)
{
	assert(i && target);
	return side_says(&i->target, target);
}
