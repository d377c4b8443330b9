/* What the HTTP server answers. Limits, deadlines, sockets and the end: test_http_limits.c. */
#include "tests/unit/http_bench.h"

#define HOST "Host: a\r\nContent-Type: application/json\r\n"

static struct bench *bench;

static int start(void **state)
{
	(void)state;
	bench = bench_start(NULL);
	return 0;
}

static int stop(void **state)
{
	(void)state;
	bench_stop(bench);
	return 0;
}

static void a_get_is_answered_with_the_usual_headers(void **state)
{
	struct answer a = client_ask(bench, "GET /hello?a=%%41+b HTTP/1.1\r\n" HOST "X-Thing: y\r\n\r\n");

	(void)state;
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body.data, "GET /hello user=local a=A b x=y");
	assert_string_equal(answer_header(&a, "Content-Type"), "text/plain; charset=utf-8");
	assert_string_equal(answer_header(&a, "X-Content-Type-Options"), "nosniff");
	assert_string_equal(answer_header(&a, "Cache-Control"), "no-store");
	assert_null(answer_header(&a, "ETag"));
	assert_null(answer_header(&a, "Retry-After"));
	assert_null(answer_header(&a, "Allow"));
	answer_free(&a);
}

static void head_is_get_without_the_body(void **state)
{
	int fd = client_open(bench);

	(void)state;
	client_say(fd, "HEAD /hello HTTP/1.1\r\n" HOST "\r\nGET /hello HTTP/1.1\r\n" HOST "\r\n");
	struct answer head = client_read(fd, true);
	struct answer get = client_read(fd, false);
	assert_int_equal(head.status, 200);
	assert_int_equal(atoi(answer_header(&head, "Content-Length")), strlen("HEAD /hello user=local a=none x=none"));
	assert_int_equal(get.status, 200);
	assert_string_equal(get.body.data, "GET /hello user=local a=none x=none");
	close(fd);
	answer_free(&head);
	answer_free(&get);
}

static void an_etag_is_sent_and_compared(void **state)
{
	struct answer a = client_ask(bench, "GET /tagged HTTP/1.1\r\n" HOST "\r\n");
	struct answer same = client_ask(bench, "GET /tagged HTTP/1.1\r\n" HOST "If-None-Match: \"7\"\r\n\r\n");

	(void)state;
	assert_string_equal(answer_header(&a, "ETag"), "\"7\"");
	assert_string_equal(answer_header(&a, "Cache-Control"), "no-cache");
	assert_int_equal(same.status, 304);
	answer_free(&a);
	answer_free(&same);
}

static void a_wrong_method_is_told_the_right_one_before_the_body(void **state)
{
	struct answer get = client_ask(bench, "GET /echo HTTP/1.1\r\n" HOST "\r\n");
	struct answer put = client_ask(bench, "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 99\r\n\r\n");
	struct answer trace = client_ask(bench, "TRACE /hello HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	assert_int_equal(get.status, 405);
	assert_string_equal(answer_header(&get, "Allow"), "POST");
	assert_string_equal(answer_header(&get, "Content-Type"), "application/json");
	assert_non_null(
		strstr(get.body.data, "{\"status\":\"error\",\"errorType\":\"bad_data\",\"error\":\"GET /echo"));
	assert_int_equal(put.status, 405);
	assert_string_equal(answer_header(&put, "Connection"), "close");
	assert_int_equal(trace.status, 405);
	assert_string_equal(answer_header(&trace, "Allow"), "GET, HEAD");
	answer_free(&get);
	answer_free(&put);
	answer_free(&trace);
}

static void an_error_without_a_body_keeps_the_connection(void **state)
{
	int fd = client_open(bench);

	(void)state;
	for (int i = 0; i < 3; i++) {
		client_say(fd, "GET /nothing HTTP/1.1\r\n" HOST "\r\n");
		struct answer a = client_read(fd, false);
		assert_int_equal(a.status, 404);
		assert_non_null(strstr(a.body.data, "\"errorType\":\"not_found\""));
		answer_free(&a);
	}
	close(fd);
}

static void a_role_that_is_missing_is_403(void **state)
{
	struct answer a = client_ask(bench, "GET /secret HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	assert_int_equal(a.status, 403);
	assert_non_null(strstr(a.body.data, "local may not do this"));
	answer_free(&a);
}

static void the_page_of_another_site_cannot_post(void **state)
{
	struct answer a = client_ask(bench, "POST /echo HTTP/1.1\r\n" HOST "Sec-Fetch-Site: cross-site\r\n\r\n");

	(void)state;
	assert_int_equal(a.status, 403);
	answer_free(&a);
}

/* Each ends in a request that must not run. */
#define TAIL "GET /hello HTTP/1.1\r\nHost: smuggled\r\n\r\n"

static void malformed_requests_are_refused_and_what_follows_never_runs(void **state)
{
	static const char *const cases[] = {
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\nContent-Length: "
		"5\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: "
		"chunked\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\nContent-Length: 0\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length : 3\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: +3\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 0x3\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 3, 3\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: -3\r\n\r\nabc",
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: identity\r\n\r\nabc",
		"POST /echo HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n-3\r\nabc\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n0x3\r\nabc\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n3\r\nabcd\r\n0\r\n\r\n",
		"POST /echo HTTP/1.1\r\n" HOST "Expect: x\r\nContent-Length: 3\r\n\r\nabc",
		"GET /hello HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"GET /hello HTTP/1.1\r\nAccept: x\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: a\r\nno colon\r\n\r\n",
		"GET /hello HTTP/1.1\r\n Host: a\r\nHost: a\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: a\r\nX: a\x01\r\n\r\n",
		"GET /hello HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc",
		"GET /hello HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		"GET /hello\r\nHost: a\r\n\r\n",
		"GET /hello HTTP/x\r\nHost: a\r\n\r\n",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int before = atomic_load(&bench->handled), fd = client_open(bench);

		client_say(fd, "%s" TAIL, cases[i]);
		struct answer a = client_read(fd, false);
		if (a.status != 400 || atomic_load(&bench->handled) != before)
			fail_msg("case %zu: status %d, %d handled", i, a.status, atomic_load(&bench->handled) - before);
		while (!client_is_closed(fd))
			; /* the library repeats the head of some replies of its own */
		assert_int_equal(atomic_load(&bench->handled), before);
		close(fd);
		answer_free(&a);
	}
}

static void requests_the_library_refuses_by_itself_get_4xx_or_505(void **state)
{
	static const struct {
		const char *text;
		int status;
	} cases[] = {
		{"GET /hello HTTP/0.9\r\nHost: a\r\n\r\n", 505},
		{"GET /hello HTTP/9.9\r\nHost: a\r\n\r\n", 505},
		{"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551617\r\n\r\n", 413},
		{"POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\nfffffffffffffffff\r\n", 413},
		{"CONNECT a:443 HTTP/1.1\r\nHost: a\r\n\r\n", 404},
		{"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", 404},
	};
	int before = atomic_load(&bench->handled);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct answer a = client_ask(bench, "%s", cases[i].text);

		if (a.status != cases[i].status)
			fail_msg("case %zu: status %d", i, a.status);
		answer_free(&a);
	}
	assert_int_equal(atomic_load(&bench->handled), before);
}

static void too_long_lines_and_too_many_headers_are_refused(void **state)
{
	struct buf text = BUF(200000);
	struct answer a;
	char blank[40001];

	(void)state;
	memset(blank, 'x', sizeof(blank) - 1);
	blank[sizeof(blank) - 1] = '\0';
	a = client_ask(bench, "GET /%s HTTP/1.1\r\n" HOST "\r\n", blank);
	assert_int_equal(a.status, 414);
	answer_free(&a);
	a = client_ask(bench, "GET /hello HTTP/1.1\r\n" HOST "X: %s\r\n\r\n", blank);
	assert_int_equal(a.status, 431);
	answer_free(&a);
	for (int i = 0; i < 1000; i++)
		buf_printf(&text, "X-%d: y\r\n", i);
	a = client_ask(bench, "GET /hello HTTP/1.1\r\n" HOST "%s\r\n", text.data);
	assert_int_equal(a.status, 431);
	answer_free(&a);
	buf_reset(&text);
	for (int i = 0; i < 300; i++)
		buf_printf(&text, "X-%d: y\r\n", i);
	a = client_ask(bench, "GET /hello HTTP/1.1\r\n" HOST "%s\r\n", text.data);
	assert_int_equal(a.status, 431);
	answer_free(&a);
	buf_free(&text);
}

static void tricks_with_the_path_find_nothing(void **state)
{
	static const char *const paths[] = {"//hello",   "/./hello",   "/x/../hello", "/%2e%2e/hello",
	                                    "/hello%00", "/%00/hello", "/hello;x",    "/HELLO",
	                                    "/hello/",   "/hello%0a",  "/hello%2f",   "/%zz"};
	int before = atomic_load(&bench->handled);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(paths); i++) {
		struct answer a = client_ask(bench, "GET %s HTTP/1.1\r\n" HOST "\r\n", paths[i]);

		if (a.status != 404)
			fail_msg("%s: status %d", paths[i], a.status);
		answer_free(&a);
	}
	assert_int_equal(atomic_load(&bench->handled), before);
}

/* libmicrohttpd 1.0 refuses it before we see it. */
static void a_target_with_a_blank_is_refused(void **state)
{
	struct answer a = client_ask(bench, "GET /hello x HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	assert_true(a.status == 400 || a.status == 404);
	answer_free(&a);
}

static void a_malformed_query_is_400(void **state)
{
	struct answer a = client_ask(bench, "GET /hello?a=%%00 HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	assert_int_equal(a.status, 400);
	answer_free(&a);
}

static void bodies_come_with_a_length_or_in_chunks(void **state)
{
	struct answer a = client_ask(bench, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
	struct answer b = client_ask(bench, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
	                                    "3\r\nhel\r\n2\r\nlo\r\n0\r\nX-Trailer: y\r\n\r\n");
	struct answer none = client_ask(bench, "POST /echo HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	assert_string_equal(a.body.data, "hello");
	assert_string_equal(b.body.data, "hello");
	assert_int_equal(none.status, 200);
	assert_int_equal(none.body.len, 0);
	answer_free(&a);
	answer_free(&b);
	answer_free(&none);
}

/* libmicrohttpd 0.9 passes it over, as RFC 9112 wants it; 1.0 takes its end for data, and refuses. */
static void a_chunk_extension_is_passed_over_or_refused(void **state)
{
	struct answer a = client_ask(bench, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"
	                                    "5;ext=1\r\nhello\r\n0\r\n\r\n");

	(void)state;
	if (a.status == 200)
		assert_string_equal(a.body.data, "hello");
	else
		assert_int_equal(a.status, 400);
	answer_free(&a);
}

/* The library answers it itself, or closes; then nothing of the request may be left. */
static void a_chunk_size_without_an_end_is_forgotten(void **state)
{
	char blank[40001];
	int fd = client_open(bench);

	(void)state;
	memset(blank, '0', sizeof(blank) - 1);
	blank[sizeof(blank) - 1] = '\0';
	client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%s", blank);
	shutdown(fd, SHUT_WR);
	while (!client_is_closed(fd))
		;
	close(fd);
	struct answer a = client_ask(bench, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(a.status, 200);
	answer_free(&a);
}

static void a_long_body_arrives_whole(void **state)
{
	size_t len = 900000;
	char *body = malloc(len + 1);
	int fd = client_open(bench);

	(void)state;
	assert_non_null(body);
	for (size_t i = 0; i < len; i++)
		body[i] = (char)('a' + i % 23);
	body[len] = '\0';
	client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: %zu\r\n\r\n", len);
	client_send(fd, body, len);
	struct answer a = client_read(fd, false);
	assert_int_equal(a.body.len, len);
	assert_string_equal(a.body.data, body);
	close(fd);
	free(body);
	answer_free(&a);
}

static void a_client_that_expects_100_gets_it_first(void **state)
{
	int fd = client_open(bench);

	(void)state;
	client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Expect: 100-continue\r\nContent-Length: 2\r\n\r\n");
	struct answer go = client_read(fd, true);
	assert_int_equal(go.status, 100);
	client_say(fd, "ok");
	struct answer a = client_read(fd, false);
	assert_string_equal(a.body.data, "ok");
	close(fd);
	answer_free(&go);
	answer_free(&a);
}

static void a_compressed_body_is_415(void **state)
{
	struct answer a =
		client_ask(bench, "POST /echo HTTP/1.1\r\n" HOST "Content-Encoding: gzip\r\nContent-Length: 2\r\n\r\n");

	(void)state;
	assert_int_equal(a.status, 415);
	answer_free(&a);
}

static void pipelined_requests_are_answered_in_order(void **state)
{
	struct buf text = BUF(100000);
	int fd = client_open(bench);
	char want[16];

	(void)state;
	for (int i = 100; i < 200; i++)
		buf_printf(&text, "POST %s HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\n%d", i % 2 ? "/defer" : "/echo",
		           i);
	client_send(fd, text.data, text.len);
	for (int i = 100; i < 200; i++) {
		struct answer a = client_read(fd, false);

		snprintf(want, sizeof(want), "%d", i);
		assert_string_equal(a.body.data, want);
		answer_free(&a);
	}
	close(fd);
	buf_free(&text);
}

static void a_reply_may_come_before_the_handler_returns(void **state)
{
	(void)state;
	for (int i = 0; i < 20; i++) {
		struct answer a = client_ask(bench, "POST /at-once HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\nyes");

		assert_int_equal(a.status, 200);
		assert_string_equal(a.body.data, "yes");
		answer_free(&a);
	}
}

#define CLIENTS  32
#define REQUESTS 40

static void *ask_often(void *arg)
{
	int fd = client_open(bench), wrong = 0;
	char want[32];

	for (int i = 0; i < REQUESTS; i++) {
		int len = snprintf(want, sizeof(want), "%d of client %d", i, (int)(intptr_t)arg);

		client_say(fd, "POST /defer HTTP/1.1\r\n" HOST "Content-Length: %d\r\n\r\n%s", len, want);
		struct answer a = client_read(fd, false);
		wrong += a.status != 200 || !a.body.data || strcmp(a.body.data, want) != 0;
		answer_free(&a);
	}
	close(fd);
	return (void *)(intptr_t)wrong;
}

static void many_clients_each_get_their_own_deferred_replies(void **state)
{
	pthread_t thread[CLIENTS];
	void *wrong = NULL;

	(void)state;
	for (intptr_t i = 0; i < CLIENTS; i++)
		assert_int_equal(pthread_create(&thread[i], NULL, ask_often, (void *)i), 0);
	for (int i = 0; i < CLIENTS; i++) {
		pthread_join(thread[i], &wrong);
		assert_ptr_equal(wrong, NULL);
	}
}

static void a_client_that_leaves_before_its_deferred_reply_harms_nobody(void **state)
{
	(void)state;
	for (int i = 0; i < 10; i++) {
		int fd = client_open(bench);

		client_say(fd, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nno");
		bench_wait_held(bench, (size_t)i + 1);
		close(fd);
	}
	bench_release(bench);
	struct answer a = client_ask(bench, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(a.status, 200);
	answer_free(&a);
}

static void an_answer_that_overran_its_buffer_is_500(void **state)
{
	struct answer a = client_ask(bench, "GET /overrun HTTP/1.1\r\n" HOST "\r\n");

	(void)state;
	assert_int_equal(a.status, 500);
	assert_non_null(strstr(a.body.data, "\"errorType\":\"internal\""));
	answer_free(&a);
}

static void errors_are_json_whatever_the_client_sent(void **state)
{
	struct http_reply reply = {
		.allow = "POST", .retry_after_s = 3, .etag = "\"1\"", .content_type = "text/plain", .body = BUF(4)};

	(void)state;
	assert_int_equal(buf_str(&reply.body, "old"), 0);
	http_error(&reply, 400, "bad_data", "what is \"%s\"?", "\n\\\xff");
	assert_int_equal(reply.status, 400);
	assert_null(reply.content_type);
	assert_string_equal(reply.etag, "");
	assert_string_equal(reply.allow, "POST");
	assert_int_equal(reply.retry_after_s, 3);
	assert_string_equal(buf_text(&reply.body), "{\"status\":\"error\",\"errorType\":\"bad_data\","
	                                           "\"error\":\"what is \\\"\\n\\\\\xef\xbf\xbd\\\"?\"}\n");
	buf_free(&reply.body);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_get_is_answered_with_the_usual_headers),
		cmocka_unit_test(head_is_get_without_the_body),
		cmocka_unit_test(an_etag_is_sent_and_compared),
		cmocka_unit_test(a_wrong_method_is_told_the_right_one_before_the_body),
		cmocka_unit_test(an_error_without_a_body_keeps_the_connection),
		cmocka_unit_test(a_role_that_is_missing_is_403),
		cmocka_unit_test(the_page_of_another_site_cannot_post),
		cmocka_unit_test(malformed_requests_are_refused_and_what_follows_never_runs),
		cmocka_unit_test(requests_the_library_refuses_by_itself_get_4xx_or_505),
		cmocka_unit_test(too_long_lines_and_too_many_headers_are_refused),
		cmocka_unit_test(tricks_with_the_path_find_nothing),
		cmocka_unit_test(a_target_with_a_blank_is_refused),
		cmocka_unit_test(a_malformed_query_is_400),
		cmocka_unit_test(bodies_come_with_a_length_or_in_chunks),
		cmocka_unit_test(a_chunk_extension_is_passed_over_or_refused),
		cmocka_unit_test(a_chunk_size_without_an_end_is_forgotten),
		cmocka_unit_test(a_long_body_arrives_whole),
		cmocka_unit_test(a_client_that_expects_100_gets_it_first),
		cmocka_unit_test(a_compressed_body_is_415),
		cmocka_unit_test(pipelined_requests_are_answered_in_order),
		cmocka_unit_test(a_reply_may_come_before_the_handler_returns),
		cmocka_unit_test(many_clients_each_get_their_own_deferred_replies),
		cmocka_unit_test(a_client_that_leaves_before_its_deferred_reply_harms_nobody),
		cmocka_unit_test(an_answer_that_overran_its_buffer_is_500),
		cmocka_unit_test(errors_are_json_whatever_the_client_sent),
	};

	log_setup(LOG_LEVEL_ERROR, false);
	return cmocka_run_group_tests(tests, start, stop);
}
