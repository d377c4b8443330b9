#include "handlers/offline/journal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "server/core/text.h"

#define NAME       "offline-rollbacks.jsonl"
#define OPEN_TRIES 30    /* while the daemon takes the journal in */
#define OPEN_PAUSE 10000 /* microseconds */

char *journal_in(const char *storage)
{
	assert(storage);
	return text_format("%s/" NAME, storage);
}

char *journal_beside(const char *flags_file)
{
	assert(flags_file);
	return text_format("%s." NAME, flags_file);
}

/* --- writing --- */

/* What root writes, the daemon's user must be able to read. */
static int give_away(int fd, const char *path)
{
	CLEANUP(cleanup_free) char *copy = geteuid() == 0 ? strdup(path) : NULL;
	struct stat st;

	if (!copy)
		return geteuid() == 0 ? -ENOMEM : 0;
	if (stat(dirname(copy), &st) < 0)
		return -errno;
	return fchown(fd, st.st_uid, st.st_gid) < 0 ? -errno : 0;
}

static int sync_dir(const char *path)
{
	CLEANUP(cleanup_free) char *copy = strdup(path);
	CLEANUP(cleanup_fd) int fd = copy ? open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static bool still_named(int fd, const char *path)
{
	assert(fd >= 0);
	struct stat a, b;

	return fstat(fd, &a) == 0 && lstat(path, &b) == 0 && a.st_dev == b.st_dev && a.st_ino == b.st_ino;
}

/* Locked, and still the file of that name: the daemon may have put it away in between. -EAGAIN: try again. */
static int open_once(const char *path)
{
	CLEANUP(cleanup_fd)
	int fd = open(path, O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
	struct stat st;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	if (flock(fd, LOCK_SH | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	if (!still_named(fd, path))
		return -EAGAIN;
	int r = give_away(fd, path);
	if (r == 0)
		r = sync_dir(path);
	return r < 0 ? r : take_fd(&fd);
}

int journal_open(const char *path)
{
	int r = open_once(path);

	assert(path);
	for (int i = 0; r == -EAGAIN && i < OPEN_TRIES; i++) {
		usleep(OPEN_PAUSE);
		r = open_once(path);
	}
	return r;
}

/* A crash may have left half a line. */
static bool ends_in_a_line(int fd)
{
	struct stat st;
	char last = '\n';

	return fstat(fd, &st) < 0 || st.st_size == 0 || pread(fd, &last, 1, st.st_size - 1) != 1 || last == '\n';
}

int journal_add(int fd, struct json_object *record)
{
	CLEANUP(cleanup_free) char *line = text_format("%s%s\n", ends_in_a_line(fd) ? "" : "\n", json_text(record));

	assert(fd >= 0 && record);
	if (!line)
		return -ENOMEM;
	ssize_t n = write(fd, line, strlen(line));
	if (n < 0)
		return -errno;
	if ((size_t)n < strlen(line))
		return -ENOSPC;
	return fsync(fd) < 0 ? -errno : 0;
}

/* --- reading --- */

static int open_to_read(const char *path, off_t *ret_size)
{
	CLEANUP(cleanup_fd) int fd = open(path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode) || (st.st_uid != 0 && st.st_uid != geteuid()))
		return -EPERM;
	if (flock(fd, LOCK_EX | LOCK_NB) < 0)
		return -errno;
	if (!still_named(fd, path))
		return -ENOENT;
	*ret_size = st.st_size;
	return take_fd(&fd);
}

static int keep(struct journal *j, struct json_object *record)
{
	assert(record);
	const char *id = json_str_or(record, "id", "");

	for (size_t i = 0; i < j->n; i++)
		if (!strcmp(json_str_or(j->item[i], "id", ""), id)) {
			json_object_put(j->item[i]);
			j->item[i] = json_object_get(record);
			return 0;
		}
	struct json_object **more = reallocarray(j->item, j->n + 1, sizeof(*more));
	if (!more)
		return -ENOMEM;
	j->item = more;
	j->item[j->n++] = json_object_get(record);
	return 0;
}

static int take_line(struct journal *j, const char *line, size_t len)
{
	assert(line || len == 0);
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	int r = len ? json_parse(line, len, &o, NULL) : -EINVAL;

	if (r < 0)
		return r == -ENOMEM ? r : 0;
	if (!json_str_or(o, "id", "")[0] || !json_str_or(o, "rollout", "")[0])
		return 0;
	return keep(j, o);
}

static int take_lines(struct journal *j, const char *text, size_t len)
{
	int r = 0;

	for (size_t at = 0; r == 0 && at < len;) {
		const char *end = memchr(text + at, '\n', len - at);
		size_t n = end ? (size_t)(end - text) - at : len - at;

		r = take_line(j, text + at, n);
		at += n + 1;
	}
	return r;
}

int journal_read(const char *path, struct journal *ret)
{
	assert(path && ret);
	off_t size = 0;
	struct journal j = {.fd = open_to_read(path, &size)};

	if (j.fd < 0)
		return j.fd;
	size_t want = size > JOURNAL_MAX ? JOURNAL_MAX : (size_t)size;
	CLEANUP(cleanup_free) char *text = malloc(want + 1);
	ssize_t n = text ? pread(j.fd, text, want, 0) : -1;
	int r = !text ? -ENOMEM : n < 0 ? -errno : take_lines(&j, text, (size_t)n);
	if (r < 0) {
		journal_free(&j);
		return r;
	}
	*ret = j;
	return 0;
}

void journal_free(struct journal *j)
{
	if (!j)
		return;
	for (size_t i = 0; i < j->n; i++)
		json_object_put(j->item[i]);
	free(j->item);
	cleanup_fd(&j->fd);
	*j = (struct journal) {.fd = -1};
}
