/* Sessions and their bounds; cookies; where a sign-in may lead. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "server/auth/cookie.h"
#include "server/auth/session.h"
#include "server/core/clock.h"

#define DAY (86400 * US_PER_S)

static struct sessions *new_sessions(void **state)
{
	*state = calloc(1, sizeof(struct sessions));
	assert_non_null(*state);
	return *state;
}

static int drop(void **state)
{
	free(*state);
	return 0;
}

static const char *hash_of(int n)
{
	static char hash[4][SESSION_HASH_LEN];
	static int at;

	at = (at + 1) % 4;
	snprintf(hash[at], SESSION_HASH_LEN, "%064x", n);
	return hash[at];
}

/* Session n of that person begins then. Who was ended for it, as his user's name; "": nobody. */
static const char *begin(struct sessions *s, int n, const char *user, int64_t now_us)
{
	static struct session ended;
	struct session one = {.since_us = now_us, .used_us = now_us};

	snprintf(one.hash, sizeof(one.hash), "%s", hash_of(n));
	snprintf(one.user, sizeof(one.user), "%s", user);
	return session_begin(s, &one, &ended) ? ended.user : "";
}

static void a_session_is_found_by_its_hash_until_it_ends(void **state)
{
	struct sessions *s = new_sessions(state);

	assert_null(session_find(s, hash_of(1), 1));
	assert_string_equal(begin(s, 1, "alice", 1), "");
	assert_string_equal(begin(s, 2, "bob", 2), "");
	assert_string_equal(session_find(s, hash_of(1), 3)->user, "alice");
	assert_string_equal(session_find(s, hash_of(2), 3)->user, "bob");
	assert_null(session_find(s, hash_of(3), 3));
	assert_null(session_find(s, "0", 3));
	assert_true(session_end(s, hash_of(1)));
	assert_false(session_end(s, hash_of(1)));
	assert_null(session_find(s, hash_of(1), 4));
	assert_string_equal(session_find(s, hash_of(2), 4)->user, "bob");
}

static void it_ends_after_a_week_however_it_is_used(void **state)
{
	struct sessions *s = new_sessions(state);
	int64_t week = 7 * DAY;

	begin(s, 1, "alice", 5);
	for (int64_t t = 5; t < week + 5; t += DAY)
		assert_non_null(session_find(s, hash_of(1), t));
	assert_non_null(session_find(s, hash_of(1), week + 4));
	assert_null(session_find(s, hash_of(1), week + 5));
	assert_null(session_find(s, hash_of(1), 6)); /* it is gone, whatever the clock says */
	assert_int_equal(session_count(s, 6), 0);
}

static void beyond_his_own_bound_a_persons_oldest_ends(void **state)
{
	struct sessions *s = new_sessions(state);

	begin(s, 1000, "bob", 1);
	for (int i = 0; i < SESSIONS_OF_ONE; i++)
		assert_string_equal(begin(s, i, "alice", 10 + i), "");
	assert_non_null(session_find(s, hash_of(0), 100)); /* so 1 is unused longest */
	assert_string_equal(begin(s, 500, "alice", 101), "alice");
	assert_null(session_find(s, hash_of(1), 102));
	assert_non_null(session_find(s, hash_of(0), 102));
	assert_non_null(session_find(s, hash_of(500), 102));
	assert_non_null(session_find(s, hash_of(1000), 102));
	assert_int_equal(session_count(s, 102), SESSIONS_OF_ONE + 1);
}

static void beyond_the_bound_of_all_the_oldest_ends_and_nobody_is_kept_out(void **state)
{
	struct sessions *s = new_sessions(state);
	char user[32];
	int n = 0;

	for (; n < SESSIONS_MAX; n++) {
		snprintf(user, sizeof(user), "user%d", n / SESSIONS_OF_ONE);
		assert_string_equal(begin(s, n, user, 10 + n), "");
	}
	assert_string_equal(begin(s, n, "late", 10 + n), "user0");
	assert_null(session_find(s, hash_of(0), 10 + n));
	assert_non_null(session_find(s, hash_of(1), 10 + n));
	assert_non_null(session_find(s, hash_of(n), 10 + n));
	/* Where many are too old, none that is alive ends. */
	assert_string_equal(begin(s, n + 1, "later", 7 * DAY + 10 + SESSIONS_MAX - 1), "");
	assert_int_equal(session_count(s, 7 * DAY + 10 + SESSIONS_MAX - 1), 2);
}

static bool is_bob(const void *arg, const struct session *one)
{
	return !strcmp(one->user, arg);
}

static void those_that_are_not_kept_end(void **state)
{
	struct sessions *s = new_sessions(state);

	for (int i = 0; i < 6; i++)
		begin(s, i, i % 3 ? "alice" : "bob", 1 + i);
	assert_int_equal(session_end_unless(s, is_bob, "bob"), 4);
	assert_int_equal(session_count(s, 10), 2);
	assert_null(session_find(s, hash_of(1), 10));
	assert_non_null(session_find(s, hash_of(3), 10));
}

/* --- cookies --- */

#define ID  "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define ID2 "ff23456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static void an_id_is_read_from_a_cookie(void **state)
{
	static const struct {
		const char *header;
		int result;
	} cases[] = {
		{"", 0},
		{"rollbackd=" ID, 1},
		{"a=b; rollbackd=" ID "; c=d", 1},
		{"a=b;rollbackd=" ID, 1},
		{"__Host-rollbackd=" ID, 0},
		{"rollbackd-login=" ID, 0},
		{"Rollbackd=" ID, 0},
		{"x=rollbackd=" ID, 0},
		{"rollbackd=", -EINVAL},
		{"rollbackd=" ID "0", -EINVAL},
		{"rollbackd=0123", -EINVAL},
		{"rollbackd=\"" ID "\"", -EINVAL},
		{"rollbackd=0123456789ABCDEF0123456789abcdef0123456789abcdef0123456789abcdef", -EINVAL},
		/* Two of a name: one of them was planted, and nobody knows which. */
		{"rollbackd=" ID2 "; rollbackd=" ID, -EINVAL},
		{"rollbackd=" ID "; rollbackd=", -EINVAL},
		{"rollbackd=x; rollbackd=" ID, -EINVAL},
		{";;; ;rollbackd=" ID ";", 1},
	};
	char id[COOKIE_ID_LEN];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		id[0] = '\0';
		if (cookie_id(cases[i].header, "rollbackd", id) != cases[i].result)
			fail_msg("%s", cases[i].header);
		if (cases[i].result == 1)
			assert_string_equal(id, ID);
	}
}

static void it_leads_to_paths_of_ours_only(void **state)
{
	static const char *const good[] = {"/", "/incidents/3", "/rollouts/a.b-c?kind=weekly&x=%20",
	                                   "/incidents/3?a=/b"};
	static const char *const bad[] = {
		"",
		"incidents/3",
		"//evil.example",
		"//evil.example/",
		"///evil.example",
		"/\\evil.example",
		"\\\\evil.example",
		"/\t/evil.example",
		"/\n/evil.example",
		" /incidents",
		"http://evil.example",
		"https:evil.example",
		"javascript:alert(1)",
		"/a\r\nSet-Cookie: a=b",
		"/\"onload=",
		"/<script>",
		"/#a",
		"/a:b@evil.example",
		"/\xc3\xa4",
	};
	char longest[HTTP_LOCATION_MAX + 1];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		if (!cookie_may_lead(good[i]))
			fail_msg("refused: %s", good[i]);
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		if (cookie_may_lead(bad[i]))
			fail_msg("it leads to %s", bad[i]);
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[HTTP_LOCATION_MAX] = '\0';
	assert_false(cookie_may_lead(longest));
	longest[HTTP_LOCATION_MAX - 1] = '\0';
	assert_true(cookie_may_lead(longest));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(a_session_is_found_by_its_hash_until_it_ends, drop),
		cmocka_unit_test_teardown(it_ends_after_a_week_however_it_is_used, drop),
		cmocka_unit_test_teardown(beyond_his_own_bound_a_persons_oldest_ends, drop),
		cmocka_unit_test_teardown(beyond_the_bound_of_all_the_oldest_ends_and_nobody_is_kept_out, drop),
		cmocka_unit_test_teardown(those_that_are_not_kept_end, drop),
		cmocka_unit_test(an_id_is_read_from_a_cookie),
		cmocka_unit_test(it_leads_to_paths_of_ours_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
