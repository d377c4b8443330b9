/* What a crash leaves of a flags file, and what whoever looks next makes of it. */
#include "tests/unit/flags_fixture.h"

static void what_a_crash_left_behind_is_removed(void **state)
{
	struct flags_change ch;

	(void)state;
	put_file(path, KEY "=10\n", 0600);
	put_file(temp_path(), "torn", 0600);
	assert_int_equal(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)), 1);
	assert_int_equal(access(temp_path(), F_OK), -1);
	put_file(temp_path(), "torn", 0600);
	assert_int_equal(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)), 0);
	assert_int_equal(access(temp_path(), F_OK), -1);
	assert_string_equal(file_text(), KEY "=0\n");
}

static void die_at(const char *point)
{
	struct flags_change ch;
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		if (failpoint_setup(point) == 0)
			(void)!flags_file_write(path, KEY, 0, &ch, why, sizeof(why));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
}

static void a_crash_leaves_the_old_file_or_the_new_one(void **state)
{
	struct flags_change ch;

	(void)state;
	put_file(path, KEY "=10\n", 0600);
	die_at("flags-temp-written");
	assert_string_equal(file_text(), KEY "=10\n");
	die_at("flags-renamed");
	assert_string_equal(file_text(), KEY "=0\n");
	assert_int_equal(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)), 0);
	assert_int_equal(ch.before, 0);
}

/* In place there is a moment when the file is neither the old one nor the new one: whoever looks next makes it whole.
 */
static void a_crash_in_the_middle_of_writing_in_place_is_made_good(void **state)
{
	static const char old[] = "A=1\n" KEY "=10\nB=2\nC=3\n", new[] = "A=1\n" KEY "=0\nB=2\nC=3\n";
	struct buf text = BUF(FLAGS_FILE_MAX);
	char other[128];
	int32_t pct = -1;

	(void)state;
	snprintf(other, sizeof(other), "%s/other.env", dir);
	put_file(path, old, 0600);
	assert_int_equal(link(path, other), 0);
	die_at("flags-copy-kept");
	assert_string_equal(file_text(), old);
	assert_int_equal(flags_file_read(path, KEY, &pct, why, sizeof(why)), 0);
	assert_int_equal(pct, 1000);
	assert_int_equal(access(copy_path(), F_OK), -1);
	die_at("flags-half-written");
	assert_string_not_equal(file_text(), old);
	assert_string_not_equal(file_text(), new);
	assert_int_equal(flags_file_load(path, &text, why, sizeof(why)), 0);
	assert_string_equal(buf_text(&text), new);
	assert_string_equal(file_text(), new);
	assert_int_equal(access(copy_path(), F_OK), -1);
	assert_int_equal(inode_of(path), inode_of(other));
	buf_free(&text);
}

static void die_half_written_as_nobody(void)
{
	struct flags_change ch;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0 ||
	    failpoint_setup("flags-half-written") < 0)
		_exit(2);
	(void)!flags_file_write(path, KEY, 0, &ch, why, sizeof(why));
}

static void read_as_nobody(void)
{
	int32_t pct = -1;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		_exit(2);
	_exit(flags_file_read(path, KEY, &pct, why, sizeof(why)) == 0 && pct == 0 ? 0 : 1);
}

/* A file of somebody else's is the first that is written in place. */
static void a_strangers_file_that_a_crash_left_half_written_is_made_good(void **state)
{
	int status;

	(void)state;
	if (geteuid() != 0)
		skip();
	put_file(path, "A=1\n" KEY "=10\nB=21", 0666);
	assert_int_equal(chown(path, 1234, 4321), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	pid_t pid = fork();
	if (pid == 0) {
		die_half_written_as_nobody();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_string_equal(file_text(), "A=1\n" KEY "=0\nB=211");
	in_child(read_as_nobody);
	assert_string_equal(file_text(), "A=1\n" KEY "=0\nB=21");
	assert_int_equal(access(copy_path(), F_OK), -1);
}

static int make_immutable(bool yes)
{
	char command[160];

	snprintf(command, sizeof(command), "chattr %ci %s", yes ? '+' : '-', path);
	return system(command);
}

/* The copy is given up for nothing but a file that is whole. */
static void a_copy_stays_until_the_file_is_whole(void **state)
{
	char other[128];
	int32_t pct = -1;

	(void)state;
	snprintf(other, sizeof(other), "%s/other.env", dir);
	put_file(path, KEY "=10\nB=21", 0600);
	assert_int_equal(link(path, other), 0);
	die_at("flags-half-written");
	if (geteuid() != 0 || make_immutable(true) != 0)
		skip();
	int r = flags_file_read(path, KEY, &pct, why, sizeof(why));
	assert_int_equal(make_immutable(false), 0);
	assert_int_equal(r, -EPERM);
	assert_non_null(strstr(why, "cannot make whole again"));
	assert_int_equal(flags_file_read(path, KEY, &pct, why, sizeof(why)), 0);
	assert_string_equal(file_text(), KEY "=0\nB=21");
}

/* A raise that a crash left half written is taken back. */
static void a_crash_never_raises(void **state)
{
	static const char old[] = KEY "=5\nB=2\n";
	char other[128];
	int32_t pct = -1;
	int status;

	(void)state;
	snprintf(other, sizeof(other), "%s/other.env", dir);
	put_file(path, old, 0600);
	assert_int_equal(link(path, other), 0);
	pid_t pid = fork();
	if (pid == 0) {
		struct flags_change ch;

		if (failpoint_setup("flags-half-written") == 0)
			(void)!flags_file_set(path, KEY, 500, 1000, NULL, 0, &ch, why, sizeof(why));
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(truncate(path, strlen(old)), 0); /* as if the power had gone before its length was on disk */
	assert_string_not_equal(file_text(), old);
	assert_int_equal(flags_file_read(path, KEY, &pct, why, sizeof(why)), 0);
	assert_int_equal(pct, 500);
	assert_string_equal(file_text(), old);
}

static void what_somebody_mended_after_a_crash_stays(void **state)
{
	char other[128];
	int32_t pct = -1;

	(void)state;
	snprintf(other, sizeof(other), "%s/other.env", dir);
	put_file(path, KEY "=10\nB=2\n", 0600);
	assert_int_equal(link(path, other), 0);
	die_at("flags-half-written");
	put_file(path, KEY "=3\nB=mine\n", 0600);
	assert_int_equal(flags_file_read(path, KEY, &pct, why, sizeof(why)), 0);
	assert_int_equal(pct, 300);
	assert_string_equal(file_text(), KEY "=3\nB=mine\n");
	assert_int_equal(access(copy_path(), F_OK), -1);
}

static void a_copy_that_is_torn_itself_does_no_harm(void **state)
{
	static const char *const torn[] = {"", "rollbackd-copy new 4 4 ", "rollbackd-copy new 1 1 00\nab",
	                                   "rollbackd-copy new 99999999999 1 00\nab"};
	int32_t pct = -1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(torn); i++) {
		put_file(path, KEY "=10\n", 0600);
		put_file(copy_path(), torn[i], 0600);
		assert_int_equal(flags_file_read(path, KEY, &pct, why, sizeof(why)), 0);
		assert_int_equal(pct, 1000);
		assert_string_equal(file_text(), KEY "=10\n");
		assert_int_equal(access(copy_path(), F_OK), -1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(what_a_crash_left_behind_is_removed),
		WITH_FILES(a_crash_leaves_the_old_file_or_the_new_one),
		WITH_FILES(a_crash_in_the_middle_of_writing_in_place_is_made_good),
		WITH_FILES(a_strangers_file_that_a_crash_left_half_written_is_made_good),
		WITH_FILES(a_copy_stays_until_the_file_is_whole),
		WITH_FILES(a_crash_never_raises),
		WITH_FILES(what_somebody_mended_after_a_crash_stays),
		WITH_FILES(a_copy_that_is_torn_itself_does_no_harm),
	};

	return cmocka_run_group_tests_name("flags_crash", tests, NULL, NULL);
}
