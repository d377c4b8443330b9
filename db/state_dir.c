#include "db/state_dir.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>
#include <linux/magic.h>

#include "server/core/scope.h"
#include "server/core/text.h"

#define CIFS_MAGIC 0xFF534D42 /* not in linux/magic.h; kernel fs/smb */

int state_dir_sync(const char *dir)
{
	assert(dir);
	CLEANUP(cleanup_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	return fd < 0 || fsync(fd) < 0 ? -errno : 0;
}

static int make_dir(const char *dir, char *why, size_t size)
{
	if (mkdir(dir, 0700) < 0 && errno != EEXIST) {
		int err = errno;

		snprintf(why, size, "the state directory %s cannot be created: %s", dir, strerror(err));
		return -err;
	}
	return 0;
}

/* Whoever may write here may put another record, or the files of a command, in place of ours. */
static int is_closed(const char *dir, char *why, size_t size)
{
	struct stat st;

	if (stat(dir, &st) < 0) {
		int err = errno;

		snprintf(why, size, "the state directory %s cannot be used: %s", dir, strerror(err));
		return -err;
	}
	if (!(st.st_mode & S_IWOTH))
		return 0;
	snprintf(why, size, "everybody may write in the state directory %s (mode %03o): chmod 700 %s", dir,
	         (unsigned)st.st_mode & 07777, dir);
	return -EPERM;
}

/* WAL needs shared memory of one host. */
static int is_local(const char *dir, char *why, size_t size)
{
	static const long remote[] = {NFS_SUPER_MAGIC, CIFS_MAGIC, SMB_SUPER_MAGIC, V9FS_MAGIC, AFS_SUPER_MAGIC};
	struct statfs fs;

	if (statfs(dir, &fs) < 0) {
		int err = errno;

		snprintf(why, size, "the state directory %s cannot be used: %s", dir, strerror(err));
		return -err;
	}
	for (size_t i = 0; i < ARRAY_LEN(remote); i++)
		if ((unsigned long)fs.f_type == (unsigned long)remote[i]) {
			snprintf(why, size,
			         "the state directory %s is on a network file system: it must be on a local disk", dir);
			return -ENOTSUP;
		}
	return 0;
}

static int take_lock(const char *dir, int *ret_fd, char *why, size_t size)
{
	assert(dir && ret_fd);
	CLEANUP(cleanup_free) char *name = text_format("%s/lock", dir);
	int fd = name ? open(name, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;

	if (fd < 0) {
		int err = errno;

		snprintf(why, size, "the lock of the state directory %s cannot be opened: %s", dir, strerror(err));
		return -err;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		*ret_fd = fd;
		return 0;
	}
	close(fd);
	snprintf(why, size, "the state directory %s is in use by another rollbackd", dir);
	return -EBUSY;
}

int state_dir_take(const char *dir, int *ret_lock, char *why, size_t size)
{
	assert(why && size > 0);
	int r = make_dir(dir, why, size);

	if (r == 0)
		r = is_closed(dir, why, size);
	if (r == 0)
		r = is_local(dir, why, size);
	return r < 0 ? r : take_lock(dir, ret_lock, why, size);
}
