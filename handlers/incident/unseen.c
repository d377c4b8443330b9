#include "handlers/incident/intake_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/incident/announce.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define PAGE_EVERY_US (3600 * US_PER_S) /* per kind; copies keep coming, so nothing that goes on is forgotten */
#define TEXT_MAX      1200

static const struct {
	const char *paged_at, *more; /* in the table meta */
	enum announcement_id id;
	const char *begins, *ends;
} kinds[UNSEEN_N] = {
	[UNSEEN_UNCLAIMED] = {"unclaimed_paged_at", "unclaimed_more", ANNOUNCE_UNCLAIMED,
                              "A rollback trigger that no rollout claims: ",
                              ". Nothing was rolled back. Somebody thinks this is protected: check its labels against "
                              "`alerts` of the rollouts in rollbackd.yml."},
	[UNSEEN_REJECTED] = {"rejected_paged_at", "rejected_more", ANNOUNCE_REJECTED,
                             "An alert that cannot be understood: ",
                             ". Nothing was rolled back, and it may have been meant to. The log and the answer to its "
                             "sender say what is wrong with it."},
	[UNSEEN_CUT] = {"cut_paged_at", "cut_more", ANNOUNCE_CUT, "Alertmanager sends less than there is: ",
                        ". A rollback trigger may be among what max_alerts cut off, and nothing was done for it. Set "
                        "max_alerts of this receiver to 0, or group its alerts finer."},
	[UNSEEN_TOO_MANY] = {"too_many_paged_at", "too_many_more", ANNOUNCE_TOO_MANY,
                             "A webhook holds more rollback triggers than one may: ",
                             ". Those of them that came first were taken, and nothing was done for the rest. Group the "
                             "alerts finer, or set max_alerts."},
	[UNSEEN_BLIND] =
		{"datasource_paged_at", "datasource_more", ANNOUNCE_DATASOURCE, "BLIND: Grafana cannot evaluate ",
                 ". It was held and not rolled back: that nobody sees anything proves nothing. Look at the data "
                 "source; if the canary is in doubt, roll back by hand (rollbackctl rollback)."},
};

static bool is_named(const struct unseen *u, const char *name)
{
	for (size_t i = 0; i < u->n_names; i++)
		if (!strcmp(u->names[i], name))
			return true;
	return false;
}

void unseen_note(struct intake *in, enum unseen_kind kind, const char *name, bool is_new)
{
	assert(kind < UNSEEN_N);
	struct unseen *u = &in->unseen[kind];
	struct buf line = BUF(sizeof(u->names[0]) - 1);

	if (!name)
		name = kind == UNSEEN_CUT ? "alerts are cut off" : "(no alertname)";
	text_one_line(&line, name, strlen(name), 100);
	if (u->n_names < UNSEEN_NAMES && !is_named(u, buf_text(&line)))
		snprintf(u->names[u->n_names++], sizeof(u->names[0]), "%s", buf_text(&line));
	u->n++;
	u->n_new += is_new;
	buf_free(&line);
}

static int page(struct db_tx *tx, const struct intake *in, enum unseen_kind kind, int64_t more)
{
	const struct unseen *u = &in->unseen[kind];
	struct buf text = BUF(TEXT_MAX);

	buf_str(&text, kinds[kind].begins);
	for (size_t i = 0; i < u->n_names; i++)
		buf_printf(&text, "%s%s", i ? ", " : "", u->names[i]);
	if (u->n > u->n_names)
		buf_printf(&text, " (%zu alerts in all)", u->n);
	if (more)
		buf_printf(&text, ", and %lld more since the last page about this", (long long)more);
	buf_str(&text, kinds[kind].ends);
	int r = text.error ? text.error : announce_text(tx, in->settings, kinds[kind].id, NULL, buf_text(&text));
	buf_free(&text);
	return r;
}

static int number(struct db_tx *tx, const char *key, int64_t *ret)
{
	int r = meta_get(db_tx_conn(tx), key, ret);

	return r == -ENOENT ? 0 : r;
}

static int page_or_count(struct db_tx *tx, const struct intake *in, enum unseen_kind kind)
{
	int64_t last = 0, more = 0, now = db_tx_now(tx);
	int r = number(tx, kinds[kind].paged_at, &last);

	if (r == 0)
		r = number(tx, kinds[kind].more, &more);
	if (r < 0)
		return r;
	if (now >= last &&
	    now - last < PAGE_EVERY_US) /* a clock that was set back pages once too often, not too late */
		return in->unseen[kind].n_new ? meta_set(tx, kinds[kind].more, more + (int64_t)in->unseen[kind].n_new)
		                              : 0;
	r = page(tx, in, kind, more);
	if (r == 0)
		r = meta_set(tx, kinds[kind].paged_at, now);
	return r < 0 ? r : meta_set(tx, kinds[kind].more, 0);
}

int unseen_page(struct db_tx *tx, struct intake *in)
{
	int r = 0;

	for (int i = 0; r == 0 && i < UNSEEN_N; i++)
		if (in->unseen[i].n)
			r = page_or_count(tx, in, (enum unseen_kind)i);
	return r;
}
