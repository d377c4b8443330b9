/*
 * The plan: stage, checklist, freeze, report.
 */
#include <assert.h>
#include <math.h>
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

/* --- showing --- */

static void line(const char *label, struct json_object *o, const char *key)
{
	const char *text = NULL;

	if (json_get_str(o, key, &text) == 1)
		printf("  %s%s\n", label, text);
}

static void criterion_line(struct json_object *o)
{
	printf("  criterion  %-28s %s\n", json_str_or(o, "name", ""), json_str_or(o, "why", ""));
}

static void approval_line(struct json_object *o)
{
	printf("  approval   %-28s %s\n", json_str_or(o, "role", ""), json_str_or(o, "person", "missing"));
}

static void item_line(struct json_object *o)
{
	const char *person = json_str_or(o, "person", "");

	printf("  [%c] %s%s%s%s\n", strcmp(json_str_or(o, "state", ""), "done") ? ' ' : 'x', json_str_or(o, "text", ""),
	       person[0] ? " - " : "", person, !strcmp(json_str_or(o, "state", ""), "overdue") ? " (overdue)" : "");
}

static void each(struct json_object *o, const char *key, void (*show)(struct json_object *))
{
	struct json_object *arr = json_arr_of(o, key);

	for (size_t i = 0; i < json_len(arr); i++)
		show(json_item(arr, i));
}

static void checklist_of_stage(struct json_object *list)
{
	if (json_true(list, "of_stage"))
		printf("  checklist %s:\n", json_str_or(list, "name", "")), each(list, "items", item_line);
}

static void any_checklist(struct json_object *list)
{
	printf("%s:\n", json_str_or(list, "name", ""));
	each(list, "items", item_line);
}

static void missing_line(struct json_object *o)
{
	printf("    - %s\n", json_str_or(o, "text", ""));
}

static void next_lines(struct json_object *o)
{
	struct json_object *next = json_obj_of(o, "next");
	int64_t stage = 0;

	if (json_get_int(next, "stage", &stage) == 1)
		printf("  next: stage %lld %s%s\n", (long long)stage, json_str_or(next, "name", ""),
		       json_true(next, "ready") ? ": nothing is missing, rollbackctl stage advance" : ", missing:");
	each(next, "missing", missing_line);
}

static void forecast_line(struct json_object *o)
{
	CLEANUP(cleanup_free) char *earliest = show_cell(o, "earliest");

	printf("  stage %lld %-22s %s at the earliest\n", (long long)json_int_or(o, "stage", 0),
	       json_str_or(o, "name", ""), earliest ? earliest : "");
}

static void show_stage(struct json_object *o)
{
	struct json_object *clock = json_obj_of(o, "clock"), *hold = json_obj_of(o, "hold");
	int64_t stage = 0;
	double pct = 0;

	printf("%s: ", json_str_or(o, "title", ""));
	if (json_get_int(o, "stage", &stage) == 1)
		printf("stage %lld, %s", (long long)stage, json_str_or(o, "stage_name", "not in the config any more"));
	else
		printf("at no stage");
	if (json_get_double(o, "percentage_wanted", &pct) == 1)
		printf(", %.4g%% wanted", pct);
	if (json_get_double(o, "percentage_seen", &pct) == 1)
		printf(", %.4g%% seen", pct);
	putchar('\n');
	if (clock)
		show_clean("clean for ", clock);
	line("the clock stands still: ", clock, "why");
	if (hold)
		printf("  held by %s: %s\n", json_str_or(hold, "by", ""), json_str_or(hold, "note", ""));
	line("", o, "freeze");
	line("NOT WATCHED: ", json_obj_of(o, "watch"), "blind");
	line("fallback ready: ", json_obj_of(o, "fallback_probe"), "state");
	each(o, "criteria", criterion_line);
	each(o, "approvals", approval_line);
	each(o, "checklists", checklist_of_stage);
	next_lines(o);
	each(o, "forecast", forecast_line);
}

static void show_checklists(struct json_object *o)
{
	each(o, "checklists", any_checklist);
}

/* --- acting --- */

/* Does the stage, then shows it as it stands. */
static int post_and_show(struct ctl *c, const char *rollout, const char *what, struct json_object *body)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int r = ctl_ask(c, "POST", "rollouts", rollout, what, body, &data);

	return r ? r : ctl_show(c, "rollouts", rollout, "", show_stage);
}

struct stage_words {
	const char *reason, *role, *number;
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
	if (w->wait)
		return ctl_follow(c, json_int_or(data, "advance", 0), 0, true);
	printf("entering the stage; follow it with: rollbackctl stage %s\n", rollout);
	return 0;
}

static int with_note(struct ctl *c, const char *rollout, const char *verb, const struct stage_words *w)
{
	CLEANUP(cleanup_free) char *what = text_format("/%s", verb);
	struct json_object *body = ctl_body("note", w->reason, "role", w->role, NO_MORE);
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
	static const char *const verbs[] = {"advance", "set", "hold", "resume", "approve", "publish"};
	size_t i = 0;

	while (i < ARRAY_LEN(verbs) && strcmp(verbs[i], word) != 0)
		i++;
	return i < ARRAY_LEN(verbs);
}

int cmd_stage(struct ctl *c, int n, char **argv)
{
	const char *rest[WORDS_MAX] = {NULL};
	struct stage_words w = {0};
	const struct option options[] = {{"--reason", &w.reason, NULL},
	                                 {"--note", &w.reason, NULL},
	                                 {"--role", &w.role, NULL},
	                                 {"--force", NULL, &w.force},
	                                 {"--wait", NULL, &w.wait}};
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
