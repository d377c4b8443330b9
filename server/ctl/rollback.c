/*
 * rollbackctl rollback: through the daemon, and without it where it does not answer.
 */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "server/core/text.h"
#include "server/ctl/local/offline.h"

#define ASK_MS      3000 /* a daemon that takes longer does not stop a rollback */
#define STORAGE_DEF "/var/lib/rollbackd"
#define CONFIG_DEF  "/etc/rollbackd/rollbackd.yml"

struct words {
	const char *rollout, *stage, *reason, *to, *config, *storage;
	bool wait, offline, or_offline;
};

static int usage(void)
{
	fputs("usage: rollbackctl rollback ROLLOUT --stage N|current [--reason TEXT] [--to 0] [--wait | --or-offline | "
	      "--offline]\n"
	      "                            [--config FILE] [--storage DIR]\n"
	      "--offline rolls back without rollbackd; --or-offline asks it, waits, and goes on without it when it "
	      "does not answer\n"
	      "within 3 s. Both end with 0 verified, 1 not verified, 2 usage, 3 refused (another stage), 4 cannot "
	      "tell.\n",
	      stderr);
	return CTL_USAGE;
}

static int stage_of(const char *text, int64_t *ret)
{
	assert(text && ret);
	size_t len = strlen(text);

	*ret = strtoll(text, NULL, 10);
	if (len > 0 && len <= 4 && strspn(text, "0123456789") == len)
		return 0;
	fprintf(stderr, "rollbackctl: --stage takes the number of a stage, not \"%s\"\n", text);
	return -1;
}

static int number_of(const char *text, double *ret)
{
	char *end = NULL;

	*ret = strtod(text, &end);
	if (end != text && *end == '\0')
		return 0;
	fprintf(stderr, "rollbackctl: --to takes a number, not \"%s\"\n", text);
	return -1;
}

static bool is_current(const struct words *w)
{
	return w->stage && !strcmp(w->stage, "current");
}

static int check(const struct words *w)
{
	int64_t stage;
	double to;

	if (w->stage && !is_current(w) && stage_of(w->stage, &stage) < 0)
		return -1;
	return w->to && number_of(w->to, &to) < 0 ? -1 : 0;
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
	struct json_object *body;
	int64_t stage = -1;
	double to;
	int r = is_current(w) ? ask_stage(c, w, &stage) : 0;

	if (r)
		return r;
	if (w->stage && !is_current(w))
		stage_of(w->stage, &stage);
	body = ctl_body("reason", w->reason, NO_MORE);
	if (stage >= 0)
		json_add_int(body, "stage", stage);
	if (w->to && number_of(w->to, &to) == 0)
		json_add_double(body, "to", to);
	return ctl_ask(c, "POST", "rollouts", w->rollout, "/rollback", body, ret);
}

static int ask_and_wait(struct ctl *c, const struct words *w)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	int r = ask_rollback(c, w, &data);

	if (r)
		return r;
	int64_t id = json_int_or(data, "id", 0);
	if (w->wait)
		return ctl_follow(c, id, true);
	if (c->json)
		ctl_print(c, data, show_incident);
	else
		printf("incident %lld: rolling back. Follow it with: rollbackctl incident %lld\n", (long long)id,
		       (long long)id);
	return CTL_YES;
}

static int without(const struct ctl *c, const struct words *w, bool insist)
{
	struct offline_rollback rq = {.rollout = w->rollout,
	                              .reason = w->reason,
	                              .config = w->config ? w->config : CONFIG_DEF,
	                              .storage = w->storage ? w->storage : STORAGE_DEF,
	                              .stage = -1,
	                              .insist = insist};

	if (w->stage && !is_current(w))
		stage_of(w->stage, &rq.stage);
	if (w->to && text_pct_parse(w->to, strlen(w->to), &rq.to_pct) < 0) {
		fprintf(stderr, "rollbackctl: --to takes a percentage from 0 to 100, not \"%s\"\n", w->to);
		return CTL_USAGE;
	}
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

int cmd_rollback(struct ctl *c, int n, char **argv)
{
	struct words w = {.config = getenv("ROLLBACKD_CONFIG"), .storage = getenv("ROLLBACKD_STORAGE")};
	const struct option options[] = {{"--stage", &w.stage, NULL},     {"--reason", &w.reason, NULL},
	                                 {"--to", &w.to, NULL},           {"--config", &w.config, NULL},
	                                 {"--storage", &w.storage, NULL}, {"--wait", NULL, &w.wait},
	                                 {"--offline", NULL, &w.offline}, {"--or-offline", NULL, &w.or_offline}};

	if (ctl_options(n, argv, options, ARRAY_LEN(options), &w.rollout, 1) != 1 || check(&w) < 0)
		return usage();
	if (w.offline)
		return without(c, &w, false);
	return w.or_offline ? with_or_without(c, &w) : ask_and_wait(c, &w);
}
