/*
 * Pieces of HTML. Whatever is put in by %s is escaped here and nowhere else, in text and between the quotes of an
 * attribute alike, so nothing that comes from outside can be markup: only what stands in a format is, and a format is a
 * literal.
 *
 * Pure; any thread. Errors stick in the buffer.
 */
#ifndef SERVER_WEB_HTML_H
#define SERVER_WEB_HTML_H

#include <stdbool.h>
#include <stdint.h>
#include "server/core/buf.h"
#include "server/core/json.h"

#define HTML_TEXT_MAX 1000 /* bytes of a text that are shown, unless the format says otherwise */

/* A literal with %s (escaped; at most HTML_TEXT_MAX bytes), %.*s (of so many bytes at most; what is longer ends with
 * "… 30720 bytes"), %d, %lld and %%. Control characters, marks of the reading direction and what has no width stand
 * there as ␛ or ⟨U+202E⟩; new lines and tabs stay. NULL for %s: nothing. */
void html(struct buf *b, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* A sentence of ours with percentages as the page writes them: "19 of 20 at 0 %". What is quoted stays as it is. */
void html_said(struct buf *b, const char *text);
/* "25 %" of hundredths; "unknown". */
void html_pct(struct buf *b, int32_t pct);
/* Whether an address may be a link: http or https, and no longer than browsers take. */
bool html_is_link(const char *url);
/* <a href="url">text</a>, or only the text when the address is none that may be followed. */
void html_link(struct buf *b, const char *url, const char *text);

/* --- times --- */

/* <time datetime="2026-11-28T10:00:00Z" title="2026-11-28 10:00:00 UTC"><span data-ago>3 min ago</span>, <span
 * class="clock">11:00:00 CET</span></time>, with the date when it is not today's; of a time to come the clock stands
 * first. Nothing for 0. */
void html_time(struct buf *b, int64_t us, int64_t now_us);
/* Only the clock, "11:00:00 CET", in a <time>. */
void html_clock(struct buf *b, int64_t us, int64_t now_us);
/* Only "3 min ago", in a <time>. */
void html_ago(struct buf *b, int64_t us, int64_t now_us);
/* "3 min", "2 h 5 min", "12 s", "4 d 2 h": how long. At least 32 bytes. */
void html_span_text(int64_t us, char *out, size_t size);
/* A time of the API's JSON; 0: none. */
int64_t html_time_of(struct json_object *o, const char *key);

#endif
