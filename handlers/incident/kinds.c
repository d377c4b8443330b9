#include "handlers/incident/kinds.h"

#include <assert.h>

static const struct kind kinds[KIND_N] = {
	[KIND_AUTO] = {"Auto-Rollback", TEXTS_ROLLBACK, .acts = true, .lowers = true, .follows = true},
	[KIND_MANUAL] = {"Manual Rollback", TEXTS_ROLLBACK, .acts = true, .lowers = true, .follows = true,
                         .by_hand = true},
	[KIND_DRILL] = {"Drill", TEXTS_DRILL, .gives_way = true, .follows = true},
	[KIND_ADVANCE] = {"Stage", TEXTS_STAGE, .gives_way = true, .acts = true, .enters = true, .brief = true},
	[KIND_FLAG] = {"Flag", TEXTS_FLAG, .gives_way = true, .acts = true, .once = true, .brief = true},
};

const struct kind *kind_get(enum incident_kind kind)
{
	assert(kind > 0 && kind < KIND_N);
	return &kinds[kind];
}

const struct kind *kind_of(const struct incident *inc)
{
	assert(inc);
	return kind_get(inc->kind);
}

const struct kind *kind_deciding(const struct incident *inc)
{
	assert(inc);
	if (!inc->decided_at_us)
		return kind_of(inc);
	return kind_get(inc->decided_alert ? KIND_AUTO : KIND_MANUAL);
}

struct wanted incident_wanted(const struct incident *inc)
{
	return (struct wanted) {.pct = inc->pct_wanted, .at_most = kind_of(inc)->lowers};
}
