/*
 * A rollout's plan as JSON: the one place that writes it, for the API, the page and the client.
 */
#ifndef HANDLERS_PLAN_JSON_H
#define HANDLERS_PLAN_JSON_H

#include "handlers/gates/gate.h"

/* Adds clock, criteria, approvals, checklists, hold, freeze, next, watch, baselines to o, and what plan_json_ahead
 * adds. Pure but for marks, and checkmarks of runs that are over, read through c. */
int plan_json_add(struct json_object *o, struct db_conn *c, const struct gate_view *v);

/* Adds blocked_by, plan_review, milestones, forecast, dates, certificate. */
int plan_json_ahead(struct json_object *o, struct db_conn *c, const struct gate_view *v);
/* One of that role, which nobody may have given yet (NULL); those of a subject (gates/approvals.h). The caller's. */
struct json_object *plan_approval_json(const char *role, const struct approval *a);
struct json_object *plan_approvals_json(const struct rollout_state *st, const char *subject, const char **roles);
/* What somebody sees who approves: stage, clock, criteria with their values, its checklist. The caller's. */
struct json_object *plan_evidence_json(const struct gate_view *v);
/* [{"what", "text"}] of what is missing, but what has one of these flags (enum missing_flag). The caller's. */
struct json_object *plan_missing_json(const struct gate *g, unsigned but);

#endif
