/*
 * What the tests of triggers share: a rollout with a hold, a leak, a corruption and a contingency, in a real database.
 */
#ifndef TESTS_UNIT_TRIGGER_FIXTURE_H
#define TESTS_UNIT_TRIGGER_FIXTURE_H

#include "tests/unit/db_fixture.h"
#include "tests/unit/settings_fixture.h"

#include "db/alert.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "db/rollout.h"
#include "handlers/incident/move.h"
#include "handlers/incident/open.h"
#include "server/core/text.h"

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

static inline int setup(void **state)
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

static inline int teardown(void **state)
{
	db_close(db);
	settings_unref(settings);
	return scratch_remove(state);
}

/* --- the world, triggers --- */

static inline int write_world(struct db_tx *tx, void *arg)
{
	struct rollout_row row = {.name = (char *)"shop",
	                          .stage = 2,
	                          .pct_wanted = *(int32_t *)arg,
	                          .pct_seen = *(int32_t *)arg,
	                          .seen_at_us = db_tx_now(tx)};

	return rollout_save(tx, &row);
}

static inline void world_is(int32_t pct)
{
	assert_int_equal(in_tx(db, write_world, &pct), 0);
}

static inline void flags_are(const char *text)
{
	FILE *f = fopen(scratch_path("flags.env"), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

struct fired {
	size_t playbook;
	const char *summary;
	const char *severity;
	int64_t ago_us;   /* it came so long ago … */
	int64_t began_us; /* … and began so long before that */
	const char *person;
	int64_t alert; /* out: its row */
	enum disposition disposition;
};

static inline int64_t add_alert(struct db_tx *tx, const struct fired *f, int64_t starts_at)
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

static inline int fire_in(struct db_tx *tx, void *arg)
{
	struct fired *f = arg;
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

static inline struct fired fire(struct fired f)
{
	assert_int_equal(in_tx(db, fire_in, &f), 0);
	return f;
}

/* --- what time and the engine would do --- */

struct pass {
	enum incident_event event;              /* 0: none */
	int64_t started_ago_us, applied_ago_us; /* of its act; 0: as it is */
};

static inline int pass_in(struct db_tx *tx, void *arg)
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

static inline void pass(struct pass p)
{
	assert_int_equal(in_tx(db, pass_in, &p), 0);
}

/* It acted and was seen there: started and applied so long ago. */
static inline void is_rolled_back(int64_t started_ago_us, int64_t applied_ago_us)
{
	pass((struct pass) {.event = EV_APPLIED, .started_ago_us = started_ago_us, .applied_ago_us = applied_ago_us});
	pass((struct pass) {.event = EV_SEEN});
	world_is(0);
}

/* --- what it says --- */

static inline struct db_conn *reader(void)
{
	static struct db_conn *c;

	db_reader_close(c);
	c = NULL;
	assert_int_equal(db_reader_open(db, &c), 0);
	return c;
}

static inline struct incident load(struct db_conn *c)
{
	struct incident inc = {0};

	assert_int_equal(incident_load(c, id, &inc), 0);
	return inc;
}

/* How often the hook was told of this. */
static inline size_t told(struct db_conn *c, const char *what, const char *words)
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

#endif
