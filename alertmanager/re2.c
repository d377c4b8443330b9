#include "alertmanager/re2.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include "alertmanager/quote.h"
#include "server/core/text.h"

#define REPEAT_MAX 1000 /* RE2's limit for one count, and for the product of nested ones */
#define RUNE_MAX   0x10ffff

/* What stands directly before the next item: decides whether a repetition may follow. */
enum before { BEFORE_NOTHING, BEFORE_ATOM, BEFORE_REPEAT };

struct scan {
	const char *re; /* the whole expression, for quotations */
	const char *at; /* next byte */
	struct buf *out;
	struct matcher_fault *fault;
	enum before before;
	bool folded; /* (?i) stood somewhere before */
	int last;    /* product of the nested counts in the item just read */
	size_t depth;
	int most[RE2_DEPTH_MAX + 1]; /* the highest such product per open group */
};

static int fail(struct scan *s, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int fail(struct scan *s, const char *fmt, ...)
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

static bool starts(const char *s, const char *prefix)
{
	return strncmp(s, prefix, strlen(prefix)) == 0;
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_octal(char c)
{
	return c >= '0' && c <= '7';
}

static bool is_alnum(char c)
{
	return is_digit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

/* The code point at *at, which moves behind it. The text is well-formed UTF-8 and *at not at its end. */
static unsigned rune_next(const char **at)
{
	const unsigned char *p = (const unsigned char *)*at;
	int more = p[0] < 0x80 ? 0 : p[0] < 0xe0 ? 1 : p[0] < 0xf0 ? 2 : 3;
	unsigned rune = more == 0 ? p[0] : p[0] & (0x3fU >> more);

	for (int i = 1; i <= more; i++)
		rune = rune << 6 | (p[i] & 0x3fU);
	*at += more + 1;
	return rune;
}

static void atom_done(struct scan *s, int weight)
{
	s->before = BEFORE_ATOM;
	s->last = weight;
	if (s->most[s->depth] < weight)
		s->most[s->depth] = weight;
}

static int emit_atom(struct scan *s, const char *text)
{
	atom_done(s, 1);
	return buf_str(s->out, text);
}

static int emit_rune(struct scan *s, unsigned rune)
{
	return rune < 0x80 && is_alnum((char)rune) ? buf_char(s->out, (char)rune) : buf_printf(s->out, "\\x{%x}", rune);
}

static int literal(struct scan *s, unsigned rune)
{
	atom_done(s, 1);
	return emit_rune(s, rune);
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
static int escape_hex(struct scan *s, unsigned *ret)
{
	bool braces = *s->at == '{';
	const char *p = s->at + (braces ? 1 : 0);
	unsigned v = 0;
	int n = 0;

	for (; hex_value(*p) >= 0 && (braces || n < 2) && v <= RUNE_MAX; p++, n++)
		v = v << 4 | (unsigned)hex_value(*p);
	if (n == 0 || v > RUNE_MAX || (braces ? *p++ != '}' : n != 2))
		return fail(s, "\\x takes two hexadecimal digits, or up to 10FFFF in braces");
	s->at = p;
	*ret = v;
	return 0;
}

/* \0, \07, \123; at behind the first digit. A single other digit would be a back-reference. */
static int escape_octal(struct scan *s, char first, unsigned *ret)
{
	unsigned v = (unsigned)(first - '0');

	if (first != '0' && !is_octal(*s->at))
		return fail(s, "back-references (\\%c) are not possible: Alertmanager uses RE2 syntax", first);
	for (int n = 1; n < 3 && is_octal(*s->at); n++)
		v = v * 8 + (unsigned)(*s->at++ - '0');
	*ret = v;
	return 0;
}

static int escape_unknown(struct scan *s, const char *at)
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
			return fail(s, "\\%c, %s, is not possible: Alertmanager uses RE2 syntax", *at, known[i].what);
	if ((unsigned char)*at >= 0x80)
		return fail(s, "a backslash before a non-ASCII character means nothing");
	return fail(s, "\\%c means nothing in RE2 syntax, which Alertmanager uses", *at);
}

/* One character written with a backslash; at behind it. */
static int escape_rune(struct scan *s, unsigned *ret)
{
	static const char from[] = "afnrtv", to[] = "\a\f\n\r\t\v";
	char c = *s->at;

	if (c == '\0')
		return fail(s, "it ends with a lone backslash");
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
static int escape_property(struct scan *s, bool negated)
{
	bool braces = *s->at == '{';
	const char *name = s->at + (braces ? 1 : 0);
	const char *end = braces ? strchr(name, '}') : *name ? name + 1 : NULL;
	char q[QUOTE_SIZE];

	if (!end)
		return fail(s, "\\p needs a Unicode category or script behind it, as \\pL or \\p{Greek}");
	s->at = end + (braces ? 1 : 0);
	if (name < end && *name == '^') {
		negated = !negated;
		name++;
	}
	size_t len = (size_t)(end - name);
	bool plain = is_category(name, len) || (len == 3 && starts(name, "Any"));
	if (len > 40 || (!plain && !is_script(name, len)))
		return fail(s, "\"%s\" is no Unicode category or script", quote(q, name, len));
	if (s->folded && len == 2 && name[0] == 'L' && strchr("ult", name[1]))
		return fail(s, "upper and lower case by \\p{%.2s} is not possible with (?i): use \\pL", name);
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

/* 1 when a set of characters was read and emitted, 0 when there is none; at on the backslash. */
static int escape_set(struct scan *s, bool in_brackets)
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
static int quoted_text(struct scan *s)
{
	const char *end = strstr(s->at, "\\E");
	int r = 0;

	if (!end)
		return fail(s, "\\Q is never closed by \\E");
	while (r == 0 && s->at < end)
		r = literal(s, rune_next(&s->at));
	s->at = end + 2;
	return r;
}

static int item_escape(struct scan *s)
{
	static const struct {
		char c;
		const char *out;
	} anchors[] = {{'A', "(?:\\A)"}, {'z', "(?:\\z)"}, {'b', "(?:\\b)"}, {'B', "(?:\\B)"}};
	unsigned rune;

	for (size_t i = 0; i < ARRAY_LEN(anchors); i++)
		if (anchors[i].c == s->at[1]) {
			s->at += 2;
			return emit_atom(s, anchors[i].out);
		}
	if (s->at[1] == 'Q') {
		s->at += 2;
		return quoted_text(s);
	}
	int r = escape_set(s, false);
	if (r != 0) {
		atom_done(s, 1);
		return r < 0 ? r : 0;
	}
	s->at++;
	r = escape_rune(s, &rune);
	return r < 0 ? r : literal(s, rune);
}

/* ---- brackets: [a-z], [^\d[:alpha:]] ---- */

/* 1 when [:name:] or [:^name:] was read, 0 when there is none. */
static int named_set(struct scan *s)
{
	static const char *const names[] = {"alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph",
	                                    "lower", "print", "punct", "space", "upper", "word",  "xdigit"};
	char q[QUOTE_SIZE];

	if (!starts(s->at, "[:"))
		return 0;
	const char *end = strstr(s->at + 2, ":]");
	if (!end)
		return 0;
	const char *whole = s->at, *name = whole + (whole[2] == '^' ? 3 : 2);
	size_t len = end > name ? (size_t)(end - name) : 0;
	s->at = end + 2;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (strlen(names[i]) == len && memcmp(names[i], name, len) == 0) {
			int r = buf_add(s->out, whole, (size_t)(s->at - whole));
			return r < 0 ? r : 1;
		}
	return fail(s, "\"%s\" is no character class", quote(q, whole, (size_t)(s->at - whole)));
}

static int bracket_rune(struct scan *s, unsigned *ret)
{
	if (*s->at == '\0')
		return fail(s, "a bracket [ is never closed");
	if (*s->at == '\\') {
		s->at++;
		return escape_rune(s, ret);
	}
	*ret = rune_next(&s->at);
	return 0;
}

/* A character or a range. A hyphen directly before the closing bracket stands for itself. */
static int bracket_range(struct scan *s)
{
	unsigned low, high;
	int r = bracket_rune(s, &low);

	if (r < 0)
		return r;
	high = low;
	if (s->at[0] == '-' && s->at[1] != '\0' && s->at[1] != ']') {
		s->at++;
		r = bracket_rune(s, &high);
		if (r < 0)
			return r;
	}
	if (high < low)
		return fail(s, "a range in brackets has its ends the wrong way round");
	r = buf_printf(s->out, "\\x{%x}", low);
	return r < 0 || high == low ? r : buf_printf(s->out, "-\\x{%x}", high);
}

static int bracket_item(struct scan *s)
{
	int r = named_set(s);

	if (r == 0 && *s->at == '\\')
		r = escape_set(s, true);
	if (r != 0)
		return r < 0 ? r : 0;
	return bracket_range(s);
}

static int item_bracket(struct scan *s)
{
	bool negated = s->at[1] == '^';
	int r = buf_str(s->out, negated ? "[^" : "[");

	s->at += negated ? 2 : 1;
	for (bool first = true; r == 0 && (first || *s->at != ']'); first = false)
		r = bracket_item(s);
	if (r < 0)
		return r;
	s->at++;
	return emit_atom(s, "]");
}

/* ---- groups ---- */

static int group_push(struct scan *s, const char *flags)
{
	if (s->depth == RE2_DEPTH_MAX)
		return fail(s, "groups are nested more than %d deep", RE2_DEPTH_MAX);
	s->most[++s->depth] = 1;
	s->before = BEFORE_NOTHING;
	return buf_printf(s->out, "(?%s:", flags);
}

static int group_unknown(struct scan *s)
{
	static const struct {
		const char *start, *what;
	} known[] = {
		{"(?=", "look-ahead"},    {"(?!", "look-ahead"},       {"(?<=", "look-behind"}, {"(?<!", "look-behind"},
		{"(?>", "atomic groups"}, {"(?P=", "back-references"}, {"(?P>", "recursion"},   {"(?R", "recursion"},
		{"(?&", "recursion"},     {"(?+", "recursion"},        {"(?(", "conditions"},   {"(?C", "callouts"},
		{"(?#", "comments"},      {"(?|", "branch reset"},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++)
		if (starts(s->at, known[i].start))
			return fail(s, "%s, %s…), is not possible: Alertmanager uses RE2 syntax", known[i].what,
			            known[i].start);
	if (is_digit(s->at[2]) || (s->at[2] == '-' && is_digit(s->at[3])))
		return fail(s, "recursion, (?%c…), is not possible: Alertmanager uses RE2 syntax", s->at[2]);
	return fail(s, "a group opens with (, (?:, (?P<name> or flags of i, m, s, U as in (?i) or (?i-s:");
}

/* (?P<name> and, since Go 1.22, (?<name>. */
static int group_named(struct scan *s)
{
	const char *name = s->at + (s->at[2] == 'P' ? 4 : 3), *p = name;

	while (is_alnum(*p) || *p == '_')
		p++;
	if (p == name || *p != '>')
		return fail(s, "a group's name is made of letters, digits and _, and closed by >");
	s->at = p + 1;
	return group_push(s, "");
}

/* (?ims-U) up to its end, or (?i: as a group's start. U and its negation only swap greed: no matter here. */
static int group_flags(struct scan *s)
{
	char flags[16] = "";
	size_t n = 0;
	bool negative = false, seen = true;
	const char *p = s->at + 2;

	for (; *p && strchr("imsU-", *p) && n < sizeof(flags) - 2; p++) {
		if (*p == '-' && negative)
			return group_unknown(s);
		seen = *p != '-';
		negative |= !seen;
		s->folded |= *p == 'i';
		if (*p != 'U')
			flags[n++] = *p;
	}
	if ((*p != ':' && *p != ')') || !seen)
		return group_unknown(s);
	if (n > 0 && flags[n - 1] == '-')
		n--;
	flags[n] = '\0';
	s->at = p + 1;
	if (*p == ':')
		return group_push(s, flags);
	s->before = BEFORE_NOTHING;
	return n > 0 ? buf_printf(s->out, "(?%s)", flags) : 0;
}

static int item_open(struct scan *s)
{
	if (starts(s->at, "(?P<") || (starts(s->at, "(?<") && s->at[3] != '=' && s->at[3] != '!'))
		return group_named(s);
	if (s->at[1] == '?')
		return group_flags(s);
	s->at++;
	return group_push(s, "");
}

static int item_close(struct scan *s)
{
	if (s->depth == 0)
		return fail(s, "a closing bracket ) has no opening one");
	int weight = s->most[s->depth--];
	s->at++;
	atom_done(s, weight);
	return buf_char(s->out, ')');
}

static int item_or(struct scan *s)
{
	s->at++;
	s->before = BEFORE_NOTHING;
	return buf_char(s->out, '|');
}

/* ---- repetitions ---- */

/* Digits without a leading zero. 1 read, 0 there is no such number; too large counts as REPEAT_MAX + 1. */
static int repeat_number(const char **at, int *ret)
{
	const char *p = *at;
	int v = 0;

	if (!is_digit(*p) || (*p == '0' && is_digit(p[1])))
		return 0;
	for (; is_digit(*p); p++)
		v = v > REPEAT_MAX ? v : v * 10 + (*p - '0');
	*at = p;
	*ret = v;
	return 1;
}

/* {2}, {2,} (then *ret_max -1), {2,5}; the end of it, or NULL when the brace is plain text. */
static const char *repeat_braces(const char *p, int *ret_min, int *ret_max)
{
	p++;
	if (!repeat_number(&p, ret_min))
		return NULL;
	*ret_max = *ret_min;
	if (*p == ',') {
		p++;
		*ret_max = -1;
		if (*p != '}' && !repeat_number(&p, ret_max))
			return NULL;
	}
	return *p == '}' ? p + 1 : NULL;
}

/* Behind the operator: laziness, and what RE2 refuses to stack. */
static int repeat_end(struct scan *s, const char *op, const char *end)
{
	if (s->before == BEFORE_NOTHING)
		return fail(s, "there is nothing before %.*s to repeat", (int)(end - op), op);
	if (s->before == BEFORE_REPEAT && *op == '+')
		return fail(s, "possessive repetition (a second +) is not possible: Alertmanager uses RE2 syntax");
	if (s->before == BEFORE_REPEAT)
		return fail(s, "two repetitions stand in a row (%.*s)", (int)(end - op), op);
	s->before = BEFORE_REPEAT;
	s->at = end;
	if (*s->at != '?')
		return 0;
	s->at++;
	return buf_char(s->out, '?');
}

static int item_repeat(struct scan *s)
{
	int r = buf_char(s->out, *s->at);

	return r < 0 ? r : repeat_end(s, s->at, s->at + 1);
}

static int emit_count(struct scan *s, int min, int max)
{
	if (max == min)
		return buf_printf(s->out, "{%d}", min);
	return max < 0 ? buf_printf(s->out, "{%d,}", min) : buf_printf(s->out, "{%d,%d}", min, max);
}

static int item_brace(struct scan *s)
{
	int min = 0, max = 0;
	const char *end = repeat_braces(s->at, &min, &max);

	if (!end) {
		s->at++;
		return literal(s, '{');
	}
	if (min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && max < min))
		return fail(s, "a repeat count goes up to %d, the smaller number first", REPEAT_MAX);
	int times = max < 0 ? min : max;
	if (times > 1 && s->last * times > REPEAT_MAX)
		return fail(s, "nested repeat counts multiply to more than %d", REPEAT_MAX);
	int r = emit_count(s, min, max);
	if (r == 0)
		r = repeat_end(s, s->at, end);
	if (r == 0 && times > 1) {
		s->last *= times;
		if (s->most[s->depth] < s->last)
			s->most[s->depth] = s->last;
	}
	return r;
}

/* ---- the whole ---- */

static int item_anchor(struct scan *s)
{
	return emit_atom(s, *s->at++ == '^' ? "(?:^)" : "(?:$)");
}

static int item_dot(struct scan *s)
{
	s->at++;
	return emit_atom(s, ".");
}

static int item_next(struct scan *s)
{
	static const struct {
		char c;
		int (*read)(struct scan *);
	} items[] = {
		{'\\', item_escape}, {'[', item_bracket}, {'(', item_open},   {')', item_close},
		{'|', item_or},      {'*', item_repeat},  {'+', item_repeat}, {'?', item_repeat},
		{'{', item_brace},   {'^', item_anchor},  {'$', item_anchor}, {'.', item_dot},
	};

	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		if (items[i].c == *s->at)
			return items[i].read(s);
	return literal(s, rune_next(&s->at));
}

int re2_translate(struct buf *b, const char *re, struct matcher_fault *fault)
{
	struct scan s = {.re = re, .at = re, .out = b, .fault = fault};
	int r = buf_str(b, "\\A(?:");

	while (r == 0 && *s.at)
		r = item_next(&s);
	if (r < 0)
		return r;
	if (s.depth > 0)
		return fail(&s, "a bracket ( is never closed");
	return buf_str(b, ")\\z");
}
