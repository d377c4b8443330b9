/*
 * The config of a history, as a file, and what it says of the rollouts now in force.
 */
#ifndef TESTS_SIMULATE_CONFIG_H
#define TESTS_SIMULATE_CONFIG_H

#include <stdbool.h>
#include <stdint.h>

#define PLAYBOOK_LATER_US_TEXT "30s"

struct config;

/* Chooses one. dir: where its file is written. */
void config_begin(const char *dir);
/* Changes something: another service for r0, other checks, a rollout dropped or there again. */
void config_change(void);
/* r0 has another service. */
void config_move(void);
/* Writes and reads it; never fails but by a bug of ours. */
struct config *config_now(void);
/* It was refused: the one in force stays. */
void config_stays(void);
/* It is in force: what the next answers are about. */
void config_in_force(void);

/* Of the one in force: the service of a rollout; -1: there is no such rollout. */
int config_service(int rollout);

#endif
