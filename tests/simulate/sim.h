/*
 * The simulator: the real handlers and the real database in a world that is a model, one history per seed.
 *
 * Time is virtual: whatever happens is an event in one queue, and the clock stands at the event that runs. Everything
 * runs on one thread (the writer thread runs jobs only while that one waits for it), and every choice comes from one
 * stream of random numbers, so a seed is a history and can be run again.
 */
#ifndef TESTS_SIMULATE_SIM_H
#define TESTS_SIMULATE_SIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/clock.h"
#include "server/core/scope.h"

/* --- time and what happens in it (queue.c) --- */

struct sim_event;
typedef void sim_fn(void *arg);

/* Forgets everything; the clock stands at the beginning. */
void sim_begin(uint64_t seed, bool verbose);
/* Monotonic, what clock_mono_us() says. */
int64_t sim_now(void);
/* Moves the wall clock alone: the daemon's. */
void sim_wall_jump(int64_t by_us);
/* Unix time, as those know it whose clock is right: Prometheus and Alertmanager. */
int64_t sim_true_us(void);
/* Time passes while the thread waits, and nothing happens in it. */
void sim_pass(int64_t us);
/* fn(arg) at that time; what is asked for the same time happens in the order of asking. owner: for sim_drop. */
struct sim_event *sim_at(int64_t mono_us, const void *owner, sim_fn *fn, void *arg);
void sim_cancel(struct sim_event *e); /* NULL is fine */
/* Nothing more happens of owner. */
void sim_drop(const void *owner);
/* The next event, if it comes before until; false: none, and the clock stands at until. */
bool sim_step(int64_t until_us);

uint64_t rnd(void);
int rnd_below(int n);
bool rnd_chance(int percent);
/* Between least and most, short ones as often as long ones. */
int64_t rnd_us(int64_t least, int64_t most);

/* One line of the history, shown when it is verbose. */
void say(const char *fmt, ...) PRINTF_LIKE(1, 2);
bool sim_verbose(void);
/* A rule was broken: the first one ends the history. */
void violate(const char *fmt, ...) PRINTF_LIKE(1, 2);
const char *sim_violation(void); /* NULL: none */

/* What the histories came to, all together: a simulator that no longer gets there finds nothing (count.c). */
enum sim_count {
	COUNT_ROLLED_BACK,
	COUNT_LATE, /* rolled back after it had failed */
	COUNT_FAILED,
	COUNT_ALREADY_THERE,
	COUNT_ATTACHED_ABOVE,    /* a trigger met an open incident while the world was above */
	COUNT_ADVANCES,          /* stages that were begun to be entered */
	COUNT_SUPERSEDED_ALIVE,  /* a rollback began while a program of another incident could still act */
	COUNT_CRASHES,           /* while an incident was open */
	COUNT_CRASHES_IN_AN_ACT, /* while a program ran */
	COUNT_RELOADS_THAT_MOVE, /* while an incident was open */
	COUNT_RAISED_OUTSIDE,    /* while an incident was open */
	COUNT_DRIFTED,           /* a trigger met a world that is lower than what is on record */
	COUNT_DOUBTS,            /* a runner died */
	COUNT_FILE_REFUSED,
	COUNT_CALLED_OFF,
	COUNT_RESOLVED,
	COUNT_N
};
int count_begin(void); /* before the jobs are forked */
void count(enum sim_count what);
/* One line for each; how many were never reached. */
int count_tell(void);

/* --- the daemon (house.c) --- */

struct db;
struct db_conn;

int house_open(const char *dir); /* the state directory, for one history */
void house_close(void);
void house_start(void);
/* As kill -9: what was committed stays, and what goes on outside. */
void house_crash(void);
bool house_is_up(void);
/* The config that the world has now (config.c) is read and put in force. */
void house_reload(void);
struct db_conn *house_reader(void);
/* Crashes right after the n-th commit from now, before anybody hears of it. */
void house_crash_after_commit(int n);

/* A request to the API, answered through fn: status 0: no answer came. body is borrowed during the call. */
typedef void house_fn(void *arg, int status, const char *body);
void house_ask(const char *path, const char *body, house_fn *fn, void *arg);
/* Somebody has not been answered yet. */
bool house_owes_answers(void);

#endif
