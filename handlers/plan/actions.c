#include "handlers/plan/actions.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "db/step.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/open.h"
#include "handlers/settings/snapshot.h"
#include "handlers/gates/success.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define FREEZE_MAX_US (366 * 86400 * US_PER_S)

struct plan_act {
	struct db_tx *tx;
	const struct settings *s;
	const struct rollout *r;
	const struct plan_request *rq;
	struct rollout_state st;
	const struct stage *stage; /* NULL: unstaged */
	char *why;
	size_t why_size;
};

#define refuse(w, err, ...) say_why((w)->why, (w)->why_size, err, __VA_ARGS__)

static int note(struct db_tx *tx, const char *rollout, const char *who, const char *what, const char *text)
{
	assert(rollout && who && what);
	struct event e = {.rollout = (char *)rollout, .who = (char *)who, .what = (char *)what, .note = (char *)text};

	return event_add(tx, &e);
}

/* On the audit trail and to those who follow the rollout: "[ROLLOUT] CST Pipeline Stage 2: held by alice: …". */
static int tell(struct plan_act *w, enum announcement_id id, const char *text)
{
	assert(w->r && text);
	CLEANUP(cleanup_free)
	char *line = w->stage ? text_format("[ROLLOUT] %s Stage %d: %s", w->r->title, w->stage->number, text)
	                      : text_format("[ROLLOUT] %s: %s", w->r->title, text);
	int r = line ? note(w->tx, w->r->name, w->rq->who.name, announcement_get(id)->what, text) : -ENOMEM;

	return r < 0 ? r : announce_text(w->tx, w->s, id, w->r->name, line);
}

static const char *reason_of(const struct plan_act *w)
{
	return w->rq->note && w->rq->note[0] ? w->rq->note : NULL;
}

/* --- people --- */

static bool is_among(const char **list, const char *word)
{
	for (; list && *list; list++)
		if (!strcmp(*list, word))
			return true;
	return false;
}

bool person_has_role(const struct settings *s, const struct person *who, const char *role)
{
	assert(s && who && role);
	for (size_t i = 0; i < s->n_users; i++)
		if (!strcmp(s->users[i].name, who->name))
			return is_among(s->users[i].roles, role);
	return false;
}

static int needs_person(struct plan_act *w, const char *for_what)
{
	return w->rq->who.known ? 0
	                        : refuse(w, -EACCES,
	                                 "%s needs to know who you are: a web config with passwords "
	                                 "(--web.config.file), or the unix "
	                                 "socket",
	                                 for_what);
}

/* --- approve --- */

static int already(struct plan_act *w)
{
	for (size_t i = 0; i < w->st.approvals.n; i++) {
		const struct approval *a = &w->st.approvals.item[i];

		if (!strcmp(a->role, w->rq->role))
			return refuse(w, -EPERM, "%s approved as %s already", a->person, a->role);
		if (!strcmp(a->person, w->rq->who.name))
			return refuse(w, -EPERM, "%s approved as %s already; one person cannot fill two roles",
			              a->person, a->role);
	}
	return 0;
}

static int approve(struct plan_act *w)
{
	const struct plan_request *rq = w->rq;
	int r = needs_person(w, "approving");

	if (r < 0)
		return r;
	if (!w->stage)
		return refuse(w, -EPERM, "%s is at no stage: there is nothing to approve", w->r->name);
	if (!rq->role || !rq->role[0])
		return refuse(w, -EINVAL, "say as which role you approve (role; --role engineering-lead)");
	if (!is_among(w->stage->approvals, rq->role))
		return refuse(w, -EPERM, "leaving stage %d asks for no approval of role %.60s", w->stage->number,
		              rq->role);
	if (!person_has_role(w->s, &rq->who, rq->role))
		return refuse(w, -EACCES, "%.60s does not have the role %.60s (section users of the config)",
		              rq->who.name, rq->role);
	r = already(w);
	if (r < 0)
		return r;
	struct approval a = {.role = (char *)rq->role, .person = (char *)rq->who.name, .note = (char *)rq->note};
	CLEANUP(cleanup_free)
	char *text = text_format("approved by %s as %s%s%s", rq->who.name, rq->role, reason_of(w) ? ": " : "",
	                         reason_of(w) ? rq->note : "");
	r = text ? approval_add(w->tx, w->r->name, w->st.p.run, &a) : -ENOMEM;
	return r < 0 ? r : tell(w, ANNOUNCE_APPROVED, text);
}

/* --- checkmark --- */

/* By its text, or by its number in the list. */
static const struct check_item *find_item(const struct checklist *list, const char *item)
{
	assert(list && item);
	char *end = NULL;
	unsigned long n = strtoul(item, &end, 10);

	for (size_t i = 0; i < list->n_items; i++)
		if (!strcmp(list->items[i].text, item))
			return &list->items[i];
	return *item && !*end && n >= 1 && n <= list->n_items ? &list->items[n - 1] : NULL;
}

static int check(struct plan_act *w)
{
	const struct plan_request *rq = w->rq;
	const struct checklist *list = rollout_checklist(w->r, rq->list   ? rq->list
	                                                       : w->stage ? w->stage->checklist
	                                                                  : NULL);
	const struct check_item *item = list && rq->item ? find_item(list, rq->item) : NULL;
	int r = needs_person(w, "ticking an item");

	if (r < 0)
		return r;
	if (!list && rq->list)
		return refuse(w, -ENOENT, "there is no checklist %.100s", rq->list);
	if (!list)
		return refuse(w, -EPERM, "the stage of %s has no checklist: name one", w->r->name);
	if (!rq->item)
		return refuse(w, -EINVAL, "say which item, by its text or its number (item; --done)");
	if (!item)
		return refuse(w, -ENOENT, "checklist %s has no item \"%.200s\"", list->name, rq->item);
	struct checkmark t = {.list = (char *)list->name,
	                      .item = (char *)item->text,
	                      .person = (char *)rq->who.name,
	                      .note = (char *)rq->note};
	CLEANUP(cleanup_free) char *text = text_format("%s: %s", list->name, item->text);
	CLEANUP(cleanup_free)
	char *line = text_format("[ROLLOUT] %s: ticked by %s: %s", w->r->title, rq->who.name, text ? text : "");
	r = text && line ? checkmark_add(w->tx, w->r->name, w->st.p.run, &t) : -ENOMEM;
	if (r == 0)
		r = note(w->tx, w->r->name, rq->who.name, announcement_get(ANNOUNCE_TICKED)->what, text);
	return r < 0 ? r : announce_text(w->tx, w->s, ANNOUNCE_TICKED, w->r->name, line);
}

/* --- hold, freeze --- */

static int hold(struct plan_act *w)
{
	struct progress *p = &w->st.p;

	if (p->held_by)
		return refuse(w, -EPERM, "%s holds it already", p->held_by);
	if (!reason_of(w))
		return refuse(w, -EINVAL, "say why (note; --reason TEXT)");
	int r = text_set(&p->held_by, w->rq->who.name);
	if (r == 0)
		r = text_set(&p->hold_note, w->rq->note);
	p->held_since_us = db_tx_now(w->tx);
	CLEANUP(cleanup_free) char *text = text_format("held by %s: %s", w->rq->who.name, w->rq->note);
	if (r == 0)
		r = text ? progress_save(w->tx, p) : -ENOMEM;
	return r < 0 ? r : tell(w, ANNOUNCE_STAGE_HELD, text);
}

static int resume(struct plan_act *w)
{
	struct progress *p = &w->st.p;
	char span[40];

	if (!p->held_by)
		return refuse(w, -EPERM, "%s is not held", w->r->name);
	text_duration_words(db_tx_now(w->tx) - p->held_since_us, span, sizeof(span));
	CLEANUP(cleanup_free) char *text = text_format("resumed by %s after %s", w->rq->who.name, span);
	text_set(&p->held_by, NULL);
	text_set(&p->hold_note, NULL);
	p->held_since_us = 0;
	int r = text ? progress_save(w->tx, p) : -ENOMEM;
	return r < 0 ? r : tell(w, ANNOUNCE_RESUMED, text);
}

static int freeze(struct plan_act *w)
{
	struct progress *p = &w->st.p;
	bool ends = w->rq->for_us == 0;
	char until[40];

	if (w->rq->for_us < 0)
		return refuse(w, -EINVAL, "say for how long (duration, like 4h); 0s ends a freeze");
	if (w->rq->for_us > FREEZE_MAX_US)
		return refuse(w, -EINVAL, "a freeze lasts a year at most; 0s ends it");
	if (ends && p->frozen_until_us <= db_tx_now(w->tx))
		return refuse(w, -EPERM, "%s is not frozen by anybody", w->r->name);
	if (!ends && !reason_of(w))
		return refuse(w, -EINVAL, "say why (note; --reason TEXT)");
	p->frozen_until_us = ends ? 0 : db_tx_now(w->tx) + w->rq->for_us;
	int r = text_set(&p->frozen_by, ends ? NULL : w->rq->who.name);
	if (r == 0)
		r = text_set(&p->freeze_note, ends ? NULL : w->rq->note);
	text_time_words(p->frozen_until_us, until, sizeof(until));
	CLEANUP(cleanup_free)
	char *text = ends ? text_format("freeze ended by %s", w->rq->who.name)
	                  : text_format("frozen until %s by %s: %s", until, w->rq->who.name, w->rq->note);
	if (r == 0)
		r = text ? progress_save(w->tx, p) : -ENOMEM;
	return r < 0 ? r : tell(w, ANNOUNCE_FROZEN, text);
}

/* --- saying where it stands --- */

/* Entering a stage again asks no gate. So one that lies ahead is taken by word only where the world is at it already.
 */
static bool skips_gates(const struct plan_act *w, const struct stage *to)
{
	assert(to);
	bool stands_there = !stage_is_elsewhere(w->s, to) && w->st.there == to->pct,
	     ahead = w->stage && to->number > w->stage->number;

	for (size_t i = 0; !w->stage && i < w->r->n_stages; i++)
		ahead |= w->r->stages[i].number < to->number;
	return ahead && !stands_there;
}

static int may_set(struct plan_act *w, const struct stage *to)
{
	char there[16], pct[16];

	if (w->rq->stage < 0)
		return refuse(w, -EINVAL, "say which stage (its number)");
	if (!to)
		return refuse(w, -ENOENT, "there is no stage %d", w->rq->stage);
	if (w->st.open)
		return refuse(w, -EPERM, "incident %lld is open", (long long)w->st.open);
	if (w->st.p.restart_at >= 0 && to->number > w->st.p.restart_at)
		return refuse(w, -EPERM, "after the last incident it starts again from stage %d only",
		              w->st.p.restart_at);
	text_pct(w->st.there, there, sizeof(there));
	text_pct(to->pct, pct, sizeof(pct));
	if (skips_gates(w, to) && !(w->rq->force && reason_of(w)))
		return refuse(w, w->rq->force ? -EINVAL : -EPERM,
		              "it is at %s%s, stage %d has %s%%: that would skip the gates before it; "
		              "advance, or say why not: --force --reason TEXT",
		              there, w->st.there < 0 ? "" : "%", to->number, pct);
	if (stage_is_elsewhere(w->s, to) || (w->st.there >= 0 && w->st.there <= to->pct))
		return 0;
	return refuse(w, -EPERM, "it is at %s%s, stage %d has %s%%: roll back first", there, w->st.there < 0 ? "" : "%",
	              to->number, pct);
}

static int set(struct plan_act *w)
{
	const struct stage *to = rollout_stage(w->r, w->rq->stage);
	int r = may_set(w, to);

	if (r < 0)
		return r;
	bool entered = !stage_is_elsewhere(w->s, to) && w->st.there == to->pct, forced = skips_gates(w, to);
	w->st.row.stage = to->number;
	w->st.row.stage_since_us = db_tx_now(w->tx);
	if (!w->st.row.name)
		r = text_set(&w->st.row.name, w->r->name);
	if (r == 0)
		r = rollout_save(w->tx, &w->st.row);
	if (r == 0)
		r = progress_new_run(w->tx, w->r->name, entered ? db_tx_now(w->tx) : 0, w->rq->who.name,
		                     "the stage was set by hand");
	w->stage = to;
	CLEANUP(cleanup_free)
	char *text =
		text_format("set by %s to stage %d, %s; no percentage was changed%s%s", w->rq->who.name, to->number,
	                    to->name, forced ? ". FORCED past the gates before it: " : "", forced ? w->rq->note : "");
	return r < 0 ? r : text ? tell(w, ANNOUNCE_STAGE_SET, text) : -ENOMEM;
}

static int publish(struct plan_act *w)
{
	const struct stage *st = w->rq->stage < 0 ? w->stage : rollout_stage(w->r, w->rq->stage);

	if (!st)
		return refuse(w, -ENOENT, "say which stage's release notes (stage)");
	if (!st->release_notes[0])
		return refuse(w, -EPERM, "stage %d has no release_notes in the config", st->number);
	CLEANUP(cleanup_free)
	char *text = text_format("[RELEASE NOTES] %s Stage %d\n%s", w->r->title, st->number, st->release_notes);
	int r = text ? note(w->tx, w->r->name, w->rq->who.name, "release notes published", st->name) : -ENOMEM;
	return r < 0 ? r : announce_text(w->tx, w->s, ANNOUNCE_RELEASE_NOTES, w->r->name, text);
}

/* --- the table --- */

static const struct {
	const char *word;
	int (*act)(struct plan_act *);
} moves[MOVE_N] = {
	[MOVE_APPROVE] = {"approve", approve}, [MOVE_CHECK] = {"check", check},    [MOVE_HOLD] = {"hold", hold},
	[MOVE_RESUME] = {"resume", resume},    [MOVE_FREEZE] = {"freeze", freeze}, [MOVE_SET] = {"set", set},
	[MOVE_PUBLISH] = {"publish", publish},
};

int plan_move_find(const char *word)
{
	assert(word);
	for (int i = 0; i < MOVE_N; i++)
		if (!strcmp(moves[i].word, word))
			return i;
	return -EINVAL;
}

static int work_load(struct plan_act *w, const char *rollout)
{
	assert(w->s && rollout);
	w->r = settings_rollout(w->s, rollout);
	if (!w->r)
		return refuse(w, -ENOENT, "there is no rollout %.100s", rollout);
	int r = rollout_state_load(db_tx_conn(w->tx), w->r, db_tx_now(w->tx), NULL, &w->st);
	w->stage = r == 0 ? rollout_state_stage(&w->st, w->r) : NULL;
	return r;
}

int plan_act(struct db_tx *tx, const struct settings *s, const struct plan_request *rq, char *why, size_t why_size)
{
	assert(tx && s && rq && rq->rollout && why && why_size >= 600);
	assert(thread_may(THREAD_WRITER) && rq->move >= 0 && rq->move < MOVE_N);
	struct plan_act w = {.tx = tx, .s = s, .rq = rq, .why = why, .why_size = why_size};
	int r = work_load(&w, rq->rollout);

	if (r == 0)
		r = moves[rq->move].act(&w);
	rollout_state_free(&w.st);
	return r;
}

/* --- entering the next stage --- */

static struct json_object *missing_json(const struct gate *g)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < g->n; i++) {
		struct json_object *o = json_object_new_object();

		json_add_str(o, "what", g->missing[i].what);
		json_add_str(o, "text", g->missing[i].text);
		json_object_array_add(arr, o);
	}
	return arr;
}

static size_t hard_ones(const struct gate *g)
{
	size_t n = 0;

	for (size_t i = 0; i < g->n; i++)
		n += g->missing[i].hard;
	return n;
}

static int open_advance(struct plan_act *w, const struct stage *to, const struct advance_request *rq,
                        const char *forced, int64_t *ret_incident)
{
	assert(to && rq && ret_incident);
	struct playbook by_hand = {
		.frozen = (char *)"{\"name\":\"advance\"}", .name = "advance", .restart_at = -1, .severity = ""};
	CLEANUP(cleanup_free)
	char *summary = text_format("stage %d: %s", to->number, to->name);
	char config[CONFIG_SHA_SIZE];
	struct incident advance = {
		.rollout = (char *)w->r->name,
		.playbook = (char *)"advance",
		.severity = (char *)"",
		.summary = summary,
		.kind = KIND_ADVANCE,
		.state = INC_ROLLING_BACK,
		.config = config,
		.reason = (char *)forced,
		.opened_by = (char *)rq->who.name,
		.stage = to->number,
		.pct_before = w->st.there,
		.pct_seen = -1,
		.pct_wanted = to->pct,
		.opened_at_us = db_tx_now(w->tx),
	};

	if (!summary)
		return -ENOMEM;
	int r = plan_put(w->tx, w->s, w->r, &by_hand, config);
	if (r == 0)
		r = incident_insert(w->tx, &advance);
	if (r == 0)
		r = trigger_add_steps(w->tx, &advance);
	*ret_incident = advance.id;
	return r;
}

static int enter(struct plan_act *w, const struct stage *to, const struct advance_request *rq, const char *forced,
                 int64_t *ret_incident)
{
	assert(to && to->pct >= 0 && to->pct <= 10000);
	CLEANUP(cleanup_free)
	char *text = text_format("stage %d%s%s", to->number, forced ? ", FORCED: " : "", forced ? forced : "");
	bool again = w->st.row.stage == to->number;
	int r = text ? open_advance(w, to, rq, forced, ret_incident) : -ENOMEM;

	w->st.row.stage = to->number;
	if (!again)
		w->st.row.stage_since_us = db_tx_now(w->tx);
	if (r == 0)
		r = rollout_save(w->tx, &w->st.row);
	if (r == 0)
		r = progress_new_run(w->tx, w->r->name, 0, rq->who.name, text);
	if (r == 0 && w->st.p.restart_at >= 0) /* begun again from where it should */
		r = progress_restarted(w->tx, w->r->name);
	return r < 0 ? r : note(w->tx, w->r->name, rq->who.name, "advance", text);
}

static int gate_says(struct plan_act *w, const struct gate *g, const struct advance_request *rq,
                     struct json_object **ret_missing)
{
	assert(g && ret_missing);
	if (g->n == 0 || (rq->force && hard_ones(g) == 0))
		return 0;
	*ret_missing = missing_json(g);
	return refuse(w, -EPERM, "not advanced, %zu thing%s missing: %s%s", g->n, g->n == 1 ? " is" : "s are",
	              g->missing[0].text, g->n > 1 ? " …" : "");
}

/* The reason, and what was passed over. */
static char *forced_text(const struct gate *g, const char *reason)
{
	assert(g && reason);
	struct buf b = BUF(1000);

	buf_printf(&b, "%.300s (passed over: ", reason);
	for (size_t i = 0; i < g->n; i++)
		buf_printf(&b, "%s%.120s", i ? "; " : "", g->missing[i].text);
	buf_str(&b, ")");
	return buf_take(&b);
}

int plan_advance(struct db_tx *tx, const struct settings *s, const struct advance_request *rq,
                 const struct evaluation *ev, int64_t *ret_incident, struct json_object **ret_missing, char *why,
                 size_t why_size)
{
	assert(tx && s && rq && rq->rollout && ev && ret_incident && ret_missing && why && why_size >= 600);
	struct plan_act w = {.tx = tx, .s = s, .why = why, .why_size = why_size};
	struct gate g = {0};
	int r = work_load(&w, rq->rollout);

	if (r == 0 && rq->force && (!rq->reason || !rq->reason[0]))
		r = refuse(&w, -EINVAL, "forcing needs a reason (reason; --reason TEXT)");
	if (r == 0)
		r = gate_judge(&(struct gate_view) {s, w.r, &w.st, ev, db_tx_now(tx)}, &g);
	if (r == 0)
		r = gate_says(&w, &g, rq, ret_missing);
	CLEANUP(cleanup_free) char *forced = r == 0 && g.n ? forced_text(&g, rq->reason) : NULL;
	if (r == 0 && g.n && !forced)
		r = -ENOMEM;
	if (r == 0) /* the answers that it was judged by */
		r = success_keep(tx, w.r, &w.st, ev);
	if (r == 0)
		r = enter(&w, g.next, rq, forced, ret_incident);
	gate_free(&g);
	rollout_state_free(&w.st);
	return r;
}
