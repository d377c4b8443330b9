/*
 * The first line: what an incident comes to.
 */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "server/core/text.h"
#include "server/web/private.h"

bool has_state(struct json_object *o, const char *state)
{
	return !strcmp(json_str_or(o, "state", ""), state);
}

static bool is_kind(struct json_object *inc, const char *kind)
{
	return !strcmp(json_str_or(inc, "kind", ""), kind);
}

bool is_drill(struct json_object *inc)
{
	return is_kind(inc, "drill");
}

bool is_open(struct json_object *inc)
{
	return !has_state(inc, "resolved") && !has_state(inc, "cancelled");
}

struct json_object *timeline_last(struct json_object *inc, const char *what)
{
	assert(what);
	struct json_object *arr = json_arr_of(inc, "timeline");

	for (size_t i = json_len(arr); i-- > 0;)
		if (!strcmp(json_str_or(json_item(arr, i), "what", ""), what))
			return json_item(arr, i);
	return NULL;
}

static void say(struct web_verdict *v, const char *fmt, ...) PRINTF_LIKE(2, 3);
static void say(struct web_verdict *v, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(v->sentence, sizeof(v->sentence), fmt, ap);
	va_end(ap);
}

/* --- what the sentences are made of --- */

static const char *name_of(struct json_object *inc)
{
	return json_str_or(inc, "rollout", "?");
}

struct pct_text {
	char text[24];
};

static struct pct_text pct_of(struct json_object *inc, const char *key)
{
	int32_t pct = json_pct_of(inc, key);
	struct pct_text t;
	char number[16];

	text_pct(pct, number, sizeof(number));
	snprintf(t.text, sizeof(t.text), "%s%s", number, pct < 0 ? "" : "%");
	return t;
}

static struct pct_text wanted(struct json_object *inc)
{
	return pct_of(inc, "percentage_wanted");
}

static struct json_object *acknowledged(struct json_object *inc)
{
	return json_obj_of(json_obj_of(inc, "verification"), "acknowledged");
}

/* Up to the instances that lag, which have their own line. */
static int first_part(const char *note)
{
	const char *end = strstr(note, "; at ");

	return end ? (int)(end - note) : (int)strlen(note);
}

struct seen_text {
	char text[400];
};

/* How many say what, in short: "19 of 20 at 0%", which is what is wanted where it is left out; else what was seen last.
 * What a single check says word for word stands in the ladder. */
static struct seen_text seen(struct json_object *inc)
{
	const char *note = json_str_or(acknowledged(inc), "note", "");
	int len = first_part(note);
	bool counts = note[0] >= '0' && note[0] <= '9' && strstr(note, " of "),
	     says = memchr(note, '%', (size_t)len) != NULL;
	struct seen_text t;

	if (counts)
		snprintf(t.text, sizeof(t.text), "%.*s%s%s", len, note, says ? "" : " at ",
		         says ? "" : wanted(inc).text);
	else if (json_pct_of(inc, "percentage_seen") >= 0)
		snprintf(t.text, sizeof(t.text), "seen at %s, %s is wanted", pct_of(inc, "percentage_seen").text,
		         wanted(inc).text);
	else
		snprintf(t.text, sizeof(t.text), "%s", note[0] ? note : "nobody has said yet what the percentage is");
	return t;
}

static struct json_object *running(struct json_object *inc)
{
	struct json_object *arr = json_arr_of(inc, "steps");

	for (size_t i = 0; i < json_len(arr); i++)
		if (has_state(json_item(arr, i), "running") &&
		    strcmp(json_str_or(json_item(arr, i), "kind", ""), "snapshot") != 0)
			return json_item(arr, i);
	return NULL;
}

/* --- a sentence a state --- */

static void pending(struct json_object *inc, struct web_verdict *v)
{
	int64_t due = html_time_of(inc, "due_at");
	char at[60];

	text_time_local(due, at, sizeof(at));
	at[16] = '\0';
	say(v, "Rolls back to %s at %s unless the alert ends", wanted(inc).text, at + 11);
	v->until_us = due;
}

static void rolling_back(struct json_object *inc, struct web_verdict *v)
{
	struct json_object *step = running(inc);

	say(v, "Rolling back %s to %s", name_of(inc), wanted(inc).text);
	if (step)
		snprintf(v->more, sizeof(v->more), "step %.200s", json_str_or(step, "name", "?"));
	v->since_us = html_time_of(inc, "decided_at");
}

static void verifying(struct json_object *inc, struct web_verdict *v)
{
	say(v, "Checking: %s", seen(inc).text);
	v->until_us = html_time_of(inc, "verify_until");
}

static void rolled_back(struct json_object *inc, struct web_verdict *v)
{
	if (json_true(inc, "already_there"))
		say(v, "Already at %s: nothing was changed", wanted(inc).text);
	else
		say(v, "Rolled back: %s", seen(inc).text);
}

static void failed(struct json_object *inc, struct web_verdict *v)
{
	const char *note = json_str_or(acknowledged(inc), "note", "");

	if (!has_state(acknowledged(inc), "unknown")) {
		say(v, "NOT VERIFIED: %s", seen(inc).text);
		return;
	}
	say(v, "CANNOT TELL: %s", note[0] ? note : "nobody answers what the percentage is");
	v->sign = "?";
	v->word = "CANNOT TELL";
}

static void held(struct json_object *inc, struct web_verdict *v)
{
	(void)inc;
	say(v, "Held: nothing was rolled back");
}

/* Who ended it, and when: what a person did; nobody's name when rollbackd saw that it is over. */
static void ended(struct json_object *inc, struct web_verdict *v, const char *word, struct json_object *e)
{
	const char *who = json_str_or(e, "who", "");
	bool by_itself = !who[0] || !strcmp(who, "rollbackd") || !strcmp(who, "alertmanager");
	char at[60];

	text_time_local(html_time_of(inc, "resolved_at"), at, sizeof(at));
	at[16] = '\0';
	say(v, "%s%s%s, %s", word, by_itself ? "" : " by ", by_itself ? "" : who, at + 11);
}

static void cancelled(struct json_object *inc, struct web_verdict *v)
{
	struct json_object *e = timeline_last(inc, "called off");

	ended(inc, v, "Called off", e ? e : timeline_last(inc, "cancelled"));
}

static void resolved(struct json_object *inc, struct web_verdict *v)
{
	bool over = !strcmp(json_str_or(json_obj_of(inc, "over"), "answer", ""), "yes");

	ended(inc, v, "Resolved", timeline_last(inc, "resolved"));
	if (html_time_of(inc, "failed_at") && !html_time_of(inc, "rolled_back_at")) {
		v->word = "NOT VERIFIED";
		v->sign = "!";
	}
	v->tone = over ? v->tone : "bad";
}

static const struct {
	const char *state, *tone, *sign, *word;
	void (*say)(struct json_object *inc, struct web_verdict *v);
} verdicts[] = {
	{"pending", "warn", "\xe2\x97\x94", "PENDING", pending},
	{"rolling_back", "act", "\xe2\x86\x93", "ROLLING BACK", rolling_back},
	{"verifying", "act", "\xe2\x80\xa6", "CHECKING", verifying},
	{"rolled_back", "ok", "\xe2\x9c\x93", "ROLLED BACK", rolled_back},
	{"failed", "bad", "\xe2\x9c\x97", "FAILED", failed},
	{"held", "warn", "\xe2\x80\x96", "HELD", held},
	{"cancelled", "done", "\xe2\x88\x85", "CALLED OFF", cancelled},
	{"resolved", "done", "\xe2\x9c\x93", "RESOLVED", resolved},
};

/* --- a stage being entered is no rollback --- */

static void of_stage(struct json_object *inc, struct web_verdict *v)
{
	static const struct {
		const char *state, *word, *sentence;
	} words[] = {{"rolling_back", "ENTERING", "Entering stage"},
	             {"verifying", "ENTERING", "Checking stage"},
	             {"failed", "NOT ENTERED", "NOT VERIFIED: stage"},
	             {"cancelled", "CALLED OFF", "Called off: stage"},
	             {"resolved", "ENTERED", "Entered stage"}};

	for (size_t i = 0; i < ARRAY_LEN(words); i++)
		if (has_state(inc, words[i].state)) {
			v->word = words[i].word;
			say(v, "%s %lld of %s, %s", words[i].sentence, (long long)json_int_or(inc, "stage", -1),
			    name_of(inc), wanted(inc).text);
		}
}

/* Of a rehearsal that is over counts whether it has passed. */
static void of_drill(struct json_object *inc, struct web_verdict *v)
{
	bool passed = json_true(inc, "passed");

	if (is_open(inc))
		return;
	v->tone = passed ? "ok" : "warn";
	v->sign = passed ? "\xe2\x9c\x93" : "!";
	v->word = passed ? "PASSED" : "NOT PASSED";
	ended(inc, v, passed ? "Passed" : "Ended, not passed", NULL);
}

/* It is at more than it was rolled back to, whoever raised it. */
static void if_raised(struct json_object *inc, struct web_verdict *v)
{
	const char *because = json_str_or(json_obj_of(inc, "over"), "because", "");

	if (!has_state(inc, "rolled_back") || strncmp(because, "it was raised again", 19) != 0)
		return;
	v->tone = "bad";
	v->sign = "!";
	v->word = "RAISED AGAIN";
	say(v, "RAISED AGAIN: %.400s", because);
}

void verdict_of(struct json_object *inc, int64_t now_us, struct web_verdict *ret)
{
	assert(inc && now_us > 0 && ret);
	*ret = (struct web_verdict) {.tone = "warn", .sign = "?", .word = "UNKNOWN"};
	for (size_t i = 0; i < ARRAY_LEN(verdicts); i++) {
		if (!has_state(inc, verdicts[i].state))
			continue;
		ret->tone = verdicts[i].tone;
		ret->sign = verdicts[i].sign;
		ret->word = verdicts[i].word;
		verdicts[i].say(inc, ret);
	}
	if_raised(inc, ret);
	if (is_kind(inc, "advance"))
		of_stage(inc, ret);
	if (is_drill(inc))
		of_drill(inc, ret);
}
