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

/* --- the form --- */

static void fill(struct asked *k, const char *cookie, const char *body)
{
	const char *why;

	*k = (struct asked) {.cookie = cookie,
	                     .req = {.method = HTTP_POST,
	                             .user = "local",
	                             .roles = ROLE_ALL,
	                             .peer = tcp,
	                             .open = true,
	                             .path = "/login",
	                             .target = "/login",
	                             .header = header,
	                             .complete = complete}};
	assert_int_equal(form_parse(body, strlen(body), &k->form, &why), 0);
	k->req.form = &k->form;
}

/* As status_of, of a form that was sent. */
static int send_form(struct auth *a, struct asked *k, const char *cookie, const char *body)
{
	fill(k, cookie, body);
	k->auth_request = auth_sign_in(a, &k->req, &k->reply) == HTTP_DEFERRED ? HTTP_ASKED : HTTP_REFUSED;
	return status_of(k);
}

static void done(struct asked *k)
{
	form_free(&k->form);
	buf_free(&k->reply.body);
}

/* "name=id" of the cookie that an answer sets, in memory that the next call takes. */
static const char *cookie_of(const struct asked *k)
{
	static char cookie[HTTP_COOKIE_MAX];

	snprintf(cookie, sizeof(cookie), "%.*s", (int)strcspn(k->reply.cookie, ";"), k->reply.cookie);
	return cookie;
}

/* Who it is with that cookie; "": nobody. */
static const char *who_is(struct auth *a, const char *cookie)
{
	static struct asked k;

	k = (struct asked) {.cookie = cookie,
	                    .req = {.path = "/",
	                            .user = "local",
	                            .roles = ROLE_ALL,
	                            .peer = tcp,
	                            .target = "/",
	                            .header = header,
	                            .complete = complete}};
	bool known = auth_admit(a, &k.req, &k.reply) == HTTP_ADMITTED;
	buf_free(&k.reply.body);
	return known ? k.req.user : "";
}

static void a_right_form_begins_a_session_and_a_wrong_one_none(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH));
	struct asked k;
	char first[HTTP_COOKIE_MAX];

	(void)state;
	for (int i = 0; i < 2; i++) { /* checked, then remembered */
		assert_int_equal(send_form(a, &k, NULL, "user=alice&password=U*U&next=/incidents/1"), 303);
		assert_string_equal(k.reply.location, "/incidents/1");
		assert_memory_equal(k.reply.cookie, "rollbackd=", strlen("rollbackd="));
		assert_string_equal(who_is(a, cookie_of(&k)), "alice");
		if (i == 0)
			snprintf(first, sizeof(first), "%s", cookie_of(&k));
		else
			assert_string_not_equal(first, cookie_of(&k));
		done(&k);
	}
	assert_string_equal(who_is(a, first), "alice");
	static const char *const wrong[] = {"user=alice&password=U*U*", "user=bob&password=U*U", "user=alice", "",
	                                    "user=alice&password=U*U&x=y"};
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		int s = send_form(a, &k, NULL, wrong[i]);

		assert_true(s == 401 || s == 400);
		assert_null(strstr(k.reply.cookie, "rollbackd="));
		assert_non_null(strstr(buf_text(&k.reply.body), "<form"));
		done(&k);
	}
	auth_free(a);
}

static void the_form_and_the_header_share_one_check_and_one_brake(void **state)
{
	struct auth *a = started(passwords("alice", SLOW_HASH));
	struct asked first, form, basic;
	uint64_t wrong = metric_get(M_AUTH, 4);
	int busy = 0;

	(void)state;
	ask(a, &first, BOB, tcp); /* so that the others wait together */
	fill(&form, NULL, "user=alice&password=wrong");
	assert_int_equal(auth_sign_in(a, &form.req, &form.reply), HTTP_DEFERRED);
	form.auth_request = HTTP_ASKED;
	ask(a, &basic, ALICE_BAD, tcp);
	assert_int_equal(status_of(&form), 401);
	assert_int_equal(status_of(&basic), 401);
	assert_int_equal(status_of(&first), 401);
	assert_int_equal(metric_get(M_AUTH, 4) - wrong, 3);
	assert_non_null(strstr(buf_text(&form.reply.body), "<form"));
	assert_null(strstr(buf_text(&basic.reply.body), "<form"));
	done(&form);
	buf_free(&basic.reply.body);
	buf_free(&first.reply.body);
	auth_free(a);
	a = started(passwords("alice", UU_HASH));
	for (int i = 0; i < 40; i++) {
		char body[60];

		snprintf(body, sizeof(body), "user=alice&password=wrong%d", i);
		busy += send_form(a, &form, NULL, body) == 503;
		done(&form);
	}
	assert_true(busy > 0);
	assert_int_equal(status(a, ALICE_BAD), 503); /* the way in makes no difference */
	auth_free(a);
}

static void a_stop_answers_those_who_sign_in(void **state)
{
	struct auth *a = started(passwords("alice", STUCK_HASH));
	static struct asked k[3];
	char body[60];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(k); i++) {
		snprintf(body, sizeof(body), "user=alice&password=%zu", i);
		fill(&k[i], NULL, body);
		assert_int_equal(auth_sign_in(a, &k[i].req, &k[i].reply), HTTP_DEFERRED);
		k[i].auth_request = HTTP_ASKED;
	}
	auth_stop(a);
	for (size_t i = 0; i < ARRAY_LEN(k); i++) {
		int s = status_of(&k[i]);

		assert_true(s == 503 || s == 401); /* the first was being checked */
		assert_non_null(strstr(buf_text(&k[i].reply.body), "<form"));
		done(&k[i]);
	}
	auth_free(a);
}

static void a_reload_ends_what_it_changes(void **state)
{
	struct auth *a = started(passwords("alice", UU_HASH));
	struct asked k;
	char cookie[HTTP_COOKIE_MAX];

	(void)state;
	assert_int_equal(send_form(a, &k, NULL, "user=alice&password=U*U"), 303);
	snprintf(cookie, sizeof(cookie), "%s", cookie_of(&k));
	done(&k);
	set(a, passwords("alice", UU_HASH));
	assert_string_equal(who_is(a, cookie), "alice");
	set(a, passwords("alice", UUS_HASH));
	assert_string_equal(who_is(a, cookie), "");
	set(a, passwords("alice", UU_HASH)); /* what has ended stays so */
	assert_string_equal(who_is(a, cookie), "");
	assert_int_equal(send_form(a, &k, NULL, "user=alice&password=U*U"), 303);
	snprintf(cookie, sizeof(cookie), "%s", cookie_of(&k));
	done(&k);
	const char *fewer[] = {"viewer", NULL};
	struct user_options users[] = {{"alice", fewer}};
	assert_int_equal(auth_set(a, passwords("alice", UU_HASH), &(struct settings) {.users = users, .n_users = 1}),
	                 0);
	assert_string_equal(who_is(a, cookie), "");
	set(a, NULL); /* without passwords there are no sessions: everybody is local */
	assert_string_equal(who_is(a, cookie), "local");
	auth_free(a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_token_of_forms_is_bound_to_who_asks),
		cmocka_unit_test(a_right_form_begins_a_session_and_a_wrong_one_none),
		cmocka_unit_test(the_form_and_the_header_share_one_check_and_one_brake),
		cmocka_unit_test(a_stop_answers_those_who_sign_in),
		cmocka_unit_test(a_reload_ends_what_it_changes),
	};

	log_setup(LOG_LEVEL_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
