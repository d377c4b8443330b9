#include "tests/unit/db_fixture.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include "db/private.h"
#include "db/stmt.h"

static struct db *db;

static int setup(void **state)
{
	int r = scratch_make(state);

	if (r == 0)
		db = fixture_open();
	return r;
}

static int teardown(void **state)
{
	db_close(db);
	return scratch_remove(state);
}

static void row_no_row_and_error_are_three_answers(void **state)
{
	(void)state;
	CLEANUP(stmt_end) struct stmt st = stmt_use(db->writer, META_GET);
	stmt_text(&st, 1, "tried"); /* the test commit of every start */
	assert_int_equal(stmt_step(&st), 1);
	assert_true(column_i64(&st, 0) > 0);
	assert_int_equal(stmt_step(&st), 0);
	stmt_end(&st);
	st = stmt_use(db->writer, META_GET);
	stmt_text(&st, 1, "never set");
	assert_int_equal(stmt_step(&st), 0);
	stmt_end(&st);
	st = stmt_use(db->writer, META_SET);
	stmt_text(&st, 1, "no value"); /* NOT NULL */
	assert_int_equal(stmt_step(&st), -EEXIST);
}

static void the_first_error_sticks_and_nothing_is_done(void **state)
{
	(void)state;
	{
		CLEANUP(stmt_end) struct stmt st = stmt_use(db->writer, META_SET);

		stmt_text(&st, 1, "doubtful");
		stmt_i64(&st, 9, 1); /* there is no ninth */
		int first = st.error;
		assert_true(first < 0);
		stmt_i64(&st, 2, 1);
		assert_int_equal(stmt_run(&st), first);
		assert_int_equal(stmt_step(&st), first);
	}
	CLEANUP(stmt_end) struct stmt st = stmt_use(db->writer, META_GET);
	stmt_text(&st, 1, "doubtful");
	assert_int_equal(stmt_step(&st), 0);
}

/* SQLite takes a text for a number; an engine with types does not. */
static void a_parameter_has_the_type_that_the_statement_names(void **state)
{
	(void)state;
	CLEANUP(stmt_end) struct stmt st = stmt_use(db->writer, META_SET);
	stmt_text(&st, 1, "typed");
	stmt_text(&st, 2, "1");
	assert_int_equal(stmt_run(&st), -EINVAL);
	stmt_end(&st);
	st = stmt_use(db->writer, META_SET);
	stmt_i64(&st, 1, 1);
	assert_int_equal(st.error, -EINVAL);
	stmt_end(&st);
	st = stmt_use(db->writer, BASELINE_SET);
	stmt_text(&st, 1, "shop");
	stmt_text(&st, 2, "errors");
	stmt_i64(&st, 3, 1);
	assert_int_equal(st.error, -EINVAL);
}

static void a_statement_forgets_its_last_use(void **state)
{
	(void)state;
	for (int i = 0; i < 2; i++) {
		CLEANUP(stmt_end) struct stmt st = stmt_use(db->writer, META_GET);

		if (i == 0)
			stmt_text(&st, 1, "tried");
		assert_int_equal(stmt_step(&st), i == 0 ? 1 : 0);
	}
}

static void a_reader_has_no_statement_that_writes(void **state)
{
	struct db_conn *c = NULL;

	(void)state;
	assert_int_equal(db_reader_open(db, &c), 0);
	{
		CLEANUP(stmt_end) struct stmt st = stmt_use(c, META_SET);

		stmt_text(&st, 1, "reader");
		stmt_i64(&st, 2, 1);
		assert_int_equal(stmt_run(&st), -EIO);
	}
	db_reader_close(c);
}

static void errors_keep_their_meaning(void **state)
{
	static const struct {
		int sqlite, want;
	} all[] = {
		{SQLITE_OK, 0},
		{SQLITE_ROW, 0},
		{SQLITE_DONE, 0},
		{SQLITE_FULL, -ENOSPC},
		{SQLITE_NOMEM, -ENOMEM},
		{SQLITE_BUSY_SNAPSHOT, -EBUSY},
		{SQLITE_CONSTRAINT_UNIQUE, -EEXIST},
		{SQLITE_CORRUPT_INDEX, -EUCLEAN},
		{SQLITE_NOTADB, -EUCLEAN},
		{SQLITE_IOERR_FSYNC, -EIO},
		{SQLITE_READONLY, -EIO},
		{SQLITE_MISUSE, -EIO},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(db_errno(all[i].sqlite), all[i].want);
}

/* As the daemon runs: umask 077. */
static void files_are_for_the_owner_only(void **state)
{
	static const char *const names[] = {"state/rollbackd.db", "state/rollbackd.db-wal", "state/rollbackd.db-shm",
	                                    "state/lock"};
	struct stat st;

	(void)state;
	db_close(db);
	scratch_remove(NULL);
	scratch_make(NULL);
	mode_t before = umask(077);
	db = fixture_open();
	umask(before);
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_int_equal(stat(scratch_path(names[i]), &st), 0);
		assert_int_equal(st.st_mode & 07777, 0600);
	}
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(row_no_row_and_error_are_three_answers),
		T(the_first_error_sticks_and_nothing_is_done),
		T(a_parameter_has_the_type_that_the_statement_names),
		T(a_statement_forgets_its_last_use),
		T(a_reader_has_no_statement_that_writes),
		T(errors_keep_their_meaning),
		T(files_are_for_the_owner_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
