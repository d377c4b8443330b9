#include <errno.h>

#include "handlers/incident/intake.h"
#include "server/core/text.h"

static const struct playbook *playbook_of(const struct settings *s, const struct alert *a)
{
	for (size_t i = 0; i < s->n_playbooks; i++)
		if (matchers_hold(&s->playbooks[i].match, a->labels, a->n_labels, NULL))
			return &s->playbooks[i];
	return NULL;
}

static int rollouts_of(const struct settings *s, const struct alert *a, struct route *ret)
{
	ret->rollouts = calloc(s->n_rollouts ? s->n_rollouts : 1, sizeof(*ret->rollouts));
	if (!ret->rollouts)
		return -ENOMEM;
	for (size_t i = 0; i < s->n_rollouts; i++)
		if (matchers_hold(&s->rollouts[i].alerts, a->labels, a->n_labels, NULL))
			ret->rollouts[ret->n_rollouts++] = &s->rollouts[i];
	return 0;
}

static char *reason(const struct route *r, const struct alert *a)
{
	if (a->rejected)
		return text_format("%s", a->why ? a->why : "not understood");
	if (r->heartbeat)
		return text_format("matches the heartbeat");
	if (!r->playbook)
		return text_format("no playbook matches its labels");
	if (!r->n_rollouts)
		return text_format("playbook %s matches, but no rollout claims it", r->playbook->name);
	return text_format("playbook %s", r->playbook->name);
}

int route_alert(const struct settings *s, const struct alert *a, struct route *ret)
{
	struct route r = {0};
	int err = 0;

	if (!a->rejected) {
		r.heartbeat = s->heartbeat.n > 0 && matchers_hold(&s->heartbeat, a->labels, a->n_labels, NULL);
		r.playbook = r.heartbeat ? NULL : playbook_of(s, a);
		if (r.playbook)
			err = rollouts_of(s, a, &r);
	}
	if (err == 0 && !(r.why = reason(&r, a)))
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
	free(r->rollouts);
	free((char *)r->why);
	*r = (struct route) {0};
}
