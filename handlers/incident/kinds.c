#include "handlers/incident/kinds.h"

#include <assert.h>

static const struct kind kinds[KIND_N] = {
	[KIND_AUTO] = {.acts = true, .lowers = true, .follows = true},
	[KIND_MANUAL] = {.acts = true, .lowers = true, .follows = true},
	[KIND_DRILL] = {.gives_way = true, .follows = true},
	[KIND_ADVANCE] = {.gives_way = true, .acts = true, .sets = true},
};

const struct kind *kind_of(const struct incident *inc)
{
	assert(inc->kind > 0 && inc->kind < KIND_N);
	return &kinds[inc->kind];
}

struct wanted incident_wanted(const struct incident *inc)
{
	return (struct wanted) {.pct = inc->pct_wanted, .at_most = kind_of(inc)->lowers};
}
