/* What gave way ends after the rollback that took its place: ours has the last word, in whatever state it is. */
#include "tests/unit/db_fixture.h"
#include "tests/unit/settings_fixture.h"

#include "db/step.h"
#include "handlers/engine/record.h"
#include "handlers/incident/open.h"
#include "handlers/settings/snapshot.h"

static const char config[] =
	"{\"global\":{},\"sla\":{},\"limits\":{},\"channels\":[],\"rollouts\":[{\"name\":\"shop\",\"title\":\"Shop\","
	"\"alerts\":[\"rollout=shop\"],\"apply\":[{\"name\":\"reload\",\"command\":[\"/bin/r\"],\"timeout\":30}],"
	"\"verify\":{\"delay\":1,\"every\":5,\"passes\":2,\"timeout\":300,\"checks\":[]},\"stages\":[]}],"
	"\"playbooks\":[{\"name\":\"down\",\"match\":[\"action=auto_rollback\"],\"rollback\":{\"to\":0}}]}";

static struct settings *settings;
static struct db *db;
static int64_t gave_way, ours, step;

static int setup(void **state)
{
	char why[300];

	assert_int_equal(scratch_make(state), 0);
	assert_int_equal(settings_of(config, &settings, why, sizeof(why)), 0);
	db = fixture_start();
	return 0;
}

static int teardown(void **state)
{
	db_stop(db);
	db_close(db);
	settings_unref(settings);
	return scratch_remove(state);
}

static int64_t add(struct db_tx *tx, struct incident inc)
{
	char sha[CONFIG_SHA_SIZE];

	assert_int_equal(plan_put(tx, settings, &settings->rollouts[0], &settings->playbooks[0], sha), 0);
	inc.rollout = (char *)"shop";
	inc.playbook = inc.summary = inc.opened_by = (char *)"x";
	inc.severity = (char *)"";
	inc.config = sha;
	inc.pct_before = inc.pct_seen = -1;
	inc.opened_at_us = db_tx_now(tx) - 60 * US_PER_S;
	assert_int_equal(incident_insert(tx, &inc), 0);
	return inc.id;
}

/* arg: ours, beside a stage whose entering was called off, and whose command runs. */
static int open_both(struct db_tx *tx, void *arg)
{
	struct step st = {.phase = PHASE_APPLY,
	                  .kind = STEP_COMMAND,
	                  .name = (char *)"reload",
	                  .spec = (char *)"{}",
	                  .state = STEP_RUNNING,
	                  .attempts = 1};

	st.incident_id = gave_way =
		add(tx, (struct incident) {.kind = KIND_ADVANCE, .state = INC_CANCELLED, .pct_wanted = 2500});
	assert_int_equal(step_insert(tx, &st), 0);
	step = st.id;
	ours = add(tx, *(struct incident *)arg);
	return 0;
}

static int end_late(struct db_tx *tx, void *arg)
{
	(void)arg;
	return change_write(tx, settings,
	                    &(struct change) {.kind = CHANGE_OUTCOME,
	                                      .incident_id = gave_way,
	                                      .step_id = step,
	                                      .attempt = 1,
	                                      .outcome = STEP_DONE});
}

struct seen {
	struct incident inc; /* owned */
	size_t to_do;
};

static int look(struct db_tx *tx, void *arg)
{
	struct seen *s = arg;
	struct step_list l = {0};

	assert_int_equal(incident_load(db_tx_conn(tx), ours, &s->inc), 0);
	assert_int_equal(step_of_incident(db_tx_conn(tx), ours, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		s->to_do += l.item[i].state == STEP_TODO && l.item[i].phase == PHASE_APPLY;
	step_list_free(&l);
	return 0;
}

static struct seen after(struct incident inc)
{
	struct seen s = {0};

	assert_int_equal(in_tx(db, open_both, &inc), 0);
	assert_int_equal(in_tx(db, end_late, NULL), 1);
	assert_int_equal(in_tx(db, look, &s), 0);
	return s;
}

static void what_acts_acts_once_more(void **state)
{
	(void)state;
	struct seen s = after((struct incident) {
		.kind = KIND_AUTO, .state = INC_VERIFYING, .started_at_us = 1, .applied_at_us = 1, .verify_passes = 1});

	assert_int_equal(s.to_do, 1);
	assert_int_equal(s.inc.verify_passes, 0);
	assert_true(s.inc.evidence_since_us > 1);
	incident_free(&s.inc);
}

/* No step runs in that state: what was added would wait for ever. */
static void what_was_rolled_back_is_asked_where_it_is(void **state)
{
	(void)state;
	struct seen s = after((struct incident) {.kind = KIND_MANUAL,
	                                         .state = INC_ROLLED_BACK,
	                                         .started_at_us = 1,
	                                         .applied_at_us = 1,
	                                         .rolled_back_at_us = 2});

	assert_int_equal(s.inc.state, INC_VERIFYING);
	assert_true(s.inc.asking && s.inc.evidence_since_us > 2);
	assert_int_equal(s.to_do, 0);
	incident_free(&s.inc);
}

/* It has done nothing yet, but what it was told so far is from before. */
static void what_asks_goes_by_what_it_is_told_from_now_on(void **state)
{
	(void)state;
	struct seen s = after((struct incident) {.kind = KIND_AUTO,
	                                         .state = INC_VERIFYING,
	                                         .pct_wanted = 1000,
	                                         .asking = true,
	                                         .evidence_since_us = 1,
	                                         .verify_passes = 1});

	assert_true(s.inc.asking);
	assert_int_equal(s.inc.verify_passes, 0);
	assert_true(s.inc.evidence_since_us > 1);
	assert_int_equal(s.to_do, 0);
	incident_free(&s.inc);
}

static void what_waits_goes_on_waiting(void **state)
{
	(void)state;
	struct seen s = after((struct incident) {.kind = KIND_AUTO, .state = INC_PENDING, .due_at_us = 5});

	assert_int_equal(s.inc.state, INC_PENDING);
	assert_int_equal(s.inc.evidence_since_us, 0);
	assert_int_equal(s.to_do, 0);
	incident_free(&s.inc);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_acts_acts_once_more),
		T(what_was_rolled_back_is_asked_where_it_is),
		T(what_asks_goes_by_what_it_is_told_from_now_on),
		T(what_waits_goes_on_waiting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
