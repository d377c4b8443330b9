/*
 * Rules over several sections of a config (internal to config). Each adds every fault it finds; what was found before
 * is missing in the structs: "" or NULL, or a number below 0.
 */
#ifndef SERVER_CONFIG_RULES_H
#define SERVER_CONFIG_RULES_H

#include "server/config/load.h"

void config_check(const struct config_reader *r, const struct settings *s, enum config_use use);
/* Guards that a slip of the pen would void: the order of stages, approvals that nobody can give, roles, restart_at. */
void config_check_guards(const struct config_reader *r, const struct settings *s);

#endif
