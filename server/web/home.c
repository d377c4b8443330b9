/*
 * Home: who needs somebody, then all rollouts, then what was.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/web/private.h"

#define LONG_HELD_US (4 * 3600 * US_PER_S)

/* --- what is urgent --- */

static bool waits_for_approval(struct json_object *inc)
{
	struct json_object *next = json_arr_of(inc, "next");

	for (size_t i = 0; i < json_len(next); i++)
		if (strstr(json_object_get_string(json_item(next, i)), "incident approve "))
			return true;
	return false;
}

static bool is_above(struct json_object *rollout)
{
	int32_t wanted = json_pct_of(rollout, "percentage_wanted"), seen = json_pct_of(rollout, "percentage_seen");

	return wanted >= 0 && seen > wanted && !json_str_or(rollout, "entering", NULL);
}

static const char *blind(struct json_object *rollout)
{
	return json_str_or(json_obj_of(rollout, "watch"), "blind", NULL);
}

static bool is_in(struct json_object *inc, const char *state)
{
	return inc && has_state(inc, state);
}

/* The most pressing has the smallest number; 0: it needs nobody. */
static int urgency(struct json_object *rollout)
{
	struct json_object *inc = json_obj_of(rollout, "incident");
	const bool asked[] = {
		is_in(inc, "failed"),
		is_above(rollout) && !is_in(inc, "rolling_back") && !is_in(inc, "verifying"),
		inc && waits_for_approval(inc),
		is_in(inc, "held"),
		blind(rollout) != NULL,
		is_in(inc, "pending"),
		is_in(inc, "rolling_back") || is_in(inc, "verifying"),
		is_in(inc, "rolled_back"),
	};

	for (size_t i = 0; i < ARRAY_LEN(asked); i++)
		if (asked[i])
			return (int)i + 1;
	return 0;
}

struct place {
	struct json_object *rollout;
	int urgency;
	size_t at; /* in the config */
};

static int by_urgency(const void *a, const void *b)
{
	const struct place *x = a, *y = b;
	int ux = x->urgency ? x->urgency : 100, uy = y->urgency ? y->urgency : 100;

	return ux != uy ? (ux > uy) - (ux < uy) : (x->at > y->at) - (x->at < y->at);
}

/* The caller's to free; NULL: out of memory, or there are none. */
static struct place *places_of(struct json_object *rollouts, size_t n, size_t *ret_urgent)
{
	struct place *p = n ? calloc(n, sizeof(*p)) : NULL;

	*ret_urgent = 0;
	for (size_t i = 0; p && i < n; i++) {
		struct json_object *o = json_item(rollouts, i);

		p[i] = (struct place) {o, urgency(o), i};
		*ret_urgent += p[i].urgency != 0;
	}
	if (p)
		qsort(p, n, sizeof(*p), by_urgency);
	return p;
}

/* --- rows --- */

void put_incident_row(const struct web_about *a, struct json_object *inc)
{
	const char *who = json_str_or(inc, "acknowledged_by", NULL);
	struct web_verdict v;

	verdict_of(inc, a->p->now_us, &v);
	html(a->b, "<li><span class=\"sign %s\" aria-hidden=\"true\">%s</span> <a href=\"/incidents/%lld\">", v.tone,
	     v.sign, (long long)json_int_or(inc, "id", 0));
	html(a->b, is_drill(inc) ? "DRILL %s: " : "%s: ", json_str_or(inc, "rollout", "?"));
	html_said(a->b, v.sentence);
	html(a->b, "</a><br><span class=\"small\">%.*s · ", 200, json_str_or(inc, "summary", ""));
	html_ago(a->b, html_time_of(inc, "opened_at"), a->p->now_us);
	if (is_open(inc))
		html(a->b, who ? " · %s has it" : " · nobody has it", who ? who : "");
	html(a->b, "</span></li>\n");
}

static void put_need(const struct web_about *a, struct json_object *rollout)
{
	struct json_object *inc = json_obj_of(rollout, "incident");
	const char *name = json_str_or(rollout, "name", "?");

	if (inc) {
		put_incident_row(a, inc);
		return;
	}
	html(a->b, "<li><span class=\"sign bad\" aria-hidden=\"true\">!</span> <a href=\"/rollouts/%s\">%s: ", name,
	     name);
	if (is_above(rollout)) {
		html(a->b, "seen ");
		html_pct(a->b, json_pct_of(rollout, "percentage_seen"));
		html(a->b, ", wanted ");
		html_pct(a->b, json_pct_of(rollout, "percentage_wanted"));
		html(a->b, "</a></li>\n");
	} else {
		html(a->b, "not watched: %.*s</a></li>\n", 300, blind(rollout) ? blind(rollout) : "");
	}
}

void put_clean(const struct web_about *a, struct json_object *clock)
{
	double clean = json_double_or(clock, "clean", 0), required = json_double_or(clock, "required", 0);
	char have[40], need[40];

	if (required <= 0)
		return;
	html_span_text((int64_t)clean * US_PER_S, have, sizeof(have));
	html_span_text((int64_t)required * US_PER_S, need, sizeof(need));
	html(a->b, "<progress max=\"%lld\" value=\"%lld\" aria-label=\"clean time\"></progress> %s of %s clean",
	     (long long)required, (long long)(clean > required ? required : clean), have, need);
}

static void put_missing(const struct web_about *a, struct json_object *rollout)
{
	struct json_object *next = json_obj_of(rollout, "next"), *missing = json_arr_of(next, "missing");
	int64_t stage = 0;
	size_t n = json_len(missing);

	if (json_get_int(next, "stage", &stage) != 1)
		return;
	html(a->b, " · next stage %lld: ", (long long)stage);
	if (!n)
		html(a->b, "nothing is missing");
	else
		html(a->b, "%.*s", 120, json_str_or(json_item(missing, 0), "text", "?"));
	if (n > 1)
		html(a->b, " and %lld more", (long long)n - 1);
}

static void put_rollout_row(const struct web_about *a, struct json_object *o)
{
	int64_t stage = json_int_or(o, "stage", -1);
	bool differs = is_above(o);

	html(a->b, "<li><a href=\"/rollouts/%s\"><strong>%s</strong></a> · ", json_str_or(o, "name", ""),
	     json_str_or(o, "title", json_str_or(o, "name", "?")));
	if (stage >= 0)
		html(a->b, "stage %lld %s", (long long)stage, json_str_or(o, "stage_name", ""));
	else
		html(a->b, "unstaged");
	html(a->b, differs ? " · <strong class=\"late\">wanted " : " · <span>wanted ");
	html_pct(a->b, json_pct_of(o, "percentage_wanted"));
	html(a->b, " \xe2\x86\x92 ");
	if (html_time_of(o, "seen_at")) {
		html(a->b, "seen ");
		html_pct(a->b, json_pct_of(o, "percentage_seen"));
	} else {
		html(a->b, "not looked yet");
	}
	html(a->b, differs ? "</strong><br><span class=\"small\">" : "</span><br><span class=\"small\">");
	put_clean(a, json_obj_of(o, "clock"));
	put_missing(a, o);
	html(a->b, "</span></li>\n");
}

/* --- parts --- */

static void part_needs(const struct web_about *a, const struct place *p, size_t n)
{
	int64_t dead = json_int_or(a->p->health, "undeliverable", 0);

	assert(p || !n);
	if (!n && !dead)
		return;
	part_begin(a->b, "needs", "Needs somebody");
	html(a->b, "<ul class=\"rows\">\n");
	for (size_t i = 0; i < n; i++)
		put_need(a, p[i].rollout);
	if (dead)
		html(a->b,
		     "<li><span class=\"sign bad\" aria-hidden=\"true\">!</span> %lld %s could not be delivered</li>\n",
		     (long long)dead, text_many(dead, "message", "messages"));
	html(a->b, "</ul>\n");
	part_end(a->b);
}

static const char *const example = "rollouts:\n"
				   "  - name: checkout\n"
				   "    flags: {file: /etc/checkout/flags.env, percentage: CHECKOUT_PERCENTAGE}\n"
				   "    apply:\n"
				   "      - {command: [/usr/bin/systemctl, reload, checkout.service]}\n"
				   "    verify:\n"
				   "      checks:\n"
				   "        - {prometheus: checkout_rollout_percentage}\n"
				   "    stages:\n"
				   "      - {number: 1, name: Canary, percentage: 10}\n";

static void part_rollouts(const struct web_about *a, const struct place *p, size_t n)
{
	part_begin(a->b, "rollouts", "All rollouts");
	if (!n)
		html(a->b, "<p>Nothing is protected yet. This in rollbackd.yml is a rollout:</p>\n<pre>%s</pre>\n",
		     example);
	else
		html(a->b, "<ul class=\"rows\">\n");
	for (size_t i = 0; i < n; i++)
		put_rollout_row(a, p[i].rollout);
	html(a->b, n ? "</ul>\n" : "");
	part_end(a->b);
}

static void part_long(const struct web_about *a, const struct place *p, size_t n)
{
	bool any = false;

	for (size_t i = 0; i < n; i++) {
		struct json_object *inc = json_obj_of(p[i].rollout, "incident");
		int64_t at = inc ? html_time_of(inc, "acknowledged_at") : 0;

		if (!at || a->p->now_us - at < LONG_HELD_US)
			continue;
		if (!any) {
			part_begin(a->b, "long", "Acknowledged for more than 4 h");
			html(a->b, "<ul class=\"rows\">\n");
		}
		any = true;
		put_incident_row(a, inc);
	}
	if (!any)
		return;
	html(a->b, "</ul>\n");
	part_end(a->b);
}

static size_t put_of_kind(const struct web_about *a, struct json_object *arr, bool drills, bool shown)
{
	size_t n = 0;

	for (size_t i = 0; i < json_len(arr); i++) {
		if (is_drill(json_item(arr, i)) != drills)
			continue;
		n++;
		if (shown)
			put_incident_row(a, json_item(arr, i));
	}
	return n;
}

static void part_day(const struct web_about *a, struct json_object *day, struct json_object *rollouts)
{
	size_t real = put_of_kind(a, day, false, false), drills = put_of_kind(a, day, true, false);

	part_begin(a->b, "day", "Last 24 h");
	if (real) {
		html(a->b, "<ul class=\"rows\">\n");
		put_of_kind(a, day, false, true);
		html(a->b, "</ul>\n");
	} else {
		html(a->b, "<p>No incident. Rehearse: <code>rollbackctl drill %s</code></p>\n",
		     json_str_or(json_item(rollouts, 0), "name", "NAME"));
	}
	if (drills) {
		html(a->b, "<details id=\"drills\"><summary>%lld %s</summary>\n<ul class=\"rows\">\n",
		     (long long)drills, text_many((int64_t)drills, "drill", "drills"));
		put_of_kind(a, day, true, true);
		html(a->b, "</ul>\n</details>\n");
	}
	html(a->b, "<p><a href=\"/incidents\">all incidents</a></p>\n");
	part_end(a->b);
}

static void put_sentence(const struct web_about *a, size_t urgent, size_t all)
{
	html(a->b, "<section id=\"verdict\" class=\"%s\">\n<h1>", urgent ? "bad" : all ? "ok" : "warn");
	if (urgent)
		html(a->b, "<a href=\"#needs\">%lld %s you now</a>", (long long)urgent,
		     text_many((int64_t)urgent, "needs", "need"));
	else if (all)
		html(a->b, all == 1 ? "All is well" : "<a href=\"#rollouts\">all %lld are well</a>", (long long)all);
	else
		html(a->b, "Nothing is protected yet");
	html(a->b, "</h1>\n</section>\n");
}

void web_home(struct buf *b, const struct web_page *p, struct json_object *rollouts, struct json_object *day)
{
	assert(b && p && rollouts && day);
	const struct web_about a = {.b = b, .p = p};
	const struct web_frame f = {.page = "home"};
	size_t n = json_len(rollouts), urgent;
	CLEANUP(cleanup_free) struct place *places = places_of(rollouts, n, &urgent);
	char title[100];

	if (n && !places) { /* nothing is said about rollouts that could not be looked at */
		b->error = -ENOMEM;
		return;
	}
	snprintf(title, sizeof(title), urgent ? "%zu need you · rollbackd" : "All well · rollbackd", urgent);
	frame_begin(b, p, &f, n ? title : "rollbackd");
	put_sentence(&a, urgent, n);
	part_needs(&a, places, urgent);
	part_rollouts(&a, places, n);
	part_long(&a, places, n);
	part_day(&a, day, rollouts);
	frame_end(b);
}
