#include "handlers/rollout/report.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/rollout/gate.h"
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
	buf_str(p->b, "- Criteria:\n");
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
	int rollbacks, failed, drills, holds, p0, sla_met, sla_all;
};

static void count_one(const struct incident *i, const struct settings *s, struct tally *t)
{
	int64_t onset = i->onset_at_us ? i->onset_at_us : i->opened_at_us;

	if (i->kind == KIND_DRILL) {
		t->drills++;
		return;
	}
	t->p0 += !strcmp(i->severity, "P0");
	t->failed += i->state == INC_FAILED;
	t->holds += !i->started_at_us;
	if (!i->rolled_back_at_us || !i->started_at_us)
		return;
	t->rollbacks++;
	t->sla_all++;
	t->sla_met += i->rolled_back_at_us - onset <= (i->kind == KIND_MANUAL ? s->sla.manual_total_us : s->sla.total_us);
}

static int incidents(struct report *p, struct tally *t)
{
	struct incident_filter f = {.rollout = p->r->name, .since_us = p->from, .limit = INCIDENTS_MAX};
	struct incident_list l = {0};
	int r = incident_find(p->c, &f, &l);

	if (r < 0)
		return r;
	for (size_t i = 0; i < l.n; i++)
		count_one(&l.item[i], p->s, t);
	buf_printf(p->b, "- Incidents: %zu (rollbacks %d, failed %d, held %d, P0 %d); drills %d\n", l.n - (size_t)t->drills, t->rollbacks,
	           t->failed, t->holds, t->p0, t->drills);
	buf_printf(p->b, "- Rollback SLA: %d of %d within the total\n", t->sla_met, t->sla_all);
	for (size_t i = 0; i < l.n && i < 10; i++) {
		char at[40];

		text_time_words(l.item[i].opened_at_us, at, sizeof(at));
		buf_printf(p->b, "  - %s: %s %lld, %s: ", at, l.item[i].kind == KIND_DRILL ? "[DRILL] incident" : "incident",
		           (long long)l.item[i].id, incident_state_name(l.item[i].state));
		text_one_line(p->b, l.item[i].summary, strlen(l.item[i].summary), 120);
		buf_char(p->b, '\n');
	}
	incident_list_free(&l);
	return 0;
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
	checklists(&p);
	milestones(&p);
	if (ev->blind[0])
		buf_printf(b, "- Not watched: %s\n", ev->blind);
	buf_printf(b, "- Owner: %s\n", r->owner[0] ? r->owner : "nobody named");
	return err;
}
