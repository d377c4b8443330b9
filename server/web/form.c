#include "server/web/form.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/text.h"

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* One byte of s, decoded; *i moves to its last. -1: malformed. */
static int byte_at(const char *s, size_t len, size_t *i)
{
	if (s[*i] == '+')
		return ' ';
	if (s[*i] != '%')
		return (unsigned char)s[*i];
	if (*i + 2 >= len || hex(s[*i + 1]) < 0 || hex(s[*i + 2]) < 0)
		return -1;
	int c = hex(s[*i + 1]) * 16 + hex(s[*i + 2]);
	*i += 2;
	return c;
}

static bool may_stand(int c)
{
	return (c >= 0x20 && c != 0x7f) || c == '\t' || c == '\n' || c == '\r';
}

/* Appends a name or a value with its NUL; *out moves behind it. */
static int decode(const char *s, size_t len, char **out)
{
	char *start = *out, *end = start;

	for (size_t i = 0; i < len; i++) {
		int c = byte_at(s, len, &i);

		if (c < 0 || !may_stand(c))
			return -EINVAL;
		if (c == '\n' && end > start && end[-1] == '\r')
			end--;
		*end++ = (char)c;
	}
	*end = '\0';
	*out = end + 1;
	return text_utf8_valid(start, (size_t)(end - start)) ? 0 : -EINVAL;
}

/* "name=value" */
static int add(struct form *f, const char *s, size_t len, char **out)
{
	const char *equals = memchr(s, '=', len);
	size_t name = equals ? (size_t)(equals - s) : len;

	if (len == 0)
		return 0;
	if (f->n == FORM_FIELDS_MAX)
		return -E2BIG;
	int r = decode(s, name, out);
	if (r == 0)
		r = decode(s + name + (equals != NULL), len - name - (equals != NULL), out);
	f->n += r == 0;
	return r;
}

static int add_all(struct form *f, const char *body, size_t len)
{
	char *out = f->text;
	int r = 0;

	for (size_t at = 0; r == 0 && at < len;) {
		const char *mark = memchr(body + at, '&', len - at);
		size_t n = mark ? (size_t)(mark - body) - at : len - at;

		r = add(f, body + at, n, &out);
		at += n + 1;
	}
	return r;
}

int form_parse(const char *body, size_t len, struct form *ret, const char **why)
{
	assert((body || len == 0) && ret && why);
	struct form f = {0};

	*why = "the form is longer than 65536 bytes";
	if (len > FORM_MAX)
		return -E2BIG;
	*why = "out of memory";
	/* Each field may add two NULs; "=" and "&" make room for them, but for the last. */
	f.text = malloc(2 * len + 2);
	if (!f.text)
		return -ENOMEM;
	int r = add_all(&f, body, len);
	if (r < 0) {
		*why = r == -E2BIG ? "the form has too many fields" : "the form is malformed";
		form_free(&f);
		return r;
	}
	*ret = f;
	return 0;
}

void form_free(struct form *f)
{
	free(f->text);
	*f = (struct form) {0};
}

static const char *value_of(const char *name)
{
	return name + strlen(name) + 1;
}

/* The first field from the i-th on of that name; *i moves behind it. */
static const char *find(const struct form *f, const char *name, const char **at, size_t *i)
{
	while (*i < f->n) {
		const char *value = value_of(*at);
		bool is = !strcmp(*at, name);

		*at = value_of(value);
		(*i)++;
		if (is)
			return value;
	}
	return NULL;
}

const char *form_get(const struct form *f, const char *name)
{
	assert(f && name);
	const char *at = f->text;
	size_t i = 0;

	return find(f, name, &at, &i);
}

bool form_has(const struct form *f, const char *name, const char *value)
{
	assert(f && name && value);
	const char *at = f->text;
	size_t i = 0;

	for (const char *v; (v = find(f, name, &at, &i));)
		if (!strcmp(v, value))
			return true;
	return false;
}

const char *form_unknown(const struct form *f, const char *known)
{
	assert(f);
	const char *at = f->text;

	for (size_t i = 0; i < f->n; i++, at = value_of(value_of(at)))
		if (strcmp(at, FORM_TOKEN) != 0 && !text_is_listed(at, known))
			return at;
	return NULL;
}

bool form_token_fits(const struct form *f, const struct http_req *req)
{
	assert(f && req);
	const char *token = form_get(f, FORM_TOKEN);

	return token && req->form_token[0] && text_same_secret(token, req->form_token);
}
