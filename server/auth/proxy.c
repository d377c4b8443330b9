#include "server/auth/proxy.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int auth_proxy_read(const struct settings *s, struct auth_proxy *ret)
{
	assert(s && ret);
	struct auth_proxy p = {0};
	size_t n = 0;

	while (s->proxy_from && s->proxy_from[n])
		n++;
	if (!n || !s->proxy_header || !s->proxy_header[0]) {
		*ret = p;
		return 0;
	}
	p.header = strdup(s->proxy_header);
	p.from = calloc(n, sizeof(*p.from));
	for (; p.from && p.n < n; p.n++) {
		int r = text_net_parse(s->proxy_from[p.n], &p.from[p.n]);

		assert(r == 0); /* the config was read by the same */
		(void)r;
	}
	if (!p.header || !p.from) {
		auth_proxy_free(&p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void auth_proxy_free(struct auth_proxy *p)
{
	free(p->header);
	free(p->from);
	*p = (struct auth_proxy) {0};
}

bool auth_proxy_is(const struct auth_proxy *p, const struct http_peer *peer)
{
	assert(p && peer);
	for (size_t i = 0; p->header && peer->uid < 0 && i < p->n; i++)
		if (text_net_has(&p->from[i], peer->ip))
			return true;
	return false;
}
