#include "handlers/incident/text.h"

#include <assert.h>
#include <string.h>

#include "handlers/incident/kinds.h"
#include "handlers/incident/sla.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define ETA_EXACT_US    (600 * US_PER_S) /* what is farther away is told to the minute */
#define LABEL_SHOWN_MAX 300              /* bytes of a text from outside in one line */

/* How long until then: what is far away to the minute. */
static void span_words(int64_t span_us, char *out, size_t size)
{
	int64_t unit = span_us < ETA_EXACT_US ? US_PER_S : 60 * US_PER_S;

	text_duration_words((span_us + unit / 2) / unit * unit, out, size);
}

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

static const char *status_word(const struct incident *inc)
{
	assert(inc->state > 0 && inc->state < INC_STATE_N);
	return incident_ended_unverified(inc) ? "Resolved by a person, never verified" : status_words[inc->state];
}

/* What a person reported and nobody asked to roll back. */
static bool is_report(const struct incident *inc)
{
	return kind_of(inc)->by_hand && inc->pct_wanted < 0 && !strcmp(inc->playbook, "reported");
}

const char *message_title(const struct incident *inc)
{
	assert(inc && inc->rollout);
	bool begun = inc->started_at_us || inc->rolled_back_at_us || inc->already_there;
	bool never = inc->state == INC_RESOLVED && !begun && !inc->failed_at_us;

	if (is_report(inc))
		return "Reported Incident";
	if (kind_of(inc)->texts != TEXTS_ROLLBACK)
		return kind_of(inc)->title;
	if (inc->state == INC_HELD || (never && inc->pct_wanted < 0))
		return "Held";
	if (inc->state == INC_PENDING)
		return "Rollback Pending";
	return inc->state == INC_CANCELLED || never ? "Called Off" : kind_deciding(inc)->title;
}

static int action_pending(struct buf *b, const struct incident *inc, const char *to, int64_t now)
{
	char at[60], left[40];

	text_time_local(inc->due_at_us, at, sizeof(at));
	buf_printf(b, "Rolls back to %s%% at %s", to, at);
	if (now && inc->due_at_us > now) {
		span_words(inc->due_at_us - now, left, sizeof(left));
		buf_printf(b, ", in %s,", left);
	}
	return buf_str(b, " unless every alert resolves first");
}

static int last_seen(struct buf *b, const struct incident *inc)
{
	char seen[350];

	incident_seen_text(inc, seen, sizeof(seen));
	return buf_str(b, seen);
}

static int action_failed(struct buf *b, const struct incident *inc, const char *to)
{
	buf_printf(b, "Rollback to %s%% not verified: ", to);
	return last_seen(b, inc);
}

static int action_done(struct buf *b, const struct incident *inc, const char *to)
{
	if (inc->already_there)
		return buf_printf(b, "Found already at %s%%, verified: nothing was applied", to);
	return buf_printf(b, "Rolled back to %s%%%s", to, inc->late ? " (late: it had failed before)" : "");
}

static int action_undone(struct buf *b, const char *to, int32_t above)
{
	char now[16];

	text_pct(above, now, sizeof(now));
	return buf_printf(b, "Was rolled back to %s%%, and raised since: it is at %s%%", to, now);
}

static int action_resolved(struct buf *b, const struct incident *inc, const char *to)
{
	if (inc->rolled_back_at_us)
		return action_done(b, inc, to);
	return inc->failed_at_us ? action_failed(b, inc, to) : buf_str(b, "None: no rollback was made");
}

static int stage_action(struct buf *b, const struct incident *advance)
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
	bool entered = advance->state == INC_RESOLVED && advance->rolled_back_at_us;
	enum incident_state s = entered ? INC_ROLLED_BACK : advance->state;
	char to[16];

	text_pct(advance->pct_wanted, to, sizeof(to));
	buf_printf(b, "%s%s%s", words[s].before, to, words[s].after);
	return s == INC_FAILED ? last_seen(b, advance) : b->error;
}

static int rollback_action(struct buf *b, const struct incident *inc, const struct incident_facts *facts)
{
	char to[16];

	text_pct(inc->pct_wanted, to, sizeof(to));
	switch (inc->state) {
	case INC_PENDING:
		return action_pending(b, inc, to, facts->now_us);
	case INC_ROLLING_BACK:
		return buf_printf(b, "Rolling back to %s%%", to);
	case INC_VERIFYING:
		return buf_printf(b, "%s %s%%, not verified yet", inc->already_there ? "Found at" : "Set to", to);
	case INC_ROLLED_BACK:
		return facts->above ? action_undone(b, to, facts->above) : action_done(b, inc, to);
	case INC_FAILED:
		return action_failed(b, inc, to);
	case INC_HELD:
		return buf_str(b, "None: held until a person decides");
	case INC_CANCELLED:
		return buf_str(b, "None: called off before anything was changed");
	case INC_RESOLVED:
		return action_resolved(b, inc, to);
	case INC_STATE_N:
		break;
	}
	return buf_str(b, "unknown");
}

/* What follows the rollback and was not done, or waits: in every headline. */
static int followups(struct buf *b, const struct incident_facts *f)
{
	if (f->failed[0])
		buf_printf(b, "; %s", f->failed);
	if (f->waiting[0])
		buf_printf(b, "%s %s waits for you", f->failed[0] ? "," : ";", f->waiting);
	return b->error;
}

int message_action(struct buf *b, const struct incident *inc, const struct incident_facts *facts)
{
	assert(b && inc && facts);
	if (kind_of(inc)->texts == TEXTS_STAGE)
		return stage_action(b, inc);
	if (kind_of(inc)->texts == TEXTS_FLAG)
		return buf_printf(b, "The apply steps, for the service to read the flag: %s",
		                  message_state_word(inc, inc->state));
	if (is_report(inc))
		return buf_str(b, "None: a report; nothing was rolled back");
	if (kind_of(inc)->texts == TEXTS_DRILL)
		return buf_printf(b, "None: a drill; a real one %s", inc->reason ? inc->reason : "would roll back");
	rollback_action(b, inc, facts);
	return followups(b, facts);
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

/* Its words, and whose they are where a person decides. */
static void trigger_line(struct buf *b, const struct incident *inc)
{
	const char *who = inc->decided_by ? inc->decided_by : inc->opened_by,
		   *words = inc->summary[0] ? inc->summary : "unknown";

	buf_str(b, "- Trigger: ");
	text_one_line(b, words, strlen(words), LABEL_SHOWN_MAX);
	if (kind_deciding(inc)->by_hand && who) {
		buf_str(b, ", by ");
		text_one_line(b, who, strlen(who), LABEL_SHOWN_MAX);
	}
	buf_char(b, '\n');
}

static void link_line(struct buf *b, const struct incident *inc, const struct plan *plan)
{
	if (plan && plan->external_url[0])
		buf_printf(b, "- Details: %s/incidents/%lld\n", plan->external_url, (long long)inc->id);
	else
		buf_printf(b, "- Details: rollbackctl incident %lld\n", (long long)inc->id);
}

/* A time, counted down to; what an older release took as words is shown as they are. */
static void eta_line(struct buf *b, const char *eta, int64_t now)
{
	int64_t at = 0;
	char left[40], when[60];

	if (!eta || !eta[0]) {
		buf_str(b, "- ETA: not set\n");
		return;
	}
	if (text_time_parse(eta, strlen(eta), &at) < 0) {
		buf_printf(b, "- ETA: %s to resolution\n", eta);
		return;
	}
	text_time_local(at, when, sizeof(when));
	span_words(at > now ? at - now : now - at, left, sizeof(left));
	buf_printf(b, at > now ? "- ETA: %s to resolution\n" : "- ETA: passed %s ago\n", left);
	buf_printf(b, "- Expected: %s\n", when);
}

int message_at(struct buf *b, int64_t at_us)
{
	assert(b);
	char at[60];

	text_time_local(at_us, at, sizeof(at));
	return buf_printf(b, "- At: %s\n", at);
}

int message_incident(struct buf *b, const struct incident *inc, const struct plan *plan,
                     const struct incident_facts *facts, int64_t at_us)
{
	assert(b && inc && facts);
	const char *title = plan ? plan->rollout.title : inc->rollout;

	if (inc->state == INC_FAILED)
		buf_str(b,
		        "CRITICAL: AUTO_ROLLBACK FAILED\n"); /* whoever asked for it: people and pagers look for this */
	buf_str(b, "[INCIDENT] ");
	text_one_line(b, title, __builtin_strlen(title), LABEL_SHOWN_MAX);
	buf_printf(b, " %s\n", message_title(inc));
	trigger_line(b, inc);
	stage_line(b, inc, plan);
	buf_str(b, "- Action: ");
	message_action(b, inc, facts);
	buf_printf(b, "\n- Status: %s", status_word(inc));
	if (inc->acknowledged_by && incident_is_open(inc->state)) {
		buf_str(b, ", acknowledged by ");
		text_one_line(b, inc->acknowledged_by, strlen(inc->acknowledged_by), LABEL_SHOWN_MAX);
	}
	buf_char(b, '\n');
	eta_line(b, inc->eta, at_us);
	message_at(b, at_us);
	link_line(b, inc, plan);
	return b->error;
}

/* --- evidence --- */

/* The newest one that says what the incident says; else its first. */
static const struct alert_row *trigger_of(const struct alert_list *l, const char *summary)
{
	for (size_t i = l->n; i-- > 0;) {
		CLEANUP(json_cleanup) struct json_object *o = json_tokener_parse(l->item[i].annotations);

		if (o && !strcmp(json_str_or(o, "summary", ""), summary))
			return &l->item[i];
	}
	return l->n ? &l->item[0] : NULL;
}

int message_measured(struct buf *b, const struct alert_list *alerts, const char *summary)
{
	static const char *const names[] = {"value", "bound", "baseline", "window", "samples"};
	assert(b && alerts && summary);
	const struct alert_row *trigger = trigger_of(alerts, summary);
	CLEANUP(json_cleanup) struct json_object *o = trigger ? json_tokener_parse(trigger->annotations) : NULL;
	const char *text = NULL;
	int n = 0;

	for (size_t i = 0; o && i < ARRAY_LEN(names); i++) {
		if (json_get_str(o, names[i], &text) != 1 || !text[0])
			continue;
		buf_printf(b, "%s%s ", n++ ? ", " : "", names[i]);
		text_one_line(b, text, strlen(text), 80);
	}
	return b->error;
}

bool message_condition_asked(const struct incident *inc, const struct plan *plan, enum condition_type which)
{
	bool lowers = kind_of(inc)->lowers;

	assert(which < CONDITION_N);
	return which == CONDITION_EFFECTIVE ? plan->rollout.effective_query && inc->pct_wanted == 0 && lowers
	       : which == CONDITION_CURED   ? plan->rollout.cured_query && lowers
	                                    : true;
}

static void conditions_line(struct buf *b, const struct incident *inc, const struct plan *plan)
{
	if (!inc->applied_at_us)
		return;
	buf_str(b, "- Verified:");
	for (int i = 0; i < CONDITION_N; i++)
		if (message_condition_asked(inc, plan, (enum condition_type)i))
			buf_printf(b, "%s %s %s", i ? "," : "", condition_name((enum condition_type)i),
			           condition_status_name(inc->condition[i].state));
	buf_char(b, '\n');
}

static void time_line(struct buf *b, const struct incident *inc, const struct plan *plan)
{
	struct sla_span spans[PHASE_N];
	size_t n = sla_spans(inc, &plan->sla, spans);
	char words[SLA_WORDS_SIZE];

	for (size_t i = 0; i < n; i++) {
		sla_words(&spans[i], words);
		buf_printf(b, "%s%s %s", i ? ", " : "- Time: ", metric_phase_name(spans[i].phase), words);
	}
	text_duration_words(sla_deferred_us(inc), words, sizeof(words));
	if (n)
		buf_printf(b, sla_deferred_us(inc) ? "; without the %s that its playbook had it wait\n" : "\n", words);
}

static void over_lines(struct buf *b, const struct incident *inc, const struct incident_facts *facts)
{
	bool drill = !kind_of(inc)->acts && inc->state == INC_FAILED;
	struct incident_over o;

	incident_over(inc, facts, &o);
	buf_printf(b, "- Over: %s, because %s\n", o.over ? "yes" : "no", o.because);
	for (size_t i = 0; i < o.n_next; i++)
		buf_printf(b, "%s%s", i ? ", or " : "- Next: ", o.next[i]);
	if (o.n_next)
		buf_printf(b, "%s\n", drill ? ", once that is mended" : "");
}

int message_evidence(struct buf *b, const struct incident *inc, const struct plan *plan,
                     const struct incident_facts *facts, const char *measured)
{
	assert(b && inc && facts && measured);
	if (measured[0])
		shown(b, "Measured", measured);
	if (plan) {
		conditions_line(b, inc, plan);
		time_line(b, inc, plan);
	}
	over_lines(b, inc, facts);
	return b->error;
}

int message_ended(struct buf *b, const struct incident *inc, const char *who, const char *why)
{
	assert(b && inc && who);
	buf_printf(b, "- %s by ", inc->state == INC_CANCELLED ? "Called off" : "Ended");
	text_one_line(b, who, strlen(who), LABEL_SHOWN_MAX);
	if (why && why[0]) {
		buf_str(b, ": ");
		text_one_line(b, why, strlen(why), LABEL_SHOWN_MAX);
	}
	return buf_char(b, '\n');
}

int message_escalated(struct buf *b, const char *note)
{
	assert(b);
	shown(b, "Escalated", note ? note : "");
	return b->error;
}

int message_extended(struct buf *b, const char *who, const char *note)
{
	assert(b && who);
	buf_str(b, "- Extended by ");
	text_one_line(b, who, strlen(who), LABEL_SHOWN_MAX);
	buf_char(b, ' ');
	text_one_line(b, note ? note : "", note ? strlen(note) : 0, LABEL_SHOWN_MAX);
	return buf_char(b, '\n');
}

/* --- stages --- */

const char *message_stage_word(enum incident_state s)
{
	assert(s > 0 && s < INC_STATE_N);
	static const char *const words[INC_STATE_N] = {
		[INC_ROLLING_BACK] = "entering", [INC_VERIFYING] = "verifying",  [INC_ROLLED_BACK] = "entered",
		[INC_FAILED] = "not verified",   [INC_CANCELLED] = "called off", [INC_RESOLVED] = "given up",
	};

	return words[s] ? words[s] : incident_state_name(s);
}

const char *message_state_word(const struct incident *inc, enum incident_state s)
{
	assert(inc);
	static const char *const flags[INC_STATE_N] = {
		[INC_ROLLING_BACK] = "telling the service",
		[INC_ROLLED_BACK] = "told",
		[INC_FAILED] = "not verified",
		[INC_CANCELLED] = "called off",
		[INC_RESOLVED] = "given up",
	};

	if (kind_of(inc)->texts == TEXTS_STAGE)
		return message_stage_word(s);
	return kind_of(inc)->texts == TEXTS_FLAG && flags[s] ? flags[s] : incident_state_name(s);
}

static void stage_state(struct buf *b, const struct incident *advance)
{
	char seen[16];

	text_pct(advance->pct_seen, seen, sizeof(seen));
	if (advance->state == INC_FAILED)
		buf_printf(
			b,
			"- Status: NOT VERIFIED: last seen at %s%s. Someone must look now; rollbackd keeps looking\n",
			seen, advance->pct_seen < 0 ? "" : "%");
	else if (advance->state == INC_RESOLVED)
		buf_str(b, "- Status: given up by a person, never verified\n");
	else if (advance->late)
		buf_str(b, "- Status: verified late\n");
	if (advance->reason && advance->reason[0]) {
		buf_printf(b,
		           strstr(advance->reason, MESSAGE_PASSED_OVER) ? "- Forced by %s: " : "- Reason given by %s: ",
		           advance->opened_by);
		text_one_line(b, advance->reason, __builtin_strlen(advance->reason), LABEL_SHOWN_MAX);
		buf_char(b, '\n');
	}
}

int message_stage(struct buf *b, const struct incident *advance, const struct plan *plan, int64_t at_us)
{
	assert(b && advance);
	const struct stage *st = plan ? rollout_stage(&plan->rollout, advance->stage) : NULL;
	const char *title = plan ? plan->rollout.title : advance->rollout;
	char pct[16], at[40], words[40];

	text_pct(advance->pct_wanted, pct, sizeof(pct));
	text_time_words(advance->opened_at_us, at, sizeof(at));
	buf_str(b, "[ROLLOUT] ");
	text_one_line(b, title, __builtin_strlen(title), LABEL_SHOWN_MAX);
	buf_printf(b, " Stage %d: %s%% traffic\n- Started: %s\n", advance->stage, pct, at);
	if (st && st->duration_us)
		text_duration_words(st->duration_us, words, sizeof(words));
	buf_printf(b, "- Duration: %s\n", st && st->duration_us ? words : "for good");
	buf_printf(b, "- Monitoring: %s\n",
	           plan && plan->rollout.dashboard_url[0] ? plan->rollout.dashboard_url : "no dashboard");
	buf_printf(b, "- Rollback: rollbackctl rollback %s --stage %d\n", advance->rollout, advance->stage);
	stage_state(b, advance);
	return message_at(b, at_us);
}

/* --- flags --- */

/* ". reload.sh FAILED, notify.sh skipped". */
static void undone(struct buf *b, const struct step_list *steps)
{
	const char *sep = ". ";

	for (size_t i = 0; i < steps->n; i++) {
		const struct step *s = &steps->item[i];

		if (s->phase != PHASE_APPLY || s->state == STEP_DONE)
			continue;
		buf_str(b, sep);
		text_one_line(b, s->name, strlen(s->name), 100);
		buf_printf(b, " %s", s->state == STEP_FAILED ? "FAILED" : step_state_name(s->state));
		sep = ", ";
	}
}

static void flag_state(struct buf *b, const struct incident *inc)
{
	char seen[16];

	text_pct(inc->pct_seen, seen, sizeof(seen));
	if (inc->state == INC_FAILED)
		buf_printf(b,
		           ". NOT VERIFIED: since then last seen at %s%s. Someone must look now; rollbackctl incident "
		           "resolve %lld gives it up",
		           seen, inc->pct_seen < 0 ? "" : "%", (long long)inc->id);
	else if (inc->state == INC_CANCELLED)
		buf_str(b, ". It stands in the file; the rest was called off, and whether the service has read it is "
		           "not known");
	else if (inc->state == INC_RESOLVED)
		buf_str(b, ". Given up by a person, never verified");
	else
		buf_printf(b, ". Since then %s%% was seen%s", seen, inc->late ? ", late" : "");
}

int message_flag(struct buf *b, const struct incident *inc, const struct plan *plan, const struct step_list *steps,
                 int64_t at_us)
{
	assert(b && inc && steps);
	const char *title = plan ? plan->rollout.title : inc->rollout, *reason = inc->reason ? inc->reason : "";

	buf_str(b, "[ROLLOUT] ");
	text_one_line(b, title, strlen(title), LABEL_SHOWN_MAX);
	buf_str(b, ": ");
	text_one_line(b, inc->summary, strlen(inc->summary), LABEL_SHOWN_MAX);
	buf_printf(b, " by %s: ", inc->opened_by);
	text_one_line(b, reason, strlen(reason), LABEL_SHOWN_MAX);
	undone(b, steps);
	flag_state(b, inc);
	buf_char(b, '\n');
	return message_at(b, at_us);
}
