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

/* The rollout that was not named: the only one there is. The caller's to free; NULL with a sentence on stderr. */
static char *only_rollout(struct ctl *c, int *ret_code)
{
	CLEANUP(json_cleanup) struct json_object *all = NULL;

	*ret_code = ctl_call(c, "GET", "/api/v1/rollouts", NULL, &all);
	if (*ret_code)
		return NULL;
	if (json_object_array_length(all) == 1)
		return strdup(json_str_or(json_object_array_get_idx(all, 0), "name", ""));
	fprintf(stderr, "rollbackctl: there are %zu rollouts: say which\n", json_object_array_length(all));
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

static void duration_line(struct json_object *clock)
{
	double clean = 0, required = 0;
	char a[40], b[40];

	json_get_double(clock, "clean", &clean);
	text_duration_words((int64_t)(clean * 1e6), a, sizeof(a));
	if (json_get_double(clock, "required", &required) == 1) {
		text_duration_words((int64_t)(required * 1e6), b, sizeof(b));
		printf("  clean for %s of %s\n", a, b);
	} else {
		printf("  clean for %s\n", a);
	}
	line("the clock stands still: ", clock, "why");
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
	struct json_object *arr = NULL;

	if (json_get_arr(o, key, &arr) != 1)
		return;
	for (size_t i = 0; i < json_object_array_length(arr); i++)
		show(json_object_array_get_idx(arr, i));
}

static void checklist_of_stage(struct json_object *list)
{
	bool ours = false;

	if (json_get_bool(list, "of_stage", &ours) != 1 || !ours)
		return;
	printf("  checklist %s:\n", json_str_or(list, "name", ""));
	each(list, "items", item_line);
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
	struct json_object *next = NULL;
	int64_t stage = 0;
	bool ready = false;

	if (json_get_obj(o, "next", &next) != 1)
		return;
	json_get_bool(next, "ready", &ready);
	if (json_get_int(next, "stage", &stage) == 1)
		printf("  next: stage %lld %s%s\n", (long long)stage, json_str_or(next, "name", ""),
		       ready ? ": nothing is missing, rollbackctl stage advance" : ", missing:");
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
	struct json_object *clock = NULL, *hold = NULL, *watch = NULL;
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
	if (json_get_obj(o, "clock", &clock) == 1)
		duration_line(clock);
	if (json_get_obj(o, "hold", &hold) == 1)
		printf("  held by %s: %s\n", json_str_or(hold, "by", ""), json_str_or(hold, "note", ""));
	line("", o, "freeze");
	if (json_get_obj(o, "watch", &watch) == 1)
		line("NOT WATCHED: ", watch, "blind");
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

static int get_and_show(struct ctl *c, const char *rollout, void (*show)(struct json_object *))
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int r = ctl_ask(c, "GET", "rollouts", rollout, "", NULL, &data);

	if (r == 0)
		ctl_print(c, data, show);
	return r;
}

/* --- acting --- */

/* Does the stage, then shows it as it stands. */
static int post_and_show(struct ctl *c, const char *rollout, const char *what, struct json_object *body)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int r = ctl_ask(c, "POST", "rollouts", rollout, what, body, &data);

	return r ? r : get_and_show(c, rollout, show_stage);
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
		return ctl_follow(c, json_int_or(data, "advance", 0), true);
	printf("entering the stage; follow it with: rollbackctl stage %s\n", rollout);
	return 0;
}

static int with_note(struct ctl *c, const char *rollout, const char *what, const struct stage_words *w)
{
	struct json_object *body = ctl_body("note", w->reason, "role", w->role, NO_MORE);
	char *end = NULL;

	if (w->force)
		json_add_bool(body, "force", true);
	if (w->number) {
		json_add_int(body, "stage", strtol(w->number, &end, 10));
		if (end == w->number || *end) {
			json_object_put(body);
			return ctl_usage("stage set [ROLLOUT] N");
		}
	}
	return post_and_show(c, rollout, what, body);
}

static const struct {
	const char *word, *path;
	bool number; /* its last word is a stage */
} verbs[] = {
	{"advance", "/advance", false}, {"set", "/set", true},          {"hold", "/hold", false},
	{"resume", "/resume", false},   {"approve", "/approve", false}, {"publish", "/publish", false},
};

static int verb_of(const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(verbs); i++)
		if (!strcmp(verbs[i].word, word))
			return (int)i;
	return -1;
}

static int do_verb(struct ctl *c, int verb, const char *rollout, struct stage_words *w)
{
	assert(verb >= 0 && (size_t)verb < ARRAY_LEN(verbs));
	if (!strcmp(verbs[verb].word, "advance"))
		return advance(c, rollout, w);
	return with_note(c, rollout, verbs[verb].path, w);
}

int cmd_stage(struct ctl *c, int n, char **argv)
{
	static const char usage[] =
		"stage ROLLOUT | stage advance [ROLLOUT] [--force --reason TEXT] [--wait] | stage set [ROLLOUT] N "
		"[--force --reason TEXT] |"
		" stage hold|resume|publish [ROLLOUT] [--reason TEXT] | stage approve [ROLLOUT] --role R";
	const char *rest[WORDS_MAX] = {NULL};
	struct stage_words w = {0};
	const struct option options[] = {{"--reason", &w.reason, NULL},
	                                 {"--note", &w.reason, NULL},
	                                 {"--role", &w.role, NULL},
	                                 {"--force", NULL, &w.force},
	                                 {"--wait", NULL, &w.wait}};
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, WORDS_MAX), code = 0;
	int verb = found >= 1 ? verb_of(rest[0]) : -1;

	if (found == 1 && verb < 0)
		return get_and_show(c, rest[0], show_stage);
	if (verb < 0 || found > 2 + verbs[verb].number || found < 1 + verbs[verb].number)
		return ctl_usage(usage);
	if (verbs[verb].number)
		w.number = rest[found - 1];
	bool named = found == 2 + verbs[verb].number;
	CLEANUP(cleanup_free) char *rollout = named ? strdup(rest[1]) : only_rollout(c, &code);
	return rollout ? do_verb(c, verb, rollout, &w) : code;
}

int cmd_checklist(struct ctl *c, int n, char **argv)
{
	const char *done = NULL, *list = NULL, *text = NULL, *rest[1] = {NULL};
	const struct option options[] = {{"--done", &done, NULL}, {"--list", &list, NULL}, {"--note", &text, NULL}};
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, 1), code = 0;

	if (found < 0)
		return ctl_usage("checklist [ROLLOUT] [--done ITEM [--list NAME] [--note TEXT]]");
	CLEANUP(cleanup_free) char *rollout = found ? strdup(rest[0]) : only_rollout(c, &code);
	if (!rollout)
		return code;
	if (done)
		code = ctl_ask(c, "POST", "rollouts", rollout, "/check",
		               ctl_body("item", done, "checklist", list, "note", text, NO_MORE), &data);
	return code ? code : get_and_show(c, rollout, show_checklists);
}

int cmd_freeze(struct ctl *c, int n, char **argv)
{
	const char *reason = NULL, *rest[2] = {NULL};
	const struct option options[] = {{"--reason", &reason, NULL}, {"--note", &reason, NULL}};
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, 2), code = 0;

	if (found < 1)
		return ctl_usage("freeze [ROLLOUT] DURATION --reason TEXT (0s ends it)");
	CLEANUP(cleanup_free) char *rollout = found == 2 ? strdup(rest[0]) : only_rollout(c, &code);
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
		return ctl_usage("report [ROLLOUT] [--daily | --weekly | --final]");
	CLEANUP(cleanup_free) char *rollout = found ? strdup(rest[0]) : only_rollout(c, &code);
	if (!rollout)
		return code;
	return ctl_print_text(c, "rollouts", rollout,
	                      final    ? "/report?kind=final"
	                      : weekly ? "/report?kind=weekly"
	                               : "/report?kind=daily");
}
