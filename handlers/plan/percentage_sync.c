#include "handlers/plan/percentage_sync.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/progress.h"
#include "db/rollout.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/kinds.h"
#include "handlers/gates/rollout_state.h"
#include "handlers/offline/import.h"
#include "handlers/plan/flags_values.h"
#include "handlers/plan/flags_watch.h"
#include "server/core/text.h"
#include "server/core/thread.h"

static int note(struct db_tx *tx, const char *rollout, const char *what, const char *text)
{
	assert(rollout && what);
	struct event e = {
		.rollout = (char *)rollout, .who = (char *)"rollbackd", .what = (char *)what, .note = (char *)text};

	return event_add(tx, &e);
}

/* Milestones count from there: when it was really entered nobody knows, and never would they fall due. */
static int mark_entered(struct db_tx *tx, const struct rollout *r, const struct stage *st)
{
	CLEANUP(cleanup_free) char *key = text_format("entered:%s:%d", r->name, st->number);

	return key ? meta_set(tx, key, db_tx_now(tx)) : -ENOMEM;
}

static int sync_new(struct db_tx *tx, const struct settings *s, const struct rollout *r, int32_t there, const char *why)
{
	assert(there <= 10000);
	const struct stage *st = there < 0 ? NULL : stage_of_percentage(s, r, there);
	struct rollout_row row = {.name = (char *)r->name,
	                          .stage = st ? st->number : -1,
	                          .stage_since_us = db_tx_now(tx),
	                          .pct_wanted = there,
	                          .pct_seen = -1,
	                          .pct_changed_us = db_tx_now(tx)};
	char pct[16], text[400];

	text_pct(there, pct, sizeof(pct));
	if (there < 0)
		snprintf(text, sizeof(text), "percentage unknown: %s", why);
	else if (st)
		snprintf(text, sizeof(text), "found at %s%%: stage %d", pct, st->number);
	else
		snprintf(text, sizeof(text), "found at %s%%: no stage of environment %s has that, so it is unstaged",
		         pct, s->environment);
	int err = rollout_save(tx, &row);
	if (err == 0)
		err = progress_new_run(tx, r->name, st ? db_tx_now(tx) : 0, "rollbackd", "first start");
	if (err == 0 && st)
		err = mark_entered(tx, r, st);
	if (err == 0 && st)
		err = plan_began_save(tx, r->name, &(struct plan_began) {db_tx_now(tx), st->number});
	return err < 0 ? err : note(tx, r->name, "adopted", text);
}

static bool is_ours(const struct incident *inc, int32_t there)
{
	return inc->state == INC_ROLLING_BACK && there == inc->pct_wanted;
}

/* Above what a rollback left: someone must know at once. */
static bool is_above(const struct incident *inc, int32_t there)
{
	return inc->pct_wanted >= 0 && there > inc->pct_wanted;
}

/* The open incident, if there is one; a drill, which sets no percentage, says nothing. */
static bool load_open(struct db_tx *tx, const struct rollout *r, struct incident *ret)
{
	return incident_open_of(db_tx_conn(tx), r->name, ret) == 1 && kind_of(ret)->acts;
}

/* It is being written by the incident, and its outcome is not on record yet. */
static bool incident_writes(struct db_tx *tx, const struct rollout *r, int32_t there)
{
	struct incident inc = {0};
	bool yes = load_open(tx, r, &inc) && is_ours(&inc, there);

	incident_free(&inc);
	return yes;
}

/* What was changed, and what puts it right. *ret_page: a rollback had set less. */
static char *changed_text(struct db_tx *tx, const struct rollout *r, const struct rollout_row *row, int32_t there,
                          bool *ret_page)
{
	struct incident inc = {0};
	char was[16], is[16], set[16];
	char *text;

	text_pct(row->pct_wanted, was, sizeof(was));
	text_pct(there, is, sizeof(is));
	*ret_page = load_open(tx, r, &inc) && is_above(&inc, there);
	text_pct(inc.pct_wanted, set, sizeof(set));
	if (*ret_page)
		text = text_format("%s was changed outside rollbackd: %s%% on record, %s%% in %s, above the %s%% that "
		                   "incident %lld set. To lower it again: rollbackctl rollback %s --stage current",
		                   r->title, was, is, r->flags_file, set, (long long)inc.id, r->name);
	else
		text = text_format("%s was changed outside rollbackd: %s%% on record, %s%% in %s", r->title, was, is,
		                   r->flags_file);
	incident_free(&inc);
	return text;
}

static int sync_changed(struct db_tx *tx, const struct settings *s, const struct rollout *r, struct rollout_row *row,
                        int32_t there)
{
	assert(row && there >= 0 && there <= 10000);
	bool page = false;
	CLEANUP(cleanup_free) char *text = changed_text(tx, r, row, there, &page);
	CLEANUP(cleanup_free) char *line = text ? text_format("[ROLLOUT] %s", text) : NULL;

	if (!line)
		return -ENOMEM;
	row->pct_wanted = there;
	row->pct_changed_us = db_tx_now(tx);
	row->generation++;
	int err = rollout_save(tx, row);
	const struct stage *st = rollout_stage(r, row->stage);
	if (err == 0)
		err = progress_new_run(tx, r->name, st && st->pct == there ? db_tx_now(tx) : 0, "rollbackd",
		                       "the percentage was changed outside rollbackd");
	if (err == 0)
		err = note(tx, r->name, "changed outside", text);
	if (err < 0)
		return err;
	return announce_text(tx, s, page ? ANNOUNCE_CHANGED_OUTSIDE_ABOVE : ANNOUNCE_CHANGED_OUTSIDE, r->name, line);
}

/* A database from before there were runs. */
static int sync_run(struct db_tx *tx, const struct rollout *r)
{
	struct progress p = {0};
	struct rollout_row row = {0};
	int err = progress_load(db_tx_conn(tx), r->name, &p);

	progress_free(&p);
	if (err != -ENOENT)
		return err;
	err = rollout_load(db_tx_conn(tx), r->name, &row);
	const struct stage *st = err == 0 ? rollout_stage(r, row.stage) : NULL;
	bool entered = st && st->pct == row.pct_wanted;
	rollout_row_free(&row);
	return err < 0 ? err
	               : progress_new_run(tx, r->name, entered ? db_tx_now(tx) : 0, "rollbackd",
	                                  "first start with a plan");
}

int percentage_sync_rollout(struct db_tx *tx, const struct settings *s, const struct rollout *r,
                            const struct flags_look *look)
{
	assert(tx && s && r && look && thread_may(THREAD_WRITER));
	struct rollout_row row = {0};
	char why[256] = "";
	int32_t there = percentage_by(db_tx_conn(tx), r, look, why, sizeof(why));
	int err = rollout_load(db_tx_conn(tx), r->name, &row);

	bool since = row.pct_changed_us >= look->at_us && row.pct_changed_us <= db_tx_now(tx);
	bool differs = err == 0 && !since && r->flags_file && there >= 0 && there != row.pct_wanted;
	if (err == -ENOENT || (differs && row.pct_wanted < 0)) /* never known until now */
		err = sync_new(tx, s, r, there, why);
	else if (differs && there < row.pct_wanted && import_expected(tx, r))
		err = 0; /* somebody is lowering it without us, and is writing down why */
	else if (differs &&
	         !incident_writes(tx, r, there)) /* written before a crash, its outcome is not on record yet */
		err = sync_changed(tx, s, r, &row, there);
	rollout_row_free(&row);
	if (err == 0)
		err = sync_run(tx, r);
	return err == 0 ? flags_values_sync(tx, s, r, look) : err;
}

struct flags_look *percentage_look_all(const struct settings *s, int64_t now_us)
{
	assert(s);
	struct flags_look *all = calloc(s->n_rollouts + 1, sizeof(*all));

	for (size_t i = 0; all && i < s->n_rollouts; i++) {
		flags_look(&s->rollouts[i], now_us, true, &all[i]);
		flags_look_values(&s->rollouts[i], &all[i]);
	}
	return all;
}

void percentage_looks_free(const struct settings *s, struct flags_look *all)
{
	assert(s);
	for (size_t i = 0; all && i < s->n_rollouts; i++)
		flags_look_free(&all[i]);
	free(all);
}

int percentage_sync_all(struct db_tx *tx, const struct settings *s, struct flags_look *looks)
{
	assert(tx && s && looks);
	for (size_t i = 0; i < s->n_rollouts; i++) {
		int err = percentage_sync_rollout(tx, s, &s->rollouts[i], &looks[i]);

		if (err == 0)
			err = flags_watch(tx, s, &s->rollouts[i], true, &looks[i]);
		if (err < 0)
			return err;
	}
	return 0;
}
