/* UTF-8 of text.h: checking, and making text from outside fit to be shown. */
#include "server/core/text.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#define REPLACEMENT "\xef\xbf\xbd"
#define ELLIPSIS    "\xe2\x80\xa6"

/* Unicode table 3-7: what the second byte may be depends on the first; the rest are 80..BF. */
static const struct lead {
	unsigned char first, last, size, second_min, second_max;
} leads[] = {
	{0x00, 0x7f, 1, 0, 0},       {0xc2, 0xdf, 2, 0x80, 0xbf}, {0xe0, 0xe0, 3, 0xa0, 0xbf},
	{0xe1, 0xec, 3, 0x80, 0xbf}, {0xed, 0xed, 3, 0x80, 0x9f}, {0xee, 0xef, 3, 0x80, 0xbf},
	{0xf0, 0xf0, 4, 0x90, 0xbf}, {0xf1, 0xf3, 4, 0x80, 0xbf}, {0xf4, 0xf4, 4, 0x80, 0x8f},
};

static const struct lead *lead_of(unsigned char c)
{
	for (size_t i = 0; i < ARRAY_LEN(leads); i++)
		if (c >= leads[i].first && c <= leads[i].last)
			return &leads[i];
	return NULL;
}

size_t text_utf8_next(const char *s, size_t len, uint32_t *ret_char)
{
	assert((s || len == 0) && ret_char);
	const unsigned char *b = (const unsigned char *)s;
	const struct lead *lead = len > 0 ? lead_of(b[0]) : NULL;

	if (!lead || lead->size > len)
		return 0;
	if (lead->size == 1) {
		*ret_char = b[0];
		return 1;
	}
	if (b[1] < lead->second_min || b[1] > lead->second_max)
		return 0;
	uint32_t c = b[0] & (0x7fu >> lead->size);
	for (size_t i = 1; i < lead->size; i++) {
		if ((b[i] & 0xc0) != 0x80)
			return 0;
		c = c << 6 | (b[i] & 0x3f);
	}
	*ret_char = c;
	return lead->size;
}

bool text_was_replaced(const char *s)
{
	assert(s);
	return strstr(s, REPLACEMENT) != NULL;
}

/* How many bytes of plain ASCII s begins with, as far as eights go. */
static size_t ascii_run(const char *s, size_t len)
{
	size_t n = 0;
	uint64_t eight;

	for (; len - n >= sizeof(eight); n += sizeof(eight)) {
		memcpy(&eight, s + n, sizeof(eight));
		if (eight & 0x8080808080808080)
			break;
	}
	return n;
}

bool text_utf8_valid(const char *s, size_t len)
{
	assert(s || len == 0);
	uint32_t c;

	while (len > 0) {
		size_t n = ascii_run(s, len);

		if (n == 0)
			n = text_utf8_next(s, len, &c);
		if (n == 0)
			return false;
		s += n;
		len -= n;
	}
	return true;
}

static bool is_control(uint32_t c)
{
	return c < 0x20 || (c >= 0x7f && c <= 0x9f);
}

/* Line and paragraph separators, and what turns the reading direction around, or marks it. */
static bool is_misleading(uint32_t c)
{
	return c == 0x061c || c == 0x200e || c == 0x200f || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

/* What stands for the next piece of s; at most 8 bytes. */
struct piece {
	char text[12];
	size_t len;
	size_t eaten; /* bytes of s */
};

static struct piece one_line_piece(const char *s, size_t len)
{
	struct piece p = {.eaten = 1};
	uint32_t c = 0;
	size_t n = text_utf8_next(s, len, &c);
	const char *shown = s;

	if (n == 0) {
		shown = REPLACEMENT;
		p.len = strlen(REPLACEMENT);
	} else if (is_control(c) || is_misleading(c)) {
		shown = " ";
		p.len = 1;
		p.eaten = n;
	} else {
		p.len = p.eaten = n;
	}
	memcpy(p.text, shown, p.len);
	return p;
}

static struct piece output_piece(const char *s, size_t len)
{
	struct piece p = one_line_piece(s, len);
	uint32_t c = 0;

	if (text_utf8_next(s, len, &c) == 0 || !is_control(c))
		return p;
	if (c == '\n' || c == '\t') {
		p.text[0] = (char)c;
		return p;
	}
	p.len = 0;
	for (size_t i = 0; i < p.eaten; i++)
		p.len += (size_t)snprintf(p.text + p.len, sizeof(p.text) - p.len, "\\x%02x", (unsigned char)s[i]);
	return p;
}

typedef struct piece piece_fn(const char *s, size_t len);

/* How many bytes of s stand for themselves, whoever looks at them one by one. */
static size_t plain_run(const char *s, size_t len)
{
	size_t n = 0;

	while (n < len && s[n] >= ' ' && s[n] < 0x7f)
		n++;
	return n;
}

/* Appends pieces up to limit bytes; true if all of s fitted. With b NULL it only measures. */
static bool add_pieces(struct buf *b, const char *s, size_t len, size_t limit, piece_fn *next)
{
	size_t used = 0;

	while (len > 0) {
		size_t room = limit - used, run = plain_run(s, len < room ? len : room);
		struct piece p = run ? (struct piece) {.len = run, .eaten = run} : next(s, len);
		if (p.len > room)
			return false;
		if (b && buf_add(b, run ? s : p.text, p.len) < 0)
			return true;
		used += p.len;
		s += p.eaten;
		assert(p.eaten > 0 && p.eaten <= len);
		len -= p.eaten;
	}
	return true;
}

static int add_cut(struct buf *b, const char *s, size_t len, size_t max_bytes, piece_fn *next)
{
	bool fits = add_pieces(NULL, s, len, max_bytes, next);

	if (!fits && max_bytes < strlen(ELLIPSIS))
		return b->error;
	add_pieces(b, s, len, fits ? max_bytes : max_bytes - strlen(ELLIPSIS), next);
	return buf_str(b, fits ? "" : ELLIPSIS);
}

int text_one_line(struct buf *b, const char *s, size_t len, size_t max_bytes)
{
	assert(b && (s || len == 0));
	return add_cut(b, s, len, max_bytes, one_line_piece);
}

int text_output(struct buf *b, const char *s, size_t len, size_t max_bytes)
{
	assert(b && (s || len == 0));
	return add_cut(b, s, len, max_bytes, output_piece);
}
