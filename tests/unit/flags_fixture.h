/*
 * What the tests of flags files share: a directory of their own, and the names of what rollbackd puts beside the file.
 */
#ifndef TESTS_UNIT_FLAGS_FIXTURE_H
#define TESTS_UNIT_FLAGS_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include "handlers/steps/flags_file.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"

#define KEY "CST_ROLLOUT_PERCENTAGE"

static char dir[64], path[128], why[200];

static inline void put_file(const char *at, const char *text, mode_t mode)
{
	int fd = open(at, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

static inline const char *file_text(void)
{
	static char text[4096];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);

	assert_true(n >= 0);
	close(fd);
	text[n] = '\0';
	return text;
}

static inline const char *temp_path(void)
{
	static char temp[200];

	snprintf(temp, sizeof(temp), "%s/.flags.env.rollbackd-tmp", dir);
	return temp;
}

static inline int setup(void **state)
{
	(void)state;
	strcpy(dir, "/tmp/flags-XXXXXX");
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/flags.env", dir);
	why[0] = '\0';
	return 0;
}

static inline int teardown(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", dir);
	return system(command);
}

static inline void in_child(void (*what)(void))
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

static inline ino_t inode_of(const char *file)
{
	struct stat st;

	assert_int_equal(stat(file, &st), 0);
	return st.st_ino;
}

static inline const char *copy_path(void)
{
	static char copy[200];

	snprintf(copy, sizeof(copy), "%s/.flags.env.rollbackd-copy", dir);
	return copy;
}

#define WITH_FILES(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

#endif
