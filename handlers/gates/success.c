#include "handlers/gates/success.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/core/json.h"
#include "server/core/text.h"

const char *verdict_name(enum metric_verdict v)
{
	assert(v <= VERDICT_MISSED);
	static const char *const names[] = {"unknown", "met", "missed"};

	return names[v];
}

const struct stage *success_stage(const struct settings *s, const struct rollout *r)
{
	assert(s && r);
	const struct stage *last = NULL;

	for (size_t i = 0; i < r->n_stages; i++) {
		const struct stage *st = &r->stages[i];

		if (st->n_criteria && !stage_is_elsewhere(s, st) && (!last || st->number > last->number))
			last = st;
	}
	return last;
}

bool success_is_fresh(const struct evaluation *ev, const struct rollout_state *st)
{
	assert(ev && st);
	return ev->at_us && st->p.entered_us && ev->stage == st->row.stage && ev->run == st->p.run;
}

/* --- what is kept --- */

static struct json_object *results_json(const struct stage *stage, const struct evaluation *ev)
{
	struct json_object *all = json_object_new_object();

	for (size_t i = 0; i < stage->n_criteria && i < ev->n; i++) {
		struct json_object *o = json_object_new_object();

		json_add_int(o, "state", ev->results[i].state);
		json_add_double(o, "value", ev->results[i].value);
		json_add_str(o, "why", ev->results[i].why);
		json_add(all, stage->criteria[i].name, o);
	}
	return all;
}

int success_keep(struct db_tx *tx, const struct rollout *r, const struct rollout_state *st, const struct evaluation *ev)
{
	assert(tx && r && st && ev);
	const struct stage *stage = rollout_state_stage(st, r);

	if (!stage || !success_is_fresh(ev, st))
		return 0;
	CLEANUP(json_cleanup) struct json_object *results = results_json(stage, ev);
	struct stage_run run = {.run = st->p.run,
	                        .stage = stage->number,
	                        .entered_us = st->p.entered_us,
	                        .clean_us = st->p.clean_us,
	                        .until_us = db_tx_now(tx),
	                        .results = (char *)json_text(results)};
	return stage_run_save(tx, r->name, &run);
}

int success_kept(const char *results, const char *name, struct criterion_result *ret)
{
	assert(results && name && ret);
	CLEANUP(json_cleanup) struct json_object *all = json_tokener_parse(results);
	struct json_object *one = NULL;
	int64_t state = -1;

	if (!all || json_get_obj(all, name, &one) != 1 || json_get_int(one, "state", &state) != 1 || state < 0 ||
	    state > CRITERION_NOT_YET)
		return -ENOENT;
	*ret = (struct criterion_result) {.state = (enum criterion_state)state, .value = NAN, .samples = NAN};
	json_get_double(one, "value", &ret->value);
	snprintf(ret->why, sizeof(ret->why), "%s", json_str_or(one, "why", ""));
	return 0;
}

/* --- what it means --- */

enum metric_verdict success_judge(const struct criterion *c, const struct criterion_result *r)
{
	assert(c);
	if (!r || isnan(r->value) || (r->state != CRITERION_HOLDS && r->state != CRITERION_FAILS))
		return VERDICT_UNKNOWN;
	return (c->is_min ? r->value >= c->bound : r->value <= c->bound) ? VERDICT_MET : VERDICT_MISSED;
}

void success_words(struct buf *b, const struct criterion *c, const struct criterion_result *r)
{
	assert(b && c);
	static const char unknown[] = "unknown: ";
	enum metric_verdict v = success_judge(c, r);
	const char *why = r ? r->why : "not evaluated yet";
	char value[100], bound[100];

	buf_printf(b, "%s: ", verdict_name(v));
	if (v == VERDICT_UNKNOWN) { /* its sentence names the bound only when there is a number */
		text_number(c->bound, c->unit, bound, sizeof(bound));
		buf_printf(b, "%s; ", strncmp(why, unknown, sizeof(unknown) - 1) ? why : why + sizeof(unknown) - 1);
	} else {
		text_against(r->value, c->bound, c->unit, value, bound, sizeof(value));
		buf_printf(b, "%s, ", value);
	}
	buf_printf(b, "%s %s", c->is_min ? "at least" : "at most", bound);
}
