#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "handlers/reports/private.h"
#include "server/core/text.h"

/* Index of the criterion in the stage; -1: it has none of that name. */
static long index_in(const struct stage *stage, const char *name)
{
	for (size_t i = 0; stage && i < stage->n_criteria; i++)
		if (!strcmp(stage->criteria[i].name, name))
			return (long)i;
	return -1;
}

/* While the stage judges it itself, no older answer counts. */
struct metric_result report_metric(const struct report *p, const struct criterion *c)
{
	assert(p && c);
	struct metric_result f = {0};
	long i = p->st->p.entered_us ? index_in(p->stage, c->name) : -1;

	if (i >= 0 && success_is_fresh(p->ev, p->st) && (size_t)i < p->ev->n) {
		f.result = p->ev->results[i];
		f.any = true;
	}
	for (size_t n = 0; i < 0 && !f.any && n < p->runs.n; n++)
		if (success_kept(p->runs.item[n].results, c->name, &f.result) == 0) {
			f.any = true;
			f.run = &p->runs.item[n];
		}
	return f;
}

/* The newest run of each stage that was left: what it last said. */
static void earlier(struct report *p, const struct criterion *c, const struct stage_run *shown)
{
	struct criterion_result r;
	const char *sep = " (";
	char value[100];

	for (size_t n = 0; n < p->runs.n; n++) {
		const struct stage_run *run = &p->runs.item[n];
		bool newest = true;

		for (size_t k = 0; k < n; k++)
			newest &= p->runs.item[k].stage != run->stage;
		if (!newest || run == shown || run->run == p->st->p.run ||
		    success_kept(run->results, c->name, &r) < 0 || isnan(r.value))
			continue;
		text_number(r.value, c->unit, value, sizeof(value));
		buf_printf(p->b, "%sstage %d: %s", sep, run->stage, value);
		sep = ", ";
	}
	if (sep[0] == ',')
		buf_char(p->b, ')');
}

static void metric_line(struct report *p, const struct criterion *c, const struct metric_result *f)
{
	assert(c && f);
	char at[40];

	buf_printf(p->b, "  - %s: ", c->name);
	success_words(p->b, c, f->any ? &f->result : NULL);
	if (f->run) {
		text_time_words(f->run->until_us, at, sizeof(at));
		buf_printf(p->b, " (stage %d, %s)", f->run->stage, at);
	}
	if (p->kind == REPORT_FINAL)
		earlier(p, c, f->run);
	buf_char(p->b, '\n');
}

enum metric_verdict report_judge_count(const struct report *p, int n)
{
	assert(p && n >= 0);
	return n ? VERDICT_MISSED : p->cut ? VERDICT_UNKNOWN : VERDICT_MET;
}

static void counts(struct report *p)
{
	const struct tally *t = &p->whole;
	const char *least = p->cut ? "at least " : "";

	buf_printf(p->b, "  - zero P0 incidents: %s: %s%d\n", verdict_name(report_judge_count(p, t->p0)), least, t->p0);
	buf_printf(p->b, "  - zero rollbacks: %s: %s%d (drills do not count: %d)\n",
	           verdict_name(report_judge_count(p, t->rollbacks)), least, t->rollbacks, t->drills);
}

int report_success(struct report *p)
{
	assert(p && p->b && p->s && p->r);
	const struct stage *stage = success_stage(p->s, p->r);
	int n[3] = {0};

	for (size_t i = 0; stage && i < stage->n_criteria; i++) {
		struct metric_result f = report_metric(p, &stage->criteria[i]);
		n[success_judge(&stage->criteria[i], f.any ? &f.result : NULL)]++;
	}
	n[report_judge_count(p, p->whole.p0)]++;
	n[report_judge_count(p, p->whole.rollbacks)]++;
	buf_printf(p->b, "- Success metrics of the whole rollout: %d met, %d missed, %d unknown\n", n[VERDICT_MET],
	           n[VERDICT_MISSED], n[VERDICT_UNKNOWN]);
	if (p->kind == REPORT_DAILY)
		return 0;
	for (size_t i = 0; stage && i < stage->n_criteria; i++) {
		struct metric_result f = report_metric(p, &stage->criteria[i]);
		metric_line(p, &stage->criteria[i], &f);
	}
	counts(p);
	return 0;
}
