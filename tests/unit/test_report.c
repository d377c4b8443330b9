/* Reports: what they never leave out, and when they are sent. */
#include "tests/unit/rows_fixture.h"

#include "handlers/plan/reconcile.h"
#include "handlers/reports/report.h"
#include "handlers/reports/schedule.h"
#include "server/core/scope.h"
#include "server/core/text.h"
#include "tests/unit/settings_fixture.h"

static const char config[] =
	"{\"rollouts\":[{\"name\":\"shop\",\"title\":\"Shop\",\"stages\":["
	"{\"number\":1,\"name\":\"Canary\",\"percentage\":10},{\"number\":2,\"name\":\"Full\",\"percentage\":100}],"
	"\"milestones\":[{\"after_stage\":2,\"in\":864000,\"text\":\"Remove the old way\"}]}],"
	"\"channels\":[{\"name\":\"engineering\",\"slack\":{\"url\":\"http://h/x\"},\"events\":[\"report.daily\"]},"
	"{\"name\":\"management\",\"slack\":{\"url\":\"http://h/x\"},\"events\":[\"report.weekly\",\"report.final\"]},"
	"{\"name\":\"all\",\"slack\":{\"url\":\"http://h/x\"},\"events\":[\"report\"]}],"
	"\"reports\":[%s]}";

static struct settings *settings_with(const char *reports)
{
	CLEANUP(cleanup_free) char *text = text_format(config, reports);
	struct settings *s = NULL;
	char why[300];

	if (settings_of(text, &s, why, sizeof(why)) < 0)
		fail_msg("%s", why);
	return s;
}

static int64_t at(const char *rfc3339)
{
	int64_t us = 0;

	assert_int_equal(text_time_parse(rfc3339, strlen(rfc3339), &us), 0);
	return us;
}

/* --- what is in one --- */

struct told {
	const char *what, *note;
	int times;
};

static int add_events(struct db_tx *tx, void *arg)
{
	const struct told *t = arg;
	int r = 0;

	for (int i = 0; r == 0 && i < t->times; i++)
		r = event_add(tx, &(struct event) {.rollout = (char *)"shop",
		                                   .who = (char *)"alice",
		                                   .what = (char *)t->what,
		                                   .note = (char *)t->note});
	return r;
}

static void happens(const char *what, const char *note, int times)
{
	assert_int_equal(in_tx(db, add_events, &(struct told) {what, note, times}), 0);
}

static char *report(const char *kind, struct json_object **ret_json)
{
	CLEANUP(settings_cleanup) struct settings *s = settings_with("");
	struct buf b = BUF(REPORT_MAX);
	struct rollout_state st = {0};
	struct evaluation ev = {.stage = -1};
	struct report_request rq = {
		.settings = s, .rollout = &s->rollouts[0], .st = &st, .ev = &ev, .kind = kind, .now_us = db_now(db)};

	assert_int_equal(rollout_state_load(reader, rq.rollout, rq.now_us, NULL, &st), 0);
	assert_int_equal(report_text(&b, reader, &rq), 0);
	if (ret_json)
		assert_int_equal(report_json(reader, &rq, ret_json), 0);
	rollout_state_free(&st);
	return buf_take(&b);
}

static void says(const char *text, const char *words)
{
	if (!strstr(text, words))
		fail_msg("not in it: %s\n%s", words, text);
}

static void what_somebody_forced_is_never_left_out_of_a_daily_report(void **state)
{
	(void)state;
	happens("advance", "stage 2, FORCED: the market is open", 1);
	happens("overdue", "overdue: \"Error logs\"", 700);
	happens("milestone", "due: Performance report", 25);
	happens("ticked", "canary: Error logs", 3);
	CLEANUP(cleanup_free) char *text = report("daily", NULL);
	says(text, "- Changes: 26; items ticked: 3, reminders: 700\n");
	says(text, "alice, advance: stage 2, FORCED: the market is open\n");
	says(text, "  - and 6 older\n");
}

static void all_that_is_of_weight_is_listed(void **state)
{
	(void)state;
	happens("held", "held by alice: a test", 40);
	happens("milestone", "due: Performance report", 1);
	CLEANUP(cleanup_free) char *text = report("daily", NULL);
	size_t n = 0;

	for (const char *p = text; (p = strstr(p, "held by alice")); p++)
		n++;
	assert_int_equal(n, 40);
	says(text, "  - and 1 older\n");
}

static void a_list_of_decisions_that_is_cut_says_so(void **state)
{
	(void)state;
	happens("approved", "approved by alice as lead", 25);
	CLEANUP(cleanup_free) char *text = report("final", NULL);
	says(text, "- Approvals: 25\n");
	says(text, "  - and 5 older\n");
}

/* What happened is of this week; the week of its opening had it as one without a rollback. */
static void a_hold_from_before_the_week_that_was_lowered_in_it_counts_in_it(void **state)
{
	struct incident hold = make_incident("shop", true, 100);

	(void)state;
	hold.state = INC_ROLLED_BACK;
	hold.already_there = false;
	hold.opened_at_us = db_now(db) - 10 * 86400 * INT64_C(1000000);
	hold.started_at_us = hold.decided_at_us = hold.acted_at_us = db_now(db);
	hold.pct_before = 2500;
	hold.pct_wanted = 0;
	assert_int_equal(in_tx(db, insert_incident, &hold), 0);
	incident_free(&hold);
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	CLEANUP(cleanup_free) char *text = report("weekly", &o);

	says(text, "- Incidents: 1 (rollbacks 1, failed 0, without a rollback 0, P0 0); drills 0\n");
	says(text, ", from 25% to 0% on ");
	assert_int_equal(json_int_or(json_obj_of(o, "incidents"), "rollbacks", -1), 1);
	assert_int_equal(json_len(json_arr_of(json_obj_of(o, "incidents"), "list")), 1);
}

/* --- planned beside actual --- */

static int begin_the_plan(struct db_tx *tx, void *arg)
{
	int64_t began = *(int64_t *)arg;
	struct rollout_row row = {.name = (char *)"shop", .stage = 1, .pct_wanted = 1000, .pct_seen = 1000};
	int r = rollout_save(tx, &row);

	if (r == 0)
		r = progress_new_run(tx, "shop", began, "alice", "a test");
	if (r == 0)
		r = plan_began_save(tx, "shop", &(struct plan_began) {began, 1});
	return r < 0 ? r : meta_set(tx, "entered:shop:1", began + 90 * INT64_C(60000000));
}

static void dates_are_told_planned_beside_actual(void **state)
{
	int64_t began = at("2026-03-02T10:00:00Z");

	(void)state;
	assert_int_equal(in_tx(db, begin_the_plan, &began), 0);
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	CLEANUP(cleanup_free) char *text = report("weekly", &o);
	struct json_object *first = json_item(json_arr_of(o, "dates"), 0);

	says(text, "- Dates, planned beside actual:\n"
	           "  - 1 Canary: planned 2026-03-02 10:00 UTC, entered 2026-03-02 11:30 UTC, 1 hour 30 minutes later\n"
	           "  - 2 Full: planned 2026-03-02 10:00 UTC, at the earliest ");
	assert_string_equal(json_str_or(first, "planned", ""), "2026-03-02T10:00:00Z");
	assert_string_equal(json_str_or(first, "entered", ""), "2026-03-02T11:30:00Z");
	assert_true(json_double_or(first, "late", 0) == 5400);
}

static void the_object_has_what_the_text_says(void **state)
{
	(void)state;
	happens("advance", "stage 2, FORCED: the market is open", 1);
	add_incident("shop", INC_RESOLVED, db_now(db), "Errors");
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	CLEANUP(cleanup_free) char *text = report("weekly", &o);
	struct json_object *incidents = json_obj_of(o, "incidents"), *changes = json_obj_of(o, "changes");

	assert_string_equal(json_str_or(o, "kind", ""), "weekly");
	assert_string_equal(json_str_or(o, "text", ""), text);
	assert_int_equal(json_int_or(incidents, "count", -1), 1);
	assert_string_equal(json_str_or(json_item(json_arr_of(incidents, "list"), 0), "summary", ""), "Errors");
	assert_string_equal(json_str_or(json_item(json_arr_of(changes, "list"), 0), "what", ""), "advance");
	assert_int_equal(json_len(json_arr_of(o, "success")), 2);
	assert_int_equal(json_len(json_arr_of(o, "milestones")), 1);
}

/* --- what is compared --- */

static int add_runs(struct db_tx *tx, void *arg)
{
	const int64_t *entered = arg;
	int r = 0;

	for (int i = 0; r == 0 && i < 2; i++)
		if (entered[i])
			r = stage_run_save(tx, "shop",
			                   &(struct stage_run) {.run = i + 1,
			                                        .stage = i + 1,
			                                        .entered_us = entered[i],
			                                        .until_us = entered[i] + US_PER_S,
			                                        .results = (char *)"{}"});
	return r;
}

static void span_is(enum comparison_kind kind, const char *now, const char *from, const char *to)
{
	CLEANUP(settings_cleanup) struct settings *s = settings_with("");
	struct compare_grid g = {0};
	struct rollout r = s->rollouts[0];

	r.compare.step_us = 3600 * US_PER_S;
	int e = comparison_grid(reader, s, &r, kind, at(now), &g);
	assert_int_equal(e, from ? 0 : -ENOENT);
	if (e < 0)
		return;
	assert_int_equal(g.from_us, at(from));
	assert_int_equal(g.from_us + g.step_us * (int64_t)g.n, at(to));
}

/* Whole hours in which both sides had traffic. */
static void a_comparison_begins_with_the_first_stage_and_that_of_the_whole_ends_with_the_last(void **state)
{
	int64_t entered[] = {at("2026-06-10T10:30:00Z"), 0};

	(void)state;
	span_is(COMPARISON_WHOLE, "2026-06-10T10:00:00Z", NULL, NULL);
	assert_int_equal(in_tx(db, add_runs, entered), 0);
	span_is(COMPARISON_WEEK, "2026-06-10T11:20:00Z", NULL, NULL); /* no whole hour yet */
	span_is(COMPARISON_WEEK, "2026-06-12T11:59:00Z", "2026-06-10T11:00:00Z", "2026-06-12T11:00:00Z");
	span_is(COMPARISON_WHOLE, "2026-06-30T11:59:00Z", "2026-06-10T11:00:00Z", "2026-06-30T11:00:00Z");
	span_is(COMPARISON_WEEK, "2026-06-30T11:59:00Z", "2026-06-23T12:00:00Z", "2026-06-30T11:00:00Z");
	entered[1] = at("2026-06-20T08:10:00Z");
	assert_int_equal(in_tx(db, add_runs, entered), 0);
	span_is(COMPARISON_WHOLE, "2026-06-30T11:59:00Z", "2026-06-10T11:00:00Z", "2026-06-20T08:00:00Z");
}

/* --- when it is sent --- */

struct passes {
	const char *reports; /* of the config */
	int64_t from, to, every;
	int32_t stage; /* that it stands at since entered; -1: none */
	int64_t entered;
};

static int pass(struct db_tx *tx, void *arg)
{
	const struct passes *p = arg;
	CLEANUP(settings_cleanup) struct settings *s = settings_with(p->reports);
	struct rollout_state st = {.row.stage = p->stage, .p.entered_us = p->entered, .there = -1};
	struct evaluation ev = {.stage = -1};
	CLEANUP(cleanup_free) char *key = text_format("entered:shop:%d", p->stage);
	int r = meta_set(tx, key, p->entered);

	for (int64_t now = p->from; r == 0 && now <= p->to; now += p->every)
		r = reports_send_due(
			NULL,
			&(struct reconcile) {.tx = tx, .s = s, .r = &s->rollouts[0], .ev = &ev, .st = &st, .now = now});
	return r;
}

/* What a channel was told meanwhile: how many, and the last one's text. */
static size_t sent_to(const char *channel, char **ret_last)
{
	size_t n = 0;
	int r = 0;

	for (int64_t id = 1; r == 0; id++) {
		struct message m = {0};

		r = outbox_load(reader, id, &m);
		if (r == 0 && !strcmp(m.channel, channel)) {
			n++;
			if (ret_last) {
				free(*ret_last);
				*ret_last = strdup(m.body);
			}
		}
		message_free(&m);
	}
	assert_int_equal(r, -ENOENT);
	return n;
}

static void passes_of(struct passes p)
{
	p.every = p.every ? p.every : 600 * US_PER_S;
	assert_int_equal(in_tx(db, pass, &p), 0);
}

static void each_channel_hears_its_own_kind(void **state)
{
	(void)state;
	passes_of((struct passes) {
		.reports = "{\"name\":\"daily\",\"cron\":\"0 9 * * *\"},{\"name\":\"weekly\",\"cron\":\"0 9 * * 1\"}",
		.from = at("2026-06-01T00:00:00Z"),
		.to = at("2026-06-14T23:00:00Z"),
		.stage = -1});
	assert_int_equal(sent_to("engineering", NULL), 14);
	assert_int_equal(sent_to("management", NULL), 2);
	assert_int_equal(sent_to("all", NULL), 16);
}

static void on_dates_that_are_excepted_nothing_is_sent_and_nothing_made_up_for(void **state)
{
	(void)state;
	passes_of((struct passes) {
		.reports = "{\"name\":\"daily\",\"cron\":\"0 9 * * *\",\"except\":[\"2026-12-25\",\"2026-12-26\"]}",
		.from = at("2026-12-24T00:00:00Z"),
		.to = at("2026-12-27T08:50:00Z"),
		.stage = -1});
	assert_int_equal(sent_to("engineering", NULL), 1);
	passes_of((struct passes) {
		.reports = "{\"name\":\"daily\",\"cron\":\"0 9 * * *\",\"except\":[\"2026-12-25\",\"2026-12-26\"]}",
		.from = at("2026-12-27T09:00:00Z"),
		.to = at("2026-12-27T23:00:00Z"),
		.stage = -1});
	CLEANUP(cleanup_free) char *last = NULL;
	assert_int_equal(sent_to("engineering", &last), 2);
	says(last, "2026-12-24 09:00 UTC to 2026-12-27 09:00 UTC"); /* what happened meanwhile is in it */
}

static void what_falls_due_while_it_is_suspended_is_left_out(void **state)
{
	(void)state;
	passes_of((struct passes) {.reports = "{\"name\":\"daily\",\"cron\":\"0 9 * * *\",\"suspend\":true}",
	                           .from = at("2026-06-01T00:00:00Z"),
	                           .to = at("2026-06-05T10:00:00Z"),
	                           .stage = -1});
	assert_int_equal(sent_to("engineering", NULL), 0);
	passes_of((struct passes) {.reports = "{\"name\":\"daily\",\"cron\":\"0 9 * * *\"}",
	                           .from = at("2026-06-05T10:10:00Z"),
	                           .to = at("2026-06-06T08:50:00Z"),
	                           .stage = -1});
	assert_int_equal(sent_to("engineering", NULL), 0);
	passes_of((struct passes) {.reports = "{\"name\":\"daily\",\"cron\":\"0 9 * * *\"}",
	                           .from = at("2026-06-06T09:00:00Z"),
	                           .to = at("2026-06-06T09:00:00Z"),
	                           .stage = -1});
	assert_int_equal(sent_to("engineering", NULL), 1);
}

/* Late, once, and about all of the time since the last one. */
static void what_fell_due_while_nobody_was_here_is_sent_late_and_once(void **state)
{
	CLEANUP(cleanup_free) char *last = NULL;

	(void)state;
	passes_of((struct passes) {.reports = "{\"name\":\"daily\",\"cron\":\"0 9 * * *\"}",
	                           .from = at("2026-06-01T09:00:00Z"),
	                           .to = at("2026-06-01T09:00:00Z"),
	                           .stage = -1}); /* never sent: it waits for the next time */
	passes_of((struct passes) {.reports = "{\"name\":\"daily\",\"cron\":\"0 9 * * *\"}",
	                           .from = at("2026-06-04T12:00:00Z"),
	                           .to = at("2026-06-05T08:00:00Z"),
	                           .stage = -1});
	assert_int_equal(sent_to("engineering", &last), 1);
	says(last, "2026-06-01 09:00 UTC to 2026-06-04 12:00 UTC");
}

/* Monday, 9:00, from the first one after the last stage was entered to the first after the last milestone. */
static void the_final_report_begins_with_the_last_stage_and_ends_with_the_last_milestone(void **state)
{
	(void)state;
	const char *final = "{\"name\":\"final\",\"cron\":\"0 9 * * 1\"}";

	passes_of((struct passes) {.reports = final,
	                           .from = at("2026-06-01T00:00:00Z"),
	                           .to = at("2026-06-10T11:50:00Z"),
	                           .stage = 1,
	                           .entered = at("2026-05-01T00:00:00Z")});
	assert_int_equal(sent_to("management", NULL), 0);
	passes_of((struct passes) {.reports = final,
	                           .from = at("2026-06-10T12:00:00Z"),
	                           .to = at("2026-06-15T08:50:00Z"),
	                           .stage = 2,
	                           .entered = at("2026-06-10T12:00:00Z")});
	assert_int_equal(sent_to("management", NULL), 0); /* nor for the Monday before */
	passes_of((struct passes) {.reports = final,
	                           .from = at("2026-06-15T09:00:00Z"),
	                           .to = at("2026-08-01T00:00:00Z"),
	                           .every = 3600 * US_PER_S,
	                           .stage = 2,
	                           .entered = at("2026-06-10T12:00:00Z")});
	assert_int_equal(sent_to("management", NULL), 2); /* the 15th; the 22nd, after the milestone of the 20th */
}

static void a_clock_that_is_set_back_an_hour_sends_nothing_twice(void **state)
{
	(void)state;
	for (int twice = 0; twice < 2; twice++)
		passes_of((struct passes) {.reports = "{\"name\":\"daily\",\"cron\":\"0 9 * * *\"}",
		                           .from = at("2026-06-01T08:30:00Z"),
		                           .to = at("2026-06-01T09:30:00Z"),
		                           .stage = -1});
	assert_int_equal(sent_to("engineering", NULL), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
		TEST(what_somebody_forced_is_never_left_out_of_a_daily_report),
		TEST(dates_are_told_planned_beside_actual),
		TEST(a_hold_from_before_the_week_that_was_lowered_in_it_counts_in_it),
		TEST(all_that_is_of_weight_is_listed),
		TEST(a_list_of_decisions_that_is_cut_says_so),
		TEST(the_object_has_what_the_text_says),
		TEST(a_comparison_begins_with_the_first_stage_and_that_of_the_whole_ends_with_the_last),
		TEST(each_channel_hears_its_own_kind),
		TEST(on_dates_that_are_excepted_nothing_is_sent_and_nothing_made_up_for),
		TEST(what_falls_due_while_it_is_suspended_is_left_out),
		TEST(what_fell_due_while_nobody_was_here_is_sent_late_and_once),
		TEST(the_final_report_begins_with_the_last_stage_and_ends_with_the_last_milestone),
		TEST(a_clock_that_is_set_back_an_hour_sends_nothing_twice),
	};

	setenv("TZ", "UTC", 1);
	tzset();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
