#include "server/core/json.h"
#include "server/core/log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <string.h>
#include <cmocka.h>

/* What is logged between capture_begin and capture_end goes into a pipe. */
static int real_stderr, reader;

static void capture_begin(void)
{
	int ends[2];

	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	assert_true(fcntl(ends[1], F_SETPIPE_SZ, 1 << 20) > 0);
	real_stderr = dup(STDERR_FILENO);
	assert_true(real_stderr >= 0);
	assert_int_equal(dup2(ends[1], STDERR_FILENO), STDERR_FILENO);
	close(ends[1]);
	reader = ends[0];
}

static char captured[1 << 20];

static size_t capture_end(void)
{
	size_t len = 0;
	ssize_t n;

	assert_int_equal(dup2(real_stderr, STDERR_FILENO), STDERR_FILENO);
	close(real_stderr);
	while ((n = read(reader, captured + len, sizeof(captured) - 1 - len)) > 0)
		len += (size_t)n;
	close(reader);
	captured[len] = '\0';
	return len;
}

/* What follows caller=…: in the one captured line, without the newline. */
static const char *rest_of_line(void)
{
	char *newline = strchr(captured, '\n');

	assert_non_null(newline);
	assert_string_equal(newline, "\n");
	*newline = '\0';
	const char *rest = strstr(captured, " msg=");
	assert_non_null(rest);
	return rest + 1;
}

static void a_line_reads_as_logfmt(void **state)
{
	(void)state;
	char caller[64];

	log_setup(LOG_LEVEL_INFO, false);
	capture_begin();
	snprintf(caller, sizeof(caller), " level=warn caller=test_log.c:%d msg=", __LINE__ + 1);
	log_warn("step failed", "rollout", "cst-pipeline", "code", log_num(-5), "empty", "", "none", NULL, "last",
	         "x=1");
	capture_end();
	assert_memory_equal(captured, "ts=20", 5);
	assert_non_null(strstr(captured, caller));
	assert_string_equal(rest_of_line(),
	                    "msg=\"step failed\" rollout=cst-pipeline code=-5 empty=\"\" none=\"\" last=\"x=1\"");
}

static void a_value_cannot_forge_a_line_or_a_pair(void **state)
{
	(void)state;

	log_setup(LOG_LEVEL_INFO, false);
	capture_begin();
	log_info("m", "a", "x\nlevel=error msg=\"forged\"", "b", "\x1b[2J\t\\\r", "c", "\xff", "d",
	         "\xe2\x80\xae"
	         "e",
	         "e",
	         "gr\xc3\xb6\xc3\x9f"
	         "e",
	         "f",
	         "\xc2\x9b"
	         "0m",
	         "g", "\xe2\x80\xa8");
	capture_end();
	assert_string_equal(rest_of_line(), "msg=m a=\"x\\nlevel=error msg=\\\"forged\\\"\" b=\"\\u001b[2J\\t\\\\\\r\""
	                                    " c=\"\\ufffd\" d=\"\\u202ee\" e=gr\xc3\xb6\xc3\x9f"
	                                    "e f=\"\\u009b0m\" g=\"\\u2028\"");
}

static void what_is_below_the_level_is_not_written(void **state)
{
	(void)state;

	log_setup(LOG_LEVEL_WARN, false);
	capture_begin();
	log_debug("one");
	log_info("two");
	log_warn("three");
	log_error("four");
	capture_end();
	assert_null(strstr(captured, "one"));
	assert_null(strstr(captured, "two"));
	assert_non_null(strstr(captured, "level=warn"));
	assert_non_null(strstr(captured, "level=error"));
}

static void a_json_line_is_valid_json_whatever_is_in_it(void **state)
{
	(void)state;
	char value[256], text[256];

	log_setup(LOG_LEVEL_DEBUG, true);
	for (int i = 1; i < 256; i++) {
		CLEANUP(json_cleanup) struct json_object *obj = NULL;
		snprintf(value, sizeof(value), "a%cb%c", i, i);
		capture_begin();
		log_debug("said \"hello\"", "value", value, "n", log_num(i));
		size_t len = capture_end();
		assert_int_equal(captured[len - 1], '\n');
		assert_int_equal(json_parse(captured, len, &obj, NULL), 0);
		assert_string_equal(json_str_or(obj, "level", ""), "debug");
		assert_string_equal(json_str_or(obj, "msg", ""), "said \"hello\"");
		snprintf(text, sizeof(text), "%d", i);
		assert_string_equal(json_str_or(obj, "n", ""), text);
		assert_string_equal(json_str_or(obj, "value", ""), i < 0x80 ? value
		                                                            : "a\xef\xbf\xbd"
		                                                              "b\xef\xbf\xbd");
	}
}

static void a_long_value_is_cut_and_the_others_stay(void **state)
{
	(void)state;
	char value[3000];
	CLEANUP(json_cleanup) struct json_object *obj = NULL;

	memset(value, 'v', sizeof(value) - 1);
	value[sizeof(value) - 1] = '\0';
	log_setup(LOG_LEVEL_INFO, true);
	capture_begin();
	log_info("m", "long", value, "next", "here");
	size_t len = capture_end();
	assert_int_equal(json_parse(captured, len, &obj, NULL), 0);
	assert_string_equal(json_str_or(obj, "next", ""), "here");
	const char *kept = json_str_or(obj, "long", "");
	assert_int_equal(strlen(kept), 1024 + 3);
	assert_string_equal(kept + 1024, "\xe2\x80\xa6");
}

/* Values of every length up to the limit, in both formats: the line stays one line of at most PIPE_BUF bytes.
 */
static void a_line_of_any_length_is_whole_and_bounded(void **state)
{
	(void)state;
	static const char *const fills[] = {"v", "\"", "\x01", "\xc3\xa9", "\xff", "v "};

	for (size_t i = 0; i < 2 * ARRAY_LEN(fills); i++)
		for (size_t n = 0; n < 1100; n += i % 3 + 5) {
			char value[2300] = "";
			const char *fill = fills[i / 2];
			CLEANUP(json_cleanup) struct json_object *obj = NULL;
			for (size_t at = 0; at < n; at++)
				memcpy(value + at * strlen(fill), fill, strlen(fill) + 1);
			log_setup(LOG_LEVEL_INFO, i % 2);
			capture_begin();
			log_info("m", "a", value, "b", value, "c", value, "d", value, "e", value, "f", value);
			size_t len = capture_end();
			assert_true(len <= PIPE_BUF);
			assert_ptr_equal(strchr(captured, '\n'), captured + len - 1);
			if (i % 2)
				assert_int_equal(json_parse(captured, len, &obj, NULL), 0);
		}
}

static void a_full_pipe_drops_the_line_and_counts_it(void **state)
{
	(void)state;
	uint64_t before = log_dropped();
	int lines = 0;

	log_setup(LOG_LEVEL_INFO, false);
	capture_begin();
	while (log_dropped() < before + 3 && lines < 100000) {
		log_info("nobody reads this");
		lines++;
	}
	capture_end();
	assert_int_equal(log_dropped(), before + 3);
	int written = 0;
	for (const char *at = captured; (at = strchr(at, '\n')); at++)
		written++;
	assert_int_equal(written, lines - 3);
}

static void a_reader_that_went_away_costs_lines_and_no_signal(void **state)
{
	(void)state;
	uint64_t before = log_dropped();

	signal(SIGPIPE, SIG_DFL);
	capture_begin();
	close(reader);
	log_error("nobody is there");
	reader = open("/dev/null", O_RDONLY | O_CLOEXEC);
	capture_end();
	assert_int_equal(log_dropped(), before + 1);
}

static void *log_many(void *arg)
{
	for (int i = 0; i < 200; i++)
		log_info("from a thread", "thread", arg, "filler", "0123456789012345678901234567890123456789");
	return NULL;
}

static void lines_of_many_threads_stay_apart(void **state)
{
	(void)state;
	pthread_t threads[4];
	static const char *const names[] = {"a", "b", "c", "d"};
	int lines = 0;

	log_setup(LOG_LEVEL_INFO, true);
	capture_begin();
	for (size_t i = 0; i < 4; i++)
		assert_int_equal(pthread_create(&threads[i], NULL, log_many, (void *)names[i]), 0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	capture_end();
	char *save = NULL;
	for (char *line = strtok_r(captured, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_int_equal(json_check(line, strlen(line), NULL), 0);
		lines++;
	}
	assert_int_equal(lines, 800);
}

static void levels_are_read_by_name(void **state)
{
	(void)state;
	enum log_level level = LOG_LEVEL_ERROR;

	assert_int_equal(log_level_parse("debug", &level), 0);
	assert_int_equal(level, LOG_LEVEL_DEBUG);
	assert_int_equal(log_level_parse("warn", &level), 0);
	assert_int_equal(level, LOG_LEVEL_WARN);
	assert_int_equal(log_level_parse("WARN", &level), -EINVAL);
	assert_int_equal(log_level_parse("", &level), -EINVAL);
	assert_int_equal(log_level_parse("warning", &level), -EINVAL);
	assert_int_equal(level, LOG_LEVEL_WARN);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_line_reads_as_logfmt),
		cmocka_unit_test(a_value_cannot_forge_a_line_or_a_pair),
		cmocka_unit_test(what_is_below_the_level_is_not_written),
		cmocka_unit_test(a_json_line_is_valid_json_whatever_is_in_it),
		cmocka_unit_test(a_long_value_is_cut_and_the_others_stay),
		cmocka_unit_test(a_line_of_any_length_is_whole_and_bounded),
		cmocka_unit_test(a_full_pipe_drops_the_line_and_counts_it),
		cmocka_unit_test(a_reader_that_went_away_costs_lines_and_no_signal),
		cmocka_unit_test(lines_of_many_threads_stay_apart),
		cmocka_unit_test(levels_are_read_by_name),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
