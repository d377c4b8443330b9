/* What becomes of a message that comes late. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "handlers/notify/late.h"
#include "server/core/text.h"

#define MINUTE (60 * US_PER_S)

static enum telling judge(bool page, int64_t waited_us, int overtaken)
{
	return late_telling(&(struct lateness) {page, waited_us, overtaken > 0, overtaken > 1});
}

static void what_is_over_is_told_as_past_and_wakes_nobody(void **state)
{
	(void)state;
	assert_int_equal(judge(false, 0, 0), TELL_AS_IT_IS);
	assert_int_equal(judge(true, 59 * US_PER_S, 0), TELL_AS_IT_IS);
	assert_int_equal(judge(true, MINUTE, 0), TELL_AS_PAST);
	assert_int_equal(judge(false, US_PER_S, 1), TELL_AS_PAST); /* the later one arrived first */
	assert_int_equal(judge(true, US_PER_S, 2), TELL_AS_PAST);
	assert_int_equal(judge(true, MINUTE, 1), TELL_AS_PAST); /* overtaken by a remark, not by a page */
	assert_int_equal(judge(true, MINUTE, 2), TELL_NOT);
	assert_int_equal(judge(false, 24 * 60 * MINUTE, 2), TELL_AS_PAST);
}

static void what_was_overtaken_is_not_tried_for_ever(void **state)
{
	(void)state;
	assert_true(late_is_worth_trying(&(struct lateness) {false, 23 * 60 * MINUTE, false, false}));
	assert_true(late_is_worth_trying(&(struct lateness) {false, 9 * MINUTE, true, false}));
	assert_false(late_is_worth_trying(&(struct lateness) {false, 10 * MINUTE, true, false}));
}

static void marked(const char *text, int64_t waited_us, const char *since, const char *want)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	struct json_object *late = NULL;
	int64_t at = 0;

	assert_int_equal(text_time_parse("2025-10-14T17:50:24Z", 20, &at), 0);
	json_add_str(o, "text", text);
	late_mark(o, at, waited_us, since);
	assert_string_equal(json_str_or(o, "text", ""), want);
	assert_int_equal(json_get_obj(o, "late", &late), 1);
	assert_int_equal(json_object_get_int64(json_at(late, "/seconds")), waited_us / US_PER_S);
	assert_string_equal(json_str_or(late, "since", "nothing"), since ? since : "nothing");
}

static void the_line_stands_below_the_title(void **state)
{
	(void)state;
	setenv("TZ", "Europe/Berlin", 1);
	tzset();
	marked("[INCIDENT] Shop Auto-Rollback\n- Trigger: x\n- Action: y\n", 12 * MINUTE, "rolled back",
	       "[INCIDENT] Shop Auto-Rollback\n- Late: of 2025-10-14 19:50:24 CEST, delivered 12 minutes late; since "
	       "then "
	       "rolled back\n- Trigger: x\n- Action: y\n");
	marked("CRITICAL: AUTO_ROLLBACK FAILED\n[INCIDENT] Shop\n- Trigger: - x\n", 61 * US_PER_S, NULL,
	       "CRITICAL: AUTO_ROLLBACK FAILED\n[INCIDENT] Shop\n- Late: of 2025-10-14 19:50:24 CEST, delivered 1 "
	       "minute 1 s "
	       "late\n- Trigger: - x\n");
	marked("one line", MINUTE, NULL, "one line\n- Late: of 2025-10-14 19:50:24 CEST, delivered 1 minute late\n");
	marked("- a list", MINUTE, NULL, "- Late: of 2025-10-14 19:50:24 CEST, delivered 1 minute late\n- a list");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_over_is_told_as_past_and_wakes_nobody),
		cmocka_unit_test(what_was_overtaken_is_not_tried_for_ever),
		cmocka_unit_test(the_line_stands_below_the_title),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
