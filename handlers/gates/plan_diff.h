/*
 * What differs between two plans, and whether a run begins anew for it. Pure; any thread.
 *
 * A plan is the part of a rollout's config that people follow, as JSON (settings.h, "frozen"). What is only read
 * (names, notes, the wording of an item) resets nothing; anything else that a stage is measured by does.
 */
#ifndef HANDLERS_GATES_PLAN_DIFF_H
#define HANDLERS_GATES_PLAN_DIFF_H

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>
#include "server/core/buf.h"

/* Of a rollout as it is frozen: stages, checklists, freezes, milestones and the like. The caller's. */
struct json_object *plan_of_rollout(struct json_object *rollout);
/* {"stage": …, "checklist": …} of a plan; members that it does not have are left out. The caller's. */
struct json_object *plan_of_stage(struct json_object *plan, int32_t number);
/* The rest of a plan, which belongs to no stage. The caller's. */
struct json_object *plan_of_no_stage(struct json_object *plan);

/* [{"text": "criterion \"cache\" min: 0.8 → 0.9", "resets": true}, …]: empty when they are the same. Elements of a list
 * are the same by their name, or else by all that is not read only; their order does not count. A member that one side
 * does not have is the same as nothing, zero or false: releases add members. The caller's. */
struct json_object *plan_diff(struct json_object *was, struct json_object *is);
bool plan_diff_resets(struct json_object *changes);
/* "a; b; c and 4 more": those that reset, or the others. */
void plan_diff_words(struct buf *b, struct json_object *changes, bool resets);

#endif
