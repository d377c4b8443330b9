/*
 * handlers/steps/command.h in the model: each attempt is a process of the world that outlives the daemon. In place of
 * command.c. And the door of the flags file, where it can be made to fail.
 *
 * Programs are called with what they do: "set" (the percentage they are told), "reload" (read the flags file), "then"
 * (nothing), and the number of their service.
 */
#include "handlers/steps/command.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "handlers/steps/flags_file.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/watch.h"
#include "tests/simulate/world.h"

#define SPARE_US (15 * US_PER_S)

enum process_state { STARTING, RUNNING, ENDED, CANCELLED };

struct process {
	char name[120];
	int64_t incident;
	struct service *service;
	bool sets, reloads;
	int32_t pct;
	enum process_state state;
	struct command_outcome end; /* once ENDED */
	int64_t timeout_us, took_us;
	bool fails, hangs, stubborn, runner_dies;
	bool stopping;
	bool acted; /* it has begun to change the service */
	struct command *watcher;
	LIST_ENTRY(process) link;
};

struct command {
	struct loop *loop;
	struct process *process; /* NULL: there never was one */
	struct sim_event *told;
	struct command_outcome outcome;
	command_fn *fn;
	void *arg;
};

static LIST_HEAD(processes, process) all = LIST_HEAD_INITIALIZER(all);
static int64_t stubborn_until_us;

void acts_are_stubborn(int64_t for_us)
{
	say("for %.3f s acts begin that take long and cannot be stopped", (double)for_us / (double)US_PER_S);
	stubborn_until_us = sim_now() + for_us;
}

void acts_begin(void)
{
	struct process *p;

	stubborn_until_us = 0;
	while ((p = LIST_FIRST(&all)) != NULL) {
		sim_drop(p);
		LIST_REMOVE(p, link);
		free(p);
	}
}

static struct process *process_find(const char *name)
{
	struct process *p;

	LIST_FOREACH(p, &all, link)
	if (!strcmp(p->name, name))
		return p;
	return NULL;
}

static bool is_alive(const struct process *p)
{
	return p->state == STARTING || p->state == RUNNING;
}

int64_t acts_alive(const struct service *s, int64_t but_incident)
{
	struct process *p;

	LIST_FOREACH(p, &all, link)
	if (is_alive(p) && p->service == s && (p->sets || p->reloads) && p->incident != but_incident)
		return p->incident;
	return 0;
}

bool acts_of_incident_run(int64_t incident)
{
	struct process *p;

	LIST_FOREACH(p, &all, link)
	if (is_alive(p) && p->incident == incident)
		return true;
	return false;
}

/* --- the daemon's side --- */

static void tell(void *arg)
{
	struct command *c = arg;
	struct command_outcome o = c->outcome;
	command_fn *fn = c->fn;
	void *told = c->arg;

	if (c->process)
		c->process->watcher = NULL;
	free(c);
	fn(told, &o);
}

static void tell_soon(struct command *c, struct command_outcome o)
{
	c->outcome = o;
	c->told = sim_at(sim_now() + rnd_us(US_PER_MS, 50 * US_PER_MS), c->loop, tell, c);
}

static struct command *command_new(struct loop *l, struct process *p, command_fn *fn, void *arg)
{
	struct command *c = calloc(1, sizeof(*c));

	if (!c)
		abort();
	*c = (struct command) {.loop = l, .process = p, .fn = fn, .arg = arg};
	if (p)
		p->watcher = c;
	return c;
}

void command_abandon(struct command *c)
{
	if (!c)
		return;
	if (c->process)
		c->process->watcher = NULL;
	sim_cancel(c->told);
	free(c);
}

/* --- a process' life --- */

static void process_ends(struct process *p, struct command_outcome o)
{
	sim_drop(p);
	p->state = ENDED;
	p->end = o;
	say("  program %s of incident %lld has ended (%d, exit code %d)", p->name, (long long)p->incident, o.end,
	    o.exit_code);
	if (p->service && p->acted) {
		world_act_ends(p->service);
		p->service->program_of = p->incident;
		p->service->program_ended_us = sim_now();
	}
	if (p->watcher)
		tell_soon(p->watcher, o);
}

static void process_exits(void *arg)
{
	struct process *p = arg;

	if (p->runner_dies)
		count(COUNT_DOUBTS);
	if (p->runner_dies)
		process_ends(p, (struct command_outcome) {.end = COMMAND_IN_DOUBT, .exit_code = -1, .text = ""});
	else
		process_ends(
			p, (struct command_outcome) {.end = COMMAND_EXITED, .exit_code = p->fails ? 1 : 0, .text = ""});
}

static void process_times_out(void *arg)
{
	process_ends(arg, (struct command_outcome) {.end = COMMAND_TIMED_OUT, .exit_code = -1, .text = ""});
}

static void process_acts(void *arg)
{
	struct process *p = arg;

	p->acted = true;
	if (p->reloads && world_file_pct(p->service) >= 0)
		world_act_begins(p->service, world_file_pct(p->service), p->incident);
	world_applies(p->service, p->sets ? p->pct : -1);
}

/* Late in its time it changes the service, or not at all. */
static void process_runs(void *arg)
{
	struct process *p = arg;
	int64_t acts = p->took_us * (50 + rnd_below(50)) / 100;

	p->state = RUNNING;
	if (p->hangs)
		sim_at(sim_now() + p->timeout_us, p, process_times_out, p);
	else
		sim_at(sim_now() + p->took_us, p, process_exits, p);
	if (p->sets)
		world_act_begins(p->service, p->pct, p->incident);
	if ((p->sets || p->reloads) && !(p->fails && rnd_chance(70)) && !(p->hangs && rnd_chance(50)))
		sim_at(sim_now() + (acts < p->timeout_us ? acts : p->timeout_us - 1), p, process_acts, p);
}

static void process_is_stopped(void *arg)
{
	process_ends(arg, (struct command_outcome) {.end = COMMAND_STOPPED, .exit_code = -1, .text = ""});
}

/* Some do not listen to SIGTERM, and go on for a while. */
void command_stop(struct command *c)
{
	struct process *p = c->process;

	if (!p || !is_alive(p) || p->stopping)
		return;
	p->stopping = true;
	say("  program %s of incident %lld is to stop", p->name, (long long)p->incident);
	if (p->stubborn)
		return;
	sim_at(sim_now() + (rnd_chance(30) ? rnd_us(US_PER_S, 10 * US_PER_S) : rnd_us(US_PER_MS, 100 * US_PER_MS)), p,
	       process_is_stopped, p);
}

static struct process *process_new(const char *name, const struct act *act, const struct command_env *env)
{
	struct process *p = calloc(1, sizeof(*p));

	if (!p || !act->argv[1] || !act->argv[2])
		abort();
	*p = (struct process) {.incident = env->incident_id,
	                       .service = world_service(act->argv[2][0] - '0'),
	                       .sets = !strcmp(act->argv[1], "set"),
	                       .reloads = !strcmp(act->argv[1], "reload"),
	                       .pct = env->pct,
	                       .timeout_us = act->timeout_us,
	                       .took_us = rnd_chance(25) ? rnd_us(US_PER_S, act->timeout_us)
	                                                 : rnd_us(5 * US_PER_MS, US_PER_S),
	                       .fails = world_has(FAULT_ACT_FAILS) && rnd_chance(70),
	                       .hangs = world_has(FAULT_ACT_HANGS) && rnd_chance(60),
	                       .runner_dies = world_has(FAULT_ACT_FAILS) && rnd_chance(20)};
	snprintf(p->name, sizeof(p->name), "%s", name);
	p->stubborn = sim_now() < stubborn_until_us;
	if (p->stubborn) {
		p->took_us = rnd_us(act->timeout_us / 2, act->timeout_us);
		p->fails = p->hangs = false;
	}
	return p;
}

int command_start(struct loop *l, const char *exe, const char *dir, const char *name, const struct act *act,
                  const struct command_env *env, command_fn *fn, void *arg, struct command **ret)
{
	(void)exe;
	(void)dir;
	if (process_find(name))
		return -EEXIST;
	struct process *p = process_new(name, act, env);

	LIST_INSERT_HEAD(&all, p, link);
	if (p->sets || p->reloads)
		watch_program_starts(p->incident);
	say("  program %s of incident %lld starts: %s %s, %d", name, (long long)p->incident, act->argv[1], act->argv[2],
	    p->pct);
	sim_at(sim_now() + rnd_us(US_PER_MS, 50 * US_PER_MS), p, process_runs, p);
	*ret = command_new(l, p, fn, arg);
	return 0;
}

int command_resolve(struct loop *l, const char *dir, const char *name, command_fn *fn, void *arg, struct command **ret)
{
	struct process *p = process_find(name);

	(void)dir;
	*ret = command_new(l, p, fn, arg);
	if (p && p->state == STARTING) { /* it has not taken its claim: it never will */
		sim_drop(p);
		p->state = CANCELLED;
	}
	if (!p || p->state == CANCELLED)
		tell_soon(*ret, (struct command_outcome) {.end = COMMAND_NOT_STARTED, .exit_code = -1, .text = ""});
	else if (p->state == ENDED)
		tell_soon(*ret, p->end);
	return 0;
}

int command_forget(const char *dir, const char *name)
{
	struct process *p = process_find(name);

	(void)dir;
	if (!p || is_alive(p))
		return 0;
	if (p->watcher)
		p->watcher->process = NULL;
	LIST_REMOVE(p, link);
	free(p);
	return 0;
}

char **command_env_new(const struct command_env *env)
{
	(void)env;
	return NULL;
}

void command_env_free(char **env)
{
	(void)env;
}

/* --- the flags file: the real one, when nothing is in its way --- */

/* Names of the linker's --wrap. */
int __real_flags_file_write(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                            size_t why_size);
int __wrap_flags_file_write(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                            size_t why_size);
int __real_flags_file_set(const char *path, const char *key, int32_t from, int32_t pct,
                          const struct flags_value *values, size_t n_values, struct flags_change *ret, char *why,
                          size_t why_size);
int __wrap_flags_file_set(const char *path, const char *key, int32_t from, int32_t pct,
                          const struct flags_value *values, size_t n_values, struct flags_change *ret, char *why,
                          size_t why_size);
int __wrap_usleep(unsigned us);

static struct service *service_of_file(const char *path)
{
	for (int i = 0; i < SERVICES; i++)
		if (!strcmp(world_service(i)->file, path))
			return world_service(i);
	abort();
}

static int refuse(int err, char *why, size_t why_size)
{
	count(COUNT_FILE_REFUSED);
	snprintf(why, why_size, "cannot write it: %s", strerror(-err));
	return err;
}

int __wrap_flags_file_write(const char *path, const char *key, int32_t pct, struct flags_change *ret, char *why,
                            size_t why_size)
{
	struct service *s = service_of_file(path);
	int32_t before = world_file_pct(s);

	if (world_has(FAULT_FILE))
		return refuse(rnd_chance(50) ? -ENOSPC : -EACCES, why, why_size);
	int r = __real_flags_file_write(path, key, pct, ret, why, why_size);
	say("  the flags file %s is to be lowered to %d: %d", strrchr(path, '/') - 2, pct, r);
	if (before >= 0 && world_file_pct(s) > before)
		violate("raise: a rollback wrote %d into a flags file that said %d", world_file_pct(s), before);
	if (r == 1)
		world_act_ends(s);
	return r;
}

int __wrap_flags_file_set(const char *path, const char *key, int32_t from, int32_t pct,
                          const struct flags_value *values, size_t n_values, struct flags_change *ret, char *why,
                          size_t why_size)
{
	struct service *s = service_of_file(path);

	if (world_has(FAULT_FILE))
		return refuse(rnd_chance(50) ? -ENOSPC : -EACCES, why, why_size);
	int r = __real_flags_file_set(path, key, from, pct, values, n_values, ret, why, why_size);
	say("  the flags file %s is to be set to %d: %d", strrchr(path, '/') - 2, pct, r);
	if (r == 1)
		world_act_ends(s);
	return r;
}

int __wrap_usleep(unsigned us)
{
	sim_pass(us);
	return 0;
}
