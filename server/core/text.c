#include "server/core/text.h"

#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <gnutls/gnutls.h>
#include <gnutls/crypto.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define PCT_MAX        10000
#define PCT_TOLERANCE  1e-6
#define PAIRS_ON_STACK 128

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Digits, or digits '.' digits; no leading zero, which some readers take for octal. */
static bool is_plain_decimal(const char *s, size_t len, size_t *ret_whole)
{
	size_t i = 0;

	while (i < len && is_digit(s[i]))
		i++;
	if (i == 0 || (i > 1 && s[0] == '0'))
		return false;
	*ret_whole = i;
	if (i == len)
		return true;
	if (s[i++] != '.' || i == len)
		return false;
	while (i < len && is_digit(s[i]))
		i++;
	return i == len;
}

bool text_is_listed(const char *name, const char *list)
{
	assert(name);
	size_t len = strlen(name);

	while (list) {
		if (strcspn(list, ",") == len && !memcmp(list, name, len))
			return true;
		list = strchr(list, ',');
		list = list ? list + 1 : NULL;
	}
	return false;
}

bool text_same_secret(const char *a, const char *b)
{
	assert(a && b);
	size_t len = strlen(a);
	unsigned char differs = 0;

	if (strlen(b) != len)
		return false;
	for (size_t i = 0; i < len; i++)
		differs |= (unsigned char)(a[i] ^ b[i]);
	return !differs;
}

int text_pct_parse(const char *s, size_t len, int32_t *ret_pct)
{
	assert((s || len == 0) && ret_pct);
	size_t whole = 0;
	int32_t pct = 0;

	for (; len > 0 && is_blank(s[0]); len--)
		s++;
	for (; len > 0 && is_blank(s[len - 1]); len--)
		;
	if (!is_plain_decimal(s, len, &whole))
		return -EINVAL;
	if (whole > 3 || len > whole + 3)
		return -ERANGE;
	for (size_t i = 0; i < whole; i++)
		pct = pct * 10 + (s[i] - '0');
	pct *= 100;
	if (len > whole + 1)
		pct += (s[whole + 1] - '0') * 10;
	if (len > whole + 2)
		pct += s[whole + 2] - '0';
	if (pct > PCT_MAX)
		return -ERANGE;
	*ret_pct = pct;
	return 0;
}

int text_pct_from_double(double v, int32_t *ret_pct)
{
	assert(ret_pct);
	if (isnan(v))
		return -EINVAL;
	if (v < -1 || v > 101)
		return -ERANGE;
	int32_t pct = (int32_t)lround(v * 100);
	if (pct < 0 || pct > PCT_MAX || fabs(v - pct / 100.0) > PCT_TOLERANCE)
		return -ERANGE;
	*ret_pct = pct;
	return 0;
}

void text_pct(int32_t pct, char *out, size_t size)
{
	assert(out && size >= sizeof("unknown"));
	int32_t whole = pct / 100, rest = pct % 100;

	if (pct < 0)
		snprintf(out, size, "unknown");
	else if (rest == 0)
		snprintf(out, size, "%d", whole);
	else if (rest % 10 == 0)
		snprintf(out, size, "%d.%d", whole, rest / 10);
	else
		snprintf(out, size, "%d.%02d", whole, rest);
}

void text_double(double v, char *out, size_t size)
{
	assert(out && size > 0);
	if (isnan(v))
		snprintf(out, size, "NaN");
	else if (isinf(v))
		snprintf(out, size, v > 0 ? "+Inf" : "-Inf");
	else
		for (int digits = 15; digits <= 17; digits++) {
			snprintf(out, size, "%.*g", digits, v);
			if (strtod(out, NULL) == v)
				break;
		}
}

const char *text_bytes_unit(double bytes, double *ret_by)
{
	assert(ret_by);
	static const char *const names[] = {"B", "kB", "MB", "GB", "TB"};
	size_t power = 0;
	double one = 1;

	for (; power + 1 < ARRAY_LEN(names) && fabs(bytes) >= one * 1000; power++)
		one *= 1000;
	*ret_by = 1 / one;
	return names[power];
}

const char *text_many(int64_t n, const char *one, const char *many)
{
	assert(one && many);
	return n == 1 ? one : many;
}

/* Where the s of many stands at the end of its first word; NULL: it has none ("ms", "status", "series"). */
static const char *many_s(const char *unit)
{
	size_t len = strcspn(unit, " ");
	const char *end = unit + len;

	if (len < 4 || end[-1] != 's' || strchr("sui", end[-2]) || (end[-2] == 'e' && strchr("isx", end[-3])))
		return NULL;
	return end - 1;
}

void text_unit(const char *number, const char *unit, char *out, size_t size)
{
	assert(number && unit && out && size > 0);
	const char *s = strcmp(number + strspn(number, "+-"), "1") ? NULL : many_s(unit);

	if (s)
		snprintf(out, size, "%.*s%s", (int)(s - unit), unit, s + 1);
	else
		snprintf(out, size, "%s", unit);
}

static bool is_bytes(const char *unit)
{
	return !strncmp(unit, "bytes", 5) && (!unit[5] || unit[5] == ' ');
}

static void text_short(double v, char *out, size_t size)
{
	if (!isfinite(v))
		text_double(v, out, size);
	else if ((fabs(v) >= 1000 || v == rint(v)) && fabs(v) < 1e15)
		snprintf(out, size, "%.0f", v);
	else
		snprintf(out, size, "%.4g", v);
}

static void append(char *out, size_t size, const char *blank, const char *unit)
{
	size_t len = strlen(out);

	assert(len < size);
	snprintf(out + len, size - len, "%s%s", blank, unit);
}

/* The unit behind the number that out is. */
static void append_unit(char *out, size_t size, const char *unit)
{
	char number[32];
	size_t len = strlen(out);

	if (!unit[0] || len + 1 >= size)
		return;
	snprintf(number, sizeof(number), "%s", out);
	out[len] = ' ';
	text_unit(number, unit, out + len + 1, size - len - 1);
}

static bool is_ratio(const char *unit)
{
	return !strcmp(unit, "ratio");
}

/* With its unit, where that is more than a word behind it: bytes are scaled, a ratio is shown as people say it. */
static bool text_scaled(double v, const char *unit, char *out, size_t size)
{
	double by = is_ratio(unit) ? 100 : 1;
	const char *scaled = is_bytes(unit) ? text_bytes_unit(v, &by) : NULL;

	text_short(v * by, out, size);
	if (is_ratio(unit))
		append(out, size, "", "%");
	if (!scaled)
		return is_ratio(unit);
	append(out, size, " ", scaled);
	append(out, size, "", unit + strlen("bytes"));
	return true;
}

void text_number(double v, const char *unit, char *out, size_t size)
{
	assert(unit && out && size > 0);
	if (!text_scaled(v, unit, out, size))
		append_unit(out, size, unit);
}

static void text_in_full(double v, const char *unit, char *out, size_t size)
{
	text_double(is_ratio(unit) ? v * 100 : v, out, size);
	if (is_ratio(unit))
		append(out, size, "", "%");
}

void text_against(double v, double bound, const char *unit, char *out, char *out_bound, size_t size)
{
	assert(unit && out && out_bound && out != out_bound && size > 0);
	text_number(v, unit, out, size);
	text_number(bound, unit, out_bound, size);
	if (v != bound && !strcmp(out, out_bound)) {
		text_in_full(v, unit, out, size);
		if (!is_ratio(unit))
			append_unit(out, size, unit);
		text_in_full(bound, unit, out_bound, size);
	} else if (!is_bytes(unit) && !is_ratio(unit)) {
		text_short(bound, out_bound, size);
	}
}

static uint64_t fnv1a(uint64_t hash, const char *s)
{
	const uint64_t prime = 1099511628211u;

	for (; *s; s++)
		hash = (hash ^ (unsigned char)*s) * prime;
	return (hash ^ 0xff) * prime;
}

static int by_name(const void *a, const void *b)
{
	return strcmp((*(const struct text_pair *const *)a)->name, (*(const struct text_pair *const *)b)->name);
}

uint64_t text_fingerprint(const struct text_pair *pairs, size_t n)
{
	assert(pairs || n == 0);
	CLEANUP(cleanup_free) const struct text_pair **many = NULL;
	const struct text_pair *few[PAIRS_ON_STACK], **sorted = few;
	uint64_t hash = 14695981039346656037u;

	if (n > PAIRS_ON_STACK) {
		many = calloc(n, sizeof(const struct text_pair *));
		if (!many)
			abort();
		sorted = many;
	}
	for (size_t i = 0; i < n; i++)
		sorted[i] = &pairs[i];
	if (n > 1)
		qsort(sorted, n, sizeof(const struct text_pair *), by_name);
	for (size_t i = 0; i < n; i++)
		hash = fnv1a(fnv1a(hash, sorted[i]->name), sorted[i]->value);
	return hash;
}

static void hex32(const unsigned char digest[32], char out[65])
{
	static const char digits[] = "0123456789abcdef";

	for (size_t i = 0; i < 32; i++) {
		out[2 * i] = digits[digest[i] >> 4];
		out[2 * i + 1] = digits[digest[i] & 15];
	}
	out[64] = '\0';
}

int text_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, char out[65])
{
	assert(key && (data || len == 0) && out);
	unsigned char digest[32];

	if (gnutls_hmac_fast(GNUTLS_MAC_SHA256, key, key_len, data, len, digest) < 0)
		return -EIO;
	hex32(digest, out);
	return 0;
}

int text_sha256(const void *data, size_t len, char out[65])
{
	assert((data || len == 0) && out);
	unsigned char digest[32];

	if (gnutls_hash_fast(GNUTLS_DIG_SHA256, data, len, digest) < 0)
		return -EIO;
	hex32(digest, out);
	return 0;
}

int text_set(char **slot, const char *text)
{
	assert(slot);
	char *copy = text ? text_format("%s", text) : NULL;

	if (text && !copy)
		return -ENOMEM;
	free(*slot);
	*slot = copy;
	return 0;
}

char *text_format(const char *fmt, ...)
{
	assert(fmt);
	char *text = NULL;
	va_list ap;

	va_start(ap, fmt);
	int r = vasprintf(&text, fmt, ap);
	va_end(ap);
	return r < 0 ? NULL : text;
}

bool text_url_has_user(const char *url)
{
	assert(url);
	const char *host = strstr(url, "//");

	host = host ? host + 2 : url;
	return memchr(host, '@', strcspn(host, "/?#")) != NULL;
}

/* Levenshtein, for short names. */
static size_t distance(const char *a, const char *b)
{
	size_t row[65], lb = strlen(b);

	if (strlen(a) > 64 || lb > 64)
		return 64;
	for (size_t j = 0; j <= lb; j++)
		row[j] = j;
	for (size_t i = 1; a[i - 1]; i++) {
		size_t diagonal = row[0];

		row[0] = i;
		for (size_t j = 1; j <= lb; j++) {
			size_t above = row[j], best = diagonal + (a[i - 1] != b[j - 1]);

			if (above + 1 < best)
				best = above + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			diagonal = above;
			row[j] = best;
		}
	}
	return row[lb];
}

/* Two letters of eight may differ, one of three. */
const char *text_nearest(const char *const words[], size_t n, const char *word)
{
	assert(words && word);
	const char *near = NULL;
	size_t best = 2 + strlen(word) / 4;

	for (size_t i = 0; i < n; i++) {
		size_t d = words[i] ? distance(word, words[i]) : best;

		if (d < best) {
			best = d;
			near = words[i];
		}
	}
	return near;
}

bool text_nearest_listed(const char *list, const char *word, char out[64])
{
	assert(word && out);
	char each[64];
	size_t best = 2 + strlen(word) / 4;
	bool found = false;

	while (list && *list) {
		size_t len = strcspn(list, ",");

		snprintf(each, sizeof(each), "%.*s", (int)(len < sizeof(each) ? len : 0), list);
		size_t d = distance(word, each);
		if (each[0] && d < best) {
			best = d;
			found = true;
			memcpy(out, each, sizeof(each));
		}
		list += len + (list[len] == ',');
	}
	return found;
}

/* --- addresses --- */

static bool same_bits(const unsigned char *x, const unsigned char *y, size_t bits)
{
	size_t bytes = bits / 8, rest = bits % 8;

	return !memcmp(x, y, bytes) && (!rest || !((x[bytes] ^ y[bytes]) & (0xff << (8 - rest)) & 0xff));
}

int text_net_parse(const char *s, struct text_net *ret)
{
	assert(s && ret);
	struct text_net n = {0};
	char address[INET6_ADDRSTRLEN];
	size_t len = strcspn(s, "/");

	if (len >= sizeof(address))
		return -EINVAL;
	memcpy(address, s, len);
	address[len] = '\0';
	n.len = inet_pton(AF_INET, address, n.ip) == 1 ? 4 : inet_pton(AF_INET6, address, n.ip) == 1 ? 16 : 0;
	n.bits = n.len * 8;
	if (n.len && s[len]) {
		const char *digits = s + len + 1;

		if (!digits[0] || strlen(digits) > 3 || digits[strspn(digits, "0123456789")])
			return -EINVAL;
		n.bits = strtoul(digits, NULL, 10);
	}
	if (!n.len || n.bits > n.len * 8)
		return -EINVAL;
	for (size_t bit = n.bits; bit < n.len * 8; bit++)
		if (n.ip[bit / 8] & (0x80 >> bit % 8))
			return -EINVAL;
	*ret = n;
	return 0;
}

bool text_net_has(const struct text_net *n, const unsigned char ip[16])
{
	assert(n && ip);
	static const unsigned char none[12], mapped[12] = {[10] = 0xff, 0xff};
	bool is_mapped = !memcmp(ip, mapped, sizeof(mapped)), is_v4 = is_mapped || !memcmp(ip + 4, none, sizeof(none));

	return is_v4 == (n->len == 4) && same_bits(n->ip, is_mapped ? ip + 12 : ip, n->bits);
}
