#include "tests/simulate/alerts.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/json.h"
#include "server/core/text.h"
#include "tests/simulate/config.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/watch.h"
#include "tests/simulate/world.h"

#define REPEAT_US (180 * US_PER_S)
#define AGAIN_US  (5 * US_PER_S)
#define LATE_US   (40 * US_PER_S) /* no message of Alertmanager is on its way for longer */
#define KEPT      16

struct alert_model {
	const char *action, *rollout;
	bool fires;
	int64_t starts_at_us, ends_at_us; /* wall */
	int episode;
	bool flapped;   /* the end of the one before was told to nobody */
	bool unended;   /* … and what was told of this one looks like that of another */
	unsigned taken; /* a bit for each rollout: an incident that is open is about this episode */
};

/* One body, that may be delivered many times. */
struct body {
	int alert, episode;
	bool firing;
	int64_t starts_at_us;
	int64_t written_at_us;
	char text[700];
};

static struct {
	struct alert_model alert[ALERTS_N];
	int64_t clock_us; /* how wrong the clock is that dates its alerts */
	int senders;
	bool unknown;           /* to Prometheus: others evaluate them */
	struct body kept[KEPT]; /* the last ones, which can come late */
	int n_kept;
} am;

void alerts_begin(void)
{
	static const char *const actions[] = {"to0", "to0", "to10", "previous", "later", "hold"};
	static const char *const rollouts[] = {"r0", "r0", "r0", "r1", "both"};

	am.n_kept = 0;
	am.clock_us = 0;
	am.senders = 1 + rnd_below(2);
	am.unknown = rnd_chance(20);
	for (int i = 0; i < ALERTS_N; i++)
		am.alert[i] = (struct alert_model) {.action = actions[rnd_below(ARRAY_LEN(actions))],
		                                    .rollout = rollouts[rnd_below(ARRAY_LEN(rollouts))]};
	am.alert[0] = (struct alert_model) {.action = "to0", .rollout = "r0"};
}

bool alerts_active(const char *query)
{
	char name[32];

	for (int i = 0; i < ALERTS_N; i++) {
		snprintf(name, sizeof(name), "alertname=\"A%d\"", i);
		if (strstr(query, name))
			return am.alert[i].fires && !am.unknown;
	}
	return false;
}

static bool is_of(const struct alert_model *a, int rollout)
{
	return !strcmp(a->rollout, "both") || a->rollout[1] == '0' + rollout;
}

static bool fires_for(const struct alert_model *a, int rollout)
{
	return a->fires && is_of(a, rollout);
}

bool alerts_fire_for(int rollout)
{
	bool fires = false;

	for (int i = 0; i < ALERTS_N; i++)
		fires |= fires_for(&am.alert[i], rollout);
	return fires;
}

bool alerts_unended(int rollout)
{
	bool some = false;

	for (int i = 0; i < ALERTS_N; i++)
		some |= am.alert[i].unended && is_of(&am.alert[i], rollout);
	return some;
}

void alerts_settled(int rollout)
{
	for (int i = 0; i < ALERTS_N; i++)
		if (fires_for(&am.alert[i], rollout))
			am.alert[i].taken |= 1U << rollout;
}

/* Whose end was told to nobody is another one by its start alone. */
static bool looks_the_same(const struct alert_model *a)
{
	return a->flapped && (am.clock_us || clock_wall_us() != sim_true_us());
}

int alerts_ignored(int rollout)
{
	for (int i = 0; i < ALERTS_N; i++)
		if (fires_for(&am.alert[i], rollout) && !(am.alert[i].taken & 1U << rollout) &&
		    !looks_the_same(&am.alert[i]))
			return i;
	return -1;
}

/* --- what the daemon answers --- */

/* The percentage that an alert's playbook asks for; -1: not one that is known beforehand, -2: none. */
static int32_t asks_for(const char *action)
{
	return !strcmp(action, "to0") ? 0 : !strcmp(action, "to10") ? 1000 : !strcmp(action, "previous") ? -1 : -2;
}

/* What the daemon has said of an alert as it is now. */
static void note_taken(const struct body *b, int rollout, const char *disposition, int64_t incident)
{
	struct alert_model *a = &am.alert[b->alert];

	if (b->episode != a->episode || !a->fires)
		return;
	if (b->firing && incident && watch_is_open(incident))
		a->taken |= 1U << rollout;
	else if (!b->firing && !strcmp(disposition, "resolved")) /* it was told so, and it is not true */
		a->taken = 0;
}

static void take_result(const struct body *b, struct json_object *one)
{
	const char *d = json_str_or(one, "disposition", ""), *r = json_str_or(one, "rollout", "");
	int64_t incident = json_int_or(one, "incident", 0);
	int rollout = r[0] ? r[1] - '0' : -1;
	bool opens = !strcmp(d, "rollback_started") || !strcmp(d, "pending") || !strcmp(d, "held") ||
	             !strcmp(d, "already_there");

	if (strcmp(d, "duplicate") != 0)
		say("  alert A%d (%s, %s) of %s: %s, incident %lld", b->alert, am.alert[b->alert].action,
		    b->firing ? "firing" : "resolved", r, d, (long long)incident);
	if (rollout < 0 || config_service(rollout) < 0)
		return;
	note_taken(b, rollout, d, incident);
	if (!strcmp(d, "already_there"))
		count(COUNT_ALREADY_THERE);
	if (!strcmp(d, "attached") && world_pct(world_service(config_service(rollout))) > 0)
		count(COUNT_ATTACHED_ABOVE);
	if (opens || !strcmp(d, "attached"))
		watch_attached(incident, !strcmp(am.alert[b->alert].action, "hold") ? -1 : config_service(rollout));
	if (opens)
		watch_opened(rollout, b->alert, b->starts_at_us, incident);
	if ((opens || !strcmp(d, "attached")) && strcmp(d, "pending") != 0 && asks_for(am.alert[b->alert].action) > -2)
		watch_demand(rollout, config_service(rollout), asks_for(am.alert[b->alert].action));
}

static void take_results(const struct body *b, const char *text)
{
	struct json_object *root = json_tokener_parse(text), *data = NULL, *results = NULL;

	if (json_get_obj(root, "data", &data) == 1 && json_get_arr(data, "results", &results) == 1)
		for (size_t i = 0; i < json_object_array_length(results); i++)
			take_result(b, json_object_array_get_idx(results, i));
	json_object_put(root);
}

/* --- sending --- */

static void deliver(void *arg);
static void deliver_again(void *arg);

static bool is_current(const struct body *b)
{
	const struct alert_model *a = &am.alert[b->alert];

	return a->episode == b->episode && a->fires == b->firing;
}

static void on_answer(void *arg, int status, const char *text)
{
	struct body *b = arg;

	if (status == 200)
		take_results(b, text);
	else
		say("  alert A%d: no answer (%d)", b->alert, status);
	if (is_current(b) && (status != 200 || b->firing))
		sim_at(sim_now() + (status == 200 ? REPEAT_US : AGAIN_US), &am, deliver_again, b);
	else
		free(b);
}

static void deliver(void *arg)
{
	struct body *b = arg;

	for (int r = 0; b->firing && r < ROLLOUTS && strcmp(am.alert[b->alert].action, "to10") != 0; r++)
		watch_asks_zero(r);
	house_ask("/webhook", b->text, on_answer, b);
}

static void deliver_again(void *arg)
{
	struct body *b = arg;

	if (is_current(b))
		deliver(b);
	else
		free(b);
}

static void write_body(struct body *b)
{
	const struct alert_model *a = &am.alert[b->alert];
	char from[40], to[40];

	text_time(a->starts_at_us, from, sizeof(from));
	text_time(b->firing ? 0 : a->ends_at_us, to, sizeof(to));
	snprintf(b->text, sizeof(b->text),
	         "{\"version\":\"4\",\"status\":\"%s\",\"receiver\":\"rollbackd\",\"groupKey\":\"{}\",\"groupLabels\":{"
	         "},"
	         "\"commonLabels\":{},\"commonAnnotations\":{},\"externalURL\":\"\",\"truncatedAlerts\":0,"
	         "\"alerts\":[{\"status\":\"%s\",\"labels\":{\"alertname\":\"A%d\",\"rollout\":\"%s\",\"action\":\"%"
	         "s\"},"
	         "\"annotations\":{\"summary\":\"A%d\"},\"startsAt\":\"%s\",\"endsAt\":\"%s\",\"generatorURL\":\"\","
	         "\"fingerprint\":\"00000000000000a%d\"}]}",
	         b->firing ? "firing" : "resolved", b->firing ? "firing" : "resolved", b->alert, a->rollout, a->action,
	         b->alert, from, b->firing ? "0001-01-01T00:00:00Z" : to, b->alert);
}

static void send_one(int alert, bool firing)
{
	struct body *b = calloc(1, sizeof(*b));

	if (!b)
		abort();
	*b = (struct body) {.alert = alert,
	                    .episode = am.alert[alert].episode,
	                    .firing = firing,
	                    .starts_at_us = am.alert[alert].starts_at_us,
	                    .written_at_us = sim_now()};
	write_body(b);
	am.kept[am.n_kept++ % KEPT] = *b;
	sim_at(sim_now() + rnd_us(US_PER_MS, 10 * US_PER_S), &am, deliver, b);
}

static void send_soon(int alert)
{
	for (int i = 0; i < am.senders; i++)
		send_one(alert, am.alert[alert].fires);
}

static int64_t clock_now(void)
{
	return (sim_true_us() + am.clock_us) / US_PER_MS * US_PER_MS;
}

void alerts_clock_jumps(void)
{
	int64_t by = (rnd_chance(30) ? 1 : -1) * rnd_us(US_PER_S, 86400 * US_PER_S);

	say("the clock that dates the alerts jumps by %.3f s", (double)by / (double)US_PER_S);
	am.clock_us += by;
}

static void fire(int i)
{
	struct alert_model *a = &am.alert[i];

	if (a->fires)
		return;
	a->fires = true;
	a->taken = 0;
	a->episode++;
	a->starts_at_us = clock_now();
	say("alert A%d fires: %s of %s", i, a->action, a->rollout);
	send_soon(i);
}

void alerts_fire(void)
{
	fire(rnd_chance(50) ? 0 : rnd_below(ALERTS_N));
}

static void fires_again(void *arg)
{
	fire((int)(intptr_t)arg);
}

void alerts_flap(void)
{
	int i = rnd_below(ALERTS_N);

	if (!am.alert[i].fires)
		return;
	say("alert A%d is over, for a moment", i);
	am.alert[i].fires = false;
	am.alert[i].flapped = true;
	sim_at(sim_now() + rnd_us(US_PER_S, 60 * US_PER_S), &am, fires_again, (void *)(intptr_t)i);
}

void alerts_deny(void)
{
	int i = rnd_below(ALERTS_N);
	struct alert_model *a = &am.alert[i];

	if (!a->fires)
		return;
	say("alert A%d is over, says one replica, and it is not", i);
	a->ends_at_us = clock_now();
	watch_denied(i);
	send_one(i, false);
}

static void resolve(int i)
{
	struct alert_model *a = &am.alert[i];

	if (!a->fires)
		return;
	a->unended |= looks_the_same(a);
	a->fires = a->flapped = false;
	a->ends_at_us = clock_now();
	say("alert A%d is over", i);
	send_soon(i);
}

void alerts_resolve(bool all)
{
	for (int i = 0; i < ALERTS_N && all; i++)
		resolve(i);
	if (!all)
		resolve(rnd_below(ALERTS_N));
}

void alerts_repeat(void)
{
	int n = am.n_kept < KEPT ? am.n_kept : KEPT;
	struct body *b = n ? malloc(sizeof(*b)) : NULL;

	if (!b)
		return;
	*b = am.kept[rnd_below(n)];
	if (sim_now() - b->written_at_us > LATE_US) {
		free(b);
		return;
	}
	say("an older message of A%d comes again: %s", b->alert, b->firing ? "firing" : "resolved");
	deliver(b);
}
