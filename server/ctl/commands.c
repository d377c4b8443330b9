#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define WAIT_US    (15 * 60 * US_PER_S) /* beyond the longest total of the SLA */
#define STATUS_MS  10000L               /* a glance does not wait longer */
#define GLANCE_S   2                    /* from one to the next */
#define SILENT_MAX 3                    /* questions in a row without an answer */

/* --- status --- */

static int status_of(const struct ctl *c, const char *rollout)
{
	int r = ctl_show(c, "rollouts", rollout, "", show_rollout);

	return r == CTL_NO ? CTL_USAGE : r; /* there is no such rollout */
}

static int status_of_all(const struct ctl *c)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	CLEANUP(buf_free) struct buf metrics = BUF(1024 * 1024);
	int r = ctl_call(c, "GET", "/api/v1/rollouts", NULL, &data);
	if (r == 0)
		ctl_print(c, data, show_rollouts);
	if (r == 0 && !c->json && ctl_fetch(c, "/metrics", &metrics) == 0)
		show_health(buf_text(&metrics));
	return r;
}

/* With --watch again and again, on a terminal in the same place, until it is stopped or refused. */
int cmd_status(struct ctl *c, int n, char **argv)
{
	const struct timespec pause = {.tv_sec = GLANCE_S};
	const char *rollout = NULL;
	bool watch = false;
	const struct option options[] = {{"--watch", NULL, &watch}};
	int r;

	if (ctl_options(n, argv, options, ARRAY_LEN(options), &rollout, 1) < 0)
		return CTL_USAGE;
	if (!c->timeout_ms)
		c->timeout_ms = STATUS_MS;
	do {
		if (watch && isatty(STDOUT_FILENO))
			fputs("\033[H\033[2J", stdout);
		r = rollout ? status_of(c, rollout) : status_of_all(c);
		fflush(stdout);
	} while (watch && (r == CTL_YES || r == CTL_UNREACHABLE) && nanosleep(&pause, NULL) == 0);
	return r;
}

/* --- incidents --- */

struct list_words {
	const char *rollout, *state, *since, *until, *limit;
};

/* One state, or all; "open": whatever is not over. */
static int list_of_state(struct ctl *c, const struct list_words *w, const char *state, struct json_object **ret)
{
	CLEANUP(buf_free) struct buf path = BUF(4096);
	bool open = state && !strcmp(state, "open");

	buf_str(&path, "/api/v1/incidents?");
	ctl_param(&path, "rollout", w->rollout);
	ctl_param(&path, open ? "live" : "state", open ? "true" : state);
	ctl_param(&path, "since", w->since);
	ctl_param(&path, "until", w->until);
	ctl_param(&path, "limit", w->limit);
	return ctl_call(c, "GET", buf_text(&path), NULL, ret);
}

static int by_id(const void *a, const void *b)
{
	struct json_object *const *x = a, *const *y = b;
	int64_t left = json_int_or(*x, "id", 0), right = json_int_or(*y, "id", 0);

	return (left < right) - (left > right); /* newest first */
}

static int lists_of_states(struct ctl *c, const struct list_words *w, struct json_object *to)
{
	CLEANUP(cleanup_free) char *states = w->state ? strdup(w->state) : NULL;
	char *rest = NULL, *state = states ? strtok_r(states, ",", &rest) : NULL;

	do {
		CLEANUP(json_cleanup) struct json_object *data = NULL;
		int r = list_of_state(c, w, state, &data);

		for (size_t i = 0; r == 0 && i < json_len(data); i++)
			json_object_array_add(to, json_object_get(json_item(data, i)));
		if (r)
			return r;
	} while (state && (state = strtok_r(NULL, ",", &rest)));
	json_object_array_sort(to, by_id);
	return 0;
}

int cmd_incidents(struct ctl *c, int n, char **argv)
{
	CLEANUP(json_cleanup) struct json_object *data = json_object_new_array();
	struct list_words w = {0};
	const struct option options[] = {{"--rollout", &w.rollout, NULL},
	                                 {"--state", &w.state, NULL},
	                                 {"--since", &w.since, NULL},
	                                 {"--until", &w.until, NULL},
	                                 {"--limit", &w.limit, NULL}};

	if (ctl_options(n, argv, options, ARRAY_LEN(options), NULL, 0) != 0)
		return CTL_USAGE;
	int r = lists_of_states(c, &w, data);
	if (r == 0 && w.rollout && !json_len(data)) { /* none, or a slip of the pen */
		CLEANUP(json_cleanup) struct json_object *ignored = NULL;

		r = ctl_ask(c, "GET", "rollouts", w.rollout, "", NULL, &ignored);
	}
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

bool ctl_is_action(const char *word)
{
	assert(word);
	bool is = false;

	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		is |= !strcmp(word, actions[i].word);
	return is;
}

/* How one is shown. */
struct view {
	bool verbose, watch;
};

static int show_one(struct ctl *c, const char *id, struct view v)
{
	if (v.watch)
		return ctl_follow(c, strtoll(id, NULL, 10), 0, true);
	return ctl_show(c, "incidents", id, "", v.verbose ? show_incident_verbose : show_incident);
}

/* text: the word behind the id; note: what --note says. */
static int act(struct ctl *c, size_t which, const char *id, const char *text, const char *note, const char *step)
{
	assert(which < ARRAY_LEN(actions) && id);
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	bool noted = strcmp(actions[which].key, "duration") == 0;
	struct json_object *body = noted ? ctl_body("duration", text, "note", note, NO_MORE)
	                                 : ctl_body(actions[which].key, text ? text : note, "step", step, NO_MORE);
	int r = ctl_ask(c, "POST", "incidents", id, actions[which].path, body, &data);

	if (r == 0 && c->json)
		ctl_print(c, data, show_incident);
	else if (r == 0)
		show_done(data, actions[which].done);
	return r;
}

static int open_one(struct ctl *c, const char *rollout, const char *severity, const char *summary)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	struct json_object *body = ctl_body("rollout", rollout, "severity", severity, "summary", summary, NO_MORE);
	int r = ctl_call(c, "POST", "/api/v1/incidents", body, &data);
	if (r == 0 && !c->json && strcmp(json_str_or(data, "summary", ""), summary) != 0)
		printf("joined incident %lld, which was open already\n\n", (long long)json_int_or(data, "id", 0));
	if (r == 0)
		ctl_print(c, data, show_incident);
	return r;
}

/* "last" is the newest one. */
static int show_last(struct ctl *c, struct view v)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	const struct list_words w = {.limit = "1"};
	char id[24];
	int r = list_of_state(c, &w, NULL, &data);

	if (r)
		return r;
	if (!json_len(data))
		return puts("no incidents"), CTL_NO;
	snprintf(id, sizeof(id), "%lld", (long long)json_int_or(json_item(data, 0), "id", 0));
	return show_one(c, id, v);
}

/* A word that means nothing, or one to which something is missing. */
static int unknown_word(const struct ctl *c, const char *word)
{
	const char *names[ARRAY_LEN(actions) + 3] = {"report", "open", "last"};

	for (size_t i = 0; i < ARRAY_LEN(actions); i++)
		names[i + 3] = actions[i].word;
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		if (!strcmp(names[i], word))
			return ctl_usage(c);
	ctl_unknown("action on an incident", word, names, ARRAY_LEN(names));
	return CTL_USAGE;
}

int cmd_incident(struct ctl *c, int n, char **argv)
{
	const char *text = NULL, *severity = NULL, *summary = NULL, *step = NULL, *rest[3] = {NULL};
	struct view v = {0};
	const struct option options[] = {{"--note", &text, NULL},         {"--text", &text, NULL},
	                                 {"--severity", &severity, NULL}, {"--summary", &summary, NULL},
	                                 {"--step", &step, NULL},         {"-v", NULL, &v.verbose},
	                                 {"--watch", NULL, &v.watch}};
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, 3);

	if (found < 0)
		return CTL_USAGE;
	if (found == 0)
		return ctl_usage(c);
	if (found == 2 && !strcmp(rest[0], "open") && severity && summary)
		return open_one(c, rest[1], severity, summary);
	if (found == 1 && !strcmp(rest[0], "last"))
		return show_last(c, v);
	if (found == 1 && strspn(rest[0], "0123456789") == strlen(rest[0]))
		return show_one(c, rest[0], v);
	if (found == 2 && !strcmp(rest[0], "report"))
		return ctl_print_text(c, "incidents", rest[1], "/report");
	for (size_t i = 0; found >= 2 && i < ARRAY_LEN(actions); i++)
		if (!strcmp(rest[0], actions[i].word))
			return act(c, i, rest[1], rest[2], text, step);
	return unknown_word(c, rest[0]);
}

/* --- rollback by hand --- */

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
