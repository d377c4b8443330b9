/*
 * The environment file that holds the percentage: reading it, and replacing one value in it atomically.
 *
 * Programs read such a file by different rules: systemd's EnvironmentFile= (with what shells add: "export " in front, a
 * comment behind), dotenv's, docker's --env-file. The percentage is the highest that any of them takes from it, so that
 * no lowering is passed over; where that is not systemd's the reader is named. No lowering gives any of them more than
 * it takes now. Of a key that is set twice the last one counts, for all of them. Everything is synchronous and keeps no
 * state; any thread.
 */
#ifndef HANDLERS_STEPS_FLAGS_FILE_H
#define HANDLERS_STEPS_FLAGS_FILE_H

#include <stdbool.h>
#include <stdint.h>
#include "server/core/buf.h"

#define FLAGS_FILE_MAX (1024 * 1024) /* bytes */

/* text with the value of every assignment of key replaced by value, and every other byte kept, appended to
 * out: every one that systemd sees, and what another reader would still take instead. How many were replaced. -ENOENT
 * there is none; -EINVAL value would need quotes (letters, digits, . _ - need none). */
int flags_text_replace(const char *text, size_t len, const char *key, const char *value, struct buf *out) MUST_CHECK;

/* The lowest percentage that any reader takes from it; -1: none takes one. */
int32_t flags_text_least(const char *text, size_t len, const char *key);

/* The percentage in effect. -ENOENT key is not assigned, -EINVAL it is no percentage: why says what stands
 * there. On success why is "", or names the reader who takes it when systemd takes something else. */
int flags_text_get(const char *text, size_t len, const char *key, int32_t *ret_pct, char *why,
                   size_t why_size) MUST_CHECK;

/* The value in effect of any key, without its quotes, NUL-terminated. -ENOENT key is not assigned, -E2BIG
 * longer than size or 255 bytes. */
int flags_text_value(const char *text, size_t len, const char *key, char *ret, size_t size) MUST_CHECK;

/* The text of a flags file, under the conditions of flags_file_read. ret_text is replaced. */
int flags_file_load(const char *path, struct buf *ret_text, char *why, size_t why_size) MUST_CHECK;

/* The same of a file, which must be a regular one (no symbolic link) of at most FLAGS_FILE_MAX bytes. -ENOENT also when
 * there is no file; -ELOOP, -EFBIG, -EINVAL and others of the system. On every failure why (>= 200 bytes) is a
 * sentence. What a crash left half written is made whole first. */
int flags_file_read(const char *path, const char *key, int32_t *ret_pct, char *why, size_t why_size) MUST_CHECK;

/* A directory of ours (the daemon's storage) for the copy that a file written in place needs where its own directory
 * may not be written. Before other threads; 0 or -errno: then there is none. */
int flags_file_spare_dir(const char *dir);

#define FLAGS_NOTE_MAX 300
struct flags_change {
	int32_t before, after;     /* hundredths, in effect; before -1: nobody could read it */
	char note[FLAGS_NOTE_MAX]; /* what people should know of it: who reads it so, what could not be kept. May be ""
	                            */
};

/* "SHOP_PERCENTAGE: 10% to 0%", or that it is there already, with the note. text: >= FLAGS_TEXT_MAX. */
#define FLAGS_TEXT_MAX (400 + FLAGS_NOTE_MAX)
void flags_change_text(const struct flags_change *ch, const char *key, bool written, char *text, size_t size);

/* Brings the percentage down to pct: 1 written, 0 it was there or below already (nothing written, after =
 * before). A file that does not exist or does not set the key is refused, never made up. A value that nobody can read
 * is overwritten when pct is 0, which raises nothing, else -EINVAL.
 *
 * Every other byte is kept, and mode, owner, group, access list, attributes and hard links: by a rename (readers see
 * the old file or the new one, also across a power cut), else in place, with a copy for a crash in the middle, else as
 * far as can be done, and what is lost is said. Waits for nobody: -EBUSY another writer holds the lock; -EAGAIN
 * somebody keeps changing it. Any failure may be tried again. On failure ret is untouched and why (>= 200 bytes) is a
 * sentence; -EIO may mean that the new value is in effect but may not survive a power cut. */
int flags_file_write(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                     size_t why_size) MUST_CHECK;
/* Another writer is kept out of the directory of that file as long as the descriptor is open. Its owner may change
 * several files in it at a time, each once, by flags_file_write_locked. -EBUSY: another writer holds it; -errno. */
int flags_dir_lock(const char *path) MUST_CHECK;
int flags_file_write_locked(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                            size_t why_size) MUST_CHECK;
/* The same up to the last move, which is left out: could it be done now? 1 or as flags_file_write; after = before. */
int flags_file_rehearse(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                        size_t why_size) MUST_CHECK;

/* Another value to set along with the percentage. */
struct flags_value {
	const char *key, *value;
};

/* Sets the percentage to exactly pct, and the values beside it: entering a stage. Only from: what stands there must be
 * from (then 1: written) or pct already (0, after the values were set), else -EPERM: somebody else changed it. The rest
 * as flags_file_write, but that nothing is overwritten that nobody can read. */
int flags_file_set(const char *path, const char *key, int32_t from, int32_t pct, const struct flags_value *values,
                   size_t n_values, struct flags_change *ret, char *why, size_t why_size) MUST_CHECK;

#endif
