/*
 * The database's log (rollbackd.db-wal), of which a commit is written at once (sqlite.c's own).
 *
 * SQLite writes each page of a commit in two pieces, 24 bytes and 4096, and a webhook changes two or three pages: seven
 * calls of the kernel, as dear as all that SQLite does besides. Here what is written one behind the other is gathered
 * and handed to the kernel when it is synced, read or cut; a commit counts only once it was synced (synchronous =
 * FULL), so nothing that counts is ever here alone. All else is the system's own files.
 */
#ifndef DB_SQLITE_LOG_H
#define DB_SQLITE_LOG_H

/* The name of the VFS for the connection that writes; NULL: the usual one has to do. */
const char *sqlite_log_vfs(void);

#endif
