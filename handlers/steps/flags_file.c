#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "handlers/steps/flags_file_private.h"
#include "server/core/text.h"

#define LOCK_TRIES    30
#define LOCK_PAUSE_US 10000
#define READ_TRIES    5
#define WRITE_TRIES   5 /* when somebody else edits the file meanwhile */

int flags_cannot(const struct file *f, const char *what)
{
	assert(f && what);
	int e = errno;

	return flags_refuse(f, -e, "cannot %s %.90s: %s", what, f->path, strerrordesc_np(e));
}

static void file_close(struct file *f)
{
	cleanup_fd(&f->dir);
	cleanup_fd(&f->lock);
	buf_free(&f->text);
}

/* A directory that may be entered and not read is enough. */
static int file_open_dir(struct file *f)
{
	const char *slash = strrchr(f->path, '/');
	char dir[PATH_MAX];

	assert(f->path && f->why && f->why_size >= 200);
	f->text = BUF(FLAGS_FILE_MAX);
	f->dir = f->lock = -1;
	if (!slash || slash[1] == '\0' || slash - f->path >= PATH_MAX - 1 || strlen(slash + 1) > NAME_MAX)
		return flags_refuse(f, -EINVAL, "%.90s is no absolute path of a file", f->path);
	snprintf(dir, sizeof(dir), "%.*s", (int)(slash - f->path) + 1, f->path);
	snprintf(f->base, sizeof(f->base), "%s", slash + 1);
	if ((size_t)snprintf(f->temp, sizeof(f->temp), ".%.230s.rollbackd-tmp", f->base) < strlen(f->base) + 15 ||
	    (size_t)snprintf(f->copy, sizeof(f->copy), ".%.230s.rollbackd-copy", f->base) < strlen(f->base) + 16)
		return flags_refuse(f, -ENAMETOOLONG, "the name of %.90s is too long", f->path);
	flags_copy_name(f);
	f->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->dir < 0 && errno == EACCES)
		f->dir = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
	return f->dir < 0 ? flags_cannot(f, "open the directory of") : 0;
}

/* --- reading --- */

static int check_kind(const struct file *f)
{
	if (!S_ISREG(f->st.st_mode))
		return flags_refuse(f, -EINVAL, "%.90s is no regular file", f->path);
	if (f->st.st_size > FLAGS_FILE_MAX)
		return flags_refuse(f, -EFBIG, "%.90s is larger than 1 MiB", f->path);
	return 0;
}

static int read_all(struct file *f, int fd)
{
	char part[16384];
	ssize_t n;

	buf_reset(&f->text);
	while ((n = read(fd, part, sizeof(part))) != 0) {
		if (n < 0)
			return flags_cannot(f, "read");
		int r = buf_add(&f->text, part, (size_t)n);
		if (r < 0)
			return flags_refuse(f, r == -ENOSPC ? -EFBIG : r, "%.90s does not fit into memory or 1 MiB",
			                    f->path);
	}
	return 0;
}

static bool same_time(const struct timespec *a, const struct timespec *b)
{
	return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

bool flags_has_changed(const struct file *f)
{
	struct stat now;

	return fstatat(f->dir, f->base, &now, AT_SYMLINK_NOFOLLOW) < 0 || now.st_dev != f->st.st_dev ||
	       now.st_ino != f->st.st_ino || now.st_size != f->st.st_size || !same_time(&now.st_mtim, &f->st.st_mtim) ||
	       !same_time(&now.st_ctim, &f->st.st_ctim);
}

static int load_once(struct file *f, int *ret_fd)
{
	assert(f->dir >= 0);
	CLEANUP(cleanup_fd)
	int fd = openat(f->dir, f->base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);

	if (fd < 0 && errno == ELOOP)
		return flags_refuse(f, -ELOOP, "%.90s is a symbolic link; name the file itself", f->path);
	if (fd < 0)
		return flags_cannot(f, "open");
	if (fstat(fd, &f->st) < 0)
		return flags_cannot(f, "examine");
	int r = check_kind(f);
	if (r == 0)
		r = read_all(f, fd);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

/* The lock is a descriptor of its own: two threads of ours keep each other out, too. */
static int file_lock(struct file *f)
{
	assert(f->dir >= 0);
	if (f->locked)
		return 0;
	if (f->lock < 0)
		f->lock = openat(f->dir, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (f->lock < 0 && errno == EACCES)
		f->lock = openat(f->dir, f->base, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
	if (f->lock < 0)
		return flags_cannot(f, "open the directory of");
	if (flock(f->lock, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK
		               ? flags_refuse(f, -EBUSY, "another program holds the lock on the directory of %.90s",
		                              f->path)
		               : flags_cannot(f, "lock the directory of");
	f->locked = true;
	return 0;
}

/* What a crash left half written is made whole before anybody looks. */
static int file_recover(struct file *f)
{
	int r = 0;

	for (int i = 0; flags_copy_is_there(f); i++) {
		r = file_lock(f);
		if (r == 0)
			return flags_copy_recover(f);
		if (r != -EBUSY || i == LOCK_TRIES)
			return r;
		usleep(LOCK_PAUSE_US);
	}
	return 0;
}

/* *ret_fd is the open file. Somebody who writes in place meanwhile shows us half a text: it is read again. */
static int file_load(struct file *f, int *ret_fd)
{
	int r = file_recover(f);

	for (int i = 0; r == 0 && i < READ_TRIES; i++) {
		cleanup_fd(ret_fd);
		*ret_fd = -1;
		r = load_once(f, ret_fd);
		if (r == 0 && !flags_has_changed(f) && (f->locked || !flags_copy_is_there(f)))
			break;
		if (r == 0)
			r = file_recover(f);
	}
	return r;
}

static int file_get(const struct file *f, int32_t *ret_pct)
{
	char reason[180];
	int r = flags_text_get(buf_text(&f->text), f->text.len, f->key, ret_pct, reason, sizeof(reason));

	if (r == 0)
		snprintf(f->why, f->why_size, "%s", reason);
	return r < 0 ? flags_refuse(f, r, "%.90s: %s", f->path, reason) : 0;
}

int flags_file_read(const char *path, const char *key, int32_t *ret_pct, char *why, size_t why_size)
{
	CLEANUP(file_close) struct file f = {.path = path, .key = key, .why = why, .why_size = why_size};
	CLEANUP(cleanup_fd) int fd = -1;
	int r = file_open_dir(&f);

	assert(path && key && ret_pct);
	if (r == 0)
		r = file_load(&f, &fd);
	return r < 0 ? r : file_get(&f, ret_pct);
}

int flags_file_load(const char *path, struct buf *ret_text, char *why, size_t why_size)
{
	CLEANUP(file_close) struct file f = {.path = path, .why = why, .why_size = why_size};
	CLEANUP(cleanup_fd) int fd = -1;
	int r = file_open_dir(&f);

	assert(path && ret_text);
	if (r == 0)
		r = file_load(&f, &fd);
	if (r < 0)
		return r;
	buf_free(ret_text);
	*ret_text = f.text;
	f.text = BUF(0);
	return 0;
}

/* --- changing --- */

struct setting {
	bool exactly; /* else: at most */
	bool rehearse;
	bool locked; /* the caller holds the lock of the directory */
	int32_t from, pct;
	const struct flags_value *values;
	size_t n_values;
};

static int set_value(struct file *f, struct buf *text, const char *key, const char *value)
{
	struct buf next = BUF(FLAGS_FILE_MAX);
	int r = flags_text_replace(buf_text(text), text->len, key, value, &next);

	if (r < 0) {
		buf_free(&next);
		return r == -ENOENT ? flags_refuse(f, r, "%.90s does not set %.60s", f->path, key)
		                    : flags_refuse(f, r, "%.90s cannot be rewritten: %s", f->path, strerrordesc_np(-r));
	}
	buf_free(text);
	*text = next;
	return 0;
}

static int new_text(struct file *f, const struct setting *want, struct buf *ret)
{
	char value[16];
	int r = buf_add(ret, f->text.data, f->text.len);

	text_pct(want->pct, value, sizeof(value));
	if (r < 0)
		return flags_refuse(f, r, "out of memory");
	r = set_value(f, ret, f->key, value);
	for (size_t i = 0; r == 0 && i < want->n_values; i++)
		r = set_value(f, ret, want->values[i].key, want->values[i].value);
	return r;
}

/* A crash may have come between a rename and its fsync, or before either. */
static int settle(const struct file *f, int fd)
{
	assert(fd >= 0);
	unlinkat(f->dir, f->temp, 0);
	if (fsync(fd) < 0 || (fsync(f->dir) < 0 && errno != EBADF))
		return flags_refuse(f, -EIO, "%.90s is as it should be, but may not survive a power cut: %s", f->path,
		                    strerrordesc_np(errno));
	return 0;
}

/* What we wrote, or what somebody wrote right after us as long as it is no higher. */
static int read_back(struct file *f, int32_t pct, int32_t *ret_after)
{
	assert(f->locked);
	CLEANUP(cleanup_fd) int fd = -1;
	int32_t after = -1;
	int r = file_load(f, &fd);

	if (r == 0)
		r = file_get(f, &after);
	if (r < 0)
		return r;
	if (after > pct)
		return flags_refuse(f, -EAGAIN, "somebody else keeps raising the percentage in %.90s", f->path);
	*ret_after = after;
	return 0;
}

static void add_note(struct flags_change *ch, const char *before, const char *what, const char *after)
{
	size_t len = strlen(ch->note);

	if (what[0])
		snprintf(ch->note + len, sizeof(ch->note) - len, "%s%s%s%s", len ? "; " : "", before, what, after);
}

/* text becomes the file; a rehearsal stops before the last move. */
static int put(struct file *f, int from, const struct buf *text, bool down, const struct setting *want,
               struct flags_change *ret)
{
	struct put p;
	int r = flags_put_prepare(f, from, text, down, &p);

	if (r < 0)
		return r;
	if (!want->rehearse)
		r = flags_put_commit(f, text, down, &p);
	flags_put_drop(f, &p);
	if (r == 0)
		add_note(ret, "", f->note, " could not be kept");
	if (r == 0 && !want->rehearse)
		r = read_back(f, want->pct, &ret->after);
	return r < 0 ? r : 1;
}

/* What is there: 0 it is known, 1 nobody can read it and it may be overwritten: 0 raises nothing. */
static int look(struct file *f, const struct setting *want, int32_t *ret_there, struct flags_change *ret)
{
	int r = file_get(f, ret_there);

	if (r == 0)
		add_note(ret, "", f->why, "");
	if (r == -EINVAL && !want->exactly && want->pct == 0) {
		add_note(ret, "", f->why, ": overwritten");
		return 1;
	}
	return r;
}

static int refuse_changed(const struct file *f, int32_t there, int32_t from)
{
	char there_text[16], from_text[16];

	text_pct(there, there_text, sizeof(there_text));
	text_pct(from, from_text, sizeof(from_text));
	return flags_refuse(f, -EPERM, "%.90s is at %s%%, not at %s%% any more: somebody else changed it", f->path,
	                    there_text, from_text);
}

/* Where its readers differ, who takes the least from it gets no more than that. */
static struct setting lowered_for_all(const struct file *f, const struct setting *want)
{
	struct setting to = *want;
	int32_t least = want->exactly ? -1 : flags_text_least(buf_text(&f->text), f->text.len, f->key);

	if (least >= 0 && least < to.pct)
		to.pct = least;
	return to;
}

static int change_once(struct file *f, const struct setting *want, struct flags_change *ret)
{
	CLEANUP(cleanup_fd) int fd = -1;
	CLEANUP(buf_free) struct buf text = BUF(FLAGS_FILE_MAX);
	int32_t there = -1;
	int r = file_load(f, &fd);

	assert(f->locked && f->key);
	ret->note[0] = '\0';
	if (r == 0)
		r = look(f, want, &there, ret);
	if (r < 0)
		return r;
	if (want->exactly && there != want->from && there != want->pct)
		return refuse_changed(f, there, want->from);
	ret->before = ret->before < 0 ? there : ret->before;
	ret->after = there;
	if (!want->exactly && r == 0 && there <= want->pct && !want->rehearse)
		return settle(f, fd);
	struct setting to = lowered_for_all(f, want);
	r = new_text(f, &to, &text);
	if (r < 0)
		return r;
	if (text.len == f->text.len && !memcmp(text.data, f->text.data, text.len) && !want->rehearse)
		return settle(f, fd);
	return put(f, fd, &text, to.pct <= there || there < 0, &to, ret);
}

static int change(const char *path, const char *key, const struct setting *want, struct flags_change *ret, char *why,
                  size_t why_size)
{
	CLEANUP(file_close) struct file f = {.path = path, .key = key, .why = why, .why_size = why_size};
	struct flags_change done = {.before = -1, .after = -1};
	int r = file_open_dir(&f);

	f.locked = want->locked;
	assert(path && key && ret && want->pct >= 0 && want->pct <= 10000);
	assert(want->values || want->n_values == 0);
	if (r == 0)
		r = file_lock(&f);
	if (r < 0)
		return r;
	r = -EAGAIN;
	for (int i = 0; r == -EAGAIN && i < WRITE_TRIES; i++)
		r = change_once(&f, want, &done);
	if (r >= 0)
		*ret = done;
	return r;
}

void flags_change_text(const struct flags_change *ch, const char *key, bool written, char *text, size_t size)
{
	assert(ch && key && text && size >= FLAGS_TEXT_MAX);
	const char *sep = ch->note[0] ? "; " : "";
	char before[16], after[16];

	text_pct(ch->before, before, sizeof(before));
	text_pct(ch->after, after, sizeof(after));
	if (written)
		snprintf(text, size, "%s: %s%s to %s%%%s%s", key, before, ch->before < 0 ? "" : "%", after, sep,
		         ch->note);
	else
		snprintf(text, size, "%s: is at %s%% already%s%s", key, after, sep, ch->note);
}

int flags_file_write(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                     size_t why_size)
{
	return change(path, key, &(struct setting) {.pct = pct}, ret, why, why_size);
}

int flags_dir_lock(const char *path)
{
	assert(path && path[0] == '/' && strlen(path) < PATH_MAX);
	char dir[PATH_MAX];

	snprintf(dir, sizeof(dir), "%.*s", (int)(strrchr(path, '/') - path) + 1, path);
	CLEANUP(cleanup_fd) int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return fd < 0 || flock(fd, LOCK_EX | LOCK_NB) < 0 ? -errno : take_fd(&fd);
}

int flags_file_write_locked(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                            size_t why_size)
{
	return change(path, key, &(struct setting) {.pct = pct, .locked = true}, ret, why, why_size);
}

int flags_file_rehearse(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                        size_t why_size)
{
	return change(path, key, &(struct setting) {.pct = pct, .rehearse = true}, ret, why, why_size);
}

int flags_file_set(const char *path, const char *key, int32_t from, int32_t pct, const struct flags_value *values,
                   size_t n_values, struct flags_change *ret, char *why, size_t why_size)
{
	assert(from >= 0 && from <= 10000);
	return change(
		path, key,
		&(struct setting) {.exactly = true, .from = from, .pct = pct, .values = values, .n_values = n_values},
		ret, why, why_size);
}
