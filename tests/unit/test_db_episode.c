/* Alerts, their episodes, and what was said about them: rows with rules of their own. */
#include <sqlite3.h>
#include "tests/unit/db_reader_fixture.h"

#include "db/alert.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "db/private.h"
#include "db/retention.h"
#include "server/core/buf.h"

/* --- alerts --- */

static int record(struct db_tx *tx, void *arg)
{
	struct alert_seen *s = arg;
	int64_t id = 0;
	int r = alert_add(tx, s, &id);

	return r < 0 ? r : (int)id;
}

/* Its number. */
static int64_t see(int64_t starts_at, enum delivery d)
{
	struct alert_seen s = {.fingerprint = "00ff",
	                       .starts_at_us = starts_at,
	                       .began_us = starts_at,
	                       .delivery = d,
	                       .labels = d == DELIVERY_REJECTED ? "{}" : "{\"a\":\"b\"}",
	                       .annotations = "{\"n\":1}",
	                       .generator_url = "http://p",
	                       .ends_at_us = d == DELIVERY_RESOLVED ? 99 : 0};
	int id = in_tx(db, record, &s);

	assert_true(id > 0);
	return id;
}

static int again(struct db_tx *tx, void *id)
{
	return alert_again(tx, *(int64_t *)id);
}

static int copy(struct db_tx *tx, void *id)
{
	return alert_copy(tx, *(int64_t *)id, 4, "{\"a\":\"c\"}", "{\"n\":2}");
}

static int end(struct db_tx *tx, void *id)
{
	return alert_end(tx, *(int64_t *)id, 99);
}

static int ended_again(struct db_tx *tx, void *id)
{
	return alert_ended_again(tx, *(int64_t *)id);
}

static int stale(struct db_tx *tx, void *id)
{
	return alert_stale(tx, *(int64_t *)id);
}

static int decide(struct db_tx *tx, void *id)
{
	return alert_decided(tx, *(int64_t *)id, "abc");
}

static struct episode last(enum delivery status)
{
	struct episode e = {0};

	assert_int_equal(episode_last(reader, "00ff", status, &e), 1);
	return e;
}

struct announcement {
	int64_t alert, incident;
	enum delivery delivery;
	const char *rollout;
	enum disposition disposition;
};

static int say(struct db_tx *tx, void *arg)
{
	const struct announcement *s = arg;

	return disposition_add(tx, s->alert, s->delivery, s->rollout, s->disposition, s->incident, "because");
}

static int open_one(struct db_tx *tx, void *arg)
{
	struct incident i = {.rollout = arg,
	                     .playbook = (char *)"p",
	                     .severity = (char *)"s",
	                     .summary = (char *)"s",
	                     .kind = KIND_AUTO,
	                     .state = INC_PENDING,
	                     .config = fixture_config(tx, "{}"),
	                     .opened_by = (char *)"o"};
	int r = incident_insert(tx, &i);

	return r < 0 ? r : (int)i.id;
}

static int end_incident(struct db_tx *tx, void *arg)
{
	struct incident i = {0};
	int r = incident_load(db_tx_conn(tx), *(int64_t *)arg, &i);

	if (r == 0) {
		i.state = INC_RESOLVED;
		r = incident_save(tx, &i);
	}
	incident_free(&i);
	return r;
}

struct pair {
	int64_t incident, alert;
};

static int attach(struct db_tx *tx, void *arg)
{
	const struct pair *p = arg;

	return alert_attach(tx, p->incident, p->alert);
}

/* Opens an incident with one alert attached. */
static int64_t incident_with(const char *rollout, int64_t alert)
{
	int id = in_tx(db, open_one, (void *)rollout);

	assert_true(id > 0);
	struct pair p = {id, alert};
	assert_int_equal(in_tx(db, attach, &p), 0);
	return id;
}

static struct alert_row only_alert(int64_t incident)
{
	struct alert_list l = {0};

	assert_int_equal(alert_of_incident(reader, incident, 10, &l), 0);
	assert_int_equal(l.n, 1);
	struct alert_row a = l.item[0];
	free(l.item);
	return a;
}

static void free_alert(struct alert_row *a)
{
	struct alert_list l = {.item = malloc(sizeof(*a)), .n = 1};

	l.item[0] = *a;
	alert_list_free(&l);
}

static void a_copy_is_counted_and_brings_what_is_newer(void **state)
{
	(void)state;
	int64_t before = clock_wall_us(), first = see(5, DELIVERY_FIRING);
	assert_int_equal(in_tx(db, copy, &first), 1);
	assert_true(last(DELIVERY_FIRING).starts_at_us == 5 && last(DELIVERY_FIRING).told_start_us == 4);
	assert_true(see(5, DELIVERY_FIRING) !=
	            first); /* the same startsAt may come twice: the caller says what it is */
	struct alert_row a = only_alert(incident_with("shop", first));
	assert_string_equal(a.fingerprint, "00ff");
	assert_string_equal(a.labels, "{\"a\":\"c\"}");
	assert_string_equal(a.annotations, "{\"n\":2}");
	assert_string_equal(a.generator_url, "http://p");
	assert_int_equal(a.status, DELIVERY_FIRING);
	assert_int_equal(a.starts_at_us, 5);
	assert_int_equal(a.ends_at_us, 0);
	assert_int_equal(a.times, 2);
	assert_true(before <= a.first_at_us && a.first_at_us < a.last_at_us);
	free_alert(&a);
}

static int64_t changes(void)
{
	return sqlite3_total_changes64(db->writer->sql);
}

/* Nobody may wait for the disk because of what it holds already. */
static void a_copy_that_says_the_same_within_a_second_writes_nothing(void **state)
{
	(void)state;
	int64_t first = see(5, DELIVERY_FIRING);
	assert_int_equal(in_tx(db, copy, &first), 1);
	int64_t before = changes();
	assert_int_equal(in_tx(db, copy, &first), 0);
	assert_int_equal(changes(), before);
	sqlite3_exec(db->writer->sql, "UPDATE alert SET last_at = last_at - 1000000", NULL, NULL, NULL);
	before = changes();
	assert_int_equal(in_tx(db, copy, &first), 1);
	assert_int_equal(changes(), before + 1);
	sqlite3_exec(db->writer->sql, "UPDATE alert SET last_at = last_at + 1000000", NULL, NULL,
	             NULL); /* the clock was set */
	before = changes();
	assert_int_equal(in_tx(db, copy, &first), 1);
	assert_int_equal(changes(), before + 1);
	struct alert_row a = only_alert(incident_with("shop", first));
	assert_int_equal(a.times, 4);
	free_alert(&a);
}

/* As release 0.1 wrote them: nothing bounded what was kept. */
static void an_alert_of_megabytes_is_never_read_whole(void **state)
{
	CLEANUP(buf_free) struct buf text = BUF(4 << 20);

	(void)state;
	buf_str(&text, "{\"summary\":\"");
	while (text.len < 3 << 20)
		buf_str(&text, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	buf_str(&text, "\"}");
	struct alert_seen seen = {.fingerprint = "00ff",
	                          .delivery = DELIVERY_FIRING,
	                          .labels = "{\"a\":\"b\"}",
	                          .annotations = buf_text(&text),
	                          .generator_url = ""};
	int id = in_tx(db, record, &seen);
	assert_true(id > 0);
	struct alert_row a = only_alert(incident_with("shop", id));
	assert_string_equal(a.labels, "{\"a\":\"b\"}");
	assert_true(strlen(a.annotations) < 200);
	assert_non_null(strstr(a.annotations, "rollbackd_not_kept"));
	free_alert(&a);
}

static void the_latest_episode_is_found_by_its_beginning(void **state)
{
	struct episode_list l = {0};
	struct episode e;

	(void)state;
	assert_int_equal(episode_last(reader, "00ff", DELIVERY_FIRING, &e), 0);
	int64_t late = see(9, DELIVERY_FIRING), early = see(5, DELIVERY_FIRING), over = see(20, DELIVERY_RESOLVED);
	e = last(DELIVERY_FIRING);
	assert_true(e.id == late && e.firing && e.starts_at_us == 9 && e.began_us == 9 && !e.ended_at_us);
	e = last(DELIVERY_RESOLVED);
	assert_true(e.id == over && !e.firing && e.ends_at_us == 99 && e.ended_at_us == e.last_at_us && e.ended_at_us);
	assert_int_equal(episode_firing(reader, "00ff", &l), 0);
	assert_int_equal(l.n, 2);
	assert_true(l.item[0].id + l.item[1].id == late + early);
	free(l.item);
	assert_int_equal(episode_last(reader, "00", DELIVERY_FIRING, &e), 0);
}

static void what_comes_after_the_end_is_counted_from_its_first(void **state)
{
	(void)state;
	int64_t id = see(5, DELIVERY_FIRING);
	assert_int_equal(in_tx(db, end, &id), 0);
	assert_int_equal(last(DELIVERY_RESOLVED).stale_at_us, 0);
	assert_int_equal(in_tx(db, stale, &id), 0);
	struct episode first = last(DELIVERY_RESOLVED);
	assert_int_equal(in_tx(db, stale, &id), 0);
	struct episode second = last(DELIVERY_RESOLVED);
	assert_true(first.stale_at_us >= first.ended_at_us && second.stale_at_us == first.stale_at_us);
	assert_int_equal(first.stale_times, 1);
	assert_int_equal(second.stale_times, 2);
	sqlite3_exec(db->writer->sql, "UPDATE alert SET ended = ended - 5000000", NULL, NULL, NULL);
	assert_int_equal(in_tx(db, ended_again, &id), 0);
	struct episode anew = last(DELIVERY_RESOLVED);
	assert_true(anew.ended_at_us >= first.ended_at_us && anew.ended_at_us == anew.last_at_us);
	assert_true(anew.stale_times == 0 && anew.stale_at_us == first.stale_at_us);
}

static void by_which_config_it_was_decided_is_kept(void **state)
{
	(void)state;
	int64_t id = see(5, DELIVERY_FIRING);
	assert_string_equal(last(DELIVERY_FIRING).decided, "");
	assert_int_equal(in_tx(db, decide, &id), 0);
	assert_string_equal(last(DELIVERY_FIRING).decided, "abc");
}

static int forget(struct db_tx *tx, void *arg)
{
	(void)arg;
	return retention_sweep(tx, 2, 10);
}

static int unresolved(const char *rollout)
{
	char *labels[4];
	int n = alert_unresolved(reader, rollout, 0, labels, ARRAY_LEN(labels));

	for (int i = 0; i < n; i++)
		free(labels[i]);
	return n;
}

static void an_episode_ends_once_and_stays_so(void **state)
{
	(void)state;
	int64_t id = see(5, DELIVERY_FIRING), incident = incident_with("shop", id), all = 0, firing = 0;
	assert_int_equal(alert_count(reader, incident, &all, &firing), 0);
	assert_int_equal(all, 1);
	assert_int_equal(firing, 1);
	assert_int_equal(unresolved("shop"), 1);
	assert_int_equal(unresolved("cart"), 0);
	assert_int_equal(in_tx(db, end, &id), 0);
	int64_t ended = last(DELIVERY_RESOLVED).ended_at_us;
	assert_int_equal(in_tx(db, again, &id), 0); /* a late copy */
	assert_int_equal(in_tx(db, end, &id), 0);
	assert_int_equal(last(DELIVERY_RESOLVED).ended_at_us, ended);
	struct alert_row a = only_alert(incident);
	assert_int_equal(a.status, DELIVERY_RESOLVED);
	assert_int_equal(a.ends_at_us, 99);
	assert_string_equal(a.annotations, "{\"n\":1}");
	assert_int_equal(a.times, 2);
	free_alert(&a);
	assert_int_equal(alert_count(reader, incident, &all, &firing), 0);
	assert_int_equal(all, 1);
	assert_int_equal(firing, 0);
	assert_int_equal(unresolved("shop"), 0);
}

/* Of an incident that is forgotten, of an old one: nothing is asked about them. */
static void what_is_unresolved_goes_with_its_incident(void **state)
{
	char *labels[4];

	(void)state;
	int64_t id = see(5, DELIVERY_FIRING), incident = incident_with("shop", id);
	assert_int_equal(unresolved("shop"), 1);
	assert_int_equal(alert_unresolved(reader, "shop", INT64_MAX, labels, ARRAY_LEN(labels)), 0);
	sqlite3_exec(db->writer->sql, "UPDATE incident SET state = 8, resolved_at = 1", NULL, NULL, NULL);
	assert_int_equal(in_tx(db, forget, NULL), 1);
	assert_int_equal(unresolved("shop"), 0);
	struct incident gone = {0};
	assert_int_equal(incident_load(reader, incident, &gone), -ENOENT);
}

static void each_disposition_is_said_once_per_episode_delivery_and_rollout(void **state)
{
	struct disposition_list l = {0};

	(void)state;
	int64_t id = see(5, DELIVERY_FIRING);
	struct announcement all[] = {
		{id, 0, DELIVERY_FIRING, "shop", DISP_ROLLBACK_STARTED},
		{id, 0, DELIVERY_FIRING, "cart", DISP_ATTACHED},
		{id, 0, DELIVERY_RESOLVED, "", DISP_RESOLVED},
		{id, 0, DELIVERY_STALE, "", DISP_STALE},
	};
	all[0].incident = in_tx(db, open_one, (void *)"shop");
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(in_tx(db, say, &all[i]), 0);
		assert_int_equal(in_tx(db, say, &all[i]), -EEXIST);
	}
	assert_int_equal(disposition_of_alert(reader, id, DELIVERY_FIRING, &l), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.item[0].rollout, "cart");
	assert_int_equal(l.item[0].disposition, DISP_ATTACHED);
	assert_int_equal(l.item[0].incident_id, 0);
	assert_string_equal(l.item[1].rollout, "shop");
	assert_int_equal(l.item[1].disposition, DISP_ROLLBACK_STARTED);
	assert_int_equal(l.item[1].incident_id, all[0].incident);
	disposition_list_free(&l);
	assert_int_equal(disposition_of_alert(reader, id, DELIVERY_REJECTED, &l), 0);
	assert_int_equal(l.n, 0);
	disposition_list_free(&l);
}

static void an_alert_knows_its_live_incidents(void **state)
{
	int64_t ids[4] = {0};

	(void)state;
	int64_t id = see(5, DELIVERY_FIRING);
	int64_t a = incident_with("shop", id), b = incident_with("cart", id);
	struct pair again = {a, id};
	assert_int_equal(in_tx(db, attach, &again), 0);
	assert_int_equal(alert_incidents(reader, id, ids, 4), 2);
	assert_true(ids[0] == a && ids[1] == b);
	assert_int_equal(alert_incidents(reader, id, ids, 1), 1);
	assert_int_equal(in_tx(db, end_incident, &a), 0);
	assert_int_equal(alert_incidents(reader, id, ids, 4), 1);
	assert_int_equal(ids[0], b);
}

static int unsay(struct db_tx *tx, void *id)
{
	return disposition_withdraw(tx, *(int64_t *)id, DELIVERY_FIRING);
}

static void only_what_was_said_of_no_rollout_is_taken_back(void **state)
{
	struct disposition_list l = {0};

	(void)state;
	int64_t id = see(5, DELIVERY_FIRING);
	struct announcement all[] = {{id, 0, DELIVERY_FIRING, "", DISP_NO_MATCH},
	                             {id, 0, DELIVERY_FIRING, "shop", DISP_ATTACHED},
	                             {id, 0, DELIVERY_RESOLVED, "", DISP_RESOLVED}};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(in_tx(db, say, &all[i]), 0);
	assert_int_equal(in_tx(db, unsay, &id), 0);
	assert_int_equal(disposition_of_alert(reader, id, DELIVERY_FIRING, &l), 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.item[0].rollout, "shop");
	disposition_list_free(&l);
	assert_int_equal(disposition_of_alert(reader, id, DELIVERY_RESOLVED, &l), 0);
	assert_int_equal(l.n, 1);
	disposition_list_free(&l);
}

static void dispositions_have_names(void **state)
{
	(void)state;
	for (int d = 1; d < DISP_N; d++)
		assert_non_null(disposition_name((enum disposition)d));
	assert_string_equal(disposition_name(DISP_NO_MATCH), "no_match");
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_alert_of_megabytes_is_never_read_whole),
		T(a_copy_is_counted_and_brings_what_is_newer),
		T(a_copy_that_says_the_same_within_a_second_writes_nothing),
		T(the_latest_episode_is_found_by_its_beginning),
		T(what_comes_after_the_end_is_counted_from_its_first),
		T(by_which_config_it_was_decided_is_kept),
		T(an_episode_ends_once_and_stays_so),
		T(what_is_unresolved_goes_with_its_incident),
		T(only_what_was_said_of_no_rollout_is_taken_back),
		T(each_disposition_is_said_once_per_episode_delivery_and_rollout),
		T(an_alert_knows_its_live_incidents),
		T(dispositions_have_names),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
