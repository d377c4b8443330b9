/*
 * What Prometheus remembers of an incident: metrics to preserve.
 *
 * Engine thread. Calls back once, never inside the call that started it, bounded by prometheus.timeout.
 */
#ifndef HANDLERS_CHECKS_PRESERVE_H
#define HANDLERS_CHECKS_PRESERVE_H

#include "handlers/settings/settings.h"
#include "server/core/loop.h"
#include "server/core/text.h"

#define SNAPSHOT_POINTS_MAX 240
#define SNAPSHOT_SERIES_MAX 50 /* per query */

struct snapshot_item {
	char *name, *unit, *series, *error; /* owned; series or error */
};

struct snapshot;
/* One item per query of the plan's rollout, in its order: series (JSON text, prom_matrix_parse) or error (a
 * sentence). The callee owns the array and what it holds. */
typedef void snapshot_fn(void *arg, struct snapshot_item *items_taken, size_t n);
/* plan is borrowed and must outlive the snapshot. */
int snapshot_start(struct loop *l, const struct plan *plan, int64_t from_us, int64_t to_us, snapshot_fn *fn, void *arg,
                   struct snapshot **ret) MUST_CHECK;
void snapshot_cancel(struct snapshot *s); /* no call back; NULL is fine */
void snapshot_items_free(struct snapshot_item *items, size_t n);

/* Seconds between points, so that a range has at most SNAPSHOT_POINTS_MAX of them. Pure. */
int64_t snapshot_step_s(int64_t from_us, int64_t to_us);

#endif
