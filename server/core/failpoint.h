/*
 * Named points at which a test can make the process die as if by kill -9.
 *
 * ROLLBACKD_FAILPOINT=name or name:n (the n-th time it is reached), or several between commas: the daemon and its
 * runner, which inherits the variable, can die at a point each. Read once at failpoint_setup; unset costs one branch.
 * Each point stands in the table of failpoint.c, so a test can list them (rollbackd --list-failpoints) and walk all.
 * Any thread.
 */
#ifndef SERVER_CORE_FAILPOINT_H
#define SERVER_CORE_FAILPOINT_H

#include <stdio.h>

enum failpoint {
	FAIL_INTAKE_BEFORE_COMMIT,
	FAIL_INTAKE_AFTER_COMMIT,   /* committed, 200 not sent */
	FAIL_STEP_INTENT_COMMITTED, /* "running" is on disk, nothing done yet */
	FAIL_FLAGS_TEMP_WRITTEN,
	FAIL_FLAGS_RENAMED,
	FAIL_FLAGS_COPY_KEPT,       /* in place: the copy is on disk, the file untouched */
	FAIL_FLAGS_HALF_WRITTEN,    /* in place: the new bytes are there, and the end of the old ones behind them */
	FAIL_STEP_DONE_UNCOMMITTED, /* the act is done, its outcome not on disk */
	FAIL_RUNNER_SPAWNED,
	FAIL_RUNNER_CLAIMED, /* in the runner: claimed, command not started */
	FAIL_RUNNER_RAN,     /* in the runner: command ended, result not on disk */
	FAIL_VERIFY_ROUND_UNCOMMITTED,
	FAIL_MOVE_COMMITTED,
	FAIL_MESSAGE_ACCEPTED, /* chat said yes, "sent" not on disk */
	FAIL_CHECKPOINT,
	FAIL_N
};

/* -EINVAL for an unknown name: a test must not silently test nothing. */
int failpoint_setup(const char *value);
void failpoint_list(FILE *out);
void failpoint_reached(enum failpoint point);

extern int failpoint_armed;
#define FAILPOINT(point)                                                                                               \
	do {                                                                                                           \
		if (failpoint_armed)                                                                                   \
			failpoint_reached(point);                                                                      \
	} while (0)

#endif
