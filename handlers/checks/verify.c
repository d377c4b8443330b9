#include "handlers/checks/verify.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "alertmanager/promql.h"
#include "server/core/answer.h"
#include "handlers/checks/prom_query.h"
#include "handlers/steps/flags_file.h"
#include "handlers/steps/runner.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define TEXT_MAX        (32 * 1024)
#define LABEL_MAX       100
#define HTTP_BODY_MAX   (1024 * 1024)
#define OUTPUT_MAX      4096
#define GRACE_US        US_PER_S /* a check's program has no right to a long farewell */
#define TIMEOUT_DEFAULT (3 * US_PER_S)
#define INSTANCES_MAX   1e6

/* One check of the round. */
struct run {
	struct verify *of;
	const struct check *check;
	int64_t timeout_us;
	struct prom_query *query, *instances;
	struct loop_fetch *http;
	struct child *child;
	unsigned waiting;    /* answers still to come */
	int64_t n_instances; /* -1: not asked for */
	struct prom_vector samples;
	bool stale;
	struct verdict verdict;
	char trouble[PROBE_NOTE_MAX]; /* why there is no verdict; "" */
};

struct verify {
	struct loop *loop;
	struct loop_timer *timer; /* when there is nothing to wait for */
	const struct plan *plan;
	struct wanted target;
	int64_t since_mono_us;
	int32_t file;
	size_t n_runs;
	unsigned waiting; /* runs that have not ended */
	struct verdict written, effective, cured;
	bool judge_effective; /* only at 0 % no traffic is expected */
	struct asked_symptoms symptoms;
	struct prom_ask *ask; /* effective, then each symptom */
	verify_fn *fn;
	void *arg;
	struct run runs[]; /* n_runs */
};

static void PRINTF_LIKE(2, 3) trouble(struct run *r, const char *fmt, ...)
{
	va_list ap;

	if (r->trouble[0])
		return;
	va_start(ap, fmt);
	vsnprintf(r->trouble, sizeof(r->trouble), fmt, ap);
	va_end(ap);
}

/* The end of a round. */

static void probe_free(struct verify *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->n_runs; i++)
		prom_vector_free(&p->runs[i].samples);
	symptoms_free(&p->symptoms);
	free(p);
}

static void probe_cleanup(struct verify **p)
{
	probe_free(*p);
}

/* "Prometheus cst_rollout_percentage", "/usr/bin/get_cst_percentage", "http://127.0.0.1:8080/flags
 * /rollout_percentage" */
static void add_label(struct buf *b, const struct check *c)
{
	switch (c->kind) {
	case CHECK_PROMETHEUS:
		buf_str(b, "Prometheus ");
		text_one_line(b, c->query, strlen(c->query), LABEL_MAX);
		break;
	case CHECK_COMMAND:
		text_one_line(b, c->argv[0], strlen(c->argv[0]), LABEL_MAX);
		break;
	case CHECK_HTTP:
		answer_url(b, c->url);
		buf_char(b, ' ');
		text_one_line(b, c->pointer, strlen(c->pointer), LABEL_MAX);
		break;
	}
}

/* What could not be found out never outweighs a plain no. */
static void settle(struct run *r, struct verdict *ret)
{
	assert(ret);
	CLEANUP(buf_free) struct buf note = BUF(PROBE_NOTE_MAX - 1);
	bool is_no = r->verdict.state == STATUS_NO;

	*ret = r->verdict;
	if (r->trouble[0] && !is_no)
		ret->state = STATUS_UNKNOWN;
	ret->stale = r->stale && r->trouble[0];
	ret->partial |= r->trouble[0] != '\0';
	if (ret->answers == 0)
		ret->answers = 1;
	add_label(&note, r->check);
	buf_str(&note, ": ");
	const char *say = r->trouble[0] && !is_no ? r->trouble : r->verdict.note;
	text_one_line(&note, say, strlen(say), note.max - note.len);
	snprintf(ret->note, sizeof(ret->note), "%s", buf_text(&note));
}

static void probe_tell(void *arg)
{
	CLEANUP(buf_free) struct buf text = BUF(TEXT_MAX);
	CLEANUP(probe_cleanup) struct verify *p = arg;
	CLEANUP(cleanup_free) struct verdict *all = calloc(p->n_runs + 1, sizeof(*all));
	struct verdict sum;

	if (!all)
		abort(); /* out of memory: a crash is safe, a verdict without its checks is not */
	buf_printf(&text, "flags file: %s\n", p->written.note);
	for (size_t i = 0; i < p->n_runs; i++) {
		settle(&p->runs[i], &all[i]);
		buf_printf(&text, "%s\n", all[i].note);
	}
	judge_all(all, p->n_runs, &sum);
	p->fn(p->arg, &(struct verify_result) {
			      .written = {p->written.state, p->written.note},
			      .acknowledged = {sum.state, sum.note},
			      .effective = {p->effective.state, p->effective.note},
			      .cured = {p->cured.state, p->cured.note},
			      .stale = sum.stale,
			      .asked = p->n_runs > 0,
			      .file = p->file,
			      .seen = sum.seen,
			      .least = sum.least,
			      .partial = sum.partial,
			      .text = buf_text(&text),
		      });
}

/* One of a run's answers has come; maybe the last of all. */
static void answered(struct run *r)
{
	assert(r->waiting > 0);
	struct verify *p = r->of;

	if (--r->waiting > 0)
		return;
	if (r->check->kind == CHECK_PROMETHEUS)
		judge_prometheus(&r->samples, r->n_instances, p->target, &r->verdict);
	if (--p->waiting == 0)
		probe_tell(p);
}

/* Prometheus. */

static void on_samples(void *arg, const struct prom_reply *reply)
{
	struct run *r = arg;

	r->query = NULL;
	r->stale |= reply->stale;
	if (reply->why[0])
		trouble(r, "%s", reply->why);
	else if (prom_vector_copy(&reply->vector, &r->samples) < 0)
		abort(); /* out of memory: a crash is safe, a verdict without its samples is not */
	answered(r);
}

static void on_instances(void *arg, const struct prom_reply *reply)
{
	struct run *r = arg;
	double n = !reply->why[0] && reply->vector.n == 1 ? reply->vector.samples[0].value : NAN;

	r->instances = NULL;
	r->stale |= reply->stale;
	if (n >= 0 && n <= INSTANCES_MAX && n == floor(n))
		r->n_instances = (int64_t)n;
	else if (reply->why[0])
		trouble(r, "how many instances there are is unknown: %s", reply->why);
	else
		trouble(r, "how many instances there are is unknown");
	answered(r);
}

static void ask_prometheus(struct run *r, const char *query, int64_t since_mono_us, prom_query_fn *fn,
                           struct prom_query **slot)
{
	const struct prom_question q = {
		.query = query, .timeout_us = r->timeout_us, .share = LOOP_SHARE_ACT, .since_mono_us = since_mono_us};
	int err = prom_query_start(r->of->loop, &r->of->plan->prometheus, &q, fn, r, slot);

	if (err < 0)
		trouble(r, "it could not be asked: %s", strerrordesc_np(-err));
	else
		r->waiting++;
}

/* A number that the config states has no age. */
static bool names_series(const char *query)
{
	struct promql p = {0};
	bool yes = promql_scan(query, &p) < 0 || p.n > 0;

	promql_free(&p);
	return yes;
}

static void start_prometheus(struct run *r)
{
	ask_prometheus(r, r->check->query, r->of->since_mono_us, on_samples, &r->query);
	if (r->check->instances)
		ask_prometheus(r, r->check->instances, names_series(r->check->instances) ? r->of->since_mono_us : 0,
		               on_instances, &r->instances);
}

/* Programs. */

static void on_program(void *arg, const struct child_result *res)
{
	struct run *r = arg;
	char limit[32], said[120] = "";

	r->child = NULL;
	text_duration(r->timeout_us, limit, sizeof(limit));
	if (res->error_text[0])
		snprintf(said, sizeof(said), ": %.100s", res->error_text);
	if (res->error == -ETIMEDOUT)
		trouble(r, "no answer within %s", limit);
	else if (res->error)
		trouble(r, "it could not be started: %s", strerrordesc_np(-res->error));
	else if (res->signal)
		trouble(r, "it was ended by signal %d%s", res->signal, said);
	else if (res->exit_code != 0)
		trouble(r, "it ended with exit code %d%s", res->exit_code, said);
	else if (res->output_lost)
		trouble(r, "its answer has more than %d bytes", OUTPUT_MAX);
	else
		judge_value(res->output, res->output_len, r->of->target, &r->verdict);
	answered(r);
}

static void start_program(struct run *r)
{
	struct child_spec spec = {.argv = r->check->argv,
	                          .timeout_us = r->timeout_us,
	                          .max_output = OUTPUT_MAX,
	                          .separate_stderr = true,
	                          .grace_us = GRACE_US};
	char why[200];

	if (runner_trusts(r->check->argv[0], why, sizeof(why)) < 0) {
		trouble(r, "it was not started: %s", why);
		return;
	}
	int err = loop_spawn(r->of->loop, &spec, on_program, r, &r->child);
	if (err < 0)
		trouble(r, "it could not be started: %s", strerrordesc_np(-err));
	else
		r->waiting++;
}

/* HTTP. */

static void judge_body(struct run *r, const struct fetch_result *res)
{
	CLEANUP(json_cleanup) struct json_object *root = NULL;
	struct json_fault fault = {0};

	if (json_parse(res->body, res->body_len, &root, &fault) < 0)
		trouble(r, "the answer is no JSON: %s", fault.why ? fault.why : "it cannot be read");
	else
		judge_json(json_at(root, r->check->pointer), r->of->target, &r->verdict);
}

static void on_http(void *arg, const struct fetch_result *res)
{
	CLEANUP(buf_free) struct buf b = BUF(PROBE_NOTE_MAX);
	struct run *r = arg;

	r->http = NULL;
	if (answer_is_good(res)) {
		judge_body(r, res);
	} else {
		answer_failure(&b, res, r->timeout_us);
		trouble(r, "%s", buf_text(&b));
	}
	answered(r);
}

static void start_http(struct run *r)
{
	struct fetch_spec spec = {.method = "GET",
	                          .url = r->check->url,
	                          .timeout_us = r->timeout_us,
	                          .max_body = HTTP_BODY_MAX,
	                          .share = LOOP_SHARE_ACT};
	int err = loop_fetch(r->of->loop, &spec, on_http, r, &r->http);

	if (err < 0)
		trouble(r, "it could not be asked: %s", strerrordesc_np(-err));
	else
		r->waiting++;
}

/* The file. */

static void read_flags(struct verify *p)
{
	const struct rollout *ro = &p->plan->rollout;
	char is[16], should[16], why[256] = "";
	int32_t pct = -1;

	p->written = (struct verdict) {.state = STATUS_YES, .note = "none, nothing to write"};
	p->file = -1;
	if (!ro->flags_file)
		return;
	if (flags_file_read(ro->flags_file, ro->flags_key, &pct, why, sizeof(why)) < 0) {
		p->written.state = STATUS_UNKNOWN;
		snprintf(p->written.note, sizeof(p->written.note), "%s", why);
		return;
	}
	p->file = pct;
	text_pct(pct, is, sizeof(is));
	text_pct(p->target.pct, should, sizeof(should));
	bool good = wanted_is_met(p->target, pct);
	p->written.state = good ? STATUS_YES : STATUS_NO;
	snprintf(p->written.note, sizeof(p->written.note), good ? "%s%%" : "%s%%, not %s%%", is, should);
}

/* What it did to the world: no traffic any more, and the symptom gone. */

static void judge_bound(const struct prom_answer *a, double max, struct verdict *ret)
{
	assert(a && ret);
	char value[32], bound[32];

	if (isnan(a->most)) {
		snprintf(ret->note, sizeof(ret->note), "%s", a->why[0] ? a->why : "no data");
		return;
	}
	text_against(a->most, max, "", value, bound, sizeof(value));
	ret->state = a->most <= max ? STATUS_YES : STATUS_NO;
	snprintf(ret->note, sizeof(ret->note), "%s, at most %s", value, bound);
}

/* Of several symptoms one that is there is a no, else one that nobody knows of is unknown. */
static void judge_symptoms(const struct asked_symptoms *s, const struct prom_answer *a, struct verdict *ret)
{
	CLEANUP(buf_free) struct buf note = BUF(PROBE_NOTE_MAX - 1);
	static const int weight[] = {[STATUS_YES] = 0, [STATUS_UNKNOWN] = 1, [STATUS_NO] = 2};

	ret->state = STATUS_YES;
	for (size_t i = 0; i < s->n; i++) {
		struct verdict one = {.state = STATUS_UNKNOWN};

		judge_bound(&a[i], s->item[i].max, &one);
		if (weight[one.state] > weight[ret->state]) {
			ret->state = one.state;
			buf_reset(&note);
		}
		if (one.state != ret->state)
			continue;
		buf_printf(&note, "%s%s%s%s", note.len ? "; " : "", s->item[i].name ? s->item[i].name : "",
		           s->item[i].name ? ": " : "", one.note);
	}
	snprintf(ret->note, sizeof(ret->note), "%s", buf_text(&note));
}

static void on_effects(void *arg, const struct prom_answer *a, size_t n)
{
	struct verify *p = arg;

	assert(n == 1 + p->symptoms.n);
	p->ask = NULL;
	if (a[0].asked)
		judge_bound(&a[0], p->plan->rollout.effective_max, &p->effective);
	if (p->symptoms.n)
		judge_symptoms(&p->symptoms, &a[1], &p->cured);
	if (--p->waiting == 0)
		probe_tell(p);
}

static void ask_for_effects(struct verify *p)
{
	const struct rollout *r = &p->plan->rollout;
	const char *queries[1 + SYMPTOMS_MAX] = {p->judge_effective ? r->effective_query : NULL};

	snprintf(p->effective.note, sizeof(p->effective.note), "%s",
	         !r->effective_query ? "not configured" : "judged only at 0%");
	snprintf(p->cured.note, sizeof(p->cured.note), "%s",
	         p->symptoms.n ? "it could not be asked" : "not configured");
	for (size_t i = 0; i < p->symptoms.n; i++)
		queries[1 + i] = p->symptoms.item[i].query;
	if (!queries[0] && !p->symptoms.n)
		return;
	int err = prom_ask_start(p->loop, &p->plan->prometheus, queries, 1 + p->symptoms.n, p->since_mono_us,
	                         on_effects, p, &p->ask);
	if (err == 0)
		p->waiting++;
}

/* The round. */

static void run_start(struct run *r)
{
	assert(r->check && r->check->kind <= CHECK_HTTP);
	static void (*const starts[])(struct run *) = {
		[CHECK_PROMETHEUS] = start_prometheus,
		[CHECK_COMMAND] = start_program,
		[CHECK_HTTP] = start_http,
	};

	starts[r->check->kind](r);
	r->of->waiting += r->waiting > 0;
}

static int64_t timeout_of(const struct plan *plan, const struct check *c)
{
	if (c->timeout_us > 0)
		return c->timeout_us;
	return plan->prometheus.timeout_us > 0 ? plan->prometheus.timeout_us : TIMEOUT_DEFAULT;
}

static struct asked_symptoms symptoms_take(struct asked_symptoms *s)
{
	struct asked_symptoms taken = *s;

	*s = (struct asked_symptoms) {0};
	return taken;
}

int verify_start(struct loop *l, const struct plan *plan, struct wanted target, int64_t since_mono_us,
                 struct asked_symptoms *symptoms, verify_fn *fn, void *arg, struct verify **ret)
{
	assert(l && plan && fn && ret && target.pct >= 0 && target.pct <= 10000);
	CLEANUP(symptoms_free) struct asked_symptoms taken = {0};
	size_t n = plan->rollout.n_checks;
	CLEANUP(probe_cleanup) struct verify *p = calloc(1, sizeof(*p) + n * sizeof(p->runs[0]));

	if (symptoms)
		taken = symptoms_take(symptoms);
	if (!p)
		return -ENOMEM;
	*p = (struct verify) {.loop = l,
	                      .plan = plan,
	                      .target = target,
	                      .since_mono_us = since_mono_us,
	                      .n_runs = n,
	                      .fn = fn,
	                      .arg = arg};
	p->judge_effective = target.pct == 0 && target.at_most;
	p->symptoms = symptoms_take(&taken);
	read_flags(p);
	ask_for_effects(p);
	for (size_t i = 0; i < p->n_runs; i++) {
		const struct check *c = &plan->rollout.checks[i];

		p->runs[i] = (struct run) {.of = p,
		                           .check = c,
		                           .timeout_us = timeout_of(plan, c),
		                           .n_instances = -1,
		                           .verdict = {.seen = -1, .least = -1}};
		run_start(&p->runs[i]);
	}
	if (p->waiting == 0) {
		p->timer = loop_timer_at(l, clock_mono_us(), probe_tell, p);
		if (!p->timer)
			return -ENOMEM;
	}
	*ret = TAKE(p);
	return 0;
}

void verify_cancel(struct verify *p)
{
	if (!p)
		return;
	loop_timer_cancel(p->loop, p->timer);
	prom_ask_cancel(p->ask);
	for (size_t i = 0; i < p->n_runs; i++) {
		struct run *r = &p->runs[i];

		prom_query_cancel(r->query);
		prom_query_cancel(r->instances);
		if (r->http)
			loop_fetch_cancel(p->loop, r->http);
		if (r->child)
			loop_child_cancel(p->loop, r->child);
	}
	probe_free(p);
}
