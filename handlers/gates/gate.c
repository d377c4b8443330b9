#include "handlers/gates/gate.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/gates/approvals.h"
#include "handlers/gates/checklist.h"
#include "handlers/gates/stage_clock.h"
#include "server/core/clock.h"
#include "server/core/text.h"

static bool grow(struct gate *g)
{
	size_t cap = g->cap ? 2 * g->cap : 16;
	struct missing *more = calloc(cap, sizeof(*more));

	if (!more)
		return false;
	if (g->n)
		memcpy(more, g->missing, g->n * sizeof(*more));
	free(g->missing);
	g->missing = more;
	g->cap = cap;
	return true;
}

static void add(struct gate *g, const char *what, unsigned flags, const char *fmt, ...) PRINTF_LIKE(4, 5);

static void add(struct gate *g, const char *what, unsigned flags, const char *fmt, ...)
{
	assert(g->n <= g->cap && what && fmt);
	va_list args;

	if (g->n == g->cap && !grow(g)) {
		g->lost = true;
		return;
	}
	struct missing *m = &g->missing[g->n++];
	m->what = what;
	m->flags = flags;
	va_start(args, fmt);
	vsnprintf(m->text, sizeof(m->text), fmt, args);
	va_end(args);
}

static void words(int64_t us, char *out, size_t size)
{
	text_duration_words(us, out, size);
}

/* --- where to --- */

const struct stage *stage_after(const struct gate_view *v, int32_t number)
{
	assert(v && v->rollout);
	const struct stage *best = NULL;

	for (size_t i = 0; i < v->rollout->n_stages; i++) {
		const struct stage *s = &v->rollout->stages[i];

		if (!stage_is_elsewhere(v->settings, s) && s->number > number && (!best || s->number < best->number))
			best = s;
	}
	return best;
}

void gate_route(const struct gate_view *v, struct gate *g)
{
	assert(v && v->rollout && v->st && g);
	g->current = rollout_state_stage(v->st, v->rollout);
	if (!g->current)
		return;
	/* A rollback leaves it even where it stands at the stage's percentage still. */
	bool left = v->st->there < g->current->pct || (v->st->there == g->current->pct && !v->st->p.entered_us);
	g->enters_again = !stage_is_elsewhere(v->settings, g->current) && v->st->there >= 0 && left;
	g->next = g->enters_again ? g->current : stage_after(v, g->current->number);
}

static void missing_stage(const struct gate_view *v, struct gate *g)
{
	char there[16], to[16];

	if (!v->rollout->n_stages)
		add(g, "stage", MISSING_HARD, "%s has no stages in the config", v->rollout->name);
	else if (!g->current)
		add(g, "stage", MISSING_HARD, "it is at no stage: say where it stands with rollbackctl stage set %s N",
		    v->rollout->name);
	else if (!g->next)
		add(g, "stage", MISSING_HARD, "stage %d is the last one", g->current->number);
	else if (v->st->there < 0)
		add(g, "percentage", MISSING_HARD, "the percentage that is there is unknown: %s", v->st->there_why);
	else if (v->st->there > g->next->pct) {
		text_pct(v->st->there, there, sizeof(there));
		text_pct(g->next->pct, to, sizeof(to));
		add(g, "percentage", MISSING_HARD, "it is at %s%% already, above the %s%% of stage %d", there, to,
		    g->next->number);
	}
}

/* --- leaving the current stage, or calling it stable --- */

/* Does what happened at the current stage count. */
static bool leaves(const struct gate *g)
{
	return g->certifies || (g->current && g->next && !g->enters_again);
}

static bool is_run_here(const struct gate_view *v, const struct gate *g)
{
	return leaves(g) && !stage_is_elsewhere(v->settings, g->current);
}

static void missing_criteria(const struct gate_view *v, struct gate *g)
{
	const struct stage *s = g->current;
	bool known = v->ev->at_us && v->ev->stage == (s ? s->number : -1) && v->ev->run == v->st->p.run;

	if (!is_run_here(v, g))
		return;
	for (size_t i = 0; i < s->n_criteria; i++) {
		if (!known || i >= v->ev->n)
			add(g, "criterion", 0, "%s: unknown: not evaluated yet", s->criteria[i].name);
		else if (v->ev->results[i].state != CRITERION_HOLDS)
			add(g, "criterion", 0, "%s: %s", s->criteria[i].name, v->ev->results[i].why);
	}
}

void gate_clock_why(const struct gate_view *v, char *out, size_t size)
{
	assert(v && v->settings && v->st && v->ev && out);
	const struct stage *stage = rollout_state_stage(v->st, v->rollout);
	bool judged = stage && v->ev->stage == stage->number && v->ev->run == v->st->p.run;
	const struct stage_clock_view clock = {
		.entered = stage && v->st->p.entered_us,
		.elsewhere = stage && stage_is_elsewhere(v->settings, stage),
		.held = v->st->p.held_by,
		.incident = v->st->open && v->st->kind->acts && !v->st->kind->once ? v->st->open : 0,
		.blind = v->ev->blind[0] ? v->ev->blind : NULL,
		.percentage_known = v->ev->there != STATUS_UNKNOWN,
		.percentage_right = v->ev->there == STATUS_YES,
		.criteria = judged ? stage->criteria : NULL,
		.results = v->ev->results,
		.n = judged ? v->ev->n : 0,
	};

	stage_clock_why(&clock, out, size);
}

static void missing_time(const struct gate_view *v, struct gate *g)
{
	char left[40], clean[40], all[40], why[400];
	int64_t needed = g->current ? g->certifies ? g->current->certify_us : g->current->duration_us : 0;

	if (!is_run_here(v, g) || v->st->p.clean_us >= needed)
		return;
	words(needed - v->st->p.clean_us, left, sizeof(left));
	words(v->st->p.clean_us, clean, sizeof(clean));
	words(needed, all, sizeof(all));
	gate_clock_why(v, why, sizeof(why));
	add(g, "clock", 0, "%s of clean time left: %s of %s%s%.250s", left, clean, all,
	    why[0] ? "; the clock stands still: " : "", why);
}

static void missing_approvals(const struct gate_view *v, struct gate *g)
{
	if (!leaves(g) || g->certifies)
		return;
	for (const char **role = g->current->approvals; *role; role++) {
		const struct approval *a = approval_of(&v->st->approvals, APPROVAL_LEAVE, *role);

		if (!a)
			add(g, "approval", MISSING_APART, "approval of role %s for leaving stage %d", *role,
			    g->current->number);
		else if (a->void_at_us)
			add(g, "approval", MISSING_APART,
			    "approval of role %s for leaving stage %d: that of %s counts no more, since %.200s", *role,
			    g->current->number, a->person, a->void_why ? a->void_why : "");
	}
}

static const char *said_of(enum checkmark_state s, const struct checkmark *last, char *out, size_t size)
{
	if (s == CHECKMARK_OPEN)
		return "is not ticked";
	snprintf(out, size, s == CHECKMARK_FAILED ? "failed%s%.200s" : "is %s%.0s",
	         s != CHECKMARK_FAILED ? checkmark_state_name(s)
	         : last->link          ? ": "
	                               : "",
	         last->link ? last->link : "");
	return out;
}

static void missing_checkmarks(const struct gate_view *v, struct gate *g)
{
	const struct checklist *list = leaves(g) ? rollout_checklist(v->rollout, g->current->checklist) : NULL;
	char said[240];

	for (size_t i = 0; list && i < list->n_items; i++) {
		const struct checkmark *last = NULL;
		enum checkmark_state s = item_state(list, &list->items[i], &v->st->checkmarks, v->now_us, &last);

		if (s != CHECKMARK_DONE)
			add(g, "checklist", 0, "checklist %s: \"%s\" %s", list->name, list->items[i].text,
			    said_of(s, last, said, sizeof(said)));
	}
}

/* --- what is once for the whole rollout --- */

static bool is_settled(const struct gate_view *v, enum settled_kind kind, const char *text)
{
	for (size_t i = 0; i < v->st->settled.n; i++)
		if (v->st->settled.item[i].kind == kind && !strcmp(v->st->settled.item[i].text, text))
			return true;
	return false;
}

static void missing_before(const struct gate_view *v, struct gate *g)
{
	const struct rollout *r = v->rollout;

	for (size_t i = 0; i < r->n_blocked_by; i++)
		if (!is_settled(v, SETTLED_BLOCKER, r->blocked_by[i].text))
			add(g, "blocked", 0,
			    "blocked by: %s; once that is over: rollbackctl milestones %s --done \"%s\"",
			    r->blocked_by[i].text, r->name, r->blocked_by[i].text);
	if (r->review_before > 0 && g->next && g->next->number >= r->review_before &&
	    !is_settled(v, SETTLED_REVIEW, PLAN_REVIEW))
		add(g, "plan_review", 0,
		    "the plan is to be reviewed before stage %d is entered; then rollbackctl milestones %s --done "
		    "\"%s\"",
		    r->review_before, r->name, PLAN_REVIEW);
}

/* A rollback took it far down: back up at once, past stages that lie between, only if somebody says why. */
static void missing_reason(const struct gate_view *v, struct gate *g)
{
	const struct stage *lower = NULL;
	char there[16], to[16];

	if (!g->enters_again || v->st->there < 0)
		return;
	for (size_t i = 0; i < v->rollout->n_stages; i++) {
		const struct stage *s = &v->rollout->stages[i];

		if (!stage_is_elsewhere(v->settings, s) && s->number < g->next->number && s->pct > v->st->there &&
		    (!lower || s->number < lower->number))
			lower = s;
	}
	if (!lower)
		return;
	text_pct(v->st->there, there, sizeof(there));
	text_pct(g->next->pct, to, sizeof(to));
	add(g, "reason", MISSING_APART | MISSING_REASON,
	    "it would go from %s%% to %s%% at once: begin lower (rollbackctl stage set %s %d), or say why not "
	    "(--reason TEXT)",
	    there, to, v->rollout->name, lower->number);
}

/* --- what locks raising altogether --- */

static void missing_peace(const struct gate_view *v, struct gate *g)
{
	const struct rollout_state *st = v->st;

	if (st->open && st->kind->enters)
		add(g, "incident", MISSING_HARD, "a stage is being entered already (%s)",
		    incident_state_name(st->open_state));
	else if (st->open && st->kind->once)
		add(g, "incident", MISSING_HARD,
		    "the service is being told of a flag (%s): wait for its end, or rollbackctl incident resolve %lld",
		    incident_state_name(st->open_state), (long long)st->open);
	else if (st->open && !st->kind->acts && st->open_state != INC_FAILED)
		add(g, "incident", MISSING_HARD, "drill %lld is under way: wait for its end", (long long)st->open);
	else if (st->open && !st->kind->acts)
		add(g, "incident", MISSING_HARD,
		    "drill %lld has failed: mend what it found and start another, or rollbackctl incident resolve %lld",
		    (long long)st->open, (long long)st->open);
	else if (st->open)
		add(g, "incident", MISSING_HARD, "incident %lld is open (%s): rollbackctl incident resolve %lld",
		    (long long)st->open, incident_state_name(st->open_state), (long long)st->open);
	if (st->unreviewed)
		add(g, "review", MISSING_HARD,
		    "incident %lld must be reviewed first: rollbackctl incident review %lld \"what was wrong, and what "
		    "was done\"",
		    (long long)st->unreviewed, (long long)st->unreviewed);
	if (st->p.held_by)
		add(g, "hold", 0, "held by %s: %s; to end that: rollbackctl stage resume %s", st->p.held_by,
		    st->p.hold_note ? st->p.hold_note : "no reason given", v->rollout->name);
	if (st->p.restart_at >= 0 && g->current && g->current->number > st->p.restart_at)
		add(g, "restart", MISSING_HARD,
		    "after the last incident it starts again from stage %d only: rollbackctl stage set %s %d",
		    st->p.restart_at, v->rollout->name, st->p.restart_at);
}

static void missing_limits(const struct gate_view *v, struct gate *g)
{
	const struct limits *l = &v->settings->limits;
	int64_t until = v->st->last_rollback_us + l->cooldown_us;
	char left[40];

	if (v->st->last_rollback_us && v->now_us < until) {
		words(until - v->now_us, left, sizeof(left));
		add(g, "cooldown", MISSING_APART, "%s of the cooldown after the last rollback left", left);
	}
	int64_t lock = rollout_state_day_lock_us(v->st, l);
	if (!lock)
		return;
	text_time_words(lock, left, sizeof(left));
	add(g, "rollbacks_per_day", MISSING_APART,
	    "%zu %s in the last 24 hours: from the %d. on raising is locked (limits.rollbacks_per_day), until %s. Find "
	    "out why first; before that only by rollbackctl stage advance %s --force --reason TEXT",
	    v->st->n_rollbacks, text_many((int64_t)v->st->n_rollbacks, "rollback", "rollbacks"), l->rollbacks_per_day,
	    left, v->rollout->name);
}

bool freeze_at(const struct rollout *r, const struct progress *p, int64_t at_us, struct freeze_span *ret)
{
	assert(r && p && ret);
	if (p->frozen_until_us > at_us) {
		*ret = (struct freeze_span) {p->frozen_until_us, p->frozen_by ? p->frozen_by : "somebody",
		                             p->freeze_note ? p->freeze_note : "no reason given"};
		return true;
	}
	for (size_t i = 0; i < r->n_freezes; i++) {
		const struct freeze *f = &r->freezes[i];
		int64_t until = calendar_in_force_until_us(&f->when, at_us, f->duration_us);

		if (!until)
			continue;
		*ret = (struct freeze_span) {until, NULL, f->reason};
		return true;
	}
	return false;
}

bool freeze_now(const struct rollout *r, const struct progress *p, int64_t now_us, char *why, size_t size)
{
	assert(r && p && why && size > 0);
	struct freeze_span f = {0};
	char until[40];

	if (!freeze_at(r, p, now_us, &f))
		return false;
	text_time_words(f.until_us, until, sizeof(until));
	snprintf(why, size, "frozen until %s%s%s: %s", until, f.by ? " by " : "", f.by ? f.by : "", f.reason);
	return true;
}

static void missing_freeze(const struct gate_view *v, struct gate *g)
{
	char why[300];

	if (freeze_now(v->rollout, &v->st->p, v->now_us, why, sizeof(why)))
		add(g, "freeze", MISSING_APART, "%s", why);
}

/* A rollback sends the traffic to the old way: no more is taken from it than it could take back. */
static void missing_fallback(const struct gate_view *v, struct gate *g)
{
	char why[400];
	enum condition_status ready = evaluation_fallback(v->ev, v->rollout, why, sizeof(why));

	if (ready == STATUS_NO)
		add(g, "fallback", 0, "the old way could not take the traffic: %.330s", why);
	else if (ready == STATUS_UNKNOWN)
		add(g, "fallback", 0, "whether the old way could take the traffic is unknown: %.320s", why);
}

static void missing_sight(const struct gate_view *v, struct gate *g)
{
	const struct settings *s = v->settings;
	char ago[40];

	if (v->ev->firing != FIRING_NONE)
		add(g, "alert", v->ev->firing == FIRING_YES ? MISSING_HARD : 0, "%s", v->ev->firing_why);
	if (v->ev->blind[0] || v->ev->unreached[0]) { /* also before the first raise: at 0 % nothing is blind */
		add(g, "monitoring", 0, "nobody watches it: %s", v->ev->blind[0] ? v->ev->blind : v->ev->unreached);
	} else if (s->heartbeat.n && v->now_us - v->st->heartbeat_us > s->heartbeat_timeout_us) {
		words(v->now_us - v->st->heartbeat_us, ago, sizeof(ago));
		add(g, "monitoring", 0, "the heartbeat of Alertmanager %s%s",
		    v->st->heartbeat_us ? "last came this long ago: " : "never came", v->st->heartbeat_us ? ago : "");
	}
}

/* Calling a stage stable that was left says nothing. */
static void missing_entering(const struct gate_view *v, struct gate *g)
{
	if (!v->st->p.entered_us)
		add(g, "stage", MISSING_HARD, "stage %d is not at its percentage", g->current->number);
}

typedef void gate_rule(const struct gate_view *v, struct gate *g);

static int judge(const struct gate_view *v, gate_rule *const *rules, size_t n, bool certifies, struct gate *ret)
{
	struct gate g = {.certifies = certifies};

	gate_route(v, &g);
	for (size_t i = 0; i < n; i++)
		rules[i](v, &g);
	if (g.lost) {
		gate_free(&g);
		return -ENOMEM; /* a list that was cut permits nothing */
	}
	*ret = g;
	return 0;
}

int gate_judge(const struct gate_view *v, struct gate *ret)
{
	assert(v && v->settings && v->rollout && v->st && v->ev && ret);
	static gate_rule *const rules[] = {
		missing_stage,  missing_before, missing_criteria, missing_time,   missing_approvals, missing_checkmarks,
		missing_reason, missing_peace,  missing_limits,   missing_freeze, missing_sight,     missing_fallback,
	};

	return judge(v, rules, ARRAY_LEN(rules), false, ret);
}

int gate_judge_certify(const struct gate_view *v, struct gate *ret)
{
	assert(v && v->settings && v->rollout && v->st && v->ev && ret);
	static gate_rule *const rules[] = {missing_entering,   missing_criteria, missing_time,
	                                   missing_checkmarks, missing_peace,    missing_sight};
	const struct stage *s = rollout_state_stage(v->st, v->rollout);

	return s && s->certify_us ? judge(v, rules, ARRAY_LEN(rules), true, ret) : -ENOENT;
}

void gate_free(struct gate *g)
{
	assert(g);
	free(g->missing);
	*g = (struct gate) {0};
}
