#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/watch.h"

#define WAIT_US    (15 * 60 * US_PER_S) /* beyond the longest total of the SLA */
#define STATUS_MS  10000L               /* a glance does not wait longer */
#define SILENT_MAX 3                    /* questions in a row without an answer */

/* --- status --- */

static const char *const status_fields[] = {
	"/stage",
	"/percentage_wanted",
	"/percentage_seen",
	"/doubt",
	"/entering",
	"/hold",
	"/freeze",
	"/incident/id",
	"/incident/state",
	"/incident/action",
	"/incident/over/answer",
	"?/watch/blind",
	"/fallback_probe/state",
	NULL,
};

/* One is an array, too. */
static int ask_status(struct ctl *c, const char *rollout, struct json_object **ret)
{
	CLEANUP(json_cleanup) struct json_object *one = NULL;

	if (!rollout)
		return ctl_call(c, "GET", "/api/v1/rollouts", NULL, ret);
	int r = ctl_ask(c, "GET", "rollouts", rollout, "", NULL, &one);
	if (r)
		return r == CTL_NO ? CTL_USAGE : r; /* there is no such rollout */
	*ret = json_object_new_array();
	json_object_array_add(*ret, TAKE(one));
	return 0;
}

static void show_status(struct ctl *c, struct json_object *arr)
{
	CLEANUP(buf_free) struct buf metrics = BUF(1024 * 1024);

	show_rollouts(arr);
	if (ctl_fetch(c, "/metrics", &metrics) == 0)
		show_health(buf_text(&metrics));
}

static void show_one_status(struct ctl *c, struct json_object *arr)
{
	(void)c;
	show_rollouts(arr);
}

int cmd_status(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	const struct watched w = {
		ask_status, n ? show_one_status : show_status, show_rollout_line, "name", status_fields, NULL};

	if (!c->timeout_ms)
		c->timeout_ms = STATUS_MS;
	if (ctl_has(c, "watch"))
		return ctl_watch(c, &w, words[0]);
	int r = ask_status(c, words[0], &data);
	if (r == 0 && c->json)
		ctl_print(c, n ? json_item(data, 0) : data, NULL);
	else if (r == 0)
		w.show(c, data);
	return r;
}

/* --- incidents --- */

/* One state, or all; "open": whatever is not over. limit: NULL, as many as usual. */
static int list_of_state(struct ctl *c, const char *state, const char *limit, struct json_object **ret)
{
	static const char *const filters[] = {"rollout", "since", "until"};
	CLEANUP(buf_free) struct buf path = BUF(4096);
	bool open = state && !strcmp(state, "open");

	buf_str(&path, "/api/v1/incidents?");
	for (size_t i = 0; i < ARRAY_LEN(filters) && c->command->run == cmd_incidents; i++)
		ctl_param(&path, filters[i], ctl_value(c, filters[i]));
	ctl_param(&path, open ? "live" : "state", open ? "true" : state);
	ctl_param(&path, "limit", limit);
	return ctl_call(c, "GET", buf_text(&path), NULL, ret);
}

static int by_id(const void *a, const void *b)
{
	struct json_object *const *x = a, *const *y = b;
	int64_t left = json_int_or(*x, "id", 0), right = json_int_or(*y, "id", 0);

	return (left < right) - (left > right); /* newest first */
}

static int lists_of_states(struct ctl *c, struct json_object *to)
{
	const char *wanted = ctl_value(c, "state");
	CLEANUP(cleanup_free) char *states = wanted ? strdup(wanted) : NULL;
	char *rest = NULL, *state = states ? strtok_r(states, ",", &rest) : NULL;

	do {
		CLEANUP(json_cleanup) struct json_object *data = NULL;
		int r = list_of_state(c, state, ctl_value(c, "limit"), &data);

		for (size_t i = 0; r == 0 && i < json_len(data); i++)
			json_object_array_add(to, json_object_get(json_item(data, i)));
		if (r)
			return r;
	} while (state && (state = strtok_r(NULL, ",", &rest)));
	json_object_array_sort(to, by_id);
	return 0;
}

static int ask_incidents(struct ctl *c, const char *what, struct json_object **ret)
{
	CLEANUP(json_cleanup) struct json_object *data = json_object_new_array();
	const char *rollout = ctl_value(c, "rollout");
	int r = lists_of_states(c, data);

	(void)what;
	if (r == 0 && rollout && !json_len(data)) { /* none, or a slip of the pen */
		CLEANUP(json_cleanup) struct json_object *ignored = NULL;

		r = ctl_ask(c, "GET", "rollouts", rollout, "", NULL, &ignored);
	}
	if (r == 0)
		*ret = TAKE(data);
	return r;
}

static const char *const incident_fields[] = {"/state", "/action",      "/severity", "/acknowledged_by",
                                              "/eta",   "/over/answer", NULL};

static void show_the_incidents(struct ctl *c, struct json_object *arr)
{
	(void)c;
	show_incidents(arr);
}

int cmd_incidents(struct ctl *c, int n, const char **words)
{
	static const struct watched w = {ask_incidents, show_the_incidents, show_incident_line,
	                                 "id",          incident_fields,    NULL};
	CLEANUP(json_cleanup) struct json_object *data = NULL;

	(void)n, (void)words;
	if (ctl_has(c, "watch"))
		return ctl_watch(c, &w, NULL);
	int r = ask_incidents(c, NULL, &data);
	if (r == 0)
		ctl_print(c, data, show_incidents);
	return r;
}

/* --- one incident --- */

static const struct {
	const char *word, *path, *key, *done;
} actions[] = {
	{"ack", "/acknowledge", "note", "acknowledged"},
	{"note", "/note", "note", "noted"},
	{"eta", "/eta", "eta", "its ETA"},
	{"cancel", "/cancel", "note", "called off"},
	{"retry", "/retry", "note", "tried again"},
	{"resolve", "/resolve", "note", "resolved"},
	{"approve", "/approve", "note", "approved"},
	{"review", "/review", "note", "reviewed"},
	{"extend", "/extend", "duration", "extended"},
};

/* One line: what was done, and how it stands. Who wants all of it asks for it. */
static void show_done(struct json_object *o, const char *done)
{
	assert(done);
	struct json_object *over = json_obj_of(o, "over");
	const char *eta = json_str_or(o, "eta", NULL);

	printf("incident %lld: %s", (long long)json_int_or(o, "id", 0), done);
	if (!strcmp(done, "its ETA"))
		printf(eta ? " is %s" : "%s is not set", eta ? eta : "");
	if (strcmp(json_str_or(o, "state", "?"), done) != 0)
		printf("; %s", json_str_or(o, "state", "?"));
	printf(". Over: %s, because %s\n", json_str_or(over, "answer", "unknown"), json_str_or(over, "because", "?"));
}

/* An exit code; -1: it is not decided. */
static int result_of(struct json_object *incident)
{
	const char *state = json_str_or(incident, "state", ""), *when = NULL;
	bool passed = false;

	if (!strcmp(json_str_or(incident, "kind", ""), "drill"))
		return json_get_bool(incident, "passed", &passed) != 1 ? -1 : passed ? CTL_YES : CTL_NO;
	if (!strcmp(state, "rolled_back"))
		return CTL_YES;
	if (!strcmp(state, "resolved")) /* a person may have ended it unverified */
		return json_get_str(incident, "rolled_back_at", &when) == 1 ? CTL_YES : CTL_NO;
	return !strcmp(state, "failed") || !strcmp(state, "cancelled") ? CTL_NO : -1;
}

static int ask_incident(struct ctl *c, const char *id, struct json_object **ret)
{
	struct json_object *one = NULL;
	int r = ctl_ask(c, "GET", "incidents", id, "", NULL, &one);

	if (r == 0) {
		*ret = json_object_new_array();
		json_object_array_add(*ret, one);
	}
	return r;
}

static void show_the_incident(struct ctl *c, struct json_object *arr)
{
	(ctl_has(c, "verbose") ? show_incident_verbose : show_incident)(json_item(arr, 0));
}

static int result_of_it(struct json_object *arr)
{
	return result_of(json_item(arr, 0));
}

static int show_one(struct ctl *c, const char *id)
{
	static const struct watched w = {ask_incident, show_the_incident, show_incident_line,
	                                 "id",         incident_fields,   result_of_it};

	if (ctl_has(c, "watch") && isatty(STDOUT_FILENO) && !c->json)
		return ctl_watch(c, &w, id);
	if (ctl_has(c, "watch")) /* line by line, with all that happens between */
		return ctl_follow(c, strtoll(id, NULL, 10), 0, true);
	return ctl_show(c, "incidents", id, "", ctl_has(c, "verbose") ? show_incident_verbose : show_incident);
}

/* The word behind the id and --note mean the same, but where the word is a duration. */
int cmd_incident_act(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	const char *note = ctl_value(c, "note"), *text = n > 1 ? words[1] : note;
	size_t i = 0;

	while (strcmp(actions[i].word, c->command->verb) != 0)
		i++;
	bool noted = !strcmp(actions[i].key, "duration"), steps = !strcmp(actions[i].word, "approve");
	struct json_object *body =
		noted ? ctl_body("duration", text, "note", note, NO_MORE)
		      : ctl_body(actions[i].key, text, "step", steps ? ctl_value(c, "step") : NULL, NO_MORE);
	int r = ctl_ask(c, "POST", "incidents", words[0], actions[i].path, body, &data);

	if (r == 0 && c->json)
		ctl_print(c, data, show_incident);
	else if (r == 0)
		show_done(data, actions[i].done);
	return r;
}

int cmd_incident_open(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	const char *summary = ctl_value(c, "summary");
	struct json_object *body =
		ctl_body("rollout", words[0], "severity", ctl_value(c, "severity"), "summary", summary, NO_MORE);
	int r = ctl_call(c, "POST", "/api/v1/incidents", body, &data);

	(void)n;
	if (r == 0 && !c->json && strcmp(json_str_or(data, "summary", ""), summary) != 0)
		printf("joined incident %lld, which was open already\n\n", (long long)json_int_or(data, "id", 0));
	if (r == 0)
		ctl_print(c, data, show_incident);
	return r;
}

int cmd_incident_report(struct ctl *c, int n, const char **words)
{
	(void)n;
	return ctl_print_text(c, "incidents", words[0], "/report");
}

/* "last" is the newest one. */
static int show_last(struct ctl *c)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	char id[24];
	int r = list_of_state(c, NULL, "1", &data);

	if (r)
		return r;
	if (!json_len(data))
		return puts(c->json ? "null" : "no incidents"), CTL_NO;
	snprintf(id, sizeof(id), "%lld", (long long)json_int_or(json_item(data, 0), "id", 0));
	return show_one(c, id);
}

int cmd_incident(struct ctl *c, int n, const char **words)
{
	(void)n;
	if (!strcmp(words[0], "last"))
		return show_last(c);
	if (words[0][0] && strspn(words[0], "0123456789") == strlen(words[0]))
		return show_one(c, words[0]);
	return ctl_usage(c, "%s is no incident's number", words[0]);
}

/* --- rollback by hand --- */

int ctl_follow(const struct ctl *c, int64_t id, size_t seen, bool print)
{
	assert(c && id > 0);
	int64_t until = clock_mono_us() + WAIT_US;

	for (int silent = 0; clock_mono_us() < until; ctl_pause()) {
		CLEANUP(json_cleanup) struct json_object *data = NULL;
		int r = ctl_incident(c, id, &data);

		if (r == CTL_UNREACHABLE && ++silent < SILENT_MAX)
			continue;
		if (r)
			return r;
		silent = 0;
		seen = c->json ? seen : show_news(data, seen);
		r = result_of(data);
		if (r >= 0 && c->json && print)
			ctl_print(c, data, show_incident);
		if (r >= 0)
			return r;
	}
	fputs("rollbackctl: still not decided after 15 minutes; look at the incident\n", stderr);
	return CTL_UNKNOWN;
}
