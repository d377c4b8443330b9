/*
 * What runner.c, command.c and runner_files.c share: the files of one attempt, DIR/NAME.spec, .claim and
 * .res.
 */
#ifndef HANDLERS_STEPS_RUNNER_PRIVATE_H
#define HANDLERS_STEPS_RUNNER_PRIVATE_H

#include "handlers/steps/command.h"
#include "handlers/steps/runner.h"

struct attempt {
	const char *dir, *name; /* borrowed */
};

/* -EINVAL: the name is no plain file name. */
int attempt_check(const struct attempt *a);
/* An open file, or -errno. */
int attempt_open(const struct attempt *a, const char *suffix, int flags);
/* The whole file; -ENOENT, -EFBIG. */
int attempt_read(const struct attempt *a, const char *suffix, struct buf *ret);
/* Complete and on disk, or absent: temporary file, fsync, rename, fsync of the directory. */
int attempt_write(const struct attempt *a, const char *suffix, const char *text, size_t len);
/* 0 also when it is not there. */
int attempt_remove(const struct attempt *a, const char *suffix);
int attempt_sync(const struct attempt *a); /* the directory */

/* Under the lock of claim: what has been written, '\0' for nothing yet; or -errno. */
int claim_read(int claim);
/* Under the lock: writes and syncs mark. */
int claim_write(int claim, char mark);

/* "exited" … as stored in a result; NULL for what is never stored. */
const char *command_end_name(enum command_end end);
int command_end_find(const char *name); /* -EINVAL */

#endif
