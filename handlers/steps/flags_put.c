#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

#include "handlers/steps/flags_file_private.h"
#include "server/core/failpoint.h"
#include "server/core/text.h"

/*
 * A rename is the best way: readers see the old file or the new one, also across a power cut. Where it would lose
 * something (owner, group, mode, access list, attributes, other hard links) or cannot be done (a mount point, a
 * directory that may not be written, no room), the file is written in place. Where that cannot be done either, it is
 * replaced all the same, and what is lost is said: a lowering does not wait for metadata.
 */

#define XATTR_NAMES_MAX 4096
#define XATTR_VALUE_MAX 65536 /* XATTR_SIZE_MAX of the kernel */

int flags_write_all(int fd, const void *data, size_t len)
{
	assert(fd >= 0 && (data || len == 0));
	for (const char *at = data; len > 0;) {
		ssize_t n = write(fd, at, len);

		if (n < 0 && errno != EINTR)
			return -errno;
		at += n > 0 ? n : 0;
		len -= n > 0 ? (size_t)n : 0;
	}
	return 0;
}

/* --- the temporary file, with all that the old one has --- */

static void loses(struct file *f, const char *what)
{
	size_t len = strlen(f->note);

	if (!strstr(f->note, what))
		snprintf(f->note + len, sizeof(f->note) - len, "%s%s", len ? ", " : "", what);
}

static void keep_xattr(struct file *f, int from, int to, const char *name)
{
	assert(from >= 0 && to >= 0 && name);
	bool security = strncmp(name, "security.", strlen("security.")) == 0;

	/* Checksums over the old content. */
	if (strcmp(name, "security.ima") == 0 || strcmp(name, "security.evm") == 0)
		return;
	CLEANUP(cleanup_free) char *value = malloc(XATTR_VALUE_MAX);
	ssize_t n = value ? fgetxattr(from, name, value, XATTR_VALUE_MAX) : -1;
	if (n < 0 && value && errno == ENODATA)
		return;
	/* A security module may have its own view; what it gave the new file stays then. */
	if (n < 0 || (fsetxattr(to, name, value, (size_t)n, 0) < 0 && !security))
		loses(f, strncmp(name, "system.posix_acl", 16) == 0 ? "its access list" : "its extended attributes");
}

static void keep_xattrs(struct file *f, int from, int to)
{
	char names[XATTR_NAMES_MAX];
	ssize_t n = flistxattr(from, names, sizeof(names));

	if (n < 0 && errno != ENOTSUP)
		loses(f, "its extended attributes");
	for (const char *name = names; n > 0 && name < names + n; name += strlen(name) + 1)
		keep_xattr(f, from, to, name);
}

/* The owner first: a change of owner clears bits of the mode, and the mode is part of an access list. */
static void keep_metadata(struct file *f, int from, int to)
{
	struct stat st = {0};

	if (fstat(to, &st) < 0 || (st.st_uid != f->st.st_uid && fchown(to, f->st.st_uid, (gid_t)-1) < 0))
		loses(f, "its owner");
	if (st.st_gid != f->st.st_gid && fchown(to, (uid_t)-1, f->st.st_gid) < 0)
		loses(f, "its group");
	/* A default access list of the directory is not the file's. */
	if (fremovexattr(to, "system.posix_acl_access") < 0 && errno != ENODATA && errno != ENOTSUP)
		loses(f, "its access list");
	if (fchmod(to, f->st.st_mode & 07777) < 0)
		loses(f, "its mode");
	keep_xattrs(f, from, to);
}

static int write_temp(struct file *f, int from, const struct buf *text, int *ret_fd)
{
	assert(f->dir >= 0 && from >= 0);
	if (unlinkat(f->dir, f->temp, 0) < 0 && errno != ENOENT)
		return flags_cannot(f, "remove an old temporary file beside");
	CLEANUP(cleanup_fd)
	int fd = openat(f->dir, f->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return flags_cannot(f, "create a temporary file beside");
	int r = flags_write_all(fd, text->data, text->len);
	if (r == 0 && fsync(fd) < 0)
		r = -errno;
	if (r < 0) {
		unlinkat(f->dir, f->temp, 0);
		return flags_refuse(f, r, "cannot write the temporary file beside %.90s: %s", f->path,
		                    strerrordesc_np(-r));
	}
	keep_metadata(f, from, fd);
	*ret_fd = take_fd(&fd);
	return 0;
}

/* --- may it be renamed? --- */

static bool ask_statx(int dir, const char *name, struct statx *ret)
{
	return statx(dir, name, AT_SYMLINK_NOFOLLOW | AT_EMPTY_PATH, STATX_BASIC_STATS | STATX_MNT_ID, ret) == 0;
}

/* What a rename would meet, as far as it can be asked; the temporary file tells the rest. */
static int renameable(const struct file *f)
{
	struct statx file, dir;
	uid_t me = geteuid();

	if (!ask_statx(f->dir, f->base, &file) || !ask_statx(f->dir, "", &dir))
		return flags_cannot(f, "examine");
	if ((file.stx_mask & dir.stx_mask & STATX_MNT_ID) && file.stx_mnt_id != dir.stx_mnt_id)
		return flags_refuse(f, -EBUSY, "cannot replace %.90s: it is a mount point", f->path);
	if (file.stx_attributes & (STATX_ATTR_IMMUTABLE | STATX_ATTR_APPEND))
		return flags_refuse(f, -EPERM, "cannot replace %.90s: it is immutable", f->path);
	if ((dir.stx_mode & S_ISVTX) && me != 0 && dir.stx_uid != me && file.stx_uid != me)
		return flags_refuse(f, -EPERM,
		                    "cannot replace %.90s: it is somebody else's, in a directory for everybody",
		                    f->path);
	return 0;
}

static int prepare_rename(struct file *f, int from, const struct buf *text, struct put *p)
{
	assert(p->fd < 0);
	int r = renameable(f);

	if (r == 0)
		r = write_temp(f, from, text, &p->fd);
	if (r == 0 && f->st.st_nlink > 1)
		loses(f, "its other names (hard links), which still lead to the old text");
	p->way = FLAGS_RENAME;
	return r;
}

static void drop_temp(const struct file *f, struct put *p)
{
	cleanup_fd(&p->fd);
	p->fd = -1;
	unlinkat(f->dir, f->temp, 0);
}

/* --- in place --- */

static int prepare_in_place(struct file *f, const struct buf *text, bool down, struct put *p)
{
	CLEANUP(cleanup_fd) int fd = openat(f->dir, f->base, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;

	assert(f->locked);
	if (fd < 0)
		return flags_cannot(f, "write");
	if (fstat(fd, &st) < 0 || st.st_ino != f->st.st_ino || st.st_dev != f->st.st_dev)
		return flags_refuse(f, -EAGAIN, "somebody else keeps changing %.90s", f->path);
	int r = flags_copy_keep(f, text, down);
	if (r < 0)
		return r;
	p->way = FLAGS_IN_PLACE;
	p->fd = take_fd(&fd);
	return 0;
}

/* Only from the first byte that differs. */
static int overwrite(int fd, const struct buf *is, const struct buf *becomes)
{
	size_t same = 0;

	assert(fd >= 0);
	while (same < is->len && same < becomes->len && is->data[same] == becomes->data[same])
		same++;
	if (lseek(fd, (off_t)same, SEEK_SET) < 0)
		return -errno;
	int r = flags_write_all(fd, becomes->data + same, becomes->len - same);
	FAILPOINT(FAIL_FLAGS_HALF_WRITTEN);
	if (r == 0 && becomes->len < is->len && ftruncate(fd, (off_t)becomes->len) < 0)
		r = -errno;
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

/* May neither text be put there, then the copy stays, for whoever looks next. */
static int commit_in_place(struct file *f, const struct buf *text, struct put *p)
{
	if (flags_has_changed(f))
		return flags_refuse(f, -EAGAIN, "somebody else keeps changing %.90s", f->path);
	FAILPOINT(FAIL_FLAGS_COPY_KEPT);
	int r = overwrite(p->fd, &f->text, text);
	if (r < 0) {
		flags_refuse(f, r, "cannot write %.90s: %s", f->path, strerrordesc_np(-r));
		if (lseek(p->fd, 0, SEEK_SET) < 0 || flags_write_all(p->fd, f->text.data, f->text.len) < 0 ||
		    ftruncate(p->fd, (off_t)f->text.len) < 0) {
			cleanup_fd(&p->fd);
			p->fd = -1;
			return r;
		}
	}
	cleanup_fd(&p->fd);
	p->fd = -1;
	flags_copy_remove(f);
	return r;
}

/* --- either --- */

int flags_put_prepare(struct file *f, int from, const struct buf *text, bool down, struct put *ret)
{
	char why[256];

	assert(f->locked);
	*ret = (struct put) {.fd = -1};
	f->note[0] = '\0';
	int r = prepare_rename(f, from, text, ret);
	if (r == -EAGAIN || (r == 0 && f->note[0] == '\0'))
		return r;
	snprintf(why, sizeof(why), "%s", r < 0 ? f->why : "");
	struct put in_place = {.fd = -1};
	int p = prepare_in_place(f, text, down, &in_place);
	if (p == 0) {
		if (r == 0)
			drop_temp(f, ret);
		f->note[0] = '\0'; /* nothing is lost */
		*ret = in_place;
		return 0;
	}
	if (r < 0)
		return flags_refuse(f, r, "%s", why);
	return 0; /* with what is lost in note */
}

static int commit_rename(struct file *f, struct put *p)
{
	if (flags_has_changed(f))
		return flags_refuse(f, -EAGAIN, "somebody else keeps changing %.90s", f->path);
	FAILPOINT(FAIL_FLAGS_TEMP_WRITTEN);
	if (renameat(f->dir, f->temp, f->dir, f->base) < 0)
		return flags_cannot(f, "replace");
	cleanup_fd(&p->fd);
	p->fd = -1;
	FAILPOINT(FAIL_FLAGS_RENAMED);
	if (fsync(f->dir) < 0 && errno != EBADF) /* EBADF: a directory that we may not read cannot be synced by us */
		return flags_refuse(f, -EIO, "%.90s was replaced, but may not survive a power cut: %s", f->path,
		                    strerrordesc_np(errno));
	return 0;
}

/* A rename that fails in a way that could not be asked for: in place. */
int flags_put_commit(struct file *f, const struct buf *text, bool down, struct put *p)
{
	char why[256];

	assert(f->locked && p->fd >= 0);
	if (p->way == FLAGS_IN_PLACE)
		return commit_in_place(f, text, p);
	int r = commit_rename(f, p);
	if (r == 0 || r == -EAGAIN || r == -EIO)
		return r;
	snprintf(why, sizeof(why), "%s", f->why);
	drop_temp(f, p);
	if (prepare_in_place(f, text, down, p) < 0)
		return flags_refuse(f, r, "%s", why);
	f->note[0] = '\0';
	return commit_in_place(f, text, p);
}

void flags_put_drop(struct file *f, struct put *p)
{
	assert(f && p);
	if (p->way == FLAGS_IN_PLACE && p->fd >= 0)
		flags_copy_remove(f);
	if (p->way == FLAGS_RENAME && p->fd >= 0)
		unlinkat(f->dir, f->temp, 0);
	cleanup_fd(&p->fd);
	p->fd = -1;
}
