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
#include "server/ctl/show_private.h"

#define WORDS_MAX 4

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
		return CTL_NO;
	return r ? r : ctl_show(c, "rollouts", rollout, "", show_stage);
}

struct stage_words {
	const char *reason, *role, *number, *milestone;
	bool force, wait;
};

static int advance(struct ctl *c, const char *rollout, const struct stage_words *w)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	struct json_object *body = ctl_body("reason", w->reason, NO_MORE);

	if (w->force)
		json_add_bool(body, "force", true);
	int r = ctl_ask(c, "POST", "rollouts", rollout, "/advance", body, &data);
	if (r)
		return r;
	if (waits(data))
		return CTL_NO;
	if (w->wait)
		return ctl_follow(c, json_int_or(data, "advance", 0), 0, true);
	printf("entering the stage; follow it with: rollbackctl stage %s\n", rollout);
	return 0;
}

static int with_note(struct ctl *c, const char *rollout, const char *verb, const struct stage_words *w)
{
	CLEANUP(cleanup_free) char *what = text_format("/%s", verb);
	struct json_object *body = ctl_body("note", w->reason, "role", w->role, "milestone", w->milestone, NO_MORE);
	char *end = NULL;

	if (w->force)
		json_add_bool(body, "force", true);
	if (w->number) {
		json_add_int(body, "stage", strtol(w->number, &end, 10));
		if (end == w->number || *end) {
			json_object_put(body);
			return ctl_usage(c);
		}
	}
	return post_and_show(c, rollout, what ? what : "", body);
}

/* The path is the word. The last word of "set" is the number of a stage. */
static bool is_verb(const char *word)
{
	static const char *const verbs[] = {"advance", "set", "hold", "resume", "approve", "certify", "publish"};
	size_t i = 0;

	while (i < ARRAY_LEN(verbs) && strcmp(verbs[i], word) != 0)
		i++;
	return i < ARRAY_LEN(verbs);
}

int cmd_stage(struct ctl *c, int n, char **argv)
{
	const char *rest[WORDS_MAX] = {NULL};
	struct stage_words w = {0};
	const struct option options[] = {{"--reason", &w.reason, NULL}, {"--note", &w.reason, NULL},
	                                 {"--role", &w.role, NULL},     {"--milestone", &w.milestone, NULL},
	                                 {"--force", NULL, &w.force},   {"--wait", NULL, &w.wait}};
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, WORDS_MAX), code = 0;
	bool verb = found >= 1 && is_verb(rest[0]), sets = verb && !strcmp(rest[0], "set");

	if (found == 1 && !verb)
		return ctl_show(c, "rollouts", rest[0], "", show_stage);
	if (!verb || found > 2 + sets || found < 1 + sets)
		return ctl_usage(c);
	if (sets)
		w.number = rest[found - 1];
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, found == 2 + sets ? rest[1] : NULL, &code);
	if (!rollout)
		return code;
	return strcmp(rest[0], "advance") ? with_note(c, rollout, rest[0], &w) : advance(c, rollout, &w);
}

int cmd_checklist(struct ctl *c, int n, char **argv)
{
	const char *done = NULL, *list = NULL, *text = NULL, *rest[1] = {NULL};
	const struct option options[] = {{"--done", &done, NULL}, {"--list", &list, NULL}, {"--note", &text, NULL}};
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, 1), code = 0;

	if (found < 0)
		return ctl_usage(c);
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, rest[0], &code);
	if (!rollout)
		return code;
	if (done)
		code = ctl_ask(c, "POST", "rollouts", rollout, "/check",
		               ctl_body("item", done, "checklist", list, "note", text, NO_MORE), &data);
	return code ? code : ctl_show(c, "rollouts", rollout, "", show_checklists);
}

int cmd_milestones(struct ctl *c, int n, char **argv)
{
	const char *done = NULL, *text = NULL, *rest[1] = {NULL};
	const struct option options[] = {{"--done", &done, NULL}, {"--note", &text, NULL}};
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, 1), code = 0;

	if (found < 0)
		return ctl_usage(c);
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, rest[0], &code);
	if (!rollout)
		return code;
	if (done)
		code = ctl_ask(c, "POST", "rollouts", rollout, "/done", ctl_body("item", done, "note", text, NO_MORE),
		               &data);
	return code ? code : ctl_show(c, "rollouts", rollout, "", show_milestones);
}

int cmd_freeze(struct ctl *c, int n, char **argv)
{
	const char *reason = NULL, *rest[2] = {NULL};
	const struct option options[] = {{"--reason", &reason, NULL}, {"--note", &reason, NULL}};
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, 2), code = 0;

	if (found < 1)
		return ctl_usage(c);
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, found == 2 ? rest[0] : NULL, &code);
	if (!rollout)
		return code;
	return post_and_show(c, rollout, "/freeze", ctl_body("duration", rest[found - 1], "note", reason, NO_MORE));
}

int cmd_report(struct ctl *c, int n, char **argv)
{
	const char *rest[1] = {NULL};
	bool daily = false, weekly = false, final = false;
	const struct option options[] = {
		{"--daily", NULL, &daily}, {"--weekly", NULL, &weekly}, {"--final", NULL, &final}};
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, 1), code = 0;

	if (found < 0 || daily + weekly + final > 1)
		return ctl_usage(c);
	CLEANUP(cleanup_free) char *rollout = ctl_rollout(c, rest[0], &code);
	if (!rollout)
		return code;
	const char *what = final ? "/report?kind=final" : weekly ? "/report?kind=weekly" : "/report?kind=daily";
	return c->json ? ctl_show(c, "rollouts", rollout, what, NULL) : ctl_print_text(c, "rollouts", rollout, what);
}
