#include "server/core/failpoint.h"
#include "server/core/scope.h"

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <cmocka.h>

enum { SURVIVED = 0, NOT_ARMED = 3 };

/* The wait status of a child that arms value and passes every point `rounds` times. */
static int child_status(const char *value, int rounds, enum failpoint only)
{
	int status = 0;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0) {
		if (failpoint_setup(value) < 0)
			_exit(NOT_ARMED);
		for (int i = 0; i < rounds; i++)
			for (unsigned p = 0; p < FAIL_N; p++)
				if (only == FAIL_N || p == only)
					FAILPOINT((enum failpoint)p);
		_exit(SURVIVED);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return status;
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

static bool survived(int status)
{
	return WIFEXITED(status) && WEXITSTATUS(status) == SURVIVED;
}

/* The names as rollbackd --list-failpoints prints them; 0 at the end. */
static size_t list_names(char names[][64], size_t max)
{
	char *text = NULL;
	size_t len = 0, n = 0;
	FILE *f = open_memstream(&text, &len);

	assert_non_null(f);
	failpoint_list(f);
	fclose(f);
	for (char *save = NULL, *line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save)) {
		assert_true(n < max);
		snprintf(names[n++], 64, "%s", line);
	}
	free(text);
	return n;
}

static void every_point_is_listed_once(void **state)
{
	(void)state;
	char names[64][64];

	assert_int_equal(list_names(names, 64), FAIL_N);
	for (size_t i = 0; i < FAIL_N; i++)
		for (size_t j = 0; j < i; j++)
			assert_string_not_equal(names[i], names[j]);
}

static void every_point_kills_where_it_stands_and_nowhere_else(void **state)
{
	(void)state;
	char names[64][64];
	size_t n = list_names(names, 64);

	for (size_t i = 0; i < n; i++) {
		assert_true(was_killed(child_status(names[i], 1, (enum failpoint)i)));
		assert_true(survived(child_status(names[i], 1, (enum failpoint)((i + 1) % n))));
	}
}

static void a_number_chooses_the_visit(void **state)
{
	(void)state;

	assert_true(survived(child_status("checkpoint:3", 2, FAIL_CHECKPOINT)));
	assert_true(was_killed(child_status("checkpoint:3", 3, FAIL_CHECKPOINT)));
	assert_true(was_killed(child_status("checkpoint:1", 1, FAIL_CHECKPOINT)));
}

static void several_points_count_their_visits_apart(void **state)
{
	(void)state;

	assert_true(was_killed(child_status("checkpoint:2,flags-renamed", 1, FAIL_FLAGS_RENAMED)));
	assert_true(survived(child_status("checkpoint:2,flags-renamed", 1, FAIL_CHECKPOINT)));
	assert_true(was_killed(child_status("checkpoint:2,flags-renamed", 2, FAIL_CHECKPOINT)));
}

static void nothing_happens_unless_asked(void **state)
{
	(void)state;

	assert_true(survived(child_status(NULL, 3, FAIL_N)));
	assert_true(survived(child_status("", 3, FAIL_N)));
}

static void an_unknown_point_is_an_error(void **state)
{
	(void)state;
	static const char *const wrong[] = {
		"no-such-point",
		"checkpoint:",
		"checkpoint:0",
		"checkpoint:-1",
		"checkpoint:1x",
		"checkpoint: 1",
		"checkpoint:99999999999999999999",
		":1",
		"Checkpoint",
		"checkpoint ",
		"checkpoint,",
		",checkpoint",
		"checkpoint,no-such-point",
		"checkpoin",
		"a-name-that-is-much-longer-than-any-point-could-ever-reasonably-be-in-this-program",
	};

	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		assert_int_equal(failpoint_setup(wrong[i]), -EINVAL);
		assert_int_equal(failpoint_armed, 0);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_point_is_listed_once),
		cmocka_unit_test(every_point_kills_where_it_stands_and_nowhere_else),
		cmocka_unit_test(a_number_chooses_the_visit),
		cmocka_unit_test(several_points_count_their_visits_apart),
		cmocka_unit_test(nothing_happens_unless_asked),
		cmocka_unit_test(an_unknown_point_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
