/* An incident that several triggers share: whose words, severity, percentages and clocks it has. */
#include "tests/unit/db_fixture.h"
#include "tests/unit/settings_fixture.h"

#include "db/alert.h"
#include "db/outbox.h"
#include "db/rollout.h"
#include "db/step.h"
#include "handlers/incident/announce.h"
#include "handlers/incident/json.h"
#include "handlers/incident/move.h"
#include "handlers/incident/open.h"
#include "handlers/incident/report.h"
#include "handlers/incident/sla.h"
#include "handlers/incident/text.h"

#define S US_PER_S

static const char config[] =
	"{\"global\":{\"external_url\":\"\",\"environment\":\"production\",\"timezone\":\"UTC\",\"prometheus\":{"
	"\"url\":\"http://p\",\"timeout\":3}},"
	" \"sla\":{\"detection\":120,\"decision\":60,\"execution\":120,\"verification\":300,\"total\":600,"
	"  \"manual_decision\":900,\"manual_total\":1500},"
	" \"limits\":{\"cooldown\":600,\"rollbacks_per_day\":3,\"quiet\":1800}, \"users\":[],"
	" \"channels\":[{\"name\":\"hook\",\"webhook\":{\"url\":\"http://h\",\"secret\":\"s\"},\"events\":[\"all\"]}],"
	" \"rollouts\":[{\"name\":\"shop\",\"alerts\":[\"rollout=shop\"],\"title\":\"Shop\",\"dashboard_url\":\"\","
	"  \"apply\":[{\"name\":\"reload\",\"command\":[\"/bin/r\"],\"timeout\":30,\"idempotent\":true}],"
	"  \"verify\":{\"delay\":1,\"every\":5,\"passes\":1,\"timeout\":300,\"checks\":[{\"command\":[\"/bin/ask\"],"
	"   \"timeout\":10}]},"
	"  \"snapshot\":{\"window\":1800,\"queries\":[{\"name\":\"errors\",\"unit\":\"ratio\",\"query\":\"e\"}]},"
	"  "
        "\"stages\":[{\"number\":1,\"name\":\"Canary\",\"percentage\":10,\"environment\":\"production\",\"duration\":0}"
        ","
	"   {\"number\":2,\"name\":\"Early\",\"percentage\":25,\"environment\":\"production\",\"duration\":0}]}],"
	" \"playbooks\":["
	"  {\"name\":\"hold\",\"match\":[\"a=hold\"],\"severity\":\"\",\"hold\":true},"
	"  {\"name\":\"leak\",\"match\":[\"a=leak\"],\"severity\":\"critical\",\"rollback\":{\"to\":0,\"after\":0},"
	"   \"then\":[{\"name\":\"heap\",\"command\":[\"/bin/heap\"],\"timeout\":30}]},"
	"  {\"name\":\"corrupt\",\"match\":[\"a=x\"],\"severity\":\"P0\",\"rollback\":{\"to\":0,\"after\":0},"
	"   \"then\":[{\"name\":\"halt\",\"command\":[\"/bin/halt\"],\"timeout\":30}]},"
	"  {\"name\":\"slow\",\"match\":[\"a=slow\"],\"severity\":\"P1\",\"rollback\":{\"to\":0,\"after\":3600}}]}";

enum { HOLD, LEAK, CORRUPT, SLOW };

static struct settings *settings;
static struct db *db;
static int64_t id; /* of the incident of the running test */

static int setup(void **state)
{
	char why[300] = "";

	if (settings_of(config, &settings, why, sizeof(why)) < 0) {
		print_error("%s\n", why);
		return -1;
	}
	if (scratch_make(state) < 0)
		return -1;
	db = fixture_start();
	id = 0;
	return 0;
}

static int teardown(void **state)
{
	db_close(db);
	settings_unref(settings);
	return scratch_remove(state);
}

/* --- the world, triggers --- */

static int write_world(struct db_tx *tx, void *arg)
{
	struct rollout_row row = {.name = (char *)"shop",
	                          .stage = 2,
	                          .pct_wanted = *(int32_t *)arg,
	                          .pct_seen = *(int32_t *)arg,
	                          .seen_at_us = db_tx_now(tx)};

	return rollout_save(tx, &row);
}

static void world_is(int32_t pct)
{
	assert_int_equal(in_tx(db, write_world, &pct), 0);
}

static void flags_are(const char *text)
{
	FILE *f = fopen(scratch_path("flags.env"), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

struct firing {
	size_t playbook;
	const char *summary;
	const char *severity;
	int64_t ago_us;   /* it came so long ago … */
	int64_t began_us; /* … and began so long before that */
	const char *person;
	int64_t alert; /* out: its row */
	enum disposition disposition;
};

static int64_t add_alert(struct db_tx *tx, const struct firing *f, int64_t starts_at)
{
	CLEANUP(cleanup_free) char *annotations = text_format("{\"value\":\"%s\"}", f->summary);
	int64_t row = 0;
	struct alert_seen seen = {.fingerprint = f->summary,
	                          .starts_at_us = starts_at,
	                          .began_us = starts_at,
	                          .delivery = DELIVERY_FIRING,
	                          .labels = "{}",
	                          .annotations = annotations,
	                          .generator_url = ""};

	assert_int_equal(alert_add(tx, &seen, &row), 0);
	return row;
}

static int fire_in(struct db_tx *tx, void *arg)
{
	struct firing *f = arg;
	const struct playbook by_hand = {
		.frozen = (char *)"{\"name\":\"manual\"}", .name = "manual", .restart_at = -1, .severity = ""};
	int64_t received = db_tx_now(tx) - f->ago_us;
	struct trigger t = {.rollout = &settings->rollouts[0],
	                    .playbook = f->person ? &by_hand : &settings->playbooks[f->playbook],
	                    .kind = f->person ? KIND_MANUAL : KIND_AUTO,
	                    .who = f->person ? f->person : "alertmanager",
	                    .summary = f->summary,
	                    .severity = f->severity,
	                    .received_us = received};

	if (!f->person) {
		t.onset_us = received - f->began_us;
		t.onset_from = "startsAt";
		t.alert_id = f->alert = add_alert(tx, f, t.onset_us);
	}
	return trigger_apply(tx, settings, &t, &id, &f->disposition);
}

static struct firing fire(struct firing f)
{
	assert_int_equal(in_tx(db, fire_in, &f), 0);
	return f;
}

/* --- what time and the engine would do --- */

struct pass {
	enum incident_event event;              /* 0: none */
	int64_t started_ago_us, applied_ago_us; /* of its act; 0: as it is */
};

static int pass_in(struct db_tx *tx, void *arg)
{
	const struct pass *p = arg;
	struct incident inc = {0};
	int64_t now = db_tx_now(tx);

	assert_int_equal(incident_load(db_tx_conn(tx), id, &inc), 0);
	if (p->started_ago_us)
		assert_true(incident_note_act(&inc, now - p->started_ago_us));
	if (p->applied_ago_us)
		inc.applied_at_us = now - p->applied_ago_us;
	int r = incident_save(tx, &inc);
	if (r == 0 && p->event == EV_DUE)
		r = incident_begin(tx, settings, &inc, EV_DUE, "rollbackd", NULL);
	else if (r == 0 && p->event)
		r = incident_move(tx, settings, &inc, p->event, "rollbackd", NULL);
	incident_free(&inc);
	return r < 0 ? r : 0;
}

static void pass(struct pass p)
{
	assert_int_equal(in_tx(db, pass_in, &p), 0);
}

/* It acted and was seen there: started and applied so long ago. */
static void is_rolled_back(int64_t started_ago_us, int64_t applied_ago_us)
{
	pass((struct pass) {.event = EV_APPLIED, .started_ago_us = started_ago_us, .applied_ago_us = applied_ago_us});
	pass((struct pass) {.event = EV_SEEN});
	world_is(0);
}

/* --- what it says --- */

static struct db_conn *reader(void)
{
	static struct db_conn *c;

	db_reader_close(c);
	c = NULL;
	assert_int_equal(db_reader_open(db, &c), 0);
	return c;
}

/* The spans of the incident by their phase; 0: it has none. */
static void spans_of(const struct incident *inc, int64_t took_us[PHASE_N])
{
	struct sla_span s[PHASE_N];
	size_t n = sla_spans(inc, &settings->sla, s);

	memset(took_us, 0, PHASE_N * sizeof(*took_us));
	for (size_t i = 0; i < n; i++)
		took_us[s[i].phase] = s[i].took_us;
}

static bool is_about(int64_t took_us, int64_t wanted_us)
{
	return took_us >= wanted_us && took_us < wanted_us + 5 * S;
}

static struct incident load(struct db_conn *c)
{
	struct incident inc = {0};

	assert_int_equal(incident_load(c, id, &inc), 0);
	return inc;
}

static size_t steps_named(struct db_conn *c, const char *name, const char *spec)
{
	struct step_list l = {0};
	size_t n = 0;

	assert_int_equal(step_of_incident(c, id, &l), 0);
	for (size_t i = 0; i < l.n; i++)
		n += !strcmp(l.item[i].name, name) && strstr(l.item[i].spec, spec);
	step_list_free(&l);
	return n;
}

/* How often the hook was told of this. */
static size_t told(struct db_conn *c, const char *what, const char *words)
{
	struct message_list l = {0};
	size_t n = 0;

	assert_int_equal(outbox_of_incident(c, id, &l), 0);
	for (size_t i = 0; i < l.n; i++) {
		struct message m = {0};

		if (strcmp(l.item[i].what, what) != 0)
			continue;
		assert_int_equal(outbox_load(c, l.item[i].id, &m), 0);
		n += strstr(m.body, words) != NULL;
		message_free(&m);
	}
	message_list_free(&l);
	return n;
}

static void what_lowers_gives_the_incident_its_words_and_clocks(void **state)
{
	struct incident inc;
	int64_t took[PHASE_N];

	(void)state;
	world_is(2500);
	fire((struct firing) {.playbook = HOLD, .summary = "growth", .severity = "warning", .ago_us = 1000 * S});
	world_is(1000); /* somebody lowered it meanwhile */
	struct firing leak = fire((struct firing) {
		.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 30 * S, .began_us = 40 * S});
	is_rolled_back(29 * S, 20 * S);
	struct db_conn *c = reader();
	inc = load(c);
	assert_string_equal(inc.summary, "leak");
	assert_string_equal(inc.severity, "critical");
	assert_int_equal(inc.pct_before, 1000);
	assert_int_equal(inc.pct_wanted, 0);
	assert_int_equal(inc.decided_alert, leak.alert);
	spans_of(&inc, took);
	assert_true(is_about(took[PHASE_DETECTION], 40 * S));
	assert_true(is_about(took[PHASE_DECISION], 1 * S));
	assert_true(is_about(took[PHASE_EXECUTION], 9 * S));
	assert_true(is_about(took[PHASE_VERIFICATION], 20 * S));
	assert_true(is_about(took[PHASE_TOTAL], 70 * S));
	assert_int_equal(told(c, "rollback_started", "Trigger: leak\\n"), 1);
	assert_int_equal(told(c, "rolled_back", "Measured: value leak\\n"), 1);
	assert_int_equal(told(c, "rolled_back", "MISSED"), 0);
	incident_free(&inc);
}

static void a_p0_that_joins_makes_it_one_and_is_told(void **state)
{
	struct incident inc;

	(void)state;
	world_is(2500);
	fire((struct firing) {.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 30 * S});
	is_rolled_back(29 * S, 20 * S);
	fire((struct firing) {.playbook = CORRUPT, .summary = "corruption", .severity = "P0"});
	struct db_conn *c = reader();
	inc = load(c);
	assert_string_equal(inc.severity, "P0");
	assert_string_equal(inc.summary, "leak"); /* that lowered it */
	assert_int_equal(inc.pct_before, 2500);
	assert_int_equal(told(c, "escalated", "P0"), 1);
	assert_int_equal(told(c, "escalated", "corruption"), 1);
	incident_free(&inc);
	fire((struct firing) {.playbook = LEAK, .summary = "leak again", .severity = "critical"});
	c = reader();
	inc = load(c);
	assert_string_equal(inc.severity, "P0"); /* a P0 stays one */
	assert_int_equal(told(c, "escalated", ""), 1);
	incident_free(&inc);
}

static void what_follows_is_done_for_each_playbook_once(void **state)
{
	(void)state;
	world_is(2500);
	fire((struct firing) {.playbook = LEAK, .summary = "leak", .severity = "critical"});
	fire((struct firing) {.playbook = LEAK, .summary = "leak 2", .severity = "critical"});
	fire((struct firing) {.playbook = CORRUPT, .summary = "corruption", .severity = "P0"});
	fire((struct firing) {.playbook = CORRUPT, .summary = "corruption 2", .severity = "P0"});
	struct db_conn *c = reader();
	assert_int_equal(steps_named(c, "heap", "/bin/heap"), 1);
	assert_int_equal(steps_named(c, "halt", "/bin/halt"), 1);
}

static void before_each_trigger_that_decides_the_metrics_are_preserved(void **state)
{
	struct incident inc;
	char spec[60];

	(void)state;
	world_is(2500);
	fire((struct firing) {.playbook = HOLD, .summary = "growth", .severity = "warning", .ago_us = 1000 * S});
	assert_int_equal(steps_named(reader(), "preserve metrics", ""), 1);
	assert_int_equal(steps_named(reader(), "metrics afterwards", ""), 0); /* nothing was changed */
	fire((struct firing) {.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 30 * S});
	fire((struct firing) {.playbook = CORRUPT, .summary = "corruption", .severity = "P0"});
	inc = load(reader());
	snprintf(spec, sizeof(spec), "\"decided\":%lld", (long long)inc.decided_at_us);
	assert_int_equal(steps_named(reader(), "preserve metrics", ""), 2);
	assert_int_equal(steps_named(reader(), "preserve metrics", spec), 1);
	assert_int_equal(steps_named(reader(), "metrics afterwards", spec), 1);
	incident_free(&inc);
}

static int put_both(struct db_tx *tx, void *arg)
{
	const struct incident *inc = arg;
	long long held_s = (long long)(inc->opened_at_us / S), leak_s = (long long)(inc->decided_at_us / S);
	char series[2][120];

	snprintf(series[0], sizeof(series[0]), "[{\"labels\":{},\"points\":[[%lld,0.25]]}]", held_s - 60);
	snprintf(series[1], sizeof(series[1]), "[{\"labels\":{},\"points\":[[%lld,0.5]]}]", leak_s - 60);
	int r = snapshot_put(tx, id, 0, "errors", "ratio", series[0], NULL);
	return r < 0 ? r : snapshot_put(tx, id, inc->decided_at_us, "errors", "ratio", series[1], NULL);
}

static void both_are_shown_each_beside_its_trigger(void **state)
{
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	CLEANUP(buf_free) struct buf report = BUF(INCIDENT_REPORT_MAX);
	struct json_object *snap = NULL, *earlier = NULL, *series = NULL;
	struct incident inc;

	(void)state;
	world_is(2500);
	fire((struct firing) {.playbook = HOLD, .summary = "growth", .severity = "warning", .ago_us = 1000 * S});
	fire((struct firing) {.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 30 * S});
	struct db_conn *c = reader();
	inc = load(c);
	assert_int_equal(in_tx(db, put_both, &inc), 0);
	assert_int_equal(incident_json(c, &inc, PART_ALL, &o), 0);
	assert_int_equal(json_get_obj(o, "snapshot", &snap), 1);
	assert_int_equal(json_get_obj(snap, "series", &series), 1);
	assert_non_null(strstr(json_text(series), "0.5"));
	assert_null(strstr(json_text(series), "0.25"));
	assert_int_equal(json_get_arr(snap, "earlier", &earlier), 1);
	assert_int_equal(json_object_array_length(earlier), 1);
	assert_non_null(strstr(json_text(earlier), "0.25"));
	assert_int_equal(incident_report(c, &inc, &report), 0);
	assert_non_null(strstr(buf_text(&report), "| errors | 0.5 ratio | no data | no data |"));
	assert_non_null(strstr(buf_text(&report), "| errors | 0.25 ratio |"));
	incident_free(&inc);
}

static void a_deferred_decision_counts_from_when_it_is_due(void **state)
{
	struct incident inc;
	int64_t took[PHASE_N];

	(void)state;
	world_is(2500);
	fire((struct firing) {
		.playbook = SLOW, .summary = "slow", .severity = "P1", .ago_us = 3620 * S, .began_us = 50 * S});
	inc = load(reader());
	inc.due_at_us = inc.opened_at_us + 3600 * S;
	inc.started_at_us = inc.due_at_us + 2 * S;
	inc.applied_at_us = inc.due_at_us + 3 * S;
	inc.rolled_back_at_us = inc.due_at_us + 10 * S;
	spans_of(&inc, took);
	assert_int_equal(took[PHASE_DETECTION], 50 * S);
	assert_int_equal(took[PHASE_DECISION], 2 * S);
	assert_int_equal(took[PHASE_EXECUTION], 1 * S);
	assert_int_equal(took[PHASE_VERIFICATION], 7 * S);
	assert_int_equal(took[PHASE_TOTAL], 60 * S); /* the sum of its parts */
	incident_free(&inc);
}

static void what_makes_a_pending_one_act_now_decides_it(void **state)
{
	struct incident inc;
	int64_t took[PHASE_N];

	(void)state;
	world_is(2500);
	fire((struct firing) {.playbook = SLOW, .summary = "slow", .severity = "P1", .ago_us = 500 * S});
	fire((struct firing) {
		.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 10 * S, .began_us = S});
	is_rolled_back(9 * S, 8 * S);
	inc = load(reader());
	assert_string_equal(inc.summary, "leak");
	spans_of(&inc, took);
	assert_true(is_about(took[PHASE_DECISION], 1 * S));
	assert_true(is_about(took[PHASE_TOTAL], 11 * S));
	incident_free(&inc);
}

static void what_lowers_once_more_counts_from_its_own_trigger(void **state)
{
	struct incident inc;
	int64_t took[PHASE_N];
	char path[200];

	(void)state;
	snprintf(path, sizeof(path), "%s", scratch_path("flags.env"));
	settings->rollouts[0].flags_file = path;
	settings->rollouts[0].flags_key = "PCT";
	flags_are("PCT=25\n");
	fire((struct firing) {.playbook = LEAK, .summary = "leak", .severity = "critical", .ago_us = 5000 * S});
	pass((struct pass) {.event = EV_APPLIED});
	pass((struct pass) {.event = EV_SEEN});
	flags_are("PCT=50\n"); /* somebody raises it again, and it fires again */
	fire((struct firing) {.playbook = LEAK, .summary = "leak 2", .severity = "critical", .ago_us = 20 * S});
	pass((struct pass) {.event = EV_APPLIED, .applied_ago_us = 10 * S});
	pass((struct pass) {.event = EV_SEEN});
	inc = load(reader());
	assert_string_equal(inc.summary, "leak 2");
	assert_int_equal(inc.pct_before, 5000);
	spans_of(&inc, took);
	assert_true(is_about(took[PHASE_TOTAL], 20 * S));
	incident_free(&inc);
}

static void a_person_who_decides_is_named_so(void **state)
{
	struct incident inc;
	struct sla_span s[PHASE_N];

	(void)state;
	world_is(2500);
	fire((struct firing) {.playbook = HOLD, .summary = "growth", .severity = "warning", .ago_us = 1000 * S});
	inc = load(reader());
	assert_string_equal(message_title(&inc), "Held");
	incident_free(&inc);
	fire((struct firing) {.person = "alice", .summary = "looks bad", .severity = "", .ago_us = 100 * S});
	is_rolled_back(99 * S, 98 * S);
	inc = load(reader());
	assert_string_equal(message_title(&inc), "Manual Rollback");
	assert_string_equal(inc.severity, "warning"); /* a person names none */
	assert_int_equal(sla_spans(&inc, &settings->sla, s), 4);
	assert_int_equal(s[0].budget_us, 900 * S);
	incident_free(&inc);
}

int main(void)
{
#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)
	const struct CMUnitTest tests[] = {
		T(what_lowers_gives_the_incident_its_words_and_clocks),
		T(a_p0_that_joins_makes_it_one_and_is_told),
		T(what_follows_is_done_for_each_playbook_once),
		T(before_each_trigger_that_decides_the_metrics_are_preserved),
		T(both_are_shown_each_beside_its_trigger),
		T(a_deferred_decision_counts_from_when_it_is_due),
		T(what_makes_a_pending_one_act_now_decides_it),
		T(what_lowers_once_more_counts_from_its_own_trigger),
		T(a_person_who_decides_is_named_so),
	};

	return cmocka_run_group_tests_name("trigger", tests, NULL, NULL);
}
