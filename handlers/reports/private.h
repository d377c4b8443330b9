/*
 * What the sections of a report share (this room only).
 */
#ifndef HANDLERS_REPORTS_PRIVATE_H
#define HANDLERS_REPORTS_PRIVATE_H

#include "db/event.h"
#include "handlers/gates/success.h"
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
	const struct stage *stage;          /* NULL: unstaged */
	struct json_object *comparison;     /* borrowed; NULL: none yet */
	struct json_object *compared_whole; /* borrowed: of the whole rollout */
	enum report_kind kind;
	const char *kind_name;
	int64_t from, now, ahead_us;    /* ahead: milestones so far away are named; 0: all */
	struct incident_list incidents; /* owned: of the whole rollout, newest first */
	struct stage_run_list runs;     /* owned: newest first */
	struct tally span, whole;       /* owned: of the report's span, of the whole rollout */
	bool cut;                       /* there are more incidents than were counted */
};

/* What the database has for all sections, and what they free in the end. */
int report_gather(struct report *p, struct db_conn *c, const struct report_request *rq) MUST_CHECK;
void report_free(struct report *p);
int report_write(struct report *p) MUST_CHECK; /* the text, to p->b */

/* The sections. 0 or -errno of the database. */
int report_success(struct report *p);
int report_changes(struct report *p); /* what happened in the span */
int report_steps(struct report *p);   /* the stages that people entered in the span */
int report_stages(struct report *p);
int report_decisions(struct report *p);  /* approvals, forced advances, holds, freezes */
int report_checklists(struct report *p); /* all of them */
int report_dates(struct report *p);      /* planned beside actual */
int report_milestones(struct report *p);
int report_open_items(struct report *p); /* the checklist of the stage, and what is known of its open items */
int report_compared(struct report *p);   /* new way against old way: cost, and in the final one everything */

/* A line with what is known already of what says prefill; NULL: none. 0 or -errno of the database. */
int report_known(struct report *p, const char *prefill);
/* Does an incident count for the report's span: it was opened in it, or what lowered it acted in it. */
bool report_is_of_span(const struct report *p, const struct incident *i);

/* What is known of one success metric. */
struct metric_result {
	struct success_record all;        /* over all runs */
	const struct stage_run *worst_in; /* NULL: it is of now, or nothing is known */
	bool now;                         /* the stage judges it itself */
};
struct metric_result report_metric(const struct report *p, const struct criterion *c);
/* Of a count whose target is none. */
enum metric_verdict report_judge_count(const struct report *p, int n);

/* What happened in the span and is no incident's. */
struct changes {
	struct event_list all; /* owned: of the span, newest first */
	bool *listed;          /* owned: of each, whether it is one of those that are shown */
	size_t n, n_listed, ticked, reminded;
	bool cut; /* there are more than were looked at */
};
int report_find_changes(struct report *p, struct changes *ret) MUST_CHECK;
void changes_free(struct changes *c);

#endif
