#include "handlers/gates/gate.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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

static void add(struct gate *g, const char *what, bool hard, const char *fmt, ...) PRINTF_LIKE(4, 5);

static void add(struct gate *g, const char *what, bool hard, const char *fmt, ...)
{
	assert(g->n <= g->cap && what && fmt);
	va_list args;

	if (g->n == g->cap && !grow(g)) {
		g->lost = true;
		return;
	}
	struct missing *m = &g->missing[g->n++];
	m->what = what;
	m->hard = hard;
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
		add(g, "stage", true, "%s has no stages in the config", v->rollout->name);
	else if (!g->current)
		add(g, "stage", true, "it is at no stage: say where it stands with rollbackctl stage set %s N",
		    v->rollout->name);
	else if (!g->next)
		add(g, "stage", true, "stage %d is the last one", g->current->number);
	else if (v->st->there < 0)
		add(g, "percentage", true, "the percentage that is there is unknown: %s", v->st->there_why);
	else if (v->st->there > g->next->pct) {
		text_pct(v->st->there, there, sizeof(there));
		text_pct(g->next->pct, to, sizeof(to));
		add(g, "percentage", true, "it is at %s%% already, above the %s%% of stage %d", there, to,
		    g->next->number);
	}
}

/* --- leaving the current stage --- */

static bool leaves(const struct gate_view *v, const struct gate *g)
{
	(void)v;
	return g->current && g->next && !g->enters_again;
}

static void missing_criteria(const struct gate_view *v, struct gate *g)
{
	const struct stage *s = g->current;
	bool known = v->ev->at_us && v->ev->stage == (s ? s->number : -1) && v->ev->run == v->st->p.run;

	if (!leaves(v, g) || stage_is_elsewhere(v->settings, s))
		return;
	for (size_t i = 0; i < s->n_criteria; i++) {
		if (!known || i >= v->ev->n)
			add(g, "criterion", false, "%s: unknown: not evaluated yet", s->criteria[i].name);
		else if (v->ev->results[i].state != CRITERION_HOLDS)
			add(g, "criterion", false, "%s: %s", s->criteria[i].name, v->ev->results[i].why);
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
		.incident = v->st->open && v->st->kind->acts ? v->st->open : 0,
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

	if (!leaves(v, g) || stage_is_elsewhere(v->settings, g->current) ||
	    v->st->p.clean_us >= g->current->duration_us)
		return;
	words(g->current->duration_us - v->st->p.clean_us, left, sizeof(left));
	words(v->st->p.clean_us, clean, sizeof(clean));
	words(g->current->duration_us, all, sizeof(all));
	gate_clock_why(v, why, sizeof(why));
	add(g, "clock", false, "%s of clean time left: %s of %s%s%.250s", left, clean, all,
	    why[0] ? "; the clock stands still: " : "", why);
}

static bool is_approved(const struct gate_view *v, const char *role)
{
	for (size_t i = 0; i < v->st->approvals.n; i++)
		if (!strcmp(v->st->approvals.item[i].role, role))
			return true;
	return false;
}

static void missing_approvals(const struct gate_view *v, struct gate *g)
{
	if (!leaves(v, g))
		return;
	for (const char **role = g->current->approvals; *role; role++)
		if (!is_approved(v, *role))
			add(g, "approval", false, "approval of role %s for leaving stage %d", *role,
			    g->current->number);
}

const char *checkmark_state_name(enum checkmark_state s)
{
	assert(s <= CHECKMARK_OVERDUE);
	static const char *const names[] = {"open", "done", "expired", "overdue"};

	return names[s];
}

enum checkmark_state item_state(const struct checklist *list, const struct check_item *item,
                                const struct checkmark_list *checkmarks, int64_t now_us,
                                const struct checkmark **ret_checkmark)
{
	assert(list && item && checkmarks);
	const struct checkmark *last = NULL;

	for (size_t i = 0; i < checkmarks->n; i++)
		if (!strcmp(checkmarks->item[i].list, list->name) && !strcmp(checkmarks->item[i].item, item->text))
			last = &checkmarks->item[i];
	if (ret_checkmark)
		*ret_checkmark = last;
	if (!last)
		return CHECKMARK_OPEN;
	if (item->valid_us && last->at_us + item->valid_us < now_us)
		return CHECKMARK_EXPIRED;
	return item->every_us && last->at_us + item->every_us < now_us ? CHECKMARK_OVERDUE : CHECKMARK_DONE;
}

static void missing_checkmarks(const struct gate_view *v, struct gate *g)
{
	const struct checklist *list = leaves(v, g) ? rollout_checklist(v->rollout, g->current->checklist) : NULL;

	for (size_t i = 0; list && i < list->n_items; i++) {
		enum checkmark_state s = item_state(list, &list->items[i], &v->st->checkmarks, v->now_us, NULL);

		if (s != CHECKMARK_DONE)
			add(g, "checklist", false, "checklist %s: \"%s\" is %s", list->name, list->items[i].text,
			    s == CHECKMARK_OPEN ? "not ticked" : checkmark_state_name(s));
	}
}

/* --- what locks raising altogether --- */

static void missing_peace(const struct gate_view *v, struct gate *g)
{
	const struct rollout_state *st = v->st;

	if (st->open && st->kind->enters)
		add(g, "incident", true, "a stage is being entered already (%s)", incident_state_name(st->open_state));
	else if (st->open && !st->kind->acts && st->open_state != INC_FAILED)
		add(g, "incident", true, "drill %lld is under way: wait for its end", (long long)st->open);
	else if (st->open && !st->kind->acts)
		add(g, "incident", true,
		    "drill %lld has failed: mend what it found and start another, or rollbackctl incident resolve %lld",
		    (long long)st->open, (long long)st->open);
	else if (st->open)
		add(g, "incident", true, "incident %lld is open (%s): rollbackctl incident resolve %lld",
		    (long long)st->open, incident_state_name(st->open_state), (long long)st->open);
	if (st->unreviewed)
		add(g, "review", true,
		    "incident %lld must be reviewed first: rollbackctl incident review %lld \"what was wrong, and what "
		    "was done\"",
		    (long long)st->unreviewed, (long long)st->unreviewed);
	if (st->p.held_by)
		add(g, "hold", false, "held by %s: %s; to end that: rollbackctl stage resume %s", st->p.held_by,
		    st->p.hold_note ? st->p.hold_note : "no reason given", v->rollout->name);
	if (st->p.restart_at >= 0 && g->current && g->current->number > st->p.restart_at)
		add(g, "restart", true,
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
		add(g, "cooldown", false, "%s of the cooldown after the last rollback left", left);
	}
	if (l->rollbacks_per_day && v->st->rollbacks_today >= l->rollbacks_per_day)
		add(g, "rollbacks_per_day", false, "%lld rollbacks in the last 24 hours, %d lock raising",
		    (long long)v->st->rollbacks_today, l->rollbacks_per_day);
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
		add(g, "freeze", false, "%s", why);
}

/* A rollback sends the traffic to the old way: no more is taken from it than it could take back. */
static void missing_fallback(const struct gate_view *v, struct gate *g)
{
	char why[400];
	enum condition_status ready = evaluation_fallback(v->ev, v->rollout, why, sizeof(why));

	if (ready == STATUS_NO)
		add(g, "fallback", false, "the old way could not take the traffic: %.330s", why);
	else if (ready == STATUS_UNKNOWN)
		add(g, "fallback", false, "whether the old way could take the traffic is unknown: %.320s", why);
}

static void missing_sight(const struct gate_view *v, struct gate *g)
{
	const struct settings *s = v->settings;
	char ago[40];

	if (v->ev->firing != FIRING_NONE)
		add(g, "alert", v->ev->firing == FIRING_YES, "%s", v->ev->firing_why);
	if (v->ev->blind[0] || v->ev->unreached[0]) { /* also before the first raise: at 0 % nothing is blind */
		add(g, "monitoring", false, "nobody watches it: %s", v->ev->blind[0] ? v->ev->blind : v->ev->unreached);
	} else if (s->heartbeat.n && v->now_us - v->st->heartbeat_us > s->heartbeat_timeout_us) {
		words(v->now_us - v->st->heartbeat_us, ago, sizeof(ago));
		add(g, "monitoring", false, "the heartbeat of Alertmanager %s%s",
		    v->st->heartbeat_us ? "last came this long ago: " : "never came", v->st->heartbeat_us ? ago : "");
	}
}

int gate_judge(const struct gate_view *v, struct gate *ret)
{
	assert(v && v->settings && v->rollout && v->st && v->ev && ret);
	static void (*const rules[])(const struct gate_view *, struct gate *) = {
		missing_stage, missing_criteria, missing_time,   missing_approvals, missing_checkmarks,
		missing_peace, missing_limits,   missing_freeze, missing_sight,     missing_fallback,
	};
	struct gate g = {0};

	gate_route(v, &g);
	for (size_t i = 0; i < ARRAY_LEN(rules); i++)
		rules[i](v, &g);
	if (g.lost) {
		gate_free(&g);
		return -ENOMEM; /* a list that was cut permits nothing */
	}
	*ret = g;
	return 0;
}

void gate_free(struct gate *g)
{
	assert(g);
	free(g->missing);
	*g = (struct gate) {0};
}
