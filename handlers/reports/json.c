#include <assert.h>
#include <errno.h>

#include "handlers/plan/json.h"
#include "handlers/plan/prefill.h"
#include "handlers/reports/private.h"
#include "server/core/clock.h"
#include "server/core/text.h"

static void add_head(struct json_object *o, const struct report *p)
{
	json_add_str(o, "rollout", p->r->name);
	json_add_str(o, "title", p->r->title);
	json_add_str(o, "kind", p->kind_name);
	json_add_time(o, "from", p->from);
	json_add_time(o, "until", p->now);
	json_add(o, "stage", p->stage ? json_object_new_int(p->stage->number) : NULL);
	json_add_str(o, "stage_name", p->stage ? p->stage->name : NULL);
	json_add_pct(o, "percentage", p->st->there);
	json_add_str(o, "owner", p->r->owner);
}

/* --- success metrics --- */

static struct json_object *metric_json(const struct report *p, const struct criterion *c)
{
	struct metric_result m = report_metric(p, c);
	struct json_object *o = json_object_new_object();
	enum metric_verdict v = success_judge(c, &m.all, m.now);
	bool known = v != VERDICT_UNKNOWN;
	int64_t at = m.all.worst_us || !m.worst_in ? m.all.worst_us : m.worst_in->until_us;
	int32_t stage = m.worst_in ? m.worst_in->stage : p->stage ? p->stage->number : -1;

	json_add_str(o, "name", c->name);
	json_add_str(o, "unit", c->unit);
	json_add_str(o, "verdict", verdict_name(v));
	json_add(o, "value", NULL);
	if (known) /* the worst */
		json_add_double(o, "value", m.all.worst);
	json_add_double(o, c->is_min ? "min" : "max", c->bound);
	json_add_str(o, "why", m.all.last.why[0] ? m.all.last.why : NULL);
	json_add(o, "stage", known && stage >= 0 ? json_object_new_int(stage) : NULL);
	json_add_time(o, "at", known ? at : 0);
	json_add_int(o, "judged", m.all.judged);
	json_add_int(o, "held", m.all.held);
	return o;
}

static struct json_object *count_json(const struct report *p, const char *name, int n)
{
	struct json_object *o = json_object_new_object();

	json_add_str(o, "name", name);
	json_add_str(o, "verdict", verdict_name(report_judge_count(p, n)));
	json_add_int(o, "value", n);
	json_add_int(o, "max", 0);
	return o;
}

static void add_success(struct json_object *o, const struct report *p)
{
	const struct stage *stage = success_stage(p->s, p->r);
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; stage && i < stage->n_criteria; i++)
		json_object_array_add(arr, metric_json(p, &stage->criteria[i]));
	json_object_array_add(arr, count_json(p, "zero P0 incidents", p->whole.p0));
	json_object_array_add(arr, count_json(p, "zero rollbacks", p->whole.rollbacks));
	json_add(o, "success", arr);
}

/* --- incidents and their SLA --- */

static struct json_object *incident_of(const struct incident *i)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "id", i->id);
	json_add_time(o, "opened_at", i->opened_at_us);
	json_add_str(o, "kind", incident_kind_name(i->kind));
	json_add_str(o, "severity", i->severity);
	json_add_str(o, "state", incident_state_name(i->state));
	json_add_str(o, "summary", i->summary);
	return o;
}

static void add_incidents(struct json_object *o, const struct report *p)
{
	const struct tally *t = &p->span;
	struct json_object *all = json_object_new_object(), *arr = json_object_new_array();

	for (size_t i = 0; i < p->incidents.n; i++)
		if (report_is_of_span(p, &p->incidents.item[i]))
			json_object_array_add(arr, incident_of(&p->incidents.item[i]));
	json_add_int(all, "count", t->incidents);
	json_add_int(all, "rollbacks", t->rollbacks);
	json_add_int(all, "failed", t->failed);
	json_add_int(all, "p0", t->p0);
	json_add_int(all, "drills", t->drills);
	json_add(all, "list", arr);
	json_add(o, "incidents", all);
}

static struct json_object *phase_json(struct sla_tally *t, enum metric_phase phase)
{
	static const struct {
		const char *key;
		int percent;
	} points[] = {{"p50", 50}, {"p95", 95}, {"worst", 100}};
	struct json_object *o = json_object_new_object();

	json_add_int(o, "n", (int64_t)t->n[phase]);
	json_add_int(o, "met", (int64_t)t->met[phase]);
	json_add_double(o, "limit", (double)t->budget_us[phase] / US_PER_S);
	for (size_t i = 0; i < ARRAY_LEN(points); i++)
		json_add_double(o, points[i].key, (double)sla_percentile_us(t, phase, points[i].percent) / US_PER_S);
	return o;
}

static struct json_object *tally_json(struct sla_tally *t)
{
	struct json_object *o = json_object_new_object();

	json_add_int(o, "overdue", (int64_t)t->overdue);
	for (int phase = 0; phase < PHASE_N; phase++)
		if (t->n[phase])
			json_add(o, metric_phase_name((enum metric_phase)phase),
			         phase_json(t, (enum metric_phase)phase));
	return o;
}

static void add_sla(struct json_object *o, struct report *p)
{
	struct json_object *sla = json_object_new_object();

	json_add(sla, "automatic", tally_json(&p->span.automatic));
	json_add(sla, "by_hand", tally_json(&p->span.by_hand));
	json_add(o, "sla", sla);
}

/* --- changes --- */

static int add_changes(struct json_object *o, struct report *p)
{
	struct json_object *all = json_object_new_object(), *arr = json_object_new_array();
	struct changes ch = {0};
	int r = report_find_changes(p, &ch);

	for (size_t i = ch.all.n; r == 0 && i-- > 0;) {
		const struct event *e = &ch.all.item[i];

		if (!ch.listed[i])
			continue;
		struct json_object *one = json_object_new_object();
		json_add_time(one, "at", e->at_us);
		json_add_str(one, "who", e->who);
		json_add_str(one, "what", e->what);
		json_add_str(one, "note", e->note ? e->note : "");
		json_object_array_add(arr, one);
	}
	json_add_int(all, "count", (int64_t)ch.n);
	json_add_int(all, "ticked", (int64_t)ch.ticked);
	json_add_int(all, "reminders", (int64_t)ch.reminded);
	json_add(all, "list", arr);
	json_add(o, "changes", all);
	changes_free(&ch);
	return r;
}

static int fill(struct json_object *o, struct report *p)
{
	int r = plan_json_add(o, p->c, &(struct gate_view) {p->s, p->r, p->st, p->ev, p->now});

	if (r == 0)
		r = prefill_json_add(o, p->c, p->r, p->compared_whole);
	add_head(o, p);
	add_success(o, p);
	add_incidents(o, p);
	add_sla(o, p);
	json_add(o, "comparison", json_object_get(p->comparison));
	if (r == 0)
		r = add_changes(o, p);
	if (r == 0)
		r = report_write(p);
	json_add_str(o, "text", buf_text(p->b));
	return r == -ENOSPC ? 0 : r;
}

int report_json(struct db_conn *c, const struct report_request *rq, struct json_object **ret)
{
	assert(c && rq && ret);
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	CLEANUP(buf_free) struct buf text = BUF(REPORT_MAX);
	struct report p;
	int r = report_gather(&p, c, rq);

	p.b = &text;
	if (r == 0)
		r = fill(o, &p);
	report_free(&p);
	if (r == 0)
		*ret = TAKE(o);
	return r;
}
