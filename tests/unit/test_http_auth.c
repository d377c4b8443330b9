/* Who asks is found out before the body is read, at once or later, by another thread. */
#include <stdlib.h>

#include "tests/unit/http_bench.h"

#define HOST  "Host: a\r\nContent-Type: application/json\r\n"
#define GET   "GET /private HTTP/1.1\r\n" HOST
#define POST  "POST /deposit HTTP/1.1\r\n" HOST
#define KNOWN "Authorization: alice\r\n"

static struct bench *bench;

/* --- the authenticator: what stands in Authorization is the verdict --- */

static void answer_asked(struct http_req *req)
{
	const char *who = req->header(req, "Authorization");
	struct http_reply reply = {.status = 200};

	if (!strcmp(who, "mallory")) {
		reply.challenge = "Basic realm=\"here\"";
		http_error(&reply, 401, "unauthorized", "who are you?");
	} else {
		snprintf(req->user, sizeof(req->user), "%s", who);
		req->authenticated = true;
		req->roles = strcmp(who, "guest") != 0 ? ROLE_VIEWER : ROLE_USER;
		snprintf(req->form_token, sizeof(req->form_token), "token of %.40s", who);
	}
	req->complete(req, &reply);
}

static void *authenticate_thread(void *req)
{
	answer_asked(req);
	return NULL;
}

/* X-When: at-once completes before this returns, thread some time, hold when the test says so. */
static enum http_access auth_request(void *arg, struct http_req *req, struct http_reply *reply)
{
	const char *when = req->header(req, "X-When");
	struct bench *b = arg;
	pthread_t other;

	if (!req->header(req, "Authorization")) {
		http_error(reply, 401, "unauthorized", "who are you?");
		return HTTP_REFUSED;
	}
	if (!when) {
		snprintf(req->user, sizeof(req->user), "alice");
		return HTTP_ADMITTED;
	}
	if (!strcmp(when, "hold")) {
		bench_keep(b, b->held, &b->n_held, req);
		return HTTP_ASKED;
	}
	assert_int_equal(pthread_create(&other, NULL, authenticate_thread, req), 0);
	if (!strcmp(when, "at-once"))
		pthread_join(other, NULL);
	else
		pthread_detach(other);
	return HTTP_ASKED;
}

static void release(struct bench *b)
{
	pthread_mutex_lock(&b->lock);
	while (b->n_held)
		answer_asked(b->held[--b->n_held]);
	pthread_mutex_unlock(&b->lock);
}

static int start(void **state)
{
	(void)state;
	bench = bench_start(&(struct http_options) {.authenticate = auth_request});
	return 0;
}

static int stop(void **state)
{
	(void)state;
	bench_stop(bench);
	return 0;
}

static void expect(int fd, int status, const char *part)
{
	struct answer a = client_read(fd, false);

	assert_int_equal(a.status, status);
	if (!strstr(buf_text(&a.body), part))
		fail_msg("not in the answer: %s; it is: %s", part, buf_text(&a.body));
	answer_free(&a);
}

/* --- at once --- */

static void at_once_before_the_body(void **state)
{
	struct answer none = client_ask(bench, POST "Content-Length: 5\r\n\r\n");
	struct answer good = client_ask(bench, GET KNOWN "\r\n");
	struct answer open = client_ask(bench, "GET /hello HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	assert_int_equal(none.status, 401);
	assert_string_equal(answer_header(&none, "Connection"), "close");
	assert_string_equal(good.body.data, "GET /private user=alice a=none x=none");
	assert_string_equal(open.body.data, "GET /hello user=local a=none x=none");
	answer_free(&none);
	answer_free(&good);
	answer_free(&open);
}

/* --- later --- */

static const char *const whens[] = {"at-once", "thread"};

static void later_admitted_with_and_without_a_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(whens); i++) {
		int fd = client_open(bench);

		/* Four on one connection, sent at once: the second's body is there before the verdict. */
		client_say(fd,
		           GET KNOWN
		           "X-When: %s\r\n\r\n" POST KNOWN "X-When: %s\r\nContent-Length: 5\r\n\r\nhello" POST KNOWN
		           "X-When: %s\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n" GET KNOWN
		           "\r\n",
		           whens[i], whens[i], whens[i]);
		expect(fd, 200, "GET /private user=alice");
		expect(fd, 200, "hello");
		expect(fd, 200, "abcde");
		expect(fd, 200, "GET /private user=alice");
		close(fd);
	}
}

static void later_admitted_with_a_large_body(void **state)
{
	size_t size = 500000;
	char *body = malloc(size + 1);
	int fd = client_open(bench);

	(void)state;
	assert_non_null(body);
	memset(body, 'x', size);
	body[size] = '\0';
	client_say(fd, POST KNOWN "X-When: thread\r\nContent-Length: %zu\r\n\r\n%s", size, body);
	expect(fd, 200, body);
	close(fd);
	free(body);
}

static void later_refused_with_and_without_a_body(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(whens); i++) {
		int fd = client_open(bench);

		client_say(fd, GET "Authorization: mallory\r\nX-When: %s\r\n\r\n", whens[i]);
		struct answer a = client_read(fd, false);
		assert_int_equal(a.status, 401);
		assert_string_equal(answer_header(&a, "WWW-Authenticate"), "Basic realm=\"here\"");
		assert_null(answer_header(&a, "Connection"));
		answer_free(&a);
		client_say(fd, POST "Authorization: mallory\r\nX-When: %s\r\nContent-Length: 500000\r\n\r\n", whens[i]);
		expect(fd, 401, "who are you?");
		assert_true(client_is_closed(fd));
		close(fd);
	}
	assert_int_equal(atomic_load(&bench->handled), 0);
}

static void the_body_is_asked_for_only_when_admitted(void **state)
{
	int fd = client_open(bench);
	char line[26] = "";

	(void)state;
	client_say(fd, POST "Authorization: mallory\r\nX-When: thread\r\nContent-Length: 5\r\nExpect: "
	                    "100-continue\r\n\r\n");
	expect(fd, 401, "who are you?");
	close(fd);
	fd = client_open(bench);
	client_say(fd, POST KNOWN "X-When: thread\r\nContent-Length: 5\r\nExpect: 100-continue\r\n\r\n");
	assert_int_equal(recv(fd, line, 25, MSG_WAITALL), 25);
	assert_string_equal(line, "HTTP/1.1 100 Continue\r\n\r\n");
	client_say(fd, "hello");
	expect(fd, 200, "hello");
	close(fd);
}

static void a_role_that_is_missing_is_403_later_too(void **state)
{
	int fd = client_open(bench);

	(void)state;
	client_say(fd, GET "Authorization: guest\r\nX-When: thread\r\n\r\n");
	expect(fd, 403, "guest may not do this: the role viewer is missing");
	client_say(fd, POST "Authorization: guest\r\nX-When: thread\r\nContent-Length: 5\r\n\r\n");
	expect(fd, 403, "the role viewer is missing");
	assert_true(client_is_closed(fd));
	close(fd);
}

/* --- forms --- */

#define FORM      "POST /form HTTP/1.1\r\nHost: a\r\n" KNOWN "X-When: at-once\r\n"
#define FORM_TYPE "Content-Type: application/x-www-form-urlencoded\r\n"

static void form(const char *headers, const char *body, int status, const char *part)
{
	int fd = client_open(bench), before = atomic_load(&bench->handled);

	client_say(fd, "%s%sContent-Length: %zu\r\n\r\n%s", FORM, headers, strlen(body), body);
	expect(fd, status, part);
	close(fd);
	assert_int_equal(atomic_load(&bench->handled) - before, status == 200);
}

static void a_form_without_the_token_of_who_sends_it_reaches_no_handler(void **state)
{
	(void)state;
	form(FORM_TYPE, "a=b%26c&csrf=token+of+alice", 200, "POST /form user=alice a=b&c");
	form("Content-Type: application/x-www-form-urlencoded; charset=utf-8\r\n", "csrf=token+of+alice", 200,
	     "a=none");
	form(FORM_TYPE, "a=b", 403, "this form is not from a page that was made for alice");
	form(FORM_TYPE, "a=b&csrf=", 403, "load the page again");
	form(FORM_TYPE, "a=b&csrf=token+of+bob", 403, "load the page again");
	form(FORM_TYPE, "", 403, "load the page again");
	form(FORM_TYPE, "a=%zz&csrf=token+of+alice", 400, "malformed");
	form("Content-Type: application/json\r\n", "{}", 415,
	     "application/x-www-form-urlencoded, not application/json");
	form("Content-Type: text/plain\r\n", "csrf=token+of+alice", 415, "x-www-form-urlencoded");
	form("Content-Type: multipart/form-data; boundary=x\r\n", "--x--", 415, "x-www-form-urlencoded");
	form("Origin: http://evil.example\r\n" FORM_TYPE, "csrf=token+of+alice", 403, "the page of another site");
	form("Sec-Fetch-Site: same-site\r\n" FORM_TYPE, "csrf=token+of+alice", 403, "the page of another site");
}

static void a_form_of_somebody_who_has_no_token_is_refused(void **state)
{
	struct answer a = client_ask(bench, "POST /form HTTP/1.1\r\nHost: a\r\n" KNOWN FORM_TYPE
	                                    "Content-Length: 5\r\n\r\ncsrf=");

	(void)state;
	assert_int_equal(a.status, 403);
	answer_free(&a);
	a = client_ask(bench, "POST /deposit HTTP/1.1\r\nHost: a\r\n" KNOWN FORM_TYPE "Content-Length: 3\r\n\r\na=b");
	assert_int_equal(a.status, 415); /* JSON's routes take no form */
	answer_free(&a);
}

/* --- nobody waits for ever --- */

static void a_verdict_that_takes_too_long_is_503_and_may_still_come(void **state)
{
	struct http_limits l = http_default_limits;

	(void)state;
	l.defer_us = 300 * US_PER_MS;
	struct bench *b = bench_start(&(struct http_options) {.authenticate = auth_request, .limits = &l});
	int with = client_open(b), without = client_open(b);
	client_say(with, POST KNOWN "X-When: hold\r\nContent-Length: 5\r\n\r\nhello");
	client_say(without, GET KNOWN "X-When: hold\r\n\r\n");
	bench_wait_held(b, 2);
	expect(with, 503, "took too long");
	expect(without, 503, "took too long");
	assert_true(client_is_closed(with));
	client_say(without, GET KNOWN "\r\n");
	expect(without, 200, "alice");
	release(b);
	client_say(without, GET KNOWN "\r\n");
	expect(without, 200, "alice");
	assert_int_equal(atomic_load(&b->handled), 2);
	close(with);
	close(without);
	bench_stop(b);
}

static void a_client_may_leave_before_the_verdict(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		int fd = client_open(bench);

		client_say(fd, POST KNOWN "X-When: hold\r\nContent-Length: 5\r\n\r\nhe");
		bench_wait_held(bench, 1);
		close(fd);
		release(bench);
	}
	struct answer a = client_ask(bench, GET KNOWN "\r\n");
	assert_int_equal(a.status, 200);
	answer_free(&a);
}

static void a_stop_ends_those_who_wait(void **state)
{
	struct bench *b = bench_start(&(struct http_options) {.authenticate = auth_request});
	int with = client_open(b), without = client_open(b);

	(void)state;
	client_say(with, POST KNOWN "X-When: hold\r\nContent-Length: 5\r\n\r\nhello");
	client_say(without, GET KNOWN "X-When: hold\r\n\r\n");
	bench_wait_held(b, 2);
	http_drain(b->http, 100 * US_PER_MS);
	expect(with, 503, "stopping");
	expect(without, 503, "stopping");
	release(b);
	bench_stop(b);
	close(with);
	close(without);
}

static void *many_guests(void *arg)
{
	int fd = client_open(arg);

	for (int i = 0; i < 50; i++) {
		client_say(fd, POST KNOWN "X-When: thread\r\nContent-Length: 5\r\n\r\nhello");
		expect(fd, 200, "hello");
	}
	close(fd);
	return NULL;
}

static void many_at_the_same_time(void **state)
{
	pthread_t t[16];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(pthread_create(&t[i], NULL, many_guests, bench), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		pthread_join(t[i], NULL);
	assert_int_equal(atomic_load(&bench->handled), 16 * 50);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(at_once_before_the_body, start, stop),
		cmocka_unit_test_setup_teardown(later_admitted_with_and_without_a_body, start, stop),
		cmocka_unit_test_setup_teardown(later_admitted_with_a_large_body, start, stop),
		cmocka_unit_test_setup_teardown(later_refused_with_and_without_a_body, start, stop),
		cmocka_unit_test_setup_teardown(the_body_is_asked_for_only_when_admitted, start, stop),
		cmocka_unit_test_setup_teardown(a_role_that_is_missing_is_403_later_too, start, stop),
		cmocka_unit_test_setup_teardown(a_form_without_the_token_of_who_sends_it_reaches_no_handler, start,
	                                        stop),
		cmocka_unit_test_setup_teardown(a_form_of_somebody_who_has_no_token_is_refused, start, stop),
		cmocka_unit_test(a_verdict_that_takes_too_long_is_503_and_may_still_come),
		cmocka_unit_test_setup_teardown(a_client_may_leave_before_the_verdict, start, stop),
		cmocka_unit_test(a_stop_ends_those_who_wait),
		cmocka_unit_test_setup_teardown(many_at_the_same_time, start, stop),
	};

	log_setup(LOG_LEVEL_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
