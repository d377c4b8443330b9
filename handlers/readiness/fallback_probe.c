#include "handlers/readiness/fallback_probe.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/checks/prom_query.h"
#include "handlers/steps/runner.h"
#include "server/core/answer.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define BODY_MAX   (1024 * 1024)
#define OUTPUT_MAX 4096
#define GRACE_US   US_PER_S

struct asked {
	struct fallback_probe *of;
	const struct fallback_check *check;
	struct prom_query *query;
	struct loop_fetch *http;
	struct child *child;
};

struct fallback_probe {
	struct loop *loop;
	const struct prometheus_options *prometheus;
	struct loop_timer *timer; /* when there is nothing to wait for */
	size_t n, waiting;
	struct probe_result *results;
	fallback_probe_fn *fn;
	void *arg;
	struct asked asked[]; /* n */
};

/* --- what an answer means --- */

static struct probe_result *result_of(const struct asked *a)
{
	return &a->of->results[a - a->of->asked];
}

static void PRINTF_LIKE(3, 4) say(struct asked *a, enum condition_status state, const char *fmt, ...)
{
	struct probe_result *r = result_of(a);
	va_list ap;

	r->state = state;
	va_start(ap, fmt);
	vsnprintf(r->why, sizeof(r->why), fmt, ap);
	va_end(ap);
}

/* Within its bounds: the worst of the samples counts. */
static void judge(struct asked *a, double least, double most)
{
	const struct fallback_check *c = a->check;
	char v[100], bound[100] = "";

	if (!isfinite(least) || !isfinite(most)) {
		say(a, STATUS_UNKNOWN, "the answer is no number");
		return;
	}
	bool low = c->has_min && least < c->min, high = c->has_max && most > c->max;
	double value = low || !c->has_max ? least : most;

	result_of(a)->value = value;
	text_against(value, low || !c->has_max ? c->min : c->max, "", v, bound, sizeof(v));
	say(a, low || high ? STATUS_NO : STATUS_YES, "%s, at %s %s", v, low || !c->has_max ? "least" : "most", bound);
}

static void judge_text(struct asked *a, const char *text)
{
	char *end = NULL;
	double value = strtod(text, &end);

	if (end == text || end[strspn(end, " \t\r\n")])
		say(a, STATUS_UNKNOWN, "the answer is no number");
	else
		judge(a, value, value);
}

static bool is_bounded(const struct fallback_check *c)
{
	return c->has_min || c->has_max;
}

static void answered(struct fallback_probe *p);

/* --- Prometheus --- */

static void on_samples(void *arg, const struct prom_reply *r)
{
	struct asked *a = arg;
	double least = INFINITY, most = -INFINITY;

	a->query = NULL;
	for (size_t i = 0; i < r->vector.n; i++) {
		least = fmin(least, r->vector.samples[i].value);
		most = fmax(most, r->vector.samples[i].value);
		if (isnan(r->vector.samples[i].value))
			least = most = NAN, i = r->vector.n - 1;
	}
	if (r->why[0] || !r->vector.n)
		say(a, STATUS_UNKNOWN, "%s", r->why[0] ? r->why : "no data");
	else
		judge(a, least, most);
	answered(a->of);
}

static int ask_prometheus(struct asked *a)
{
	const struct prom_question q = {
		.query = a->check->check.query, .timeout_us = a->check->check.timeout_us, .share = LOOP_SHARE_STUDY};

	return prom_query_start(a->of->loop, a->of->prometheus, &q, on_samples, a, &a->query);
}

/* --- programs --- */

static void on_program(void *arg, const struct child_result *res)
{
	struct asked *a = arg;
	char limit[32], said[120] = "";

	a->child = NULL;
	text_duration(a->check->check.timeout_us, limit, sizeof(limit));
	if (res->error_text[0])
		snprintf(said, sizeof(said), ": %.100s", res->error_text);
	if (res->error == -ETIMEDOUT)
		say(a, STATUS_NO, "no answer within %s", limit);
	else if (res->error)
		say(a, STATUS_UNKNOWN, "it could not be started: %s", strerrordesc_np(-res->error));
	else if (res->signal)
		say(a, STATUS_UNKNOWN, "it was ended by signal %d%s", res->signal, said);
	else if (res->exit_code != 0)
		say(a, STATUS_NO, "it ended with exit code %d%s", res->exit_code, said);
	else if (is_bounded(a->check))
		judge_text(a, res->output);
	else
		say(a, STATUS_YES, "exit code 0");
	answered(a->of);
}

static int ask_program(struct asked *a)
{
	const struct check *c = &a->check->check;
	struct child_spec spec = {.argv = c->argv,
	                          .timeout_us = c->timeout_us,
	                          .max_output = OUTPUT_MAX,
	                          .separate_stderr = true,
	                          .grace_us = GRACE_US};
	char why[200];

	if (runner_trusts(c->argv[0], why, sizeof(why)) < 0) {
		say(a, STATUS_UNKNOWN, "it was not started: %s", why);
		return -EACCES;
	}
	return loop_spawn(a->of->loop, &spec, on_program, a, &a->child);
}

/* --- HTTP --- */

static void judge_body(struct asked *a, const struct fetch_result *res)
{
	CLEANUP(json_cleanup) struct json_object *root = NULL;
	struct json_fault fault = {0};
	struct json_object *value = NULL;

	if (json_parse(res->body, res->body_len, &root, &fault) < 0) {
		say(a, STATUS_UNKNOWN, "the answer is no JSON: %s", fault.why ? fault.why : "it cannot be read");
		return;
	}
	value = json_at(root, a->check->check.pointer);
	if (json_object_is_type(value, json_type_double) || json_object_is_type(value, json_type_int))
		judge(a, json_object_get_double(value), json_object_get_double(value));
	else
		judge_text(a, json_object_is_type(value, json_type_string) ? json_object_get_string(value) : "");
}

static void on_http(void *arg, const struct fetch_result *res)
{
	CLEANUP(buf_free) struct buf b = BUF(250);
	struct asked *a = arg;

	a->http = NULL;
	if (!answer_is_good(res)) {
		answer_failure(&b, res, a->check->check.timeout_us);
		say(a, STATUS_NO, "%s", buf_text(&b));
	} else if (is_bounded(a->check)) {
		judge_body(a, res);
	} else {
		say(a, STATUS_YES, "answered %d", res->status);
	}
	answered(a->of);
}

static int ask_http(struct asked *a)
{
	const struct fetch_spec spec = {.method = "GET",
	                                .url = a->check->check.url,
	                                .timeout_us = a->check->check.timeout_us,
	                                .max_body = BODY_MAX,
	                                .share = LOOP_SHARE_STUDY};

	return loop_fetch(a->of->loop, &spec, on_http, a, &a->http);
}

/* --- the round --- */

static void probe_free(struct fallback_probe *p)
{
	free(p->results);
	free(p);
}

static void tell(void *arg)
{
	struct fallback_probe *p = arg;

	assert(p->fn && p->waiting == 0);
	p->timer = NULL;
	p->fn(p->arg, p->results, p->n);
	probe_free(p);
}

static void answered(struct fallback_probe *p)
{
	assert(p->waiting > 0);
	if (--p->waiting == 0)
		tell(p);
}

static void ask(struct asked *a)
{
	static int (*const asks[])(struct asked *) = {
		[CHECK_PROMETHEUS] = ask_prometheus, [CHECK_COMMAND] = ask_program, [CHECK_HTTP] = ask_http};
	int err = asks[a->check->check.kind](a);

	if (err == 0)
		a->of->waiting++;
	else if (!result_of(a)->why[0])
		say(a, STATUS_UNKNOWN, "it could not be asked: %s", strerrordesc_np(-err));
}

int fallback_probe_start(struct loop *l, const struct prometheus_options *o, const struct rollout *r,
                         fallback_probe_fn *fn, void *arg, struct fallback_probe **ret)
{
	assert(l && o && r && fn && ret);
	size_t n = r->n_probes;
	struct fallback_probe *p = calloc(1, sizeof(*p) + n * sizeof(p->asked[0]));

	if (!p || !(p->results = calloc(n + 1, sizeof(*p->results)))) {
		free(p);
		return -ENOMEM;
	}
	p->loop = l;
	p->prometheus = o;
	p->n = n;
	p->fn = fn;
	p->arg = arg;
	for (size_t i = 0; i < n; i++) {
		p->asked[i] = (struct asked) {.of = p, .check = &r->probes[i]};
		p->results[i].value = NAN;
		ask(&p->asked[i]);
	}
	if (p->waiting == 0 && !(p->timer = loop_timer_at(l, clock_mono_us(), tell, p))) {
		probe_free(p);
		return -ENOMEM;
	}
	*ret = p;
	return 0;
}

void fallback_probe_cancel(struct fallback_probe *p)
{
	if (!p)
		return;
	loop_timer_cancel(p->loop, p->timer);
	for (size_t i = 0; i < p->n; i++) {
		prom_query_cancel(p->asked[i].query);
		if (p->asked[i].http)
			loop_fetch_cancel(p->loop, p->asked[i].http);
		if (p->asked[i].child)
			loop_child_cancel(p->loop, p->asked[i].child);
	}
	probe_free(p);
}

/* --- all together --- */

enum condition_status fallback_probe_all(const struct rollout *r, const struct probe_result *results, size_t n,
                                         char *why, size_t size)
{
	assert(r && (results || n == 0) && why && size > 0);
	enum condition_status all = STATUS_YES;

	why[0] = '\0';
	if (n != r->n_probes) {
		snprintf(why, size, "not asked yet");
		return STATUS_UNKNOWN;
	}
	for (size_t i = 0; i < n && all != STATUS_NO; i++) {
		if (results[i].state == STATUS_YES || (all == STATUS_UNKNOWN && results[i].state == STATUS_UNKNOWN))
			continue;
		all = results[i].state;
		snprintf(why, size, "%s: %s", r->probes[i].name, results[i].why);
	}
	return all;
}

void fallback_probe_words(const struct rollout *r, const struct probe_result *results, size_t n, struct buf *b)
{
	assert(r && b);
	static const char *const words[] = {[STATUS_UNKNOWN] = "unknown whether it is ready: ",
	                                    [STATUS_YES] = "ready",
	                                    [STATUS_NO] = "NOT READY: "};
	char why[400];
	enum condition_status all = fallback_probe_all(r, results, n, why, sizeof(why));

	buf_printf(b, "%s%s", words[all], why);
}
