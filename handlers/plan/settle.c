#include "handlers/plan/actions_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/gates/approvals.h"
#include "handlers/gates/checklist.h"
#include "server/core/text.h"

/* What can be done once, in the order in which it is shown. */
struct todo {
	enum settled_kind kind;
	const char *text;
	const struct milestone *milestone; /* NULL: it is none */
};

static size_t todo_list(const struct rollout *r, struct todo *out)
{
	size_t n = 0;

	for (size_t i = 0; i < r->n_blocked_by; i++)
		out[n++] = (struct todo) {SETTLED_BLOCKER, r->blocked_by[i].text, NULL};
	if (r->review_before > 0)
		out[n++] = (struct todo) {SETTLED_REVIEW, PLAN_REVIEW, NULL};
	for (size_t i = 0; i < r->n_milestones; i++)
		out[n++] = (struct todo) {SETTLED_MILESTONE, r->milestones[i].text, &r->milestones[i]};
	return n;
}

/* Which one is meant; -ENOENT with a sentence. */
static int find(struct plan_act *w, const char *word, struct todo *ret)
{
	assert(word && ret);
	size_t most = w->r->n_blocked_by + w->r->n_milestones + 1;
	CLEANUP(cleanup_free) struct todo *all = calloc(most, sizeof(*all));
	CLEANUP(cleanup_free) const char **texts = calloc(most, sizeof(*texts));

	if (!all || !texts)
		return -ENOMEM;
	size_t n = todo_list(w->r, all);
	for (size_t i = 0; i < n; i++)
		texts[i] = all[i].text;
	int at = text_meant(texts, n, word);
	if (at >= 0)
		*ret = all[at];
	return at >= 0 ? 0
	       : at == -EEXIST
	               ? refuse(w, -ENOENT, "several things begin with \"%.100s\": rollbackctl milestones %s", word,
	                        w->r->name)
	               : refuse(w, -ENOENT, "there is nothing like \"%.100s\": rollbackctl milestones %s lists them",
	                        word, w->r->name);
}

const struct milestone *plan_milestone(struct plan_act *w, const char *word)
{
	assert(w && word);
	struct todo t = {0};

	if (find(w, word, &t) == 0 && !t.milestone)
		(void)refuse(w, -ENOENT, "\"%.100s\" is no milestone", t.text);
	return t.milestone;
}

int plan_needs_certificate(struct plan_act *w, const struct milestone *m)
{
	assert(w && m);
	const struct stage *s = rollout_stage(w->r, m->after_stage);
	char all[40];

	if (!s || !s->certify_us || approval_counts(&w->st.approvals, APPROVAL_CERTIFY, ""))
		return 0;
	text_duration_words(s->certify_us, all, sizeof(all));
	return refuse(w, -EPERM,
	              "stage %d has not been called stable yet: after %s of clean time, rollbackctl stage certify %s",
	              s->number, all, w->r->name);
}

/* What cannot be taken back is approved first, and is not done before its time. */
static int may_be_done(struct plan_act *w, const struct milestone *m)
{
	assert(m);
	CLEANUP(cleanup_free) char *subject = text_format(APPROVAL_OF_MILESTONE "%s", m->text);
	int64_t due = rollout_state_milestone_us(db_tx_conn(w->tx), w->r, &w->st, m);
	char at[40], locked[400];

	if (!subject)
		return -ENOMEM;
	if (milestone_is_locked(w->r, m, w->ev, locked, sizeof(locked)))
		return refuse(w, -EPERM, "\"%.100s\" is not to be done yet: %s", m->text, locked);
	if (!m->approvals || !*m->approvals)
		return 0;
	text_time_words(due, at, sizeof(at));
	if (!due || due > db_tx_now(w->tx))
		return refuse(w, -EPERM, "\"%.100s\" is not due%s%s", m->text,
		              due ? " before " : ": its stage does not stand", due ? at : "");
	int r = plan_needs_certificate(w, m);
	for (const char **role = m->approvals; r == 0 && *role; role++)
		if (!approval_counts(&w->st.approvals, subject, *role))
			r = refuse(
				w, -EPERM,
				"approval of role %s for \"%.100s\" is missing: rollbackctl stage approve %s --role %s "
				"--milestone TEXT",
				*role, m->text, w->r->name, *role);
	return r;
}

static int may_be_settled(struct plan_act *w, const struct todo *t)
{
	for (size_t i = 0; i < w->st.settled.n; i++) {
		const struct settled *s = &w->st.settled.item[i];

		if (s->kind == t->kind && !strcmp(s->text, t->text))
			return refuse(w, -EPERM, "%s did \"%.100s\" already", s->person, t->text);
	}
	return t->milestone ? may_be_done(w, t->milestone) : 0;
}

int plan_done(struct plan_act *w)
{
	assert(w && w->ev);
	struct todo t = {0};
	int r = plan_needs_person(w, "calling something done");

	if (r == 0 && !w->rq->item)
		r = refuse(w, -EINVAL, "say what is done, by its text or its number (item; --done)");
	if (r == 0)
		r = find(w, w->rq->item, &t);
	if (r == 0)
		r = may_be_settled(w, &t);
	if (r < 0)
		return r;
	CLEANUP(cleanup_free) char *known = plan_known(w, t.milestone ? t.milestone->prefill : NULL);
	const char *note = known ? known : plan_reason(w) ? w->rq->note : NULL;
	struct settled s = {
		.kind = t.kind, .text = (char *)t.text, .person = (char *)w->rq->who.name, .note = (char *)note};
	CLEANUP(cleanup_free)
	char *text = text_format("done by %s: %s%s%s", w->rq->who.name, t.text, note ? ": " : "", note ? note : "");
	r = text ? settled_add(w->tx, w->r->name, &s) : -ENOMEM;
	return r < 0 ? r : plan_tell(w, ANNOUNCE_DONE, text);
}
