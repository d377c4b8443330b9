/*
 * rollbackctl percentage: what the service says, asked by the checks of the config. One number or nothing: what is not
 * certain is not printed.
 */
#include <stdio.h>
#include <string.h>

#include "handlers/engine/round.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/local/local.h"
#include "server/ctl/ctl.h"
#include "server/ctl/show/words.h"

#define FRESH_US (60 * US_PER_S) /* what the daemon saw earlier says nothing about now */
#define ASK_MS   3000

static int print_pct(const struct ctl *c, const char *rollout, int32_t pct)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	char text[16];

	json_add_str(o, "rollout", rollout);
	json_add_pct(o, "percentage", pct);
	if (c->json)
		return show_json(o, true), CTL_YES;
	text_pct(pct, text, sizeof(text));
	puts(text);
	return CTL_YES;
}

/* A program among the checks that asks us would go round in circles. */
static void leave_out(struct plan *p, const char *program)
{
	struct rollout *r = &p->rollout;
	size_t kept = 0;

	for (size_t i = 0; i < r->n_checks; i++) {
		const char *slash = r->checks[i].kind == CHECK_COMMAND ? strrchr(r->checks[i].argv[0], '/') : NULL;

		if (!program || !slash || strcmp(slash + 1, program) != 0)
			r->checks[kept++] = r->checks[i];
	}
	r->n_checks = kept;
	r->effective_query = r->cured_query = NULL;
}

/* The first round finds the highest number that anybody says, the second whether all say so. */
static int ask_checks(struct local *w, int32_t *ret)
{
	struct change round = round_unheard(0);

	local_check(w, (struct wanted) {.pct = 0}, &round);
	*ret = round.seen;
	if (round.seen >= 0) {
		change_clear(&round);
		round = round_unheard(0);
		local_check(w, (struct wanted) {.pct = *ret}, &round);
	}
	bool yes = round.seen == *ret && *ret >= 0 && round.acknowledged == STATUS_YES;
	if (!yes)
		fprintf(stderr, "rollbackctl: the percentage is unknown: %s\n",
		        !w->plan->rollout.n_checks ? "verify.checks has nobody to ask"
		        : round.acknowledged_note  ? round.acknowledged_note
		                                   : "the checks could not be started");
	change_clear(&round);
	return yes ? CTL_YES : CTL_UNKNOWN;
}

static int ask_daemon(struct ctl *c, const char *rollout)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	const char *at = NULL;
	int64_t seen_at = 0;

	c->timeout_ms = ASK_MS;
	if (ctl_ask(c, "GET", "rollouts", rollout, "", NULL, &data))
		return CTL_UNKNOWN;
	int32_t pct = json_pct_of(data, "percentage_seen");
	bool since = json_true(data, "seen_since_change");
	if (pct >= 0 && json_get_str(data, "seen_at", &at) == 1 && text_time_parse(at, strlen(at), &seen_at) == 0 &&
	    clock_wall_us() - seen_at <= FRESH_US && since)
		return print_pct(c, rollout, pct);
	fprintf(stderr, "rollbackctl: the percentage is unknown: rollbackd has not seen it %s\n",
	        seen_at && !since ? "since it was last changed" : "in the last minute");
	return CTL_UNKNOWN;
}

int cmd_percentage(struct ctl *c, int n, const char **words)
{
	const char *config = ctl_config(c);
	struct local w = {0};
	int32_t pct = -1;

	(void)n;
	if (access(config, R_OK) < 0)
		return ask_daemon(c, words[0]);
	int r = local_open(config, words[0], &w);
	if (r)
		return r == CTL_USAGE ? r : CTL_UNKNOWN;
	leave_out(w.plan, ctl_value(c, "except"));
	r = ask_checks(&w, &pct);
	local_close(&w);
	return r ? r : print_pct(c, words[0], pct);
}
