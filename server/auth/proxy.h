/*
 * A proxy in front that knows who asks, and says so in a header: from which addresses it is believed. The caller's
 * lock.
 */
#ifndef SERVER_AUTH_PROXY_H
#define SERVER_AUTH_PROXY_H

#include <stdbool.h>
#include <stddef.h>
#include "handlers/settings/settings.h"
#include "server/core/http_types.h"
#include "server/core/text.h"

struct auth_proxy {
	char *header; /* owned; NULL: there is none */
	struct text_net *from;
	size_t n;
};

/* 0 or -ENOMEM. */
int auth_proxy_read(const struct settings *s, struct auth_proxy *ret) MUST_CHECK;
void auth_proxy_free(struct auth_proxy *p);
/* Whether the header is believed from there. Never over a unix socket: there the kernel says who it is. */
bool auth_proxy_is(const struct auth_proxy *p, const struct http_peer *peer);

#endif
