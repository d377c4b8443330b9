#include "handlers/plan/evaluate.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "db/alert.h"
#include "handlers/checks/verify.h"
#include "handlers/settings/snapshot.h"
#include "handlers/checks/onset.h"
#include "handlers/gates/obstacle.h"
#include "handlers/gates/rollout_state.h"
#include "handlers/gates/success.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/text.h"

#define QUERY_MAX          (12 * 1024)
#define LOOK_BACK_EVERY_US (3600 * US_PER_S)
#define UNRESOLVED_MAX     200 /* asked about one by one; with more of them whether one fires is unknown */
#define SPAN_US            (30 * 86400 * US_PER_S) /* alerts of older incidents are not asked about */

/* Where the answers of one kind stand among all. */
struct part {
	size_t at, n;
};

struct evaluating {
	struct loop *loop;
	struct settings *settings;
	const struct rollout *rollout;
	const struct stage *stage; /* whose criteria are asked; NULL: unstaged, or elsewhere: none */
	struct plan *plan;
	struct rollout_state st;
	int64_t age_us, since_us, now_us;
	char **queries; /* owned; NULL: not asked */
	size_t n, cap;
	bool lacks_memory; /* not every question could be put: nothing is judged */
	struct part criteria, data, share, baselines,
		alerts; /* criteria: value, samples, left out, value …; baselines: value, samples, value … */
	char *unresolved[UNRESOLVED_MAX]; /* owned: labels of the alerts that fire, as far as they came here */
	size_t n_unresolved;
	const char *alert_of[UNRESOLVED_MAX]; /* of them: that the n-th question of alerts is about */
	struct prom_ask *ask;
	struct prom_query *firing, *near_misses;
	struct obstacle_question *obstacle;
	struct verify *probe;
	struct fallback_probe *fallback;
	bool asked, probed, listened, tried, looked_back; /* done */
	struct evaluation ev;
	evaluate_fn *fn;
	void *arg;
};

/* --- what to ask --- */

static bool grow(struct evaluating *e)
{
	size_t cap = e->cap ? 2 * e->cap : 64;
	char **more = calloc(cap, sizeof(*more));

	if (!more)
		return false;
	for (size_t i = 0; i < e->n; i++)
		more[i] = e->queries[i];
	free(e->queries);
	e->queries = more;
	e->cap = cap;
	return true;
}

static void add(struct evaluating *e, const char *query)
{
	assert(e->n <= e->cap);
	if (e->n == e->cap && !grow(e)) {
		e->lacks_memory = true;
		return;
	}
	char **at = &e->queries[e->n++];

	*at = query ? strdup(query) : NULL;
	e->lacks_memory |= query && !*at;
}

static void add_criteria(struct evaluating *e)
{
	e->criteria.at = e->n;
	for (size_t i = 0; e->stage && i < e->stage->n_criteria; i++) {
		const struct criterion *c = &e->stage->criteria[i];
		struct buf b = BUF(QUERY_MAX);
		bool judged = criterion_query(&b, c, e->age_us);

		add(e, judged ? buf_text(&b) : NULL);
		add(e, judged ? c->samples : NULL);
		add(e, judged ? c->left_out : NULL);
		buf_free(&b);
		e->criteria.n++;
	}
}

static void add_watch(struct evaluating *e)
{
	const struct watch *w = &e->rollout->watch;

	e->data.at = e->n;
	for (size_t i = 0; i < w->n_data; i++, e->data.n++)
		add(e, w->data[i].query);
	e->share = (struct part) {e->n, 1};
	add(e, w->share);
	e->baselines.at = e->n;
	for (size_t i = 0; i < e->rollout->n_baselines && i < EVALUATION_BASELINES_MAX; i++, e->baselines.n++) {
		add(e, e->rollout->baselines[i].query);
		add(e, e->rollout->baselines[i].samples);
	}
}

static bool add_alert(struct evaluating *e, const char *labels_text)
{
	assert(labels_text);
	CLEANUP(json_cleanup) struct json_object *labels = json_tokener_parse(labels_text);
	struct text_pair pairs[64];
	struct buf b = BUF(QUERY_MAX);
	size_t n = 0;

	if (!labels || !json_object_is_type(labels, json_type_object))
		return false;
	json_object_object_foreach(labels, name, value) if (n < ARRAY_LEN(pairs)) pairs[n++] =
		(struct text_pair) {name, json_object_get_string(value)};
	bool ok = onset_query(&b, pairs, n) >= 0 && !b.error; /* ALERTS_FOR_STATE: pending counts as active, too */
	if (ok)
		add(e, buf_text(&b));
	buf_free(&b);
	return ok;
}

/* false: some alert cannot be asked about. */
static bool add_alerts(struct evaluating *e, struct db_conn *c)
{
	int n = alert_unresolved(c, e->rollout->name, e->now_us - SPAN_US, e->unresolved, UNRESOLVED_MAX);
	bool ok = n >= 0 && n < UNRESOLVED_MAX; /* there may be more */

	e->alerts.at = e->n;
	e->n_unresolved = n > 0 ? (size_t)n : 0;
	for (size_t i = 0, n_asked = 0; i < e->n_unresolved; i++) {
		bool asked = add_alert(e, e->unresolved[i]);

		if (asked)
			e->alert_of[n_asked++] = e->unresolved[i];
		ok = asked && ok;
	}
	e->alerts.n = e->n - e->alerts.at;
	return ok;
}

/* --- what the answers mean --- */

static void judge_criteria(struct evaluating *e, const struct prom_answer *a)
{
	assert(e->criteria.at + e->criteria.n <= e->n);
	e->ev.results = calloc(e->criteria.n + 1, sizeof(*e->ev.results));
	for (size_t i = 0; e->ev.results && i < e->criteria.n; i++) {
		const struct prom_answer *three = &a[e->criteria.at + 3 * i];

		criterion_judge(&e->stage->criteria[i], e->age_us, &three[0], &three[1], &three[2], &e->ev.results[i]);
		e->ev.n++;
	}
}

static void judge_baselines(struct evaluating *e, const struct prom_answer *a)
{
	for (size_t i = 0; i < EVALUATION_BASELINES_MAX; i++)
		e->ev.baselines[i].value = NAN;
	for (size_t i = 0; i < e->baselines.n; i++) {
		const struct prom_answer *pair = &a[e->baselines.at + 2 * i];
		const struct baseline_query *q = &e->rollout->baselines[i];
		double samples = q->samples ? prom_answer_worst(&pair[1], true) : 0;

		if (pair[0].n != 1 || !(samples >= (q->samples ? (double)q->min_samples : 0)))
			continue;
		e->ev.baselines[i].value = pair[0].least;
		e->ev.baselines[i].samples = samples;
	}
}

/* "CanaryErrorRateHigh on web-7": what people call it. */
static void name_alert(const char *labels_text, char *out, size_t size)
{
	CLEANUP(json_cleanup) struct json_object *labels = json_tokener_parse(labels_text);
	const char *instance = labels ? json_str_or(labels, "instance", "") : "";

	snprintf(out, size, "%.90s%s%.60s", labels ? json_str_or(labels, "alertname", "?") : "?",
	         instance[0] ? " on " : "", instance);
}

static void judge_firing(struct evaluating *e, const struct prom_answer *a, bool all_asked)
{
	struct evaluation *ev = &e->ev;

	ev->firing = FIRING_NONE;
	if (!all_asked) {
		ev->firing = FIRING_UNKNOWN;
		snprintf(ev->firing_why, sizeof(ev->firing_why),
		         "an alert of it is not resolved, and cannot be asked about");
	}
	for (size_t i = 0; i < e->alerts.n; i++) {
		const struct prom_answer *one = &a[e->alerts.at + i];
		char name[160];

		name_alert(e->alert_of[i], name, sizeof(name));
		if (one->n > 0) {
			ev->firing = FIRING_YES;
			snprintf(ev->firing_why, sizeof(ev->firing_why),
			         "%s, which rolled it back or held it, is still active", name);
			return;
		}
		if (strcmp(one->why, "no data") != 0) {
			ev->firing = FIRING_UNKNOWN;
			snprintf(ev->firing_why, sizeof(ev->firing_why), "whether %s is still active is unknown: %.90s",
			         name, one->why);
		}
	}
}

static bool heartbeat_is_missing(const struct evaluating *e, char *why, size_t size)
{
	const struct settings *s = e->settings;
	int64_t last = e->st.heartbeat_us > e->since_us ? e->st.heartbeat_us : e->since_us;
	char ago[40];

	if (!s->heartbeat.n || e->now_us - last <= s->heartbeat_timeout_us)
		return false;
	text_duration_words(e->now_us - last, ago, sizeof(ago));
	snprintf(why, size, "no heartbeat from Alertmanager for %s: alerts may not reach rollbackd", ago);
	return true;
}

static bool share_is_wrong(const struct evaluating *e, const struct prom_answer *a, char *why, size_t size)
{
	const struct watch *w = &e->rollout->watch;
	double share = a[e->share.at].least * 100, wanted = e->st.row.pct_wanted / 100.0;

	if (!w->share || e->now_us - e->st.row.pct_changed_us < w->after_us || e->st.row.pct_wanted < 0)
		return false;
	if (isnan(share)) {
		snprintf(why, size, "the observed share of traffic is unknown: %.150s", a[e->share.at].why);
		return true;
	}
	if (fabs(share - wanted) <= w->tolerance_pct / 100.0)
		return false;
	snprintf(why, size, "%.1f%% of the traffic takes the new way, not %.4g%%", share, wanted);
	return true;
}

static void judge_sight(struct evaluating *e, const struct prom_answer *a)
{
	char *why = e->ev.blind;
	const size_t size = sizeof(e->ev.blind);

	e->ev.share = a[e->share.at].asked ? a[e->share.at].least : NAN;
	for (size_t i = 0; i < e->n && !e->ev.unreached[0]; i++)
		if (a[i].asked && !a[i].reached)
			snprintf(e->ev.unreached, sizeof(e->ev.unreached), "%.200s", a[i].why);
	if (!rollout_state_above_zero(&e->st) || heartbeat_is_missing(e, why, size))
		return;
	if (e->ev.unreached[0]) {
		snprintf(why, size, "%.200s", e->ev.unreached);
		return;
	}
	for (size_t i = 0; i < e->data.n; i++)
		if (!a[e->data.at + i].n) {
			snprintf(why, size, "%.80s: %.150s", e->rollout->watch.data[i].name, a[e->data.at + i].why);
			return;
		}
	share_is_wrong(e, a, why, size);
}

/* --- together --- */

static void evaluating_free(struct evaluating *e)
{
	for (size_t i = 0; i < e->n; i++)
		free(e->queries[i]);
	free(e->queries);
	for (size_t i = 0; i < e->n_unresolved; i++)
		free(e->unresolved[i]);
	evaluation_free(&e->ev);
	rollout_state_free(&e->st);
	plan_unref(e->plan);
	settings_unref(e->settings);
	free(e);
}

static void finish(struct evaluating *e)
{
	assert(e->fn);
	if (!e->asked || !e->probed || !e->listened || !e->tried || !e->looked_back)
		return;
	struct evaluation ev = e->ev;

	e->ev = (struct evaluation) {0};
	evaluate_fn *fn = e->fn;
	void *arg = e->arg;
	evaluating_free(e);
	fn(arg, &ev);
}

static void on_answers(void *arg, const struct prom_answer *a, size_t n)
{
	struct evaluating *e = arg;

	(void)n;
	e->ask = NULL;
	judge_criteria(e, a);
	judge_baselines(e, a);
	judge_firing(e, a, e->ev.firing != FIRING_UNKNOWN);
	judge_sight(e, a);
	e->asked = true;
	finish(e);
}

static void on_obstacles(void *arg)
{
	struct evaluating *e = arg;

	e->obstacle = NULL;
	e->listened = true;
	finish(e);
}

/* No good answer, or more alerts than were looked at: it cannot be told. */
static void on_firing(void *arg, const struct prom_reply *r)
{
	struct evaluating *e = arg;

	e->firing = NULL;
	e->ev.heard =
		!r->why[0] && e->n_unresolved < UNRESOLVED_MAX &&
		unheard_find(e->settings, e->rollout, &r->vector, e->unresolved, e->n_unresolved, &e->ev.unheard) == 0;
	if (e->ev.heard && obstacle_start(e->loop, e->settings, &e->ev.unheard, on_obstacles, e, &e->obstacle) < 0)
		log_warn("out of memory: what is in the way of an alert is not asked");
	if (!e->obstacle)
		on_obstacles(e);
}

static void on_probe(void *arg, const struct verify_result *r)
{
	struct evaluating *e = arg;

	e->probe = NULL;
	e->ev.there = r->acknowledged.state;
	e->ev.seen = r->seen;
	snprintf(e->ev.there_why, sizeof(e->ev.there_why), "%s", r->acknowledged.note ? r->acknowledged.note : "");
	e->probed = true;
	finish(e);
}

static void on_near_misses(void *arg, const struct prom_reply *r)
{
	struct evaluating *e = arg;

	e->near_misses = NULL;
	e->ev.near_known =
		!r->why[0] && unheard_find(e->settings, e->rollout, &r->vector, NULL, 0, &e->ev.near_misses) == 0;
	e->ev.near_at_us = e->ev.near_known ? e->now_us : 0;
	e->looked_back = true;
	finish(e);
}

/* It is about a week, so what was told goes on for a while; a clock that was set back ends that. */
static bool look_back_again(struct evaluating *e, const struct evaluation *last)
{
	int64_t ago = e->now_us - last->near_at_us;

	if (!last->near_known || ago < 0 || ago >= LOOK_BACK_EVERY_US)
		return true;
	e->ev.near_at_us = last->near_at_us;
	e->ev.near_known = true;
	e->ev.near_misses = last->near_misses;
	return false;
}

/* For the reports: without them, and without stages, nobody reads it. */
static int look_back_start(struct evaluating *e, const struct evaluation *last)
{
	const struct prom_question q = {
		.query = NEAR_MISS_QUERY, .timeout_us = e->settings->prometheus.timeout_us, .share = LOOP_SHARE_STUDY};

	e->looked_back = !e->settings->n_reports || !e->settings->prometheus.url[0] || !look_back_again(e, last);
	return e->looked_back
	               ? 0
	               : prom_query_start(e->loop, &e->settings->prometheus, &q, on_near_misses, e, &e->near_misses);
}

/* Without memory for them they are unknown. */
static void on_fallback(void *arg, const struct probe_result *results, size_t n)
{
	struct evaluating *e = arg;

	e->fallback = NULL;
	e->ev.fallback = calloc(n + 1, sizeof(*results));
	if (e->ev.fallback && n) {
		memcpy(e->ev.fallback, results, n * sizeof(*results));
		e->ev.n_fallback = n;
	}
	e->tried = true;
	finish(e);
}

/* The checks take a plan, as an incident's. What the file holds was looked at, and what a rollback did is not asked. */
static int make_plan(struct evaluating *e)
{
	static const struct playbook none = {.name = "evaluation", .restart_at = -1, .severity = ""};

	e->plan = plan_of_settings(e->settings, e->rollout, &none);
	if (!e->plan)
		return -ENOMEM;
	e->plan->rollout.flags_file = e->plan->rollout.effective_query = e->plan->rollout.cured_query = NULL;
	return 0;
}

/* Then the engine's rounds are the answer, and ours would only double the questions. */
static bool engine_asks(const struct rollout_state *st)
{
	return st->open && st->kind->acts &&
	       (st->open_state == INC_ROLLING_BACK || st->open_state == INC_VERIFYING || st->open_state == INC_FAILED);
}

/* At 0 % there is nothing that a trigger would have to come for. */
static int listen_start(struct evaluating *e)
{
	const struct prom_question q = {
		.query = UNHEARD_QUERY, .timeout_us = e->settings->prometheus.timeout_us, .share = LOOP_SHARE_STUDY};

	e->listened = e->ev.heard = !rollout_state_above_zero(&e->st);
	return e->listened ? 0 : prom_query_start(e->loop, &e->settings->prometheus, &q, on_firing, e, &e->firing);
}

static int probe_start(struct evaluating *e)
{
	if (e->st.row.pct_wanted < 0 || engine_asks(&e->st)) {
		e->probed = true;
		e->ev.seen = -1;
		snprintf(e->ev.there_why, sizeof(e->ev.there_why),
		         e->st.open ? "it is being verified" : "the wanted percentage is unknown");
		return 0;
	}
	return verify_start(e->loop, e->plan, (struct wanted) {.pct = e->st.row.pct_wanted}, 0, NULL, on_probe, e,
	                    &e->probe);
}

static int start(struct evaluating *e, const struct evaluation *last)
{
	int r = prom_ask_start(e->loop, &e->settings->prometheus, (const char *const *)e->queries, e->n, 0, on_answers,
	                       e, &e->ask);

	if (r < 0)
		return r;
	r = listen_start(e);
	if (r == 0)
		r = probe_start(e);
	if (r == 0)
		r = look_back_start(e, last);
	if (r == 0)
		r = fallback_probe_start(e->loop, &e->settings->prometheus, e->rollout, on_fallback, e, &e->fallback);
	if (r < 0) {
		prom_ask_cancel(e->ask);
		prom_query_cancel(e->firing);
		prom_query_cancel(e->near_misses);
		verify_cancel(e->probe);
	}
	return r;
}

/* Those of the stage; just after a rollback all success metrics, once more for the run that it ended. */
static int choose_criteria(struct evaluating *e, struct db_conn *reader)
{
	const struct stage *stage = rollout_state_stage(&e->st, e->rollout);
	struct stage_run left = {0};

	e->stage = stage && !stage_is_elsewhere(e->settings, stage) && e->st.p.entered_us ? stage : NULL;
	e->age_us = e->now_us - e->st.p.entered_us;
	e->ev.stage = e->stage ? e->stage->number : -1;
	e->ev.run = e->st.p.run;
	int r = e->stage ? 0 : success_run_left(reader, &e->st, e->now_us, &left);
	if (r != 1)
		return r;
	free(left.results);
	e->stage = success_stage(e->settings, e->rollout);
	e->age_us = e->now_us - left.entered_us;
	e->ev.left_run = e->stage ? left.run : 0;
	return 0;
}

int evaluate_start(struct loop *l, struct db_conn *reader, struct settings *s, const struct rollout *r,
                   const struct flags_look *look, const struct evaluation *last, int64_t now_us, int64_t since_us,
                   evaluate_fn *fn, void *arg, struct evaluating **ret)
{
	assert(l && reader && s && r && look && last && fn && ret);
	struct evaluating *e = calloc(1, sizeof(*e));

	if (!e)
		return -ENOMEM;
	*e = (struct evaluating) {.loop = l,
	                          .settings = settings_ref(s),
	                          .rollout = r,
	                          .now_us = now_us,
	                          .since_us = since_us,
	                          .fn = fn,
	                          .arg = arg};
	db_moment_begin(reader); /* a dozen of reads: the locks are taken once */
	int err = rollout_state_place(reader, r, look, &e->st);
	if (err == 0)
		err = make_plan(e);
	if (err == 0) {
		e->ev.at_us = e->now_us;
		err = choose_criteria(e, reader);
		add_criteria(e);
		add_watch(e);
		e->ev.firing = add_alerts(e, reader) ? FIRING_NONE : FIRING_UNKNOWN;
	}
	db_moment_end(reader);
	if (err == 0)
		err = e->lacks_memory ? -ENOMEM : start(e, last);
	if (err < 0) {
		evaluating_free(e);
		return err;
	}
	*ret = e;
	return 0;
}

void evaluate_cancel(struct evaluating *e)
{
	if (!e)
		return;
	prom_ask_cancel(e->ask);
	prom_query_cancel(e->firing);
	prom_query_cancel(e->near_misses);
	obstacle_cancel(e->obstacle);
	verify_cancel(e->probe);
	fallback_probe_cancel(e->fallback);
	evaluating_free(e);
}
