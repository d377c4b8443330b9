/*
 * --watch: what is asked again and again, and how it is shown.
 */
#ifndef SERVER_CTL_WATCH_H
#define SERVER_CTL_WATCH_H

#include "server/ctl/ctl.h"

struct watched {
	/* An array of what there is; what: the word of the command line, or NULL. 0, or an exit code. */
	int (*ask)(struct ctl *c, const char *what, struct json_object **ret);
	void (*show)(struct ctl *c, struct json_object *arr); /* all of it, as without --watch */
	void (*line)(struct json_object *one);                /* one of it that changed, behind the time */
	const char *id;                                       /* the member by which one is known again */
	const char *const *fields; /* till NULL: what is a change. JSON pointers; "?/watch": only whether it is there */
	int (*result)(struct json_object *arr); /* an exit code once it is decided, else -1; NULL: it goes on */
};
/* Until it is decided, or refused. An exit code. Only one that has answered once is waited for. */
int ctl_watch(struct ctl *c, const struct watched *w, const char *what);

#endif
