/* The other flags of a rollout: a change by hand is noticed, told once, and moves the generation. */
#include "tests/unit/rows_fixture.h"

#include "handlers/plan/flags_values.h"
#include "server/core/scope.h"
#include "server/core/text.h"
#include "tests/unit/settings_fixture.h"

static const char config[] =
	"{\"rollouts\":[{\"name\":\"shop\",\"title\":\"Shop\","
	"\"flags\":{\"file\":\"/etc/shop.env\",\"percentage\":\"SHARE\",\"values\":["
	"{\"name\":\"CACHE\",\"type\":\"bool\"},{\"name\":\"REUSE\",\"type\":\"bool\"}]},"
	"\"stages\":[{\"number\":1,\"name\":\"Canary\",\"percentage\":10,\"set\":[{\"name\":\"REUSE\",\"value\":"
	"\"true\"}]}]}],"
	"\"channels\":[{\"name\":\"chat\",\"slack\":{\"url\":\"http://h/x\"},\"events\":[\"all\"]}]}";

struct looked {
	const struct settings *s;
	const char *values;
};

static int sync_it(struct db_tx *tx, void *arg)
{
	const struct looked *l = arg;
	struct flags_look look = {.values = (char *)l->values};

	return flags_values_sync(tx, l->s, &l->s->rollouts[0], &look);
}

static int add_row(struct db_tx *tx, void *arg)
{
	(void)arg;
	return rollout_save(
		tx, &(struct rollout_row) {.name = (char *)"shop", .stage = 1, .pct_wanted = 1000, .pct_seen = -1});
}

static struct settings *begin(void)
{
	struct settings *s = NULL;
	char why[300];

	if (settings_of(config, &s, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(in_tx(db, add_row, NULL), 0);
	return s;
}

static void look(const struct settings *s, const char *values)
{
	assert_int_equal(in_tx(db, sync_it, &(struct looked) {s, values}), 0);
}

static int64_t generation(void)
{
	struct rollout_row row = {0};

	assert_int_equal(rollout_load(reader, "shop", &row), 0);
	int64_t g = row.generation;
	rollout_row_free(&row);
	return g;
}

/* The note of the event of that kind that came last, the caller's; NULL: there is none. */
static char *told(const char *what, size_t *ret_n)
{
	const struct event_filter f = {.rollout = "shop", .what = what, .limit = 100};
	struct event_list l = {0};

	assert_int_equal(event_find(reader, &f, &l), 0);
	char *note = l.n ? strdup(l.item[0].note) : NULL;
	*ret_n = l.n;
	event_list_free(&l);
	return note;
}

static void a_change_by_hand_is_told_once_and_moves_the_generation(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = begin();
	size_t n = 0;

	(void)state;
	look(s, "{\"CACHE\":\"true\",\"REUSE\":\"true\"}");  /* adopted */
	look(s, "{\"CACHE\":\"false\",\"REUSE\":\"true\"}"); /* one look may fall into a change of ours */
	CLEANUP(cleanup_free) char *early = told("flags_changed", &n);
	assert_int_equal(n, 0);
	assert_int_equal(generation(), 0);
	for (int again = 0; again < 3; again++)
		look(s, "{\"CACHE\":\"false\",\"REUSE\":\"true\"}");
	CLEANUP(cleanup_free) char *note = told("flags_changed", &n);
	assert_int_equal(n, 1);
	assert_string_equal(note, "flags were changed without rollbackd, in /etc/shop.env: CACHE from true to false");
	assert_int_equal(generation(), 1);
}

static void what_goes_back_before_the_second_look_was_nothing(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = begin();
	size_t n = 0;

	(void)state;
	for (int i = 0; i < 3; i++) {
		look(s, "{\"CACHE\":\"true\",\"REUSE\":null}");
		look(s, "{\"CACHE\":\"false\",\"REUSE\":null}");
	}
	CLEANUP(cleanup_free) char *note = told("flags_changed", &n);
	assert_int_equal(n, 0);
	assert_int_equal(generation(), 0);
}

static void what_a_stage_sets_moves_the_generation_and_is_not_told(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = begin();
	size_t n = 0;

	(void)state;
	look(s, "{\"CACHE\":\"true\",\"REUSE\":\"false\"}");
	look(s, "{\"CACHE\":\"true\",\"REUSE\":\"true\"}");
	look(s, "{\"CACHE\":\"true\",\"REUSE\":\"true\"}");
	CLEANUP(cleanup_free) char *note = told("flags_changed", &n);
	assert_int_equal(n, 0);
	assert_int_equal(generation(), 1);
}

static void a_flag_that_is_watched_from_now_on_is_no_change(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = begin();
	size_t n = 0;

	(void)state;
	look(s, "{\"CACHE\":\"true\"}");
	look(s, "{\"CACHE\":\"true\",\"REUSE\":\"false\"}");
	look(s, "{\"CACHE\":\"true\",\"REUSE\":\"false\"}");
	CLEANUP(cleanup_free) char *none = told("flags_changed", &n);
	assert_int_equal(n, 0);
	look(s, "{\"CACHE\":null,\"REUSE\":\"false\"}");
	look(s, "{\"CACHE\":null,\"REUSE\":\"false\"}");
	CLEANUP(cleanup_free) char *note = told("flags_changed", &n);
	assert_int_equal(n, 1);
	assert_non_null(strstr(note, "CACHE from true to not set"));
}

static int set_it(struct db_tx *tx, void *arg)
{
	const struct looked *l = arg;
	const struct flag_set set = {.name = "CACHE",
	                             .before = "true",
	                             .value = "false",
	                             .reason = "it serves old pages",
	                             .who = {"alice", true},
	                             .values = l->values};

	return flags_values_set(tx, l->s, &l->s->rollouts[0], &set);
}

static void what_a_person_sets_through_rollbackd_is_theirs_and_nobody_elses(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = begin();
	static const char after[] = "{\"CACHE\":\"false\",\"REUSE\":\"true\"}";
	size_t n = 0;

	(void)state;
	look(s, "{\"CACHE\":\"true\",\"REUSE\":\"true\"}");
	look(s, after); /* between the file and the record */
	assert_int_equal(in_tx(db, set_it, &(struct looked) {s, after}), 0);
	look(s, after);
	look(s, after);
	CLEANUP(cleanup_free) char *outside = told("flags_changed", &n);
	assert_int_equal(n, 0);
	CLEANUP(cleanup_free) char *note = told("flag_set", &n);
	assert_int_equal(n, 1);
	assert_string_equal(note, "flag CACHE set from true to false by alice: it serves old pages");
	assert_int_equal(generation(), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(a_change_by_hand_is_told_once_and_moves_the_generation),
		TEST(what_goes_back_before_the_second_look_was_nothing),
		TEST(what_a_stage_sets_moves_the_generation_and_is_not_told),
		TEST(a_flag_that_is_watched_from_now_on_is_no_change),
		TEST(what_a_person_sets_through_rollbackd_is_theirs_and_nobody_elses),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
