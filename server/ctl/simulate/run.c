/*
 * One rule over the span, in pieces that Prometheus answers.
 */
#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alertmanager/promql.h"
#include "handlers/checks/prom_query.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/simulate/simulate.h"

#define PIECE_STEPS 5000 /* Prometheus gives at most 11,000 points of a series, and we read at most 2 MiB */
#define SERIES_MAX  200
#define QUERY_MAX   (200 * 1024)
#define TIMEOUT_US  (120 * US_PER_S)

/* --- asking --- */

struct answer {
	struct loop *loop;
	struct json_object *series; /* owned */
	char why[PROM_WHY_MAX];
};

static void on_reply(void *arg, const struct prom_reply *r)
{
	struct answer *a = arg;

	snprintf(a->why, sizeof(a->why), "%s", r->why);
	a->series = json_object_get(r->series);
	loop_stop(a->loop);
}

static int ask(struct sim *s, const char *query, int64_t from_us, int64_t to_us, int64_t step_us,
               struct json_object **ret)
{
	const struct prom_question q = {.query = query,
	                                .timeout_us = TIMEOUT_US,
	                                .share = LOOP_SHARE_ACT,
	                                .range = true,
	                                .from_us = from_us,
	                                .to_us = to_us,
	                                .step_us = step_us,
	                                .max_series = SERIES_MAX,
	                                .max_points = PIECE_STEPS + 1};
	struct answer a = {.loop = s->loop};
	struct prom_query *query_handle = NULL;
	int r = prom_query_start(s->loop, &s->prometheus, &q, on_reply, &a, &query_handle);

	if (r == 0)
		r = loop_run(s->loop);
	if (r < 0)
		snprintf(a.why, sizeof(a.why), "%s", strerrordesc_np(-r));
	if (a.why[0]) {
		snprintf(s->why, sizeof(s->why), "%s", a.why);
		json_object_put(a.series);
		return -EIO;
	}
	*ret = a.series;
	return 0;
}

/* A piece of the span. The next begins one step behind its end. */
struct piece {
	int64_t from_us, to_us, step_us;
};

static bool next_piece(const struct sim *s, int64_t step_us, struct piece *p)
{
	int64_t from = p->step_us ? p->to_us + step_us : s->from_us / step_us * step_us + step_us;
	int64_t last = s->until_us / step_us * step_us;

	if (from > last)
		return false;
	*p = (struct piece) {from, from + (PIECE_STEPS - 1) * step_us, step_us};
	if (p->to_us > last)
		p->to_us = last;
	if (s->progress)
		fprintf(stderr, "."), fflush(stderr);
	return true;
}

static int64_t at_of(struct json_object *points, size_t i)
{
	struct json_object *point = json_object_array_get_idx(points, i);

	return llround(json_object_get_double(json_object_array_get_idx(point, 0)) * 1000) * US_PER_MS;
}

static double value_of(struct json_object *points, size_t i)
{
	struct json_object *v = json_object_array_get_idx(json_object_array_get_idx(points, i), 1);

	return v ? json_object_get_double(v) : NAN;
}

/* --- firing --- */

struct track {
	char *labels; /* owned: JSON, by which it is known */
	struct alert_clock clock;
	int64_t since_us; /* its condition holds since; 0: it does not */
	size_t episode;   /* that is under way, from 1; 0: none, or not kept */
};

struct running {
	const struct sim_rule *rule;
	struct sim_outcome *out;
	struct track *tracks;
	size_t n;
};

static struct track *track_of(struct running *r, const char *labels)
{
	for (size_t i = 0; i < r->n; i++)
		if (!strcmp(r->tracks[i].labels, labels))
			return &r->tracks[i];
	struct track *list = reallocarray(r->tracks, r->n + 1, sizeof(*list));
	char *own = strdup(labels);
	if (!list || !own)
		abort(); /* out of memory */
	r->tracks = list;
	r->tracks[r->n] = (struct track) {.labels = own};
	return &r->tracks[r->n++];
}

static void begin(struct running *r, struct track *t, int64_t at)
{
	struct sim_outcome *o = r->out;

	o->n++;
	t->episode = 0;
	if (o->kept == SIM_EPISODES_MAX)
		return;
	struct sim_episode *list = reallocarray(o->list, o->kept + 1, sizeof(*list));
	char *labels = strdup(t->labels);
	if (!list || !labels)
		abort(); /* out of memory */
	o->list = list;
	o->list[o->kept++] = (struct sim_episode) {.at_us = at, .labels = labels};
	t->episode = o->kept;
}

static void evaluate(struct running *r, struct track *t, int64_t at, bool present)
{
	enum alert_change change = alert_clock_step(&t->clock, at, present, r->rule->for_us, r->rule->keep_us);

	t->since_us = !present ? 0 : t->since_us ? t->since_us : at;
	if (present && at - t->since_us > r->out->longest_us)
		r->out->longest_us = at - t->since_us;
	if (change == ALERT_BEGAN_TO_FIRE)
		begin(r, t, at);
	if (change == ALERT_ENDED && t->episode) {
		assert(r->out->list && t->episode <= r->out->kept);
		r->out->list[t->episode - 1].until_us = at;
	}
}

/* points NULL: the series has none in this piece. */
static void walk(struct running *r, struct track *t, const struct piece *p, struct json_object *points)
{
	size_t i = 0, n = json_len(points);

	for (int64_t at = p->from_us; at <= p->to_us; at += p->step_us) {
		while (i < n && at_of(points, i) < at)
			i++;
		evaluate(r, t, at, i < n && at_of(points, i) == at);
	}
}

static void walk_all(struct running *r, const struct piece *p, struct json_object *series)
{
	size_t known = r->n;
	bool *done = calloc(known + json_len(series) + 1, sizeof(*done));

	if (!done)
		abort(); /* out of memory */
	for (size_t i = 0; i < json_len(series); i++) {
		struct json_object *one = json_item(series, i);
		struct track *t = track_of(r, json_text(json_obj_of(one, "labels")));

		walk(r, t, p, json_arr_of(one, "points"));
		done[t - r->tracks] = true;
	}
	for (size_t i = 0; i < known; i++)
		if (!done[i])
			walk(r, &r->tracks[i], p, NULL);
	free(done);
}

int sim_run(struct sim *s, const struct sim_rule *rule, const char *expr, struct sim_outcome *ret)
{
	assert(s && rule && expr && ret);
	struct running r = {.rule = rule, .out = ret};
	struct piece p = {0};
	int e = 0;

	*ret = (struct sim_outcome) {0};
	while (e == 0 && next_piece(s, rule->step_us, &p)) {
		struct json_object *series = NULL;

		e = ask(s, expr, p.from_us, p.to_us, p.step_us, &series);
		if (e == 0)
			walk_all(&r, &p, series);
		json_object_put(series);
	}
	for (size_t i = 0; i < r.n; i++)
		free(r.tracks[i].labels);
	free(r.tracks);
	return e;
}

void sim_outcome_free(struct sim_outcome *o)
{
	assert(o);
	for (size_t i = 0; i < o->kept; i++)
		free(o->list[i].labels);
	free(o->list);
	*o = (struct sim_outcome) {0};
}

/* --- how near, how much is known --- */

bool sim_bound(const struct promql_part *p, double *ret)
{
	assert(p && ret);
	char *end = NULL;
	double v = strtod(p->bound, &end);

	while (end > p->bound && end < p->bound + p->bound_len && strchr(" \t\n", *end))
		end++;
	*ret = v;
	return end == p->bound + p->bound_len && isfinite(v);
}

static bool goes_up(const struct promql_part *p)
{
	return p->op[0] == '>';
}

/* The value that comes nearest to the bound, at each step: one number; of a bound that is no number, its share of it.
 */
static bool headline(const struct promql_part *p, struct buf *b)
{
	double bound;

	if (p->op[0] != '>' && p->op[0] != '<')
		return false;
	buf_printf(b, "%s((%.*s)", goes_up(p) ? "max" : "min", (int)p->value_len, p->value);
	if (!sim_bound(p, &bound))
		buf_printf(b, " / (%.*s)", (int)p->bound_len, p->bound);
	buf_str(b, ")");
	return !b->error;
}

/* What Prometheus itself makes of alerts is not there while none fires. */
static bool is_of_alerts(const struct promql_part *p)
{
	CLEANUP(promql_free) struct promql scan = {0};
	CLEANUP(cleanup_free) char *text = strndup(p->value, p->value_len);
	bool only = text && promql_scan(text, &scan) == 0 && scan.n > 0;

	for (size_t i = 0; only && i < scan.n; i++)
		only = !strncmp(scan.list[i].name, "ALERTS", 6);
	return only;
}

/* There where everything is there that the expression compares. */
static bool knowledge(const struct promql_parts *parts, struct buf *b)
{
	for (size_t i = 0; i < parts->n; i++)
		if (parts->list[i].needed && !is_of_alerts(&parts->list[i]))
			buf_printf(b, "%scount(%.*s)", b->len ? " and on() " : "", (int)parts->list[i].value_len,
			           parts->list[i].value);
	return b->len && !b->error;
}

static void take_near(const struct promql_part *p, struct json_object *series, struct sim_near *near)
{
	struct json_object *points = json_arr_of(json_item(series, 0), "points");
	double bound = NAN;
	bool number = sim_bound(p, &bound);

	for (size_t i = 0; i < json_len(points); i++) {
		double v = value_of(points, i);

		if (!isfinite(v) || (isfinite(near->value) && (goes_up(p) ? v <= near->value : v >= near->value)))
			continue;
		near->value = v;
		near->of_bound = number ? (bound != 0 ? v / bound : NAN) : v;
		near->at_us = at_of(points, i);
	}
}

static void take_known(struct json_object *series, struct sim_near *near)
{
	struct json_object *points = json_arr_of(json_item(series, 0), "points");

	near->known += json_len(points);
	if (!near->first_us && json_len(points))
		near->first_us = at_of(points, 0);
}

int sim_near(struct sim *s, const struct sim_rule *rule, struct sim_near *ret)
{
	assert(s && rule && ret);
	CLEANUP(buf_free) struct buf head = BUF(QUERY_MAX), known = BUF(QUERY_MAX);
	struct promql_parts parts;
	struct piece p = {0};
	bool follows = promql_parts(rule->expr, &parts) == 0;
	bool asks_head = follows && parts.n && headline(&parts.list[0], &head);
	bool asks_known = follows && knowledge(&parts, &known);
	int e = 0;

	*ret = (struct sim_near) {.value = NAN, .of_bound = NAN};
	while (e == 0 && next_piece(s, rule->step_us, &p)) {
		struct json_object *series = NULL, *counts = NULL;

		if (asks_head)
			e = ask(s, buf_text(&head), p.from_us, p.to_us, p.step_us, &series);
		if (e == 0 && asks_known)
			e = ask(s, buf_text(&known), p.from_us, p.to_us, p.step_us, &counts);
		if (e == 0 && asks_head)
			take_near(&parts.list[0], series, ret);
		if (e == 0)
			take_known(counts, ret);
		ret->steps += (size_t)((p.to_us - p.from_us) / p.step_us) + 1;
		json_object_put(series);
		json_object_put(counts);
	}
	if (!asks_known && follows) /* it compares nothing that could be missing */
		ret->known = ret->steps;
	return e;
}

/* --- another bound --- */

char *sim_changed(const struct sim_rule *r, double bound, double *ret_was)
{
	assert(r && ret_was);
	CLEANUP(buf_free) struct buf b = BUF(QUERY_MAX);
	struct promql_parts parts;
	const char *from = r->expr;
	double is;

	if (promql_parts(r->expr, &parts) < 0 || !parts.n || !sim_bound(&parts.list[0], ret_was))
		return NULL;
	for (size_t i = 0; i < parts.n; i++) {
		if (!parts.list[i].needed || !sim_bound(&parts.list[i], &is) || is != *ret_was)
			continue;
		buf_add(&b, from, (size_t)(parts.list[i].bound - from));
		buf_printf(&b, "%.17g", bound);
		from = parts.list[i].bound + parts.list[i].bound_len;
	}
	buf_str(&b, from);
	return buf_take(&b);
}
