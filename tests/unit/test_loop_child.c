#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pwd.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include "server/core/clock.h"
#include "server/core/loop.h"

#define MS US_PER_MS
#define SH(text)                                                                                                       \
	(const char *const[])                                                                                          \
	{                                                                                                              \
		"/bin/sh", "-c", text, NULL                                                                            \
	}

static struct loop *loop;
static int fds_before;

/* What a callback saw, copied. */
static struct seen {
	int calls;
	struct child_result r;
	char *output, *error_text;
	int64_t took_us;
} seen;

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	return loop_new(&loop);
}

static void forget_seen(void)
{
	free(seen.output);
	free(seen.error_text);
	seen = (struct seen) {0};
}

/* Whatever a test did: no descriptor and no zombie is left. */
static int teardown(void **state)
{
	(void)state;
	forget_seen();
	loop_free(loop);
	assert_int_equal(count_fds(), fds_before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return 0;
}

static void ended(void *arg, const struct child_result *r)
{
	(void)arg;
	forget_seen();
	seen.calls = 1;
	seen.r = *r;
	seen.output = malloc(r->output_len + 1);
	memcpy(seen.output, r->output, r->output_len + 1); /* with its NUL */
	seen.error_text = strdup(r->error_text);
	loop_stop(loop);
}

static void run_spec(const struct child_spec *spec)
{
	int64_t start = clock_mono_us();

	forget_seen();
	assert_int_equal(loop_spawn(loop, spec, ended, NULL, NULL), 0);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.calls, 1);
	seen.took_us = clock_mono_us() - start;
}

static struct child_spec spec_of(const char *const *argv)
{
	return (struct child_spec) {.argv = argv, .timeout_us = 20 * US_PER_S, .max_output = 64 * 1024};
}

static void run(const char *const *argv)
{
	struct child_spec spec = spec_of(argv);

	run_spec(&spec);
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void run_for(int64_t us)
{
	assert_non_null(loop_timer_at(loop, clock_mono_us() + us, stop, NULL));
	assert_int_equal(loop_run(loop), 0);
}

static void until_all_reaped(void)
{
	siginfo_t end;

	for (int i = 0; i < 200 && waitid(P_ALL, 0, &end, WEXITED | WNOHANG | WNOWAIT) == 0; i++)
		run_for(20 * MS);
}

/* Not even a zombie of somebody else's. */
static bool alive(int pid)
{
	char path[64], stat[512] = "";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	if (!fgets(stat, sizeof(stat), f))
		stat[0] = '\0';
	fclose(f);
	return strrchr(stat, ')') && !strstr(strrchr(stat, ')'), ") Z ");
}

static bool dies_soon(int pid)
{
	for (int i = 0; i < 200 && alive(pid); i++)
		nanosleep(&(struct timespec) {.tv_nsec = 10000000}, NULL);
	return !alive(pid);
}

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

/* Time limit. */

static void run_limited(const char *const *argv, int64_t timeout_us, int64_t grace_us)
{
	struct child_spec spec = spec_of(argv);

	spec.timeout_us = timeout_us;
	spec.grace_us = grace_us;
	run_spec(&spec);
	assert_int_equal(seen.r.error, -ETIMEDOUT);
	assert_true(seen.took_us >= timeout_us);
}

static void at_the_time_limit_comes_term(void **state)
{
	(void)state;
	run_limited(SH("echo start; exec sleep 60"), 150 * MS, 0);
	assert_int_equal(seen.r.signal, SIGTERM);
	assert_int_equal(seen.r.exit_code, -1);
	assert_string_equal(seen.output, "start\n");
	assert_true(seen.took_us < 3 * US_PER_S);
	assert_false(seen.r.unkillable);
}

static void a_child_may_use_its_grace(void **state)
{
	(void)state;
	run_limited(SH("trap 'sleep 0.2; echo bye; exit 7' TERM; sleep 60 & wait"), 150 * MS, 0);
	assert_int_equal(seen.r.exit_code, 7);
	assert_string_equal(seen.output, "bye\n");
	assert_true(seen.took_us < 3 * US_PER_S);
}

static void one_that_ignores_term_is_killed_after_the_grace(void **state)
{
	(void)state;
	run_limited(SH("trap '' TERM; echo $$; while :; do sleep 60; done"), 150 * MS, 200 * MS);
	assert_int_equal(seen.r.signal, SIGKILL);
	assert_true(seen.took_us >= 350 * MS);
	assert_true(seen.took_us < 3 * US_PER_S);
}

static void the_whole_group_is_killed(void **state)
{
	static const char *const texts[] = {
		"trap '' TERM; sleep 60 & echo $!; wait",                 /* both stay */
		"(trap '' TERM; sleep 60; sleep 60) & echo $!; wait",     /* the leader goes at once */
		"(trap '' TERM; exec sleep 60 >&- 2>&-) & echo $!; wait", /* and nobody holds the output */
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		run_limited(SH(texts[i]), 200 * MS, 200 * MS);
		assert_true(atoi(seen.output) > 1);
		assert_true(dies_soon(atoi(seen.output)));
		assert_true(seen.took_us < 3 * US_PER_S);
	}
}

static void one_that_fled_into_its_own_session_holds_nobody_up(void **state)
{
	(void)state;
	run_limited(SH("setsid sh -c 'echo $$; exec sleep 60' & wait"), 300 * MS, 100 * MS);
	assert_true(seen.took_us < 4 * US_PER_S);
	assert_true(atoi(seen.output) > 1);
	assert_true(alive(atoi(seen.output)));
	kill(atoi(seen.output), SIGKILL);
}

static void a_background_process_that_holds_the_output_holds_nobody_up(void **state)
{
	(void)state;
	run(SH("sleep 60 & echo $!; exit 3"));
	assert_int_equal(seen.r.error, 0);
	assert_int_equal(seen.r.exit_code, 3);
	assert_true(seen.took_us >= 500 * MS);
	assert_true(seen.took_us < 3 * US_PER_S);
	assert_true(alive(atoi(seen.output))); /* it did nothing wrong */
	kill(atoi(seen.output), SIGKILL);
}

static void output_is_read_for_a_while_after_the_exit(void **state)
{
	(void)state;
	run(SH("(sleep 0.1; echo late) & exit 0"));
	assert_string_equal(seen.output, "late\n");
	assert_true(seen.took_us < 450 * MS + US_PER_S);
}

static int ticks;

static void tick(void *arg)
{
	(void)arg;
	ticks++;
	assert_non_null(loop_timer_at(loop, clock_mono_us() + 10 * MS, tick, NULL));
}

static void a_flood_of_output_does_not_stop_the_loop(void **state)
{
	(void)state;
	ticks = 0;
	tick(NULL);
	run_limited((const char *const[]) {"/usr/bin/yes", NULL}, 300 * MS, 0);
	assert_true(ticks > 5);
	assert_true(seen.r.output_lost > 0);
	assert_true(seen.took_us < 3 * US_PER_S);
}

/* Forbids one system call to the thread (and what it starts): it does nothing and answers with an errno. */
static void forbid(unsigned nr, unsigned answer)
{
	struct sock_filter code[] = {
		BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
		BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, nr, 0, 1),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | answer),
		BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
	};
	struct sock_fprog prog = {.len = ARRAY_LEN(code), .filter = code};

	assert_int_equal(prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
	assert_int_equal(prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &prog, 0, 0), 0);
}

static void *run_unkillable(void *arg)
{
	struct child_spec spec = spec_of(SH("echo stuck; exec sleep 2"));

	forbid(SYS_kill, 0); /* signals sent and without effect: a process in the depths of the kernel */
	spec.timeout_us = 200 * MS;
	spec.grace_us = 100 * MS;
	run_spec(&spec);
	return arg;
}

static void an_unkillable_child_is_given_up_and_reaped_when_it_ends(void **state)
{
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, run_unkillable, NULL);
	pthread_join(t, NULL);
	assert_true(seen.r.unkillable);
	assert_int_equal(seen.r.error, -ETIMEDOUT);
	assert_int_equal(seen.r.exit_code, -1);
	assert_int_equal(seen.r.signal, 0);
	assert_string_equal(seen.output, "stuck\n");
	assert_true(seen.took_us >= 400 * MS);
	assert_true(seen.took_us < 1900 * MS);
	until_all_reaped();
}

static void *spawn_without_pidfd(void *arg)
{
	struct child_spec spec = spec_of(SH("sleep 60"));

	forbid(SYS_pidfd_open, EMFILE);
	*(int *)arg = loop_spawn(loop, &spec, ended, NULL, NULL);
	return NULL;
}

static void a_child_that_cannot_be_watched_is_killed_and_reaped(void **state)
{
	int r = 0;
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, spawn_without_pidfd, &r);
	pthread_join(t, NULL);
	assert_int_equal(r, -EMFILE);
	until_all_reaped();
	assert_int_equal(seen.calls, 0);
}

/* Cancel and limits. */

static struct loop_child *child;

static void cancelled_child_called(void *arg, const struct child_result *r)
{
	(void)arg;
	(void)r;
	fail();
}

static void cancel_child(void *arg)
{
	(void)arg;
	loop_child_cancel(loop, child);
}

static void a_cancelled_child_is_killed_and_reaped_in_silence(void **state)
{
	static const char *const texts[] = {"trap '' TERM; sleep 60; sleep 60", "sleep 60 & exit 0"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(texts); i++) {
		struct child_spec spec = spec_of(SH(texts[i]));

		assert_int_equal(loop_spawn(loop, &spec, cancelled_child_called, NULL, &child), 0);
		assert_non_null(loop_timer_at(loop, clock_mono_us() + 100 * MS, cancel_child, NULL));
		run_for(150 * MS);
		until_all_reaped();
	}
	loop_child_cancel(loop, NULL);
}

static void one_that_never_started_may_be_cancelled(void **state)
{
	struct child_spec spec = spec_of((const char *const[]) {"/nonexistent/program", NULL});

	(void)state;
	assert_int_equal(loop_spawn(loop, &spec, cancelled_child_called, NULL, &child), 0);
	loop_child_cancel(loop, child);
	run_for(10 * MS);
}

static struct loop_child *pair[2];
static int pair_calls;

static void cancel_pair(void *arg, const struct child_result *r)
{
	(void)arg;
	(void)r;
	pair_calls++;
	loop_child_cancel(loop, pair[0]);
	loop_child_cancel(loop, pair[1]);
}

static void a_callback_may_cancel_itself_and_others(void **state)
{
	struct child_spec spec = spec_of(SH("exit 0"));

	(void)state;
	pair_calls = 0;
	for (int i = 0; i < 2; i++)
		assert_int_equal(loop_spawn(loop, &spec, cancel_pair, NULL, &pair[i]), 0);
	run_for(300 * MS);
	assert_int_equal(pair_calls, 1);
	until_all_reaped();
}

static void start_again(void *arg, const struct child_result *r)
{
	struct child_spec spec = spec_of((const char *const[]) {"/nonexistent/program", NULL});

	assert_int_equal(r->error, -ENOENT);
	++*(int *)arg;
	assert_int_equal(loop_spawn(loop, &spec, start_again, arg, NULL), 0);
}

static void starting_again_and_again_starves_nobody(void **state)
{
	int n = 0;

	(void)state;
	start_again(&n, &(struct child_result) {.error = -ENOENT});
	run_for(20 * MS);
	assert_true(n > 2);
}

static void count_end(void *arg, const struct child_result *r)
{
	assert_int_equal(r->exit_code, 5);
	if (--*(int *)arg == 0)
		loop_stop(loop);
}

static void sixty_four_children_run_at_once_and_no_more(void **state)
{
	struct child_spec spec = spec_of(SH("read x; exit 5"));
	int left = 64;

	(void)state;
	spec.input = "go\n";
	spec.input_len = 3;
	spec.separate_stderr = true;
	for (int i = 0; i < 64; i++)
		assert_int_equal(loop_spawn(loop, &spec, count_end, &left, NULL), 0);
	assert_int_equal(loop_spawn(loop, &spec, count_end, &left, NULL), -EAGAIN);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(left, 0);
	run(SH("exit 0"));
	assert_int_equal(seen.r.error, 0);
}

static void children_outlive_the_loop(void **state)
{
	struct child_spec spec = spec_of(SH("exec sleep 60"));
	struct loop *l = NULL;
	siginfo_t end;
	char path[64];
	FILE *f;
	int pid = 0;

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(loop_spawn(l, &spec, cancelled_child_called, NULL, NULL), 0);
	loop_free(l);
	assert_int_equal(waitid(P_ALL, 0, &end, WEXITED | WNOHANG | WNOWAIT), 0);
	snprintf(path, sizeof(path), "/proc/self/task/%d/children", (int)getpid());
	f = fopen(path, "re");
	assert_non_null(f);
	assert_int_equal(fscanf(f, "%d", &pid), 1);
	fclose(f);
	assert_true(alive(pid));
	kill(pid, SIGKILL);
	assert_int_equal(waitpid(pid, NULL, 0), pid);
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
		T(at_the_time_limit_comes_term),
		T(a_child_may_use_its_grace),
		T(one_that_ignores_term_is_killed_after_the_grace),
		T(the_whole_group_is_killed),
		T(one_that_fled_into_its_own_session_holds_nobody_up),
		T(a_background_process_that_holds_the_output_holds_nobody_up),
		T(output_is_read_for_a_while_after_the_exit),
		T(a_flood_of_output_does_not_stop_the_loop),
		T(an_unkillable_child_is_given_up_and_reaped_when_it_ends),
		T(a_child_that_cannot_be_watched_is_killed_and_reaped),
		T(a_cancelled_child_is_killed_and_reaped_in_silence),
		T(one_that_never_started_may_be_cancelled),
		T(a_callback_may_cancel_itself_and_others),
		T(starting_again_and_again_starves_nobody),
		T(sixty_four_children_run_at_once_and_no_more),
		T(children_outlive_the_loop),
	};

	if (loop_global_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
