#include "tests/unit/db_fixture.h"

#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <sqlite3.h>
#include <sys/file.h>
#include <sys/stat.h>
#include "db/alert.h"
#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "db/private.h"
#include "db/rollout.h"
#include "db/step.h"

static char why[300];

static int try_open(void)
{
	struct db *db = NULL;

	why[0] = '\0';
	int r = db_open(scratch_path("state"), &db, why, sizeof(why));
	if (r < 0)
		assert_null(db);
	db_close(db);
	return r;
}

/* What a person with the sqlite3 program, or another version of this program, would do to the file. */
static void meddle(const char *sql)
{
	sqlite3 *db = NULL;
	char *error = NULL;

	assert_int_equal(sqlite3_open(scratch_path("state/rollbackd.db"), &db), SQLITE_OK);
	if (sqlite3_exec(db, sql, NULL, NULL, &error) != SQLITE_OK)
		fail_msg("%s: %s", sql, error);
	sqlite3_close(db);
}

static int first_number(sqlite3 *db, const char *sql)
{
	sqlite3_stmt *s = NULL;

	assert_int_equal(sqlite3_prepare_v2(db, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return n;
}

static void overwrite(const char *name, off_t at, size_t len)
{
	char junk[4096];
	int fd = open(scratch_path(name), O_WRONLY);

	assert_true(fd >= 0);
	memset(junk, 0x5a, sizeof(junk));
	assert_true(len <= sizeof(junk));
	assert_int_equal(pwrite(fd, junk, len, at), (ssize_t)len);
	close(fd);
}

static void a_new_directory_is_made_for_the_owner_only(void **state)
{
	struct stat st;

	(void)state;
	struct db *db = fixture_open();
	assert_string_equal(db_dir(db), scratch_path("state"));
	assert_int_equal(stat(scratch_path("state"), &st), 0);
	assert_int_equal(st.st_mode & 07777, 0700);
	assert_true(db_healthy(db, NULL));
	db_close(db);
	assert_int_equal(try_open(), 0);
}

static void slashes_at_the_end_do_not_matter(void **state)
{
	struct db *db = NULL;

	(void)state;
	assert_int_equal(db_open(scratch_path("state///"), &db, why, sizeof(why)), 0);
	assert_string_equal(db_dir(db), scratch_path("state"));
	db_close(db);
}

static void a_second_opener_is_refused_while_the_first_lives(void **state)
{
	(void)state;
	struct db *db = fixture_open();
	assert_int_equal(try_open(), -EBUSY);
	assert_non_null(strstr(why, "in use by another rollbackd"));
	assert_non_null(strstr(why, scratch_path("state")));
	db_close(db);
	assert_int_equal(try_open(), 0);
}

static int descriptors_of(const char *path)
{
	char link[40], is[PATH_MAX];
	int n = 0;

	for (int fd = 0; fd < 1024; fd++) {
		snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
		ssize_t len = readlink(link, is, sizeof(is) - 1);

		n += len > 0 && (size_t)len == strlen(path) && !strncmp(is, path, (size_t)len);
	}
	return n;
}

static void *let_go(void *lock)
{
	UNTIL(descriptors_of(scratch_path("state/lock")) == 2); /* ours, and that of who wants it */
	close(*(int *)lock);
	return NULL;
}

/* As of a child of a daemon that was killed. */
static void a_lock_that_is_held_for_a_moment_is_waited_for(void **state)
{
	pthread_t thread;

	(void)state;
	db_close(fixture_open());
	int lock = open(scratch_path("state/lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(pthread_create(&thread, NULL, let_go, &lock), 0);
	assert_int_equal(try_open(), 0);
	pthread_join(thread, NULL);
}

static void a_newer_schema_is_refused_and_left_alone(void **state)
{
	(void)state;
	struct db *db = fixture_open();
	char back[64];
	snprintf(back, sizeof(back), "PRAGMA user_version = %d", first_number(db->writer->sql, "PRAGMA user_version"));
	db_close(db);
	meddle("PRAGMA user_version = 99");
	assert_int_equal(try_open(), -EPROTO);
	assert_non_null(strstr(why, "newer rollbackd (version 99"));
	assert_int_equal(try_open(), -EPROTO);
	meddle(back);
	assert_int_equal(try_open(), 0);
}

static void check_damaged(void)
{
	assert_int_equal(try_open(), -EUCLEAN);
	assert_non_null(strstr(why, "is damaged"));
	assert_non_null(strstr(why, scratch_path("state/rollbackd.db")));
}

static void a_damaged_header_is_noticed(void **state)
{
	(void)state;
	assert_int_equal(try_open(), 0);
	overwrite("state/rollbackd.db", 0, 100);
	check_damaged();
}

static void a_damaged_page_is_noticed_wherever_it_is(void **state)
{
	(void)state;
	assert_int_equal(try_open(), 0);
	meddle("PRAGMA wal_checkpoint(TRUNCATE)");
	struct stat st;
	assert_int_equal(stat(scratch_path("state/rollbackd.db"), &st), 0);
	assert_true(st.st_size > 10 * 4096);
	/* The second page is the list of pointers that incremental vacuum keeps: quick_check looks at it too. */
	for (off_t at = 4096; at < st.st_size; at += 4096) {
		char page[4096];
		int fd = open(scratch_path("state/rollbackd.db"), O_RDWR);

		assert_int_equal(pread(fd, page, sizeof(page), at), sizeof(page));
		overwrite("state/rollbackd.db", at, sizeof(page));
		check_damaged();
		assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
		close(fd);
	}
	assert_int_equal(try_open(), 0);
}

static void a_directory_that_cannot_be_written_is_refused(void **state)
{
	bool root = geteuid() == 0;

	(void)state;
	assert_int_equal(chmod(scratch, 0755), 0);
	assert_int_equal(mkdir(scratch_path("state"), 0755), 0);
	assert_int_equal(chmod(scratch_path("state"), 0555), 0);
	assert_int_equal(root ? seteuid(65534) : 0, 0);
	int r = try_open();
	assert_int_equal(root ? seteuid(0) : 0, 0);
	assert_int_equal(r, -EACCES);
	assert_non_null(strstr(why, "Permission denied"));
	assert_non_null(strstr(why, scratch_path("state")));
}

static void a_directory_that_cannot_be_made_is_refused(void **state)
{
	struct db *db = NULL;

	(void)state;
	assert_int_equal(db_open(scratch_path("no/such/parent"), &db, why, sizeof(why)), -ENOENT);
	assert_non_null(strstr(why, "cannot be created: No such file or directory"));
	close(open(scratch_path("state"), O_WRONLY | O_CREAT, 0600));
	assert_int_equal(try_open(), -ENOTDIR);
}

static void the_promised_settings_are_in_force(void **state)
{
	char head[20];

	(void)state;
	struct db *db = fixture_open();
	sqlite3 *w = db->writer->sql;
	assert_int_equal(first_number(w, "PRAGMA synchronous"), 2);
	assert_int_equal(first_number(w, "PRAGMA foreign_keys"), 1);
	assert_int_equal(first_number(w, "PRAGMA trusted_schema"), 0);
	assert_int_equal(first_number(w, "PRAGMA auto_vacuum"), 2);
	assert_int_equal(first_number(w, "PRAGMA journal_size_limit"), 16 * 1024 * 1024);
	db_close(db);
	int fd = open(scratch_path("state/rollbackd.db"), O_RDONLY);
	assert_int_equal(read(fd, head, sizeof(head)), sizeof(head));
	close(fd);
	assert_int_equal(head[18], 2); /* write and read version: 2 is WAL (SQLite's file format) */
	assert_int_equal(head[19], 2);
}

static void a_reader_cannot_write(void **state)
{
	struct db_conn *c = NULL;

	(void)state;
	struct db *db = fixture_open();
	assert_int_equal(db_reader_open(db, &c), 0);
	assert_int_equal(sqlite3_exec(c->sql, "DELETE FROM meta", NULL, NULL, NULL), SQLITE_READONLY);
	assert_int_equal(first_number(c->sql, "PRAGMA wal_autocheckpoint"), 0);
	db_reader_close(c);
	db_close(db);
}

/* --- old databases --- */

static void make_from(const char *file)
{
	static char sql[64 * 1024];
	FILE *f = fopen(file, "r");

	assert_non_null(f);
	size_t n = fread(sql, 1, sizeof(sql) - 1, f);
	sql[n] = '\0';
	fclose(f);
	assert_int_equal(mkdir(scratch_path("state"), 0700), 0);
	meddle(sql);
}

/* All tables and indexes, as text without differences of space. */
static void schema_of(sqlite3 *db, char *out, size_t size)
{
	sqlite3_stmt *s = NULL;
	size_t n = 0;

	assert_int_equal(sqlite3_prepare_v2(db,
	                                    "SELECT sql FROM sqlite_schema WHERE sql IS NOT NULL ORDER BY type, name",
	                                    -1, &s, NULL),
	                 SQLITE_OK);
	while (sqlite3_step(s) == SQLITE_ROW)
		for (const char *c = (const char *)sqlite3_column_text(s, 0); *c && n + 2 < size; c++)
			if (*c != ' ' && *c != '\n')
				out[n++] = *c;
	out[n] = '\0';
	sqlite3_finalize(s);
	assert_true(n > 1000);
}

static void an_old_database_becomes_like_a_new_one(void **state)
{
	static char migrated[32 * 1024], made[32 * 1024];

	(void)state;
	make_from("tests/data/schema/v1.sql");
	struct db *db = fixture_open();
	schema_of(db->writer->sql, migrated, sizeof(migrated));
	db_close(db);
	char old[200];
	strcpy(old, scratch_path("old"));
	assert_int_equal(rename(scratch_path("state"), old), 0);
	db = fixture_open();
	schema_of(db->writer->sql, made, sizeof(made));
	db_close(db);
	assert_string_equal(migrated, made);
}

static void what_an_old_database_knew_is_still_known(void **state)
{
	struct db_conn *c = NULL;
	struct incident inc = {0};
	struct step_list steps = {0};
	struct message m = {0};
	struct rollout_row row = {0};
	int64_t all = 0, firing = 0, value = 0;

	(void)state;
	make_from("tests/data/schema/v1.sql");
	struct db *db = fixture_open();
	assert_int_equal(db_reader_open(db, &c), 0);
	assert_int_equal(incident_open_of(c, "shop", &inc), 1);
	assert_int_equal(inc.id, 7);
	assert_string_equal(inc.condition[CONDITION_ACKNOWLEDGED].note, "6 of 6");
	assert_int_equal(alert_count(c, 7, &all, &firing), 0);
	assert_int_equal(all, 1);
	assert_int_equal(firing, 1);
	assert_int_equal(step_of_incident(c, 7, &steps), 0);
	assert_int_equal(steps.n, 1);
	assert_string_equal(steps.item[0].name, "set percentage");
	assert_int_equal(outbox_load(c, 13, &m), 0);
	assert_int_equal(m.state, MSG_QUEUED);
	assert_int_equal(rollout_load(c, "shop", &row), 0);
	assert_int_equal(row.generation, 4);
	assert_int_equal(meta_get(c, "heartbeat", &value), 0);
	assert_int_equal(value, 4000);
	incident_free(&inc);
	step_list_free(&steps);
	message_free(&m);
	rollout_row_free(&row);
	db_reader_close(c);
	db_close(db);
}

/* As release 0.1 wrote them: nothing bounded what was kept. */
static void a_message_of_megabytes_is_kept_without_its_incident(void **state)
{
	struct db_conn *c = NULL;
	struct message m = {0};

	(void)state;
	make_from("tests/data/schema/v1.sql");
	meddle("UPDATE outbox SET body = '{\"what\":\"failed\",\"text\":\"rolled back\",\"title\":\"Shop\",\"link\":"
	       "\"http://x/1\",\"incident\":{\"alerts\":\"' || hex(zeroblob(1500000)) || '\"}}' WHERE id = 13");
	struct db *db = fixture_open();
	assert_int_equal(db_reader_open(db, &c), 0);
	assert_int_equal(outbox_load(c, 13, &m), 0);
	assert_string_equal(m.body, "{\"what\":\"failed\",\"title\":\"Shop\",\"link\":\"http://x/1\",\"text\":\"rolled "
	                            "back\",\"incident\":null}");
	message_free(&m);
	db_reader_close(c);
	db_close(db);
}

/* --- who it is --- */

static void each_database_has_a_uuid_of_its_own_for_ever(void **state)
{
	char first[DB_UUID_SIZE], old[200];

	(void)state;
	struct db *db = fixture_open();
	strcpy(first, db_uuid(db));
	assert_int_equal(strspn(first, "0123456789abcdef-"), DB_UUID_SIZE - 1);
	assert_int_equal(first[14], '4');
	assert_non_null(strchr("89ab", first[19]));
	assert_string_equal(db_uuid_of(db, DB_STEP, 1), first);
	assert_string_equal(db_uuid_of(db, DB_MESSAGE, 1), first);
	db_close(db);
	db = fixture_open();
	assert_string_equal(db_uuid(db), first);
	db_close(db);
	strcpy(old, scratch_path("old"));
	assert_int_equal(rename(scratch_path("state"), old), 0);
	db = fixture_open();
	assert_string_not_equal(db_uuid(db), first);
	db_close(db);
}

/* What they are called outside must be found again. */
static void rows_from_before_the_uuid_keep_their_names(void **state)
{
	enum { LAST_STEP = 9, LAST_MESSAGE = 13 }; /* in that file */

	(void)state;
	make_from("tests/data/schema/v1.sql");
	struct db *db = fixture_open();
	assert_string_equal(db_uuid_of(db, DB_STEP, LAST_STEP), "");
	assert_string_equal(db_uuid_of(db, DB_STEP, LAST_STEP + 1), db_uuid(db));
	assert_string_equal(db_uuid_of(db, DB_MESSAGE, LAST_MESSAGE), "");
	assert_string_equal(db_uuid_of(db, DB_MESSAGE, LAST_MESSAGE + 1), db_uuid(db));
	db_close(db);
}

/* --- copies, and the file while it is open --- */

static int set_meta(struct db_tx *tx, void *arg)
{
	return meta_set(tx, "kept", *(int64_t *)arg);
}

static void a_backup_holds_what_was_committed(void **state)
{
	int64_t value = 42, got = 0;
	struct db_conn *c = NULL;
	char path[200];

	(void)state;
	struct db *db = fixture_start();
	assert_int_equal(in_tx(db, set_meta, &value), 0);
	assert_int_equal(mkdir(scratch_path("copy"), 0700), 0);
	strcpy(path, scratch_path("copy/rollbackd.db"));
	assert_int_equal(db_backup(db, path), 0);
	assert_true(db_backup(db, path) < 0); /* never over something */
	db_close(db);
	assert_int_equal(db_open(scratch_path("copy"), &db, why, sizeof(why)), 0);
	assert_int_equal(db_reader_open(db, &c), 0);
	assert_int_equal(meta_get(c, "kept", &got), 0);
	assert_int_equal(got, 42);
	db_reader_close(c);
	db_close(db);
}

static off_t root_of(const char *table)
{
	char sql[100];
	sqlite3 *db = NULL;

	snprintf(sql, sizeof(sql), "SELECT rootpage FROM sqlite_schema WHERE name = '%s'", table);
	assert_int_equal(sqlite3_open(scratch_path("state/rollbackd.db"), &db), SQLITE_OK);
	off_t at = (off_t)(first_number(db, sql) - 1) * 4096;
	sqlite3_close(db);
	return at;
}

/* A start reads no more than it must: a damaged page of old steps is met by whoever reads it. */
static void a_large_record_is_not_read_whole_at_a_start(void **state)
{
	static const char *const rests_on[] = {"meta", "rollout", "progress", "config"};

	(void)state;
	assert_int_equal(try_open(), 0);
	meddle("INSERT INTO event (at, incident_id, rollout, who, what, note) SELECT 1, 0, '', '', '', zeroblob(0) || "
	       "hex(zeroblob(12000000))");
	meddle("PRAGMA wal_checkpoint(TRUNCATE)");
	overwrite("state/rollbackd.db", root_of("step"), 4096);
	assert_int_equal(try_open(), 0);
	for (size_t i = 0; i < ARRAY_LEN(rests_on); i++) {
		char page[4096];
		int fd = open(scratch_path("state/rollbackd.db"), O_RDWR);
		off_t at = root_of(rests_on[i]);

		assert_int_equal(pread(fd, page, sizeof(page), at), sizeof(page));
		overwrite("state/rollbackd.db", at, sizeof(page));
		check_damaged();
		assert_int_equal(pwrite(fd, page, sizeof(page), at), sizeof(page));
		close(fd);
	}
}

static void a_file_that_was_moved_away_is_noticed(void **state)
{
	const char *text = NULL;
	char from[200], to[200];
	int64_t value = 1;

	(void)state;
	struct db *db = fixture_start();
	strcpy(from, scratch_path("state/rollbackd.db"));
	strcpy(to, scratch_path("state/elsewhere"));
	assert_int_equal(rename(from, to), 0);
	UNTIL(!db_healthy(db, &text));
	assert_non_null(strstr(text, "removed or replaced"));
	assert_int_equal(in_tx(db, set_meta, &value), 0); /* what runs may end: the open file takes it */
	assert_int_equal(rename(to, from), 0);
	UNTIL(db_healthy(db, NULL));
	db_close(db);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		T(a_new_directory_is_made_for_the_owner_only),
		T(slashes_at_the_end_do_not_matter),
		T(a_second_opener_is_refused_while_the_first_lives),
		T(a_lock_that_is_held_for_a_moment_is_waited_for),
		T(a_newer_schema_is_refused_and_left_alone),
		T(a_damaged_header_is_noticed),
		T(a_damaged_page_is_noticed_wherever_it_is),
		T(a_directory_that_cannot_be_written_is_refused),
		T(a_directory_that_cannot_be_made_is_refused),
		T(the_promised_settings_are_in_force),
		T(a_reader_cannot_write),
		T(an_old_database_becomes_like_a_new_one),
		T(what_an_old_database_knew_is_still_known),
		T(a_message_of_megabytes_is_kept_without_its_incident),
		T(each_database_has_a_uuid_of_its_own_for_ever),
		T(rows_from_before_the_uuid_keep_their_names),
		T(a_backup_holds_what_was_committed),
		T(a_large_record_is_not_read_whole_at_a_start),
		T(a_file_that_was_moved_away_is_noticed),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
