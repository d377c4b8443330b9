#include "tests/bench/histogram.h"

#include <assert.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

/* Below HISTOGRAM_STEPS every value has a place of its own. */
static size_t place_of(uint64_t value)
{
	unsigned power = 0;

	while (value >> power >= 2 * (uint64_t)HISTOGRAM_STEPS)
		power++;
	return power * HISTOGRAM_STEPS + (size_t)(value >> power);
}

static uint64_t value_of(size_t place)
{
	if (place < 2 * (size_t)HISTOGRAM_STEPS)
		return place;
	size_t power = place / HISTOGRAM_STEPS - 1;
	return (uint64_t)(place - power * HISTOGRAM_STEPS) << power;
}

void histogram_add(struct histogram *h, uint64_t value)
{
	assert(h);
	size_t place = place_of(value);

	if (place >= HISTOGRAM_SIZE) { /* an end before its beginning, as a rule */
		fprintf(stderr, "histogram: %" PRIu64 " is no time that was measured\n", value);
		exit(1);
	}
	h->count[place]++;
	h->n++;
	if (value > h->most)
		h->most = value;
}

uint64_t histogram_at(const struct histogram *h, double part)
{
	assert(h && part >= 0 && part <= 1);
	uint64_t seen = 0;

	for (size_t i = 0; i < HISTOGRAM_SIZE; i++) {
		seen += h->count[i];
		if (seen && (double)seen >= part * (double)h->n)
			return value_of(i);
	}
	return h->most;
}
