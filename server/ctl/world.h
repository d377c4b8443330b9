/*
 * What rollbackctl does by itself, without the daemon: the config, and the same checks and acts on a loop of its own.
 *
 * One thread. Every call below blocks until its work is done, which is bounded by the time limits of the config.
 */
#ifndef SERVER_CTL_WORLD_H
#define SERVER_CTL_WORLD_H

#include "handlers/rollback/probe.h"
#include "server/config.h"

struct world {
	struct config *config;
	const struct rollout *rollout;  /* of the config */
	struct plan *plan;
	struct loop *loop;
};
/* 0, or an exit code with the reason on stderr. to_pct: what the plan's playbook lowers to. */
int world_open(const char *file, const char *rollout, int32_t to_pct, struct world *ret);
void world_close(struct world *w);

void world_wait(struct world *w, int64_t us);

struct world_round {
	enum rung_state written, acknowledged, effective;
	char note[3][PROBE_NOTE_MAX];   /* of each */
	int32_t seen;                   /* -1 none */
	char text[2000];                /* a line per answer */
};
/* One round of all checks. exactly: as probe_start. */
void world_look(struct world *w, int32_t wanted, bool exactly, struct world_round *ret);

/* Runs a command or sends a request. True: done. text (>= 600) says what came of it. */
bool world_act(struct world *w, const struct act *a, int32_t pct, char *text, size_t size);

#endif
