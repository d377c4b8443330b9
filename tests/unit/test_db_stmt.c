#include "tests/unit/db_fixture.h"

#include <fcntl.h>
#include <regex.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include "db/engine.h"
#include "db/sqlite.h"

#define NOBODY ((const char *)NULL)

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
	struct db_tx tx = {.db = db, .conn = db->writer};
	int64_t n = 0;

	(void)state;
	assert_int_equal(query_number(db->writer, META_GET, &n, V("tried")), 1); /* the test commit of every start */
	assert_true(n > 0);
	assert_int_equal(query_number(db->writer, META_GET, &n, V("never set")), 0);
	assert_int_equal(query_run(&tx, EVENT_ADD, V(1, 0, "", NOBODY, "what", NOBODY)), -EEXIST); /* who: NOT NULL */
}

/* The second parameter is no number, the statement is not run. */
static void after_the_first_error_nothing_is_done(void **state)
{
	struct db_tx tx = {.db = db, .conn = db->writer};
	int64_t n = 0;

	(void)state;
	assert_int_equal(query_run(&tx, META_SET_TEXT, V("doubtful", "1", "text")), -EINVAL);
	assert_int_equal(query_number(db->writer, META_GET, &n, V("doubtful")), 0);
	assert_int_equal(query_run(&tx, META_SET_TEXT, V("doubtful", 1, "text")), 1);
	assert_int_equal(query_number(db->writer, META_GET, &n, V("doubtful")), 1);
}

/* SQLite takes a text for a number; an engine with types does not. */
static void a_parameter_has_the_type_that_the_statement_names(void **state)
{
	struct db_tx tx = {.db = db, .conn = db->writer};

	(void)state;
	assert_int_equal(query_run(&tx, META_SET, V("typed", "1")), -EINVAL);
	assert_int_equal(query_run(&tx, META_SET, V(1, 1)), -EINVAL);
	assert_int_equal(query_run(&tx, META_SET, V("typed", 1.0)), -EINVAL);
	assert_int_equal(query_run(&tx, BASELINE_SET, V("shop", "errors", 1, 1, 5.0)), -EINVAL);
	assert_int_equal(query_run(&tx, BASELINE_SET, V("shop", "errors", 1.0, 1, 5.0)), 1);
}

static void a_statement_forgets_its_last_use(void **state)
{
	struct db_tx tx = {.db = db, .conn = db->writer};
	char *text = NULL;

	(void)state;
	assert_int_equal(query_run(&tx, META_SET_TEXT, V("kept", 1, "text")), 1);
	assert_int_equal(query_run(&tx, META_SET_TEXT, V("kept", 1)), -EINVAL);
	assert_int_equal(query_text(db->writer, META_TEXT, &text, V("kept")), 1);
	assert_string_equal(text, "text");
	free(text);
	assert_int_equal(engine_prepare(db->writer, META_GET), 0);
	assert_int_equal(engine_step(db->writer, META_GET), 0); /* of no key */
	engine_reset(db->writer, META_GET);
}

static void a_reader_has_no_statement_that_writes(void **state)
{
	struct db_conn *c = NULL;

	(void)state;
	assert_int_equal(db_reader_open(db, &c), 0);
	struct db_tx tx = {.db = db, .conn = c};
	assert_int_equal(query_run(&tx, META_SET, V("reader", 1)), -EIO);
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

/* --- what only SQLite takes: PostgreSQL refuses it, or does something else with it --- */

static const char *const refused[] = {
	"(max|min)\\([^()]*,",
	"json_",
	"INDEXED BY",
	"INSERT OR ",
	"iif *\\(",
	"(strf|date|time|julian)[a-z]*\\(",
	"[^a-z_]rowid",
	"[^a-z_]changes\\(",
	"== ",
	"[^a-z_]total\\(",
	"group_concat\\(",
	" GLOB ",
	"\\?[0-9]* IS \\?",
	"\\+ *(rollout|channel|name|key|fingerprint|sha)",
};

static bool matches(const char *text, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	bool found = regexec(&re, text, 0, NULL, 0) == 0;
	regfree(&re);
	return found;
}

/* "FROM (SELECT …) AS name": PostgreSQL 15 wants the name. */
static bool has_nameless_table(const char *text)
{
	for (const char *at = text; (at = strstr(at, "FROM (")); at++) {
		const char *end = at + strlen("FROM (");

		for (int deep = 1; deep && *end; end++)
			deep += (*end == '(') - (*end == ')');
		if (strncmp(end, " AS ", 4) != 0)
			return true;
	}
	return false;
}

static bool is_of_one_engine(const char *text)
{
	bool is = has_nameless_table(text);

	for (size_t i = 0; i < ARRAY_LEN(refused); i++)
		is |= matches(text, refused[i]);
	if (is)
		print_message("%s\n", text);
	return is;
}

/* Every engine has its own way to find trigrams. */
static bool is_of_the_text_index(const char *text)
{
	return matches(text, "(FROM|INTO) search[ (]");
}

static void statements_are_written_for_more_than_one_engine(void **state)
{
	(void)state;
	for (size_t i = 0; i < SQL_N; i++)
		assert_false(!is_of_the_text_index(sql_statements[i].text) && is_of_one_engine(sql_statements[i].text));
	assert_true(is_of_one_engine("SELECT id FROM incident INDEXED BY incident_live"));
	assert_true(is_of_one_engine("SELECT count(*) FROM (SELECT 1 FROM incident LIMIT (1)) LIMIT 1"));
	assert_true(is_of_one_engine("SELECT id FROM event WHERE +rollout = ?1"));
	assert_true(is_of_one_engine("INSERT OR IGNORE INTO config (sha, text) VALUES (?1, ?2)"));
	assert_false(is_of_one_engine("SELECT i FROM (SELECT id AS i FROM incident) AS l ORDER BY +i"));
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
		T(after_the_first_error_nothing_is_done),
		T(a_parameter_has_the_type_that_the_statement_names),
		T(a_statement_forgets_its_last_use),
		T(a_reader_has_no_statement_that_writes),
		T(errors_keep_their_meaning),
		T(statements_are_written_for_more_than_one_engine),
		T(files_are_for_the_owner_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
