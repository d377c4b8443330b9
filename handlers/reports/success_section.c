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

struct metric_result report_metric(const struct report *p, const struct criterion *c)
{
	assert(p && c);
	struct metric_result f = {.all = SUCCESS_NOTHING};
	long i = p->st->p.entered_us ? index_in(p->stage, c->name) : -1;

	f.now = i >= 0;
	if (f.now && success_is_fresh(p->ev, p->st) && (size_t)i < p->ev->n)
		success_add(&f.all, c, &p->ev->results[i], p->ev->at_us);
	for (size_t n = 0; n < p->runs.n; n++) {
		struct success_record earlier;
		double worst = f.all.worst;

		if (success_kept(p->runs.item[n].results, c->name, &earlier) < 0)
			continue;
		success_add_earlier(&f.all, c, &earlier);
		if (!isnan(f.all.worst) && f.all.worst != worst)
			f.worst_in = &p->runs.item[n];
	}
	return f;
}

/* The newest run of each other stage: the worst it saw. */
static void earlier(struct report *p, const struct criterion *c, const struct stage_run *shown)
{
	struct success_record r;
	const char *sep = " (";
	char value[100];

	for (size_t n = 0; n < p->runs.n; n++) {
		const struct stage_run *run = &p->runs.item[n];
		bool newest = true;

		for (size_t k = 0; k < n; k++)
			newest &= p->runs.item[k].stage != run->stage;
		if (!newest || run == shown || run->run == p->st->p.run ||
		    success_kept(run->results, c->name, &r) < 0 || isnan(r.worst))
			continue;
		text_number(r.worst, c->unit, value, sizeof(value));
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
	success_words(p->b, c, &f->all, f->now);
	if (success_judge(c, &f->all, f->now) != VERDICT_UNKNOWN) {
		int64_t when = f->all.worst_us || !f->worst_in ? f->all.worst_us : f->worst_in->until_us;

		text_time_words(when, at, sizeof(at));
		buf_printf(p->b, " (stage %d, %s)", f->worst_in ? f->worst_in->stage : p->stage->number, at);
	}
	if (p->kind == REPORT_FINAL)
		earlier(p, c, f->worst_in);
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
		n[success_judge(&stage->criteria[i], &f.all, f.now)]++;
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
