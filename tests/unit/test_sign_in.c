/* Forms: their tokens, signing in and out, sessions. */
#include "tests/unit/auth_fixture.h"

static void the_token_of_forms_is_bound_to_who_asks(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH)), *open = started(NULL);
	const struct http_peer me = {.uid = getuid()};
	struct asked first, again, other, local;

	(void)state;
	ask(a, &first, ALICE, tcp);
	assert_int_equal(status_of(&first), 200);
	ask(a, &again, ALICE, tcp);
	assert_int_equal(status_of(&again), 200);
	assert_int_equal(strlen(first.req.form_token), 64);
	assert_string_equal(first.req.form_token, again.req.form_token);
	ask(a, &other, NULL, me);
	assert_int_equal(status_of(&other), 200);
	assert_int_equal(strlen(other.req.form_token), 64);
	assert_string_not_equal(first.req.form_token, other.req.form_token);
	ask(open, &local, NULL, tcp);
	assert_int_equal(strlen(local.req.form_token), 64);
	/* Another process has another key. */
	struct auth *next = started(NULL);
	ask(next, &again, NULL, tcp);
	assert_string_not_equal(local.req.form_token, again.req.form_token);
	ask(a, &other, ALICE_BAD, tcp);
	assert_int_equal(status_of(&other), 401);
	assert_string_equal(other.req.form_token, "");
	buf_free(&other.reply.body);
	auth_free(a);
	auth_free(open);
	auth_free(next);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_token_of_forms_is_bound_to_who_asks),
	};

	log_setup(LOG_LEVEL_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
