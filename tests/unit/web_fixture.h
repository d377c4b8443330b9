/*
 * Incidents as the API serves them, one for each verdict, for tests of the page.
 */
#ifndef TESTS_UNIT_WEB_FIXTURE_H
#define TESTS_UNIT_WEB_FIXTURE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "server/core/json.h"
#include "server/core/text.h"
#include "server/web/web.h"

#define NOW "2026-11-28T19:53:10Z"

/* Of a rollback of beta from 25 % to 0 %, an hour ago by the wall, at 19:50. */
#define INCIDENT_OF(kind, state, seen, before_state, ack_state, ack_note, over, because, more)                         \
	"{\"id\":2,\"rollout\":\"beta\",\"title\":\"Beta checkout\",\"playbook\":\"auto-rollback\",\"kind\":\"" kind   \
	"\",\"severity\":\"critical\",\"state\":\"" state "\",\"summary\":\"Canary error rate high\",\"opened_by\":"   \
	"\"alertmanager\",\"reason\":null,\"stage\":2,\"percentage_before\":25,\"percentage_wanted\":0,"               \
	"\"percentage_seen\":" seen ",\"headline\":\"Auto-Rollback\",\"opened_at\":\"2026-11-28T19:50:00Z\","          \
	"\"decided_at\":\"2026-11-28T19:50:00Z\",\"dashboard_url\":\"https://grafana.example.com/d/beta\","            \
	"\"measured\":\"value 4.2%, bound 0.5%, baseline 0.1%\",\"before\":1,\"over\":{\"answer\":\"" over             \
	"\",\"because\":\"" because "\"}," before_state "\"alerts\":[{\"fingerprint\":\"f1\",\"status\":\"firing\","   \
	"\"starts_at\":\"2026-11-28T19:49:30Z\",\"ends_at\":"                                                          \
	"null,\"labels\":{\"alertname\":\"CanaryErrorRateHigh\",\"rollout\":\"beta\",\"pod\":\"web-7\"},"              \
	"\"annotations\":{\"runbook_url\":\"https://wiki.example.com/beta\"},\"generator_url\":"                       \
	"\"http://prometheus:9090/graph?g0.expr=up\"}],\"alerts_total\":1,\"alerts_firing\":1,"                        \
	"\"timeline\":[{\"at\":\"2026-11-28T19:50:00Z\",\"who\":\"alertmanager\",\"what\":\"opened\",\"note\":"        \
	"\"CanaryErrorRateHigh\"},{\"at\":\"2026-11-28T19:52:00Z\",\"who\":\"alice\",\"what\":\"resolved\",\"note\":"  \
	"\"fixed\"},{\"at\":\"2026-11-28T19:52:10Z\",\"who\":\"alice\",\"what\":\"called off\",\"note\":\"no\"}],"     \
	"\"verification\":{\"written\":{\"state\":\"yes\",\"at\":\"2026-11-28T19:50:01Z\",\"note\":\"\",\"asked\":"    \
	"true},"                                                                                                       \
	"\"acknowledged\":{\"state\":\"" ack_state "\",\"at\":\"2026-11-28T19:50:05Z\",\"note\":\"" ack_note           \
	"\",\"asked\":true},\"effective\":{\"state\":\"unknown\",\"at\":null,\"note\":\"\",\"asked\":false}}," more    \
	"\"notifications\":[{\"channel\":\"chat\",\"event\":\"incident\",\"what\":\"opened\",\"state\":\"sent\","      \
	"\"attempts\":1,\"queued_at\":\"2026-11-28T19:50:00Z\",\"sent_at\":\"2026-11-28T19:50:01Z\",\"error\":null}]," \
	"\"sla\":{\"detection\":{\"seconds\":30,\"limit\":120,\"met\":true,\"text\":\"30 s of 2 minutes\"},\"total\":" \
	"{\"seconds\":700,\"limit\":600,\"met\":false,\"text\":\"11 minutes of 10 minutes MISSED\"}},"                 \
	"\"snapshot\":{\"state\":\"done\",\"series\":{\"error_rate\":[[1795895280,0.001],[1795895390,0.042],"          \
	"[1795895580,0.002]]},\"units\":{\"error_rate\":\"ratio\"},\"errors\":{\"latency\":\"Prometheus: 503\"}}}"

#define LAG "19 of 20 at 0%; at 25%: pod=\\\"web-7\\\""
#define STEPS                                                                                                          \
	"\"steps\":[{\"name\":\"set percentage\",\"kind\":\"flags\",\"state\":\"done\",\"attempts\":1,\"started_at\":" \
	"\"2026-11-28T19:50:00Z\",\"ended_at\":\"2026-11-28T19:50:01Z\",\"output\":\"\"},{\"name\":\"reload\","        \
	"\"kind\":"                                                                                                    \
	"\"command\",\"state\":\"running\",\"attempts\":1,\"started_at\":null,\"ended_at\":null,\"output\":\"\"}],"
#define FOLLOWUPS                                                                                                      \
	"\"steps\":[{\"name\":\"reload\",\"kind\":\"command\",\"state\":\"done\",\"attempts\":2,\"started_at\":"       \
	"\"2026-11-28T19:50:00Z\",\"ended_at\":\"2026-11-28T19:50:01Z\",\"output\":\"ok\\n\"},{\"name\":\"validate\"," \
	"\"kind\":\"command\",\"state\":\"failed\",\"attempts\":1,\"started_at\":\"2026-11-28T19:50:03Z\",\"ended_"    \
	"at\":"                                                                                                        \
	"\"2026-11-28T19:50:09Z\",\"output\":\"checksum differs\\n\"},{\"name\":\"restore\",\"kind\":\"command\","     \
	"\"state\":\"waiting\",\"attempts\":0,\"started_at\":\"2026-11-28T19:50:10Z\",\"ended_at\":null,\"output\":"   \
	"\"\"}],"

/* The ten verdicts: what the page is called, and what its first line says. */
static const struct web_case {
	const char *name, *json, *title, *sentence, *tone;
} web_cases[] = {
	{"rolling-back",
         INCIDENT_OF("auto", "rolling_back", "25", "", "unknown", "", "no", "it is rolling back to 0%", STEPS),
         "ROLLING BACK beta · incident 2", "Rolling back beta to 0 %", "act"},
	{"checking",
         INCIDENT_OF("auto", "verifying", "25", "\"verify_until\":\"2026-11-28T19:55:00Z\",", "no", "12 of 20 at 0%",
                     "no", "0% is not verified yet", STEPS),
         "CHECKING beta · incident 2", "Checking: 12 of 20 at 0 %", "act"},
	{"rolled-back",
         INCIDENT_OF("auto", "rolled_back", "0", "\"rolled_back_at\":\"2026-11-28T19:50:09Z\",", "yes",
                     "20 of 20 at 0%", "no", "after the rollback validate FAILED", FOLLOWUPS),
         "ROLLED BACK beta · incident 2", "Rolled back: 20 of 20 at 0 %", "ok"},
	{"not-verified",
         INCIDENT_OF("auto", "failed", "25",
                     "\"failed_at\":\"2026-11-28T19:51:00Z\",\"acknowledged_by\":\"alice\","
                     "\"acknowledged_at\":\"2026-11-28T19:50:10Z\",\"eta\":"
                     "\"2026-11-28T19:53:00Z\",",
                     "no", LAG, "no", "0% was never verified: " LAG, STEPS),
         "FAILED beta · incident 2", "NOT VERIFIED: 19 of 20 at 0 %", "bad"},
	{"cannot-tell",
         INCIDENT_OF("auto", "failed", "null", "\"failed_at\":\"2026-11-28T19:51:00Z\",", "unknown",
                     "Prometheus does not answer", "no", "0% was never verified: Prometheus does not answer", ""),
         "CANNOT TELL beta · incident 2", "CANNOT TELL: Prometheus does not answer", "bad"},
	{"held", INCIDENT_OF("auto", "held", "25", "", "unknown", "", "no", "it is held and waits for a person", ""),
         "HELD beta · incident 2", "Held: nothing was rolled back", "warn"},
	{"pending",
         INCIDENT_OF("auto", "pending", "25", "\"due_at\":\"2026-11-28T21:49:00Z\",", "unknown", "", "no",
                     "it rolls back to 0% at 2026-11-28 21:49:00 UTC unless every alert resolves first", ""),
         "PENDING beta · incident 2", "Rolls back to 0 % at 21:49 unless the alert ends", "warn"},
	{"called-off",
         INCIDENT_OF("auto", "cancelled", "25", "\"resolved_at\":\"2026-11-28T19:52:10Z\",", "unknown", "", "yes",
                     "it was called off before anything was changed", ""),
         "CALLED OFF beta · incident 2", "Called off by alice, 19:52", "done"},
	{"resolved",
         INCIDENT_OF("auto", "resolved", "0",
                     "\"resolved_at\":\"2026-11-28T19:52:00Z\",\"rolled_back_at\":"
                     "\"2026-11-28T19:50:09Z\",",
                     "yes", "20 of 20 at 0%", "yes", "0% was seen, and it was resolved", FOLLOWUPS),
         "RESOLVED beta · incident 2", "Resolved by alice, 19:52", "done"},
	{"drill",
         INCIDENT_OF("drill", "verifying", "25", "\"verify_until\":\"2026-11-28T19:55:00Z\",", "no", "20 of 20 at 25%",
                     "no", "the drill is under way", STEPS),
         "DRILL CHECKING beta · incident 2", "Checking: 20 of 20 at 25 %", "act"},
};

#define ROLLOUT                                                                                                        \
	"{\"name\":\"beta\",\"title\":\"Beta checkout\",\"stage\":2,\"percentage_wanted\":0,\"percentage_in_file\":0," \
	"\"percentage_seen\":25,\"seen_at\":\"2026-11-28T19:53:00Z\",\"seen_since_change\":true,\"doubt\":null}"
#define HEALTH                                                                                                         \
	"{\"queued\":3,\"queued_since\":\"2026-11-28T19:50:00Z\",\"undeliverable\":0,\"heartbeat_at\":\"" NOW          \
	"\",\"blind\":{},\"config_refused\":false}"

static inline struct json_object *parsed(const char *text)
{
	struct json_object *o = NULL;
	struct json_fault fault = {0};

	if (json_parse(text, strlen(text), &o, &fault) < 0)
		fail_msg("%s at %zu of %s", fault.why, fault.offset, text);
	return o;
}

static inline struct web_page page_for(const char *user, bool operates)
{
	struct web_page p = {
		.user = user, .operates = operates, .environment = "production", .csrf = "t0k3n", .seq = 345};

	assert_int_equal(text_time_parse(NOW, strlen(NOW), &p.now_us), 0);
	return p;
}

static inline void has(const char *page, const char *words)
{
	if (!strstr(page, words))
		fail_msg("the page lacks %s:\n%s", words, strstr(page, "<body"));
}

static inline void lacks(const char *page, const char *words)
{
	if (strstr(page, words))
		fail_msg("the page has %s:\n%s", words, strstr(page, "<body"));
}

#endif
