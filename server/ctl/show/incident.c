/*
 * What people read of one incident: first and last whether it is over and what comes next.
 */
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "server/core/text.h"
#include "server/ctl/show/show_private.h"

void show_over(struct json_object *o)
{
	struct json_object *next = json_arr_of(o, "next");
	bool yes = !strcmp(json_str_or(json_obj_of(o, "over"), "answer", ""), "yes");
	size_t n = json_len(next);

	if (!show_answer(o, !yes))
		return;
	for (size_t i = 0; i < n; i++)
		printf("%s%s", i ? ", or " : "Next: ", json_object_get_string(json_item(next, i)));
	puts(n ? "" : yes ? "Next: nothing" : "Next: nothing yet, rollbackd goes on by itself");
}

static bool is_of_kind(struct json_object *o, const char *kind)
{
	return !strcmp(json_str_or(o, "kind", ""), kind);
}

static void show_head(struct json_object *o)
{
	static const struct {
		const char *title, *key;
	} head[] = {
		{"Action", "action"},
		{"Summary", "summary"},
		{"Rollout", "rollout"},
		{"Stage", "stage"},
		{"Playbook", "playbook"},
		{"Severity", "severity"},
		{"Kind", "kind"},
		{"Opened", "opened_at"},
		{"Opened by", "opened_by"},
		{"Due", "due_at"},
		{"Failed", "failed_at"},
		{"Rolled back", "rolled_back_at"},
		{"Resolved", "resolved_at"},
		{"Acknowledged", "acknowledged_by"},
		{.title = "ETA", .key = "eta"},
		{"Dashboard", "dashboard_url"},
	};
	bool advance = is_of_kind(o, "advance");

	for (size_t i = 0; i < ARRAY_LEN(head); i++)
		show_field(advance && !strcmp(head[i].key, "rolled_back_at") ? "Entered" : head[i].title, o,
		           head[i].key);
}

/* Only what was asked: of what is not configured, or not asked yet, there is nothing to say. */
static void show_verification(struct json_object *o)
{
	struct json_object *conditions = json_obj_of(o, "verification");
	bool titled = false;

	if (!conditions)
		return;
	json_object_object_foreach(conditions, name, condition)
	{
		CLEANUP(cleanup_free) char *note = show_cell(condition, "note");
		bool said = note[0] && strcmp(note, "-") != 0, asked = true;

		json_get_bool(condition, "asked", &asked);
		if (!asked || (!said && !strcmp(json_str_or(condition, "state", "unknown"), "unknown")))
			continue;
		printf("%s  %-14s%s%s%s\n", titled ? "" : "\nVerification\n", name,
		       json_str_or(condition, "state", "unknown"), said ? ": " : "", said ? note : "");
		titled = true;
	}
}

/* What was missed; the others only on request. */
static void show_sla(struct json_object *o, bool verbose)
{
	struct json_object *sla = json_obj_of(o, "sla"), *total = json_obj_of(sla, "total");
	int met = 0;

	if (!sla || !json_object_object_length(sla))
		return;
	json_object_object_foreach(sla, one, each)
	{
		(void)one;
		met += json_true(each, "met");
	}
	if (verbose)
		puts("\nTime against the SLA");
	else
		printf("\nTime against the SLA: %d of %d in time%s%s\n", met, json_object_object_length(sla),
		       total ? ", total " : "", total ? json_str_or(total, "text", "?") : "");
	json_object_object_foreach(sla, name, phase)
	{
		CLEANUP(cleanup_free) char *text = show_cell(phase, "text");

		if (verbose || !json_true(phase, "met"))
			printf("  %-14s%s\n", name, text);
	}
}

/* What was not delivered; the others only on request. */
static void show_messages(struct json_object *o, bool verbose)
{
	static const struct column told[] = {
		{.title = "CHANNEL", .key = "channel"}, {.title = "WHAT", .key = "what"},
		{.title = "STATE", .key = "state"},     {.title = "TRIES", .key = "attempts"},
		{.title = "SENT", .key = "sent_at"},    {.title = "ERROR", .key = "error", .folds = true}};
	CLEANUP(json_cleanup) struct json_object *shown = json_object_new_object();
	struct json_object *all = json_arr_of(o, "notifications"), *rows = json_object_new_array();
	size_t sent = 0;

	json_add(shown, "rows", rows);
	for (size_t i = 0; i < json_len(all); i++) {
		struct json_object *one = json_item(all, i);
		bool is_sent = !strcmp(json_str_or(one, "state", ""), "sent");

		sent += is_sent;
		if (verbose || !is_sent)
			json_object_array_add(rows, json_object_get(one));
	}
	if (sent && !verbose)
		printf("\nMessages: %zu sent\n", sent);
	show_list(shown, "rows", verbose ? "Messages" : "Messages not sent", told, ARRAY_LEN(told));
}

/* What was only put down for later says nothing yet. */
static void show_steps(struct json_object *o)
{
	static const struct column steps[] = {{.title = "STEP", .key = "name"},
	                                      {.title = "STATE", .key = "state"},
	                                      {.title = "TRIES", .key = "attempts"},
	                                      {.title = "STARTED", .key = "started_at"},
	                                      {.title = "ENDED", .key = "ended_at"}};
	CLEANUP(json_cleanup) struct json_object *shown = json_object_new_object();
	struct json_object *rows = json_object_new_array();
	struct json_object *all = json_arr_of(o, "steps");

	for (size_t i = 0; i < json_len(all); i++) {
		struct json_object *s = json_item(all, i);

		if (strcmp(json_str_or(s, "kind", ""), "snapshot") != 0 ||
		    strcmp(json_str_or(s, "state", ""), "todo") != 0)
			json_object_array_add(rows, json_object_get(s));
	}
	json_add(shown, "steps", rows);
	show_list(shown, "steps", "Steps", steps, ARRAY_LEN(steps));
}

static void show_outputs(struct json_object *o)
{
	struct json_object *arr = json_arr_of(o, "steps");

	for (size_t i = 0; i < json_len(arr); i++) {
		struct json_object *s = json_item(arr, i);
		const char *out = json_str_or(s, "output", "");

		if (out[0])
			printf("\nOutput of %s\n%s%s", json_str_or(s, "name", "?"), out,
			       out[strlen(out) - 1] == '\n' ? "" : "\n");
	}
}

static void show_one(struct json_object *o, bool verbose)
{
	static const struct column alerts[] = {{.title = "STATUS", .key = "status"},
	                                       {.title = "SINCE", .key = "starts_at"},
	                                       {.title = "TIMES", .key = "times"},
	                                       {.title = "LABELS", .key = "labels", .folds = true}};
	static const struct column line[] = {{.title = "AT", .key = "at"},
	                                     {.title = "WHO", .key = "who"},
	                                     {.title = "WHAT", .key = "what"},
	                                     {.title = "NOTE", .key = "note", .folds = true}};
	const char *headline = json_str_or(o, "headline", ""), *state = json_str_or(o, "state", "?");
	bool drill = is_of_kind(o, "drill");

	show_over(o);
	bool both = !drill && strcasecmp(headline, state) != 0; /* "Held, held" says it twice */
	printf("\n%sIncident %lld: %s%s%s\n", drill ? "[DRILL] " : "", (long long)json_int_or(o, "id", 0),
	       drill ? "" : headline, both ? ", " : "", both || drill ? state : "");
	show_head(o);
	show_verification(o);
	show_sla(o, verbose);
	show_list(o, "alerts", "Alerts", alerts, ARRAY_LEN(alerts));
	show_steps(o);
	show_list(o, "timeline", "Timeline", line, ARRAY_LEN(line));
	show_messages(o, verbose);
	if (verbose)
		show_outputs(o);
	putchar('\n');
	show_over(o);
}

void show_incident(struct json_object *o)
{
	show_one(o, false);
}

void show_incident_verbose(struct json_object *o)
{
	show_one(o, true);
}

void show_joined(struct json_object *o)
{
	CLEANUP(cleanup_free) char *opened = show_cell(o, "opened_at");

	printf("joined incident %lld, opened %s by %s: %s\n", (long long)json_int_or(o, "id", 0), opened,
	       json_str_or(o, "opened_by", "?"), json_str_or(o, "summary", ""));
}

size_t show_news(struct json_object *incident, size_t seen)
{
	struct json_object *arr = json_arr_of(incident, "timeline");

	for (; seen < json_len(arr); seen++) {
		struct json_object *e = json_item(arr, seen);
		CLEANUP(cleanup_free)
		char *at = show_cell(e, "at"), *what = show_cell(e, "what"), *note = show_cell(e, "note");
		const char *who = json_str_or(e, "who", "rollbackd");
		bool own = !strcmp(who, "rollbackd") || !strcmp(who, "alertmanager"), said = note[0] && note[0] != '-';

		printf("%s  %s%s%s%s%s\n", at, what, own ? "" : " by ", own ? "" : who, said ? ": " : "",
		       said ? note : "");
	}
	fflush(stdout);
	return seen;
}
