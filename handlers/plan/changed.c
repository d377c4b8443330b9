/*
 * What takes back what people said: a plan that was changed begins its run anew, and approvals are void when what they
 * were given by turns bad.
 */
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "db/event.h"
#include "handlers/gates/approvals.h"
#include "handlers/gates/plan_diff.h"
#include "handlers/plan/reconcile.h"
#include "server/core/json.h"
#include "server/core/text.h"

/* --- a changed plan --- */

/* The part of the frozen config that people approved: the stage and its checklist. */
static char *plan_now(const struct reconcile *l, char sha[65])
{
	const struct checklist *list = rollout_checklist(l->r, l->stage->checklist);
	CLEANUP(cleanup_free)
	char *both = text_format("[%s%s%s]", l->stage->frozen, list ? "," : "", list ? list->frozen : "");

	if (!both || text_sha256(both, strlen(both), sha) < 0)
		return NULL;
	return text_format("{\"stage\":%s%s%s}", l->stage->frozen, list ? ",\"checklist\":" : "",
	                   list ? list->frozen : "");
}

static char *plan_key(const struct reconcile *l)
{
	return text_format("plan:%s", l->r->name);
}

/* From now on it is what the run is measured by. */
static int keep(const struct reconcile *l, struct progress *p, const char *plan, const char *sha)
{
	assert(p && plan && sha);
	CLEANUP(cleanup_free) char *key = plan_key(l);
	int r = text_set(&p->plan_sha, sha);

	if (r == 0)
		r = key ? meta_set_text(l->tx, key, plan) : -ENOMEM;
	return r;
}

static struct json_object *diff_of(const char *before, const char *plan)
{
	CLEANUP(json_cleanup) struct json_object *was = json_tokener_parse(before), *is = json_tokener_parse(plan);

	return was && is ? plan_diff(was, is) : NULL;
}

/* What changed since the run began; *ret NULL: that is not on record. */
static int changes_of(const struct reconcile *l, const char *plan, struct json_object **ret)
{
	CLEANUP(cleanup_free) char *key = plan_key(l);

	*ret = NULL;
	if (!key)
		return -ENOMEM;
	CLEANUP(cleanup_free) char *before = NULL;
	int r = meta_get_text(db_tx_conn(l->tx), key, &before);

	*ret = r == 0 && before ? diff_of(before, plan) : NULL;
	return r == -ENOENT ? 0 : r;
}

static int begin_anew(const struct reconcile *l, struct json_object *changes)
{
	CLEANUP(buf_free) struct buf what = BUF(2000);

	if (changes)
		plan_diff_words(&what, changes, true);
	else
		buf_str(&what, "what exactly is not on record");
	CLEANUP(cleanup_free)
	char *text = text_format("its plan was changed in the config (%s): clock, approvals and ticks begin anew",
	                         buf_text(&what));
	int r = text ? progress_new_run(l->tx, l->r->name, l->st->p.entered_us, "rollbackd",
	                                "the plan of the stage was changed")
	             : -ENOMEM;
	return r < 0 ? r : reconcile_announce(l, ANNOUNCE_PLAN_CHANGED, text);
}

static int note_words(const struct reconcile *l, struct json_object *changes)
{
	CLEANUP(buf_free) struct buf what = BUF(2000);

	plan_diff_words(&what, changes, false);
	struct event e = {.rollout = (char *)l->r->name,
	                  .who = (char *)"rollbackd",
	                  .what = (char *)"plan reworded",
	                  .note = (char *)buf_text(&what)};
	return what.len ? event_add(l->tx, &e) : 0;
}

int reconcile_plan(const struct reconcile *l, struct progress *p)
{
	assert(l && l->tx && p);
	char sha[65];
	CLEANUP(json_cleanup) struct json_object *changes = NULL;
	CLEANUP(cleanup_free) char *plan = l->stage ? plan_now(l, sha) : NULL;

	if (!l->stage || !plan)
		return l->stage ? -ENOMEM : 0;
	if (!p->plan_sha)
		return keep(l, p, plan, sha);
	if (!strcmp(p->plan_sha, sha))
		return 0;
	int r = changes_of(l, plan, &changes);
	if (r < 0)
		return r;
	if (!changes || plan_diff_resets(changes))
		return (r = begin_anew(l, changes)) < 0 ? r : 1;
	r = note_words(l, changes);
	return r < 0 ? r : keep(l, p, plan, sha);
}

/* --- approvals that do not hold any more --- */

static int tell_void(const struct reconcile *l, const struct approval *a, const char *why)
{
	assert(a && why);
	const char *of = !strncmp(a->subject, APPROVAL_OF_MILESTONE, strlen(APPROVAL_OF_MILESTONE))
	                         ? a->subject + strlen(APPROVAL_OF_MILESTONE)
	                         : NULL;
	CLEANUP(cleanup_free)
	char *text = !strcmp(a->subject, APPROVAL_CERTIFY)
	                     ? text_format("that %s called it stable counts no more: %s", a->person, why)
	                     : text_format("the approval of %s as %s%s%s counts no more: %s", a->person, a->role,
	                                   of ? " for " : "", of ? of : "", why);

	return text ? reconcile_announce(l, ANNOUNCE_APPROVAL_VOID, text) : -ENOMEM;
}

int reconcile_approvals(const struct reconcile *l)
{
	assert(l && l->tx && l->st);
	const struct gate_view v = {l->s, l->r, l->st, l->ev, l->now};
	size_t counting = 0;
	char why[400];
	int r = 0;

	for (size_t i = 0; i < l->st->approvals.n; i++)
		counting += !l->st->approvals.item[i].void_at_us && !approval_is_of_force(&l->st->approvals.item[i]);
	if (!counting)
		return 0;
	approval_contradicted(&v, why, sizeof(why));
	if (!why[0])
		return 0;
	for (size_t i = 0; r == 0 && i < l->st->approvals.n; i++) {
		const struct approval *a = &l->st->approvals.item[i];

		if (!a->void_at_us && !approval_is_of_force(a))
			r = tell_void(l, a, why);
	}
	return r < 0 ? r : approval_void(l->tx, l->r->name, l->st->p.run, why);
}
