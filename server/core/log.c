#include "server/core/log.h"
#include "server/core/clock.h"
#include "server/core/scope.h"
#include "server/core/text.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <string.h>

/*
 * stderr may be shared with a shell or another process, so it is not switched to non-blocking. Instead one
 * thread at a time asks poll(2) and writes at most PIPE_BUF bytes: a pipe that polls writable takes so much
 * at once, and a stream socket (the journal) or a file does too. A terminal whose output somebody has stopped
 * may still block.
 */
#define LINE_MAX_BYTES  PIPE_BUF
#define VALUE_MAX_BYTES 1024 /* so that one value leaves room for the others */
#define KEY_MAX_BYTES   50
#define TAIL_BYTES      8 /* ellipsis, quote, brace, newline */
#define ELLIPSIS        "\xe2\x80\xa6"

static const char *const level_names[] = {
	[LOG_LEVEL_DEBUG] = "debug",
	[LOG_LEVEL_INFO] = "info",
	[LOG_LEVEL_WARN] = "warn",
	[LOG_LEVEL_ERROR] = "error",
};

static enum log_level least_level = LOG_LEVEL_INFO;
static bool as_json;
static atomic_uint_least64_t dropped;
static pthread_mutex_t stderr_lock = PTHREAD_MUTEX_INITIALIZER;

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	bool full; /* nothing more is added but the tail */
};

/* All of it or nothing; the tail always finds room. */
static bool put(struct line *l, const char *s, size_t len)
{
	assert(l->full || l->len <= sizeof(l->text) - TAIL_BYTES);
	if (l->full || len > sizeof(l->text) - TAIL_BYTES - l->len) {
		l->full = true;
		return false;
	}
	memcpy(l->text + l->len, s, len);
	l->len += len;
	return true;
}

static void put_tail(struct line *l, const char *s)
{
	assert(l->len <= sizeof(l->text));
	size_t room = sizeof(l->text) - l->len, len = strlen(s);

	if (len <= room) {
		memcpy(l->text + l->len, s, len);
		l->len += len;
	}
}

/* What would end a value or a line, or show as something else: also line separators and reversed reading
 * direction. */
static bool needs_escape(uint32_t c)
{
	return c < 0x20 || c == '"' || c == '\\' || (c >= 0x7f && c <= 0x9f) || (c >= 0x2028 && c <= 0x202e) ||
	       (c >= 0x2066 && c <= 0x2069);
}

static bool put_escaped_char(struct line *l, uint32_t c)
{
	static const char plain[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
	const char *at = c < 0x80 && c ? strchr(plain, (int)c) : NULL;
	char text[8];

	if (at)
		snprintf(text, sizeof(text), "\\%c", letters[at - plain]);
	else
		snprintf(text, sizeof(text), "\\u%04x", (unsigned)c & 0xffff);
	return put(l, text, strlen(text));
}

/* How many bytes of s, most at the most, stand for themselves between quotes. */
static size_t plain_run(const char *s, size_t most)
{
	size_t n = 0;

	while (n < most && s[n] >= ' ' && s[n] < 0x7f && s[n] != '"' && s[n] != '\\')
		n++;
	return n;
}

/* As far as there is room. */
static bool put_run(struct line *l, const char *s, size_t len)
{
	size_t room = l->full ? 0 : sizeof(l->text) - TAIL_BYTES - l->len;

	put(l, s, len < room ? len : room);
	l->full |= len > room;
	return !l->full;
}

/* The inside of a quoted value; the escapes are JSON's, which logfmt shares. False if it had to be cut. */
static bool put_escaped(struct line *l, const char *s)
{
	size_t left = strlen(s), room = VALUE_MAX_BYTES;

	while (left > 0) {
		uint32_t c = 0xfffd;
		size_t run = plain_run(s, left < room ? left : room), n = run ? run : text_utf8_next(s, left, &c);
		size_t eaten = n ? n : 1;
		if (run ? !put_run(l, s, run)
		        : eaten > room || !(n == 0 || needs_escape(c) ? put_escaped_char(l, c) : put(l, s, n)))
			return false;
		s += eaten;
		left -= eaten;
		room -= eaten;
	}
	return true;
}

static bool needs_quotes(const char *s)
{
	size_t left = strlen(s), run = plain_run(s, left);
	uint32_t c;

	if (left == 0 || strpbrk(s, " ="))
		return true;
	s += run;
	left -= run;
	while (left > 0) {
		size_t n = text_utf8_next(s, left, &c);
		if (n == 0 || needs_escape(c))
			return true;
		s += n;
		left -= n;
	}
	return false;
}

/* One pair; key is a literal of ours. Nothing of it if not even the key finds room. */
static void put_pair(struct line *l, const char *key, const char *value)
{
	assert(key && value);
	char head[KEY_MAX_BYTES + 8], *at = head;
	bool quoted = as_json || needs_quotes(value), first = l->len == 0;

	at = stpcpy(at, as_json ? first ? "{\"" : ",\"" : first ? "" : " ");
	at = mempcpy(at, key, strnlen(key, KEY_MAX_BYTES));
	at = stpcpy(at, as_json ? "\":\"" : quoted ? "=\"" : "=");
	if (!put(l, head, (size_t)(at - head)))
		return;
	if (!put_escaped(l, value) && !put(l, ELLIPSIS, strlen(ELLIPSIS)))
		put_tail(l, ELLIPSIS);
	if (quoted && !put(l, "\"", 1))
		put_tail(l, "\"");
}

static void put_head(struct line *l, enum log_level level, const char *file, int line)
{
	const char *slash = strrchr(file, '/');
	char ts[40], caller[64];

	text_time(clock_wall_us(), ts, sizeof(ts));
	snprintf(caller, sizeof(caller), "%.40s:%d", slash ? slash + 1 : file, line);
	put_pair(l, "ts", ts);
	put_pair(l, "level", level_names[level]);
	put_pair(l, "caller", caller);
}

static void put_pairs(struct line *l, va_list *ap)
{
	const char *key;

	while ((key = va_arg(*ap, const char *))) {
		const char *value = va_arg(*ap, const char *);
		put_pair(l, key, value ? value : "");
	}
}

/* 0, or -EAGAIN when stderr takes nothing now, or what went wrong. */
static int write_stderr(const struct line *l)
{
	struct pollfd p = {.fd = STDERR_FILENO, .events = POLLOUT};
	int n = poll(&p, 1, 0);

	if (n < 0)
		return -errno;
	if (n == 0 || p.revents != POLLOUT)
		return n == 0 ? -EAGAIN : -EPIPE;
	ssize_t written = write(STDERR_FILENO, l->text, l->len);
	if (written < 0)
		return -errno;
	return (size_t)written == l->len ? 0 : -EIO;
}

void log_setup(enum log_level least, bool json)
{
	assert(least <= LOG_LEVEL_ERROR);
	least_level = least;
	as_json = json;
}

int log_level_parse(const char *word, enum log_level *ret)
{
	assert(word && ret);
	int i = text_enum_find(level_names, ARRAY_LEN(level_names), word);

	if (i < 0)
		return i;
	*ret = (enum log_level)i;
	return 0;
}

bool log_writes(enum log_level level)
{
	return level >= least_level;
}

void log_write(enum log_level level, const char *file, int line, const char *msg, ...)
{
	assert(level <= LOG_LEVEL_ERROR && file && msg);
	struct line l;
	va_list ap;
	int r;

	if (!log_writes(level))
		return;
	l.len = 0;
	l.full = false;
	put_head(&l, level, file, line);
	put_pair(&l, "msg", msg);
	va_start(ap, msg);
	put_pairs(&l, &ap);
	va_end(ap);
	put_tail(&l, as_json ? "}\n" : "\n");

	pthread_mutex_lock(&stderr_lock);
	r = write_stderr(&l);
	pthread_mutex_unlock(&stderr_lock);
	if (r < 0)
		atomic_fetch_add(&dropped, 1);
}

uint64_t log_dropped(void)
{
	return atomic_load(&dropped);
}
