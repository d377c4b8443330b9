#include "alertmanager/promql.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include "alertmanager/promql_duration.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define SUBQUERY_STEP_US (60 * US_PER_S)             /* Prometheus' default evaluation interval */
#define LONGEST_US       INT64_C(100000000000000000) /* 3,000 years: sums of it do not overflow */

enum call { CALL_OTHER, CALL_LAST, CALL_MOST, CALL_RATE, CALL_QUANTILE, CALL_INFO, CALL_AGGREGATE, CALL_LABELS };

/* Words with a meaning of their own; any other word before a bracket is a function, else the name of a series. */
static const struct word {
	const char *text;
	enum call call;
	bool operator; /* stands between operands: no name of a series */
} words[] = {
	{"last_over_time", CALL_LAST, false},
	{"present_over_time", CALL_LAST, false},
	{"max_over_time", CALL_MOST, false},
	{"rate", CALL_RATE, false},
	{"irate", CALL_RATE, false},
	{"increase", CALL_RATE, false},
	{"histogram_quantile", CALL_QUANTILE, false},
	{"info", CALL_INFO, false},
	{"sum", CALL_AGGREGATE, false},
	{"avg", CALL_AGGREGATE, false},
	{"min", CALL_AGGREGATE, false},
	{"max", CALL_AGGREGATE, false},
	{"count", CALL_AGGREGATE, false},
	{"group", CALL_AGGREGATE, false},
	{"stddev", CALL_AGGREGATE, false},
	{"stdvar", CALL_AGGREGATE, false},
	{"topk", CALL_AGGREGATE, false},
	{"bottomk", CALL_AGGREGATE, false},
	{"quantile", CALL_AGGREGATE, false},
	{"count_values", CALL_AGGREGATE, false},
	{"limitk", CALL_AGGREGATE, false},
	{"limit_ratio", CALL_AGGREGATE, false},
	{"by", CALL_LABELS, true},
	{"without", CALL_LABELS, true},
	{"on", CALL_LABELS, true},
	{"ignoring", CALL_LABELS, true},
	{"group_left", CALL_LABELS, true},
	{"group_right", CALL_LABELS, true},
	{"and", CALL_OTHER, true},
	{"or", CALL_OTHER, true},
	{"unless", CALL_OTHER, true},
	{"atan2", CALL_OTHER, true},
	{"bool", CALL_OTHER, true},
	{"inf", CALL_OTHER, true},
	{"nan", CALL_OTHER, true},
};

/* An open round bracket. */
struct frame {
	enum call call;
	size_t first;             /* selector: the operand begins there */
	size_t aggregates, keeps; /* counted so far, for what stands inside */
	bool divisor;             /* right of a / that has to be guarded */
	bool compared;            /* something inside is compared */
};

struct scan {
	const char *p;
	struct promql *to;
	struct frame frames[PROMQL_DEPTH_MAX];
	size_t depth;
	enum call next;           /* what the next bracket belongs to */
	size_t operand;           /* selectors from here on are what a range or an offset behind it is about */
	size_t aggregates, keeps; /* aggregations so far; label lists that keep le */
	bool without, divisor;
	bool ranged; /* what stands just before is a range, or an offset or @ behind one */
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_word(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || is_digit(c);
}

static void skip_blanks(struct scan *s)
{
	while (is_blank(*s->p) || *s->p == '#')
		if (*s->p == '#')
			s->p += strcspn(s->p, "\n");
		else
			s->p++;
}

/* *s->p is the quote. */
static int skip_string(struct scan *s)
{
	char quote = *s->p++;

	for (; *s->p && *s->p != quote; s->p++)
		if (*s->p == '\\' && quote != '`' && s->p[1])
			s->p++;
	return *s->p++ ? 0 : -EINVAL;
}

bool promql_is_closed(const char *text)
{
	assert(text);
	static const char opens[] = "([{", closes[] = ")]}";
	char open[PROMQL_DEPTH_MAX];
	struct scan s = {.p = text};
	size_t depth = 0;

	for (skip_blanks(&s); *s.p; skip_blanks(&s)) {
		const char *opening = strchr(opens, *s.p), *closing = strchr(closes, *s.p);

		if (strchr("\"'`", *s.p)) {
			if (skip_string(&s) < 0)
				return false;
			continue;
		}
		if (opening && depth == PROMQL_DEPTH_MAX)
			return false;
		if (opening)
			open[depth++] = closes[opening - opens];
		if (closing && (depth == 0 || open[--depth] != *closing))
			return false;
		s.p++;
	}
	return depth == 0;
}

/* A number or a duration: 0.05, 1e-6, 0x1f, 5m. */
static void skip_number(struct scan *s)
{
	for (bool hex = s->p[0] == '0' && (s->p[1] | 32) == 'x'; is_word(*s->p) || *s->p == '.'; s->p++)
		if (!hex && (*s->p | 32) == 'e' && (s->p[1] == '+' || s->p[1] == '-'))
			s->p++;
}

static const struct word *word_at(const char *p, size_t len)
{
	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (strlen(words[i].text) == len && !strncasecmp(words[i].text, p, len))
			return &words[i];
	return NULL;
}

static int add_selector(struct scan *s, const char *name, size_t len)
{
	struct promql *to = s->to;
	struct promql_selector one = {.name = strndup(name, len)};

	if (one.name && strchr(one.name, ':')) /* the sign of a rule's series, by Prometheus' own naming */
		one.lag_us = PROMQL_RULE_LAG_S * US_PER_S;

	if (!one.name)
		return -ENOMEM;
	for (size_t i = 0; i < s->depth; i++) {
		one.summed = one.summed || s->frames[i].call == CALL_AGGREGATE;
		one.rate = one.rate || s->frames[i].call == CALL_RATE;
	}
	struct promql_selector *list =
		to->n < PROMQL_SELECTORS_MAX ? reallocarray(to->list, to->n + 1, sizeof(*list)) : NULL;
	if (!list) {
		free(one.name);
		return to->n < PROMQL_SELECTORS_MAX ? -ENOMEM : -EINVAL;
	}
	to->list = list;
	s->operand = to->n;
	to->list[to->n++] = one;
	return 0;
}

/* The text of the selector that was added last. */
static void end_selector(struct scan *s, const char *from, const char *end)
{
	assert(s->to->n > 0 && from <= end);
	struct promql_selector *last = &s->to->list[s->to->n - 1];

	last->text = from;
	last->len = (size_t)(end - from);
}

/* "by (le, job)" and the like: the names in it are labels. */
static int skip_labels(struct scan *s, bool by)
{
	s->p++;
	for (skip_blanks(s); *s->p && *s->p != ')'; skip_blanks(s)) {
		size_t len = strspn(s->p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789");

		s->keeps += by && ((len == 2 && !strncmp(s->p, "le", 2)) || !strncmp(s->p, "\"le\"", 4));
		if (*s->p == '"' || *s->p == '\'') {
			if (skip_string(s) < 0)
				return -EINVAL;
		} else {
			s->p += len ? len : 1;
		}
	}
	return *s->p++ ? 0 : -EINVAL;
}

/* A piece of text: a string without its quotes, or a word. */
struct piece {
	const char *p;
	size_t len;
};

static int take_piece(struct scan *s, struct piece *ret)
{
	skip_blanks(s);
	const char *from = s->p;
	if (*from && strchr("\"'`", *from)) {
		from++;
		if (skip_string(s) < 0)
			return -EINVAL;
		*ret = (struct piece) {from, (size_t)(s->p - 1 - from)};
		return 0;
	}
	while (is_word(*s->p))
		s->p++;
	*ret = (struct piece) {from, (size_t)(s->p - from)};
	return s->p > from ? 0 : -EINVAL;
}

/* label="value", "label"="value", or "the series' name". */
static int take_matcher(struct scan *s, struct piece *name)
{
	struct piece label = {0}, value = {0};
	bool quoted = *s->p && strchr("\"'`", *s->p), same;

	if (take_piece(s, &label) < 0)
		return -EINVAL;
	skip_blanks(s);
	if (quoted && (*s->p == ',' || *s->p == '}')) {
		*name = label;
		return 0;
	}
	if (*s->p != '=' && *s->p != '!')
		return -EINVAL;
	same = *s->p == '=' && s->p[1] != '~';
	while (*s->p && strchr("=!~", *s->p))
		s->p++;
	skip_blanks(s);
	if (!*s->p || !strchr("\"'`", *s->p) || take_piece(s, &value) < 0)
		return -EINVAL;
	if (same && label.len == 8 && !strncmp(label.p, "__name__", 8))
		*name = value;
	return 0;
}

/* The second argument of info() selects labels, not series. */
static bool selects_labels(const struct scan *s)
{
	const struct frame *f = s->depth ? &s->frames[s->depth - 1] : NULL;

	return f && f->call == CALL_INFO && f->first < s->to->n;
}

/* {…} behind a name or alone; alone, __name__="x" or "x" names the series. */
static int take_braces(struct scan *s, bool has_name)
{
	assert(*s->p == '{');
	struct piece name = {"", 0};
	const char *from = s->p++;

	for (skip_blanks(s); *s->p && *s->p != '}'; skip_blanks(s)) {
		if (take_matcher(s, &name) < 0)
			return -EINVAL;
		skip_blanks(s);
		if (*s->p == ',')
			s->p++;
		else if (*s->p != '}')
			return -EINVAL;
	}
	if (!*s->p++)
		return -EINVAL;
	if (has_name || selects_labels(s))
		return 0;
	int r = add_selector(s, name.p, name.len);
	if (r == 0)
		end_selector(s, from, s->p);
	return r;
}

static bool is_aggregation(const struct scan *s)
{
	return *s->p == '(' || !strncasecmp(s->p, "by", 2) || !strncasecmp(s->p, "without", 7);
}

static int take_word(struct scan *s)
{
	const char *from = s->p;
	while (is_word(*s->p))
		s->p++;
	size_t len = (size_t)(s->p - from);
	const struct word *w = word_at(from, len);

	skip_blanks(s);
	if (w && w->call == CALL_LABELS) {
		s->without = s->without || !strncasecmp(from, "without", 7);
		return *s->p == '(' ? skip_labels(s, !strncasecmp(from, "by", 2)) : 0;
	}
	if (w && w->operator) {
		s->operand = s->to->n;
		s->divisor = false;
		return 0;
	}
	if (w && w->call == CALL_AGGREGATE && is_aggregation(s)) {
		s->next = CALL_AGGREGATE;
		s->aggregates++;
		return 0;
	}
	if (*s->p == '(') {
		s->next = w ? w->call : CALL_OTHER;
		return 0;
	}
	s->divisor = false;
	const char *end = from + len;
	int r = add_selector(s, from, len);
	if (r == 0 && *s->p == '{') {
		r = take_braces(s, true);
		end = s->p;
	}
	if (r == 0)
		end_selector(s, from, end);
	return r;
}

static void longer(int64_t *to, int64_t us)
{
	*to = us < LONGEST_US - *to ? *to + us : LONGEST_US;
}

/* What a range adds to how old a value may be beside its newest sample. */
static int64_t lag_of(enum call call, int64_t range_us, bool subquery, int64_t step_us)
{
	bool newest = call == CALL_LAST || call == CALL_MOST || call == CALL_RATE; /* goes by the newest sample, too */

	return !newest ? range_us : !subquery ? 0 : step_us ? step_us : SUBQUERY_STEP_US;
}

/* [5m], [1h:5m], [1h:] */
static int take_range(struct scan *s)
{
	assert(*s->p == '[');
	size_t len = strcspn(++s->p, "]"), range = strcspn(s->p, ":]");
	int64_t us = 0, step = 0;
	enum call call = s->depth ? s->frames[s->depth - 1].call : CALL_OTHER;
	bool subquery = s->p[range] == ':';

	if (!s->p[len] || promql_duration(s->p, range < len ? range : len, &us) < 0 || us <= 0)
		return -EINVAL;
	if (subquery && (promql_duration(s->p + range + 1, len - range - 1, &step) < 0 || step < 0))
		return -EINVAL;
	for (size_t i = s->operand; i < s->to->n; i++) {
		struct promql_selector *sel = &s->to->list[i];

		longer(&sel->back_us, us);
		longer(&sel->span_us, call == CALL_LAST ? 0 : us);
		longer(&sel->lag_us, lag_of(call, us, subquery, step));
		if (call == CALL_LAST && !subquery) {
			sel->last = s->p - 1;
			sel->last_len = len + 2;
		}
	}
	s->p += len + 1;
	s->ranged = true;
	return 0;
}

/* "offset -5m": behind the operand. */
static int take_offset(struct scan *s)
{
	int64_t us = 0;

	if (promql_duration_take(&s->p, &us) < 0)
		return -EINVAL;
	for (size_t i = s->operand; i < s->to->n && us >= 0; i++) {
		longer(&s->to->list[i].back_us, us);
		s->to->list[i].shifted = true;
	}
	s->ranged = true;
	return 0;
}

static int open_bracket(struct scan *s)
{
	assert(s->depth <= PROMQL_DEPTH_MAX);
	if (s->depth == PROMQL_DEPTH_MAX)
		return -EINVAL;
	s->frames[s->depth++] =
		(struct frame) {.call = s->next,
	                        .first = s->to->n,
	                        .aggregates = s->aggregates,
	                        .keeps = s->keeps,
	                        .divisor = s->divisor && (s->next == CALL_RATE || s->next == CALL_AGGREGATE)};
	s->next = CALL_OTHER;
	s->divisor = false;
	s->p++;
	return 0;
}

/* What came of histogram_quantile(…). */
static void judge_quantile(struct scan *s, const struct frame *f)
{
	assert(f->first <= s->to->n);
	bool classic = false, recorded = false;

	for (size_t i = f->first; i < s->to->n; i++) {
		size_t len = strlen(s->to->list[i].name);

		classic = classic || (len > 7 && !strcmp(s->to->list[i].name + len - 7, "_bucket"));
		recorded = recorded || strchr(s->to->list[i].name, ':'); /* may be summed already */
	}
	if (!classic || s->without || s->keeps > f->keeps)
		return;
	if (s->aggregates > f->aggregates)
		s->to->quantile_without_le = true;
	else
		s->to->quantile_each = s->to->quantile_each || !recorded;
}

static int close_bracket(struct scan *s)
{
	if (s->depth == 0)
		return -EINVAL;
	const struct frame *f = &s->frames[--s->depth];
	s->operand = f->first;
	if (f->call == CALL_QUANTILE)
		judge_quantile(s, f);
	s->to->unguarded = s->to->unguarded || (f->divisor && !f->compared);
	if (s->depth)
		s->frames[s->depth - 1].compared = s->frames[s->depth - 1].compared || f->compared;
	s->p++;
	return 0;
}

/* @ 1609746000, @ start(), @ end() */
static void skip_at(struct scan *s)
{
	s->ranged = true;
	s->p++;
	skip_blanks(s);
	if (is_digit(*s->p) || *s->p == '-' || *s->p == '.') {
		s->p++;
		skip_number(s);
		for (size_t i = s->operand; i < s->to->n; i++)
			s->to->list[i].shifted = true;
		return;
	}
	while (is_word(*s->p))
		s->p++;
	skip_blanks(s);
	if (*s->p == '(')
		s->p += strcspn(s->p, ")") + (strchr(s->p, ')') != NULL);
}

static void take_operator(struct scan *s)
{
	if (strchr("<>!=", *s->p) && s->depth)
		s->frames[s->depth - 1].compared = true;
	if (*s->p != ',' || s->depth)
		s->divisor = *s->p == '/';
	s->operand = s->to->n;
	s->p++;
}

static bool is_offset(const struct scan *s)
{
	return !strncasecmp(s->p, "offset", 6) && !is_word(s->p[6]);
}

/* How a range's edges are filled: behind it, and no name of a series. */
static size_t edge_modifier(const struct scan *s)
{
	static const char *const modifiers[] = {"anchored", "smoothed"};

	for (size_t i = 0; i < ARRAY_LEN(modifiers); i++) {
		size_t len = strlen(modifiers[i]);
		if (!strncasecmp(s->p, modifiers[i], len) && !is_word(s->p[len]))
			return len;
	}
	return 0;
}

/* One piece. */
static int step(struct scan *s)
{
	size_t modifier = s->ranged ? edge_modifier(s) : 0;
	char c = *s->p;

	s->ranged = modifier > 0;
	s->p += modifier;
	if (modifier)
		return 0;
	if (c == '"' || c == '\'' || c == '`')
		return skip_string(s);
	if (is_offset(s)) {
		s->p += 6;
		return take_offset(s);
	}
	if (is_digit(c) || (c == '.' && is_digit(s->p[1]))) {
		skip_number(s);
		s->divisor = false;
		return 0;
	}
	if (is_word(c))
		return take_word(s);
	if (c == '{')
		return take_braces(s, false);
	if (c == '[')
		return take_range(s);
	if (c == '(')
		return open_bracket(s);
	if (c == ')')
		return close_bracket(s);
	if (c == '@')
		skip_at(s);
	else if (strchr("+-*/%^<>!=~,", c))
		take_operator(s);
	else
		return -EINVAL;
	return 0;
}

int promql_scan(const char *text, struct promql *ret)
{
	assert(text && ret);
	struct promql found = {0};
	struct scan s = {.p = text, .to = &found};
	int r = 0;

	skip_blanks(&s);
	while (r == 0 && *s.p) {
		r = step(&s);
		if (r == 0) /* else p may stand behind the end */
			skip_blanks(&s);
	}
	if (r == 0 && s.depth)
		r = -EINVAL;
	if (r < 0)
		promql_free(&found);
	else
		*ret = found;
	return r;
}

void promql_free(struct promql *p)
{
	assert(p && (p->list || p->n == 0));
	for (size_t i = 0; i < p->n; i++)
		free(p->list[i].name);
	free(p->list);
	*p = (struct promql) {0};
}

int64_t promql_span(const struct promql *p)
{
	assert(p);
	int64_t now = -1, past = 0;

	for (size_t i = 0; i < p->n; i++) {
		int64_t *most = p->list[i].shifted ? &past : &now;

		*most = p->list[i].span_us > *most ? p->list[i].span_us : *most;
	}
	return now >= 0 ? now : past;
}

int64_t promql_back(const struct promql *p)
{
	assert(p);
	int64_t most = 0;

	for (size_t i = 0; i < p->n; i++)
		most = p->list[i].back_us > most ? p->list[i].back_us : most;
	return most;
}
