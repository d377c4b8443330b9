/*
 * What the tests of rows share: a database and a reader, set up anew for each test.
 */
#ifndef TESTS_UNIT_ROWS_FIXTURE_H
#define TESTS_UNIT_ROWS_FIXTURE_H

#include "tests/unit/db_fixture.h"

#include "db/alert.h"
#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "db/rollout.h"
#include "db/step.h"

/* Set up anew for each test: the database, a reader. */
static struct db *db;
static struct db_conn *reader;

static inline int setup(void **state)
{
	int r = scratch_make(state);

	if (r == 0) {
		db = fixture_start();
		r = db_reader_open(db, &reader);
	}
	return r;
}

static inline int teardown(void **state)
{
	db_reader_close(reader);
	db_close(db);
	return scratch_remove(state);
}

static inline char *copy(const char *s)
{
	return s ? strdup(s) : NULL;
}

static inline void same_text(const char *a, const char *b)
{
	if (a && b)
		assert_string_equal(a, b);
	else
		assert_true(a == b);
}

/* --- incidents --- */

/* Every member has a value of its own, so that two swapped columns show. full false: what may be NULL is NULL. */
static inline struct incident make_incident(const char *rollout, bool full, int64_t base)
{
	struct incident i = {
		.rollout = copy(rollout),
		.playbook = copy("playbook"),
		.severity = copy("severity"),
		.summary = copy("summary"),
		.kind = KIND_MANUAL,
		.state = INC_VERIFYING,
		.config = copy(""),
		.reason = copy(full ? "reason" : NULL),
		.opened_by = copy("opened by"),
		.stage = (int32_t)base + 1,
		.pct_before = (int32_t)base + 2,
		.pct_wanted = (int32_t)base + 3,
		.pct_seen = -1,
		.already_there = full,
		.opened_at_us = base + 5,
		.onset_at_us = base + 6,
		.onset_from = copy(full ? "startsAt" : NULL),
		.due_at_us = base + 7,
		.started_at_us = base + 8,
		.applied_at_us = base + 9,
		.verify_until_us = base + 10,
		.next_probe_us = base + 11,
		.verify_rounds = base + 12,
		.verify_passes = base + 13,
		.late = !full,
		.rolled_back_at_us = base + 14,
		.failed_at_us = base + 15,
		.resolved_at_us = base + 16,
		.quiet_since_us = base + 17,
		.acknowledged_by = copy(full ? "alice" : NULL),
		.acknowledged_at_us = base + 18,
		.seen_at_us = base + 40,
		.evidence_since_us = base + 41,
		.asking = full,
		.unknown_rounds = base + 42,
		.decided_at_us = base + 43,
		.decided_alert = base + 44,
		.decided_by = copy(full ? "bob" : NULL),
		.acted_at_us = base + 45,
		.eta = copy(full ? "soon" : NULL),
	};
	for (int n = 0; n < CONDITION_N; n++)
		i.condition[n] = (struct condition) {(enum condition_status)((n + 1) % 3), base + 20 + n,
		                                     copy(full ? condition_name((enum condition_type)n) : NULL)};
	return i;
}

static inline void same_incident(const struct incident *a, const struct incident *b)
{
	const char *const texts[][2] = {
		{a->rollout, b->rollout},
		{a->playbook, b->playbook},
		{a->severity, b->severity},
		{a->summary, b->summary},
		{a->config, b->config},
		{a->reason, b->reason},
		{a->opened_by, b->opened_by},
		{a->onset_from, b->onset_from},
		{a->acknowledged_by, b->acknowledged_by},
		{a->eta, b->eta},
		{a->decided_by, b->decided_by},
	};
	const int64_t numbers[][2] = {
		{a->id, b->id},
		{a->seq, b->seq},
		{a->kind, b->kind},
		{a->state, b->state},
		{a->stage, b->stage},
		{a->pct_before, b->pct_before},
		{a->pct_wanted, b->pct_wanted},
		{a->pct_seen, b->pct_seen},
		{a->already_there, b->already_there},
		{a->seen_at_us, b->seen_at_us},
		{a->evidence_since_us, b->evidence_since_us},
		{a->asking, b->asking},
		{a->unknown_rounds, b->unknown_rounds},
		{a->decided_at_us, b->decided_at_us},
		{a->decided_alert, b->decided_alert},
		{a->acted_at_us, b->acted_at_us},
		{a->opened_at_us, b->opened_at_us},
		{a->onset_at_us, b->onset_at_us},
		{a->due_at_us, b->due_at_us},
		{a->started_at_us, b->started_at_us},
		{a->applied_at_us, b->applied_at_us},
		{a->verify_until_us, b->verify_until_us},
		{a->next_probe_us, b->next_probe_us},
		{a->verify_rounds, b->verify_rounds},
		{a->verify_passes, b->verify_passes},
		{a->late, b->late},
		{a->rolled_back_at_us, b->rolled_back_at_us},
		{a->failed_at_us, b->failed_at_us},
		{a->resolved_at_us, b->resolved_at_us},
		{a->quiet_since_us, b->quiet_since_us},
		{a->acknowledged_at_us, b->acknowledged_at_us},
	};
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		same_text(texts[i][0], texts[i][1]);
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		assert_int_equal(numbers[i][0], numbers[i][1]);
	for (int n = 0; n < CONDITION_N; n++) {
		assert_int_equal(a->condition[n].state, b->condition[n].state);
		assert_int_equal(a->condition[n].at_us, b->condition[n].at_us);
		same_text(a->condition[n].note, b->condition[n].note);
	}
}

static inline int insert_incident(struct db_tx *tx, void *arg)
{
	struct incident *inc = arg;

	free(inc->config);
	inc->config = strdup(fixture_config(tx, "{\"plan\":1}"));
	return incident_insert(tx, inc);
}

static inline int save_incident(struct db_tx *tx, void *inc)
{
	return incident_save(tx, inc);
}

/* One in this state, open or not; the id. */
static inline int64_t add_incident(const char *rollout, enum incident_state s, int64_t opened_at, const char *summary)
{
	struct incident i = make_incident(rollout, true, 100);

	i.state = s;
	i.opened_at_us = i.started_at_us = opened_at;
	i.already_there = false;
	free(i.summary);
	i.summary = copy(summary);
	assert_int_equal(in_tx(db, insert_incident, &i), 0);
	int64_t id = i.id;
	incident_free(&i);
	return id;
}

#endif
