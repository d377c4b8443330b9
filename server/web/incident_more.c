/*
 * An incident, what stands below: what was done, what came of it, and what was told.
 */
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/web/private.h"

#define OUTPUT_MAX  8000         /* bytes of a step's output that are shown */
#define LABEL_MAX   200          /* of a label */
#define PART_MAX    (256 * 1024) /* of a part of the page */
#define ALERTS_OPEN 3
#define LABELS_MAX  40 /* of one alert */

static void more_in_json(const struct web_about *a, size_t n, const char *what)
{
	if (n)
		html(a->b, "<p><a href=\"/api/v1/incidents/%lld\">%lld more %s</a></p>\n",
		     (long long)json_int_or(a->inc, "id", 0), (long long)n, what);
}

/* --- signs: a word always stands beside them --- */

static const struct {
	const char *word, *sign, *tone;
} signs[] = {
	{"yes", "\xe2\x9c\x93", "ok"},       {"no", "\xe2\x9c\x97", "bad"},       {"unknown", "?", "warn"},
	{"done", "\xe2\x9c\x93", "ok"},      {"failed", "\xe2\x9c\x97", "bad"},   {"in_doubt", "?", "bad"},
	{"running", "\xe2\x80\xa6", "act"},  {"waiting", "\xe2\x80\x96", "warn"}, {"todo", "\xc2\xb7", "done"},
	{"skipped", "\xe2\x80\x93", "done"},
};

static void put_sign(struct buf *b, const char *word)
{
	for (size_t i = 0; i < ARRAY_LEN(signs); i++)
		if (!strcmp(signs[i].word, word))
			html(b, "<span class=\"sign %s\" aria-hidden=\"true\">%s</span> ", signs[i].tone,
			     signs[i].sign);
}

/* --- the ladder --- */

void part_ladder(const struct web_about *a)
{
	struct json_object *all = json_obj_of(a->inc, "verification");
	bool any = false;

	if (!all)
		return;
	json_object_object_foreach(all, name, o)
	{
		const char *state = json_str_or(o, "state", "unknown"), *note = json_str_or(o, "note", "");

		if (!json_true(o, "asked"))
			continue;
		if (!any)
			part_begin(a->b, "ladder", "What was seen");
		html(a->b, any ? "<li>" : "<ol class=\"rows\">\n<li>");
		any = true;
		put_sign(a->b, state);
		html(a->b, "<strong>%s</strong> %s ", name, state);
		html_clock(a->b, strcmp(state, "unknown") ? html_time_of(o, "at") : 0, a->p->now_us);
		html(a->b, note[0] ? " · " : "");
		html_said(a->b, note);
		html(a->b, "</li>\n");
	}
	if (!any)
		return;
	html(a->b, "</ol>\n");
	part_end(a->b);
}

/* --- steps --- */

static void put_output(const struct web_about *a, struct json_object *s, size_t i)
{
	const char *output = json_str_or(s, "output", "");
	bool open = has_state(s, "failed") || has_state(s, "in_doubt");

	if (!output[0])
		return;
	html(a->b, "<details id=\"output-%lld\"%s><summary>output</summary><pre tabindex=\"0\">%.*s</pre></details>",
	     (long long)i, open ? " open" : "", OUTPUT_MAX, output);
}

static void put_step(const struct web_about *a, struct json_object *s, size_t i)
{
	int64_t began = html_time_of(s, "started_at"), end = html_time_of(s, "ended_at");
	int64_t attempts = json_int_or(s, "attempts", 0);
	const char *state = json_str_or(s, "state", "?");
	char took[40];

	html(a->b, "<li>");
	put_sign(a->b, state);
	html(a->b, "<strong>%.*s</strong> %s", 200, json_str_or(s, "name", "?"),
	     strcmp(state, "in_doubt") ? state : "in doubt");
	if (began && end >= began) {
		text_duration_words(end - began, took, sizeof(took));
		html(a->b, ", %s", took);
	}
	if (attempts > 1)
		html(a->b, ", attempt %lld", (long long)attempts);
	put_output(a, s, i);
	html(a->b, "</li>\n");
}

void part_steps(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->inc, "steps");
	size_t n = json_len(arr), start = a->b->len, i = 0;

	if (!n)
		return;
	part_begin(a->b, "steps", "Steps");
	html(a->b, "<ol class=\"rows\">\n");
	for (; i < n && part_has_room(a->b, start, PART_MAX); i++)
		put_step(a, json_item(arr, i), i);
	html(a->b, "</ol>\n");
	more_in_json(a, n - i, "steps");
	part_end(a->b);
}

/* --- the timeline: oldest first; a narrow screen turns it around --- */

static void put_entry(const struct web_about *a, struct json_object *e)
{
	const char *who = json_str_or(e, "who", ""), *note = json_str_or(e, "note", "");
	bool person = strcmp(who, "rollbackd") != 0 && strcmp(who, "alertmanager") != 0;

	html(a->b, person ? "<li class=\"person\">" : "<li>");
	html_clock(a->b, html_time_of(e, "at"), a->p->now_us);
	html(a->b, " <strong>%.*s</strong>", 100, json_str_or(e, "what", ""));
	if (person)
		html(a->b, " by <b class=\"name\">%s</b>", who);
	html(a->b, note[0] ? ": " : "");
	html_said(a->b, note);
	html(a->b, "</li>\n");
}

static void put_note(const struct web_about *a)
{
	if (!a->p->operates)
		return;
	form_begin(a, web_act_find(false, "note"));
	html(a->b, "<p class=\"field\"><label for=\"f-note\">Add a note</label><textarea id=\"f-note\" name=\"note\" "
	           "rows=\"2\" "
	           "maxlength=\"4000\" required></textarea></p>\n<button>Add</button>\n</form>\n");
}

void part_timeline(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->inc, "timeline");
	size_t n = json_len(arr), start = a->b->len, first = n > 200 ? n - 200 : 0;

	part_begin(a->b, "timeline", "Timeline");
	more_in_json(a, first, "entries before");
	html(a->b, "<ol class=\"rows line\">\n");
	size_t i = first;
	for (; i < n && part_has_room(a->b, start, PART_MAX); i++)
		put_entry(a, json_item(arr, i));
	html(a->b, "</ol>\n");
	more_in_json(a, n - i, "entries");
	put_note(a);
	part_end(a->b);
}

/* --- alerts --- */

/* Whether every alert that is shown has it. */
static bool is_shared(struct json_object *arr, const char *key, const char *value)
{
	for (size_t i = 0; i < json_len(arr); i++)
		if (strcmp(json_str_or(json_obj_of(json_item(arr, i), "labels"), key, ""), value) != 0)
			return false;
	return true;
}

/* shared: those that all have, else the others. Returns how many. */
static int put_chips(const struct web_about *a, struct json_object *labels, bool shared)
{
	struct json_object *arr = json_arr_of(a->inc, "alerts");
	bool alone = json_len(arr) < 2;
	int n = 0;

	if (!labels)
		return 0;
	json_object_object_foreach(labels, key, v)
	{
		const char *value = v ? json_object_get_string(v) : "";

		if (n == LABELS_MAX || (!alone && is_shared(arr, key, value) != shared))
			continue;
		html(a->b, "<code class=\"chip\">%.*s=%.*s</code> ", LABEL_MAX, key, LABEL_MAX, value);
		n++;
	}
	return n;
}

static void put_alert(const struct web_about *a, struct json_object *alert)
{
	bool firing = !strcmp(json_str_or(alert, "status", ""), "firing");

	html(a->b, "<li><span class=\"sign %s\" aria-hidden=\"true\">%s</span> <strong>%s</strong> since ",
	     firing ? "bad" : "ok", firing ? "!" : "\xe2\x9c\x93", firing ? "firing" : "resolved");
	html_time(a->b, html_time_of(alert, firing ? "starts_at" : "ends_at"), a->p->now_us);
	html(a->b, "<br>");
	put_chips(a, json_obj_of(alert, "labels"), false);
	html(a->b, "</li>\n");
}

static void put_alerts(const struct web_about *a, size_t from, size_t to)
{
	struct json_object *arr = json_arr_of(a->inc, "alerts");

	html(a->b, "<ul class=\"rows\">\n");
	for (size_t i = from; i < to; i++)
		put_alert(a, json_item(arr, i));
	html(a->b, "</ul>\n");
}

void part_alerts(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->inc, "alerts");
	size_t n = json_len(arr), few = n > ALERTS_OPEN ? ALERTS_OPEN : n, start = a->b->len;
	int64_t all = json_int_or(a->inc, "alerts_total", (int64_t)n);

	if (!n)
		return;
	part_begin(a->b, "alerts", "Alerts");
	html(a->b, all == 1 ? "" : "<p>%lld of %lld fire</p>\n", (long long)json_int_or(a->inc, "alerts_firing", 0),
	     (long long)all);
	if (n > 1) {
		html(a->b, "<p>all: ");
		put_chips(a, json_obj_of(json_item(arr, 0), "labels"), true);
		html(a->b, "</p>\n");
	}
	put_alerts(a, 0, few);
	size_t shown = few;
	if (n > few) {
		html(a->b, "<details id=\"alerts-more\"><summary>%lld more</summary>\n", (long long)(n - few));
		for (; shown < n && part_has_room(a->b, start, PART_MAX); shown++)
			put_alerts(a, shown, shown + 1);
		html(a->b, "</details>\n");
	}
	more_in_json(a, (size_t)all - shown, "alerts");
	part_end(a->b);
}

/* --- metrics: the numbers before and after --- */

struct moment {
	double value, at;
	bool found;
};

static struct moment point(struct json_object *series, size_t i)
{
	struct json_object *pair = json_item(series, i), *v = json_item(pair, 1);
	bool is_number = v && (json_object_is_type(v, json_type_double) || json_object_is_type(v, json_type_int));

	return (struct moment) {.value = is_number ? json_object_get_double(v) : NAN,
	                        .at = json_object_get_double(json_item(pair, 0)),
	                        .found = is_number};
}

/* The last value up to then, of those behind from. */
static struct moment last_until(struct json_object *series, double from, double until)
{
	struct moment last = {0};

	for (size_t i = 0; i < json_len(series); i++) {
		struct moment m = point(series, i);

		if (m.found && m.at > from && m.at <= until)
			last = m;
	}
	return last;
}

static void put_value(const struct web_about *a, struct moment m, const char *unit)
{
	char text[100];

	if (m.found)
		text_number(m.value, unit, text, sizeof(text));
	html(a->b, "<td>%s</td>", m.found ? text : "\xe2\x80\x93");
}

static void put_metric(const struct web_about *a, const char *name, struct json_object *series, const char *unit)
{
	double turn = (double)html_time_of(a->inc, "decided_at") / (double)US_PER_S;

	html(a->b, "<tr><th scope=\"row\">%.*s<figure data-plot=\"%.*s\"></figure></th>", LABEL_MAX, name, LABEL_MAX,
	     name);
	unit = strlen(unit) < 40 ? unit : "";
	put_value(a, last_until(series, 0, turn), unit);
	put_value(a, last_until(series, turn, INFINITY), unit);
	html(a->b, "</tr>\n");
}

void part_metrics(const struct web_about *a)
{
	struct json_object *snap = json_obj_of(a->inc, "snapshot"), *all = json_obj_of(snap, "series");
	struct json_object *units = json_obj_of(snap, "units"), *errors = json_obj_of(snap, "errors");
	size_t start = a->b->len;

	if ((!all || !json_object_object_length(all)) && (!errors || !json_object_object_length(errors)))
		return;
	part_begin(a->b, "metrics", "Metrics kept");
	html(a->b, "<table><thead><tr><th scope=\"col\">metric</th><th scope=\"col\">before</th><th "
	           "scope=\"col\">after</th></tr></thead><tbody>\n");
	if (all) {
		json_object_object_foreach(all, name, series)
		{
			if (part_has_room(a->b, start, PART_MAX))
				put_metric(a, name, series, json_str_or(units, name, ""));
		}
	}
	html(a->b, "</tbody></table>\n");
	if (errors) {
		json_object_object_foreach(errors, missing, why)
		{
			if (part_has_room(a->b, start, PART_MAX))
				html(a->b, "<p class=\"small\">%.*s: %s</p>\n", LABEL_MAX, missing,
				     json_object_get_string(why));
		}
	}
	part_end(a->b);
}

/* --- the budgets --- */

void part_sla(const struct web_about *a)
{
	struct json_object *sla = json_obj_of(a->inc, "sla");
	int n = sla ? json_object_object_length(sla) : 0, met = 0;

	if (!n)
		return;
	part_begin(a->b, "sla", "Time against the SLA");
	json_object_object_foreach(sla, one, each)
	{
		(void)one;
		met += json_true(each, "met");
	}
	if (met == n)
		html(a->b, "<details id=\"sla-all\"><summary>all %d phases in time</summary>\n", n);
	else
		html(a->b, "<details id=\"sla-all\" open><summary class=\"late\">%d of %d phases late</summary>\n",
		     n - met, n);
	html(a->b, "<table><tbody>\n");
	json_object_object_foreach(sla, phase, o)
	{
		html(a->b, json_true(o, "met") ? "<tr>" : "<tr class=\"late\">");
		html(a->b, "<th scope=\"row\">%s</th><td>%s</td></tr>\n", phase, json_str_or(o, "text", ""));
	}
	html(a->b, "</tbody></table></details>\n");
	part_end(a->b);
}

/* --- messages --- */

static void put_message(const struct web_about *a, struct json_object *m)
{
	const char *error = json_str_or(m, "error", "");
	int64_t at = html_time_of(m, "sent_at");

	html(a->b, "<li>%.*s: %s, <strong>%s</strong> ", 100, json_str_or(m, "channel", "?"),
	     json_str_or(m, "what", json_str_or(m, "event", "")), json_str_or(m, "state", "?"));
	html_clock(a->b, at ? at : html_time_of(m, "queued_at"), a->p->now_us);
	if (error[0] && !has_state(m, "sent"))
		html(a->b, ", attempt %lld: %.*s", (long long)json_int_or(m, "attempts", 0), 300, error);
	html(a->b, "</li>\n");
}

void part_messages(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->inc, "notifications");
	size_t n = json_len(arr), queued = 0, dead = 0, start = a->b->len, i = 0;

	if (!n)
		return;
	for (size_t k = 0; k < n; k++) {
		queued += has_state(json_item(arr, k), "queued");
		dead += has_state(json_item(arr, k), "undeliverable");
	}
	part_begin(a->b, "messages", "Messages");
	html(a->b, "<details id=\"messages-all\"%s><summary>", queued || dead ? " open" : "");
	html(a->b, "%lld %s", (long long)n, text_many((int64_t)n, "message", "messages"));
	if (queued)
		html(a->b, ", %lld queued", (long long)queued);
	if (dead)
		html(a->b, ", %lld could not be delivered", (long long)dead);
	html(a->b, "</summary>\n<ul class=\"rows\">\n");
	for (; i < n && part_has_room(a->b, start, PART_MAX); i++)
		put_message(a, json_item(arr, i));
	html(a->b, "</ul>\n");
	more_in_json(a, n - i, "messages");
	html(a->b, "</details>\n");
	part_end(a->b);
}
