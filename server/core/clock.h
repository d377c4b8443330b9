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
#define CLOCK_BOOT_ID_SIZE 40
/* Time since the boot, sleep included: no setting of the wall clock changes it. */
int64_t clock_boot_us(void);
/* Which boot this is; "" when the system does not tell. out: CLOCK_BOOT_ID_SIZE. */
void clock_boot_id(char *out);
/* CLOCK_MONOTONIC; only differences mean anything. */
int64_t clock_mono_us(void);

/* at + us, at most INT64_MAX. */
static inline int64_t clock_later(int64_t at_us, int64_t us)
{
	int64_t sum;

	return __builtin_add_overflow(at_us, us, &sum) ? INT64_MAX : sum;
}

#endif
