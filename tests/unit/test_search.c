/*
 * The search finds what a reader of the texts would find, and nothing else, whatever the filters and pages.
 */
#include "tests/unit/rows_fixture.h"

#include <ctype.h>
#include <sqlite3.h>

#include "db/private.h"
#include "db/retention.h"
#include "db/search.h"
#include "server/core/text.h"

/* Ids, newest first, all pages: "5 3 1". */
static const char *found_by(struct incident_filter f)
{
	static char text[1000];

	text[0] = '\0';
	f.limit = 2;
	for (bool more = true; more;) {
		struct incident_list l = {0};

		assert_int_equal(incident_find(reader, &f, &l), 0);
		more = l.n == f.limit || l.next;
		f.before = l.next;
		for (size_t i = 0; i < l.n; i++) {
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld", text[0] ? " " : "",
			         (long long)l.item[i].id);
			if (!l.next)
				f.before = l.item[i].place;
		}
		incident_list_free(&l);
	}
	return text;
}

static const char *found(const char *q)
{
	return found_by((struct incident_filter) {.q = q});
}

struct attach {
	int64_t incident;
	const char *labels;
	int result;
};

static int attach(struct db_tx *tx, void *arg)
{
	static int n;
	const struct attach *a = arg;
	char fingerprint[20];
	int64_t id = 0;

	snprintf(fingerprint, sizeof(fingerprint), "f%d", n++);
	struct alert_seen s = {.fingerprint = fingerprint,
	                       .starts_at_us = 1,
	                       .delivery = DELIVERY_FIRING,
	                       .labels = a->labels,
	                       .annotations = "{}",
	                       .generator_url = ""};
	int r = alert_add(tx, &s, &id);
	if (r == 0)
		r = alert_attach(tx, a->incident, id);
	return r < 0 ? r : a->result;
}

static void add_alert(int64_t incident, const char *labels)
{
	assert_int_equal(in_tx(db, attach, &(struct attach) {incident, labels, 0}), 0);
}

static int64_t add(const char *rollout, int64_t at, const char *summary)
{
	return add_incident(rollout, INC_RESOLVED, at * 1000, summary);
}

static void a_text_is_found_in_rollout_summary_and_labels(void **state)
{
	(void)state;
	add("shop", 1, "Errors 50%");
	add("cart", 2, "latency of shopping");
	add("cart", 3, "errors again");
	add_alert(2, "{\"alertname\":\"Slow\",\"instance\":\"Web-7:9090\"}");
	add_alert(2, "{\"alertname\":\"Slow\",\"instance\":\"db-1\",\"zone\":\"eu\"}");
	assert_string_equal(found("ERRORS"), "3 1");
	assert_string_equal(found("shop"), "2 1");
	assert_string_equal(found("hop"), "2 1");
	assert_string_equal(found("web-7:"), "2");
	assert_string_equal(found("alertname=\"slow\""), "2");
	assert_string_equal(found("db-1"), "2");
	assert_string_equal(found("errors  again"), "");
	assert_string_equal(found("errorslatency"), "");
	assert_string_equal(found("50%"), "1"); /* no pattern: a text */
	assert_string_equal(found("5_%"), "");
	assert_string_equal(found("\" OR \"cart"), "");
	assert_string_equal(found("' OR 1=1 --"), "");
	assert_string_equal(found(""), "3 2 1");
}

static void one_or_two_characters_are_a_word(void **state)
{
	(void)state;
	add("shop", 1, "P0: 5 of 50% in zone \xc3\xa9u");
	add("cart", 2, "of course");
	add_alert(2, "{\"zone\":\"eu\",\"x\":\"1\"}");
	assert_string_equal(found("p0"), "1");
	assert_string_equal(found("of"), "2 1");
	assert_string_equal(found("%"), "1");
	assert_string_equal(found("5"), "1");
	assert_string_equal(found("50"), "1");
	assert_string_equal(found("eu"), "2");
	assert_string_equal(found("\xc3\xa9u"), "1");
	assert_string_equal(found("1"), "2");
	assert_string_equal(found("ho"), ""); /* a part of a word */
	assert_string_equal(found("e"), "");
}

static void filters_narrow_a_search(void **state)
{
	(void)state;
	for (int i = 1; i <= 12; i++)
		add_incident(i % 2 ? "shop" : "cart", i % 3 ? INC_RESOLVED : INC_CANCELLED, i * 1000, "errors");
	add_incident("shop", INC_FAILED, 13000, "errors");
	add_incident("cart", INC_HELD, 14000, "latency");
	assert_string_equal(found_by((struct incident_filter) {.q = "errors", .rollout = "shop"}), "13 11 9 7 5 3 1");
	assert_string_equal(found_by((struct incident_filter) {.q = "errors", .state = INC_CANCELLED}), "12 9 6 3");
	assert_string_equal(found_by((struct incident_filter) {.q = "errors", .open_only = true}), "13");
	assert_string_equal(found_by((struct incident_filter) {.q = "rt", .open_only = true}), "");
	assert_string_equal(found_by((struct incident_filter) {.q = "errors", .state = INC_HELD}), "");
	assert_string_equal(found_by((struct incident_filter) {.q = "errors", .kind = KIND_DRILL}), "");
	assert_string_equal(found_by((struct incident_filter) {.q = "errors", .since_us = 10000}), "13 12 11 10");
	assert_string_equal(found_by((struct incident_filter) {.q = "errors", .until_us = 3000}), "3 2 1");
}

static void what_a_job_took_back_is_not_found(void **state)
{
	(void)state;
	add("shop", 1, "errors");
	assert_int_equal(in_tx(db, attach, &(struct attach) {1, "{\"pod\":\"never-was\"}", -EPERM}), -EPERM);
	add_alert(1, "{\"pod\":\"it-was\"}");
	assert_string_equal(found("never-was"), "");
	assert_string_equal(found("it-was"), "1");
}

static int retitle(struct db_tx *tx, void *arg)
{
	struct incident i = {0};
	int r = incident_load(db_tx_conn(tx), 1, &i);

	if (r == 0)
		r = text_set(&i.summary, arg);
	if (r == 0)
		r = incident_save(tx, &i);
	incident_free(&i);
	return r < 0 ? r : search_note(tx, 1, SEARCH_CHANGED);
}

static void a_new_summary_is_found(void **state)
{
	(void)state;
	add("shop", 1, "errors");
	assert_int_equal(in_tx(db, retitle, (void *)(uintptr_t)"latency"), 0);
	assert_string_equal(found("latency"), "1");
	assert_string_equal(found("errors"), "1"); /* as it was told */
	assert_string_equal(found("shop"), "1");
}

/* The first is what is looked for; then the text is in those of another rollout only, and between them are others of
 * this one. */
static int insert_many(struct db_tx *tx, void *arg)
{
	int r = 0;

	for (int i = 1; r == 0 && i <= *(int *)arg; i++) {
		struct incident n = make_incident(i == 1 || i % 2 ? "shop" : "cart", false, 100);

		if (i > 1 && i % 2)
			r = text_set(&n.summary, "another");
		n.state = INC_RESOLVED;
		n.opened_at_us = i * 1000;
		r = r < 0 ? r : insert_incident(tx, &n);
		incident_free(&n);
	}
	return r;
}

/* A text and a filter that are found everywhere, and hardly ever together, are looked for in steps. */
static void a_page_that_looks_at_too_much_says_where_it_goes_on(void **state)
{
	struct incident_filter f = {.q = "summary", .rollout = "shop", .limit = 2};
	struct incident_list l = {0};
	int n = 4500, pages = 1;

	(void)state;
	assert_int_equal(in_tx(db, insert_many, &n), 0);
	assert_int_equal(incident_find(reader, &f, &l), 0);
	assert_int_equal(l.n, 0);
	assert_in_range(l.next, 2000, 3000);
	for (; l.n == 0 && l.next; pages++) {
		assert_true(!f.before || l.next < f.before);
		f.before = l.next;
		assert_int_equal(incident_find(reader, &f, &l), 0);
	}
	assert_in_range(pages, 2, 4);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.item[0].id, 1);
	assert_int_equal(l.next, 0);
	incident_list_free(&l);
}

/* Whatever is rarer, the text or what the filter lets through: a page finds what is far below. */
static void what_is_rare_is_found_at_once(void **state)
{
	struct incident_list l = {0};
	int n = 4500;

	(void)state;
	add("shop", 1, "latency");
	add("mail", 2, "summary");
	assert_int_equal(in_tx(db, insert_many, &n), 0);
	assert_string_equal(found_by((struct incident_filter) {.q = "latency", .rollout = "shop"}), "1");
	assert_string_equal(found_by((struct incident_filter) {.q = "summary", .rollout = "mail"}), "2");
	const struct incident_filter f = {.q = "summary", .rollout = "mail", .limit = 2};
	assert_int_equal(incident_find(reader, &f, &l), 0);
	assert_int_equal(l.n, 1);
	assert_int_equal(l.next, 0);
	incident_list_free(&l);
}

static int attach_many(struct db_tx *tx, void *arg)
{
	int r = 0;

	for (int i = 0; r == 0 && i < *(int *)arg; i++) {
		char labels[200];

		snprintf(labels, sizeof(labels), "{\"alertname\":\"Slow\",\"instance\":\"node-%05d.example.com\"}", i);
		r = attach(tx, &(struct attach) {1, labels, 0});
	}
	return r;
}

static int number(const char *sql)
{
	sqlite3_stmt *s = NULL;

	assert_int_equal(sqlite3_prepare_v2(reader->sql, sql, -1, &s, NULL), SQLITE_OK);
	assert_int_equal(sqlite3_step(s), SQLITE_ROW);
	int n = sqlite3_column_int(s, 0);
	sqlite3_finalize(s);
	return n;
}

static void ten_thousand_alerts_of_one_incident_are_found_each(void **state)
{
	int n = 10000;

	(void)state;
	add("shop", 1, "errors");
	assert_int_equal(in_tx(db, attach_many, &n), 0);
	assert_string_equal(found("node-00000"), "1");
	assert_string_equal(found("node-04711.example"), "1");
	assert_string_equal(found("node-09999"), "1");
	assert_string_equal(found("node-10000"), "");
	/* What all of them say is said once, and their text is there once. */
	assert_in_range(number("SELECT sum(length(text)) FROM search_text"), 300000, 500000);
	assert_in_range(number("SELECT count(*) FROM search_text"), 3, 12);
}

static int meddle(const char *sql)
{
	sqlite3 *c = NULL;

	assert_int_equal(sqlite3_open(scratch_path("state/rollbackd.db"), &c), SQLITE_OK);
	sqlite3_busy_timeout(c, 5000);
	int r = sqlite3_exec(c, sql, NULL, NULL, NULL);
	sqlite3_close(c);
	return r;
}

/* FTS5 compares the index with the texts. */
static bool index_agrees(void)
{
	return meddle("INSERT INTO search (search) VALUES ('integrity-check')") == SQLITE_OK;
}

static int sweep(struct db_tx *tx, void *arg)
{
	(void)arg;
	return retention_sweep(tx, INT64_MAX / 4, 100);
}

static void what_is_forgotten_is_not_found(void **state)
{
	(void)state;
	add("shop", 1, "errors");
	add_alert(1, "{\"pod\":\"web-1\"}");
	add_incident("cart", INC_HELD, 2000, "errors");
	add_incident("mail", INC_RESOLVED, 3000, "errors");
	UNTIL(number("SELECT count(*) FROM search_todo") == 0);
	assert_string_equal(found("errors"), "3 2 1");
	add_alert(3, "{\"pod\":\"web-2\"}"); /* and gone before it is in the index */
	assert_true(in_tx(db, sweep, NULL) > 0);
	assert_string_equal(found("errors"), "2");
	assert_string_equal(found("web-1"), "");
	UNTIL(number("SELECT count(*) FROM search_todo") == 0);
	assert_int_equal(number("SELECT count(*) FROM search_text"), 1);
	assert_true(index_agrees());
}

/* --- a record from before there was an index, and a damaged one --- */

static bool is_filled(void)
{
	int64_t from = -1;

	assert_int_equal(meta_get(reader, "search from", &from), 0);
	return from == 0;
}

static void begin_again(void)
{
	db_reader_close(reader);
	db_close(db);
	db = fixture_start();
	assert_int_equal(db_reader_open(db, &reader), 0);
}

static void a_record_without_an_index_is_filled_step_by_step(void **state)
{
	struct incident_list l = {0};

	(void)state;
	for (int i = 1; i <= 150; i++)
		add("shop", i, i == 3 ? "the oldest but two" : "errors");
	add_alert(5, "{\"pod\":\"web-1\"}");
	db_stop(db);
	meddle("INSERT INTO search (search) VALUES ('delete-all'); DELETE FROM search_text; DELETE FROM search_todo;"
	       "UPDATE meta SET value = (SELECT max(place) + 1 FROM incident) WHERE key = 'search from'");
	/* Nothing is known yet, and that is said. */
	assert_int_equal(incident_find(reader, &(struct incident_filter) {.q = "web-1", .limit = 2}, &l), 0);
	assert_int_equal(l.n, 0);
	assert_true(l.searched_from > 150);
	begin_again();
	add_alert(7, "{\"pod\":\"web-2\"}"); /* of one that is perhaps not filled yet */
	UNTIL(is_filled());
	assert_string_equal(found("web-1"), "5");
	assert_string_equal(found("web-2"), "7");
	assert_string_equal(found("oldest but"), "3");
	assert_int_equal(number("SELECT count(DISTINCT id >> 20) FROM search_text"), 150);
	UNTIL(number("SELECT count(*) FROM search_todo") == 0);
	assert_true(index_agrees());
	assert_int_equal(incident_find(reader, &(struct incident_filter) {.q = "web-1", .limit = 2}, &l), 0);
	assert_int_equal(l.searched_from, 0);
	incident_list_free(&l);
}

/* -EUCLEAN while it is damaged. */
static bool searches_all(void)
{
	struct incident_list l = {0};
	int r = incident_find(reader, &(struct incident_filter) {.q = "errors", .limit = 5}, &l);
	bool all = r == 0 && !l.searched_from;

	assert_true(r == 0 || r == -EUCLEAN);
	incident_list_free(&l);
	return all;
}

/* Whoever reports an incident gets it recorded; the search comes back by itself. */
static void a_damaged_index_stops_nothing_and_is_made_anew(void **state)
{
	(void)state;
	add("shop", 1, "errors");
	UNTIL(number("SELECT count(*) FROM search_todo") == 0); /* there is an index to be damaged */
	db_stop(db);
	assert_int_equal(meddle("UPDATE search_data SET block = x'ffffffffffffffffffffffffffff' WHERE id > 10"),
	                 SQLITE_OK);
	assert_false(index_agrees());
	begin_again();
	add("cart", 2, "errors again");
	UNTIL(searches_all() && index_agrees());
	assert_string_equal(found("errors"), "2 1");
	UNTIL(number("SELECT count(*) FROM search_todo") == 0);
}

/* --- against a reader of the texts --- */

#define MANY 200

static char texts[MANY][200];

static bool says(const char *text, const char *q)
{
	char low[200];
	size_t i = 0;

	for (; text[i]; i++)
		low[i] = (char)tolower((unsigned char)text[i]);
	low[i] = '\0';
	return strstr(low, q) != NULL;
}

static void make_text(unsigned *seed, char *to, int words)
{
	static const char *const parts[] = {"ab",
	                                    "abc",
	                                    "Abcd",
	                                    "bcab",
	                                    "\"a\"",
	                                    "c=d",
	                                    "\xc3\xa4"
	                                    "bc",
	                                    "dab",
	                                    "x y"};

	to[0] = '\0';
	for (int i = 0; i < words; i++)
		strcat(to, parts[rand_r(seed) % ARRAY_LEN(parts)]);
}

static void ask_many(unsigned *seed)
{
	for (int i = 0; i < 150; i++) {
		char q[100], want[1000] = "";

		make_text(seed, q, 1 + rand_r(seed) % 3);
		for (char *c = q; *c; c++)
			*c = (char)tolower((unsigned char)*c);
		if (strlen(q) < 3)
			continue;
		for (int k = MANY; k-- > 0;)
			if (says(texts[k], q))
				snprintf(want + strlen(want), sizeof(want) - strlen(want), "%s%d", want[0] ? " " : "",
				         k + 1);
		assert_string_equal(found(q), want);
	}
}

/* Half of them while they are not in the index yet. */
static void a_search_finds_what_a_reader_finds(void **state)
{
	unsigned seed = 11;

	(void)state;
	for (int i = 0; i < MANY; i++) {
		make_text(&seed, texts[i], 1 + rand_r(&seed) % 6);
		add("zzz", i + 1, texts[i]);
	}
	ask_many(&seed);
	UNTIL(number("SELECT count(*) FROM search_todo") == 0);
	ask_many(&seed);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_text_is_found_in_rollout_summary_and_labels),
		T(one_or_two_characters_are_a_word),
		T(filters_narrow_a_search),
		T(what_a_job_took_back_is_not_found),
		T(a_new_summary_is_found),
		T(a_page_that_looks_at_too_much_says_where_it_goes_on),
		T(what_is_rare_is_found_at_once),
		T(ten_thousand_alerts_of_one_incident_are_found_each),
		T(what_is_forgotten_is_not_found),
		T(a_record_without_an_index_is_filled_step_by_step),
		T(a_damaged_index_stops_nothing_and_is_made_anew),
		T(a_search_finds_what_a_reader_finds),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
