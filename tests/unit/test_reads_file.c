#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "handlers/steps/reads_file.h"

static char dir[] = "/tmp/rollbackd-reads.XXXXXX", path[100], other[100];

static void put(const char *name, const char *text)
{
	FILE *f = fopen(name, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int begin(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/flags.env", dir);
	snprintf(other, sizeof(other), "%s/other.env", dir);
	return 0;
}

static int end(void **state)
{
	(void)state;
	unlink(path);
	unlink(other);
	return rmdir(dir);
}

static bool may_raise(int32_t wanted, int32_t there)
{
	const struct rollout r = {.flags_file = path, .flags_key = "PCT"};
	char why[256] = "";
	bool may = reading_may_raise(&r, wanted, there, why, sizeof(why));

	assert_true(!may || why[0]); /* a reason for every yes */
	return may;
}

static void who_says_the_percentage_does_not_read_it(void **state)
{
	const char *says[] = {"/bin/set", "--to=${percentage}", NULL},
		   *reads[] = {"/bin/${percentage}", "reload", NULL};
	const struct rollout with = {.flags_file = "/f"}, without = {0};
	const struct {
		struct act act;
		bool reads;
	} cases[] = {
		{{.kind = ACT_COMMAND, .argv = says}, false},
		{{.kind = ACT_COMMAND, .argv = reads}, true}, /* the program's name is not filled */
		{{.kind = ACT_HTTP, .url = "http://x/", .body = "{\"p\": ${percentage}}"}, false},
		{{.kind = ACT_HTTP, .url = "http://x/${percentage}", .body = "{}"}, true},
		{{.kind = ACT_HTTP, .url = "http://x/-/reload"}, true},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		assert_int_equal(act_reads_file(&with, &cases[i].act), cases[i].reads);
		assert_false(act_reads_file(&without, &cases[i].act));
	}
}

static void a_file_that_holds_more_than_there_is_raises_whoever_reads_it(void **state)
{
	static const int32_t pct[] = {-1, 0, 200, 1000, 5000};
	char text[40];

	(void)state;
	for (int file = 1; file < 5; file++)
		for (int wanted = 1; wanted < 5; wanted++)
			for (int there = 0; there < 5; there++) {
				snprintf(text, sizeof(text), "PCT=%d\n", pct[file] / 100);
				put(path, text);
				/* Unknown counts as less than anything. */
				assert_int_equal(may_raise(pct[wanted], pct[there]),
				                 pct[file] > pct[wanted] && pct[file] > pct[there]);
			}
}

static void what_holds_nothing_raises_nothing_and_what_we_cannot_read_may_hold_anything(void **state)
{
	(void)state;
	unlink(path);
	assert_false(may_raise(0, -1));
	put(path, "OTHER=50\n");
	assert_false(may_raise(0, -1));
	put(path, "PCT=50 percent\n");
	assert_true(may_raise(0, 10000));
	unlink(path);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_false(may_raise(0, -1)); /* no service reads that either */
	rmdir(path);
	assert_int_equal(mkfifo(path, 0600), 0);
	assert_true(may_raise(0, 0));
}

static void a_service_reads_through_the_link_that_nobody_writes_through(void **state)
{
	(void)state;
	unlink(path);
	put(other, "PCT=50\n");
	assert_int_equal(symlink(other, path), 0);
	assert_true(may_raise(0, 2500));
	assert_false(may_raise(0, 5000));
	unlink(other); /* a link to nothing */
	assert_false(may_raise(0, -1));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_says_the_percentage_does_not_read_it),
		cmocka_unit_test(a_file_that_holds_more_than_there_is_raises_whoever_reads_it),
		cmocka_unit_test(what_holds_nothing_raises_nothing_and_what_we_cannot_read_may_hold_anything),
		cmocka_unit_test(a_service_reads_through_the_link_that_nobody_writes_through),
	};

	return cmocka_run_group_tests_name("reads_file", tests, begin, end);
}
