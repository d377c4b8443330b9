#include "server/web/html.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/core/clock.h"
#include "server/core/text.h"

#define LINK_MAX 4000

/* --- the one place that escapes --- */

/* What has no width, or turns the reading direction around: it would show a text as another one. */
static bool is_unseen(uint32_t c)
{
	static const struct {
		uint32_t first, last;
	} ranges[] = {{0x00ad, 0x00ad}, {0x061c, 0x061c}, {0x115f, 0x1160}, {0x17b4, 0x17b5},  {0x180b, 0x180f},
	              {0x200b, 0x200f}, {0x2028, 0x202e}, {0x2060, 0x206f}, {0x3164, 0x3164},  {0xfe00, 0xfe0f},
	              {0xfeff, 0xfeff}, {0xffa0, 0xffa0}, {0xfff0, 0xfffb}, {0xe0000, 0xe0fff}};

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (c >= ranges[i].first && c <= ranges[i].last)
			return true;
	return false;
}

static const char *entity(uint32_t c)
{
	return c == '&'    ? "&amp;"
	       : c == '<'  ? "&lt;"
	       : c == '>'  ? "&gt;"
	       : c == '"'  ? "&quot;"
	       : c == '\'' ? "&#39;"
	                   : NULL;
}

/* A control character as its picture, U+2400 and on. */
static void control(struct buf *b, uint32_t c)
{
	unsigned char picture = c == 0x7f ? 0xa1 : (unsigned char)(0x80 + c);

	assert(c < 0x20 || c == 0x7f);
	buf_printf(b, "\xe2\x90%c", picture);
}

static void one(struct buf *b, const char *s, size_t n, uint32_t c)
{
	if (entity(c))
		buf_str(b, entity(c));
	else if ((c < 0x20 && c != '\n' && c != '\t') || c == 0x7f)
		control(b, c);
	else if ((c > 0x7f && c < 0xa0) || is_unseen(c))
		buf_printf(b, "\xe2\x9f\xa8U+%04X\xe2\x9f\xa9", c);
	else
		buf_add(b, s, n);
}

/* How many bytes of s stand for themselves. */
static size_t plain(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= ' ' && s[n] < 0x7f && !entity((unsigned char)s[n]))
		n++;
	return n;
}

static void escape(struct buf *b, const char *s, size_t most)
{
	size_t all = strlen(s), len = all <= most ? all : most;

	for (size_t at = 0, n; at < len; at += n) {
		uint32_t c = 0;

		n = plain(s + at, len - at);
		if (n) {
			buf_add(b, s + at, n);
			continue;
		}
		n = text_utf8_next(s + at, all - at, &c);
		if (n == 0) {
			buf_str(b, "\xef\xbf\xbd");
			n = 1;
		} else {
			one(b, s + at, n, c);
		}
	}
	if (all > most)
		buf_printf(b, "\xe2\x80\xa6 %zu bytes", all);
}

/* One conversion of a format, behind its %: what it puts in, and where the format goes on. */
static const char *convert(struct buf *b, const char *fmt, va_list *ap)
{
	if (*fmt == '%') {
		buf_char(b, '%');
		return fmt + 1;
	}
	if (!strncmp(fmt, "lld", 3)) {
		buf_number(b, va_arg(*ap, long long));
		return fmt + 3;
	}
	if (*fmt == 'd') {
		buf_number(b, va_arg(*ap, int));
		return fmt + 1;
	}
	bool bounded = !strncmp(fmt, ".*s", 3);
	int most = bounded ? va_arg(*ap, int) : HTML_TEXT_MAX;
	const char *text = va_arg(*ap, const char *);

	assert((bounded || *fmt == 's') && most >= 0);
	escape(b, text ? text : "", (size_t)most);
	return fmt + (bounded ? 3 : 1);
}

void html(struct buf *b, const char *fmt, ...)
{
	assert(b && fmt);
	va_list ap;

	va_start(ap, fmt);
	while (*fmt) {
		size_t n = strcspn(fmt, "%");

		buf_add(b, fmt, n);
		fmt += n;
		if (*fmt == '%')
			fmt = convert(b, fmt + 1, &ap);
	}
	va_end(ap);
}

void html_said(struct buf *b, const char *text)
{
	assert(b);
	struct buf spaced = BUF(2 * HTML_TEXT_MAX);
	bool quoted = false;

	for (const char *s = text ? text : ""; *s; s++) {
		quoted ^= *s == '"';
		if (*s == '%' && !quoted && s > text && isdigit((unsigned char)s[-1]))
			buf_char(&spaced, ' ');
		if (buf_char(&spaced, *s) < 0)
			break;
	}
	html(b, "%.*s", 2 * HTML_TEXT_MAX, buf_text(&spaced));
	buf_free(&spaced);
}

void html_pct(struct buf *b, int32_t pct)
{
	char text[16];

	text_pct(pct, text, sizeof(text));
	html(b, pct < 0 ? "%s" : "%s %%", text);
}

bool html_is_link(const char *url)
{
	if (!url || strlen(url) > LINK_MAX)
		return false;
	const char *rest = !strncasecmp(url, "http://", 7) ? url + 7 : !strncasecmp(url, "https://", 8) ? url + 8 : "";

	for (const char *s = url; *s; s++)
		if ((unsigned char)*s <= ' ' || *s == 0x7f)
			return false;
	return isalnum((unsigned char)rest[0]) || rest[0] == '[';
}

void html_link(struct buf *b, const char *url, const char *text)
{
	assert(text);
	if (html_is_link(url))
		html(b, "<a href=\"%.*s\" rel=\"noreferrer\">%s</a>", LINK_MAX, url, text);
	else
		html(b, "%s", text);
}

/* --- times --- */

void html_span_text(int64_t us, char *out, size_t size)
{
	assert(out && size > 0);
	int64_t s = us < 0 ? -us / US_PER_S : us / US_PER_S;
	static const struct {
		int64_t s;
		const char *name, *next;
		int64_t of;
	} units[] = {{86400, "d", "h", 3600}, {3600, "h", "min", 60}, {60, "min", NULL, 1}, {1, "s", NULL, 1}};
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(units) && s < units[i].s)
		i++;
	int64_t rest = s % units[i].s / units[i].of;

	if (units[i].next && rest)
		snprintf(out, size, "%lld %s %lld %s", (long long)(s / units[i].s), units[i].name, (long long)rest,
		         units[i].next);
	else
		snprintf(out, size, "%lld %s", (long long)(s / units[i].s), units[i].name);
}

static void begin(struct buf *b, int64_t us)
{
	char at[40], utc[40];

	text_time(us - us % US_PER_S, at, sizeof(at));
	snprintf(utc, sizeof(utc), "%s", at);
	utc[10] = ' ';
	utc[19] = '\0';
	html(b, "<time datetime=\"%s\" title=\"%s UTC\">", at, utc);
}

static void ago(struct buf *b, int64_t us, int64_t now_us)
{
	char span[40];

	html_span_text(now_us - us, span, sizeof(span));
	if (us > now_us)
		html(b, "in %s", span);
	else
		html(b, "%s ago", span);
}

/* The date is left out when it is today's. */
static void local(struct buf *b, int64_t us, int64_t now_us)
{
	char at[60], now[60];

	text_time_local(us, at, sizeof(at));
	text_time_local(now_us, now, sizeof(now));
	html(b, "%s", strncmp(at, now, 11) ? at : at + 11);
}

static void put_clock(struct buf *b, int64_t us, int64_t now_us)
{
	html(b, "<span class=\"clock\">");
	local(b, us, now_us);
	html(b, "</span>");
}

void html_time(struct buf *b, int64_t us, int64_t now_us)
{
	if (!us)
		return;
	begin(b, us);
	if (us > now_us) {
		put_clock(b, us, now_us);
		html(b, ", ");
	}
	html(b, "<span data-ago>");
	ago(b, us, now_us);
	html(b, "</span>");
	if (us <= now_us) {
		html(b, ", ");
		put_clock(b, us, now_us);
	}
	html(b, "</time>");
}

void html_clock(struct buf *b, int64_t us, int64_t now_us)
{
	if (!us)
		return;
	begin(b, us);
	local(b, us, now_us);
	html(b, "</time>");
}

void html_ago(struct buf *b, int64_t us, int64_t now_us)
{
	if (!us)
		return;
	begin(b, us);
	html(b, "<span data-ago>");
	ago(b, us, now_us);
	html(b, "</span></time>");
}

int64_t html_time_of(struct json_object *o, const char *key)
{
	assert(key);
	const char *text = json_str_or(o, key, NULL);
	int64_t us = 0;

	return text && text_time_parse(text, strlen(text), &us) == 0 ? us : 0;
}
