#include "server/config/yaml.h"

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
	return only(v, DIGITS LETTERS "._-") && strlen(v) <= NAME_MAX_LEN;
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
static struct json_object *as_base(const char *v)
{
	size_t len = strlen(v);

	if (!is_url(v) || strpbrk(v, "?#"))
		return NULL;
	while (v[len - 1] == '/')
		len--;
	return json_object_new_string_len(v, (int)len);
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

static struct json_object *text_if(bool ok, const char *v)
{
	return ok ? json_object_new_string(v) : NULL;
}

static struct json_object *number_object(double v)
{
	char text[32];

	text_double(v, text, sizeof(text));
	return json_object_new_double_s(v, text);
}

static struct json_object *as_duration(const struct key *k, const char *v)
{
	assert(k && v);
	int64_t us;

	if (text_duration_parse(v, &us) < 0 || us < k->least * US_PER_MS)
		return NULL;
	return number_object((double)us / (double)US_PER_S);
}

static struct json_object *as_percentage(const char *v)
{
	int32_t pct;

	return text_pct_parse(v, strlen(v), &pct) == 0 ? number_object(pct / 100.0) : NULL;
}

static struct json_object *as_number(const struct key *k, const char *v)
{
	if (!only(v, DIGITS) || strlen(v) > 9 || (v[0] == '0' && v[1]))
		return NULL;
	long n = strtol(v, NULL, 10);
	return n >= k->least && n <= k->most ? json_object_new_int64(n) : NULL;
}

/* Any finite number as JSON would write it, with or without an exponent. */
static struct json_object *as_fraction(const char *v)
{
	char *end = NULL;

	if (!v[strspn(v, DIGITS "+-.eE")] && (strchr(DIGITS, v[0]) || v[0] == '-')) {
		double d = strtod(v, &end);

		if (!*end && end != v && isfinite(d))
			return number_object(d);
	}
	return NULL;
}

static struct json_object *as_bool(const char *v)
{
	return !strcmp(v, "true") || !strcmp(v, "false") ? json_object_new_boolean(v[0] == 't') : NULL;
}

struct json_object *config_scalar(const struct key *k, const char *v)
{
	assert(k && v);
	bool may_be_empty = k->def && !k->def[0];

	if (!v[0])
		return text_if(may_be_empty, v);
	switch (k->type) {
	case KEY_TEXT:
		return json_object_new_string(v);
	case KEY_PROMQL:
		return text_if(promql_is_closed(v), v);
	case KEY_LINE:
		return text_if(is_line(v), v);
	case KEY_NAME:
		return text_if(config_is_name(v), v);
	case KEY_VARIABLE:
		return text_if(is_variable(v), v);
	case KEY_URL:
		return text_if(is_url(v), v);
	case KEY_BASE:
		return as_base(v);
	case KEY_PATH:
		return text_if(v[0] == '/' && v[1] && is_line(v), v);
	case KEY_ZONE:
		return text_if(is_zone(v), v);
	case KEY_POINTER:
		return text_if(is_pointer(v), v);
	case KEY_WORD:
		return text_if(config_in_words(k->words, v), v);
	case KEY_DURATION:
		return as_duration(k, v);
	case KEY_PERCENTAGE:
		return as_percentage(v);
	case KEY_TARGET:
		return !strcmp(v, "previous_stage") ? json_object_new_string(v) : as_percentage(v);
	case KEY_NUMBER:
		return as_number(k, v);
	case KEY_FRACTION:
		return as_fraction(v);
	case KEY_CRON:
		return text_if(cron_parse(v, &(struct cron) {0}) == 0, v);
	case KEY_BOOL:
		return as_bool(v);
	case KEY_WORDS:
	case KEY_NAMES:
	case KEY_MATCHERS:
	case KEY_ARGV:
	case KEY_SECTION:
	case KEY_LIST:
		break;
	}
	return NULL;
}
