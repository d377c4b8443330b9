/*
 * The process that runs one command of a step exactly once, and outlives the daemon (`rollbackd --run-step
 * DIR NAME`).
 *
 * DIR/NAME.spec: what to run, JSON written by command.c.
 *
 * DIR/NAME.claim: empty at first; 'R' once a runner has taken it, 'C' when the daemon has ruled that none may
 * any more. Who decides holds flock() on it, and a living runner holds it to its end.
 *
 * DIR/NAME.res: how it ended, JSON; complete or absent.
 *
 * DIR/NAME.stop: written by the daemon when the command is to end at once.
 *
 * The runner is a process of its own with one thread; its command runs in a session of its own with the time
 * limit of the spec, so a runner ends by itself.
 */
#ifndef HANDLERS_STEPS_RUNNER_H
#define HANDLERS_STEPS_RUNNER_H

#include <stddef.h>

#define COMMAND_UMASK    022 /* as of a login: what a command makes for a service can be read by it */
#define RUNNER_CLAIMED   'R'
#define RUNNER_CANCELLED 'C'
#define RUNNER_TEXT_MAX  (64 * 1024)       /* bytes of text a result may hold */
#define RUNNER_FILE_MAX  (4 * 1024 * 1024) /* bytes of a spec or result */

/* Exit code of the process: 0 the result is on disk, or the claim was not to be had; 1 it could not do its
 * work. */
int runner_main(const char *dir, const char *name);

/* May this program be run? It, every directory on the way to it and every symbolic link's directory must
 * belong to root or to us and be writable by its owner alone (a sticky directory of root, like /tmp, is fine). 0, or
 * -errno with a sentence in why (>= 200 bytes). */
int runner_trusts(const char *path, char *why, size_t why_size);

#endif
