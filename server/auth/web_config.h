/*
 * The web config file (--web.config.file): who has which password, in the format that Prometheus and its
 * exporters share.
 *
 * basic_auth_users: name to bcrypt hash. The other keys of that format are refused, not passed over: whoever
 * writes tls_server_config must not believe that he is served with TLS.
 */
#ifndef SERVER_AUTH_WEB_CONFIG_H
#define SERVER_AUTH_WEB_CONFIG_H

#include <stddef.h>
#include "server/auth/basic.h"
#include "server/config/load.h"
#include "server/core/scope.h"

#define WEB_USERS_MAX 1000

struct web_user {
	char name[HTTP_USER_MAX], hash[BCRYPT_LEN + 1];
};

struct web_config {
	struct web_user *users; /* owned; at least one */
	size_t n;
};

/* 0, or -EINVAL with faults: all of them, each with file and line, none with what may be a password. */
int web_config_load(const char *path, struct web_config **ret, struct config_faults *faults) MUST_CHECK;
/* The user's hash; NULL: there is no such user. */
const char *web_config_hash(const struct web_config *w, const char *name);
void web_config_free(struct web_config *w);

#endif
