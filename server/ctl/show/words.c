#include "server/ctl/show/words.h"

#include <assert.h>
#include <locale.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>
#include <wchar.h>

#include "server/core/clock.h"
#include "server/core/text.h"

#define LINE_MAX     65536
#define DOCUMENT_MAX (1024 * 1024)
#define COLUMNS_DEF  80 /* of a terminal that does not say */

static struct {
	bool colour;
	const char *date; /* NULL: local, brief ones relative */
} style;

bool show_setup(const char *color, const char *date, bool utc)
{
	static const char *const dates[] = {"local", "relative", "rfc3339"};
	static const char *const colours[] = {"auto", "always", "never"};
	const char *no = getenv("NO_COLOR"), *term = getenv("TERM"); /* https://no-color.org */
	int when = color ? text_enum_find(colours, ARRAY_LEN(colours), color) : 0;

	if (when < 0)
		return fprintf(stderr, "rollbackctl: --color is auto, always or never, not \"%s\"\n", color), false;
	if (date && !strchr(date, '%') && text_enum_find(dates, ARRAY_LEN(dates), date) < 0)
		return fprintf(stderr,
		               "rollbackctl: --date.format is local, relative, rfc3339, or like %%H:%%M, not \"%s\"\n",
		               date),
		       false;
	setlocale(LC_CTYPE, "C.UTF-8"); /* for wcwidth: what is shown is UTF-8, whatever the locale */
	bool fits = isatty(STDOUT_FILENO) && !(no && no[0]) && !(term && !strcmp(term, "dumb"));
	style.colour = when == 0 ? fits : when == 1;
	style.date = date;
	if (utc)
		setenv("TZ", "UTC0", 1);
	return true;
}

/* --- what is sent --- */

static struct json_object *inert_text(const char *text, bool lines)
{
	CLEANUP(buf_free) struct buf b = BUF(DOCUMENT_MAX + 4);

	if (lines)
		text_output(&b, text, strlen(text), DOCUMENT_MAX);
	else
		text_one_line(&b, text, strlen(text), LINE_MAX);
	return json_object_new_string(buf_text(&b));
}

/* Of a member, or an element: what takes its place; NULL: it stays. */
static struct json_object *inert(struct json_object *v, const char *key)
{
	bool lines = key && (!strcmp(key, "output") || !strcmp(key, "text"));

	if (json_object_is_type(v, json_type_string))
		return inert_text(json_object_get_string(v), lines);
	show_inert(v);
	return NULL;
}

void show_inert(struct json_object *o)
{
	if (json_object_is_type(o, json_type_array))
		for (size_t i = 0; i < json_len(o); i++) {
			struct json_object *other = inert(json_item(o, i), NULL);

			if (other)
				json_object_array_put_idx(o, i, other);
		}
	if (!json_object_is_type(o, json_type_object))
		return;
	json_object_object_foreach(o, key, v)
	{
		struct json_object *other = inert(v, key);

		if (other)
			json_object_object_add(o, key, other); /* its place is kept: nothing moves below the loop */
	}
}

char *show_harmless(const char *text)
{
	assert(text);
	struct buf b = BUF(DOCUMENT_MAX + 4);

	text_output(&b, text, strlen(text), DOCUMENT_MAX);
	char *out = buf_take(&b);
	if (!out)
		abort(); /* out of memory */
	return out;
}

/* What json-c leaves as it is: DEL and the controls behind it, and what turns the direction. */
static void print_escaped(const char *s)
{
	size_t n, len = strlen(s);

	for (uint32_t c = 0; len > 0; s += n, len -= n) {
		CLEANUP(buf_free) struct buf b = BUF(16);

		n = text_utf8_next(s, len, &c);
		n = n ? n : 1;
		if (n > 1 || *s == 0x7f)
			text_one_line(&b, s, n, 8);
		if (b.len == 1 && b.data[0] == ' ')
			printf("\\u%04x", c);
		else
			fwrite(s, 1, n, stdout);
	}
	putchar('\n');
}

void show_json(struct json_object *o, bool pretty)
{
	print_escaped(json_object_to_json_string_ext(o, (pretty ? JSON_C_TO_STRING_PRETTY : JSON_C_TO_STRING_PLAIN) |
	                                                        JSON_C_TO_STRING_NOSLASHESCAPE));
}

/* --- times --- */

void show_ago(struct buf *b, int64_t us, int64_t now_us)
{
	assert(b);
	int64_t s = (now_us > us ? now_us - us : us - now_us) / US_PER_S;
	char text[32];

	int64_t unit = s < 60 ? 1 : s < 86400 ? 60 : s < 7 * 86400 ? 3600 : 86400;
	text_duration(s / unit * unit * US_PER_S, text, sizeof(text));
	buf_printf(b, now_us >= us ? "%s ago" : "in %s", text);
}

static void add_time(struct buf *b, int64_t us, bool brief)
{
	const char *date = style.date ? style.date : brief ? "relative" : "local";
	time_t s = (time_t)(us / US_PER_S);
	char text[200] = "";
	struct tm tm;

	if (!strcmp(date, "relative"))
		return show_ago(b, us, clock_wall_us());
	if (!strcmp(date, "rfc3339"))
		text_time((int64_t)s * US_PER_S, text, sizeof(text));
	else if (!strcmp(date, "local"))
		text_time_local(us, text, sizeof(text));
	else if (localtime_r(&s, &tm)) {
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the reader's own */
		(void)!strftime(text, sizeof(text), date, &tm);
#pragma GCC diagnostic pop
	}
	text_one_line(b, text, strlen(text), sizeof(text));
}

/* "2025-10-14T10:00:00.123Z" at the beginning of s: how long it is; 0: there is none. */
static size_t time_length(const char *s, int64_t *ret)
{
	static const char shape[] = "dddd-dd-ddTdd:dd:dd";
	size_t n = 0;

	for (; shape[n]; n++)
		if (shape[n] == 'd' ? s[n] < '0' || s[n] > '9' : s[n] != shape[n])
			return 0;
	if (s[n] == '.')
		n += 1 + strspn(s + n + 1, "0123456789");
	n += s[n] == 'Z';
	return text_time_parse(s, n, ret) == 0 ? n : 0;
}

void show_times(struct buf *b, const char *text, bool brief)
{
	assert(b && text);
	for (size_t n; *text; text += n) {
		int64_t us = 0;

		n = time_length(text, &us);
		if (n)
			add_time(b, us, brief);
		else
			buf_add(b, text, n = 1);
	}
}

/* --- the terminal --- */

int show_columns(void)
{
	struct winsize size = {0};

	if (!isatty(STDOUT_FILENO))
		return 0;
	return ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col ? size.ws_col : COLUMNS_DEF;
}

int show_width(const char *text)
{
	assert(text);
	size_t len = strlen(text), n;
	int columns = 0;

	for (uint32_t c = 0; len > 0; text += n, len -= n) {
		n = text_utf8_next(text, len, &c);
		int wide = n ? wcwidth((wchar_t)c) : 1;

		n = n ? n : 1;
		columns += wide > 0 ? wide : 0;
	}
	return columns;
}

const char *show_colour(const char *word)
{
	static const struct {
		const char *word, *colour;
	} words[] = {
		{"failed", "\033[31m"},    {"undeliverable", "\033[31m"}, {"bad", "\033[31m"},
		{"worse", "\033[31m"},     {"MISSED", "\033[31m"},        {"firing", "\033[31m"},
		{"held", "\033[33m"},      {"pending", "\033[33m"},       {"rolling_back", "\033[33m"},
		{"verifying", "\033[33m"}, {"unknown", "\033[33m"},       {"running", "\033[33m"},
		{"queued", "\033[33m"},    {"rolled_back", "\033[32m"},   {"done", "\033[32m"},
		{"ok", "\033[32m"},        {"better", "\033[32m"},        {SHOW_TITLE, "\033[1m"},
	};

	for (size_t i = 0; style.colour && i < ARRAY_LEN(words); i++)
		if (!strcmp(words[i].word, word))
			return words[i].colour;
	return "";
}

const char *show_plain(void)
{
	return style.colour ? "\033[0m" : "";
}
