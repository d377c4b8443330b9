#include "alertmanager/truncate.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Six times what is kept: that is what JSON makes of control characters. */
#define TEXT_MAX (6 * (PAYLOAD_ANNOTATIONS_MAX + TRUNCATE_LABEL_BYTES) + 4096)

/* They name the alert, or are asked for again when it is over. */
static const char *const first_labels[] = {"alertname", "rollout", "action", "severity", "scenario", "drill"};

struct candidate {
	const struct text_pair *pair;
	size_t size;
	bool first;
};

static bool is_first(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(first_labels); i++)
		if (strcmp(first_labels[i], name) == 0)
			return true;
	return false;
}

static int by_worth(const void *pa, const void *pb)
{
	const struct candidate *a = pa, *b = pb;

	if (a->first != b->first)
		return a->first ? -1 : 1;
	if (a->size != b->size)
		return a->size < b->size ? -1 : 1;
	return strcmp(a->pair->name, b->pair->name);
}

static int by_name(const void *pa, const void *pb)
{
	return strcmp(((const struct candidate *)pa)->pair->name, ((const struct candidate *)pb)->pair->name);
}

/* How many of the best fit. */
static size_t that_fit(const struct candidate *list, size_t n)
{
	size_t bytes = 0, i;

	for (i = 0; i < n && i < TRUNCATE_LABELS_MAX; i++) {
		bytes += list[i].size;
		if (bytes > TRUNCATE_LABEL_BYTES)
			break;
	}
	return i;
}

static int choose(const struct alert *a, struct candidate **ret, size_t *ret_n)
{
	assert(ret && ret_n);
	struct candidate *list = calloc(a->n_labels ? a->n_labels : 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	for (size_t i = 0; i < a->n_labels; i++) {
		const struct text_pair *p = &a->labels[i];

		list[i] = (struct candidate) {p, strlen(p->name) + strlen(p->value), is_first(p->name)};
	}
	*ret_n = that_fit(list, a->n_labels);
	*ret = list;
	if (*ret_n == a->n_labels) /* nearly always; and they are in order */
		return 0;
	qsort(list, a->n_labels, sizeof(*list), by_worth);
	*ret_n = that_fit(list, a->n_labels);
	qsort(list, *ret_n, sizeof(*list), by_name);
	return 0;
}

static void write_pair(struct buf *b, const struct text_pair *p)
{
	buf_char(b, b->len ? ',' : '{');
	json_write_str(b, p->name);
	buf_char(b, ':');
	json_write_str(b, p->value);
}

static char *object(struct buf *b)
{
	buf_str(b, b->len ? "}" : "{}");
	if (!b->error)
		return buf_take(b);
	buf_free(b);
	return NULL;
}

static char *labels_json(const struct candidate *list, size_t n)
{
	assert(n <= TRUNCATE_LABELS_MAX);
	struct buf b = BUF(TEXT_MAX);

	for (size_t i = 0; i < n; i++)
		write_pair(&b, list[i].pair);
	return object(&b);
}

/* What is missing, or "". */
static void missing(const struct alert *a, size_t labels_missing, char *out, size_t size)
{
	char labels[60] = "", annotations[100] = "";

	if (labels_missing)
		snprintf(labels, sizeof(labels), "%zu %s%s", labels_missing,
		         text_many((int64_t)labels_missing, "label", "labels"), a->annotations_cut ? " and " : "");
	if (a->annotations_cut)
		snprintf(annotations, sizeof(annotations), "%zu %s of %zu %s", a->bytes_cut,
		         text_many((int64_t)a->bytes_cut, "byte", "bytes"), a->annotations_cut,
		         text_many((int64_t)a->annotations_cut, "annotation", "annotations"));
	snprintf(out, size, "%s%s", labels, annotations);
}

/* Odd characters may have made two names one, and our own may be there already: of those, the last counts. */
static bool may_be_twice(const struct alert *a)
{
	for (size_t i = 0; i < a->n_annotations; i++)
		if (text_was_replaced(a->annotations[i].name) || !strcmp(a->annotations[i].name, TRUNCATE_NOTE))
			return true;
	return false;
}

static char *each_once(const struct alert *a, const char *not_kept)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < a->n_annotations; i++)
		json_add_str(o, a->annotations[i].name, a->annotations[i].value);
	if (not_kept[0])
		json_add_str(o, TRUNCATE_NOTE, not_kept);
	return strdup(json_text(o));
}

static char *annotations_json(const struct alert *a, size_t labels_missing)
{
	struct buf b = BUF(TEXT_MAX);
	char not_kept[200];

	missing(a, labels_missing, not_kept, sizeof(not_kept));
	if (may_be_twice(a))
		return each_once(a, not_kept);
	for (size_t i = 0; i < a->n_annotations; i++)
		write_pair(&b, &a->annotations[i]);
	if (not_kept[0])
		write_pair(&b, &(struct text_pair) {TRUNCATE_NOTE, not_kept});
	return object(&b);
}

/* Nothing of it is cut: what was sent is what is kept. */
static bool labels_stay(const struct alert *a)
{
	return a->labels_as_sent && a->n_labels <= TRUNCATE_LABELS_MAX &&
	       strlen(a->labels_as_sent) <= TRUNCATE_LABEL_BYTES;
}

int alert_truncate(const struct alert *a, struct truncated_alert *ret)
{
	assert(a && ret);
	assert(!a->rejected || a->n_labels == 0);
	CLEANUP(cleanup_free) struct candidate *list = NULL;
	struct truncated_alert k = {.labels = labels_stay(a) ? a->labels_as_sent : NULL};
	size_t n = a->n_labels;

	if (!k.labels) {
		int r = choose(a, &list, &n);
		if (r < 0)
			return r;
		k.labels = k.own_labels = labels_json(list, n);
	}
	if (a->annotations_as_sent && n == a->n_labels)
		k.annotations = a->annotations_as_sent;
	else
		k.annotations = k.own_annotations = annotations_json(a, a->n_labels - n);
	if (!k.labels || !k.annotations) {
		truncated_alert_free(&k);
		return -ENOMEM;
	}
	*ret = k;
	return 0;
}

void truncated_alert_free(struct truncated_alert *k)
{
	assert(k);
	free(k->own_labels);
	free(k->own_annotations);
	*k = (struct truncated_alert) {0};
}
