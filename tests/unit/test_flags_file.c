#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include "handlers/steps/flags_file.h"
#include "server/core/failpoint.h"

#define KEY "CST_ROLLOUT_PERCENTAGE"

static char dir[64], path[128], why[200];

/* Text. */

static void expect_replaced(const char *before, int n, const char *after)
{
	struct buf out = BUF(10000);

	assert_int_equal(flags_text_replace(before, strlen(before), KEY, "0", &out), n);
	assert_string_equal(buf_text(&out), after);
	buf_free(&out);
}

static void every_assignment_is_replaced_and_nothing_else(void **state)
{
	static const struct {
		const char *before;
		int n;
		const char *after;
	} cases[] = {
		{KEY "=10\n", 1, KEY "=0\n"},
		{KEY "=10", 1, KEY "=0"},
		{KEY "=\n", 1, KEY "=0\n"},
		{KEY "=", 1, KEY "=0"},
		{KEY "=   \n", 1, KEY "=0   \n"},
		{"A=1\r\n" KEY "=10\r\nB=2\r\n", 1, "A=1\r\n" KEY "=0\r\nB=2\r\n"},
		{KEY "=10\n" KEY "=20\n", 2, KEY "=0\n" KEY "=0\n"},
		{KEY "=\"10\"\n", 1, KEY "=\"0\"\n"},
		{KEY "='10'  \n", 1, KEY "='0'  \n"},
		{KEY "=\"\"\n", 1, KEY "=\"0\"\n"},
		{KEY "=\"1\"'0'\n", 1, KEY "=0\n"},
		{KEY "=\"1\"0\n", 1, KEY "=0\n"},
		{KEY "=\"10", 1, KEY "=0"},
		{" \texport  " KEY " = 10 \n", 1, " \texport  " KEY " = 0 \n"},
		{KEY "=10 # the canary\n", 1, KEY "=0 # the canary\n"},
		{KEY "=\"10\" # the canary\n", 1, KEY "=\"0\" # the canary\n"},
		{KEY "= # nothing\n", 1, KEY "=0 # nothing\n"},
		{KEY "=1\\\n0\nB=2\n", 1, KEY "=0\nB=2\n"},
		{"# " KEY "=10\n; " KEY "=5\n" KEY "=7\n", 1, "# " KEY "=10\n; " KEY "=5\n" KEY "=0\n"},
		{"# a path ends in \\\n" KEY "=7\n", 1, "# a path ends in \\\n" KEY "=0\n"},
		{"A=x\\\n" KEY "=10\n" KEY "=5\n", 1, "A=x\\\n" KEY "=10\n" KEY "=0\n"},
		{"A=\"x\n" KEY "=10\n\"\n" KEY "=5\n", 1, "A=\"x\n" KEY "=10\n\"\n" KEY "=0\n"},
		{"A='x\\'\n" KEY "=10\n", 1, "A='x\\'\n" KEY "=0\n"},
		{"A=\"x\\\"\"\n" KEY "=10\n", 1, "A=\"x\\\"\"\n" KEY "=0\n"},
		{"A=don't\n" KEY "=10\n", 1, "A=don't\n" KEY "=0\n"},
		{"a line without a sign\n" KEY "=10\n", 1, "a line without a sign\n" KEY "=0\n"},
		{"MY_" KEY "=3\n" KEY "_OLD=4\n" KEY "=10\n", 1, "MY_" KEY "=3\n" KEY "_OLD=4\n" KEY "=0\n"},
		{"\n\n" KEY "=10\n\n\n", 1, "\n\n" KEY "=0\n\n\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		expect_replaced(cases[i].before, cases[i].n, cases[i].after);
}

static void what_is_no_assignment_is_left_alone(void **state)
{
	static const char *const none[] = {
		"",
		"\n",
		"#" KEY "=10\n",
		KEY "\n",
		KEY ":10\n",
		"export " KEY "\n",
		"X" KEY "=10\n",
		"A=" KEY "=10\n",
		"exported_" KEY "=10",
	};
	struct buf out = BUF(1000);
	int32_t pct = 77;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(none); i++) {
		assert_int_equal(flags_text_replace(none[i], strlen(none[i]), KEY, "0", &out), -ENOENT);
		assert_int_equal(out.len, 0);
		assert_int_equal(flags_text_get(none[i], strlen(none[i]), KEY, &pct, why, sizeof(why)), -ENOENT);
	}
	assert_int_equal(flags_text_replace(KEY "=1", strlen(KEY "=1"), KEY, "a b", &out), -EINVAL);
	assert_int_equal(pct, 77);
	buf_free(&out);
}

static void the_last_assignment_is_in_effect(void **state)
{
	static const struct {
		const char *text;
		int32_t pct;
	} cases[] = {
		{KEY "=10\n", 1000},         {KEY "=10\n" KEY "=12.5\n", 1250}, {KEY "=10\n#" KEY "=20\n", 1000},
		{KEY "=\"33.33\"\n", 3333},  {"export " KEY "='100'", 10000},   {KEY "=1\\\n0\r\n", 1000},
		{KEY "=\"1\\\n0\"\n", 1000}, {KEY "=10 # was 20", 1000},        {KEY "=\"1\"0", 1000},
		{KEY "=\\1\\0", 1000},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		int32_t pct = -1;

		assert_int_equal(flags_text_get(cases[i].text, strlen(cases[i].text), KEY, &pct, why, sizeof(why)), 0);
		assert_int_equal(pct, cases[i].pct);
	}
}

static void a_value_that_is_no_percentage_is_shown_and_never_guessed(void **state)
{
	static const char *const bad[] = {
		"",
		"abc",
		"10%",
		"-1",
		"101",
		"1e1",
		"010",
		"10 20",
		"10; export " KEY,
		"0x10",
		"10.001",
		"\"10\" 5",
		"'1 0'",
		"1111111111111111111111111111111111111111111111111111111111111111111111111111111111111111",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		char text[300];
		int32_t pct = 77;

		snprintf(text, sizeof(text), KEY "=5\n" KEY "=%s\n", bad[i]);
		assert_int_equal(flags_text_get(text, strlen(text), KEY, &pct, why, sizeof(why)), -EINVAL);
		assert_int_equal(pct, 77);
	}
	assert_int_equal(flags_text_get(KEY "=a\nlarm", strlen(KEY "=a\nlarm"), KEY, &(int32_t) {0}, why, sizeof(why)),
	                 -EINVAL);
	assert_non_null(strstr(why, KEY " is \"a\""));
}

static void any_value_can_be_read_as_far_as_it_fits(void **state)
{
	static const char text[] = "A=x\nA=\"two words\" # said\nB=\nC=it's  \n";
	char value[16] = "kept", long_text[400] = "D=";

	(void)state;
	assert_int_equal(flags_text_value(text, strlen(text), "A", value, sizeof(value)), 0);
	assert_string_equal(value, "two words");
	assert_int_equal(flags_text_value(text, strlen(text), "A", value, 9), -E2BIG);
	assert_int_equal(flags_text_value(text, strlen(text), "A", value, 10), 0);
	assert_int_equal(flags_text_value(text, strlen(text), "X", value, sizeof(value)), -ENOENT);
	assert_string_equal(value, "two words");
	assert_int_equal(flags_text_value(text, strlen(text), "B", value, sizeof(value)), 0);
	assert_string_equal(value, "");
	assert_int_equal(flags_text_value(text, strlen(text), "C", value, sizeof(value)), 0);
	assert_string_equal(value, "it's");
	memset(long_text + 2, '1', 390);
	assert_int_equal(flags_text_value(long_text, strlen(long_text), "D", value, sizeof(value)), -E2BIG);
	assert_int_equal(flags_text_get(long_text, strlen(long_text), "D", &(int32_t) {0}, why, sizeof(why)), -EINVAL);
	assert_true(strlen(why) < sizeof(why) - 1);
}

/* What somebody would take from it counts, the highest number of all; and a rollback makes all of them take less, with
 * no other byte changed. */
static void the_reader_who_takes_the_most_counts_and_is_named(void **state)
{
	static const struct {
		const char *before;
		int32_t pct;
		const char *reader; /* NULL: systemd takes the same */
		const char *after;
	} cases[] = {
		{"\xef\xbb\xbf" KEY "=10\n", 1000, "dotenv", "\xef\xbb\xbf" KEY "=0\n"},
		{"A='don\n" KEY "=10\n", 1000, "dotenv", "A='don\n" KEY "=0\n"},
		{"A=\"don\nB=1\n" KEY "=10\n", 1000, "dotenv", "A=\"don\nB=1\n" KEY "=0\n"},
		{"A=1 \\\n" KEY "=10\nB=2\n", 1000, "dotenv", "A=1 \\\n" KEY "=0\nB=2\n"},
		{KEY "=`10`\nB=2\n", 1000, "dotenv", KEY "=`0`\nB=2\n"},
		{KEY "=50#c\n", 5000, "dotenv", KEY "=0#c\n"},
		{KEY "='50'#c\r\nA=1", 5000, "dotenv", KEY "='0'#c\r\nA=1"},
		{KEY ": 50\n", 5000, "dotenv", KEY ": 0\n"},
		{KEY "=\n'50'\n", 5000, "dotenv", KEY "=0\n'50'\n"},
		{"export " KEY "=50\r\n", 5000, NULL, "export " KEY "=0\r\n"},
		{"\xef\xbb\xbf" KEY "=50\n" KEY "=10", 1000, NULL, "\xef\xbb\xbf" KEY "=50\n" KEY "=0"},
		{KEY "=25\nA=\"x\n" KEY "=50\n\"\n", 5000, "docker", KEY "=0\nA=\"x\n" KEY "=0\n\"\n"},
		{"A=\"x\n" KEY "=50\n\"\n" KEY "=25\n", 2500, NULL, "A=\"x\n" KEY "=50\n\"\n" KEY "=0\n"},
		{"A='it\\'s\n" KEY "=10\n", 1000, NULL, "A='it\\'s\n" KEY "=0\n"},
		{KEY "=25\n" KEY "=50#c\n" KEY "=10", 1000, NULL, KEY "=0\n" KEY "=0#c\n" KEY "=0"},
		{"A=`x\n" KEY "=10\n`\n" KEY "=5", 500, NULL, "A=`x\n" KEY "=0\n`\n" KEY "=0"},
		{KEY "=\"10\nB=2\n", -1, NULL, KEY "=0\nB=2\n"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const char *text = cases[i].before;
		struct buf out = BUF(1000);
		int32_t pct = -1;
		int r = flags_text_get(text, strlen(text), KEY, &pct, why, sizeof(why));

		if (r != (cases[i].pct < 0 ? -EINVAL : 0) || pct != cases[i].pct)
			fail_msg("%s: %d, %d", text, r, pct);
		if (r == 0 && !cases[i].reader)
			assert_string_equal(why, "");
		if (cases[i].reader && !strstr(why, cases[i].reader))
			fail_msg("%s: %s", text, why);
		assert_true(flags_text_replace(text, strlen(text), KEY, "0", &out) > 0);
		assert_string_equal(buf_text(&out), cases[i].after);
		assert_int_equal(flags_text_get(buf_text(&out), out.len, KEY, &pct, why, sizeof(why)), 0);
		assert_int_equal(pct, 0);
		buf_free(&out);
	}
}

/* Lines are drawn with the answer known beside each: the parser has no say in what is expected. */
static void any_mixture_of_lines_is_replaced_as_its_lines_are(void **state)
{
	static const struct {
		const char *line, *replaced;
		int n;
	} lines[] = {
		{"A=1\n", "A=1\n", 0},
		{"# it's " KEY "=1\n", "# it's " KEY "=1\n", 0},
		{"\r\n", "\r\n", 0},
		{KEY "=1\n", KEY "=0\n", 1},
		{"\texport " KEY "=\"50\" # \"x\n", "\texport " KEY "=\"0\" # \"x\n", 1},
		{"B=\"a\n" KEY "=4 'b\n\"\n", "B=\"a\n" KEY "=4 'b\n\"\n", 0},
		{KEY "=\\\n7\r\n", KEY "=0\r\n", 1},
		{"C=it's \\\n" KEY "=1 x\n", "C=it's \\\n" KEY "=1 x\n", 0},
		{KEY "='1\n2'\n", KEY "='0'\n", 1},
		{"noise \" '\n", "noise \" '\n", 0},
		{"; \\\r\n", "; \\\r\n", 0},
	};
	unsigned seed = 3;

	(void)state;
	for (int round = 0; round < 2000; round++) {
		struct buf text = BUF(4000), want = BUF(4000), got = BUF(4000);
		int n = 0;

		for (int i = rand_r(&seed) % 12; i >= 0; i--) {
			size_t k = (size_t)rand_r(&seed) % ARRAY_LEN(lines);

			buf_str(&text, lines[k].line);
			buf_str(&want, lines[k].replaced);
			n += lines[k].n;
		}
		/* What stands inside another value is an assignment for some readers: here it is not the last. */
		buf_str(&text, KEY "=1");
		buf_str(&want, KEY "=0");
		assert_int_equal(flags_text_replace(buf_text(&text), text.len, KEY, "0", &got), n + 1);
		assert_string_equal(buf_text(&got), buf_text(&want));
		buf_free(&text);
		buf_free(&want);
		buf_free(&got);
	}
}

static void no_bytes_make_it_read_beyond_the_text(void **state)
{
	static const char alphabet[] = KEY "==\"'\\\\\n\r #;export 05\t";
	unsigned seed = 11;

	(void)state;
	for (int round = 0; round < 20000; round++) {
		size_t len = (size_t)rand_r(&seed) % 40;
		char *text = malloc(len ? len : 1); /* no byte more: a sanitizer watches the end */
		struct buf once = BUF(1000), twice = BUF(1000);

		for (size_t i = 0; i < len; i++)
			text[i] = alphabet[(size_t)rand_r(&seed) % (sizeof(alphabet) - 1)];
		int n = flags_text_replace(text, len, "0", "5", &once);
		assert_true(n > 0 || n == -ENOENT);
		if (n > 0) {
			int32_t pct = -1;

			assert_int_equal(flags_text_get(buf_text(&once), once.len, "0", &pct, why, sizeof(why)), 0);
			assert_int_equal(pct, 500);
			assert_true(flags_text_replace(buf_text(&once), once.len, "0", "5", &twice) > 0);
			assert_string_equal(buf_text(&twice), buf_text(&once));
		}
		buf_free(&once);
		buf_free(&twice);
		free(text);
	}
}

/* Files. */

static void put_file(const char *at, const char *text, mode_t mode)
{
	int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static const char *file_text(void)
{
	static char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	close(fd);
	text[n] = '\0';
	return text;
}

static const char *temp_path(void)
{
	static char temp[200];

	snprintf(temp, sizeof(temp), "%s/.flags.env.rollbackd-tmp", dir);
	return temp;
}

static int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/flags-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/flags.env", dir);
	why[0] = '\0';
	return 0;
}

static int teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

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

static void a_missing_file_is_not_invented(void **state)
{
	(void)state;
	expect_refused(-ENOENT, "No such file");
	assert_int_equal(access(path, F_OK), -1);
	put_file(path, "A=1\n", 0600);
	expect_refused(-ENOENT, "does not set " KEY);
	assert_string_equal(file_text(), "A=1\n");
	put_file(path, KEY "=ten\n", 0600);
	expect_refused(-EINVAL, "\"ten\"");
	assert_string_equal(file_text(), KEY "=ten\n");
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

static void a_huge_file_and_one_with_zero_bytes_are_refused(void **state)
{
	int fd;

	(void)state;
	put_file(path, KEY "=10\n", 0600);
	assert_int_equal(truncate(path, strlen(KEY "=10\n") + 1), 0);
	expect_refused(-EINVAL, "zero byte");
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(ftruncate(fd, FLAGS_FILE_MAX + 1), 0);
	close(fd);
	expect_refused(-EFBIG, "larger than");
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

static void in_child(void (*what)(void))
{
	int status;
	pid_t pid = fork();

	if (pid == 0) {
		what();
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
}

static void write_as_nobody(void)
{
	struct flags_change ch;

	if (setresuid(65534, 65534, 65534) < 0)
		_exit(2);
	int r = flags_file_write(path, KEY, 0, &ch, why, sizeof(why));
	_exit(r == -EPERM && strstr(why, "belongs to user 0") ? 0 : 1);
}

static void a_file_of_somebody_else_is_refused(void **state)
{
	(void)state;
	if (geteuid() != 0)
		skip();
	put_file(path, KEY "=10\n", 0666);
	assert_int_equal(chmod(dir, 0777), 0);
	in_child(write_as_nobody);
	assert_string_equal(file_text(), KEY "=10\n");
}

static void ask_as_nobody(void)
{
	if (setresuid(65534, 65534, 65534) < 0)
		_exit(2);
	int r = flags_file_replaceable(path, why, sizeof(why));
	_exit(r == -EACCES && strstr(why, "write into the directory") ? 0 : 1);
}

static void a_directory_that_cannot_be_written_is_told_before_it_matters(void **state)
{
	(void)state;
	put_file(path, KEY "=10\n", 0666);
	assert_int_equal(flags_file_replaceable(path, why, sizeof(why)), 0);
	assert_int_equal(flags_file_replaceable("/nowhere/flags.env", why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "/nowhere/flags.env"));
	if (geteuid() != 0)
		skip();
	assert_int_equal(chmod(dir, 0755), 0);
	in_child(ask_as_nobody);
}

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

static void a_lock_that_is_never_released_ends_in_a_sentence(void **state)
{
	int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	(void)state;
	put_file(path, KEY "=10\n", 0600);
	assert_int_equal(flock(fd, LOCK_EX), 0);
	expect_refused(-EBUSY, "holds the lock");
	close(fd);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_assignment_is_replaced_and_nothing_else),
		cmocka_unit_test(what_is_no_assignment_is_left_alone),
		cmocka_unit_test(the_last_assignment_is_in_effect),
		cmocka_unit_test(a_value_that_is_no_percentage_is_shown_and_never_guessed),
		cmocka_unit_test(any_value_can_be_read_as_far_as_it_fits),
		cmocka_unit_test(the_reader_who_takes_the_most_counts_and_is_named),
		cmocka_unit_test(any_mixture_of_lines_is_replaced_as_its_lines_are),
		cmocka_unit_test(no_bytes_make_it_read_beyond_the_text),
#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
		WITH_FILES(writing_lowers_the_value_and_keeps_mode_and_attributes),
		WITH_FILES(the_owner_and_group_of_somebody_else_are_kept_by_root),
		WITH_FILES(a_rollback_never_writes_more_than_is_there),
		WITH_FILES(a_missing_file_is_not_invented),
		WITH_FILES(a_symbolic_link_is_refused),
		WITH_FILES(the_whole_text_is_loaded_under_the_same_conditions),
		WITH_FILES(what_is_no_regular_file_is_refused),
		WITH_FILES(a_huge_file_and_one_with_zero_bytes_are_refused),
		WITH_FILES(an_immutable_file_stays_as_it_is),
		WITH_FILES(a_file_of_somebody_else_is_refused),
		WITH_FILES(a_directory_that_cannot_be_written_is_told_before_it_matters),
		WITH_FILES(what_a_crash_left_behind_is_removed),
		WITH_FILES(a_crash_leaves_the_old_file_or_the_new_one),
		WITH_FILES(a_lock_that_is_never_released_ends_in_a_sentence),
	};

	return cmocka_run_group_tests_name("flags_file", tests, NULL, NULL);
}
