#include "handlers/reports/schedule.h"

#include <assert.h>
#include <errno.h>

#include "handlers/incident/announce.h"
#include "handlers/reports/report.h"
#include "server/core/clock.h"
#include "server/core/cron.h"

#define DAY_US      (86400 * US_PER_S)
#define CATCH_UP_US (8 * DAY_US) /* a report that fell due while rollbackd was down is sent late, not lost */

static int send_report(const struct reconcile *l, const char *name)
{
	assert(name);
	CLEANUP(buf_free) struct buf b = BUF(REPORT_MAX);
	int r = report_text(&b, db_tx_conn(l->tx), l->s, l->r, l->st, l->ev, name, l->now);

	return r < 0 ? r : announce_report(l->tx, l->s, name, l->r->name, buf_text(&b));
}

static int report_due(const struct reconcile *l, const struct report_plan *p)
{
	int64_t sent = reconcile_mark(l, "report", p->name), began = 0;
	struct cron c;

	/* Never sent: the first one comes at the next time it falls due. Sent in a future that is more than a clock
	 * being set right by hours: the clock was wrong, and what it says now counts. */
	if (!sent || sent > l->now + DAY_US)
		return reconcile_set_mark(l, "report", p->name, l->now);
	if (cron_parse(p->cron, &c) == 0)
		began = cron_last_us(&c, l->now, l->now - sent < CATCH_UP_US ? l->now - sent : CATCH_UP_US);
	if (!began || !report_is_wanted(l->r, l->st, p->name))
		return 0;
	int r = send_report(l, p->name);
	return r < 0 ? r : reconcile_set_mark(l, "report", p->name, l->now);
}

int reports_send_due(void *arg, const struct reconcile *l)
{
	assert(l && l->tx && l->s && l->r && l->st && l->ev);
	int r = 0;

	(void)arg;
	for (size_t i = 0; r == 0 && i < l->s->n_reports; i++)
		r = report_due(l, &l->s->reports[i]);
	return r;
}
