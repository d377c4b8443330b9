/*
 * Webhooks that come again within a second: the very bytes of one whose every alert is a copy that is on record.
 *
 * A copy that says what is on disk within a second writes nothing (db/sql.h, ALERT_COPY), and its answer is the same as
 * the last one. So in a storm of copies the answer is kept beside the bytes that it was given to, and the way to the
 * writer and back is spared. What is kept holds for that config, until the earliest of its alerts was last written a
 * second ago, or until anything else is recorded of one of them.
 *
 * One per daemon. Small bodies only, and at most REPEATS_MAX of them: the oldest gives way.
 */
#ifndef HANDLERS_INCIDENT_REPEATS_H
#define HANDLERS_INCIDENT_REPEATS_H

#include "handlers/incident/intake.h"

#define REPEATS_MAX        256
#define REPEATS_BYTES_MAX  4096 /* of a body, and of its answer */
#define REPEATS_ALERTS_MAX ARRAY_LEN(((struct repeats_mark *)0)->counter)

/* The record of this alert changes, or would have but for a failure. Writer thread, inside the transaction. */
void repeats_changed(const char *fingerprint);
/* All of whose alerts are copies: of what they stand for now. The same thread, at the end of intake_record. */
struct repeats_mark repeats_mark(const struct intake *in);
/* in, which came as body, was recorded and answered. Writer thread, after the commit. */
void repeats_note(const struct intake *in, const char *body, size_t len, const struct buf *answer);
/* How many results the answer has which these bytes were given, and which is true now; 0: it is not known. By the
 * config sha. Any thread; waits for a moment only. */
size_t repeats_find(const char *body, size_t len, const char *sha, int64_t now_us, struct buf *answer) MUST_CHECK;

#endif
