#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "handlers/steps/flags_file.h"
#include "server/core/text.h"

#define VALUE_MAX 256 /* bytes of a value that are decoded: flags are shorter */
#define SHOWN_MAX 40  /* bytes of a wrong value that people are shown */

struct cursor {
	const char *text;
	size_t len, at;
};

struct assignment {
	const char *key;
	size_t key_len;
	size_t from, to;       /* the value in the text, without quotes that enclose all of it */
	char value[VALUE_MAX]; /* what a reader gets; cut when too_long */
	size_t value_len;
	size_t significant; /* of value_len: blanks at the end are no part of it */
	bool too_long;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* systemd takes a carriage return for a line end, too. */
static bool is_line_end(char c)
{
	return c == '\n' || c == '\r';
}

static bool in_line(const struct cursor *c)
{
	return c->at < c->len && !is_line_end(c->text[c->at]);
}

static void skip_line(struct cursor *c)
{
	while (in_line(c))
		c->at++;
}

static void decoded(struct assignment *a, char ch, bool significant)
{
	if (a->value_len == sizeof(a->value)) {
		a->too_long = true;
		return;
	}
	a->value[a->value_len++] = ch;
	if (significant)
		a->significant = a->value_len;
}

/* At a backslash. What it does outside quotes and what inside double ones is not the same. */
static void read_escape(struct cursor *c, struct assignment *a, bool quoted)
{
	char next = '\n';

	if (++c->at < c->len)
		next = c->text[c->at++];
	if (quoted ? next == '\n' : is_line_end(next))
		return;
	if (quoted && !strchr("\"\\`$", next))
		decoded(a, '\\', true);
	decoded(a, next, true);
}

/* At an opening quote. False: it is never closed. */
static bool read_quoted(struct cursor *c, struct assignment *a)
{
	char quote = c->text[c->at++];

	while (c->at < c->len && c->text[c->at] != quote) {
		if (quote == '"' && c->text[c->at] == '\\')
			read_escape(c, a, true);
		else
			decoded(a, c->text[c->at++], true);
	}
	if (c->at == c->len)
		return false;
	c->at++;
	return true;
}

/* Quotes only mean something before the first plain character. */
static void read_plain(struct cursor *c, struct assignment *a)
{
	while (in_line(c)) {
		char ch = c->text[c->at];

		if (ch == '#' && is_blank(c->text[c->at - 1]))
			return;
		if (ch == '\\') {
			read_escape(c, a, false);
		} else {
			decoded(a, ch, !is_blank(ch));
			c->at++;
		}
		if (!is_blank(ch))
			a->to = c->at;
	}
}

static void skip_blanks(struct cursor *c)
{
	while (c->at < c->len && is_blank(c->text[c->at]))
		c->at++;
}

static bool at_quote(const struct cursor *c)
{
	return c->at < c->len && (c->text[c->at] == '"' || c->text[c->at] == '\'');
}

static bool at_comment(const struct cursor *c)
{
	return c->at < c->len && c->text[c->at] == '#' && is_blank(c->text[c->at - 1]);
}

static void read_value(struct cursor *c, struct assignment *a)
{
	size_t quoted = 0;
	bool closed = true;

	a->from = a->to = c->at;
	skip_blanks(c);
	if (in_line(c) && !at_comment(c))
		a->from = a->to = c->at;
	for (; at_quote(c) && closed; skip_blanks(c)) {
		quoted++;
		closed = read_quoted(c, a);
		a->to = c->at;
	}
	size_t behind_quotes = a->to;
	if (!at_comment(c))
		read_plain(c, a);
	skip_line(c);
	if (quoted == 1 && closed && a->to == behind_quotes) {
		a->from++;
		a->to--;
	}
}

static void read_key(struct cursor *c, struct assignment *a)
{
	static const char export[] = "export";

	a->key = c->text + c->at;
	while (in_line(c) && c->text[c->at] != '=')
		c->at++;
	a->key_len = (size_t)(c->text + c->at - a->key);
	while (a->key_len > 0 && is_blank(a->key[a->key_len - 1]))
		a->key_len--;
	if (a->key_len <= strlen(export) || memcmp(a->key, export, strlen(export)) != 0 ||
	    !is_blank(a->key[strlen(export)]))
		return;
	for (a->key += strlen(export), a->key_len -= strlen(export); is_blank(*a->key); a->key_len--)
		a->key++;
}

static bool next_assignment(struct cursor *c, struct assignment *a)
{
	for (;;) {
		while (c->at < c->len && (is_blank(c->text[c->at]) || is_line_end(c->text[c->at])))
			c->at++;
		if (c->at == c->len)
			return false;
		/* systemd before version 254 continued a comment whose line ends in a backslash; nobody else
		 * does. */
		if (c->text[c->at] == '#' || c->text[c->at] == ';') {
			skip_line(c);
			continue;
		}
		*a = (struct assignment) {0};
		read_key(c, a);
		if (!in_line(c))
			continue; /* a line without '=' */
		c->at++;
		read_value(c, a);
		return true;
	}
}

static bool next_of_key(struct cursor *c, const char *key, struct assignment *a)
{
	while (next_assignment(c, a))
		if (a->key_len == strlen(key) && memcmp(a->key, key, a->key_len) == 0)
			return true;
	return false;
}

static bool needs_quotes(const char *value)
{
	return value[strspn(value, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ._-")] != '\0';
}

int flags_text_replace(const char *text, size_t len, const char *key, const char *value, struct buf *out)
{
	struct cursor c = {.text = text, .len = len};
	struct assignment a;
	size_t copied = 0;
	int n = 0;

	if (needs_quotes(value))
		return -EINVAL;
	for (; next_of_key(&c, key, &a); n++) {
		buf_add(out, text + copied, a.from - copied);
		buf_str(out, value);
		copied = a.to;
	}
	if (n == 0)
		return -ENOENT;
	buf_add(out, text + copied, len - copied);
	return out->error ? out->error : n;
}

static int no_percentage(const char *key, const struct assignment *a, char *why, size_t why_size)
{
	struct buf shown = BUF(SHOWN_MAX);

	text_one_line(&shown, a->value, a->significant, SHOWN_MAX);
	snprintf(why, why_size, "%.80s is \"%s\", which is no percentage (0 to 100, at most two decimals)", key,
	         buf_text(&shown));
	buf_free(&shown);
	return -EINVAL;
}

int flags_text_get(const char *text, size_t len, const char *key, int32_t *ret_pct, char *why, size_t why_size)
{
	struct cursor c = {.text = text, .len = len};
	struct assignment a, last;
	bool found = false;

	for (; next_of_key(&c, key, &a); found = true)
		last = a;
	if (!found) {
		snprintf(why, why_size, "it does not set %.80s", key);
		return -ENOENT;
	}
	if (last.too_long || text_pct_parse(last.value, last.significant, ret_pct) < 0)
		return no_percentage(key, &last, why, why_size);
	return 0;
}

int flags_text_value(const char *text, size_t len, const char *key, char *ret, size_t size)
{
	struct cursor c = {.text = text, .len = len};
	struct assignment a, last;
	bool found = false;

	for (; next_of_key(&c, key, &a); found = true)
		last = a;
	if (!found)
		return -ENOENT;
	if (last.too_long || last.significant >= size)
		return -E2BIG;
	memcpy(ret, last.value, last.significant);
	ret[last.significant] = '\0';
	return 0;
}
