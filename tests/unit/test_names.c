#include "tests/unit/db_fixture.h"

#include "handlers/steps/names.h"

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

static size_t parse(const char *suffix, const char *name, int64_t *step, int32_t *attempt)
{
	char file[ATTEMPT_NAME_SIZE + 20];

	snprintf(file, sizeof(file), "%s%s", name, suffix);
	return attempt_name_parse(db, file, step, attempt);
}

static void a_name_carries_the_database_and_is_read_back(void **state)
{
	char name[ATTEMPT_NAME_SIZE];
	int32_t attempt = 0;
	int64_t step = 0;

	(void)state;
	attempt_name(db, 17, 2, name);
	assert_non_null(strstr(name, db_uuid(db)));
	assert_int_equal(parse(".claim", name, &step, &attempt), strlen(name));
	assert_int_equal(step, 17);
	assert_int_equal(attempt, 2);
}

static void names_of_others_are_not_ours(void **state)
{
	static const char *const strange[] = {
		"17.2",                                      /* of a database from before there were UUIDs */
		"00000000-0000-4000-8000-000000000000.17.2", /* of another one */
		"",
		"17",
		"x.y",
	};
	char name[ATTEMPT_NAME_SIZE], broken[ATTEMPT_NAME_SIZE + 4];
	int32_t attempt = -1;
	int64_t step = -1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(strange); i++)
		assert_int_equal(parse(".claim", strange[i], &step, &attempt), 0);
	attempt_name(db, 17, 2, name);
	assert_int_equal(parse("", name, &step, &attempt), 0);
	snprintf(broken, sizeof(broken), "%s0000000000", db_uuid(db));
	assert_int_equal(parse(".17.2.res", broken, &step, &attempt), 0);
	snprintf(broken, sizeof(broken), "%s.017.2", db_uuid(db));
	assert_int_equal(parse(".res", broken, &step, &attempt), 0);
	assert_int_equal(step, -1);
	assert_int_equal(attempt, -1);
}

static void a_key_is_the_same_after_a_crash_and_another_after_an_end_or_a_restored_backup(void **state)
{
	char a[STEP_KEY_SIZE], b[STEP_KEY_SIZE];

	(void)state;
	step_key(db, 1, 2, 1000, a);
	step_key(db, 1, 2, 1000, b);
	assert_string_equal(a, b);
	assert_non_null(strstr(a, db_uuid(db)));
	step_key(db, 1, 2, 2000, b);
	assert_string_not_equal(a, b);
	step_key(db, 1, 3, 1000, b);
	assert_string_not_equal(a, b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_name_carries_the_database_and_is_read_back, setup, teardown),
		cmocka_unit_test_setup_teardown(names_of_others_are_not_ours, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_key_is_the_same_after_a_crash_and_another_after_an_end_or_a_restored_backup, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
