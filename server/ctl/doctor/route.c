#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alertmanager/quote.h"
#include "handlers/settings/settings.h"
#include "server/core/text.h"
#include "server/ctl/doctor/doctor.h"

#define ADDRESS_MAX 300

/* --- labels --- */

static bool is_template(const char *value)
{
	return strstr(value, "{{") != NULL;
}

const char *doctor_label(const struct doctor_alert *a, const char *name)
{
	assert(a && name);
	for (size_t i = 0; i < a->n; i++)
		if (!strcmp(a->labels[i].name, name))
			return a->labels[i].value;
	return "";
}

static void add_labels(struct doctor_alert *a, struct json_object *from)
{
	if (!from)
		return;
	json_object_object_foreach(from, name, value)
	{
		const char *text = json_object_get_string(value);

		if (text && !is_template(text) && !doctor_label(a, name)[0])
			a->labels[a->n++] = (struct text_pair) {name, text};
	}
}

static struct json_object *external_labels(const struct doctor_facts *d)
{
	return json_obj_of(json_obj_of(d->prometheus, "global"), "external_labels");
}

int doctor_alert_init(struct doctor_alert *a, const struct doctor_facts *d, const struct rule *r)
{
	assert(a && d && r);
	struct json_object *external = external_labels(d);
	size_t n = 1 + (r->labels ? (size_t)json_object_object_length(r->labels) : 0) +
	           (external ? (size_t)json_object_object_length(external) : 0);

	*a = (struct doctor_alert) {.facts = d, .rule = r, .labels = calloc(n, sizeof(*a->labels))};
	if (!a->labels)
		return -ENOMEM;
	a->labels[a->n++] = (struct text_pair) {"alertname", r->name};
	add_labels(a, r->labels);
	add_labels(a, external); /* added only where the alert has none of that name */
	return 0;
}

void doctor_alert_free(struct doctor_alert *a)
{
	assert(a);
	free(a->labels);
	*a = (struct doctor_alert) {0};
}

bool label_is_template(void *alert, const char *label)
{
	assert(alert && label);
	const struct doctor_alert *a = alert;
	struct json_object *value = NULL;

	return a->rule->labels && json_object_object_get_ex(a->rule->labels, label, &value) &&
	       is_template(json_object_get_string(value));
}

/* A label that no series has can only come from label_replace and its like, whose text names it. */
bool label_may_come_from_series(void *alert, const char *label)
{
	assert(alert && label);
	const struct doctor_alert *a = alert;
	struct json_object *names = a->facts->label_names;

	if (label_is_template(alert, label) || !names || strstr(a->rule->expr, label))
		return true;
	for (size_t i = 0; i < json_len(names); i++) {
		const char *name = json_object_get_string(json_item(names, i));

		if (name && !strcmp(name, label))
			return true;
	}
	return false;
}

/* --- is a receiver rollbackd? --- */

/* NAMED: the address is hidden, and the receiver is called as we are. */
enum us { US_NO, US_MAYBE, US_HIDDEN, US_NAMED, US_YES };

/* host:port of a URL, all names of this machine as one; false: it is none. */
static bool address_of(const char *url, char out[ADDRESS_MAX], const char **ret_path)
{
	const char *p = strstr(url, "://"), *at, *colon;
	bool tls = !strncmp(url, "https", 5);

	if (!p)
		return false;
	p += 3;
	size_t len = strcspn(p, "/?#");
	*ret_path = p + len;
	at = memrchr(p, '@', len);
	if (at) {
		len -= (size_t)(at + 1 - p);
		p = at + 1;
	}
	colon = memrchr(p, ':', len);
	if (colon && memchr(colon, ']', len - (size_t)(colon - p)))
		colon = NULL;
	size_t host = colon ? (size_t)(colon - p) : len;
	bool here = (host == 9 && (!strncasecmp(p, "localhost", 9) || !strncmp(p, "127.0.0.1", 9))) ||
	            (host == 5 && !strncmp(p, "[::1]", 5));

	if (colon)
		snprintf(out, ADDRESS_MAX, "%.*s%.*s", here ? 4 : (int)host, here ? "here" : p, (int)(len - host),
		         colon);
	else
		snprintf(out, ADDRESS_MAX, "%.*s:%d", here ? 4 : (int)host, here ? "here" : p, tls ? 443 : 80);
	return true;
}

bool url_same_address(const char *a, const char *b)
{
	assert(a && b);
	char x[ADDRESS_MAX], y[ADDRESS_MAX];
	const char *path;

	return address_of(a, x, &path) && address_of(b, y, &path) && !strcasecmp(x, y);
}

static bool is_webhook_path(const char *path)
{
	static const char word[] = "/webhook";
	size_t len = strcspn(path, "?#");

	return len >= sizeof(word) - 1 && !strncmp(path + len - (sizeof(word) - 1), word, sizeof(word) - 1);
}

static enum us is_us(const struct doctor_facts *d, struct json_object *hook)
{
	const char *url = json_str_or(hook, "url", ""), *path = "";
	char address[ADDRESS_MAX];

	if (!strstr(url, "://")) /* newer Alertmanagers show <secret>; or url_file */
		return US_HIDDEN;
	if (!address_of(url, address, &path) || !is_webhook_path(path))
		return US_NO;
	return url_same_address(url, d->url) || url_same_address(url, d->settings->external_url) ? US_YES : US_MAYBE;
}

/* The hook of a receiver that is most likely us. */
static enum us receiver_is_us(const struct doctor_facts *d, const char *name, struct json_object **ret_hook)
{
	struct json_object *hooks = json_arr_of(route_tree_receiver(d->routes, name), "webhook_configs");
	enum us best = US_NO;

	for (size_t i = 0; i < json_len(hooks); i++) {
		enum us one = is_us(d, json_item(hooks, i));

		if (one == US_HIDDEN && strcasestr(name, "rollbackd"))
			one = US_NAMED;

		if (one > best) {
			best = one;
			*ret_hook = json_item(hooks, i);
		}
	}
	return best;
}

/* --- the way --- */

struct way {
	const struct route_node *node; /* the best that was found */
	struct json_object *hook;
	enum us us;
	bool sure;
	struct route_doubt doubt;
};

static bool is_better(const struct way *a, const struct way *b)
{
	if (a->us != b->us)
		return a->us > b->us;
	if (a->sure != b->sure)
		return a->sure;
	return !b->node || (a->node && a->node->group_wait_us < b->node->group_wait_us);
}

static struct way best_way(const struct doctor_alert *a, const struct route_hit *hits, size_t n)
{
	assert(hits || n == 0);
	struct way best = {.us = US_NO};

	for (size_t i = 0; i < n; i++) {
		struct way one = {.node = hits[i].node, .sure = hits[i].sure, .doubt = hits[i].doubt};

		one.us = receiver_is_us(a->facts, one.node->receiver, &one.hook);
		if (is_better(&one, &best))
			best = one;
	}
	return best;
}

static void receivers_text(const struct route_hit *hits, size_t n, struct buf *b)
{
	char q[QUOTE_SIZE];

	for (size_t i = 0; i < n; i++)
		buf_printf(b, "%s%s", i ? ", " : "", quote(q, hits[i].node->receiver, strlen(hits[i].node->receiver)));
}

/* What the receiver's own settings do to it. */
static void judge_hook(const struct way *w, const char *rule, struct findings *f)
{
	const char *most = json_str_or(w->hook, "max_alerts", "0");

	if (!strcmp(json_str_or(w->hook, "send_resolved", "true"), "false"))
		found(f, FOUND_BAD, rule, "route",
		      "receiver %s has send_resolved: false: rollbackd never hears that it is over, so a deferred "
		      "rollback is "
		      "never called off and no incident ends by itself",
		      w->node->receiver);
	if (strcmp(most, "0") != 0)
		found(f, FOUND_NOTE, rule, "route", "receiver %s has max_alerts: %s: what is cut off may be a trigger",
		      w->node->receiver, most);
	if (w->node->sometimes)
		found(f, FOUND_BAD, rule, "route",
		      "the route to receiver %s is mute at certain times (mute_time_intervals, active_time_intervals)",
		      w->node->receiver);
}

static void say_named(const struct doctor_facts *d, const struct way *w, const char *rule, struct findings *f)
{
	found(f, FOUND_NOTE, rule, "route",
	      "Alertmanager does not show the URL of receiver %s: it is taken for rollbackd by its name. A drill "
	      "proves it: "
	      "rollbackctl drill %s --alertmanager %s",
	      w->node->receiver, d->settings->n_rollouts ? d->settings->rollouts[0].name : "ROLLOUT",
	      d->settings->alertmanager_url);
}

static void say_sure(const struct way *w, const char *rule, struct findings *f)
{
	char wait[32], interval[32], repeat[32];

	text_duration(w->node->group_wait_us, wait, sizeof(wait));
	text_duration(w->node->group_interval_us, interval, sizeof(interval));
	text_duration(w->node->repeat_us, repeat, sizeof(repeat));
	found(f, FOUND_OK, rule, "route",
	      "reaches rollbackd by receiver %s after group_wait %s; changes follow after %s, and it comes again after "
	      "%s",
	      w->node->receiver, wait, interval, repeat);
	if (!w->node->by_alertname)
		found(f, FOUND_NOTE, rule, "route",
		      "its route is not grouped by alertname: a trigger that joins another's group waits for "
		      "group_interval, %s, instead of group_wait",
		      interval);
}

/* --- silences --- */

static int silence_matcher(struct json_object *m, struct matchers *to)
{
	static const char *const signs[2][2] = {{"!=", "="}, {"!~", "=~"}};
	struct matcher_fault fault;
	bool regex = false, equal = true;

	(void)json_get_bool(m, "isRegex", &regex);
	(void)json_get_bool(m, "isEqual", &equal);
	return matchers_add_parts(to, json_str_or(m, "name", ""), signs[regex][equal], json_str_or(m, "value", ""),
	                          &fault);
}

/* label: of the matcher that it depends on. */
static enum matchers_result silence_says(const struct doctor_alert *a, struct json_object *silence, char *label,
                                         size_t size)
{
	const char *on = "a matcher that is not understood";
	struct json_object *arr = json_arr_of(silence, "matchers");
	struct matchers m = {0};
	int r = arr ? 0 : -EINVAL;

	for (size_t i = 0; r == 0 && i < json_len(arr); i++)
		r = silence_matcher(json_item(arr, i), &m);
	enum matchers_result say =
		r < 0 ? MATCHERS_MAYBE
		      : matchers_might_hold(&m, a->labels, a->n, label_may_come_from_series, (void *)a, &on);
	snprintf(label, size, "%s", on);
	matchers_free(&m);
	return say;
}

static void judge_silences(const struct doctor_alert *a, const char *rule, struct findings *f)
{
	struct json_object *all = a->facts->silences;

	for (size_t i = 0; i < json_len(all); i++) {
		struct json_object *s = json_item(all, i);
		char label[200];

		if (strcmp(json_str_or(json_obj_of(s, "status"), "state", ""), "active") != 0)
			continue;
		enum matchers_result say = silence_says(a, s, label, sizeof(label));
		if (say == MATCHERS_YES)
			found(f, FOUND_BAD, rule, "route",
			      "is silenced until %s: nothing reaches rollbackd meanwhile (silence %s)",
			      json_str_or(s, "endsAt", "?"), json_str_or(s, "id", "?"));
		else if (say == MATCHERS_MAYBE)
			found(f, FOUND_UNKNOWN, rule, "route", "may be silenced by %s: that depends on %s",
			      json_str_or(s, "id", "?"), label);
	}
}

static void say_unsure(const struct way *w, const struct buf *to, const char *rule, struct findings *f)
{
	if (w->us == US_NO)
		found(f, FOUND_BAD, rule, "route",
		      "never reaches rollbackd: it goes to %s, and no webhook_configs there ends in /webhook",
		      buf_text(to));
	else if (w->us == US_HIDDEN)
		found(f, FOUND_UNKNOWN, rule, "route",
		      "goes to receiver %s; Alertmanager does not show the URL of its webhook. A receiver with "
		      "rollbackd in "
		      "its name is found; a drill proves each: rollbackctl drill ROLLOUT --alertmanager URL",
		      w->node->receiver);
	else if (w->us == US_MAYBE)
		found(f, FOUND_UNKNOWN, rule, "route",
		      "goes to receiver %s, whose webhook is neither the rollbackd that --url names nor "
		      "global.external_url",
		      w->node->receiver);
	else if (w->doubt.odd)
		found(f, FOUND_UNKNOWN, rule, "route", "whether it reaches receiver %s depends on a %s",
		      w->node->receiver, w->doubt.odd);
	else
		found(f, FOUND_UNKNOWN, rule, "route",
		      "whether it reaches receiver %s depends on its label %s, which the rule does not set",
		      w->node->receiver, w->doubt.label);
}

const struct route_node *judge_route(const struct doctor_alert *a, struct findings *f)
{
	assert(a && a->facts && f);
	CLEANUP(buf_free) struct buf to = BUF(1000);
	struct route_hit hits[ROUTE_HITS_MAX];

	const char *rule = a->rule->name;

	if (!a->facts->routes)
		return NULL;
	size_t n = route_tree_walk(a->facts->routes, a->labels, a->n, label_may_come_from_series, (void *)a, hits);
	struct way w = best_way(a, hits, n);
	receivers_text(hits, n, &to);
	bool arrives = w.us >= US_NAMED && w.sure;
	if (arrives)
		say_sure(&w, rule, f);
	else
		say_unsure(&w, &to, rule, f);
	if (arrives && w.us == US_NAMED)
		say_named(a->facts, &w, rule, f);
	if (w.us != US_NO)
		judge_hook(&w, rule, f);
	judge_silences(a, rule, f);
	judge_inhibitions(a, f);
	return arrives ? w.node : NULL;
}
