#include "handlers/plan/flags_watch.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/rollout.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/kinds.h"
#include "server/core/log.h"
#include "server/core/text.h"

struct flags_watch {
	struct db_tx *tx;
	const struct settings *s;
	const struct rollout *r;
	const struct flags_look *look;
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
	char *text = text_format("nothing could be rolled back by the flags file: %s. Mend it before it is needed",
	                         w->look->error_why);

	if (!text)
		return -ENOMEM;
	int r = say(w, ANNOUNCE_FLAGS_UNUSABLE, text);
	return r < 0 ? r : set_mark(w, "flags_told", -error);
}

static int all_clear(const struct flags_watch *w)
{
	CLEANUP(cleanup_free) char *text = NULL;
	char pct[16];

	text_pct(w->look->pct, pct, sizeof(pct));
	text = text_format("the flags file is usable again, at %s%%", pct);
	int r = text ? say(w, ANNOUNCE_FLAGS_USABLE, text) : -ENOMEM;
	return r < 0 ? r : set_mark(w, "flags_told", 0);
}

int flags_watch(struct db_tx *tx, const struct settings *s, const struct rollout *r, bool at_start,
                struct flags_look *look)
{
	struct flags_watch w = {.tx = tx, .s = s, .r = r, .look = look};

	assert(tx && s && r && look);
	if (!r->flags_file)
		return 0;
	int64_t told = mark(&w, "flags_told"), before = mark(&w, "flags_wrong");
	int error = look->error;
	look->told = told != 0;
	if (error == -EBUSY || error == -EAGAIN || (told && error == 0 && !look->rehearsed))
		return 0; /* somebody is writing it; or that it can be read says nothing of whether it can be lowered */
	if (-error != before) {
		int err = set_mark(&w, "flags_wrong", -error);
		if (err < 0)
			return err;
	}
	if (error == 0)
		return told ? all_clear(&w) : 0;
	if (at_start)
		log_error("nothing could be rolled back by the flags file", "rollout", r->name, "err", look->error_why);
	if (told == -error || (!at_start && before != -error) || is_at_zero(&w) || incident_tells(&w))
		return 0;
	if (!at_start)
		log_error("nothing could be rolled back by the flags file", "rollout", r->name, "err", look->error_why);
	return tell(&w, error);
}
