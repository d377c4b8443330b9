#include "handlers/gates/evaluation.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void evaluation_free(struct evaluation *e)
{
	assert(e);
	free(e->results);
	free(e->fallback);
	*e = (struct evaluation) {0};
}

int evaluation_copy(const struct evaluation *e, struct evaluation *ret)
{
	assert(e && ret && (e->results || e->n == 0) && (e->fallback || e->n_fallback == 0));
	struct criterion_result *results = calloc(e->n + 1, sizeof(*results));
	struct probe_result *fallback = calloc(e->n_fallback + 1, sizeof(*fallback));

	if (!results || !fallback) {
		free(results);
		free(fallback);
		return -ENOMEM;
	}
	if (e->n)
		memcpy(results, e->results, e->n * sizeof(*results));
	if (e->n_fallback)
		memcpy(fallback, e->fallback, e->n_fallback * sizeof(*fallback));
	*ret = *e;
	ret->results = results;
	ret->fallback = fallback;
	return 0;
}

enum condition_status evaluation_fallback(const struct evaluation *e, const struct rollout *r, char *why, size_t size)
{
	assert(e && r);
	return fallback_probe_all(r, e->fallback, e->n_fallback, why, size);
}

bool milestone_is_locked(const struct rollout *r, const struct milestone *m, const struct evaluation *e, char *why,
                         size_t size)
{
	assert(m);
	return m->removes_fallback && evaluation_fallback(e, r, why, size) != STATUS_YES;
}
