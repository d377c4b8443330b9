/*
 * What is known already of an item or a milestone that says prefill: shown beside it while it is open, and kept as its
 * note when it is done without one.
 */
#ifndef HANDLERS_PLAN_PREFILL_H
#define HANDLERS_PLAN_PREFILL_H

#include "db/db.h"
#include "handlers/settings/settings.h"
#include "server/core/json.h"

#define PREFILL_MAX 900 /* bytes */

/* Does it stand on a comparison of new way with old way. */
bool prefill_compares(const char *what);
/* One line. what: comparison, cost or incidents. comparison: what compare_report said last of the whole rollout; NULL:
 * nothing yet. The caller's; NULL: what is NULL, or -errno of the database in *ret_err (may be NULL). The connection's
 * thread. */
char *prefill_text(struct db_conn *c, const struct rollout *r, const char *what, struct json_object *comparison,
                   int *ret_err);

/* Adds "known" to the items of checklists and to the milestones of o, which plan_json_add has filled: what is known of
 * those that are open now, of the stage's checklist and due; else null. */
int prefill_json_add(struct json_object *o, struct db_conn *c, const struct rollout *r, struct json_object *comparison);

#endif
