/* Alertmanager's own list of alerts: what keeps one of them from coming here. */
#include "alertmanager/alerts_api.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

/* As GET /api/v2/alerts of 0.25 and 0.33 lists them, cut to what is read. */
#define ALERT(state, silenced, inhibited, muted)                                                                       \
	"{\"labels\":{\"alertname\":\"Slow\"},\"receivers\":[{\"name\":\"people\"},{\"name\":\"pager\"}],\"status\":{" \
	"\"inhibitedBy\":[" inhibited "],\"mutedBy\":[" muted "],\"silencedBy\":[" silenced "],\"state\":\"" state     \
	"\"}}"
#define ACTIVE ALERT("active", "", "", "")

static void what_is_in_the_way_is_told(void **state)
{
	static const struct {
		const char *body, *says;
	} cases[] = {
		{"[]", "does not have it"},
		{"[" ACTIVE "]", "Alertmanager sends it to people, pager"},
		{"[" ALERT("suppressed", "\"5e-1\"", "", "") "]", "amtool silence expire 5e-1"},
		{"[" ALERT("suppressed", "", "\"0011\"", "") "]", "another alert inhibits it"},
		{"[" ALERT("suppressed", "", "", "\"nights\"") "]", "its route is mute at this time (nights)"},
		{"[" ACTIVE "," ALERT("suppressed", "", "\"0011\"", "") "]", "another alert inhibits it"},
		{"[{}]", "Alertmanager sends it to nobody"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		char why[250] = "";

		assert_int_equal(alerts_api_obstacle(cases[i].body, strlen(cases[i].body), why, sizeof(why)), 0);
		if (!strstr(why, cases[i].says))
			fail_msg("%s: %s", cases[i].body, why);
	}
}

static void what_is_no_list_says_nothing(void **state)
{
	static const char *const wrong[] = {"", "{}", "[1]", "[" ACTIVE, "[null]"};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(wrong); i++) {
		char why[250] = "as before";

		assert_int_equal(alerts_api_obstacle(wrong[i], strlen(wrong[i]), why, sizeof(why)), -EBADMSG);
		assert_string_equal(why, "as before");
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_in_the_way_is_told),
		cmocka_unit_test(what_is_no_list_says_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
