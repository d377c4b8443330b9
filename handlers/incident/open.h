/*
 * A trigger meets a rollout: opens an incident or joins the open one. Writer thread, inside a transaction.
 */
#ifndef HANDLERS_INCIDENT_OPEN_H
#define HANDLERS_INCIDENT_OPEN_H

#include "db/alert.h"
#include "db/incident.h"
#include "db/step.h"
#include "handlers/incident/machine.h"
#include "handlers/settings/settings.h"

struct trigger {
	const struct rollout *rollout;
	const struct playbook *playbook;
	enum incident_kind kind;
	const char *who;                /* "alertmanager" or a user */
	const char *summary, *severity; /* borrowed */
	const char *reason;             /* what a person said; may be NULL */
	int64_t onset_us;               /* 0: unknown */
	const char *onset_from;         /* NULL: unknown */
	int64_t received_us;
	int64_t alert_id; /* the alert's row, attached before anybody is told; 0: none */
	bool *begun; /* may be NULL; set: an incident was opened, and with it the intention is committed to lower its
	              * flags file to 0 % */
};

/* The open incident it opened or joined, and what came of it. The same rollout never has two open incidents. */
int trigger_apply(struct db_tx *tx, const struct settings *s, const struct trigger *t, int64_t *ret_incident,
                  enum disposition *ret_disposition);

/* From now on it is asked where it is: nothing is applied before it is known that it is needed, and cannot raise. Sets
 * the members only. Pure. */
void incident_ask(struct incident *inc, const struct rollout *r, int64_t now);
/* What it was about to do rests on what was seen before a restart: it is asked anew whether it is still above its
 * target, which is above 0 %. 1 moved, 0 that is no more fitting, -errno. */
int incident_ask_anew(struct db_tx *tx, const struct settings *s, struct incident *inc, const struct plan *plan,
                      const char *note) MUST_CHECK;
/* Its time has come (EV_DUE, EV_TRIGGER, EV_RETRY): to 0 % it acts at once; to more the checks are asked first, for
 * nothing may raise. 1 begun, 0 that event means nothing here, -errno. */
int incident_begin(struct db_tx *tx, const struct settings *s, struct incident *inc, enum incident_event ev,
                   const char *who, const char *note);

/* The trigger's alert becomes one of the incident's. */
int trigger_attach(struct db_tx *tx, int64_t incident, const struct trigger *t);

/* Appends the rollout's apply steps (flags first) as todo: at opening, at a lower target, at a retry. To 0 % the first
 * one, the flags file, is running already, for the engine to write it. */
int trigger_add_steps(struct db_tx *tx, struct incident *inc);

/* Verifying and preserving metrics, as far as the incident has them not yet. */
int trigger_add_tail(struct db_tx *tx, const struct incident *inc, const struct rollout *r);
/* The trigger that a step of preserving metrics belongs to: the incident's decided_at_us then. Pure. */
int64_t snapshot_decided_us(const struct step *step);
/* That is over at once. */
int trigger_supersede(struct db_tx *tx, const struct settings *s, struct incident *inc, const char *why);

/* The percentage the trigger asks for, in hundredths, given what is there; -1: none (a playbook that holds). Pure. */
int32_t trigger_target(const struct settings *s, const struct trigger *t, int32_t stage, int32_t there);

/* The playbook's then steps; one that the incident has already, whoever asked for it, is not done again. */
int trigger_add_followups(struct db_tx *tx, const struct incident *inc, const struct playbook *p);
/* One act as a step. */
int trigger_add_act(struct db_tx *tx, int64_t incident, int32_t ord, enum step_phase phase, const struct act *a,
                    enum step_state state);

#endif
