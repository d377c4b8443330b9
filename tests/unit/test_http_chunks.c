/* The lines between the chunks of a body, which the library neither shows nor bounds. */
#include <stdlib.h>
#include <unistd.h>

#include "tests/unit/http_bench.h"

#define HOST "Host: a\r\nContent-Type: application/json\r\n"

static double cpu_s(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* Sends them until the server has closed, and at most most bytes. */
static size_t send_until_closed(int fd, const char *piece, size_t len, size_t most)
{
	size_t sent = 0;

	while (sent < most) {
		ssize_t n = send(fd, piece, len, MSG_NOSIGNAL);

		if (n <= 0)
			break;
		sent += (size_t)n;
	}
	return sent;
}

static void chunk_lines_without_an_end_cost_no_core(void **state)
{
	static const char *const begins[] = {"", "5;", "5;x=\""};
	char line[20000];
	struct bench *b = bench_start(NULL);

	(void)state;
	memset(line, '0', sizeof(line));
	for (size_t i = 0; i < ARRAY_LEN(begins); i++) {
		int fd = client_open(b);
		double before = cpu_s();

		client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%s", begins[i]);
		for (int n = 0; n < 5; n++) /* more than the buffer takes, less than the kernel's */
			client_send(fd, line, sizeof(line));
		while (!client_is_closed(fd))
			;
		close(fd);
		if (cpu_s() - before > 1)
			fail_msg("case %zu: %f s", i, cpu_s() - before);
	}
	bench_stop(b);
}

static void chunk_lines_are_no_way_around_the_limit_of_a_body(void **state)
{
	char piece[10000];
	struct bench *b = bench_start(NULL);
	int fd = client_open(b);

	(void)state;
	int head = sprintf(piece, "1;");
	memset(piece + head, 'x', sizeof(piece) - (size_t)head);
	memcpy(piece + sizeof(piece) - 5, "\r\nd\r\n", 5);
	client_say(fd, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n");
	assert_true(send_until_closed(fd, piece, sizeof(piece), 64 << 20) < 64 << 20);
	close(fd);
	bench_stop(b);
}

static void small_chunks_are_taken(void **state)
{
	struct buf text = BUF(1 << 20);
	struct bench *b = bench_start(NULL);

	(void)state;
	for (int i = 0; i < 20000; i++)
		buf_str(&text, "1\r\nd\r\n");
	struct answer a = client_ask(b, "POST /echo HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n%s0\r\n\r\n",
	                             text.data);
	assert_int_equal(a.status, 200);
	assert_int_equal(a.body.len, 20000);
	answer_free(&a);
	buf_free(&text);
	bench_stop(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(chunk_lines_without_an_end_cost_no_core),
		cmocka_unit_test(chunk_lines_are_no_way_around_the_limit_of_a_body),
		cmocka_unit_test(small_chunks_are_taken),
	};

	log_setup(LOG_LEVEL_ERROR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
