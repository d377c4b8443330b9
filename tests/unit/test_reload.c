/* Who waits for a reload, and what a config may not drop (server/reload.h). */
#include "tests/unit/db_fixture.h"

#include <poll.h>
#include "db/incident.h"
#include "server/reload.h"
#include "tests/unit/settings_fixture.h"

static struct db *db;

static struct settings *settings_with(const char *rollout)
{
	struct settings *s = NULL;
	char text[400], why[300] = "";

	snprintf(text, sizeof(text),
	         "{\"rollouts\":[{\"name\":\"%s\",\"alerts\":[],\"apply\":[],\"verify\":{\"delay\":1,\"every\":1,"
	         "\"passes\":1,\"timeout\":60,\"checks\":[]}}]}",
	         rollout);
	if (settings_of(text, &s, why, sizeof(why)) < 0)
		fail_msg("settings: %s", why);
	return s;
}

struct row {
	enum incident_kind kind;
	enum incident_state state;
};

static int insert(struct db_tx *tx, void *arg)
{
	const struct row *row = arg;
	struct incident inc = {.rollout = (char *)"canary",
	                       .playbook = (char *)"",
	                       .severity = (char *)"",
	                       .summary = (char *)"",
	                       .opened_by = (char *)"",
	                       .config = fixture_config(tx, "{}"),
	                       .kind = row->kind,
	                       .state = row->state};

	return incident_insert(tx, &inc);
}

static bool refused(enum incident_kind kind, enum incident_state state, const char *left)
{
	struct settings *s = settings_with(left);
	struct db_conn *c = NULL;
	char why[300] = "";

	assert_int_equal(in_tx(db, insert, &(struct row) {kind, state}), 0);
	assert_int_equal(db_reader_open(db, &c), 0);
	bool drops = reload_drops_open(c, s, why, sizeof(why));
	assert_int_equal(drops, strstr(why, "drops rollout canary") != NULL);
	db_reader_close(c);
	settings_unref(s);
	return drops;
}

static void a_live_incident_keeps_its_rollout(void **state)
{
	(void)state;
	assert_true(refused(KIND_AUTO, INC_ROLLED_BACK, "other"));
}

static void a_stage_that_is_being_entered_keeps_its_rollout(void **state)
{
	(void)state;
	assert_true(refused(KIND_ADVANCE, INC_ROLLING_BACK, "other"));
}

static void what_is_over_keeps_nothing(void **state)
{
	(void)state;
	assert_false(refused(KIND_AUTO, INC_RESOLVED, "other"));
	assert_false(refused(KIND_ADVANCE, INC_CANCELLED, "other"));
}

static void a_rollout_that_stays_is_not_dropped(void **state)
{
	(void)state;
	assert_false(refused(KIND_ADVANCE, INC_VERIFYING, "canary"));
}

static int setup(void **state)
{
	if (scratch_make(state) < 0)
		return -1;
	db = fixture_start();
	return 0;
}

static int teardown(void **state)
{
	db_close(db);
	return scratch_remove(state);
}

/* --- who waits for one --- */

struct asker {
	struct reload_request rq; /* first */
	int told, result;
	char why[50];
};

static void told(struct reload_request *rq, int result, const char *why)
{
	struct asker *a = (struct asker *)rq;

	a->told++;
	a->result = result;
	snprintf(a->why, sizeof(a->why), "%s", why);
}

static bool somebody_waits(const struct reloads *q)
{
	struct pollfd p = {.fd = reloads_fd(q), .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static int ask(struct reloads *q, struct asker *a)
{
	*a = (struct asker) {.rq.done = told};
	return reloads_ask(q, &a->rq);
}

static void those_who_asked_before_it_are_answered_by_one_and_the_rest_by_the_next(void **state)
{
	struct reloads *q = NULL;
	struct reload_requests first, next;
	struct asker a[3];

	(void)state;
	assert_int_equal(reloads_new(&q), 0);
	assert_false(somebody_waits(q));
	assert_int_equal(ask(q, &a[0]), 0);
	assert_int_equal(ask(q, &a[1]), 0);
	assert_true(somebody_waits(q));
	reloads_take(q, &first);
	assert_false(somebody_waits(q));
	assert_int_equal(ask(q, &a[2]), 0); /* while it runs */
	assert_true(somebody_waits(q));
	reloads_answer(&first, -EINVAL, "a typo");
	for (int i = 0; i < 3; i++)
		assert_int_equal(a[i].told, i < 2);
	assert_int_equal(a[1].result, -EINVAL);
	assert_string_equal(a[1].why, "a typo");
	reloads_take(q, &next);
	reloads_answer(&next, 0, "");
	assert_int_equal(a[2].told, 1);
	assert_int_equal(a[2].result, 0);
	reloads_take(q, &next); /* by a signal: nobody waits */
	reloads_answer(&next, 0, "");
	reloads_stop(q);
	reloads_free(q);
}

static void there_is_a_limit_and_at_the_end_everybody_is_told(void **state)
{
	struct reloads *q = NULL;
	struct asker a[RELOADS_MAX], more;

	(void)state;
	assert_int_equal(reloads_new(&q), 0);
	for (int i = 0; i < RELOADS_MAX; i++)
		assert_int_equal(ask(q, &a[i]), 0);
	assert_int_equal(ask(q, &more), -EAGAIN);
	reloads_stop(q);
	for (int i = 0; i < RELOADS_MAX; i++) {
		assert_int_equal(a[i].told, 1);
		assert_int_equal(a[i].result, -ESHUTDOWN);
	}
	assert_int_equal(ask(q, &more), -ESHUTDOWN);
	assert_int_equal(more.told, 0);
	reloads_free(q);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(a_live_incident_keeps_its_rollout),
		T(a_stage_that_is_being_entered_keeps_its_rollout),
		T(what_is_over_keeps_nothing),
		T(a_rollout_that_stays_is_not_dropped),
		cmocka_unit_test(those_who_asked_before_it_are_answered_by_one_and_the_rest_by_the_next),
		cmocka_unit_test(there_is_a_limit_and_at_the_end_everybody_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
