/*
 * limits: what this disk gives. `limits DIR SECONDS` prints one line of JSON: commits a second of SQLite (WAL, FULL,
 * one row of an alert's size each), atomic writes of a small file a second (written, synced, renamed, directory
 * synced), and how long one of each takes in the median, as well as two commits and one such file together.
 */
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "tests/bench/histogram.h"

#define ROW 900

static const char *dir;
static sqlite3 *db;
static sqlite3_stmt *insert;

static int64_t now_us(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void fail(const char *what)
{
	fprintf(stderr, "limits: %s in %s\n", what, dir);
	exit(1);
}

static void open_database(void)
{
	char name[4096];

	snprintf(name, sizeof(name), "%s/limits.db", dir);
	if (sqlite3_open(name, &db) != SQLITE_OK ||
	    sqlite3_exec(
		    db,
		    "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE IF NOT EXISTS t (id INTEGER "
		    "PRIMARY KEY, text TEXT)",
		    NULL, NULL, NULL) != SQLITE_OK ||
	    sqlite3_prepare_v2(db, "INSERT INTO t (text) VALUES (?1)", -1, &insert, NULL) != SQLITE_OK)
		fail("no database");
}

static void one_commit(void)
{
	static char text[ROW];

	memset(text, 'x', sizeof(text));
	sqlite3_bind_text(insert, 1, text, sizeof(text), SQLITE_STATIC);
	if (sqlite3_step(insert) != SQLITE_DONE)
		fail("no commit");
	sqlite3_reset(insert);
}

static void one_file(void)
{
	static const char text[] = "# flags of checkout\nCHECKOUT_ENABLED=true\nCHECKOUT_PERCENTAGE=0\n";
	int at = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int fd = openat(at, "limits.tmp", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (at < 0 || fd < 0 || write(fd, text, sizeof(text) - 1) < 0 || fsync(fd) < 0 || close(fd) < 0 ||
	    renameat(at, "limits.tmp", at, "limits.env") < 0 || fsync(at) < 0)
		fail("no file");
	close(at);
}

static void both(void)
{
	one_commit();
	one_file();
	one_commit();
}

static void measure(const char *name, void (*one)(void), double seconds, const char *after)
{
	static struct histogram h;
	int64_t begun = now_us(), last = begun;

	h = (struct histogram) {0};
	while (last < begun + (int64_t)(seconds * 1e6)) {
		one();
		int64_t now = now_us();

		histogram_add(&h, (uint64_t)(now - last));
		last = now;
	}
	printf("\"%s\":{\"rate\":%.0f,\"p50_us\":%llu,\"p99_us\":%llu}%s", name,
	       (double)h.n * 1e6 / (double)(last - begun), (unsigned long long)histogram_at(&h, 0.5),
	       (unsigned long long)histogram_at(&h, 0.99), after);
}

int main(int argc, char **argv)
{
	if (argc != 3) {
		fprintf(stderr, "usage: limits DIR SECONDS\n");
		return 2;
	}
	dir = argv[1];
	double seconds = atof(argv[2]) / 3;
	open_database();
	printf("{");
	measure("commit", one_commit, seconds, ",");
	measure("atomic_file", one_file, seconds, ",");
	measure("two_commits_and_a_file", both, seconds, "}\n");
	sqlite3_finalize(insert);
	sqlite3_close(db);
	return 0;
}
