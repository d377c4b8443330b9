/*
 * The state directory, whatever engine keeps the record (internal to db/): made for its owner alone, on a local disk,
 * one daemon's at a time, and with a reserve for the day when the disk is full. The command runners' files are below
 * it, too.
 */
#ifndef DB_STATE_DIR_H
#define DB_STATE_DIR_H

#include <stdatomic.h>
#include <stdbool.h>
#include "server/core/scope.h"

struct state_dir {
	char *path;           /* without slashes at its end */
	int lock;             /* flock on DIR/lock, held for as long as it is open */
	char *reserve;        /* the file that takes the room */
	bool reserved;        /* it was taken, or cannot be */
	atomic_bool has_room; /* to record, which any thread may ask: 32 MiB and 100 files */
};

/* Makes the directory (0700) if missing, takes its lock and looks at the room. -EBUSY: another daemon has it; -ENOTSUP:
 * network file system; -EPERM: everybody may write in it; other -errno: why gets one sentence. d is to be closed in any
 * case. */
int state_dir_open(struct state_dir *d, const char *path, char *why, size_t size) MUST_CHECK;
void state_dir_close(struct state_dir *d);
/* Its name, and the names in it, are on the disk. */
int state_dir_sync(const struct state_dir *d) MUST_CHECK;
/* Looks how much room there is; takes the reserve, or gives it back to the disk when that is full. The writer's thread,
 * or before it runs. */
void state_dir_check_room(struct state_dir *d);

#endif
