#include "alertmanager/payload_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

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

/* A body being read. What is wrong with its meaning is told only when all of it is JSON. */
struct body {
	struct json_reader json;
	struct members members;
	struct alert_group *g;
	const struct payload_judge *judge; /* NULL: more than may be are refused */
	size_t n, cap;                     /* of alerts: seen, and room for them */
	bool is_object;                    /* what it is as a whole … */
	bool is_array;                     /* … */
	bool has_alerts;                   /* … there is something called so … */
	bool alerts_list;                  /* … and it is an array */
	int error; /* -ENOMEM, or what judge said, once: nothing more is read, and all is checked */
};

static struct alert *room_for_alert(struct body *b)
{
	struct alert_group *g = b->g;

	assert(g->n <= b->cap);
	if (g->n == b->cap) {
		size_t cap = b->cap ? 2 * b->cap : 1;
		struct alert *more = reallocarray(g->alerts, cap, sizeof(*more));
		if (!more)
			return NULL;
		g->alerts = more;
		b->cap = cap;
	}
	g->alerts[g->n] = (struct alert) {0};
	return &g->alerts[g->n++];
}

static int keep(struct body *b, const struct alert *a, struct arena *own)
{
	struct alert *to = room_for_alert(b);

	if (!to)
		return -ENOMEM;
	*to = *a;
	arena_join(&b->g->memory, own);
	return 0;
}

static void leave_out(struct alert_group *g, const struct alert *a, bool deciding)
{
	const char *name = a->rejected ? a->name : alert_label(a, "alertname");

	g->left_out++;
	if (deciding && g->left_out_deciding++ == 0 && name)
		g->left_out_name = arena_text(&g->memory, name, strlen(name));
}

/* One beyond PAYLOAD_ALERTS_MAX lives in memory of its own until it is known whether it is kept. */
static int read_excess(struct body *b, enum json_token began)
{
	struct arena own = {.max = b->g->memory.max - b->g->memory.used};
	struct alert a = {0};
	int err = alert_read(&b->json, began, &b->members, &own, &a), deciding = 0;

	if (err == 0)
		err = deciding = b->judge->decides(b->judge->arg, &a);
	if (deciding == 1 && b->g->n < PAYLOAD_ALERTS_MAX + PAYLOAD_DECIDING_MAX && (err = keep(b, &a, &own)) == 0)
		return 0;
	if (err >= 0)
		leave_out(b->g, &a, deciding == 1);
	free(a.why);
	b->g->memory.full |= own.full;
	arena_free(&own);
	return err < 0 ? err : 0;
}

/* Only -EBADMSG ends the reading. */
static int read_alert(struct body *b, enum json_token began)
{
	struct payload_piece rest;

	bool excess = ++b->n > PAYLOAD_ALERTS_MAX;
	struct alert *a;
	int err;

	if (b->error || (excess && !b->judge))
		return piece_take(&b->json, began, &rest);
	if (excess) {
		err = read_excess(b, began);
	} else if ((a = room_for_alert(b))) {
		err = alert_read(&b->json, began, &b->members, &b->g->memory, a);
	} else {
		b->error = -ENOMEM;
		return piece_take(&b->json, began, &rest);
	}
	if (err < 0 && err != -EBADMSG)
		b->error = err;
	return err == -EBADMSG ? err : 0;
}

static int read_alerts(struct body *b)
{
	enum json_token t;

	while ((t = json_next(&b->json)) != JSON_ARRAY_END) {
		int err = t == JSON_FAULT ? -EBADMSG : read_alert(b, t);
		if (err < 0)
			return err;
	}
	return 0;
}

static int read_member(struct body *b, const struct payload_piece *name, enum json_token t)
{
	bool null = t == JSON_LITERAL && *b->json.token.text == 'n';
	struct payload_piece value;

	if (piece_is_called(name, "alerts", strlen("alerts"))) {
		b->has_alerts = !null;
		b->alerts_list = t == JSON_ARRAY;
		if (t == JSON_ARRAY)
			return read_alerts(b);
	}
	int err = piece_take(&b->json, t, &value);
	if (err == 0 && piece_is_called(name, "truncatedAlerts", strlen("truncatedAlerts")))
		b->g->truncated = group_truncated(value.raw);
	return err;
}

/* 0, or -EBADMSG. */
static int read_body(struct body *b)
{
	enum json_token t = json_next(&b->json);
	struct payload_piece other;
	int err = 0;

	b->is_object = t == JSON_OBJECT;
	b->is_array = t == JSON_ARRAY;
	if (!b->is_object)
		err = t == JSON_FAULT ? -EBADMSG : piece_take(&b->json, t, &other);
	while (b->is_object && err == 0 && json_next(&b->json) == JSON_KEY) {
		struct payload_piece name = piece_key(&b->json);

		err = read_member(b, &name, json_next(&b->json));
	}
	return err == 0 && json_next(&b->json) == JSON_END ? 0 : -EBADMSG;
}

static int judge_body(const struct body *b, struct payload_fault *fault)
{
	if (b->is_array)
		return fail(fault, -EINVAL,
		            "the body is a bare array: that is what Prometheus posts to /api/v2/alerts. Let "
		            "it post to "
		            "Alertmanager, and Alertmanager's webhook_configs here");
	if (!b->is_object)
		return fail(fault, -EINVAL, "the body is no JSON object as Alertmanager's webhook sends it");
	if (!b->has_alerts)
		return fail(fault, -EINVAL,
		            "the body has no \"alerts\" array: a custom payload template has to keep the "
		            "fields of "
		            "Alertmanager's webhook");
	if (!b->alerts_list)
		return fail(fault, -EINVAL, "\"alerts\" is no array");
	if (b->n > PAYLOAD_ALERTS_MAX && !b->judge)
		return fail(fault, -E2BIG, "the body holds more than 20000 alerts: set max_alerts or group them finer");
	if (b->error && b->g->memory.full)
		return fail(fault, -E2BIG, "the body takes too much memory: set max_alerts or group the alerts finer");
	return b->error;
}

static bool is_empty(const char *body, size_t len)
{
	while (len > 0 && *body != '\0' && strchr(" \t\r\n", *body)) {
		body++;
		len--;
	}
	return len == 0;
}

int alert_group_parse(const char *body, size_t len, struct alert_group **ret, struct payload_fault *fault)
{
	return alert_group_parse_judged(body, len, NULL, ret, fault);
}

int alert_group_parse_judged(const char *body, size_t len, const struct payload_judge *judge, struct alert_group **ret,
                             struct payload_fault *fault)
{
	assert(body || len == 0);
	assert(ret && fault);
	CLEANUP(alert_group_cleanup) struct alert_group *g = calloc(1, sizeof(*g));
	struct body b;

	if (!g)
		return -ENOMEM;
	if (is_empty(body, len))
		return fail(fault, -EINVAL, "the body is empty");
	g->memory.max = PAYLOAD_MEMORY_MAX;
	memset(&b.members, 0, sizeof(b) - offsetof(struct body, members));
	b.g = g;
	b.judge = judge;
	json_reader_begin(&b.json, body, len, SIZE_MAX);
	int r = read_body(&b);
	json_reader_end(&b.json);
	free(b.members.item);
	if (r < 0 && b.json.error)
		return b.json.error == -ENOMEM ? -ENOMEM : fail_json(fault, b.json.error, &b.json.fault);
	assert(r == 0);
	r = judge_body(&b, fault);
	if (r == 0)
		*ret = TAKE(g);
	return r;
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

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct text_pair *)a)->name, ((const struct text_pair *)b)->name);
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
