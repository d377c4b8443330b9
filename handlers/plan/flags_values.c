#include "handlers/plan/flags_values.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "db/event.h"
#include "db/rollout.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/kinds.h"
#include "handlers/plan/actions_private.h"
#include "handlers/settings/snapshot.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define TEXT_MAX   4000
#define IN_WORK_US (30 * US_PER_S) /* longer than a request is waited for */

static int mark(struct db_tx *tx, const struct rollout *r, bool differs)
{
	CLEANUP(cleanup_free) char *key = text_format("flags_differ:%s", r->name);
	int64_t before = 0;

	if (!key)
		return -ENOMEM;
	int e = meta_get(db_tx_conn(tx), key, &before);
	if (e < 0 && e != -ENOENT)
		return e;
	return before == differs ? 0 : meta_set(tx, key, differs);
}

static bool is_marked(struct db_tx *tx, const struct rollout *r)
{
	CLEANUP(cleanup_free) char *key = text_format("flags_differ:%s", r->name);
	int64_t differs = 0;

	return key && meta_get(db_tx_conn(tx), key, &differs) == 0 && differs;
}

static int record(struct db_tx *tx, const struct rollout *r, const char *values)
{
	CLEANUP(cleanup_free) char *key = text_format("flags:%s", r->name);
	int e = key ? meta_set_text(tx, key, values) : -ENOMEM;

	return e < 0 ? e : mark(tx, r, false);
}

static int next_generation(struct db_tx *tx, const struct rollout *r)
{
	struct rollout_row row = {0};
	int e = rollout_load(db_tx_conn(tx), r->name, &row);

	row.generation++;
	if (e == 0)
		e = rollout_save(tx, &row);
	rollout_row_free(&row);
	return e == -ENOENT ? 0 : e;
}

static int tell(struct db_tx *tx, const struct settings *s, const struct rollout *r, enum announcement_id id,
                const char *who, const char *text)
{
	CLEANUP(cleanup_free) char *line = text_format("[ROLLOUT] %s: %s", r->title, text);
	struct event e = {.rollout = (char *)r->name,
	                  .who = (char *)who,
	                  .what = (char *)announcement_get(id)->what,
	                  .note = (char *)text};
	int err = line ? event_add(tx, &e) : -ENOMEM;

	return err < 0 ? err : announce_text(tx, s, id, r->name, line);
}

/* --- without rollbackd --- */

/* What the stage sets when it is entered, and has been. */
static bool is_of_stage(struct db_tx *tx, const struct rollout *r, const char *name, const char *value)
{
	struct rollout_row row = {.stage = -1};
	const struct stage *st = rollout_load(db_tx_conn(tx), r->name, &row) == 0 ? rollout_stage(r, row.stage) : NULL;
	bool is = false;

	for (size_t i = 0; st && value && i < st->n_set; i++)
		is |= !strcmp(st->set[i].name, name) && !strcmp(st->set[i].value, value);
	rollout_row_free(&row);
	return is;
}

/* ": NAME from true to false, …" of those that differ and are not the stage's; a flag that was not watched before is
 * no change. */
static void list_changes(struct db_tx *tx, const struct rollout *r, struct json_object *before,
                         struct json_object *after, struct buf *b)
{
	const char *sep = "";

	for (size_t i = 0; i < r->n_values; i++) {
		const char *name = r->values[i].name, *was = json_str_or(before, name, NULL),
			   *is = json_str_or(after, name, NULL);

		if (!json_object_object_get_ex(before, name, NULL) || (was && is ? !strcmp(was, is) : was == is) ||
		    is_of_stage(tx, r, name, is))
			continue;
		buf_printf(b, "%s%s from %.100s to %.100s", sep, name, was ? was : "not set", is ? is : "not set");
		sep = ", ";
	}
}

static int changed(struct db_tx *tx, const struct settings *s, const struct rollout *r, const char *known,
                   const char *values)
{
	CLEANUP(json_cleanup)
	struct json_object *before = json_tokener_parse(known), *after = json_tokener_parse(values);
	CLEANUP(buf_free) struct buf b = BUF(TEXT_MAX);
	int e = record(tx, r, values);

	if (e == 0)
		e = next_generation(tx, r);
	list_changes(tx, r, before, after, &b);
	if (e < 0 || !b.len)
		return e;
	CLEANUP(cleanup_free)
	char *text = text_format("flags were changed without rollbackd, in %s: %s", r->flags_file, buf_text(&b));
	return text ? tell(tx, s, r, ANNOUNCE_FLAGS_CHANGED, "rollbackd", text) : -ENOMEM;
}

/* --- through rollbackd --- */

static char *intent_key(const struct rollout *r)
{
	return text_format("flag_intent:%s", r->name);
}

/* Of this process: what an earlier one was at nobody is at any more. The writer's thread. */
static int64_t this_life(void)
{
	static int64_t life;

	while (!life)
		if (getrandom(&life, sizeof(life), 0) != sizeof(life))
			abort(); /* as the random numbers of everything else */
	return life;
}

int flag_intent_put(struct db_tx *tx, const struct rollout *r, const struct flag_intent *i)
{
	assert(tx && r && i && i->name && i->value && i->reason && i->who && thread_may(THREAD_WRITER));
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	CLEANUP(cleanup_free)
	char *key = intent_key(r), *note = text_format("%s=%.100s: %s", i->name, i->value, i->reason);
	struct event e = {
		.rollout = (char *)r->name, .who = (char *)i->who, .what = (char *)"flag_asked", .note = note};

	json_add_str(o, "name", i->name);
	json_add_str(o, "value", i->value);
	json_add_str(o, "reason", i->reason);
	json_add_str(o, "who", i->who);
	json_add_str(o, "untold", i->untold);
	json_add_int(o, "at", db_tx_now(tx));
	json_add_int(o, "life", this_life());
	int err = key && note ? event_add(tx, &e) : -ENOMEM;
	return err < 0 ? err : meta_set_text(tx, key, json_text(o));
}

/* 1, or 0: there is none; *ret is the caller's. */
static int intent_load(struct db_tx *tx, const struct rollout *r, struct json_object **ret)
{
	CLEANUP(cleanup_free) char *key = intent_key(r), *text = NULL;
	int err = key ? meta_get_text(db_tx_conn(tx), key, &text) : -ENOMEM;

	if (err < 0)
		return err == -ENOENT ? 0 : err;
	*ret = text[0] ? json_tokener_parse(text) : NULL;
	return *ret ? 1 : 0;
}

static int intent_over(struct db_tx *tx, const struct rollout *r)
{
	CLEANUP(cleanup_free) char *key = intent_key(r);

	return key ? meta_set_text(tx, key, "") : -ENOMEM;
}

/* Whoever writes the file has an answer within this time; a clock that was set back is no reason to wait. */
static bool is_in_work(struct db_tx *tx, struct json_object *intent)
{
	int64_t ago = db_tx_now(tx) - json_int_or(intent, "at", 0);

	return json_int_or(intent, "life", 0) == this_life() && ago >= 0 && ago < IN_WORK_US;
}

int flag_intent_is_open(struct db_tx *tx, const struct rollout *r)
{
	assert(tx && r && thread_may(THREAD_WRITER));
	CLEANUP(json_cleanup) struct json_object *intent = NULL;
	int known = intent_load(tx, r, &intent);

	return known == 1 ? is_in_work(tx, intent) : known;
}

/* --- may a person set one, and may the apply steps be run, which make the service read the file or say its percentage
 * again? --- */

/* At 0 % nothing is raised by it. Above, the file, the record and all who were just asked must agree. untold: why they
 * are not run; "" they are. */
static void judge_steps(const struct plan_act *w, char *untold, size_t size)
{
	const struct rollout_state *st = &w->st;
	char file[16], wanted[16];

	assert(size >= 400);
	untold[0] = '\0';
	text_pct(st->there, file, sizeof(file));
	text_pct(st->row.pct_wanted, wanted, sizeof(wanted));
	if (st->open && !st->kind->gives_way)
		snprintf(untold, size, FLAG_UNTOLD_OPEN, (long long)st->open);
	else if (st->there != st->row.pct_wanted)
		snprintf(untold, size, "the file holds %s%%, %s%s on record", file, wanted,
		         st->row.pct_wanted < 0 ? "" : "%");
	else if (st->there > 0 && w->ev->there != STATUS_YES)
		snprintf(untold, size, "above 0%% they could raise it, for where the service is is not sure: %.250s",
		         w->ev->there_why);
}

static int may_be_set(struct plan_act *w)
{
	const struct rollout_state *st = &w->st;
	bool known = false;

	for (size_t i = 0; i < w->r->n_values; i++)
		known |= !strcmp(w->r->values[i].name, w->rq->name);
	if (!known || !w->r->flags_file)
		return refuse(w, -EPERM, "the config was changed meanwhile: there is no such flag any more");
	if (st->open && st->kind->enters)
		return refuse(w, -EPERM, "a stage is being entered, which sets flags itself: wait for its end");
	if (st->open && st->kind->once && st->open_state != INC_FAILED)
		return refuse(w, -EPERM, "the service is being told of another flag: wait for its end");
	if (st->there < 0)
		return refuse(w, -EPERM, "%s", st->there_why);
	int open = flag_intent_is_open(w->tx, w->r);
	return open == 1 ? refuse(w, -EPERM, "another flag is being written: try again") : open;
}

int plan_flag(struct plan_act *w)
{
	assert(w && w->ev && w->rq->name && w->rq->value);
	char untold[400];
	int r = may_be_set(w);

	if (r < 0)
		return r;
	judge_steps(w, untold, sizeof(untold));
	const struct flag_intent i = {.name = w->rq->name,
	                              .value = w->rq->value,
	                              .reason = plan_reason(w) ? w->rq->note : "",
	                              .who = w->rq->who.name,
	                              .untold = untold[0] ? untold : NULL};
	return flag_intent_put(w->tx, w->r, &i);
}

/* --- what came of it --- */

static int not_set(struct db_tx *tx, const struct rollout *r, struct json_object *intent, const char *why)
{
	CLEANUP(cleanup_free)
	char *note =
		text_format("%s=%.100s: %s", json_str_or(intent, "name", ""), json_str_or(intent, "value", ""), why);
	struct event e = {.rollout = (char *)r->name,
	                  .who = (char *)json_str_or(intent, "who", ""),
	                  .what = (char *)"flag_not_set",
	                  .note = note};

	return note ? event_add(tx, &e) : -ENOMEM;
}

/* "flag CACHE set from true to false". */
static char *set_text(struct json_object *intent, const char *before)
{
	return text_format("flag %s set%s%.100s to %.100s", json_str_or(intent, "name", ""), before ? " from " : "",
	                   before ? before : "", json_str_or(intent, "value", ""));
}

/* The apply steps at the percentage that is there; the engine carries them. */
static int open_steps(struct db_tx *tx, const struct settings *s, const struct rollout *r, struct json_object *intent,
                      const char *text, int64_t *ret)
{
	const struct playbook by_hand = {
		.frozen = "{\"name\":\"flags set\"}", .name = "flags set", .restart_at = -1, .severity = ""};
	struct rollout_row row = {0};
	char config[CONFIG_SHA_SIZE];
	int err = rollout_load(db_tx_conn(tx), r->name, &row);
	struct incident inc = {
		.rollout = (char *)r->name,
		.playbook = (char *)by_hand.name,
		.severity = (char *)"",
		.summary = (char *)text,
		.kind = KIND_FLAG,
		.state = INC_ROLLING_BACK,
		.config = config,
		.reason = (char *)json_str_or(intent, "reason", ""),
		.opened_by = (char *)json_str_or(intent, "who", ""),
		.stage = row.stage,
		.pct_before = row.pct_wanted,
		.pct_seen = -1,
		.pct_wanted = row.pct_wanted,
		.opened_at_us = db_tx_now(tx),
	};

	rollout_row_free(&row);
	if (err == 0)
		err = plan_put(tx, s, r, &by_hand, config);
	if (err == 0)
		err = incident_insert(tx, &inc);
	if (err == 0)
		err = trigger_add_steps(tx, &inc);
	*ret = inc.id;
	return err;
}

/* Since it was decided something real may have begun, whose steps these must not meet; an older telling gives way. */
static int make_room(struct db_tx *tx, const struct settings *s, const struct rollout *r, struct flag_outcome *o)
{
	struct incident open = {0};
	int found = incident_open_of(db_tx_conn(tx), r->name, &open), err = found < 0 ? found : 0;

	if (found == 1 && kind_of(&open)->gives_way && !kind_of(&open)->enters)
		err = trigger_supersede(tx, s, &open, "a flag was set");
	else if (found == 1)
		snprintf(o->untold, sizeof(o->untold), FLAG_UNTOLD_OPEN, (long long)open.id);
	incident_free(&open);
	return err;
}

static int run_steps(struct db_tx *tx, const struct settings *s, const struct rollout *r, struct json_object *intent,
                     const char *text, struct flag_outcome *o)
{
	snprintf(o->untold, sizeof(o->untold), "%s", json_str_or(intent, "untold", ""));
	if (!r->n_apply)
		o->untold[0] = '\0'; /* services that poll see the generation */
	int err = o->untold[0] || !r->n_apply ? 0 : make_room(tx, s, r, o);

	if (err < 0 || o->untold[0] || !r->n_apply)
		return err;
	return open_steps(tx, s, r, intent, text, &o->incident);
}

static int is_set(struct db_tx *tx, const struct settings *s, const struct rollout *r, struct json_object *intent,
                  struct flag_outcome *o)
{
	CLEANUP(cleanup_free) char *text = set_text(intent, o->before);
	const char *who = json_str_or(intent, "who", ""), *reason = json_str_or(intent, "reason", "");
	int err = text ? next_generation(tx, r) : -ENOMEM;

	if (err == 0 && o->values)
		err = record(tx, r, o->values);
	if (err == 0)
		err = run_steps(tx, s, r, intent, text, o);
	if (err < 0)
		return err;
	CLEANUP(cleanup_free)
	char *line = text_format("%s by %s: %s%s%s", text, who, reason,
	                         o->untold[0] ? ". It stands in the file; no apply step was run: " : "", o->untold);
	struct event e = {.incident_id = o->incident,
	                  .rollout = (char *)r->name,
	                  .who = (char *)who,
	                  .what = (char *)announcement_get(ANNOUNCE_FLAG_SET)->what,
	                  .note = line};
	if (!line)
		return -ENOMEM;
	return o->incident ? event_add(tx, &e) : tell(tx, s, r, ANNOUNCE_FLAG_SET, who, line);
}

int flags_values_set(struct db_tx *tx, const struct settings *s, const struct rollout *r, struct flag_outcome *o)
{
	assert(tx && s && r && o && !o->incident && thread_may(THREAD_WRITER));
	CLEANUP(json_cleanup) struct json_object *intent = NULL;
	int err = intent_load(tx, r, &intent);

	if (err != 1)
		return err; /* a look has settled it */
	err = o->error ? not_set(tx, r, intent, o->error) : is_set(tx, s, r, intent, o);
	return err < 0 ? err : intent_over(tx, r);
}

/* rollbackd was stopped between the intention and its outcome: the file says what came of it. What was judged then does
 * not hold any more, so no step is run. 1: it is in work, so that what the file says now means nothing; 0; -errno. */
static int settle_intent(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                         const struct flags_look *look)
{
	CLEANUP(json_cleanup) struct json_object *intent = NULL, *values = json_tokener_parse(look->values);
	int known = intent_load(tx, r, &intent);

	if (known != 1 || is_in_work(tx, intent))
		return known;
	const char *is = json_str_or(values, json_str_or(intent, "name", ""), ""),
		   *want = json_str_or(intent, "value", "");
	struct flag_outcome o = {.values = look->values};
	if (strcmp(is, want) != 0)
		o.error = "rollbackd was stopped before it was written";
	else
		json_add_str(intent, "untold", "rollbackd was stopped meanwhile. Set it again to run them");
	int err = o.error ? not_set(tx, r, intent, o.error) : is_set(tx, s, r, intent, &o);
	return err < 0 ? err : intent_over(tx, r);
}

/* --- by anybody --- */

int flags_values_sync(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                      const struct flags_look *look)
{
	assert(tx && s && r && look && thread_may(THREAD_WRITER));
	CLEANUP(cleanup_free) char *key = text_format("flags:%s", r->name), *known = NULL;

	if (!look->values)
		return 0;
	int e = settle_intent(tx, s, r, look);
	if (e != 0)
		return e < 0 ? e : 0;
	e = key ? meta_get_text(db_tx_conn(tx), key, &known) : -ENOMEM;
	if (e == -ENOENT)
		return record(tx, r, look->values);
	if (e < 0)
		return e;
	if (!strcmp(known, look->values))
		return mark(tx, r, false);
	return is_marked(tx, r) ? changed(tx, s, r, known, look->values) : mark(tx, r, true);
}
