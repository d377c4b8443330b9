/*
 * The section users of the config: name to roles. The caller's lock.
 */
#ifndef SERVER_AUTH_ROLES_H
#define SERVER_AUTH_ROLES_H

#include <stdbool.h>
#include "handlers/settings/settings.h"
#include "server/core/scope.h"

struct auth_people {
	struct auth_person {
		char *name;     /* owned */
		char *words;    /* owned: "operator,engineering-lead," */
		unsigned roles; /* bits of enum http_role */
	} *item;
	size_t n;
};

/* 0 or -ENOMEM. */
int auth_people_read(const struct settings *s, struct auth_people *ret) MUST_CHECK;
void auth_people_free(struct auth_people *p);
bool auth_is_named(const struct auth_people *p, const char *name);
/* Of somebody known: ROLE_USER at least; operator includes viewer. */
unsigned auth_roles(const struct auth_people *p, const char *name);
/* Whether he has the same in both, those that approve included. */
bool auth_same_roles(const struct auth_people *x, const struct auth_people *y, const char *name);

#endif
