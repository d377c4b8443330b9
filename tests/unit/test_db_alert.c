/* The largest webhook there is: all its alerts in one job, and all of them or none. */
#include "tests/unit/db_fixture.h"

#include <time.h>

#include "db/alert.h"
#include "db/incident.h"

#define ALERTS 10000
#define QUICK  US_PER_S /* what a sender may wait; sanitizers cost up to ten times that */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOWER 10
#else
#define SLOWER 1
#endif

struct webhook {
	int64_t incident; /* set by the first job */
	int news;         /* alerts that were new */
	int fail_at;      /* the alert at which the job gives up; -1: none */
	int64_t took_us;
};

static int open_incident(struct db_tx *tx, struct webhook *w)
{
	struct incident i = {.rollout = (char *)"shop",
	                     .playbook = (char *)"p",
	                     .severity = (char *)"critical",
	                     .summary = (char *)"s",
	                     .kind = KIND_AUTO,
	                     .state = INC_ROLLING_BACK,
	                     .config = fixture_config(tx, "{}"),
	                     .opened_by = (char *)"alertmanager"};
	int r = incident_insert(tx, &i);

	if (r == 0)
		w->incident = i.id;
	return r;
}

/* As the intake does it: looks for the episode; records, attaches and says what is new, counts what is not. */
static int take_one(struct db_tx *tx, struct webhook *w, int n)
{
	char fingerprint[20], labels[100];
	struct episode known;
	int64_t id = 0;

	snprintf(fingerprint, sizeof(fingerprint), "%016x", n);
	snprintf(labels, sizeof(labels), "{\"alertname\":\"High\",\"pod\":\"web-%d\",\"rollout\":\"shop\"}", n);
	struct alert_seen s = {.fingerprint = fingerprint,
	                       .starts_at_us = 5,
	                       .began_us = 5,
	                       .delivery = DELIVERY_FIRING,
	                       .labels = labels,
	                       .annotations = "{\"summary\":\"too many errors\"}",
	                       .generator_url = "http://prometheus/graph"};
	int r = episode_last(db_tx_conn(tx), fingerprint, DELIVERY_FIRING, &known);
	if (r == 1)
		return alert_again(tx, known.id);
	if (r == 0)
		r = episode_last(db_tx_conn(tx), fingerprint, DELIVERY_RESOLVED, &known);
	if (r == 0)
		r = alert_add(tx, &s, &id);
	if (r < 0)
		return r;
	w->news++;
	r = alert_attach(tx, w->incident, id);
	if (r < 0)
		return r;
	return disposition_add(tx, id, DELIVERY_FIRING, "shop", n ? DISP_ATTACHED : DISP_ROLLBACK_STARTED, w->incident,
	                       NULL);
}

/* Of this thread: what other programs of a busy machine take is not ours. */
static int64_t cpu_us(void)
{
	struct timespec t;

	assert_int_equal(clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t), 0);
	return (int64_t)t.tv_sec * US_PER_S + t.tv_nsec / 1000;
}

static int take_all(struct db_tx *tx, void *arg)
{
	struct webhook *w = arg;
	int64_t since = cpu_us();
	int r = w->incident ? 0 : open_incident(tx, w);

	for (int n = 0; n < ALERTS && r >= 0; n++)
		r = n == w->fail_at ? -EINVAL : take_one(tx, w, n);
	w->took_us = cpu_us() - since;
	return r;
}

static void count(struct db *db, int64_t incident, int64_t *ret_all)
{
	struct db_conn *c = NULL;
	int64_t firing = 0;

	assert_int_equal(db_reader_open(db, &c), 0);
	assert_int_equal(alert_count(c, incident, ret_all, &firing), 0);
	db_reader_close(c);
}

static void ten_thousand_alerts_are_recorded_well_within_a_second(void **state)
{
	struct webhook w = {.fail_at = -1};
	int64_t all = 0;

	(void)state;
	struct db *db = fixture_start();
	assert_int_equal(in_tx(db, take_all, &w), 0);
	print_message("first: %lld ms\n", (long long)(w.took_us / US_PER_MS));
	assert_true(w.took_us < SLOWER * QUICK);
	assert_int_equal(w.news, ALERTS);
	assert_int_equal(in_tx(db, take_all, &w), 0); /* the sender repeats it: as quick, and nothing new */
	print_message("again: %lld ms\n", (long long)(w.took_us / US_PER_MS));
	assert_true(w.took_us < SLOWER * QUICK);
	assert_int_equal(w.news, ALERTS);
	count(db, w.incident, &all);
	assert_int_equal(all, ALERTS);
	db_close(db);
}

static void a_webhook_that_fails_at_its_last_alert_leaves_nothing(void **state)
{
	struct webhook broken = {.fail_at = ALERTS - 1}, whole = {.fail_at = -1};
	struct db_conn *c = NULL;
	struct incident inc = {0};
	int64_t all = 0;

	(void)state;
	struct db *db = fixture_start();
	assert_int_equal(in_tx(db, take_all, &broken), -EINVAL);
	assert_int_equal(db_reader_open(db, &c), 0);
	assert_int_equal(incident_open_of(c, "shop", &inc), 0);
	db_reader_close(c);
	assert_int_equal(in_tx(db, take_all, &whole), 0);
	assert_int_equal(whole.news, ALERTS);
	count(db, whole.incident, &all);
	assert_int_equal(all, ALERTS);
	db_close(db);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		T(ten_thousand_alerts_are_recorded_well_within_a_second),
		T(a_webhook_that_fails_at_its_last_alert_leaves_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
