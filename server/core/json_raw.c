#include "server/core/json_raw.h"
#include "server/core/text.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

#define REPLACEMENT 0xfffd
#define BROKEN_BYTE 0x110000 /* and above: a byte that belongs to no UTF-8 character */

/* ---- characters ---- */

#define EACH_BYTE(b) (0x0101010101010101u * (b))

/* Which of eight bytes do not stand for themselves: the highest bit of each; right up to the first that is set. */
static uint64_t not_plain(uint64_t w)
{
	uint64_t quote = w ^ EACH_BYTE('"'), slash = w ^ EACH_BYTE('\\');
	uint64_t below = (w - EACH_BYTE(0x20)) | (quote - EACH_BYTE(1)) | (slash - EACH_BYTE(1));

	return (below | w) & EACH_BYTE(0x80);
}

size_t json_raw_plain(const char *text, size_t len)
{
	assert(text || len == 0);
	size_t at = 0;

	for (uint64_t w; at + sizeof(w) <= len; at += sizeof(w)) {
		memcpy(&w, text + at, sizeof(w));
		uint64_t odd = not_plain(le64toh(w));
		if (odd)
			return at + (size_t)__builtin_ctzll(odd) / 8;
	}
	while (at < len && text[at] >= 0x20 && text[at] != '"' && text[at] != '\\') /* char: beyond ASCII is below 0 */
		at++;
	return at;
}

/* Four hexadecimal digits at text[at]; -1 if they are none. */
static int32_t hex4(const char *text, size_t len, size_t at)
{
	static const char digits[] = "0123456789abcdefABCDEF";
	int32_t v = 0;

	if (at > len || len - at < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		const char *d = text[at + i] ? strchr(digits, text[at + i]) : NULL;
		if (!d)
			return -1;
		v = v * 16 + (int32_t)(d - digits > 15 ? d - digits - 6 : d - digits);
	}
	return v;
}

static bool is_high_surrogate(int32_t v)
{
	return v >= 0xd800 && v <= 0xdbff;
}

static bool is_low_surrogate(int32_t v)
{
	return v >= 0xdc00 && v <= 0xdfff;
}

/* Length of the \u escape (two of them for a surrogate pair) at text[at], and its character. */
static size_t unicode_escape(const char *text, size_t len, size_t at, uint32_t *ret_char, const char **ret_why)
{
	int32_t v = hex4(text, len, at + 2), low = -1;

	if (v < 0) {
		*ret_why = "\\u is not followed by four hexadecimal digits";
		return 0;
	}
	*ret_char = (uint32_t)v;
	if (is_high_surrogate(v) && at + 8 <= len && memcmp(text + at + 6, "\\u", 2) == 0)
		low = hex4(text, len, at + 8);
	if (!is_low_surrogate(low))
		return 6; /* odd, if v is half of a pair */
	*ret_char = 0x10000u + ((uint32_t)(v - 0xd800) << 10) + (uint32_t)(low - 0xdc00);
	return 12;
}

static size_t escape(const char *text, size_t len, size_t at, uint32_t *ret_char, const char **ret_why)
{
	static const char escapes[] = "\"\\/bfnrt", meanings[] = "\"\\/\b\f\n\r\t";
	const char *e = NULL;

	if (len - at >= 2 && text[at + 1] == 'u')
		return unicode_escape(text, len, at, ret_char, ret_why);
	if (len - at >= 2 && text[at + 1] != '\0')
		e = strchr(escapes, text[at + 1]);
	if (!e) {
		*ret_why = "unknown escape in a string";
		return 0;
	}
	*ret_char = (unsigned char)meanings[e - escapes];
	return 2;
}

size_t json_raw_char(const char *text, size_t len, size_t at, uint32_t *ret_char, const char **ret_why)
{
	assert(at < len);
	assert(ret_char && ret_why);
	unsigned char b = (unsigned char)text[at];

	if (b == '\\')
		return escape(text, len, at, ret_char, ret_why);
	if (b >= 0x20 && b < 0x80) {
		*ret_char = b;
		return 1;
	}
	if (b < 0x20) {
		*ret_why = "control character in a string";
		return 0;
	}
	size_t n = text_utf8_next(text + at, len - at, ret_char);
	if (n == 0)
		*ret_char = BROKEN_BYTE + b;
	return n ? n : 1;
}

bool json_raw_odd(uint32_t c)
{
	return c == 0 || (c >= 0xd800 && c <= 0xdfff) || c >= BROKEN_BYTE;
}

/* ---- pieces ---- */

static bool is_blank(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* Blanks, and what stands between two pieces. */
static void skip_between(struct json_raw *r)
{
	while (r->len > 0 && (is_blank(*r->text) || *r->text == ',' || *r->text == ':')) {
		r->text++;
		r->len--;
	}
}

/* Length of the string that text begins with, both quotes included. */
static size_t string_len(const char *text, size_t len)
{
	for (size_t at = 1; at < len; at++) {
		at += json_raw_plain(text + at, len - at);
		if (at >= len)
			break;
		if (text[at] == '\\')
			at++;
		else if (text[at] == '"')
			return at + 1;
	}
	return len;
}

/* Brackets of both kinds are counted together: the text was checked. */
static size_t container_len(const char *text, size_t len)
{
	size_t depth = 0;

	for (size_t at = 0; at < len; at++) {
		if (text[at] == '"')
			at += string_len(text + at, len - at) - 1;
		else if (text[at] == '{' || text[at] == '[')
			depth++;
		else if ((text[at] == '}' || text[at] == ']') && --depth == 0)
			return at + 1;
	}
	return len;
}

static size_t scalar_len(const char *text, size_t len)
{
	size_t at = 0;

	while (at < len && !is_blank(text[at]) && text[at] != ',' && text[at] != '}' && text[at] != ']')
		at++;
	return at;
}

static bool take(struct json_raw *rest, struct json_raw *ret)
{
	skip_between(rest);
	if (rest->len == 0)
		return false;
	size_t len = *rest->text == '"'                         ? string_len(rest->text, rest->len)
	             : *rest->text == '{' || *rest->text == '[' ? container_len(rest->text, rest->len)
	                                                        : scalar_len(rest->text, rest->len);
	*ret = (struct json_raw) {rest->text, len};
	rest->text += len;
	rest->len -= len;
	return len > 0;
}

struct json_raw json_raw_whole(const char *text, size_t len)
{
	assert(text || len == 0);
	while (len > 0 && is_blank(*text)) {
		text++;
		len--;
	}
	while (len > 0 && is_blank(text[len - 1]))
		len--;
	return (struct json_raw) {text, len};
}

struct json_raw json_raw_inside(struct json_raw container)
{
	if (container.len < 2 || (*container.text != '{' && *container.text != '['))
		return (struct json_raw) {container.text, 0};
	return (struct json_raw) {container.text + 1, container.len - 2};
}

bool json_raw_item(struct json_raw *rest, struct json_raw *ret_value)
{
	assert(rest && ret_value);
	return take(rest, ret_value);
}

bool json_raw_member(struct json_raw *rest, struct json_raw *ret_key, struct json_raw *ret_value)
{
	assert(rest && ret_key && ret_value);
	return take(rest, ret_key) && take(rest, ret_value);
}

bool json_raw_find(struct json_raw object, const char *name, struct json_raw *ret_value)
{
	assert(name && ret_value);
	struct json_raw rest = json_raw_inside(object), key, value;

	if (object.len == 0 || *object.text != '{')
		return false;
	while (json_raw_member(&rest, &key, &value))
		if (json_raw_is(key, name)) {
			*ret_value = value;
			return *value.text != 'n';
		}
	return false;
}

/* ---- strings ---- */

bool json_raw_is_string(struct json_raw value)
{
	return value.len >= 2 && *value.text == '"';
}

/* Takes what is plain off the inside of a string. */
static size_t skip_plain(struct json_raw *inside)
{
	size_t n = json_raw_plain(inside->text, inside->len);

	inside->text += n;
	inside->len -= n;
	return n;
}

/* Takes one character off the inside of a string; false at its end. */
static bool next_char(struct json_raw *inside, uint32_t *ret_char)
{
	const char *why = NULL;

	if (inside->len == 0)
		return false;
	size_t n = json_raw_char(inside->text, inside->len, 0, ret_char, &why);
	assert(n > 0 && n <= inside->len);
	inside->text += n;
	inside->len -= n;
	return true;
}

static struct json_raw inside_quotes(struct json_raw string)
{
	assert(json_raw_is_string(string));
	return (struct json_raw) {string.text + 1, string.len - 2};
}

bool json_raw_is(struct json_raw string, const char *text)
{
	assert(text);
	struct json_raw in = inside_quotes(string);
	size_t len = strlen(text), same = json_raw_plain(in.text, in.len);
	uint32_t c = 0, wanted = 0;

	if (in.len < len)
		return false;
	if (same == in.len)
		return len == same && !memcmp(in.text, text, len);
	while (next_char(&in, &c)) {
		size_t n = text_utf8_next(text, len, &wanted);
		if (n == 0 || c != wanted)
			return false;
		text += n;
		len -= n;
	}
	return len == 0;
}

static size_t encoded_len(uint32_t c)
{
	return c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
}

/* As n bytes of UTF-8. */
static void encode(uint32_t c, char *out, size_t n)
{
	static const unsigned char leads[] = {0, 0, 0xc0, 0xe0, 0xf0};

	for (size_t i = n; i-- > 1; c >>= 6)
		out[i] = (char)(0x80 | (c & 0x3f));
	out[0] = (char)(leads[n] | c);
}

static uint32_t shown(uint32_t c)
{
	return json_raw_odd(c) ? REPLACEMENT : c;
}

size_t json_raw_size(struct json_raw string)
{
	struct json_raw in = inside_quotes(string);
	uint32_t c = 0;
	size_t n = skip_plain(&in);

	for (; next_char(&in, &c); n += skip_plain(&in))
		n += encoded_len(shown(c));
	return n;
}

static size_t copy_plain(struct json_raw *inside, char *out, size_t max)
{
	size_t n = json_raw_plain(inside->text, inside->len < max ? inside->len : max);

	memcpy(out, inside->text, n);
	inside->text += n;
	inside->len -= n;
	return n;
}

size_t json_raw_decode(struct json_raw string, char *out, size_t max)
{
	assert(out);
	struct json_raw in = inside_quotes(string);
	uint32_t c = 0;
	size_t at = copy_plain(&in, out, max), n;

	while (next_char(&in, &c) && (n = encoded_len(shown(c))) <= max - at) {
		encode(shown(c), out + at, n);
		at += n;
		at += copy_plain(&in, out + at, max - at);
	}
	out[at] = '\0';
	return at;
}
