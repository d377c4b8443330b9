/*
 * A message on its way out: what its channel's program gets, its plain text, its names outside the database. Pure; any
 * thread.
 */
#ifndef HANDLERS_NOTIFY_INPUT_H
#define HANDLERS_NOTIFY_INPUT_H

#include "db/outbox.h"
#include "handlers/notify/options.h"

/* The body with what is particular to this message: id, event, at, late (null), number. The caller's. */
struct json_object *message_input(const struct db *db, const struct message *m);
/* What is posted when the program fails: people still hear it, in plain words. The caller's; NULL: out of memory. */
char *message_plain(enum channel_kind kind, struct json_object *input);
/* The header Idempotency-Key: the same for each attempt, of this message only. */
void message_key(const struct db *db, const struct message *m, char *out, size_t size);

#endif
