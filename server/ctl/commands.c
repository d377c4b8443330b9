#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define WAIT_US       (15 * 60 * US_PER_S) /* beyond the longest total of the SLA */
#define WAIT_EVERY_MS 250
#define SILENT_MAX    3 /* questions in a row without an answer */

static int wrong(const char *usage)
{
	fprintf(stderr, "usage: rollbackctl %s\n", usage);
	return CTL_USAGE;
}

int cmd_status(struct ctl *c, int n, char **argv)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;

	(void)argv;
	if (n)
		return wrong("status");
	int r = ctl_call(c, "GET", "/api/v1/rollouts", NULL, &data);
	if (r == 0)
		ctl_print(c, data, show_rollouts);
	return r;
}

int cmd_incidents(struct ctl *c, int n, char **argv)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	const char *rollout = NULL, *state = NULL, *since = NULL, *limit = NULL;
	const struct option options[] = {{"--rollout", &rollout, NULL},
	                                 {"--state", &state, NULL},
	                                 {"--since", &since, NULL},
	                                 {"--limit", &limit, NULL}};
	const struct {
		const char *name, **value;
	} params[] = {{"rollout", &rollout}, {"state", &state}, {"since", &since}, {"limit", &limit}};
	struct buf path = BUF(4096);

	if (ctl_options(n, argv, options, ARRAY_LEN(options), NULL, 0) != 0)
		return CTL_USAGE;
	buf_str(&path, "/api/v1/incidents?");
	for (size_t i = 0; i < ARRAY_LEN(params); i++)
		if (*params[i].value) {
			buf_printf(&path, "%s=", params[i].name);
			ctl_escape(&path, *params[i].value);
			buf_char(&path, '&');
		}
	int r = ctl_call(c, "GET", buf_text(&path), NULL, &data);
	if (r == 0 && rollout && !json_object_array_length(data)) { /* none, or a slip of the pen */
		CLEANUP(json_cleanup) struct json_object *ignored = NULL;

		buf_reset(&path);
		buf_str(&path, "/api/v1/rollouts/");
		ctl_escape(&path, rollout);
		r = ctl_call(c, "GET", buf_text(&path), NULL, &ignored);
	}
	buf_free(&path);
	if (r == 0)
		ctl_print(c, data, show_incidents);
	return r;
}

/* --- one incident --- */

static const struct {
	const char *word, *path, *key;
} actions[] = {
	{"ack", "acknowledge", "note"}, {"note", "note", "note"},     {"eta", "eta", "eta"},
	{"cancel", "cancel", "note"},   {"retry", "retry", "note"},   {"resolve", "resolve", "note"},
	{"approve", "approve", "note"}, {"review", "review", "note"},
};

static int show_one(struct ctl *c, const char *id, bool verbose)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	struct buf path = BUF(300);

	buf_str(&path, "/api/v1/incidents/");
	ctl_escape(&path, id);
	int r = ctl_call(c, "GET", buf_text(&path), NULL, &data);
	buf_free(&path);
	if (r == 0)
		ctl_print(c, data, verbose ? show_incident_verbose : show_incident);
	return r;
}

static int act(struct ctl *c, size_t which, const char *id, const char *text, const char *step)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	struct json_object *body = json_object_new_object();
	struct buf path = BUF(300);

	if (text)
		json_add_str(body, actions[which].key, text);
	if (step)
		json_add_str(body, "step", step);
	buf_str(&path, "/api/v1/incidents/");
	ctl_escape(&path, id);
	buf_printf(&path, "/%s", actions[which].path);
	int r = ctl_call(c, "POST", buf_text(&path), body, &data);
	buf_free(&path);
	if (r == 0)
		ctl_print(c, data, show_incident);
	return r;
}

static int report_one(struct ctl *c, const char *id)
{
	struct buf path = BUF(300), text = BUF(1024 * 1024);

	buf_str(&path, "/api/v1/incidents/");
	ctl_escape(&path, id);
	buf_str(&path, "/report");
	int r = ctl_fetch(c, buf_text(&path), &text);
	buf_free(&path);
	if (r == 0)
		fputs(buf_text(&text), stdout);
	buf_free(&text);
	return r;
}

static int open_one(struct ctl *c, const char *rollout, const char *severity, const char *summary)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	struct json_object *body = json_object_new_object();

	json_add_str(body, "rollout", rollout);
	json_add_str(body, "severity", severity);
	json_add_str(body, "summary", summary);
	int r = ctl_call(c, "POST", "/api/v1/incidents", body, &data);
	if (r == 0)
		ctl_print(c, data, show_incident);
	return r;
}

int cmd_incident(struct ctl *c, int n, char **argv)
{
	const char *text = NULL, *severity = NULL, *summary = NULL, *step = NULL, *rest[3] = {NULL};
	bool verbose = false;
	const struct option options[] = {{"--note", &text, NULL},         {"--text", &text, NULL},
	                                 {"--severity", &severity, NULL}, {"--summary", &summary, NULL},
	                                 {"--step", &step, NULL},         {"-v", NULL, &verbose}};
	int found = ctl_options(n, argv, options, ARRAY_LEN(options), rest, 3);

	if (found == 2 && !strcmp(rest[0], "open") && severity && summary)
		return open_one(c, rest[1], severity, summary);

	if (found == 1)
		return show_one(c, rest[0], verbose);
	if (found == 2 && !strcmp(rest[0], "report"))
		return report_one(c, rest[1]);
	for (size_t i = 0; found >= 2 && i < ARRAY_LEN(actions); i++)
		if (!strcmp(rest[0], actions[i].word))
			return act(c, i, rest[1], rest[2] ? rest[2] : text, step);
	return wrong("incident ID | ack|note|eta|approve [--step NAME]|cancel|retry|review|resolve ID [TEXT] | report "
	             "ID | open ROLLOUT "
	             "--severity P0 --summary TEXT");
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

int ctl_follow(const struct ctl *c, int64_t id, bool print)
{
	const struct timespec pause = {.tv_nsec = WAIT_EVERY_MS * 1000000L};
	int64_t until = clock_mono_us() + WAIT_US;
	size_t seen = 0;
	int silent = 0;
	char path[64];

	snprintf(path, sizeof(path), "/api/v1/incidents/%lld", (long long)id);
	while (clock_mono_us() < until) {
		CLEANUP(json_cleanup) struct json_object *data = NULL;
		int r = ctl_call(c, "GET", path, NULL, &data);

		if (r == CTL_UNREACHABLE && ++silent < SILENT_MAX) {
			nanosleep(&pause, NULL);
			continue;
		}
		if (r)
			return r;
		silent = 0;
		seen = c->json ? seen : show_news(data, seen);
		r = result_of(data);
		if (r >= 0 && c->json && print)
			ctl_print(c, data, show_incident);
		if (r >= 0)
			return r;
		nanosleep(&pause, NULL);
	}
	fputs("rollbackctl: still not decided after 15 minutes; look at the incident\n", stderr);
	return CTL_UNKNOWN;
}
