/* As systemd reads an EnvironmentFile=, and shells where it is stricter: "export " in front, a comment behind. */
#include <assert.h>
#include <string.h>

#include "handlers/steps/flags_private.h"

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

/* At a backslash. What it does outside quotes and what inside double ones is not the same. */
static void read_escape(struct cursor *c, struct assignment *a, bool quoted)
{
	assert(c->at < c->len);
	char next = '\n';

	if (++c->at < c->len)
		next = c->text[c->at++];
	if (quoted ? next == '\n' : is_line_end(next))
		return;
	if (quoted && !strchr("\"\\`$", next))
		assignment_add(a, '\\', true);
	assignment_add(a, next, true);
}

/* At an opening quote. False: it is never closed. */
static bool read_quoted(struct cursor *c, struct assignment *a)
{
	assert(c->at < c->len);
	char quote = c->text[c->at++];

	while (c->at < c->len && c->text[c->at] != quote) {
		if (quote == '"' && c->text[c->at] == '\\')
			read_escape(c, a, true);
		else
			assignment_add(a, c->text[c->at++], true);
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
			assignment_add(a, ch, !is_blank(ch));
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
	assert(c->at > 0);
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
	a->unclosed = !closed;
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

bool flags_systemd_next(struct cursor *c, struct assignment *a)
{
	assert(c && a && c->at <= c->len);
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
