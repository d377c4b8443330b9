#include "server/auth/basic.h"

#include <assert.h>
#include <crypt.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/core/text.h"

#define DECODED_MAX (HTTP_USER_MAX + PASSWORD_MAX)

/* --- base64 (RFC 4648, 4) --- */

static int sextet(char c)
{
	static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	const char *at = c ? strchr(alphabet, c) : NULL;

	return at ? (int)(at - alphabet) : -1;
}

/* How many bytes came out; -EINVAL. The padding may be missing, as some clients send it. */
static int decode(const char *s, size_t len, char *out, size_t size)
{
	unsigned bits = 0;
	size_t n = 0;

	while (len > 0 && s[len - 1] == '=')
		len--;
	if (len % 4 == 1)
		return -EINVAL;
	for (size_t i = 0; i < len; i++) {
		int v = sextet(s[i]);

		if (v < 0 || n == size)
			return -EINVAL;
		bits = bits << 6 | (unsigned)v;
		if (i % 4 != 0)
			out[n++] = (char)(bits >> (6 - i % 4 * 2));
	}
	return (int)n;
}

static int split(const char *text, size_t len, struct credentials *ret)
{
	const char *colon = memchr(text, ':', len);
	size_t user = colon ? (size_t)(colon - text) : 0, password = colon ? len - user - 1 : 0;

	if (!colon || user == 0 || user >= sizeof(ret->user) || password >= sizeof(ret->password) ||
	    memchr(text, '\0', len) || !text_utf8_valid(text, user))
		return -EINVAL;
	memcpy(ret->user, text, user);
	ret->user[user] = '\0';
	memcpy(ret->password, colon + 1, password);
	ret->password[password] = '\0';
	return 0;
}

int credentials_parse(const char *header, struct credentials *ret)
{
	char text[DECODED_MAX];

	assert(header && ret);

	if (strncasecmp(header, "Basic ", 6) != 0)
		return -EINVAL;
	header += 6 + strspn(header + 6, " ");
	int n = decode(header, strcspn(header, " "), text, sizeof(text));
	int r = n < 0 ? n : split(text, (size_t)n, ret);
	explicit_bzero(text, sizeof(text));
	return r;
}

/* --- bcrypt --- */

int bcrypt_cost(const char *hash)
{
	static const char alphabet[] = "./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";
	const char *h = hash;

	if (strlen(h) != BCRYPT_LEN || strncmp(h, "$2", 2) != 0 || !strchr("aby", h[2]) || h[3] != '$' || h[6] != '$' ||
	    strspn(h + 4, "0123456789") != 2 || strspn(h + 7, alphabet) != BCRYPT_LEN - 7)
		return -EINVAL;
	int cost = (h[4] - '0') * 10 + h[5] - '0';
	return cost >= 4 && cost <= 31 ? cost : -EINVAL;
}

bool bcrypt_fits(const char *password, const char *hash)
{
	assert(password && hash);
	CLEANUP(cleanup_free) struct crypt_data *room = calloc(1, sizeof(*room));
	const char *got = room ? crypt_r(password, hash, room) : NULL;
	bool fits = got && text_same_secret(got, hash);

	if (room)
		explicit_bzero(room, sizeof(*room));
	return fits;
}

void bcrypt_nobody(int cost, char out[BCRYPT_LEN + 1])
{
	assert(cost >= 4 && cost <= 31);
	/* A salt, and a digest that nobody knows a password for. */
	snprintf(out, BCRYPT_LEN + 1, "$2y$%02d$abcdefghijklmnopqrstuu%031d", cost, 0);
}
