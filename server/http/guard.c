#include "server/http/guard.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "server/core/text.h"

/* --- fields --- */

static const char *value_of(const char *name)
{
	return name + strlen(name) + 1;
}

static const char *behind(const char *name)
{
	return value_of(value_of(name));
}

int http_fields_add(struct http_fields *f, const char *name, const char *value)
{
	assert(name && value && f->n <= HTTP_FIELDS_MAX);
	f->text.max = HTTP_FIELDS_BYTES;
	if (f->n == HTTP_FIELDS_MAX)
		return -ENOSPC;
	buf_add(&f->text, name, strlen(name) + 1);
	int r = buf_add(&f->text, value, strlen(value) + 1);
	f->n += r == 0;
	return r;
}

const char *http_fields_get(const struct http_fields *f, const char *name)
{
	const char *at = f->text.data;

	assert(name);
	for (size_t i = 0; i < f->n; i++, at = behind(at))
		if (!strcasecmp(at, name))
			return value_of(at);
	return NULL;
}

size_t http_fields_count(const struct http_fields *f, const char *name)
{
	const char *at = f->text.data;
	size_t n = 0;

	for (size_t i = 0; i < f->n; i++, at = behind(at))
		n += !strcasecmp(at, name);
	return n;
}

void http_fields_free(struct http_fields *f)
{
	buf_free(&f->text);
	f->n = 0;
}

enum http_method http_method_find(const char *name)
{
	static const char *const names[] = {
		[HTTP_GET] = "GET", [HTTP_HEAD] = "HEAD",     [HTTP_POST] = "POST",
		[HTTP_PUT] = "PUT", [HTTP_DELETE] = "DELETE",
	};
	int i = text_enum_find(names, ARRAY_LEN(names), name);

	return i < 0 ? HTTP_OTHER : (enum http_method)i;
}

/* --- headers --- */

/* RFC 9110, 5.6.2 */
static bool is_token(const char *s)
{
	if (!*s)
		return false;
	for (; *s; s++)
		if (!isalnum((unsigned char)*s) && !strchr("!#$%&'*+-.^_`|~", *s))
			return false;
	return true;
}

static bool is_clean(const char *s)
{
	for (; *s; s++)
		if (((unsigned char)*s < 0x20 && *s != '\t') || *s == 0x7f)
			return false;
	return true;
}

static const char *check_text(const struct http_fields *h, bool http_1_1)
{
	const char *at = h->text.data;

	(void)http_1_1;
	for (size_t i = 0; i < h->n; i++, at = behind(at)) {
		if (!is_token(at))
			return "a header name contains characters that may not stand there";
		if (!is_clean(value_of(at)))
			return "a header value contains control characters";
	}
	return NULL;
}

static const char *check_length(const struct http_fields *h, bool http_1_1)
{
	const char *length = http_fields_get(h, "Content-Length");

	(void)http_1_1;
	if (http_fields_count(h, "Content-Length") > 1)
		return "there is more than one Content-Length";
	if (length && (!*length || strlen(length) > 18 || strspn(length, "0123456789") != strlen(length)))
		return "Content-Length is not a number of bytes";
	return NULL;
}

static const char *check_encoding(const struct http_fields *h, bool http_1_1)
{
	const char *encoding = http_fields_get(h, "Transfer-Encoding");

	if (!encoding)
		return NULL;
	if (http_fields_get(h, "Content-Length"))
		return "Content-Length and Transfer-Encoding exclude each other";
	if (!http_1_1 || http_fields_count(h, "Transfer-Encoding") > 1 || strcasecmp(encoding, "chunked") != 0)
		return "Transfer-Encoding can only be chunked, once, in HTTP/1.1";
	return NULL;
}

static const char *check_expect(const struct http_fields *h, bool http_1_1)
{
	const char *expect = http_fields_get(h, "Expect");

	(void)http_1_1;
	if (expect && (http_fields_count(h, "Expect") > 1 || strcasecmp(expect, "100-continue") != 0))
		return "Expect can only be 100-continue";
	return NULL;
}

static const char *check_host(const struct http_fields *h, bool http_1_1)
{
	size_t n = http_fields_count(h, "Host");

	return n > 1 ? "there is more than one Host" : n == 0 && http_1_1 ? "there is no Host" : NULL;
}

const char *http_guard_headers(const struct http_fields *headers, bool http_1_1)
{
	static const char *(*const checks[])(const struct http_fields *, bool) = {
		check_text, check_length, check_encoding, check_expect, check_host,
	};
	const char *why = NULL;

	assert(headers);
	for (size_t i = 0; i < ARRAY_LEN(checks) && !why; i++)
		why = checks[i](headers, http_1_1);
	return why;
}

/* --- as it was sent --- */

static void expect(struct http_cut *c, const char *at)
{
	c->torn |= at != c->next;
}

struct http_cut http_cut_line(const char *method, const char *target, size_t target_len, const char *version)
{
	assert(method && version);
	struct http_cut c = {.next = method + strlen(method) + 1};

	if (!target)
		return (struct http_cut) {.torn = true};
	expect(&c, target);
	c.next += target_len + 1;
	expect(&c, version);
	c.next += strlen(version) + 2;
	return c;
}

/* Blanks between the colon and the value were passed over; nothing else is. */
void http_cut_header(struct http_cut *c, const char *name, const char *value)
{
	if (c->torn)
		return;
	expect(c, name);
	c->torn |= !value || value <= name + strlen(name);
	if (!c->torn)
		c->next = value + strlen(value) + 2;
}

bool http_cut_is_whole(const struct http_cut *c, const char *end)
{
	return !c->torn && c->next + 2 == end;
}

struct http_body_head http_body_head(const struct http_fields *headers)
{
	const char *length = http_fields_get(headers, "Content-Length");

	if (http_fields_get(headers, "Transfer-Encoding"))
		return (struct http_body_head) {.any = true};
	uint64_t n = length ? strtoull(length, NULL, 10) : 0;
	return (struct http_body_head) {.any = n > 0, .known = true, .length = n};
}

bool http_changes_something(enum http_method method)
{
	return method != HTTP_GET && method != HTTP_HEAD;
}

bool http_from_other_site(const struct http_fields *headers)
{
	const char *site = http_fields_get(headers, "Sec-Fetch-Site");

	return site && (http_fields_count(headers, "Sec-Fetch-Site") > 1 ||
	                (strcmp(site, "same-origin") != 0 && strcmp(site, "none") != 0));
}

bool http_is_type(const struct http_fields *headers, const char *type)
{
	const char *is = http_fields_get(headers, "Content-Type");

	assert(type);
	if (!is || http_fields_count(headers, "Content-Type") > 1 || strncasecmp(is, type, strlen(type)) != 0)
		return false;
	is += strlen(type);
	is += strspn(is, " \t");
	return !*is || *is == ';';
}

/* --- the request target --- */

static int hex(char c)
{
	return c >= '0' && c <= '9'   ? c - '0'
	       : c >= 'a' && c <= 'f' ? c - 'a' + 10
	       : c >= 'A' && c <= 'F' ? c - 'A' + 10
	                              : -1;
}

/* Decodes len bytes; the result is well-formed UTF-8 without control characters, else -EINVAL. */
static int decode(const char *s, size_t len, bool plus_is_blank, bool slash_may_hide, char *out)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		int c = (unsigned char)s[i];

		if (c == '%') {
			/* The text ends in a NUL, which is no hex digit. */
			if (hex(s[i + 1]) < 0 || hex(s[i + 2]) < 0)
				return -EINVAL;
			c = hex(s[i + 1]) * 16 + hex(s[i + 2]);
			i += 2;
			if (c == '/' && !slash_may_hide)
				return -EINVAL;
		} else if (c == '+' && plus_is_blank) {
			c = ' ';
		} else if (c == ' ') {
			return -EINVAL;
		}
		if (c < 0x20 || c == 0x7f)
			return -EINVAL;
		out[n++] = (char)c;
	}
	out[n] = '\0';
	return text_utf8_valid(out, n) ? 0 : -EINVAL;
}

static bool is_dots(const char *s, size_t len)
{
	return (len == 1 && s[0] == '.') || (len == 2 && s[0] == '.' && s[1] == '.');
}

static bool has_odd_segment(const char *path)
{
	for (const char *s = path; *s;) {
		size_t len = strcspn(++s, "/");

		if (is_dots(s, len) || (len == 0 && *s == '/'))
			return true;
		s += len;
	}
	return false;
}

int http_path_decode(const char *target, char *out)
{
	assert(target && out);
	size_t len = strcspn(target, "?");

	if (target[0] != '/')
		return -EINVAL;
	int r = decode(target, len, false, false, out);
	return r < 0 ? r : has_odd_segment(out) ? -EINVAL : 0;
}

/* One "name=value" of len bytes; room holds the two, decoded. */
static int add_param(const char *s, size_t len, char *room, struct http_fields *ret)
{
	const char *equals = memchr(s, '=', len);
	size_t name_len = equals ? (size_t)(equals - s) : len;
	char *value = room + name_len + 1;

	if (len == 0)
		return 0;
	int r = decode(s, name_len, true, true, room);
	if (r == 0)
		r = decode(s + name_len + (equals != NULL), len - name_len - (equals != NULL), true, true, value);
	return r < 0 ? r : http_fields_add(ret, room, value);
}

int http_query_parse(const char *target, struct http_fields *ret)
{
	const char *s = strchr(target, '?');
	struct http_fields f = {0};
	int r = 0;

	if (!s)
		return 0;
	CLEANUP(cleanup_free) char *room = malloc(strlen(s) + 2);
	if (!room)
		return -ENOMEM;
	while (*s && r == 0) {
		size_t len = strcspn(++s, "&");

		r = add_param(s, len, room, &f);
		s += len;
	}
	if (r < 0) {
		http_fields_free(&f);
		return r;
	}
	*ret = f;
	return 0;
}

const char *http_query_fault(const struct http_fields *query, const char *known)
{
	const char *at = query->text.data;

	for (size_t i = 0; i < query->n; i++, at = behind(at))
		if (!text_is_listed(at, known) || http_fields_count(query, at) > 1)
			return at;
	return NULL;
}
