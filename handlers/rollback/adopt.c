#include "handlers/rollback/adopt.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/progress.h"
#include "db/rollout.h"
#include "handlers/rollback/announce.h"
#include "handlers/rollback/flags_file.h"
#include "handlers/rollback/import.h"
#include "server/core/text.h"

const struct stage *rollout_stage(const struct rollout *r, int32_t number)
{
	for (size_t i = 0; i < r->n_stages; i++)
		if (r->stages[i].number == number)
			return &r->stages[i];
	return NULL;
}

static bool is_here(const struct settings *s, const struct stage *st)
{
	return !strcmp(st->environment, s->environment);
}

const struct stage *adopt_stage(const struct settings *s, const struct rollout *r, int32_t pct)
{
	for (size_t i = 0; i < r->n_stages; i++)
		if (is_here(s, &r->stages[i]) && r->stages[i].pct == pct)
			return &r->stages[i];
	return NULL;
}

int32_t adopt_previous(const struct settings *s, const struct rollout *r, int32_t stage, int32_t there)
{
	const struct stage *best = NULL;

	for (size_t i = 0; i < r->n_stages; i++) {
		const struct stage *st = &r->stages[i];

		if (!is_here(s, st) || (stage >= 0 && st->number >= stage) || there < 0 || st->pct >= there)
			continue;
		if (!best || st->number > best->number)
			best = st;
	}
	return best ? best->pct : 0;
}

int32_t adopt_there(struct db_conn *c, const struct rollout *r, char *why, size_t why_size)
{
	struct rollout_row row = {0};
	int32_t pct = -1;

	if (r->flags_file) {
		char reason[256] = "";

		if (flags_file_read(r->flags_file, r->flags_key, &pct, reason, sizeof(reason)) < 0)
			pct = -1;
		if (why)
			snprintf(why, why_size, "%s", reason);
		return pct;
	}
	if (rollout_load(c, r->name, &row) == 0)
		pct = row.pct_seen;
	rollout_row_free(&row);
	if (why)
		snprintf(why, why_size, "%s", pct < 0 ? "it has no flags file and was never seen" : "");
	return pct;
}

static int note(struct db_tx *tx, const char *rollout, const char *what, const char *text)
{
	struct event e = {.rollout = (char *)rollout, .who = (char *)"rollbackd", .what = (char *)what, .note = (char *)text};

	return event_add(tx, &e);
}

static int adopt_new(struct db_tx *tx, const struct settings *s, const struct rollout *r, int32_t there, const char *why)
{
	const struct stage *st = there < 0 ? NULL : adopt_stage(s, r, there);
	struct rollout_row row = {.name = (char *)r->name, .stage = st ? st->number : -1, .stage_since_us = db_tx_now(tx),
	                          .pct_wanted = there, .pct_seen = -1, .pct_changed_us = db_tx_now(tx)};
	char pct[16], text[400];

	text_pct(there, pct, sizeof(pct));
	if (there < 0)
		snprintf(text, sizeof(text), "percentage unknown: %s", why);
	else if (st)
		snprintf(text, sizeof(text), "found at %s%%: stage %d", pct, st->number);
	else
		snprintf(text, sizeof(text), "found at %s%%: no stage of environment %s has that, so it is unstaged", pct,
		         s->environment);
	int err = rollout_save(tx, &row);
	if (err == 0)
		err = progress_new_run(tx, r->name, st ? db_tx_now(tx) : 0, "rollbackd", "first start");
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

/* What the live incident, if there is one, says about this percentage. A drill, which sets none, says nothing. */
static bool live_says(struct db_tx *tx, const struct rollout *r, int32_t there, bool (*says)(const struct incident *, int32_t))
{
	struct incident inc = {0};
	bool yes = incident_live_of(db_tx_conn(tx), r->name, &inc) == 1 && inc.kind != KIND_DRILL && says(&inc, there);

	incident_free(&inc);
	return yes;
}

static int adopt_changed(struct db_tx *tx, const struct settings *s, const struct rollout *r, struct rollout_row *row,
                         int32_t there)
{
	char was[16], is[16], text[400];
	bool page = live_says(tx, r, there, is_above);

	text_pct(row->pct_wanted, was, sizeof(was));
	text_pct(there, is, sizeof(is));
	snprintf(text, sizeof(text), "the percentage was changed outside rollbackd: %s%% on record, %s%% in %s%s", was, is,
	         r->flags_file, page ? " - above what a rollback set" : "");
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
	return announce_text(tx, s, EVENT_ROLLOUT | (page ? EVENT_PAGE : 0), "changed_outside", r->name, text);
}

/* A database from before there were runs. */
static int adopt_run(struct db_tx *tx, const struct rollout *r)
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
	return err < 0 ? err : progress_new_run(tx, r->name, entered ? db_tx_now(tx) : 0, "rollbackd", "first start with a plan");
}

int adopt_rollout(struct db_tx *tx, const struct settings *s, const struct rollout *r)
{
	struct rollout_row row = {0};
	char why[256] = "";
	int32_t there = adopt_there(db_tx_conn(tx), r, why, sizeof(why));
	int err = rollout_load(db_tx_conn(tx), r->name, &row);

	bool differs = err == 0 && r->flags_file && there >= 0 && there != row.pct_wanted;
	if (err == -ENOENT || (differs && row.pct_wanted < 0))  /* never known until now */
		err = adopt_new(tx, s, r, there, why);
	else if (differs && there < row.pct_wanted && import_expected(tx, r))
		err = 0;        /* somebody is lowering it without us, and is writing down why */
	else if (differs && !live_says(tx, r, there, is_ours))  /* written before a crash, its outcome is not on record yet */
		err = adopt_changed(tx, s, r, &row, there);
	rollout_row_free(&row);
	return err == 0 ? adopt_run(tx, r) : err;
}

int adopt_all(struct db_tx *tx, const struct settings *s)
{
	for (size_t i = 0; i < s->n_rollouts; i++) {
		int err = adopt_rollout(tx, s, &s->rollouts[i]);

		if (err < 0)
			return err;
	}
	return 0;
}
