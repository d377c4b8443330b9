/* A trigger joins the open incident: the lower target, the earlier time and the worse severity win, each for itself.
 * What makes it lower, or lower now, decides it: its words, percentages, clocks and what was measured before are its
 * own. */
#include "handlers/incident/open_private.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "db/event.h"
#include "db/progress.h"
#include "db/search.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/move.h"
#include "handlers/settings/keys.h"
#include "handlers/settings/snapshot.h"
#include "server/core/text.h"

struct joining {
	struct db_tx *tx;
	const struct settings *s;
	const struct trigger *t;
	struct incident *inc;
	int32_t there, target;
	bool lower;   /* than was wanted so far */
	bool decides; /* lowers further, now what was to wait, or once more */
};

static bool is_deferred(const struct trigger *t)
{
	return t->playbook->after_us > 0;
}

/* --- who decides --- */

/* Does the file of the config in force hold more than is wanted, or nobody knows what? */
static bool file_is_above(const struct incident *inc, const struct trigger *t, int32_t there)
{
	return t->rollout->flags_file && (there < 0 || there > inc->pct_wanted);
}

/* What was to wait, or was raised again since it was rolled back. */
static bool lowers_now(const struct joining *j)
{
	if (j->t->playbook->hold)
		return false;
	return (j->inc->state == INC_PENDING && !is_deferred(j->t)) ||
	       (j->inc->state == INC_ROLLED_BACK && file_is_above(j->inc, j->t, j->there));
}

/* --- severity --- */

/* Two vocabularies side by side; 0: it is in neither. */
static size_t rank_of(const char *severity)
{
	static const char *const ranks[] = {"P4 info", "P3 warning", "P2 error", "P1 critical", "P0"};
	size_t i = ARRAY_LEN(ranks);

	while (i > 0 && !config_in_words(ranks[i - 1], severity))
		i--;
	return i;
}

/* What decides names it, unless it is a P0 already; any other may only make it worse. */
static bool names_severity(const struct joining *j)
{
	const char *old = j->inc->severity, *new = j->t->severity;

	if (!new[0] || !strcmp(old, new))
		return false;
	return rank_of(new) > rank_of(old) || (j->decides && strcmp(old, "P0") != 0);
}

/* Told, unless what it does is. A P0 begins the stage's clean time anew. */
static int escalated(struct joining *j, const char *before)
{
	const struct incident *inc = j->inc;
	CLEANUP(cleanup_free)
	char *note = text_format("%s%s%s%s: %s", inc->severity, before[0] ? " (was " : "", before, before[0] ? ")" : "",
	                         j->t->summary);
	struct event e = {.incident_id = inc->id,
	                  .rollout = inc->rollout,
	                  .who = (char *)j->t->who,
	                  .what = (char *)"escalated",
	                  .note = note};
	int r = note ? event_add(j->tx, &e) : -ENOMEM;

	if (r == 0 && !strcmp(inc->severity, "P0"))
		r = progress_reset_clock(j->tx, inc->rollout, "a P0 incident");
	return r < 0 || j->decides ? r : announce_incident(j->tx, j->s, inc, ANNOUNCE_ESCALATED);
}

/* --- what it decides --- */

/* What came of the trigger before it is looked at no more. */
static int end_snapshots(struct joining *j)
{
	struct step_list l = {0};
	int r = step_of_incident(db_tx_conn(j->tx), j->inc->id, &l);

	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (l.item[i].kind == STEP_SNAPSHOT && l.item[i].state == STEP_TODO && strchr(l.item[i].spec, '[')) {
			l.item[i].state = STEP_SKIPPED;
			r = step_save(j->tx, &l.item[i]);
		}
	step_list_free(&l);
	return r;
}

static int take_words(struct joining *j)
{
	const struct trigger *t = j->t;
	int r = text_set(&j->inc->playbook, t->playbook->name);

	if (r == 0)
		r = text_set(&j->inc->summary, t->summary);
	if (r == 0)
		r = text_set(&j->inc->decided_by, t->who);
	if (r == 0 && t->reason)
		r = text_set(&j->inc->reason, t->reason);
	if (r == 0)
		r = text_set(&j->inc->onset_from, t->onset_from);
	return r < 0 ? r : search_note(j->tx, j->inc->id, SEARCH_CHANGED);
}

static int take_decision(struct joining *j)
{
	struct incident *inc = j->inc;
	int r = end_snapshots(j);

	if (r == 0)
		r = take_words(j);
	if (r == 0)
		r = trigger_stage(j->tx, inc->rollout, &inc->stage);
	inc->pct_before = j->there;
	inc->onset_at_us = j->t->onset_us;
	inc->decided_at_us = j->t->received_us;
	inc->decided_alert = j->t->alert_id;
	inc->acted_at_us = 0;
	return r;
}

/* It goes by the config in force, and by the playbook that decides. */
static int take_config(struct joining *j)
{
	const struct playbook *own = settings_playbook(j->s, j->inc->playbook);
	char sha[CONFIG_SHA_SIZE];
	int r = plan_put(j->tx, j->s, j->t->rollout, j->decides || !own ? j->t->playbook : own, sha);

	return r < 0 ? r : text_set(&j->inc->config, sha);
}

/* --- what it does --- */

/* What joining asks of the open incident; 0 for nothing more: its time has not come, or it acts already. */
static enum incident_event event_of_joining(const struct joining *j, bool changed)
{
	const struct incident *inc = j->inc;

	if (j->t->playbook->hold)
		return 0;
	switch (inc->state) {
	case INC_HELD:
		return is_deferred(j->t) ? EV_DEFER : EV_TRIGGER;
	case INC_PENDING:
		return is_deferred(j->t) ? 0 : EV_TRIGGER;
	case INC_ROLLING_BACK:
		return j->lower || changed ? EV_TRIGGER : 0;
	case INC_FAILED:
		return EV_TRIGGER;
	case INC_VERIFYING:
	case INC_ROLLED_BACK:
		return j->lower || file_is_above(inc, j->t, j->there) ? EV_TRIGGER : EV_ASK;
	case INC_CANCELLED:
	case INC_RESOLVED:
	case INC_STATE_N:
		break;
	}
	return 0;
}

/* A new round, whose answers are younger than this. What acts already keeps its own time. */
static int ask_again(struct db_tx *tx, const struct settings *s, struct incident *inc, const struct trigger *t)
{
	bool acts = inc->state == INC_VERIFYING && !inc->asking;
	int64_t until = inc->verify_until_us;

	incident_ask(inc, t->rollout, db_tx_now(tx));
	if (acts)
		inc->verify_until_us = until;
	int r = incident_move(tx, s, inc, EV_ASK, t->who, t->summary);
	return r < 0 ? r : 0;
}

static int go_on(struct db_tx *tx, const struct settings *s, struct incident *inc, enum incident_event ev,
                 const struct trigger *t)
{
	if (ev == EV_ASK)
		return ask_again(tx, s, inc, t);
	int r = ev == EV_TRIGGER ? incident_begin(tx, s, inc, ev, t->who, t->summary)
	                         : incident_move(tx, s, inc, ev, t->who, t->summary);
	return r < 0 ? r : 0;
}

/* The earlier time wins, where it still waits for one. */
static void join_times(struct joining *j)
{
	struct incident *inc = j->inc;
	bool waits = inc->state == INC_PENDING || inc->state == INC_HELD;
	int64_t due = db_tx_now(j->tx) + j->t->playbook->after_us;

	if (waits && is_deferred(j->t) && (!inc->due_at_us || due < inc->due_at_us))
		inc->due_at_us = due;
	if (j->decides && !is_deferred(j->t))
		inc->due_at_us = 0;
	if (j->t->alert_id)
		inc->quiet_since_us = 0; /* an alert fires again; a person's wish is none that could resolve */
	if (j->t->playbook->review && inc->review == REVIEW_NONE)
		inc->review = REVIEW_REQUIRED;
}

static int note_joined(struct db_tx *tx, const struct incident *inc, const struct trigger *t)
{
	struct event e = {.incident_id = inc->id,
	                  .rollout = inc->rollout,
	                  .who = (char *)t->who,
	                  .what = (char *)"attached",
	                  .note = (char *)t->summary};
	int err = trigger_attach(tx, inc->id, t);

	if (err == 0)
		err = event_add(tx, &e);
	/* what this trigger's playbook wants done afterwards, not only the first one's */
	return err < 0 ? err : trigger_add_followups(tx, inc, t->playbook);
}

/* What the incident becomes, before anything is done. */
static int become(struct joining *j)
{
	CLEANUP(cleanup_free) char *before = strdup(j->inc->severity);
	bool named = names_severity(j), worse = rank_of(j->t->severity) > rank_of(j->inc->severity);
	int r = !before ? -ENOMEM : j->decides ? take_decision(j) : 0;

	if (r == 0 && named)
		r = text_set(&j->inc->severity, j->t->severity);
	if (r == 0 && !j->t->playbook->hold)
		r = take_config(j);
	if (r < 0)
		return r;
	if (j->lower)
		j->inc->pct_wanted = j->target;
	join_times(j);
	r = note_joined(j->tx, j->inc, j->t);
	return r < 0 || !named || !worse ? r : escalated(j, before);
}

static int act(struct joining *j, enum incident_event ev)
{
	if (ev)
		return go_on(j->tx, j->s, j->inc, ev, j->t);
	return incident_save(j->tx, j->inc);
}

int trigger_join(struct db_tx *tx, const struct settings *s, const struct trigger *t, struct incident *inc,
                 int32_t there)
{
	assert(tx && s && t && inc && inc->id > 0 && incident_is_open(inc->state));
	CLEANUP(cleanup_free) char *old = strdup(inc->config);
	struct joining j = {.tx = tx, .s = s, .t = t, .inc = inc, .there = there};

	j.target = trigger_target(s, t, inc->stage, there);
	j.lower = j.target >= 0 && (inc->pct_wanted < 0 || j.target < inc->pct_wanted);
	j.decides = j.lower || lowers_now(&j);
	int r = old ? become(&j) : -ENOMEM;
	if (r < 0)
		return r;
	bool changed = strcmp(old, inc->config) != 0;
	if (changed) /* nothing that the config of then wanted is done, or tried again, by the config of now */
		r = trigger_skip_older(tx, inc->id);
	if (r == 0)
		r = act(&j, event_of_joining(&j, changed));
	if (r == 0 && j.decides)
		r = trigger_preserve(tx, inc, t->rollout);
	return r < 0 ? r : config_row_drop(tx, old);
}
