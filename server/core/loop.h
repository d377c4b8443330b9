/*
 * The event loop of one thread: timers, HTTP transfers (curl multi), children (pidfd) and an inbox.
 *
 * Everything but loop_post, loop_stop and loop_last_turn_us belongs to the thread that runs the loop;
 * callbacks run on it and may start or cancel anything, themselves included. Nothing blocks beyond the poll.
 *
 * Handles (struct loop_timer, loop_fetch, loop_watch, child) are valid until their callback has returned or they
 * were cancelled; a cancelled one never calls back. No callback runs inside the call that starts its work.
 */
#ifndef SERVER_CORE_LOOP_H
#define SERVER_CORE_LOOP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "server/core/buf.h"
#include "server/core/child.h"

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

/* A child process (child.h), at most CHILDREN_MAX at once. */
int loop_spawn(struct loop *l, const struct child_spec *spec, child_fn *fn, void *arg, struct child **ret) MUST_CHECK;
void loop_child_stop(struct loop *l, struct child *c);
void loop_child_cancel(struct loop *l, struct child *c);

/* Calls fn(arg) once, when fd can be read; of a pidfd: when its process has ended. The descriptor stays the caller's,
 * and open until then. NULL when out of memory. */
struct loop_watch;
struct loop_watch *loop_watch_read(struct loop *l, int fd, loop_fn *fn, void *arg);
void loop_watch_cancel(struct loop *l, struct loop_watch *w); /* NULL is fine */

#endif
