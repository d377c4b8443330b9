/*
 * The alert of a drill by itself: it carries what a real trigger of the rollout would, so that it takes the same way
 * through Alertmanager and our matchers. Pure; any thread.
 */
#ifndef HANDLERS_READINESS_DRILL_ALERT_H
#define HANDLERS_READINESS_DRILL_ALERT_H

#include "handlers/settings/settings.h"
#include "server/core/json.h"

/* Its labels but for `drill`: those of the first alert rule that rolls r back, at once if there is such a one, else
 * what the matchers of the config ask for, else action and rollout. It has a name of its own, so that no inhibition
 * takes it for the real one, unless a matcher asks for the rule's. rules: the member data of Prometheus' /api/v1/rules;
 * NULL: they are not known. *ret is the caller's. 0, -ENOMEM. */
int drill_labels(const struct settings *s, const struct rollout *r, struct json_object *rules,
                 struct json_object **ret) MUST_CHECK;

#endif
