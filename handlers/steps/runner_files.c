#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "handlers/steps/runner_private.h"

static const char *const end_names[] = {
	[COMMAND_EXITED] = "exited",         [COMMAND_SIGNALLED] = "signalled",
	[COMMAND_TIMED_OUT] = "timed out",   [COMMAND_COULD_NOT_START] = "could not start",
	[COMMAND_UNKILLABLE] = "unkillable", [COMMAND_STOPPED] = "stopped",
};

const char *command_end_name(enum command_end end)
{
	return end < ARRAY_LEN(end_names) ? end_names[end] : NULL;
}

int command_end_find(const char *name)
{
	assert(name);
	return text_enum_find(end_names, ARRAY_LEN(end_names), name);
}

int attempt_check(const struct attempt *a)
{
	assert(a && a->dir && a->name);
	return a->name[0] == '\0' || a->name[0] == '.' || strchr(a->name, '/') ? -EINVAL : 0;
}

static int attempt_path(const struct attempt *a, const char *suffix, char out[PATH_MAX])
{
	assert(suffix);
	return snprintf(out, PATH_MAX, "%s/%s.%s", a->dir, a->name, suffix) >= PATH_MAX ? -ENAMETOOLONG : 0;
}

int attempt_open(const struct attempt *a, const char *suffix, int flags)
{
	char path[PATH_MAX];
	int r = attempt_path(a, suffix, path);

	assert(a->dir && a->name && suffix);
	if (r < 0)
		return r;
	int fd = open(path, flags | O_CLOEXEC | O_NOFOLLOW, 0600);
	return fd < 0 ? -errno : fd;
}

int attempt_read(const struct attempt *a, const char *suffix, struct buf *ret)
{
	assert(ret && ret->len == 0);
	CLEANUP(cleanup_fd) int fd = attempt_open(a, suffix, O_RDONLY);
	char part[16384];
	ssize_t n;

	if (fd < 0)
		return fd;
	while ((n = read(fd, part, sizeof(part))) != 0) {
		if (n < 0)
			return -errno;
		if (buf_add(ret, part, (size_t)n) < 0)
			return ret->error == -ENOSPC ? -EFBIG : ret->error;
	}
	return 0;
}

static int write_all(int fd, const char *text, size_t len)
{
	while (len > 0) {
		ssize_t n = write(fd, text, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		text += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int sync_dir(const struct attempt *a)
{
	CLEANUP(cleanup_fd) int fd = open(a->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int attempt_write(const struct attempt *a, const char *suffix, const char *text, size_t len, bool sync)
{
	assert(text || len == 0);
	CLEANUP(cleanup_fd) int fd = attempt_open(a, "tmp", O_WRONLY | O_CREAT | O_TRUNC);
	char from[PATH_MAX], to[PATH_MAX];

	if (fd < 0)
		return fd;
	int r = write_all(fd, text, len);
	if (r == 0 && sync && fsync(fd) < 0)
		r = -errno;
	if (r == 0)
		r = attempt_path(a, "tmp", from);
	if (r == 0)
		r = attempt_path(a, suffix, to);
	if (r == 0 && rename(from, to) < 0)
		r = -errno;
	if (r < 0)
		attempt_remove(a, "tmp");
	return r < 0 || !sync ? r : sync_dir(a);
}

int attempt_remove(const struct attempt *a, const char *suffix)
{
	char path[PATH_MAX];
	int r = attempt_path(a, suffix, path);

	if (r < 0)
		return r;
	return unlink(path) < 0 && errno != ENOENT ? -errno : 0;
}

int claim_read(int claim)
{
	char mark = '\0';
	ssize_t n = pread(claim, &mark, 1, 0);

	assert(claim >= 0);
	return n < 0 ? -errno : mark;
}

int claim_write(int claim, char mark, bool sync)
{
	ssize_t n = pwrite(claim, &mark, 1, 0);

	assert(claim >= 0 && (mark == RUNNER_CLAIMED || mark == RUNNER_CANCELLED));
	if (n != 1)
		return n < 0 ? -errno : -EIO;
	return sync && fsync(claim) < 0 ? -errno : 0;
}

int runner_find(const char *exe, char *out)
{
	static const char *const places[] = {"/../libexec/rollbackd/rollbackd-run", "/rollbackd-run"};
	assert(exe && out);
	const char *slash = strrchr(exe, '/');
	char path[PATH_MAX];

	for (size_t i = 0; slash && i < ARRAY_LEN(places); i++)
		if (snprintf(path, sizeof(path), "%.*s%s", (int)(slash - exe), exe, places[i]) < PATH_MAX &&
		    access(path, X_OK) == 0 && realpath(path, out))
			return 0;
	return -ENOENT;
}
