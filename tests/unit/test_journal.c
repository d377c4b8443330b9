/* The journal of rollbacks without the daemon: written whole, read once it is told to its end. */
#include "tests/unit/db_fixture.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "handlers/offline/journal.h"

static void write_text(const char *path, const char *text)
{
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static int add(const char *path, const char *record)
{
	CLEANUP(cleanup_fd) int fd = journal_open(path);
	CLEANUP(json_cleanup) struct json_object *o = json_tokener_parse(record);

	assert_true(fd >= 0);
	return journal_add(fd, o);
}

static void the_last_line_of_an_id_counts(void **state)
{
	const char *path = scratch_path("j");
	struct journal j;

	(void)state;
	assert_int_equal(add(path, "{\"id\":\"a\",\"rollout\":\"shop\",\"verified\":\"unknown\"}"), 0);
	assert_int_equal(add(path, "{\"id\":\"b\",\"rollout\":\"bank\"}"), 0);
	assert_int_equal(add(path, "{\"id\":\"a\",\"rollout\":\"shop\",\"verified\":\"yes\"}"), 0);
	assert_int_equal(journal_read(path, &j), 0);
	assert_int_equal(j.n, 2);
	assert_string_equal(json_str_or(j.item[0], "verified", ""), "yes");
	assert_string_equal(json_str_or(j.item[1], "rollout", ""), "bank");
	journal_free(&j);
}

static void half_a_line_is_left_out_and_harms_no_other(void **state)
{
	const char *path = scratch_path("j");
	struct journal j;

	(void)state;
	write_text(path, "{\"id\":\"a\",\"rollout\":\"shop\"}\nnothing\n{}\n{\"id\":\"c\"}\n{\"id\":\"b\",\"roll");
	assert_int_equal(add(path, "{\"id\":\"d\",\"rollout\":\"shop\"}"), 0);
	assert_int_equal(journal_read(path, &j), 0);
	assert_int_equal(j.n, 2);
	assert_string_equal(json_str_or(j.item[1], "id", ""), "d");
	journal_free(&j);
}

static void it_is_not_read_while_a_story_is_told(void **state)
{
	const char *path = scratch_path("j");
	struct journal j = {.fd = -1};
	int one = journal_open(path), two = journal_open(path);

	(void)state;
	assert_true(one >= 0 && two >= 0); /* two rollbacks at once */
	assert_int_equal(journal_read(path, &j), -EWOULDBLOCK);
	close(one);
	assert_int_equal(journal_read(path, &j), -EWOULDBLOCK);
	close(two);
	assert_int_equal(journal_read(path, &j), 0);
	assert_int_equal(journal_open(path), -EAGAIN); /* nor written while it is taken in */
	journal_free(&j);
}

static void only_our_own_regular_file_is_believed(void **state)
{
	char path[200];
	struct journal j;

	(void)state;
	snprintf(path, sizeof(path), "%s", scratch_path("j"));
	assert_int_equal(journal_read(path, &j), -ENOENT);
	write_text(scratch_path("other"), "{\"id\":\"a\",\"rollout\":\"shop\"}\n");
	assert_int_equal(symlink(scratch_path("other"), path), 0);
	assert_int_equal(journal_read(path, &j), -ELOOP);
	assert_int_equal(journal_open(path), -ELOOP);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(mkdir(path, 0700), 0);
	assert_int_equal(journal_read(path, &j), -EPERM);
}

static void it_is_readable_for_its_owner_alone(void **state)
{
	const char *path = scratch_path("j");
	struct stat st;

	(void)state;
	assert_int_equal(add(path, "{\"id\":\"a\",\"rollout\":\"shop\"}"), 0);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0600);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)

static void a_rollback_is_told_from_its_beginning_to_its_end(void **state)
{
	(void)state;
	CLEANUP(json_cleanup) struct json_object *o = journal_record("shop", "search is slow", 1);
	struct step reload = {.name = (char *)"reload", .kind = STEP_COMMAND, .state = STEP_FAILED};
	struct incident inc = {.verify_rounds = 3, .pct_seen = 1000};

	assert_int_equal(strlen(json_str_or(o, "id", "")), 16);
	assert_string_equal(json_str_or(o, "verified", ""), "unknown");
	assert_true(json_str_or(o, "who", "")[0]);
	journal_record_step(o, &reload, "exit code 3", 1000000);
	journal_record_at(o, 1000, 0, -1);
	inc.condition[CONDITION_ACKNOWLEDGED] = (struct condition) {STATUS_NO, 1, (char *)"10%, not 0%"};
	journal_record_end(o, &inc, false, "NOT VERIFIED");
	assert_string_equal(json_str_or(o, "verified", ""), "no");
	assert_int_equal(json_pct_of(o, "from"), 1000);
	assert_int_equal(json_pct_of(o, "after"), -1);
	assert_int_equal(json_pct_of(o, "seen"), 1000);
	struct json_object *step = json_item(json_arr_of(o, "steps"), 0), *all = json_obj_of(o, "verification");
	assert_string_equal(json_str_or(step, "kind", ""), "command");
	assert_string_equal(json_str_or(step, "at", ""), "1970-01-01T00:00:01Z");
	assert_false(json_true(step, "ok"));
	assert_string_equal(json_str_or(json_obj_of(all, "acknowledged"), "note", ""), "10%, not 0%");
	assert_null(json_obj_of(all, "effective")); /* not asked for */
	journal_record_end(o, &inc, true, "verified");
	assert_string_equal(json_str_or(o, "verified", ""), "yes");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(a_rollback_is_told_from_its_beginning_to_its_end),
		TEST(half_a_line_is_left_out_and_harms_no_other),
		TEST(the_last_line_of_an_id_counts),
		TEST(half_a_line_is_left_out_and_harms_no_other),
		TEST(it_is_not_read_while_a_story_is_told),
		TEST(only_our_own_regular_file_is_believed),
		TEST(it_is_readable_for_its_owner_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
