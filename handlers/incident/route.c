#include <assert.h>
#include <errno.h>
#include <string.h>

#include "handlers/incident/intake.h"
#include "server/core/text.h"

#define QUICK_MAX 256 /* rollouts and playbooks: some 50 ns each */

/*
 * An expression that ran into a limit is no "no". It counts as matching where that can only lower what an alert that is
 * otherwise known to be one is about: a playbook in doubt, if a rollout surely claims the alert; a rollout in doubt, if
 * a playbook surely is meant. When both are in doubt nothing is done, and somebody is paged, as for every trigger that
 * no rollout claims.
 */

/* Of two playbooks of which either may be meant: the one that lowers sooner, and further. */
static const struct playbook *stronger(const struct playbook *a, const struct playbook *b)
{
	if (!a || !b)
		return a ? a : b;
	if (a->hold != b->hold)
		return a->hold ? b : a;
	if (a->after_us != b->after_us)
		return a->after_us < b->after_us ? a : b;
	if (a->previous_stage != b->previous_stage)
		return a->previous_stage ? b : a;
	return b->to_pct < a->to_pct ? b : a;
}

/* The first that matches; if some before it may match, the strongest of them all. */
static enum matchers_result playbook_of(const struct settings *s, const struct alert *a, struct route *ret,
                                        const char **ret_which)
{
	enum matchers_result best = MATCHERS_NO;

	for (size_t i = 0; i < s->n_playbooks && best != MATCHERS_YES; i++) {
		const char *which = NULL;
		enum matchers_result say = matchers_judge(&s->playbooks[i].match, a->labels, a->n_labels, &which);

		if (say == MATCHERS_NO)
			continue;
		ret->playbook = stronger(ret->playbook, &s->playbooks[i]);
		if (say == MATCHERS_MAYBE && !*ret_which)
			*ret_which = which;
		best = say;
	}
	return best;
}

static int rollouts_of(const struct settings *s, const struct alert *a, bool sure, struct route *ret,
                       const char **ret_which)
{
	ret->rollouts = calloc(s->n_rollouts ? s->n_rollouts : 1, sizeof(*ret->rollouts));
	if (!ret->rollouts)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_rollouts; i++) {
		const char *which = NULL;
		enum matchers_result say = matchers_judge(&s->rollouts[i].alerts, a->labels, a->n_labels, &which);

		if (say == MATCHERS_YES || (say == MATCHERS_MAYBE && sure))
			ret->rollouts[ret->n_rollouts++] = &s->rollouts[i];
		if (say == MATCHERS_MAYBE && !*ret_which)
			*ret_which = which;
	}
	return 0;
}

/* --- a source that is blind --- */

/* Grafana sends these in a rule's place, with its labels, when its query fails or has no answer. */
static const char *const blind_names[] = {"DatasourceError", "DatasourceNoData", "NoData"};

/* Nobody saw the canary do anything: unknown is no reason to act, and none to go on. */
static const struct playbook blind_playbook = {
	.name = "datasource-blind",
	.severity = "",
	.hold = true,
	.restart_at = -1,
	.frozen = "{\"name\":\"datasource-blind\",\"match\":[\"alertname=~\\\"DatasourceError|DatasourceNoData|"
		  "NoData\\\"\"],"
		  "\"severity\":\"\",\"hold\":true}",
};

static bool is_blind(const struct alert *a)
{
	const char *name = alert_label(a, "alertname");

	return name && text_enum_find(blind_names, ARRAY_LEN(blind_names), name) >= 0;
}

/* which: the matcher that gave up; NULL: none did. */
static char *reason(const struct route *r, const struct alert *a, const char *which)
{
	const char *doubt = which ? ". Its regular expression was given up at a limit, and counts as matching: " : "";

	if (a->rejected)
		return text_format("%s", a->why ? a->why : "not understood");
	if (r->heartbeat)
		return text_format("matches the heartbeat");
	if (!r->playbook)
		return text_format("no playbook matches its labels");
	if (!r->n_rollouts && which)
		return text_format(
			"playbook %s may match, but no rollout surely claims it: a regular expression was given up "
			"at a limit: %.200s",
			r->playbook->name, which);
	if (!r->n_rollouts)
		return text_format("playbook %s matches, but no rollout claims it", r->playbook->name);
	if (r->blind)
		return text_format("%s says that nobody can see what it is about: held, not rolled back",
		                   alert_label(a, "alertname"));
	return text_format("playbook %s%s%.200s", r->playbook->name, doubt, which ? which : "");
}

static bool is_heartbeat(const struct settings *s, const struct alert *a)
{
	return s->heartbeat.n > 0 && matchers_judge(&s->heartbeat, a->labels, a->n_labels, NULL) == MATCHERS_YES;
}

bool route_is_quick(const struct settings *s)
{
	assert(s && s->n_playbooks > 0);
	bool plain = s->n_rollouts + s->n_playbooks <= QUICK_MAX && matchers_are_plain(&s->heartbeat);

	for (size_t i = 0; plain && i < s->n_playbooks; i++)
		plain = matchers_are_plain(&s->playbooks[i].match);
	for (size_t i = 0; plain && i < s->n_rollouts; i++)
		plain = matchers_are_plain(&s->rollouts[i].alerts);
	return plain;
}

int route_alert(const struct settings *s, const struct alert *a, struct route *ret)
{
	assert(s && a && ret);
	const char *which = NULL;
	struct route r = {0};
	int err = 0;

	if (!a->rejected && !(r.heartbeat = is_heartbeat(s, a))) {
		bool sure = playbook_of(s, a, &r, &which) == MATCHERS_YES;

		r.blind = r.playbook && !r.playbook->hold && is_blind(a);
		if (r.blind)
			r.playbook = &blind_playbook;
		if (r.playbook)
			err = rollouts_of(s, a, sure, &r, &which);
	}
	if (err == 0 && !(r.why = reason(&r, a, which)))
		err = -ENOMEM;
	if (err < 0) {
		route_free(&r);
		return err;
	}
	*ret = r;
	return 0;
}

void route_free(struct route *r)
{
	assert(r);
	free(r->rollouts);
	free((char *)r->why);
	*r = (struct route) {0};
}
