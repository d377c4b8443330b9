#include "tests/unit/flags_fixture.h"

static void expect_refused(int err, const char *says)
{
	struct flags_change ch = {.before = 77, .after = 77};

	assert_int_equal(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)), err);
	assert_int_equal(ch.before, 77);
	assert_int_equal(ch.after, 77);
	assert_non_null(strstr(why, says));
	assert_int_equal(access(temp_path(), F_OK), -1);
}

static void writing_lowers_the_value_and_keeps_mode_and_attributes(void **state)
{
	struct flags_change ch;
	struct stat before, after;
	char value[16] = "";

	(void)state;
	put_file(path, "A=1\n" KEY "=25", 0640);
	int with_attribute = setxattr(path, "user.team", "canary", 6, 0);
	assert_int_equal(stat(path, &before), 0);
	assert_int_equal(flags_file_write(path, KEY, 1250, &ch, why, sizeof(why)), 1);
	assert_int_equal(ch.before, 2500);
	assert_int_equal(ch.after, 1250);
	assert_string_equal(file_text(), "A=1\n" KEY "=12.5");
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(after.st_uid, before.st_uid);
	assert_int_equal(after.st_gid, before.st_gid);
	assert_int_not_equal(after.st_ino, before.st_ino);
	if (with_attribute == 0) {
		assert_int_equal(getxattr(path, "user.team", value, sizeof(value)), 6);
		assert_string_equal(value, "canary");
	}
	assert_int_equal(access(temp_path(), F_OK), -1);
}

static void the_owner_and_group_of_somebody_else_are_kept_by_root(void **state)
{
	struct flags_change ch;
	struct stat st;

	(void)state;
	if (geteuid() != 0)
		skip();
	put_file(path, KEY "=25\n", 0640);
	assert_int_equal(chown(path, 1234, 4321), 0);
	assert_int_equal(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)), 1);
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_uid, 1234);
	assert_int_equal(st.st_gid, 4321);
	assert_int_equal(st.st_mode & 07777, 0640);
}

static void a_rollback_never_writes_more_than_is_there(void **state)
{
	struct flags_change ch;
	struct stat before, after;

	(void)state;
	put_file(path, KEY "=5\n", 0600);
	assert_int_equal(stat(path, &before), 0);
	for (int32_t pct = 500; pct <= 10000; pct += 500) {
		assert_int_equal(flags_file_write(path, KEY, pct, &ch, why, sizeof(why)), 0);
		assert_int_equal(ch.before, 500);
		assert_int_equal(ch.after, 500);
	}
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_string_equal(file_text(), KEY "=5\n");
}

/* One takes 5 from it, the other 50: 10 would raise what the first of them has. */
static void where_readers_differ_none_gets_more_than_it_had(void **state)
{
	static const struct {
		const char *before;
		int32_t wanted, after;
	} cases[] = {
		{KEY "=5\n" KEY ": 50\n", 1000, 500},
		{KEY "=5\n" KEY ": 50\n", 300, 300},
		{KEY "=50\n" KEY ": 5\n", 1000, 500},
		{KEY "=50\n" KEY ": 20\n", 1000, 1000},
		{KEY "=0\n" KEY ": 50\n", 1000, 0},
		{KEY "=5\n" KEY ": 8\n", 1000, 800}, /* no reader has more than is wanted: nothing is written */
	};
	struct flags_change ch;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		put_file(path, cases[i].before, 0600);
		bool stays = cases[i].after == 800;
		assert_int_equal(flags_file_write(path, KEY, cases[i].wanted, &ch, why, sizeof(why)), !stays);
		assert_int_equal(ch.after, cases[i].after);
	}
}

static void a_missing_file_is_not_invented(void **state)
{
	(void)state;
	expect_refused(-ENOENT, "No such file");
	assert_int_equal(access(path, F_OK), -1);
	put_file(path, "A=1\n", 0600);
	expect_refused(-ENOENT, "does not set " KEY);
	assert_string_equal(file_text(), "A=1\n");
}

/* 0 cannot raise; anything above it could. */
static void a_value_that_nobody_can_read_is_overwritten_by_nothing_but_zero(void **state)
{
	struct flags_change ch = {.before = 77};

	(void)state;
	put_file(path, "A=1\n" KEY "=ten\nB=2\n", 0600);
	assert_int_equal(flags_file_write(path, KEY, 100, &ch, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "\"ten\""));
	assert_int_equal(flags_file_set(path, KEY, 0, 1000, NULL, 0, &ch, why, sizeof(why)), -EINVAL);
	assert_int_equal(ch.before, 77);
	assert_string_equal(file_text(), "A=1\n" KEY "=ten\nB=2\n");
	assert_int_equal(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)), 1);
	assert_int_equal(ch.before, -1);
	assert_int_equal(ch.after, 0);
	assert_non_null(strstr(ch.note, "\"ten\""));
	assert_non_null(strstr(ch.note, "overwritten"));
	assert_string_equal(file_text(), "A=1\n" KEY "=0\nB=2\n");
}

static void a_symbolic_link_is_refused(void **state)
{
	char real[128];
	int32_t pct;

	(void)state;
	snprintf(real, sizeof(real), "%s/real.env", dir);
	put_file(real, KEY "=10\n", 0600);
	assert_int_equal(symlink(real, path), 0);
	expect_refused(-ELOOP, "symbolic link");
	assert_int_equal(flags_file_read(path, KEY, &pct, why, sizeof(why)), -ELOOP);
	assert_int_equal(flags_file_read(real, KEY, &pct, why, sizeof(why)), 0);
	assert_int_equal(pct, 1000);
}

static void the_whole_text_is_loaded_under_the_same_conditions(void **state)
{
	struct buf text = BUF(10);

	(void)state;
	assert_int_equal(flags_file_load(path, &text, why, sizeof(why)), -ENOENT);
	put_file(path, KEY "=10\nA=1\n", 0600);
	assert_int_equal(flags_file_load(path, &text, why, sizeof(why)), 0);
	assert_string_equal(buf_text(&text), KEY "=10\nA=1\n");
	assert_int_equal(unlink(path), 0);
	assert_int_equal(symlink("/etc/passwd", path), 0);
	assert_int_equal(flags_file_load(path, &text, why, sizeof(why)), -ELOOP);
	buf_free(&text);
}

static void what_is_no_regular_file_is_refused(void **state)
{
	(void)state;
	assert_int_equal(mkdir(path, 0700), 0);
	expect_refused(-EINVAL, "no regular file");
	assert_int_equal(rmdir(path), 0);
	assert_int_equal(mkfifo(path, 0600), 0);
	expect_refused(-EINVAL, "no regular file");
}

static void a_huge_file_is_refused(void **state)
{
	(void)state;
	put_file(path, KEY "=10\n", 0600);
	assert_int_equal(truncate(path, FLAGS_FILE_MAX + 1), 0);
	expect_refused(-EFBIG, "larger than");
}

static void zero_bytes_in_another_line_are_kept(void **state)
{
	struct flags_change ch;
	struct stat st;

	(void)state;
	put_file(path, KEY "=10\n", 0600);
	assert_int_equal(truncate(path, strlen(KEY "=10\n") + 3), 0);
	assert_int_equal(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)), 1);
	assert_string_equal(file_text(), KEY "=0\n");
	assert_int_equal(stat(path, &st), 0);
	assert_int_equal(st.st_size, strlen(KEY "=0\n") + 3);
}

static void an_immutable_file_stays_as_it_is(void **state)
{
	char command[200];

	(void)state;
	put_file(path, KEY "=10\n", 0600);
	snprintf(command, sizeof(command), "chattr +i %s 2>/dev/null", path);
	if (system(command) != 0)
		skip();
	struct flags_change ch;
	int r = flags_file_write(path, KEY, 0, &ch, why, sizeof(why));
	snprintf(command, sizeof(command), "chattr -i %s", path);
	assert_int_equal(system(command), 0);
	assert_int_equal(r, -EPERM);
	assert_non_null(strstr(why, "cannot replace"));
	assert_int_equal(access(temp_path(), F_OK), -1);
	assert_string_equal(file_text(), KEY "=10\n");
}

/* As a user who may write the file, and is in none of its owner's groups. */
static void lower_as_nobody(void)
{
	struct flags_change ch;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		_exit(2);
	_exit(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)) == 1 && ch.after == 0 && ch.note[0] == '\0' ? 0
	                                                                                                        : 1);
}

static void what_a_rename_would_lose_is_written_in_place(void **state)
{
	struct stat before, after;

	(void)state;
	if (geteuid() != 0)
		skip();
	put_file(path, "A=1\n" KEY "=10\nB=2\n", 0666);
	assert_int_equal(chown(path, 1234, 4321), 0);
	assert_int_equal(chmod(dir, 0777), 0);
	assert_int_equal(stat(path, &before), 0);
	in_child(lower_as_nobody);
	assert_string_equal(file_text(), "A=1\n" KEY "=0\nB=2\n");
	assert_int_equal(stat(path, &after), 0);
	assert_int_equal(after.st_ino, before.st_ino);
	assert_int_equal(after.st_uid, 1234);
	assert_int_equal(after.st_gid, 4321);
	assert_int_equal(after.st_mode, before.st_mode);
	assert_int_equal(access(copy_path(), F_OK), -1);
	assert_int_equal(access(temp_path(), F_OK), -1);
}

static void every_name_of_a_file_leads_to_the_lowered_text(void **state)
{
	struct flags_change ch;
	char other[128];

	(void)state;
	snprintf(other, sizeof(other), "%s/other.env", dir);
	put_file(path, KEY "=10\n", 0600);
	assert_int_equal(link(path, other), 0);
	assert_int_equal(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)), 1);
	assert_string_equal(ch.note, "");
	assert_int_equal(inode_of(path), inode_of(other));
	assert_string_equal(file_text(), KEY "=0\n");
}

static void lower_with_a_spare_directory(void)
{
	struct flags_change ch;
	char spare[100];

	snprintf(spare, sizeof(spare), "%s-spare", dir);
	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		_exit(2);
	/* Without one there would be no copy. */
	if (flags_file_write(path, KEY, 500, &ch, why, sizeof(why)) != -EACCES || flags_file_spare_dir(spare) < 0)
		_exit(3);
	_exit(flags_file_rehearse(path, KEY, 0, &ch, why, sizeof(why)) == 1 &&
	                      flags_file_write(path, KEY, 0, &ch, why, sizeof(why)) == 1
	              ? 0
	              : 1);
}

static void a_directory_that_may_not_be_written_does_not_stop_it(void **state)
{
	char spare[100];

	(void)state;
	if (geteuid() != 0)
		skip();
	snprintf(spare, sizeof(spare), "%s-spare", dir);
	put_file(path, KEY "=10\n", 0666);
	assert_int_equal(chmod(dir, 0711), 0); /* may be entered, not read */
	assert_int_equal(mkdir(spare, 0700), 0);
	assert_int_equal(chown(spare, 65534, 65534), 0);
	in_child(lower_with_a_spare_directory);
	assert_string_equal(file_text(), KEY "=0\n");
	assert_int_equal(rmdir(spare), 0); /* empty again */
}

static void lower_losing_the_group(void)
{
	struct flags_change ch;

	if (setresgid(65534, 65534, 65534) < 0 || setresuid(65534, 65534, 65534) < 0)
		_exit(2);
	_exit(flags_file_write(path, KEY, 0, &ch, why, sizeof(why)) == 1 && strstr(ch.note, "its group") ? 0 : 1);
}

static void what_cannot_be_kept_is_said_and_stops_nothing(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put_file(path, KEY "=10\n", 0440);
	assert_int_equal(chown(path, 65534, 4321), 0); /* its owner may read it only: no way in place */
	assert_int_equal(chown(dir, 65534, 65534), 0);
	in_child(lower_losing_the_group);
	assert_string_equal(file_text(), KEY "=0\n");
}

static void a_rehearsal_says_what_the_act_would_and_changes_nothing(void **state)
{
	struct flags_change ch = {.before = 77};

	(void)state;
	assert_int_equal(flags_file_rehearse(path, KEY, 0, &ch, why, sizeof(why)), -ENOENT);
	assert_int_equal(flags_file_rehearse("/nowhere/flags.env", KEY, 0, &ch, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "/nowhere/flags.env"));
	put_file(path, "A=1\n", 0600);
	assert_int_equal(flags_file_rehearse(path, KEY, 0, &ch, why, sizeof(why)), -ENOENT);
	assert_int_equal(ch.before, 77);
	put_file(path, KEY "=10\n", 0640);
	ino_t inode = inode_of(path);
	for (int i = 0; i < 2; i++) { /* by a rename, then in place */
		assert_int_equal(flags_file_rehearse(path, KEY, 0, &ch, why, sizeof(why)), 1);
		assert_int_equal(ch.before, 1000);
		assert_int_equal(ch.after, 1000);
		assert_string_equal(file_text(), KEY "=10\n");
		assert_int_equal(inode_of(path), inode);
		assert_int_equal(access(temp_path(), F_OK), -1);
		assert_int_equal(access(copy_path(), F_OK), -1);
		char other[128];
		snprintf(other, sizeof(other), "%s/other.env", dir);
		assert_int_equal(link(path, other), i == 0 ? 0 : -1);
	}
}

/* It is called from the engine's thread: whoever wants to wait comes again. */
static void a_lock_that_somebody_holds_is_not_waited_for(void **state)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	put_file(path, KEY "=10\n", 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	int64_t before = clock_mono_us();
	expect_refused(-EBUSY, "holds the lock");
	assert_true(clock_mono_us() - before < 200 * US_PER_MS);
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		WITH_FILES(writing_lowers_the_value_and_keeps_mode_and_attributes),
		WITH_FILES(the_owner_and_group_of_somebody_else_are_kept_by_root),
		WITH_FILES(a_rollback_never_writes_more_than_is_there),
		WITH_FILES(where_readers_differ_none_gets_more_than_it_had),
		WITH_FILES(a_missing_file_is_not_invented),
		WITH_FILES(a_symbolic_link_is_refused),
		WITH_FILES(the_whole_text_is_loaded_under_the_same_conditions),
		WITH_FILES(what_is_no_regular_file_is_refused),
		WITH_FILES(a_huge_file_is_refused),
		WITH_FILES(zero_bytes_in_another_line_are_kept),
		WITH_FILES(a_value_that_nobody_can_read_is_overwritten_by_nothing_but_zero),
		WITH_FILES(an_immutable_file_stays_as_it_is),
		WITH_FILES(what_a_rename_would_lose_is_written_in_place),
		WITH_FILES(every_name_of_a_file_leads_to_the_lowered_text),
		WITH_FILES(a_directory_that_may_not_be_written_does_not_stop_it),
		WITH_FILES(what_cannot_be_kept_is_said_and_stops_nothing),
		WITH_FILES(a_rehearsal_says_what_the_act_would_and_changes_nothing),
		WITH_FILES(a_lock_that_somebody_holds_is_not_waited_for),
	};

	return cmocka_run_group_tests_name("flags_file", tests, NULL, NULL);
}
