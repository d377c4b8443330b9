#include "server/core/clock.h"

#include <time.h>

static int64_t read_us(clockid_t id)
{
	struct timespec t = {0};

	clock_gettime(id, &t); /* cannot fail for these two clocks */
	return t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

int64_t clock_wall_us(void)
{
	return read_us(CLOCK_REALTIME);
}

int64_t clock_mono_us(void)
{
	return read_us(CLOCK_MONOTONIC);
}
