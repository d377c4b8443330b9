/*
 * The log: one line per event to stderr, logfmt or JSON, as Prometheus' programs write it.
 *
 * log_info("msg", "key", "value", ...): a message, then pairs of strings; a NULL value shows as empty.
 * Any thread. Writing never blocks a thread for long: stderr is written once with write(2); when
 * that would block (pipe full, reader gone) the line is dropped and counted (log_dropped).
 * Values are escaped, so a label cannot forge a line. Secrets are never passed in.
 */
#ifndef SERVER_CORE_LOG_H
#define SERVER_CORE_LOG_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include "server/core/scope.h"

enum log_level { LOG_LEVEL_DEBUG, LOG_LEVEL_INFO, LOG_LEVEL_WARN, LOG_LEVEL_ERROR };

/* Once at start, before other threads. */
void log_setup(enum log_level least, bool json);
/* -EINVAL for a word that is no level. */
int log_level_parse(const char *word, enum log_level *ret);

/* The pairs end with two NULLs, so that a key without a value cannot run off the end. Lines are cut at 4 KiB, values at
 * 1 KiB. */
void log_write(enum log_level level, const char *file, int line, const char *msg, ...) __attribute__((sentinel));
/* Whether lines of that level are written: what is dear to say need not be made for nothing. */
bool log_writes(enum log_level level);
uint64_t log_dropped(void);

#define log_debug(...) log_write(LOG_LEVEL_DEBUG, __FILE__, __LINE__, __VA_ARGS__, NO_MORE, NO_MORE)
#define log_info(...)  log_write(LOG_LEVEL_INFO, __FILE__, __LINE__, __VA_ARGS__, NO_MORE, NO_MORE)
#define log_warn(...)  log_write(LOG_LEVEL_WARN, __FILE__, __LINE__, __VA_ARGS__, NO_MORE, NO_MORE)
#define log_error(...) log_write(LOG_LEVEL_ERROR, __FILE__, __LINE__, __VA_ARGS__, NO_MORE, NO_MORE)

/* Text of a number for a log pair; lives until the end of the enclosing block. */
#define log_num(n) log_num_text((char[24]) {0}, (long long)(n))
static inline const char *log_num_text(char out[24], long long n)
{
	snprintf(out, 24, "%lld", n);
	return out;
}

#endif
