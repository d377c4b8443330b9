/*
 * Time: microseconds, signed 64 bit. Any thread.
 *
 * Deadlines on disk are wall time, waiting runs on the monotonic clock: the wall clock may jump.
 */
#ifndef SERVER_CORE_CLOCK_H
#define SERVER_CORE_CLOCK_H

#include <stdint.h>

#define US_PER_S  INT64_C(1000000)
#define US_PER_MS INT64_C(1000)

/* Unix time. */
int64_t clock_wall_us(void);
/* CLOCK_MONOTONIC; only differences mean anything. */
int64_t clock_mono_us(void);

#endif
