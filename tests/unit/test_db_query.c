#include "tests/unit/db_reader_fixture.h"

#include "db/event.h"
#include "db/query.h"

static void what_is_given_fits_the_statement_or_nothing_is_done(void **state)
{
	int64_t n = 7;

	(void)state;
	assert_int_equal(query_number(reader, META_GET, &n, V()), -EINVAL);
	assert_int_equal(query_number(reader, META_GET, &n, V("tried", 1)), -EINVAL);
	assert_int_equal(query_number(reader, META_GET, &n, V(1)), -EINVAL);
	assert_int_equal(n, 7);
	assert_int_equal(query_number(reader, META_GET, &n, V("tried")), 1);
	assert_true(n > 7);
}

static void no_row_and_null_leave_what_was_there(void **state)
{
	int64_t n = 7;
	char *text = NULL;

	(void)state;
	assert_int_equal(query_number(reader, META_GET, &n, V("never set")), 0);
	assert_int_equal(query_number(reader, OUTBOX_NEXT, &n, V()), 0); /* min() of nothing is NULL */
	assert_int_equal(n, 7);
	assert_int_equal(query_text(reader, META_TEXT, &text, V("tried")), 0); /* a number only */
	assert_int_equal(query_text(reader, META_TEXT, &text, V("never set")), 0);
	assert_null(text);
	assert_int_equal(query_text(reader, META_TEXT, &text, V("uuid")), 1);
	assert_string_equal(text, db_uuid(db));
	free(text);
}

/* Every kind of member, and both of a text: there, and NULL. */
struct kinds {
	int64_t i64;
	int32_t i32;
	enum { KINDS_A = 1, KINDS_B } choice;
	bool yes;
	double real;
	char *text, *nullable;
	char chars[8];
};
#define KINDS_ROW(S, KEY, FIRST, NEXT)                                                                                 \
	KEY(S, I64, i64, "id")                                                                                         \
	FIRST(S, I32, i32, "a")                                                                                        \
	NEXT(S, ENUM, choice, "b")                                                                                     \
	NEXT(S, BOOL, yes, "c")                                                                                        \
	NEXT(S, REAL, real, "d")                                                                                       \
	NEXT(S, TEXT, text, "e")                                                                                       \
	NEXT(S, NULLABLE, nullable, "f")                                                                               \
	NEXT(S, CHARS, chars, "g")
ROW_TYPE(kinds_row, struct kinds, KINDS_ROW);

static void a_list_writes_the_text_of_statements(void **state)
{
	(void)state;
	assert_string_equal(COLUMNS(KINDS_ROW), "id, a, b, c, d, e, f, g");
	assert_string_equal(INSERT_ROW("k", KINDS_ROW),
	                    "INSERT INTO k (a, b, c, d, e, f, g) VALUES (?, ?, ?, ?, ?, ?, ?)");
	assert_string_equal(COLUMNS_SET(KINDS_ROW), "a = ?, b = ?, c = ?, d = ?, e = ?, f = ?, g = ?");
	assert_string_equal(COLUMNS_TYPES(KINDS_ROW), "iiidttt");
	assert_int_equal(kinds_row.n, 8);
	assert_true(kinds_row.column[0].is_key && !kinds_row.column[1].is_key);
	assert_int_equal(kinds_row.column[7].size, 8);
}

static int add_events(struct db_tx *tx, void *arg)
{
	static const char *const what[] = {"one", "two", "three"};
	int r = 0;

	(void)arg;
	for (size_t i = 0; r == 0 && i < ARRAY_LEN(what); i++)
		r = event_add(tx, &(struct event) {.who = (char *)"w", .what = (char *)what[i]});
	return r;
}

#define EVENTS V(0, (const char *)NULL, 0, INT64_MAX, 9)

static void rows_are_appended_or_fill_what_the_caller_has(void **state)
{
	int64_t ids[2] = {0};
	struct rows grows = {0}, own = {.item = ids, .max = 2};

	(void)state;
	assert_int_equal(in_tx(db, add_events, NULL), 0);
	assert_int_equal(query_rows(reader, EVENT_OLDEST, &number_row, &grows, EVENTS), 0);
	assert_int_equal(query_rows(reader, EVENT_NEWEST, &number_row, &grows, EVENTS), 0);
	assert_int_equal(grows.n, 6);
	assert_int_equal(((int64_t *)grows.item)[0], ((int64_t *)grows.item)[5]);
	assert_int_equal(query_rows(reader, EVENT_OLDEST, &number_row, &own, EVENTS), 0);
	assert_int_equal(own.n, 2);
	assert_int_equal(ids[0], ((int64_t *)grows.item)[0]);
	assert_int_equal(ids[1], ((int64_t *)grows.item)[1]);
	/* After a failure nothing is left, of those that were there neither. */
	assert_int_equal(query_rows(reader, EVENT_OLDEST, &number_row, &grows, V(1)), -EINVAL);
	assert_int_equal(grows.n, 0);
	assert_null(grows.item);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_is_given_fits_the_statement_or_nothing_is_done),
		T(no_row_and_null_leave_what_was_there),
		T(a_list_writes_the_text_of_statements),
		T(rows_are_appended_or_fill_what_the_caller_has),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
