#include "alertmanager/matcher_utf8.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include "server/core/text.h"

struct scan {
	const char *p, *end;
};

size_t matcher_space_at(const char *p, size_t len)
{
	static const char *const spaces[] = {
		" ",      "\t",     "\n",     "\v",     "\f",     "\r",     "\xc2\x85", "\u00a0", "\u1680",
		"\u2000", "\u2001", "\u2002", "\u2003", "\u2004", "\u2005", "\u2006",   "\u2007", "\u2008",
		"\u2009", "\u200a", "\u2028", "\u2029", "\u202f", "\u205f", "\u3000",
	};

	for (size_t i = 0; i < ARRAY_LEN(spaces); i++) {
		size_t n = strlen(spaces[i]);
		if (n <= len && memcmp(p, spaces[i], n) == 0)
			return n;
	}
	return 0;
}

bool matcher_name_is_classic(const char *name)
{
	assert(name);
	static const char later[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_:0123456789";

	return *name && !strchr("0123456789", *name) && name[strspn(name, later)] == '\0';
}

static void skip_spaces(struct scan *s)
{
	size_t n;

	while ((n = matcher_space_at(s->p, (size_t)(s->end - s->p))) > 0)
		s->p += n;
}

/* Behind blanks. */
static bool take(struct scan *s, const char *word)
{
	size_t len = strlen(word);

	skip_spaces(s);
	if ((size_t)(s->end - s->p) < len || memcmp(s->p, word, len) != 0)
		return false;
	s->p += len;
	return true;
}

/* --- names and values --- */

static int hex_digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

/* So many digits of a base; -1: they are not there. */
static int64_t take_digits(struct scan *s, int n, int base)
{
	int64_t value = 0;

	for (; n > 0; n--) {
		int digit = s->p < s->end ? hex_digit(*s->p) : -1;
		if (digit < 0 || digit >= base)
			return -1;
		value = value * base + digit;
		s->p++;
	}
	return value;
}

/* A code point in UTF-8; 0 bytes: it is none. */
static size_t encode(int64_t c, char *out)
{
	if (c < 0 || c > 0x10ffff || (c >= 0xd800 && c < 0xe000))
		return 0;
	size_t n = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
	static const unsigned char lead[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(lead[n] | c);
	return n;
}

/* What follows a backslash, as strconv.Unquote reads it. Bytes written, at most 4 and no more than were read; 0: there
 * is no such escape, or it is NUL. */
static size_t take_escape(struct scan *s, char *out)
{
	static const char letters[] = "abfnrtv\\\"", stand_for[] = "\a\b\f\n\r\t\v\\\"";
	char c = s->p < s->end ? *s->p++ : '\0';
	const char *at = c ? strchr(letters, c) : NULL;
	int64_t byte;

	if (at) {
		*out = stand_for[at - letters];
		return 1;
	}
	if (c == 'u' || c == 'U') {
		int64_t point = take_digits(s, c == 'u' ? 4 : 8, 16);
		return point > 0 ? encode(point, out) : 0;
	}
	if (c == 'x') {
		byte = take_digits(s, 2, 16);
	} else {
		s->p--;
		byte = c ? take_digits(s, 3, 8) : -1;
	}
	*out = (char)byte;
	return byte > 0 && byte <= 255;
}

/* Behind the quote. out has room for what is left. */
static int take_quoted(struct scan *s, char *out)
{
	char *const begin = out;

	for (; s->p < s->end && *s->p != '"'; out++) {
		*out = *s->p++;
		if (*out == '\n')
			return -EINVAL;
		if (*out == '\\') {
			size_t n = take_escape(s, out);
			if (n == 0)
				return -EINVAL;
			out += n - 1;
		}
	}
	if (s->p++ == s->end || !text_utf8_valid(begin, (size_t)(out - begin)))
		return -EINVAL;
	*out = '\0';
	return 0;
}

static int take_bare(struct scan *s, char *out)
{
	const char *from = s->p;
	uint32_t c;

	while (s->p < s->end && !strchr("{}!=~,\\\"'`", *s->p) && !matcher_space_at(s->p, (size_t)(s->end - s->p)))
		s->p += text_utf8_next(s->p, (size_t)(s->end - s->p), &c);
	memcpy(out, from, (size_t)(s->p - from));
	out[s->p - from] = '\0';
	return s->p > from ? 0 : -EINVAL;
}

static int take_text(struct scan *s, char **ret)
{
	assert(!*ret);
	bool quoted = take(s, "\"");

	*ret = malloc((size_t)(s->end - s->p) + 1);
	if (!*ret)
		return -ENOMEM;
	return quoted ? take_quoted(s, *ret) : take_bare(s, *ret);
}

/* --- a matcher, and several --- */

static int take_operator(struct scan *s, struct matcher_words *m)
{
	m->negative = take(s, "!");
	if (m->negative) {
		m->regex = s->p < s->end && *s->p == '~';
		return s->p < s->end && (*s->p == '=' || m->regex) ? (s->p++, 0) : -EINVAL;
	}
	if (!take(s, "="))
		return -EINVAL;
	m->regex = s->p < s->end && *s->p == '~';
	s->p += m->regex;
	return 0;
}

static int take_matcher(struct scan *s, matcher_words_fn *fn, void *arg)
{
	struct matcher_words m = {0};

	skip_spaces(s);
	m.text = s->p;
	int r = take_text(s, &m.name);
	if (r == 0)
		r = take_operator(s, &m);
	if (r == 0)
		r = take_text(s, &m.value);
	m.len = (size_t)(s->p - m.text);
	if (r == 0)
		r = fn(arg, &m);
	free(m.name);
	free(m.value);
	return r;
}

static bool at_end(struct scan *s)
{
	skip_spaces(s);
	return s->p == s->end;
}

int matcher_utf8_read(const char *text, matcher_words_fn *fn, void *arg)
{
	assert(text && fn);
	struct scan s = {text, text + strlen(text)};
	bool braces = take(&s, "{"), closed = take(&s, "}"), more = !closed && !at_end(&s);

	while (more) {
		int r = take_matcher(&s, fn, arg);
		if (r < 0)
			return r;
		more = take(&s, ",");
		closed = take(&s, "}");
		more = more && !closed && !at_end(&s);
	}
	return closed == braces && at_end(&s) ? 0 : -EINVAL;
}
