#include "alertmanager/payload.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include "alertmanager/quote.h"

#define TIME_MAX 64 /* bytes; an RFC 3339 time with nanoseconds has 35 */
#define WORD_MAX 64
#define ELLIPSIS "\xe2\x80\xa6"

/* What is read of an alert. */
enum part { STATUS, LABELS, ANNOTATIONS, STARTS_AT, ENDS_AT, GENERATOR_URL, FINGERPRINT, PARTS };

static const char *const part_names[PARTS] = {
	[STATUS] = "status",           [LABELS] = "labels",  [ANNOTATIONS] = "annotations",
	[STARTS_AT] = "startsAt",      [ENDS_AT] = "endsAt", [GENERATOR_URL] = "generatorURL",
	[FINGERPRINT] = "fingerprint",
};

/* One alert being read. */
struct reading {
	struct alert *alert;
	struct json_raw raw;         /* the alert as sent */
	struct json_raw part[PARTS]; /* text NULL: absent, or null */
	struct arena *memory;
	char *why; /* owned: why it is rejected */
};

/* Sets the sentence that says why this alert is rejected. */
static int refuse(struct reading *r, const char *fmt, ...) PRINTF_LIKE(2, 3);
static int refuse(struct reading *r, const char *fmt, ...)
{
	assert(r && !r->why);
	char why[200];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(why, sizeof(why), fmt, ap);
	va_end(ap);
	r->why = strdup(why);
	return r->why ? -EINVAL : -ENOMEM;
}

static bool is_there(const struct reading *r, enum part p)
{
	return r->part[p].text != NULL;
}

static bool is_string(const struct reading *r, enum part p)
{
	return is_there(r, p) && json_raw_is_string(r->part[p]);
}

/* In one pass, whatever an alert holds beside. */
static void find_parts(struct reading *r)
{
	struct json_raw rest = json_raw_inside(r->raw), key, value;

	while (json_raw_member(&rest, &key, &value))
		for (size_t i = 0; *value.text != 'n' && i < PARTS; i++)
			if (!r->part[i].text && json_raw_is(key, part_names[i])) {
				r->part[i] = value;
				break;
			}
}

/* ---- labels ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct text_pair *)a)->name, ((const struct text_pair *)b)->name);
}

static size_t count_members(struct json_raw object)
{
	struct json_raw rest = json_raw_inside(object), name, value;
	size_t n = 0;

	while (json_raw_member(&rest, &name, &value))
		n++;
	return n;
}

static int read_label(struct reading *r, struct json_raw name, struct json_raw value)
{
	assert(r->alert->labels);
	struct text_pair *pair = &r->alert->labels[r->alert->n_labels];
	char q[QUOTE_SIZE];

	if (!(pair->name = arena_string(r->memory, name)))
		return -ENOMEM;
	if (pair->name[0] == '\0')
		return refuse(r, "a label has an empty name");
	if (!json_raw_is_string(value))
		return refuse(r, "the value of label \"%s\" is no string", quote(q, pair->name, strlen(pair->name)));
	if (!(pair->value = arena_string(r->memory, value)))
		return -ENOMEM;
	r->alert->n_labels++;
	return 0;
}

/* Alertmanager sends them so. */
static bool is_in_order(const struct alert *a)
{
	for (size_t i = 1; i < a->n_labels; i++)
		if (by_name(&a->labels[i - 1], &a->labels[i]) >= 0)
			return false;
	return true;
}

/* JSON has no name twice, but odd characters may have made two names one. */
static int names_differ(struct reading *r)
{
	const struct alert *a = r->alert;
	char q[QUOTE_SIZE];

	for (size_t i = 1; i < a->n_labels; i++)
		if (by_name(&a->labels[i - 1], &a->labels[i]) == 0)
			return refuse(r, "two labels are called \"%s\"",
			              quote(q, a->labels[i].name, strlen(a->labels[i].name)));
	return 0;
}

static int read_labels(struct reading *r)
{
	struct json_raw labels = is_there(r, LABELS) ? r->part[LABELS] : (struct json_raw) {"{}", 2}, name, value;
	struct alert *a = r->alert;

	if (*labels.text != '{')
		return refuse(r, "the alert's labels are no JSON object");
	size_t n = count_members(labels);
	if (n == 0)
		return refuse(r, "the alert has no labels, so nothing tells what it is about");
	a->labels = arena_take(r->memory, n * sizeof(*a->labels));
	if (!a->labels)
		return -ENOMEM;
	for (struct json_raw rest = json_raw_inside(labels); json_raw_member(&rest, &name, &value);) {
		int err = read_label(r, name, value);
		if (err < 0)
			return err;
	}
	assert(a->n_labels == n);
	if (is_in_order(a))
		return 0;
	qsort(a->labels, n, sizeof(*a->labels), by_name);
	return names_differ(r);
}

/* ---- annotations ---- */

/* These stand in messages, so they are kept before others. */
static const char *const first_kept[] = {"summary",  "description", "value",   "bound",
                                         "baseline", "window",      "samples", "runbook_url"};

static bool is_first(struct json_raw name)
{
	for (size_t i = 0; i < ARRAY_LEN(first_kept); i++)
		if (json_raw_is(name, first_kept[i]))
			return true;
	return false;
}

static bool all_strings(struct json_raw object)
{
	struct json_raw rest = json_raw_inside(object), name, value;

	while (json_raw_member(&rest, &name, &value))
		if (!json_raw_is_string(value))
			return false;
	return true;
}

/* Keeps an annotation as far as there is room: *room are the bytes left for the alert. */
static int keep_annotation(struct reading *r, struct json_raw name, struct json_raw value, size_t *room)
{
	assert(*room <= PAYLOAD_ANNOTATIONS_MAX);
	struct alert *a = r->alert;
	size_t name_len = json_raw_size(name), len = json_raw_size(value);

	if (name_len + 1 > *room / 2) {
		a->annotations_cut++;
		a->bytes_cut += len;
		return 0;
	}
	size_t most = *room - name_len < PAYLOAD_ANNOTATION_MAX ? *room - name_len : PAYLOAD_ANNOTATION_MAX;
	char *text = arena_take(r->memory, (len < most ? len : most) + sizeof(ELLIPSIS));
	struct text_pair *pair = &a->annotations[a->n_annotations++];
	*pair = (struct text_pair) {arena_string(r->memory, name), text};
	if (!pair->name || !text)
		return -ENOMEM;
	size_t kept = json_raw_decode(value, text, len < most ? len : most);
	if (kept < len) {
		memcpy(text + kept, ELLIPSIS, sizeof(ELLIPSIS));
		a->annotations_cut++;
		a->bytes_cut += len - kept;
	}
	*room -= name_len + kept < *room ? name_len + kept : *room;
	return 0;
}

static int keep_annotations(struct reading *r, struct json_raw annotations)
{
	size_t room = PAYLOAD_ANNOTATIONS_MAX, n = count_members(annotations);
	struct json_raw name, value;
	int err = 0;

	/* As many as have room at all: a name has at least one byte, but may be empty once. */
	n = n < PAYLOAD_ANNOTATIONS_MAX ? n : PAYLOAD_ANNOTATIONS_MAX;
	if (n > 0 && !(r->alert->annotations = arena_take(r->memory, n * sizeof(struct text_pair))))
		return -ENOMEM;
	for (int first = 1; first >= 0; first--)
		for (struct json_raw rest = json_raw_inside(annotations);
		     err == 0 && json_raw_member(&rest, &name, &value);)
			if (is_first(name) == first)
				err = keep_annotation(r, name, value, &room);
	assert(r->alert->n_annotations <= n);
	return err;
}

/* ---- the rest of an alert ---- */

static int read_shape(struct reading *r)
{
	assert(r->raw.len > 0);
	if (*r->raw.text != '{')
		return refuse(r, "the alert is no JSON object");
	find_parts(r);
	return 0;
}

static int read_status(struct reading *r)
{
	static const char *const names[] = {[ALERT_FIRING] = "firing", [ALERT_RESOLVED] = "resolved"};
	struct json_raw status = r->part[STATUS];
	char q[QUOTE_SIZE], word[WORD_MAX];

	if (!is_string(r, STATUS))
		return refuse(r, "the alert has no status, which should be \"firing\" or \"resolved\"");
	size_t len = json_raw_decode(status, word, sizeof(word) - 1);
	int v = text_enum_find(names, ARRAY_LEN(names), word);
	if (v < 0 || json_raw_size(status) != len)
		return refuse(r, "the status is \"%s\", and not \"firing\" or \"resolved\"", quote(q, word, len));
	r->alert->status = (enum alert_status)v;
	return 0;
}

/* 0, or -EINVAL. Absent, null and everything before 1970 (Go's zero time, Google's 1970) give 0. */
static int time_or_zero(const struct reading *r, enum part p, int64_t *ret_us)
{
	struct json_raw value = r->part[p];
	char text[TIME_MAX];
	int64_t us = 0;

	if (is_there(r, p)) {
		if (!json_raw_is_string(value) || json_raw_size(value) >= sizeof(text))
			return -EINVAL;
		size_t len = json_raw_decode(value, text, sizeof(text) - 1);
		if (text_time_parse(text, len, &us) < 0)
			return -EINVAL;
	}
	*ret_us = us > 0 ? us : 0;
	return 0;
}

static int read_times(struct reading *r)
{
	struct alert *a = r->alert;

	if (time_or_zero(r, STARTS_AT, &a->starts_at_us) < 0)
		a->starts_at_us = 0; /* a trigger that cannot tell when it began fires all the same */
	if (a->status == ALERT_RESOLVED && time_or_zero(r, ENDS_AT, &a->ends_at_us) < 0)
		a->ends_at_us = 0;
	return 0;
}

static int read_decoration(struct reading *r)
{
	struct json_raw annotations = r->part[ANNOTATIONS];

	if (is_string(r, GENERATOR_URL) && json_raw_size(r->part[GENERATOR_URL]) <= PAYLOAD_URL_MAX)
		r->alert->generator_url = arena_string(r->memory, r->part[GENERATOR_URL]);
	if (!r->alert->generator_url)
		return -ENOMEM;
	if (is_there(r, ANNOTATIONS) && *annotations.text == '{' && all_strings(annotations))
		return keep_annotations(r, annotations);
	return 0;
}

static int read_fingerprint(struct reading *r)
{
	struct alert *a = r->alert;
	struct json_raw sent = r->part[FINGERPRINT];

	if (is_string(r, FINGERPRINT) && json_raw_size(sent) < sizeof(a->fingerprint)) {
		size_t len = json_raw_decode(sent, a->fingerprint, sizeof(a->fingerprint) - 1);
		if (len > 0 && strspn(a->fingerprint, "0123456789abcdefABCDEF") == len)
			return 0;
	}
	snprintf(a->fingerprint, sizeof(a->fingerprint), "%016llx",
	         (unsigned long long)text_fingerprint(a->labels, a->n_labels));
	return 0;
}

/* Whoever is paged for an alert that is rejected has to find it. */
static const char *name_of(struct reading *r)
{
	struct json_raw name;

	if (!is_there(r, LABELS) || !json_raw_find(r->part[LABELS], "alertname", &name) || !json_raw_is_string(name))
		return NULL;
	return arena_string(r->memory, name);
}

/* Nothing half read remains: an alert that can't be acted on is known by its text alone. */
static int alert_reject(struct reading *r)
{
	assert(r->why);
	char hash[65] = "";

	*r->alert = (struct alert) {.rejected = true, .why = r->why, .name = name_of(r), .generator_url = ""};
	if (text_sha256(r->raw.text, r->raw.len, hash) < 0)
		return -ENOMEM;
	hash[sizeof(r->alert->fingerprint) - 1] = '\0';
	memcpy(r->alert->fingerprint, hash, sizeof(r->alert->fingerprint));
	return 0;
}

static int alert_read(struct alert *a, struct json_raw raw, struct arena *memory)
{
	assert(a && memory && raw.text);
	static int (*const parts[])(struct reading *) = {
		read_shape, read_status, read_labels, read_times, read_decoration, read_fingerprint,
	};
	struct reading reading = {.alert = a, .raw = raw, .memory = memory};

	a->generator_url = "";
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int r = parts[i](&reading);
		if (r == -EINVAL)
			return alert_reject(&reading);
		if (r < 0)
			return r;
	}
	return 0;
}

/* ---- the group ---- */

static int fail(struct payload_fault *fault, int error, const char *why)
{
	assert(fault && error < 0 && why);
	snprintf(fault->why, sizeof(fault->why), "%s", why);
	return error;
}

static int fail_json(struct payload_fault *fault, int error, const struct json_fault *json)
{
	const char *why = json->why ? json->why : "wrong";

	if (error == -E2BIG)
		snprintf(fault->why, sizeof(fault->why), "the body holds %s (at byte %zu)", why, json->offset);
	else
		snprintf(fault->why, sizeof(fault->why), "the body is not JSON: %s at byte %zu", why, json->offset);
	return error;
}

static int group_root(const char *body, size_t len, struct json_raw *ret, struct payload_fault *fault)
{
	struct json_fault json = {0};
	size_t blank = 0;

	while (blank < len && strchr(" \t\r\n", body[blank]) && body[blank] != '\0')
		blank++;
	if (blank == len)
		return fail(fault, -EINVAL, "the body is empty");
	int r = json_check(body, len, &json);
	if (r == 0)
		*ret = json_raw_whole(body, len);
	return r == -ENOMEM ? r : r < 0 ? fail_json(fault, r, &json) : 0;
}

/* What is read of a body. text NULL: absent, or null. */
struct group_parts {
	struct json_raw alerts, truncated;
};

static struct group_parts parts_of(struct json_raw root)
{
	struct json_raw rest = json_raw_inside(root), key, value;
	struct group_parts p = {0};

	while (json_raw_member(&rest, &key, &value))
		if (*value.text == 'n')
			continue;
		else if (json_raw_is(key, "alerts"))
			p.alerts = value;
		else if (json_raw_is(key, "truncatedAlerts"))
			p.truncated = value;
	return p;
}

static int group_parts(struct json_raw root, struct group_parts *ret, struct payload_fault *fault)
{
	assert(root.text && ret);
	assert(root.len > 0);
	if (*root.text == '[')
		return fail(fault, -EINVAL,
		            "the body is a bare array: that is what Prometheus posts to /api/v2/alerts. Let "
		            "it post to "
		            "Alertmanager, and Alertmanager's webhook_configs here");
	if (*root.text != '{')
		return fail(fault, -EINVAL, "the body is no JSON object as Alertmanager's webhook sends it");
	*ret = parts_of(root);
	if (!ret->alerts.text)
		return fail(fault, -EINVAL,
		            "the body has no \"alerts\" array: a custom payload template has to keep the "
		            "fields of "
		            "Alertmanager's webhook");
	return *ret->alerts.text == '[' ? 0 : fail(fault, -EINVAL, "\"alerts\" is no array");
}

static int group_count(struct json_raw alerts, size_t *ret, struct payload_fault *fault)
{
	struct json_raw rest = json_raw_inside(alerts), one;

	for (*ret = 0; json_raw_item(&rest, &one); ++*ret)
		if (*ret == PAYLOAD_ALERTS_MAX)
			return fail(fault, -E2BIG,
			            "the body holds more than 20000 alerts: set max_alerts or group them finer");
	return 0;
}

/* Only for counting: a strange value counts as absent. */
static int64_t group_truncated(struct json_raw value)
{
	char digits[24];

	if (!value.text || value.len >= sizeof(digits))
		return 0;
	memcpy(digits, value.text, value.len);
	digits[value.len] = '\0';
	if (strspn(digits, "0123456789") != value.len)
		return 0;
	return strtoll(digits, NULL, 10);
}

static int group_read(struct alert_group *g, struct json_raw alerts, struct payload_fault *fault)
{
	struct json_raw rest = json_raw_inside(alerts), one;
	size_t n = 0;
	int r = group_count(alerts, &n, fault);

	if (r < 0 || n == 0)
		return r;
	g->alerts = calloc(n, sizeof(*g->alerts));
	if (!g->alerts)
		return -ENOMEM;
	while (r == 0 && json_raw_item(&rest, &one)) {
		assert(g->n < n);
		r = alert_read(&g->alerts[g->n++], one, &g->memory);
	}
	return r;
}

int alert_group_parse(const char *body, size_t len, struct alert_group **ret, struct payload_fault *fault)
{
	assert(body || len == 0);
	assert(ret && fault);
	CLEANUP(alert_group_cleanup) struct alert_group *g = calloc(1, sizeof(*g));
	struct json_raw root = {0};
	struct group_parts parts = {0};

	if (!g)
		return -ENOMEM;
	g->memory.max = PAYLOAD_MEMORY_MAX;
	int r = group_root(body, len, &root, fault);
	if (r == 0)
		r = group_parts(root, &parts, fault);
	if (r < 0)
		return r;
	g->truncated = group_truncated(parts.truncated);
	r = group_read(g, parts.alerts, fault);
	if (r == -ENOMEM && g->memory.full)
		return fail(fault, -E2BIG, "the body takes too much memory: set max_alerts or group the alerts finer");
	if (r < 0)
		return r;
	*ret = TAKE(g);
	return 0;
}

size_t alert_group_size(const struct alert_group *g)
{
	assert(g);
	return sizeof(*g) + g->memory.used + g->n * sizeof(*g->alerts);
}

void alert_group_free(struct alert_group *g)
{
	if (!g)
		return;
	for (size_t i = 0; i < g->n; i++)
		free(g->alerts[i].why);
	free(g->alerts);
	arena_free(&g->memory);
	free(g);
}

void alert_group_cleanup(struct alert_group **g)
{
	alert_group_free(*g);
}

const char *alert_label(const struct alert *a, const char *name)
{
	assert(name);
	assert(a->n_labels == 0 || a->labels);
	assert(a);
	struct text_pair key = {name, NULL};
	const struct text_pair *found =
		a->n_labels == 0 ? NULL : bsearch(&key, a->labels, a->n_labels, sizeof(*a->labels), by_name);

	return found ? found->value : NULL;
}

const char *alert_annotation(const struct alert *a, const char *name)
{
	assert(name);
	assert(a->n_annotations == 0 || a->annotations);
	assert(a);
	for (size_t i = 0; i < a->n_annotations; i++)
		if (strcmp(a->annotations[i].name, name) == 0)
			return a->annotations[i].value;
	return NULL;
}
