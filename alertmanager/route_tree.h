/*
 * Alertmanager's tree of routes: which receivers an alert reaches, and after how long (docs/configuration.md, <route>;
 * dispatch/route.go of 0.25). Pure; any thread.
 */
#ifndef ALERTMANAGER_ROUTE_TREE_H
#define ALERTMANAGER_ROUTE_TREE_H

#include <stdint.h>
#include "alertmanager/config_matchers.h"
#include "server/core/json.h"

struct route_node {
	const char *receiver; /* its own or inherited; borrowed from the tree */
	struct config_matchers matchers;
	bool goes_on;      /* continue: true */
	bool sometimes;    /* mute_time_intervals or active_time_intervals */
	bool by_alertname; /* grouped by alertname or by all labels: a trigger does not wait for another's group */
	int64_t group_wait_us, group_interval_us, repeat_us;
	struct route_node *children; /* owned */
	size_t n;
};

struct route_tree {
	struct json_object *config; /* a reference: the whole config */
	struct route_node root;
};

/* config: Alertmanager's, every scalar a string (as config_yaml_any reads it). 0; -EINVAL with one sentence in why (>=
 * 300); -ENOMEM. */
int route_tree_read(struct json_object *config, struct route_tree **ret, char *why, size_t why_size) MUST_CHECK;
void route_tree_free(struct route_tree *t);

/* The receiver of that name; NULL. Borrowed. */
struct json_object *route_tree_receiver(const struct route_tree *t, const char *name);

/* Why it cannot be told: a label that is not known, or a matcher that could not be read (what config_matchers.odd
 * says). Borrowed; both NULL: there is none. */
struct route_doubt {
	const char *label, *odd;
};
struct route_hit {
	const struct route_node *node;
	bool sure; /* there is no doubt */
	struct route_doubt doubt;
};
#define ROUTE_HITS_MAX 200
/* Where an alert with these labels goes; open as for matchers_might_hold. Returns how many, at most ROUTE_HITS_MAX. */
size_t route_tree_walk(const struct route_tree *t, const struct text_pair *labels, size_t n, matchers_open_fn *open,
                       void *arg, struct route_hit hits[ROUTE_HITS_MAX]);

#endif
