#include "handlers/readiness/marks.h"

#include <assert.h>
#include <errno.h>

#include "db/event.h"
#include "handlers/incident/announce.h"
#include "server/core/text.h"

int64_t mark_get(struct db_conn *c, const struct rollout *r, const char *what)
{
	assert(c && r && what);
	CLEANUP(cleanup_free) char *key = text_format("%s:%s", what, r->name);
	int64_t value = 0;

	return key && meta_get(c, key, &value) == 0 ? value : 0;
}

int mark_set(struct db_tx *tx, const struct rollout *r, const char *what, int64_t value)
{
	assert(tx && r && what);
	CLEANUP(cleanup_free) char *key = text_format("%s:%s", what, r->name);

	return key ? meta_set(tx, key, value) : -ENOMEM;
}

int readiness_announce(struct db_tx *tx, const struct settings *s, const struct rollout *r, enum announcement_id id,
                       const char *text)
{
	assert(tx && s && r && text);
	CLEANUP(cleanup_free) char *line = text_format("[ROLLOUT] %s: %s", r->title, text);
	struct event e = {.rollout = (char *)r->name,
	                  .who = (char *)"rollbackd",
	                  .what = (char *)announcement_get(id)->what,
	                  .note = (char *)text};
	int err = line ? event_add(tx, &e) : -ENOMEM;

	return err < 0 ? err : announce_text(tx, s, id, r->name, line);
}
