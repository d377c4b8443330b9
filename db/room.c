/*
 * Room on the disk: how much there is, a ballast for the day when there is none, and whether the database file is still
 * there.
 */
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "db/private.h"
#include "server/core/log.h"
#include "server/core/text.h"

#define ROOM_LEAST   (32ULL * 1024 * 1024) /* with less, intake stops; what runs goes on */
#define FILES_LEAST  100
#define BALLAST      (8ULL * 1024 * 1024) /* given back to the disk when it is full, so that what runs can end */
#define BALLAST_DROP (4ULL * 1024 * 1024)

struct room {
	unsigned long long bytes;
	bool few_files;
};

static int measure(const struct db *db, struct room *ret)
{
	struct statvfs fs;

	if (statvfs(db->dir, &fs) < 0)
		return -errno;
	ret->bytes = (unsigned long long)fs.f_bavail * fs.f_frsize;
	ret->few_files = fs.f_files && fs.f_favail < FILES_LEAST; /* some file systems have no such limit and say 0 */
	return 0;
}

/* Also one that an earlier process left. */
static void ballast_drop(struct db *db)
{
	if (unlink(db->ballast_file) == 0)
		log_warn("the disk is full: the space kept for this was given back, so that what runs can be recorded",
		         "directory", db->dir);
	db->ballast = false;
}

/* Where the file system cannot reserve, there is none. */
static void ballast_take(struct db *db)
{
	assert(!db->ballast);
	CLEANUP(cleanup_fd) int fd = open(db->ballast_file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	db->ballast = true;
	if (fd >= 0 && fallocate(fd, 0, 0, BALLAST) < 0)
		unlink(db->ballast_file);
}

/* stat does not open the file: a close of it would drop SQLite's locks. */
static bool is_gone(const struct db *db)
{
	struct stat st;

	return stat(db->file, &st) < 0 || st.st_ino != db->inode || st.st_dev != db->device;
}

static void change(atomic_bool *flag, bool now, const char *bad, const char *good, const struct db *db)
{
	if (now == *flag)
		return;
	if (now)
		log_error(bad, "directory", db->dir);
	else
		log_info(good, "directory", db->dir);
	*flag = now;
}

void db_disk_check(struct db *db)
{
	assert(db && db->dir && db->file);
	change(&db->gone, is_gone(db),
	       "the database file was removed or replaced: webhooks are refused until rollbackd is restarted",
	       "the database file is back", db);
	db_room_check(db);
}

void db_room_check(struct db *db)
{
	struct room room = {0};

	if (measure(db, &room) < 0)
		return;
	change(&db->no_room, room.bytes < ROOM_LEAST || room.few_files,
	       "less than 32 MiB or 100 files are free: webhooks are refused until there is room",
	       "there is room on the disk again", db);
	if (room.bytes < BALLAST_DROP)
		ballast_drop(db);
	else if (!db->ballast && !db->no_room && room.bytes >= ROOM_LEAST + BALLAST)
		ballast_take(db);
}

bool db_writes(const struct db *db, const char **why)
{
	assert(db && why);
	*why = db->gone     ? "the database file was removed or replaced: restart rollbackd"
	       : db->failed ? "the last write to the database failed"
	                    : NULL;
	return !*why;
}

bool db_healthy(const struct db *db, const char **why)
{
	assert(db);
	const char *text = NULL;

	if (db_writes(db, &text) && db->no_room)
		text = "the disk is nearly full: less than 32 MiB or 100 files are free";
	if (why)
		*why = text;
	return !text;
}
