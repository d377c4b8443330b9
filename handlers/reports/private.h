/*
 * What the sections of a report share (this room only).
 */
#ifndef HANDLERS_REPORTS_PRIVATE_H
#define HANDLERS_REPORTS_PRIVATE_H

#include "handlers/incident/sla.h"
#include "handlers/reports/report.h"

enum report_kind { REPORT_DAILY = 1, REPORT_WEEKLY = 2, REPORT_FINAL = 4, REPORT_EVERY = 7 };

struct tally {
	int incidents, rollbacks, failed, drills, p0;
	struct sla_tally automatic, by_hand;
};

struct report {
	struct buf *b;
	struct db_conn *c;
	const struct settings *s;
	const struct rollout *r;
	const struct rollout_state *st;
	const struct evaluation *ev;
	const struct stage *stage; /* NULL: unstaged */
	enum report_kind kind;
	const char *kind_name;
	int64_t from, now;
	struct incident_list incidents; /* owned: of the whole rollout, newest first */
	struct stage_run_list runs;     /* owned: newest first */
	struct tally span, whole;       /* owned: of the report's span, of the whole rollout */
	bool cut;                       /* there are more incidents than were counted */
};

/* The sections. 0 or -errno of the database. */
int report_success(struct report *p);
int report_changes(struct report *p); /* what happened in the span */
int report_stages(struct report *p);
int report_decisions(struct report *p);  /* approvals, forced advances, holds, freezes */
int report_checklists(struct report *p); /* all of them */

#endif
