#include "alertmanager/promql.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/text.h"

static struct promql_age *listed(const struct promql_ages *ages, const char *query)
{
	for (size_t i = 0; i < ages->n; i++)
		if (!strcmp(ages->list[i].query, query))
			return &ages->list[i];
	return NULL;
}

/* last_over_time also finds what has gone since: then there is no answer, which says nothing. */
static char *age_query(const struct promql_selector *sel)
{
	int len = (int)sel->len, last = (int)sel->last_len;

	return !sel->last ? text_format("min(timestamp(%.*s))", len, sel->text)
	                  : text_format("min(timestamp(%.*s)) and count(last_over_time(%.*s%.*s)) == count(%.*s)", len,
	                                sel->text, len, sel->text, last, sel->last, len, sel->text);
}

static int add_age(struct promql_ages *ages, const struct promql_selector *sel)
{
	CLEANUP(cleanup_free) char *query = age_query(sel);
	struct promql_age *known = query ? listed(ages, query) : NULL;

	if (!query)
		return -ENOMEM;
	if (known) {
		known->lag_us = known->lag_us > sel->lag_us ? known->lag_us : sel->lag_us;
		return 0;
	}
	if (ages->n == PROMQL_AGES_MAX)
		return -EINVAL;
	ages->list[ages->n++] = (struct promql_age) {TAKE(query), sel->lag_us};
	return 0;
}

int promql_ages(const char *text, bool past, struct promql_ages *ret)
{
	assert(text && ret);
	struct promql_ages ages = {calloc(PROMQL_AGES_MAX, sizeof(*ages.list)), 0};
	struct promql p = {0};
	int r = ages.list ? promql_scan(text, &p) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < p.n; i++)
		r = !p.list[i].shifted ? add_age(&ages, &p.list[i]) : past ? 0 : -EINVAL;
	promql_free(&p);
	if (r == 0 && !ages.n)
		r = -EINVAL;
	if (r < 0)
		promql_ages_free(&ages);
	else
		*ret = ages;
	return r;
}

void promql_ages_free(struct promql_ages *ages)
{
	for (size_t i = 0; i < ages->n; i++)
		free(ages->list[i].query);
	free(ages->list);
	*ages = (struct promql_ages) {0};
}
