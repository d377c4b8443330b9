#include "handlers/reports/comparisons.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "db/progress.h"
#include "handlers/compare/run.h"
#include "handlers/gates/rollout_state.h"
#include "handlers/reports/left_out.h"
#include "handlers/settings/current.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define LOOK_US                                                                                                        \
	(2 * US_PER_S) /* from the end of one comparison, or of a look for one that is due, to the next look           \
	                */
#define WEEK_US   (7 * 86400 * US_PER_S)
#define STEPS_MAX 2200 /* of one: three months of hours. Two hundred buckets of each are 7 MB */
#define AGAIN_US  (60 * US_PER_S)
#define THRESHOLD 0.05 /* as of rollbackctl compare */

struct kept {
	STAILQ_ENTRY(kept) link;
	char *rollout; /* owned */
	enum comparison_kind kind;
	int64_t asked_us; /* mono; 0: never */
	bool known;       /* it said something of a metric; else it is asked again sooner */
	char *text;       /* owned: JSON; NULL: none yet. With the lock */
};

struct comparisons {
	struct loop *loop;
	struct db *db;
	struct db_conn *reader;
	struct loop_timer *timer;
	struct compare_run *run;   /* under way; NULL: none is */
	struct settings *settings; /* those that it borrows from */
	struct kept *asking;       /* what it is for */
	pthread_mutex_t lock;      /* guards the list and its texts; only the engine's thread changes them */
	STAILQ_HEAD(kept_list, kept) all;
};

/* --- what is compared --- */

static int64_t step_end(int64_t at_us, int64_t step_us)
{
	return at_us - at_us % step_us;
}

/* When the first stage of this environment was entered, and when the last one was, first; 0: never. */
static int entries(struct db_conn *c, const struct settings *s, const struct rollout *r, int64_t *ret_first,
                   int64_t *ret_last)
{
	struct stage_run_list runs = {0};
	int e = stage_run_of(c, r->name, &runs);

	*ret_first = *ret_last = 0;
	for (size_t i = 0; e == 0 && i < runs.n; i++) { /* newest first */
		const struct stage *st = rollout_stage(r, runs.item[i].stage);

		if (!st || stage_is_elsewhere(s, st) || !runs.item[i].entered_us)
			continue;
		*ret_first = runs.item[i].entered_us;
		if (st->number == rollout_last_stage(r))
			*ret_last = runs.item[i].entered_us;
	}
	stage_run_list_free(&runs);
	return e;
}

int comparison_grid(struct db_conn *c, const struct settings *s, const struct rollout *r, enum comparison_kind kind,
                    int64_t now_us, struct compare_grid *ret)
{
	assert(c && s && r && ret && kind < COMPARISON_N);
	int64_t step_us = r->compare.step_us, from_us = now_us - WEEK_US, to_us = now_us, first = 0, last = 0;
	int e = step_us ? entries(c, s, r, &first, &last) : -ENOENT;

	if (e < 0 || (kind == COMPARISON_WHOLE && !first))
		return e < 0 ? e : -ENOENT;
	if (kind == COMPARISON_WHOLE || first > from_us)
		from_us = first;
	if (kind == COMPARISON_WHOLE && last)
		to_us = last;
	int64_t end_us = step_end(to_us, step_us), n = (end_us - from_us) / step_us;
	if (n < 1)
		return -ENOENT;
	n = n < STEPS_MAX ? n : STEPS_MAX;
	*ret = (struct compare_grid) {.from_us = end_us - n * step_us, .step_us = step_us, .n = (size_t)n};
	return 0;
}

/* --- what is kept --- */

static struct kept *find_kept(struct comparisons *c, const char *rollout, enum comparison_kind kind)
{
	struct kept *k;

	STAILQ_FOREACH(k, &c->all, link)
	if (k->kind == kind && !strcmp(k->rollout, rollout))
		return k;
	return NULL;
}

/* NULL: out of memory. */
static struct kept *kept_of(struct comparisons *c, const char *rollout, enum comparison_kind kind)
{
	struct kept *k = find_kept(c, rollout, kind);

	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k || !(k->rollout = strdup(rollout))) {
		free(k);
		return NULL;
	}
	k->kind = kind;
	pthread_mutex_lock(&c->lock);
	STAILQ_INSERT_TAIL(&c->all, k, link);
	pthread_mutex_unlock(&c->lock);
	return k;
}

/* report NULL: nothing can be said any more. */
static void keep(struct comparisons *c, struct kept *k, struct json_object *report)
{
	assert(c && k);
	char *text = report ? strdup(json_text(report)) : NULL;

	pthread_mutex_lock(&c->lock);
	free(k->text);
	k->text = text;
	pthread_mutex_unlock(&c->lock);
}

struct json_object *comparisons_last(struct comparisons *c, const char *rollout, enum comparison_kind kind)
{
	assert(c && rollout && kind < COMPARISON_N);
	CLEANUP(cleanup_free) char *text = NULL;

	pthread_mutex_lock(&c->lock);
	const struct kept *k = find_kept(c, rollout, kind);
	text = k && k->text ? strdup(k->text) : NULL;
	pthread_mutex_unlock(&c->lock);
	return text ? json_tokener_parse(text) : NULL;
}

/* --- one after the other --- */

static void look_later(struct comparisons *c);

static void end(struct comparisons *c)
{
	c->run = NULL;
	c->asking = NULL;
	settings_unref(c->settings);
	c->settings = NULL;
}

/* Some metric could be compared, or at least asked for on both sides. */
static bool is_known(struct json_object *report)
{
	struct json_object *metrics = json_arr_of(report, "metrics");
	double v = 0;

	for (size_t i = 0; i < json_len(metrics); i++)
		if (json_get_double(json_item(metrics, i), "candidate", &v) == 1 &&
		    json_get_double(json_item(metrics, i), "baseline", &v) == 1)
			return true;
	return false;
}

static void on_report(void *arg, int err, struct json_object *report)
{
	struct comparisons *c = arg;

	assert(thread_may(THREAD_ENGINE) && c->asking);
	c->asking->known = err >= 0 && is_known(report);
	if (err >= 0)
		keep(c, c->asking, report);
	json_object_put(report);
	end(c);
	look_later(c);
}

static bool is_due(const struct kept *k, const struct rollout *r)
{
	int64_t pause = k->known || r->compare.step_us < AGAIN_US ? r->compare.step_us : AGAIN_US;

	return !k->asked_us || clock_mono_us() - k->asked_us >= pause;
}

/* True: it is under way. */
static bool start(struct comparisons *c, const struct rollout *r, struct kept *k)
{
	struct compare_request rq = {
		.rollout = r, .prometheus = &c->settings->prometheus, .pct = -1, .threshold = THRESHOLD};
	int64_t now_us = db_now(c->db);
	int e = comparison_grid(c->reader, c->settings, r, k->kind, now_us, &rq.grid);

	if (e == 0)
		e = comparison_left_out(c->reader, r->name, rq.grid.from_us, now_us, &rq.left_out);
	if (e == 0)
		e = compare_start(c->loop, &rq, on_report, c, &c->run);
	if (e < 0) {
		compare_spans_free(&rq.left_out);
		keep(c, k, NULL);
	}
	k->asked_us = clock_mono_us();
	c->asking = e == 0 ? k : NULL;
	return e == 0;
}

static bool start_of(struct comparisons *c, const struct rollout *r)
{
	for (int kind = 0; r->compare.step_us && kind < COMPARISON_N; kind++) {
		struct kept *k = kept_of(c, r->name, (enum comparison_kind)kind);

		if (k && is_due(k, r) && start(c, r, k))
			return true;
	}
	return false;
}

static void look(void *arg)
{
	struct comparisons *c = arg;
	bool found = false;

	assert(thread_may(THREAD_ENGINE) && !c->run && !c->settings);
	c->timer = NULL;
	c->settings = current_settings();
	for (size_t i = 0; c->settings->prometheus.url[0] && !found && i < c->settings->n_rollouts; i++)
		found = start_of(c, &c->settings->rollouts[i]);
	if (found)
		return;
	end(c);
	look_later(c);
}

static void look_later(struct comparisons *c)
{
	c->timer = loop_timer_at(c->loop, clock_mono_us() + LOOK_US, look, c);
	if (!c->timer)
		abort(); /* out of memory: rather a restart than reports that go on with an old comparison */
}

/* --- life --- */

int comparisons_new(struct loop *loop, struct db *db, struct comparisons **ret)
{
	assert(loop && db && ret);
	struct comparisons *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = (struct comparisons) {.loop = loop, .db = db};
	STAILQ_INIT(&c->all);
	pthread_mutex_init(&c->lock, NULL);
	int r = db_reader_open(db, &c->reader);
	if (r == 0 && !(c->timer = loop_timer_at(loop, clock_mono_us(), look, c)))
		r = -ENOMEM;
	if (r < 0) {
		comparisons_free(c);
		return r;
	}
	*ret = c;
	return 0;
}

void comparisons_free(struct comparisons *c)
{
	if (!c)
		return;
	loop_timer_cancel(c->loop, c->timer);
	compare_cancel(c->run);
	settings_unref(c->settings);
	while (!STAILQ_EMPTY(&c->all)) {
		struct kept *k = STAILQ_FIRST(&c->all);

		STAILQ_REMOVE_HEAD(&c->all, link);
		free(k->rollout);
		free(k->text);
		free(k);
	}
	db_reader_close(c->reader);
	pthread_mutex_destroy(&c->lock);
	free(c);
}
