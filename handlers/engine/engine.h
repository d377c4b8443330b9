/*
 * The engine: carries open incidents through their states. One thread, one loop; nothing here waits.
 *
 * Before each act its intention is committed, after it its outcome; what to do next is read from disk every time, so
 * that entering a state again is the whole recovery.
 */
#ifndef HANDLERS_ENGINE_ENGINE_H
#define HANDLERS_ENGINE_ENGINE_H

#include "db/db.h"
#include "server/core/loop.h"

struct engine;
struct flags_writer;
struct stale_copy;
struct engine_options {
	struct loop *loop;
	struct db *db;
	const char *runner; /* path of rollbackd-run; lives as long as the engine */
	struct flags_writer
		*flags; /* lowers flags files; stopped before the engine is freed. NULL: the engine does it */
	/* Called on the loop's thread after a commit that may have put something into the outbox. */
	void (*on_outbox)(void *arg);
	void *on_outbox_arg;
};

/* Before the loop runs; engine_start then takes up every open incident, on the loop's thread or before it runs. */
int engine_new(const struct engine_options *o, struct engine **ret);
int engine_start(struct engine *e);
/* The clock was set, and deadlines on disk moved with it: reads all open incidents again. Any thread. */
void engine_clock_was_set(struct engine *e);
/* Any thread: something about this incident changed on disk. */
void engine_notify(struct engine *e, int64_t incident_id);
/* Writer thread, before it notifies: the intention to lower that incident's flags file to 0 % was committed just now.
 * It is begun at once, and the engine takes the outcome when it gets there. */
void engine_lower(struct engine *e, int64_t incident_id, const char *path, const char *key);
/* Any thread: an alert's episode was reported resolved, and a copy that fires came all the same (stale). Prometheus and
 * Alertmanager are asked; whoever calls it active makes it a new episode. So many at once; more are asked about when
 * their next copy comes. */
void engine_ask_active(struct engine *e, const struct stale_copy *copy);
/* After the loop has stopped. Runners of commands live on. */
void engine_free(struct engine *e);

#endif
