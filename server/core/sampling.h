/*
 * Which side of a rollout a key falls on: sticky, and monotone in the percentage. Pure; any thread.
 *
 * bucket = murmur3_32(salt ":" key, seed 0) * 10000 >> 32; the new way takes it when bucket < percentage in hundredths.
 * So 10 % are always the same keys, 25 % hold all of them, and another salt picks others. Services compute it
 * themselves: deploy/sampling.md has the rule in several languages and test vectors. (MurmurHash3_x86_32, Austin
 * Appleby, public domain.)
 */
#ifndef SERVER_CORE_SAMPLING_H
#define SERVER_CORE_SAMPLING_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SAMPLING_BUCKETS 10000

uint32_t murmur3_32(const void *data, size_t len, uint32_t seed);
/* 0 … 9999. */
uint32_t sampling_bucket(const char *salt, const char *key);
/* pct in hundredths of a percent. */
bool sampling_on(uint32_t bucket, int32_t pct);

#endif
