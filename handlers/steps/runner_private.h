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
/* Complete or absent: temporary file, rename. sync: and on disk, with all that was made in the directory before. */
int attempt_write(const struct attempt *a, const char *suffix, const char *text, size_t len, bool sync);
/* 0 also when it is not there. */
int attempt_remove(const struct attempt *a, const char *suffix);

/* Under the lock of claim: what has been written, '\0' for nothing yet; or -errno. */
int claim_read(int claim);
/* Under the lock: writes mark, and syncs it. */
int claim_write(int claim, char mark, bool sync);

/* "exited" … as stored in a result; NULL for what is never stored. */
const char *command_end_name(enum command_end end);
int command_end_find(const char *name); /* -EINVAL */

#endif
