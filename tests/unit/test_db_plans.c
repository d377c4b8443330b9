/*
 * How SQLite carries out every statement of the program: none reads a table that grows with the years from end to end.
 *
 * The database has no statistics (ANALYZE), as everywhere: the plans do not depend on what is in it.
 */
#include "tests/unit/db_fixture.h"

#include <sqlite3.h>

#include "db/private.h"

/* One more for each alert, incident, event or message, kept for as long as global.retention says. */
static const char *const growing[] = {"alert",  "incident", "incident_alert", "said",   "disposition", "step", "event",
                                      "outbox", "snapshot", "search_text",    "search", "unresolved"};

/* Partial indexes of what is under way now, however much is on record: they may be read whole. */
static const struct {
	const char *index, *why;
} small[] = {
	{"incident_live", "one of a rollout at most"},
	{"outbox_queued", "OUTBOX_QUEUE_MAX of a channel at most"},
	{"outbox_body", "the same"},
	{"step_running", "steps of incidents that are live, and few that outlive theirs"},
};

static bool is_small(const char *step)
{
	for (size_t i = 0; i < ARRAY_LEN(small); i++) {
		const char *at = strstr(step, small[i].index);

		if (at && !at[strlen(small[i].index)])
			return true;
	}
	return false;
}

/* FTS5 calls it a scan, but an M says that the words are looked up, and 64 or 128 that the order is the rowid's: the
 * table's xBestIndex in SQLite's ext/fts5/fts5_main.c. */
static bool is_match(const char *step)
{
	const char *how = strstr(step, " VIRTUAL TABLE INDEX 192:M");

	return how != NULL;
}

/* Ranges that are read from one end as far as a LIMIT, or hold the pieces of one incident, or what is younger or older
 * than a time that few are. */
static bool is_short_range(const char *step)
{
	static const char *const ends[] = {"INTEGER PRIMARY KEY (rowid>? AND rowid<?)", "incident_place (place<?)",
	                                   "incident_place (place>?)", "incident_resolved (resolved_at",
	                                   "alert_last (last_at"};

	for (size_t i = 0; i < ARRAY_LEN(ends); i++)
		if (strstr(step, ends[i]))
			return true;
	return false;
}

static bool names(const char *sql, const char *alias, const char *table)
{
	char text[100];

	snprintf(text, sizeof(text), " %s %s ", table, alias);
	return strstr(sql, text) != NULL;
}

/* "SCAN n USING INDEX i": n is a table that grows, or stands for one in this statement. */
static bool is_growing(const char *sql, const char *step)
{
	char name[64] = "";

	sscanf(step, "SCAN %63s", name);
	for (size_t i = 0; i < ARRAY_LEN(growing); i++)
		if (!strcmp(name, growing[i]) || names(sql, name, growing[i]))
			return true;
	return false;
}

/* "SEARCH incident USING INDEX incident_kind (kind<?)": a range of the first column may be all there is. */
static bool is_open_range(const char *text, const char *step)
{
	char scan[200];
	const char *first = strchr(step, '(');

	if (strncmp(step, "SEARCH ", 7) != 0 || !first)
		return false;
	snprintf(scan, sizeof(scan), "SCAN %s", step + 7);
	return is_growing(text, scan) && first[strcspn(first, "=<>")] != '=' && !is_short_range(step);
}

/* A range of an index that grows with the years is as bad as the table: all incidents of a kind, or of a rollout; all
 * that is about no incident. */
static bool is_wide(const char *sql, const char *step)
{
	static const char *const ranges[] = {"INDEX incident_rollout (rollout=?)",
	                                     "INDEX incident_rollout (rollout=? AND kind<?)",
	                                     "INDEX event_lone (incident_id=?)", "INDEX outbox_lone (incident_id=?)"};
	bool lone = strstr(sql, "incident_id = 0") != NULL;

	for (size_t i = 0; i < ARRAY_LEN(ranges); i++)
		if (strstr(step, ranges[i]))
			return true;
	return lone && (strstr(step, "INDEX event_incident (") || strstr(step, "INDEX outbox_incident ("));
}

static sqlite3_stmt *explain(sqlite3 *sql, const char *text)
{
	char *question = sqlite3_mprintf("EXPLAIN QUERY PLAN %s", text);
	sqlite3_stmt *s = NULL;

	assert_non_null(question);
	assert_int_equal(sqlite3_prepare_v2(sql, question, -1, &s, NULL), SQLITE_OK);
	sqlite3_free(question);
	return s;
}

/* How many steps of it read a growing table whole; each is printed. */
static int scans_of(sqlite3 *sql, const char *text)
{
	sqlite3_stmt *s = explain(sql, text);
	int n = 0;

	while (sqlite3_step(s) == SQLITE_ROW) {
		const char *step = (const char *)sqlite3_column_text(s, 3);

		bool scans = strncmp(step, "SCAN ", 5) == 0 && !is_match(step) && !is_small(step);
		if (!is_open_range(text, step) && !is_wide(text, step) && !(scans && is_growing(text, step)))
			continue;
		print_message("%s\n    %s\n", step, text);
		n++;
	}
	sqlite3_finalize(s);
	return n;
}

static void no_statement_reads_a_growing_table_whole(void **state)
{
	struct db *db = fixture_open();
	int scans = 0, looked_at = 0;

	(void)state;
	for (int i = 0; i < SQL_N; i++) {
		const char *text = sqlite3_sql(db->writer->stmt[i]);

		assert_non_null(text);
		looked_at += strncmp(text, "SELECT", 6) == 0;
		scans += scans_of(db->writer->sql, text);
	}
	assert_int_equal(scans, 0);
	assert_true(looked_at > 50); /* the table of statements was there */
	db_close(db);
}

/* A range may be as long as the record where a condition beside it is tried row by row: these are the ones whose answer
 * is short, and how they find it. */
static void ranges_hold_only_what_is_asked_for(void **state)
{
	static const struct {
		enum sql which;
		const char *step;
	} cases[] = {
		{ALERT_UNRESOLVED, "SEARCH u USING PRIMARY KEY (rollout=? AND place>?)"},
		{INCIDENT_ROLLBACKS_SINCE,
	         "SEARCH incident USING COVERING INDEX incident_acted (rollout=? AND <expr>>?)"},
		{INCIDENT_LAST_ROLLBACK, "SEARCH incident USING COVERING INDEX incident_acted (rollout=?)"},
		{INCIDENT_UNREVIEWED, "INDEX incident_review (rollout=?)"},
		{UNRESOLVED_END, "SEARCH unresolved USING PRIMARY KEY (rollout=? AND place=? AND alert_id=?)"},
		{RETIRE_UNRESOLVED, "SEARCH unresolved USING PRIMARY KEY (rollout=? AND place=?)"},
	};
	struct db *db = fixture_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		sqlite3_stmt *s = explain(db->writer->sql, sqlite3_sql(db->writer->stmt[cases[i].which]));

		bool found = false;

		while (!found && sqlite3_step(s) == SQLITE_ROW)
			found = strstr((const char *)sqlite3_column_text(s, 3), cases[i].step) != NULL;
		if (!found)
			fail_msg("no %s in %s", cases[i].step, sqlite3_sql(s));
		sqlite3_finalize(s);
	}
	db_close(db);
}

/* Each of these would be slow with a million incidents. */
static void scans_are_seen(void **state)
{
	static const struct {
		const char *text;
		int scans;
	} cases[] = {
		{"SELECT id FROM incident WHERE summary = 'x'", 1},
		{"SELECT n.id FROM incident n WHERE n.summary = 'x'", 1},
		{"SELECT id FROM incident ORDER BY place DESC", 1},
		{"SELECT count(*) FROM outbox", 1},
		{"SELECT a.id FROM alert a JOIN step s ON s.id = a.id + 1", 1},
		{"SELECT id FROM incident WHERE kind < 3 AND state = 4", 1},
		{"SELECT id FROM incident WHERE rollout = 'shop' AND opened_at > 5", 1},
		{"SELECT id FROM event WHERE incident_id = 0 AND note = 'x'", 1},
		{"SELECT id FROM incident WHERE id = 1", 0},
		{"SELECT rollout FROM incident WHERE state NOT IN (7, 8)", 0},
		{"SELECT state FROM incident WHERE state NOT IN (7, 8) AND kind < 3", 1},
		{"SELECT value FROM meta", 0},
		{"SELECT rowid FROM search", 1},
		{"SELECT rowid FROM search WHERE text LIKE 'ab'", 1},
		{"SELECT s.rowid FROM search s WHERE s.search MATCH 'abc' ORDER BY s.rowid DESC", 0},
	};
	struct db *db = fixture_open();

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		assert_int_equal(scans_of(db->writer->sql, cases[i].text), cases[i].scans);
	db_close(db);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		T(no_statement_reads_a_growing_table_whole),
		T(ranges_hold_only_what_is_asked_for),
		T(scans_are_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
