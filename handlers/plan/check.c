#include "handlers/plan/actions_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/gates/checklist.h"
#include "handlers/incident/announce.h"
#include "server/core/text.h"

static int say_ticked(struct plan_act *w, const struct checklist *list, const struct check_item *item)
{
	assert(list && item);
	CLEANUP(cleanup_free) char *text = text_format("%s: %s", list->name, item->text);
	CLEANUP(cleanup_free)
	char *line = text_format("[ROLLOUT] %s: ticked by %s: %s", w->r->title, w->rq->who.name, text ? text : "");
	int r = text && line ? plan_note(w, announcement_get(ANNOUNCE_TICKED)->what, text) : -ENOMEM;

	return r < 0 ? r : announce_text(w->tx, w->s, ANNOUNCE_TICKED, w->r->name, line);
}

static enum checkmark_state state_now(const struct plan_act *w, const struct checklist *list,
                                      const struct check_item *item, const struct checkmark **ret_last)
{
	return item_state(list, item, &w->st.checkmarks, db_tx_now(w->tx), ret_last);
}

static int tick(struct plan_act *w, const struct checklist *list, const struct check_item *item)
{
	const struct checkmark *last = NULL;
	CLEANUP(cleanup_free) char *known = plan_known(w, item->prefill);
	struct checkmark t = {.list = (char *)list->name,
	                      .item = (char *)item->text,
	                      .person = (char *)w->rq->who.name,
	                      .note = known ? known : (char *)w->rq->note};

	if (state_now(w, list, item, &last) == CHECKMARK_FAILED)
		return refuse(w, -EPERM, "%s found that \"%.200s\" failed%s%.300s: only a new verdict ticks it",
		              last->person, item->text, last->link ? ", " : "", last->link ? last->link : "");
	if (last && last->verdict == EVIDENCE_PASS && state_now(w, list, item, NULL) == CHECKMARK_DONE)
		return refuse(w, -EPERM, "%s ticked \"%.200s\" already, by evidence", last->person, item->text);
	int r = checkmark_add(w->tx, w->r->name, w->st.p.run, &t);
	return r < 0 ? r : say_ticked(w, list, item);
}

int plan_check(struct plan_act *w)
{
	assert(w);
	const struct plan_request *rq = w->rq;
	const struct checklist *list = rollout_checklist(w->r, rq->list   ? rq->list
	                                                       : w->stage ? w->stage->checklist
	                                                                  : NULL);
	int r = plan_needs_person(w, "ticking an item");

	if (r < 0)
		return r;
	if (!list && rq->list)
		return refuse(w, -ENOENT, "there is no checklist %.100s", rq->list);
	if (!list)
		return refuse(w, -EPERM, "the stage of %s has no checklist: name one", w->r->name);
	if (!rq->item)
		return refuse(w, -EINVAL, "say which item, by its text or its number (item; --done)");
	const struct check_item *item = checklist_item(list, rq->item, w->why, w->why_size);
	return item ? tick(w, list, item) : -ENOENT;
}

/* --- what programs find --- */

static int read_verdict(struct plan_act *w, enum evidence_verdict *ret)
{
	static const char *const words[] = {[EVIDENCE_PASS] = "pass", [EVIDENCE_FAIL] = "fail"};
	int v = w->rq->verdict ? text_enum_find(words, ARRAY_LEN(words), w->rq->verdict) : -EINVAL;

	if (v < 0)
		return refuse(w, -EINVAL, "verdict is pass or fail");
	*ret = (enum evidence_verdict)v;
	return 0;
}

/* Told where it makes a difference: CI runs all day. */
static int find(struct plan_act *w, const struct checklist *list, const struct check_item *item,
                enum evidence_verdict verdict)
{
	const struct plan_request *rq = w->rq;
	enum checkmark_state before = state_now(w, list, item, NULL);
	bool news = before != (verdict == EVIDENCE_PASS ? CHECKMARK_DONE : CHECKMARK_FAILED);
	struct checkmark t = {.list = (char *)list->name,
	                      .item = (char *)item->text,
	                      .person = (char *)rq->who.name,
	                      .note = (char *)rq->note,
	                      .verdict = verdict,
	                      .link = (char *)rq->link,
	                      .sha = (char *)rq->sha,
	                      .expires_us = rq->expires_us};
	CLEANUP(cleanup_free)
	char *text = text_format("%s: %s: %s by %s%s%s%s%s", list->name, item->text,
	                         verdict == EVIDENCE_PASS ? "ticked" : "FAILED", rq->who.name, rq->sha ? ", of " : "",
	                         rq->sha ? rq->sha : "", rq->link ? ", " : "", rq->link ? rq->link : "");
	int r = text ? checkmark_add(w->tx, w->r->name, w->st.p.run, &t) : -ENOMEM;

	if (r == 0 && news)
		r = plan_tell(w, ANNOUNCE_EVIDENCE, text);
	return r;
}

/* "unit-tests, security-scan": what items ask for. */
static void say_names(const struct rollout *r, struct buf *b)
{
	for (size_t i = 0; i < r->n_checklists; i++)
		for (size_t n = 0; n < r->checklists[i].n_items; n++)
			if (r->checklists[i].items[n].evidence)
				buf_printf(b, "%s%s", b->len ? ", " : "", r->checklists[i].items[n].evidence);
}

int plan_evidence(struct plan_act *w)
{
	assert(w);
	const struct plan_request *rq = w->rq;
	CLEANUP(buf_free) struct buf names = BUF(400);
	enum evidence_verdict verdict = EVIDENCE_NONE;
	size_t found = 0;
	int r = plan_needs_person(w, "evidence");

	if (r == 0 && !rq->name)
		r = refuse(w, -EINVAL, "say what it is evidence of (name)");
	if (r == 0)
		r = read_verdict(w, &verdict);
	assert(r < 0 || rq->name);
	for (size_t i = 0; r == 0 && i < w->r->n_checklists; i++) {
		const struct checklist *list = &w->r->checklists[i];

		for (size_t n = 0; r == 0 && n < list->n_items; n++)
			if (list->items[n].evidence && !strcmp(list->items[n].evidence, rq->name)) {
				r = find(w, list, &list->items[n], verdict);
				found++;
			}
	}
	if (r < 0 || found)
		return r;
	say_names(w->r, &names);
	return refuse(w, -ENOENT, "no item of a checklist names the evidence \"%.100s\"; they name: %s", rq->name,
	              names.len ? buf_text(&names) : "none");
}
