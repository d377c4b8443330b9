/*
 * Bounded byte buffer: it is born with its maximum and never grows beyond it.
 *
 * The text is always NUL-terminated (data is NULL only while nothing was ever added).
 * The first failed addition sticks: later ones are refused too, and b->error tells,
 * so a writer of many pieces checks once at the end.
 */
#ifndef SERVER_CORE_BUF_H
#define SERVER_CORE_BUF_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/scope.h"

struct buf {
	char *data; /* owned */
	size_t len; /* bytes without the closing NUL */
	size_t cap;
	size_t max; /* most bytes it will ever hold, without the NUL */
	int error;  /* 0, -ENOSPC (over max) or -ENOMEM */
};

#define BUF(max_bytes) ((struct buf) {.max = (max_bytes)})

/* All return 0 or the sticking error. Nothing is added on failure. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_str(struct buf *b, const char *s);
int buf_char(struct buf *b, char c);
int buf_number(struct buf *b, int64_t n);
int buf_printf(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);
int buf_vprintf(struct buf *b, const char *fmt, va_list ap) PRINTF_LIKE(2, 0);

/* "" when empty; borrowed, valid until the next change. */
const char *buf_text(const struct buf *b);

/* Gives the text away (never NULL unless out of memory) and empties b, which keeps its maximum. */
char *buf_take(struct buf *b);

/* Forgets content and error, keeps memory and maximum. */
void buf_reset(struct buf *b);
void buf_free(struct buf *b);

/* A sentence for people in why, cut to its size. Returns err, below 0: a function that refuses ends with it. */
int say_why(char *why, size_t why_size, int err, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
