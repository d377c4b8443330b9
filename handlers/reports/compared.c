#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "handlers/compare/compare.h"
#include "handlers/reports/private.h"
#include "server/core/text.h"

static bool is_cost(const struct report *p, const char *name)
{
	const struct compare_options *o = &p->r->compare;

	for (size_t i = 0; i < o->n_metrics; i++)
		if (o->metrics[i].cost && !strcmp(o->metrics[i].name, name))
			return true;
	return false;
}

static void number(struct json_object *metric, const char *key, char *out, size_t size)
{
	double v = NAN;

	snprintf(out, size, "unknown");
	if (json_get_double(metric, key, &v) == 1)
		compare_number(v, json_str_or(metric, "unit", ""), false, out, size);
}

static void metric_line(struct report *p, struct json_object *metric)
{
	const char *verdict = json_str_or(metric, "verdict", "?");
	bool told = !strcmp(verdict, compare_verdict_name(COMPARE_INCONCLUSIVE));
	char candidate[64], baseline[64];

	number(metric, "candidate", candidate, sizeof(candidate));
	number(metric, "baseline", baseline, sizeof(baseline));
	buf_printf(p->b, "  - %s%s: %s, %s against %s%s%s\n",
	           is_cost(p, json_str_or(metric, "name", "")) ? "cost, " : "", json_str_or(metric, "name", "?"),
	           verdict, candidate, baseline, told ? ": " : "", told ? json_str_or(metric, "why", "") : "");
}

static void span(struct report *p)
{
	char from[40] = "?", to[40] = "?";
	const char *texts[] = {json_str_or(p->comparison, "from", ""), json_str_or(p->comparison, "to", "")};
	int64_t at = 0;

	if (text_time_parse(texts[0], strlen(texts[0]), &at) == 0)
		text_time_words(at, from, sizeof(from));
	if (text_time_parse(texts[1], strlen(texts[1]), &at) == 0)
		text_time_words(at, to, sizeof(to));
	buf_printf(p->b, "%s to %s", from, to);
}

/* Of the week: what costs, and what is worse. Of the whole rollout: everything. */
int report_compared(struct report *p)
{
	assert(p && p->b && p->r);
	struct json_object *metrics = json_arr_of(p->comparison, "metrics");

	if (!p->r->compare.step_us)
		return 0;
	buf_str(p->b, "- New way against old way, ");
	if (!p->comparison) {
		buf_str(p->b, "not compared yet: no whole step of the comparison, or no answer of Prometheus\n");
		return 0;
	}
	span(p);
	buf_printf(p->b, ": %s\n", json_str_or(p->comparison, "why", ""));
	for (size_t i = 0; i < json_len(metrics); i++) {
		struct json_object *m = json_item(metrics, i);
		bool worse = !strcmp(json_str_or(m, "verdict", ""), compare_verdict_name(COMPARE_WORSE));

		if (p->kind == REPORT_FINAL || worse || is_cost(p, json_str_or(m, "name", "")))
			metric_line(p, m);
	}
	return 0;
}
