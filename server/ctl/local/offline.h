/*
 * A rollback without the daemon: the same config, the same lock on the flags file, the same checks.
 */
#ifndef SERVER_CTL_LOCAL_OFFLINE_H
#define SERVER_CTL_LOCAL_OFFLINE_H

#include "server/ctl/ctl.h"

/* Exit code of a rollback that was refused: it is another stage, or the daemon is there to ask. */
#define CTL_REFUSED 3

struct offline_rollback {
	const char *rollout, *reason; /* reason may be NULL */
	const char *config, *storage;
	int64_t stage;  /* -1: not checked */
	int32_t to_pct; /* hundredths */
	bool insist;    /* the daemon was asked and did not do it: whatever its lock says */
};
/* Lowers, tells the service, verifies, writes the journal; prints each step as it happens. 0 verified, 1 not verified,
 * 2 no such rollout, CTL_REFUSED. */
int offline_rollback(const struct ctl *c, const struct offline_rollback *rq);

#endif
