/*
 * Small pure text functions: durations, times, percentages, escaping, hashes. Any thread.
 */
#ifndef SERVER_CORE_TEXT_H
#define SERVER_CORE_TEXT_H

#include <assert.h>
#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include "server/core/buf.h"

/* Defines what names a value of an enum by its table; one without a name does not occur. */
#define TEXT_ENUM_NAME(fn, type, names)                                                                                \
	const char *fn(type v)                                                                                         \
	{                                                                                                              \
		assert((size_t)v < ARRAY_LEN(names) && (names)[v]);                                                    \
		return (names)[v];                                                                                     \
	}

/* A table of names for an enum: names[value], NULL for a hole. Index or -EINVAL. Here, for the runner of steps does not
 * link text.c, which needs more than libc. */
static inline int text_enum_find(const char *const names[], size_t n, const char *word)
{
	for (size_t i = 0; i < n; i++)
		if (names[i] && !strcmp(names[i], word))
			return (int)i;
	return -EINVAL;
}
/* The one that was probably meant ("did you mean …?"); NULL: none is like it. */
const char *text_nearest(const char *const words[], size_t n, const char *word);

/* Prometheus durations ("30s", "1h30m", "7d", "1w", "1y", "250ms", "0"): prometheus/common model.ParseDuration.
 * -EINVAL if it is none, -ERANGE beyond 100 years. */
int text_duration_parse(const char *s, int64_t *ret_us);
/* The same notation, as Prometheus prints it: 5400 s -> "1h30m", 90 d -> "90d", nothing -> "0s"; years and weeks only
 * when they are whole, finer than 1 ms is cut. At least 32 bytes. */
void text_duration(int64_t us, char *out, size_t size);
/* For people: "48 hours", "72 hours", "7 days", "5 minutes", "1 hour 30 minutes", "41 s", "250 ms". Two units at most,
 * hours up to three days. At least 32 bytes. */
void text_duration_words(int64_t us, char *out, size_t size);

/* RFC 3339 with any offset; finer than microseconds is cut; years 0000-9999; leap second 60 is
 * taken as 59. Result: unix microseconds (may be negative). -EINVAL. */
int text_time_parse(const char *s, size_t len, int64_t *ret_us);
/* "2025-10-14T10:00:00.123456Z", the fraction left out when zero. At least 40 bytes. */
void text_time(int64_t us, char *out, size_t size);
/* "2025-10-14 12:00 CEST" and "2025-10-14 12:00:24 CEST", for people: in the process's time zone (TZ), which is set
 * once before threads start. At least 40 bytes, 60 for the second. */
void text_time_words(int64_t us, char *out, size_t size);
void text_time_local(int64_t us, char *out, size_t size);
/* Whether a URL names a user, with or without a password: "http://alice:secret@host/". */
bool text_url_has_user(const char *url);

/* A percentage as written in a flags file or an answer: 0 to 100, at most two decimals, optional surrounding
 * blanks and line ends, nothing else ("10%", "1e1", "010", ".5", "" and "-1" are none: -EINVAL). Hundredths of a
 * percent. -ERANGE: over 100, or finer than 0.01. */
int text_pct_parse(const char *s, size_t len, int32_t *ret_pct);
/* From a number (a metric's or JSON's value): -EINVAL for NaN, -ERANGE outside 0..100 or finer than 0.01 (1e-6
 * tolerance). */
int text_pct_from_double(double v, int32_t *ret_pct);
/* "10", "0.5", "33.33"; "unknown" for -1. At least 16 bytes. */
void text_pct(int32_t pct, char *out, size_t size);

/* Length (1-4) of the well-formed UTF-8 character that s begins with, and its code point; 0 when it begins with none.
 */
size_t text_utf8_next(const char *s, size_t len, uint32_t *ret_char);
/* Whether name is one of the words of "a,b,c"; NULL has none. */
bool text_is_listed(const char *name, const char *list);
/* The one of "a,b,c" that was probably meant, in out, which takes a word of 63 bytes. False: none is like it. */
bool text_nearest_listed(const char *list, const char *word, char out[64]);
/* An address, or a network: "10.0.0.5", "10.0.0.0/8", "fd00::/8". -EINVAL: none, or bits are set behind the prefix. */
struct text_net {
	unsigned char ip[16]; /* IPv4 in the first four */
	size_t len, bits;     /* len 4 or 16 */
};
int text_net_parse(const char *s, struct text_net *ret);
/* ip: IPv4 in the first four bytes and the rest zero; one that is mapped into IPv6 is the same. */
bool text_net_has(const struct text_net *n, const unsigned char ip[16]);
/* Whether two texts are the same; looks at every byte, wherever the first difference is. For
 * secrets of a known length. */
bool text_same_secret(const char *a, const char *b);
/* Well-formed UTF-8 (Unicode table 3-7). */
bool text_utf8_valid(const char *s, size_t len);
/* Whether U+FFFD stands in it: what was sent may have been something else (json_raw.h), so whoever asks others for
 * exactly this text may be asking for nothing. */
bool text_was_replaced(const char *s);
/* Appends s as well-formed UTF-8 text: malformed bytes become U+FFFD, control characters (also newline and
 * line separators U+2028-2029 and bidirectional overrides U+202A-202E, U+2066-2069) become a space. Text that would
 * grow over max_bytes is cut and ends in "…", within max_bytes. For text from outside that stands inside one line. */
int text_one_line(struct buf *b, const char *s, size_t len, size_t max_bytes);
/* Appends output of a program: as above, but newline and tab stay and other control bytes show as \xNN. */
int text_output(struct buf *b, const char *s, size_t len, size_t max_bytes);

/* Prometheus' label set fingerprint: FNV-1a 64 over name 0xff value 0xff, sorted by name
 * (prometheus/common model.LabelSet.Fingerprint). Pairs may come in any order; they are not changed. Out of memory
 * (only beyond 128 pairs) aborts the process. */
struct text_pair {
	const char *name, *value;
};
uint64_t text_fingerprint(const struct text_pair *pairs, size_t n);

/* Lower-case hex of HMAC-SHA256 (GnuTLS). out: 65 bytes. */
int text_hmac_sha256(const void *key, size_t key_len, const void *data, size_t len, char out[65]);
/* Lower-case hex of SHA-256. out: 65 bytes. */
int text_sha256(const void *data, size_t len, char out[65]);

/* Shortest decimal that reads back as the same number: "0.1", "3", "1e+300"; "NaN", "+Inf", "-Inf". At least 32 bytes.
 */
void text_double(double v, char *out, size_t size);
/* The word for so many: every count that stands in a sentence takes its word here. "1 alert", "2 alerts". */
const char *text_many(int64_t n, const char *one, const char *many);
/* The unit, which people write into the config for many ("seconds per 1000 nodes"), as it stands behind this number:
 * behind 1 "second per 1000 nodes". Room for the unit. */
void text_unit(const char *number, const char *unit, char *out, size_t size);
/* For people, four digits: "0.0189%" (a "ratio"), "18811", "220 MB", "4.194 MB per minute" ("bytes per minute"), "1
 * second". A unit may be "". At least 32 bytes, and room for the unit. */
void text_number(double v, const char *unit, char *out, size_t size);
/* The same of a value and its bound, but all digits where four would make them look the same though they differ. The
 * bound has a unit only when it is of bytes or a ratio. */
void text_against(double v, double bound, const char *unit, char *out, char *out_bound, size_t size);
/* The unit that so many bytes are shown in ("B" to "TB", powers of 1000 as in the config), and what one byte is of it.
 */
const char *text_bytes_unit(double bytes, double *ret_by);

/* *slot, which is owned, becomes a copy of text, or NULL for NULL. -ENOMEM: it is as it was. */
int text_set(char **slot, const char *text);
/* asprintf that never returns garbage: NULL when out of memory. */
char *text_format(const char *fmt, ...) PRINTF_LIKE(1, 2);

#endif
