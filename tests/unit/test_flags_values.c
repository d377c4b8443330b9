/* The other flags of a rollout: a change by hand is noticed, told once, and moves the generation. */
#include "tests/unit/rows_fixture.h"

#include <errno.h>

#include "db/event.h"
#include "db/step.h"
#include "handlers/plan/flags_values.h"
#include "server/core/clock.h"
#include "server/core/scope.h"
#include "server/core/text.h"
#include "tests/unit/settings_fixture.h"

#define CONFIG(apply)                                                                                                  \
	"{\"rollouts\":[{\"name\":\"shop\",\"title\":\"Shop\"," apply                                                  \
	"\"flags\":{\"file\":\"/etc/shop.env\",\"percentage\":\"SHARE\",\"values\":["                                  \
	"{\"name\":\"CACHE\",\"type\":\"bool\"},{\"name\":\"REUSE\",\"type\":\"bool\"}]},"                             \
	"\"stages\":[{\"number\":1,\"name\":\"Canary\",\"percentage\":10,\"set\":[{\"name\":\"REUSE\",\"value\":"      \
	"\"true\"}]}]}],"                                                                                              \
	"\"channels\":[{\"name\":\"chat\",\"slack\":{\"url\":\"http://h/x\"},\"events\":[\"all\"]}]}"
static const char config[] = CONFIG(""),
		  with_steps[] = CONFIG("\"apply\":[{\"name\":\"reload\",\"command\":[\"/bin/true\"]}],");

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

static struct settings *begin_with(const char *json)
{
	struct settings *s = NULL;
	char why[300];

	if (settings_of(json, &s, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	assert_int_equal(in_tx(db, add_row, NULL), 0);
	return s;
}

static struct settings *begin(void)
{
	return begin_with(config);
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

struct setting {
	const struct settings *s;
	const char *untold;
	struct flag_outcome out;
};

static int intend_it(struct db_tx *tx, void *arg)
{
	const struct setting *w = arg;
	const struct flag_intent i = {.name = "CACHE",
	                              .value = "false",
	                              .reason = "it serves old pages",
	                              .who = "alice",
	                              .untold = w->untold};

	assert_int_equal(flag_intent_is_open(tx, &w->s->rollouts[0]), 0);
	assert_int_equal(flag_intent_put(tx, &w->s->rollouts[0], &i), 0);
	return flag_intent_is_open(tx, &w->s->rollouts[0]) == 1 ? 0 : -EINVAL;
}

static int set_it(struct db_tx *tx, void *arg)
{
	struct setting *w = arg;

	return flags_values_set(tx, w->s, &w->s->rollouts[0], &w->out);
}

/* As an earlier life of rollbackd, or this one so long ago, would have left it. */
static int age_it(struct db_tx *tx, void *arg)
{
	CLEANUP(cleanup_free) char *text = NULL;
	int r = meta_get_text(db_tx_conn(tx), "flag_intent:shop", &text);

	if (r < 0)
		return r;
	CLEANUP(json_cleanup) struct json_object *o = json_tokener_parse(text);
	json_add_int(o, arg ? "life" : "at", arg ? 1 : db_tx_now(tx) - 31 * US_PER_S);
	return meta_set_text(tx, "flag_intent:shop", json_text(o));
}

static const char was[] = "{\"CACHE\":\"true\",\"REUSE\":\"true\"}";
static const char is[] = "{\"CACHE\":\"false\",\"REUSE\":\"true\"}";

static void told_is(const char *what, const char *want)
{
	size_t n = 0;
	CLEANUP(cleanup_free) char *note = told(what, &n);

	assert_int_equal(n, want ? 1 : 0);
	if (want)
		assert_string_equal(note, want);
}

static void what_a_person_sets_through_rollbackd_is_theirs_and_nobody_elses(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = begin();
	struct setting w = {.s = s, .out = {.before = "true", .values = is}};

	(void)state;
	look(s, was);
	assert_int_equal(in_tx(db, intend_it, &w), 0);
	told_is("flag_asked", "CACHE=false: it serves old pages");
	for (int i = 0; i < 3; i++)
		look(s, is); /* between the file and the record */
	told_is("flag_set", NULL);
	assert_int_equal(in_tx(db, set_it, &w), 0);
	look(s, is);
	look(s, is);
	told_is("flags_changed", NULL);
	told_is("flag_set", "flag CACHE set from true to false by alice: it serves old pages");
	assert_int_equal(w.out.incident, 0); /* there is no apply step */
	assert_int_equal(generation(), 1);
}

static void one_that_could_not_be_written_is_on_record(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = begin();
	struct setting w = {.s = s, .out = {.error = "No space left on device"}};

	(void)state;
	look(s, was);
	assert_int_equal(in_tx(db, intend_it, &w), 0);
	assert_int_equal(in_tx(db, set_it, &w), 0);
	told_is("flag_set", NULL);
	told_is("flag_not_set", "CACHE=false: No space left on device");
	assert_int_equal(generation(), 0);
	assert_int_equal(in_tx(db, intend_it, &w), 0); /* the next one may come */
}

/* rollbackd was stopped between the intention and its outcome. */
static void an_intention_that_nobody_is_at_is_settled_by_what_the_file_says(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = begin_with(with_steps);
	struct setting w = {.s = s, .out = {.before = "true", .values = is}};

	(void)state;
	look(s, was);
	assert_int_equal(in_tx(db, intend_it, &w), 0);
	assert_int_equal(in_tx(db, age_it, NULL), 0);
	look(s, is);
	told_is("flag_set",
	        "flag CACHE set to false by alice: it serves old pages. It stands in the file; no apply step was "
	        "run: rollbackd was stopped meanwhile. Set it again to run them");
	look(s, is);
	told_is("flags_changed", NULL);
	assert_int_equal(in_tx(db, set_it, &w), 0); /* too late: it was told */
	assert_int_equal(generation(), 1);
	assert_int_equal(in_tx(db, intend_it, &w), 0);
	assert_int_equal(in_tx(db, age_it, &w), 0);
	look(s, was);
	told_is("flag_not_set", "CACHE=false: rollbackd was stopped before it was written");
}

static int load_steps(struct db_tx *tx, void *arg)
{
	return step_of_incident(db_tx_conn(tx), 1, arg);
}

static int count_open(struct db_tx *tx, void *arg)
{
	struct incident inc = {0};
	int r = incident_open_of(db_tx_conn(tx), "shop", &inc);

	*(int64_t *)arg = r == 1 ? inc.id : 0;
	if (r == 1) {
		assert_int_equal(inc.kind, KIND_FLAG);
		assert_int_equal(inc.pct_before, 1000);
		assert_int_equal(inc.pct_wanted, 1000);
	}
	incident_free(&inc);
	return r < 0 ? r : 0;
}

/* The steps that make the service read the file, at the percentage that is there; the file is written already. */
static void the_apply_steps_are_run_unless_they_must_not_be(void **state)
{
	CLEANUP(settings_cleanup) struct settings *s = begin_with(with_steps);
	struct setting w = {
		.s = s, .out = {.before = "true", .values = is}, .untold = "the file holds 25%, 10% on record"};
	struct step_list steps = {0};
	int64_t open = 0;

	(void)state;
	assert_int_equal(in_tx(db, intend_it, &w), 0);
	assert_int_equal(in_tx(db, set_it, &w), 0);
	assert_int_equal(w.out.incident, 0);
	told_is("flag_set",
	        "flag CACHE set from true to false by alice: it serves old pages. It stands in the file; no apply "
	        "step was run: the file holds 25%, 10% on record");
	w.untold = NULL;
	assert_int_equal(in_tx(db, intend_it, &w), 0);
	assert_int_equal(in_tx(db, set_it, &w), 0);
	assert_int_equal(w.out.incident, 1);
	assert_int_equal(in_tx(db, count_open, &open), 0);
	assert_int_equal(open, 1);
	assert_int_equal(in_tx(db, load_steps, &steps), 0);
	assert_int_equal(steps.n, 2);
	assert_string_equal(steps.item[0].name, "reload");
	assert_int_equal(steps.item[1].kind, STEP_VERIFY);
	step_list_free(&steps);
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
		TEST(one_that_could_not_be_written_is_on_record),
		TEST(an_intention_that_nobody_is_at_is_settled_by_what_the_file_says),
		TEST(the_apply_steps_are_run_unless_they_must_not_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
