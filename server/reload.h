/*
 * Reloads: who waits for one, and whether a config may take the place of the one in force.
 *
 * The main thread reads the config, and nobody waits for that but who asked. Several who ask before it begins are
 * answered by one reload; who asks while it runs, by the next.
 */
#ifndef SERVER_RELOAD_H
#define SERVER_RELOAD_H

#include <stdbool.h>
#include <stddef.h>
#include "handlers/api/api.h"
#include "handlers/settings/settings.h"

#define RELOADS_MAX 64 /* waiting for one; beyond: 503 */

struct reloads;
STAILQ_HEAD(reload_requests, reload_request);

int reloads_new(struct reloads **ret) MUST_CHECK;
/* Any thread. 0; -EAGAIN: too many are waiting, or -ESHUTDOWN: then done is not called. */
int reloads_ask(struct reloads *q, struct reload_request *rq) MUST_CHECK;
/* Readable while somebody waits. */
int reloads_fd(const struct reloads *q);
/* Moves those who wait to ret, which may stay empty: who comes from now on waits for the next. Main thread. */
void reloads_take(struct reloads *q, struct reload_requests *ret);
/* Tells them. */
void reloads_answer(struct reload_requests *who, int result, const char *why);
/* Refuses from now on, and tells who waits -ESHUTDOWN. NULL is fine. */
void reloads_stop(struct reloads *q);
/* After that, when nobody can ask any more. NULL is fine. */
void reloads_free(struct reloads *q);

/* True: it drops a rollout with an open incident, or with a stage that is still being entered; or it cannot be told.
 * why
 * (>= 200 bytes) says which. What is open could not be rolled back, or seen, any more. The connection's thread. */
bool reload_drops_open(struct db_conn *c, const struct settings *s, char *why, size_t size);

#endif
