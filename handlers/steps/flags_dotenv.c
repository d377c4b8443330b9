/* The readers that know no continuation of lines: dotenv and its kin, and docker run --env-file. */
#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "handlers/steps/flags_private.h"

static const char bom[] = "\xef\xbb\xbf";

static bool at_line_end(const struct cursor *c)
{
	return c->at < c->len && (c->text[c->at] == '\n' || c->text[c->at] == '\r');
}

static void to_line_end(struct cursor *c)
{
	while (c->at < c->len && !at_line_end(c))
		c->at++;
}

static void next_line(struct cursor *c)
{
	to_line_end(c);
	while (at_line_end(c))
		c->at++;
}

static bool has(const struct cursor *c, const char *text)
{
	return c->len - c->at >= strlen(text) && memcmp(c->text + c->at, text, strlen(text)) == 0;
}

static void take_value(struct assignment *a, const struct cursor *c, size_t from, size_t to)
{
	assert(from <= to && to <= c->len);
	while (from < to && is_blank(c->text[from]))
		from++;
	while (to > from && is_blank(c->text[to - 1]))
		to--;
	a->from = from;
	a->to = to;
	for (size_t i = from; i < to; i++)
		assignment_add(a, c->text[i], true);
}

/* --- dotenv: the grammar is the regular expression of its main.js ---
 *
 * ^ \s* (export\s+)? ([\w.-]+) (\s*=\s*? | :\s+?) ( \s*'…' | \s*"…" | \s*`…` | [^#\r\n]+ )? \s* (#.*)? $ */

/* JavaScript's \s: a byte order mark and a no-break space are blank, too. */
static void skip_space(struct cursor *c)
{
	while (c->at < c->len) {
		if (isspace((unsigned char)c->text[c->at]))
			c->at++;
		else if (has(c, bom))
			c->at += strlen(bom);
		else if (has(c, "\xc2\xa0"))
			c->at += 2;
		else
			return;
	}
}

static bool is_key(char ch)
{
	return isalnum((unsigned char)ch) || ch == '_' || ch == '.' || ch == '-';
}

static bool read_name(struct cursor *c, struct assignment *a)
{
	a->key = c->text + c->at;
	while (c->at < c->len && is_key(c->text[c->at]))
		c->at++;
	a->key_len = (size_t)(c->text + c->at - a->key);
	return a->key_len > 0;
}

static bool read_separator(struct cursor *c)
{
	if (c->at + 1 < c->len && c->text[c->at] == ':' && isspace((unsigned char)c->text[c->at + 1])) {
		c->at += 2;
		return true;
	}
	skip_space(c);
	if (c->at == c->len || c->text[c->at] != '=')
		return false;
	c->at++;
	return true;
}

/* "export" may be a key of its own. */
static bool read_head(struct cursor *c, struct assignment *a)
{
	static const char word[] = "export";
	size_t start = c->at;
	if (has(c, word) && c->at + strlen(word) < c->len && isspace((unsigned char)c->text[c->at + strlen(word)])) {
		c->at += strlen(word);
		skip_space(c);
		if (read_name(c, a) && read_separator(c))
			return true;
		c->at = start;
	}
	return read_name(c, a) && read_separator(c);
}

/* Nothing but blanks and a comment from here to the end of a line. */
static bool is_tail(const struct cursor *at, size_t from)
{
	struct cursor c = {at->text, at->len, from};

	while (c.at < c.len && is_blank(c.text[c.at]))
		c.at++;
	return c.at == c.len || at_line_end(&c) || c.text[c.at] == '#';
}

/* At an opening quote: where the one stands that closes it; 0: none does. One behind a backslash closes only when none
 * further on can. */
static size_t closing(const struct cursor *c)
{
	assert(c->at < c->len);
	char quote = c->text[c->at];
	size_t last = c->at + 1, best = 0;

	while (last < c->len && (c->text[last] != quote || c->text[last - 1] == '\\'))
		last++;
	if (last < c->len && is_tail(c, last + 1))
		return last;
	for (size_t i = c->at + 1; i < last && i < c->len; i++)
		if (c->text[i] == quote && is_tail(c, i + 1))
			best = i;
	return best;
}

static bool read_quoted(struct cursor *c, struct assignment *a)
{
	struct cursor at = *c;

	skip_space(&at);
	if (at.at == at.len || !strchr("'\"`", at.text[at.at]))
		return false;
	size_t end = closing(&at);
	if (end == 0)
		return false;
	a->from = at.at + 1;
	a->to = end;
	for (size_t i = a->from; i < a->to; i++)
		assignment_add(a, c->text[i], true);
	c->at = end + 1;
	return true;
}

static void read_bare(struct cursor *c, struct assignment *a)
{
	size_t from = c->at;

	while (c->at < c->len && !at_line_end(c) && c->text[c->at] != '#')
		c->at++;
	take_value(a, c, from, c->at);
}

bool flags_dotenv_next(struct cursor *c, struct assignment *a)
{
	assert(c && a && c->at <= c->len);
	while (c->at < c->len) {
		skip_space(c);
		size_t begin = c->at;

		*a = (struct assignment) {0};
		if (!read_head(c, a)) {
			c->at = begin;
			next_line(c);
			continue;
		}
		if (!read_quoted(c, a))
			read_bare(c, a);
		to_line_end(c);
		return true;
	}
	return false;
}

/* --- docker run --env-file --- */

static bool read_line(struct cursor *c, struct assignment *a)
{
	const char *start = c->text + c->at, *newline = memchr(start, '\n', c->len - c->at);
	size_t end = newline ? (size_t)(newline - c->text) : c->len;
	struct cursor line = {c->text, end, c->at};

	c->at = newline ? end + 1 : end;
	if (line.len > line.at && line.text[line.len - 1] == '\r')
		line.len--;
	if (line.at == 0 && has(&line, bom))
		line.at += strlen(bom);
	while (line.at < line.len && is_blank(line.text[line.at]))
		line.at++;
	a->key = line.text + line.at;
	const char *equals = memchr(a->key, '=', line.len - line.at);
	if (!equals || *a->key == '#')
		return false;
	a->key_len = (size_t)(equals - a->key);
	take_value(a, &line, (size_t)(equals + 1 - line.text), line.len);
	return true;
}

bool flags_docker_next(struct cursor *c, struct assignment *a)
{
	assert(c && a && c->at <= c->len);
	while (c->at < c->len) {
		*a = (struct assignment) {0};
		if (read_line(c, a))
			return true;
	}
	return false;
}
