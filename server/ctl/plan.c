/*
 * The plan: stage, checklist, freeze, report.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"
#include "server/ctl/show/show_private.h"

char *ctl_rollout(struct ctl *c, const char *named, int *ret_code)
{
	assert(c && ret_code);
	CLEANUP(json_cleanup) struct json_object *all = NULL;

	if (named)
		return strdup(named);
	*ret_code = ctl_call(c, "GET", "/api/v1/rollouts", NULL, &all);
	if (*ret_code)
		return NULL;
	if (json_len(all) == 1)
		return strdup(json_str_or(json_item(all, 0), "name", ""));
	fprintf(stderr, "rollbackctl: there are %zu rollouts: say which\n", json_len(all));
	*ret_code = CTL_USAGE;
	return NULL;
}

/* --- acting --- */

/* The first of two persons: nothing was done yet. */
static bool waits(struct json_object *data)
{
	const char *why = NULL;

	if (json_get_str(data, "waits", &why) != 1)
		return false;
	fprintf(stderr, "rollbackctl: not yet: %s\n", why);
	return true;
}

/* Does the stage, then shows it as it stands. */
static int post_and_show(struct ctl *c, const char *rollout, const char *what, struct json_object *body)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int r = ctl_ask(c, "POST", "rollouts", rollout, what, body, &data);

	if (r == 0 && waits(data))
		return c->json ? ctl_print(c, data, NULL), CTL_NO : CTL_NO;
	return r ? r : ctl_show(c, "rollouts", rollout, "", show_stage);
}

/* A person's move, with what its options say. number: NULL, or of a stage. */
static struct json_object *move(const struct ctl *c, const char *number)
{
	bool approves = !strcmp(c->command->verb, "approve"), forces = !strcmp(c->command->verb, "set");
	struct json_object *body =
		ctl_body("note", ctl_value(c, "reason"), "role", approves ? ctl_value(c, "role") : NULL, "milestone",
	                 approves ? ctl_value(c, "milestone") : NULL, NO_MORE);

	if (forces && ctl_has(c, "force"))
		json_add_bool(body, "force", true);
	if (number)
		json_add_int(body, "stage", strtol(number, NULL, 10));
	return body;
}

int cmd_stage(struct ctl *c, int n, const char **words)
{
	int code = 0;
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, words[0], &code);

	(void)n;
	return rollout ? ctl_show(c, "rollouts", rollout, "", show_stage) : code;
}

int cmd_stage_advance(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int code = 0;
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, words[0], &code);

	(void)n;
	if (!rollout)
		return code;
	struct json_object *body = ctl_body("reason", ctl_value(c, "reason"), NO_MORE);
	if (ctl_has(c, "force"))
		json_add_bool(body, "force", true);
	code = ctl_ask(c, "POST", "rollouts", rollout, "/advance", body, &data);
	if (code)
		return code;
	if (waits(data))
		return CTL_NO;
	if (ctl_has(c, "wait"))
		return ctl_follow(c, json_int_or(data, "advance", 0), 0, true);
	if (c->json)
		ctl_print(c, data, NULL);
	else
		printf("entering the stage; follow it with: rollbackctl stage %s\n", rollout);
	return 0;
}

int cmd_stage_set(struct ctl *c, int n, const char **words)
{
	const char *number = words[n - 1];
	int code = 0;

	if (!number[0] || strspn(number, "0123456789") != strlen(number))
		return ctl_usage(c, "%s is no stage's number", number);
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, n > 1 ? words[0] : NULL, &code);
	return rollout ? post_and_show(c, rollout, "/set", move(c, number)) : code;
}

/* The path is the word. */
int cmd_stage_note(struct ctl *c, int n, const char **words)
{
	int code = 0;
	CLEANUP(cleanup_free)
	char *rollout = ctl_rollout(c, words[0], &code), *what = text_format("/%s", c->command->verb);

	(void)n;
	return rollout ? post_and_show(c, rollout, what ? what : "", move(c, NULL)) : code;
}

/* Says that something is done, if --done does, then shows them all. */
static int done_and_show(struct ctl *c, const char *named, const char *what, const char *list,
                         void (*show)(struct json_object *))
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	const char *done = ctl_value(c, "done");
	int code = 0;
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, named, &code);

	if (!rollout)
		return code;
	if (done)
		code = ctl_ask(c, "POST", "rollouts", rollout, what,
		               ctl_body("item", done, "checklist", list, "note", ctl_value(c, "note"), NO_MORE), &data);
	return code ? code : ctl_show(c, "rollouts", rollout, "", show);
}

int cmd_checklist(struct ctl *c, int n, const char **words)
{
	(void)n;
	return done_and_show(c, words[0], "/check", ctl_value(c, "list"), show_checklists);
}

int cmd_milestones(struct ctl *c, int n, const char **words)
{
	(void)n;
	return done_and_show(c, words[0], "/done", NULL, show_milestones);
}

int cmd_freeze(struct ctl *c, int n, const char **words)
{
	int code = 0;
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, n > 1 ? words[0] : NULL, &code);

	if (!rollout)
		return code;
	return post_and_show(c, rollout, "/freeze",
	                     ctl_body("duration", words[n - 1], "note", ctl_value(c, "reason"), NO_MORE));
}

int cmd_report(struct ctl *c, int n, const char **words)
{
	bool weekly = ctl_has(c, "weekly"), final = ctl_has(c, "final");
	int code = 0;

	(void)n;
	if (ctl_has(c, "daily") + weekly + final > 1)
		return ctl_usage(c, "one of --daily, --weekly and --final");
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, words[0], &code);
	if (!rollout)
		return code;
	const char *what = final ? "/report?kind=final" : weekly ? "/report?kind=weekly" : "/report?kind=daily";
	return c->json ? ctl_show(c, "rollouts", rollout, what, NULL) : ctl_print_text(c, "rollouts", rollout, what);
}
