/* The outbox: rows with rules of their own. */
#include "tests/unit/db_reader_fixture.h"

#include "db/alert.h"
#include "db/incident.h"
#include "db/outbox.h"

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

static void messages_are_counted_per_channel_and_listed_without_bodies(void **state)
{
	struct channel_count_list counts = {0};
	struct message_list l = {0};

	(void)state;
	struct message a = put(1, "chat"), b = put(1, "chat"), c = put(1, "page");
	move(&b, MSG_UNDELIVERABLE, 0);
	move(&c, MSG_SENT, 0);
	int64_t since = 0;
	assert_int_equal(outbox_oldest(reader, &since), 0);
	assert_int_equal(outbox_count(reader, &counts), 0);
	assert_int_equal(counts.n, 2);
	assert_string_equal(counts.item[0].channel, "chat");
	assert_true(counts.item[0].queued == 1 && counts.item[0].undeliverable == 1);
	assert_string_equal(counts.item[1].channel, "page");
	assert_true(counts.item[1].queued == 0 && counts.item[1].undeliverable == 0);
	channel_count_list_free(&counts);
	assert_int_equal(outbox_of_incident(reader, 1, &l), 0);
	assert_int_equal(l.n, 3);
	assert_true(a.id == l.item[0].id && since == l.item[0].queued_at_us);
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
