#include "handlers/checks/symptoms.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alertmanager/promql.h"
#include "server/core/clock.h"
#include "server/core/json.h"
#include "server/core/text.h"

#define QUERY_MAX  (64 * 1024)
#define LABELS_MAX 64

static const char mark[] = "${onset}";

int symptom_query(struct buf *b, const char *query, int64_t onset_us)
{
	assert(b && query);
	for (const char *at; (at = strstr(query, mark)); query = at + strlen(mark)) {
		buf_add(b, query, (size_t)(at - query));
		buf_printf(b, "%.3f", (double)onset_us / (double)US_PER_S);
	}
	return buf_str(b, query);
}

static char *as_of(const char *query, int64_t onset_us)
{
	struct buf b = BUF(QUERY_MAX);
	char *text = symptom_query(&b, query, onset_us) == 0 ? buf_take(&b) : NULL;

	buf_free(&b);
	return text;
}

char *symptom_query_now(const char *query)
{
	assert(query);
	int64_t now = clock_wall_us(), back = 0;
	char *text = as_of(query, now);
	struct promql p = {0};

	if (!text || !strcmp(text, query))
		return text;
	if (promql_scan(text, &p) == 0)
		for (size_t i = 0; i < p.n; i++)
			if (p.list[i].shifted && p.list[i].back_us > back)
				back = p.list[i].back_us;
	promql_free(&p);
	free(text);
	return as_of(query, now + back);
}

static int add(struct asked_symptoms *s, const char *name, const char *query, double max, int64_t onset_us)
{
	assert(s->n < SYMPTOMS_MAX);
	char *text = as_of(query, onset_us);

	if (!text)
		return -ENOMEM;
	s->item[s->n++] = (struct asked_symptom) {.name = name, .query = text, .max = max};
	return 0;
}

/* Which of them a trigger is about; none: the rollout's own. A matcher that gave up may be about it. */
static void mark_named(const struct rollout *r, const char *labels_text, bool *named, bool *ret_own)
{
	CLEANUP(json_cleanup) struct json_object *labels = json_tokener_parse(labels_text);
	struct text_pair pairs[LABELS_MAX];
	size_t n = 0;
	bool any = false;

	if (json_object_is_type(labels, json_type_object)) {
		json_object_object_foreach(labels, name, value) if (n < LABELS_MAX) pairs[n++] =
			(struct text_pair) {name, json_object_get_string(value)};
	}
	for (size_t i = 0; i < r->n_symptoms; i++)
		if (matchers_judge(&r->symptoms[i].match, pairs, n, NULL) != MATCHERS_NO)
			any = named[i] = true;
	*ret_own |= !any;
}

int symptoms_of(const struct rollout *r, char *const *labels, size_t n, bool all, int64_t onset_us,
                struct asked_symptoms *ret)
{
	assert(r && (labels || n == 0) && ret && r->n_symptoms < SYMPTOMS_MAX);
	struct asked_symptoms s = {0};
	bool named[SYMPTOMS_MAX] = {false}, own = all || n == 0;
	int err = 0;

	for (size_t i = 0; i < n; i++)
		mark_named(r, labels[i], named, &own);
	if (r->cured_query && own)
		err = add(&s, NULL, r->cured_query, r->cured_max, onset_us);
	for (size_t i = 0; err == 0 && i < r->n_symptoms; i++)
		if (all || named[i])
			err = add(&s, r->symptoms[i].name, r->symptoms[i].query, r->symptoms[i].max, onset_us);
	if (err < 0)
		symptoms_free(&s);
	else
		*ret = s;
	return err;
}

void symptoms_free(struct asked_symptoms *s)
{
	assert(s && s->n <= SYMPTOMS_MAX);
	for (size_t i = 0; i < s->n; i++)
		free(s->item[i].query);
	*s = (struct asked_symptoms) {0};
}
