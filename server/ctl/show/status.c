/*
 * What people read: tables and an incident in full. Text from alerts is made harmless for a terminal.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/incident/text.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/show/show_private.h"

#define CELL_MAX   200
#define FOLDED_MAX 4000

void ctl_print(const struct ctl *c, struct json_object *data, void (*show)(struct json_object *))
{
	assert(c && (show || c->json));
	if (c->json)
		show_json(data, true);
	else {
		show_inert(data); /* also what did not come from rollbackd */
		show(data);
	}
}

char *show_cell_in(struct json_object *o, const struct column *col)
{
	assert(col && col->key);
	size_t most = col->folds ? FOLDED_MAX : CELL_MAX;
	struct json_object *v = NULL;
	CLEANUP(buf_free) struct buf words = BUF(1024 * 1024), timed = BUF(1024 * 1024);
	struct buf b = BUF(most * 4);

	json_object_object_get_ex(o, col->key, &v);
	json_words(&words, v);
	if (!v)
		buf_char(&words, '-');
	show_times(&timed, buf_text(&words), col->brief);
	text_one_line(&b, buf_text(&timed), timed.len, most);
	char *line = buf_take(&b);
	if (!line)
		abort(); /* out of memory */
	return line;
}

char *show_cell(struct json_object *o, const char *key)
{
	return show_cell_in(o, &(struct column) {.key = key});
}

void show_trouble(bool is_trouble, const char *line)
{
	assert(line);
	printf("%s%s%s\n", is_trouble ? show_colour(SHOW_BAD) : "", line, is_trouble ? show_plain() : "");
}

void show_field(const char *title, struct json_object *o, const char *key)
{
	assert(title && key);
	CLEANUP(cleanup_free)
	char *text = show_cell(o, key), *in_brief = show_cell_in(o, &(struct column) {.key = key, .brief = true});
	bool both = strcmp(text, in_brief) != 0; /* a time */

	if (strcmp(text, "-") != 0 && text[0])
		printf("  %-14s%s%s%s\n", title, text, both ? ", " : "", both ? in_brief : "");
}

static void say_incident(struct json_object *rollout)
{
	struct json_object *inc = json_obj_of(rollout, "incident");
	int64_t drill = json_int_or(rollout, "drill", 0);

	if (drill)
		printf("  Drill         %lld: rollbackctl incident %lld\n", (long long)drill, (long long)drill);
	if (!inc)
		return (void)puts("  Incident      none");
	CLEANUP(cleanup_free) char *action = show_cell(inc, "action"), *summary = show_cell(inc, "summary");
	long long id = (long long)json_int_or(inc, "id", 0);

	printf("  Incident      %lld, %s: %s\n", id, json_str_or(inc, "state", "?"), action);
	printf("                %s\n                ", summary);
	if (show_answer(inc, false))
		fputs("                ", stdout);
	printf("rollbackctl incident %lld\n", id);
}

void show_clean(const char *label, struct json_object *clock)
{
	assert(label && clock);
	double required = 0;
	char words[40];

	text_duration_words((int64_t)json_double_or(clock, "clean", 0) * US_PER_S, words, sizeof(words));
	printf("  %s%s", label, words);
	if (json_get_double(clock, "required", &required) == 1) {
		text_duration_words((int64_t)(required * 1e6), words, sizeof(words));
		printf(" of %s", words);
	}
	putchar('\n');
}

static void say_fallback(struct json_object *o)
{
	const char *state = json_str_or(o, "state", "unknown");
	CLEANUP(cleanup_free) char *why = show_cell(o, "why");
	CLEANUP(cleanup_free)
	char *line = text_format("  Fallback      %s%s%s", strcmp(state, "no") ? state : "NOT READY",
	                         strcmp(state, "yes") ? ": " : "", strcmp(state, "yes") ? why : "");

	if (o)
		show_trouble(strcmp(state, "yes") != 0, !line                  ? ""
		                                        : strcmp(state, "yes") ? line
		                                                               : "  Fallback      ready");
}

static void say_drills(struct json_object *o)
{
	bool passed = false;
	CLEANUP(cleanup_free) char *at = show_cell(o, "passed_at"), *failed = show_cell(o, "failed_at");

	if (json_true(o, "suspended"))
		puts("  Drills        suspended");
	if (json_get_bool(o, "passed", &passed) != 1)
		return;
	CLEANUP(cleanup_free)
	char *line = passed ? text_format("  Rehearsed     drill passed %s", at)
	                    : text_format("  Rehearsed     DRILL FAILED %s; last passed: %s", failed,
	                                  at[0] != '-' ? at : "never");
	show_trouble(!passed, line ? line : "");
}

/* What stops it, and what is missing: one line each, none when there is nothing to say. */
static void say_plan(struct json_object *o)
{
	struct json_object *next = json_obj_of(o, "next");
	size_t n = json_len(json_arr_of(next, "missing"));
	int64_t stage = 0;

	show_field("Held by", json_obj_of(o, "hold"), "by");
	show_field("Freeze", o, "freeze");
	int entering = incident_state_find(json_str_or(o, "entering", ""));
	if (entering >= 0)
		printf("  Entering      %s\n", message_stage_word((enum incident_state)entering));
	show_field("NOT WATCHED", json_obj_of(o, "watch"), "blind");
	say_fallback(json_obj_of(o, "fallback_probe"));
	say_drills(json_obj_of(o, "drills"));
	if (json_get_int(next, "stage", &stage) != 1)
		return;
	printf("  Next          stage %lld %s: ", (long long)stage, json_str_or(next, "name", ""));
	printf(n ? "%zu missing, rollbackctl stage %s\n" : "nothing is missing\n", n, json_str_or(o, "name", ""));
}

bool show_differs(struct json_object *o)
{
	int32_t wanted = json_pct_of(o, "percentage_wanted"), seen = json_pct_of(o, "percentage_seen");

	return seen >= 0 && wanted >= 0 && seen != wanted && !json_str_or(o, "entering", NULL);
}

static bool is_calm(struct json_object *o)
{
	struct json_object *inc = NULL;

	return json_get_obj(o, "incident", &inc) != 1 && !show_differs(o) && !json_str_or(o, "doubt", NULL);
}

/* What is wanted, and what was seen since that was last changed. */
static void say_percentage(struct json_object *o)
{
	int32_t wanted = json_pct_of(o, "percentage_wanted"), seen = json_pct_of(o, "percentage_seen");
	bool since = true, old = json_get_bool(o, "seen_since_change", &since) == 1 && !since;
	char pct[16], want[24], is[24];

	text_pct(wanted, pct, sizeof(pct));
	text_pct(seen, is, sizeof(is));
	snprintf(want, sizeof(want), "%s%s", pct, wanted < 0 ? "" : "%");
	CLEANUP(cleanup_free) char *at = show_cell(o, "seen_at");
	if (seen < 0)
		printf("  Percentage    %s wanted, never seen by a verification\n", want);
	else
		printf("  Percentage    %s wanted, %s%% last seen at %s%s\n", want, is, at,
		       old ? ", before the last change" : "");
	if (!show_differs(o))
		return;
	CLEANUP(cleanup_free) char *line = text_format("  !! %s%% SEEN, %s WANTED", is, want);
	show_trouble(true, line ? line : "");
}

static void say_stage(struct json_object *o)
{
	CLEANUP(cleanup_free) char *stage = show_cell(o, "stage"), *name = show_cell(o, "stage_name");

	if (!strcmp(stage, "-")) {
		puts("  Stage         unstaged");
		return;
	}
	printf("  Stage         %s %s\n", stage, name[0] != '-' ? name : "(not in the config any more)");
	struct json_object *clock = json_obj_of(o, "clock");
	if (clock)
		show_clean("Clean         ", clock);
	show_field("Stands still", clock, "why");
}

static void show_rollout(struct json_object *o)
{
	CLEANUP(cleanup_free) char *name = show_cell(o, "name"), *title = show_cell(o, "title");
	bool same = !strcmp(name, title);

	printf("%s%s%s%s\n", name, same ? "" : " (", same ? "" : title, same ? "" : ")");
	say_stage(o);
	say_percentage(o);
	show_field("Doubt", o, "doubt");
	say_incident(o);
	say_plan(o);
}

void show_rollout_line(struct json_object *o)
{
	CLEANUP(cleanup_free) char *stage = show_cell(o, "stage"), *wanted = show_cell(o, "percentage_wanted");
	CLEANUP(cleanup_free) char *seen = show_cell(o, "percentage_seen");
	struct json_object *inc = json_obj_of(o, "incident");
	CLEANUP(cleanup_free) char *action = show_cell(inc, "action");

	printf("%s: stage %s, %s%% wanted, %s%% seen", json_str_or(o, "name", "?"), stage, wanted, seen);
	if (inc)
		printf("; incident %lld %s%s%s: %s", (long long)json_int_or(inc, "id", 0),
		       show_colour(json_str_or(inc, "state", "?")), json_str_or(inc, "state", "?"), show_plain(),
		       action);
	putchar('\n');
}

void show_rollouts(struct json_object *arr)
{
	if (json_len(arr))
		show_over_of_rollouts(arr);
	for (int calm = 0; calm <= 1; calm++) /* what is open first: nobody finds it in the middle of fifty */
		for (size_t i = 0; i < json_len(arr); i++) {
			struct json_object *o = json_item(arr, i);

			if (is_calm(o) == calm)
				show_rollout(o);
		}
	if (!json_len(arr))
		puts("no rollouts in the config");
}

void show_incident_line(struct json_object *o)
{
	CLEANUP(cleanup_free)
	char *action = show_cell(o, "action"), *because = show_cell(json_obj_of(o, "over"), "because");
	const char *state = json_str_or(o, "state", "?");

	printf("incident %lld (%s) %s%s%s: %s. Over: %s, because %s\n", (long long)json_int_or(o, "id", 0),
	       json_str_or(o, "rollout", "no rollout"), show_colour(state), state, show_plain(), action,
	       json_str_or(json_obj_of(o, "over"), "answer", "unknown"), because);
}

void show_incidents(struct json_object *arr)
{
	static const struct column cols[] = {
		{.title = "ID", .key = "id"},           {.title = "OPENED", .key = "opened_at", .brief = true},
		{.title = "ROLLOUT", .key = "rollout"}, {.title = "STATE", .key = "state"},
		{.title = "ACTION", .key = "action"},   {.title = "SUMMARY", .key = "summary"},
	};

	if (!json_len(arr))
		return (void)puts("no incidents");
	show_over_of_incidents(arr);
	show_table(arr, cols, ARRAY_LEN(cols));
}

/* --- how rollbackd itself is --- */

/* The sum of the samples of a family; -1: there is none. */
static double metric(const char *metrics, const char *name)
{
	size_t len = strlen(name);
	double sum = -1;

	for (const char *line = metrics; line && *line; line = strchr(line, '\n')) {
		line += *line == '\n';
		if (strncmp(line, name, len) != 0 || (line[len] != ' ' && line[len] != '{'))
			continue;
		const char *end = line + strcspn(line, "\n");
		const char *value = memrchr(line, ' ', (size_t)(end - line));

		sum = (sum < 0 ? 0 : sum) + (value ? strtod(value, NULL) : 0);
	}
	return sum;
}

void show_health(const char *metrics)
{
	assert(metrics);
	double queued = metric(metrics, "rollbackd_notifications_queued");
	double dead = metric(metrics, "rollbackd_notifications_undeliverable");
	double heartbeat = metric(metrics, "rollbackd_heartbeat_last_timestamp_seconds");
	char ago[40];

	if (queued > 0)
		printf("Messages      %.0f wait to be sent\n", queued);
	if (dead > 0)
		printf("Messages      %.0f COULD NOT BE DELIVERED: see rollbackctl incident ID\n", dead);
	if (metric(metrics, "rollbackd_config_last_reload_successful") == 0)
		puts("Config        THE LAST RELOAD WAS REFUSED: rollbackd goes on with the old one; see its log");
	if (heartbeat > 0) {
		text_duration_words(clock_wall_us() / US_PER_S * US_PER_S - (int64_t)heartbeat * US_PER_S, ago,
		                    sizeof(ago));
		printf("Heartbeat     last came %s ago\n", ago);
	}
}
