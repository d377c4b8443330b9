#include "handlers/rollout/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/rollback/sla.h"
#include "handlers/rollout/forecast.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define DAY_US        (86400 * US_PER_S)
#define INCIDENTS_MAX 500

struct report {
	struct buf *b;
	struct db_conn *c;
	const struct settings *s;
	const struct rollout *r;
	const struct standing *st;
	const struct evaluation *ev;
	const struct stage *stage;
	const char *kind;
	int64_t from, now;
};

static int64_t begin_of(const char *kind, int64_t now)
{
	return !strcmp(kind, "daily") ? now - DAY_US : !strcmp(kind, "weekly") ? now - 7 * DAY_US : 0;
}

static void head(struct report *p)
{
	char from[40], until[40];

	text_time_words(p->from, from, sizeof(from));
	text_time_words(p->now, until, sizeof(until));
	buf_printf(p->b, "[REPORT] %s, %s: %s%s%s\n", p->r->title, p->kind, p->from ? from : "", p->from ? " to " : "until ", until);
}

static void where(struct report *p)
{
	char pct[16], clean[40], all[40];

	text_pct(p->st->there, pct, sizeof(pct));
	if (!p->stage) {
		buf_printf(p->b, "- Stage: none, %s%s traffic\n", pct, p->st->there < 0 ? "" : "%");
		return;
	}
	buf_printf(p->b, "- Stage: %d %s, %s%s traffic", p->stage->number, p->stage->name, pct, p->st->there < 0 ? "" : "%");
	text_duration_words(p->st->p.clean_us, clean, sizeof(clean));
	text_duration_words(p->stage->duration_us, all, sizeof(all));
	buf_printf(p->b, p->stage->duration_us ? ", clean for %s of %s" : ", clean for %s", clean, all);
	buf_printf(p->b, "%s%s\n", p->st->p.clean_why ? "; the clock stands still: " : "", p->st->p.clean_why ? p->st->p.clean_why : "");
}

static void criteria(struct report *p)
{
	bool known = p->stage && p->ev->stage == p->stage->number;

	if (!p->stage || !p->stage->n_criteria)
		return;
	buf_str(p->b, !strcmp(p->kind, "daily") ? "- Criteria:\n" : "- Success metrics, as criteria of this stage:\n");
	for (size_t i = 0; i < p->stage->n_criteria; i++)
		buf_printf(p->b, "  - %s: %s\n", p->stage->criteria[i].name,
		           known && i < p->ev->n ? p->ev->results[i].why : "unknown: not evaluated");
}

static int missing(struct report *p)
{
	struct gate g = {0};
	int r = gate_judge(&(struct gate_view) {p->s, p->r, p->st, p->ev, p->now}, &g);

	if (r < 0)
		return r;
	if (g.next)
		buf_printf(p->b, "- To enter stage %d: %s\n", g.next->number, g.n ? "missing" : "nothing is missing");
	for (size_t i = 0; g.next && i < g.n; i++)
		if (strcmp(g.missing[i].what, "criterion") != 0)
			buf_printf(p->b, "  - %s\n", g.missing[i].text);
	gate_free(&g);
	return 0;
}

struct tally {
	int rollbacks, failed, drills, holds, p0;
	struct sla_tally automatic, by_hand;
};

static int count_one(const struct incident *i, const struct settings *s, struct tally *t)
{
	if (i->kind == KIND_DRILL) {
		t->drills++;
		return 0;
	}
	t->p0 += !strcmp(i->severity, "P0");
	t->failed += i->state == INC_FAILED;
	t->holds += !i->started_at_us;
	if (!i->rolled_back_at_us || !i->started_at_us)
		return 0;
	t->rollbacks++;
	return sla_tally_add(i->kind == KIND_MANUAL ? &t->by_hand : &t->automatic, i, &s->sla);
}

static void sla_lines(struct report *p, struct sla_tally *t, const char *whose)
{
	static const int percents[] = {50, 95, 100};
	char words[4][40];

	if (!t->n[PHASE_TOTAL])
		return;
	buf_printf(p->b, "- Rollback SLA, %s: %zu of %zu within the total\n", whose, t->met[PHASE_TOTAL], t->n[PHASE_TOTAL]);
	for (int phase = 0; strcmp(p->kind, "daily") != 0 && phase < PHASE_N; phase++) {
		if (!t->n[phase])
			continue;
		for (size_t i = 0; i < ARRAY_LEN(percents); i++)
			text_duration_words(sla_percentile_us(t, (enum metric_phase)phase, percents[i]), words[i], sizeof(words[i]));
		text_duration_words(t->budget_us[phase], words[3], sizeof(words[3]));
		buf_printf(p->b, "  - %s: p50 %s, p95 %s, worst %s of %s; %zu of %zu met\n", metric_phase_name((enum metric_phase)phase), words[0],
		           words[1], words[2], words[3], t->met[phase], t->n[phase]);
	}
}

static int incidents(struct report *p, struct tally *t)
{
	struct incident_filter f = {.rollout = p->r->name, .since_us = p->from, .limit = INCIDENTS_MAX};
	struct incident_list l = {0};
	int r = incident_find(p->c, &f, &l);

	if (r < 0)
		return r;
	for (size_t i = 0; r == 0 && i < l.n; i++)
		r = count_one(&l.item[i], p->s, t);
	buf_printf(p->b, "- Incidents: %zu (rollbacks %d, failed %d, held %d, P0 %d); drills %d\n", l.n - (size_t)t->drills, t->rollbacks,
	           t->failed, t->holds, t->p0, t->drills);
	sla_lines(p, &t->automatic, "automatic");
	sla_lines(p, &t->by_hand, "by hand");
	for (size_t i = 0; i < l.n && i < 10; i++) {
		char at[40];

		text_time_words(l.item[i].opened_at_us, at, sizeof(at));
		buf_printf(p->b, "  - %s: %s %lld, %s: ", at, l.item[i].kind == KIND_DRILL ? "[DRILL] incident" : "incident",
		           (long long)l.item[i].id, incident_state_name(l.item[i].state));
		text_one_line(p->b, l.item[i].summary, strlen(l.item[i].summary), 120);
		buf_char(p->b, '\n');
	}
	incident_list_free(&l);
	return r;
}

/* What the plan calls success, target beside value: the criteria of the stage, and that nothing had to be undone. */
static void success(struct report *p, const struct tally *t)
{
	if (!strcmp(p->kind, "daily"))
		return;
	buf_printf(p->b, "- Zero P0 incidents: %s: %d\n", t->p0 ? "missed" : "met", t->p0);
	buf_printf(p->b, "- Zero rollbacks: %s: %d (drills do not count: %d)\n", t->rollbacks ? "missed" : "met", t->rollbacks, t->drills);
}

static void forecast(struct report *p)
{
	struct forecast f[FORECAST_MAX];
	size_t n = forecast_stages(&(struct gate_view) {p->s, p->r, p->st, p->ev, p->now}, f, ARRAY_LEN(f));
	char at[40];

	for (size_t i = 0; strcmp(p->kind, "daily") != 0 && i < n; i++) {
		text_time_words(f[i].at_us, at, sizeof(at));
		buf_printf(p->b, "- Stage %d %s: %s at the earliest\n", f[i].stage->number, f[i].stage->name, at);
	}
}

static void checklists(struct report *p)
{
	const struct checklist *list = p->stage ? rollout_checklist(p->r, p->stage->checklist) : NULL;
	size_t done = 0;

	for (size_t i = 0; list && i < list->n_items; i++)
		done += item_state(list, &list->items[i], &p->st->ticks, p->now, NULL) == TICK_DONE;
	if (list)
		buf_printf(p->b, "- Checklist %s: %zu of %zu done\n", list->name, done, list->n_items);
}

static void milestones(struct report *p)
{
	for (size_t i = 0; i < p->r->n_milestones; i++) {
		const struct milestone *m = &p->r->milestones[i];
		int64_t due = standing_milestone_us(p->c, p->r, p->st, m);
		char at[40];

		if (!due)
			continue;
		text_time_words(due, at, sizeof(at));
		buf_printf(p->b, "- Milestone %s: %s%s\n", at, m->text, due <= p->now ? " (due)" : "");
	}
}

bool report_is_wanted(const struct rollout *r, const struct standing *st, const char *kind)
{
	int32_t last = -1;

	for (size_t i = 0; i < r->n_stages; i++)
		if (r->stages[i].number > last)
			last = r->stages[i].number;
	return strcmp(kind, "final") != 0 || (last >= 0 && st->row.stage == last && st->p.entered_us);
}

int report_text(struct buf *b, struct db_conn *c, const struct settings *s, const struct rollout *r, const struct standing *st,
                const struct evaluation *ev, const char *kind, int64_t now_us)
{
	struct report p = {b, c, s, r, st, ev, standing_stage(st, r), kind, begin_of(kind, now_us), now_us};
	struct tally t = {0};

	head(&p);
	where(&p);
	criteria(&p);
	int err = missing(&p);
	if (err == 0)
		err = incidents(&p, &t);
	success(&p, &t);
	forecast(&p);
	checklists(&p);
	milestones(&p);
	if (ev->blind[0])
		buf_printf(b, "- Not watched: %s\n", ev->blind);
	buf_printf(b, "- Owner: %s\n", r->owner[0] ? r->owner : "nobody named");
	sla_tally_free(&t.automatic);
	sla_tally_free(&t.by_hand);
	return err;
}
