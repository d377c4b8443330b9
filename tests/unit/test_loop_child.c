#include "tests/unit/child_fixture.h"

/* Ends. */

static void an_exit_code_is_told(void **state)
{
	(void)state;
	for (int code = 0; code < 256; code += 51) {
		char text[64];

		snprintf(text, sizeof(text), "echo a; echo b >&2; exit %d", code);
		run(SH(text));
		assert_int_equal(seen.r.error, 0);
		assert_int_equal(seen.r.exit_code, code);
		assert_int_equal(seen.r.signal, 0);
		assert_string_equal(seen.output, "a\nb\n");
		assert_string_equal(seen.error_text, "");
		assert_int_equal(seen.r.output_lost, 0);
		assert_false(seen.r.unkillable);
	}
}

static void a_deadly_signal_is_told(void **state)
{
	(void)state;
	run(SH("echo before; kill -SEGV $$"));
	assert_int_equal(seen.r.error, 0);
	assert_int_equal(seen.r.signal, SIGSEGV);
	assert_int_equal(seen.r.exit_code, -1);
	assert_string_equal(seen.output, "before\n");
}

static void a_program_that_cannot_start_is_told_by_its_errno(void **state)
{
	static const struct {
		const char *path;
		int error;
	} rows[] = {{"/nonexistent/program", -ENOENT}, {"/etc/passwd", -EACCES}, {"/etc", -EACCES}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		run((const char *const[]) {rows[i].path, NULL});
		assert_int_equal(seen.r.error, rows[i].error);
		assert_int_equal(seen.r.exit_code, -1);
		assert_int_equal(seen.r.signal, 0);
		assert_false(seen.r.unkillable);
		assert_int_equal(seen.r.output_len, 0);
	}
}

static void output_closed_long_before_the_exit_does_not_hide_it(void **state)
{
	(void)state;
	run(SH("echo x; exec >&- 2>&-; sleep 0.2; exit 4"));
	assert_int_equal(seen.r.exit_code, 4);
	assert_string_equal(seen.output, "x\n");
}

static void a_wrong_spec_is_refused(void **state)
{
	static const char *const relative[] = {"sh", NULL}, *const none[] = {NULL}, *const sh[] = {"/bin/sh", NULL};
	static const char *const no_value[] = {"A=1", "B", NULL}, *const no_name[] = {"=1", NULL};
	const struct child_spec bad[] = {
		{.argv = relative, .timeout_us = 1},
		{.argv = none, .timeout_us = 1},
		{.argv = NULL, .timeout_us = 1},
		{.argv = sh, .timeout_us = 0},
		{.argv = sh, .timeout_us = 1, .grace_us = -1},
		{.argv = sh, .timeout_us = 1, .env = no_value},
		{.argv = sh, .timeout_us = 1, .env = no_name},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_int_equal(loop_spawn(loop, &bad[i], ended, NULL, NULL), -EINVAL);
}

/* What a child finds. */

static bool has_line(const char *text, const char *line)
{
	size_t len = strlen(line);

	for (const char *p = text; p; p = strchr(p, '\n') ? strchr(p, '\n') + 1 : NULL)
		if (!strncmp(p, line, len) && (p[len] == '\n' || p[len] == '\0'))
			return true;
	return false;
}

static void the_environment_is_exactly_the_stated_one(void **state)
{
	struct child_spec spec = spec_of((const char *const[]) {"/usr/bin/env", NULL});
	static const char *const env[] = {"ROLLBACKD_FLAG=A", "TZ=Europe/Oslo", "EMPTY=", NULL};
	int lines = 0;

	char home[4200];

	(void)state;
	setenv("NOTIFY_SOCKET", "/run/secret", 1);
	setenv("ROLLBACKD_FLAG", "ours", 1);
	spec.env = env;
	run_spec(&spec);
	for (const char *p = seen.output; *p; p++)
		lines += *p == '\n';
	assert_int_equal(lines, 6);
	assert_true(has_line(seen.output, "ROLLBACKD_FLAG=A"));
	assert_true(has_line(seen.output, "EMPTY="));
	assert_true(has_line(seen.output, "TZ=Europe/Oslo"));
	assert_true(has_line(seen.output, "LANG=C.UTF-8"));
	snprintf(home, sizeof(home), "HOME=%s", getpwuid(geteuid())->pw_dir);
	assert_true(has_line(seen.output, home));
	assert_true(has_line(seen.output, "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"));
	spec.env = NULL;
	run_spec(&spec);
	assert_true(has_line(seen.output, "TZ=UTC"));
}

static void descriptors_from_three_on_are_closed(void **state)
{
	int dir = open("/", O_RDONLY), far = fcntl(dir, F_DUPFD, 200);

	(void)state;
	assert_true(far >= 200);
	assert_int_equal(loop_spawn(loop, &(struct child_spec) {.argv = SH("sleep 0.3"), .timeout_us = US_PER_S}, ended,
	                            NULL, NULL),
	                 0);
	run(SH("i=3; while [ $i -lt 256 ]; do [ -e /proc/$$/fd/$i ] && echo $i; i=$((i+1)); done; echo end"));
	assert_string_equal(seen.output, "end\n");
	close(dir);
	close(far);
	assert_int_equal(loop_run(loop), 0);
}

static void signals_mask_umask_and_directory_are_those_of_a_fresh_program(void **state)
{
	sigset_t blocked, before;
	mode_t umask_before = umask(077);

	(void)state;
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGTERM);
	sigaddset(&blocked, SIGHUP);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	run((const char *const[]) {"/bin/grep", "-E", "^(SigBlk|SigIgn|Umask)", "/proc/self/status", NULL});
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	umask(umask_before);
	assert_true(has_line(seen.output, "SigBlk:\t0000000000000000"));
	assert_non_null(strstr(seen.output, "SigIgn:"));
	/* 32 and 33 are glibc's own, and it ignores them in whatever it spawns. */
	assert_int_equal(strtoull(strstr(seen.output, "SigIgn:") + strlen("SigIgn:"), NULL, 16) & ~(UINT64_C(3) << 31),
	                 0);
	assert_true(has_line(seen.output, "Umask:\t0077"));
	run((const char *const[]) {"/bin/pwd", NULL});
	assert_string_equal(seen.output, "/\n");
}

static void a_child_leads_its_own_session_and_group(void **state)
{
	int pid = 0, group = 1, session = 2;

	(void)state;
	run(SH("read -r line </proc/self/stat; set -- $line; echo $1 $5 $6"));
	assert_int_equal(sscanf(seen.output, "%d %d %d", &pid, &group, &session), 3);
	assert_int_equal(group, pid);
	assert_int_equal(session, pid);
}

static void stdout_of_a_child_blocks(void **state)
{
	const char *flags;

	(void)state;
	run((const char *const[]) {"/bin/cat", "/proc/self/fdinfo/1", "/proc/self/fdinfo/2", NULL});
	flags = strstr(seen.output, "flags:");
	assert_non_null(flags);
	for (; flags; flags = strstr(flags + 1, "flags:"))
		assert_int_equal(strtol(flags + strlen("flags:"), NULL, 8) & O_NONBLOCK, 0);
}

/* Output. */

static char *numbers(int n, size_t *len)
{
	char *text = malloc((size_t)n * 8 + 1), *p = text;

	for (int i = 1; i <= n; i++)
		p += sprintf(p, "%d\n", i);
	*len = (size_t)(p - text);
	return text;
}

static void check_kept(const char *full, size_t len, size_t max)
{
	size_t kept = len < max ? len : max, head = len > max ? max / 2 : kept;

	assert_int_equal(seen.r.output_len, kept);
	assert_int_equal(seen.r.output_lost, len - kept);
	assert_int_equal(seen.r.output_gap, head);
	assert_memory_equal(seen.output, full, head);
	assert_memory_equal(seen.output + head, full + len - (kept - head), kept - head);
	assert_int_equal(seen.output[kept], '\0');
}

static void head_and_tail_of_output_are_kept_and_the_loss_is_counted(void **state)
{
	static const size_t maxima[] = {0, 1, 2, 3, 1000, 16384, 40001};
	size_t len;
	char *full = numbers(20000, &len);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(maxima) + 3; i++) {
		struct child_spec spec = spec_of((const char *const[]) {"/usr/bin/seq", "20000", NULL});
		size_t max = i < ARRAY_LEN(maxima) ? maxima[i] : len - 1 + (i - ARRAY_LEN(maxima));

		spec.max_output = max;
		run_spec(&spec);
		check_kept(full, len, max);
	}
	free(full);
}

static void output_that_comes_byte_by_byte_is_kept_the_same_way(void **state)
{
	struct child_spec spec = spec_of(SH("for i in 1 2 3 4 5 6 7 8 9; do printf $i; sleep 0.01; done"));

	(void)state;
	spec.max_output = 5;
	run_spec(&spec);
	check_kept("123456789", 9, 5);
}

static void stderr_apart_is_bounded_and_drained(void **state)
{
	struct child_spec spec = spec_of(SH("echo out; seq 1 50000 >&2; echo done"));
	size_t len;
	char *full = numbers(1000, &len);

	(void)state;
	spec.separate_stderr = true;
	run_spec(&spec);
	assert_string_equal(seen.output, "out\ndone\n");
	assert_int_equal(strlen(seen.error_text), 1024);
	assert_memory_equal(seen.error_text, full, 1024);
	spec.argv = SH("echo oh >&2");
	run_spec(&spec);
	assert_string_equal(seen.output, "");
	assert_string_equal(seen.error_text, "oh\n");
	free(full);
}

/* Input. */

static void input_larger_than_a_pipe_passes_while_the_child_writes(void **state)
{
	struct child_spec spec = spec_of((const char *const[]) {"/bin/cat", NULL});
	size_t len;
	char *full = numbers(200000, &len), *given = malloc(len);

	(void)state;
	assert_true(len > 1000000);
	memcpy(given, full, len);
	spec.input = given;
	spec.input_len = len;
	spec.max_output = len;
	assert_int_equal(loop_spawn(loop, &spec, ended, NULL, NULL), 0);
	memset(given, 0, len); /* it was copied */
	free(given);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.r.exit_code, 0);
	check_kept(full, len, len);
	free(full);
}

static void a_child_need_not_read_its_input(void **state)
{
	struct child_spec spec = spec_of(SH("head -c 1; exec <&-; sleep 0.1; echo; exit 6"));
	char *lots = calloc(1, 1000000);

	(void)state;
	memset(lots, 'x', 1000000);
	spec.input = lots;
	spec.input_len = 1000000;
	run_spec(&spec);
	assert_int_equal(seen.r.exit_code, 6);
	assert_string_equal(seen.output, "x\n");
	free(lots);
}

static void without_input_stdin_is_empty(void **state)
{
	struct child_spec spec = spec_of(SH("cat; readlink /proc/$$/fd/0"));

	(void)state;
	run_spec(&spec);
	assert_string_equal(seen.output, "/dev/null\n");
	spec.argv = SH("cat; echo end");
	spec.input = "";
	run_spec(&spec);
	assert_string_equal(seen.output, "end\n");
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(an_exit_code_is_told),
		T(a_deadly_signal_is_told),
		T(a_program_that_cannot_start_is_told_by_its_errno),
		T(output_closed_long_before_the_exit_does_not_hide_it),
		T(a_wrong_spec_is_refused),
		T(the_environment_is_exactly_the_stated_one),
		T(descriptors_from_three_on_are_closed),
		T(signals_mask_umask_and_directory_are_those_of_a_fresh_program),
		T(a_child_leads_its_own_session_and_group),
		T(stdout_of_a_child_blocks),
		T(head_and_tail_of_output_are_kept_and_the_loss_is_counted),
		T(output_that_comes_byte_by_byte_is_kept_the_same_way),
		T(stderr_apart_is_bounded_and_drained),
		T(input_larger_than_a_pipe_passes_while_the_child_writes),
		T(a_child_need_not_read_its_input),
		T(without_input_stdin_is_empty),
	};

	if (loop_global_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
