#include "handlers/gates/unheard.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/incident/drill.h"
#include "handlers/incident/intake.h"
#include "server/core/text.h"

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct text_pair *)a)->name, ((const struct text_pair *)b)->name);
}

/* The labels that Alertmanager was told of, but for external ones, sorted. labels: room for all of the series'. */
static size_t read_labels(struct json_object *metric, struct text_pair *labels)
{
	size_t n = 0;

	json_object_object_foreach(metric, name, value)
	{
		if (strcmp(name, "__name__") != 0 && strcmp(name, "alertstate") != 0)
			labels[n++] = (struct text_pair) {name, json_object_get_string(value)};
	}
	qsort(labels, n, sizeof(*labels), by_name);
	return n;
}

static int is_trigger_of(const struct settings *s, const struct rollout *r, const struct alert *a)
{
	struct route route;
	int yes = route_alert(s, a, &route);

	if (yes < 0)
		return yes;
	for (size_t i = 0; route.playbook && i < route.n_rollouts && !yes; i++)
		yes = route.rollouts[i] == r;
	route_free(&route);
	return yes;
}

static bool is_known(struct json_object *metric, struct json_object *const *known, size_t n)
{
	const char *name = json_str_or(metric, "alertname", "");

	for (size_t i = 0; i < n; i++) {
		bool same = known[i] && !strcmp(json_str_or(known[i], "alertname", ""), name);

		json_object_object_foreach(metric, label, value)
		{
			struct json_object *there = NULL;

			if (same && known[i] && json_object_object_get_ex(known[i], label, &there))
				same = json_object_equal(value, there);
		}
		if (same)
			return true;
	}
	return false;
}

static int look_at(const struct settings *s, const struct rollout *r, struct json_object *metric,
                   struct json_object *const *known, size_t n_known, struct unheard *ret)
{
	size_t most = metric ? (size_t)json_object_object_length(metric) : 0;
	CLEANUP(cleanup_free) struct text_pair *labels = calloc(most + 1, sizeof(*labels));
	struct alert a = {.status = ALERT_FIRING, .labels = labels, .generator_url = ""};

	if (!labels)
		return -ENOMEM;
	a.n_labels = most ? read_labels(metric, labels) : 0;
	if (!a.n_labels || drill_is(&a))
		return 0;
	int yes = is_trigger_of(s, r, &a);
	if (yes <= 0 || is_known(metric, known, n_known))
		return yes < 0 ? yes : 0;
	if (ret->n++ < UNHEARD_MAX) {
		struct unheard_alert *one = &ret->list[ret->n - 1];

		one->fingerprint = text_fingerprint(labels, a.n_labels);
		snprintf(one->name, sizeof(one->name), "%s", json_str_or(metric, "alertname", ""));
	}
	return 0;
}

int unheard_find(const struct settings *s, const struct rollout *r, const struct prom_vector *firing,
                 char *const *known, size_t n, struct unheard *ret)
{
	assert(s && r && firing && ret);
	struct json_object **parsed = calloc(n ? n : 1, sizeof(struct json_object *));
	int err = parsed ? 0 : -ENOMEM;

	*ret = (struct unheard) {0};
	for (size_t i = 0; parsed && i < n; i++)
		parsed[i] = json_tokener_parse(known[i]);
	for (size_t i = 0; err == 0 && i < firing->n; i++)
		err = look_at(s, r, firing->samples[i].metric, parsed, n, ret);
	for (size_t i = 0; parsed && i < n; i++)
		json_object_put(parsed[i]);
	free(parsed);
	return err;
}
