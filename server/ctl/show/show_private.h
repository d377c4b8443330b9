/*
 * Tables and lines for people, and what is made harmless on the way (internal to ctl).
 */
#ifndef SERVER_CTL_SHOW_SHOW_PRIVATE_H
#define SERVER_CTL_SHOW_SHOW_PRIVATE_H

#include "server/ctl/ctl.h"
#include "server/ctl/show/words.h"

struct column {
	const char *title, *key;
	bool brief; /* a time in it, as "4m ago" */
	bool folds; /* the last one: what is too long goes on below, instead of being cut */
};

/* A member as one harmless line: "-" when absent or null, else as json_words has it. The caller's to free. */
char *show_cell(struct json_object *o, const char *key);
/* The same in a column. */
char *show_cell_in(struct json_object *o, const struct column *col);
/* "Over: no, because …"; false: it does not say. */
bool show_answer(struct json_object *inc, bool is_trouble);
/* The same of a list of incidents, or of rollouts. */
void show_over_of_incidents(struct json_object *arr);
void show_over_of_rollouts(struct json_object *arr);
/* "  LABEL3h of 48h" of a stage's clock. */
void show_clean(const char *label, struct json_object *clock);
/* A line of its own, unless there is nothing to say. A time is said in both ways. */
void show_field(const char *title, struct json_object *o, const char *key);
/* A line; red when it is one that somebody must not pass over. */
void show_trouble(bool is_trouble, const char *line);
/* The service is not at what is wanted, and nothing is on its way there. */
bool show_differs(struct json_object *rollout);
void show_table(struct json_object *arr, const struct column *cols, size_t n);
/* A member that is a list, with a title of its own; nothing when it is empty. */
void show_list(struct json_object *o, const char *key, const char *title, const struct column *cols, size_t n);

#endif
