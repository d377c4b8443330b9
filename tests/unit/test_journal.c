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

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(the_last_line_of_an_id_counts),        TEST(half_a_line_is_left_out_and_harms_no_other),
		TEST(it_is_not_read_while_a_story_is_told), TEST(only_our_own_regular_file_is_believed),
		TEST(it_is_readable_for_its_owner_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
