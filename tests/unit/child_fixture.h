/*
 * What the tests of children share: a loop, and what the callbacks saw.
 */
#ifndef TESTS_UNIT_CHILD_FIXTURE_H
#define TESTS_UNIT_CHILD_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pwd.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
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

static inline int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	assert_non_null(d);
	while (readdir(d))
		n++;
	closedir(d);
	return n;
}

static inline int setup(void **state)
{
	(void)state;
	fds_before = count_fds();
	return loop_new(&loop);
}

static inline void forget_seen(void)
{
	free(seen.output);
	free(seen.error_text);
	seen = (struct seen) {0};
}

/* Whatever a test did: no descriptor and no zombie is left. */
static inline int teardown(void **state)
{
	(void)state;
	forget_seen();
	loop_free(loop);
	assert_int_equal(count_fds(), fds_before);
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
	return 0;
}

static inline void ended(void *arg, const struct child_result *r)
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

static inline void run_spec(const struct child_spec *spec)
{
	int64_t start = clock_mono_us();

	forget_seen();
	assert_int_equal(loop_spawn(loop, spec, ended, NULL, NULL), 0);
	assert_int_equal(seen.calls, 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(seen.calls, 1);
	seen.took_us = clock_mono_us() - start;
}

static inline struct child_spec spec_of(const char *const *argv)
{
	return (struct child_spec) {.argv = argv, .timeout_us = 20 * US_PER_S, .max_output = 64 * 1024};
}

static inline void run(const char *const *argv)
{
	struct child_spec spec = spec_of(argv);

	run_spec(&spec);
}

static inline void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static inline void run_for(int64_t us)
{
	assert_non_null(loop_timer_at(loop, clock_mono_us() + us, stop, NULL));
	assert_int_equal(loop_run(loop), 0);
}

static inline void until_all_reaped(void)
{
	siginfo_t end;

	for (int i = 0; i < 200 && waitid(P_ALL, 0, &end, WEXITED | WNOHANG | WNOWAIT) == 0; i++)
		run_for(20 * MS);
}

/* Not even a zombie of somebody else's. */
static inline bool alive(int pid)
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

static inline bool dies_soon(int pid)
{
	for (int i = 0; i < 200 && alive(pid); i++)
		nanosleep(&(struct timespec) {.tv_nsec = 10000000}, NULL);
	return !alive(pid);
}

#endif
