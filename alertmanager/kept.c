#include "alertmanager/kept.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* They name the alert, or are asked for again when it is over. */
static const char *const first_kept[] = {"alertname", "rollout", "action", "severity", "scenario", "drill"};

struct candidate {
	const struct text_pair *pair;
	size_t size;
	bool first;
};

static bool is_first(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(first_kept); i++)
		if (strcmp(first_kept[i], name) == 0)
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

	for (i = 0; i < n && i < KEPT_LABELS_MAX; i++) {
		bytes += list[i].size;
		if (bytes > KEPT_LABEL_BYTES)
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
	qsort(list, a->n_labels, sizeof(*list), by_worth);
	*ret_n = that_fit(list, a->n_labels);
	qsort(list, *ret_n, sizeof(*list), by_name);
	*ret = list;
	return 0;
}

static struct json_object *labels_json(const struct candidate *list, size_t n)
{
	assert(n <= KEPT_LABELS_MAX);
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < n; i++)
		json_add_str(o, list[i].pair->name, list[i].pair->value);
	return o;
}

static void say_missing(struct json_object *annotations, const struct alert *a, size_t labels_missing)
{
	struct buf text = BUF(200);

	if (labels_missing)
		buf_printf(&text, "%zu labels", labels_missing);
	if (a->annotations_cut)
		buf_printf(&text, "%s%zu bytes of %zu annotations", labels_missing ? " and " : "", a->bytes_cut,
		           a->annotations_cut);
	if (text.len)
		json_add_str(annotations, KEPT_SAID, buf_text(&text));
	buf_free(&text);
}

static struct json_object *annotations_json(const struct alert *a, size_t labels_missing)
{
	struct json_object *o = json_object_new_object();

	for (size_t i = 0; i < a->n_annotations; i++)
		json_add_str(o, a->annotations[i].name, a->annotations[i].value);
	say_missing(o, a, labels_missing);
	return o;
}

int alert_keep(const struct alert *a, struct alert_kept *ret)
{
	assert(a && ret);
	assert(!a->rejected || a->n_labels == 0);
	CLEANUP(json_cleanup) struct json_object *labels = NULL, *annotations = NULL;
	CLEANUP(cleanup_free) struct candidate *list = NULL;
	size_t n = 0;
	int r = choose(a, &list, &n);

	if (r < 0)
		return r;
	labels = labels_json(list, n);
	annotations = annotations_json(a, a->n_labels - n);
	struct alert_kept k = {strdup(json_text(labels)), strdup(json_text(annotations))};
	if (!k.labels || !k.annotations) {
		alert_kept_free(&k);
		return -ENOMEM;
	}
	*ret = k;
	return 0;
}

void alert_kept_free(struct alert_kept *k)
{
	assert(k);
	free(k->labels);
	free(k->annotations);
	*k = (struct alert_kept) {0};
}
