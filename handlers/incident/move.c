#include "handlers/incident/move.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/event.h"
#include "db/progress.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/drill.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/text.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/text.h"

/* What was seen before says nothing about what is done now. */
static void forget_conditions(struct incident *inc, int64_t now)
{
	assert(now > 0);
	for (int i = 0; i < CONDITION_N; i++) {
		struct condition *v = &inc->condition[i];

		if (v->state != STATUS_UNKNOWN)
			v->at_us = now;
		v->state = STATUS_UNKNOWN;
		free(v->note);
		v->note = NULL;
	}
}

/* What entering a state sets. */
static void enter(struct incident *inc, enum incident_event ev, enum incident_state to, int64_t now)
{
	inc->state = to;
	switch (to) {
	case INC_ROLLING_BACK:
		forget_conditions(inc, now);
		inc->already_there = inc->asking = false;
		inc->unknown_rounds = 0;
		inc->rolled_back_at_us = inc->failed_at_us = 0;
		inc->verify_rounds = inc->verify_passes = 0;
		if (ev != EV_AGAIN)
			inc->verify_until_us = 0;
		inc->late = false;
		break;
	case INC_ROLLED_BACK:
		inc->asking = false;
		inc->unknown_rounds = 0;
		if (ev == EV_CONFIRMED)
			break; /* it is since it was said first */
		inc->rolled_back_at_us = now;
		inc->late = inc->failed_at_us != 0;
		break;
	case INC_FAILED:
		inc->failed_at_us = now;
		break;
	case INC_CANCELLED:
	case INC_RESOLVED:
		inc->resolved_at_us = now;
		break;
	case INC_PENDING:
	case INC_VERIFYING:
	case INC_HELD:
	case INC_STATE_N:
		break;
	}
}

/* One line for each state that is entered, at the one place where it is. */
void incident_log(const struct incident *inc, const char *from, const char *who, const char *note)
{
	assert(inc && inc->state > 0 && inc->state < INC_STATE_N);
	static const char *const words[INC_STATE_N] = {
		[INC_PENDING] = "a rollback is pending",
		[INC_ROLLING_BACK] = "a rollback has begun",
		[INC_VERIFYING] = "a rollback is being verified",
		[INC_ROLLED_BACK] = "rolled back",
		[INC_FAILED] = "A ROLLBACK HAS FAILED: it is not verified",
		[INC_HELD] = "an incident is held for a person",
		[INC_CANCELLED] = "an incident was called off",
		[INC_RESOLVED] = "an incident was resolved",
	};
	static const char *const other_names[TEXTS_N] = {
		[TEXTS_DRILL] = "a drill",
		[TEXTS_STAGE] = "entering a stage",
		[TEXTS_FLAG] = "telling the service of a flag",
	};
	static const char *const others[INC_STATE_N] = {
		[INC_ROLLING_BACK] = "has begun",   [INC_VERIFYING] = "is being verified",
		[INC_ROLLED_BACK] = "was verified", [INC_FAILED] = "HAS FAILED",
		[INC_CANCELLED] = "was called off", [INC_RESOLVED] = "has ended",
	};
	const char *other = other_names[kind_of(inc)->texts];
	char pct[16], msg[100];

	snprintf(msg, sizeof(msg), "%s%s%s", other ? other : words[inc->state], other ? " " : "",
	         !other               ? ""
	         : others[inc->state] ? others[inc->state]
	                              : incident_state_name(inc->state));
	text_pct(inc->pct_wanted, pct, sizeof(pct));
	const char *key = !note || !note[0] ? NO_MORE : inc->state == INC_FAILED ? "err" : "note";
	log_write(inc->state == INC_FAILED ? LOG_LEVEL_ERROR : LOG_LEVEL_INFO, __FILE__, __LINE__, msg, "incident",
	          log_num(inc->id), "rollout", inc->rollout, "state", incident_state_name(inc->state), "from", from,
	          "percentage", pct, "who", who, key, note, NO_MORE, NO_MORE);
}

static const char *word_of(const struct incident *inc, enum incident_event ev, enum incident_state to)
{
	return ev == EV_ENTERED      ? NULL /* said when it was seen */
	       : ev == EV_SUPERSEDED ? "called off"
	       : ev == EV_PASSED     ? "drill passed"
	       : ev == EV_ASK        ? "asked again"
	                             : message_state_word(inc, to);
}

/* A rollback begins the stage anew: when it begins to act, or once it has found that there was nothing to do. Whoever
 * raises it from now on does so after a rollback. */
static bool begins_run(const struct incident *inc, enum incident_event ev, enum incident_state to)
{
	if (kind_of(inc)->gives_way)
		return false;
	return (to == INC_ROLLING_BACK && inc->state != INC_ROLLING_BACK) ||
	       (to == INC_ROLLED_BACK && ev != EV_CONFIRMED && inc->already_there);
}

int incident_move(struct db_tx *tx, const struct settings *s, struct incident *inc, enum incident_event ev,
                  const char *who, const char *note)
{
	assert(tx && s && inc);
	const struct edge *edge = machine_edge(inc->state, ev);

	assert(inc->id > 0 && inc->seq > 0 && who && ev > 0 && ev < EV_N);
	if (!edge)
		return 0;
	assert(incident_is_open(inc->state));
	bool begins = begins_run(inc, ev, edge->to);
	const char *from = incident_state_name(inc->state);
	enter(inc, ev, edge->to, db_tx_now(tx));
	int r = incident_save(tx, inc);
	if (r == 0)
		r = drill_record(tx, inc);
	if (r == 0 && begins)
		r = progress_new_run(tx, inc->rollout, 0, who, "a rollback");
	if (r < 0)
		return r;
	struct event e = {.incident_id = inc->id,
	                  .rollout = inc->rollout,
	                  .who = (char *)who,
	                  .what = (char *)word_of(inc, ev, edge->to),
	                  .note = (char *)note};
	r = e.what ? event_add(tx, &e) : 0;
	if (r < 0)
		return r;
	r = announce_incident(tx, s, inc, edge->announces);
	if (r < 0)
		return r;
	if (!kind_of(inc)->gives_way)
		metric_add(M_INCIDENTS, (unsigned)edge->to - 1, 1);
	incident_log(inc, from, who, note);
	return 1;
}
