/*
 * Where each rollout stands in its plan: the run of its stage with its clean clock, holds, freezes, approvals,
 * checkmarks.
 *
 * A run is one stay at a stage: entering it, a rollback, a P0 and a changed plan each begin a new one. Approvals and
 * checkmarks belong to a run and end with it.
 */
#ifndef DB_PROGRESS_H
#define DB_PROGRESS_H

#include "db/db.h"

struct progress {
	char *rollout;             /* owned */
	int64_t run, run_since_us; /* number of the run, from 1; when it began */
	int64_t entered_us;        /* when the stage was entered at its percentage; 0: it is not at its percentage */
	int64_t clean_us;          /* clean time of this run */
	int64_t clean_at_us;       /* up to when it was counted */
	char *clean_why;           /* owned: why the clock stands still; NULL: it runs */
	int64_t stopped_at_us;     /* since when it stands still; 0: it runs */
	char *held_by;             /* owned: who stopped the clock by hand; NULL nobody */
	int64_t held_since_us;
	char *hold_note;               /* owned */
	char *plan_sha;                /* owned: of the stage's plan, as the run began */
	int32_t restart_at;            /* raising may begin only from this stage; -1: from any */
	int64_t frozen_until_us;       /* by hand; 0 not frozen */
	char *frozen_by, *freeze_note; /* owned */
};
void progress_free(struct progress *p);
int progress_load(struct db_conn *c, const char *rollout, struct progress *ret); /* -ENOENT */
int progress_save(struct db_tx *tx, const struct progress *p);
/* Begins a new run: clock at zero, approvals and checkmarks gone, holds kept. entered_us as in struct progress. Makes
 * the row if there is none; why goes to the audit trail. */
int progress_new_run(struct db_tx *tx, const char *rollout, int64_t entered_us, const char *who, const char *why);

/* The clock alone starts again; approvals and checkmarks go, too, for they vouched for that time. Keeps entered_us. */
int progress_reset_clock(struct db_tx *tx, const char *rollout, const char *why);

/* Raising may begin only from this stage, or from an earlier one that was asked for before. */
int progress_restart_at(struct db_tx *tx, const char *rollout, int32_t stage);
/* It starts again from where it had to: raising is free. */
int progress_restarted(struct db_tx *tx, const char *rollout);

/* What somebody answers for, by what was shown to him. */
struct approval {
	char *subject;       /* owned; "": leaving the stage; else what is approved */
	char *role, *person; /* owned; role "": none was asked for */
	char *note;          /* owned; may be NULL */
	int64_t at_us;       /* set by approval_add */
	char *evidence;      /* owned: JSON of what was shown; NULL: from before that was kept */
	char *evidence_sha;  /* owned: SHA-256 of it */
	int64_t void_at_us;  /* since when it counts no more; 0: it counts */
	char *void_why;      /* owned */
};
DB_LIST(approval_list, struct approval);
/* Takes the place of an earlier one of that subject and role. The texts are borrowed. */
int approval_add(struct db_tx *tx, const char *rollout, int64_t run, const struct approval *a);
/* All of the run that count count no more. */
int approval_void(struct db_tx *tx, const char *rollout, int64_t run, const char *why);
int approval_of_run(struct db_conn *c, const char *rollout, int64_t run, struct approval_list *ret);

/* Stored: append, never renumber. */
enum evidence_verdict { EVIDENCE_NONE, EVIDENCE_PASS, EVIDENCE_FAIL };

struct checkmark {                         /* table tick; at 0 in checkmark_add: now */
	char *list, *item, *person, *note; /* owned; borrowed in checkmark_add. note may be NULL */
	int64_t at_us;
	enum evidence_verdict verdict; /* NONE: a person's word */
	char *link, *sha;              /* owned: where it is to be seen, of what; may be NULL */
	int64_t expires_us;            /* 0: as the item says */
};
DB_LIST(checkmark_list, struct checkmark);
int checkmark_add(struct db_tx *tx, const char *rollout, int64_t run, const struct checkmark *t);
int checkmark_of_run(struct db_conn *c, const char *rollout, int64_t run, struct checkmark_list *ret);

/* What is done once for a rollout, whatever its runs. Stored: append, never renumber. */
enum settled_kind { SETTLED_MILESTONE = 1, SETTLED_BLOCKER, SETTLED_REVIEW };
struct settled {
	enum settled_kind kind;
	char *text, *person, *note; /* owned; borrowed in settled_add. note may be NULL */
	int64_t at_us;
};
DB_LIST(settled_list, struct settled);
int settled_add(struct db_tx *tx, const char *rollout, const struct settled *s);
int settled_of(struct db_conn *c, const char *rollout, struct settled_list *ret);

/* The newest checkmark of each item in any run of the rollout. */
int checkmark_ever(struct db_conn *c, const char *rollout, struct checkmark_list *ret);

/* A number of the old way, kept for when it has no traffic any more. */
struct baseline {
	char *metric;          /* owned */
	double value, samples; /* samples: how many stand behind it; 0: unknown */
	int64_t at_us;
};
DB_LIST(baseline_list, struct baseline);
int baseline_set(struct db_tx *tx, const char *rollout, const char *metric, double value, double samples);
int baseline_of(struct db_conn *c, const char *rollout, struct baseline_list *ret);

/* A run at its stage's percentage, as the last look or its end left it; kept after it for the reports. */
struct stage_run {
	int64_t run;
	int32_t stage;
	int64_t entered_us, clean_us, until_us; /* until: its end, or the last look */
	char *results; /* owned; borrowed in stage_run_save. JSON: what each criterion last said
	                  (handlers/rollout/success.h) */
};
DB_LIST(stage_run_list, struct stage_run);
int stage_run_save(struct db_tx *tx, const char *rollout, const struct stage_run *run);
/* The newest. 1 found, 0 none; the caller frees its results. */
int stage_run_last(struct db_conn *c, const char *rollout, struct stage_run *ret);
/* Newest first, at most 1000. */
int stage_run_of(struct db_conn *c, const char *rollout, struct stage_run_list *ret);

/* Spans in which the clock stood still, for comparisons. */
struct hold_span {
	int64_t since_us, until_us;
	char *why; /* owned */
};
DB_LIST(hold_span_list, struct hold_span);
int hold_span_add(struct db_tx *tx, const char *rollout, const struct hold_span *h);
/* Those that overlap [from, to], oldest first, at most 1000. */
int hold_span_of(struct db_conn *c, const char *rollout, int64_t from_us, int64_t to_us, struct hold_span_list *ret);

#endif
