#include "handlers/incident/drill.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "db/rollout.h"
#include "handlers/incident/kinds.h"
#include "handlers/steps/percentage.h"
#include "handlers/incident/announce.h"
#include "handlers/settings/snapshot.h"
#include "server/core/text.h"

bool drill_is(const struct alert *a)
{
	assert(a);
	const char *mark = alert_label(a, "drill");

	return mark && mark[0];
}

/* --- opening --- */

/* The other ways are rehearsed as well: a real rollback takes them only when nobody acknowledges. */
static int add_fallbacks(struct db_tx *tx, const struct incident *inc, const struct rollout *r)
{
	struct step_list l = {0};
	int err = step_of_incident(db_tx_conn(tx), inc->id, &l);
	int32_t ord = (int32_t)l.n;

	step_list_free(&l);
	for (size_t i = 0; err == 0 && i < r->n_fallbacks; i++)
		err = trigger_add_act(tx, inc->id, ord++, PHASE_FALLBACK, &r->fallbacks[i].act, STEP_TODO);
	return err;
}

static int open_it(struct db_tx *tx, const struct settings *s, const struct trigger *t, int32_t stage,
                   int64_t *ret_incident)
{
	char config[CONFIG_SHA_SIZE];
	int32_t there = percentage_there(db_tx_conn(tx), t->rollout, NULL, 0);
	char from[16], to[16], reason[80];
	struct incident inc = {
		.rollout = (char *)t->rollout->name,
		.playbook = (char *)t->playbook->name,
		.severity = (char *)t->severity,
		.summary = (char *)t->summary,
		.kind = KIND_DRILL,
		.state = INC_ROLLING_BACK,
		.config = config,
		.reason = reason,
		.opened_by = (char *)t->who,
		.stage = stage,
		.pct_before = there,
		.pct_wanted = there,
		.pct_seen = -1,
		.opened_at_us = t->received_us,
		.onset_at_us = t->onset_us,
		.onset_from = (char *)t->onset_from,
	};

	text_pct(there, from, sizeof(from));
	text_pct(trigger_target(s, t, stage, there), to, sizeof(to));
	snprintf(reason, sizeof(reason), "would go from %s%s to %s%%", from, there < 0 ? "" : "%", to);
	int r = plan_put(tx, s, t->rollout, t->playbook, config);
	if (r == 0)
		r = incident_insert(tx, &inc);
	if (r == 0)
		r = trigger_attach(tx, inc.id, t);
	if (r == 0)
		r = trigger_add_steps(tx, &inc);
	if (r == 0)
		r = add_fallbacks(tx, &inc, t->rollout);
	if (r < 0)
		return r;
	struct event e = {.incident_id = inc.id,
	                  .rollout = inc.rollout,
	                  .who = (char *)t->who,
	                  .what = (char *)"drill",
	                  .note = reason};
	r = event_add(tx, &e);
	*ret_incident = inc.id;
	return r < 0 ? r : announce_incident(tx, s, &inc, ANNOUNCE_STARTED);
}

static int make_room(struct db_tx *tx, const struct settings *s, const char *rollout, char *why, size_t why_size)
{
	struct incident open = {0};
	int found = incident_open_of(db_tx_conn(tx), rollout, &open), r = found < 0 ? found : 1;

	if (found == 1 && !kind_of(&open)->acts) {
		r = trigger_supersede(tx, s, &open, "another drill was started");
		r = r < 0 ? r : 1;
	} else if (found == 1) {
		snprintf(why, why_size,
		         kind_of(&open)->enters ? "no drill while a stage is being entered"
		                                : "no drill while incident %lld is open",
		         (long long)open.id);
		r = 0;
	}
	incident_free(&open);
	return r;
}

static int try_open(struct db_tx *tx, const struct settings *s, const struct trigger *t, int64_t *ret_incident,
                    char *why, size_t why_size)
{
	struct rollout_row row = {.stage = -1};

	if (t->playbook->hold) {
		snprintf(why, why_size, "playbook %.100s only holds: there is nothing to rehearse", t->playbook->name);
		return 0;
	}
	int r = rollout_load(db_tx_conn(tx), t->rollout->name, &row);
	int32_t stage = r == 0 ? row.stage : -1;
	rollout_row_free(&row);
	if (r < 0 && r != -ENOENT)
		return r;
	r = make_room(tx, s, t->rollout->name, why, why_size);
	if (r != 1)
		return r;
	r = open_it(tx, s, t, stage, ret_incident);
	return r < 0 ? r : 1;
}

int drill_open(struct db_tx *tx, const struct settings *s, const struct trigger *t, int64_t *ret_incident, char *why,
               size_t why_size)
{
	assert(tx && s && t && t->playbook && t->rollout && ret_incident && why && why_size > 0);
	int r = try_open(tx, s, t, ret_incident, why, why_size);
	struct event e = {
		.rollout = (char *)t->rollout->name, .who = (char *)t->who, .what = (char *)DRILL_REFUSED, .note = why};

	if (r != 0)
		return r;
	r = event_add(tx, &e); /* its copies are answered as such: nobody else hears that it came */
	return r < 0 ? r : 0;
}

int drill_record(struct db_tx *tx, const struct incident *inc)
{
	assert(tx && inc);
	bool passed = drill_passed(inc), failed = !kind_of(inc)->acts && inc->state == INC_FAILED;
	CLEANUP(cleanup_free)
	char *key = text_format("%s:%s", passed ? DRILL_PASSED_MARK : DRILL_FAILED_MARK, inc->rollout);

	if (!passed && !failed)
		return 0;
	return key ? meta_set(tx, key, db_tx_now(tx)) : -ENOMEM;
}

/* --- what is told --- */

bool drill_passed(const struct incident *inc)
{
	assert(inc);
	return !kind_of(inc)->acts && inc->state == INC_RESOLVED && !inc->failed_at_us;
}

static const char *status(const struct incident *inc)
{
	return inc->state == INC_FAILED      ? "FAILED: a real rollback might fail, too. Look at its steps"
	       : inc->state == INC_CANCELLED ? "Called off"
	       : drill_passed(inc)           ? "Passed"
	       : inc->state == INC_RESOLVED  ? "Ended by a person; not passed"
	                                     : "Rehearsing";
}

int drill_message(struct buf *b, const struct incident *inc, const struct plan *plan, int64_t at_us)
{
	assert(b && inc);
	const char *title = plan ? plan->rollout.title : inc->rollout;

	buf_str(b, "[DRILL] ");
	text_one_line(b, title, strlen(title), 300);
	buf_str(b, " Auto-Rollback drill: nothing is changed\n- Trigger: ");
	text_one_line(b, inc->summary, strlen(inc->summary), 300);
	buf_printf(b, "\n- Action: None: a drill; a real one %s\n- Status: %s\n",
	           inc->reason ? inc->reason : "would roll back", status(inc));
	return message_at(b, at_us);
}
