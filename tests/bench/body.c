#include "tests/bench/body.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DIGITS     16
#define PER_ALERT  1400
#define ROOM_APART 2000

static const char head[] = "{\"receiver\":\"rollbackd\",\"status\":\"firing\",\"alerts\":[";
static const char tail[] = "],\"groupLabels\":{\"alertname\":\"HighRequestLatency\"},\"commonLabels\":{\"alertname\":"
			   "\"HighRequestLatency\","
			   "\"job\":\"checkout\",\"severity\":\"warning\"},\"commonAnnotations\":{},"
			   "\"externalURL\":\"http://alertmanager.example.com:9093\",\"version\":\"4\","
			   "\"groupKey\":\"{}:{alertname=\\\"HighRequestLatency\\\"}\",\"truncatedAlerts\":0}\n";
static const char mark[] = "################";

static void now_text(char out[40])
{
	time_t now = time(NULL);
	struct tm t;

	strftime(out, 40, "%Y-%m-%dT%H:%M:%S.123Z", gmtime_r(&now, &t));
}

static int alert_text(char *out, size_t size, const char *labels)
{
	char now[40];

	now_text(now);
	return snprintf(
		out, size,
		"{\"status\":\"firing\",\"labels\":{\"alertname\":\"HighRequestLatency\",%s\"cluster\":\"eu-central-"
		"1\","
		"\"instance\":\"node-%s.example.com:9100\",\"job\":\"checkout\",\"namespace\":\"shop\","
		"\"pod\":\"checkout-7d9c5b8f6d-x2x7p\",\"prometheus\":\"monitoring/k8s\",\"severity\":\"warning\"},"
		"\"annotations\":{\"description\":\"The 99th percentile of checkout is at 1.24 s for more than five "
		"minutes, which is above its bound of 1 s.\",\"runbook_url\":"
		"\"https://runbooks.example.com/checkout/latency\",\"summary\":\"Requests of checkout are slow\"},"
		"\"startsAt\":\"%s\",\"endsAt\":\"0001-01-01T00:00:00Z\",\"generatorURL\":"
		"\"http://prometheus.example.com:9090/graph?g0.expr=histogram_quantile%%280.99%%2C+sum+by+%%28le%%29+"
		"%%28rate%%28http_request_duration_seconds_bucket%%5B5m%%5D%%29%%29%%29+%%3E+1\\u0026g0.tab=1\","
		"\"fingerprint\":\"%s\"}",
		labels, mark, now, mark);
}

static int find_slots(struct body *b, unsigned alerts)
{
	size_t n = 0;

	b->slots = calloc((size_t)alerts * 2, sizeof(*b->slots));
	if (!b->slots)
		return -ENOMEM;
	for (char *at = b->text; (at = strstr(at, mark)) != NULL; at += DIGITS) {
		assert(n < (size_t)alerts * 2);
		b->slots[n++] = (size_t)(at - b->text);
	}
	assert(n == (size_t)alerts * 2);
	return 0;
}

static void add(struct body *b, const char *text)
{
	size_t len = strlen(text);

	memcpy(b->text + b->len, text, len + 1);
	b->len += len;
}

int body_make(const struct body_shape *s, struct body *ret)
{
	assert(s && s->alerts > 0 && s->labels && ret);
	char one[PER_ALERT * 2];
	int len = alert_text(one, sizeof(one), s->labels);

	assert(len > 0 && (size_t)len < sizeof(one));
	*ret = (struct body) {.text = malloc((size_t)(len + 1) * s->alerts + ROOM_APART), .alerts = s->alerts};
	if (!ret->text)
		return -ENOMEM;
	add(ret, s->array ? "[" : head);
	for (unsigned i = 0; i < s->alerts; i++) {
		add(ret, i ? "," : "");
		add(ret, one);
	}
	add(ret, s->array ? "]" : tail);
	return find_slots(ret, s->alerts);
}

static void write_number(char *at, uint64_t number)
{
	static const char hex[] = "0123456789abcdef";

	for (int i = DIGITS - 1; i >= 0; i--, number >>= 4)
		at[i] = hex[number & 15];
}

/* One to one, so different alerts stay different, and spread as a hash is (the finalizer of splitmix64). */
static uint64_t spread(uint64_t x)
{
	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

void body_number(const struct body *b, char *copy, uint64_t serial)
{
	assert(b->slots && copy);
	for (unsigned i = 0; i < b->alerts; i++) {
		write_number(copy + b->slots[2 * i], serial + i);
		write_number(copy + b->slots[2 * i + 1], spread(serial + i));
	}
}

void body_free(struct body *b)
{
	free(b->text);
	free(b->slots);
	*b = (struct body) {0};
}
