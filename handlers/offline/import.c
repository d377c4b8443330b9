#include "handlers/offline/import.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/progress.h"
#include "db/rollout.h"
#include "db/step.h"
#include "handlers/incident/announce.h"
#include "handlers/offline/journal.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/open.h"
#include "handlers/settings/snapshot.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define PLACES 2

struct import {
	struct db_tx *tx;
	const struct settings *s;
	const struct rollout *r;
	struct json_object *o;         /* the record */
	const char *who, *reason;      /* reason may be NULL */
	int32_t from, to, after, seen; /* hundredths, -1 unknown */
	int64_t at, applied_at, ended_at;
	bool verified;
	int64_t *ret_incident;
};

/* --- reading a record --- */

/* Never later than now: a clock may have been wrong. */
static int64_t time_of(struct json_object *o, const char *key, int64_t now)
{
	const char *text = NULL;
	int64_t us;

	if (json_get_str(o, key, &text) != 1 || text_time_parse(text, strlen(text), &us) < 0 || us <= 0 || us > now)
		return now;
	return us;
}

static void read_record(struct import *m)
{
	int64_t now = db_tx_now(m->tx);

	m->who = json_str_or(m->o, "who", "somebody");
	m->reason = json_str_or(m->o, "reason", NULL);
	m->from = json_pct_of(m->o, "from");
	m->to = json_pct_of(m->o, "to");
	m->after = json_pct_of(m->o, "after");
	m->seen = json_pct_of(m->o, "seen");
	m->at = time_of(m->o, "at", now);
	m->applied_at = time_of(m->o, "applied_at", now);
	m->ended_at = time_of(m->o, "ended_at", now);
	m->verified = !strcmp(json_str_or(m->o, "verified", "unknown"), "yes");
	if (m->to < 0)
		m->to = 0;
}

/* --- what it says --- */

static char *in_words(const struct import *m)
{
	char from[16], after[16];

	text_pct(m->from, from, sizeof(from));
	text_pct(m->after, after, sizeof(after));
	return text_format("rolled back without rollbackd by %s%s%s: %s%s to %s%s, verified: %s", m->who,
	                   m->reason ? ": " : "", m->reason ? m->reason : "", from, m->from < 0 ? "" : "%", after,
	                   m->after < 0 ? "" : "%", json_str_or(m->o, "verified", "unknown"));
}

static int told(const struct import *m, int64_t incident, int64_t at, const char *who, const char *what,
                const char *note)
{
	assert(who && what && incident >= 0);
	struct event e = {.at_us = at,
	                  .incident_id = incident,
	                  .rollout = (char *)m->r->name,
	                  .who = (char *)who,
	                  .what = (char *)what,
	                  .note = (char *)note};

	return event_add(m->tx, &e);
}

static struct json_object *steps_of(const struct import *m)
{
	struct json_object *arr = NULL;

	return json_get_arr(m->o, "steps", &arr) == 1 ? arr : NULL;
}

static enum step_kind step_kind_of(const char *word)
{
	return !strcmp(word, "flags") ? STEP_FLAGS : !strcmp(word, "http") ? STEP_HTTP : STEP_COMMAND;
}

/* As they happened; all of them are over. */
static int add_steps(const struct import *m, int64_t incident)
{
	assert(incident > 0);
	struct json_object *arr = steps_of(m);
	size_t n = arr ? json_object_array_length(arr) : 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++) {
		struct json_object *o = json_object_array_get_idx(arr, i);
		bool ok = false;

		json_get_bool(o, "ok", &ok);
		struct step st = {.incident_id = incident,
		                  .ord = (int32_t)i,
		                  .phase = PHASE_APPLY,
		                  .kind = step_kind_of(json_str_or(o, "kind", "")),
		                  .name = (char *)json_str_or(o, "name", "step"),
		                  .spec = (char *)"{}",
		                  .state = ok ? STEP_DONE : STEP_FAILED,
		                  .attempts = 1,
		                  .started_at_us = time_of(o, "at", db_tx_now(m->tx)),
		                  .ended_at_us = time_of(o, "ended_at", db_tx_now(m->tx)),
		                  .output = (char *)json_str_or(o, "text", "")};
		r = step_insert(m->tx, &st);
	}
	struct step verify = {.incident_id = incident,
	                      .ord = (int32_t)n,
	                      .phase = PHASE_VERIFY,
	                      .kind = STEP_VERIFY,
	                      .name = (char *)"verify",
	                      .spec = (char *)"{}",
	                      .state = m->verified ? STEP_DONE : STEP_FAILED,
	                      .attempts = (int32_t)json_int_or(m->o, "rounds", 0),
	                      .started_at_us = m->applied_at,
	                      .ended_at_us = m->ended_at,
	                      .output = (char *)json_str_or(m->o, "note", "")};
	return r < 0 ? r : step_insert(m->tx, &verify);
}

/* --- an incident of its own --- */

static void set_conditions(const struct import *m, struct incident *inc)
{
	static const enum condition_type conditions[] = {CONDITION_WRITTEN, CONDITION_ACKNOWLEDGED,
	                                                 CONDITION_EFFECTIVE};
	struct json_object *all = NULL, *one = NULL;

	if (json_get_obj(m->o, "verification", &all) != 1)
		return;
	for (size_t i = 0; i < ARRAY_LEN(conditions); i++) {
		struct condition *v = &inc->condition[conditions[i]];

		if (json_get_obj(all, condition_name(conditions[i]), &one) != 1)
			continue;
		const char *state = json_str_or(one, "state", "");
		v->state = !strcmp(state, "yes") ? STATUS_YES : !strcmp(state, "no") ? STATUS_NO : STATUS_UNKNOWN;
		v->at_us = m->ended_at;
		v->note = (char *)json_str_or(one, "note", ""); /* borrowed: this incident is never freed */
	}
}

static int announce(const struct import *m, const struct incident *inc)
{
	metric_add(M_INCIDENTS, (unsigned)inc->state - 1, 1);
	return announce_incident(m->tx, m->s, inc, m->verified ? ANNOUNCE_ROLLED_BACK : ANNOUNCE_FAILED);
}

static int add_timeline(const struct import *m, const struct incident *inc)
{
	CLEANUP(cleanup_free) char *text = in_words(m);
	int r = text ? told(m, inc->id, m->at, m->who, "opened", m->reason ? m->reason : inc->summary) : -ENOMEM;

	if (r == 0)
		r = told(m, inc->id, m->ended_at, m->who, incident_state_name(inc->state),
		         json_str_or(m->o, "note", ""));
	return r < 0 ? r : told(m, inc->id, 0, "rollbackd", "taken in", text);
}

static struct playbook playbook_of(const struct import *m)
{
	return (struct playbook) {.frozen = (char *)"{\"name\":\"offline\"}",
	                          .name = "offline",
	                          .restart_at = -1,
	                          .severity = "",
	                          .to_pct = m->to};
}

/* As an unverified one stays failed, the engine goes on looking. */
static int insert_open(const struct import *m, int32_t stage, const char *summary)
{
	struct playbook by_hand = playbook_of(m);
	char config[CONFIG_SHA_SIZE];
	struct incident inc = {
		.rollout = (char *)m->r->name,
		.playbook = (char *)"offline",
		.severity = (char *)"",
		.summary = (char *)summary,
		.kind = KIND_MANUAL,
		.state = m->verified ? INC_ROLLED_BACK : INC_FAILED,
		.config = config,
		.reason = (char *)m->reason,
		.opened_by = (char *)m->who,
		.stage = stage,
		.pct_before = m->from,
		.pct_wanted = m->to,
		.pct_seen = m->seen,
		.opened_at_us = m->at,
		.started_at_us = m->at,
		.applied_at_us = m->applied_at,
		.verify_until_us = m->applied_at + m->r->verify_timeout_us,
		.verify_rounds = json_int_or(m->o, "rounds", 0),
		.rolled_back_at_us = m->verified ? m->ended_at : 0,
		.failed_at_us = m->verified ? 0 : m->ended_at,
		.next_probe_us = m->verified && !m->r->cured_query ? 0 : db_tx_now(m->tx),
		.already_there = m->from >= 0 && m->from <= m->to && m->verified,
	};

	assert(m->to >= 0 && m->to <= 10000);
	set_conditions(m, &inc);
	int r = plan_put(m->tx, m->s, m->r, &by_hand, config);
	if (r == 0)
		r = incident_insert(m->tx, &inc);
	if (r == 0)
		r = add_steps(m, inc.id);
	if (r == 0)
		r = trigger_add_tail(m->tx, &inc, m->r);
	if (r == 0)
		r = add_timeline(m, &inc);
	if (r == 0)
		r = announce(m, &inc);
	*m->ret_incident = inc.id;
	return r;
}

/* --- or joining the open one --- */

/* As whatever a person asks for meets it: where it is is asked anew, and what is above is lowered. */
static int meet(const struct import *m, const char *summary)
{
	struct playbook by_hand = playbook_of(m);
	const struct trigger t = {.rollout = m->r,
	                          .playbook = &by_hand,
	                          .kind = KIND_MANUAL,
	                          .who = m->who,
	                          .summary = summary,
	                          .severity = "",
	                          .reason = m->reason,
	                          .received_us = m->at};
	enum disposition ignored;

	return trigger_apply(m->tx, m->s, &t, m->ret_incident, &ignored);
}

static int join(const struct import *m, const struct incident *open, const char *summary)
{
	assert(open && open->id > 0 && incident_is_open(open->state) && m->to >= 0);
	CLEANUP(cleanup_free) char *text = in_words(m);
	CLEANUP(cleanup_free) char *line = text ? text_format("%s (incident %lld)", text, (long long)open->id) : NULL;
	int r = line ? told(m, open->id, m->at, m->who, "rolled back without rollbackd", text) : -ENOMEM;

	if (r == 0)
		r = meet(m, summary);
	assert(r < 0 || *m->ret_incident == open->id);
	return r < 0 ? r
	             : announce_text(m->tx, m->s, m->verified ? ANNOUNCE_OFFLINE : ANNOUNCE_OFFLINE_UNVERIFIED,
	                             m->r->name, line);
}

/* --- the rollout --- */

/* What is there now is compared with this afterwards: raised again since then, it is told. */
static int save_rollout(const struct import *m, struct rollout_row *row)
{
	assert(row);
	int32_t now_at = m->after >= 0 ? m->after : m->r->flags_file ? row->pct_wanted : m->to;
	bool changed = now_at != row->pct_wanted;

	row->pct_wanted = now_at;
	row->generation += changed;
	if (changed)
		row->pct_changed_us = m->at;
	if (m->seen >= 0) {
		row->pct_seen = m->seen;
		row->seen_at_us = m->ended_at;
	}
	int r = rollout_save(m->tx, row);
	return r < 0 ? r : progress_new_run(m->tx, m->r->name, 0, m->who, "a rollback");
}

static int on_incident(const struct import *m, int32_t stage)
{
	CLEANUP(cleanup_free)
	char *summary = text_format("rolled back without rollbackd by %s%s%s", m->who, m->reason ? ": " : "",
	                            m->reason ? m->reason : "");
	struct incident open = {0};
	int found = summary ? incident_open_of(db_tx_conn(m->tx), m->r->name, &open) : -ENOMEM,
	    r = found < 0 ? found : 0;

	if (found == 1 && kind_of(&open)->gives_way) {
		r = trigger_supersede(m->tx, m->s, &open, "a rollback was made");
		found = 0;
	}
	if (r == 0)
		r = found ? join(m, &open, summary) : insert_open(m, stage, summary);
	incident_free(&open);
	return r;
}

static int take_in(struct import *m)
{
	struct rollout_row row = {.stage = -1};

	read_record(m);
	int r = rollout_load(db_tx_conn(m->tx), m->r->name, &row);
	if (r == -ENOENT) /* the first start: what is there is adopted afterwards */
		r = on_incident(m, -1);
	else if (r == 0)
		r = on_incident(m, row.stage);
	if (r == 0 && row.name)
		r = save_rollout(m, &row);
	rollout_row_free(&row);
	if (r == 0)
		log_info("a rollback that was made without rollbackd is on record", "rollout", m->r->name, "who",
		         m->who, "verified", json_str_or(m->o, "verified", "unknown"));
	return r;
}

/* --- once --- */

static void mark_of(struct json_object *o, char *out, size_t size)
{
	assert(out && size > 0);
	snprintf(out, size, "offline:%s", json_str_or(o, "id", ""));
}

/* When it was taken in: the time of that transaction. -ENOENT: not yet. */
static int known(struct db_tx *tx, struct json_object *o, int64_t *ret_at)
{
	char mark[100];

	mark_of(o, mark, sizeof(mark));
	return meta_get(db_tx_conn(tx), mark, ret_at);
}

/* Of a rollout that the config no longer has: a line in the audit trail. */
static int take_in_stranger(struct import *m)
{
	const char *name = json_str_or(m->o, "rollout", "");
	struct event e = {.rollout = (char *)name,
	                  .who = (char *)json_str_or(m->o, "who", "somebody"),
	                  .what = (char *)"rolled back without rollbackd",
	                  .note = (char *)json_text(m->o)};

	return event_add(m->tx, &e);
}

static int take_in_once(struct import *m)
{
	const char *name = json_str_or(m->o, "rollout", "");
	bool ours = !strcmp(name, m->r->name), strange = !ours && !settings_rollout(m->s, name);
	int64_t at = 0;
	char mark[100];
	int r = known(m->tx, m->o, &at);

	if (r != -ENOENT || !(ours || strange))
		return r < 0 && r != -ENOENT ? r : 0;
	mark_of(m->o, mark, sizeof(mark));
	r = ours ? take_in(m) : take_in_stranger(m);
	return r < 0 ? r : meta_set(m->tx, mark, db_tx_now(m->tx));
}

/* Every record was committed, by an earlier transaction: this one may still fail. */
static bool is_done(struct db_tx *tx, const struct journal *j)
{
	for (size_t i = 0; i < j->n; i++) {
		int64_t at = 0;

		if (known(tx, j->item[i], &at) < 0 || at == db_tx_now(tx))
			return false;
	}
	return true;
}

static void put_away(const char *path)
{
	CLEANUP(cleanup_free) char *to = text_format("%s.imported", path);

	if (!to || rename(path, to) < 0)
		log_warn("a journal that was taken in could not be renamed", "file", path, "err",
		         to ? strerror(errno) : "out of memory");
}

static int import_file(struct import *m, const char *path)
{
	assert(path);
	struct journal j = {.fd = -1};
	int r = journal_read(path, &j);

	if (r == -ENOMEM)
		return r;
	if (r < 0)
		return 0; /* none, or somebody is writing it; a stranger's is nobody's */
	for (size_t i = 0; r == 0 && i < j.n; i++) {
		m->o = j.item[i];
		r = take_in_once(m);
	}
	if (r == 0 && is_done(m->tx, &j))
		put_away(path);
	journal_free(&j);
	return r;
}

static void places(struct db_tx *tx, const struct rollout *r, char *ret[PLACES])
{
	ret[0] = journal_in(db_tx_dir(tx));
	ret[1] = r->flags_file ? journal_beside(r->flags_file) : NULL;
}

int import_offline(struct db_tx *tx, const struct settings *s, const struct rollout *r, int64_t *ret_incident)
{
	assert(tx && s && r && ret_incident && thread_may(THREAD_WRITER) && r->name);
	struct import m = {.tx = tx, .s = s, .r = r, .ret_incident = ret_incident};
	char *path[PLACES];
	int err = 0;

	places(tx, r, path);
	for (int i = 0; i < PLACES; i++) {
		if (err == 0 && path[i])
			err = import_file(&m, path[i]);
		free(path[i]);
	}
	return err;
}

static bool tells_of(struct db_tx *tx, const struct rollout *r, const char *path)
{
	struct journal j = {.fd = -1};
	int err = journal_read(path, &j);
	bool yes = err == -EWOULDBLOCK;
	int64_t at;

	for (size_t i = 0; err == 0 && i < j.n; i++)
		yes |= !strcmp(json_str_or(j.item[i], "rollout", ""), r->name) && known(tx, j.item[i], &at) == -ENOENT;
	journal_free(&j);
	return yes;
}

bool import_expected(struct db_tx *tx, const struct rollout *r)
{
	assert(tx && r && r->name);
	char *path[PLACES];
	bool yes = false;

	places(tx, r, path);
	for (int i = 0; i < PLACES; i++) {
		yes |= path[i] && tells_of(tx, r, path[i]);
		free(path[i]);
	}
	return yes;
}
