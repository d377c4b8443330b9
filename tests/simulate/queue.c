#include "tests/simulate/sim.h"

#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/queue.h>

#define WALL_BEGIN (INT64_C(1767225600) * US_PER_S) /* 2026-01-01 */
#define MONO_BEGIN (1000 * US_PER_S)

struct sim_event {
	int64_t at_us;
	const void *owner;
	sim_fn *fn;
	void *arg;
	TAILQ_ENTRY(sim_event) link;
};

static struct {
	TAILQ_HEAD(sim_events, sim_event) events; /* soonest first */
	_Atomic int64_t mono_us, wall_offset_us;  /* the writer thread reads them */
	uint64_t random;
	bool verbose, broken;
	char violation[600];
} sim = {.events = TAILQ_HEAD_INITIALIZER(sim.events)};

/* --- the clocks --- */

int64_t clock_mono_us(void)
{
	return sim.mono_us;
}

int64_t clock_boot_us(void)
{
	return sim.mono_us;
}

void clock_boot_id(char *out)
{
	snprintf(out, CLOCK_BOOT_ID_SIZE, "the only boot");
}

int64_t clock_wall_us(void)
{
	return sim.mono_us + sim.wall_offset_us;
}

int64_t sim_now(void)
{
	return sim.mono_us;
}

void sim_wall_jump(int64_t by_us)
{
	sim.wall_offset_us += by_us;
}

int64_t sim_true_us(void)
{
	return sim.mono_us + WALL_BEGIN - MONO_BEGIN;
}

void sim_pass(int64_t us)
{
	sim.mono_us += us;
}

/* --- events --- */

void sim_begin(uint64_t seed, bool verbose)
{
	struct sim_event *e;

	while ((e = TAILQ_FIRST(&sim.events)) != NULL)
		sim_cancel(e);
	sim.mono_us = MONO_BEGIN;
	sim.wall_offset_us = WALL_BEGIN - MONO_BEGIN;
	sim.random = seed;
	sim.random = rnd(); /* else the numbers of one seed are those of the next, one later */
	sim.verbose = verbose;
	sim.broken = false;
}

struct sim_event *sim_at(int64_t mono_us, const void *owner, sim_fn *fn, void *arg)
{
	struct sim_event *e = calloc(1, sizeof(*e)), *before;

	if (!e)
		abort();
	*e = (struct sim_event) {
		.at_us = mono_us > sim.mono_us ? mono_us : sim.mono_us, .owner = owner, .fn = fn, .arg = arg};
	TAILQ_FOREACH_REVERSE(before, &sim.events, sim_events, link)
	if (before->at_us <= e->at_us)
		break;
	if (before)
		TAILQ_INSERT_AFTER(&sim.events, before, e, link);
	else
		TAILQ_INSERT_HEAD(&sim.events, e, link);
	return e;
}

void sim_cancel(struct sim_event *e)
{
	if (!e)
		return;
	TAILQ_REMOVE(&sim.events, e, link);
	free(e);
}

void sim_drop(const void *owner)
{
	struct sim_event *next;

	for (struct sim_event *e = TAILQ_FIRST(&sim.events); e; e = next) {
		next = TAILQ_NEXT(e, link);
		if (e->owner == owner)
			sim_cancel(e);
	}
}

bool sim_step(int64_t until_us)
{
	struct sim_event *e = TAILQ_FIRST(&sim.events);

	if (!e || e->at_us > until_us) {
		if (sim.mono_us < until_us)
			sim.mono_us = until_us;
		return false;
	}
	if (sim.mono_us < e->at_us)
		sim.mono_us = e->at_us;
	sim_fn *fn = e->fn;
	void *arg = e->arg;
	sim_cancel(e);
	fn(arg);
	return true;
}

/* --- chance --- */

uint64_t rnd(void) /* splitmix64 */
{
	uint64_t z = sim.random += UINT64_C(0x9e3779b97f4a7c15);

	z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
	return z ^ (z >> 31);
}

int rnd_below(int n)
{
	return (int)(rnd() % (uint64_t)n);
}

bool rnd_chance(int percent)
{
	return rnd_below(100) < percent;
}

int64_t rnd_us(int64_t least, int64_t most)
{
	double part = (double)(rnd() >> 11) / (double)(UINT64_C(1) << 53);

	return (int64_t)((double)least * pow((double)most / (double)least, part));
}

/* --- telling --- */

bool sim_verbose(void)
{
	return sim.verbose;
}

static void line(const char *mark, const char *fmt, va_list ap)
{
	printf("%10.3f %s", (double)(sim.mono_us - MONO_BEGIN) / (double)US_PER_S, mark);
	vprintf(fmt, ap);
	putchar('\n');
}

void say(const char *fmt, ...)
{
	va_list ap;

	if (!sim.verbose)
		return;
	va_start(ap, fmt);
	line("", fmt, ap);
	va_end(ap);
}

void violate(const char *fmt, ...)
{
	va_list ap;

	if (sim.broken)
		return;
	sim.broken = true;
	va_start(ap, fmt);
	vsnprintf(sim.violation, sizeof(sim.violation), fmt, ap);
	va_end(ap);
	say("VIOLATION: %s", sim.violation);
}

const char *sim_violation(void)
{
	return sim.broken ? sim.violation : NULL;
}
