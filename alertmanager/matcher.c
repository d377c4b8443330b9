#define PCRE2_CODE_UNIT_WIDTH 8
#include "alertmanager/matcher.h"

#include <assert.h>
#include <errno.h>
#include <pcre2.h>
#include <stdio.h>
#include <string.h>
#include "alertmanager/matcher_utf8.h"
#include "alertmanager/quote.h"
#include "alertmanager/re2.h"
#include "server/core/buf.h"

#define TEXT_MAX       4096   /* bytes of what is given to matchers_add at once */
#define PATTERN_MAX    262144 /* bytes of a rewritten regular expression: some items grow thirtyfold */
#define MATCH_STEPS    100000 /* PCRE2's match limit: a few milliseconds */
#define MATCH_HEAP_KIB (32 * 1024)

struct matcher {
	bool negative, regex;
	char *text; /* as written, without surrounding blanks */
	char *name, *value;
	pcre2_code *code; /* of a regex; only read once compiled: any thread */
	pcre2_match_context *limits;
};

static void matcher_free(struct matcher *m)
{
	if (!m)
		return;
	pcre2_code_free(m->code);
	pcre2_match_context_free(m->limits);
	free(m->text);
	free(m->name);
	free(m->value);
	free(m);
}

static void matcher_cleanup(struct matcher **m)
{
	matcher_free(*m);
}

static int fail(struct matcher_fault *fault, const char *what, const char *s, size_t len)
{
	assert(fault && what && (s || len == 0));
	char q[QUOTE_SIZE];

	snprintf(fault->why, sizeof(fault->why), "matcher \"%s\": %s", quote(q, s, len), what);
	return -EINVAL;
}

/* ---- reading one matcher: name, operator, value ---- */

struct slice {
	const char *p, *end;
};

static bool is_blank(char c)
{
	return c == ' ' || (c >= '\t' && c <= '\r' && c != '\v');
}

static bool is_name(char c, bool first)
{
	bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':';

	return letter || (!first && c >= '0' && c <= '9');
}

static void skip_blanks(struct slice *s)
{
	while (s->p < s->end && is_blank(*s->p))
		s->p++;
}

static struct slice take_name(struct slice *s)
{
	struct slice name;

	skip_blanks(s);
	name.p = s->p;
	while (s->p < s->end && is_name(*s->p, s->p == name.p))
		s->p++;
	name.end = s->p;
	skip_blanks(s);
	return name;
}

static bool take_operator(struct slice *s, struct matcher *m)
{
	static const struct {
		const char *word;
		bool negative, regex;
	} ops[] = {{"=~", false, true}, {"!~", true, true}, {"!=", true, false}, {"=", false, false}};

	for (size_t i = 0; i < ARRAY_LEN(ops); i++) {
		size_t len = strlen(ops[i].word);
		if ((size_t)(s->end - s->p) < len || memcmp(s->p, ops[i].word, len) != 0)
			continue;
		s->p += len;
		m->negative = ops[i].negative;
		m->regex = ops[i].regex;
		return true;
	}
	return false;
}

/* Blanks around, then the quotes; false when a quote is not closed. */
static bool strip_value(struct slice *s, bool *ret_quoted)
{
	skip_blanks(s);
	while (s->end > s->p && is_blank(s->end[-1]))
		s->end--;
	*ret_quoted = s->p < s->end && *s->p == '"';
	if (*ret_quoted)
		s->p++;
	return !*ret_quoted || s->p < s->end;
}

/* \" \\ and \n are escapes, any other backslash stands for itself. A quote that is not escaped may only close
 * the value. out takes as many bytes as the slice has. */
static bool unescape(struct slice s, bool quoted, char *out)
{
	bool closed = false;

	for (; s.p < s.end; s.p++) {
		if (*s.p == '"') {
			closed = quoted && s.p + 1 == s.end;
			if (!closed)
				return false;
			continue;
		}
		if (*s.p == '\\' && s.p + 1 < s.end && strchr("n\"\\", s.p[1])) {
			s.p++;
			*out++ = *s.p == 'n' ? '\n' : *s.p;
			continue;
		}
		*out++ = *s.p;
	}
	*out = '\0';
	return closed == quoted;
}

static int take_value(struct slice s, struct matcher *m, struct matcher_fault *fault, struct slice whole)
{
	assert(s.p <= s.end && !m->value);
	bool quoted = false;

	if (strip_value(&s, &quoted)) {
		m->value = malloc((size_t)(s.end - s.p) + 1);
		if (!m->value)
			return -ENOMEM;
		if (unescape(s, quoted, m->value))
			return 0;
	}
	return fail(fault, "a quote in or around the value is not paired (inside, write it as \\\")", whole.p,
	            (size_t)(whole.end - whole.p));
}

/* ---- regular expressions ---- */

static pcre2_code *compile(const struct buf *pattern, int *ret_code)
{
	pcre2_compile_context *ctx = pcre2_compile_context_create(NULL);
	PCRE2_SIZE at;

	*ret_code = PCRE2_ERROR_HEAP_FAILED;
	if (!ctx)
		return NULL;
	pcre2_set_newline(ctx, PCRE2_NEWLINE_LF);
	pcre2_code *code = pcre2_compile((PCRE2_SPTR)buf_text(pattern), pattern->len,
	                                 PCRE2_UTF | PCRE2_DOLLAR_ENDONLY | PCRE2_ALT_CIRCUMFLEX, ret_code, &at, ctx);
	pcre2_compile_context_free(ctx);
	return code;
}

static int fail_compile(struct matcher *m, struct matcher_fault *fault, int code)
{
	char q[QUOTE_SIZE];
	PCRE2_UCHAR text[100] = "";

	if (code == PCRE2_ERROR_HEAP_FAILED)
		return -ENOMEM;
	pcre2_get_error_message(code, text, sizeof(text));
	snprintf(fault->why, sizeof(fault->why), "regular expression \"%s\": %s", quote(q, m->value, strlen(m->value)),
	         (const char *)text);
	return -EINVAL;
}

static int take_regex(struct matcher *m, struct matcher_fault *fault)
{
	assert(m->value && !m->code);
	CLEANUP(buf_free) struct buf pattern = BUF(PATTERN_MAX);
	int code, r = re2_translate(&pattern, m->value, fault);

	if (r < 0)
		return r;
	m->code = compile(&pattern, &code);
	if (!m->code)
		return fail_compile(m, fault, code);
	m->limits = pcre2_match_context_create(NULL);
	if (!m->limits)
		return -ENOMEM;
	pcre2_set_match_limit(m->limits, MATCH_STEPS);
	pcre2_set_heap_limit(m->limits, MATCH_HEAP_KIB);
	return 0;
}

static int matcher_parse(struct slice whole, struct matcher **ret, struct matcher_fault *fault)
{
	CLEANUP(matcher_cleanup) struct matcher *m = calloc(1, sizeof(*m));
	struct slice s = whole;

	if (!m)
		return -ENOMEM;
	struct slice name = take_name(&s);
	if (name.p == name.end || !take_operator(&s, m))
		return fail(fault,
		            "expected a label name, then =, !=, =~ or !~, then a value, as in "
		            "severity=\"critical\"",
		            whole.p, (size_t)(whole.end - whole.p));
	m->text = strndup(whole.p, (size_t)(whole.end - whole.p));
	m->name = strndup(name.p, (size_t)(name.end - name.p));
	if (!m->text || !m->name)
		return -ENOMEM;
	int r = take_value(s, m, fault, whole);
	if (r == 0 && m->regex)
		r = take_regex(m, fault);
	if (r < 0)
		return r;
	*ret = TAKE(m);
	return 0;
}

/* ---- reading several ---- */

/* Up to the next comma outside of quotes, or the end. A backslash escapes the quote behind it, also across
 * commas, as Alertmanager reads it. */
static const char *token_end(const char *p, const char *end)
{
	assert(p <= end);
	bool quoted = false, escaped = false;

	for (; p < end && (*p != ',' || quoted); p++) {
		if (*p == '"' && !escaped)
			quoted = !quoted;
		if (*p == '\\')
			escaped = !escaped;
		else if (*p != ',')
			escaped = false;
	}
	return p;
}

/* The white space of Unicode, by which Alertmanager trims what follows the last comma. */
static size_t space_before(struct slice s)
{
	for (size_t n = 1; n <= 3 && n <= (size_t)(s.end - s.p); n++)
		if (matcher_space_at(s.end - n, n) == n)
			return n;
	return 0;
}

static struct slice trim(struct slice s)
{
	size_t n;

	while ((n = matcher_space_at(s.p, (size_t)(s.end - s.p))) > 0)
		s.p += n;
	while ((n = space_before(s)) > 0)
		s.end -= n;
	return s;
}

static struct slice trim_blanks(struct slice s)
{
	skip_blanks(&s);
	while (s.end > s.p && is_blank(s.end[-1]))
		s.end--;
	return s;
}

/* Takes one, also when it fails. */
static int append(struct matchers *m, struct matcher *one)
{
	assert(m && one);
	struct matcher **list = reallocarray(m->list, m->n + 1, sizeof(struct matcher *));

	if (!list) {
		matcher_free(one);
		return -ENOMEM;
	}
	m->list = list;
	m->list[m->n++] = one;
	return 0;
}

static int add_all(struct matchers *m, struct slice s, struct matcher_fault *fault)
{
	for (;;) {
		struct slice token = {s.p, token_end(s.p, s.end)};
		bool last = token.end == s.end;
		token = last ? trim(token) : trim_blanks(token);
		if (last && token.p == token.end)
			return 0;
		struct matcher *one = NULL;
		int r = matcher_parse(token, &one, fault);
		if (r == 0)
			r = append(m, one);
		if (r < 0 || last)
			return r;
		s.p = token_end(s.p, s.end) + 1;
	}
}

/* As Alertmanager before 0.27 reads them. */
static int add_classic(struct matchers *m, const char *text, size_t len, struct matcher_fault *fault)
{
	struct slice s = {text, text + len};

	if (s.p < s.end && *s.p == '{')
		s.p++;
	if (s.p < s.end && s.end[-1] == '}')
		s.end--;
	return add_all(m, s, fault);
}

/* One that is already taken apart. Takes what text, name and value point to. */
static int add_one(struct matchers *m, struct matcher parts, struct matcher_fault *fault)
{
	CLEANUP(matcher_cleanup) struct matcher *one = calloc(1, sizeof(*one));

	if (!one || !parts.text || !parts.name || !parts.value) {
		free(parts.text);
		free(parts.name);
		free(parts.value);
		return -ENOMEM;
	}
	*one = parts;
	int r = one->regex ? take_regex(one, fault) : 0;
	return r < 0 ? r : append(m, TAKE(one));
}

struct reading_utf8 {
	struct matchers *to;
	struct matcher_fault fault;
};

static int add_words(void *arg, struct matcher_words *words)
{
	struct reading_utf8 *r = arg;
	struct matcher m = {
		.negative = words->negative, .regex = words->regex, .text = strndup(words->text, words->len)};

	m.name = TAKE(words->name);
	m.value = TAKE(words->value);
	return add_one(r->to, m, &r->fault);
}

static void drop_behind(struct matchers *m, size_t n)
{
	while (m->n > n)
		matcher_free(m->list[--m->n]);
	if (m->n == 0)
		matchers_free(m);
}

int matchers_add(struct matchers *m, const char *text, struct matcher_fault *fault)
{
	assert(m && text && fault);
	size_t before = m->n, len = strlen(text);
	struct reading_utf8 utf8 = {.to = m};

	if (len > TEXT_MAX)
		return fail(fault, "longer than 4096 bytes", text, len);
	if (!text_utf8_valid(text, len))
		return fail(fault, "not well-formed UTF-8", text, len);
	int r = add_classic(m, text, len, fault);
	if (r < 0)
		drop_behind(m, before);
	if (r != -EINVAL)
		return r;
	r = matcher_utf8_read(text, add_words, &utf8);
	if (r < 0)
		drop_behind(m, before);
	if (r == -EINVAL && utf8.fault.why[0]) /* it can be read, and its expression cannot be used */
		*fault = utf8.fault;
	else if (r == 0)
		fault->why[0] = '\0';
	return r;
}

int matchers_add_parts(struct matchers *m, const char *name, const char *sign, const char *value,
                       struct matcher_fault *fault)
{
	assert(m && name && sign && value && fault);
	struct matcher parts = {0};
	struct slice s = {sign, sign + strlen(sign)};

	if (!text_utf8_valid(value, strlen(value)) || !take_operator(&s, &parts))
		return fail(fault, "not well-formed UTF-8, or no operator", value, strlen(value));
	parts.text = text_format("%s%s\"%s\"", name, sign, value);
	parts.name = strdup(name);
	parts.value = strdup(value);
	size_t before = m->n;
	int r = add_one(m, parts, fault);
	if (r < 0)
		drop_behind(m, before);
	return r;
}

void matchers_free(struct matchers *m)
{
	assert(m && (m->list || m->n == 0));
	while (m->n > 0)
		matcher_free(m->list[--m->n]);
	free(m->list);
	m->list = NULL;
}

/* ---- matching ---- */

/* Whatever PCRE2 says but "it matches" and "it does not" is a limit, or a lack of memory. */
static enum matchers_result regex_says(const struct matcher *m, const char *value)
{
	assert(m->code && value);
	pcre2_match_data *data = pcre2_match_data_create_from_pattern(m->code, NULL);

	if (!data)
		return MATCHERS_MAYBE;
	int n = pcre2_match(m->code, (PCRE2_SPTR)value, strlen(value), 0, 0, data, m->limits);
	pcre2_match_data_free(data);
	return n >= 0 ? MATCHERS_YES : n == PCRE2_ERROR_NOMATCH ? MATCHERS_NO : MATCHERS_MAYBE;
}

static const char *value_of(const struct text_pair *labels, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(labels[i].name, name) == 0)
			return labels[i].value;
	return NULL;
}

static enum matchers_result says(const struct matcher *m, const char *value)
{
	assert(value);
	enum matchers_result same = m->regex                       ? regex_says(m, value)
	                            : strcmp(value, m->value) == 0 ? MATCHERS_YES
	                                                           : MATCHERS_NO;

	return m->negative ? MATCHERS_YES - same : same; /* MAYBE stays what it is */
}

const char *matcher_text(const struct matcher *m)
{
	assert(m && m->text);
	return m->text;
}

bool matchers_are_plain(const struct matchers *m)
{
	assert(m && (m->list || m->n == 0));
	for (size_t i = 0; i < m->n; i++)
		if (m->list[i]->regex)
			return false;
	return true;
}

enum matchers_result matchers_judge(const struct matchers *m, const struct text_pair *labels, size_t n,
                                    const char **ret_which)
{
	assert(m);
	assert(labels || n == 0);
	const struct matcher *unsure = NULL;

	for (size_t i = 0; i < m->n; i++) {
		const struct matcher *one = m->list[i];
		const char *value = value_of(labels, n, one->name);
		enum matchers_result say = says(one, value ? value : "");

		if (say == MATCHERS_MAYBE && !unsure)
			unsure = one;
		if (say != MATCHERS_NO)
			continue;
		if (ret_which)
			*ret_which = one->text;
		return MATCHERS_NO;
	}
	if (unsure && ret_which)
		*ret_which = unsure->text;
	return unsure ? MATCHERS_MAYBE : MATCHERS_YES;
}

enum matchers_result matchers_might_hold(const struct matchers *m, const struct text_pair *labels, size_t n,
                                         matchers_open_fn *open, void *arg, const char **ret_label)
{
	assert(m && open);
	assert(labels || n == 0);
	const char *label = NULL;

	for (size_t i = 0; i < m->n; i++) {
		const struct matcher *one = m->list[i];
		const char *value = value_of(labels, n, one->name);

		enum matchers_result say =
			!value && open(arg, one->name) ? MATCHERS_MAYBE : says(one, value ? value : "");

		if (say == MATCHERS_NO)
			return MATCHERS_NO;
		if (say == MATCHERS_MAYBE && !label)
			label = one->name;
	}
	if (label && ret_label)
		*ret_label = label;
	return label ? MATCHERS_MAYBE : MATCHERS_YES;
}

const char *matcher_example(const struct matcher *m, char *value, size_t size)
{
	assert(m && value && size > 0);
	size_t len = m->regex ? strcspn(m->value, "|") : strlen(m->value);

	if (m->negative || len == 0 || len >= size)
		return NULL;
	memcpy(value, m->value, len);
	value[len] = '\0';
	return m->regex && strpbrk(value, "\\.+*?()[]{}^$") ? NULL : m->name;
}
