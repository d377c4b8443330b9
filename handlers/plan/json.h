/*
 * A rollout's plan as JSON: the one place that writes it, for the API, the page and the client.
 */
#ifndef HANDLERS_PLAN_JSON_H
#define HANDLERS_PLAN_JSON_H

#include "handlers/gates/gate.h"

/* Adds clock, criteria, approvals, checklist, hold, freeze, next, watch, baselines, milestones to o. Pure but for the
 * milestones' marks, read through c. */
int plan_json_add(struct json_object *o, struct db_conn *c, const struct gate_view *v);

#endif
