/*
 * A JSON text taken piece by piece, without a tree: what may be as long as a sender likes costs no more memory than
 * its bytes.
 *
 * Only for texts that json_check has accepted; the pieces point into the text and live as long as it. Pure; any thread.
 *
 * Characters that no text of ours may hold (U+0000, half of a surrogate pair, bytes that are no UTF-8) are odd: they
 * are taken, and become U+FFFD. One odd character must not cost the alerts beside it, nor its own; and a name with one
 * is never the name without it.
 */
#ifndef SERVER_CORE_JSON_RAW_H
#define SERVER_CORE_JSON_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_raw { /* one value, no blanks around it: text[0] tells its kind */
	const char *text;
	size_t len;
};

/* Inside a string: length in the text of the character at text[at], and the character; 0 with *ret_why when none may
 * stand there. Odd characters come as numbers of their own, so that names which differ stay different. For texts that
 * were not checked yet, too. */
size_t json_raw_char(const char *text, size_t len, size_t at, uint32_t *ret_char, const char **ret_why);
bool json_raw_odd(uint32_t c);
/* How many bytes from the first on stand for themselves in a string: printable ASCII but quotes and backslashes. */
size_t json_raw_plain(const char *text, size_t len);

/* The value that a whole text is. */
struct json_raw json_raw_whole(const char *text, size_t len);
/* What is in a container, to be taken with the next two; nothing of what is none. */
struct json_raw json_raw_inside(struct json_raw container);
/* Takes the first member, or item, off *rest; false at the end. */
bool json_raw_member(struct json_raw *rest, struct json_raw *ret_key, struct json_raw *ret_value);
bool json_raw_item(struct json_raw *rest, struct json_raw *ret_value);
/* The member of an object with this name; false when there is none, or null. */
bool json_raw_find(struct json_raw object, const char *name, struct json_raw *ret_value);

bool json_raw_is_string(struct json_raw value);
/* Whether a string is exactly this text. */
bool json_raw_is(struct json_raw string, const char *text);
/* How many bytes its text has, as UTF-8 without NUL and odd characters. */
size_t json_raw_size(struct json_raw string);
/* That text, of which whole characters up to max bytes, and a closing NUL, for which out has room. Returns its bytes.
 */
size_t json_raw_decode(struct json_raw string, char *out, size_t max);

#endif
