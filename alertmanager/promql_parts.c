#include "alertmanager/promql_parts.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#define DEPTH_MAX 50

struct span {
	const char *from, *end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':';
}

/* --- stepping over what belongs together --- */

static const char *over_string(const char *p, const char *end)
{
	char quote = *p++;

	for (; p < end && *p != quote; p++)
		if (*p == '\\' && quote != '`')
			p++;
	return p < end ? p + 1 : NULL;
}

/* One token: a string, a bracket with all inside, a word, or a character. NULL: it is not closed. */
static const char *over(const char *p, const char *end)
{
	static const char opens[] = "([{", closes[] = ")]}";
	const char *open = strchr(opens, *p);

	if (strchr("\"'`", *p))
		return over_string(p, end);
	if (is_word(*p)) {
		while (p < end && is_word(*p))
			p++;
		return p;
	}
	if (!open)
		return p + 1;
	char close = closes[open - opens];
	for (p++; p && p < end && *p != close;)
		p = over(p, end);
	return p && p < end ? p + 1 : NULL;
}

static struct span trim(struct span s)
{
	while (s.from < s.end && is_blank(*s.from))
		s.from++;
	while (s.end > s.from && is_blank(s.end[-1]))
		s.end--;
	return s;
}

static bool is_at(const char *p, const char *end, const char *word)
{
	size_t len = strlen(word);

	return (size_t)(end - p) >= len && !strncasecmp(p, word, len) && (p + len == end || !is_word(p[len]));
}

/* What may stand behind an operator: bool, on (…), ignoring (…), group_left (…). */
static struct span after_operator(struct span s)
{
	static const char *const words[] = {"bool", "on", "ignoring", "group_left", "group_right"};

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		s = trim(s);
		if (!is_at(s.from, s.end, words[i]))
			continue;
		s.from += strlen(words[i]);
		s = trim(s);
		if (i > 0 && s.from < s.end && *s.from == '(') {
			const char *p = over(s.from, s.end);

			s.from = p ? p : s.end;
		}
	}
	return trim(s);
}

void promql_uncomment(char *text)
{
	assert(text);
	for (char *p = text; *p;)
		if (*p == '#') {
			while (*p && *p != '\n')
				*p++ = ' ';
		} else if (strchr("\"'`", *p)) {
			const char *next = over_string(p, p + strlen(p));

			p = next ? text + (next - text) : p + strlen(p);
		} else {
			p++;
		}
}

/* --- finding --- */

/* Where the first of these words stands outside of all brackets; end: nowhere; NULL: not closed. */
static const char *find_word(struct span s, const char *const *words, const char **ret_word)
{
	const char *p = s.from;

	for (bool begins = true; p && p < s.end;) {
		for (const char *const *w = words; begins && *w; w++)
			if (is_at(p, s.end, *w)) {
				*ret_word = *w;
				return p;
			}
		p = over(p, s.end);
		begins = true;
	}
	return p;
}

/* The first comparison outside of all brackets; end: none. */
static const char *find_comparison(struct span s)
{
	const char *p = s.from;

	while (p && p < s.end && *p != '>' && *p != '<' && !(*p == '=' && p[1] == '=') && !(*p == '!' && p[1] == '='))
		p = over(p, s.end);
	return p;
}

static int read_any(struct span s, bool needed, unsigned depth, struct promql_parts *ret);

static int add(struct span s, const char *at, bool needed, struct promql_parts *ret)
{
	size_t len = at + 1 < s.end && at[1] == '=' ? 2 : 1;
	struct span value = trim((struct span) {s.from, at}), bound = after_operator((struct span) {at + len, s.end});

	if (ret->n == PROMQL_PARTS_MAX)
		return -E2BIG;
	if (value.from == value.end || bound.from == bound.end)
		return -EINVAL;
	struct promql_part *p = &ret->list[ret->n++];
	*p = (struct promql_part) {.value = value.from,
	                           .value_len = (size_t)(value.end - value.from),
	                           .bound = bound.from,
	                           .bound_len = (size_t)(bound.end - bound.from),
	                           .needed = needed};
	memcpy(p->op, at, len);
	return 0;
}

/* The last bracket of "max by (x) (…)", when it ends s. */
static bool last_bracket(struct span s, struct span *ret)
{
	const char *p = s.from, *open = NULL;

	while (p && p < s.end) {
		const char *next = over(p, s.end);

		open = *p == '(' && next == s.end ? p : NULL;
		p = next;
	}
	*ret = (struct span) {open ? open + 1 : s.end, s.end - 1};
	return open;
}

static int read_operand(struct span s, bool needed, unsigned depth, struct promql_parts *ret)
{
	s = trim(s);
	const char *at = find_comparison(s);
	struct span inside;

	if (!at)
		return -EINVAL;
	if (at < s.end)
		return add(s, at, needed, ret);
	return last_bracket(s, &inside) ? read_any(inside, needed, depth + 1, ret) : 0;
}

/* "a and b unless c": split by words of one precedence, in turn. */
static int read_list(struct span s, bool needed, unsigned depth, struct promql_parts *ret, bool by_or)
{
	static const char *const ors[] = {"or", NULL}, *const ands[] = {"and", "unless", NULL};
	bool counts = needed;

	for (;;) {
		const char *word = "";
		const char *at = find_word(s, by_or ? ors : ands, &word);
		if (!at)
			return -EINVAL;
		struct span operand = {s.from, at};
		int r = by_or ? read_list(operand, counts, depth, ret, false)
		              : read_operand(operand, counts, depth, ret);

		if (r < 0 || at == s.end)
			return r;
		counts = needed && strcmp(word, "unless") != 0;
		s = after_operator((struct span) {at + strlen(word), s.end});
	}
}

static int read_any(struct span s, bool needed, unsigned depth, struct promql_parts *ret)
{
	return depth > DEPTH_MAX ? -E2BIG : read_list(s, needed, depth, ret, true);
}

int promql_parts(const char *text, struct promql_parts *ret)
{
	assert(text && ret);
	*ret = (struct promql_parts) {0};
	return read_any((struct span) {text, text + strlen(text)}, true, 0, ret);
}
