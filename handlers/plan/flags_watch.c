#include "handlers/plan/flags_watch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/rollout.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/kinds.h"
#include "handlers/steps/flags_file.h"
#include "server/core/log.h"
#include "server/core/text.h"

struct flags_watch {
	struct db_tx *tx;
	const struct settings *s;
	const struct rollout *r;
	bool at_start;
	int32_t there; /* -1 unknown */
	char why[256];
};

static int64_t mark(const struct flags_watch *w, const char *what)
{
	assert(what);
	CLEANUP(cleanup_free) char *key = text_format("%s:%s", what, w->r->name);
	int64_t value = 0;

	return key && meta_get(db_tx_conn(w->tx), key, &value) == 0 ? value : 0;
}

static int set_mark(const struct flags_watch *w, const char *what, int64_t value)
{
	CLEANUP(cleanup_free) char *key = text_format("%s:%s", what, w->r->name);

	return key ? meta_set(w->tx, key, value) : -ENOMEM;
}

/* 0: a rollback could lower it; -errno. */
static int probe(struct flags_watch *w, bool rehearse)
{
	assert(w->r->flags_file && w->r->flags_key);
	struct flags_change ch = {.before = -1};
	int r = flags_file_read(w->r->flags_file, w->r->flags_key, &w->there, w->why, sizeof(w->why));

	if (r == 0 && rehearse)
		r = flags_file_rehearse(w->r->flags_file, w->r->flags_key, 0, &ch, w->why, sizeof(w->why));
	return r < 0 ? r : 0;
}

/* Nothing to roll back, as far as is known. */
static bool is_at_zero(const struct flags_watch *w)
{
	struct rollout_row row = {0};
	bool zero = rollout_load(db_tx_conn(w->tx), w->r->name, &row) == 0 && row.pct_wanted == 0 && row.pct_seen <= 0;

	rollout_row_free(&row);
	return zero;
}

static bool incident_tells(const struct flags_watch *w)
{
	struct incident inc = {0};
	bool tells = incident_open_of(db_tx_conn(w->tx), w->r->name, &inc) == 1 && kind_of(&inc)->acts &&
	             (inc.state == INC_ROLLING_BACK || inc.state == INC_VERIFYING || inc.state == INC_FAILED);

	incident_free(&inc);
	return tells;
}

static int say(const struct flags_watch *w, enum announcement_id id, const char *text)
{
	assert(text);
	CLEANUP(cleanup_free) char *line = text_format("%s: %s", w->r->title, text);
	struct event e = {.rollout = (char *)w->r->name,
	                  .who = (char *)"rollbackd",
	                  .what = (char *)announcement_get(id)->what,
	                  .note = (char *)text};
	int r = line ? event_add(w->tx, &e) : -ENOMEM;

	return r < 0 ? r : announce_text(w->tx, w->s, id, w->r->name, line);
}

static int tell(const struct flags_watch *w, int error)
{
	assert(error < 0);
	CLEANUP(cleanup_free)
	char *text =
		text_format("nothing could be rolled back by the flags file: %s. Mend it before it is needed", w->why);

	if (!text)
		return -ENOMEM;
	int r = say(w, ANNOUNCE_FLAGS_UNUSABLE, text);
	return r < 0 ? r : set_mark(w, "flags_told", -error);
}

static int all_clear(const struct flags_watch *w)
{
	CLEANUP(cleanup_free) char *text = NULL;
	char pct[16];

	text_pct(w->there, pct, sizeof(pct));
	text = text_format("the flags file is usable again, at %s%%", pct);
	int r = text ? say(w, ANNOUNCE_FLAGS_USABLE, text) : -ENOMEM;
	return r < 0 ? r : set_mark(w, "flags_told", 0);
}

int flags_watch(struct db_tx *tx, const struct settings *s, const struct rollout *r, bool at_start)
{
	struct flags_watch w = {.tx = tx, .s = s, .r = r, .at_start = at_start, .there = -1};

	assert(tx && s && r);
	if (!r->flags_file)
		return 0;
	int64_t told = mark(&w, "flags_told"), before = mark(&w, "flags_wrong");
	int error = probe(&w, at_start || told);
	if (error == -EBUSY || error == -EAGAIN)
		return 0; /* somebody is writing it */
	if (-error != before) {
		int err = set_mark(&w, "flags_wrong", -error);
		if (err < 0)
			return err;
	}
	if (error == 0)
		return told ? all_clear(&w) : 0;
	if (at_start)
		log_error("nothing could be rolled back by the flags file", "rollout", r->name, "err", w.why);
	if (told == -error || (!at_start && before != -error) || is_at_zero(&w) || incident_tells(&w))
		return 0;
	if (!at_start)
		log_error("nothing could be rolled back by the flags file", "rollout", r->name, "err", w.why);
	return tell(&w, error);
}
