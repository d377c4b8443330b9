#include "server/web/acts.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/web/private.h"
#include "server/web/web.h"

/* --- when it is their time --- */

static bool acts_now(struct json_object *inc)
{
	return has_state(inc, "rolling_back") || has_state(inc, "verifying");
}

static bool if_open(struct json_object *inc)
{
	return is_open(inc);
}

static bool if_pending(struct json_object *inc)
{
	return has_state(inc, "pending");
}

static bool if_unreviewed(struct json_object *inc)
{
	return !strcmp(json_str_or(inc, "review", ""), "required");
}

static bool if_can_retry(struct json_object *inc)
{
	return is_open(inc) && !is_drill(inc) && !has_state(inc, "rolled_back") && !has_state(inc, "pending");
}

static bool if_can_cancel(struct json_object *inc)
{
	return has_state(inc, "pending") || has_state(inc, "held");
}

static const char *unless_acting(struct json_object *inc)
{
	return acts_now(inc) ? "not while it acts: wait until it is seen, or has failed" : NULL;
}

static const char *unless_nowhere_to_go(struct json_object *inc)
{
	return acts_now(inc) ? "not while it acts"
	       : json_pct_of(inc, "percentage_wanted") < 0
	               ? "its playbook has no percentage to go to: roll back instead"
	               : NULL;
}

/* --- the table --- */

#define NOTE(label, hint, required) {"note", ACT_LINES, label, hint, required}

static const struct web_act acts[] = {
	{"acknowledge", false, "Acknowledge", "Do you take it?", .fields = {NOTE("Note", NULL, false)},
         .fits = if_open},
	{"retry", false, "Retry", "Roll back once more?", .fields = {NOTE("Note", NULL, false)}, .fits = if_can_retry,
         .why_not = unless_nowhere_to_go},
	{"cancel", false, "Call off", "Call it off?", .fields = {NOTE("Why", NULL, false)}, .fits = if_can_cancel},
	{"approve", false, "Approve", "Approve the step that waits?",
         .fields = {{"step", ACT_HIDDEN_TEXT, "Step", NULL, true}, NOTE("Note", NULL, false)}, .fits = step_that_waits},
	{"review", false, "Close the review", "Close its review?",
         .fields = {NOTE("What was wrong, and what was done", NULL, true)}, .fits = if_unreviewed},
	{"resolve", false, "Resolve", "Is it over?", .fields = {NOTE("Why it is over", NULL, false)}, .fits = if_open,
         .why_not = unless_acting},
	{"extend", false, "Let it wait longer", "Let it wait longer?",
         .fields = {{"duration", ACT_TEXT, "How much longer", "like 30m", true}, NOTE("Why it may wait", NULL, true)},
         .fits = if_pending},
	{"eta", false, "Set an ETA", "When will it be over?",
         .fields = {{"eta", ACT_TEXT, "ETA", "like 2h, or 2026-11-28T20:00:00Z; empty: no ETA any more", false}},
         .fits = if_open},
	{"note", false, "Add a note", "What should the timeline say?", .fields = {NOTE("Note", NULL, true)}},
	{"rollback", true, "Roll back now", "Roll back now?",
         .fields = {{"stage", ACT_HIDDEN_NUMBER, "Stage", NULL, false},
                    {"to", ACT_HIDDEN_NUMBER, "To how many percent", NULL, false},
                    {"reason", ACT_LINES, "Reason", NULL, false}}},
	{"advance", true, "Advance", "Enter the next stage?", .fields = {{"reason", ACT_LINES, "Note", NULL, false}}},
	{"approve", true, "Approve", "Approve leaving this stage?",
         .fields = {{"role", ACT_TEXT, "In which role", NULL, true}, {"note", ACT_LINES, "Note", NULL, false}}},
	{"check", true, "Tick", "Tick this?",
         .fields = {{"checklist", ACT_TEXT, "Checklist", NULL, true},
                    {"item", ACT_TEXT, "Item", NULL, true},
                    {"note", ACT_LINES, "Note", NULL, false}}},
	{"hold", true, "Hold", "Stop the stage's clock?", .fields = {{"reason", ACT_LINES, "Reason", NULL, true}}},
	{"resume", true, "Resume", "Let the clock run again?", .fields = {{"reason", ACT_LINES, "Note", NULL, false}}},
	{"freeze", true, "Freeze", "Raise nothing for a while?",
         .fields = {{"duration", ACT_TEXT, "For how long", "like 4h; 0s ends a freeze", true},
                    {"reason", ACT_LINES, "Reason", NULL, true}}},
};

const struct web_act *act_at(size_t i)
{
	return i < ARRAY_LEN(acts) ? &acts[i] : NULL;
}

const struct web_act *web_act_find(bool on_rollout, const char *word)
{
	assert(word);
	for (size_t i = 0; i < ARRAY_LEN(acts); i++)
		if (acts[i].on_rollout == on_rollout && !strcmp(acts[i].word, word))
			return &acts[i];
	return NULL;
}

void act_command(const struct web_act *act, struct json_object *inc, struct json_object *rollout, char *out,
                 size_t size)
{
	assert(act && out && size > 0 && (inc || rollout));
	static const struct {
		const char *word;
		bool on_rollout;
		const char *text; /* with %s: the incident's number, or the rollout's name */
	} texts[] = {
		{"acknowledge", false, "incident ack %s"},
		{"review", false, "incident review %s \"what was wrong, and what was done\""},
		{"extend", false, "incident extend %s 30m --note \"why it may wait\""},
		{"eta", false, "incident eta %s 2h"},
		{"note", false, "incident note %s \"what happened\""},
		{"advance", true, "stage advance %s --wait"},
		{"approve", true, "stage approve %s --role ROLE"},
		{"check", true, "checklist %s --done ITEM"},
		{"hold", true, "stage hold %s --reason \"why\""},
		{"resume", true, "stage resume %s"},
		{"freeze", true, "freeze %s 4h --reason \"why\""},
	};
	long long id = (long long)json_int_or(inc, "id", 0), stage = (long long)json_int_or(rollout, "stage", -1);
	const char *name = json_str_or(rollout, "name", "?"), *text = act->on_rollout ? "rollback %s" : NULL, *at;
	char of[220];

	snprintf(of, sizeof(of), "%lld", id);
	if (act->on_rollout)
		snprintf(of, sizeof(of), "%.200s", name);
	for (size_t i = 0; i < ARRAY_LEN(texts); i++)
		if (!strcmp(texts[i].word, act->word) && texts[i].on_rollout == act->on_rollout)
			text = texts[i].text;
	if (!text) {
		snprintf(out, size, "rollbackctl incident %s %s", act->word, of);
		return;
	}
	at = strstr(text, "%s");
	assert(at);
	int len = snprintf(out, size, "rollbackctl %.*s%s%s", (int)(at - text), text, of, at + 2);
	if (!strcmp(act->word, "rollback") && stage >= 0 && len > 0 && (size_t)len < size)
		snprintf(out + len, size - (size_t)len, " --stage %lld", stage);
}

/* --- what comes first --- */

size_t acts_asked(struct json_object *inc, struct json_object *rollout, const struct web_act *ret[2])
{
	assert(inc && ret);
	bool waits = step_that_waits(inc);
	const struct {
		bool asked;
		bool on_rollout;
		const char *word;
	} first[] = {
		{waits && is_open(inc), false, "approve"},
		{has_state(inc, "failed"), false, "retry"},
		{has_state(inc, "pending"), false, "cancel"},
		{has_state(inc, "held") || has_state(inc, "pending"), true, "rollback"},
		{if_unreviewed(inc) && !waits, false, "review"},
		{has_state(inc, "rolled_back") && !waits && !if_unreviewed(inc), false, "resolve"},
	};
	size_t n = 0;

	for (size_t i = 0; i < ARRAY_LEN(first) && n < 2; i++)
		if (first[i].asked && (rollout || !first[i].on_rollout))
			ret[n++] = web_act_find(first[i].on_rollout, first[i].word);
	return n;
}

/* --- the form's fields as the API takes them --- */

static bool add_field(struct json_object *body, const struct act_field *field, const char *value)
{
	double number = 0;
	char *end = NULL;

	if (field->kind == ACT_TICK) {
		json_add_bool_under(body, field->name, true, true);
	} else if (field->kind == ACT_HIDDEN_NUMBER) {
		number = strtod(value, &end);
		if (*end || end == value)
			return false;
		json_object *v = number == (double)(int64_t)number ? json_object_new_int64((int64_t)number)
		                                                   : json_object_new_double(number);
		json_add_under(body, field->name, true, v);
	} else {
		json_add_str_under(body, field->name, true, value);
	}
	return true;
}

struct json_object *web_act_body(const struct web_act *act, const struct form *f, char *why, size_t size)
{
	assert(act && f && why && size > 0);
	struct json_object *body = json_object_new_object();

	for (const struct act_field *field = act->fields; field < act->fields + ACT_FIELDS_MAX && field->name;
	     field++) {
		const char *value = form_get(f, field->name);

		if (!value || !value[0])
			continue;
		if (!add_field(body, field, value)) {
			snprintf(why, size, "%s must be a number, not \"%.60s\"", field->label, value);
			json_object_put(body);
			return NULL;
		}
	}
	long undone = strtol(form_get(f, "undone") ? form_get(f, "undone") : "0", NULL, 10), seen = 0;
	for (long i = 0; i < undone && i < 100; i++) {
		char name[30];

		snprintf(name, sizeof(name), "undone-%ld", i);
		seen += form_get(f, name) != NULL;
	}
	if (seen == undone)
		return body;
	snprintf(why, size, "tick what was not done: whoever approves has seen it");
	json_object_put(body);
	return NULL;
}
