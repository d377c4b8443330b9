#include "alertmanager/route_tree.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "server/core/clock.h"

struct reading {
	char *why;
	size_t size;
};

/* --- reading --- */

static int read_duration(struct json_object *o, const char *key, int64_t *to, const struct reading *g)
{
	const char *text = json_str_or(o, key, "");

	if (!text[0] || text_duration_parse(text, to) == 0)
		return 0;
	snprintf(g->why, g->size, "a route: %s is no duration", key);
	return -EINVAL;
}

static void read_group_by(struct json_object *o, struct route_node *to)
{
	struct json_object *arr = NULL;

	if (json_get_arr(o, "group_by", &arr) != 1)
		return;
	to->by_alertname = false;
	for (size_t i = 0; i < json_object_array_length(arr); i++) {
		const char *label = json_object_get_string(json_object_array_get_idx(arr, i));

		to->by_alertname =
			to->by_alertname || (label && (!strcmp(label, "alertname") || !strcmp(label, "...")));
	}
}

static int read_node(struct json_object *o, const struct route_node *parent, struct route_node *to,
                     const struct reading *g);

static int read_children(struct json_object *o, struct route_node *to, const struct reading *g)
{
	struct json_object *arr = NULL;
	int r = 0;

	if (json_get_arr(o, "routes", &arr) != 1)
		return 0;
	size_t n = json_object_array_length(arr);
	to->children = calloc(n ? n : 1, sizeof(*to->children));
	if (!to->children)
		return -ENOMEM;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_node(json_object_array_get_idx(arr, i), to, &to->children[to->n++], g);
	return r;
}

static int read_node(struct json_object *o, const struct route_node *parent, struct route_node *to,
                     const struct reading *g)
{
	assert(parent && to && g);
	struct json_object *ignored = NULL;
	int r;

	/* Everything but matchers, continue and the times of muting is inherited. */
	*to = (struct route_node) {.by_alertname = parent->by_alertname,
	                           .group_wait_us = parent->group_wait_us,
	                           .group_interval_us = parent->group_interval_us,
	                           .repeat_us = parent->repeat_us};
	to->receiver = json_str_or(o, "receiver", "");
	if (!to->receiver[0])
		to->receiver = parent->receiver;
	to->goes_on = !strcmp(json_str_or(o, "continue", ""), "true");
	to->sometimes = json_get_arr(o, "mute_time_intervals", &ignored) == 1 ||
	                json_get_arr(o, "active_time_intervals", &ignored) == 1;
	read_group_by(o, to);
	if ((r = config_matchers_read(o, "", &to->matchers)) < 0 ||
	    (r = read_duration(o, "group_wait", &to->group_wait_us, g)) < 0 ||
	    (r = read_duration(o, "group_interval", &to->group_interval_us, g)) < 0 ||
	    (r = read_duration(o, "repeat_interval", &to->repeat_us, g)) < 0)
		return r;
	return read_children(o, to, g);
}

int route_tree_read(struct json_object *config, struct route_tree **ret, char *why, size_t why_size)
{
	assert(config && ret && why && why_size > 0);
	/* The defaults of dispatch.DefaultRouteOpts. */
	const struct route_node defaults = {.receiver = "",
	                                    .group_wait_us = 30 * US_PER_S,
	                                    .group_interval_us = 300 * US_PER_S,
	                                    .repeat_us = 4 * 3600 * US_PER_S};
	const struct reading g = {why, why_size};
	struct json_object *o = NULL;
	struct route_tree *t;

	if (json_get_obj(config, "route", &o) != 1) {
		snprintf(why, why_size, "there is no route in it");
		return -EINVAL;
	}
	t = calloc(1, sizeof(*t));
	if (!t)
		return -ENOMEM;
	t->config = json_object_get(config);
	int r = read_node(o, &defaults, &t->root, &g);
	if (r < 0)
		route_tree_free(t);
	else
		*ret = t;
	return r;
}

static void free_node(struct route_node *n)
{
	for (size_t i = 0; i < n->n; i++)
		free_node(&n->children[i]);
	free(n->children);
	config_matchers_free(&n->matchers);
}

void route_tree_free(struct route_tree *t)
{
	if (!t)
		return;
	free_node(&t->root);
	json_object_put(t->config);
	free(t);
}

struct json_object *route_tree_receiver(const struct route_tree *t, const char *name)
{
	assert(t && name);
	struct json_object *arr = NULL;

	if (json_get_arr(t->config, "receivers", &arr) == 1)
		for (size_t i = 0; i < json_object_array_length(arr); i++)
			if (!strcmp(json_str_or(json_object_array_get_idx(arr, i), "name", ""), name))
				return json_object_array_get_idx(arr, i);
	return NULL;
}

/* --- walking --- */

struct walk {
	const struct text_pair *labels;
	size_t n_labels;
	matchers_open_fn *open;
	void *arg;
	struct route_hit *hits;
	size_t n;
};

static bool is_doubt(const struct route_doubt *d)
{
	return d->label || d->odd;
}

static void keep_first(struct route_doubt *to, const struct route_doubt *one)
{
	if (!is_doubt(to))
		*to = *one;
}

/* node is reached when there is no doubt, else only if what is in doubt says so. A node that no child takes an alert
 * from takes it itself. */
static void walk_node(struct walk *w, const struct route_node *node, struct route_doubt doubt)
{
	assert(w->n <= ROUTE_HITS_MAX);
	struct route_doubt kept = {0}, any = {0}; /* why a child before this one may keep it; may take it */
	bool taken = false, left = true;

	for (size_t i = 0; i < node->n && left; i++) {
		const struct route_node *child = &node->children[i];
		struct route_doubt on = {0};
		enum matchers_result say = config_matchers_might_hold(&child->matchers, w->labels, w->n_labels, w->open,
		                                                      w->arg, &on.label, &on.odd);

		if (say == MATCHERS_NO)
			continue;
		struct route_doubt of_child = doubt;
		keep_first(&of_child, &kept);
		keep_first(&of_child, &on);
		walk_node(w, child, of_child);
		taken = taken || say == MATCHERS_YES;
		left = child->goes_on || say == MATCHERS_MAYBE;
		keep_first(&any, &on);
		if (!child->goes_on)
			keep_first(&kept, &on);
	}
	keep_first(&doubt, &any);
	if (!taken && w->n < ROUTE_HITS_MAX)
		w->hits[w->n++] = (struct route_hit) {.node = node, .sure = !is_doubt(&doubt), .doubt = doubt};
}

size_t route_tree_walk(const struct route_tree *t, const struct text_pair *labels, size_t n, matchers_open_fn *open,
                       void *arg, struct route_hit hits[ROUTE_HITS_MAX])
{
	assert(t && (labels || n == 0) && open && hits);
	struct walk w = {.labels = labels, .n_labels = n, .open = open, .arg = arg, .hits = hits};

	walk_node(&w, &t->root, (struct route_doubt) {0});
	return w.n;
}
