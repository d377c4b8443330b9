/*
 * The plan, as people read it: where it stands, what is missing, dates, checklists, milestones.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"
#include "server/ctl/show/show_private.h"

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

/* "alice, 2025-10-14T10:00:00Z, counts no more: …". */
static void approval_line(struct json_object *o)
{
	const char *person = NULL, *why = NULL;
	CLEANUP(cleanup_free) char *at = show_cell(o, "at");

	printf("  approval   %-28s ", json_str_or(o, "role", ""));
	if (json_get_str(o, "person", &person) != 1) {
		puts("missing");
		return;
	}
	printf("%s, %s", person, at ? at : "");
	if (json_get_str(o, "void_why", &why) == 1)
		printf(", COUNTS NO MORE: %s", why);
	putchar('\n');
}

/* What is known already of what is still to be done. */
static void known_line(struct json_object *o)
{
	const char *text = NULL;

	if (json_get_str(o, "known", &text) == 1)
		printf("      known: %s\n", text);
}

static void item_line(struct json_object *o)
{
	const char *person = json_str_or(o, "person", ""), *state = json_str_or(o, "state", ""), *text = NULL;
	CLEANUP(cleanup_free) char *at = show_cell(o, "at");
	bool done = !strcmp(state, "done"), open = !strcmp(state, "open");

	printf("  [%c] %s", done ? 'x' : ' ', json_str_or(o, "text", ""));
	if (person[0])
		printf(" - %s, %s", person, at ? at : "");
	if (json_get_str(o, "note", &text) == 1)
		printf(": %s", text);
	if (json_get_str(o, "link", &text) == 1)
		printf(", %s", text);
	printf(done || open ? "\n" : " (%s)\n", state);
	known_line(o);
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

/* Planned beside actual: "stage 2 Expanded   2025-10-17T10:00:00Z at the earliest, planned 2025-…". */
static void date_line(struct json_object *o)
{
	CLEANUP(cleanup_free)
	char *earliest = show_cell(o, "earliest"), *entered = show_cell(o, "entered"),
	     *planned = show_cell(o, "planned");
	bool ahead = strcmp(earliest, "-") != 0, was = strcmp(entered, "-") != 0, plan = strcmp(planned, "-") != 0;

	if (!ahead && !was)
		return;
	printf("  stage %lld %-22s ", (long long)json_int_or(o, "stage", 0), json_str_or(o, "name", ""));
	if (ahead)
		printf("%s at the earliest", earliest);
	else
		printf("entered %s", entered);
	printf(plan ? ", planned %s\n" : "\n", planned);
}

static void certificate_lines(struct json_object *o)
{
	struct json_object *c = json_obj_of(o, "certificate");
	bool counts = json_true(c, "counts");

	if (!c)
		return;
	if (counts || json_str_or(c, "person", NULL))
		printf("  called stable by %s%s%s\n", json_str_or(c, "person", ""),
		       counts ? "" : ", COUNTS NO MORE: ", counts ? "" : json_str_or(c, "void_why", ""));
	if (counts)
		return;
	printf("  stable: %s\n", json_true(c, "ready") ? "rollbackctl stage certify" : "not yet, missing:");
	each(c, "missing", missing_line);
}

void show_stage(struct json_object *o)
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
	certificate_lines(o);
	each(o, "dates", date_line);
}

void show_checklists(struct json_object *o)
{
	each(o, "checklists", any_checklist);
}

/* --- what is done once --- */

static void settled_line(struct json_object *o)
{
	const char *by = NULL, *text = NULL;
	CLEANUP(cleanup_free) char *at = show_cell(o, "done_at"), *due = show_cell(o, "due_at");
	bool done = json_get_str(o, "done_by", &by) == 1;

	printf("  [%c] %s", done ? 'x' : ' ', json_str_or(o, "text", ""));
	if (done)
		printf(" - %s, %s", by, at);
	if (json_get_str(o, "note", &text) == 1)
		printf(": %s", text);
	if (!done && strcmp(due, "-") != 0)
		printf(json_true(o, "due") ? " (DUE since %s)" : " (due %s)", due);
	if (!done && json_get_str(o, "locked", &text) == 1)
		printf(", NOT YET: %s", text);
	if (!done && json_get_str(o, "owner", &text) == 1 && text[0])
		printf(", by %s", text);
	putchar('\n');
	known_line(o);
	if (!done)
		each(o, "approvals", approval_line);
}

void show_milestones(struct json_object *o)
{
	struct json_object *review = json_obj_of(o, "plan_review");

	if (json_len(json_arr_of(o, "blocked_by")) || review)
		puts("before anything is raised:");
	each(o, "blocked_by", settled_line);
	if (review)
		settled_line(review);
	puts(json_len(json_arr_of(o, "milestones")) ? "milestones:" : "no milestones");
	each(o, "milestones", settled_line);
}
