#include "server/auth/cookie.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/core/http_types.h"

static bool is_id(const char *s, size_t len)
{
	return len == COOKIE_ID_LEN - 1 && strspn(s, "0123456789abcdef") >= len;
}

int cookie_id(const char *header, const char *name, char ret[COOKIE_ID_LEN])
{
	assert(header && name && name[0]);
	size_t want = strlen(name);
	int found = 0;

	while (*header) {
		header += strspn(header, "; ");
		size_t len = strcspn(header, ";");

		if (len > want && header[want] == '=' && !memcmp(header, name, want)) {
			const char *id = header + want + 1;

			if (found++ || !is_id(id, len - want - 1))
				return -EINVAL;
			memcpy(ret, id, COOKIE_ID_LEN - 1);
			ret[COOKIE_ID_LEN - 1] = '\0';
		}
		header += len;
	}
	return found;
}

/* No backslash, which browsers take for a slash, no control character, which they drop, and no second slash. */
bool cookie_may_lead(const char *next)
{
	static const char good[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789/-._~?=&%+,";

	assert(next);
	return next[0] == '/' && next[1] != '/' && strspn(next, good) == strlen(next) &&
	       strlen(next) < HTTP_LOCATION_MAX;
}
