#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/gates/checklist.h"
#include "handlers/gates/forecast.h"
#include "handlers/plan/prefill.h"
#include "handlers/reports/private.h"
#include "server/core/clock.h"
#include "server/core/text.h"

int report_known(struct report *p, const char *prefill)
{
	assert(p && p->b);
	int e = 0;
	CLEANUP(cleanup_free) char *text = prefill_text(p->c, p->r, prefill, p->compared_whole, &e);

	if (text)
		buf_printf(p->b, "    known: %s\n", text);
	return e;
}

/* --- dates --- */

static void moment(struct report *p, const char *word, int64_t at_us)
{
	char at[40];

	text_time_words(at_us, at, sizeof(at));
	buf_printf(p->b, "%s%s", word, at);
}

static void date_line(struct report *p, const struct stage_dates *d)
{
	int64_t late = 0;
	char by[40];
	bool known = stage_dates_late(d, &late);

	buf_printf(p->b, "  - %d %s: ", d->stage->number, d->stage->name);
	if (d->planned_us)
		moment(p, "planned ", d->planned_us);
	else
		buf_str(p->b, "not planned from here");
	if (d->entered_us)
		moment(p, ", entered ", d->entered_us);
	if (d->earliest_us)
		moment(p, d->entered_us ? ", again at the earliest " : ", at the earliest ", d->earliest_us);
	text_duration_words(late < 0 ? -late : late, by, sizeof(by));
	if (known && (late >= 60 * US_PER_S || late <= -60 * US_PER_S))
		buf_printf(p->b, ", %s %s", by, late < 0 ? "earlier" : "later");
	buf_char(p->b, '\n');
}

int report_dates(struct report *p)
{
	assert(p && p->b && p->r);
	const struct gate_view v = {p->s, p->r, p->st, p->ev, p->now};
	CLEANUP(cleanup_free) struct stage_dates *d = calloc(p->r->n_stages + 1, sizeof(*d));
	size_t n = 0;
	int e = d ? stage_dates_load(p->c, &v, d, p->r->n_stages, &n) : -ENOMEM;

	if (n)
		buf_str(p->b, "- Dates, planned beside actual:\n");
	for (size_t i = 0; i < n; i++)
		date_line(p, &d[i]);
	return e;
}

/* --- what is to be done --- */

int report_open_items(struct report *p)
{
	assert(p && p->b && p->r);
	const struct checklist *list = p->stage ? rollout_checklist(p->r, p->stage->checklist) : NULL;
	size_t done = 0;
	int e = 0;

	for (size_t i = 0; list && i < list->n_items; i++)
		done += item_state(list, &list->items[i], &p->st->checkmarks, p->now, NULL) == CHECKMARK_DONE;
	if (list)
		buf_printf(p->b, "- Checklist %s: %zu of %zu done\n", list->name, done, list->n_items);
	for (size_t i = 0; list && e == 0 && i < list->n_items; i++) {
		const struct check_item *item = &list->items[i];

		if (!item->prefill || item_state(list, item, &p->st->checkmarks, p->now, NULL) == CHECKMARK_DONE)
			continue;
		buf_printf(p->b, "  - %s\n", item->text);
		e = report_known(p, item->prefill);
	}
	return e;
}

static const struct settled *done_as(const struct report *p, const struct milestone *m)
{
	for (size_t i = 0; i < p->st->settled.n; i++)
		if (p->st->settled.item[i].kind == SETTLED_MILESTONE && !strcmp(p->st->settled.item[i].text, m->text))
			return &p->st->settled.item[i];
	return NULL;
}

static int milestone_line(struct report *p, const struct milestone *m, int64_t due_us)
{
	const struct settled *s = done_as(p, m);
	char at[40], why[400];
	bool locked = milestone_is_locked(p->r, m, p->ev, why, sizeof(why)), due = due_us <= p->now;

	text_time_words(due_us, at, sizeof(at));
	buf_printf(p->b, "- Milestone %s: %s", at, m->text);
	if (s)
		buf_printf(p->b, " (done by %s%s%s)\n", s->person, s->note ? ": " : "", s->note ? s->note : "");
	else
		buf_str(p->b, locked ? " (locked: the old way is not ready)\n" : due ? " (due)\n" : "\n");
	return !s && due ? report_known(p, m->prefill) : 0;
}

int report_milestones(struct report *p)
{
	assert(p && p->b && p->r);
	size_t left_out = 0;
	int e = 0;

	for (size_t i = 0; e == 0 && i < p->r->n_milestones; i++) {
		const struct milestone *m = &p->r->milestones[i];
		int64_t due = rollout_state_milestone_us(p->c, p->r, p->st, m);

		if (!due)
			continue;
		if (!p->ahead_us || (due > p->from && due < p->now + p->ahead_us))
			e = milestone_line(p, m, due);
		else
			left_out++;
	}
	if (left_out)
		buf_printf(p->b, "- Milestones earlier or later: %zu\n", left_out);
	return e;
}
