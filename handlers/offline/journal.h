/*
 * The journal of rollbacks that were made without the daemon: one JSON object a line, written by `rollbackctl rollback
 * --offline`, taken in by the daemon (import.h).
 *
 * STORAGE/offline-rollbacks.jsonl, or, where that cannot be written, FLAGS-FILE.offline-rollbacks.jsonl. Lines with the
 * same id are about the same rollback; the last one counts. A writer holds a shared flock for as long as its rollback
 * takes, the reader asks for the exclusive one: it never reads half a story. Synchronous; any thread.
 */
#ifndef HANDLERS_OFFLINE_JOURNAL_H
#define HANDLERS_OFFLINE_JOURNAL_H

#include "db/incident.h"
#include "db/step.h"
#include "server/core/json.h"

#define JOURNAL_MAX (1024 * 1024) /* bytes that are read */

/* The two places; the caller's to free, NULL when out of memory. */
char *journal_in(const char *storage);
char *journal_beside(const char *flags_file);

/* Opened for appending and locked: a descriptor that is kept open until the story is told, or -errno. The file is made
 * 0600 and belongs to the owner of its directory. */
int journal_open(const char *path) MUST_CHECK;
/* One line, on disk when it returns. 0 or -errno. */
int journal_add(int fd, struct json_object *record) MUST_CHECK;

/* What a rollback without the daemon writes, and import.c reads. Begins one: by whoever runs this, with an id of its
 * own. stage: -1 not said. The caller's to json_object_put. */
struct json_object *journal_record(const char *rollout, const char *reason, int64_t stage);
/* A step has ended, which began at since (wall time). */
void journal_record_step(struct json_object *record, const struct step *s, const char *text, int64_t since_us);
/* As it stands: what the file held and holds, and what is wanted; hundredths, -1 unknown. */
void journal_record_at(struct json_object *record, int32_t from, int32_t to, int32_t after);
/* Its end: what inc and its conditions say, and in words. */
void journal_record_end(struct json_object *record, const struct incident *inc, bool seen, const char *note);

struct journal {
	int fd;                    /* holds the lock; -1 none */
	struct json_object **item; /* owned: the last line of each id, in the order in which they began */
	size_t n;
};
/* 0; -ENOENT there is none; -EWOULDBLOCK somebody is writing it; -EPERM it belongs to a stranger; other -errno. Lines
 * that are no record (cut off by a crash) are left out. */
int journal_read(const char *path, struct journal *ret) MUST_CHECK;
void journal_free(struct journal *j); /* lets go of the lock; NULL is fine */

#endif
