#include "tests/unit/fetch_fixture.h"

/* Answers. */

static void an_answer_comes_whole(void **state)
{
	(void)state;
	run("/ok");
	assert_int_equal(seen.r.error, 0);
	assert_string_equal(seen.error_text, "");
	assert_int_equal(seen.r.status, 200);
	assert_int_equal(seen.r.body_len, 5);
	assert_string_equal(seen.body, "hello");
	assert_string_equal(seen.retry_after, "none");
}

static void a_request_carries_what_was_asked_and_little_more(void **state)
{
	static const char *const headers[] = {"Content-Type: application/json", "X-Signature: v1=abc", NULL};
	struct fetch_spec spec = spec_of("/echo");

	(void)state;
	spec.method = "PUT";
	spec.headers = headers;
	spec.body = "{\"a\":\"\0b\"}";
	spec.body_len = 10;
	run_spec(&spec);
	assert_int_equal(strncmp(seen.body, "PUT /echo HTTP/1.1\r\n", 20), 0);
	assert_non_null(strstr(seen.body, "\r\nContent-Type: application/json\r\n"));
	assert_non_null(strstr(seen.body, "\r\nX-Signature: v1=abc\r\n"));
	assert_non_null(strstr(seen.body, "\r\nUser-Agent: rollbackd/"));
	assert_non_null(strstr(seen.body, "\r\nContent-Length: 10\r\n"));
	assert_null(strcasestr(seen.body, "Expect"));
	assert_null(strcasestr(seen.body, "Encoding"));
	assert_memory_equal(seen.body + seen.r.body_len - 10, "{\"a\":\"\0b\"}", 10);
}

static void a_body_is_not_called_a_web_form_and_may_be_empty(void **state)
{
	struct fetch_spec spec = spec_of("/echo");

	(void)state;
	spec.method = "POST";
	run_spec(&spec);
	assert_int_equal(strncmp(seen.body, "POST /echo ", 11), 0);
	assert_non_null(strstr(seen.body, "\r\nContent-Length: 0\r\n"));
	spec.body = "a=1";
	spec.body_len = 3;
	run_spec(&spec);
	assert_null(strcasestr(seen.body, "Content-Type"));
	spec = spec_of("/echo");
	run_spec(&spec);
	assert_null(strcasestr(seen.body, "Content-"));
}

static void a_long_body_is_sent_without_delay(void **state)
{
	struct fetch_spec spec = spec_of("/echo");
	char *body = malloc(3000000);

	(void)state;
	memset(body, 'z', 3000000);
	spec.method = "POST";
	spec.body = body;
	spec.body_len = 3000000;
	run_spec(&spec);
	assert_int_equal(seen.r.error, 0);
	assert_memory_equal(seen.body + seen.r.body_len - 3000000, body, 3000000);
	assert_true(seen.took_us < 900 * MS); /* curl's wait for "100 Continue" alone is 1 s */
	free(body);
}

static void head_waits_for_no_body(void **state)
{
	struct fetch_spec spec = spec_of("/head");

	(void)state;
	spec.method = "HEAD";
	spec.timeout_us = 5 * US_PER_S;
	run_spec(&spec);
	assert_int_equal(seen.r.error, 0);
	assert_int_equal(seen.r.status, 200);
	assert_int_equal(seen.r.body_len, 0);
}

static void the_spec_is_copied(void **state)
{
	char url[100], method[] = "POST", body[] = "body", header[] = "X-A: b";
	const char *headers[] = {header, NULL};
	struct fetch_spec spec = {.method = method,
	                          .url = url,
	                          .headers = headers,
	                          .body = body,
	                          .body_len = 4,
	                          .timeout_us = 5 * US_PER_S,
	                          .max_body = 1000};

	(void)state;
	snprintf(url, sizeof(url), "%s", url_of("/echo"));
	assert_int_equal(loop_fetch(loop, &spec, ended, NULL, NULL), 0);
	memset(url, 0, sizeof(url));
	memset(method, 0, sizeof(method));
	memset(body, 0, sizeof(body));
	memset(header, 0, sizeof(header));
	headers[0] = NULL;
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.r.error, 0);
	assert_non_null(strstr(seen.body, "\r\nX-A: b\r\n"));
	assert_string_equal(seen.body + seen.r.body_len - 4, "body");
}

static void retry_after_comes_as_sent(void **state)
{
	(void)state;
	run("/busy");
	assert_int_equal(seen.r.error, 0);
	assert_int_equal(seen.r.status, 429);
	assert_string_equal(seen.retry_after, "Wed, 21 Oct 2015 07:28:00 GMT");
	assert_string_equal(seen.body, "busy");
}

static void a_redirect_is_an_answer_and_not_followed(void **state)
{
	(void)state;
	run("/redirect");
	assert_int_equal(seen.r.error, 0);
	assert_int_equal(seen.r.status, 302);
	assert_int_equal(server.n_requests, 1);
}

static void connections_are_used_again(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		run("/ok");
	assert_int_equal(server.n_requests, 5);
	assert_int_equal(server.n_connections, 1);
}

/* Failures. */

static void an_endless_body_is_cut_off_at_its_maximum(void **state)
{
	static const size_t maxima[] = {0, 1, 999, 100000};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(maxima); i++) {
		struct fetch_spec spec = spec_of("/endless");

		spec.max_body = maxima[i];
		run_spec(&spec);
		assert_int_equal(seen.r.error, -EMSGSIZE);
		assert_true(strlen(seen.error_text) > 0);
		assert_int_equal(seen.r.status, 200);
		assert_int_equal(seen.r.body_len, maxima[i]);
		for (size_t k = 0; k < maxima[i]; k++)
			assert_int_equal(seen.body[k], '0' + (int)(k % 10));
	}
}

static void answers_that_come_in_together_are_bounded(void **state)
{
	struct fetch_spec spec = spec_of("/endless");

	(void)state;
	spec.max_body = 4 * LOOP_BODIES_MAX;
	spec.timeout_us = 300 * US_PER_S; /* many megabytes, on a machine that may have other things to do */
	run_spec(&spec);
	assert_int_equal(seen.r.error, -EMSGSIZE);
	assert_non_null(strstr(seen.error_text, "together"));
	assert_true(seen.r.body_len <= LOOP_BODIES_MAX);
	run("/ok"); /* it was given back */
	assert_int_equal(seen.r.error, 0);
}

static void a_body_of_just_the_maximum_is_fine(void **state)
{
	struct fetch_spec spec = spec_of("/ok");

	(void)state;
	spec.max_body = 5;
	run_spec(&spec);
	assert_int_equal(seen.r.error, 0);
	spec.max_body = 4;
	run_spec(&spec);
	assert_int_equal(seen.r.error, -EMSGSIZE);
	assert_string_equal(seen.body, "hell");
}

static void the_time_limit_holds_against_silence_and_drip(void **state)
{
	static const struct {
		const char *path, *text;
		int status;
	} rows[] = {
		{"/hang", "time limit reached: connected, but no answer", 0},
		{"/drip", "time limit reached in the middle of the answer", 200},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fetch_spec spec = spec_of(rows[i].path);

		spec.timeout_us = 250 * MS;
		run_spec(&spec);
		assert_int_equal(seen.r.error, -ETIMEDOUT);
		assert_string_equal(seen.error_text, rows[i].text);
		assert_int_equal(seen.r.status, rows[i].status);
		assert_true(seen.took_us >= 250 * MS);
		assert_true(seen.took_us < 1500 * MS);
	}
}

/* A full accept queue swallows connection requests like a dead network. */
static void the_time_limit_holds_against_a_connection_that_never_comes(void **state)
{
	int port, fd = bind_somewhere(&port), fill[8];
	struct sockaddr_in a = {
		.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(port)};
	struct fetch_spec spec = spec_of("/");
	char url[100];

	(void)state;
	assert_int_equal(listen(fd, 0), 0);
	for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
		fill[i] = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		assert_true(connect(fill[i], (struct sockaddr *)&a, sizeof(a)) == 0 || errno == EINPROGRESS);
	}
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	spec.url = url;
	spec.timeout_us = 200 * MS;
	run_spec(&spec);
	assert_int_equal(seen.r.error, -ETIMEDOUT);
	assert_string_equal(seen.error_text, "time limit reached: could not connect");
	assert_true(seen.took_us < 1500 * MS);
	for (size_t i = 0; i < ARRAY_LEN(fill); i++)
		close(fill[i]);
	close(fd);
}

static void each_failure_has_its_errno_and_a_sentence(void **state)
{
	static const struct {
		const char *path;
		int error, status;
	} rows[] = {{"/close", -EIO, 0}, {"/partly", -EIO, 200}, {"/garbage", -EPROTO, 0}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		run(rows[i].path);
		assert_int_equal(seen.r.error, rows[i].error);
		assert_int_equal(seen.r.status, rows[i].status);
		assert_true(strlen(seen.error_text) > 0);
		assert_null(strstr(seen.error_text, rows[i].path));
	}
}

static void a_refused_connection_is_told(void **state)
{
	struct fetch_spec spec = spec_of("/");
	char url[100];
	int port, fd = bind_somewhere(&port); /* bound, not listening */

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/secret", port);
	spec.url = url;
	run_spec(&spec);
	assert_int_equal(seen.r.error, -ECONNREFUSED);
	assert_string_equal(seen.error_text, "connection refused");
	assert_int_equal(seen.r.status, 0);
	assert_int_equal(seen.r.body_len, 0);
	assert_string_equal(seen.body, "");
	close(fd);
}

static void a_wrong_spec_is_refused(void **state)
{
	static const char *const split[] = {"X-A: b\r\nX-Evil: c", NULL}, *const nameless[] = {": b", NULL};
	static const char *const colonless[] = {"X-A", NULL}, *const spaced[] = {"X A: b", NULL};
	static const char *const del[] = {"X-A: \x7f", NULL};
	const struct fetch_spec good = spec_of("/ok");
	struct fetch_spec bad[] = {good, good, good, good, good, good, good, good, good, good, good, good, good, good};

	(void)state;
	bad[0].headers = split;
	bad[1].headers = nameless;
	bad[2].headers = colonless;
	bad[3].headers = spaced;
	bad[4].headers = del;
	bad[5].url = "file:///etc/hostname";
	bad[6].url = "ftp://127.0.0.1/";
	bad[7].url = "http://127.0.0.1/\r\nX-Evil: c";
	bad[8].url = NULL;
	bad[9].method = "";
	bad[10].method = "GET /x HTTP/1.1\r\n";
	bad[11].method = NULL;
	bad[12].timeout_us = 0;
	bad[13].share = LOOP_SHARE_N;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(loop_fetch(loop, &bad[i], ended, NULL, NULL), -EINVAL);
}

static void a_url_that_curl_refuses_is_told(void **state)
{
	static const char *const urls[] = {"http://", "http://user:hunter2@127.0.0.1/", "http://127.0.0.1:99999/"};
	struct fetch_spec spec = spec_of("/");

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		spec.url = urls[i];
		run_spec(&spec);
		assert_int_equal(seen.r.error, -EINVAL);
		assert_true(strlen(seen.error_text) > 0);
		assert_null(strstr(seen.error_text, "hunter2"));
	}
}

static void proxies_of_the_environment_are_ignored(void **state)
{
	(void)state;
	setenv("http_proxy", "http://127.0.0.1:1", 1);
	setenv("all_proxy", "http://127.0.0.1:1", 1);
	run("/ok");
	unsetenv("http_proxy");
	unsetenv("all_proxy");
	assert_int_equal(seen.r.status, 200);
}

static int sockets_to_server(int *without_cloexec)
{
	int n = 0;

	for (int fd = 3; fd < 256; fd++) {
		struct sockaddr_in a = {0};
		socklen_t len = sizeof(a);

		if (getpeername(fd, (struct sockaddr *)&a, &len) < 0 || ntohs(a.sin_port) != server.port)
			continue;
		n++;
		*without_cloexec += !(fcntl(fd, F_GETFD) & FD_CLOEXEC);
	}
	return n;
}

static void sockets_are_closed_in_programs(void **state)
{
	struct fetch_spec spec = spec_of("/hang");
	int open_to_all = 0;

	(void)state;
	assert_int_equal(loop_fetch(loop, &spec, ended, NULL, NULL), 0);
	run_for(100 * MS);
	assert_int_equal(sockets_to_server(&open_to_all), 1);
	assert_int_equal(open_to_all, 0);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_answer_comes_whole),
		T(a_request_carries_what_was_asked_and_little_more),
		T(a_body_is_not_called_a_web_form_and_may_be_empty),
		T(a_long_body_is_sent_without_delay),
		T(head_waits_for_no_body),
		T(the_spec_is_copied),
		T(retry_after_comes_as_sent),
		T(a_redirect_is_an_answer_and_not_followed),
		T(connections_are_used_again),
		T(an_endless_body_is_cut_off_at_its_maximum),
		T(answers_that_come_in_together_are_bounded),
		T(a_body_of_just_the_maximum_is_fine),
		T(the_time_limit_holds_against_silence_and_drip),
		T(the_time_limit_holds_against_a_connection_that_never_comes),
		T(each_failure_has_its_errno_and_a_sentence),
		T(a_refused_connection_is_told),
		T(a_wrong_spec_is_refused),
		T(a_url_that_curl_refuses_is_told),
		T(proxies_of_the_environment_are_ignored),
		T(sockets_are_closed_in_programs),
	};

	if (loop_global_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
