#include "handlers/rollback/drill.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "db/event.h"
#include "db/rollout.h"
#include "handlers/rollback/adopt.h"
#include "handlers/rollback/announce.h"
#include "handlers/rollback/flags_file.h"
#include "handlers/rollback/runner.h"
#include "server/core/text.h"

bool drill_is(const struct alert *a)
{
	const char *mark = alert_label(a, "drill");

	return mark && mark[0];
}

/* --- opening --- */

static int open_it(struct db_tx *tx, const struct settings *s, const struct trigger *t, int32_t stage, int64_t *ret_incident)
{
	CLEANUP(cleanup_free) char *plan = plan_text(s, t->rollout, t->playbook);
	int32_t there = adopt_there(db_tx_conn(tx), t->rollout, NULL, 0);
	char from[16], to[16], reason[80];
	struct incident inc = {
		.rollout = (char *)t->rollout->name, .playbook = (char *)t->playbook->name, .severity = (char *)t->severity,
		.summary = (char *)t->summary, .kind = KIND_DRILL, .state = INC_ROLLING_BACK, .plan = plan, .reason = reason,
		.opened_by = (char *)t->who, .stage = stage, .pct_before = there, .pct_wanted = there, .pct_seen = -1,
		.opened_at_us = t->received_us, .onset_at_us = t->onset_us, .onset_from = (char *)t->onset_from,
	};

	text_pct(there, from, sizeof(from));
	text_pct(trigger_target(s, t, stage, there), to, sizeof(to));
	snprintf(reason, sizeof(reason), "would go from %s%s to %s%%", from, there < 0 ? "" : "%", to);
	int r = plan ? incident_insert(tx, &inc) : -ENOMEM;
	if (r == 0)
		r = trigger_attach(tx, inc.id, t);
	if (r == 0)
		r = trigger_add_steps(tx, &inc);
	if (r < 0)
		return r;
	struct event e = {.incident_id = inc.id, .rollout = inc.rollout, .who = (char *)t->who, .what = (char *)"drill",
	                  .note = reason};
	r = event_add(tx, &e);
	*ret_incident = inc.id;
	return r < 0 ? r : announce_incident(tx, s, &inc, SAY_STARTED);
}

static int make_room(struct db_tx *tx, const struct settings *s, const char *rollout, char *why, size_t why_size)
{
	struct incident live = {0};
	int found = incident_live_of(db_tx_conn(tx), rollout, &live), r = found < 0 ? found : 1;

	if (found == 1 && live.kind == KIND_DRILL && !live.raises) {
		r = trigger_supersede(tx, s, &live, "another drill was started");
		r = r < 0 ? r : 1;
	} else if (found == 1) {
		snprintf(why, why_size, live.raises ? "no drill while a stage is being entered" : "no drill while incident %lld is open",
		         (long long)live.id);
		r = 0;
	}
	incident_free(&live);
	return r;
}

int drill_open(struct db_tx *tx, const struct settings *s, const struct trigger *t, int64_t *ret_incident, char *why,
               size_t why_size)
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

/* --- its steps --- */

static int try_flags(const struct rollout *r, char *text, size_t size)
{
	char why[256] = "", at[16];
	int32_t pct = -1;
	int e = flags_file_read(r->flags_file, r->flags_key, &pct, why, sizeof(why));

	if (e == 0)
		e = flags_file_replaceable(r->flags_file, why, sizeof(why));
	text_pct(pct, at, sizeof(at));
	if (e == 0)
		snprintf(text, size, "not written: a drill. %s is at %s%%, and the file could be replaced", r->flags_key, at);
	else
		snprintf(text, size, "%s", why);
	return e;
}

static int try_command(const struct act *a, char *text, size_t size)
{
	char why[256];
	int e = runner_trusts(a->argv[0], why, sizeof(why));

	if (e == 0 && access(a->argv[0], X_OK) < 0) {
		e = -errno;
		snprintf(why, sizeof(why), "%.150s: %s", a->argv[0], strerrordesc_np(-e));
	}
	if (e == 0)
		snprintf(text, size, "not run: a drill. %.200s could be run", a->argv[0]);
	else
		snprintf(text, size, "%s", why);
	return e;
}

static int try_act(const struct step *step, char *text, size_t size)
{
	CLEANUP(json_cleanup) struct json_object *tree = json_tokener_parse(step->spec);
	struct act act = {0};
	int e = tree ? act_read(tree, &act) : -EINVAL;

	if (e < 0)
		snprintf(text, size, "the step cannot be read: %s", strerrordesc_np(-e));
	else if (act.kind == ACT_HTTP)
		snprintf(text, size, "not sent: a drill. It would be %s %.200s", act.method, act.url);
	else
		e = try_command(&act, text, size);
	act_free(&act);
	return e;
}

enum step_state drill_try(const struct plan *plan, const struct step *step, char *text, size_t size)
{
	int e = step->kind == STEP_FLAGS ? try_flags(&plan->rollout, text, size) : try_act(step, text, size);

	return e < 0 ? STEP_FAILED : STEP_DONE;
}

/* --- what is told --- */

bool drill_passed(const struct incident *inc)
{
	return inc->kind == KIND_DRILL && inc->state == INC_RESOLVED && !inc->failed_at_us;
}

const struct saying *drill_saying(enum say s)
{
	static const struct saying sayings[SAY_N] = {
		[SAY_STARTED] = {"drill_started", EVENT_INCIDENT | EVENT_PAGE},
		[SAY_ROLLED_BACK] = {"drill_passed", EVENT_INCIDENT | EVENT_PAGE},
		[SAY_FAILED] = {"drill_failed", EVENT_INCIDENT | EVENT_PAGE},
		[SAY_CANCELLED] = {"drill_called_off", EVENT_INCIDENT | EVENT_PAGE},
		[SAY_ENDED_BY_HAND] = {"drill_ended", EVENT_INCIDENT | EVENT_PAGE},
	};

	return sayings[s].what ? &sayings[s] : NULL;
}

static const char *status(const struct incident *inc)
{
	return inc->state == INC_FAILED      ? "FAILED: a real rollback might fail, too. Look at its steps"
	       : inc->state == INC_CANCELLED ? "Called off"
	       : drill_passed(inc)           ? "Passed"
	       : inc->state == INC_RESOLVED  ? "Ended by a person; not passed" : "Rehearsing";
}

int drill_message(struct buf *b, const struct incident *inc, const struct plan *plan)
{
	const char *title = plan ? plan->rollout.title : inc->rollout;

	buf_str(b, "[DRILL] ");
	text_one_line(b, title, strlen(title), 300);
	buf_str(b, " Auto-Rollback drill: nothing is changed\n- Trigger: ");
	text_one_line(b, inc->summary, strlen(inc->summary), 300);
	buf_printf(b, "\n- Action: None: a drill; a real one %s\n- Status: %s\n", inc->reason ? inc->reason : "would roll back",
	           status(inc));
	return b->error;
}
