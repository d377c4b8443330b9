/* The sampling rule: published murmur3 vectors, then its promises over 100,000 keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/sampling.h"
#include "server/core/scope.h"

#define KEYS 100000

/* SMHasher's own check (aappleby/smhasher, KeysetTest.cpp, VerificationTest): hashes of {}, {0}, {0,1} … {0..254} with
 * seeds 256 - n, hashed once more; main.cpp gives 0xB0F57EE3 for MurmurHash3_x86_32. */
static void smhasher_verifies_it(void **state)
{
	unsigned char key[256], hashes[256 * 4];

	(void)state;
	for (int n = 0; n < 256; n++) {
		key[n] = (unsigned char)n;
		uint32_t h = murmur3_32(key, (size_t)n, (uint32_t)(256 - n));

		for (int b = 0; b < 4; b++)
			hashes[4 * n + b] = (unsigned char)(h >> 8 * b);
	}
	assert_int_equal(murmur3_32(hashes, sizeof(hashes), 0), 0xB0F57EE3u);
}

/* Wikipedia, MurmurHash, "Test data for MurmurHash3_x86_32"; the bytes above 127 and the odd lengths count. */
static void published_vectors_hold(void **state)
{
	static const struct {
		const char *text;
		uint32_t seed, hash;
	} rows[] = {
		{"", 0x00000000, 0x00000000},
		{"", 0x00000001, 0x514E28B7},
		{"", 0xffffffff, 0x81F16F39},
		{"test", 0x00000000, 0xba6bd213},
		{"test", 0x9747b28c, 0x704b81dc},
		{"Hello, world!", 0x00000000, 0xc0363e43},
		{"Hello, world!", 0x9747b28c, 0x24884CBA},
		{"The quick brown fox jumps over the lazy dog", 0x00000000, 0x2e4ff723},
		{"The quick brown fox jumps over the lazy dog", 0x9747b28c, 0x2FA826CD},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++)
		assert_int_equal(murmur3_32(rows[i].text, strlen(rows[i].text), rows[i].seed), rows[i].hash);
}

static uint32_t *buckets(const char *salt)
{
	uint32_t *all = calloc(KEYS, sizeof(*all));
	char key[32];

	assert_non_null(all);
	for (int i = 0; i < KEYS; i++) {
		snprintf(key, sizeof(key), "workspace-%d", i);
		all[i] = sampling_bucket(salt, key);
		assert_in_range(all[i], 0, SAMPLING_BUCKETS - 1);
	}
	return all;
}

static int count(const uint32_t *all, int32_t pct)
{
	int n = 0;

	for (int i = 0; i < KEYS; i++)
		n += sampling_on(all[i], pct);
	return n;
}

static void every_percentage_is_met_within_half_a_point(void **state)
{
	uint32_t *all = buckets("cst-pipeline");

	(void)state;
	for (int32_t pct = 0; pct <= 100; pct++)
		assert_true(fabs(100.0 * count(all, pct * 100) / KEYS - pct) <= 0.5);
	assert_int_equal(count(all, 0), 0);
	assert_int_equal(count(all, 10000), KEYS);
	assert_true(count(all, 100) > 0);
	assert_true(count(all, 1) > 0); /* 0.01 % */
	free(all);
}

static void who_has_it_keeps_it_when_the_percentage_grows(void **state)
{
	uint32_t *all = buckets("cst-pipeline");

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		assert_true(!sampling_on(all[i], 1000) || sampling_on(all[i], 2500));
		assert_true(!sampling_on(all[i], 2500) || sampling_on(all[i], 5000));
	}
	assert_true(count(all, 1000) < count(all, 2500) && count(all, 2500) < count(all, 5000));
	free(all);
}

/* Of those that one rollout picks at 10 %, another picks 10 %: 100 of 1,000 with a standard deviation of 9.5 per 1,000.
 */
static void two_rollouts_pick_independently(void **state)
{
	uint32_t *a = buckets("cst-pipeline"), *b = buckets("search-v2");
	double mean_a = 0, mean_b = 0, cov = 0, var_a = 0, var_b = 0;
	int both = 0;

	(void)state;
	for (int i = 0; i < KEYS; i++) {
		both += sampling_on(a[i], 1000) && sampling_on(b[i], 1000);
		mean_a += a[i] / (double)KEYS;
		mean_b += b[i] / (double)KEYS;
	}
	for (int i = 0; i < KEYS; i++) {
		cov += (a[i] - mean_a) * (b[i] - mean_b);
		var_a += (a[i] - mean_a) * (a[i] - mean_a);
		var_b += (b[i] - mean_b) * (b[i] - mean_b);
	}
	assert_in_range(both, 1000 - 150, 1000 + 150); /* five standard deviations of 30 */
	assert_true(fabs(cov / sqrt(var_a * var_b)) < 5 / sqrt(KEYS));
	free(a);
	free(b);
}

static void a_key_of_any_length_is_hashed_whole(void **state)
{
	char a[2001], b[2001];

	(void)state;
	memset(a, 'x', sizeof(a));
	memset(b, 'x', sizeof(b));
	b[1999] = 'y';
	a[2000] = b[2000] = '\0';
	assert_int_not_equal(sampling_bucket("s", a), sampling_bucket("s", b));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smhasher_verifies_it),
		cmocka_unit_test(published_vectors_hold),
		cmocka_unit_test(every_percentage_is_met_within_half_a_point),
		cmocka_unit_test(who_has_it_keeps_it_when_the_percentage_grows),
		cmocka_unit_test(two_rollouts_pick_independently),
		cmocka_unit_test(a_key_of_any_length_is_hashed_whole),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
