/*
 * What the engine writes: one change of one incident, committed whole with what it announces. Writer thread.
 *
 * Each change checks on disk that it still fits (the state, the step, the attempt) and writes nothing when it does not.
 */
#ifndef HANDLERS_ENGINE_RECORD_H
#define HANDLERS_ENGINE_RECORD_H

#include "db/incident.h"
#include "db/step.h"
#include "handlers/checks/preserve.h"
#include "handlers/incident/machine.h"
#include "handlers/settings/settings.h"

enum change_kind {
	CHANGE_INTENT = 1, /* a step is about to be done */
	CHANGE_OUTCOME,    /* a step has ended */
	CHANGE_ROUND,      /* a verification round has ended */
	CHANGE_EVENT,      /* a deadline of the incident has passed */
	CHANGE_SNAPSHOT,   /* metrics were fetched, or could not be */
	CHANGE_ONSET,      /* Prometheus told when it began */
	CHANGE_ASK,        /* a step waits for a person: told once */
	CHANGE_DOUBT,      /* its alerts resolved, but that it is over is not so, or not known: told once */
	CHANGE_N
};

struct change {
	enum change_kind kind;
	int64_t incident_id, step_id;
	int32_t attempt;                             /* OUTCOME: of which attempt */
	enum step_state outcome;                     /* OUTCOME */
	int64_t next_id;                             /* OUTCOME: the step that is to be done next; 0: none */
	char *text;                                  /* owned: OUTCOME, ROUND: for people */
	int error;                                   /* OUTCOME of a flags step that failed: -errno, else 0 */
	int32_t pct_after;                           /* OUTCOME of a flags step: what the file holds now; -1 unknown */
	enum condition_status written, acknowledged; /* ROUND */
	char *written_note, *acknowledged_note;      /* owned */
	enum condition_status effective, cured;      /* ROUND */
	char *effective_note, *cured_note;           /* owned */
	bool stale, asked;         /* ROUND: unknown only for want of young answers; there is somebody to ask */
	int32_t file;              /* ROUND: what the flags file holds; -1 unknown, or none */
	int32_t seen, least;       /* ROUND: highest and lowest percentage anybody reported; -1 none */
	bool partial;              /* ROUND: somebody who was asked has not said where it is */
	bool deadline_passed;      /* ROUND: verification's time is up */
	int64_t evidence_since_us; /* ROUND: the incident's, when the round began: an answer to an older question does
	                              not count */
	enum incident_event event; /* EVENT; DOUBT: what did not come of it */
	int64_t calm_since_us; /* of EV_CALM and EV_QUIET: since when its alerts were resolved, when that was asked */
	struct snapshot_item *items; /* SNAPSHOT: owned */
	size_t n_items;
	int64_t onset_us;      /* ONSET */
	int64_t decided_at_us; /* ONSET, SNAPSHOT: the incident's, when that was asked */
};

/* 1 written, 2 written and next_id is intended, 0 it no longer fits (nothing written), -errno. */
int change_write(struct db_tx *tx, const struct settings *s, const struct change *ch);
/* Frees what it owns and zeroes it. */
void change_clear(struct change *ch);

/* Is an incident that was rolled back still looked at, for whether it helped. Pure. */
bool watches_cure(const struct incident *inc, const struct plan *plan);

/* When a snapshot step that is to be done is due: at once, or so many seconds after the apply as its spec lists, one
 * after the other ({"after": [180, 900]}); 0: no more. Pure. */
int64_t snapshot_due_us(const struct incident *inc, const struct step *step);

/* When the next round of a verification is due. Pure. Keeps looking for ever after a failure, ever more rarely, at
 * least every minute. */
int64_t next_round_us(const struct incident *inc, int64_t every_us, int64_t now_us);

#endif
