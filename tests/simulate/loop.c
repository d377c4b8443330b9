/*
 * server/core/loop.h in virtual time: timers and what is posted are events; transfers and children are answered by the
 * world (answers.c). In place of loop.c and loop_fetch.c.
 */
#include "server/core/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "tests/simulate/sim.h"
#include "tests/simulate/world.h"

struct loop {
	int nothing;
};

struct loop_timer {
	struct sim_event *event;
	loop_fn *fn;
	void *arg;
};

int loop_global_init(void)
{
	return 0;
}

int loop_new(struct loop **ret)
{
	*ret = calloc(1, sizeof(**ret));
	return *ret ? 0 : -ENOMEM;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	sim_drop(l);
	free(l);
}

int loop_run(struct loop *l)
{
	(void)l;
	return -ENOSYS; /* main.c runs what happens */
}

void loop_stop(struct loop *l)
{
	(void)l;
}

int64_t loop_last_turn_us(const struct loop *l)
{
	(void)l;
	return sim_now();
}

int loop_post(struct loop *l, loop_fn *fn, void *arg)
{
	sim_at(sim_now(), l, fn, arg);
	return 0;
}

/* --- timers --- */

static void timer_fires(void *arg)
{
	struct loop_timer *t = arg;
	loop_fn *fn = t->fn;
	void *told = t->arg;

	free(t);
	fn(told);
}

struct loop_timer *loop_timer_at(struct loop *l, int64_t at_mono_us, loop_fn *fn, void *arg)
{
	struct loop_timer *t = calloc(1, sizeof(*t));

	if (!t)
		abort();
	*t = (struct loop_timer) {.fn = fn, .arg = arg};
	t->event = sim_at(at_mono_us, l, timer_fires, t);
	return t;
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	(void)l;
	if (!t)
		return;
	sim_cancel(t->event);
	free(t);
}

/* --- transfers --- */

struct loop_fetch {
	struct sim_event *event;
	struct world_answer answer;
	loop_fetch_fn *fn;
	void *arg;
};

static void fetch_free(struct loop_fetch *f)
{
	free(f->answer.body);
	free(f);
}

static void fetch_ends(void *arg)
{
	struct loop_fetch *f = arg;
	struct world_answer *a = &f->answer;
	const char *body = a->body ? a->body : "";

	f->event = NULL;
	if (!a->error && a->read)
		a->read(a); /* the answer is what was true in the middle of the way */
	body = a->body ? a->body : body;
	f->fn(f->arg, &(struct fetch_result) {.error = a->error,
	                                      .error_text = "",
	                                      .status = a->error ? 0 : a->status,
	                                      .body = body,
	                                      .body_len = strlen(body)});
	fetch_free(f);
}

int loop_fetch(struct loop *l, const struct fetch_spec *spec, loop_fetch_fn *fn, void *arg, struct loop_fetch **ret)
{
	struct loop_fetch *f = calloc(1, sizeof(*f));

	if (!f)
		return -ENOMEM;
	*f = (struct loop_fetch) {.fn = fn, .arg = arg};
	world_fetch(spec, &f->answer);
	if (f->answer.took_us >= spec->timeout_us) {
		f->answer.took_us = spec->timeout_us;
		f->answer.error = -ETIMEDOUT;
	}
	f->event = sim_at(sim_now() + f->answer.took_us, l, fetch_ends, f);
	if (ret)
		*ret = f;
	return 0;
}

void loop_fetch_cancel(struct loop *l, struct loop_fetch *f)
{
	(void)l;
	if (!f)
		return;
	if (f->answer.cancel)
		f->answer.cancel(&f->answer);
	sim_cancel(f->event);
	fetch_free(f);
}

/* --- children: the programs of checks --- */

struct child {
	struct sim_event *event;
	struct world_answer answer;
	child_fn *fn;
	void *arg;
};

static void child_ends(void *arg)
{
	struct child *c = arg;
	const char *out;

	if (!c->answer.error && c->answer.read)
		c->answer.read(&c->answer);
	out = c->answer.body ? c->answer.body : "";
	c->fn(c->arg, &(struct child_result) {.error = c->answer.error,
	                                      .exit_code = c->answer.error ? -1 : c->answer.status,
	                                      .output = out,
	                                      .output_len = strlen(out),
	                                      .error_text = ""});
	free(c->answer.body);
	free(c);
}

int loop_spawn(struct loop *l, const struct child_spec *spec, child_fn *fn, void *arg, struct child **ret)
{
	struct child *c = calloc(1, sizeof(*c));

	if (!c)
		return -ENOMEM;
	*c = (struct child) {.fn = fn, .arg = arg};
	world_spawn(spec, &c->answer);
	if (c->answer.took_us >= spec->timeout_us) {
		c->answer.took_us = spec->timeout_us;
		c->answer.error = -ETIMEDOUT;
	}
	c->event = sim_at(sim_now() + c->answer.took_us, l, child_ends, c);
	if (ret)
		*ret = c;
	return 0;
}

void loop_child_stop(struct loop *l, struct child *c)
{
	sim_cancel(c->event);
	c->answer.error = -ETIMEDOUT;
	c->event = sim_at(sim_now(), l, child_ends, c);
}

void loop_child_cancel(struct loop *l, struct child *c)
{
	(void)l;
	if (!c)
		return;
	sim_cancel(c->event);
	free(c->answer.body);
	free(c);
}
