#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <string.h>
#include "server/core/headtail.h"

enum { FULL = 200 };

static void check(struct headtail *k, const char *full, size_t len, size_t max, size_t head)
{
	size_t kept = len < max ? len : max, first = len > max ? head : kept;

	headtail_straighten(k);
	assert_int_equal(k->buf.len, kept);
	assert_int_equal(k->lost, len - kept);
	assert_int_equal(headtail_gap(k), first);
	assert_memory_equal(buf_text(&k->buf), full, first);
	assert_memory_equal(buf_text(&k->buf) + first, full + len - (kept - first), kept - first);
}

/* With head == max nothing of the end is kept. */
static void first_and_last_bytes_are_kept_however_they_come(void **state)
{
	char full[FULL];
	unsigned seed = 11;

	(void)state;
	for (int i = 0; i < FULL; i++)
		full[i] = (char)(i + 1);
	for (int round = 0; round < 20000; round++) {
		size_t max = (size_t)rand_r(&seed) % 40, head = (size_t)rand_r(&seed) % (max + 1);
		size_t chunk = 1 + (size_t)rand_r(&seed) % 60, len = (size_t)rand_r(&seed) % FULL;
		struct headtail k = HEADTAIL(max, head);

		for (size_t at = 0; at < len;) {
			size_t n = 1 + (size_t)rand_r(&seed) % chunk;

			n = n < len - at ? n : len - at;
			headtail_add(&k, full + at, n);
			at += n;
		}
		check(&k, full, len, max, head);
		headtail_free(&k);
	}
}

static void nothing_at_all_is_fine(void **state)
{
	struct headtail k = HEADTAIL(100, 50);

	(void)state;
	headtail_add(&k, "", 0);
	check(&k, "", 0, 100, 50);
	headtail_free(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(first_and_last_bytes_are_kept_however_they_come),
		cmocka_unit_test(nothing_at_all_is_fine),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
