#include "handlers/plan/actions_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "handlers/gates/approvals.h"
#include "handlers/gates/checklist.h"
#include "handlers/plan/json.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define FORCE_ALONE_PCT 5000                 /* hundredths: what one person may force */
#define FORCE_WITHIN_US (15 * 60 * US_PER_S) /* a second one has to say the same */

/* What is asked for, and by whom it may be given. */
struct approving {
	char *subject; /* owned */
	const char **roles;
	const char *what; /* in a sentence: "leaving stage 2" */
};

/* --- the evidence --- */

/* Keeps what stands now with the approval. */
static int sign(struct plan_act *w, const char *subject, const char *role)
{
	assert(w && subject && role);
	struct gate_view v = plan_view(w);
	CLEANUP(json_cleanup) struct json_object *shown = plan_evidence_json(&v);
	const char *text = json_text(shown);
	char sha[65];
	struct approval a = {.subject = (char *)subject,
	                     .role = (char *)role,
	                     .person = (char *)w->rq->who.name,
	                     .note = (char *)w->rq->note,
	                     .evidence = (char *)text,
	                     .evidence_sha = sha};
	int r = text_sha256(text, strlen(text), sha);

	return r < 0 ? r : approval_add(w->tx, w->r->name, w->st.p.run, &a);
}

/* Nobody signs what does not hold; what passes with time, and the other approvals, are not his business. */
static int holds(struct plan_act *w, const struct gate *g, const char *what)
{
	assert(w && g && what);
	const struct missing *first = NULL;
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		if (!(g->missing[i].flags & MISSING_APART) && !n++)
			first = &g->missing[i];
	if (!n)
		return 0;
	w->out->missing = plan_missing_json(g, MISSING_APART);
	return refuse(w, -EPERM, "not %s, %zu %s missing: %s%s", what, n,
	              text_many((int64_t)n, "thing is", "things are"), first->text, n > 1 ? " …" : "");
}

/* --- approve --- */

static int already(struct plan_act *w, const char *subject)
{
	assert(subject && w->rq->role && w->rq->who.name);
	for (size_t i = 0; i < w->st.approvals.n; i++) {
		const struct approval *a = &w->st.approvals.item[i];

		if (a->void_at_us || strcmp(a->subject, subject) != 0)
			continue;
		if (!strcmp(a->role, w->rq->role))
			return refuse(w, -EPERM, "%s approved as %s already", a->person, a->role);
		if (!strcmp(a->person, w->rq->who.name))
			return refuse(w, -EPERM, "%s approved as %s already; one person cannot fill two roles",
			              a->person, a->role);
	}
	return 0;
}

static int of_stage(struct plan_act *w, struct approving *ret)
{
	struct gate_view v = plan_view(w);
	struct gate g = {0};

	if (!w->stage)
		return refuse(w, -EPERM, "%s is at no stage: there is nothing to approve", w->r->name);
	*ret = (struct approving) {
		.subject = strdup(APPROVAL_LEAVE), .roles = w->stage->approvals, .what = "leaving the stage"};
	if (!ret->subject)
		return -ENOMEM;
	if (!is_among(ret->roles, w->rq->role))
		return refuse(w, -EPERM, "leaving stage %d asks for no approval of role %.60s", w->stage->number,
		              w->rq->role);
	int r = gate_judge(&v, &g);
	if (r == 0)
		r = holds(w, &g, "approved");
	gate_free(&g);
	return r;
}

static int of_milestone(struct plan_act *w, struct approving *ret)
{
	const struct milestone *m = plan_milestone(w, w->rq->milestone);

	if (!m)
		return -ENOENT;
	if (!is_among(m->approvals, w->rq->role))
		return refuse(w, -EPERM, "\"%.100s\" asks for no approval of role %.60s", m->text, w->rq->role);
	*ret = (struct approving) {
		.subject = text_format(APPROVAL_OF_MILESTONE "%s", m->text), .roles = m->approvals, .what = m->text};
	return ret->subject ? plan_needs_certificate(w, m) : -ENOMEM;
}

int plan_approve(struct plan_act *w)
{
	assert(w && w->ev);
	const struct plan_request *rq = w->rq;
	struct approving what = {0};
	int r = plan_needs_person(w, "approving");

	if (r == 0 && (!rq->role || !rq->role[0]))
		r = refuse(w, -EINVAL, "say as which role you approve (role; --role engineering-lead)");
	if (r == 0 && !person_has_role(w->s, &rq->who, rq->role))
		r = refuse(w, -EACCES, "%.60s does not have the role %.60s (section users of the config)", rq->who.name,
		           rq->role);
	if (r == 0)
		r = rq->milestone ? of_milestone(w, &what) : of_stage(w, &what);
	if (r == 0)
		r = already(w, what.subject);
	if (r == 0)
		r = sign(w, what.subject, rq->role);
	CLEANUP(cleanup_free)
	char *text = text_format("approved by %s as %s%s%s%s%s", rq->who.name, rq->role, rq->milestone ? ": " : "",
	                         rq->milestone && what.what ? what.what : "", plan_reason(w) ? ": " : "",
	                         plan_reason(w) ? rq->note : "");
	free(what.subject);
	if (r == 0)
		r = text ? plan_tell(w, ANNOUNCE_APPROVED, text) : -ENOMEM;
	return r;
}

/* --- certify --- */

int plan_certify(struct plan_act *w)
{
	assert(w && w->ev);
	struct gate_view v = plan_view(w);
	struct gate g = {0};
	int r = plan_needs_person(w, "calling a stage stable");

	if (r == 0)
		r = gate_judge_certify(&v, &g);
	if (r == -ENOENT)
		r = refuse(w, -EPERM, "the stage of %s asks for no such thing (certify, in the config)", w->r->name);
	if (r == 0)
		r = holds(w, &g, "certified");
	gate_free(&g);
	if (r == 0 && approval_counts(&w->st.approvals, APPROVAL_CERTIFY, ""))
		r = refuse(w, -EPERM, "%s called it stable already",
		           approval_of(&w->st.approvals, APPROVAL_CERTIFY, "")->person);
	if (r == 0)
		r = sign(w, APPROVAL_CERTIFY, "");
	CLEANUP(cleanup_free)
	char *text = text_format("called stable by %s%s%s", w->rq->who.name, plan_reason(w) ? ": " : "",
	                         plan_reason(w) ? w->rq->note : "");
	if (r == 0)
		r = text ? plan_tell(w, ANNOUNCE_CERTIFIED, text) : -ENOMEM;
	return r;
}

/* --- two persons --- */

int plan_force(struct plan_act *w, const struct stage *to, const char **ret_with)
{
	assert(w && to && ret_with);
	CLEANUP(cleanup_free) char *subject = text_format(APPROVAL_OF_FORCE "%d", to->number);
	char pct[16];

	*ret_with = NULL;
	if (to->pct <= FORCE_ALONE_PCT)
		return 0;
	int r = subject ? plan_needs_person(w, "forcing above 50 %") : -ENOMEM;
	if (r < 0)
		return r;
	const struct approval *first = approval_of(&w->st.approvals, subject, "");
	if (first && first->at_us + FORCE_WITHIN_US > db_tx_now(w->tx) && strcmp(first->person, w->rq->who.name) != 0) {
		*ret_with = first->person;
		return 0;
	}
	struct approval a = {
		.subject = subject, .role = (char *)"", .person = (char *)w->rq->who.name, .note = (char *)w->rq->note};
	text_pct(to->pct, pct, sizeof(pct));
	snprintf(w->out->waits, sizeof(w->out->waits),
	         "%.60s wants stage %d, %s%%, forced: %.200s. Above 50%% it takes a second person, who says the same "
	         "within 15 "
	         "minutes: rollbackctl stage %s --force --reason TEXT",
	         w->rq->who.name, to->number, pct, w->rq->note, w->rq->move == MOVE_SET ? "set" : "advance");
	r = approval_add(w->tx, w->r->name, w->st.p.run, &a);
	return r < 0 ? r : plan_tell(w, ANNOUNCE_FORCE_WAITS, w->out->waits);
}
