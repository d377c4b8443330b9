/*
 * A rollout: where it stands in its plan, and what is missing.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/web/acts.h"
#include "server/web/private.h"

static const char *name_of(const struct web_about *a)
{
	return json_str_or(a->rollout, "name", "");
}

/* --- what is open, and what stops it --- */

static void part_open(const struct web_about *a)
{
	if (!a->inc)
		return;
	html(a->b, "<section id=\"incident\" aria-label=\"The open incident\">\n<ul class=\"rows\">\n");
	put_incident_row(a, a->inc);
	html(a->b, "</ul>\n");
	part_end(a->b);
}

static void stop(const struct web_about *a, int *n)
{
	if (!(*n)++)
		html(a->b, "<section id=\"stops\" aria-label=\"What stops it\">\n<ul class=\"rows\">\n");
	html(a->b, "<li>");
}

static void put_hold(const struct web_about *a, int *n)
{
	struct json_object *hold = json_obj_of(a->rollout, "hold");

	if (!hold)
		return;
	stop(a, n);
	html(a->b, "<strong>Held</strong> by %s ", json_str_or(hold, "by", "?"));
	html_time(a->b, html_time_of(hold, "since"), a->p->now_us);
	html(a->b, ": %s. Resume ends it.</li>\n", json_str_or(hold, "note", "no reason was given"));
}

static void part_stops(const struct web_about *a)
{
	const char *blind = json_str_or(json_obj_of(a->rollout, "watch"), "blind", NULL);
	const char *freeze = json_str_or(a->rollout, "freeze", NULL);
	int64_t review = json_int_or(a->rollout, "review_of", 0), restart = json_int_or(a->rollout, "restart_at", -1);
	int n = 0;

	if (blind) {
		stop(a, &n);
		html(a->b, "<strong class=\"late\">Not watched</strong>: %s</li>\n", blind);
	}
	put_hold(a, &n);
	if (freeze) {
		stop(a, &n);
		html(a->b, "<strong>Frozen</strong>: %s. Nothing is raised; a rollback always is done.</li>\n", freeze);
	}
	if (review) {
		stop(a, &n);
		html(a->b,
		     "<strong>Locked</strong> until the review of <a href=\"/incidents/%lld\">incident %lld</a> is "
		     "closed.</li>\n",
		     (long long)review, (long long)review);
	}
	if (restart >= 0) {
		stop(a, &n);
		html(a->b, "<strong>Locked</strong>: it begins again at stage %lld.</li>\n", (long long)restart);
	}
	if (!n)
		return;
	html(a->b, "</ul>\n");
	part_end(a->b);
}

/* --- the stages --- */

static void put_clock(const struct web_about *a)
{
	struct json_object *clock = json_obj_of(a->rollout, "clock");
	const char *why = json_str_or(clock, "why", NULL);

	put_clean(a, clock);
	if (!why)
		return;
	html(a->b, "<br>stands still since ");
	html_clock(a->b, html_time_of(clock, "stands_since"), a->p->now_us);
	html(a->b, ": %s", why);
}

static void put_stage(const struct web_about *a, struct json_object *stage)
{
	int64_t number = json_int_or(stage, "number", -1), here = json_int_or(a->rollout, "stage", -1);
	const char *environment = json_str_or(stage, "environment", "");
	bool elsewhere = environment[0] && strcmp(environment, a->p->environment) != 0;
	const char *what = number == here ? "here" : elsewhere ? "elsewhere" : number < here ? "passed" : "ahead";

	html(a->b, "<li class=\"%s\"", what);
	html(a->b, number == here ? " aria-current=\"step\">" : ">");
	html(a->b, "<strong>%lld %s</strong> ", (long long)number, json_str_or(stage, "name", ""));
	html_pct(a->b, json_pct_of(stage, "percentage"));
	if (elsewhere)
		html(a->b, " · in %s", environment);
	else
		html(a->b, " · %s", number == here ? "here" : number < here ? "passed" : "to come");
	if (number == here) {
		html(a->b, "<br>");
		put_clock(a);
	}
	html(a->b, "</li>\n");
}

static void part_stages(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->rollout, "stages");

	part_begin(a->b, "stages", "Stages");
	html(a->b, "<ol class=\"track\">\n");
	for (size_t i = 0; i < json_len(arr); i++)
		put_stage(a, json_item(arr, i));
	html(a->b, "</ol>\n");
	if (json_int_or(a->rollout, "stage", -1) < 0)
		html(a->b, "<p>Unstaged: <code>rollbackctl stage set %s N</code> says where it is.</p>\n", name_of(a));
	part_end(a->b);
}

static void part_next(const struct web_about *a)
{
	struct json_object *next = json_obj_of(a->rollout, "next"), *missing = json_arr_of(next, "missing");
	struct json_object *first = json_item(json_arr_of(a->rollout, "forecast"), 0);
	int64_t stage = 0, earliest = html_time_of(first, "earliest");
	char heading[100];

	if (json_get_int(next, "stage", &stage) != 1)
		return;
	snprintf(heading, sizeof(heading), "Next: stage %lld", (long long)stage);
	part_begin(a->b, "next", heading);
	html(a->b, json_len(missing) ? "<ul>\n" : "<p>Nothing is missing: advance enters it.</p>\n");
	for (size_t i = 0; i < json_len(missing); i++)
		html(a->b, "<li>%s</li>\n", json_str_or(json_item(missing, i), "text", "?"));
	html(a->b, json_len(missing) ? "</ul>\n" : "");
	if (earliest) {
		html(a->b, "<p>at the earliest ");
		html_time(a->b, earliest, a->p->now_us);
		html(a->b, "</p>\n");
	}
	part_end(a->b);
}

/* --- criteria, approvals, checklist --- */

static void put_criterion(const struct web_about *a, struct json_object *c)
{
	const char *unit = json_str_or(c, "unit", ""), *state = json_str_or(c, "state", "unknown");
	const char *bound_key = json_object_object_get(c, "min") ? "min" : "max";
	bool holds = !strcmp(state, "holds"), fails = !strcmp(state, "fails");
	double value = 0, bound = json_double_or(c, bound_key, 0);
	char is[120] = "\xe2\x80\x93", limit[120];

	unit = strlen(unit) < 60 ? unit : "";
	text_number(bound, unit, limit, sizeof(limit));
	if (json_get_double(c, "value", &value) == 1)
		text_against(value, bound, unit, is, limit, sizeof(is));
	html(a->b, "<tr><th scope=\"row\"><span class=\"sign %s\" aria-hidden=\"true\">%s</span> %s",
	     holds   ? "ok"
	     : fails ? "bad"
	             : "warn",
	     holds   ? "\xe2\x9c\x93"
	     : fails ? "\xe2\x9c\x97"
	             : "?",
	     json_str_or(c, "name", "?"));
	html(a->b, "<figure data-plot=\"%s\"></figure></th><td>%s</td><td>%s %s</td><td>%s</td></tr>\n",
	     json_str_or(c, "name", "?"), is, !strcmp(bound_key, "min") ? "at least" : "at most", limit,
	     holds || fails ? state : json_str_or(c, "why", state));
}

static void part_criteria(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->rollout, "criteria");

	if (!json_len(arr))
		return;
	part_begin(a->b, "criteria", "Criteria");
	html(a->b, "<table><thead><tr><th scope=\"col\">criterion</th><th scope=\"col\">value</th><th "
	           "scope=\"col\">bound</th><th "
	           "scope=\"col\">state</th></tr></thead><tbody>\n");
	for (size_t i = 0; i < json_len(arr); i++)
		put_criterion(a, json_item(arr, i));
	html(a->b, "</tbody></table>\n<p class=\"small\">looked ");
	html_time(a->b, html_time_of(a->rollout, "evaluated_at"), a->p->now_us);
	html(a->b, html_time_of(a->rollout, "evaluated_at") ? "</p>\n" : "not yet</p>\n");
	part_end(a->b);
}

static void put_approval(const struct web_about *a, struct json_object *o)
{
	const char *person = json_str_or(o, "person", NULL), *role = json_str_or(o, "role", "?");
	const char *why = json_str_or(o, "void_why", NULL);

	html(a->b, "<li>");
	if (person && json_true(o, "counts")) {
		html(a->b, "<span class=\"sign ok\" aria-hidden=\"true\">\xe2\x9c\x93</span> %s: %s ", role, person);
		html_time(a->b, html_time_of(o, "at"), a->p->now_us);
	} else {
		html(a->b, "<span class=\"sign warn\" aria-hidden=\"true\">\xe2\x80\x96</span> missing: %s", role);
		if (json_str_or(o, "people", "")[0])
			html(a->b, " (%s may)", json_str_or(o, "people", ""));
		if (why)
			html(a->b, "; that of %s counts no more: %s", person ? person : "?", why);
	}
	html(a->b, "</li>\n");
}

static void part_approvals(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->rollout, "approvals");

	if (!json_len(arr))
		return;
	part_begin(a->b, "approvals", "Approvals");
	html(a->b, "<ul class=\"rows\">\n");
	for (size_t i = 0; i < json_len(arr); i++)
		put_approval(a, json_item(arr, i));
	html(a->b, "</ul>\n");
	part_end(a->b);
}

static void put_tick(const struct web_about *a, struct json_object *list, struct json_object *item)
{
	if (!a->p->operates || json_str_or(item, "by", NULL))
		return;
	html(a->b,
	     "<form data-act=\"check\" method=\"post\" action=\"/rollouts/%s/check\"><input type=\"hidden\" "
	     "name=\"csrf\" value=\"%s\">",
	     name_of(a), a->p->csrf);
	html(a->b,
	     "<input type=\"hidden\" name=\"checklist\" value=\"%s\"><input type=\"hidden\" name=\"item\" "
	     "value=\"%s\"><button "
	     "aria-label=\"Tick: %s\">Tick</button></form>",
	     json_str_or(list, "name", ""), json_str_or(item, "text", ""), json_str_or(item, "text", ""));
}

static void put_item(const struct web_about *a, struct json_object *list, struct json_object *item)
{
	const char *state = json_str_or(item, "state", "open"), *person = json_str_or(item, "person", NULL);
	bool done = !strcmp(state, "done");

	html(a->b, "<li><span class=\"sign %s\" aria-hidden=\"true\">%s</span> %s: <strong>%s</strong>",
	     done ? "ok" : "warn", done ? "\xe2\x9c\x93" : "\xc2\xb7", json_str_or(item, "text", "?"), state);
	if (person) {
		html(a->b, ", %s ", person);
		html_time(a->b, html_time_of(item, "at"), a->p->now_us);
	}
	if (!done)
		put_tick(a, list, item);
	html(a->b, "</li>\n");
}

static void put_items(const struct web_about *a, struct json_object *list, bool overdue)
{
	struct json_object *arr = json_arr_of(list, "items");

	for (size_t i = 0; i < json_len(arr); i++)
		if (has_state(json_item(arr, i), "overdue") == overdue)
			put_item(a, list, json_item(arr, i));
}

static void part_checklist(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->rollout, "checklists");

	for (size_t i = 0; i < json_len(arr); i++) {
		struct json_object *list = json_item(arr, i);

		if (!json_true(list, "of_stage"))
			continue;
		part_begin(a->b, "checklist", "Checklist");
		html(a->b, "<ul class=\"rows\">\n");
		put_items(a, list, true);
		put_items(a, list, false);
		html(a->b, "</ul>\n");
		part_end(a->b);
		return;
	}
}

/* --- buttons --- */

static void put_act(const struct web_about *a, const char *word, const char *label)
{
	html(a->b, "<a class=\"button\" href=\"/rollouts/%s/%s\">%s</a>\n", name_of(a), word, label);
}

static void put_advance(const struct web_about *a)
{
	struct json_object *next = json_obj_of(a->rollout, "next"), *missing = json_arr_of(next, "missing");
	int64_t stage = 0;

	if (json_get_int(next, "stage", &stage) != 1)
		return;
	if (!json_len(missing))
		put_act(a, "advance", "Advance");
	else
		html(a->b, "<span class=\"not-yet\"><strong>Advance</strong>: %.*s</span>\n", 200,
		     json_str_or(json_item(missing, 0), "text", ""));
}

static void part_plan_acts(const struct web_about *a)
{
	html(a->b, "<section id=\"acts\" aria-label=\"What you can do\">\n");
	if (!a->p->operates) {
		html(a->b, "<p>%s is viewer; an operator can rollback, advance, hold, freeze.</p>\n", a->p->user);
	} else {
		html(a->b,
		     "<p class=\"buttons\"><a class=\"button strong\" href=\"/rollouts/%s/rollback\">Roll back "
		     "now</a></p>\n<div "
		     "class=\"buttons plan\">\n",
		     name_of(a));
		put_advance(a);
		if (role_to_approve(a->rollout)[0])
			put_act(a, "approve", "Approve");
		put_act(a, json_obj_of(a->rollout, "hold") ? "resume" : "hold",
		        json_obj_of(a->rollout, "hold") ? "Resume" : "Hold");
		put_act(a, "freeze", "Freeze");
		html(a->b, "</div>\n");
	}
	part_end(a->b);
}

/* --- the page --- */

static void part_last(const struct web_about *a, struct json_object *last)
{
	size_t n = json_len(last);

	part_begin(a->b, "last", "Its last incidents");
	html(a->b, n ? "<ul class=\"rows\">\n" : "<p>None yet. Rehearse: <code>rollbackctl drill %s</code></p>\n",
	     name_of(a));
	for (size_t i = 0; i < n; i++)
		put_incident_row(a, json_item(last, i));
	html(a->b, n ? "</ul>\n" : "");
	part_end(a->b);
}

static void put_foot(const struct web_about *a)
{
	const char *name = name_of(a);

	html(a->b,
	     "<footer>\n<p><a href=\"/api/v1/rollouts/%s/report\">report</a> · <a "
	     "href=\"/api/v1/rollouts/%s/flags\">flags</a> · <a "
	     "href=\"/api/v1/rollouts/%s\">JSON</a> · <a href=\"/incidents?rollout=%s\">all its incidents</a> · ",
	     name, name, name, name);
	html_link(a->b, json_str_or(a->rollout, "dashboard_url", NULL), "dashboard");
	html(a->b, " · <code>rollbackctl stage %s</code></p>\n</footer>\n", name);
}

/* "Beta checkout: stage 2 Quarter, 25 %" */
static void put_heading(const struct web_about *a)
{
	int64_t stage = json_int_or(a->rollout, "stage", -1);
	int32_t seen = json_pct_of(a->rollout, "percentage_seen"), want = json_pct_of(a->rollout, "percentage_wanted");
	bool above = want >= 0 && seen > want;

	html(a->b, "<section id=\"verdict\" class=\"%s\">\n<h1>%s: ",
	     above    ? "bad"
	     : a->inc ? "warn"
	              : "ok",
	     json_str_or(a->rollout, "title", name_of(a)));
	if (stage >= 0)
		html(a->b, "stage %lld %s, ", (long long)stage, json_str_or(a->rollout, "stage_name", ""));
	else
		html(a->b, "unstaged, ");
	html_pct(a->b, want);
	html(a->b, "</h1>\n</section>\n");
}

void web_rollout(struct buf *b, const struct web_page *p, struct json_object *rollout, struct json_object *last)
{
	static void (*const left[])(const struct web_about *) = {part_now, part_open, part_stops, part_plan_acts,
	                                                         part_next};
	static void (*const right[])(const struct web_about *) = {part_stages, part_criteria, part_approvals,
	                                                          part_checklist};
	assert(b && p && rollout && last);
	const struct web_about a = {.b = b, .p = p, .inc = json_obj_of(rollout, "incident"), .rollout = rollout};
	const struct web_frame f = {.page = "rollout", .rollout = json_str_or(rollout, "name", "")};
	char title[300];

	snprintf(title, sizeof(title), "%.200s · rollbackd", json_str_or(rollout, "title", f.rollout));
	frame_begin(b, p, &f, title);
	put_heading(&a);
	html(b, "<div class=\"columns\">\n<div class=\"facts\">\n");
	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		left[i](&a);
	html(b, "</div>\n<div class=\"story\">\n");
	for (size_t i = 0; i < ARRAY_LEN(right); i++)
		right[i](&a);
	part_last(&a, last);
	html(b, "</div>\n</div>\n");
	put_foot(&a);
	frame_end(b);
}
