/*
 * The event loop of one thread: timers, HTTP transfers (curl multi), children (pidfd) and an inbox.
 *
 * Everything but loop_post, loop_stop and loop_last_turn_us belongs to the thread that runs the loop;
 * callbacks run on it and may start or cancel anything, themselves included. Nothing blocks beyond the poll.
 *
 * Handles (struct loop_timer, loop_fetch, loop_child) are valid until their callback has returned or they
 * were cancelled; a cancelled one never calls back. No callback runs inside the call that starts its work.
 */
#ifndef SERVER_CORE_LOOP_H
#define SERVER_CORE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/buf.h"

struct loop;

/* Once in main, before threads: curl_global_init; SIGPIPE is ignored (children get it back) and SIGCHLD set
 * to its default, where it must stay, else a child's end is lost. */
int loop_global_init(void);
int loop_new(struct loop **ret);
/* Cancels what is left without calling back; children are left alone. */
void loop_free(struct loop *l);
/* Runs until loop_stop. 0 or -errno. May be called again afterwards. */
int loop_run(struct loop *l);
/* Any thread. What was posted before still runs. */
void loop_stop(struct loop *l);
/* Monotonic time at which the current turn began, for the watchdog; an idle loop turns at least once a
 * second. Any thread. */
int64_t loop_last_turn_us(const struct loop *l);

/* Runs fn(arg) on the loop's thread soon. Any thread. Unbounded by itself: callers post small things whose
 * number is bounded elsewhere. -ENOMEM, then fn is not called. */
typedef void loop_fn(void *arg);
int loop_post(struct loop *l, loop_fn *fn, void *arg) MUST_CHECK;

/* Once, at mono time at_us or as soon after as possible. NULL when out of memory. */
struct loop_timer;
struct loop_timer *loop_timer_at(struct loop *l, int64_t at_mono_us, loop_fn *fn, void *arg);
void loop_timer_cancel(struct loop *l, struct loop_timer *t); /* NULL is fine */

/* HTTP(S). Redirects are never followed, proxies and netrc of the environment ignored, TLS verified, names
 * resolved within the same time limit, bodies cut off at max_body (then error = -EMSGSIZE), and also when those of one
 * share that come in together have more than LOOP_BODIES_MAX. The struct and
 * all it points to are copied by loop_fetch, whose ret may be NULL. It refuses a wrong spec with -EINVAL, and
 * with -EAGAIN when 1024 are waiting in that share already. */
struct loop_fetch;
/* Separate limits, 16, 16, 8 and 4 at once (more wait in order, their time limit runs): a dead chat cannot hold up a
 * rollback or a page, nor can a comparison of weeks (study). */
#define LOOP_BODIES_MAX (24 * 1024 * 1024)
enum loop_share { LOOP_SHARE_ACT, LOOP_SHARE_PAGE, LOOP_SHARE_TELL, LOOP_SHARE_STUDY, LOOP_SHARE_N };
struct fetch_spec {
	const char *method; /* "GET" … */
	const char *url;
	const char *const *headers; /* "Name: value", NULL-terminated, or NULL; no control bytes (-EINVAL) */
	const char *body;           /* or NULL */
	size_t body_len;
	int64_t timeout_us; /* whole transfer, name resolution included */
	size_t max_body;
	enum loop_share share;
};
struct fetch_result {
	int error;              /* 0: an answer came; -ETIMEDOUT, -ECONNREFUSED, -EMSGSIZE, -EIO … */
	const char *error_text; /* "" or one short sentence without the URL */
	int status;             /* HTTP status, 0 without an answer; look at error first */
	const char *body;       /* NUL-terminated; borrowed during the callback */
	size_t body_len;
	const char *retry_after; /* header as sent, or NULL */
};
typedef void loop_fetch_fn(void *arg, const struct fetch_result *r);
int loop_fetch(struct loop *l, const struct fetch_spec *spec, loop_fetch_fn *fn, void *arg,
               struct loop_fetch **ret) MUST_CHECK;
void loop_fetch_cancel(struct loop *l, struct loop_fetch *f);

/* A child process: no shell, own session and process group, clean environment, default signals, fds >= 3
 * closed, cwd "/", stdout and stderr into one bounded buffer (head and tail kept), stdin from /dev/null or the
 * given bytes. The umask is inherited: the daemon sets its own to 077 at start. Limits (setrlimit) the child sets
 * itself.
 * At the time limit: SIGTERM to the group, 5 s later SIGKILL to the group, 5 s later given up (unkillable).
 * After the exit output is read for at most 500 ms more: a background process may hold the pipe. Such a process
 * lives on, unless the time limit had passed. Descriptors 0, 1 and 2 of the daemon must be open. */
struct loop_child;
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
typedef void loop_child_fn(void *arg, const struct child_result *r);
/* A program that cannot be started is told through the callback. -errno only for a wrong spec (-EINVAL) and
 * when this process lacks memory or descriptors or has 64 children already (-EAGAIN). The spec is copied; ret may be
 * NULL. */
int loop_spawn(struct loop *l, const struct child_spec *spec, loop_child_fn *fn, void *arg,
               struct loop_child **ret) MUST_CHECK;
/* As if its time limit had passed now: SIGTERM to its group, and so on; the callback comes. */
void loop_child_stop(struct loop *l, struct loop_child *c);
/* Kills its group (SIGKILL); no callback. */
void loop_child_cancel(struct loop *l, struct loop_child *c);

#endif
