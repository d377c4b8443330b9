#include "handlers/steps/flags_file.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/xattr.h>

#include "server/core/failpoint.h"
#include "server/core/text.h"

#define LOCK_TRIES      30
#define LOCK_PAUSE_US   10000
#define WRITE_TRIES     5 /* when somebody else edits the file meanwhile */
#define XATTR_NAMES_MAX 4096
#define XATTR_VALUE_MAX 65536 /* XATTR_SIZE_MAX of the kernel */

struct file {
	const char *path, *key;
	char *why;
	size_t why_size;
	int dir;
	char base[NAME_MAX + 1];
	char temp[NAME_MAX + 1]; /* always the same name: what a crash left is overwritten */
	struct stat st;          /* as it was when text was read */
	struct buf text;
};

static int PRINTF_LIKE(3, 4) refuse(const struct file *f, int err, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(f->why, f->why_size, fmt, ap);
	va_end(ap);
	return err;
}

/* Right after a system call that failed. */
static int cannot(const struct file *f, const char *what)
{
	int e = errno;

	return refuse(f, -e, "cannot %s %.90s: %s", what, f->path, strerrordesc_np(e));
}

static void file_close(struct file *f)
{
	cleanup_fd(&f->dir);
	buf_free(&f->text);
}

static int file_open_dir(struct file *f)
{
	const char *slash = strrchr(f->path, '/');
	char dir[PATH_MAX];

	f->text = BUF(FLAGS_FILE_MAX);
	f->dir = -1;
	if (!slash || slash[1] == '\0' || slash - f->path >= PATH_MAX - 1 || strlen(slash + 1) > NAME_MAX)
		return refuse(f, -EINVAL, "%.90s is no absolute path of a file", f->path);
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - f->path) + 1, f->path);
	snprintf(f->base, sizeof(f->base), "%s", slash + 1);
	f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return f->dir < 0 ? cannot(f, "open the directory of") : 0;
}

static int check_kind(const struct file *f)
{
	uid_t me = geteuid();

	if (!S_ISREG(f->st.st_mode))
		return refuse(f, -EINVAL, "%.90s is no regular file", f->path);
	if (f->st.st_uid != me && me != 0)
		return refuse(f, -EPERM, "%.90s belongs to user %u, not to rollbackd's user %u", f->path,
		              (unsigned)f->st.st_uid, (unsigned)me);
	if (f->st.st_size > FLAGS_FILE_MAX)
		return refuse(f, -EFBIG, "%.90s is larger than 1 MiB", f->path);
	return 0;
}

static int read_all(struct file *f, int fd)
{
	char part[16384];
	ssize_t n;

	buf_reset(&f->text);
	while ((n = read(fd, part, sizeof(part))) != 0) {
		if (n < 0)
			return cannot(f, "read");
		int r = buf_add(&f->text, part, (size_t)n);
		if (r < 0)
			return refuse(f, r == -ENOSPC ? -EFBIG : r, "%.90s does not fit into memory or 1 MiB", f->path);
	}
	/* No reader of environment files takes more than what stands before it. */
	if (f->text.len > 0 && memchr(f->text.data, '\0', f->text.len))
		return refuse(f, -EINVAL, "%.90s contains a zero byte", f->path);
	return 0;
}

/* *ret_fd is the open file. */
static int file_load(struct file *f, int *ret_fd)
{
	CLEANUP(cleanup_fd)
	int fd = openat(f->dir, f->base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ELOOP)
		return refuse(f, -ELOOP, "%.90s is a symbolic link; name the file itself", f->path);
	if (fd < 0)
		return cannot(f, "open");
	if (fstat(fd, &f->st) < 0)
		return cannot(f, "examine");
	int r = check_kind(f);
	if (r == 0)
		r = read_all(f, fd);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

static int file_get(const struct file *f, int32_t *ret_pct)
{
	char reason[180];
	int r = flags_text_get(buf_text(&f->text), f->text.len, f->key, ret_pct, reason, sizeof(reason));

	return r < 0 ? refuse(f, r, "%.90s: %s", f->path, reason) : 0;
}

int flags_file_read(const char *path, const char *key, int32_t *ret_pct, char *why, size_t why_size)
{
	CLEANUP(file_close) struct file f = {.path = path, .key = key, .why = why, .why_size = why_size};
	CLEANUP(cleanup_fd) int fd = -1;
	int r = file_open_dir(&f);

	if (r == 0)
		r = file_load(&f, &fd);
	return r < 0 ? r : file_get(&f, ret_pct);
}

int flags_file_replaceable(const char *path, char *why, size_t why_size)
{
	CLEANUP(file_close) struct file f = {.path = path, .why = why, .why_size = why_size};
	int r = file_open_dir(&f);

	if (r == 0 && faccessat(f.dir, ".", W_OK | X_OK, 0) < 0)
		r = cannot(&f, "write into the directory of");
	return r;
}

int flags_file_load(const char *path, struct buf *ret_text, char *why, size_t why_size)
{
	CLEANUP(file_close) struct file f = {.path = path, .why = why, .why_size = why_size};
	CLEANUP(cleanup_fd) int fd = -1;
	int r = file_open_dir(&f);

	if (r == 0)
		r = file_load(&f, &fd);
	if (r < 0)
		return r;
	buf_free(ret_text);
	*ret_text = f.text;
	f.text = BUF(0);
	return 0;
}

static int file_lock(const struct file *f)
{
	for (int i = 0; i < LOCK_TRIES; i++) {
		if (flock(f->dir, LOCK_EX | LOCK_NB) == 0)
			return 0;
		if (errno != EWOULDBLOCK)
			return cannot(f, "lock the directory of");
		usleep(LOCK_PAUSE_US);
	}
	return refuse(f, -EBUSY, "another program holds the lock on the directory of %.90s", f->path);
}

/* The temporary file. */

static int keep_xattr(const struct file *f, int from, int to, const char *name)
{
	bool security = strncmp(name, "security.", strlen("security.")) == 0;

	/* Checksums over the old content. */
	if (strcmp(name, "security.ima") == 0 || strcmp(name, "security.evm") == 0)
		return 0;
	CLEANUP(cleanup_free) char *value = malloc(XATTR_VALUE_MAX);
	if (!value)
		return refuse(f, -ENOMEM, "out of memory");
	ssize_t n = fgetxattr(from, name, value, XATTR_VALUE_MAX);
	if (n < 0 && errno == ENODATA)
		return 0;
	if (n < 0)
		return cannot(f, "read the extended attributes of");
	/* A security module may have its own view; what it gave the new file stays then. */
	if (fsetxattr(to, name, value, (size_t)n, 0) < 0 && !security)
		return cannot(f, "keep the extended attributes of");
	return 0;
}

static int keep_xattrs(const struct file *f, int from, int to)
{
	char names[XATTR_NAMES_MAX];
	ssize_t n = flistxattr(from, names, sizeof(names));
	int r = 0;

	if (n < 0 && errno == ENOTSUP)
		return 0;
	if (n < 0)
		return cannot(f, "list the extended attributes of");
	for (const char *name = names; r == 0 && name < names + n; name += strlen(name) + 1)
		r = keep_xattr(f, from, to, name);
	return r;
}

/* The owner first: a change of owner clears bits of the mode, and the mode is part of an access list. */
static int keep_metadata(const struct file *f, int from, int to)
{
	struct stat st;

	if (fstat(to, &st) < 0)
		return cannot(f, "examine the temporary file beside");
	if ((st.st_uid != f->st.st_uid || st.st_gid != f->st.st_gid) && fchown(to, f->st.st_uid, f->st.st_gid) < 0)
		return cannot(f, "keep the owner and group of");
	/* A default access list of the directory is not the file's. */
	if (fremovexattr(to, "system.posix_acl_access") < 0 && errno != ENODATA && errno != ENOTSUP)
		return cannot(f, "keep the access list of");
	if (fchmod(to, f->st.st_mode & 07777) < 0)
		return cannot(f, "keep the mode of");
	return keep_xattrs(f, from, to);
}

static int write_all(const struct file *f, int fd, const struct buf *text)
{
	for (size_t done = 0; done < text->len;) {
		ssize_t n = write(fd, text->data + done, text->len - done);

		if (n < 0 && errno != EINTR)
			return cannot(f, "write the temporary file beside");
		done += n > 0 ? (size_t)n : 0;
	}
	return 0;
}

static int remove_temp(const struct file *f)
{
	if (unlinkat(f->dir, f->temp, 0) < 0 && errno != ENOENT)
		return cannot(f, "remove an old temporary file beside");
	return 0;
}

static int write_temp(const struct file *f, int from, const struct buf *text)
{
	int r = remove_temp(f);

	if (r < 0)
		return r;
	CLEANUP(cleanup_fd)
	int fd = openat(f->dir, f->temp, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return cannot(f, "create a temporary file beside");
	r = write_all(f, fd, text);
	if (r == 0)
		r = keep_metadata(f, from, fd);
	if (r == 0 && fsync(fd) < 0)
		r = cannot(f, "write the temporary file beside");
	return r;
}

/* Replacing. */

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Somebody edited or replaced it since it was read. */
static bool has_changed(const struct file *f)
{
	struct stat now;

	return fstatat(f->dir, f->base, &now, AT_SYMLINK_NOFOLLOW) < 0 || now.st_dev != f->st.st_dev ||
	       now.st_ino != f->st.st_ino || now.st_size != f->st.st_size || !same_time(&now.st_mtim, &f->st.st_mtim) ||
	       !same_time(&now.st_ctim, &f->st.st_ctim);
}

static int swap_in(const struct file *f)
{
	if (has_changed(f))
		return refuse(f, -EAGAIN, "somebody else keeps changing %.90s", f->path);
	if (renameat(f->dir, f->temp, f->dir, f->base) < 0)
		return errno == EBUSY
		               ? refuse(f, -EBUSY, "%.90s is a mount point; mount its directory instead", f->path)
		               : cannot(f, "replace");
	FAILPOINT(FAIL_FLAGS_RENAMED);
	if (fsync(f->dir) < 0)
		return refuse(f, -EIO, "%.90s was replaced, but may not survive a power cut: %s", f->path,
		              strerrordesc_np(errno));
	return 0;
}

/* What we wrote, or what somebody wrote right after us as long as it is no higher. */
static int read_back(struct file *f, int32_t pct, int32_t *ret_after)
{
	CLEANUP(cleanup_fd) int fd = -1;
	int32_t after = -1;
	int r = file_load(f, &fd);

	if (r == 0)
		r = file_get(f, &after);
	if (r < 0)
		return r;
	if (after > pct)
		return refuse(f, -EAGAIN, "somebody else keeps raising the percentage in %.90s", f->path);
	*ret_after = after;
	return 0;
}

static int set_value(struct file *f, struct buf *text, const char *key, const char *value)
{
	struct buf next = BUF(FLAGS_FILE_MAX);
	int r = flags_text_replace(buf_text(text), text->len, key, value, &next);

	if (r < 0) {
		buf_free(&next);
		return r == -ENOENT ? refuse(f, r, "%.90s does not set %.60s", f->path, key)
		                    : refuse(f, r, "%.90s cannot be rewritten: %s", f->path, strerrordesc_np(-r));
	}
	buf_free(text);
	*text = next;
	return 0;
}

/* text becomes the file. */
static int put(struct file *f, int from, const struct buf *text)
{
	int r = write_temp(f, from, text);

	if (r == 0) {
		FAILPOINT(FAIL_FLAGS_TEMP_WRITTEN);
		r = swap_in(f);
	}
	if (r < 0)
		unlinkat(f->dir, f->temp, 0);
	return r;
}

static int copy_of(const struct file *f, struct buf *ret)
{
	int r = buf_add(ret, f->text.data, f->text.len);

	return r < 0 ? r : 0;
}

static int replace(struct file *f, int from, int32_t pct)
{
	CLEANUP(buf_free) struct buf text = BUF(FLAGS_FILE_MAX);
	char value[16];

	text_pct(pct, value, sizeof(value));
	int r = copy_of(f, &text);
	if (r == 0)
		r = set_value(f, &text, f->key, value);
	return r < 0 ? r : put(f, from, &text);
}

/* A crash may have come between a rename and its fsync, or before either. */
static int settle(const struct file *f, int fd)
{
	unlinkat(f->dir, f->temp, 0);
	if (fsync(fd) < 0 || fsync(f->dir) < 0)
		return refuse(f, -EIO, "%.90s is as it should be, but may not survive a power cut: %s", f->path,
		              strerrordesc_np(errno));
	return 0;
}

static int lower(struct file *f, int32_t pct, struct flags_change *ret)
{
	CLEANUP(cleanup_fd) int fd = -1;
	int32_t there = -1;
	int r = file_load(f, &fd);

	if (r == 0)
		r = file_get(f, &there);
	if (r < 0)
		return r;
	if (ret->before < 0)
		ret->before = there;
	ret->after = there;
	if (there <= pct)
		return settle(f, fd);
	r = replace(f, fd, pct);
	if (r == 0)
		r = read_back(f, pct, &ret->after);
	return r < 0 ? r : 1;
}

struct setting {
	int32_t from, pct;
	const struct flags_value *values;
	size_t n_values;
};

/* Exactly what the stage asks for. */
static int set(struct file *f, const struct setting *want, struct flags_change *ret)
{
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(buf_free) struct buf text = BUF(FLAGS_FILE_MAX);
	char value[16], there_text[16], from_text[16];
	int32_t there = -1;
	int r = file_load(f, &fd);

	if (r == 0)
		r = file_get(f, &there);
	if (r < 0)
		return r;
	if (there != want->from && there != want->pct) {
		text_pct(there, there_text, sizeof(there_text));
		text_pct(want->from, from_text, sizeof(from_text));
		return refuse(f, -EPERM, "%.90s is at %s%%, not at %s%% any more: somebody else changed it", f->path,
		              there_text, from_text);
	}
	*ret = (struct flags_change) {.before = ret->before < 0 ? there : ret->before, .after = there};
	text_pct(want->pct, value, sizeof(value));
	r = copy_of(f, &text);
	if (r == 0)
		r = set_value(f, &text, f->key, value);
	for (size_t i = 0; r == 0 && i < want->n_values; i++)
		r = set_value(f, &text, want->values[i].key, want->values[i].value);
	if (r < 0)
		return r;
	if (text.len == f->text.len && !memcmp(text.data, f->text.data, text.len))
		return settle(f, fd);
	r = put(f, fd, &text);
	if (r == 0)
		r = read_back(f, want->pct, &ret->after);
	return r < 0 ? r : 1;
}

static int lower_to(struct file *f, const struct setting *want, struct flags_change *ret)
{
	return lower(f, want->pct, ret);
}

static int change(const char *path, const char *key, const struct setting *want,
                  int (*how)(struct file *, const struct setting *, struct flags_change *), struct flags_change *ret,
                  char *why, size_t why_size)
{
	CLEANUP(file_close) struct file f = {.path = path, .key = key, .why = why, .why_size = why_size};
	struct flags_change done = {.before = -1, .after = -1};
	int r = file_open_dir(&f);

	if (r == 0 && (size_t)snprintf(f.temp, sizeof(f.temp), ".%s.rollbackd-tmp", f.base) >= sizeof(f.temp))
		r = refuse(&f, -ENAMETOOLONG, "the name of %.90s is too long", path);
	if (r == 0)
		r = file_lock(&f);
	if (r < 0)
		return r;
	r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < WRITE_TRIES; i++)
		r = how(&f, want, &done);
	if (r >= 0)
		*ret = done;
	return r;
}

int flags_file_write(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                     size_t why_size)
{
	return change(path, key, &(struct setting) {.pct = pct}, lower_to, ret, why, why_size);
}

int flags_file_set(const char *path, const char *key, int32_t from, int32_t pct, const struct flags_value *values,
                   size_t n_values, struct flags_change *ret, char *why, size_t why_size)
{
	return change(path, key, &(struct setting) {from, pct, values, n_values}, set, ret, why, why_size);
}
