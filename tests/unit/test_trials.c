/* The channels' programs are tried beside each other, within a bound. */
#include "tests/unit/db_fixture.h"

#include <signal.h>
#include <sys/stat.h>
#include "handlers/notify/notify.h"
#include "server/core/loop.h"

/* A script that stands for rollbackd; $0.d is a folder of its own. */
static const char *script(const char *text)
{
	static char path[200];
	FILE *f;

	snprintf(path, sizeof(path), "%s", scratch_path("program.d"));
	assert_int_equal(mkdir(path, 0700), 0);
	snprintf(path, sizeof(path), "%s", scratch_path("program"));
	f = fopen(path, "w");
	assert_non_null(f);
	fprintf(f, "#!/bin/sh\n%s\n", text);
	fclose(f);
	assert_int_equal(chmod(path, 0700), 0);
	return path;
}

static int try(size_t n, const char *exe, char *why, size_t size)
{
	struct channel item[9];
	char names[9][24];

	assert_true(n <= ARRAY_LEN(item));
	for (size_t i = 0; i < n; i++) {
		snprintf(names[i], sizeof(names[i]), "c%zu", i);
		item[i] = (struct channel) {.name = names[i], .kind = CHANNEL_WEBHOOK, .program = names[i]};
	}
	return notify_try_programs(&(struct channels) {item, n}, exe, why, size);
}

/* Each waits for the others: one after the other they would wait in vain. */
static void four_run_at_a_time(void **state)
{
	char why[300] = "";

	(void)state;
	const char *exe = script(": > $0.d/$$; cat > /dev/null\n"
	                         "while [ $(ls $0.d | wc -l) -lt 4 ]; do sleep 0.02; done\n"
	                         "echo '{}'");
	assert_int_equal(try(4, exe, why, sizeof(why)), 0);
	assert_string_equal(why, "");
}

static void all_are_tried_and_the_first_that_fails_is_named(void **state)
{
	char why[300] = "";

	(void)state;
	const char *exe = script("in=$(cat); : > $0.d/$$\n"
	                         "case $in in *'\"c5\"'*|*'\"c7\"'*) echo no such luck >&2; exit 1;; esac\n"
	                         "echo '{}'");
	assert_int_equal(try(9, exe, why, sizeof(why)), -EINVAL);
	assert_string_equal(why, "channel c5: its program fails on a sample: no such luck\n");
	assert_int_equal(try(0, exe, why, sizeof(why)), 0);
}

/* Deaf to SIGTERM: alone it would be let live for 8 s, and there are three turns of them. */
static void together_they_have_a_bound(void **state)
{
	char why[300] = "";
	int64_t before = clock_mono_us();

	(void)state;
	const char *exe = script("trap '' TERM; while :; do sleep 0.1; done");
	assert_int_equal(try(9, exe, why, sizeof(why)), -ETIMEDOUT);
	assert_non_null(strstr(why, "channel c0: its program fails on a sample: "));
	assert_true(clock_mono_us() - before < 20 * US_PER_S); /* after which the http server gives up on who asked */
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		T(four_run_at_a_time),
		T(all_are_tried_and_the_first_that_fails_is_named),
		T(together_they_have_a_bound),
	};

	return loop_global_init() < 0 || cmocka_run_group_tests(tests, NULL, NULL);
}
