/*
 * What rollbackctl does by itself, without the daemon: the config, and the same checks and acts on a loop of its own.
 *
 * One thread. Every call below blocks until its work is done, which is bounded by the time limits of the config.
 */
#ifndef SERVER_CTL_LOCAL_LOCAL_H
#define SERVER_CTL_LOCAL_LOCAL_H

#include "handlers/checks/verify.h"
#include "handlers/engine/record.h"
#include "server/config/load.h"

struct local {
	struct config *config;
	const struct rollout *rollout; /* of the config */
	struct plan *plan;
	int64_t acted_mono_us; /* when the last act ended: what Prometheus sampled before says nothing; 0 none yet */
	struct loop *loop;
};
/* 0, or an exit code with the reason on stderr. */
int local_open(const char *file, const char *rollout, struct local *ret);
void local_close(struct local *w);

void local_wait(struct local *w, int64_t us);

/* One round of all checks. round: one that has heard nothing yet (handlers/engine/round.h). */
void local_check(struct local *w, struct wanted wanted, struct change *round);

/* Runs a command or sends a request. True: done. text (>= 600) says what came of it. */
bool local_act(struct local *w, const struct act *a, int32_t pct, char *text, size_t size);

#endif
