/*
 * Child processes, for whoever waits with poll: the daemon's loop (loop.h), and the runner of steps, which has none.
 * libc only. One thread.
 *
 * Handles are valid until their callback has returned or they were cancelled; a cancelled one never calls back. No
 * callback runs inside the call that started its child.
 */
#ifndef SERVER_CORE_CHILD_H
#define SERVER_CORE_CHILD_H

#include <poll.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include "server/core/scope.h"

#define CHILDREN_MAX 192 /* of one list; unkillable ones that were given up included */
#define CHILD_FDS    4   /* pidfd, stdin, stdout, stderr */

struct children {
	TAILQ_HEAD(child_list, child) list;
	unsigned n;
};

/* A child process: no shell, own session and process group, clean environment, default signals, fds >= 3
 * closed, cwd "/", stdout and stderr into one bounded buffer (head and tail kept), stdin from /dev/null or the
 * given bytes. The umask is inherited: the daemon sets its own to 077 at start. Limits (setrlimit) the child sets
 * itself.
 * At the time limit: SIGTERM to the group, 5 s later SIGKILL to the group, 5 s later given up (unkillable).
 * After the exit output is read for at most 500 ms more: a background process may hold the pipe. Such a process
 * lives on, unless the time limit had passed. Descriptors 0, 1 and 2 of the daemon must be open. */
struct child;
struct child_spec {
	const char *const *argv; /* NULL-terminated; argv[0] an absolute path */
	const char *const *env;  /* "NAME=value", NULL-terminated, or NULL; PATH, LANG, HOME (of our user), TZ are added
	                          * unless given. Nothing is inherited */
	const char *input;       /* stdin, or NULL for /dev/null */
	size_t input_len;
	int64_t timeout_us;
	size_t max_output;    /* of stdout+stderr together; more is drained and counted */
	bool separate_stderr; /* output holds stdout only, error_text the first 1 KiB of stderr */
	int64_t grace_us;     /* from SIGTERM to SIGKILL and from there to giving up; 0: 5 s */
};
struct child_result {
	int error;     /* 0: it ran and ended; -ETIMEDOUT; could not start: -ENOENT, -EACCES … */
	int exit_code; /* valid if it exited; else -1 */
	int signal;    /* 0, or what ended it */
	bool unkillable;
	const char *output; /* raw bytes, NUL-terminated; borrowed during the callback */
	size_t output_len;
	size_t output_lost;     /* bytes not kept … */
	size_t output_gap;      /* … and where in output they were missing */
	const char *error_text; /* with separate_stderr; else "" */
};
typedef void child_fn(void *arg, const struct child_result *r);

/* Finds the HOME of our user. Once, before there are threads: the user database may be far away. */
void children_init(void);
/* "HOME=…" as children get it. */
const char *children_home(void);

/* A program that cannot be started is told through the callback. -errno only for a wrong spec (-EINVAL) and
 * when this process lacks memory or descriptors or has CHILDREN_MAX already (-EAGAIN). The spec is copied; ret may be
 * NULL. */
int child_spawn(struct children *all, const struct child_spec *spec, child_fn *fn, void *arg,
                struct child **ret) MUST_CHECK;
/* As if its time limit had passed now: SIGTERM to its group, and so on; the callback comes. */
void child_stop(struct child *c);
/* Kills its group (SIGKILL); no callback. NULL is fine. */
void child_cancel(struct child *c);

/* Moves bytes, notices exits, calls back what has ended. */
void children_turn(struct children *all);
/* When the next one needs a turn, mono; INT64_MAX: never. */
int64_t children_due_us(const struct children *all);
/* Fills in what to wait for; at most CHILD_FDS for each. */
unsigned children_fds(const struct children *all, struct pollfd *fds);
/* Leaves the processes alone. */
void children_free(struct children *all);

#endif
