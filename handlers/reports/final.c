#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/gates/checklist.h"
#include "handlers/gates/gate.h"
#include "handlers/reports/private.h"
#include "server/core/text.h"

/* --- stages --- */

struct visit {
	int64_t first_us, last_us, clean_us; /* clean: of the newest run */
	size_t runs;
	bool there;
};

static struct visit visit_of(const struct report *p, const struct stage *stage)
{
	struct visit v = {0};

	for (size_t i = 0; i < p->runs.n; i++) { /* newest first */
		const struct stage_run *run = &p->runs.item[i];

		if (run->stage != stage->number)
			continue;
		if (!v.runs++) {
			v.last_us = run->until_us;
			v.clean_us = run->clean_us;
			v.there = p->st->p.entered_us && run->run == p->st->p.run;
		}
		v.first_us = run->entered_us;
	}
	return v;
}

static void stage_line(struct report *p, const struct stage *stage)
{
	struct visit v = visit_of(p, stage);
	char pct[16], from[40], until[40], clean[40], all[40];

	text_pct(stage->pct, pct, sizeof(pct));
	buf_printf(p->b, "  - %d %s, %s%%: ", stage->number, stage->name, pct);
	if (stage_is_elsewhere(p->s, stage)) {
		buf_printf(p->b, "in %s, not seen from here\n", stage->environment);
		return;
	}
	if (!v.runs) {
		buf_str(p->b, "never seen at its percentage\n");
		return;
	}
	text_time_words(v.first_us, from, sizeof(from));
	text_time_words(v.last_us, until, sizeof(until));
	text_duration_words(v.clean_us, clean, sizeof(clean));
	text_duration_words(stage->duration_us, all, sizeof(all));
	buf_printf(p->b, "entered %s, %s%s, clean for %s", from, v.there ? "still there" : "left ",
	           v.there ? "" : until, clean);
	if (stage->duration_us)
		buf_printf(p->b, " of %s", all);
	if (v.runs > 1)
		buf_printf(p->b, " in the last of %zu runs", v.runs);
	buf_char(p->b, '\n');
}

int report_stages(struct report *p)
{
	assert(p && p->b && p->r);
	const struct stage *last = NULL;

	buf_str(p->b, "- Stages:\n");
	for (size_t n = 0; n < p->r->n_stages; n++) { /* in the order of their numbers */
		const struct stage *next = NULL;

		for (size_t i = 0; i < p->r->n_stages; i++) {
			const struct stage *s = &p->r->stages[i];

			if ((!last || s->number > last->number) && (!next || s->number < next->number))
				next = s;
		}
		if (next)
			stage_line(p, next);
		last = next ? next : last;
	}
	return 0;
}

/* --- checklists --- */

/* The current stage's as it stands; the others' checkmarks ended with their runs, but that they were ticked once
 * remains. */
static enum checkmark_state state_of(const struct report *p, const struct checklist *list,
                                     const struct check_item *item, const struct checkmark_list *ever)
{
	bool current = p->stage && p->stage->checklist && !strcmp(p->stage->checklist, list->name);

	if (current)
		return item_state(list, item, &p->st->checkmarks, p->now, NULL);
	const struct checkmark *last = NULL;
	item_state(list, item, ever, p->now, &last);
	return last ? CHECKMARK_DONE : CHECKMARK_OPEN;
}

static int open_item(struct report *p, const struct checklist *list, const struct check_item *item,
                     const struct checkmark_list *ever)
{
	bool current = p->stage && p->stage->checklist && !strcmp(p->stage->checklist, list->name);

	buf_printf(p->b, "  - %s: %s\n", checkmark_state_name(state_of(p, list, item, ever)), item->text);
	return current ? report_known(p, item->prefill) : 0;
}

int report_checklists(struct report *p)
{
	assert(p && p->b && p->c);
	struct checkmark_list ever = {0};
	int r = checkmark_ever(p->c, p->r->name, &ever);

	for (size_t i = 0; r == 0 && i < p->r->n_checklists; i++) {
		const struct checklist *list = &p->r->checklists[i];
		size_t done = 0;

		for (size_t n = 0; n < list->n_items; n++)
			done += state_of(p, list, &list->items[n], &ever) == CHECKMARK_DONE;
		buf_printf(p->b, "- Checklist %s: %zu of %zu done\n", list->name, done, list->n_items);
		for (size_t n = 0; r == 0 && n < list->n_items; n++)
			if (state_of(p, list, &list->items[n], &ever) != CHECKMARK_DONE)
				r = open_item(p, list, &list->items[n], &ever);
	}
	checkmark_list_free(&ever);
	return r;
}
