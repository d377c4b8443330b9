/*
 * Sets one of the other flags of a rollout without the daemon, which notices it and tells: for scripts and for a rung
 * of fallback that pulls a kill switch.
 */
#ifndef SERVER_CTL_LOCAL_FLAG_H
#define SERVER_CTL_LOCAL_FLAG_H

#include <stdbool.h>

/* Blocks, for a few seconds at most, while another program holds the lock. An exit code, with the reason on stderr. */
int local_set_flag(const char *config, const char *rollout, const char *name, const char *value, bool json);

#endif
