/* How often a password was wrong, and which passwords came before. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "server/auth/throttle.h"
#include "server/core/clock.h"

static void what_came_before_is_known_and_no_way_around_the_brake(void **state)
{
	static struct auth_failures f;
	static struct auth_seen seen;
	struct http_peer peer = {.uid = 7};
	struct auth_source s = auth_source(&peer, "a");
	const char *one = "0123456789abcdef0123", *same_place = "0123456789abcdee0123", *none = "00000000000000000000";
	int64_t now = 1000 * US_PER_S;

	(void)state;
	assert_false(auth_came_before(&seen, one));
	assert_false(auth_came_before(&seen, none));
	auth_note(&seen, one);
	auth_note(&seen, none);
	assert_true(auth_came_before(&seen, one));
	assert_true(auth_came_before(&seen, none));
	assert_false(auth_came_before(&seen, "0123456799abcdef0123"));
	auth_note(&seen, same_place); /* 32 bits are kept, but for the last of them */
	assert_true(auth_came_before(&seen, same_place));
	assert_true(auth_may_try_again(&f, &s, now));
	assert_false(auth_may_try_again(&f, &s, now + AUTH_AGAIN_US - 1));
	assert_true(auth_may_try_again(&f, &s, now + AUTH_AGAIN_US));
	assert_false(auth_failed_too_often(&f, &s, now));
}

static void failures_run_out_and_come_back(void **state)
{
	static struct auth_failures f;
	struct http_peer v6 = {.uid = -1, .ip = {0x20, 1, 0xd, 0xb8, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1}}, near = v6,
			 far = v6;
	struct auth_source s = auth_source(&v6, "a"), other = auth_source(&v6, "b");
	int64_t now = 1000 * US_PER_S;

	(void)state;
	near.ip[15] = 9;
	far.ip[7] = 9;
	for (int i = 0; i < 10; i++) {
		assert_false(auth_failed_too_often(&f, &s, now));
		auth_count_failure(&f, &s, now);
	}
	struct auth_source same = auth_source(&near, "a"), elsewhere = auth_source(&far, "a");
	assert_true(auth_failed_too_often(&f, &s, now));
	assert_true(auth_failed_too_often(&f, &same, now));
	assert_false(auth_failed_too_often(&f, &other, now));
	assert_false(auth_failed_too_often(&f, &elsewhere, now));
	assert_true(auth_failed_too_often(&f, &s, now + 1900 * US_PER_MS));
	assert_false(auth_failed_too_often(&f, &s, now + 2 * US_PER_S));
	auth_count_failure(&f, &s, now + 2 * US_PER_S);
	assert_true(auth_failed_too_often(&f, &s, now + 3 * US_PER_S));
	/* The table is full: the oldest is forgotten, nothing else happens. */
	for (int i = 0; i < 1000; i++) {
		struct http_peer p = {.uid = i};
		struct auth_source one = auth_source(&p, "a");

		auth_count_failure(&f, &one, now + 4 * US_PER_S + i);
	}
	assert_false(auth_failed_too_often(&f, &s, now + 5 * US_PER_S));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_came_before_is_known_and_no_way_around_the_brake),
		cmocka_unit_test(failures_run_out_and_come_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
