/* What can be done from the page: buttons by state and role, what follows in words, and the form as the API takes it.
 */
#include "tests/unit/web_fixture.h"

#include "server/web/form.h"

static const struct web_case *case_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(web_cases); i++)
		if (!strcmp(web_cases[i].name, name))
			return &web_cases[i];
	fail_msg("no case %s", name);
	return NULL;
}

/* The part of the page between its beginning and the next section. */
static void acts_of(struct buf *b, const char *name, const char *user, bool operates)
{
	struct web_page p = page_for(user, operates);
	struct json_object *inc = parsed(case_of(name)->json), *rollout = parsed(ROLLOUT);
	struct buf page = BUF(WEB_MAX);

	web_incident(&page, &p, inc, rollout);
	const char *from = strstr(buf_text(&page), "<section id=\"acts\""),
		   *to = from ? strstr(from, "</section>") : NULL;
	assert_non_null(to);
	buf_reset(b);
	assert_int_equal(buf_add(b, from, (size_t)(to - from)), 0);
	buf_free(&page);
	json_object_put(inc);
	json_object_put(rollout);
}

#define ACKNOWLEDGE     "<form data-act=\"acknowledge\" method=\"post\" action=\"/incidents/2/acknowledge\">"
#define TO(path, label) "href=\"" path "\">" label "</a>"

static void each_state_offers_what_it_asks_for(void **state)
{
	static const struct {
		const char *name, *first[3];
	} offered[] = {
		{"rolling-back", {ACKNOWLEDGE}},
		{"checking", {ACKNOWLEDGE}},
		{"rolled-back", {ACKNOWLEDGE, TO("/incidents/2/approve", "Approve &quot;restore&quot;")}},
		{"not-verified", {"Acknowledged by you, ", TO("/incidents/2/retry", "Retry")}},
		{"cannot-tell", {ACKNOWLEDGE, TO("/incidents/2/retry", "Retry")}},
		{"held", {ACKNOWLEDGE, TO("/rollouts/beta/rollback", "Roll back now")}},
		{"pending",
	         {ACKNOWLEDGE, TO("/incidents/2/cancel", "Call off"), TO("/rollouts/beta/rollback", "Roll back now")}},
		{"called-off", {TO("/incidents/2/note", "Add a note")}},
		{"resolved", {TO("/incidents/2/note", "Add a note")}},
	};
	struct buf b = BUF(WEB_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(offered); i++) {
		acts_of(&b, offered[i].name, "alice", true);
		const char *at = buf_text(&b);
		for (size_t k = 0; k < 3 && offered[i].first[k]; k++) {
			const char *next = strstr(at, offered[i].first[k]);
			if (!next)
				fail_msg("%s lacks %s in its place:\n%s", offered[i].name, offered[i].first[k],
				         buf_text(&b));
			at = next + 1;
		}
		has(buf_text(&b), "rollbackctl incident note 2");
	}
	buf_free(&b);
}

static void what_has_its_time_later_says_when(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	acts_of(&b, "checking", "alice", true);
	has(buf_text(&b), "<strong>Resolve</strong>: not while it acts");
	lacks(buf_text(&b), "href=\"/incidents/2/resolve\"");
	lacks(buf_text(&b), "/incidents/2/extend");
	acts_of(&b, "pending", "alice", true);
	has(buf_text(&b), "href=\"/incidents/2/extend\"");
	acts_of(&b, "called-off", "alice", true);
	lacks(buf_text(&b), "acknowledge");
	lacks(buf_text(&b), "rollback\"");
	buf_free(&b);
}

static void who_may_not_act_has_no_button_and_is_told_who_may(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	acts_of(&b, "cannot-tell", "bob", false);
	has(buf_text(&b), "bob is viewer; an operator can acknowledge, retry.");
	lacks(buf_text(&b), "<form");
	lacks(buf_text(&b), "class=\"button");
	buf_free(&b);
}

static void what_another_has_can_be_taken_over(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	acts_of(&b, "not-verified", "carol", true);
	lacks(buf_text(&b), ACKNOWLEDGE);
	has(buf_text(&b), TO("/incidents/2/acknowledge", "Take it over"));
	buf_free(&b);
}

static void a_note_is_written_where_the_timeline_stands(void **state)
{
	(void)state;
	for (int operates = 0; operates <= 1; operates++) {
		struct web_page p = page_for("alice", operates);
		struct json_object *inc = parsed(case_of("resolved")->json);
		struct buf page = BUF(WEB_MAX);

		web_incident(&page, &p, inc, NULL);
		const char *form = strstr(buf_text(&page),
		                          "<form data-act=\"note\" method=\"post\" action=\"/incidents/2/note\">");
		assert_int_equal(form != NULL, operates);
		assert_true(!form || form > strstr(buf_text(&page), "<section id=\"timeline\""));
		json_object_put(inc);
		buf_free(&page);
	}
}

/* --- the page on which it is confirmed --- */

static void confirm(struct buf *b, const char *name, const char *word, const char *given, const char *error)
{
	bool on_rollout = !strcmp(word, "rollback");
	struct web_page p = page_for("alice", true);
	struct json_object *inc = name ? parsed(case_of(name)->json) : NULL, *rollout = parsed(ROLLOUT);
	struct form f = {0};
	const char *why = NULL;
	char path[500];

	if (given)
		assert_int_equal(form_parse(given, strlen(given), &f, &why), 0);
	struct web_asked asked = {inc, rollout, given ? &f : NULL, error};
	buf_reset(b);
	web_act_page(b, &p, web_act_find(on_rollout, word), &asked);
	assert_int_equal(b->error, 0);
	has(buf_text(b), "<input type=\"hidden\" name=\"csrf\" value=\"t0k3n\">");
	if (getenv("WEB_PAGES")) {
		snprintf(path, sizeof(path), "%s/act-%s.html", getenv("WEB_PAGES"), word);
		FILE *out = fopen(path, "w");
		assert_non_null(out);
		fputs(buf_text(b), out);
		fclose(out);
	}
	form_free(&f);
	json_object_put(inc);
	json_object_put(rollout);
}

static void what_follows_is_said_before_it_is_done(void **state)
{
	static const struct {
		const char *name, *word, *says;
	} told[] = {
		{"not-verified", "resolve", "The service is still at 25 %. Resolving does not change that"},
		{"not-verified", "retry", "The steps run again, down to 0 %"},
		{"pending", "cancel", "The service is still at 25 %. It stays there: nothing is rolled back."},
		{"pending", "extend", "Until then nothing else protects the service."},
		{NULL, "rollback", "Lower beta from 25 % to 0 % now?"},
		{"rolled-back", "approve", "I know that <strong>validate</strong> before it FAILED."},
		{"rolled-back", "eta", "told again when it has passed"},
	};
	struct buf b = BUF(WEB_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		confirm(&b, told[i].name, told[i].word, NULL, NULL);
		has(buf_text(&b), told[i].says);
		lacks(buf_text(&b), "role=\"alert\">");
	}
	confirm(&b, NULL, "rollback", NULL, NULL);
	has(buf_text(&b), "<input type=\"hidden\" name=\"stage\" value=\"2\">");
	confirm(&b, "rolled-back", "approve", NULL, NULL);
	has(buf_text(&b), "<input type=\"hidden\" name=\"step\" value=\"restore\">");
	has(buf_text(&b), "<input type=\"hidden\" name=\"undone\" value=\"1\">");
	buf_free(&b);
}

static void a_reason_is_asked_for_where_the_world_is_elsewhere(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	confirm(&b, "not-verified", "resolve", NULL, NULL);
	has(buf_text(&b), "<label for=\"f-note\">Why it is over</label>");
	has(buf_text(&b), "maxlength=\"4000\" required>");
	buf_free(&b);
}

static void an_error_keeps_what_was_typed(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	confirm(&b, "not-verified", "resolve", "note=it+is+%3Cb%3E+fine&csrf=old", "incident 2 is resolved: not twice");
	has(buf_text(&b), "role=\"alert\">incident 2 is resolved: not twice</p>");
	has(buf_text(&b), "\nit is &lt;b&gt; fine</textarea>");
	lacks(buf_text(&b), "old");
	confirm(&b, NULL, "rollback", "to=5&stage=1&reason=&csrf=x", "the rollout is at stage 2");
	has(buf_text(&b), "name=\"to\" value=\"0\"");
	has(buf_text(&b), "name=\"stage\" value=\"2\""); /* what is seen now is what is confirmed next */
	buf_free(&b);
}

static void what_has_passed_is_not_offered_again(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	confirm(&b, "resolved", "resolve", NULL, NULL);
	has(buf_text(&b), "<button disabled>");
	has(buf_text(&b), "This is not its time any more");
	buf_free(&b);
}

/* --- the form --- */

static void is_body(const char *word, const char *typed, const char *body, const char *wrong)
{
	const char *why_not = NULL;
	char why[200] = "";
	struct form f = {0};

	assert_int_equal(form_parse(typed, strlen(typed), &f, &why_not), 0);
	struct json_object *o = web_act_body(web_act_find(!strcmp(word, "rollback"), word), &f, why, sizeof(why));
	if (body)
		assert_string_equal(json_text(o), body);
	else
		assert_null(o);
	assert_string_equal(why, wrong);
	json_object_put(o);
	form_free(&f);
}

static void a_form_is_what_the_api_takes(void **state)
{
	(void)state;
	is_body("acknowledge", "csrf=x", "{}", "");
	is_body("resolve", "csrf=x&note=all+is+well", "{\"note\":\"all is well\"}", "");
	is_body("resolve", "csrf=x&note=", "{}", "");
	is_body("extend", "duration=30m&note=why", "{\"duration\":\"30m\",\"note\":\"why\"}", "");
	is_body("rollback", "stage=2&to=0&reason=odd", "{\"stage\":2,\"to\":0,\"reason\":\"odd\"}", "");
	is_body("rollback", "stage=2&to=0.5", "{\"stage\":2,\"to\":0.5}", "");
	is_body("rollback", "stage=2&to=nought", NULL, "To how many percent must be a number, not \"nought\"");
	is_body("approve", "step=restore&undone=0", "{\"step\":\"restore\"}", "");
	is_body("approve", "step=restore&undone=1&undone-0=1", "{\"step\":\"restore\"}", "");
	is_body("approve", "step=restore&undone=2&undone-1=1", NULL,
	        "tick what was not done: whoever approves has seen it");
}

static void only_what_stands_in_the_table_can_be_done(void **state)
{
	(void)state;
	assert_null(web_act_find(false, "rollback"));
	assert_null(web_act_find(true, "retry"));
	assert_null(web_act_find(false, ""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_offers_what_it_asks_for),
		cmocka_unit_test(what_has_its_time_later_says_when),
		cmocka_unit_test(who_may_not_act_has_no_button_and_is_told_who_may),
		cmocka_unit_test(what_another_has_can_be_taken_over),
		cmocka_unit_test(a_note_is_written_where_the_timeline_stands),
		cmocka_unit_test(what_follows_is_said_before_it_is_done),
		cmocka_unit_test(a_reason_is_asked_for_where_the_world_is_elsewhere),
		cmocka_unit_test(an_error_keeps_what_was_typed),
		cmocka_unit_test(what_has_passed_is_not_offered_again),
		cmocka_unit_test(a_form_is_what_the_api_takes),
		cmocka_unit_test(only_what_stands_in_the_table_can_be_done),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
