/*
 * When the condition behind an alert began, as Prometheus knows it.
 *
 * Engine thread. Calls back once, never inside the call that started it, bounded by prometheus.timeout.
 */
#ifndef HANDLERS_CHECKS_ONSET_H
#define HANDLERS_CHECKS_ONSET_H

#include "alertmanager/prometheus.h"
#include "handlers/settings/settings.h"
#include "server/core/loop.h"
#include "server/core/text.h"

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
int onset_of(const struct prom_vector *v, int64_t starts_at_us, int64_t *ret_onset_us);

#endif
