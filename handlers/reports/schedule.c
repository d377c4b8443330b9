#include "handlers/reports/schedule.h"

#include <assert.h>
#include <errno.h>

#include "handlers/incident/announce.h"
#include "handlers/reports/report.h"
#include "server/core/clock.h"

#define DAY_US      (86400 * US_PER_S)
#define CATCH_UP_US (8 * DAY_US) /* a report that fell due while rollbackd was down is sent late, not lost */

static int send_report(const struct reconcile *l, struct comparisons *c, const char *kind, int64_t since_us)
{
	assert(kind);
	CLEANUP(buf_free) struct buf b = BUF(REPORT_MAX);
	CLEANUP(json_cleanup) struct json_object *comparison = report_comparison(c, l->r->name, kind);
	CLEANUP(json_cleanup) struct json_object *whole = report_whole(c, l->r->name);
	const struct report_request rq = {.settings = l->s,
	                                  .rollout = l->r,
	                                  .st = l->st,
	                                  .ev = l->ev,
	                                  .comparison = comparison,
	                                  .whole = whole,
	                                  .kind = kind,
	                                  .now_us = l->now,
	                                  .since_us = since_us};
	int r = report_text(&b, db_tx_conn(l->tx), &rq);

	return r < 0 && r != -ENOSPC ? r : announce_report(l->tx, l->s, kind, l->r->name, buf_text(&b));
}

/* What falls due while it is suspended, or not wanted yet, is not made up for. */
static int report_due(const struct reconcile *l, struct comparisons *c, const struct report_plan *p)
{
	int64_t sent = reconcile_mark(l, "report", p->name), back = l->now - sent;
	int r = 0;

	/* Never sent: the first one comes at the next time it falls due. Sent in a future that is more than a clock
	 * being set right by hours: the clock was wrong, and what it says now counts. */
	if (!sent || sent > l->now + DAY_US)
		return reconcile_set_mark(l, "report", p->name, l->now);
	back = back < CATCH_UP_US ? back : CATCH_UP_US;
	if (!calendar_last_us(&p->when, l->now, back))
		return 0;
	if (!p->when.suspend && report_is_wanted(db_tx_conn(l->tx), l->r, l->st, p->name, sent))
		r = send_report(l, c, p->name, l->now - back);
	return r < 0 ? r : reconcile_set_mark(l, "report", p->name, l->now);
}

int reports_send_due(void *comparisons, const struct reconcile *l)
{
	assert(l && l->tx && l->s && l->r && l->st && l->ev);
	int r = 0;

	for (size_t i = 0; r == 0 && i < l->s->n_reports; i++)
		r = report_due(l, comparisons, &l->s->reports[i]);
	return r;
}
