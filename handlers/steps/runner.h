/*
 * The process that runs one command of a step exactly once, and outlives the daemon (`rollbackd-run DIR NAME`, a
 * program of its own that links libc only: it is started for every command, and a daemon's libraries take longer to
 * load than most commands to run).
 *
 * DIR/NAME.spec: what to run, JSON written by command.c. The formats of these files are those of every release: a
 * daemon that was upgraded takes the result of a runner of before, and a daemon of before may start this one.
 *
 * DIR/NAME.claim: empty at first; 'R' once a runner has taken it, 'C' when the daemon has ruled that none may
 * any more. Who decides holds flock() on it, and a living runner holds it to its end.
 *
 * DIR/NAME.res: how it ended, JSON; complete or absent.
 *
 * Of a command that is not idempotent the spec, the claim and the result are synced before anything goes on, so that a
 * power cut, too, leaves it known whether it may have begun. An idempotent one is done again after either answer:
 * nothing is synced for it, and a kill of any of the processes loses nothing all the same.
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

/* Where rollbackd-run is, for the daemon of which exe is the path: ../libexec/rollbackd/ as it is installed, or beside
 * it as it is built. -ENOENT: in neither. out: PATH_MAX bytes. */
int runner_find(const char *exe, char *out);

/* May this program be run? It, every directory on the way to it and every symbolic link's directory must
 * belong to root or to us and be writable by its owner alone (a sticky directory of root, like /tmp, is fine). 0, or
 * -errno with a sentence in why (>= 200 bytes). */
int runner_trusts(const char *path, char *why, size_t why_size);

#endif
