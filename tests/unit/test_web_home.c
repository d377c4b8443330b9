/* Home, the list of incidents, and the page that says what went wrong. */
#include "tests/unit/web_fixture.h"

#define ROLLOUT_OF(name, wanted, seen, more)                                                                           \
	"{\"name\":\"" name "\",\"title\":\"" name                                                                     \
	" title\",\"stage\":1,\"stage_name\":\"Canary\",\"percentage_wanted\":" wanted ",\"percentage_seen\":" seen    \
	",\"seen_at\":\"2026-11-28T19:53:00Z\",\"clock\":{\"clean\":3600,\"required\":7200},"                          \
	"\"next\":{\"stage\":2,\"missing\":[{\"what\":\"clock\",\"text\":\"an hour of clean "                          \
	"time\"},{\"what\":\"x\",\"text\":\"y\"}]},"                                                                   \
	"\"watch\":{\"blind\":null}" more "}"
#define INC(id, state, more)                                                                                           \
	"{\"id\":" id ",\"rollout\":\"r" id "\",\"kind\":\"auto\",\"state\":\"" state                                  \
	"\",\"summary\":\"odd\",\"percentage_wanted\":0,"                                                              \
	"\"opened_at\":\"2026-11-28T19:50:00Z\",\"acknowledged_by\":null,\"over\":{\"answer\":\"no\",\"because\":"     \
	"\"x\"},"                                                                                                      \
	"\"verification\":{\"acknowledged\":{\"state\":\"no\",\"note\":\"1 of 2 at 0%\"}}" more "}"

static void home_of(struct buf *b, const char *rollouts, const char *day, const char *health)
{
	struct web_page p = page_for("alice", true);
	char wrapped[20000];

	snprintf(wrapped, sizeof(wrapped), "{\"rollouts\":%s,\"day\":%s}", rollouts, day);
	struct json_object *o = parsed(wrapped);
	p.health = parsed(health);
	buf_reset(b);
	web_home(b, &p, json_arr_of(o, "rollouts"), json_arr_of(o, "day"));
	assert_int_equal(b->error, 0);
	if (getenv("WEB_PAGES")) {
		char path[500];

		static int n;

		snprintf(path, sizeof(path), "%s/home-%d.html", getenv("WEB_PAGES"), n++);
		FILE *f = fopen(path, "w");
		assert_non_null(f);
		fputs(buf_text(b), f);
		fclose(f);
	}
	json_object_put(p.health);
	json_object_put(o);
}

static void in_order(const char *page, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		const char *next = strstr(page, words[i]);

		if (!next)
			fail_msg("%s is not behind the one before it in:\n%s", words[i], page);
		page = next;
	}
}

static void what_is_most_pressing_stands_first(void **state)
{
	static const char rollouts[] =
		"[" ROLLOUT_OF("well", "10", "10", "") "," ROLLOUT_OF("r1", "0", "0", ",\"incident\":" INC("1", "pending", "")) "," ROLLOUT_OF(
			"r2", "0", "0",
			",\"incident\":" INC(
				"2", "held",
				"")) "," ROLLOUT_OF("above", "0", "25",
	                                            "") "," ROLLOUT_OF("r3", "0", "25",
	                                                               ",\"incident\":" INC(
									       "3", "failed",
									       "")) "," ROLLOUT_OF("r4", "0", "0",
	                                                                                           ",\"incident\":" INC(
													   "4",
													   "rolled_"
													   "back",
													   ",\"next\":["
													   "\"rollbackc"
													   "tl "
													   "incident "
													   "approve "
													   "4\"]")) "]";
	static const char *const order[] = {"Needs somebody</h2>", "r3: NOT VERIFIED", "above: seen 25 %, wanted 0 %",
	                                    "r4: Rolled back",     "r2: Held",         "r1: Rolls back"};
	static const char *const all[] = {"All rollouts</h2>", "r3 title",
	                                  "above title",       "well title",
	                                  "1 h of 2 h clean",  "next stage 2: an hour of clean time and 1 more"};
	struct buf b = BUF(WEB_MAX);

	(void)state;
	home_of(&b, rollouts, "[]", "{\"queued\":0,\"undeliverable\":0}");
	has(buf_text(&b), "<a href=\"#needs\">5 need you now</a>");
	in_order(buf_text(&b), order, ARRAY_LEN(order));
	in_order(buf_text(&b), all, ARRAY_LEN(all));
	has(buf_text(&b), "<title>5 need you · rollbackd</title>");
	buf_free(&b);
}

static void all_are_well_when_none_needs_anybody(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	home_of(&b, "[" ROLLOUT_OF("a", "10", "10", "") "," ROLLOUT_OF("b", "0", "0", "") "]", "[]", "{}");
	has(buf_text(&b), "all 2 are well");
	lacks(buf_text(&b), "Needs somebody");
	has(buf_text(&b), "No incident. Rehearse: <code>rollbackctl drill a</code>");
	buf_free(&b);
}

static void who_has_none_yet_is_shown_how_to_begin(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	home_of(&b, "[]", "[]", "{}");
	has(buf_text(&b), "Nothing is protected yet");
	has(buf_text(&b), "<pre>rollouts:\n");
	buf_free(&b);
}

static void drills_are_folded_and_what_is_long_held_is_reminded_of(void **state)
{
	struct buf b = BUF(WEB_MAX);

	(void)state;
	home_of(&b,
	        "[" ROLLOUT_OF(
			"r1", "0", "0",
			",\"incident\":" INC("1", "rolled_back", ",\"acknowledged_at\":\"2026-11-28T15:00:00Z\"")) "]",
	        "[{\"id\":9,\"kind\":\"drill\",\"rollout\":\"r1\",\"passed\":true,\"state\":\"resolved\",\"resolved_"
	        "at\":\"2026-11-"
	        "28T15:00:00Z\"}]",
	        "{}");
	has(buf_text(&b), "Acknowledged for more than 4 h</h2>");
	has(buf_text(&b), "<details id=\"drills\"><summary>1 drill</summary>");
	has(buf_text(&b), "DRILL r1: Passed, 15:00");
	buf_free(&b);
}

static void a_list_goes_on_with_what_was_asked_for(void **state)
{
	struct web_page p = page_for("alice", true);
	struct buf b = BUF(WEB_MAX);
	struct json_object *o = parsed("{\"l\":[" INC("7", "failed", "") "]}");
	struct web_list l = {.incidents = json_arr_of(o, "l"), .state = "failed", .q = "a&b=\"c", .next = "123"};

	(void)state;
	web_incidents(&b, &p, &l);
	has(buf_text(&b), "<option selected>failed</option>");
	has(buf_text(&b), "value=\"a&amp;b=&quot;c\"");
	has(buf_text(&b), "href=\"/incidents?cursor=123&amp;state=failed&amp;q=a%26b%3D%22c\"");
	has(buf_text(&b), "<a href=\"/incidents/7\">r7: NOT VERIFIED: 1 of 2 at 0 %</a>");
	buf_reset(&b);
	l = (struct web_list) {.incidents = json_arr_of(o, "none")};
	struct json_object *none = json_object_new_array();
	l.incidents = none;
	web_incidents(&b, &p, &l);
	has(buf_text(&b), "None. Rehearse: ");
	lacks(buf_text(&b), "Older");
	json_object_put(none);
	json_object_put(o);
	buf_free(&b);
}

static void what_is_not_there_leads_to_what_is(void **state)
{
	struct web_page p = page_for("", false);
	struct buf b = BUF(WEB_MAX);
	struct json_object *o = parsed("{\"l\":[" INC("7", "failed", "") "]}");

	(void)state;
	web_error(&b, &p, 404, "there is no incident <99>", json_arr_of(o, "l"));
	has(buf_text(&b), "<h1>There is nothing here</h1>");
	has(buf_text(&b), "there is no incident &lt;99&gt;");
	has(buf_text(&b), "href=\"/incidents/7\"");
	lacks(buf_text(&b), "(viewer)");
	json_object_put(o);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_most_pressing_stands_first),
		cmocka_unit_test(all_are_well_when_none_needs_anybody),
		cmocka_unit_test(who_has_none_yet_is_shown_how_to_begin),
		cmocka_unit_test(drills_are_folded_and_what_is_long_held_is_reminded_of),
		cmocka_unit_test(a_list_goes_on_with_what_was_asked_for),
		cmocka_unit_test(what_is_not_there_leads_to_what_is),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
