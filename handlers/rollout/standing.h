/*
 * Where a rollout stands: all that the database and the flags file know of it, loaded at once.
 *
 * The connection's thread: the writer inside a transaction, http and engine with their readers.
 */
#ifndef HANDLERS_ROLLOUT_STANDING_H
#define HANDLERS_ROLLOUT_STANDING_H

#include "db/incident.h"
#include "db/progress.h"
#include "db/rollout.h"
#include "handlers/rollback/options.h"

struct standing {
	struct rollout_row row; /* stage -1, percentages -1 when there is none yet */
	struct progress p;      /* run 0 when there is none yet */
	struct approval_list approvals;
	struct tick_list ticks;
	struct baseline_list baselines;
	int64_t live;           /* live incident, or stage being entered; 0 none */
	enum incident_state live_state;
	bool live_raises, live_drills;
	int64_t unreviewed;     /* incident whose review is required and open; 0 none */
	int64_t rollbacks_today;/* in the last 24 h */
	int64_t last_rollback_us;
	int32_t there;          /* percentage in the flags file, else last seen; -1 unknown */
	char there_why[256];    /* why it is unknown */
	int64_t heartbeat_us;   /* when Alertmanager's always-firing alert last came; 0 never */
};

int standing_load(struct db_conn *c, const struct rollout *r, int64_t now_us, struct standing *ret);
void standing_free(struct standing *st);

/* The stage it is at; NULL: unstaged. */
const struct stage *standing_stage(const struct standing *st, const struct rollout *r);
/* Stage of another environment: shown, never applied here. */
bool stage_is_elsewhere(const struct settings *s, const struct stage *st);
/* When a milestone falls due; 0: it waits, because its stage was never entered or does not stand any more (rolled back, set back). */
int64_t standing_milestone_us(struct db_conn *c, const struct rollout *r, const struct standing *st, const struct milestone *m);
/* Is it above 0 %, as far as anybody knows. */
bool standing_above_zero(const struct standing *st);

#endif
