/*
 * How the readers of environment files see one: what flags_text.c asks flags_systemd.c and flags_dotenv.c. Pure.
 *
 * A reader walks the text from assignment to assignment. None looks behind the end of the text.
 */
#ifndef HANDLERS_STEPS_FLAGS_PRIVATE_H
#define HANDLERS_STEPS_FLAGS_PRIVATE_H

#include <stdbool.h>
#include <stddef.h>

#define FLAGS_VALUE_MAX 256 /* bytes of a value that are decoded: flags are shorter */

struct cursor {
	const char *text;
	size_t len, at;
};

struct assignment {
	const char *key; /* in the text */
	size_t key_len;
	size_t from, to;             /* the value in the text, without quotes that enclose all of it */
	char value[FLAGS_VALUE_MAX]; /* what a reader gets; cut when too_long */
	size_t value_len;
	size_t significant; /* of value_len: blanks at the end are no part of it */
	bool too_long;
	bool unclosed; /* a quote that is never closed: it reaches to the end of the text */
};

static inline bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* One more byte of the value. */
void assignment_add(struct assignment *a, char ch, bool significant);

/* The next assignment, whatever its key. False: no more. */
bool flags_systemd_next(struct cursor *c, struct assignment *a);
/* dotenv of Node, its built-in --env-file, python-dotenv, docker compose: as dotenv's regular expression has it. */
bool flags_dotenv_next(struct cursor *c, struct assignment *a);
/* docker run --env-file, podman: line by line, the value as it stands there. */
bool flags_docker_next(struct cursor *c, struct assignment *a);

#endif
