/*
 * An incident, the parts that somebody half awake reads: what happened, is it over, what waits, who has it, why, and
 * where things stand.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/core/text.h"
#include "server/web/private.h"

#define WAITS_MAX 12

/* --- the verdict --- */

static void put_verdict(const struct web_about *a, const struct web_verdict *v)
{
	struct buf *b = a->b;

	html(b, "<section id=\"verdict\" class=\"%s\">\n", v->tone);
	if (is_drill(a->inc))
		html(b, "<p class=\"drill\">DRILL: nothing is changed</p>\n");
	html(b, "<h1><span class=\"sign\" aria-hidden=\"true\">%s</span> ", v->sign);
	html_said(b, v->sentence);
	html(b, "</h1>\n");
	if (v->more[0] || v->since_us || v->until_us) {
		html(b, "<p>%s%s", v->more, v->more[0] && v->since_us ? ", " : "");
		if (v->since_us)
			html(b, "began ");
		html_ago(b, v->since_us, a->p->now_us);
		if (v->until_us)
			html(b, "until ");
		html_time(b, v->until_us, a->p->now_us);
		html(b, "</p>\n");
	}
	html(b, "<p class=\"what\">%s", json_str_or(a->inc, "title", json_str_or(a->inc, "rollout", "")));
	html(b, " · incident %lld · %s</p>\n</section>\n", (long long)json_int_or(a->inc, "id", 0),
	     json_str_or(a->inc, "severity", ""));
}

static void put_over(const struct web_about *a)
{
	struct json_object *over = json_obj_of(a->inc, "over");
	bool yes = !strcmp(json_str_or(over, "answer", ""), "yes");
	int64_t since = html_time_of(a->inc, "resolved_at");

	since = since ? since : html_time_of(a->inc, "rolled_back_at");
	part_begin(a->b, "over", "Is it over?");
	html(a->b, "<p><strong>%s", yes ? "Yes" : "No");
	if (yes && since) {
		html(a->b, ", since ");
		html_clock(a->b, since, a->p->now_us);
	}
	html(a->b, ":</strong> ");
	html_said(a->b, json_str_or(over, "because", "unknown"));
	html(a->b, ".</p>\n");
	part_end(a->b);
}

/* --- what waits for a person --- */

static void wait(const struct web_about *a, int *n)
{
	html(a->b, *n ? "</li>\n<li>" : "<ul>\n<li>");
	(*n)++;
}

static void wait_decision(const struct web_about *a, int *n)
{
	bool held = has_state(a->inc, "held");

	if (!held && !has_state(a->inc, "pending"))
		return;
	wait(a, n);
	html(a->b, held ? "A decision: roll back, or resolve"
	                : "A decision, if it should not run its course: call off, or roll back now");
}

/* Nobody is named who lags. */
static void put_lag(const struct web_about *a, struct json_object *said)
{
	int32_t seen = json_pct_of(a->inc, "percentage_seen");

	if (has_state(said, "unknown") || seen < 0) {
		html(a->b, "Somebody who looks: what the percentage is could not be established");
		return;
	}
	html(a->b, "The service is still at ");
	html_pct(a->b, seen);
}

static void wait_instances(const struct web_about *a, int *n)
{
	struct json_object *said = json_obj_of(json_obj_of(a->inc, "verification"), "acknowledged");
	const char *note = json_str_or(said, "note", ""), *at = strstr(note, "; at ");

	if (has_state(said, "yes") || !is_open(a->inc) || (!at && !has_state(a->inc, "failed")))
		return;
	wait(a, n);
	if (!at) {
		put_lag(a, said);
		return;
	}
	html(a->b, "Still at ");
	html_said(a->b, at + strlen("; at "));
}

static void wait_failed(const struct web_about *a, int *n)
{
	struct json_object *arr = json_arr_of(a->inc, "steps");

	for (size_t i = 0; i < json_len(arr) && *n < WAITS_MAX; i++) {
		struct json_object *s = json_item(arr, i);
		bool failed = has_state(s, "failed"), doubt = has_state(s, "in_doubt");

		const char *kind = json_str_or(s, "kind", "");

		if ((!failed && !doubt) || !strcmp(kind, "snapshot") || !strcmp(kind, "verify"))
			continue; /* that it was not verified is the verdict itself */
		wait(a, n);
		html(a->b, "<a href=\"#steps\">%.*s</a> %s", 100, json_str_or(s, "name", "?"),
		     failed ? "FAILED" : "may or may not have run: look");
	}
}

/* The steps before it that failed, of which whoever approves should know. */
static void say_failed_before(const struct web_about *a, size_t end)
{
	struct json_object *arr = json_arr_of(a->inc, "steps");
	int n = 0;

	for (size_t i = 0; i < end; i++)
		if (has_state(json_item(arr, i), "failed") && n < WAITS_MAX)
			html(a->b, n++ ? ", %.*s FAILED" : "; before it %.*s FAILED", 100,
			     json_str_or(json_item(arr, i), "name", "?"));
}

static void wait_approval(const struct web_about *a, int *n)
{
	struct json_object *arr = json_arr_of(a->inc, "steps"), *step = waiting_step(a->inc);
	size_t i = 0;

	if (!step)
		return;
	while (json_item(arr, i) != step)
		i++;
	wait(a, n);
	html(a->b, "Approval of <strong>%.*s</strong>", 100, json_str_or(step, "name", "?"));
	say_failed_before(a, i);
}

static void wait_messages(const struct web_about *a, int *n)
{
	struct json_object *arr = json_arr_of(a->inc, "notifications");

	for (size_t i = 0; i < json_len(arr) && *n < WAITS_MAX; i++) {
		struct json_object *m = json_item(arr, i);

		if (!has_state(m, "undeliverable"))
			continue;
		wait(a, n);
		html(a->b, "<a href=\"#messages\">%.*s</a> was not told: %.*s", 100, json_str_or(m, "channel", "?"),
		     200, json_str_or(m, "error", ""));
	}
}

void part_waits(const struct web_about *a)
{
	int n = 0;

	part_begin(a->b, "waits", "What waits for a person");
	wait_decision(a, &n);
	wait_instances(a, &n);
	if (is_open(a->inc)) {
		wait_failed(a, &n);
		wait_approval(a, &n);
	}
	if (!strcmp(json_str_or(a->inc, "review", ""), "required")) {
		wait(a, &n);
		html(a->b, "Its review: nothing is raised before");
	}
	wait_messages(a, &n);
	if (n)
		html(a->b, "</li>\n</ul>\n");
	else
		html(a->b, "<p>%s</p>\n",
		     has_state(a->inc, "rolling_back") || has_state(a->inc, "verifying")
		             ? "Nothing yet: rollbackd goes on by itself."
		             : "Nothing.");
	part_end(a->b);
}

/* --- who has it --- */

static void put_eta(const struct web_about *a)
{
	int64_t eta = html_time_of(a->inc, "eta");

	if (!eta || !is_open(a->inc))
		return;
	html(a->b, eta < a->p->now_us ? "<p class=\"late\">ETA has passed: " : "<p>ETA ");
	html_time(a->b, eta, a->p->now_us);
	html(a->b, "</p>\n");
}

void part_who(const struct web_about *a)
{
	const char *who = json_str_or(a->inc, "acknowledged_by", NULL);
	int64_t at = html_time_of(a->inc, "acknowledged_at");
	char span[40];

	part_begin(a->b, "who", "Who has it");
	if (!who) {
		html(a->b, is_open(a->inc) ? "<p>nobody</p>\n" : "<p>nobody had it</p>\n");
	} else if (is_open(a->inc)) {
		html_span_text(a->p->now_us - at, span, sizeof(span));
		html(a->b, "<p>%s, for <span data-since=\"%s\">%s</span></p>\n", who,
		     json_str_or(a->inc, "acknowledged_at", ""), span);
	} else {
		html(a->b, "<p>%s had it</p>\n", who);
	}
	put_eta(a);
	part_end(a->b);
}

/* --- why --- */

static void put_link(const struct web_about *a, const char *url, const char *text, int *n)
{
	if (!html_is_link(url))
		return;
	html(a->b, (*n)++ ? " · " : "<p>");
	html_link(a->b, url, text);
}

static const char *annotation(struct json_object *alert, const char *key)
{
	return json_str_or(json_obj_of(alert, "annotations"), key, NULL);
}

static void put_links(const struct web_about *a)
{
	struct json_object *alert = json_item(json_arr_of(a->inc, "alerts"), 0);
	const char *runbook = alert ? annotation(alert, "runbook_url") : NULL;
	int n = 0;

	put_link(a, json_str_or(a->inc, "dashboard_url", NULL), "dashboard", &n);
	if (alert)
		put_link(a, json_str_or(alert, "generator_url", NULL), "Prometheus", &n);
	if (alert)
		put_link(a, runbook ? runbook : annotation(alert, "runbook"), "runbook", &n);
	html(a->b, n ? "</p>\n" : "");
}

void part_why(const struct web_about *a)
{
	const char *measured = json_str_or(a->inc, "measured", NULL), *reason = json_str_or(a->inc, "reason", NULL);
	int64_t stage = json_int_or(a->inc, "stage", -1);

	part_begin(a->b, "why", "Why");
	html(a->b, "<p><strong>%s</strong></p>\n", json_str_or(a->inc, "summary", ""));
	if (measured)
		html(a->b, "<p class=\"measured\">%s</p>\n", measured);
	if (reason)
		html(a->b, "<p>%s</p>\n", reason);
	put_links(a);
	html(a->b, "<p class=\"small\">%s, playbook %s, %s, ", json_str_or(a->inc, "headline", ""),
	     json_str_or(a->inc, "playbook", ""), json_str_or(a->inc, "severity", ""));
	if (stage >= 0)
		html(a->b, "stage %lld, ", (long long)stage);
	html(a->b, "opened by %s ", json_str_or(a->inc, "opened_by", "?"));
	html_time(a->b, html_time_of(a->inc, "opened_at"), a->p->now_us);
	html(a->b, "</p>\n");
	part_end(a->b);
}

/* --- now --- */

static void put_number(const struct web_about *a, const char *what, int32_t pct)
{
	html(a->b, "<span class=\"pct\">%s <strong>", what);
	html_pct(a->b, pct);
	html(a->b, "</strong></span>");
}

static void put_age(const struct web_about *a, struct json_object *from)
{
	int64_t at = html_time_of(from, "seen_at");
	bool since = true;

	html(a->b, "<p class=\"small\">");
	if (!at) {
		html(a->b, "not looked yet");
	} else {
		html(a->b, "looked ");
		html_time(a->b, at, a->p->now_us);
	}
	if (at && json_get_bool(from, "seen_since_change", &since) == 1 && !since)
		html(a->b, ", before the last change");
	html(a->b, "</p>\n");
}

/* What the rollout is at now, also after the incident: an incident that was ended changes nothing in the world. */
void part_now(const struct web_about *a)
{
	struct json_object *from = a->rollout ? a->rollout : a->inc;
	struct json_object *said = json_obj_of(json_obj_of(a->inc, "verification"), "acknowledged");
	int32_t want = json_pct_of(from, "percentage_wanted"), seen = json_pct_of(from, "percentage_seen");
	int32_t file = json_pct_of(from, "percentage_in_file");
	const char *lag = strstr(json_str_or(said, "note", ""), "; at ");
	bool differs = want >= 0 && ((seen >= 0 && seen != want) || (file >= 0 && file != want));

	part_begin(a->b, "now", "Now");
	html(a->b, differs ? "<p class=\"differs\">" : "<p>");
	if (differs)
		html(a->b, "<strong>These differ:</strong> ");
	put_number(a, "wanted", want);
	html(a->b, " · ");
	if (a->rollout && file >= 0) {
		put_number(a, "file", file);
		html(a->b, " · ");
	}
	if (seen < 0 && !html_time_of(from, "seen_at"))
		html(a->b, "<span class=\"pct\">seen: not looked yet</span>");
	else
		put_number(a, "seen", seen);
	if (lag && !has_state(said, "yes")) {
		html(a->b, " (");
		html_said(a->b, lag + strlen("; "));
		html(a->b, ")");
	}
	html(a->b, "</p>\n");
	if (a->rollout)
		put_age(a, from);
	if (a->rollout && json_str_or(a->rollout, "doubt", NULL))
		html(a->b, "<p class=\"late\">%s</p>\n", json_str_or(a->rollout, "doubt", ""));
	part_end(a->b);
}

/* --- the page --- */

static void put_foot(const struct web_about *a)
{
	long long id = (long long)json_int_or(a->inc, "id", 0), before = (long long)json_int_or(a->inc, "before", 0);
	const char *rollout = json_str_or(a->inc, "rollout", "");

	html(a->b, "<footer>\n<p><a href=\"/api/v1/incidents/%lld/report\">report (Markdown)</a> · ", id);
	html(a->b, "<a href=\"/api/v1/incidents/%lld\">JSON</a> · <a href=\"/rollouts/%s\">rollout %s</a>", id, rollout,
	     rollout);
	if (before)
		html(a->b, " · <a href=\"/incidents/%lld\">the incident before: %lld</a>", before, before);
	html(a->b, " · <code>rollbackctl incident %lld</code></p>\n</footer>\n", id);
}

static void put_head(const struct web_about *a, const struct web_verdict *v)
{
	struct buf title = BUF(2000);
	const struct web_frame f = {.page = "incident",
	                            .state = json_str_or(a->inc, "state", ""),
	                            .rollout = json_str_or(a->inc, "rollout", ""),
	                            .id = json_int_or(a->inc, "id", 0)};

	buf_printf(&title, "%s%s %.200s · incident %lld", is_drill(a->inc) ? "DRILL " : "", v->word, f.rollout,
	           (long long)f.id);
	frame_begin(a->b, a->p, &f, buf_text(&title));
	buf_free(&title);
}

void web_incident(struct buf *b, const struct web_page *p, struct json_object *incident, struct json_object *rollout)
{
	static void (*const left[])(const struct web_about *) = {part_who, part_why, part_now, part_ladder, part_steps};
	static void (*const right[])(const struct web_about *) = {part_timeline, part_alerts, part_metrics, part_sla,
	                                                          part_messages};
	const struct web_about a = {.b = b, .p = p, .inc = incident, .rollout = rollout};
	struct web_verdict v;

	assert(b && p && incident);
	verdict_of(incident, p->now_us, &v);
	put_head(&a, &v);
	html(b, "<div class=\"first\">\n");
	put_verdict(&a, &v);
	put_over(&a);
	part_waits(&a);
	part_acts(&a);
	html(b, "</div>\n<div class=\"columns\">\n<div class=\"facts\">\n");
	for (size_t i = 0; i < ARRAY_LEN(left); i++)
		left[i](&a);
	html(b, "</div>\n<div class=\"story\">\n");
	for (size_t i = 0; i < ARRAY_LEN(right); i++)
		right[i](&a);
	html(b, "</div>\n</div>\n");
	put_foot(&a);
	frame_end(b);
}
