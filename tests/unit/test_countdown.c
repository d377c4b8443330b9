/* A rollback that waits: it pages at its start, is counted down, may be put off, and its end is told to whom it paged.
 */
#include "tests/unit/trigger_fixture.h"

#include "handlers/incident/actions.h"
#include "handlers/incident/over.h"
#include "handlers/incident/text.h"
#include "handlers/gates/rollout_state.h"
#include "handlers/plan/reconcile.h"

static const struct fired slow = {.playbook = SLOW, .summary = "slow", .severity = "P1"};

/* How often it was paged. */
static size_t paged(const char *what)
{
	struct message_list l = {0};
	size_t n = 0;

	assert_int_equal(outbox_of_incident(reader(), id, &l), 0);
	for (size_t i = 0; i < l.n; i++) {
		struct message m = {0};

		assert_int_equal(outbox_load(reader(), l.item[i].id, &m), 0);
		n += !strcmp(m.what, what) && m.page;
		message_free(&m);
	}
	message_list_free(&l);
	return n;
}

struct asked {
	struct action_request rq;
	int result;
	char why[300];
};

static int ask_in(struct db_tx *tx, void *arg)
{
	struct asked *a = arg;

	a->rq.incident_id = id;
	a->rq.who = "alice";
	a->result = action_run(tx, settings, &a->rq, a->why, sizeof(a->why));
	return a->result < 0 ? 0 : a->result; /* a refusal has written nothing */
}

static struct asked ask(struct action_request rq)
{
	struct asked a = {.rq = rq};

	assert_int_equal(in_tx(db, ask_in, &a), 0);
	return a;
}

static struct asked extend(int64_t for_us, const char *note)
{
	return ask((struct action_request) {.action = ACTION_EXTEND, .for_us = for_us, .note = note});
}

/* The countdown as it is so long after its trigger, one pass of the controller. */
static int count_down_in(struct db_tx *tx, void *arg)
{
	struct incident inc = {0};
	struct evaluation ev = {0};
	struct rollout_state st = {.open = id};

	assert_int_equal(incident_load(db_tx_conn(tx), id, &inc), 0);
	int64_t now = incident_decided_us(&inc) + *(int64_t *)arg;
	struct reconcile l = {.tx = tx, .s = settings, .r = &settings->rollouts[0], .ev = &ev, .st = &st, .now = now};
	incident_free(&inc);
	return reconcile_remind(&l);
}

static void passes(int64_t after_us)
{
	assert_int_equal(in_tx(db, count_down_in, &after_us), 0);
}

static void it_pages_at_its_start_and_when_it_is_called_off(void **state)
{
	(void)state;
	world_is(2500);
	fire(slow);
	assert_int_equal(paged("pending"), 1);
	assert_int_equal(told(reader(), "pending", "Rollback Pending"), 1);
	assert_int_equal(told(reader(), "pending", ", in 1 hour,"), 1);
	assert_int_equal(ask((struct action_request) {.action = ACTION_CANCEL, .note = "known"}).result, 0);
	assert_int_equal(paged("cancelled"), 1);
}

static void a_hold_that_ends_pages_nobody(void **state)
{
	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = HOLD, .summary = "growth", .severity = "warning"});
	assert_int_equal(ask((struct action_request) {.action = ACTION_CANCEL, .note = "known"}).result, 0);
	assert_int_equal(told(reader(), "cancelled", "Called Off"), 1);
	assert_int_equal(paged("cancelled"), 0);
}

static void it_is_told_at_half_and_shortly_before_its_end(void **state)
{
	(void)state;
	world_is(2500);
	fire(slow);
	passes(1000 * S);
	assert_int_equal(told(reader(), "countdown", ""), 0);
	passes(1900 * S);
	passes(1915 * S);
	assert_int_equal(told(reader(), "countdown", "Rolls back to 0%"), 1);
	assert_int_equal(paged("countdown"), 0);
	passes(3300 * S);
	passes(3500 * S);
	assert_int_equal(told(reader(), "countdown", ""), 2);
	assert_int_equal(paged("countdown"), 1);
	passes(3700 * S); /* it is due: the engine acts */
	assert_int_equal(told(reader(), "countdown", ""), 2);
}

static void it_can_be_put_off_and_is_counted_down_anew(void **state)
{
	(void)state;
	world_is(2500);
	fire(slow);
	struct incident before = load(reader());
	passes(1900 * S);
	assert_int_equal(extend(1800 * S, "the fix is being deployed").result, 0);
	struct incident inc = load(reader());
	assert_int_equal(inc.due_at_us - before.due_at_us, 1800 * S);
	assert_int_equal(paged("extended"), 1);
	assert_int_equal(told(reader(), "extended", "Extended by alice until "), 1);
	assert_int_equal(told(reader(), "extended", "the fix is being deployed"), 1);
	passes(2000 * S);
	assert_int_equal(told(reader(), "countdown", ""), 1);
	passes(2800 * S);
	assert_int_equal(told(reader(), "countdown", ""), 2);
	incident_free(&before);
	incident_free(&inc);
}

static void putting_off_has_a_reason_and_a_bound(void **state)
{
	static const struct {
		int64_t for_us;
		const char *note, *why;
	} rows[] = {
		{0, "x", "how much longer"},           {1800 * S, NULL, "say why"},           {1800 * S, "", "say why"},
		{24 * 3600 * S, "x", "a day at most"}, {INT64_MAX / 2, "x", "a day at most"},
	};

	(void)state;
	world_is(2500);
	fire(slow);
	struct incident before = load(reader());
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct asked a = extend(rows[i].for_us, rows[i].note);

		assert_int_equal(a.result, -EINVAL);
		assert_non_null(strstr(a.why, rows[i].why));
	}
	struct incident inc = load(reader());
	assert_int_equal(inc.due_at_us, before.due_at_us);
	incident_free(&before);
	incident_free(&inc);
}

static void only_what_is_pending_can_be_put_off(void **state)
{
	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = LEAK, .summary = "leak", .severity = "critical"});
	struct asked a = extend(60 * S, "x");
	assert_int_equal(a.result, -EPERM);
	assert_non_null(strstr(a.why, "rolling_back: only a pending rollback"));
}

static void what_was_raised_since_is_not_called_rolled_back(void **state)
{
	struct incident_facts facts = {0};
	struct incident_over over = {0};
	CLEANUP(buf_free) struct buf action = BUF(500);

	(void)state;
	world_is(2500);
	fire((struct fired) {.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 30 * S});
	is_rolled_back(29 * S, 20 * S);
	struct incident inc = load(reader());
	assert_int_equal(incident_facts_load(reader(), &inc, &facts), 0);
	assert_int_equal(facts.above, 0);
	world_is(1000);
	assert_int_equal(incident_facts_load(reader(), &inc, &facts), 0);
	assert_int_equal(message_action(&action, &inc, &facts), 0);
	assert_string_equal(buf_text(&action), "Was rolled back to 0%, and raised since: it is at 10%");
	incident_over(&inc, &facts, &over);
	assert_false(over.over);
	assert_string_equal(over.because, "it was raised again since: 10%, not 0%");
	assert_string_equal(over.next[0], "rollbackctl rollback shop --stage 2");
	incident_free(&inc);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(it_pages_at_its_start_and_when_it_is_called_off),
		T(a_hold_that_ends_pages_nobody),
		T(it_is_told_at_half_and_shortly_before_its_end),
		T(it_can_be_put_off_and_is_counted_down_anew),
		T(putting_off_has_a_reason_and_a_bound),
		T(only_what_is_pending_can_be_put_off),
		T(what_was_raised_since_is_not_called_rolled_back),
	};

	return cmocka_run_group_tests_name("countdown", tests, NULL, NULL);
}
