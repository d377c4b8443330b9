/*
 * What is read costs no more with years on record: the steps of SQLite's machine, and the pages it looks at, for every
 * list, filter and search, with 30,000 incidents against 1,000. Counted, not timed.
 */
#include "tests/unit/db_fixture.h"

#include <sqlite3.h>

#include "db/alert.h"
#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "db/private.h"
#include "db/step.h"

#define TEXT_(x)   #x
#define TEXT(x)    TEXT_(x)
#define FIRST_US   1700000000000000
#define APART_US   600000000
#define FEW        1000
#define MANY       30000
#define MOST_STEPS 1.3
#define MOST_PAGES 2.5    /* a tree is a page deeper */
#define ONE_PAGE   200000 /* steps: of what a search looks at before it says how far it has come (search.c) */

/* A statement that says how rows are inserted: what is given, and for every other column that must not be NULL its
 * zero. */
#define INSERT(table, rows)                                                                                            \
	"SELECT 'INSERT INTO " table                                                                                   \
	" (' || group_concat(c.name) || ') SELECT ' || group_concat(coalesce(g.value, CASE"                            \
	" c.type WHEN 'TEXT' THEN '''''' ELSE '0' END)) || ' FROM " rows "' FROM pragma_table_info('" table            \
	"') c LEFT JOIN"                                                                                               \
	" given g ON g.of = '" table                                                                                   \
	"' AND g.name = c.name WHERE g.value IS NOT NULL OR (c.\"notnull\" AND c.dflt_value IS"                        \
	" NULL)"

/* Of 20 rollouts, two alerts each; one in nine was cancelled, one in fifty was a drill. Of the numbers 0 to 4999 in
 * their texts each is rare; "are slow" is in all of them, "quiet" in those of one rollout only. */
static const char *const fill[] = {
	"INSERT INTO config (sha, text) VALUES ('', '{}')",
	"CREATE TEMP TABLE n (i INTEGER PRIMARY KEY, at INTEGER, rollout TEXT)",
	"INSERT INTO n WITH RECURSIVE c(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM c WHERE i < %d) SELECT i,"
	" " TEXT(FIRST_US) " + i * " TEXT(APART_US) ", printf('r%%03d', i %% 20) FROM c",
	"CREATE TEMP TABLE k (k INTEGER PRIMARY KEY)",
	"INSERT INTO k VALUES (0), (1)",
	"CREATE TEMP TABLE given (of TEXT, name TEXT, value TEXT)",
	"INSERT INTO given VALUES ('incident', 'id', 'i'), ('incident', 'rollout', 'rollout'), ('incident', 'severity',"
	" '''critical'''), ('incident', 'summary', 'printf(''Requests of shop %%d are slow'', i %% 5000)'), "
	"('incident', 'kind',"
	" 'CASE WHEN i %% 50 = 7 THEN 3 WHEN i %% 11 = 0 THEN 2 ELSE 1 END'), ('incident', 'state', 'CASE WHEN i %% 9 "
	"= 0 THEN 7"
	" ELSE 8 END'), ('incident', 'opened_at', 'at'), ('incident', 'started_at', 'at'), ('incident', 'applied_at', "
	"'at'),"
	" ('incident', 'rolled_back_at', 'at'), ('incident', 'resolved_at', 'at + 1'), ('incident', 'place', 'at / "
	"1000'),"
	" ('alert', 'id', 'i * 2 + k'), ('alert', 'fingerprint', 'printf(''%%d-%%d'', i, k)'), ('alert', 'status', "
	"'2'),"
	" ('alert', 'labels', '''{\"alertname\":\"Slow\"}'''), ('alert', 'annotations', '''{}''')",
	INSERT("incident", "n"),
	INSERT("alert", "n, k"),
	"INSERT INTO incident_alert (incident_id, alert_id) SELECT i, i * 2 + k FROM n, k",
	"INSERT INTO event (at, incident_id, rollout, who, what) SELECT at, i, rollout, 'rollbackd', 'opened' FROM n, "
	"k",
	"INSERT INTO search_text SELECT place << 20, rollout || char(10) || summary || char(10) || "
	"'alertname=\"Slow\"' ||"
	" CASE rollout WHEN 'r019' THEN ' quiet' ELSE '' END FROM incident",
	"INSERT INTO search (search) VALUES ('rebuild')",
	"UPDATE meta SET value = 0 WHERE key = 'search from'",
};

/* What a statement of INSERT says. */
static int run_it(void *sql, int n, char **values, char **names)
{
	(void)names;
	if (n == 1 && values[0] && !strncmp(values[0], "INSERT", 6) &&
	    sqlite3_exec(sql, values[0], NULL, NULL, NULL) != SQLITE_OK)
		fail_msg("%s: %s", values[0], sqlite3_errmsg(sql));
	return 0;
}

static void make_record(int n)
{
	struct db *db = fixture_open();
	sqlite3 *sql = NULL;

	db_close(db);
	assert_int_equal(sqlite3_open(scratch_path("state/rollbackd.db"), &sql), SQLITE_OK);
	assert_int_equal(sqlite3_exec(sql, "PRAGMA synchronous = OFF; BEGIN", NULL, NULL, NULL), SQLITE_OK);
	for (size_t i = 0; i < ARRAY_LEN(fill); i++) {
		char text[3000];

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
		snprintf(text, sizeof(text), fill[i], n);
#pragma GCC diagnostic pop
		if (sqlite3_exec(sql, text, run_it, sql, NULL) != SQLITE_OK)
			fail_msg("%s: %s", text, sqlite3_errmsg(sql));
	}
	assert_int_equal(sqlite3_exec(sql, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	sqlite3_close(sql);
}

/* --- what is read --- */

static const struct incident_filter filters[] = {
	{.limit = 51},
	{.limit = 501},
	{.limit = 51, .rollout = "r003"},
	{.limit = 51, .state = INC_RESOLVED},
	{.limit = 51, .state = INC_CANCELLED},
	{.limit = 6, .state = INC_CANCELLED, .rollout = "r004"},
	{.limit = 51, .kind = KIND_MANUAL},
	{.limit = 6, .kind = KIND_DRILL, .rollout = "r007"},
	{.limit = 51, .since_us = 1},
	{.limit = 51, .state = INC_FAILED},
	{.limit = 51, .q = "slow"},
	{.limit = 51, .q = "are slow", .rollout = "r003"},
	{.limit = 6, .q = "are slow", .rollout = "r004", .state = INC_CANCELLED},
	{.limit = 6, .q = "are slow", .kind = KIND_DRILL},
	{.limit = 51, .q = "nothing-is-called-so"},
	{.limit = 51, .q = "nothing-is-called-so", .rollout = "r003"},
	{.limit = 6, .q = "quiet"},
	{.limit = 6, .q = "quiet", .rollout = "r003"}, /* in every piece of another rollout, and in none of this */
	{.limit = 6, .q = "shop are slow"}, /* all of its trigrams are in nearly every piece, and it is in none */
	{.limit = 6, .q = "shop are slow", .rollout = "r003"},
	{.limit = 6, .q = "are slow", .state = INC_FAILED},
};

static void find(struct db_conn *c, const void *what)
{
	struct incident_list l = {0};

	assert_int_equal(incident_find(c, what, &l), 0);
	incident_list_free(&l);
}

static void one_incident(struct db_conn *c, const void *id)
{
	struct incident inc = {0};
	struct alert_list alerts = {0};
	struct step_list steps = {0};
	struct event_list events = {0};
	const struct event_filter f = {.incident_id = *(const int64_t *)id, .limit = 50};

	assert_int_equal(incident_load(c, f.incident_id, &inc), 0);
	assert_int_equal(alert_of_incident(c, f.incident_id, 50, &alerts), 0);
	assert_int_equal(step_of_incident(c, f.incident_id, &steps), 0);
	assert_int_equal(event_find(c, &f, &events), 0);
	incident_free(&inc);
	alert_list_free(&alerts);
	step_list_free(&steps);
	event_list_free(&events);
}

static void events_of(struct db_conn *c, const void *rollout)
{
	struct event_list l = {0};

	assert_int_equal(event_find(c, &(struct event_filter) {.rollout = rollout, .limit = 51}, &l), 0);
	event_list_free(&l);
}

static int64_t newest_us;

/* As /metrics and the list of rollouts do for each of them. */
static void a_rollout(struct db_conn *c, const void *rollout)
{
	struct incident open = {0};
	int64_t n = 0, counts[INC_STATE_N] = {0};
	const int64_t day_us = 86400 * US_PER_S;
	char *labels[10];
	CLEANUP(cleanup_free) int64_t *began = NULL;
	size_t n_began = 0;

	assert_int_equal(incident_open_of(c, rollout, &open), 0);
	assert_int_equal(incident_rollbacks_since(c, rollout, newest_us - day_us / 2, &began, &n_began), 0);
	assert_int_equal(incident_unreviewed(c, rollout, &n), 0);
	assert_int_equal(incident_last_rollback(c, rollout, &n), 0);
	assert_int_equal(incident_count_states(c, counts), 0);
	assert_int_equal(alert_unresolved(c, rollout, 1, labels, 10), 0);
}

/* --- counting --- */

struct work {
	int64_t steps, pages;
};

static int64_t status(struct db_conn *c, int what)
{
	int now = 0, high = 0;

	assert_int_equal(sqlite3_db_status(c->sql, what, &now, &high, 1), SQLITE_OK);
	return now;
}

static int64_t take_steps(struct db_conn *c)
{
	int64_t n = 0;

	for (int i = 0; i < SQL_N; i++)
		n += c->stmt[i] ? sqlite3_stmt_status(c->stmt[i], SQLITE_STMTSTATUS_VM_STEP, 1) : 0;
	return n;
}

static int64_t take_pages(struct db_conn *c)
{
	return status(c, SQLITE_DBSTATUS_CACHE_HIT) + status(c, SQLITE_DBSTATUS_CACHE_MISS);
}

static struct work work_of(struct db_conn *c, void (*read)(struct db_conn *c, const void *what), const void *what)
{
	read(c, what); /* once before: statements are prepared, and the index of the search is opened */
	take_steps(c);
	take_pages(c);
	read(c, what);
	return (struct work) {take_steps(c), take_pages(c)};
}

static struct {
	char what[200];
	struct work work;
} counted[2][64];
static size_t n_counted[2];

static void count(int which, struct db_conn *c, const char *what, void (*read)(struct db_conn *c, const void *what),
                  const void *arg)
{
	size_t n = n_counted[which]++;

	assert_in_range(n, 0, ARRAY_LEN(counted[0]) - 1);
	snprintf(counted[which][n].what, sizeof(counted[which][n].what), "%s", what);
	counted[which][n].work = work_of(c, read, arg);
}

static void count_all(int which, int n)
{
	struct db *db;
	struct db_conn *c = NULL;
	int64_t id = n - 7;

	newest_us = FIRST_US + (int64_t)n * APART_US;
	char text[200];

	assert_int_equal(scratch_make(NULL), 0);
	make_record(n);
	db = fixture_open();
	assert_int_equal(db_reader_open(db, &c), 0);
	for (size_t i = 0; i < ARRAY_LEN(filters); i++) {
		const struct incident_filter *f = &filters[i];

		snprintf(text, sizeof(text), "limit %zu rollout %s state %d kind %d q %s", f->limit,
		         f->rollout ? f->rollout : "-", f->state, f->kind, f->q ? f->q : "-");
		count(which, c, text, find, f);
	}
	count(which, c, "an incident", one_incident, &id);
	count(which, c, "events", events_of, NULL);
	count(which, c, "events of a rollout", events_of, "r003");
	count(which, c, "a rollout", a_rollout, "r003");
	db_reader_close(c);
	db_close(db);
	assert_int_equal(scratch_remove(NULL), 0);
}

static void what_is_read_costs_no_more_with_years_on_record(void **state)
{
	int bad = 0;

	(void)state;
	count_all(0, FEW);
	count_all(1, MANY);
	assert_int_equal(n_counted[0], n_counted[1]);
	for (size_t i = 0; i < n_counted[0]; i++) {
		const struct work *few = &counted[0][i].work, *many = &counted[1][i].work;
		double steps = (double)many->steps / (double)few->steps,
		       pages = (double)many->pages / (double)few->pages;

		assert_true(few->steps > 0 && few->pages > 0);
		printf("%5.2f × steps, %5.2f × pages: %s\n", steps, pages, counted[0][i].what);
		bool searches = strstr(counted[0][i].what, "q ") && !strstr(counted[0][i].what, "q -");
		bad += steps > MOST_STEPS && !(searches && many->steps < ONE_PAGE);
		bad += pages > MOST_PAGES && !searches;
	}
	assert_int_equal(bad, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_read_costs_no_more_with_years_on_record)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
