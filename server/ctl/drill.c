/*
 * rollbackctl drill: sends an alert that is marked as a drill, follows what becomes of it, and waits until chat has it.
 */
#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define LABELS_MAX    32
#define ALERT_FOR_US  (5 * 60 * US_PER_S) /* then Alertmanager reports it resolved */
#define ARRIVE_MAX_US (120 * US_PER_S)    /* a group_wait beyond the whole detection budget is a finding of its own */
#define CHAT_MAX_US   (60 * US_PER_S)

struct drill {
	const char *rollout, *alertmanager, *word[LABELS_MAX];
	int n_words;
	char id[20];
	int64_t began_us;
};

/* --- the alert --- */

static int add_labels(const struct drill *d, struct json_object *labels)
{
	json_add_str(labels, "alertname", "RollbackDrill");
	json_add_str(labels, "action", "auto_rollback");
	json_add_str(labels, "rollout", d->rollout);
	for (int i = 0; i < d->n_words; i++) {
		const char *is = strchr(d->word[i], '=');
		CLEANUP(cleanup_free) char *name = is ? strndup(d->word[i], (size_t)(is - d->word[i])) : NULL;

		if (!name || !name[0]) {
			fprintf(stderr, "rollbackctl: a label is NAME=VALUE, not \"%s\"\n", d->word[i]);
			return CTL_USAGE;
		}
		json_add_str(labels, name, is + 1);
	}
	json_add_str(labels, "drill", d->id); /* last: nothing takes the mark off */
	return 0;
}

static int alert_of(const struct drill *d, struct json_object **ret)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	struct json_object *labels = json_object_new_object(), *annotations = json_object_new_object();
	const char *user = getlogin();

	json_add(o, "labels", labels);
	json_add(o, "annotations", annotations);
	json_add_time(o, "startsAt", d->began_us);
	CLEANUP(cleanup_free) char *summary = text_format("Fire drill%s%s", user ? " by " : "", user ? user : "");
	json_add_str(annotations, "summary", summary ? summary : "Fire drill");
	int r = add_labels(d, labels);
	if (r == 0)
		*ret = TAKE(o);
	return r;
}

static int through_alertmanager(const struct drill *d, struct json_object *alert)
{
	struct ctl am = {.url = d->alertmanager};
	struct json_object *list = json_object_new_array();

	json_add_time(alert, "endsAt", d->began_us + ALERT_FOR_US);
	json_object_array_add(list, alert);
	return ctl_send(&am, "Alertmanager", "/api/v2/alerts", list);
}

/* One alert may concern several rollouts: the drill is that of the one that was named. */
static int read_results(const struct drill *d, struct json_object *results)
{
	struct json_object *named = NULL;

	for (size_t i = 0; i < json_len(results); i++) {
		struct json_object *one = json_item(results, i);
		const char *rollout = json_str_or(one, "rollout", "");
		int64_t id = json_int_or(one, "incident", 0);

		if (!strcmp(rollout, d->rollout))
			named = one;
		else if (id)
			fprintf(stderr,
			        "rollbackctl: the alert started a drill of %.100s, too: rollbackctl incident %lld\n",
			        rollout, (long long)id);
	}
	if (json_int_or(named, "incident", 0))
		return 0;
	if (!named && json_len(results) == 1)
		named = json_item(results, 0);
	fprintf(stderr, "rollbackctl: the alert arrived, and no drill was started: %s\n",
	        json_str_or(named, "reason", "its labels concern other rollouts"));
	return CTL_NO;
}

static void say_roles(void)
{
	fputs("rollbackctl: a drill needs two roles: webhook, to send the alert here, and viewer, to follow what comes "
	      "of it. "
	      "Sent the way\n"
	      "that a real one takes, with --alertmanager URL, it needs viewer alone\n",
	      stderr);
}

/* As Alertmanager would. The answer says at once when nothing came of it. */
static int to_the_webhook(const struct ctl *c, const struct drill *d, struct json_object *alert)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	struct json_object *body = json_object_new_object(), *alerts = json_object_new_array(), *results;
	struct ctl asks = *c;
	long status = 0;

	json_add_str(alert, "status", "firing");
	json_add_str(body, "version", "4");
	json_add_str(body, "status", "firing");
	json_add_str(body, "receiver", "rollbackctl");
	json_object_array_add(alerts, alert);
	json_add(body, "alerts", alerts);
	asks.status = &status;
	int r = ctl_call(&asks, "POST", "/webhook", body, &data);
	if (status == 403)
		say_roles();
	results = json_arr_of(data, "results");
	return results ? read_results(d, results) : r;
}

static int send_alert(const struct ctl *c, const struct drill *d)
{
	struct json_object *alert = NULL;
	int r = alert_of(d, &alert);

	if (r)
		return r;
	return d->alertmanager ? through_alertmanager(d, alert) : to_the_webhook(c, d, alert);
}

/* --- what becomes of it --- */

/* Through Alertmanager a refusal is never heard of: what can be known before is asked before. */
static int could_begin(const struct ctl *c, const struct drill *d)
{
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	struct ctl asks = *c;
	long status = 0;

	asks.status = &status;
	int r = ctl_ask(&asks, "GET", "rollouts", d->rollout, "", NULL, &data);
	long long open = (long long)json_int_or(json_obj_of(data, "incident"), "id", 0);

	if (status == 403)
		say_roles();
	if (r || !d->alertmanager)
		return r;
	if (open)
		fprintf(stderr, "rollbackctl: no drill while incident %lld is open\n", open);
	else if (json_str_or(data, "entering", NULL))
		fputs("rollbackctl: no drill while a stage is being entered\n", stderr);
	else
		return 0;
	return CTL_NO;
}

/* 0: found, *ret its incident. */
static int find(const struct ctl *c, const struct drill *d, int64_t *ret)
{
	assert(ret);
	CLEANUP(json_cleanup) struct json_object *data = NULL;
	CLEANUP(buf_free) struct buf path = BUF(1000);

	buf_printf(&path, "/api/v1/incidents?kind=drill&limit=1&q=%s", d->id);
	ctl_param(&path, "rollout", d->rollout);
	int r = ctl_call(c, "GET", buf_text(&path), NULL, &data);
	if (r == 0 && json_object_is_type(data, json_type_array))
		*ret = json_int_or(json_item(data, 0), "id", 0);
	return r;
}

static int wait_for_it(const struct ctl *c, const struct drill *d, int64_t *ret)
{
	assert(ret);
	int64_t until = clock_mono_us() + ARRIVE_MAX_US;

	for (; clock_mono_us() < until; ctl_pause()) {
		int r = find(c, d, ret);

		if (r || *ret)
			return r;
	}
	fputs("rollbackctl: within 2 minutes no drill was started by that alert: a real one would not have arrived "
	      "either, or rollbackd\n"
	      "refused the drill. See: rollbackctl doctor, and GET /api/v1/events\n",
	      stderr);
	return CTL_NO;
}

/* CTL_YES all sent, CTL_NO one cannot be delivered, -1 some are still queued. */
static int sent(struct json_object *incident)
{
	struct json_object *list = json_arr_of(incident, "notifications");
	int r = CTL_YES;

	for (size_t i = 0; i < json_len(list); i++) {
		const char *state = json_str_or(json_item(list, i), "state", "");

		if (!strcmp(state, "undeliverable"))
			return CTL_NO;
		if (strcmp(state, "sent") != 0 && strcmp(state, "dropped") != 0) /* a later one was taken instead */
			r = -1;
	}
	return r;
}

static void show_chat(struct json_object *incident)
{
	struct json_object *list = json_arr_of(incident, "notifications");

	if (!json_len(list))
		puts("chat: no channel listens to this rollout's incidents");
	for (size_t i = 0; i < json_len(list); i++) {
		struct json_object *m = json_item(list, i);
		const char *error = json_str_or(m, "error", "");

		printf("chat: %s, %s: %s%s%s\n", json_str_or(m, "channel", ""), json_str_or(m, "what", ""),
		       json_str_or(m, "state", ""), error[0] ? ": " : "", error);
	}
}

static void show_times(struct json_object *incident)
{
	struct json_object *sla = json_obj_of(incident, "sla");

	if (!sla)
		return;
	json_object_object_foreach(sla, phase, one)
	{
		double seconds = 0, limit = 0;
		bool met = false;

		if (json_get_double(one, "seconds", &seconds) == 1 && json_get_double(one, "limit", &limit) == 1 &&
		    json_get_bool(one, "met", &met) == 1)
			printf("%s: %.1f s of %g s%s\n", phase, seconds, limit, met ? "" : ": MISSED");
	}
}

static int wait_for_chat(const struct ctl *c, int64_t id, bool *ret_called_off)
{
	assert(id > 0 && ret_called_off);

	for (int64_t until = clock_mono_us() + CHAT_MAX_US;; ctl_pause()) {
		CLEANUP(json_cleanup) struct json_object *data = NULL;
		int r = ctl_incident(c, id, &data);

		if (r)
			return r;
		r = sent(data);
		*ret_called_off = !strcmp(json_str_or(data, "state", ""), "cancelled");
		if (r >= 0 || clock_mono_us() >= until) {
			if (!c->json)
				show_times(data), show_chat(data);
			else
				ctl_print(c, data, show_incident);
			return r < 0 ? CTL_UNKNOWN : r;
		}
	}
}

static const char *verdict(int drill, bool called_off, int chat)
{
	if (called_off)
		return "called off: a real trigger or another drill took its place";
	return drill != CTL_YES  ? "FAILED: read its steps above"
	       : chat == CTL_YES ? "passed: nothing was changed"
	       : chat == CTL_NO  ? "FAILED: a message cannot be delivered"
	                         : "not decided: a message is still queued";
}

static int follow(struct ctl *c, const struct drill *d)
{
	bool called_off = false;
	int64_t id = 0;
	int r = wait_for_it(c, d, &id);

	if (r)
		return r;
	r = ctl_follow(c, id, 0, false);
	if (r != CTL_YES && r != CTL_NO)
		return r;
	int chat = wait_for_chat(c, id, &called_off);
	if (!c->json)
		printf("drill %lld %s\n", (long long)id, verdict(r, called_off, chat));
	return r == CTL_YES ? chat : r;
}

int cmd_drill(struct ctl *c, int n, const char **words)
{
	struct drill d = {.began_us = clock_wall_us(), .alertmanager = ctl_value(c, "alertmanager")};
	uint64_t random = 0;

	if (n > LABELS_MAX)
		return ctl_usage(c, "%d labels at most", LABELS_MAX);
	if (getrandom(&random, sizeof(random), 0) != sizeof(random))
		random = (uint64_t)d.began_us;
	snprintf(d.id, sizeof(d.id), "%016llx", (unsigned long long)random);
	d.rollout = words[0];
	d.n_words = n - 1;
	memcpy(d.word, words + 1, (size_t)d.n_words * sizeof(*d.word));
	int r = could_begin(c, &d);
	if (r == 0)
		r = send_alert(c, &d);
	return r == 0 ? follow(c, &d) : r;
}
