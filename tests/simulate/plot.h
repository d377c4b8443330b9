/*
 * A history: what happens in it, and when.
 */
#ifndef TESTS_SIMULATE_PLOT_H
#define TESTS_SIMULATE_PLOT_H

/* Plays the history of a seed in a folder that it may use (and leaves its files there). True: every rule held. */
#include <stdbool.h>
#include <stdint.h>
bool plot_play(uint64_t seed, bool verbose, const char *dir);
/* Only what is named in words, between commas, happens (beside the first alert). NULL: everything. */
void plot_only(const char *words);

#endif
