/*
 * The sender: takes what is due from the outbox, runs the channel's program over it, posts it, records the outcome.
 *
 * Lives on the engine's loop (its own share of transfers); wakes by its doorbell, by the time the next message falls
 * due, and every 30 s as a net. At least once: a crash between the chat's yes and the record of it sends one message
 * again, recognisable by its number.
 */
#ifndef HANDLERS_NOTIFY_NOTIFY_H
#define HANDLERS_NOTIFY_NOTIFY_H

#include "db/db.h"
#include "handlers/notify/options.h"
#include "server/core/loop.h"

struct notify;
/* exe: path of rollbackd, for the children that run the programs. Before the loop runs. */
int notify_new(struct loop *l, struct db *db, const char *exe, struct notify **ret);
/* Takes the members of c over (c is emptied); in force from the next turn. Any thread. */
void notify_set_channels(struct notify *n, struct channels *c);
/* Something may be due. Any thread; cheap. */
void notify_ring(struct notify *n);
/* After the loop has stopped. */
void notify_free(struct notify *n);

/* Tries every channel's program on a sample in a child of its own, some at a time: waits at most 3 s for each and 10 s
 * for all. 0; with why (>= 300) -EINVAL, or -ETIMEDOUT if nothing worse than time is against one. Main thread. */
int notify_try_programs(const struct channels *c, const char *exe, char *why, size_t why_size);

/* What `rollbackd --run-program` executes: reads {"program": text, "input": …} from stdin, prints the program's one
 * result as JSON (a string result: as it is). Limits itself in time and memory. The process' exit code. */
int notify_program_main(void);
/* Whether a program can be compiled: 0, or -EINVAL with why. In this process, which a strange program may take with it
 * (libjq asserts): for rollbackctl, not for the daemon. */
int notify_program_check(const char *program, char *why, size_t why_size);

#endif
