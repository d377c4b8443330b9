/*
 * Commands of steps, seen from the engine: each attempt is run by a runner process (runner.h) that survives
 * us.
 *
 * Engine thread. A command calls back once, never inside the call that made it, and is gone after that. name
 * is one attempt of one step ("17.2") and is never used for another; its files stay until command_forget.
 */
#ifndef HANDLERS_STEPS_COMMAND_H
#define HANDLERS_STEPS_COMMAND_H

#include "handlers/settings/settings.h"
#include "server/core/loop.h"
#include "server/core/text.h"

enum command_end {
	COMMAND_EXITED = 1,
	COMMAND_SIGNALLED,
	COMMAND_TIMED_OUT, /* stopped at its time limit */
	COMMAND_COULD_NOT_START,
	COMMAND_NOT_STARTED, /* resolve only: it never ran, and never will under this name */
	COMMAND_IN_DOUBT,    /* its runner died: it may have run, wholly or in part */
	COMMAND_UNKILLABLE,  /* it, or its runner, is still there after its time limit */
	COMMAND_STOPPED,     /* by command_stop: it is over, and may have done a part of its work */
};

struct command_outcome {
	enum command_end end;
	int exit_code;    /* COMMAND_EXITED, else -1 */
	int signal;       /* COMMAND_SIGNALLED, else 0 */
	const char *text; /* for people: a sentence when it is not exit code 0, then the output. Borrowed */
};
typedef void command_fn(void *arg, const struct command_outcome *o);

/* What the program is told, as ROLLBACKD_INCIDENT_ID, _STEP, _ATTEMPT, _ROLLOUT, _PERCENTAGE and
 * _LABEL_<NAME>. Borrowed. */
struct command_env {
	int64_t incident_id;
	const char *step;
	int32_t attempt;
	const char *rollout;
	int32_t pct; /* -1: left out */
	/* At most 64 are handed over; values are made one line of at most 4 KiB. */
	const struct text_pair *labels;
	size_t n_labels;
};

struct command;
/* runner: path of rollbackd-run. dir: ours alone (0700). 0, or -errno: nothing was started and nothing is left on
 * disk; -EEXIST: this name was used before. */
int command_start(struct loop *l, const char *runner, const char *dir, const char *name, const struct act *act,
                  const struct command_env *env, command_fn *fn, void *arg, struct command **ret) MUST_CHECK;

/* After a restart: what became of it? Takes the result, waits for a living runner (as long as the command may
 * take and 15 s), or keeps a late one from starting. */
int command_resolve(struct loop *l, const char *dir, const char *name, command_fn *fn, void *arg,
                    struct command **ret) MUST_CHECK;

/* Has it ended early, with its whole process group: the call back comes as it would without, within 10 s. */
void command_stop(struct command *c);
/* Stops watching, without a call back; the runner lives on. NULL is fine. */
void command_abandon(struct command *c);

/* Removes the files of an attempt whose outcome is on disk. 0 or -errno. */
int command_forget(const char *dir, const char *name);

/* The environment of a command: a NULL-terminated array for command_env_free, NULL when out of memory. Pure.
 */
char **command_env_new(const struct command_env *env);
void command_env_free(char **env);

#endif
