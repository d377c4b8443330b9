#include "alertmanager/payload_private.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alertmanager/quote.h"

#define TIME_MAX      64 /* bytes; an RFC 3339 time with nanoseconds has 35 */
#define WORD_MAX      64
#define MEMBERS_FIRST 32
/* Bytes of an object: of longer ones not all is kept on record, or they are rare. */
#define AS_SENT_MAX 8192
#define ELLIPSIS    "\xe2\x80\xa6"

/* ---- pieces ---- */

bool piece_is_called(const struct payload_piece *name, const char *wanted, size_t len)
{
	if (!name->as_is)
		return json_raw_is(name->raw, wanted);
	return name->raw.len == len + 2 && !memcmp(name->raw.text + 1, wanted, len);
}

int piece_take(struct json_reader *json, enum json_token began, struct payload_piece *ret)
{
	assert(json && ret);
	*ret = (struct payload_piece) {.as_is = began == JSON_STRING && json->as_is};
	ret->raw = json_take_value(json, began);
	return ret->raw.text ? 0 : -EBADMSG;
}

struct payload_piece piece_key(const struct json_reader *json)
{
	return (struct payload_piece) {json->token, json->as_is};
}

/* What is read of an alert. */
enum part { STATUS, LABELS, ANNOTATIONS, STARTS_AT, ENDS_AT, GENERATOR_URL, FINGERPRINT, PARTS };

static const char *const part_names[PARTS] = {
	[STATUS] = "status",           [LABELS] = "labels",  [ANNOTATIONS] = "annotations",
	[STARTS_AT] = "startsAt",      [ENDS_AT] = "endsAt", [GENERATOR_URL] = "generatorURL",
	[FINGERPRINT] = "fingerprint",
};

/* One alert being read. */
struct reading {
	struct json_reader *json;
	struct members *members;
	struct alert *alert;
	struct json_raw raw; /* the alert as sent */
	struct payload_piece part[PARTS];
	struct {
		size_t from, n;
	} list[PARTS]; /* of labels and annotations, in members */
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
	return r->part[p].raw.text != NULL;
}

static bool is_string(const struct reading *r, enum part p)
{
	return is_there(r, p) && json_raw_is_string(r->part[p].raw);
}

static char *text_of(struct arena *memory, const struct payload_piece *p)
{
	return p->as_is ? arena_text(memory, p->raw.text + 1, p->raw.len - 2) : arena_string(memory, p->raw);
}

static size_t size_of(const struct payload_piece *p)
{
	return p->as_is ? p->raw.len - 2 : json_raw_size(p->raw);
}

/* ---- the tokens ---- */

static struct member *one_more(struct members *m)
{
	if (m->n == m->cap) {
		size_t cap = m->cap ? 2 * m->cap : MEMBERS_FIRST;
		struct member *item = reallocarray(m->item, cap, sizeof(*item));
		if (!item)
			return NULL;
		m->item = item;
		m->cap = cap;
	}
	return &m->item[m->n++];
}

/* An object of which all is kept. */
static int take_members(struct reading *r, enum part p)
{
	enum json_token t;

	r->list[p].from = r->members->n;
	while ((t = json_next(r->json)) == JSON_KEY) {
		struct member *m = one_more(r->members);

		if (!m)
			return -ENOMEM;
		m->name = piece_key(r->json);
		int err = piece_take(r->json, json_next(r->json), &m->value);
		if (err < 0)
			return err;
	}
	r->list[p].n = r->members->n - r->list[p].from;
	return t == JSON_OBJECT_END ? 0 : -EBADMSG;
}

static int take_part(struct reading *r, enum part p, enum json_token began)
{
	struct json_reader *json = r->json;
	const char *from = json->token.text;

	if (began != JSON_OBJECT || (p != LABELS && p != ANNOTATIONS))
		return piece_take(json, began, &r->part[p]);
	int err = take_members(r, p);
	r->part[p].raw = (struct json_raw) {from, (size_t)(json->text + json->at - from)};
	return err;
}

static enum part part_of(const struct payload_piece *name)
{
	enum part p = 0;

	while (p < PARTS && !piece_is_called(name, part_names[p], strlen(part_names[p])))
		p++;
	return p;
}

static int take_parts(struct reading *r)
{
	enum json_token t;
	int err = 0;

	while (err == 0 && (t = json_next(r->json)) == JSON_KEY) {
		struct payload_piece name = piece_key(r->json), other;
		enum part p = part_of(&name);

		t = json_next(r->json);
		if (p < PARTS && !(t == JSON_LITERAL && *r->json->token.text == 'n'))
			err = take_part(r, p, t);
		else
			err = piece_take(r->json, t, &other);
	}
	return err < 0 ? err : t == JSON_OBJECT_END ? 0 : -EBADMSG;
}

/* All of an alert, whatever it is. */
static int take_alert(struct reading *r, enum json_token began)
{
	const char *from = r->json->token.text;
	struct payload_piece whole;
	int err = began == JSON_OBJECT ? take_parts(r) : piece_take(r->json, began, &whole);

	r->raw = (struct json_raw) {from, (size_t)(r->json->text + r->json->at - from)};
	return err;
}

/* ---- labels ---- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct text_pair *)a)->name, ((const struct text_pair *)b)->name);
}

static int read_label(struct reading *r, const struct member *m)
{
	assert(r->alert->labels);
	struct text_pair *pair = &r->alert->labels[r->alert->n_labels];
	char q[QUOTE_SIZE];

	if (!(pair->name = text_of(r->memory, &m->name)))
		return -ENOMEM;
	if (pair->name[0] == '\0')
		return refuse(r, "a label has an empty name");
	if (!json_raw_is_string(m->value.raw))
		return refuse(r, "the value of label \"%s\" is no string", quote(q, pair->name, strlen(pair->name)));
	if (!(pair->value = text_of(r->memory, &m->value)))
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

/* The object as sent, when it is what would be written of it: nothing stands between its strings, and they stand for
 * themselves. NULL: it is not, or is too long to be kept. */
static const char *as_sent(struct reading *r, enum part p)
{
	const struct member *m = r->members->item + r->list[p].from;
	size_t n = r->list[p].n, len = n ? n + 1 : 2; /* braces and commas */

	for (size_t i = 0; i < n && m[i].name.as_is && m[i].value.as_is; i++)
		len += m[i].name.raw.len + 1 + m[i].value.raw.len;
	if (len != r->part[p].raw.len || len > AS_SENT_MAX)
		return NULL;
	return arena_text(r->memory, r->part[p].raw.text, len);
}

static int read_labels(struct reading *r)
{
	size_t n = r->list[LABELS].n;
	struct alert *a = r->alert;

	if (is_there(r, LABELS) && *r->part[LABELS].raw.text != '{')
		return refuse(r, "the alert's labels are no JSON object");
	if (n == 0)
		return refuse(r, "the alert has no labels, so nothing tells what it is about");
	a->labels = arena_take(r->memory, n * sizeof(*a->labels));
	if (!a->labels)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++) {
		int err = read_label(r, &r->members->item[r->list[LABELS].from + i]);
		if (err < 0)
			return err;
	}
	assert(a->n_labels == n);
	if (is_in_order(a)) {
		a->labels_as_sent = as_sent(r, LABELS);
		return 0;
	}
	qsort(a->labels, n, sizeof(*a->labels), by_name);
	return names_differ(r);
}

/* ---- annotations ---- */

/* These stand in messages, so they are kept before others. */
static const char *const first_kept[] = {"summary",  "description", "value",   "bound",
                                         "baseline", "window",      "samples", "runbook_url"};

static bool is_first(const struct payload_piece *name)
{
	for (size_t i = 0; i < ARRAY_LEN(first_kept); i++)
		if (piece_is_called(name, first_kept[i], strlen(first_kept[i])))
			return true;
	return false;
}

static bool all_strings(const struct member *m, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (!json_raw_is_string(m[i].value.raw))
			return false;
	return true;
}

/* Keeps an annotation as far as there is room: *room are the bytes left for the alert. */
static int keep_annotation(struct reading *r, const struct member *m, size_t *room)
{
	assert(*room <= PAYLOAD_ANNOTATIONS_MAX);
	struct alert *a = r->alert;
	size_t name_len = size_of(&m->name), len = size_of(&m->value);

	if (name_len + 1 > *room / 2) {
		a->annotations_cut++;
		a->bytes_cut += len;
		return 0;
	}
	size_t most = *room - name_len < PAYLOAD_ANNOTATION_MAX ? *room - name_len : PAYLOAD_ANNOTATION_MAX;
	char *text = arena_take(r->memory, (len < most ? len : most) + sizeof(ELLIPSIS));
	struct text_pair *pair = &a->annotations[a->n_annotations++];
	*pair = (struct text_pair) {text_of(r->memory, &m->name), text};
	if (!pair->name || !text)
		return -ENOMEM;
	size_t kept = json_raw_decode(m->value.raw, text, len < most ? len : most);
	if (kept < len) {
		memcpy(text + kept, ELLIPSIS, sizeof(ELLIPSIS));
		a->annotations_cut++;
		a->bytes_cut += len - kept;
	}
	*room -= name_len + kept < *room ? name_len + kept : *room;
	return 0;
}

static int keep_annotations(struct reading *r, const struct member *m, size_t n)
{
	size_t room = PAYLOAD_ANNOTATIONS_MAX;
	int err = 0;

	/* As many as have room at all: a name has at least one byte, but may be empty once. */
	size_t most = n < PAYLOAD_ANNOTATIONS_MAX ? n : PAYLOAD_ANNOTATIONS_MAX;
	if (n > 0 && !(r->alert->annotations = arena_take(r->memory, most * sizeof(struct text_pair))))
		return -ENOMEM;
	for (int first = 1; first >= 0; first--)
		for (size_t i = 0; err == 0 && i < n; i++)
			if (is_first(&m[i].name) == first)
				err = keep_annotation(r, &m[i], &room);
	assert(r->alert->n_annotations <= most);
	if (err == 0 && !r->alert->annotations_cut)
		r->alert->annotations_as_sent = as_sent(r, ANNOTATIONS);
	return err;
}

/* ---- the rest of an alert ---- */

static int read_shape(struct reading *r)
{
	assert(r->raw.len > 0);
	return *r->raw.text == '{' ? 0 : refuse(r, "the alert is no JSON object");
}

static int read_status(struct reading *r)
{
	static const char *const names[] = {[ALERT_FIRING] = "firing", [ALERT_RESOLVED] = "resolved"};
	struct json_raw status = r->part[STATUS].raw;
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
	struct json_raw value = r->part[p].raw;
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
	const struct payload_piece *url = &r->part[GENERATOR_URL], *annotations = &r->part[ANNOTATIONS];
	const struct member *m = r->members->item + r->list[ANNOTATIONS].from;
	size_t n = r->list[ANNOTATIONS].n;

	if (is_string(r, GENERATOR_URL) && size_of(url) <= PAYLOAD_URL_MAX)
		r->alert->generator_url = text_of(r->memory, url);
	if (!r->alert->generator_url)
		return -ENOMEM;
	if (is_there(r, ANNOTATIONS) && *annotations->raw.text == '{' && all_strings(m, n))
		return keep_annotations(r, m, n);
	return 0;
}

static int read_fingerprint(struct reading *r)
{
	struct alert *a = r->alert;
	struct json_raw sent = r->part[FINGERPRINT].raw;

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
	for (size_t i = 0; i < r->list[LABELS].n; i++) {
		const struct member *m = &r->members->item[r->list[LABELS].from + i];

		if (piece_is_called(&m->name, "alertname", strlen("alertname")))
			return json_raw_is_string(m->value.raw) ? text_of(r->memory, &m->value) : NULL;
	}
	return NULL;
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

/* What was taken of it, judged part by part. */
static int alert_judge(struct reading *r)
{
	assert(r->raw.text && !r->why);
	static int (*const parts[])(struct reading *) = {
		read_shape, read_status, read_labels, read_times, read_decoration, read_fingerprint,
	};

	r->alert->generator_url = "";
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		int err = parts[i](r);
		if (err == -EINVAL)
			return alert_reject(r);
		if (err < 0)
			return err;
	}
	return 0;
}

int alert_read(struct json_reader *json, enum json_token began, struct members *members, struct arena *memory,
               struct alert *a)
{
	assert(json && members && memory && a && !a->why);
	struct reading r = {.json = json, .members = members, .memory = memory, .alert = a};

	members->n = 0;
	int err = take_alert(&r, began);
	return err < 0 ? err : alert_judge(&r);
}
