/* Who asks: passwords, the peer of the unix socket, the bounds of the worker. */
#include "tests/unit/auth_fixture.h"

static void without_passwords_everybody_is_local_with_every_role(void **state)
{
	struct auth *a = started(NULL);
	struct asked k;

	(void)state;
	ask(a, &k, ALICE, tcp); /* a header changes nothing: nothing could check it */
	assert_int_equal(k.auth_request, HTTP_ADMITTED);
	assert_string_equal(k.req.user, "local");
	assert_false(k.req.authenticated);
	assert_int_equal(k.req.roles, ROLE_ALL);
	auth_free(a);
}

static void the_peer_of_the_unix_socket_is_known_by_name(void **state)
{
	const struct http_peer me = {.uid = getuid()}, nobody = {.uid = 3999999999};
	struct passwd *entry = getpwuid(getuid());
	struct auth *a = started(NULL);
	struct asked k;

	(void)state;
	assert_non_null(entry);
	ask(a, &k, NULL, me);
	assert_int_equal(k.auth_request, HTTP_ASKED);
	assert_int_equal(status_of(&k), 200);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(k.req.user, entry->pw_name);
		assert_true(k.req.authenticated);
		assert_int_equal(k.req.roles, ROLE_ALL);
		ask(a, &k, NULL, me);
		assert_int_equal(k.auth_request, HTTP_ADMITTED);
	}
	ask(a, &k, NULL, nobody);
	assert_int_equal(status_of(&k), 200);
	assert_string_equal(k.req.user, "uid 3999999999");
	set(a, passwords("alice", UU_HASH)); /* now roles are what the config says */
	ask(a, &k, NULL, nobody);
	assert_int_equal(status_of(&k), 200);
	assert_true(k.req.authenticated);
	assert_int_equal(k.req.roles, ROLE_USER);
	ask(a, &k, ALICE, me); /* a password wins over the peer */
	assert_int_equal(status_of(&k), 200);
	assert_string_equal(k.req.user, "alice");
	ask(a, &k, ALICE_BAD, me);
	assert_int_equal(status_of(&k), 401);
	buf_free(&k.reply.body);
	auth_free(a);
}

static void root_on_the_unix_socket_may_look_at_least(void **state)
{
	const struct http_peer root = {.uid = 0};
	struct auth *a = started(passwords("alice", UU_HASH));
	struct asked k;

	(void)state;
	for (int i = 0; i < 2; i++) { /* looked up, and remembered */
		ask(a, &k, NULL, root);
		assert_int_equal(status_of(&k), 200);
		assert_int_equal(k.req.roles, ROLE_USER | ROLE_VIEWER);
	}
	ask(a, &k, ALICE, root); /* a password wins over the peer */
	assert_int_equal(status_of(&k), 200);
	assert_int_equal(k.req.roles, ROLE_OPERATOR | ROLE_VIEWER | ROLE_USER);
	auth_free(a);
}

static void a_right_password_is_checked_once(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH));
	struct asked k;

	(void)state;
	ask(a, &k, ALICE, tcp);
	assert_int_equal(k.auth_request, HTTP_ASKED);
	assert_int_equal(status_of(&k), 200);
	for (int i = 0; i < 2; i++) {
		assert_string_equal(k.req.user, "alice");
		assert_true(k.req.authenticated);
		assert_int_equal(k.req.roles, ROLE_OPERATOR | ROLE_VIEWER | ROLE_USER);
		ask(a, &k, ALICE, tcp);
		assert_int_equal(k.auth_request, HTTP_ADMITTED);
	}
	auth_free(a);
}

static void a_wrong_one_and_none_are_401(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH));
	static const char *const wrong[] = {
		NULL,
		"",
		"Basic",
		"Basic ",
		"Basic !!!!",
		"Basic YWxpY2U=" /* no colon */,
		"Basic OlUqVQ==" /* no name */,
		"Bearer YWxpY2U6VSpV",
	};
	struct asked k;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		ask(a, &k, wrong[i], tcp);
		assert_int_equal(k.auth_request, HTTP_REFUSED);
		assert_int_equal(k.reply.status, 401);
		assert_string_equal(k.reply.challenge, "Basic realm=\"rollbackd\", charset=\"UTF-8\"");
		buf_free(&k.reply.body);
	}
	static const char *const checked[] = {ALICE_BAD, BOB, NOBODY, ALICE2};
	for (size_t i = 0; i < ARRAY_LEN(checked); i++) {
		ask(a, &k, checked[i], tcp);
		assert_int_equal(k.auth_request, HTTP_ASKED);
		assert_int_equal(status_of(&k), 401);
		assert_non_null(k.reply.challenge);
		assert_false(k.req.authenticated);
		assert_non_null(strstr(k.reply.body.data, "the user name or the password is wrong"));
		buf_free(&k.reply.body);
	}
	auth_free(a);
}

static void a_reload_keeps_who_is_known_as_long_as_his_hash_stays(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH));
	struct asked k;

	(void)state;
	assert_int_equal(status(a, ALICE), 200);
	for (int i = 0; i < 3; i++) {
		set(a, passwords("alice", UU_HASH));
		ask(a, &k, ALICE, tcp);
		assert_int_equal(k.auth_request, HTTP_ADMITTED);
	}
	set(a, passwords("alice", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"));
	assert_int_equal(status(a, ALICE), 401);
	set(a, passwords("alice", UU_HASH)); /* what was forgotten stays so */
	ask(a, &k, ALICE, tcp);
	assert_int_equal(k.auth_request, HTTP_ASKED);
	assert_int_equal(status_of(&k), 200);
	auth_free(a);
}

static void a_reload_forgets_whose_password_has_changed(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH));

	(void)state;
	assert_int_equal(status(a, ALICE), 200);
	set(a, passwords("alice", UUS_HASH));
	assert_int_equal(status(a, ALICE), 401);
	assert_int_equal(status(a, ALICE2), 200);
	set(a, passwords("bob", UU_HASH));
	assert_int_equal(status(a, ALICE2), 401);
	assert_int_equal(status(a, BOB), 200);
	auth_free(a);
}

static void a_check_under_way_at_a_reload_is_made_again(void **state)
{
	(void)state;
	for (int i = 0; i < 30; i++) {
		struct auth *a = started(passwords("alice", UU_HASH));
		struct asked k;

		ask(a, &k, ALICE, tcp);
		if (i % 3)
			usleep((unsigned)(i % 3) * 700); /* somewhere inside the check, which takes 2 ms */
		set(a, passwords("alice", UUS_HASH));
		int first = status_of(&k);
		assert_true(first == 401 || first == 200); /* it may have been over */
		buf_free(&k.reply.body);
		/* but the old password is not remembered */
		assert_int_equal(status(a, ALICE), 401);
		assert_int_equal(status(a, ALICE2), 200);
		auth_free(a);
	}
}

static double cpu_s(struct auth *a, const char *authorization)
{
	struct timespec t0, t1;
	double best = 1e9;

	for (int i = 0; i < 4; i++) {
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t0);
		assert_int_equal(status(a, authorization), 401);
		clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t1);
		double s = (double)(t1.tv_sec - t0.tv_sec) + (double)(t1.tv_nsec - t0.tv_nsec) / 1e9;
		best = s < best ? s : best;
	}
	return best;
}

static void who_does_not_exist_takes_as_long(void **state)
{
	struct auth *a = started(passwords("alice", SLOW_HASH));
	double known = cpu_s(a, ALICE), unknown = cpu_s(a, NOBODY);

	(void)state;
	if (unknown < 0.6 * known || unknown > 1.7 * known)
		fail_msg("known %f s, unknown %f s", known, unknown);
	auth_free(a);
}

static void the_same_password_at_the_same_time_is_checked_once(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH));
	static struct asked k[200], slow;
	uint64_t before = metric_get(M_AUTH, 2);

	(void)state;
	/* Something else first, so that all of them find the worker at work. */
	ask(a, &slow, NOBODY, tcp);
	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		ask(a, &k[i], ALICE, tcp);
	for (size_t i = 0; i < ARRAY_LEN(k); i++)
		assert_int_equal(status_of(&k[i]), 200);
	assert_true(metric_get(M_AUTH, 2) > before);
	assert_int_equal(status_of(&slow), 401);
	buf_free(&slow.reply.body);
	auth_free(a);
}

/* --- floods --- */

/* "flood:N" */
static const char *guess(char out[64], const char *user, int n)
{
	static const char abc[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
	char text[40];
	size_t len = (size_t)snprintf(text, sizeof(text), "%s:%07d", user, n), at = 6;

	while (len % 3)
		text[len++] = 'x';
	snprintf(out, 64, "Basic ");
	for (size_t i = 0; i < len; i += 3) {
		unsigned bits = (unsigned)(text[i] << 16 | text[i + 1] << 8 | text[i + 2]);

		for (int s = 18; s >= 0; s -= 6)
			out[at++] = abc[bits >> s & 63];
	}
	out[at] = '\0';
	return out;
}

static void the_queue_is_bounded_and_a_stop_answers_all(void **state)
{
	struct auth *a = started(passwords("alice", STUCK_HASH));
	static struct asked one[10], names[40], far[400];
	static char text[450][64];
	size_t waiting = 0, waiting_far = 0;

	(void)state;
	/* One name from one address. */
	for (size_t i = 0; i < ARRAY_LEN(one); i++)
		ask(a, &one[i], guess(text[i], "alice", (int)i), tcp);
	for (size_t i = 0; i < ARRAY_LEN(one); i++)
		waiting += one[i].auth_request == HTTP_ASKED;
	assert_int_equal(waiting, 4);
	assert_int_equal(one[9].reply.status, 503);
	assert_true(one[9].reply.retry_after_s > 0);
	assert_null(one[9].reply.challenge);
	/* Many names from that address. */
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		char user[16];

		snprintf(user, sizeof(user), "user%zu", i);
		ask(a, &names[i], guess(text[10 + i], user, 0), tcp);
		waiting += names[i].auth_request == HTTP_ASKED;
	}
	assert_int_equal(waiting, 16);
	/* Another address still has its turn, until all are too many. */
	for (size_t i = 0; i < ARRAY_LEN(far); i++) {
		ask(a, &far[i], guess(text[50 + i], "alice", (int)(100 + i)),
		    (struct http_peer) {.uid = -1, .ip = {10, 0, (unsigned char)(i / 250), (unsigned char)(i % 250)}});
		waiting_far += far[i].auth_request == HTTP_ASKED;
	}
	assert_int_equal(far[0].auth_request, HTTP_ASKED);
	/* 64 in all; a check or two may have ended in the meantime. */
	assert_in_range(waiting_far, 48, 52);
	assert_int_equal(far[399].reply.status, 503);
	auth_stop(a);
	for (size_t i = 0; i < ARRAY_LEN(far); i++) {
		assert_int_equal(far[i].completed, far[i].auth_request == HTTP_ASKED);
		assert_true(far[i].reply.status == 503 || far[i].reply.status == 401);
		buf_free(&far[i].reply.body);
	}
	for (size_t i = 0; i < ARRAY_LEN(one); i++)
		buf_free(&one[i].reply.body);
	for (size_t i = 0; i < ARRAY_LEN(names); i++)
		buf_free(&names[i].reply.body);
	struct asked late;
	ask(a, &late, ALICE, tcp);
	assert_int_equal(late.auth_request, HTTP_REFUSED);
	assert_int_equal(late.reply.status, 503);
	buf_free(&late.reply.body);
	auth_free(a);
}

static void who_guesses_too_often_has_to_wait_but_not_the_known(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH));
	char text[64];
	int refused = 0;

	(void)state;
	assert_int_equal(status(a, ALICE), 200);
	for (int i = 0; i < 40; i++) {
		int s = status(a, guess(text, "alice", i));

		assert_true(s == 401 || s == 503);
		refused += s == 503;
		assert_int_equal(status(a, ALICE), 200);
	}
	/* Ten at once, then one every two seconds: a machine that takes a minute for this lets 30 more
	 * through. */
	assert_true(refused > 0);
	auth_free(a);
}

/* From the guesser's own address and under the same name. */
static void who_comes_first_during_a_flood_is_let_in_when_he_comes_again(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH));
	char text[64];
	int n = 0;

	(void)state;
	while (status(a, guess(text, "alice", n++)) != 503)
		assert_true(n < 10000);
	int first = status(a, ALICE);
	assert_true(first == 503 || first == 200); /* a machine that is slow enough forgives a failure meanwhile */
	assert_int_equal(status(a, ALICE), 200);
	auth_free(a);
}

static void what_came_before_is_checked_before_what_is_new(void **state)
{
	struct auth *a = started(passwords("alice", SLOW_HASH));
	static struct asked guesses[16], again;
	static char text[16][64];
	char user[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(guesses); i++) {
		snprintf(user, sizeof(user), "user%zu", i);
		ask(a, &guesses[i], guess(text[i], i < 5 ? "alice" : user, (int)i), tcp);
	}
	assert_int_equal(guesses[3].auth_request, HTTP_ASKED);
	assert_int_equal(guesses[4].reply.status, 503); /* four of one name */
	ask(a, &again, text[4], tcp);
	assert_int_equal(again.auth_request, HTTP_ASKED);
	assert_int_equal(status_of(&again), 401);
	size_t before = 0;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < ARRAY_LEN(guesses); i++)
		before += guesses[i].completed > 0;
	pthread_mutex_unlock(&lock);
	assert_in_range(before, 0, 3); /* what was under way, and what a slow machine added before it looked */
	auth_free(a);
	for (size_t i = 0; i < ARRAY_LEN(guesses); i++)
		buf_free(&guesses[i].reply.body);
	buf_free(&again.reply.body);
}

/* --- Basic and bcrypt --- */

static void basic_is_read_as_the_rfc_writes_it(void **state)
{
	struct credentials c;

	(void)state;
	assert_int_equal(credentials_parse("Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==", &c), 0); /* RFC 7617, 2 */
	assert_string_equal(c.user, "Aladdin");
	assert_string_equal(c.password, "open sesame");
	assert_int_equal(credentials_parse("basic dGVzdDoxMjPCow==", &c), 0); /* RFC 7617, 2.1 */
	assert_string_equal(c.user, "test");
	assert_string_equal(c.password, "123\xc2\xa3");
	assert_int_equal(credentials_parse("Basic dGVzdDoxMjPCow", &c), 0); /* without padding */
	assert_int_equal(credentials_parse("Basic YTpiOmM=", &c), 0);       /* a:b:c */
	assert_string_equal(c.password, "b:c");
	assert_true(credentials_parse("Basic YToAYg==", &c) < 0); /* a:\0b */
	assert_true(credentials_parse("Basic YTpiY", &c) < 0);
	char text[3000] = "Basic ";
	memset(text + 6, 'Y', 2900);
	assert_true(credentials_parse(text, &c) < 0);
}

static void bcrypt_agrees_with_the_published_vectors(void **state)
{
	char nobody[BCRYPT_LEN + 1];

	(void)state;
	assert_true(bcrypt_fits("U*U", UU_HASH));
	assert_true(bcrypt_fits("U*U*", UUS_HASH));
	assert_true(bcrypt_fits("U*U*U", "$2a$05$XXXXXXXXXXXXXXXXXXXXXOAcXxm9kjPGEMsLznoKqmqw7tc8WCx4a"));
	assert_true(bcrypt_fits("\xa3", "$2y$05$/OK.fbVrR/bpIqNJ5ianF.Sa7shbm4.OzKpvFnX1pQLmQW96oUlCq"));
	assert_false(bcrypt_fits("U*U", UUS_HASH));
	assert_false(bcrypt_fits("", UU_HASH));
	assert_false(bcrypt_fits("U*U", "$2a$05$"));
	assert_int_equal(bcrypt_cost(UU_HASH), 5);
	bcrypt_nobody(4, nobody);
	assert_int_equal(strlen(nobody), BCRYPT_LEN);
	assert_int_equal(bcrypt_cost(nobody), 4);
	assert_false(bcrypt_fits("", nobody));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_passwords_everybody_is_local_with_every_role),
		cmocka_unit_test(the_peer_of_the_unix_socket_is_known_by_name),
		cmocka_unit_test(root_on_the_unix_socket_may_look_at_least),
		cmocka_unit_test(a_right_password_is_checked_once),
		cmocka_unit_test(a_wrong_one_and_none_are_401),
		cmocka_unit_test(a_reload_keeps_who_is_known_as_long_as_his_hash_stays),
		cmocka_unit_test(a_reload_forgets_whose_password_has_changed),
		cmocka_unit_test(a_check_under_way_at_a_reload_is_made_again),
		cmocka_unit_test(who_does_not_exist_takes_as_long),
		cmocka_unit_test(the_same_password_at_the_same_time_is_checked_once),
		cmocka_unit_test(the_queue_is_bounded_and_a_stop_answers_all),
		cmocka_unit_test(who_guesses_too_often_has_to_wait_but_not_the_known),
		cmocka_unit_test(who_comes_first_during_a_flood_is_let_in_when_he_comes_again),
		cmocka_unit_test(what_came_before_is_checked_before_what_is_new),
		cmocka_unit_test(basic_is_read_as_the_rfc_writes_it),
		cmocka_unit_test(bcrypt_agrees_with_the_published_vectors),
	};

	log_setup(LOG_LEVEL_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
