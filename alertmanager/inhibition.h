/*
 * Alertmanager's inhibit_rules: an alert that fires and matches the source hides those that match the target and have
 * the same values of the labels in equal (inhibit/inhibit.go). Pure; any thread.
 */
#ifndef ALERTMANAGER_INHIBITION_H
#define ALERTMANAGER_INHIBITION_H

#include "alertmanager/config_matchers.h"

struct inhibition {
	struct config_matchers source, target;
	struct json_object *equal; /* borrowed from the config; names of labels; NULL: none */
};

struct inhibitions {
	struct inhibition *list; /* owned */
	size_t n;
};

/* config: Alertmanager's, every scalar a string; it has to outlive what is read. 0 or -ENOMEM. */
int inhibitions_read(struct json_object *config, struct inhibitions *ret) MUST_CHECK;
void inhibitions_free(struct inhibitions *all);

/* An alert as far as it is known. */
struct inhibition_side {
	const struct text_pair *labels;
	size_t n;
	matchers_open_fn *open; /* whether a label that is not among them may have a value */
	void *arg;
};
/* Does source, while it fires, hide target? */
enum matchers_result inhibition_hides(const struct inhibition *i, const struct inhibition_side *source,
                                      const struct inhibition_side *target);
/* Whether anything can hide target by it. */
enum matchers_result inhibition_is_about(const struct inhibition *i, const struct inhibition_side *target);

#endif
