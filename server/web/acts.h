/*
 * What people can do from a page: one table of acts, with their fields, their commands, and when it is their time.
 *
 * Pure; any thread.
 */
#ifndef SERVER_WEB_ACTS_H
#define SERVER_WEB_ACTS_H

#include <stdbool.h>
#include <stddef.h>
#include "server/core/json.h"

#define ACT_FIELDS_MAX 6

enum act_field_kind { ACT_TEXT, ACT_LINES, ACT_TICK, ACT_HIDDEN_NUMBER, ACT_HIDDEN_TEXT };
struct act_field {
	const char *name; /* in the form and in the API's body; NULL: the end */
	enum act_field_kind kind;
	const char *label, *hint; /* hint may be NULL */
	bool required;
};

struct web_act {
	const char *word;     /* in the URL of the page and of the API */
	bool on_rollout;      /* else on an incident */
	const char *label;    /* on the button */
	const char *question; /* its page's heading */
	struct act_field fields[ACT_FIELDS_MAX];
	/* Whether there is any sense in it for this one; NULL: always. */
	bool (*fits)(struct json_object *inc);
	/* Why not now; NULL: it is the time. */
	const char *(*why_not)(struct json_object *inc);
};

const struct web_act *act_at(size_t i); /* NULL behind the last */
/* "rollbackctl incident retry 2": at least 300 bytes. */
void act_command(const struct web_act *act, struct json_object *inc, struct json_object *rollout, char *out,
                 size_t size);

/* What an incident's state asks for first, up to two; how many. */
size_t acts_asked(struct json_object *inc, struct json_object *rollout, const struct web_act *ret[2]);

#endif
