/* The log of the database: a commit is written at once, and nothing else is different. */
#include <sqlite3.h>
#include "tests/unit/db_fixture.h"

#include "db/sqlite_log.h"

#define PAGES 40
#define MANY  3000 /* rows of a page each: more than is gathered, and more than the cache below holds */

static sqlite3 *sql;

static void run(sqlite3 *on, const char *text)
{
	char *why = NULL;

	if (sqlite3_exec(on, text, NULL, NULL, &why) != SQLITE_OK)
		fail_msg("%s: %s", text, why);
}

static sqlite3 *open_by(const char *vfs)
{
	sqlite3 *s = NULL;

	assert_int_equal(sqlite3_open_v2(scratch_path("x.db"), &s, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, vfs),
	                 SQLITE_OK);
	run(s, "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 0");
	return s;
}

static int make(void **state)
{
	assert_int_equal(scratch_make(state), 0);
	assert_non_null(sqlite_log_vfs());
	sql = open_by(sqlite_log_vfs());
	run(sql, "PRAGMA journal_mode = WAL; CREATE TABLE t (i INTEGER PRIMARY KEY, x)");
	return 0;
}

static int end(void **state)
{
	sqlite3_close(sql);
	return scratch_remove(state);
}

static int64_t number(sqlite3 *on, const char *text)
{
	sqlite3_stmt *s = NULL;

	assert_int_equal(sqlite3_prepare_v2(on, text, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int64_t n = sqlite3_column_int64(s, 0);
	sqlite3_finalize(s);
	return n;
}

static void add(sqlite3 *on, int rows)
{
	char text[200];

	snprintf(text, sizeof(text),
	         "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < %d) INSERT INTO t(x) SELECT "
	         "randomblob(3000) FROM n",
	         rows);
	run(on, text);
}

/* What an ordinary connection, as a person's sqlite3 is, finds. */
static int64_t seen(void)
{
	sqlite3 *other = open_by(NULL);
	int64_t n = number(other, "SELECT count(*) FROM t");

	assert_int_equal(number(other, "SELECT count(*) FROM pragma_integrity_check WHERE integrity_check = 'ok'"), 1);
	sqlite3_close(other);
	return n;
}

/* How often this process has written something. */
static long long writes(void)
{
	long long n = -1;
	char line[100];
	FILE *f = fopen("/proc/self/io", "r");

	assert_non_null(f);
	while (fgets(line, sizeof(line), f) && sscanf(line, "syscw: %lld", &n) != 1)
		;
	fclose(f);
	assert_true(n >= 0);
	return n;
}

static void a_commit_of_many_pages_is_written_in_few_calls(void **state)
{
	(void)state;
	add(sql, 1);
	long long before = writes();
	add(sql, PAGES);
	assert_true(writes() - before < PAGES / 4);
	assert_int_equal(seen(), PAGES + 1);
}

static void what_is_larger_than_what_is_gathered_is_whole(void **state)
{
	(void)state;
	add(sql, MANY);
	assert_int_equal(seen(), MANY);
	run(sql, "PRAGMA wal_checkpoint(TRUNCATE)");
	assert_int_equal(seen(), MANY);
}

static void what_spills_is_read_again_and_may_be_taken_back(void **state)
{
	(void)state;
	add(sql, PAGES);
	run(sql, "PRAGMA cache_size = 10; BEGIN");
	add(sql, MANY);
	assert_int_equal(number(sql, "SELECT count(*) FROM t WHERE length(x) = 3000"), PAGES + MANY);
	assert_int_equal(seen(), PAGES);
	run(sql, "ROLLBACK");
	add(sql, 1);
	assert_int_equal(seen(), PAGES + 1);
}

static void what_was_not_committed_is_gone_with_the_connection(void **state)
{
	(void)state;
	add(sql, PAGES);
	run(sql, "PRAGMA cache_size = 10; BEGIN");
	add(sql, MANY);
	sqlite3 *next = open_by(sqlite_log_vfs());
	sqlite3_close(sql);
	sql = next;
	add(sql, 1);
	assert_int_equal(seen(), PAGES + 1);
}

#define T(f) cmocka_unit_test_setup_teardown(f, make, end)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_commit_of_many_pages_is_written_in_few_calls),
		T(what_is_larger_than_what_is_gathered_is_whole),
		T(what_spills_is_read_again_and_may_be_taken_back),
		T(what_was_not_committed_is_gone_with_the_connection),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
