#include "db/state_dir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/text.h"

#define CIFS_MAGIC    0xFF534D42            /* not in linux/magic.h; kernel fs/smb */
#define ROOM_LEAST    (32ULL * 1024 * 1024) /* with less, intake stops; what runs goes on */
#define FILES_LEAST   100
#define RESERVE       (8ULL * 1024 * 1024) /* given back to the disk when it is full, so that what runs can end */
#define RESERVE_DROP  (4ULL * 1024 * 1024)
#define LOCK_WAIT_US  (2 * US_PER_S)
#define LOCK_AGAIN_US (20 * US_PER_MS)

/* --- taking it --- */

/* Says what could not be done to what, and errno. */
static int cannot(const char *verb, const char *what, const char *dir, char *why, size_t size)
{
	int err = errno;

	snprintf(why, size, "the %s %s cannot be %s: %s", what, dir, verb, strerror(err));
	return -err;
}

/* Whoever may write here may put another record, or the files of a command, in place of ours. */
static int is_closed(const char *dir, char *why, size_t size)
{
	struct stat st;

	if (stat(dir, &st) < 0)
		return cannot("used", "state directory", dir, why, size);
	if (!(st.st_mode & S_IWOTH))
		return 0;
	snprintf(why, size, "everybody may write in the state directory %s (mode %03o): chmod 700 %s", dir,
	         (unsigned)st.st_mode & 07777, dir);
	return -EPERM;
}

/* WAL needs shared memory of one host. */
static int is_local(const char *dir, char *why, size_t size)
{
	static const unsigned remote[] = {NFS_SUPER_MAGIC, CIFS_MAGIC, SMB_SUPER_MAGIC, V9FS_MAGIC, AFS_SUPER_MAGIC};
	struct statfs fs;

	if (statfs(dir, &fs) < 0)
		return cannot("used", "state directory", dir, why, size);
	for (size_t i = 0; i < ARRAY_LEN(remote); i++)
		if ((unsigned)fs.f_type == remote[i]) {
			snprintf(why, size,
			         "the state directory %s is on a network file system: it must be on a local disk", dir);
			return -ENOTSUP;
		}
	return 0;
}

/* What a daemon that was killed had forked holds its lock until it has begun its program: that is waited for. */
static bool lock(int fd)
{
	int64_t until = clock_mono_us() + LOCK_WAIT_US;
	bool mine = flock(fd, LOCK_EX | LOCK_NB) == 0;

	while (!mine && clock_mono_us() < until) {
		usleep(LOCK_AGAIN_US);
		mine = flock(fd, LOCK_EX | LOCK_NB) == 0;
	}
	return mine;
}

static int take_lock(struct state_dir *d, char *why, size_t size)
{
	CLEANUP(cleanup_free) char *name = text_format("%s/lock", d->path);

	d->lock = name ? open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
	if (d->lock < 0)
		return cannot("opened", "lock of the state directory", d->path, why, size);
	if (lock(d->lock))
		return 0;
	snprintf(why, size, "the state directory %s is in use by another rollbackd", d->path);
	return -EBUSY;
}

int state_dir_open(struct state_dir *d, const char *path, char *why, size_t size)
{
	assert(d && path && why && size > 0);
	size_t len = strlen(path);

	while (len > 1 && path[len - 1] == '/')
		len--;
	d->lock = -1;
	d->has_room = true;
	d->path = text_format("%.*s", (int)len, path);
	d->reserve = text_format("%.*s/ballast", (int)len, path);
	if (!d->path || !d->reserve)
		return -ENOMEM;
	if (mkdir(d->path, 0700) < 0 && errno != EEXIST)
		return cannot("created", "state directory", d->path, why, size);
	int r = is_closed(d->path, why, size);
	if (r == 0)
		r = is_local(d->path, why, size);
	if (r == 0)
		r = take_lock(d, why, size);
	if (r == 0)
		state_dir_check_room(d);
	return r;
}

void state_dir_close(struct state_dir *d)
{
	assert(d);
	if (d->path && d->lock >= 0)
		close(d->lock);
	free(TAKE(d->reserve));
	free(TAKE(d->path));
}

static int sync_names(const char *dir)
{
	CLEANUP(cleanup_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

int state_dir_sync(const struct state_dir *d)
{
	assert(d && d->lock >= 0);
	CLEANUP(cleanup_free) char *parent = text_format("%s/..", d->path);
	int r = parent ? sync_names(d->path) : -ENOMEM;

	int above = r == 0 ? sync_names(parent) : r;
	return r == 0 && above == -EACCES ? 0 : above; /* then somebody else made the directory, long ago */
}

/* --- room --- */

/* Also one that an earlier process left. */
static void reserve_drop(struct state_dir *d)
{
	if (unlink(d->reserve) == 0)
		log_warn("the disk is full: the space kept for this was given back, so that what runs can be recorded",
		         "directory", d->path);
	d->reserved = false;
}

/* Where the file system cannot reserve, there is none. */
static void reserve_take(struct state_dir *d)
{
	assert(!d->reserved);
	CLEANUP(cleanup_fd) int fd = open(d->reserve, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	d->reserved = true;
	if (fd >= 0 && fallocate(fd, 0, 0, RESERVE) < 0)
		unlink(d->reserve);
}

void state_dir_check_room(struct state_dir *d)
{
	assert(d && d->path);
	struct statvfs fs;

	if (statvfs(d->path, &fs) < 0)
		return;
	unsigned long long bytes = (unsigned long long)fs.f_bavail * fs.f_frsize;
	/* Some file systems have no limit of files and say 0. */
	bool has_room = bytes >= ROOM_LEAST && (!fs.f_files || fs.f_favail >= FILES_LEAST);
	if (!has_room && d->has_room)
		log_error("less than 32 MiB or 100 files are free: webhooks are refused until there is room",
		          "directory", d->path);
	else if (has_room && !d->has_room)
		log_info("there is room on the disk again", "directory", d->path);
	d->has_room = has_room;
	if (bytes < RESERVE_DROP)
		reserve_drop(d);
	else if (!d->reserved && has_room && bytes >= ROOM_LEAST + RESERVE)
		reserve_take(d);
}
