/* Replies without an end: what wakes them, what ends them, and what bounds them. */
#include <fcntl.h>
#include <sched.h>
#include <stdlib.h>

#include "tests/unit/http_bench.h"

#define HOST   "Host: a\r\nContent-Type: application/json\r\n"
#define STREAM "GET /stream HTTP/1.1\r\n" HOST "\r\n"
#define LONG   (60 * US_PER_S)

static struct bench *start_with(struct http_limits l)
{
	return bench_start(&(struct http_options) {.limits = &l});
}

/* Nothing comes by itself. */
static struct http_limits quiet(void)
{
	struct http_limits l = http_default_limits;

	l.beat_us = LONG;
	return l;
}

/* --- a client that reads chunks --- */

static int open_stream(const struct bench *b)
{
	int fd = client_open(b);
	struct answer a = {.head = BUF(100000)};

	client_say(fd, STREAM);
	assert_true(read_head(fd, &a));
	assert_int_equal(strncmp(a.head.data, "HTTP/1.1 200 ", 13), 0);
	answer_free(&a);
	return fd;
}

static bool read_exactly(int fd, char *out, size_t len)
{
	while (len > 0) {
		ssize_t n = recv(fd, out, len, 0);

		if (n < 0 && errno == EAGAIN)
			fail_msg("nothing came within 10 s");
		if (n <= 0)
			return false;
		out += n;
		len -= (size_t)n;
	}
	return true;
}

/* The next chunk (RFC 9112, 7.1), at the end of out. Its length; 0: the last one; -1: cut off. */
static long read_chunk(int fd, struct buf *out)
{
	char line[20] = "", data[65536], crlf[2];
	size_t n = 0;

	while (n < 2 || line[n - 1] != '\n')
		if (n == sizeof(line) - 1 || !read_exactly(fd, line + n++, 1))
			return -1;
	long len = strtol(line, NULL, 16);
	assert_true(len >= 0 && (size_t)len <= sizeof(data));
	if (!read_exactly(fd, data, (size_t)len) || !read_exactly(fd, crlf, 2))
		return -1;
	assert_memory_equal(crlf, "\r\n", 2);
	assert_int_equal(buf_add(out, data, (size_t)len), 0);
	return len;
}

static void expect(int fd, const char *text)
{
	CLEANUP(buf_free) struct buf b = BUF(1 << 20);

	while (b.len < strlen(text))
		assert_true(read_chunk(fd, &b) > 0);
	assert_string_equal(b.data, text);
}

/* All that still comes; tells whether it ended as it should. */
static bool read_to_the_end(int fd, struct buf *out)
{
	long n;

	while ((n = read_chunk(fd, out)) > 0)
		;
	return n == 0 && client_is_closed(fd);
}

static void expect_the_end(int fd)
{
	CLEANUP(buf_free) struct buf b = BUF(1 << 20);

	assert_true(read_to_the_end(fd, &b));
	assert_int_equal(b.len, 0);
	close(fd);
}

/* --- what comes --- */

static void what_is_fed_comes_at_once_and_in_order(void **state)
{
	struct bench *b = start_with(quiet());
	struct answer a = {.head = BUF(100000)};
	int fd = client_open(b);

	(void)state;
	bench_feed(b, "first ");
	client_say(fd, STREAM);
	assert_true(read_head(fd, &a));
	assert_string_equal(answer_header(&a, "Content-Type"), "text/event-stream");
	assert_string_equal(answer_header(&a, "Transfer-Encoding"), "chunked");
	assert_string_equal(answer_header(&a, "Cache-Control"), "no-store");
	assert_string_equal(answer_header(&a, "Connection"), "close");
	assert_string_equal(answer_header(&a, "X-Accel-Buffering"), "no");
	assert_null(answer_header(&a, "Content-Length"));
	expect(fd, "first ");
	for (int i = 0; i < 20; i++) {
		bench_feed(b, "again");
		expect(fd, "again");
	}
	close(fd);
	answer_free(&a);
	bench_stop(b);
}

static void an_old_client_gets_it_without_chunks(void **state)
{
	struct bench *b = start_with(quiet());
	struct answer a = {.head = BUF(100000)};
	int fd = client_open(b);
	char text[6] = "";

	(void)state;
	client_say(fd, "GET /stream HTTP/1.0\r\n" HOST "\r\n");
	assert_true(read_head(fd, &a));
	assert_null(answer_header(&a, "Transfer-Encoding"));
	bench_feed(b, "hello");
	assert_true(read_exactly(fd, text, 5));
	assert_string_equal(text, "hello");
	http_end_streams(b->http);
	assert_true(client_is_closed(fd));
	close(fd);
	answer_free(&a);
	bench_stop(b);
}

/* More than the kernel keeps: 8 MB, of which every line is another. */
static void feed_much(struct bench *b)
{
	char line[17];

	pthread_mutex_lock(&b->lock);
	for (int i = 0; i < 512 * 1024; i++) {
		snprintf(line, sizeof(line), "%015d\n", i);
		assert_int_equal(buf_str(&b->feed, line), 0);
	}
	pthread_mutex_unlock(&b->lock);
}

static int open_narrow(const struct bench *b)
{
	int fd = client_socket(AF_INET), room = 4096;
	struct answer a = {.head = BUF(100000)};

	setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof(room));
	assert_int_equal(client_try(fd, http_port(b->http, 0)), 0);
	client_say(fd, STREAM);
	assert_true(read_head(fd, &a));
	answer_free(&a);
	return fd;
}

static int looks_of(struct bench *b)
{
	pthread_mutex_lock(&b->lock);
	int looks = b->looks;
	pthread_mutex_unlock(&b->lock);
	return looks;
}

static void wait_looks(struct bench *b, int least)
{
	while (looks_of(b) < least)
		sched_yield();
}

/* Until the kernel takes no more of what a client does not read. */
static void wait_stuck(struct bench *b)
{
	const struct timespec pause = {.tv_nsec = 200 * 1000 * 1000};

	for (int before = -1, looks = 0; looks != before; looks = looks_of(b)) {
		before = looks_of(b);
		nanosleep(&pause, NULL);
	}
}

static void a_slow_client_gets_everything_and_others_do_not_wait_for_it(void **state)
{
	struct bench *b = start_with(quiet());
	CLEANUP(buf_free) struct buf all = BUF(FEED_MAX);

	(void)state;
	feed_much(b);
	int slow = open_narrow(b);
	wait_stuck(b);
	struct answer a = client_ask(b, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(a.status, 200);
	assert_true(looks_of(b) < 8 * 1024 / 32); /* not all was read for it */
	while (all.len < 8 * 1024 * 1024)
		assert_true(read_chunk(slow, &all) > 0);
	assert_int_equal(all.len, b->feed.len);
	assert_memory_equal(all.data, b->feed.data, all.len);
	close(slow);
	answer_free(&a);
	bench_stop(b);
}

static void silence_is_broken_by_a_beat(void **state)
{
	struct http_limits l = http_default_limits;

	(void)state;
	assert_int_equal(l.beat_us, 15 * US_PER_S);
	l.beat_us = 50 * US_PER_MS;
	struct bench *b = start_with(l);
	int64_t start_us = clock_mono_us();
	int fd = open_stream(b);
	expect(fd, ": beat\n\n");
	expect(fd, ": beat\n\n");
	assert_true(clock_mono_us() - start_us >= 100 * US_PER_MS);
	close(fd);
	bench_stop(b);
}

/* Not told of, but found when the beat is due. */
static void is_found_at_a_beat(const char *comes)
{
	struct http_limits l = http_default_limits;

	l.beat_us = 200 * US_PER_MS;
	struct bench *b = start_with(l);
	int fd = open_stream(b);
	wait_looks(b, 1);
	pthread_mutex_lock(&b->lock);
	assert_int_equal(buf_str(&b->feed, "found"), 0);
	pthread_mutex_unlock(&b->lock);
	expect(fd, comes);
	close(fd);
	bench_stop(b);
}

static void a_beat_looks_first(void **state)
{
	(void)state;
	is_found_at_a_beat("found");
}

/* --- what ends it --- */

static void it_ends_after_its_time(void **state)
{
	struct http_limits l = quiet();

	(void)state;
	assert_int_equal(l.stream_us, 3600 * US_PER_S);
	l.stream_us = 100 * US_PER_MS;
	struct bench *b = start_with(l);
	int64_t start_us = clock_mono_us();
	int fd = open_stream(b);
	expect_the_end(fd);
	assert_true(clock_mono_us() - start_us >= 100 * US_PER_MS);
	bench_wait_streams(b, 0);
	bench_stop(b);
}

static void all_of_before_end_and_new_ones_go_on(void **state)
{
	struct bench *b = start_with(quiet());
	int fd[3];

	(void)state;
	for (int i = 0; i < 3; i++)
		fd[i] = open_stream(b);
	http_end_streams(b->http);
	for (int i = 0; i < 3; i++)
		expect_the_end(fd[i]);
	int later = open_stream(b);
	bench_feed(b, "news");
	expect(later, "news");
	close(later);
	bench_stop(b);
}

static void an_error_cuts_it_off(void **state)
{
	struct bench *b = start_with(quiet());
	CLEANUP(buf_free) struct buf rest = BUF(1000);
	int fd = open_stream(b);

	(void)state;
	bench_feed(b, "last");
	expect(fd, "last");
	pthread_mutex_lock(&b->lock);
	b->feed_error = -EIO;
	pthread_mutex_unlock(&b->lock);
	bench_feed(b, "");
	assert_int_equal(read_chunk(fd, &rest), -1);
	close(fd);
	bench_wait_streams(b, 0);
	bench_stop(b);
}

static void a_client_that_takes_nothing_is_cut_off(void **state)
{
	struct http_limits l = quiet();
	CLEANUP(buf_free) struct buf all = BUF(FEED_MAX);

	(void)state;
	l.reply_us = 300 * US_PER_MS;
	struct bench *b = start_with(l);
	feed_much(b);
	int fd = open_narrow(b);
	bench_wait_streams(b, 0);
	assert_false(read_to_the_end(fd, &all));
	assert_true(all.len < b->feed.len);
	close(fd);
	bench_stop(b);
}

static void a_peer_that_goes_away_is_noticed_without_a_beat(void **state)
{
	struct bench *b = start_with(quiet());
	int fd = open_stream(b);

	(void)state;
	wait_looks(b, 1);
	close(fd);
	bench_wait_streams(b, 0);
	fd = open_stream(b);
	shutdown(fd, SHUT_WR);
	expect_the_end(fd);
	bench_stop(b);
}

/* --- bounds --- */

static void expect_no_room(const struct bench *b)
{
	struct answer a = client_ask(b, STREAM);

	assert_int_equal(a.status, 503);
	assert_int_equal(atoi(answer_header(&a, "Retry-After")), 5);
	assert_string_equal(answer_header(&a, "Content-Type"), "application/json");
	assert_non_null(strstr(a.body.data, "as many streams are open as there may be"));
	answer_free(&a);
}

static void so_many_and_no_more(struct http_limits l, int n)
{
	struct bench *b = start_with(l);
	int fd[40];

	for (int i = 0; i < n; i++)
		fd[i] = open_stream(b);
	expect_no_room(b);
	expect_no_room(b);
	struct answer a = client_ask(b, "GET /hello HTTP/1.1\r\n" HOST "\r\n");
	assert_int_equal(a.status, 200);
	answer_free(&a);
	close(fd[0]);
	bench_wait_streams(b, n - 1);
	fd[0] = open_stream(b);
	expect_no_room(b);
	for (int i = 0; i < n; i++)
		close(fd[i]);
	bench_stop(b);
}

static void there_is_a_limit(void **state)
{
	(void)state;
	so_many_and_no_more(quiet(), 32);
}

static void most_connections_are_kept_for_others(void **state)
{
	struct http_limits l = quiet();

	(void)state;
	l.connections = 12;
	so_many_and_no_more(l, 3);
}

static void a_storm_of_wakings_is_few_looks(void **state)
{
	struct bench *b = start_with(quiet());
	int fd = open_stream(b);

	(void)state;
	wait_looks(b, 1);
	int64_t start_us = clock_mono_us();
	for (int i = 0; i < 100000 || clock_mono_us() - start_us < 300 * US_PER_MS; i++)
		http_wake(b->http);
	bench_feed(b, "x");
	expect(fd, "x");
	int64_t took_us = clock_mono_us() - start_us;
	assert_true(looks_of(b) <= took_us / (50 * US_PER_MS) + 4);
	close(fd);
	bench_stop(b);
}

/* --- the end --- */

static void a_drain_ends_the_waiting_and_the_stuck_at_once(void **state)
{
	struct bench *b = start_with(quiet());
	CLEANUP(buf_free) struct buf rest = BUF(FEED_MAX);
	int waiting = open_stream(b);

	(void)state;
	wait_looks(b, 1);
	feed_much(b); /* the waiting one is not told */
	int stuck = open_narrow(b);
	wait_stuck(b);
	int64_t start_us = clock_mono_us();
	http_drain(b->http, 10 * US_PER_S);
	assert_true(clock_mono_us() - start_us < 3 * US_PER_S);
	expect_the_end(waiting);
	bench_wait_streams(b, 0);
	assert_false(read_to_the_end(stuck, &rest));
	close(stuck);
	bench_stop(b);
}

static int open_files(void)
{
	int n = 0;

	for (int fd = 0; fd < 1024; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

static void it_stops_without_a_drain_too(void **state)
{
	int before = open_files(), fd[4];
	struct bench *b = start_with(quiet());

	(void)state;
	for (int i = 0; i < 3; i++)
		fd[i] = open_stream(b);
	wait_looks(b, 3);
	feed_much(b);
	fd[3] = open_narrow(b);
	wait_stuck(b);
	bench_stop(b);
	for (int i = 0; i < 4; i++)
		close(fd[i]);
	assert_int_equal(open_files(), before);
}

/* --- found elsewhere, and begun by a deferred reply --- */

static int elsewhere(void **state)
{
	(void)state;
	bench_elsewhere = true;
	return 0;
}

static int here(void **state)
{
	(void)state;
	bench_elsewhere = false;
	return 0;
}

static void after_a_beat_it_looks(void **state)
{
	(void)state;
	is_found_at_a_beat(": beat\n\nfound");
}

/* Its client has gone, or was told 503, before it was there. */
static void one_that_comes_too_late_is_freed(void **state)
{
	struct http_limits l = quiet();

	(void)state;
	for (int gives_up = 0; gives_up < 2; gives_up++) {
		l.defer_us = gives_up ? 50 * US_PER_MS : LONG;
		struct bench *b = start_with(l);
		int fd = client_open(b);
		client_say(fd, "GET /stream-held HTTP/1.1\r\n" HOST "\r\n");
		bench_wait_held(b, 1);
		if (gives_up) {
			struct answer a = client_read(fd, false);
			assert_int_equal(a.status, 503);
			answer_free(&a);
		}
		close(fd);
		bench_release(b);
		bench_wait_streams(b, 0);
		bench_stop(b);
	}
}

int main(void)
{
#define E(f) cmocka_unit_test_setup_teardown(f, elsewhere, here)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_fed_comes_at_once_and_in_order),
		cmocka_unit_test(an_old_client_gets_it_without_chunks),
		cmocka_unit_test(a_slow_client_gets_everything_and_others_do_not_wait_for_it),
		cmocka_unit_test(silence_is_broken_by_a_beat),
		cmocka_unit_test(a_beat_looks_first),
		cmocka_unit_test(it_ends_after_its_time),
		cmocka_unit_test(all_of_before_end_and_new_ones_go_on),
		cmocka_unit_test(an_error_cuts_it_off),
		cmocka_unit_test(a_client_that_takes_nothing_is_cut_off),
		cmocka_unit_test(a_peer_that_goes_away_is_noticed_without_a_beat),
		cmocka_unit_test(there_is_a_limit),
		cmocka_unit_test(most_connections_are_kept_for_others),
		cmocka_unit_test(a_storm_of_wakings_is_few_looks),
		cmocka_unit_test(a_drain_ends_the_waiting_and_the_stuck_at_once),
		cmocka_unit_test(it_stops_without_a_drain_too),
		E(what_is_fed_comes_at_once_and_in_order),
		E(a_slow_client_gets_everything_and_others_do_not_wait_for_it),
		E(silence_is_broken_by_a_beat),
		E(after_a_beat_it_looks),
		E(it_ends_after_its_time),
		E(all_of_before_end_and_new_ones_go_on),
		E(an_error_cuts_it_off),
		E(a_client_that_takes_nothing_is_cut_off),
		E(a_peer_that_goes_away_is_noticed_without_a_beat),
		E(there_is_a_limit),
		E(most_connections_are_kept_for_others),
		E(a_storm_of_wakings_is_few_looks),
		E(a_drain_ends_the_waiting_and_the_stuck_at_once),
		E(it_stops_without_a_drain_too),
		E(one_that_comes_too_late_is_freed),
	};

	log_setup(LOG_LEVEL_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
