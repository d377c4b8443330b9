/*
 * Tables and lines for people, and what is made harmless on the way (internal to ctl).
 */
#ifndef SERVER_CTL_SHOW_PRIVATE_H
#define SERVER_CTL_SHOW_PRIVATE_H

#include "server/ctl/ctl.h"

struct column {
	const char *title, *key;
};

/* A member as one harmless line: "-" when absent or null, else as json_words has it. The caller's to free. */
char *show_cell(struct json_object *o, const char *key);
/* "Over: no, because …"; false: it does not say. */
bool show_answer(struct json_object *inc, bool is_trouble);
/* "  LABEL3h of 48h" of a stage's clock. */
void show_clean(const char *label, struct json_object *clock);
/* A line of its own, unless there is nothing to say. */
void show_field(const char *title, struct json_object *o, const char *key);
/* A line; red on a terminal when it is one that somebody must not pass over. */
void show_trouble(bool is_trouble, const char *line);
/* On a terminal no wider than it. */
void show_table(struct json_object *arr, const struct column *cols, size_t n);
/* A member that is a list, with a title of its own; nothing when it is empty. */
void show_list(struct json_object *o, const char *key, const char *title, const struct column *cols, size_t n);

#endif
