#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "handlers/steps/flags_file_private.h"
#include "server/core/log.h"
#include "server/core/text.h"

/* "rollbackd-copy new 120 119 <sha256 of both texts>\n", the text that was there, the text that comes. The first word
 * says which one is put back: the lower, so that no crash raises. */
#define HEAD_MAX 200
#define COPY_MAX (2 * FLAGS_FILE_MAX + HEAD_MAX)

static char spare_dir[PATH_MAX];

int flags_file_spare_dir(const char *dir)
{
	assert(dir);
	char *real = realpath(dir, NULL);
	int r = !real ? -errno : strlen(real) >= sizeof(spare_dir) ? -ENAMETOOLONG : 0;

	if (r == 0)
		memcpy(spare_dir, real, strlen(real) + 1);
	free(real);
	return r;
}

/* Beside the file, or in the spare directory under a name that its path gives. */
enum place { BESIDE, SPARE, PLACES };

void flags_copy_name(struct file *f)
{
	assert(f && f->path);
	char sha[65];

	if (spare_dir[0] && text_sha256(f->path, strlen(f->path), sha) == 0)
		snprintf(f->spare, sizeof(f->spare), "flags-%.16s.rollbackd-copy", sha);
}

static int place_open(const struct file *f, enum place p, char name[NAME_MAX + 1], int *ret_dir)
{
	assert(f && p < PLACES && ret_dir);
	if (p == SPARE && !f->spare[0])
		return -ENOENT;
	snprintf(name, NAME_MAX + 1, "%s", p == BESIDE ? f->copy : f->spare);
	*ret_dir = p == BESIDE ? openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
	                       : open(spare_dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return *ret_dir < 0 ? -errno : 0;
}

/* --- keeping --- */

static int head_of(const struct buf *old, const struct buf *new, bool down, char out[HEAD_MAX])
{
	CLEANUP(buf_free) struct buf both = BUF(COPY_MAX);
	char sha[65];

	buf_add(&both, old->data, old->len);
	buf_add(&both, new->data, new->len);
	int r = both.error ? both.error : text_sha256(buf_text(&both), both.len, sha);
	snprintf(out, HEAD_MAX, "rollbackd-copy %s %zu %zu %s\n", down ? "new" : "old", old->len, new->len, sha);
	return r;
}

static int write_copy(int fd, const char *head, const struct buf *old, const struct buf *new)
{
	int r = flags_write_all(fd, head, strlen(head));

	if (r == 0)
		r = flags_write_all(fd, old->data, old->len);
	if (r == 0)
		r = flags_write_all(fd, new->data, new->len);
	return r == 0 && fsync(fd) < 0 ? -errno : r;
}

static int keep_in(const struct file *f, enum place p, const char *head, const struct buf *text)
{
	CLEANUP(cleanup_fd) int dir = -1, fd = -1;
	char name[NAME_MAX + 1];
	int r = place_open(f, p, name, &dir);

	if (r < 0)
		return r;
	assert(dir >= 0);
	unlinkat(dir, name, 0);
	fd = openat(dir, name, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -errno;
	r = write_copy(fd, head, &f->text, text);
	if (r == 0 && fsync(dir) < 0)
		r = -errno;
	if (r < 0)
		unlinkat(dir, name, 0);
	return r;
}

int flags_copy_keep(struct file *f, const struct buf *text, bool down)
{
	assert(f && f->locked && text);
	char head[HEAD_MAX];
	int r = head_of(&f->text, text, down, head);

	if (r == 0)
		r = keep_in(f, BESIDE, head, text);
	if (r < 0 && keep_in(f, SPARE, head, text) == 0)
		r = 0;
	return r < 0 ? flags_refuse(f, r, "cannot keep a copy of %.90s for a crash in the middle: %s", f->path,
	                            strerrordesc_np(-r))
	             : 0;
}

void flags_copy_remove(const struct file *f)
{
	assert(f && f->locked);
	for (int p = BESIDE; p < PLACES; p++) {
		CLEANUP(cleanup_fd) int dir = -1;
		char name[NAME_MAX + 1];

		if (place_open(f, (enum place)p, name, &dir) == 0 && unlinkat(dir, name, 0) == 0)
			fsync(dir);
	}
}

bool flags_copy_is_there(const struct file *f)
{
	assert(f && f->dir >= 0);
	char path[2 * PATH_MAX];

	if (faccessat(f->dir, f->copy, F_OK, AT_SYMLINK_NOFOLLOW) == 0)
		return true;
	snprintf(path, sizeof(path), "%s/%s", spare_dir, f->spare);
	return f->spare[0] && faccessat(AT_FDCWD, path, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* --- recovering --- */

struct copy {
	struct buf all;
	const char *old, *new;
	size_t old_len, new_len;
	bool down;
};

static int read_file(int dir, const char *name, struct buf *ret, uid_t *ret_owner)
{
	assert(name && ret->len == 0 && ret_owner);
	CLEANUP(cleanup_fd) int fd = openat(dir, name, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	struct stat st;
	char part[16384];
	ssize_t n;

	if (fd < 0)
		return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	if (!S_ISREG(st.st_mode))
		return -EINVAL;
	*ret_owner = st.st_uid;
	while ((n = read(fd, part, sizeof(part))) > 0)
		if (buf_add(ret, part, (size_t)n) < 0)
			return ret->error;
	return n < 0 ? -errno : 0;
}

/* False: a crash came while it was written; the file itself was not touched then. */
static bool parse_copy(struct copy *c)
{
	char word[4], sha[65], found[65];
	int head = 0;

	if (sscanf(buf_text(&c->all), "rollbackd-copy %3s %zu %zu %64s%n", word, &c->old_len, &c->new_len, sha,
	           &head) != 4 ||
	    c->old_len > FLAGS_FILE_MAX || c->new_len > FLAGS_FILE_MAX ||
	    c->all.len != (size_t)head + 1 + c->old_len + c->new_len)
		return false;
	c->old = c->all.data + head + 1;
	c->new = c->old + c->old_len;
	c->down = strcmp(word, "new") == 0;
	return text_sha256(c->old, c->old_len + c->new_len, found) == 0 && strcmp(sha, found) == 0;
}

/* Each byte is one of the two that may stand there: nobody else has written since. */
static bool is_torn(const struct copy *c, const struct buf *now)
{
	size_t most = c->old_len > c->new_len ? c->old_len : c->new_len;
	bool is_old = now->len == c->old_len && memcmp(now->data, c->old, now->len) == 0;
	bool is_new = now->len == c->new_len && memcmp(now->data, c->new, now->len) == 0;

	if (is_old || is_new || now->len > most)
		return false;
	for (size_t i = 0; i < now->len; i++)
		if (!(i < c->old_len && now->data[i] == c->old[i]) && !(i < c->new_len && now->data[i] == c->new[i]))
			return false;
	return true;
}

static int put_back(const struct file *f, const struct copy *c)
{
	assert(f->locked);
	CLEANUP(cleanup_fd) int fd = openat(f->dir, f->base, O_WRONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	size_t len = c->down ? c->new_len : c->old_len;

	if (fd < 0)
		return flags_cannot(f, "make whole again what a crash left of");
	int r = flags_write_all(fd, c->down ? c->new : c->old, len);
	if (r == 0 && (ftruncate(fd, (off_t)len) < 0 || fsync(fd) < 0))
		r = -errno;
	if (r < 0)
		return flags_refuse(f, r, "cannot make whole again what a crash left of %.90s: %s", f->path,
		                    strerrordesc_np(-r));
	log_warn("a flags file that a crash left half written is whole again", "file", f->path);
	return 0;
}

static int cannot_recover(const struct file *f, int err)
{
	errno = -err;
	return flags_cannot(f, "see whether a crash left half written");
}

/* 1 it is a copy that we kept, 0 it is none: torn itself, or a stranger's. */
static int read_copy(const struct file *f, int dir, const char *name, struct copy *c)
{
	uid_t owner = (uid_t)-1;
	int r = read_file(dir, name, &c->all, &owner);

	if (r == -ENOENT || r == -EACCES || r == -ENOSPC || r == -EINVAL || r == -ELOOP)
		return 0;
	return r < 0 ? cannot_recover(f, r) : (owner == geteuid() || geteuid() == 0) && parse_copy(c);
}

/* Whoever owns the file: a stranger's is the first that is written in place. 1 torn, 0 not. */
static int find_torn(const struct file *f, const struct copy *c)
{
	CLEANUP(buf_free) struct buf now = BUF(2 * FLAGS_FILE_MAX);
	uid_t owner;
	int r = read_file(f->dir, f->base, &now, &owner);

	if (r == -ENOENT || r == -ENOSPC || r == -EINVAL || r == -ELOOP)
		return 0;
	return r < 0 ? cannot_recover(f, r) : is_torn(c, &now);
}

/* On failure the copy stays, for whoever looks next. */
static int recover_from(const struct file *f, int dir, const char *name)
{
	struct copy c = {.all = BUF(COPY_MAX)};
	int r = read_copy(f, dir, name, &c);

	if (r > 0)
		r = find_torn(f, &c);
	if (r > 0)
		r = put_back(f, &c);
	buf_free(&c.all);
	return r;
}

int flags_copy_recover(struct file *f)
{
	int r = 0;

	assert(f->locked);
	for (int p = BESIDE; r == 0 && p < PLACES; p++) {
		CLEANUP(cleanup_fd) int dir = -1;
		char name[NAME_MAX + 1];

		if (place_open(f, (enum place)p, name, &dir) == 0)
			r = recover_from(f, dir, name);
	}
	if (r == 0)
		flags_copy_remove(f);
	return r;
}
