#include "handlers/incident/sla.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/incident/drill.h"
#include "handlers/incident/kinds.h"
#include "server/core/clock.h"
#include "server/core/text.h"

int64_t sla_deferred_us(const struct incident *inc)
{
	assert(inc);
	int64_t came = incident_decided_us(inc), acted = incident_acted_us(inc);

	return inc->due_at_us > came && acted >= inc->due_at_us ? inc->due_at_us - came : 0;
}

/* What the total counts from: the wait that a playbook orders is in no phase, and not in their sum. */
static int64_t total_from(const struct incident *inc)
{
	return (inc->onset_at_us ? inc->onset_at_us : incident_decided_us(inc)) + sla_deferred_us(inc);
}

/* Prometheus is still to be asked when it began, or does not know: while the incident goes on nothing is claimed. */
static bool onset_is_open(const struct incident *inc)
{
	bool since_fired = inc->onset_from && !strcmp(inc->onset_from, "startsAt");

	return since_fired && incident_is_open(inc->state) && !inc->rolled_back_at_us && !inc->failed_at_us;
}

size_t sla_spans(const struct incident *inc, const struct sla *sla, struct sla_span ret[PHASE_N])
{
	assert(inc && sla && ret);
	bool manual = kind_deciding(inc)->by_hand;
	int64_t came = incident_decided_us(inc), acted = incident_acted_us(inc),
		seen = drill_passed(inc) ? inc->resolved_at_us : inc->rolled_back_at_us,
		applied = inc->applied_at_us >= came && inc->applied_at_us >= acted ? inc->applied_at_us : 0;
	const struct {
		int64_t from, until, budget;
	} spans[PHASE_N] = {
		[PHASE_DETECTION] = {onset_is_open(inc) ? 0 : inc->onset_at_us, came, sla->detection_us},
		[PHASE_DECISION] = {came + sla_deferred_us(inc), acted,
	                            manual ? sla->manual_decision_us : sla->decision_us},
		[PHASE_EXECUTION] = {acted, applied, sla->execution_us},
		[PHASE_VERIFICATION] = {applied, seen >= came ? seen : 0, sla->verification_us},
		[PHASE_TOTAL] = {total_from(inc), seen >= came ? seen : 0,
	                         manual ? sla->manual_total_us : sla->total_us},
	};
	size_t n = 0;

	for (int i = 0; i < PHASE_N && !kind_of(inc)->brief; i++)
		if (spans[i].from && spans[i].until && spans[i].until >= spans[i].from)
			ret[n++] = (struct sla_span) {
				(enum metric_phase)i, spans[i].until - spans[i].from, spans[i].budget,
				i == PHASE_DETECTION && inc->onset_from && !strcmp(inc->onset_from, "startsAt")};
	return n;
}

void sla_words(const struct sla_span *s, char out[SLA_WORDS_SIZE])
{
	assert(s && out);
	char took[40], limit[40];

	text_duration_words(s->took_us, took, sizeof(took));
	text_duration_words(s->budget_us, limit, sizeof(limit));
	snprintf(out, SLA_WORDS_SIZE, "%s%s of %s%s", s->since_fired ? "(since it fired) " : "", took, limit,
	         s->took_us > s->budget_us ? " MISSED" : "");
}

struct json_object *sla_json(const struct incident *inc, const struct sla *sla)
{
	struct json_object *all = json_object_new_object();
	struct sla_span spans[PHASE_N];
	size_t n = sla_spans(inc, sla, spans);
	char words[SLA_WORDS_SIZE];

	for (size_t i = 0; i < n; i++) {
		struct json_object *o = json_object_new_object();

		json_add_double(o, "seconds", (double)spans[i].took_us / (double)US_PER_S);
		json_add_double(o, "limit", (double)spans[i].budget_us / (double)US_PER_S);
		json_add_bool(o, "met", spans[i].took_us <= spans[i].budget_us);
		if (spans[i].phase == PHASE_DETECTION)
			json_add_str(o, "from", inc->onset_from);
		sla_words(&spans[i], words);
		json_add_str(o, "text", words);
		json_add(all, metric_phase_name(spans[i].phase), o);
	}
	return all;
}

static bool is_overdue(const struct incident *inc, const struct sla *sla, int64_t now_us)
{
	int64_t total = kind_deciding(inc)->by_hand ? sla->manual_total_us : sla->total_us;

	return inc->started_at_us && !inc->rolled_back_at_us && !drill_passed(inc) &&
	       (now_us - total_from(inc) > total || !incident_is_open(inc->state));
}

int sla_tally_add(struct sla_tally *t, const struct incident *inc, const struct sla *sla, int64_t now_us)
{
	assert(t && inc && sla);
	struct sla_span spans[PHASE_N];
	size_t n = sla_spans(inc, sla, spans);

	t->overdue += is_overdue(inc, sla, now_us);
	for (size_t i = 0; i < n; i++) {
		enum metric_phase p = spans[i].phase;
		int64_t *more = reallocarray(t->took[p], t->n[p] + 1, sizeof(*more));

		if (!more)
			return -ENOMEM;
		t->took[p] = more;
		t->took[p][t->n[p]++] = spans[i].took_us;
		t->met[p] += spans[i].took_us <= spans[i].budget_us;
		t->budget_us[p] = spans[i].budget_us;
	}
	return 0;
}

void sla_tally_free(struct sla_tally *t)
{
	assert(t);
	for (int i = 0; i < PHASE_N; i++)
		free(t->took[i]);
	*t = (struct sla_tally) {0};
}

static int by_length(const void *a, const void *b)
{
	int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

	return (x > y) - (x < y);
}

int64_t sla_percentile_us(struct sla_tally *t, enum metric_phase phase, int percent)
{
	assert(t && phase < PHASE_N && percent > 0 && percent <= 100);
	size_t n = t->n[phase], rank = (n * (size_t)percent + 99) / 100;

	if (!n)
		return 0;
	qsort(t->took[phase], n, sizeof(int64_t), by_length);
	return t->took[phase][rank ? rank - 1 : 0];
}
