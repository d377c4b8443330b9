/* The HTTP server's sockets, limits, deadlines and end. */
#include <stdlib.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "tests/unit/http_bench.h"

#define HOST  "Host: a\r\nContent-Type: application/json\r\n"
#define HELLO "GET /hello HTTP/1.1\r\n" HOST "\r\n"

/* Short enough for a test, long enough for a slow machine. */
static struct http_limits short_limits(void)
{
	struct http_limits l = http_default_limits;

	l.head_us = l.body_us = l.pause_us = l.defer_us = l.idle_us = 300 * US_PER_MS;
	return l;
}

static struct bench *start_with(const struct http_limits *l)
{
	return bench_start(&(struct http_options) {.limits = l});
}

static void expect_hello(const struct bench *b)
{
	struct answer a = client_ask(b, HELLO);

	assert_int_equal(a.status, 200);
	answer_free(&a);
}

/* A descriptor more or less is a leak. */
static int open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

/* --- deadlines --- */

static void drip_until_closed(int fd, const char *text, int64_t at_most_us)
{
	const struct timespec pause = {.tv_nsec = 20 * 1000 * 1000};
	int64_t start_us = clock_mono_us();
	char c;

	for (size_t i = 0; clock_mono_us() - start_us < at_most_us; i++) {
		client_send(fd, text + i % strlen(text), 1);
		nanosleep(&pause, NULL);
		if (recv(fd, &c, 1, MSG_DONTWAIT) == 0 || (errno != EAGAIN && errno != EWOULDBLOCK))
			return;
	}
	fail_msg("a dripping client was not cut off");
}

static void headers_that_drip_in_are_cut_off(void **state)
{
	struct http_limits l = short_limits();
	struct bench *b = start_with(&l);
	int fd = client_open(b);

	(void)state;
	drip_until_closed(fd, "GET /hello HTTP/1.1\r\nX: 0000000000000000000000000000000000000000", 5 * US_PER_S);
	close(fd);
	bench_stop(b);
}

static void a_body_that_drips_in_is_cut_off(void **state)
{
	struct http_limits l = short_limits();
	struct bench *b = start_with(&l);
	int fd = client_open(b);

	(void)state;
	client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 100000\r\n\r\n");
	drip_until_closed(fd, "x", 5 * US_PER_S);
	assert_int_equal(atomic_load(&b->handled), 0);
	close(fd);
	bench_stop(b);
}

static void a_pause_in_a_body_is_cut_off_before_its_time_is_over(void **state)
{
	struct http_limits l = http_default_limits;

	(void)state;
	l.pause_us = 200 * US_PER_MS;
	struct bench *b = start_with(&l);
	int fd = client_open(b);
	client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 10\r\n\r\nx");
	assert_true(client_is_closed(fd));
	close(fd);
	bench_stop(b);
}

static void a_connection_without_requests_is_closed(void **state)
{
	struct http_limits l = short_limits();
	struct bench *b = start_with(&l);
	int silent = client_open(b), idle = client_open(b);

	(void)state;
	client_say(idle, HELLO);
	struct answer a = client_read(idle, false);
	assert_int_equal(a.status, 200);
	assert_true(client_is_closed(idle));
	assert_true(client_is_closed(silent));
	close(idle);
	close(silent);
	answer_free(&a);
	bench_stop(b);
}

static void what_is_deferred_for_too_long_gets_503_and_may_complete_later(void **state)
{
	struct http_limits l = short_limits();
	struct bench *b = start_with(&l);
	struct answer a = client_ask(b, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");

	(void)state;
	assert_int_equal(a.status, 503);
	assert_non_null(answer_header(&a, "Retry-After"));
	bench_release(b);
	expect_hello(b);
	answer_free(&a);
	bench_stop(b);
}

/* --- sizes --- */

static void a_body_over_the_limit_is_413(void **state)
{
	struct http_limits l = http_default_limits;
	struct buf text = BUF(10000);

	(void)state;
	l.body = 1000;
	struct bench *b = start_with(&l);
	struct answer known =
		client_ask(b, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1001\r\nExpect: 100-continue\r\n\r\n");
	for (int i = 0; i < 101; i++)
		buf_str(&text, "a\r\n0123456789\r\n");
	struct answer chunked = client_ask(
		b, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n", text.data);
	buf_reset(&text);
	for (int i = 0; i < 1000; i++)
		buf_char(&text, 'x');
	struct answer fits = client_ask(b, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 1000\r\n\r\n%s", text.data);
	assert_int_equal(known.status, 413);
	assert_int_equal(chunked.status, 413);
	assert_int_equal(fits.status, 200);
	assert_int_equal(atomic_load(&b->handled), 1);
	answer_free(&known);
	answer_free(&chunked);
	answer_free(&fits);
	buf_free(&text);
	bench_stop(b);
}

static void an_endless_body_is_cut_off(void **state)
{
	struct http_limits l = http_default_limits;
	char data[4096 + 1], chunk[4096 + 9];

	(void)state;
	l.body = 1000;
	struct bench *b = start_with(&l);
	int fd = client_open(b);
	memset(data, 'x', 4096);
	data[4096] = '\0';
	snprintf(chunk, sizeof(chunk), "1000\r\n%s\r\n", data);
	client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	for (int i = 0; i < 2000; i++)
		client_send(fd, chunk, strlen(chunk));
	struct answer a = client_read(fd, false);
	assert_int_equal(a.status, 0);
	assert_int_equal(atomic_load(&b->handled), 0);
	close(fd);
	answer_free(&a);
	bench_stop(b);
}

static void all_bodies_together_have_a_budget(void **state)
{
	struct http_limits l = http_default_limits;
	char body[601];
	int fd[2];

	(void)state;
	l.in_flight = 1500;
	struct bench *b = start_with(&l);
	memset(body, 'x', 600);
	body[600] = '\0';
	for (int i = 0; i < 2; i++) {
		fd[i] = client_open(b);
		client_say(fd[i], "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 600\r\n\r\n%s", body);
	}
	bench_wait_held(b, 2);
	struct answer known = client_ask(b, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 600\r\n\r\n%s", body);
	struct answer chunked = client_ask(
		b, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n258\r\n%s\r\n0\r\n\r\n", body);
	assert_int_equal(known.status, 503);
	assert_non_null(answer_header(&known, "Retry-After"));
	assert_int_equal(chunked.status, 503);
	expect_hello(b);
	bench_release(b);
	for (int i = 0; i < 2; i++) {
		struct answer a = client_read(fd[i], false);

		assert_int_equal(a.status, 200);
		assert_int_equal(a.body.len, 600);
		close(fd[i]);
		answer_free(&a);
	}
	struct answer later = client_ask(b, "POST /echo HTTP/1.1\r\n" HOST "Content-Length: 600\r\n\r\n%s", body);
	assert_int_equal(later.status, 200);
	answer_free(&known);
	answer_free(&chunked);
	answer_free(&later);
	bench_stop(b);
}

static void large_replies_have_a_budget(void **state)
{
	struct http_limits l = http_default_limits;

	(void)state;
	l.replies = 100000;
	struct bench *b = start_with(&l);
	struct answer a = client_ask(b, "GET /big HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(a.status, 503);
	expect_hello(b);
	answer_free(&a);
	bench_stop(b);
}

/* --- connections --- */

static void slow_clients_at_the_limit_give_way_to_a_prompt_one(void **state)
{
	struct http_limits l = http_default_limits;
	int fd[12];

	(void)state;
	l.connections = 10;
	l.head_us = l.idle_us = 100 * US_PER_S;
	struct bench *b = start_with(&l);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = client_open(b);
		client_say(fd[i], "GET /hello HTTP/1.1\r\nX: ");
	}
	expect_hello(b);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++)
		close(fd[i]);
	bench_stop(b);
}

static void requests_under_way_do_not_give_way(void **state)
{
	struct http_limits l = http_default_limits;
	int fd[4];

	(void)state;
	l.per_ip = 4;
	struct bench *b = start_with(&l);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		fd[i] = client_open(b);
		client_say(fd[i], "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
	}
	bench_wait_held(b, ARRAY_LEN(fd));
	struct answer refused = client_ask(b, HELLO);
	assert_int_equal(refused.status, 0);
	bench_release(b);
	for (size_t i = 0; i < ARRAY_LEN(fd); i++) {
		struct answer a = client_read(fd[i], false);

		assert_int_equal(a.status, 200);
		close(fd[i]);
		answer_free(&a);
	}
	answer_free(&refused);
	bench_stop(b);
}

static int64_t cpu_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static void without_descriptors_it_waits_quietly_and_recovers(void **state)
{
	const struct timespec pause = {.tv_nsec = 500 * 1000 * 1000};
	struct bench *b = bench_start(NULL);
	struct rlimit was, none;
	int fd = client_socket(AF_INET);

	(void)state;
	assert_int_equal(getrlimit(RLIMIT_NOFILE, &was), 0);
	none = was;
	none.rlim_cur = 3;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
	assert_int_equal(client_try(fd, http_port(b->http, 0)), 0);
	client_say(fd, HELLO);
	int64_t before = cpu_us();
	nanosleep(&pause, NULL);
	int64_t used = cpu_us() - before;
	assert_int_equal(setrlimit(RLIMIT_NOFILE, &was), 0);
	assert_true(used < 100 * US_PER_MS);
	struct answer a = client_read(fd, false);
	assert_int_equal(a.status, 200);
	close(fd);
	answer_free(&a);
	bench_stop(b);
}

/* --- sockets --- */

static struct sockaddr_un local_address(const char *path)
{
	struct sockaddr_un a = {.sun_family = AF_UNIX};

	snprintf(a.sun_path, sizeof(a.sun_path), "%s", path);
	return a;
}

/* A directory of its own with the name of a socket in it. */
static void socket_path(char *dir, char *path, char *address, size_t size)
{
	snprintf(dir, size, "/tmp/test_http.XXXXXX");
	assert_non_null(mkdtemp(dir));
	snprintf(path, size, "%s/s", dir);
	snprintf(address, size, "unix:%s/s", dir);
}

static enum http_access name_by_uid(void *arg, struct http_req *req, struct http_reply *reply)
{
	(void)arg;
	(void)reply;
	snprintf(req->user, sizeof(req->user), "uid %lld", (long long)req->peer.uid);
	return HTTP_ADMITTED;
}

static void a_unix_socket_tells_who_asks(void **state)
{
	char dir[60], path[64], address[64], want[300];
	struct stat st;

	(void)state;
	socket_path(dir, path, address, sizeof(dir));
	const char *const addresses[] = {address, "[::1]:0", "127.0.0.1:0"};
	struct bench *b = bench_start(
		&(struct http_options) {.addresses = addresses, .n_addresses = 2, .authenticate = name_by_uid});
	struct sockaddr_un a = local_address(path);
	int fd = client_socket(AF_UNIX);

	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode, S_IFSOCK | 0660);
	assert_int_equal(http_port(b->http, 0), 0);
	assert_true(http_port(b->http, 1) > 0);
	assert_int_equal(http_port(b->http, 2), 0);
	assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	client_say(fd, "GET /private HTTP/1.1\r\n" HOST "\r\n");
	struct answer reply = client_read(fd, false);
	snprintf(want, sizeof(want), "GET /private user=uid %u a=none x=none", (unsigned)getuid());
	assert_string_equal(reply.body.data, want);
	close(fd);
	answer_free(&reply);
	bench_stop(b);
	assert_int_equal(stat(path, &st), -1);
	rmdir(dir);
}

static int start_only(const char *address, char *why, size_t size)
{
	struct http_options o = {.addresses = &address, .n_addresses = 1, .admit = bench_admit, .handle = bench_handle};
	struct http *h = NULL;
	int r = http_start(&o, &h, why, size);

	if (r == 0)
		http_stop(h);
	else
		assert_null(h);
	return r;
}

static void a_socket_file_is_taken_over_only_from_the_dead(void **state)
{
	char dir[60], path[64], address[64], why[300];
	struct stat st;

	(void)state;
	socket_path(dir, path, address, sizeof(dir));
	struct sockaddr_un a = local_address(path);
	int fd = client_socket(AF_UNIX);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	assert_int_equal(listen(fd, 1), 0);
	assert_int_equal(start_only(address, why, sizeof(why)), -EADDRINUSE);
	assert_int_equal(stat(path, &st), 0);
	close(fd);
	assert_int_equal(start_only(address, why, sizeof(why)), 0);
	/* What is no socket is nobody's to remove. */
	fd = open(path, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(start_only(address, why, sizeof(why)), -EADDRINUSE);
	assert_int_equal(unlink(path), 0);
	rmdir(dir);
}

static void other_machines_are_kept_out(void **state)
{
	char why[300] = "";

	(void)state;
	assert_int_equal(start_only("0.0.0.0:0", why, sizeof(why)), -EACCES);
	assert_non_null(strstr(why, "0.0.0.0:0 is reachable from other machines"));
	assert_int_equal(start_only(":0", why, sizeof(why)), -EACCES);
	assert_int_equal(start_only("nonsense", why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "nonsense is no address"));
}

static void a_busy_port_is_an_error_and_nothing_leaks(void **state)
{
	struct bench *b = bench_start(NULL);
	char address[40], why[300] = "";
	int before = open_files();

	(void)state;
	snprintf(address, sizeof(address), "127.0.0.1:%d", http_port(b->http, 0));
	assert_int_equal(start_only(address, why, sizeof(why)), -EADDRINUSE);
	assert_non_null(strstr(why, address));
	assert_int_equal(open_files(), before);
	bench_stop(b);
}

static void a_socket_that_was_handed_over_is_used(void **state)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	char why[300] = "";

	(void)state;
	assert_int_equal(bind(fd, (struct sockaddr *)&a, sizeof(a)), 0);
	struct http_options o = {.fds = &fd, .n_fds = 1, .admit = bench_admit, .handle = bench_handle};
	struct http *h = NULL;
	assert_int_equal(http_start(&o, &h, why, sizeof(why)), -ENOTSOCK);
	assert_int_equal(listen(fd, 5), 0);
	struct bench *b = bench_start(&o);
	assert_true(http_port(b->http, 0) > 0);
	expect_hello(b);
	bench_stop(b);
	assert_int_equal(fcntl(fd, F_GETFD), -1);
}

/* --- the end --- */

struct draining {
	struct bench *bench;
	int64_t bound_us, took_us;
};

static void *drain(void *arg)
{
	struct draining *d = arg;
	int64_t start_us = clock_mono_us();

	http_drain(d->bench->http, d->bound_us);
	d->took_us = clock_mono_us() - start_us;
	return NULL;
}

static void wait_until_refused(int port)
{
	for (int64_t start_us = clock_mono_us(); clock_mono_us() - start_us < 10 * US_PER_S;) {
		int fd = client_socket(AF_INET), r = client_try(fd, port);

		close(fd);
		if (r == -ECONNREFUSED)
			return;
	}
	fail_msg("it still listens");
}

static void a_drain_lets_requests_end_and_takes_no_new_connections(void **state)
{
	struct bench *b = bench_start(NULL);
	struct draining d = {.bench = b, .bound_us = 10 * US_PER_S};
	int held = client_open(b), idle = client_open(b), port = http_port(b->http, 0);
	pthread_t thread;

	(void)state;
	client_say(idle, HELLO);
	struct answer first = client_read(idle, false);
	client_say(held, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
	bench_wait_held(b, 1);
	assert_int_equal(pthread_create(&thread, NULL, drain, &d), 0);
	wait_until_refused(port);
	assert_true(client_is_closed(idle));
	bench_release(b);
	struct answer a = client_read(held, false);
	assert_int_equal(a.status, 200);
	assert_string_equal(a.body.data, "hi");
	assert_string_equal(answer_header(&a, "Connection"), "close");
	pthread_join(thread, NULL);
	assert_true(d.took_us < 5 * US_PER_S);
	close(held);
	close(idle);
	answer_free(&first);
	answer_free(&a);
	bench_stop(b);
}

static void a_drain_that_takes_too_long_gives_503_and_late_replies_are_dropped(void **state)
{
	struct bench *b = bench_start(NULL);
	struct draining d = {.bench = b, .bound_us = 200 * US_PER_MS};
	int fd = client_open(b);

	(void)state;
	client_say(fd, "POST /hold HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi");
	bench_wait_held(b, 1);
	drain(&d);
	assert_true(d.took_us >= 200 * US_PER_MS && d.took_us < 5 * US_PER_S);
	struct answer a = client_read(fd, false);
	assert_int_equal(a.status, 503);
	bench_release(b);
	close(fd);
	answer_free(&a);
	bench_stop(b);
}

static void it_stops_with_requests_in_every_state(void **state)
{
	static const char *const texts[] = {
		"",
		"GET /he",
		"POST /echo HTTP/1.1\r\n" HOST "Content-Length: 9\r\n\r\nabc",
		"POST /hold HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi",
		HELLO,
		"POST /hold HTTP/1.1\r\n" HOST "Content-Length: 2\r\n\r\nhi" HELLO,
	};
	int before = open_files(), fd[ARRAY_LEN(texts)];
	struct bench *b = bench_start(NULL);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		fd[i] = client_open(b);
		client_say(fd[i], "%s", texts[i]);
	}
	bench_wait_held(b, 2);
	bench_stop(b);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		close(fd[i]);
	assert_int_equal(open_files(), before);
}

/* Alertmanager closes an idle one after five minutes; if we did first, a webhook could meet the end. */
static void a_connection_is_kept_longer_than_its_client_keeps_it(void **state)
{
	(void)state;
	assert_true(http_default_limits.idle_us > 300 * US_PER_S);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(headers_that_drip_in_are_cut_off),
		cmocka_unit_test(a_body_that_drips_in_is_cut_off),
		cmocka_unit_test(a_pause_in_a_body_is_cut_off_before_its_time_is_over),
		cmocka_unit_test(a_connection_without_requests_is_closed),
		cmocka_unit_test(what_is_deferred_for_too_long_gets_503_and_may_complete_later),
		cmocka_unit_test(a_body_over_the_limit_is_413),
		cmocka_unit_test(an_endless_body_is_cut_off),
		cmocka_unit_test(all_bodies_together_have_a_budget),
		cmocka_unit_test(large_replies_have_a_budget),
		cmocka_unit_test(slow_clients_at_the_limit_give_way_to_a_prompt_one),
		cmocka_unit_test(requests_under_way_do_not_give_way),
		cmocka_unit_test(without_descriptors_it_waits_quietly_and_recovers),
		cmocka_unit_test(a_unix_socket_tells_who_asks),
		cmocka_unit_test(a_socket_file_is_taken_over_only_from_the_dead),
		cmocka_unit_test(other_machines_are_kept_out),
		cmocka_unit_test(a_busy_port_is_an_error_and_nothing_leaks),
		cmocka_unit_test(a_socket_that_was_handed_over_is_used),
		cmocka_unit_test(a_drain_lets_requests_end_and_takes_no_new_connections),
		cmocka_unit_test(a_drain_that_takes_too_long_gives_503_and_late_replies_are_dropped),
		cmocka_unit_test(it_stops_with_requests_in_every_state),
		cmocka_unit_test(a_connection_is_kept_longer_than_its_client_keeps_it),
	};

	log_setup(LOG_LEVEL_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
