/*
 * The state directory, whatever engine keeps the record (internal to db/): made for its owner alone, on a local disk,
 * and one daemon's at a time. The reserve in it is room.c's; the command runners' files are below it, too.
 */
#ifndef DB_STATE_DIR_H
#define DB_STATE_DIR_H

#include <stddef.h>
#include "server/core/scope.h"

/* Makes dir (0700) if missing and takes its lock: *ret_lock is held for as long as it is open, the caller's to close.
 * -EBUSY: another daemon has it; -ENOTSUP: network file system; -EPERM: everybody may write in it; other -errno. why
 * gets one sentence on failure. */
int state_dir_take(const char *dir, int *ret_lock, char *why, size_t size) MUST_CHECK;
/* The names in it are on the disk. */
int state_dir_sync(const char *dir) MUST_CHECK;

#endif
