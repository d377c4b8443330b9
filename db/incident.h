/*
 * Incidents: one per trigger of a rollout, from its opening to its end.
 *
 * A writer job loads, changes and saves inside its transaction: the single writer makes that atomic, and seq
 * (one more at each save) catches whoever tries it another way.
 */
#ifndef DB_INCIDENT_H
#define DB_INCIDENT_H

#include "db/db.h"

/* Stored: append, never renumber. Order (from 1) is that of the metric rollbackd_incident_transitions_total. */
enum incident_state {
	INC_PENDING = 1,
	INC_ROLLING_BACK,
	INC_VERIFYING,
	INC_ROLLED_BACK,
	INC_FAILED,
	INC_HELD,
	INC_CANCELLED,
	INC_RESOLVED,
	INC_STATE_N
};
/* Stored. KIND_ADVANCE: a stage being entered; KIND_FLAG: the service is told of another flag. No incidents for people:
 * the engine carries all the same way. */
enum incident_kind { KIND_AUTO = 1, KIND_MANUAL, KIND_DRILL, KIND_ADVANCE, KIND_FLAG, KIND_N };
enum condition_status { STATUS_UNKNOWN = 0, STATUS_YES, STATUS_NO }; /* stored */
enum condition_type { CONDITION_WRITTEN, CONDITION_ACKNOWLEDGED, CONDITION_EFFECTIVE, CONDITION_CURED, CONDITION_N };

const char *incident_state_name(enum incident_state s);
int incident_state_find(const char *name); /* -EINVAL */
const char *incident_kind_name(enum incident_kind k);
int incident_kind_find(const char *name);
const char *condition_name(enum condition_type r);          /* "written" … */
const char *condition_status_name(enum condition_status s); /* "unknown", "yes", "no" */
bool incident_is_open(enum incident_state s);               /* neither cancelled nor resolved */

enum review { REVIEW_NONE, REVIEW_REQUIRED, REVIEW_DONE }; /* stored */

struct condition {
	enum condition_status state;
	int64_t at_us; /* when it last changed; 0 never */
	char *note;    /* owned, may be NULL: "6 of 6" */
};

struct incident {
	int64_t id, seq;
	char *rollout, *playbook, *severity, *summary; /* owned, never NULL after load */
	enum incident_kind kind;
	enum incident_state state;
	char *config;    /* owned: SHA-256 of the config it goes by (db/config.h) */
	char *reason;    /* owned: what a person said, or why the state is what it is; may be NULL */
	char *opened_by; /* owned: "alertmanager" or a user */
	int32_t stage;   /* number, -1 unstaged */
	int32_t pct_before, pct_wanted, pct_seen; /* hundredths, -1 unknown */
	bool already_there;                       /* opened at or below the target: nothing applied (yet) */
	int64_t opened_at_us;
	int64_t onset_at_us;     /* when the fault began; 0 unknown (by hand) */
	char *onset_from;        /* owned: "ALERTS_FOR_STATE", "startsAt" or NULL */
	int64_t due_at_us;       /* pending: when it starts */
	int64_t started_at_us;   /* first act */
	int64_t applied_at_us;   /* last apply step ended */
	int64_t verify_until_us; /* deadline of verifying; rolled back: of the cure, 0 once it was told */
	int64_t next_probe_us;   /* when the next verification round is due */
	int64_t verify_rounds, verify_passes;
	bool late; /* rolled back after it had failed */
	int64_t rolled_back_at_us, failed_at_us, resolved_at_us;
	int64_t quiet_since_us; /* all alerts resolved since; 0 otherwise */
	char *acknowledged_by;  /* owned, may be NULL */
	int64_t acknowledged_at_us;
	char *eta; /* owned, may be NULL */
	struct condition condition[CONDITION_N];
	enum review review;
	char *reviewed_by; /* owned, may be NULL */
	int64_t reviewed_at_us;
	int64_t seen_at_us;        /* when pct_seen was seen; 0 never */
	int64_t evidence_since_us; /* what is older than this says nothing: the last act ended, or somebody asked, then
	                            */
	bool asking;               /* verifying before anything is applied: is it there already */
	int64_t unknown_rounds;    /* asking: rounds in a row that could not tell */
	int64_t decided_at_us;     /* when the trigger came that decides it since; 0: the one that opened it does */
	int64_t decided_alert;     /* the row of the alert that decides; 0: a person does */
	char *decided_by;          /* owned: who decides since; NULL: opened_by */
	int64_t acted_at_us;       /* first act since decided_at_us; 0: none yet */
	int64_t place; /* in lists: the millisecond of opening, or the next that was free. incident_insert's */
};

void incident_free(struct incident *inc); /* the members, not inc; NULL is fine; leaves zeros */

/* When the trigger came that decides it, and the first act since then (0: none). An act: was it the first one of
 * either? Pure. */
int64_t incident_decided_us(const struct incident *inc);
int64_t incident_acted_us(const struct incident *inc);
bool incident_note_act(struct incident *inc, int64_t now_us);

int incident_insert(struct db_tx *tx, struct incident *inc);            /* sets id and seq */
int incident_load(struct db_conn *c, int64_t id, struct incident *ret); /* -ENOENT */
/* -ESTALE if seq moved on; else seq + 1. Rollout, kind and time of opening stay what they were. */
int incident_save(struct db_tx *tx, struct incident *inc);
/* The open incident of a rollout. 1 found, 0 none. */
int incident_open_of(struct db_conn *c, const char *rollout, struct incident *ret);
/* Ids of all open incidents, oldest first. *ret is the caller's to free. */
int incident_open_ids(struct db_conn *c, int64_t **ret, size_t *ret_n);

struct incident_filter {
	const char *rollout, *q; /* NULL: any. q: substring of summary, rollout or the labels of an alert, as
	                          * name="value"; of one or two characters: a word. Plain letters of either case */
	int state, kind;         /* 0: any, what is no incident for people only when it is asked for */
	bool open_only;
	int64_t since_us, until_us; /* of opened_at; 0: any */
	int64_t before;             /* cursor: only places below it; 0: any */
	size_t limit;
};
struct incident_list {
	struct incident *item;
	size_t n;
	/* Of a search. next: so far it has looked, and goes on with that as before; 0: to the end of the page, or of
	 * all. searched_from: places below are not in the index yet; 0: all are. */
	int64_t next, searched_from;
};
void incident_list_free(struct incident_list *l);
/* Newest first. */
int incident_find(struct db_conn *c, const struct incident_filter *f, struct incident_list *ret);
/* When the rollbacks (not cancelled, not already there) of a rollout began since, newest first; as far as a thousand.
 * *ret is the caller's to free. */
int incident_rollbacks_since(struct db_conn *c, const char *rollout, int64_t since_us, int64_t **ret, size_t *ret_n);
/* The newest incident whose review is required and open; 0 none. */
int incident_unreviewed(struct db_conn *c, const char *rollout, int64_t *ret_id);
/* When its last rollback acted or was seen done; 0 never. */
int incident_last_rollback(struct db_conn *c, const char *rollout, int64_t *ret_us);
/* Live incidents per state, index by enum incident_state. */
int incident_count_states(struct db_conn *c, int64_t counts[INC_STATE_N]);

/* Metrics preserved with an incident, for each trigger that decided it (decided_at_us). A later error does not replace
 * a series that is there. */
int snapshot_put(struct db_tx *tx, int64_t incident_id, int64_t decided_at_us, const char *name, const char *unit,
                 const char *series_json, const char *error);
struct snapshot_row {
	int64_t decided_at_us;
	char *name, *unit, *series, *error;
}; /* owned; series or error is NULL */
DB_LIST(snapshot_list, struct snapshot_row);
/* By decided_at_us, then name. */
int snapshot_of(struct db_conn *c, int64_t incident_id, struct snapshot_list *ret);

#endif
