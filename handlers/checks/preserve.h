/*
 * What Prometheus remembers of an incident: metrics to preserve, and when the alert's condition began.
 *
 * Engine thread. Both call back once, never inside the call that started them, each bounded by
 * prometheus.timeout.
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

struct onset;
/* err 0: onset_us is when the condition began; -ENOENT: Prometheus does not know (any more); other -errno: it
 * could not be asked. */
typedef void onset_fn(void *arg, int err, int64_t onset_us);
/* labels: the alert's own, alertname among them. The earliest beginning that is not after starts_at counts.
 * -EINVAL without an alertname or a Prometheus, -ENOSPC labels too long to ask for. */
int onset_start(struct loop *l, const struct plan *plan, const struct text_pair *labels, size_t n_labels,
                int64_t starts_at_us, onset_fn *fn, void *arg, struct onset **ret) MUST_CHECK;
void onset_cancel(struct onset *o); /* no call back; NULL is fine */

/* ALERTS_FOR_STATE{…} for these labels. Labels other than alertname may be absent there (external_labels are
 * added on the way to Alertmanager), but not different. -EINVAL no alertname. Pure. */
int onset_query(struct buf *b, const struct text_pair *labels, size_t n);
/* The earliest sample (unix seconds) at or before starts_at. -ENOENT. Pure. */
struct prom_vector;
int onset_of(const struct prom_vector *v, int64_t starts_at_us, int64_t *ret_onset_us);

#endif
