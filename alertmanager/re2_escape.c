#include "alertmanager/re2_private.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include "alertmanager/quote.h"

int re2_fail(struct re2_scan *s, const char *fmt, ...)
{
	char q[QUOTE_SIZE], why[120];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	snprintf(s->fault->why, sizeof(s->fault->why), "regular expression \"%s\": %s", quote(q, s->re, strlen(s->re)),
	         why);
	return -EINVAL;
}

/* The code point at *at, which moves behind it. The text is well-formed UTF-8 and *at not at its end. */
unsigned re2_rune_next(const char **at)
{
	const unsigned char *p = (const unsigned char *)*at;
	int more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	unsigned rune = more == 0 ? p[0] : p[0] & (0x3fU >> more);

	for (int i = 1; i <= more; i++)
		rune = rune << 6 | (p[i] & 0x3fU);
	*at += more + 1;
	return rune;
}

void re2_atom_done(struct re2_scan *s, int weight)
{
	s->before = BEFORE_ATOM;
	s->last = weight;
	if (s->most[s->depth] < weight)
		s->most[s->depth] = weight;
}

int re2_emit_atom(struct re2_scan *s, const char *text)
{
	re2_atom_done(s, 1);
	return buf_str(s->out, text);
}

int re2_emit_rune(struct re2_scan *s, unsigned rune)
{
	return rune < 0x80 && is_alnum((char)rune) ? buf_char(s->out, (char)rune) : buf_printf(s->out, "\\x{%x}", rune);
}

int re2_literal(struct re2_scan *s, unsigned rune)
{
	re2_atom_done(s, 1);
	return re2_emit_rune(s, rune);
}

/* ---- escapes ---- */

static int hex_value(char c)
{
	if (is_digit(c))
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* \x41 or \x{10FFFF}; at behind the x. */
static int escape_hex(struct re2_scan *s, unsigned *ret)
{
	bool braces = *s->at == '{';
	const char *p = s->at + (braces ? 1 : 0);
	unsigned v = 0;
	int n = 0;

	for (; hex_value(*p) >= 0 && (braces || n < 2) && v <= RUNE_MAX; p++, n++)
		v = v << 4 | (unsigned)hex_value(*p);
	if (n == 0 || v > RUNE_MAX || (braces ? *p++ != '}' : n != 2))
		return re2_fail(s, "\\x takes two hexadecimal digits, or up to 10FFFF in braces");
	s->at = p;
	*ret = v;
	return 0;
}

/* \0, \07, \123; at behind the first digit. A single other digit would be a back-reference. */
static int escape_octal(struct re2_scan *s, char first, unsigned *ret)
{
	unsigned v = (unsigned)(first - '0');

	if (first != '0' && !is_octal(*s->at))
		return re2_fail(s, "back-references (\\%c) are not possible: Alertmanager uses RE2 syntax", first);
	for (int n = 1; n < 3 && is_octal(*s->at); n++)
		v = v * 8 + (unsigned)(*s->at++ - '0');
	*ret = v;
	return 0;
}

static int escape_unknown(struct re2_scan *s, const char *at)
{
	static const struct {
		char c;
		const char *what;
	} known[] = {
		{'8', "back-references"},
		{'9', "back-references"},
		{'g', "back-references"},
		{'k', "back-references"},
		{'K', "resetting the match start"},
		{'G', "the match position"},
		{'R', "newline sequences"},
		{'X', "grapheme clusters"},
		{'N', "\"no newline\" (use .)"},
		{'Z', "end of text before a newline (use \\z)"},
		{'C', "single bytes"},
		{'E', "\\E without \\Q"},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (known[i].c == *at)
			return re2_fail(s, "\\%c, %s, is not possible: Alertmanager uses RE2 syntax", *at,
			                known[i].what);
	if ((unsigned char)*at >= 0x80)
		return re2_fail(s, "a backslash before a non-ASCII character means nothing");
	return re2_fail(s, "\\%c means nothing in RE2 syntax, which Alertmanager uses", *at);
}

int re2_escape_rune(struct re2_scan *s, unsigned *ret)
{
	static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
	char c = *s->at;

	if (c == '\0')
		return re2_fail(s, "it ends with a lone backslash");
	s->at++;
	const char *named = strchr(from, c);
	if (named) {
		*ret = (unsigned char)to[named - from];
		return 0;
	}
	if (is_octal(c))
		return escape_octal(s, c, ret);
	if (c == 'x')
		return escape_hex(s, ret);
	if (is_alnum(c) || (unsigned char)c >= 0x80)
		return escape_unknown(s, s->at - 1);
	*ret = (unsigned char)c;
	return 0;
}

static bool is_category(const char *name, size_t len)
{
	static const char major[] = "CLMNPSZ";
	static const char *const minor[] = {"cfos", "lmotu", "cen", "dlo", "cdefios", "ckmo", "lps"};
	const char *m = len == 0 ? NULL : memchr(major, name[0], sizeof(major) - 1);

	return m && (len == 1 || (len == 2 && strchr(minor[m - major], name[1]) != NULL));
}

/* A script's name as Unicode writes it; whether there is such a script is PCRE2's to say. */
static bool is_script(const char *name, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if (name[i] != '_' && (!is_alnum(name[i]) || is_digit(name[i])))
			return false;
	return len > 2 && name[0] >= 'A' && name[0] <= 'Z';
}

/* \pL, \p{Greek}, \P{^Lu}; at behind the p or P. */
static int escape_property(struct re2_scan *s, bool negated)
{
	bool braces = *s->at == '{';
	const char *name = s->at + (braces ? 1 : 0);
	const char *end = braces ? strchr(name, '}') : *name ? name + 1 : NULL;
	char q[QUOTE_SIZE];

	if (!end)
		return re2_fail(s, "\\p needs a Unicode category or script behind it, as \\pL or \\p{Greek}");
	s->at = end + (braces ? 1 : 0);
	if (name < end && *name == '^') {
		negated = !negated;
		name++;
	}
	size_t len = (size_t)(end - name);
	bool plain = is_category(name, len) || (len == 3 && starts(name, "Any"));
	if (len > 40 || (!plain && !is_script(name, len)))
		return re2_fail(s, "\"%s\" is no Unicode category or script", quote(q, name, len));
	if (s->folded && len == 2 && name[0] == 'L' && strchr("ult", name[1]))
		return re2_fail(s, "upper and lower case by \\p{%.2s} is not possible with (?i): use \\pL", name);
	return buf_printf(s->out, "\\%c{%s%.*s}", negated ? 'P' : 'p', plain ? "" : "sc:", (int)len, name);
}

/* What stands for a set of characters, outside and inside of brackets. PCRE2's \s has the vertical tab, Go's
 * has not. */
static const struct {
	char c;
	const char *alone, *inside;
} perl_sets[] = {
	{'d', "\\d", "\\d"},
	{'D', "\\D", "\\D"},
	{'w', "\\w", "\\w"},
	{'W', "\\W", "\\W"},
	{'s', "[\\x{9}\\x{a}\\x{c}\\x{d}\\x{20}]", "\\x{9}\\x{a}\\x{c}\\x{d}\\x{20}"},
	{'S', "[^\\x{9}\\x{a}\\x{c}\\x{d}\\x{20}]", "\\x{0}-\\x{8}\\x{b}\\x{e}-\\x{1f}\\x{21}-\\x{10ffff}"},
};

int re2_escape_set(struct re2_scan *s, bool in_brackets)
{
	char c = s->at[1];

	for (size_t i = 0; i < ARRAY_LEN(perl_sets); i++) {
		if (perl_sets[i].c != c)
			continue;
		s->at += 2;
		int r = buf_str(s->out, in_brackets ? perl_sets[i].inside : perl_sets[i].alone);
		return r < 0 ? r : 1;
	}
	if (c != 'p' && c != 'P')
		return 0;
	s->at += 2;
	int r = escape_property(s, c == 'P');
	return r < 0 ? r : 1;
}

/* \Q … \E: plain text; at behind the Q. */
static int quoted_text(struct re2_scan *s)
{
	const char *end = strstr(s->at, "\\E");
	int r = 0;

	if (!end)
		return re2_fail(s, "\\Q is never closed by \\E");
	while (r == 0 && s->at < end)
		r = re2_literal(s, re2_rune_next(&s->at));
	s->at = end + 2;
	return r;
}

int re2_item_escape(struct re2_scan *s)
{
	static const struct {
		char c;
		const char *out;
	} anchors[] = {{'A', "(?:\\A)"}, {'z', "(?:\\z)"}, {'b', "(?:\\b)"}, {'B', "(?:\\B)"}};
	unsigned rune;

	for (size_t i = 0; i < ARRAY_LEN(anchors); i++)
		if (anchors[i].c == s->at[1]) {
			s->at += 2;
			return re2_emit_atom(s, anchors[i].out);
		}
	if (s->at[1] == 'Q') {
		s->at += 2;
		return quoted_text(s);
	}
	int r = re2_escape_set(s, false);
	if (r != 0) {
		re2_atom_done(s, 1);
		return r < 0 ? r : 0;
	}
	s->at++;
	r = re2_escape_rune(s, &rune);
	return r < 0 ? r : re2_literal(s, rune);
}
