/* Asking the world beside the acts: a round of verification, when it began, the metrics to preserve. */
#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/alert.h"
#include "handlers/checks/onset.h"
#include "handlers/checks/preserve.h"
#include "handlers/checks/symptoms.h"
#include "handlers/checks/verify.h"
#include "handlers/engine/round.h"
#include "handlers/incident/kinds.h"
#include "handlers/incident/open.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/thread.h"

#define SNAPSHOT_AGAIN_US (60 * US_PER_S)
#define TRIGGERS_MAX      500 /* whose symptoms are looked up; of an incident with more every symptom is asked for */

size_t first_labels(struct open_incident *l, struct json_object **ret_tree, struct text_pair *pairs, size_t max)
{
	assert(l && ret_tree && pairs);
	struct alert_list alerts = {0};
	size_t n = 0;

	if (alert_deciding(l->engine->reader, &l->inc, &alerts) == 0 && alerts.n)
		*ret_tree = json_tokener_parse(alerts.item[0].labels);
	alert_list_free(&alerts);
	if (!*ret_tree || !json_object_is_type(*ret_tree, json_type_object))
		return 0;
	json_object_object_foreach(*ret_tree, name, value) if (n < max) pairs[n++] =
		(struct text_pair) {name, json_object_get_string(value)};
	return n;
}

void drop_round(struct open_incident *l, struct slot *s)
{
	(void)l;
	verify_cancel(s->handle);
}

/* --- verification --- */

static void on_round(void *arg, const struct verify_result *r)
{
	struct open_incident *l = arg;
	struct slot *s = &l->slot[SLOT_ROUND];
	struct change *ch = &s->ch;

	s->busy = false;
	s->ready = true;
	s->handle = NULL;
	l->looked = true;
	round_hear(ch, r);
	l->seen = round_sighting(ch);
	ch->deadline_passed = l->inc.state == INC_VERIFYING && clock_mono_us() >= l->until.mono_us;
	engine_advance(l);
}

/* The wall time on disk is one that this life wrote a moment ago, or an earlier one did: then what was said before this
 * life began is no evidence either. So it is when this life first saw it, and no clock that jumps matters. */
static int64_t evidence_mono(struct open_incident *l)
{
	if (l->evidence.wall_us != l->inc.evidence_since_us || !l->evidence.mono_us)
		l->evidence = (struct deadline) {.wall_us = l->inc.evidence_since_us, .mono_us = clock_mono_us()};
	return l->evidence.mono_us;
}

/* Of every trigger that it has. */
static int find_symptoms(struct open_incident *l, struct asked_symptoms *ret)
{
	int64_t onset = l->inc.onset_at_us ? l->inc.onset_at_us : l->inc.opened_at_us;
	char *labels[TRIGGERS_MAX];

	if (!l->plan->rollout.cured_query || !kind_of(&l->inc)->lowers)
		return 0;
	int n = alert_labels_of_incident(l->engine->reader, l->id, labels, TRIGGERS_MAX);
	int r = n < 0 ? n : symptoms_of(&l->plan->rollout, labels, (size_t)n, n == TRIGGERS_MAX, onset, ret);
	for (int i = 0; i < n; i++)
		free(labels[i]);
	return r;
}

void round_begin(struct open_incident *l)
{
	assert(l->plan && !l->slot[SLOT_ROUND].busy);
	struct slot *s = &l->slot[SLOT_ROUND];
	struct asked_symptoms symptoms = {0};
	struct verify *p = NULL;

	change_clear(&s->ch);
	s->ch = round_unheard(l->inc.evidence_since_us);
	int r = find_symptoms(l, &symptoms);
	if (r == 0)
		r = verify_start(l->engine->o.loop, l->plan, incident_wanted(&l->inc), evidence_mono(l), &symptoms,
		                 on_round, l, &p);
	if (r < 0) {
		s->ch.text = text_format("the checks could not be started: %s", strerror(-r));
		s->ch.deadline_passed = l->inc.state == INC_VERIFYING && clock_mono_us() >= l->until.mono_us;
		s->ready = true;
		return;
	}
	s->busy = true;
	s->handle = p;
	s->drop = drop_round;
}

/* --- when it began --- */

static void drop_onset(struct open_incident *l, struct slot *s)
{
	(void)l;
	onset_cancel(s->handle);
}

static void on_onset(void *arg, int err, int64_t onset_us)
{
	struct open_incident *l = arg;
	struct slot *s = &l->slot[SLOT_ONSET];

	s->busy = false;
	s->handle = NULL;
	if (err < 0)
		return; /* startsAt stays, and the incident says so */
	s->ready = true;
	s->ch.onset_us = onset_us;
	engine_advance(l);
}

void onset_begin(struct open_incident *l)
{
	CLEANUP(json_cleanup) struct json_object *labels = NULL;
	struct slot *s = &l->slot[SLOT_ONSET];
	struct text_pair pairs[64];
	struct onset *o = NULL;
	size_t n = first_labels(l, &labels, pairs, ARRAY_LEN(pairs));

	change_clear(&s->ch);
	s->ch = (struct change) {.kind = CHANGE_ONSET, .decided_at_us = l->inc.decided_at_us};
	if (onset_start(l->engine->o.loop, l->plan, pairs, n, l->inc.onset_at_us, on_onset, l, &o) < 0)
		return;
	s->busy = true;
	s->handle = o;
	s->drop = drop_onset;
}

/* --- what is preserved --- */

static void drop_snapshot(struct open_incident *l, struct slot *s)
{
	(void)l;
	snapshot_cancel(s->handle);
}

static void on_snapshot(void *arg, struct snapshot_item *items, size_t n)
{
	struct open_incident *l = arg;
	struct slot *s = &l->slot[SLOT_SNAPSHOT];
	struct buf b = BUF(8000);

	for (size_t i = 0; i < n; i++)
		buf_printf(&b, "%s: %s\n", items[i].name, items[i].error ? items[i].error : "preserved");
	s->busy = false;
	s->ready = true;
	s->handle = NULL;
	s->ch.items = items;
	s->ch.n_items = n;
	s->ch.text = buf_take(&b);
	engine_advance(l);
}

void snapshot_begin(struct open_incident *l, const struct step *step)
{
	assert(l && l->plan && step && thread_may(THREAD_ENGINE));
	struct slot *s = &l->slot[SLOT_SNAPSHOT];
	int64_t decided = snapshot_decided_us(step), came = decided ? decided : l->inc.opened_at_us;
	int64_t until = clock_wall_us(), from = came - l->plan->rollout.snapshot_window_us;
	struct snapshot *handle = NULL;

	change_clear(&s->ch);
	s->ch = (struct change) {.kind = CHANGE_SNAPSHOT, .step_id = step->id, .decided_at_us = decided};
	int r = snapshot_start(l->engine->o.loop, l->plan, from, until, on_snapshot, l, &handle);
	if (r < 0) {
		log_warn("the metrics of an incident could not be preserved", "incident", log_num(l->id), "err",
		         strerror(-r));
		l->no_snapshot_before = clock_mono_us() + SNAPSHOT_AGAIN_US;
		return;
	}
	s->busy = true;
	s->handle = handle;
	s->drop = drop_snapshot;
}
