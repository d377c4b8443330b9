/*
 * Durations in PromQL: of a range, a step or an offset. Since Prometheus 3 a number is one, too, in seconds, and
 * (behind a flag) arithmetic of both. Pure; any thread.
 */
#ifndef ALERTMANAGER_PROMQL_DURATION_H
#define ALERTMANAGER_PROMQL_DURATION_H

#include <stddef.h>
#include <stdint.h>
#include "server/core/scope.h"

/* "5m", " 1h30m ", "300", "5m + 2 * 30", "max(5m, 90)": all of it; only blanks: 0. -EINVAL: it is none, or depends on
 * the question (step(), range()); or it nests deeper than 20. May be negative. */
int promql_duration(const char *p, size_t len, int64_t *ret_us) MUST_CHECK;
/* The one operand that *p begins with, which moves behind it: a duration, a number, or an expression in brackets, each
 * with a sign before it. -EINVAL as above. */
int promql_duration_take(const char **p, int64_t *ret_us) MUST_CHECK;

#endif
