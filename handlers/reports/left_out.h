/*
 * The times that do not count when new way and old way are compared: incidents, holds.
 */
#ifndef HANDLERS_REPORTS_LEFT_OUT_H
#define HANDLERS_REPORTS_LEFT_OUT_H

#include "db/db.h"
#include "handlers/compare/run.h"

/* Adds those between from and now to ret, the caller's to free also on failure. 0 or -errno. The connection's thread.
 */
int comparison_left_out(struct db_conn *c, const char *rollout, int64_t from_us, int64_t now_us,
                        struct compare_spans *ret) MUST_CHECK;

#endif
