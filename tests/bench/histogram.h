/*
 * How long things took: counts per power of two and 64 steps of it, so that a percentile is right within 2 %.
 */
#ifndef TESTS_BENCH_HISTOGRAM_H
#define TESTS_BENCH_HISTOGRAM_H

#include <stdint.h>

#define HISTOGRAM_STEPS 64
#define HISTOGRAM_SIZE  (HISTOGRAM_STEPS * 40)

struct histogram {
	uint64_t n, most;
	uint64_t count[HISTOGRAM_SIZE];
};

/* A value that no table holds (a negative one) ends the program: then nothing was measured. */
void histogram_add(struct histogram *h, uint64_t value);
/* The value that part of all (0 to 1) do not exceed; 0 when there is none. */
uint64_t histogram_at(const struct histogram *h, double part);

#endif
