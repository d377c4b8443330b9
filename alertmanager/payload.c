#include "alertmanager/payload.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "alertmanager/quote.h"

/* ---- one alert ---- */

/* Sets the sentence that says why this alert is rejected. */
static int refuse(char **ret_why, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int refuse(char **ret_why, const char *fmt, ...)
{
	char why[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	*ret_why = strdup(why);
	return *ret_why ? -EINVAL : -ENOMEM;
}

static int read_shape(struct alert *a, char **ret_why)
{
	return json_object_is_type(a->raw, json_type_object) ? 0 : refuse(ret_why, "the alert is no JSON object");
}

static int read_status(struct alert *a, char **ret_why)
{
	static const char *const names[] = {[ALERT_FIRING] = "firing", [ALERT_RESOLVED] = "resolved"};
	const char *word = NULL;
	char q[QUOTE_SIZE];

	if (json_get_str(a->raw, "status", &word) != 1)
		return refuse(ret_why, "the alert has no status, which should be \"firing\" or \"resolved\"");
	int v = text_enum_find(names, ARRAY_LEN(names), word);
	if (v < 0)
		return refuse(ret_why, "the status is \"%s\", and not \"firing\" or \"resolved\"",
		              quote(q, word, strlen(word)));
	a->status = (enum alert_status)v;
	return 0;
}

static int read_label(const char *name, struct json_object *value, struct text_pair *ret, char **ret_why)
{
	char q[QUOTE_SIZE];

	if (name[0] == '\0')
		return refuse(ret_why, "a label has an empty name");
	quote(q, name, strlen(name));
	if (!json_object_is_type(value, json_type_string))
		return refuse(ret_why, "the value of label \"%s\" is no string", q);
	if (strlen(name) > PAYLOAD_VALUE_MAX || json_object_get_string_len(value) > PAYLOAD_VALUE_MAX)
		return refuse(ret_why, "label \"%s\" is longer than %d bytes", q, PAYLOAD_VALUE_MAX);
	*ret = (struct text_pair) {name, json_object_get_string(value)};
	return 0;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct text_pair *)a)->name, ((const struct text_pair *)b)->name);
}

static int read_labels(struct alert *a, char **ret_why)
{
	struct json_object *labels = NULL;

	if (json_get_obj(a->raw, "labels", &labels) < 0)
		return refuse(ret_why, "the alert's labels are no JSON object");
	size_t n = labels ? (size_t)json_object_object_length(labels) : 0;
	if (n == 0)
		return refuse(ret_why, "the alert has no labels, so nothing tells what it is about");
	if (n > PAYLOAD_LABELS_MAX)
		return refuse(ret_why, "the alert has %zu labels, more than %d", n, PAYLOAD_LABELS_MAX);
	a->labels = calloc(n, sizeof(*a->labels));
	if (!a->labels)
		return -ENOMEM;
	json_object_object_foreach(labels, name, value)
	{
		int r = read_label(name, value, &a->labels[a->n_labels], ret_why);
		if (r < 0)
			return r;
		a->n_labels++;
	}
	qsort(a->labels, a->n_labels, sizeof(*a->labels), by_name);
	a->labels_json = labels;
	return 0;
}

/* 0, or -EINVAL. Absent, null and everything before 1970 (Go's zero time, Google's 1970) give 0. */
static int time_or_zero(struct json_object *raw, const char *key, int64_t *ret_us)
{
	const char *text = NULL;
	int64_t us = 0;
	int r = json_get_str(raw, key, &text);

	if (r == 1)
		r = text_time_parse(text, strlen(text), &us);
	if (r < 0)
		return -EINVAL;
	*ret_us = us > 0 ? us : 0;
	return 0;
}

static int read_times(struct alert *a, char **ret_why)
{
	if (time_or_zero(a->raw, "startsAt", &a->starts_at_us) < 0)
		return refuse(ret_why, "startsAt is no time as in RFC 3339 (2025-10-14T10:00:00Z)");
	if (a->status == ALERT_RESOLVED && time_or_zero(a->raw, "endsAt", &a->ends_at_us) < 0)
		a->ends_at_us = 0;
	return 0;
}

static bool bounded_strings(struct json_object *obj)
{
	json_object_object_foreach(obj, name, value)
	{
		(void)name;
		if (!json_object_is_type(value, json_type_string) ||
		    json_object_get_string_len(value) > PAYLOAD_ANNOTATION_MAX)
			return false;
	}
	return true;
}

static int read_decoration(struct alert *a, char **ret_why)
{
	struct json_object *annotations = NULL;

	(void)ret_why;
	if (json_get_obj(a->raw, "annotations", &annotations) == 1 && bounded_strings(annotations))
		a->annotations_json = annotations;
	json_get_str(a->raw, "generatorURL", &a->generator_url);
	return 0;
}

static int read_fingerprint(struct alert *a, char **ret_why)
{
	const char *sent = NULL;

	(void)ret_why;
	if (json_get_str(a->raw, "fingerprint", &sent) == 1) {
		size_t len = strspn(sent, "0123456789abcdefABCDEF");
		if (len > 0 && len < sizeof(a->fingerprint) && sent[len] == '\0') {
			memcpy(a->fingerprint, sent, len + 1);
			return 0;
		}
	}
	snprintf(a->fingerprint, sizeof(a->fingerprint), "%016llx",
	         (unsigned long long)text_fingerprint(a->labels, a->n_labels));
	return 0;
}

static void alert_release(struct alert *a)
{
	free(a->labels);
	free(a->why);
	a->labels = NULL;
	a->why = NULL;
	a->n_labels = 0;
}

/* Nothing half read remains: an alert that can't be acted on is known by its text alone. */
static int alert_reject(struct alert *a, char *why_taken)
{
	const char *text = a->raw ? json_text(a->raw) : "null";
	struct json_object *raw = a->raw;
	char hash[65] = "";

	alert_release(a);
	*a = (struct alert) {.rejected = true, .why = why_taken, .generator_url = "", .raw = raw};
	if (!text || text_sha256(text, strlen(text), hash) < 0)
		return -ENOMEM;
	hash[sizeof(a->fingerprint) - 1] = '\0';
	memcpy(a->fingerprint, hash, sizeof(a->fingerprint));
	return 0;
}

static int alert_read(struct alert *a, struct json_object *raw)
{
	static int (*const parts[])(struct alert *, char **) = {
		read_shape, read_status, read_labels, read_times, read_decoration, read_fingerprint,
	};
	char *why = NULL;

	a->raw = raw;
	a->generator_url = "";
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int r = parts[i](a, &why);
		if (r == -EINVAL)
			return alert_reject(a, why);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the group ---- */

static int fail(struct payload_fault *fault, int error, const char *why)
{
	snprintf(fault->why, sizeof(fault->why), "%s", why);
	return error;
}

static int fail_json(struct payload_fault *fault, const struct json_fault *json)
{
	snprintf(fault->why, sizeof(fault->why), "the body is not JSON: %s at byte %zu",
	         json->why ? json->why : "wrong", json->offset);
	return -EINVAL;
}

static int group_root(const char *body, size_t len, struct json_object **ret, struct payload_fault *fault)
{
	struct json_fault json = {0};
	size_t blank = 0;

	while (blank < len && strchr(" \t\r\n", body[blank]) && body[blank] != '\0')
		blank++;
	if (blank == len)
		return fail(fault, -EINVAL, "the body is empty");
	int r = json_parse(body, len, ret, &json);
	return r == -EINVAL ? fail_json(fault, &json) : r;
}

static int group_alerts(struct json_object *root, struct json_object **ret, struct payload_fault *fault)
{
	if (json_object_is_type(root, json_type_array))
		return fail(fault, -EINVAL,
		            "the body is a bare array: that is what Prometheus posts to /api/v2/alerts. Let "
		            "it post to "
		            "Alertmanager, and Alertmanager's webhook_configs here");
	if (!json_object_is_type(root, json_type_object))
		return fail(fault, -EINVAL, "the body is no JSON object as Alertmanager's webhook sends it");
	int r = json_get_arr(root, "alerts", ret);
	if (r < 0)
		return fail(fault, -EINVAL, "\"alerts\" is no array");
	if (r == 0)
		return fail(fault, -EINVAL,
		            "the body has no \"alerts\" array: a custom payload template has to keep the "
		            "fields of "
		            "Alertmanager's webhook");
	if (json_object_array_length(*ret) > PAYLOAD_ALERTS_MAX)
		return fail(fault, -E2BIG, "the body holds more than 20000 alerts: set max_alerts or group them finer");
	return 0;
}

/* Only for display and counting: strange values count as absent. */
static void group_fields(struct alert_group *g)
{
	g->receiver = json_str_or(g->root, "receiver", "");
	g->group_key = json_str_or(g->root, "groupKey", "");
	g->external_url = json_str_or(g->root, "externalURL", "");
	g->truncated = json_int_or(g->root, "truncatedAlerts", 0);
	if (g->truncated < 0)
		g->truncated = 0;
}

static int group_read(struct alert_group *g, struct json_object *alerts)
{
	size_t n = json_object_array_length(alerts);

	if (n == 0)
		return 0;
	g->alerts = calloc(n, sizeof(*g->alerts));
	if (!g->alerts)
		return -ENOMEM;
	while (g->n < n) {
		size_t i = g->n++;
		int r = alert_read(&g->alerts[i], json_object_array_get_idx(alerts, i));
		if (r < 0)
			return r;
	}
	return 0;
}

int alert_group_parse(const char *body, size_t len, struct alert_group **ret, struct payload_fault *fault)
{
	CLEANUP(alert_group_cleanup) struct alert_group *g = calloc(1, sizeof(*g));
	struct json_object *alerts = NULL;

	if (!g)
		return -ENOMEM;
	int r = group_root(body, len, &g->root, fault);
	if (r == 0)
		r = group_alerts(g->root, &alerts, fault);
	if (r < 0)
		return r;
	group_fields(g);
	r = group_read(g, alerts);
	if (r < 0)
		return r;
	*ret = TAKE(g);
	return 0;
}

void alert_group_free(struct alert_group *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++)
		alert_release(&g->alerts[i]);
	free(g->alerts);
	json_object_put(g->root);
	free(g);
}

void alert_group_cleanup(struct alert_group **g)
{
	alert_group_free(*g);
}

const char *alert_label(const struct alert *a, const char *name)
{
	struct text_pair key = {name, NULL};
	const struct text_pair *found =
		a->n_labels == 0 ? NULL : bsearch(&key, a->labels, a->n_labels, sizeof(*a->labels), by_name);

	return found ? found->value : NULL;
}
