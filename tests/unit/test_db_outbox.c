/* Alerts with what was said about them, and the outbox: rows with rules of their own. */
#include "tests/unit/db_fixture.h"

#include "db/alert.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "server/core/buf.h"

static struct db *db;
static struct db_conn *reader;

static int setup(void **state)
{
	int r = scratch_make(state);

	if (r == 0) {
		db = fixture_start();
		r = db_reader_open(db, &reader);
	}
	return r;
}

static int teardown(void **state)
{
	db_reader_close(reader);
	db_close(db);
	return scratch_remove(state);
}

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
	int r = alert_again(tx, *(int64_t *)id);

	return r < 0 ? r : alert_newer(tx, *(int64_t *)id, "{\"a\":\"c\"}", "{\"n\":2}");
}

static int end(struct db_tx *tx, void *id)
{
	return alert_end(tx, *(int64_t *)id, 99);
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

	return alert_say(tx, s->alert, s->delivery, s->rollout, s->disposition, s->incident, "because");
}

static int open_incident(struct db_tx *tx, void *arg)
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
	int id = in_tx(db, open_incident, (void *)rollout);

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
	assert_int_equal(in_tx(db, again, &first), 0);
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
}

static void by_which_config_it_was_decided_is_kept(void **state)
{
	(void)state;
	int64_t id = see(5, DELIVERY_FIRING);
	assert_string_equal(last(DELIVERY_FIRING).decided, "");
	assert_int_equal(in_tx(db, decide, &id), 0);
	assert_string_equal(last(DELIVERY_FIRING).decided, "abc");
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

static void each_disposition_is_said_once_per_episode_delivery_and_rollout(void **state)
{
	struct alert_said_list l = {0};

	(void)state;
	int64_t id = see(5, DELIVERY_FIRING);
	struct announcement all[] = {
		{id, 0, DELIVERY_FIRING, "shop", DISP_ROLLBACK_STARTED},
		{id, 0, DELIVERY_FIRING, "cart", DISP_ATTACHED},
		{id, 0, DELIVERY_RESOLVED, "", DISP_RESOLVED},
		{id, 0, DELIVERY_STALE, "", DISP_STALE},
	};
	all[0].incident = in_tx(db, open_incident, (void *)"shop");
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		assert_int_equal(in_tx(db, say, &all[i]), 0);
		assert_int_equal(in_tx(db, say, &all[i]), -EEXIST);
	}
	assert_int_equal(alert_said(reader, id, DELIVERY_FIRING, &l), 0);
	assert_int_equal(l.n, 2);
	assert_string_equal(l.item[0].rollout, "cart");
	assert_int_equal(l.item[0].disposition, DISP_ATTACHED);
	assert_int_equal(l.item[0].incident_id, 0);
	assert_string_equal(l.item[1].rollout, "shop");
	assert_int_equal(l.item[1].disposition, DISP_ROLLBACK_STARTED);
	assert_int_equal(l.item[1].incident_id, all[0].incident);
	alert_said_free(&l);
	assert_int_equal(alert_said(reader, id, DELIVERY_REJECTED, &l), 0);
	assert_int_equal(l.n, 0);
	alert_said_free(&l);
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
	return alert_unsay(tx, *(int64_t *)id, DELIVERY_FIRING);
}

static void only_what_was_said_of_no_rollout_is_taken_back(void **state)
{
	struct alert_said_list l = {0};

	(void)state;
	int64_t id = see(5, DELIVERY_FIRING);
	struct announcement all[] = {{id, 0, DELIVERY_FIRING, "", DISP_NO_MATCH},
	                             {id, 0, DELIVERY_FIRING, "shop", DISP_ATTACHED},
	                             {id, 0, DELIVERY_RESOLVED, "", DISP_RESOLVED}};
	for (size_t i = 0; i < ARRAY_LEN(all); i++)
		assert_int_equal(in_tx(db, say, &all[i]), 0);
	assert_int_equal(in_tx(db, unsay, &id), 0);
	assert_int_equal(alert_said(reader, id, DELIVERY_FIRING, &l), 0);
	assert_int_equal(l.n, 1);
	assert_string_equal(l.item[0].rollout, "shop");
	alert_said_free(&l);
	assert_int_equal(alert_said(reader, id, DELIVERY_RESOLVED, &l), 0);
	assert_int_equal(l.n, 1);
	alert_said_free(&l);
}

static void dispositions_have_names(void **state)
{
	(void)state;
	for (int d = 1; d < DISP_N; d++)
		assert_non_null(disposition_name((enum disposition)d));
	assert_string_equal(disposition_name(DISP_NO_MATCH), "no_match");
}

/* --- the outbox --- */

static int add(struct db_tx *tx, void *m)
{
	return outbox_add(tx, m);
}

static int save(struct db_tx *tx, void *m)
{
	return outbox_save(tx, m);
}

static struct message put(int64_t incident, const char *channel)
{
	struct message m = {.incident_id = incident,
	                    .rollout = (char *)(incident ? "shop" : NULL),
	                    .channel = (char *)channel,
	                    .event = (char *)"incident",
	                    .what = (char *)"opened",
	                    .body = (char *)"{\"text\":\"t\"}"};

	assert_int_equal(in_tx(db, add, &m), 0);
	assert_true(m.id > 0);
	return m;
}

/* As release 0.1 wrote them: nothing bounded what was kept. */
static void a_message_of_megabytes_is_read_without_its_incident(void **state)
{
	struct message got = {0};
	struct message_list l = {0};
	CLEANUP(buf_free) struct buf body = BUF(4 << 20);

	(void)state;
	buf_str(&body, "{\"what\":\"failed\",\"text\":\"rolled "
	               "back\",\"title\":\"Shop\",\"link\":\"http://x/1\",\"incident\":{\"alerts\":\"");
	while (body.len < 3 << 20)
		buf_str(&body, "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx");
	buf_str(&body, "\"}}");
	struct message m = {.channel = (char *)"chat",
	                    .event = (char *)"page",
	                    .what = (char *)"failed",
	                    .body = (char *)buf_text(&body)};
	assert_int_equal(in_tx(db, add, &m), 0);
	assert_int_equal(outbox_load(reader, m.id, &got), 0);
	assert_string_equal(got.body,
	                    "{\"what\":\"failed\",\"title\":\"Shop\",\"link\":\"http://x/1\",\"text\":\"rolled "
	                    "back\",\"incident\":null}");
	message_free(&got);
	assert_int_equal(outbox_due(reader, INT64_MAX, 9, &l), 0);
	assert_int_equal(l.n, 1);
	assert_null(l.item[0].body); /* many are looked at, few are sent */
	message_list_free(&l);
}

static void a_message_is_read_back_as_it_was_written(void **state)
{
	struct message got = {0};

	(void)state;
	int64_t before = clock_wall_us();
	struct message m = put(3, "chat");
	assert_int_equal(outbox_load(reader, m.id, &got), 0);
	assert_int_equal(got.incident_id, 3);
	assert_string_equal(got.rollout, "shop");
	assert_string_equal(got.channel, "chat");
	assert_string_equal(got.event, "incident");
	assert_string_equal(got.what, "opened");
	assert_string_equal(got.body, "{\"text\":\"t\"}");
	assert_int_equal(got.state, MSG_QUEUED);
	assert_int_equal(got.attempts, 0);
	assert_in_range(got.queued_at_us, before, clock_wall_us());
	assert_int_equal(got.due_at_us, got.queued_at_us);
	assert_int_equal(got.sent_at_us, 0);
	assert_null(got.error);
	message_free(&got);
	m.state = MSG_UNDELIVERABLE;
	m.attempts = 11;
	m.due_at_us = 12;
	m.sent_at_us = 13;
	m.error = (char *)"404";
	assert_int_equal(in_tx(db, save, &m), 0);
	assert_int_equal(outbox_load(reader, m.id, &got), 0);
	assert_int_equal(got.state, MSG_UNDELIVERABLE);
	assert_int_equal(got.attempts, 11);
	assert_int_equal(got.due_at_us, 12);
	assert_int_equal(got.sent_at_us, 13);
	assert_string_equal(got.error, "404");
	assert_null(got.body); /* it waits no more */
	assert_int_equal(got.body_id, 0);
	message_free(&got);
	assert_int_equal(outbox_load(reader, 4711, &got), -ENOENT);
	m.id = 4711;
	assert_int_equal(in_tx(db, save, &m), -ENOENT);
}

static void numbers_count_per_incident_and_channel(void **state)
{
	(void)state;
	assert_int_equal(put(1, "chat").number, 1);
	assert_int_equal(put(1, "chat").number, 2);
	assert_int_equal(put(1, "page").number, 1);
	assert_int_equal(put(2, "chat").number, 1);
	assert_int_equal(put(1, "chat").number, 3);
	assert_int_equal(put(0, "chat").number, 0);
	assert_int_equal(put(0, "chat").number, 0);
}

/* Ids due now, in order, of one channel or (NULL) all. */
static const char *due(const char *channel, int64_t now, size_t limit)
{
	static char text[200];
	struct message_list l = {0};

	text[0] = '\0';
	assert_int_equal(outbox_due(reader, now, limit, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		if (!channel || !strcmp(l.item[i].channel, channel))
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%lld", text[0] ? " " : "",
			         (long long)l.item[i].id);
	message_list_free(&l);
	return text;
}

static void move(struct message *m, enum message_state s, int64_t due_at)
{
	m->state = s;
	m->due_at_us = due_at;
	assert_int_equal(in_tx(db, save, m), 0);
}

static void messages_are_due_in_order_per_incident_and_channel(void **state)
{
	int64_t far = INT64_MAX, next = 0;

	(void)state;
	assert_int_equal(outbox_next_due(reader, &next), -ENOENT);
	struct message a1 = put(1, "chat"), a2 = put(1, "chat"), b1 = put(2, "chat"), p1 = put(1, "page");
	struct message x1 = put(0, "chat"), x2 = put(0, "chat");
	(void)b1;
	(void)p1;
	(void)x2;
	assert_string_equal(due("chat", far, 9), "1 3 5"); /* the first of each; without incident: of the channel */
	assert_string_equal(due("page", far, 9), "4");
	assert_string_equal(due("chat", far, 2), "1 3");
	int64_t now = clock_wall_us();
	move(&a1, MSG_QUEUED, 1000); /* tried, again at 1000: the second waits behind it */
	assert_string_equal(due(NULL, 999, 9), "");
	assert_int_equal(outbox_next_due(reader, &next), 0);
	assert_int_equal(next, 1000);
	assert_string_equal(due(NULL, 1000, 9), "1");
	a1.attempts = 1;
	move(&a1, MSG_QUEUED, far); /* not taken: a minute it holds up the second, and no longer */
	assert_string_equal(due("chat", now + 55 * US_PER_S, 9), "3 5");
	assert_string_equal(due("chat", now + 70 * US_PER_S, 9), "2 3 5");
	move(&a1, MSG_SENT, 0);
	assert_string_equal(due("chat", far, 9), "2 3 5");
	move(&a2, MSG_UNDELIVERABLE, 0); /* given up: it holds up nobody */
	assert_int_equal(put(1, "chat").id, 7);
	move(&x1, MSG_SENT, 0);
	assert_string_equal(due("chat", far, 9), "3 6 7");
}

static struct message put_page(int64_t incident, const char *channel, bool page)
{
	struct message m = {.incident_id = incident,
	                    .channel = (char *)channel,
	                    .event = (char *)"page",
	                    .what = (char *)"failed",
	                    .body = (char *)"{}",
	                    .page = page};

	assert_int_equal(in_tx(db, add, &m), 0);
	return m;
}

static void a_page_waits_for_nothing_and_goes_first(void **state)
{
	int64_t soon = clock_wall_us() + US_PER_S;

	(void)state;
	put_page(1, "c", false);
	put_page(1, "c", false);
	struct message p = put_page(1, "c", true);
	put_page(1, "c", true);
	put_page(2, "c", false);
	assert_string_equal(due("c", soon, 9), "3 4 1 5");
	p.attempts = 3;
	move(&p, MSG_QUEUED, 0);
	assert_string_equal(due("c", soon, 9), "4 3 1 5"); /* what was not tried yet before what was */
	assert_string_equal(due("c", soon, 1), "4");
}

static int count_bodies(void)
{
	struct message got = {0};
	int n = 0;

	for (int64_t id = 1; id < 20; id++)
		if (outbox_load(reader, id, &got) == 0) {
			n += got.body != NULL;
			message_free(&got);
		}
	return n;
}

static int tell_three(struct db_tx *tx, void *arg)
{
	static const char *const channels[] = {"a", "b", "c"};
	struct message *m = arg;
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(channels); i++) {
		m->channel = (char *)channels[i];
		r = outbox_add(tx, m);
	}
	return r;
}

static void a_body_is_there_once_and_as_long_as_one_of_its_messages_waits(void **state)
{
	struct message got = {0}, m = {.incident_id = 1,
	                               .event = (char *)"page",
	                               .what = (char *)"x",
	                               .body = (char *)"{\"a\":1}"};

	(void)state;
	assert_int_equal(in_tx(db, tell_three, &m), 0);
	assert_int_equal(m.id, 3);
	int64_t body = m.body_id;
	assert_true(body > 0);
	assert_int_equal(count_bodies(), 3);
	for (int64_t id = 1; id <= 3; id++) {
		assert_int_equal(outbox_load(reader, id, &got), 0);
		assert_int_equal(got.body_id, body);
		assert_string_equal(got.body, "{\"a\":1}");
		got.state = id == 1 ? MSG_SENT : id == 2 ? MSG_UNDELIVERABLE : MSG_DROPPED;
		assert_int_equal(in_tx(db, save, &got), 0);
		message_free(&got);
		assert_int_equal(count_bodies(), 3 - id);
	}
	assert_int_equal(put(2, "a").body_id, body); /* the row is free again: the body is gone */
}

static int fill(struct db_tx *tx, void *arg)
{
	struct message *m = arg;
	int r = 0;

	for (int i = 0; r == 0 && i < OUTBOX_QUEUE_MAX + 2; i++)
		r = outbox_add(tx, m);
	return r;
}

static void a_queue_has_an_end_and_what_makes_room_is_visible(void **state)
{
	struct message got = {0}, m = {.channel = (char *)"dead",
	                               .event = (char *)"rollout",
	                               .what = (char *)"x",
	                               .body = (char *)"{}"};
	struct message page = put_page(1, "dead", true);

	(void)state;
	assert_int_equal(in_tx(db, fill, &m), 0);
	for (int64_t id = 2; id <= 4; id++) {
		assert_int_equal(outbox_load(reader, id, &got), 0);
		assert_int_equal(got.state, id <= 3 ? MSG_UNDELIVERABLE : MSG_QUEUED);
		assert_true(id > 3 || strstr(got.error, "1000 newer ones"));
		message_free(&got);
	}
	assert_int_equal(outbox_load(reader, page.id, &got), 0); /* a page makes room for pages only */
	assert_int_equal(got.state, MSG_QUEUED);
	message_free(&got);
}

static void what_was_overtaken_knows_by_whom(void **state)
{
	int64_t by = -1, by_page = -1;

	(void)state;
	struct message a = put_page(1, "c", true), b = put_page(1, "c", false), p = put_page(1, "c", true),
		       other = put_page(2, "c", true), elsewhere = put_page(1, "d", true),
		       lone = put_page(0, "c", true), lone2 = put_page(0, "c", true);
	move(&other, MSG_SENT, 0);
	move(&elsewhere, MSG_SENT, 0);
	move(&lone2, MSG_SENT, 0);
	assert_int_equal(outbox_overtaken(reader, &a, &by, &by_page), 0);
	assert_true(by == 0 && by_page == 0);
	move(&b, MSG_SENT, 0);
	assert_int_equal(outbox_overtaken(reader, &a, &by, &by_page), 0);
	assert_true(by == b.id && by_page == 0);
	move(&p, MSG_SENT, 0);
	assert_int_equal(outbox_overtaken(reader, &a, &by, &by_page), 0);
	assert_true(by == p.id && by_page == p.id);
	assert_int_equal(outbox_overtaken(reader, &p, &by, &by_page), 0);
	assert_true(by == 0 && by_page == 0);
	assert_int_equal(outbox_overtaken(reader, &lone, &by, &by_page), 0);
	assert_true(by == 0 && by_page == 0);
}

struct tally {
	char text[200];
};

static int tell(void *arg, const char *channel, int64_t queued, int64_t undeliverable)
{
	struct tally *t = arg;

	snprintf(t->text + strlen(t->text), sizeof(t->text) - strlen(t->text), "%s:%lld/%lld ", channel,
	         (long long)queued, (long long)undeliverable);
	return 0;
}

static void messages_are_counted_per_channel_and_listed_without_bodies(void **state)
{
	struct tally t = {""};
	struct message_list l = {0};

	(void)state;
	struct message a = put(1, "chat"), b = put(1, "chat"), c = put(1, "page");
	(void)a;
	move(&b, MSG_UNDELIVERABLE, 0);
	move(&c, MSG_SENT, 0);
	assert_int_equal(outbox_count(reader, tell, &t), 0);
	assert_string_equal(t.text, "chat:1/1 page:0/0 ");
	assert_int_equal(outbox_of_incident(reader, 1, &l), 0);
	assert_int_equal(l.n, 3);
	for (size_t i = 0; i < l.n; i++) {
		assert_int_equal(l.item[i].id, i + 1);
		assert_null(l.item[i].body);
		assert_string_equal(l.item[i].what, "opened");
	}
	assert_int_equal(l.item[2].state, MSG_SENT);
	message_list_free(&l);
	for (int s = 1; s < MSG_STATE_N; s++)
		assert_non_null(message_state_name((enum message_state)s));
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(an_alert_of_megabytes_is_never_read_whole),
		T(a_copy_is_counted_and_brings_what_is_newer),
		T(the_latest_episode_is_found_by_its_beginning),
		T(what_comes_after_the_end_is_counted_from_its_first),
		T(by_which_config_it_was_decided_is_kept),
		T(an_episode_ends_once_and_stays_so),
		T(only_what_was_said_of_no_rollout_is_taken_back),
		T(each_disposition_is_said_once_per_episode_delivery_and_rollout),
		T(an_alert_knows_its_live_incidents),
		T(dispositions_have_names),
		T(a_message_of_megabytes_is_read_without_its_incident),
		T(a_message_is_read_back_as_it_was_written),
		T(numbers_count_per_incident_and_channel),
		T(messages_are_due_in_order_per_incident_and_channel),
		T(a_page_waits_for_nothing_and_goes_first),
		T(a_body_is_there_once_and_as_long_as_one_of_its_messages_waits),
		T(a_queue_has_an_end_and_what_makes_room_is_visible),
		T(what_was_overtaken_knows_by_whom),
		T(messages_are_counted_per_channel_and_listed_without_bodies),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
