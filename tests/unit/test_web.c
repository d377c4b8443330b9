/* The page of an incident, and that nothing from outside is markup. */
#include "tests/unit/web_fixture.h"

#include "server/web/html.h"

static void written(struct buf *b, const char *name)
{
	const char *folder = getenv("WEB_PAGES"); /* to be looked at */
	char path[500];

	if (!folder)
		return;
	snprintf(path, sizeof(path), "%s/%s.html", folder, name);
	FILE *f = fopen(path, "w");
	assert_non_null(f);
	fputs(buf_text(b), f);
	fclose(f);
}

static void page_of(struct buf *b, const struct web_page *p, const char *incident, const char *rollout)
{
	struct json_object *inc = parsed(incident), *ro = rollout ? parsed(rollout) : NULL;

	web_incident(b, p, inc, ro);
	assert_int_equal(b->error, 0);
	json_object_put(inc);
	json_object_put(ro);
}

static void each_state_has_its_verdict(void **state)
{
	struct web_page p = page_for("alice", true);

	(void)state;
	p.health = parsed(HEALTH);
	for (size_t i = 0; i < ARRAY_LEN(web_cases); i++) {
		const struct web_case *c = &web_cases[i];
		struct buf b = BUF(WEB_MAX);
		char title[200], first[200], tone[100];

		page_of(&b, &p, c->json, ROLLOUT);
		written(&b, c->name);
		snprintf(title, sizeof(title), "<title>%s</title>", c->title);
		snprintf(first, sizeof(first), "</span> %s</h1>", c->sentence);
		snprintf(tone, sizeof(tone), "<section id=\"verdict\" class=\"%s\">", c->tone);
		has(buf_text(&b), title);
		has(buf_text(&b), first);
		has(buf_text(&b), tone);
		has(buf_text(&b), "chat: 3 queued since <time datetime=\"2026-11-28T19:50:00Z\"");
		assert_int_equal(strstr(buf_text(&b), "DRILL: nothing is changed") != NULL, !strcmp(c->name, "drill"));
		buf_free(&b);
	}
	json_object_put(p.health);
}

static const char *json_of(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(web_cases); i++)
		if (!strcmp(web_cases[i].name, name))
			return web_cases[i].json;
	fail_msg("no case %s", name);
	return NULL;
}

static const char *const order[] = {"\"verdict\"", "\"over\"",    "\"waits\"",  "\"acts\"",    "\"who\"",
                                    "\"why\"",     "\"now\"",     "\"ladder\"", "\"steps\"",   "\"timeline\"",
                                    "\"alerts\"",  "\"metrics\"", "\"sla\"",    "\"messages\""};

static void its_parts_stand_in_the_order_in_which_they_are_needed(void **state)
{
	struct web_page p = page_for("alice", true);
	struct buf b = BUF(WEB_MAX);
	char part[60];

	(void)state;
	page_of(&b, &p,
	        INCIDENT_OF("auto", "failed", "25", "\"next\":[\"rollbackctl incident retry 2\"],", "no", LAG, "no",
	                    "x", STEPS),
	        ROLLOUT);
	const char *at = buf_text(&b);
	for (size_t i = 0; i < ARRAY_LEN(order); i++) {
		snprintf(part, sizeof(part), "<section id=%s", order[i]);
		const char *next = strstr(at, part);
		if (!next)
			fail_msg("%s is not behind the one before it", part);
		at = next;
	}
	buf_free(&b);
}

static void who_lags_and_what_failed_waits_for_a_person(void **state)
{
	struct web_page p = page_for("alice", true);
	struct buf b = BUF(WEB_MAX);

	(void)state;
	page_of(&b, &p, json_of("not-verified"), ROLLOUT);
	has(buf_text(&b), "<li>Still at 25 %: pod=&quot;web-7&quot;</li>");
	has(buf_text(&b), "alice, for <span data-since=\"2026-11-28T19:50:10Z\">3 min</span>");
	has(buf_text(&b), "ETA has passed: ");
	has(buf_text(&b), "<p class=\"differs\"><strong>These differ:</strong>");
	buf_reset(&b);
	page_of(&b, &p, json_of("rolled-back"), ROLLOUT);
	has(buf_text(&b), "Approval of <strong>restore</strong>; before it validate FAILED");
	has(buf_text(&b), "<p>nobody</p>");
	has(buf_text(&b),
	    "<details id=\"output-1\" open><summary>output</summary><pre tabindex=\"0\">checksum differs\n</pre>");
	has(buf_text(&b), "<details id=\"output-0\"><summary>output</summary><pre tabindex=\"0\">ok\n</pre>");
	buf_free(&b);
}

static void what_a_check_says_is_put_in_a_few_words(void **state)
{
	static const struct {
		const char *json, *sentence, *waits;
	} told[] = {
		{INCIDENT_OF("auto", "rolled_back", "0", "", "yes", "1 of 1", "yes", "x", STEPS),
	         "Rolled back: 1 of 1 at 0 %", NULL},
		{INCIDENT_OF("auto", "verifying", "25", "", "no", "1 of 2", "no", "x", STEPS),
	         "Checking: 1 of 2 at 0 %", NULL},
		{INCIDENT_OF("auto", "failed", "10", "", "no", "http://127.0.0.1:8080/flags: 10%, not 0%", "no", "x",
	                     STEPS),
	         "NOT VERIFIED: seen at 10 %, 0 % is wanted", "<li>The service is still at 10 %</li>"},
		{INCIDENT_OF("drill", "resolved", "25", "\"passed\":true,\"resolved_at\":\"2026-11-28T19:52:00Z\",",
	                     "yes", "", "yes", "x", STEPS),
	         "Passed, 19:52", "DRILL: nothing is changed"},
		{INCIDENT_OF("drill", "cancelled", "25", "\"passed\":false,\"resolved_at\":\"2026-11-28T19:52:00Z\",",
	                     "yes", "", "yes", "x", STEPS),
	         "Ended, not passed, 19:52", "DRILL: nothing is changed"},
		{INCIDENT_OF("auto", "failed", "null", "", "unknown", "", "no", "x", STEPS),
	         "CANNOT TELL: nobody answers what the percentage is", "<li>Somebody who looks"},
	};
	struct web_page p = page_for("alice", true);
	struct buf b = BUF(WEB_MAX);
	char first[200];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(told); i++) {
		buf_reset(&b);
		page_of(&b, &p, told[i].json, ROLLOUT);
		snprintf(first, sizeof(first), "</span> %s</h1>", told[i].sentence);
		has(buf_text(&b), first);
		if (told[i].waits)
			has(buf_text(&b), told[i].waits);
	}
	buf_free(&b);
}

/* As much of everything as the API gives, all of it in characters that grow when they are escaped. */
static struct json_object *huge(const char *text)
{
	struct json_object *inc = parsed(json_of("not-verified")), *alerts = json_object_new_array();
	struct json_object *steps = json_object_new_array(), *line = json_object_new_array(),
			   *told = json_object_new_array();

	for (int i = 0; i < 100; i++) {
		struct json_object *a = json_object_new_object(), *labels = json_object_new_object();
		char key[40];

		for (int k = 0; k < 60; k++) {
			snprintf(key, sizeof(key), "label%d_%d", k, i);
			json_add_str_under(labels, key, false, text);
		}
		json_add_str(a, "status", "firing");
		json_add(a, "labels", labels);
		json_object_array_add(alerts, a);
	}
	for (int i = 0; i < 500; i++) {
		struct json_object *e = json_object_new_object(), *s = json_object_new_object(),
				   *m = json_object_new_object();

		json_add_str(e, "what", text);
		json_add_str(e, "who", text);
		json_add_str(e, "note", text);
		json_object_array_add(line, e);
		json_add_str(s, "name", text);
		json_add_str(s, "state", "failed");
		json_add_str(s, "output", text);
		json_object_array_add(steps, s);
		json_add_str(m, "channel", text);
		json_add_str(m, "state", "undeliverable");
		json_add_str(m, "error", text);
		json_object_array_add(told, m);
	}
	json_add(inc, "alerts", alerts);
	json_add(inc, "steps", steps);
	json_add(inc, "timeline", line);
	json_add(inc, "notifications", told);
	json_add_str(inc, "summary", text);
	json_add_str(inc, "measured", text);
	json_add_str(inc, "reason", text);
	return inc;
}

static void whatever_comes_in_a_page_is_bounded_and_says_where_the_rest_is(void **state)
{
	struct web_page p = page_for("alice", true);
	CLEANUP(cleanup_free) char *text = malloc(30001);
	struct buf b = BUF(WEB_MAX);

	(void)state;
	assert_non_null(text);
	memset(text, '"', 30000);
	text[30000] = '\0';
	struct json_object *inc = huge(text);
	web_incident(&b, &p, inc, NULL);
	assert_int_equal(b.error, 0);
	has(buf_text(&b), "</html>");
	has(buf_text(&b), " more steps</a>");
	has(buf_text(&b), " more entries</a>");
	has(buf_text(&b), " more messages</a>");
	json_object_put(inc);
	buf_free(&b);
}

static void who_has_signed_in_finds_where_to_sign_out(void **state)
{
	struct web_page p = page_for("alice", true);
	struct buf b = BUF(WEB_MAX);

	(void)state;
	page_of(&b, &p, json_of("held"), ROLLOUT);
	has(buf_text(&b), " · alice (operator)</p>");
	lacks(buf_text(&b), "/login");
	buf_reset(&b);
	p.signed_in = true;
	page_of(&b, &p, json_of("held"), ROLLOUT);
	has(buf_text(&b), " · <a href=\"/login\">alice (operator)</a></p>");
	buf_free(&b);
}

static void numbers_stand_beside_each_other_before_and_after(void **state)
{
	struct web_page p = page_for("alice", true);
	struct buf b = BUF(WEB_MAX);

	(void)state;
	page_of(&b, &p, json_of("resolved"), ROLLOUT);
	has(buf_text(&b), "<td>4.2%</td><td>0.2%</td>");
	has(buf_text(&b), "latency: Prometheus: 503");
	has(buf_text(&b), "1 of 2 phases late");
	buf_free(&b);
}

/* --- what comes from outside --- */

static void is_shown(const char *text, const char *as)
{
	struct buf b = BUF(100000);

	html(&b, "%s", text);
	assert_string_equal(buf_text(&b), as);
	buf_free(&b);
}

static void nothing_from_outside_is_markup_or_hides(void **state)
{
	(void)state;
	is_shown("<script>alert('1')</script>&\"", "&lt;script&gt;alert(&#39;1&#39;)&lt;/script&gt;&amp;&quot;");
	is_shown("\033[31mred\a", "\xe2\x90\x9b[31mred\xe2\x90\x87");
	is_shown("a\xe2\x80\xae"
	         "b\xe2\x80\x8f\xd8\x9c",
	         "a\xe2\x9f\xa8U+202E\xe2\x9f\xa9"
	         "b\xe2\x9f\xa8U+200F\xe2\x9f\xa9\xe2\x9f\xa8U+061C\xe2\x9f\xa9");
	is_shown("\xff\xc3", "\xef\xbf\xbd\xef\xbf\xbd");
	is_shown("h\xc3\xa9llo \xe2\x9c\x93\n\t", "h\xc3\xa9llo \xe2\x9c\x93\n\t");
	is_shown("", "");
}

static void what_is_long_is_cut_and_says_how_long_it_is(void **state)
{
	CLEANUP(cleanup_free) char *text = malloc(30721);
	struct buf b = BUF(100000);

	(void)state;
	assert_non_null(text);
	memset(text, 'x', 30720);
	text[30720] = '\0';
	html(&b, "%.*s|%s", 10, text, text);
	assert_memory_equal(buf_text(&b), "xxxxxxxxxx\xe2\x80\xa6 30720 bytes|xxx", 29);
	assert_string_equal(buf_text(&b) + b.len - 16, "x\xe2\x80\xa6 30720 bytes");
	assert_true(b.len < 1100);
	buf_free(&b);
}

static void only_http_is_followed(void **state)
{
	static const char *const bad[] = {"javascript:alert(1)", "data:text/html,x", "//evil.example", "http://",
	                                  "http:///x",           "https://a b",      "ftp://x",        "",
	                                  "http://\"x",          "java\nscript:x",   " http://a",      "http://a\n"};

	(void)state;
	assert_true(html_is_link("http://grafana:3000/d/x?y=1&z=2"));
	assert_true(html_is_link("HTTPS://[::1]/"));
	assert_false(html_is_link(NULL));
	for (size_t i = 0; i < ARRAY_LEN(bad); i++)
		assert_false(html_is_link(bad[i]));
	struct buf b = BUF(1000);
	html_link(&b, "http://a/?x=\"&y", "a<b");
	assert_string_equal(buf_text(&b), "<a href=\"http://a/?x=&quot;&amp;y\" rel=\"noreferrer\">a&lt;b</a>");
	buf_reset(&b);
	html_link(&b, "javascript:x", "text");
	assert_string_equal(buf_text(&b), "text");
	buf_free(&b);
}

static void percentages_are_written_as_the_page_writes_them(void **state)
{
	struct buf b = BUF(1000);

	(void)state;
	html_said(&b, "19 of 20 at 0%; at 25%: pod=\"50%\", 100% of %s");
	assert_string_equal(buf_text(&b), "19 of 20 at 0 %; at 25 %: pod=&quot;50%&quot;, 100 % of %s");
	buf_free(&b);
}

static void times_say_how_long_ago_and_when(void **state)
{
	static const struct {
		int64_t s;
		const char *text;
	} spans[] = {{0, "0 s"},    {59, "59 s"},        {60, "1 min"},      {3599, "59 min"},
	             {3600, "1 h"}, {3660, "1 h 1 min"}, {90000, "1 d 1 h"}, {-5, "5 s"}};
	struct web_page p = page_for("alice", true);
	struct buf b = BUF(1000);
	char text[40];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(spans); i++) {
		html_span_text(spans[i].s * 1000000, text, sizeof(text));
		assert_string_equal(text, spans[i].text);
	}
	html_time(&b, p.now_us - 190 * INT64_C(1000000), p.now_us);
	assert_string_equal(buf_text(&b), "<time datetime=\"2026-11-28T19:50:00Z\" title=\"2026-11-28 19:50:00 "
	                                  "UTC\"><span data-ago>3 min ago</span>, "
	                                  "<span class=\"clock\">19:50:00 UTC</span></time>");
	buf_reset(&b);
	html_clock(&b, p.now_us - 86400 * INT64_C(1000000), p.now_us);
	assert_string_equal(buf_text(&b), "<time datetime=\"2026-11-27T19:53:10Z\" title=\"2026-11-27 19:53:10 "
	                                  "UTC\">2026-11-27 19:53:10 UTC</time>");
	buf_reset(&b);
	html_time(&b, 0, p.now_us);
	assert_string_equal(buf_text(&b), "");
	buf_free(&b);
}

static void the_policy_allows_nothing_unsafe(void **state)
{
	(void)state;
	assert_non_null(strstr(web_policy(), "default-src 'none'"));
	assert_non_null(strstr(web_policy(), "style-src 'self' 'sha256-"));
	assert_null(strstr(web_policy(), "unsafe"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_state_has_its_verdict),
		cmocka_unit_test(its_parts_stand_in_the_order_in_which_they_are_needed),
		cmocka_unit_test(who_lags_and_what_failed_waits_for_a_person),
		cmocka_unit_test(what_a_check_says_is_put_in_a_few_words),
		cmocka_unit_test(whatever_comes_in_a_page_is_bounded_and_says_where_the_rest_is),
		cmocka_unit_test(who_has_signed_in_finds_where_to_sign_out),
		cmocka_unit_test(numbers_stand_beside_each_other_before_and_after),
		cmocka_unit_test(nothing_from_outside_is_markup_or_hides),
		cmocka_unit_test(what_is_long_is_cut_and_says_how_long_it_is),
		cmocka_unit_test(only_http_is_followed),
		cmocka_unit_test(percentages_are_written_as_the_page_writes_them),
		cmocka_unit_test(times_say_how_long_ago_and_when),
		cmocka_unit_test(the_policy_allows_nothing_unsafe),
	};

	setenv("TZ", "UTC", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
