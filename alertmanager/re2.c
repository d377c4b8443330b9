#include "alertmanager/re2_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "alertmanager/quote.h"

#define REPEAT_MAX 1000 /* RE2's limit for one count, and for the product of nested ones */

/* ---- brackets: [a-z], [^\d[:alpha:]] ---- */

/* 1 when [:name:] or [:^name:] was read, 0 when there is none. */
static int named_set(struct re2_scan *s)
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
	return re2_fail(s, "\"%s\" is no character class", quote(q, whole, (size_t)(s->at - whole)));
}

static int bracket_rune(struct re2_scan *s, unsigned *ret)
{
	if (*s->at == '\0')
		return re2_fail(s, "a bracket [ is never closed");
	if (*s->at == '\\') {
		s->at++;
		return re2_escape_rune(s, ret);
	}
	*ret = re2_rune_next(&s->at);
	return 0;
}

/* A character or a range. A hyphen directly before the closing bracket stands for itself. */
static int bracket_range(struct re2_scan *s)
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
		return re2_fail(s, "a range in brackets has its ends the wrong way round");
	r = buf_printf(s->out, "\\x{%x}", low);
	return r < 0 || high == low ? r : buf_printf(s->out, "-\\x{%x}", high);
}

static int bracket_item(struct re2_scan *s)
{
	int r = named_set(s);

	if (r == 0 && *s->at == '\\')
		r = re2_escape_set(s, true);
	if (r != 0)
		return r < 0 ? r : 0;
	return bracket_range(s);
}

static int item_bracket(struct re2_scan *s)
{
	bool negated = s->at[1] == '^';
	int r = buf_str(s->out, negated ? "[^" : "[");

	s->at += negated ? 2 : 1;
	for (bool first = true; r == 0 && (first || *s->at != ']'); first = false)
		r = bracket_item(s);
	if (r < 0)
		return r;
	s->at++;
	return re2_emit_atom(s, "]");
}

/* ---- groups ---- */

static int group_push(struct re2_scan *s, const char *flags)
{
	assert(s->depth <= RE2_DEPTH_MAX);
	if (s->depth == RE2_DEPTH_MAX)
		return re2_fail(s, "groups are nested more than %d deep", RE2_DEPTH_MAX);
	s->most[++s->depth] = 1;
	s->before = BEFORE_NOTHING;
	return buf_printf(s->out, "(?%s:", flags);
}

static int group_unknown(struct re2_scan *s)
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
			return re2_fail(s, "%s, %s…), is not possible: Alertmanager uses RE2 syntax", known[i].what,
			                known[i].start);
	if (is_digit(s->at[2]) || (s->at[2] == '-' && is_digit(s->at[3])))
		return re2_fail(s, "recursion, (?%c…), is not possible: Alertmanager uses RE2 syntax", s->at[2]);
	return re2_fail(s, "a group opens with (, (?:, (?P<name> or flags of i, m, s, U as in (?i) or (?i-s:");
}

/* (?P<name> and, since Go 1.22, (?<name>. */
static int group_named(struct re2_scan *s)
{
	const char *name = s->at + (s->at[2] == 'P' ? 4 : 3), *p = name;

	while (is_alnum(*p) || *p == '_')
		p++;
	if (p == name || *p != '>')
		return re2_fail(s, "a group's name is made of letters, digits and _, and closed by >");
	s->at = p + 1;
	return group_push(s, "");
}

/* (?ims-U) up to its end, or (?i: as a group's start. U and its negation only swap greed: no matter here. */
static int group_flags(struct re2_scan *s)
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

static int item_open(struct re2_scan *s)
{
	if (starts(s->at, "(?P<") || (starts(s->at, "(?<") && s->at[3] != '=' && s->at[3] != '!'))
		return group_named(s);
	if (s->at[1] == '?')
		return group_flags(s);
	s->at++;
	return group_push(s, "");
}

static int item_close(struct re2_scan *s)
{
	if (s->depth == 0)
		return re2_fail(s, "a closing bracket ) has no opening one");
	int weight = s->most[s->depth--];
	s->at++;
	re2_atom_done(s, weight);
	return buf_char(s->out, ')');
}

static int item_or(struct re2_scan *s)
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
static int repeat_end(struct re2_scan *s, const char *op, const char *end)
{
	assert(op < end);
	if (s->before == BEFORE_NOTHING)
		return re2_fail(s, "there is nothing before %.*s to repeat", (int)(end - op), op);
	if (s->before == BEFORE_REPEAT && *op == '+')
		return re2_fail(s, "possessive repetition (a second +) is not possible: Alertmanager uses RE2 syntax");
	if (s->before == BEFORE_REPEAT)
		return re2_fail(s, "two repetitions stand in a row (%.*s)", (int)(end - op), op);
	s->before = BEFORE_REPEAT;
	s->at = end;
	if (*s->at != '?')
		return 0;
	s->at++;
	return buf_char(s->out, '?');
}

static int item_repeat(struct re2_scan *s)
{
	int r = buf_char(s->out, *s->at);

	return r < 0 ? r : repeat_end(s, s->at, s->at + 1);
}

static int emit_count(struct re2_scan *s, int min, int max)
{
	assert(min >= 0);
	if (max == min)
		return buf_printf(s->out, "{%d}", min);
	return max < 0 ? buf_printf(s->out, "{%d,}", min) : buf_printf(s->out, "{%d,%d}", min, max);
}

static int item_brace(struct re2_scan *s)
{
	int min = 0, max = 0;
	const char *end = repeat_braces(s->at, &min, &max);

	if (!end) {
		s->at++;
		return re2_literal(s, '{');
	}
	if (min > REPEAT_MAX || max > REPEAT_MAX || (max >= 0 && max < min))
		return re2_fail(s, "a repeat count goes up to %d, the smaller number first", REPEAT_MAX);
	int times = max < 0 ? min : max;
	if (times > 1 && s->last * times > REPEAT_MAX)
		return re2_fail(s, "nested repeat counts multiply to more than %d", REPEAT_MAX);
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

static int item_anchor(struct re2_scan *s)
{
	return re2_emit_atom(s, *s->at++ == '^' ? "(?:^)" : "(?:$)");
}

static int item_dot(struct re2_scan *s)
{
	s->at++;
	return re2_emit_atom(s, ".");
}

static int item_next(struct re2_scan *s)
{
	static const struct {
		char c;
		int (*read)(struct re2_scan *);
	} items[] = {
		{'\\', re2_item_escape}, {'[', item_bracket}, {'(', item_open},   {')', item_close},
		{'|', item_or},          {'*', item_repeat},  {'+', item_repeat}, {'?', item_repeat},
		{'{', item_brace},       {'^', item_anchor},  {'$', item_anchor}, {'.', item_dot},
	};

	for (size_t i = 0; i < ARRAY_LEN(items); i++)
		if (items[i].c == *s->at)
			return items[i].read(s);
	return re2_literal(s, re2_rune_next(&s->at));
}

int re2_translate(struct buf *b, const char *re, struct matcher_fault *fault)
{
	assert(b && re && fault);
	struct re2_scan s = {.re = re, .at = re, .out = b, .fault = fault};
	int r = buf_str(b, "\\A(?:");

	while (r == 0 && *s.at)
		r = item_next(&s);
	if (r < 0)
		return r;
	if (s.depth > 0)
		return re2_fail(&s, "a bracket ( is never closed");
	return buf_str(b, ")\\z");
}
