/* The page of a rollout, and what is done with its plan. */
#include "tests/unit/web_fixture.h"

#include "server/web/form.h"

#define PLAN(seen, missing, hold, approval, more)                                                                      \
	"{\"name\":\"beta\",\"title\":\"Beta "                                                                         \
	"checkout\",\"stage\":2,\"stage_name\":\"Quarter\",\"percentage_wanted\":25,"                                  \
	"\"percentage_in_file\":25,\"percentage_seen\":" seen                                                          \
	",\"seen_at\":\"2026-11-28T19:53:00Z\",\"seen_since_change\":true,"                                            \
	"\"dashboard_url\":\"https://grafana.example.com/d/"                                                           \
	"b\",\"stages\":[{\"number\":0,\"name\":\"Pre\",\"percentage\":100,"                                           \
	"\"environment\":\"staging\"},{\"number\":1,\"name\":\"Canary\",\"percentage\":10,\"environment\":"            \
	"\"production\"},{"                                                                                            \
	"\"number\":2,\"name\":\"Quarter\",\"percentage\":25,\"environment\":\"production\"},{\"number\":3,\"name\":"  \
	"\"Half\","                                                                                                    \
	"\"percentage\":50,\"environment\":\"production\"}],\"clock\":{\"clean\":111600,\"required\":259200,\"why\":"  \
	"\"a criterion "                                                                                               \
	"fails\",\"stands_since\":\"2026-11-28T19:00:00Z\"},\"next\":{\"stage\":3,\"name\":\"Half\",\"percentage\":"   \
	"50,\"missing\":[" missing "]},\"forecast\":[{\"stage\":3,\"earliest\":\"2026-11-30T19:00:00Z\"}],"            \
	"\"criteria\":[{\"name\":\"error rate\","                                                                      \
	"\"state\":\"fails\",\"value\":0.042,\"max\":0.005,\"unit\":\"ratio\",\"why\":\"0.042, at most "               \
	"0.005\"},{\"name\":\"hits\","                                                                                 \
	"\"state\":\"unknown\",\"value\":null,\"min\":0.8,\"unit\":\"\",\"why\":\"unknown: no "                        \
	"data\"}],\"evaluated_at\":"                                                                                   \
	"\"2026-11-28T19:53:00Z\",\"approvals\":[{\"role\":\"lead\",\"people\":\"alice, carol\"," approval             \
	"}],\"hold\":" hold ",\"checklists\":[{\"name\":\"quarter\",\"of_stage\":true,\"items\":[{\"text\":\"Logs "    \
	"read\",\"state\":\"open\"},{\"text\":"                                                                        \
	"\"Monitor\",\"state\":\"overdue\"},{\"text\":\"Runbook\",\"state\":\"done\",\"person\":\"bob\",\"at\":"       \
	"\"2026-11-28T19:00:00Z\"}]}],\"watch\":{\"blind\":null}" more "}"
#define MISSING "{\"what\":\"criterion\",\"text\":\"error rate is 0.042, at most 0.005\"}"
#define OPEN    "\"may\":true,\"person\":null,\"counts\":false"
#define GIVEN   "\"may\":true,\"person\":\"alice\",\"counts\":true,\"at\":\"2026-11-28T19:00:00Z\""

static void page_of(struct buf *b, const char *json, const char *user, bool operates)
{
	struct web_page p = page_for(user, operates);
	struct json_object *o = parsed(json), *last = json_object_new_array();

	buf_reset(b);
	web_rollout(b, &p, o, last);
	assert_int_equal(b->error, 0);
	if (getenv("WEB_PAGES")) {
		static int n;
		char path[500];

		snprintf(path, sizeof(path), "%s/rollout-%d.html", getenv("WEB_PAGES"), n++);
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(buf_text(b), f);
		fclose(f);
	}
	json_object_put(o);
	json_object_put(last);
}

static void it_says_where_it_stands_and_what_is_missing(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	page_of(&b, PLAN("25", MISSING, "null", OPEN, ""), "alice", true);
	has(buf_text(&b), "<h1>Beta checkout: stage 2 Quarter, 25 %</h1>");
	has(buf_text(&b), "<li>error rate is 0.042, at most 0.005</li>");
	has(buf_text(&b), "at the earliest <time datetime=\"2026-11-30T19:00:00Z\"");
	has(buf_text(&b), "1 d 7 h of 3 d clean<br>stands still since <time");
	has(buf_text(&b), "19:00:00 UTC</time>: a criterion fails");
	has(buf_text(&b), "<td>4.2%</td><td>at most 0.5%</td><td>fails</td>");
	has(buf_text(&b), "at least 0.8</td><td>unknown: no data</td>");
	has(buf_text(&b), "missing: lead (alice, carol may)");
	has(buf_text(&b), "<li class=\"passed\"><strong>1 Canary</strong> 10 % · passed</li>");
	has(buf_text(&b), "<li class=\"elsewhere\"><strong>0 Pre</strong> 100 % · in staging</li>");
	has(buf_text(&b), "<li class=\"here\" aria-current=\"step\"><strong>2 Quarter</strong> 25 % · here");
	has(buf_text(&b), "<li class=\"ahead\"><strong>3 Half</strong> 50 % · to come</li>");
	has(buf_text(&b), "None yet. Rehearse: <code>rollbackctl drill beta</code>");
	buf_free(&b);
}

static void what_is_overdue_is_ticked_first_and_in_place(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	page_of(&b, PLAN("25", MISSING, "null", OPEN, ""), "alice", true);
	const char *monitor = strstr(buf_text(&b), "Monitor: <strong>overdue"),
		   *logs = strstr(buf_text(&b), "Logs read: <strong>open"),
		   *runbook = strstr(buf_text(&b), "Runbook: <strong>done</strong>, bob");
	assert_true(monitor && logs && runbook && monitor < logs && logs < runbook);
	has(buf_text(&b), "<form data-act=\"check\" method=\"post\" action=\"/rollouts/beta/check\">");
	has(buf_text(&b), "<input type=\"hidden\" name=\"item\" value=\"Monitor\">");
	lacks(buf_text(&b), "value=\"Runbook\"");
	page_of(&b, PLAN("25", MISSING, "null", OPEN, ""), "bob", false);
	lacks(buf_text(&b), "<form");
	has(buf_text(&b), "bob is viewer; an operator can");
	buf_free(&b);
}

static void its_buttons_follow_what_may_be_done(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	page_of(&b, PLAN("25", MISSING, "null", OPEN, ""), "alice", true);
	has(buf_text(&b), "href=\"/rollouts/beta/rollback\">Roll back now</a>");
	has(buf_text(&b), "<strong>Advance</strong>: error rate is 0.042");
	has(buf_text(&b), "href=\"/rollouts/beta/approve\"");
	has(buf_text(&b), "href=\"/rollouts/beta/hold\"");
	lacks(buf_text(&b), "href=\"/rollouts/beta/advance\"");
	page_of(&b,
	        PLAN("25", "", "{\"by\":\"bob\",\"since\":\"2026-11-28T19:00:00Z\",\"note\":\"a demo\"}", GIVEN, ""),
	        "alice", true);
	has(buf_text(&b), "href=\"/rollouts/beta/advance\"");
	has(buf_text(&b), "href=\"/rollouts/beta/resume\"");
	has(buf_text(&b), "<strong>Held</strong> by bob ");
	has(buf_text(&b), ": a demo. Resume ends it.");
	has(buf_text(&b), "lead: alice ");
	lacks(buf_text(&b), "href=\"/rollouts/beta/approve\"");
	has(buf_text(&b), "href=\"/rollouts/beta/rollback\"");
	buf_free(&b);
}

static void what_stops_it_has_a_line_each(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	page_of(&b,
	        PLAN("50", "", "null", GIVEN,
	             ",\"freeze\":\"weekend until Monday\",\"review_of\":7,\"restart_at\":0,\"incident\":"
	             "{\"id\":9,\"rollout\":\"beta\",\"state\":\"held\",\"kind\":\"auto\"}"),
	        "alice", true);
	has(buf_text(&b), "<strong>Frozen</strong>: weekend until Monday.");
	has(buf_text(&b), "<a href=\"/incidents/7\">incident 7</a>");
	has(buf_text(&b), "begins again at stage 0");
	has(buf_text(&b), "<a href=\"/incidents/9\">beta: Held: nothing was rolled back</a>");
	has(buf_text(&b), "<section id=\"verdict\" class=\"bad\">");
	has(buf_text(&b), "<strong>These differ:</strong>");
	buf_free(&b);
}

static void its_acts_say_what_follows(void **state)
{
	static const struct {
		const char *word, *says, *command;
	} told[] = {
		{"advance", "Raise beta from 25 % to 50 %, stage 3 Half, now?",
	         "rollbackctl stage advance beta --wait"},
		{"approve", "name=\"role\" value=\"lead\"", "rollbackctl stage approve beta --role ROLE"},
		{"check", "You answer for it by name.", "rollbackctl checklist beta --done ITEM"},
		{"hold", "Clean time stops", "rollbackctl stage hold beta --reason"},
		{"resume", "The clock goes on", "rollbackctl stage resume beta"},
		{"freeze", "Nothing is raised for so long", "rollbackctl freeze beta 4h --reason"},
		{"rollback", "Lower beta from 25 % to 0 % now?", "rollbackctl rollback beta --stage 2"},
	};
	struct web_page p = page_for("alice", true);
	struct json_object *o = parsed(PLAN("25", MISSING, "null", OPEN, ""));
	struct buf b = BUF(WEB_MAX);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		buf_reset(&b);
		web_act_page(&b, &p, web_act_find(true, told[i].word), &(struct web_asked) {.rollout = o});
		has(buf_text(&b), told[i].says);
		has(buf_text(&b), told[i].command);
		has(buf_text(&b), "href=\"/rollouts/beta\">Back</a>");
	}
	json_object_put(o);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_says_where_it_stands_and_what_is_missing),
		cmocka_unit_test(what_is_overdue_is_ticked_first_and_in_place),
		cmocka_unit_test(its_buttons_follow_what_may_be_done),
		cmocka_unit_test(what_stops_it_has_a_line_each),
		cmocka_unit_test(its_acts_say_what_follows),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
