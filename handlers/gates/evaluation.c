#include "handlers/gates/evaluation.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void evaluation_free(struct evaluation *e)
{
	assert(e);
	free(e->results);
	*e = (struct evaluation) {0};
}

int evaluation_copy(const struct evaluation *e, struct evaluation *ret)
{
	assert(e && ret && (e->results || e->n == 0));
	struct criterion_result *results = calloc(e->n + 1, sizeof(*results));

	if (!results)
		return -ENOMEM;
	if (e->n)
		memcpy(results, e->results, e->n * sizeof(*results));
	*ret = *e;
	ret->results = results;
	return 0;
}
