#include "handlers/settings/keys.h"

#include <assert.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "alertmanager/promql.h"
#include "server/core/clock.h"
#include "server/core/cron.h"
#include "server/core/scope.h"
#include "server/core/text.h"

#define DIGITS       "0123456789"
#define LETTERS      "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
#define NAME_MAX_LEN 128
#define ZONES        "/usr/share/zoneinfo/"

/* All of v, which is not empty, from these characters. */
static bool only(const char *v, const char *chars)
{
	return v[0] && !v[strspn(v, chars)];
}

bool config_in_words(const char *words, const char *word)
{
	assert(words && word);
	size_t len = strlen(word);

	if (strchr(word, ' '))
		return false;
	for (const char *at = words; len && (at = strstr(at, word)); at += len)
		if ((at == words || at[-1] == ' ') && (at[len] == ' ' || !at[len]))
			return true;
	return false;
}

bool config_is_name(const char *v)
{
	assert(v);
	/* Names stand in paths of URLs, where . and .. lead elsewhere. */
	return only(v, DIGITS LETTERS "._-") && strlen(v) <= NAME_MAX_LEN && strcmp(v, ".") != 0 &&
	       strcmp(v, "..") != 0;
}

static bool is_variable(const char *v)
{
	return only(v, DIGITS LETTERS "_") && !strchr(DIGITS, v[0]) && strlen(v) <= NAME_MAX_LEN;
}

/* host: what follows the scheme. No port at all is good. */
static bool has_good_port(const char *host)
{
	size_t len = strcspn(host, "/?#");
	const char *end = host + len, *port = memrchr(host, ':', len);

	if (!port || memchr(port, ']', (size_t)(end - port))) /* [::1] ends in no port */
		return true;
	size_t digits = strspn(port + 1, DIGITS);
	long n = strtol(port + 1, NULL, 10);
	return digits > 0 && digits <= 5 && port + 1 + digits == end && n > 0 && n <= 65535;
}

static bool is_url(const char *v)
{
	const char *host = strncmp(v, "http://", 7) == 0 ? v + 7 : strncmp(v, "https://", 8) == 0 ? v + 8 : "";

	for (const char *at = v; *at; at++)
		if (*at <= ' ' || *at > '~' || strchr("\"<>\\^`{|}", *at))
			return false;
	return host[0] && !strchr("/?#:", host[0]) && !text_url_has_user(v) && has_good_port(host);
}

/* Paths are added to it. */
static bool is_base(const char *v)
{
	return is_url(v) && !strpbrk(v, "?#");
}

/* No control character, so it stands in one line. */
static bool is_line(const char *v)
{
	for (; *v; v++)
		if ((unsigned char)*v < ' ' || *v == 0x7f)
			return false;
	return true;
}

static bool is_pointer(const char *v)
{
	for (const char *at = strchr(v, '~'); at; at = strchr(at + 1, '~'))
		if (at[1] != '0' && at[1] != '1')
			return false;
	return !v[0] || v[0] == '/';
}

/* RFC 9636: the first four bytes. Lists of zones and of leap seconds lie there too. */
static bool is_zone_file(const char *path)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
	char magic[4];

	return fd >= 0 && read(fd, magic, sizeof(magic)) == sizeof(magic) && !memcmp(magic, "TZif", sizeof(magic));
}

/* A machine without the zones' files can't tell: UTC is always there, any other well-formed name is believed.
 */
static bool is_zone(const char *v)
{
	char path[sizeof(ZONES) + NAME_MAX_LEN];

	if (!only(v, DIGITS LETTERS "_+-/") || strlen(v) > NAME_MAX_LEN || v[0] == '/' || v[strlen(v) - 1] == '/')
		return false;
	snprintf(path, sizeof(path), ZONES "%s", v);
	return !strcmp(v, "UTC") || access(ZONES, F_OK) < 0 || is_zone_file(path);
}

static bool is_any(const char *v)
{
	return v[0];
}

static bool is_path(const char *v)
{
	return v[0] == '/' && v[1] && is_line(v);
}

static bool is_cron(const char *v)
{
	return cron_parse(v, &(struct cron) {0}) == 0;
}

/* --- numbers --- */

static bool read_real(const char *v, double *ret)
{
	char *end = NULL;

	if (v[strspn(v, DIGITS "+-.eE")] || (!strchr(DIGITS, v[0]) && v[0] != '-'))
		return false;
	*ret = strtod(v, &end);
	return !*end && end != v && isfinite(*ret);
}

static bool read_duration(const struct key *k, const char *v, bool kept, struct key_value *ret)
{
	double s;

	if (kept) {
		if (!read_real(v, &s) || fabs(s) > (double)(INT64_MAX / US_PER_S / 2))
			return false;
		ret->whole = llround(s * (double)US_PER_S);
	} else if (text_duration_parse(v, &ret->whole) < 0 || ret->whole < k->least * US_PER_MS) {
		return false;
	}
	text_double((double)ret->whole / (double)US_PER_S, ret->json, sizeof(ret->json));
	return true;
}

static bool read_percentage(const struct key *k, const char *v, bool kept, struct key_value *ret)
{
	int32_t pct;

	(void)k;
	(void)kept;
	if (text_pct_parse(v, strlen(v), &pct) < 0)
		return false;
	ret->whole = pct;
	text_double(pct / 100.0, ret->json, sizeof(ret->json));
	return true;
}

static bool read_target(const struct key *k, const char *v, bool kept, struct key_value *ret)
{
	if (strcmp(v, "previous_stage") != 0)
		return read_percentage(k, v, kept, ret);
	ret->whole = -1; /* and its text stands as it is */
	return true;
}

static bool read_number(const struct key *k, const char *v, bool kept, struct key_value *ret)
{
	if (!only(v, DIGITS) || strlen(v) > 9 + (size_t)kept || (v[0] == '0' && v[1]))
		return false;
	ret->whole = strtol(v, NULL, 10);
	snprintf(ret->json, sizeof(ret->json), "%lld", (long long)ret->whole);
	return kept ? ret->whole <= INT32_MAX : ret->whole >= k->least && ret->whole <= k->most;
}

/* Any finite number as JSON would write it, with or without an exponent. */
static bool read_fraction(const struct key *k, const char *v, bool kept, struct key_value *ret)
{
	(void)k;
	(void)kept;
	if (!read_real(v, &ret->real))
		return false;
	text_double(ret->real, ret->json, sizeof(ret->json));
	return true;
}

static bool read_bool(const struct key *k, const char *v, bool kept, struct key_value *ret)
{
	(void)k;
	(void)kept;
	ret->whole = !strcmp(v, "true");
	snprintf(ret->json, sizeof(ret->json), "%.5s", v);
	return ret->whole || !strcmp(v, "false");
}

/* --- types --- */

static const struct {
	const char *looks; /* what is right, as faults and the help say it */
	bool (*is)(const char *v);
	bool (*read)(const struct key *k, const char *v, bool kept, struct key_value *ret);
} types[KEY_TYPE_N] = {
	[KEY_TEXT] = {"a text that is not empty", is_any},
	[KEY_PROMQL] = {"a PromQL expression whose brackets and quotes are closed", promql_is_closed},
	[KEY_LINE] = {"a text of one line that is not empty", is_line},
	[KEY_NAME] = {"a name of letters, digits, . _ - (at most 128)", config_is_name},
	[KEY_VARIABLE] = {"a variable's name of letters, digits and _", is_variable},
	[KEY_URL] = {"a URL like http://127.0.0.1:9090/path", is_url},
	[KEY_BASE] = {"a URL like http://127.0.0.1:9090, without ? and #", is_base},
	[KEY_PATH] = {"an absolute path", is_path},
	[KEY_ZONE] = {"a time zone like UTC or Europe/Berlin", is_zone},
	[KEY_POINTER] = {"a JSON pointer like /rollout_percentage", is_pointer},
	[KEY_WORD] = {"one word", is_any},
	[KEY_CRON] = {"five fields of cron (minute hour day month weekday), like 0 9 * * MON-FRI, or @daily", is_cron},
	[KEY_DURATION] = {"a duration like 30s, 5m or 1h30m", .read = read_duration},
	[KEY_PERCENTAGE] = {"a percentage: 0 to 100 with at most two decimals, without a % sign",
                            .read = read_percentage},
	[KEY_TARGET] = {"a percentage from 0 to 100, or previous_stage", .read = read_target},
	[KEY_NUMBER] = {"a whole number", .read = read_number},
	[KEY_FRACTION] = {"a number", .read = read_fraction},
	[KEY_BOOL] = {"true or false", .read = read_bool},
	[KEY_WORDS] = {"a list of words"},
	[KEY_NAMES] = {"a list of names"},
	[KEY_ARGV] = {"a list: a program with its absolute path, then its arguments"},
	[KEY_DATES] = {"a list of dates like 2026-12-24"},
	[KEY_NETS] = {"a list of addresses or networks like [127.0.0.1, 10.1.0.0/16, 'fd00::/8']"},
	[KEY_MATCHERS] = {"a list of matchers like ['action=\"auto_rollback\"']"},
	[KEY_SECTION] = {"a section of keys"},
	[KEY_LIST] = {"a list of sections"},
};

const char *key_type_text(enum key_type t)
{
	assert(t < KEY_TYPE_N);
	return types[t].looks;
}

bool key_is_text(enum key_type t)
{
	assert(t < KEY_TYPE_N);
	return types[t].is != NULL;
}

bool key_is_texts(enum key_type t)
{
	return t >= KEY_WORDS && t <= KEY_MATCHERS;
}

bool key_read(const struct key *k, const char *v, bool kept, struct key_value *ret)
{
	assert(k && v && ret);
	*ret = (struct key_value) {.text = v, .len = strlen(v)};
	if (types[k->type].read)
		return types[k->type].read(k, v, kept, ret);
	while (k->type == KEY_BASE && ret->len && v[ret->len - 1] == '/')
		ret->len--;
	if (!v[0] || kept)
		return kept || (k->def && !k->def[0]);
	return types[k->type].is(v) && (k->type != KEY_WORD || config_in_words(k->words, v));
}
