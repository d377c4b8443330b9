/*
 * rollbackctl rollback: through the daemon, and without it where it does not answer.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/text.h"
#include "server/ctl/local/offline.h"

#define ASK_MS      3000 /* a daemon that takes longer does not stop a rollback */
#define STORAGE_DEF "/var/lib/rollbackd"

struct words {
	const char *rollout, *stage, *reason, *to, *config, *storage;
	bool wait;
	bool current;   /* --stage current */
	int64_t number; /* of --stage N; -1 */
	int32_t to_pct; /* of --to; else 0 */
};

/* 0, or said what is wrong. */
static int check(const struct ctl *c, struct words *w)
{
	size_t len = w->stage ? strlen(w->stage) : 0;

	w->current = w->stage && !strcmp(w->stage, "current");
	w->number = w->stage && !w->current ? strtoll(w->stage, NULL, 10) : -1;
	if (w->stage && !w->current && (len == 0 || len > 4 || strspn(w->stage, "0123456789") != len))
		return ctl_usage(c, "--stage takes the number of a stage, not \"%s\"", w->stage);
	if (w->to && text_pct_parse(w->to, strlen(w->to), &w->to_pct) < 0)
		return ctl_usage(c, "--to takes a percentage from 0 to 100, not \"%s\"", w->to);
	return 0;
}

/* The stage it is at; -1 none. */
static int ask_stage(struct ctl *c, const struct words *w, int64_t *ret)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int r = ctl_ask(c, "GET", "rollouts", w->rollout, "", NULL, &data);

	if (r == 0)
		*ret = json_int_or(data, "stage", -1);
	return r;
}

static int ask_rollback(struct ctl *c, const struct words *w, struct json_object **ret)
{
	int64_t stage = w->number;
	int r = w->current ? ask_stage(c, w, &stage) : 0;

	if (r)
		return r;
	struct json_object *body = ctl_body("reason", w->reason, NO_MORE);
	if (stage >= 0)
		json_add_int(body, "stage", stage);
	if (w->to)
		json_add_pct(body, "to", w->to_pct);
	return ctl_ask(c, "POST", "rollouts", w->rollout, "/rollback", body, ret);
}

/* The line of the timeline with which this rollback begins: 0 where it opened the incident, else where it joined it. */
static size_t own_line(struct json_object *incident)
{
	struct json_object *lines = json_arr_of(incident, "timeline");
	size_t n = json_len(lines);

	while (n > 1 && strcmp(json_str_or(json_item(lines, n - 1), "what", ""), "attached") != 0)
		n--;
	return n ? n - 1 : 0;
}

static const char *what_it_does(struct json_object *o)
{
	static char already[60];
	const char *state = json_str_or(o, "state", "");
	char to[16];

	text_pct(json_pct_of(o, "percentage_wanted"), to, sizeof(to));
	snprintf(already, sizeof(already), "already at %s%%; that is being verified", to);
	if (json_true(o, "already_there"))
		return already;
	return !strcmp(state, "rolling_back") ? "rolling back" : !strcmp(state, "verifying") ? "verifying" : state;
}

static int ask_and_wait(struct ctl *c, const struct words *w)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int r = ask_rollback(c, w, &data);

	if (r)
		return r;
	int64_t id = json_int_or(data, "id", 0);
	size_t own = own_line(data);
	if (own && !c->json)
		show_joined(data);
	if (w->wait)
		return ctl_follow(c, id, own, true);
	if (c->json)
		ctl_print(c, data, show_incident);
	else
		printf("incident %lld: %s. Follow it with: rollbackctl incident %lld\n", (long long)id,
		       what_it_does(data), (long long)id);
	return CTL_YES;
}

static int without(const struct ctl *c, const struct words *w, bool insist)
{
	struct offline_rollback rq = {.rollout = w->rollout,
	                              .reason = w->reason,
	                              .config = w->config,
	                              .storage = w->storage ? w->storage : STORAGE_DEF,
	                              .stage = w->number,
	                              .to_pct = w->to_pct,
	                              .insist = insist};

	return offline_rollback(c, &rq);
}

/* Who is refused may not do it behind the daemon's back; who is not answered may. */
static int with_or_without(struct ctl *c, const struct words *w)
{
	struct words asked = *w;
	struct ctl asking = *c;
	long status = 0;

	asked.wait = true;
	asking.timeout_ms = ASK_MS;
	asking.status = &status;
	asking.quiet = true;
	int r = ask_and_wait(&asking, &asked);
	if (status == 400 || status == 404)
		return CTL_USAGE;
	if (status == 409 || status == 401 || status == 403)
		return CTL_REFUSED;
	if (r != CTL_UNREACHABLE)
		return r;
	fputs("rollbackctl: going on without rollbackd\n", stderr);
	return without(c, w, true);
}

int cmd_rollback(struct ctl *c, int n, const char **words)
{
	struct words w = {.rollout = words[0],
	                  .stage = ctl_value(c, "stage"),
	                  .reason = ctl_value(c, "reason"),
	                  .to = ctl_value(c, "to"),
	                  .config = ctl_config(c),
	                  .storage = ctl_value(c, "storage"),
	                  .wait = ctl_has(c, "wait")};
	int r = check(c, &w);

	(void)n;
	if (r)
		return r;
	if (!w.storage)
		w.storage = getenv("ROLLBACKD_STORAGE");
	if (ctl_has(c, "offline"))
		return without(c, &w, false);
	return ctl_has(c, "or-offline") ? with_or_without(c, &w) : ask_and_wait(c, &w);
}
