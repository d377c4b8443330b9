#include "server/core/buf.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define FIRST_CAP 256

/* Room for len more bytes and the closing NUL. */
static int reserve(struct buf *b, size_t len)
{
	assert(b->len <= b->max && (b->data || b->len == 0));
	if (b->error)
		return b->error;
	if (len > b->max - b->len) {
		b->error = -ENOSPC;
		return b->error;
	}
	if (b->len + len < b->cap)
		return 0;
	size_t cap = b->cap ? b->cap : FIRST_CAP;
	while (cap <= b->len + len && cap <= b->max / 2)
		cap *= 2;
	if (cap <= b->len + len)
		cap = b->max + 1;
	char *data = realloc(b->data, cap);
	if (!data) {
		b->error = -ENOMEM;
		return b->error;
	}
	b->data = data;
	b->cap = cap;
	return 0;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	assert(b && (data || len == 0));
	int r = reserve(b, len);

	if (r < 0)
		return r;
	if (len > 0)
		memcpy(b->data + b->len, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_str(struct buf *b, const char *s)
{
	assert(s);
	return buf_add(b, s, strlen(s));
}

int buf_char(struct buf *b, char c)
{
	return buf_add(b, &c, 1);
}

int buf_number(struct buf *b, int64_t n)
{
	char digits[20], *at = digits + sizeof(digits);
	uint64_t left = n < 0 ? -(uint64_t)n : (uint64_t)n;

	do
		*--at = (char)('0' + left % 10);
	while ((left /= 10) > 0);
	if (n < 0)
		*--at = '-';
	return buf_add(b, at, (size_t)(digits + sizeof(digits) - at));
}

int buf_printf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int r = buf_vprintf(b, fmt, ap);
	va_end(ap);
	return r;
}

int buf_vprintf(struct buf *b, const char *fmt, va_list ap)
{
	assert(b && fmt);
	va_list measure;

	va_copy(measure, ap);
	int len = vsnprintf(NULL, 0, fmt, measure);
	va_end(measure);
	if (len < 0 && !b->error)
		b->error = -ENOMEM;
	int r = reserve(b, len < 0 ? 0 : (size_t)len);
	if (r < 0)
		return r;
	vsnprintf(b->data + b->len, (size_t)len + 1, fmt, ap);
	b->len += (size_t)len;
	return 0;
}

const char *buf_text(const struct buf *b)
{
	assert(b);
	return b->data ? b->data : "";
}

char *buf_take(struct buf *b)
{
	assert(b);
	char *text = b->data ? TAKE(b->data) : calloc(1, 1);

	*b = BUF(b->max);
	return text;
}

void buf_reset(struct buf *b)
{
	assert(b);
	b->len = 0;
	b->error = 0;
	if (b->data)
		b->data[0] = '\0';
}

void buf_free(struct buf *b)
{
	if (!b)
		return;
	free(b->data);
	*b = BUF(b->max);
}

int say_why(char *why, size_t why_size, int err, const char *fmt, ...)
{
	assert(why && why_size && err < 0 && fmt);
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, why_size, fmt, ap);
	va_end(ap);
	return err;
}
