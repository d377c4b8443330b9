#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include "handlers/steps/command.h"
#include "handlers/steps/runner.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"

/* This program is its own runner: it is called as rollbackd-run is. */

#define LIMIT_US (20 * US_PER_S)

static struct loop *loop;
static char exe[PATH_MAX], dir[64];
static struct answer {
	int calls;
	struct command_outcome o;
	char text[RUNNER_TEXT_MAX + 1];
} answer;

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void on_outcome(void *arg, const struct command_outcome *o)
{
	struct answer *a = arg;

	a->calls++;
	a->o = *o;
	snprintf(a->text, sizeof(a->text), "%s", o->text);
	loop_stop(loop);
}

static const char *file(const char *name)
{
	static char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static bool exists(const char *name)
{
	return access(file(name), F_OK) == 0;
}

static int start(const char *name, const char *script, int64_t timeout_us)
{
	const char *argv[] = {"/bin/sh", "-c", script, "sh", dir, NULL};
	struct act act = {.kind = ACT_COMMAND, .argv = argv, .timeout_us = timeout_us};
	struct text_pair labels[] = {{"alertname", "CanaryErrors"}, {"tier-1", "a\nb"}};
	struct command_env env = {.incident_id = 12,
	                          .step = "17",
	                          .attempt = 2,
	                          .rollout = "cst",
	                          .pct = 1250,
	                          .labels = labels,
	                          .n_labels = 2};
	struct command *c;

	answer = (struct answer) {0};
	return command_start(loop, exe, dir, name, &act, &env, on_outcome, &answer, &c);
}

static void await_answer(void)
{
	struct loop_timer *limit = loop_timer_at(loop, clock_mono_us() + LIMIT_US, stop, NULL);

	assert_int_equal(loop_run(loop), 0);
	loop_timer_cancel(loop, limit);
	assert_int_equal(answer.calls, 1);
}

static void run(const char *name, const char *script, int64_t timeout_us)
{
	assert_int_equal(start(name, script, timeout_us), 0);
	assert_int_equal(answer.calls, 0);
	await_answer();
}

static void resolve(const char *name)
{
	struct command *c;

	answer = (struct answer) {0};
	assert_int_equal(command_resolve(loop, dir, name, on_outcome, &answer, &c), 0);
	await_answer();
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/command-XXXXXX");
	return mkdtemp(dir) ? loop_new(&loop) : -1;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	loop_free(loop);
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static void a_command_runs_once_and_its_output_is_kept(void **state)
{
	(void)state;
	run("1.1", "echo run >>$1/ran; echo said; echo complained >&2", US_PER_S * 5);
	assert_int_equal(answer.o.end, COMMAND_EXITED);
	assert_int_equal(answer.o.exit_code, 0);
	assert_string_equal(answer.text, "said\ncomplained\n");
	resolve("1.1");
	assert_int_equal(answer.o.end, COMMAND_EXITED);
	assert_string_equal(answer.text, "said\ncomplained\n");
	assert_int_equal(start("1.1", "exit 0", US_PER_S), -EEXIST);
	assert_int_equal(command_forget(dir, "1.1"), 0);
	assert_false(exists("1.1.spec") || exists("1.1.claim") || exists("1.1.res") || exists("1.1.tmp"));
	assert_true(exists("ran"));
}

static void every_way_to_end_is_told_apart(void **state)
{
	(void)state;
	run("1.1", "echo no; exit 3", US_PER_S * 5);
	assert_int_equal(answer.o.end, COMMAND_EXITED);
	assert_int_equal(answer.o.exit_code, 3);
	assert_string_equal(answer.text, "it ended with exit code 3\nno\n");
	run("1.2", "kill -9 $$", US_PER_S * 5);
	assert_int_equal(answer.o.end, COMMAND_SIGNALLED);
	assert_int_equal(answer.o.signal, SIGKILL);
	assert_non_null(strstr(answer.text, "signal 9 (Killed)"));
	run("1.3", "echo begun; exec sleep 60", US_PER_S / 5);
	assert_int_equal(answer.o.end, COMMAND_TIMED_OUT);
	assert_string_equal(answer.text, "it did not end within 200ms and was stopped\nbegun\n");
}

static void run_program(const char *name, const char *program)
{
	const char *argv[] = {program, NULL};
	struct act act = {.kind = ACT_COMMAND, .argv = argv, .timeout_us = US_PER_S};
	struct command_env env = {.step = "1", .rollout = "r", .pct = -1};
	struct command *c;

	answer = (struct answer) {0};
	assert_int_equal(command_start(loop, exe, dir, name, &act, &env, on_outcome, &answer, &c), 0);
	await_answer();
	assert_int_equal(answer.o.end, COMMAND_COULD_NOT_START);
}

static void what_cannot_be_started_says_why(void **state)
{
	(void)state;
	run_program("1.1", "/bin/there-is-no-such-program");
	assert_non_null(strstr(answer.text, "No such file"));
	run_program("1.2", "/usr");
	assert_non_null(strstr(answer.text, "no program"));
	run_program("1.3", "/etc/passwd");
	assert_non_null(strstr(answer.text, "Permission denied"));
	run_program("1.4", "true");
	assert_non_null(strstr(answer.text, "no absolute path"));
}

static void a_program_in_a_directory_that_others_can_write_is_refused(void **state)
{
	char why[300];
	int fd = open(file("script"), O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	(void)state;
	assert_int_equal(write(fd, "#!/bin/sh\n", 10), 10);
	close(fd);
	assert_int_equal(symlink("/bin/sh", file("link")), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	run_program("1.1", file("script"));
	assert_non_null(strstr(answer.text, "can be written by others"));
	assert_int_equal(runner_trusts(file("link"), why, sizeof(why)), -EPERM);
	assert_int_equal(chmod(dir, 0700), 0);
}

/* Nobody else can rename or replace what is ours in /tmp. */
static void our_own_directory_below_a_sticky_one_is_trusted(void **state)
{
	char why[300];
	int fd = open(file("script"), O_WRONLY | O_CREAT | O_CLOEXEC, 0700);

	(void)state;
	close(fd);
	assert_int_equal(runner_trusts(file("script"), why, sizeof(why)), 0);
}

static void a_program_that_others_can_write_is_refused(void **state)
{
	char why[300], program[PATH_MAX + 8];
	int fd;

	(void)state;
	snprintf(program, sizeof(program), "%s.script", exe);
	fd = open(program, O_WRONLY | O_CREAT | O_CLOEXEC, 0700);
	assert_true(fd >= 0);
	close(fd);
	assert_int_equal(runner_trusts(program, why, sizeof(why)), 0);
	for (unsigned bit = 02; bit <= 020; bit <<= 3) {
		assert_int_equal(chmod(program, 0700 | bit), 0);
		assert_int_equal(runner_trusts(program, why, sizeof(why)), -EPERM);
		assert_non_null(strstr(why, "script can be written by others"));
	}
	assert_int_equal(unlink(program), 0);
}

static void programs_of_the_system_are_trusted_through_their_links(void **state)
{
	static const char *const good[] = {"/bin/sh", "/usr/bin/env", "//usr/./bin/../bin/env"};
	char why[300];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(good); i++)
		assert_int_equal(runner_trusts(good[i], why, sizeof(why)), 0);
	assert_int_equal(runner_trusts("/usr/bin/env/x", why, sizeof(why)), -ENOTDIR);
}

static void a_flood_of_output_is_bounded_and_both_ends_stay(void **state)
{
	(void)state;
	run("1.1", "echo first; head -c 1000000 /dev/zero | tr '\\0' x; echo; echo last", 10 * US_PER_S);
	assert_int_equal(answer.o.exit_code, 0);
	assert_true(strlen(answer.text) <= RUNNER_TEXT_MAX);
	assert_ptr_equal(strstr(answer.text, "first\n"), answer.text);
	assert_non_null(strstr(answer.text, "bytes left out]"));
	assert_string_equal(answer.text + strlen(answer.text) - 6, "\nlast\n");
	run("1.2", "head -c 40000 /dev/zero; printf '\\377\\033[31m'", 10 * US_PER_S);
	assert_int_equal(answer.o.exit_code, 0);
	assert_true(strlen(answer.text) <= RUNNER_TEXT_MAX);
	assert_null(strchr(answer.text, '\033'));
}

static void a_command_gets_its_facts_and_nothing_of_our_environment(void **state)
{
	(void)state;
	setenv("NOTIFY_SOCKET", "/secret", 1);
	run("1.1", "env | grep -v ^PWD= | grep -v ^SHLVL= | grep -v ^_= | sort; id -un >/dev/null; pwd; umask; cat",
	    5 * US_PER_S);
	assert_non_null(strstr(answer.text, "ROLLBACKD_INCIDENT_ID=12\n"));
	assert_non_null(strstr(answer.text, "ROLLBACKD_STEP=17\n"));
	assert_non_null(strstr(answer.text, "ROLLBACKD_ATTEMPT=2\n"));
	assert_non_null(strstr(answer.text, "ROLLBACKD_ROLLOUT=cst\n"));
	assert_non_null(strstr(answer.text, "ROLLBACKD_PERCENTAGE=12.5\n"));
	assert_non_null(strstr(answer.text, "ROLLBACKD_LABEL_ALERTNAME=CanaryErrors\n"));
	assert_non_null(strstr(answer.text, "ROLLBACKD_LABEL_TIER_1=a b\n"));
	assert_non_null(strstr(answer.text, "\n/\n0022\n"));
	assert_null(strstr(answer.text, "NOTIFY_SOCKET"));
}

static void labels_are_bounded_and_an_unknown_percentage_is_left_out(void **state)
{
	struct text_pair labels[100];
	char *value = malloc(10000);
	struct command_env e = {.step = "1", .rollout = "r", .pct = -1, .labels = labels, .n_labels = 100};
	char **env, names[100][16];
	size_t n = 0;

	(void)state;
	memset(value, 'v', 9999);
	value[9999] = '\0';
	for (int i = 0; i < 100; i++) {
		snprintf(names[i], sizeof(names[i]), "%s%d", i % 2 ? "l" : "L", i / 2);
		labels[i] = (struct text_pair) {names[i], value};
	}
	env = command_env_new(&e);
	assert_non_null(env);
	for (; env[n]; n++) {
		assert_true(strlen(env[n]) < 4096 + 64);
		assert_null(strstr(env[n], "PERCENTAGE"));
	}
	assert_int_equal(n, 4 + 32); /* of 64 labels every second has the name of the one before */
	command_env_free(env);
	free(value);
}

/* Recovery. A daemon that dies is a child of ours that does. */

static void daemon_dies_after(const char *name, const char *script, const char *failpoint)
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		struct loop *fresh = NULL;

		if (setenv("ROLLBACKD_FAILPOINT", failpoint, 1) < 0 || failpoint_setup(failpoint) < 0 ||
		    loop_new(&fresh) < 0)
			_exit(2);
		loop = fresh;
		if (start(name, script, 5 * US_PER_S) < 0)
			_exit(3);
		loop_run(fresh);
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (strcmp(failpoint, "runner-spawned") == 0)
		assert_true(WIFSIGNALED(status));
	else
		assert_int_equal(status, 0);
}

static void the_command_outlives_the_daemon_and_its_result_is_found(void **state)
{
	(void)state;
	for (int i = 0; i < 8; i++) {
		char name[16], ran[16], script[100];
		struct stat st;

		snprintf(name, sizeof(name), "1.%d", i);
		snprintf(ran, sizeof(ran), "ran.%d", i);
		snprintf(script, sizeof(script), "sleep 0.1; echo x >>$1/%s; echo done", ran);
		daemon_dies_after(name, script, "runner-spawned");
		usleep((useconds_t)i * 2000); /* sometimes before the runner is up, sometimes after */
		resolve(name);
		if (answer.o.end == COMMAND_NOT_STARTED) {
			assert_false(exists(ran));
			continue;
		}
		assert_int_equal(answer.o.end, COMMAND_EXITED);
		assert_string_equal(answer.text, "done\n");
		assert_int_equal(stat(file(ran), &st), 0);
		assert_int_equal(st.st_size, 2);
	}
}

static void a_runner_that_dies_before_the_command_is_in_doubt(void **state)
{
	(void)state;
	daemon_dies_after("1.1", "echo x >>$1/ran", "runner-claimed");
	resolve("1.1");
	assert_int_equal(answer.o.end, COMMAND_IN_DOUBT);
	assert_false(exists("ran"));
}

static void a_runner_that_dies_after_the_command_is_in_doubt(void **state)
{
	(void)state;
	daemon_dies_after("1.1", "echo x >>$1/ran", "runner-ran");
	resolve("1.1");
	assert_int_equal(answer.o.end, COMMAND_IN_DOUBT);
	assert_true(exists("ran"));
}

static void touch(const char *name, const char *text)
{
	int fd = open(file(name), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	close(fd);
}

#define SPEC                                                                                                           \
	"{\"argv\": [\"/bin/sh\", \"-c\", \"echo x >>$0/ran\", \"%s\"], \"env\": [], \"timeout_us\": "                 \
	"1000000, \"max_output\": 1000}"

static void put_spec(const char *name)
{
	char spec[400];

	snprintf(spec, sizeof(spec), SPEC, dir);
	touch(name, spec);
}

static void what_never_was_claimed_is_fenced_off_for_good(void **state)
{
	(void)state;
	resolve("1.1");
	assert_int_equal(answer.o.end, COMMAND_NOT_STARTED);
	put_spec("1.2.spec");
	touch("1.2.claim", "");
	resolve("1.2");
	assert_int_equal(answer.o.end, COMMAND_NOT_STARTED);
	assert_int_equal(runner_main(dir, "1.2"), 0);
	assert_false(exists("ran"));
	assert_false(exists("1.2.res"));
	resolve("1.2");
	assert_int_equal(answer.o.end, COMMAND_NOT_STARTED);
}

static void a_runner_takes_its_attempt_once(void **state)
{
	(void)state;
	put_spec("1.1.spec");
	assert_int_equal(runner_main(dir, "1.1"), 0); /* no claim to take: forgotten already */
	assert_false(exists("ran") || exists("1.1.res"));
	touch("1.1.claim", "");
	for (int i = 0; i < 3; i++)
		assert_int_equal(runner_main(dir, "1.1"), 0);
	resolve("1.1");
	assert_int_equal(answer.o.end, COMMAND_EXITED);
	struct stat st;
	assert_int_equal(stat(file("ran"), &st), 0);
	assert_int_equal(st.st_size, 2);
}

static void a_spec_that_cannot_be_read_is_not_run(void **state)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"argv\": []",
		"{\"argv\": [\"/bin/sh\"], \"env\": []}",
		"{\"argv\": [1], \"env\": [], \"timeout_us\": 1, \"max_output\": 1}",
		"{\"argv\": [], \"env\": [], \"timeout_us\": 1, \"max_output\": 1}",
		"{\"argv\": [\"/bin/sh\"], \"env\": [], \"timeout_us\": 0, \"max_output\": 1}"};

	(void)state;
	touch("1.1.claim", "");
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		touch("1.1.spec", bad[i]);
		assert_int_equal(runner_main(dir, "1.1"), 1);
	}
	assert_int_equal(runner_main(dir, "../1.1"), 1);
	assert_false(exists("1.1.res"));
}

static void a_runner_that_cannot_be_spawned_leaves_nothing_behind(void **state)
{
	strcpy(exe + strlen(exe), "-gone");
	int r = start("1.1", "exit 0", US_PER_S);
	exe[strlen(exe) - strlen("-gone")] = '\0';

	(void)state;
	assert_int_equal(r, -ENOENT);
	assert_false(exists("1.1.spec") || exists("1.1.claim"));
	assert_int_equal(start("x/y", "exit 0", US_PER_S), -EINVAL);
}

static void a_runner_that_dies_at_once_is_no_start(void **state)
{
	char real[PATH_MAX];

	(void)state;
	strcpy(real, exe);
	strcpy(exe, "/bin/false");
	int r = start("1.1", "echo x >>$1/ran", US_PER_S);
	strcpy(exe, real);
	assert_int_equal(r, 0);
	await_answer();
	assert_int_equal(answer.o.end, COMMAND_COULD_NOT_START);
	assert_int_equal(runner_main(dir, "1.1"), 0);
	assert_false(exists("ran"));
}

static void an_abandoned_command_goes_on_without_us(void **state)
{
	const char *argv[] = {"/bin/sh", "-c", "echo x >>$0/ran", dir, NULL};
	struct act act = {.kind = ACT_COMMAND, .argv = argv, .timeout_us = US_PER_S};
	struct command_env env = {.step = "1", .rollout = "r", .pct = 0};
	struct command *c;

	(void)state;
	answer = (struct answer) {0};
	assert_int_equal(command_start(loop, exe, dir, "1.1", &act, &env, on_outcome, &answer, &c), 0);
	for (int i = 0; i < 2000 && !exists("1.1.res"); i++)
		usleep(5000);
	command_abandon(c);
	command_abandon(NULL);
	assert_true(exists("ran"));
	resolve("1.1");
	assert_int_equal(answer.o.end, COMMAND_EXITED);
}

static void many_commands_at_once_all_come_back(void **state)
{
	enum { N = 12 };
	static struct answer answers[N];
	int done = 0;

	(void)state;
	for (int i = 0; i < N; i++) {
		const char *argv[] = {"/bin/sh", "-c", "exit $ROLLBACKD_ATTEMPT", NULL};
		struct act act = {.kind = ACT_COMMAND, .argv = argv, .timeout_us = 10 * US_PER_S};
		struct command_env env = {.step = "1", .attempt = i, .rollout = "r", .pct = 0};
		struct command *c;
		char name[16];

		answers[i].calls = 0;
		snprintf(name, sizeof(name), "2.%d", i);
		assert_int_equal(command_start(loop, exe, dir, name, &act, &env, on_outcome, &answers[i], &c), 0);
	}
	for (int64_t until = clock_mono_us() + LIMIT_US; done < N && clock_mono_us() < until;) {
		struct loop_timer *limit = loop_timer_at(loop, until, stop, NULL);

		assert_int_equal(loop_run(loop), 0);
		loop_timer_cancel(loop, limit);
		done = 0;
		for (int i = 0; i < N; i++)
			done += answers[i].calls;
	}
	for (int i = 0; i < N; i++) {
		assert_int_equal(answers[i].calls, 1);
		assert_int_equal(answers[i].o.exit_code, i);
	}
}

static void a_command_finds_what_it_may_count_on(void **state)
{
	const char *argv[] = {"/bin/sh",
	                      "-c",
	                      "umask; echo \"$HOME\"; echo \"$1|$2\"",
	                      "sh",
	                      "${percentage}",
	                      "to=${percentage}%,${percentage}",
	                      NULL};
	struct act act = {.kind = ACT_COMMAND, .argv = argv, .timeout_us = 10 * US_PER_S};
	struct command_env env = {.step = "1", .rollout = "r", .pct = 1250};
	struct command *c;
	char want[PATH_MAX + 100];

	(void)state;
	answer = (struct answer) {0};
	assert_int_equal(command_start(loop, exe, dir, "3.1", &act, &env, on_outcome, &answer, &c), 0);
	await_answer();
	snprintf(want, sizeof(want), "0022\n%s\n12.5|to=12.5%%,12.5\n", getpwuid(geteuid())->pw_dir);
	assert_string_equal(answer.text, want);
	assert_string_equal(argv[4], "${percentage}");
}

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
#define TEST(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		TEST(a_command_runs_once_and_its_output_is_kept),
		TEST(every_way_to_end_is_told_apart),
		TEST(what_cannot_be_started_says_why),
		TEST(our_own_directory_below_a_sticky_one_is_trusted),
		TEST(a_program_in_a_directory_that_others_can_write_is_refused),
		TEST(a_program_that_others_can_write_is_refused),
		TEST(programs_of_the_system_are_trusted_through_their_links),
		TEST(a_flood_of_output_is_bounded_and_both_ends_stay),
		TEST(a_command_gets_its_facts_and_nothing_of_our_environment),
		TEST(labels_are_bounded_and_an_unknown_percentage_is_left_out),
		TEST(the_command_outlives_the_daemon_and_its_result_is_found),
		TEST(a_runner_that_dies_before_the_command_is_in_doubt),
		TEST(a_runner_that_dies_after_the_command_is_in_doubt),
		TEST(what_never_was_claimed_is_fenced_off_for_good),
		TEST(a_runner_takes_its_attempt_once),
		TEST(a_spec_that_cannot_be_read_is_not_run),
		TEST(a_runner_that_cannot_be_spawned_leaves_nothing_behind),
		TEST(a_runner_that_dies_at_once_is_no_start),
		TEST(an_abandoned_command_goes_on_without_us),
		TEST(many_commands_at_once_all_come_back),
		TEST(a_command_finds_what_it_may_count_on),
	};

	if (argc == 3) {
		if (failpoint_setup(getenv("ROLLBACKD_FAILPOINT")) < 0)
			return 2;
		return runner_main(argv[1], argv[2]);
	}
	ssize_t n = readlink("/proc/self/exe", exe, sizeof(exe) - 64);
	if (n < 0 || loop_global_init() < 0)
		return 1;
	exe[n] = '\0';
	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
