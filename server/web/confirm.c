/*
 * Buttons, and the page on which an act is confirmed: what follows from it, in words, before it is done.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/core/text.h"
#include "server/web/acts.h"
#include "server/web/private.h"

#define UNDONE_MAX 20

struct json_object *waiting_step(struct json_object *inc)
{
	struct json_object *arr = json_arr_of(inc, "steps");

	for (size_t i = 0; is_open(inc) && i < json_len(arr); i++)
		if (has_state(json_item(arr, i), "waiting"))
			return html_time_of(json_item(arr, i), "started_at") ? json_item(arr, i) : NULL;
	return NULL;
}

bool step_that_waits(struct json_object *inc)
{
	return waiting_step(inc) != NULL;
}

/* --- where it leads --- */

static void put_target(const struct web_about *a, const struct web_act *act)
{
	if (act->on_rollout)
		html(a->b, "/rollouts/%s/%s", json_str_or(a->rollout, "name", ""), act->word);
	else
		html(a->b, "/incidents/%lld/%s", (long long)json_int_or(a->inc, "id", 0), act->word);
}

void form_begin(const struct web_about *a, const struct web_act *act)
{
	html(a->b, "<form data-act=\"%s\" method=\"post\" action=\"", act->word);
	put_target(a, act);
	html(a->b, "\">\n<input type=\"hidden\" name=\"csrf\" value=\"%s\">\n", a->p->csrf);
}

/* --- buttons --- */

static void put_acknowledge(const struct web_about *a)
{
	const char *who = json_str_or(a->inc, "acknowledged_by", NULL);

	if (who && !strcmp(who, a->p->user)) {
		html(a->b, "<p class=\"done-by\">Acknowledged by you, ");
		html_clock(a->b, html_time_of(a->inc, "acknowledged_at"), a->p->now_us);
		html(a->b, "</p>\n");
		return;
	}
	if (who)
		return; /* somebody has it: to take it over stands under More */
	form_begin(a, web_act_find(false, "acknowledge"));
	html(a->b, "<button>Acknowledge</button>\n</form>\n");
}

static void put_label(const struct web_about *a, const struct web_act *act)
{
	struct json_object *step = strcmp(act->word, "approve") != 0 || act->on_rollout ? NULL : waiting_step(a->inc);
	bool again = !strcmp(act->word, "acknowledge") && json_str_or(a->inc, "acknowledged_by", NULL);

	if (step)
		html(a->b, "Approve &quot;%.*s&quot;", 60, json_str_or(step, "name", "?"));
	else
		html(a->b, "%s", again ? "Take it over" : act->label);
}

static void put_button(const struct web_about *a, const struct web_act *act)
{
	html(a->b, "<a class=\"button%s\" href=\"", strcmp(act->word, "rollback") ? "" : " strong");
	put_target(a, act);
	html(a->b, "\">");
	put_label(a, act);
	html(a->b, "</a>\n");
}

/* Under each its command; with the reason where it is not its time. */
static void put_more(const struct web_about *a)
{
	char command[300];

	html(a->b, "<details id=\"more\"><summary class=\"button\">More</summary>\n<ul class=\"rows\">\n");
	for (size_t i = 0; act_at(i); i++) {
		const struct web_act *act = act_at(i);
		const char *why = act->why_not && !act->on_rollout ? act->why_not(a->inc) : NULL;

		if ((act->fits && !act->fits(a->inc)) ||
		    (act->on_rollout && (strcmp(act->word, "rollback") != 0 || !a->rollout || !is_open(a->inc))))
			continue;
		html(a->b, "<li>");
		if (why)
			html(a->b, "<strong>%s</strong>: %s", act->label, why);
		else
			put_button(a, act);
		act_command(act, a->inc, a->rollout, command, sizeof(command));
		html(a->b, "<br><code>%s</code></li>\n", command);
	}
	html(a->b, "</ul>\n</details>\n");
}

void part_acts(const struct web_about *a)
{
	const struct web_act *asked[2];
	size_t n = acts_asked(a->inc, a->rollout, asked);

	html(a->b, "<section id=\"acts\" aria-label=\"What you can do\">\n");
	if (!a->p->operates) {
		html(a->b, "<p>%s is viewer; an operator can %s", a->p->user,
		     is_open(a->inc) ? "acknowledge" : "add a note");
		for (size_t i = 0; i < n; i++)
			html(a->b, ", %s", asked[i]->word);
		html(a->b, ".</p>\n</section>\n");
		return;
	}
	html(a->b, "<div class=\"buttons\">\n");
	if (is_open(a->inc))
		put_acknowledge(a);
	for (size_t i = 0; i < n; i++)
		put_button(a, asked[i]);
	put_more(a);
	html(a->b, "</div>\n");
	part_end(a->b);
}

/* --- what follows from it --- */

static void of_seen(const struct web_about *a, const char *then)
{
	struct json_object *from = a->rollout ? a->rollout : a->inc;
	int32_t want = json_pct_of(from, "percentage_wanted"), seen = json_pct_of(from, "percentage_seen");

	if (seen >= 0 && (want < 0 || seen == want))
		return;
	html(a->b, "<p class=\"late\">");
	if (seen < 0) {
		html(a->b, "Nobody knows at what percentage the service is.");
	} else {
		html(a->b, "The service is still at ");
		html_pct(a->b, seen);
		html(a->b, ".");
	}
	html(a->b, " %s</p>\n", then);
}

static void of_resolve(const struct web_about *a)
{
	struct json_object *step = waiting_step(a->inc);

	of_seen(a, "Resolving does not change that: say why it is over all the same.");
	if (step)
		html(a->b, "<p class=\"late\">%.*s will not be done.</p>\n", 100, json_str_or(step, "name", "?"));
	html(a->b,
	     "<p>Nobody is reminded of it any more. The rollout stays where it is: nothing is raised by it.</p>\n");
}

static void of_retry(const struct web_about *a)
{
	html(a->b, "<p>The steps run again, down to ");
	html_pct(a->b, json_pct_of(a->inc, "percentage_wanted"));
	html(a->b, ", and what comes of them is looked at anew.</p>\n");
}

static void of_cancel(const struct web_about *a)
{
	of_seen(a, "It stays there: nothing is rolled back.");
	html(a->b, "<p>A new alert may begin another rollback.</p>\n");
}

/* What was not done is ticked, one by one, by whoever goes on all the same. */
static void of_approve(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->inc, "steps"), *step = waiting_step(a->inc);
	int n = 0;

	if (!step) {
		html(a->b, "<p>No step waits for approval now.</p>\n");
		return;
	}
	html(a->b, "<p><strong>%.*s</strong> runs at once.</p>\n", 200, json_str_or(step, "name", "?"));
	for (size_t i = 0; i < json_len(arr) && json_item(arr, i) != step && n < UNDONE_MAX; i++) {
		const char *name = json_str_or(json_item(arr, i), "name", "?");

		if (!has_state(json_item(arr, i), "failed") && !has_state(json_item(arr, i), "in_doubt"))
			continue;
		html(a->b,
		     "<p class=\"tick\"><input type=\"checkbox\" required id=\"undone-%d\" name=\"undone-%d\" "
		     "value=\"1\"> ",
		     n, n);
		html(a->b, "<label for=\"undone-%d\">I know that <strong>%.*s</strong> before it %s.</label></p>\n", n,
		     100, name, has_state(json_item(arr, i), "failed") ? "FAILED" : "may not have been done");
		n++;
	}
	html(a->b, "<input type=\"hidden\" name=\"undone\" value=\"%d\">\n", n);
}

static void of_rollback(const struct web_about *a)
{
	int32_t seen = json_pct_of(a->rollout, "percentage_seen"), want = json_pct_of(a->rollout, "percentage_wanted");
	int64_t stage = json_int_or(a->rollout, "stage", -1);

	html(a->b, "<p class=\"ask\">Lower %s from ", json_str_or(a->rollout, "name", "?"));
	html_pct(a->b, seen >= 0 ? seen : want);
	html(a->b, " to 0 %% now?</p>\n<p>It is told, and it begins the stage anew.");
	if (stage >= 0)
		html(a->b, " It is refused when the rollout has left stage %lld meanwhile.", (long long)stage);
	html(a->b, "</p>\n");
}

/* What somebody should have seen who raises, or approves that it may be. */
static void of_criteria(const struct web_about *a)
{
	struct json_object *arr = json_arr_of(a->rollout, "criteria");

	html(a->b, json_len(arr) ? "<ul>\n" : "");
	for (size_t i = 0; i < json_len(arr); i++)
		html(a->b, "<li>%s: %s</li>\n", json_str_or(json_item(arr, i), "name", "?"),
		     json_str_or(json_item(arr, i), "state", "unknown"));
	html(a->b, json_len(arr) ? "</ul>\n" : "");
}

static void of_advance(const struct web_about *a)
{
	struct json_object *next = json_obj_of(a->rollout, "next"), *missing = json_arr_of(next, "missing");
	int64_t stage = json_int_or(next, "stage", -1);

	html(a->b, "<p class=\"ask\">Raise %s from ", json_str_or(a->rollout, "name", "?"));
	html_pct(a->b, json_pct_of(a->rollout, "percentage_wanted"));
	html(a->b, " to ");
	html_pct(a->b, json_pct_of(next, "percentage"));
	html(a->b, ", stage %lld %s, now?</p>\n", (long long)stage, json_str_or(next, "name", ""));
	of_criteria(a);
	for (size_t i = 0; i < json_len(missing); i++)
		html(a->b, "<p class=\"late\">missing: %s</p>\n", json_str_or(json_item(missing, i), "text", "?"));
}

static void of_approval(const struct web_about *a)
{
	html(a->b, "<p>You answer for it that stage %lld may be left, as it stands now:</p>\n",
	     (long long)json_int_or(a->rollout, "stage", -1));
	of_criteria(a);
}

static const struct {
	const char *word;
	bool on_rollout;
	void (*say)(const struct web_about *a);
	const char *text; /* or: a sentence */
} consequences[] = {
	{"acknowledge", false, NULL, "The others are told in chat that you have it."},
	{"retry", false, of_retry, NULL},
	{"cancel", false, of_cancel, NULL},
	{"approve", false, of_approve, NULL},
	{"review", false, NULL, "From then on the rollout can be raised again, when all else holds."},
	{"resolve", false, of_resolve, NULL},
	{"extend", false, NULL, "Until then nothing else protects the service. It can wait for a day at most."},
	{"eta", false, NULL, "It is told in chat, counted down, and told again when it has passed."},
	{"note", false, NULL, "It stands in the timeline and in the report. Nobody is told."},
	{"rollback", true, of_rollback, NULL},
	{"advance", true, of_advance, NULL},
	{"approve", true, of_approval, NULL},
	{"check", true, NULL, "You answer for it by name. It counts for this run of the stage."},
	{"hold", true, NULL,
         "Clean time stops, and nothing is raised, until somebody resumes. A rollback is done all the same."},
	{"resume", true, NULL, "The clock goes on from where it stood."},
	{"freeze", true, NULL, "Nothing is raised for so long. A rollback is done all the same."},
};

static void put_consequence(const struct web_about *a, const struct web_act *act)
{
	for (size_t i = 0; i < ARRAY_LEN(consequences); i++) {
		if (strcmp(consequences[i].word, act->word) != 0 || consequences[i].on_rollout != act->on_rollout)
			continue;
		if (consequences[i].say)
			consequences[i].say(a);
		else
			html(a->b, "<p>%s</p>\n", consequences[i].text);
	}
}

/* --- fields --- */

/* The role in which the one who looks may approve what is missing; "": in none. */
const char *role_to_approve(struct json_object *rollout)
{
	struct json_object *arr = json_arr_of(rollout, "approvals");

	for (size_t i = 0; i < json_len(arr); i++)
		if (json_true(json_item(arr, i), "may") && !json_true(json_item(arr, i), "counts"))
			return json_str_or(json_item(arr, i), "role", "");
	return "";
}

/* What a field says when nobody has typed anything yet. */
static void preset(const struct web_about *a, const struct act_field *field, char *out, size_t size)
{
	struct json_object *step = a->inc ? waiting_step(a->inc) : NULL;
	int64_t stage = json_int_or(a->rollout, "stage", -1);

	out[0] = '\0';
	if (!strcmp(field->name, "stage") && stage >= 0)
		snprintf(out, size, "%lld", (long long)stage);
	else if (!strcmp(field->name, "step") && step)
		snprintf(out, size, "%s", json_str_or(step, "name", ""));
	else if (!strcmp(field->name, "to"))
		snprintf(out, size, "0");
	else if (!strcmp(field->name, "role"))
		snprintf(out, size, "%s", role_to_approve(a->rollout));
}

static void put_field(const struct web_about *a, const struct act_field *f, const char *value, bool required)
{
	struct buf *b = a->b;

	if (f->kind == ACT_HIDDEN_NUMBER || f->kind == ACT_HIDDEN_TEXT) {
		if (value[0])
			html(b, "<input type=\"hidden\" name=\"%s\" value=\"%s\">\n", f->name, value);
		return;
	}
	html(b, "<p class=\"field\"><label for=\"f-%s\">%s%s</label>", f->name, f->label,
	     required ? "" : " (optional)");
	if (f->kind == ACT_LINES)
		html(b, "<textarea id=\"f-%s\" name=\"%s\" rows=\"3\" maxlength=\"4000\"%s>\n%.*s</textarea>", f->name,
		     f->name, required ? " required" : "", 4000, value);
	else
		html(b, "<input id=\"f-%s\" name=\"%s\" value=\"%s\" maxlength=\"200\" autocomplete=\"off\"%s>",
		     f->name, f->name, value, required ? " required" : "");
	if (f->hint)
		html(b, "<span class=\"small\">%s</span>", f->hint);
	html(b, "</p>\n");
}

/* Whoever ends it while the world is elsewhere says why. */
static bool is_required(const struct web_about *a, const struct web_act *act, const struct act_field *f)
{
	struct json_object *from = a->rollout ? a->rollout : a->inc;
	bool differs = json_pct_of(from, "percentage_seen") != json_pct_of(from, "percentage_wanted");

	return f->required || (!strcmp(act->word, "resolve") && (differs || has_state(a->inc, "failed")));
}

static void put_fields(const struct web_about *a, const struct web_act *act, const struct form *given)
{
	char said[500];

	for (const struct act_field *f = act->fields; f < act->fields + ACT_FIELDS_MAX && f->name; f++) {
		bool typed = given && f->kind != ACT_HIDDEN_NUMBER && f->kind != ACT_HIDDEN_TEXT;
		const char *value = typed ? form_get(given, f->name) : NULL;

		preset(a, f, said, sizeof(said));
		put_field(a, f, value ? value : typed ? "" : said, is_required(a, act, f));
	}
}

static const char *why_not_now(const struct web_about *a, const struct web_act *act)
{
	if (act->on_rollout)
		return NULL;
	if (act->fits && !act->fits(a->inc))
		return "This is not its time any more: see above how it stands now.";
	return act->why_not ? act->why_not(a->inc) : NULL;
}

static void put_form(const struct web_about *a, const struct web_act *act, const struct form *given)
{
	const char *why = why_not_now(a, act);

	form_begin(a, act);
	put_consequence(a, act);
	put_fields(a, act, given);
	if (why)
		html(a->b, "<p class=\"late\">%s</p>\n", why);
	html(a->b, "<p class=\"buttons\"><button%s>", why ? " disabled" : "");
	put_label(a, act);
	html(a->b, "</button> <a class=\"button\" href=\"");
	if (!act->on_rollout)
		html(a->b, "/incidents/%lld", (long long)json_int_or(a->inc, "id", 0));
	else
		html(a->b, "/rollouts/%s", json_str_or(a->rollout, "name", ""));
	html(a->b, "\">Back</a></p>\n</form>\n");
}

/* --- the page --- */

static void put_title(const struct web_about *a, const struct web_act *act)
{
	const char *name = json_str_or(a->rollout, "name", json_str_or(a->inc, "rollout", ""));
	const struct web_frame f = {.page = "act", .rollout = name, .id = a->inc ? json_int_or(a->inc, "id", 0) : 0};
	struct buf title = BUF(1000);

	buf_printf(&title, "%s %.200s", act->label, name);
	if (f.id)
		buf_printf(&title, " · incident %lld", (long long)f.id);
	frame_begin(a->b, a->p, &f, buf_text(&title));
	buf_free(&title);
}

/* How it stands, above what is asked. */
static void put_standing(const struct web_about *a)
{
	struct web_verdict v;

	if (!a->inc)
		return;
	verdict_of(a->inc, a->p->now_us, &v);
	html(a->b, "<p id=\"standing\" class=\"%s\"><span class=\"sign\" aria-hidden=\"true\">%s</span> ", v.tone,
	     v.sign);
	html_said(a->b, v.sentence);
	html(a->b, "</p>\n");
}

void web_act_page(struct buf *b, const struct web_page *p, const struct web_act *act, const struct web_asked *asked)
{
	assert(b && p && act && asked && (asked->incident || asked->rollout));
	const struct web_about a = {.b = b, .p = p, .inc = asked->incident, .rollout = asked->rollout};
	char command[300];

	put_title(&a, act);
	put_standing(&a);
	html(b, "<h1>%s</h1>\n", act->question);
	if (asked->error)
		html(b, "<p id=\"error\" class=\"error\" role=\"alert\">%s</p>\n", asked->error);
	if (p->operates)
		put_form(&a, act, asked->given);
	else
		html(b, "<p>%s is viewer; an operator can %s.</p>\n", p->user, act->word);
	act_command(act, a.inc, a.rollout, command, sizeof(command));
	html(b, "<p class=\"small\">From a shell: <code>%s</code></p>\n", command);
	frame_end(b);
}
