#include "tests/unit/child_fixture.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/syscall.h>

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

static struct child *child;

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

static struct child *pair[2];
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

static void as_many_children_as_there_may_be_run_at_once_and_no_more(void **state)
{
	struct child_spec spec = spec_of(SH("read x; exit 5"));
	int left = CHILDREN_MAX;

	(void)state;
	spec.input = "go\n";
	spec.input_len = 3;
	spec.separate_stderr = true;
	for (int i = 0; i < CHILDREN_MAX; i++)
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
		T(as_many_children_as_there_may_be_run_at_once_and_no_more),
		T(children_outlive_the_loop),
	};

	if (loop_global_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
