/*
 * Where a rollout stands: all that the database and the flags file know of it, loaded at once.
 *
 * The connection's thread: the writer inside a transaction, http and engine with their readers.
 */
#ifndef HANDLERS_GATES_ROLLOUT_STATE_H
#define HANDLERS_GATES_ROLLOUT_STATE_H

#include "db/incident.h"
#include "db/progress.h"
#include "db/rollout.h"
#include "handlers/incident/kinds.h"
#include "handlers/settings/settings.h"
#include "handlers/steps/percentage.h"

#define PLAN_REVIEW "Review of the plan" /* what is settled before rollout.review_before */

struct rollout_state {
	struct rollout_row row; /* stage -1, percentages -1 when there is none yet */
	struct progress p;      /* run 0 when there is none yet */
	int64_t open;           /* open incident, or stage being entered; 0 none */
	enum incident_state open_state;
	const struct kind *kind; /* of it; NULL none */
	int32_t there;           /* percentage in the flags file, else last seen; -1 unknown */
	char there_why[256];     /* why it is unknown */
	int64_t heartbeat_us;    /* when Alertmanager's always-firing alert last came; 0 never */
	/* The rest only rollout_state_load reads. */
	struct approval_list approvals;
	struct checkmark_list checkmarks;
	struct baseline_list baselines;
	struct settled_list settled;
	int64_t unreviewed;    /* incident whose review is required and open; 0 none */
	int64_t *rollbacks_us; /* owned: when those of the last 24 h began, newest first */
	size_t n_rollbacks;
	int64_t last_rollback_us;
};

/* look: at its flags file; NULL: it is read now. */
int rollout_state_load(struct db_conn *c, const struct rollout *r, int64_t now_us, const struct flags_look *look,
                       struct rollout_state *ret);
/* Only where it is: what a pass asks by. */
int rollout_state_place(struct db_conn *c, const struct rollout *r, const struct flags_look *look,
                        struct rollout_state *ret);
void rollout_state_free(struct rollout_state *st);

#define ROLLBACKS_SPAN_US (24 * 3600 * INT64_C(1000000)) /* of limits.rollbacks_per_day */
/* Until when limits.rollbacks_per_day locks raising: the oldest of so many is a day old then. 0: it does not. */
int64_t rollout_state_day_lock_us(const struct rollout_state *st, const struct limits *l);

/* The stage it is at; NULL: unstaged. */
const struct stage *rollout_state_stage(const struct rollout_state *st, const struct rollout *r);
/* Stage of another environment: shown, never applied here. */
bool stage_is_elsewhere(const struct settings *s, const struct stage *st);
/* When a stage was last entered at its percentage; 0: never. */
int64_t rollout_state_entered_us(struct db_conn *c, const struct rollout *r, int32_t stage);
/* When a milestone falls due; 0: it waits, because its stage was never entered or does not stand any more (rolled back,
 * set back). */
int64_t rollout_state_milestone_us(struct db_conn *c, const struct rollout *r, const struct rollout_state *st,
                                   const struct milestone *m);
/* When the plan began, and at which stage. */
struct plan_began {
	int64_t at_us; /* 0: nobody knows */
	int32_t stage;
};
int plan_began_load(struct db_conn *c, const char *rollout, struct plan_began *ret); /* at_us 0: it is not on record */
int plan_began_save(struct db_tx *tx, const char *rollout, const struct plan_began *began);
/* Is it above 0 %, as far as anybody knows. */
bool rollout_state_above_zero(const struct rollout_state *st);
/* The stage that alerting rules go by: rules leave a stage of another environment alone, so that with traffic here, or
 * unknown, it is -1, as if unstaged. */
int32_t rollout_state_guarded_stage(const struct settings *s, const struct rollout *r, const struct rollout_state *st);

#endif
