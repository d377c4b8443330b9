#include "handlers/reports/left_out.h"

#include <assert.h>
#include <errno.h>

#include "db/incident.h"
#include "db/progress.h"
#include "handlers/gates/stage_clock.h"
#include "handlers/incident/kinds.h"
#include "server/core/text.h"

#define INCIDENTS_MAX 500

static const char *what_it_did(const struct incident *inc)
{
	return inc->rolled_back_at_us      ? "rolled back"
	       : inc->failed_at_us         ? "a rollback that was never verified"
	       : inc->started_at_us        ? "a rollback"
	       : inc->state == INC_PENDING ? "a rollback is pending"
	                                   : "held";
}

/* From the trigger to the end; what was called off or changed nothing does not matter. */
static int add_incident(struct compare_spans *spans, const struct incident *inc, int64_t now_us)
{
	assert(spans && inc);
	CLEANUP(cleanup_free)
	char *reason = text_format("incident %lld: %s", (long long)inc->id, what_it_did(inc));

	if (inc->state == INC_CANCELLED || inc->already_there || !kind_of(inc)->acts)
		return 0;
	return reason ? compare_spans_add(spans, inc->opened_at_us, inc->resolved_at_us ? inc->resolved_at_us : now_us,
	                                  reason)
	              : -ENOMEM;
}

/* Where the list was cut nobody knows what was before: that time does not count either. */
static int find_incidents(struct db_conn *c, const char *rollout, int64_t from_us, int64_t now_us,
                          struct compare_spans *ret)
{
	const struct incident_filter f = {.rollout = rollout, .limit = INCIDENTS_MAX};
	struct incident_list l = {0};
	int r = incident_find(c, &f, &l);

	for (size_t i = 0; r >= 0 && i < l.n; i++)
		r = add_incident(ret, &l.item[i], now_us);
	if (r >= 0 && l.n == INCIDENTS_MAX && l.item[l.n - 1].opened_at_us > from_us)
		r = compare_spans_add(ret, from_us, l.item[l.n - 1].opened_at_us,
		                      "too many incidents since: those of this time were not looked at");
	incident_list_free(&l);
	return r < 0 ? r : 0;
}

/* Holds that are over, and the one that is not. */
static int find_holds(struct db_conn *c, const char *rollout, int64_t from_us, int64_t now_us,
                      struct compare_spans *ret)
{
	struct hold_span_list l = {0};
	struct progress p = {0};
	int r = hold_span_of(c, rollout, from_us, now_us, &l);

	for (size_t i = 0; r >= 0 && i < l.n; i++)
		if (stage_clock_is_hold(l.item[i].why))
			r = compare_spans_add(ret, l.item[i].since_us, l.item[i].until_us, l.item[i].why);
	hold_span_list_free(&l);
	if (r >= 0 && (r = progress_load(c, rollout, &p)) >= 0 && p.held_by && p.held_since_us)
		r = compare_spans_add(ret, p.held_since_us, now_us, "held, and still is");
	progress_free(&p);
	return r < 0 && r != -ENOENT ? r : 0;
}

int comparison_left_out(struct db_conn *c, const char *rollout, int64_t from_us, int64_t now_us,
                        struct compare_spans *ret)
{
	assert(c && rollout && ret);
	int r = find_incidents(c, rollout, from_us, now_us, ret);

	return r < 0 ? r : find_holds(c, rollout, from_us, now_us, ret);
}
