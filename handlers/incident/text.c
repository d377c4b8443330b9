#include "handlers/incident/text.h"

#include <string.h>

#include "handlers/incident/json.h"
#include "server/core/text.h"

#define LABEL_SHOWN_MAX 300 /* bytes of a text from outside in one line */

static const char *const kind_titles[KIND_N] = {
	[KIND_AUTO] = "Auto-Rollback",
	[KIND_MANUAL] = "Manual Rollback",
	[KIND_DRILL] = "Drill",
};

static const char *const status_words[INC_STATE_N] = {
	[INC_PENDING] = "Waiting",
	[INC_ROLLING_BACK] = "Rolling back",
	[INC_VERIFYING] = "Verifying",
	[INC_ROLLED_BACK] = "Investigating",
	[INC_FAILED] = "Not verified: someone must look now. rollbackd keeps looking",
	[INC_HELD] = "Held: waits for a person",
	[INC_CANCELLED] = "Cancelled",
	[INC_RESOLVED] = "Resolved",
};

static const char *status_word(enum incident_state s)
{
	return s > 0 && s < INC_STATE_N ? status_words[s] : "unknown";
}

const char *message_kind(enum incident_kind k)
{
	return kind_titles[k];
}

static int action_pending(struct buf *b, const struct incident *inc, const char *to)
{
	char at[40];

	text_time_words(inc->due_at_us, at, sizeof(at));
	return buf_printf(b, "Rolls back to %s%% at %s unless every alert resolves first", to, at);
}

static int last_seen(struct buf *b, const struct incident *inc)
{
	char seen[16];

	if (inc->pct_seen < 0)
		return buf_str(b, "no answer what the percentage is");
	text_pct(inc->pct_seen, seen, sizeof(seen));
	return buf_printf(b, "last seen at %s%%", seen);
}

static int action_failed(struct buf *b, const struct incident *inc, const char *to)
{
	buf_printf(b, "Rollback to %s%% not verified: ", to);
	return last_seen(b, inc);
}

static int action_done(struct buf *b, const struct incident *inc, const char *to)
{
	if (inc->already_there)
		return buf_printf(b, "None needed: already at %s%%, verified", to);
	return buf_printf(b, "Rolled back to %s%%%s", to, inc->late ? " (late: it had failed before)" : "");
}

static int action_resolved(struct buf *b, const struct incident *inc, const char *to)
{
	if (inc->rolled_back_at_us)
		return action_done(b, inc, to);
	return inc->failed_at_us ? action_failed(b, inc, to) : buf_str(b, "None: no rollback was made");
}

static int stage_action(struct buf *b, const struct incident *raise)
{
	static const struct {
		const char *before, *after;
	} words[INC_STATE_N] = {
		[INC_PENDING] = {"Enters ", "%"},
		[INC_ROLLING_BACK] = {"Entering ", "%"},
		[INC_VERIFYING] = {"Set to ", "%, not verified yet"},
		[INC_ROLLED_BACK] = {"Entered at ", "%"},
		[INC_FAILED] = {"Entering ", "% not verified: "},
		[INC_HELD] = {"Enters ", "%"},
		[INC_CANCELLED] = {"Entering ", "% was called off"},
		[INC_RESOLVED] = {"Entering ", "% was given up"},
	};
	bool entered = raise->state == INC_RESOLVED && raise->rolled_back_at_us;
	enum incident_state s = entered ? INC_ROLLED_BACK : raise->state;
	char to[16];

	text_pct(raise->pct_wanted, to, sizeof(to));
	buf_printf(b, "%s%s%s", words[s].before, to, words[s].after);
	return s == INC_FAILED ? last_seen(b, raise) : b->error;
}

/* What a person reported and nobody asked to roll back. */
static bool is_report(const struct incident *inc)
{
	return inc->kind == KIND_MANUAL && inc->pct_wanted < 0 && !strcmp(inc->playbook, "reported");
}

int message_action(struct buf *b, const struct incident *inc)
{
	char to[16];

	if (inc->kind == KIND_ADVANCE)
		return stage_action(b, inc);
	if (is_report(inc))
		return buf_str(b, "None: a report; nothing was rolled back");
	if (inc->kind == KIND_DRILL)
		return buf_printf(b, "None: a drill; a real one %s", inc->reason ? inc->reason : "would roll back");
	text_pct(inc->pct_wanted, to, sizeof(to));
	switch (inc->state) {
	case INC_PENDING:
		return action_pending(b, inc, to);
	case INC_ROLLING_BACK:
		return buf_printf(b, "Rolling back to %s%%", to);
	case INC_VERIFYING:
		return buf_printf(b, "%s %s%%, not verified yet", inc->already_there ? "Found at" : "Set to", to);
	case INC_ROLLED_BACK:
		return action_done(b, inc, to);
	case INC_FAILED:
		return action_failed(b, inc, to);
	case INC_HELD:
		return buf_str(b, "None: this playbook only holds");
	case INC_CANCELLED:
		return buf_str(b, "None: called off before anything was changed");
	case INC_RESOLVED:
		return action_resolved(b, inc, to);
	case INC_STATE_N:
		break;
	}
	return buf_str(b, "unknown");
}

static void stage_line(struct buf *b, const struct incident *inc, const struct plan *plan)
{
	const struct stage *st = plan ? rollout_stage(&plan->rollout, inc->stage) : NULL;
	char pct[16];

	text_pct(inc->pct_before >= 0 ? inc->pct_before : st ? st->pct : -1, pct, sizeof(pct));
	if (inc->stage < 0)
		buf_printf(b, "- Stage: none (%s%s traffic)\n", pct, pct[0] == 'u' ? "" : "%");
	else
		buf_printf(b, "- Stage: %d (%s%s traffic)\n", inc->stage, pct, pct[0] == 'u' ? "" : "%");
}

static void shown(struct buf *b, const char *label, const char *text)
{
	buf_printf(b, "- %s: ", label);
	text_one_line(b, text, __builtin_strlen(text), LABEL_SHOWN_MAX);
	buf_char(b, '\n');
}

static void link_line(struct buf *b, const struct incident *inc, const struct plan *plan)
{
	if (plan && plan->external_url[0])
		buf_printf(b, "- Details: %s/incidents/%lld\n", plan->external_url, (long long)inc->id);
	else
		buf_printf(b, "- Details: rollbackctl incident %lld\n", (long long)inc->id);
}

static void eta_line(struct buf *b, const char *eta)
{
	int64_t at = 0;
	char words[40];

	if (!eta || !eta[0]) {
		buf_str(b, "- ETA: not set\n");
		return;
	}
	if (text_time_parse(eta, strlen(eta), &at) < 0) {
		buf_printf(b, "- ETA: %s to resolution\n", eta);
		return;
	}
	text_time_words(at, words, sizeof(words));
	buf_printf(b, "- ETA: %s\n", words);
}

int message_at(struct buf *b, int64_t at_us)
{
	char at[60];

	text_time_local(at_us, at, sizeof(at));
	return buf_printf(b, "- At: %s\n", at);
}

int message_incident(struct buf *b, const struct incident *inc, const struct plan *plan, int64_t at_us)
{
	const char *title = plan ? plan->rollout.title : inc->rollout;

	if (inc->state == INC_FAILED)
		buf_str(b, "CRITICAL: AUTO_ROLLBACK FAILED\n");
	buf_str(b, "[INCIDENT] ");
	text_one_line(b, title, __builtin_strlen(title), LABEL_SHOWN_MAX);
	buf_printf(b, " %s\n", is_report(inc) ? "Reported Incident" : message_kind(inc->kind));
	shown(b, "Trigger", inc->summary[0] ? inc->summary : "unknown");
	stage_line(b, inc, plan);
	buf_str(b, "- Action: ");
	message_action(b, inc);
	buf_printf(b, "\n- Status: %s\n", status_word(inc->state));
	eta_line(b, inc->eta);
	message_at(b, at_us);
	link_line(b, inc, plan);
	return b->error;
}

/* --- evidence --- */

static void measured(struct buf *b, const char *annotations)
{
	static const char *const names[] = {"value", "bound", "baseline", "window", "samples"};
	CLEANUP(json_cleanup) struct json_object *o = annotations ? json_tokener_parse(annotations) : NULL;
	const char *text = NULL;
	int n = 0;

	for (size_t i = 0; o && i < ARRAY_LEN(names); i++) {
		if (json_get_str(o, names[i], &text) != 1 || !text[0])
			continue;
		buf_printf(b, "%s%s ", n++ ? ", " : "- Measured: ", names[i]);
		text_one_line(b, text, strlen(text), 80);
	}
	if (n)
		buf_char(b, '\n');
}

static void conditions_line(struct buf *b, const struct incident *inc, const struct plan *plan)
{
	bool asked[CONDITION_N] = {[CONDITION_WRITTEN] = true,
	                           [CONDITION_ACKNOWLEDGED] = true,
	                           [CONDITION_EFFECTIVE] = plan->rollout.effective_query && inc->pct_wanted == 0 &&
	                                                   inc->kind != KIND_DRILL,
	                           [CONDITION_CURED] = plan->rollout.cured_query && inc->kind != KIND_DRILL};

	if (!inc->applied_at_us)
		return;
	buf_str(b, "- Verified:");
	for (int i = 0; i < CONDITION_N; i++)
		if (asked[i])
			buf_printf(b, "%s %s %s", i ? "," : "", condition_name((enum condition_type)i),
			           condition_status_name(inc->condition[i].state));
	buf_char(b, '\n');
}

static void time_line(struct buf *b, const struct incident *inc, const struct plan *plan)
{
	CLEANUP(json_cleanup) struct json_object *sla = incident_sla_json(inc, &plan->sla);
	char took[40], limit[40];
	int n = 0;

	json_object_object_foreach(sla, phase, one)
	{
		double seconds = 0, most = 0;
		bool met = true;

		json_get_double(one, "seconds", &seconds);
		json_get_double(one, "limit", &most);
		json_get_bool(one, "met", &met);
		text_duration_words((int64_t)(seconds * 1e6), took, sizeof(took));
		text_duration_words((int64_t)(most * 1e6), limit, sizeof(limit));
		/* Until Prometheus told when the condition began, it is not known how long it was pending. */
		bool since_fired = !strcmp(json_str_or(one, "from", ""), "startsAt");
		buf_printf(b, "%s%s%s %s of %s%s", n++ ? ", " : "- Time: ", phase,
		           since_fired ? " (since it fired)" : "", took, limit, met ? "" : " MISSED");
	}
	if (n)
		buf_char(b, '\n');
}

static void next_line(struct buf *b, const struct incident *inc)
{
	static const char *const words[INC_STATE_N] = {
		[INC_PENDING] = "cancel",
		[INC_FAILED] = "retry",
		[INC_HELD] = "resolve",
		[INC_ROLLED_BACK] = "resolve",
	};
	bool over = inc->state == INC_ROLLED_BACK || inc->state == INC_RESOLVED;
	long long id = (long long)inc->id;

	if (inc->kind == KIND_DRILL && inc->state == INC_FAILED)
		buf_printf(b, "- Next: rollbackctl drill %s, once that is mended\n", inc->rollout);
	else if (over && inc->review == REVIEW_REQUIRED)
		buf_printf(b, "- Next: rollbackctl incident review %lld \"what was wrong, and what was done\"\n", id);
	else if (inc->state == INC_HELD && inc->stage >= 0)
		buf_printf(b, "- Next: rollbackctl rollback %s --stage %d, or rollbackctl incident resolve %lld\n",
		           inc->rollout, inc->stage, id);
	else if (words[inc->state])
		buf_printf(b, "- Next: rollbackctl incident %s %lld\n", words[inc->state], id);
}

int message_evidence(struct buf *b, const struct incident *inc, const struct plan *plan, const char *annotations)
{
	measured(b, annotations);
	if (plan) {
		conditions_line(b, inc, plan);
		time_line(b, inc, plan);
	}
	next_line(b, inc);
	return b->error;
}

int message_ended(struct buf *b, const struct incident *inc, const char *who, const char *why)
{
	buf_printf(b, "- %s by ", inc->state == INC_CANCELLED ? "Called off" : "Ended");
	text_one_line(b, who, strlen(who), LABEL_SHOWN_MAX);
	if (why && why[0]) {
		buf_str(b, ": ");
		text_one_line(b, why, strlen(why), LABEL_SHOWN_MAX);
	}
	return buf_char(b, '\n');
}

/* --- stages (interface: section 5) --- */

const struct announcement *message_stage_saying(enum announcement_id s)
{
	static const struct announcement sayings[ANNOUNCE_N] = {
		[ANNOUNCE_ROLLED_BACK] = {"stage_entered", EVENT_ROLLOUT},
		[ANNOUNCE_ROLLED_BACK_LATE] = {"stage_entered", EVENT_ROLLOUT | EVENT_PAGE},
		[ANNOUNCE_FAILED] = {"stage_not_verified", EVENT_ROLLOUT | EVENT_PAGE},
		[ANNOUNCE_ENDED_BY_HAND] = {"stage_given_up", EVENT_ROLLOUT | EVENT_PAGE},
	};

	return sayings[s].what ? &sayings[s] : NULL;
}

const char *message_stage_word(enum incident_state s)
{
	static const char *const words[INC_STATE_N] = {
		[INC_ROLLING_BACK] = "entering", [INC_VERIFYING] = "verifying",  [INC_ROLLED_BACK] = "entered",
		[INC_FAILED] = "not verified",   [INC_CANCELLED] = "called off", [INC_RESOLVED] = "given up",
	};

	return words[s] ? words[s] : incident_state_name(s);
}

static void stage_state(struct buf *b, const struct incident *raise)
{
	char seen[16];

	text_pct(raise->pct_seen, seen, sizeof(seen));
	if (raise->state == INC_FAILED)
		buf_printf(
			b,
			"- Status: NOT VERIFIED: last seen at %s%s. Someone must look now; rollbackd keeps looking\n",
			seen, raise->pct_seen < 0 ? "" : "%");
	else if (raise->state == INC_RESOLVED)
		buf_str(b, "- Status: given up by a person, never verified\n");
	else if (raise->late)
		buf_str(b, "- Status: verified late\n");
	if (raise->reason && raise->reason[0]) {
		buf_printf(b, "- Forced by %s: ", raise->opened_by);
		text_one_line(b, raise->reason, __builtin_strlen(raise->reason), LABEL_SHOWN_MAX);
		buf_char(b, '\n');
	}
}

int message_stage(struct buf *b, const struct incident *raise, const struct plan *plan, int64_t at_us)
{
	const struct stage *st = plan ? rollout_stage(&plan->rollout, raise->stage) : NULL;
	const char *title = plan ? plan->rollout.title : raise->rollout;
	char pct[16], at[40], words[40];

	text_pct(raise->pct_wanted, pct, sizeof(pct));
	text_time_words(raise->opened_at_us, at, sizeof(at));
	buf_str(b, "[ROLLOUT] ");
	text_one_line(b, title, __builtin_strlen(title), LABEL_SHOWN_MAX);
	buf_printf(b, " Stage %d: %s%% traffic\n- Started: %s\n", raise->stage, pct, at);
	if (st && st->duration_us)
		text_duration_words(st->duration_us, words, sizeof(words));
	buf_printf(b, "- Duration: %s\n", st && st->duration_us ? words : "for good");
	buf_printf(b, "- Monitoring: %s\n",
	           plan && plan->rollout.dashboard_url[0] ? plan->rollout.dashboard_url : "no dashboard");
	buf_printf(b, "- Rollback: rollbackctl rollback %s --stage %d\n", raise->rollout, raise->stage);
	stage_state(b, raise);
	return message_at(b, at_us);
}
