/*
 * The comparisons that an alert's expression is made of: what is compared, how, and with what. From the text alone.
 * Pure; any thread.
 */
#ifndef ALERTMANAGER_PROMQL_PARTS_H
#define ALERTMANAGER_PROMQL_PARTS_H

#include <stdbool.h>
#include <stddef.h>
#include "server/core/scope.h"

#define PROMQL_PARTS_MAX 32

/* Parts of the expression's text, borrowed. */
struct promql_part {
	const char *value, *bound;
	size_t value_len, bound_len;
	char op[3];  /* ">", "<=", "==" … */
	bool needed; /* not behind an unless: without its value the expression says nothing */
};
struct promql_parts {
	struct promql_part list[PROMQL_PARTS_MAX]; /* in the order of the text: the first is what the rule is about */
	size_t n;
};

/* Blanks take the place of comments. */
void promql_uncomment(char *text);

/* text without comments. 0; -EINVAL: it could not be followed; -E2BIG: more than PROMQL_PARTS_MAX, or too deep. */
int promql_parts(const char *text, struct promql_parts *ret) MUST_CHECK;

#endif
