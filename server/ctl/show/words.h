/*
 * How things look to whoever reads them: what is sent is made harmless, times are the reader's, colours stand only
 * where they are seen. One thread; set up once.
 */
#ifndef SERVER_CTL_SHOW_WORDS_H
#define SERVER_CTL_SHOW_WORDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/buf.h"
#include "server/core/json.h"

/* color: auto, always or never; NULL: auto. date: local, relative, rfc3339, or of strftime(3) with a "%"; NULL: local,
 * and relative where there is little room. False: said what is wrong with them. */
bool show_setup(const char *color, const char *date, bool utc);

/* Nothing in any text of o moves a cursor, colours, or turns the direction of reading: each is one line, but for what
 * programs wrote ("output") and whole documents ("text"). */
void show_inert(struct json_object *o);
/* The same of a text on its way to the terminal. The caller's to free. */
char *show_harmless(const char *text);

/* text, with the times that stand in it as the reader wants them; brief: in little room. */
void show_times(struct buf *b, const char *text, bool brief);
/* "4m ago", "in 2h". */
void show_ago(struct buf *b, int64_t us, int64_t now_us);

/* JSON as a text that does no more to a terminal than stand there. */
void show_json(struct json_object *o, bool pretty);

/* How many columns the terminal has; 0: it is none, and nothing is cut. */
int show_columns(void);
/* Columns that a text takes: of Chinese, two a character. */
int show_width(const char *text);
/* The escape sequence of a word that says how something is ("failed"), or of SHOW_BAD and the like; "" where no colour
 * is wanted. show_plain(): ends it. */
#define SHOW_BAD   "failed"
#define SHOW_GOOD  "done"
#define SHOW_TITLE "title"
const char *show_colour(const char *word);
const char *show_plain(void);

#endif
