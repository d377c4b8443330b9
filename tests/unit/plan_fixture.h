/*
 * A rollout with a plan, at what percentage a test likes, and what people do to it.
 */
#ifndef TESTS_UNIT_PLAN_FIXTURE_H
#define TESTS_UNIT_PLAN_FIXTURE_H

#include "tests/unit/db_fixture.h"
#include "tests/unit/settings_fixture.h"

#include <math.h>
#include "db/event.h"
#include "db/progress.h"
#include "db/rollout.h"
#include "handlers/gates/gate.h"
#include "handlers/plan/actions.h"
#include "server/core/json.h"
#include "server/core/text.h"

#define DAY_S  86400
#define DAY_US (INT64_C(86400) * 1000000)

/* Stages and what else is given; without a flags file, what was last seen is what is there. */
#define PLAN_SETTINGS(stages, more)                                                                                    \
	"{\"global\":{\"external_url\":\"\",\"environment\":\"production\",\"timezone\":\"UTC\",\"prometheus\":{"      \
	"\"url\":\"http://p\",\"timeout\":3}},\"limits\":{\"cooldown\":0,\"rollbacks_per_day\":0,\"quiet\":1800},"     \
	"\"channels\":[],\"playbooks\":[],\"users\":[{\"name\":\"alice\",\"roles\":[\"operator\",\"lead\"]},"          \
	"{\"name\":\"bob\",\"roles\":[\"operator\",\"lead\",\"owner\"]},{\"name\":\"ci\",\"roles\":[\"evidence\"]}],"  \
	"\"rollouts\":[{\"name\":\"shop\",\"alerts\":[],\"title\":\"Shop\",\"apply\":[],\"verify\":{\"delay\":1,"      \
	"\"every\":1,\"passes\":1,\"timeout\":60,\"checks\":[]},\"stages\":[" stages "]" more "}]}"

#define STAGE_0                                                                                                        \
	"{\"number\":0,\"name\":\"Staging\",\"percentage\":100,\"environment\":\"staging\",\"duration\":604800,"       \
	"\"checklist\":\"pre\",\"approvals\":[\"lead\"]}"
#define STAGE_1                                                                                                        \
	"{\"number\":1,\"name\":\"Canary\",\"percentage\":10,\"environment\":\"production\",\"duration\":172800,"      \
	"\"checklist\":\"canary\",\"approvals\":[\"lead\",\"owner\"],\"criteria\":[{\"name\":\"errors\",\"query\":"    \
	"\"e\",\"max\":0.001,\"unit\":\"\",\"over\":0,\"after\":0,\"min_samples\":0}]}"
#define STAGE_2 "{\"number\":2,\"name\":\"Half\",\"percentage\":50,\"environment\":\"production\",\"duration\":0}"
#define STAGE_3                                                                                                        \
	"{\"number\":3,\"name\":\"Full\",\"percentage\":100,\"environment\":\"production\",\"duration\":0,"            \
	"\"certify\":1209600}"
#define CHECKLISTS                                                                                                     \
	",\"checklists\":[{\"name\":\"pre\",\"items\":[{\"text\":\"All unit tests passing\",\"evidence\":\"unit\"},"   \
	"{\"text\":\"All reviewed\"}]},{\"name\":\"canary\",\"items\":[{\"text\":\"Logs read\"}]}]"

static struct db *db;
static struct settings *settings;
static struct criterion_result result; /* of stage 1's criterion */
static char why[700];
static struct plan_outcome outcome;

static inline void load_settings(const char *text)
{
	char fault[300] = "";

	settings_unref(settings);
	settings = NULL;
	if (settings_of(text, &settings, fault, sizeof(fault)) < 0)
		fail_msg("settings: %s", fault);
}

static inline int plan_setup(void **state)
{
	int r = scratch_make(state);

	if (r == 0)
		db = fixture_start();
	load_settings(PLAN_SETTINGS(STAGE_0 "," STAGE_1 "," STAGE_2 "," STAGE_3, CHECKLISTS));
	result = (struct criterion_result) {.state = CRITERION_HOLDS, .value = 0.0005, .samples = NAN, .why = "holds"};
	outcome = (struct plan_outcome) {.incident = 0};
	why[0] = '\0';
	return r;
}

static inline int plan_teardown(void **state)
{
	json_object_put(outcome.missing);
	db_close(db);
	settings_unref(settings);
	settings = NULL;
	return scratch_remove(state);
}

/* It stands at a stage and percentage, with so much clean time; entered: at its percentage. */
struct standing {
	int32_t stage, pct;
	int64_t clean_us;
	bool entered;
};

static inline int stand_at(struct db_tx *tx, void *arg)
{
	const struct standing *s = arg;
	int64_t now = db_tx_now(tx);
	struct rollout_row row = {.name = (char *)"shop",
	                          .stage = s->stage,
	                          .stage_since_us = now,
	                          .pct_wanted = s->pct,
	                          .pct_seen = s->pct,
	                          .pct_changed_us = now,
	                          .seen_at_us = now};
	struct progress p = {.rollout = (char *)"shop",
	                     .run = 1,
	                     .run_since_us = now,
	                     .entered_us = s->entered ? now : 0,
	                     .clean_us = s->clean_us,
	                     .clean_at_us = now,
	                     .restart_at = -1};
	int r = rollout_save(tx, &row);

	return r < 0 ? r : progress_save(tx, &p);
}

static inline void stands(int32_t stage, int32_t pct, int64_t clean_us, bool entered)
{
	assert_int_equal(in_tx(db, stand_at, &(struct standing) {stage, pct, clean_us, entered}), 0);
}

static inline int run_act(struct db_tx *tx, void *arg)
{
	const struct plan_request *rq = arg;
	struct rollout_state st = {0};
	const struct rollout *r = settings_rollout(settings, "shop");

	assert_int_equal(rollout_state_load(db_tx_conn(tx), r, db_tx_now(tx), NULL, &st), 0);
	struct evaluation ev = {
		.at_us = db_tx_now(tx), .stage = st.row.stage, .run = st.p.run, .results = &result, .n = 1, .seen = -1};
	rollout_state_free(&st);
	return plan_act(tx, settings, rq, &ev, &outcome, why, sizeof(why));
}

/* As somebody who is known by this name, and who may say more. The result. */
#define act(who_, move_, ...)                                                                                          \
	act_as(&(struct plan_request) {                                                                                \
		.move = (move_), .rollout = "shop", .who = {(who_), true}, .for_us = -1, ##__VA_ARGS__})

static inline int act_as(const struct plan_request *rq)
{
	json_object_put(outcome.missing);
	outcome = (struct plan_outcome) {.incident = 0};
	why[0] = '\0';
	return in_tx(db, run_act, (void *)rq);
}

#define says(part) assert_non_null(strstr(why, part) ? why : (print_error("said: %s\n", why), NULL))

/* "criterion clock": what is missing, in order. */
static inline const char *missing_words(void)
{
	static char words[300];

	words[0] = '\0';
	for (size_t i = 0; i < json_len(outcome.missing); i++) {
		size_t len = strlen(words);

		snprintf(words + len, sizeof(words) - len, "%s%s", i ? " " : "",
		         json_str_or(json_item(outcome.missing, i), "what", ""));
	}
	return words;
}

#endif
