#include "db/sqlite_log.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sqlite3.h>

#include "server/core/scope.h"

#define GATHERED_MAX (128 * 1024)

/* The system's file lies behind it. */
struct log_file {
	sqlite3_file base;
	sqlite3_file *file;
	char *gathered; /* owned; GATHERED_MAX */
	size_t n;
	sqlite3_int64 at; /* where in the file they belong */
};

static sqlite3_vfs *usual, ours;

static struct log_file *log_of(sqlite3_file *f)
{
	assert(f);
	return (struct log_file *)f;
}

/* What cannot be written is gone: SQLite takes the whole commit back, and writes the next one to the same place. */
static int hand_over(struct log_file *l)
{
	assert(l->n <= GATHERED_MAX);
	int n = (int)l->n;

	l->n = 0;
	return n ? l->file->pMethods->xWrite(l->file, l->gathered, n, l->at) : SQLITE_OK;
}

static int log_write(sqlite3_file *f, const void *data, int n, sqlite3_int64 at)
{
	struct log_file *l = log_of(f);
	int r = SQLITE_OK;

	assert(data && n >= 0 && at >= 0);
	if (at != l->at + (sqlite3_int64)l->n || l->n + (size_t)n > GATHERED_MAX)
		r = hand_over(l);
	if (r != SQLITE_OK || n > GATHERED_MAX)
		return r != SQLITE_OK ? r : l->file->pMethods->xWrite(l->file, data, n, at);
	if (l->n == 0)
		l->at = at;
	memcpy(l->gathered + l->n, data, (size_t)n);
	l->n += (size_t)n;
	return SQLITE_OK;
}

static int log_read(sqlite3_file *f, void *data, int n, sqlite3_int64 at)
{
	struct log_file *l = log_of(f);
	int r = hand_over(l);

	return r == SQLITE_OK ? l->file->pMethods->xRead(l->file, data, n, at) : r;
}

static int log_truncate(sqlite3_file *f, sqlite3_int64 size)
{
	struct log_file *l = log_of(f);
	int r = hand_over(l);

	return r == SQLITE_OK ? l->file->pMethods->xTruncate(l->file, size) : r;
}

static int log_sync(sqlite3_file *f, int flags)
{
	struct log_file *l = log_of(f);
	int r = hand_over(l);

	return r == SQLITE_OK ? l->file->pMethods->xSync(l->file, flags) : r;
}

static int log_size(sqlite3_file *f, sqlite3_int64 *ret)
{
	struct log_file *l = log_of(f);
	int r = hand_over(l);

	return r == SQLITE_OK ? l->file->pMethods->xFileSize(l->file, ret) : r;
}

/* What was not synced was not committed, and another connection may have written to its place since. */
static int log_close(sqlite3_file *f)
{
	struct log_file *l = log_of(f);

	free(l->gathered);
	return l->file->pMethods->xClose(l->file);
}

static int log_lock(sqlite3_file *f, int level)
{
	return log_of(f)->file->pMethods->xLock(log_of(f)->file, level);
}

static int log_unlock(sqlite3_file *f, int level)
{
	return log_of(f)->file->pMethods->xUnlock(log_of(f)->file, level);
}

static int log_reserved(sqlite3_file *f, int *ret)
{
	return log_of(f)->file->pMethods->xCheckReservedLock(log_of(f)->file, ret);
}

static int log_control(sqlite3_file *f, int what, void *arg)
{
	return log_of(f)->file->pMethods->xFileControl(log_of(f)->file, what, arg);
}

static int log_sector(sqlite3_file *f)
{
	return log_of(f)->file->pMethods->xSectorSize(log_of(f)->file);
}

static int log_traits(sqlite3_file *f)
{
	return log_of(f)->file->pMethods->xDeviceCharacteristics(log_of(f)->file);
}

static const sqlite3_io_methods methods = {
	.iVersion = 1,
	.xClose = log_close,
	.xRead = log_read,
	.xWrite = log_write,
	.xTruncate = log_truncate,
	.xSync = log_sync,
	.xFileSize = log_size,
	.xLock = log_lock,
	.xUnlock = log_unlock,
	.xCheckReservedLock = log_reserved,
	.xFileControl = log_control,
	.xSectorSize = log_sector,
	.xDeviceCharacteristics = log_traits,
};

static int open_file(sqlite3_vfs *vfs, const char *name, sqlite3_file *f, int flags, int *ret_flags)
{
	struct log_file *l = (struct log_file *)f;

	(void)vfs;
	if (!(flags & SQLITE_OPEN_WAL))
		return usual->xOpen(usual, name, f, flags, ret_flags);
	*l = (struct log_file) {.file = (sqlite3_file *)(l + 1), .gathered = malloc(GATHERED_MAX)};
	if (!l->gathered)
		return SQLITE_NOMEM;
	memset(l->file, 0, (size_t)usual->szOsFile);
	int r = usual->xOpen(usual, name, l->file, flags, ret_flags);
	if (r != SQLITE_OK)
		free(TAKE(l->gathered));
	else
		l->base.pMethods = &methods;
	return r;
}

static void make(void)
{
	usual = sqlite3_vfs_find(NULL);
	if (!usual)
		return;
	ours = *usual;
	ours.pNext = NULL;
	ours.zName = "rollbackd";
	ours.szOsFile = usual->szOsFile + (int)sizeof(struct log_file);
	ours.xOpen = open_file;
	if (sqlite3_vfs_register(&ours, 0) != SQLITE_OK)
		usual = NULL;
}

const char *sqlite_log_vfs(void)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;

	pthread_once(&once, make);
	return usual ? ours.zName : NULL;
}
