#include "handlers/reports/report.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "handlers/gates/gate.h"
#include "handlers/incident/kinds.h"
#include "handlers/reports/private.h"
#include "handlers/readiness/drill_schedule.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define DAY_US        (86400 * US_PER_S)
#define INCIDENTS_MAX 500 /* counted */
#define DRILLS_MAX    100 /* of each end, counted */

/* What each kind looks back on, lists, and looks ahead to; how new way and old way are compared in it. */
static const struct {
	const char *name;
	enum report_kind kind;
	int64_t back_us, ahead_us; /* 0: all */
	size_t incidents;
	int compared; /* an enum comparison_kind; -1: not */
} report_kinds[] = {
	{"daily", REPORT_DAILY, DAY_US, 7 * DAY_US, 10, -1},
	{"weekly", REPORT_WEEKLY, 7 * DAY_US, 28 * DAY_US, 10, COMPARISON_WEEK},
	{"final", REPORT_FINAL, 0, 0, 50, COMPARISON_WHOLE},
};

static size_t report_kind_of(const char *name)
{
	assert(name);
	size_t i = 0;

	while (i + 1 < ARRAY_LEN(report_kinds) && strcmp(report_kinds[i].name, name) != 0)
		i++;
	return i;
}

bool report_is_kind(const char *word)
{
	assert(word);
	return !strcmp(report_kinds[report_kind_of(word)].name, word);
}

struct json_object *report_comparison(struct comparisons *c, const char *rollout, const char *kind)
{
	assert(rollout && kind);
	int compared = report_kinds[report_kind_of(kind)].compared;

	return c && compared >= 0 ? comparisons_last(c, rollout, (enum comparison_kind)compared) : NULL;
}

struct json_object *report_whole(struct comparisons *c, const char *rollout)
{
	assert(rollout);
	return c ? comparisons_last(c, rollout, COMPARISON_WHOLE) : NULL;
}

static int head(struct report *p)
{
	char from[40], until[40];

	text_time_words(p->from, from, sizeof(from));
	text_time_words(p->now, until, sizeof(until));
	buf_printf(p->b, "[REPORT] %s, %s: %s%s%s\n", p->r->title, p->kind_name, p->from ? from : "",
	           p->from ? " to " : "until ", until);
	return 0;
}

static int where(struct report *p)
{
	char pct[16], clean[40], all[40], why[400];

	text_pct(p->st->there, pct, sizeof(pct));
	if (!p->stage) {
		buf_printf(p->b, "- Stage: none, %s%s traffic\n", pct, p->st->there < 0 ? "" : "%");
		return 0;
	}
	buf_printf(p->b, "- Stage: %d %s, %s%s traffic", p->stage->number, p->stage->name, pct,
	           p->st->there < 0 ? "" : "%");
	text_duration_words(p->st->p.clean_us, clean, sizeof(clean));
	text_duration_words(p->stage->duration_us, all, sizeof(all));
	buf_printf(p->b, p->stage->duration_us ? ", clean for %s of %s" : ", clean for %s", clean, all);
	gate_clock_why(&(struct gate_view) {p->s, p->r, p->st, p->ev, p->now}, why, sizeof(why));
	buf_printf(p->b, "%s%s\n", why[0] ? "; the clock stands still: " : "", why);
	return 0;
}

static int criteria(struct report *p)
{
	bool known = p->stage && p->ev->stage == p->stage->number && p->ev->run == p->st->p.run;

	if (!p->stage || !p->stage->n_criteria)
		return 0;
	buf_printf(p->b, "- Criteria of this stage:%s\n",
	           known                 ? ""
	           : p->st->p.entered_us ? " not evaluated yet"
	                                 : " not judged, it is not at its percentage");
	for (size_t i = 0; known && i < p->stage->n_criteria; i++)
		buf_printf(p->b, "  - %s: %s\n", p->stage->criteria[i].name,
		           i < p->ev->n ? p->ev->results[i].why : "unknown: not evaluated");
	return 0;
}

/* Its text begins with the name of the criterion: has the report shown that one already. */
static bool is_shown(const struct report *p, const struct missing *m)
{
	const struct stage *stage = p->kind == REPORT_DAILY ? p->stage : success_stage(p->s, p->r);

	for (size_t i = 0; stage && !strcmp(m->what, "criterion") && i < stage->n_criteria; i++) {
		size_t len = strlen(stage->criteria[i].name);

		if (!strncmp(m->text, stage->criteria[i].name, len) && m->text[len] == ':')
			return true;
	}
	return false;
}

static int missing(struct report *p)
{
	struct gate g = {0};
	int r = gate_judge(&(struct gate_view) {p->s, p->r, p->st, p->ev, p->now}, &g);

	if (r < 0)
		return r;
	if (g.next)
		buf_printf(p->b, "- To enter stage %d: %s\n", g.next->number, g.n ? "missing" : "nothing is missing");
	for (size_t i = 0; g.next && i < g.n; i++)
		if (!is_shown(p, &g.missing[i]))
			buf_printf(p->b, "  - %s\n", g.missing[i].text);
	gate_free(&g);
	return 0;
}

/* --- incidents --- */

/* A rollback is one that began, however it ended. */
static int count_one(const struct report *p, const struct incident *i, struct tally *t)
{
	if (!kind_of(i)->acts) {
		t->drills++;
		return 0;
	}
	t->incidents++;
	t->p0 += !strcmp(i->severity, "P0");
	t->failed += i->state == INC_FAILED;
	if (!i->started_at_us)
		return 0;
	t->rollbacks++;
	return sla_tally_add(kind_deciding(i)->by_hand ? &t->by_hand : &t->automatic, i, &p->s->sla, p->now);
}

bool report_is_of_span(const struct report *p, const struct incident *i)
{
	assert(p && i);
	return i->opened_at_us >= p->from || incident_acted_us(i) >= p->from;
}

static int count_incidents(struct report *p)
{
	const struct incident_filter f = {.rollout = p->r->name, .limit = INCIDENTS_MAX};
	int r = incident_find(p->c, &f, &p->incidents);

	p->cut = p->incidents.n == INCIDENTS_MAX;
	for (size_t i = 0; r == 0 && i < p->incidents.n; i++) {
		r = count_one(p, &p->incidents.item[i], &p->whole);
		if (r == 0 && report_is_of_span(p, &p->incidents.item[i]))
			r = count_one(p, &p->incidents.item[i], &p->span);
	}
	return r;
}

static void incident_line(struct report *p, const struct incident *i)
{
	char at[40], from[16], to[16];
	bool lowers = kind_of(i)->acts && i->started_at_us && i->pct_wanted >= 0,
	     graded = kind_of(i)->acts && i->severity[0];

	text_time_words(i->opened_at_us, at, sizeof(at));
	text_pct(i->pct_before, from, sizeof(from));
	text_pct(i->pct_wanted, to, sizeof(to));
	buf_printf(p->b, "  - %s: %s %lld%s%s", at, !kind_of(i)->acts ? "[DRILL] incident" : "incident",
	           (long long)i->id, graded ? ", " : "", graded ? i->severity : "");
	if (lowers)
		buf_printf(p->b, ", from %s%s to %s%%", from, i->pct_before < 0 ? "" : "%", to);
	if (lowers && i->opened_at_us < p->from) {
		text_time_words(incident_acted_us(i), at, sizeof(at));
		buf_printf(p->b, " on %s", at);
	}
	buf_printf(p->b, ", %s: ", incident_state_name(i->state));
	text_one_line(p->b, i->summary, strlen(i->summary), 120);
	buf_char(p->b, '\n');
}

static int incidents(struct report *p)
{
	const struct tally *t = &p->span;
	size_t max = report_kinds[report_kind_of(p->kind_name)].incidents,
	       all = (size_t)t->incidents + (size_t)t->drills, shown = 0;

	buf_printf(p->b, "- Incidents: %d (rollbacks %d, failed %d, without a rollback %d, P0 %d); drills %d\n",
	           t->incidents, t->rollbacks, t->failed, t->incidents - t->rollbacks, t->p0, t->drills);
	for (size_t i = 0; i < p->incidents.n && shown < max; i++)
		if (report_is_of_span(p, &p->incidents.item[i])) {
			incident_line(p, &p->incidents.item[i]);
			shown++;
		}
	if (all > shown)
		buf_printf(p->b, "  - and %zu older %s\n", all - shown,
		           text_many((int64_t)(all - shown), "one", "ones"));
	return 0;
}

static void sla_lines(struct report *p, struct sla_tally *t, const char *whose)
{
	static const int percents[] = {50, 95, 100};
	char words[4][40];

	if (!t->n[PHASE_TOTAL] && !t->overdue)
		return;
	buf_printf(p->b, "- Rollback SLA, %s: %zu of %zu within the total", whose, t->met[PHASE_TOTAL],
	           t->n[PHASE_TOTAL] + t->overdue);
	if (t->overdue)
		buf_printf(p->b, "; never seen done: %zu", t->overdue);
	buf_char(p->b, '\n');
	for (int phase = 0; p->kind != REPORT_DAILY && phase < PHASE_N; phase++) {
		if (!t->n[phase])
			continue;
		for (size_t i = 0; i < ARRAY_LEN(percents); i++)
			text_duration_words(sla_percentile_us(t, (enum metric_phase)phase, percents[i]), words[i],
			                    sizeof(words[i]));
		text_duration_words(t->budget_us[phase], words[3], sizeof(words[3]));
		buf_printf(p->b, "  - %s: p50 %s, p95 %s, worst %s of %s; %zu of %zu met\n",
		           metric_phase_name((enum metric_phase)phase), words[0], words[1], words[2], words[3],
		           t->met[phase], t->n[phase]);
	}
}

static int sla(struct report *p)
{
	sla_lines(p, &p->span.automatic, "automatic");
	sla_lines(p, &p->span.by_hand, "by hand");
	return 0;
}

static int near_misses(struct report *p)
{
	const struct unheard *u = &p->ev->near_misses;

	if (!p->ev->near_known)
		return 0;
	buf_printf(p->b, "- Near misses of 7 days: %zu", u->n);
	if (u->n)
		buf_printf(p->b, " (%s%s): about to fire, and never did", u->list[0].name,
		           u->n > 1 ? " and others" : "");
	buf_char(p->b, '\n');
	return 0;
}

static size_t count_events(const struct report *p, const char *what)
{
	const struct event_filter f = {.rollout = p->r->name, .what = what, .limit = DRILLS_MAX};
	struct event_list l = {0};
	size_t n = 0;

	if (event_find(p->c, &f, &l) == 0)
		while (n < l.n && l.item[n].at_us >= p->from) /* newest first */
			n++;
	event_list_free(&l);
	return n;
}

/* Is the way back rehearsed: when last, and what came of the drills by themselves. */
static int drills(struct report *p)
{
	struct drill_standing d;
	char at[40];

	drill_standing_load(p->c, p->r, &d);
	if (!p->r->drill.when.cron && drill_standing_of(&d) < 0)
		return 0;
	buf_str(p->b, "- Rollback rehearsed: ");
	if (d.passed_us)
		text_time_words(d.passed_us, at, sizeof(at));
	buf_printf(p->b, "%s%s", d.passed_us ? "last passed " : "never passed", d.passed_us ? at : "");
	if (drill_standing_of(&d) == 0) {
		text_time_words(d.failed_us, at, sizeof(at));
		buf_printf(p->b, ", FAILED %s", at);
	}
	if (p->r->drill.when.cron)
		buf_printf(p->b, "; by itself %zu passed, %zu failed, %zu called off, %zu left out",
		           count_events(p, "scheduled_drill_passed"), count_events(p, "scheduled_drill_failed"),
		           count_events(p, "scheduled_drill_called_off"), count_events(p, "scheduled_drill_left_out"));
	buf_char(p->b, '\n');
	return 0;
}

static int tail(struct report *p)
{
	if (p->r->n_probes) {
		buf_str(p->b, "- Fallback: ");
		fallback_probe_words(p->r, p->ev->fallback, p->ev->n_fallback, p->b);
		buf_char(p->b, '\n');
	}
	if (p->ev->blind[0])
		buf_printf(p->b, "- Not watched: %s\n", p->ev->blind);
	buf_printf(p->b, "- Owner: %s\n", p->r->owner[0] ? p->r->owner : "nobody named");
	return 0;
}

/* --- together --- */

static int64_t last_milestone_us(struct db_conn *c, const struct rollout *r, const struct rollout_state *st)
{
	int64_t last = 0;

	for (size_t i = 0; i < r->n_milestones; i++) {
		int64_t due = rollout_state_milestone_us(c, r, st, &r->milestones[i]);

		last = due > last ? due : last;
	}
	return last;
}

bool report_is_wanted(struct db_conn *c, const struct rollout *r, const struct rollout_state *st, const char *kind,
                      int64_t sent_us)
{
	assert(c && r && st && kind);
	int32_t last = rollout_last_stage(r);

	if (strcmp(kind, "final") != 0)
		return true;
	return last >= 0 && st->row.stage == last && st->p.entered_us &&
	       (sent_us < st->p.entered_us || sent_us < last_milestone_us(c, r, st));
}

int report_write(struct report *p)
{
	assert(p && p->b);
	static const struct {
		unsigned kinds;
		int (*write)(struct report *);
	} all[] = {
		{REPORT_EVERY, head},
		{REPORT_EVERY, where},
		{REPORT_EVERY, report_success},
		{REPORT_DAILY, criteria},
		{REPORT_EVERY, missing},
		{REPORT_DAILY, report_changes},
		{REPORT_WEEKLY, report_steps},
		{REPORT_FINAL, report_stages},
		{REPORT_EVERY, incidents},
		{REPORT_EVERY, sla},
		{REPORT_WEEKLY | REPORT_FINAL, report_compared},
		{REPORT_WEEKLY, near_misses},
		{REPORT_WEEKLY | REPORT_FINAL, report_dates},
		{REPORT_FINAL, report_decisions},
		{REPORT_DAILY | REPORT_WEEKLY, report_open_items},
		{REPORT_FINAL, report_checklists},
		{REPORT_EVERY, report_milestones},
		{REPORT_EVERY, drills},
		{REPORT_EVERY, tail},
	};
	int r = 0;

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(all); i++)
		if (all[i].kinds & p->kind)
			r = all[i].write(p);
	return r;
}

int report_gather(struct report *p, struct db_conn *c, const struct report_request *rq)
{
	assert(p && c && rq && rq->settings && rq->rollout && rq->st && rq->ev && rq->kind);
	size_t k = report_kind_of(rq->kind);
	int64_t from = report_kinds[k].back_us ? rq->now_us - report_kinds[k].back_us : 0;

	*p = (struct report) {.c = c,
	                      .s = rq->settings,
	                      .r = rq->rollout,
	                      .st = rq->st,
	                      .ev = rq->ev,
	                      .stage = rollout_state_stage(rq->st, rq->rollout),
	                      .comparison = rq->comparison,
	                      .compared_whole = rq->whole,
	                      .ahead_us = report_kinds[k].ahead_us,
	                      .kind = report_kinds[k].kind,
	                      .kind_name = report_kinds[k].name,
	                      .from = rq->since_us && rq->since_us < from ? rq->since_us : from,
	                      .now = rq->now_us};
	int r = count_incidents(p);
	return r < 0 ? r : stage_run_of(c, p->r->name, &p->runs);
}

void report_free(struct report *p)
{
	assert(p);
	struct sla_tally *const tallies[] = {&p->span.automatic, &p->span.by_hand, &p->whole.automatic,
	                                     &p->whole.by_hand};

	for (size_t i = 0; i < ARRAY_LEN(tallies); i++)
		sla_tally_free(tallies[i]);
	incident_list_free(&p->incidents);
	stage_run_list_free(&p->runs);
}

int report_text(struct buf *b, struct db_conn *c, const struct report_request *rq)
{
	assert(b && c && rq);
	struct report p;
	int r = report_gather(&p, c, rq);

	p.b = b;
	if (r == 0)
		r = report_write(&p);
	report_free(&p);
	return r;
}
