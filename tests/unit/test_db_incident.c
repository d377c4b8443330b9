#include "tests/unit/rows_fixture.h"

static void an_incident_is_read_back_as_it_was_written(void **state)
{
	(void)state;
	for (int full = 0; full < 2; full++) {
		struct incident i = make_incident(full ? "a" : "b", full, 1000 * (full + 1)), got = {0};

		assert_int_equal(in_tx(db, insert_incident, &i), 0);
		assert_true(i.id > 0);
		assert_int_equal(i.seq, 1);
		assert_int_equal(incident_load(reader, i.id, &got), 0);
		same_incident(&i, &got);
		incident_free(&got);
		incident_free(&i);
	}
}

static void a_saved_incident_is_read_back_in_every_column(void **state)
{
	(void)state;
	struct incident i = make_incident("a", true, 1000), got = {0};
	assert_int_equal(in_tx(db, insert_incident, &i), 0);
	struct incident other = make_incident("a", false, 7000);
	other.id = i.id;
	other.seq = i.seq;
	other.state = INC_FAILED;
	other.kind = i.kind; /* like rollout and opened_at: what is never saved again */
	other.opened_at_us = i.opened_at_us;
	free(other.config);
	other.config = strdup(i.config);
	assert_int_equal(in_tx(db, save_incident, &other), 0);
	assert_int_equal(other.seq, 2);
	assert_int_equal(incident_load(reader, i.id, &got), 0);
	same_incident(&other, &got);
	assert_int_equal(in_tx(db, save_incident, &i), -ESTALE); /* it still has seq 1 */
	incident_free(&got);
	assert_int_equal(incident_load(reader, i.id, &got), 0);
	same_incident(&other, &got);
	incident_free(&got);
	incident_free(&other);
	incident_free(&i);
}

static void a_rollout_has_one_live_incident_at_most(void **state)
{
	struct incident got = {0};

	(void)state;
	assert_int_equal(incident_open_of(reader, "shop", &got), 0);
	int64_t old = add_incident("shop", INC_RESOLVED, 1, "old"),
		gone = add_incident("shop", INC_CANCELLED, 2, "gone");
	assert_int_equal(incident_open_of(reader, "shop", &got), 0);
	int64_t live = add_incident("shop", INC_HELD, 3, "live");
	assert_true(old < gone && gone < live);
	for (int s = 1; s < INC_STATE_N; s++) {
		struct incident second = make_incident("shop", true, 100);

		second.state = (enum incident_state)s;
		assert_int_equal(in_tx(db, insert_incident, &second),
		                 incident_is_open((enum incident_state)s) ? -EEXIST : 0);
		incident_free(&second);
	}
	assert_int_equal(incident_open_of(reader, "shop", &got), 1);
	assert_int_equal(got.id, live);
	incident_free(&got);
	add_incident("other", INC_PENDING, 4, "other");
	assert_int_equal(incident_load(reader, 4711, &got), -ENOENT);
}

/* Ids found by a filter, as text: "5 3 1". */
static const char *found(struct incident_filter f)
{
	static char text[400];
	struct incident_list l = {0};

	text[0] = '\0';
	if (!f.limit)
		f.limit = 100;
	assert_int_equal(incident_find(reader, &f, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld", i ? " " : "",
		         (long long)l.item[i].id);
	incident_list_free(&l);
	return text;
}

static int attach_alert(struct db_tx *tx, void *incident)
{
	struct alert_seen s = {.fingerprint = "f",
	                       .starts_at_us = 1,
	                       .delivery = DELIVERY_FIRING,
	                       .labels = "{\"pod\":\"Web-7\"}",
	                       .annotations = "{}",
	                       .generator_url = ""};
	int64_t id = 0;
	int r = alert_add(tx, &s, &id);

	return r < 0 ? r : alert_attach(tx, *(int64_t *)incident, id);
}

static void incidents_are_found_by_every_filter_newest_first(void **state)
{
	int64_t three = 3;

	(void)state;
	add_incident("shop", INC_RESOLVED, 100, "Errors 50%");
	add_incident("shop", INC_CANCELLED, 200, "latency");
	add_incident("shop", INC_FAILED, 300, "errors again");
	add_incident("cart", INC_VERIFYING, 400, "latency");
	assert_int_equal(in_tx(db, attach_alert, &three), 0);
	assert_string_equal(found((struct incident_filter) {0}), "4 3 2 1");
	assert_string_equal(found((struct incident_filter) {.limit = 2}), "4 3");
	assert_string_equal(found((struct incident_filter) {.limit = 2, .before = 3}), "2 1");
	assert_string_equal(found((struct incident_filter) {.before = 1}), "");
	assert_string_equal(found((struct incident_filter) {.rollout = "shop"}), "3 2 1");
	assert_string_equal(found((struct incident_filter) {.rollout = "sho"}), "");
	assert_string_equal(found((struct incident_filter) {.state = INC_CANCELLED}), "2");
	assert_string_equal(found((struct incident_filter) {.kind = KIND_MANUAL, .open_only = true}), "4 3");
	assert_string_equal(found((struct incident_filter) {.kind = KIND_AUTO}), "");
	assert_string_equal(found((struct incident_filter) {.since_us = 200}), "4 3 2");
	assert_string_equal(found((struct incident_filter) {.until_us = 200}), "2 1");
	assert_string_equal(found((struct incident_filter) {.since_us = 200, .until_us = 300}), "3 2");
	assert_string_equal(found((struct incident_filter) {.q = "ERRORS"}), "3 1");
	assert_string_equal(found((struct incident_filter) {.q = "50%"}), "1"); /* no pattern: a substring */
	assert_string_equal(found((struct incident_filter) {.q = "art"}), "4");
	assert_string_equal(found((struct incident_filter) {.q = "web-7"}), "3");
	assert_string_equal(found((struct incident_filter) {.q = "%"}), "1");
	assert_string_equal(found((struct incident_filter) {.q = "' OR 1=1 --"}), "");
}

/* --- every combination of filters, against the same asked of an array --- */

#define MANY 120

static struct incident many[MANY]; /* as they were inserted */

/* Few milliseconds and a clock that goes back: many are opened in the same one, in no order. */
static void add_many(void)
{
	unsigned seed = 7;
	bool live[3] = {false};

	for (int i = 0; i < MANY; i++) {
		int r = rand_r(&seed) % 3, s = 1 + rand_r(&seed) % (INC_STATE_N - 1);
		struct incident inc = make_incident((const char *[]) {"a", "b", "c"}[r], true, 100);

		if (incident_is_open((enum incident_state)s) && live[r])
			s = i % 4 ? INC_RESOLVED : INC_CANCELLED;
		live[r] = live[r] || incident_is_open((enum incident_state)s);
		inc.state = (enum incident_state)s;
		inc.kind = (enum incident_kind)(1 + rand_r(&seed) % (KIND_N - 1));
		inc.opened_at_us = 1700000000000000 + rand_r(&seed) % 20 * 1000 + i;
		assert_int_equal(in_tx(db, insert_incident, &inc), 0);
		many[i] = inc;
	}
}

static bool fits(const struct incident_filter *f, const struct incident *i)
{
	return (!f->rollout || !strcmp(f->rollout, i->rollout)) && (!f->state || f->state == (int)i->state) &&
	       (f->kind ? f->kind == (int)i->kind : i->kind < KIND_ADVANCE) &&
	       (!f->open_only || incident_is_open(i->state)) && i->opened_at_us >= f->since_us &&
	       (!f->until_us || i->opened_at_us <= f->until_us);
}

static int newer_first(const void *a, const void *b)
{
	const struct incident *x = *(const struct incident *const *)a, *y = *(const struct incident *const *)b;

	return x->place < y->place ? 1 : x->place > y->place ? -1 : 0;
}

/* All pages of it, one after the other. */
static void same_as_asked_of_the_array(struct incident_filter f)
{
	const struct incident *want[MANY];
	size_t n = 0, at = 0;

	for (size_t i = 0; i < MANY; i++)
		if (fits(&f, &many[i]))
			want[n++] = &many[i];
	qsort(want, n, sizeof(*want), newer_first);
	for (bool more = true; more;) {
		struct incident_list l = {0};

		assert_int_equal(incident_find(reader, &f, &l), 0);
		more = l.n == f.limit;
		for (size_t i = 0; i < l.n; i++, at++) {
			assert_true(at < n);
			assert_int_equal(l.item[i].id, want[at]->id);
			f.before = l.item[i].place;
		}
		incident_list_free(&l);
	}
	assert_int_equal(at, n);
}

static void each_in_a_place_of_its_own(void)
{
	for (size_t i = 0; i < MANY; i++) {
		assert_true(many[i].place >= many[i].opened_at_us / 1000);
		assert_true(many[i].place < many[i].opened_at_us / 1000 + MANY);
		for (size_t k = 0; k < i; k++)
			assert_true(many[i].place != many[k].place);
	}
}

static void filters_combine(void **state)
{
	static const char *const rollouts[] = {NULL, "a", "c", "nobody"};
	static const int64_t spans[][2] = {
		{0, 0}, {1700000000007000, 0}, {0, 1700000000012000}, {1700000000003500, 1700000000009500}};

	(void)state;
	add_many();
	each_in_a_place_of_its_own();
	for (size_t i = 0; i < ARRAY_LEN(rollouts) * ARRAY_LEN(spans) * INC_STATE_N * KIND_N * 2; i++) {
		size_t k = i;
		struct incident_filter f = {.limit = i % 3 ? 7 : 500};

		f.rollout = rollouts[k % ARRAY_LEN(rollouts)];
		k /= ARRAY_LEN(rollouts);
		f.since_us = spans[k % ARRAY_LEN(spans)][0];
		f.until_us = spans[k % ARRAY_LEN(spans)][1];
		k /= ARRAY_LEN(spans);
		f.state = (int)(k % INC_STATE_N);
		k /= INC_STATE_N;
		f.kind = (int)(k % KIND_N);
		f.open_only = k / KIND_N;
		same_as_asked_of_the_array(f);
	}
	for (size_t i = 0; i < MANY; i++)
		incident_free(&many[i]);
}

static void long_lists_come_whole(void **state)
{
	int64_t *ids = NULL;
	size_t n = 0;
	char name[20];

	(void)state;
	for (int i = 1; i <= 70; i++) { /* past several growths of a list */
		struct incident_list l = {0};

		snprintf(name, sizeof(name), "r%d", i);
		add_incident(name, INC_PENDING, i, "s");
		assert_int_equal(incident_find(reader, &(struct incident_filter) {.limit = 1000}, &l), 0);
		assert_int_equal(l.n, i);
		for (int k = 0; k < i; k++)
			assert_int_equal(l.item[k].id, i - k);
		incident_list_free(&l);
	}
	assert_int_equal(incident_open_ids(reader, &ids, &n), 0);
	assert_int_equal(n, 70);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(ids[i], i + 1);
	free(ids);
}

static void began_since(const char *rollout, int64_t since_us, const char *expected)
{
	CLEANUP(cleanup_free) int64_t *at = NULL;
	char said[200] = "";
	size_t n = 0;

	assert_int_equal(incident_rollbacks_since(reader, rollout, since_us, &at, &n), 0);
	for (size_t i = 0, len = 0; i < n; i++, len = strlen(said))
		snprintf(said + len, sizeof(said) - len, "%s%lld", i ? " " : "", (long long)at[i]);
	assert_string_equal(said, expected);
}

static void incidents_are_counted(void **state)
{
	int64_t counts[INC_STATE_N] = {0};
	struct incident there = make_incident("shop", true, 100);

	(void)state;
	add_incident("shop", INC_RESOLVED, 100, "s");
	add_incident("shop", INC_CANCELLED, 200, "s");
	add_incident("shop", INC_HELD, 300, "s");
	add_incident("cart", INC_HELD, 300, "s");
	there.state = INC_RESOLVED;
	there.opened_at_us = 400;
	assert_true(there.already_there);
	assert_int_equal(in_tx(db, insert_incident, &there), 0);
	incident_free(&there);
	began_since("shop", 0, "300 100"); /* not the cancelled one, nor that which was there already */
	began_since("shop", 250, "300");
	began_since("nobody", 0, "");
	assert_int_equal(incident_count_states(reader, counts), 0);
	for (int s = 1; s < INC_STATE_N; s++)
		assert_int_equal(counts[s], s == INC_HELD ? 2 : 0);
}

static void names_and_states_translate_both_ways(void **state)
{
	(void)state;
	for (int s = 1; s < INC_STATE_N; s++)
		assert_int_equal(incident_state_find(incident_state_name((enum incident_state)s)), s);
	for (int k = 1; k < KIND_N; k++)
		assert_int_equal(incident_kind_find(incident_kind_name((enum incident_kind)k)), k);
	assert_int_equal(incident_state_find("no such"), -EINVAL);
	assert_int_equal(incident_kind_find(""), -EINVAL);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_incident_is_read_back_as_it_was_written),
		T(a_saved_incident_is_read_back_in_every_column),
		T(a_rollout_has_one_live_incident_at_most),
		T(incidents_are_found_by_every_filter_newest_first),
		T(filters_combine),
		T(long_lists_come_whole),
		T(incidents_are_counted),
		T(names_and_states_translate_both_ways),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
