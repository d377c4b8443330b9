#include "server/core/child.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include "server/core/clock.h"
#include "server/core/headtail.h"

#define GRACE_US     (5 * US_PER_S)
#define DRAIN_US     (500 * US_PER_MS) /* of output after the exit */
#define STDERR_MAX   1024
#define READS_A_TURN 16 /* of READ_SIZE: a child that never stops writing must not stop the loop */
#define READ_SIZE    (16 * 1024)

enum child_phase {
	CHILD_RUNNING,
	CHILD_TERM_SENT,
	CHILD_KILL_SENT,
	CHILD_DRAINING,  /* exited (not reaped: its id still names its group), output may come */
	CHILD_ENDED,     /* in its callback */
	CHILD_ABANDONED, /* nobody asks any more: waits to be reaped */
	CHILD_GONE,      /* reaped or never started, and told */
};

struct child {
	TAILQ_ENTRY(child) link;
	struct children *all;
	enum child_phase phase;
	pid_t pid;
	int pidfd; /* -1: could not be had, then it is only looked at every turn */
	int in_fd, out_fd, err_fd;
	struct buf input;
	size_t input_sent;
	struct headtail out, err;
	bool exited, timed_out;
	int start_error;
	siginfo_t end;  /* valid once exited */
	int64_t due_us; /* when the phase ends by itself */
	int64_t grace_us;
	child_fn *fn;
	void *arg;
};

/* Descriptors. */

static void close_fd(int *fd)
{
	cleanup_fd(fd);
	*fd = -1;
}

/* Lets go of everything but the process. */
static void child_hush(struct child *c)
{
	close_fd(&c->in_fd);
	close_fd(&c->out_fd);
	close_fd(&c->err_fd);
	buf_free(&c->input);
	headtail_free(&c->out);
	headtail_free(&c->err);
}

static void child_delete(struct child *c)
{
	if (!c)
		return;
	child_hush(c);
	close_fd(&c->pidfd);
	free(c);
}

static void child_cleanup(struct child **c)
{
	child_delete(*c);
}

static void feed(struct child *c)
{
	while (c->in_fd >= 0 && c->input_sent < c->input.len) {
		assert(c->input_sent < c->input.len);
		ssize_t n = write(c->in_fd, c->input.data + c->input_sent, c->input.len - c->input_sent);

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < 0)
			break; /* EPIPE: it does not want the rest */
		c->input_sent += (size_t)n;
	}
	close_fd(&c->in_fd);
}

static void drain(int *fd, struct headtail *k)
{
	char data[READ_SIZE];

	for (int i = 0; i < READS_A_TURN && *fd >= 0; i++) {
		ssize_t n = read(*fd, data, sizeof(data));

		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n <= 0)
			close_fd(fd);
		else
			headtail_add(k, data, (size_t)n);
	}
}

/* Life and death. */

/* Notices the exit and leaves the zombie: until it is reaped nobody else gets its process group's number. */
static void look_for_exit(struct child *c)
{
	idtype_t type = c->pidfd >= 0 ? P_PIDFD : P_PID;
	id_t id = c->pidfd >= 0 ? (id_t)c->pidfd : (id_t)c->pid;
	siginfo_t end = {0};

	if (!c->exited && waitid(type, id, &end, WEXITED | WNOHANG | WNOWAIT) == 0 && end.si_pid == c->pid) {
		c->exited = true;
		c->end = end;
	}
}

static void reap(const struct child *c)
{
	assert(c->pid > 0);
	siginfo_t end;

	waitid(P_PID, (id_t)c->pid, &end, WEXITED | WNOHANG);
}

/* Asks nothing more of it; it is reaped when it ends. */
static void child_abandon(struct child *c)
{
	child_hush(c);
	c->phase = CHILD_ABANDONED;
	c->due_us = INT64_MAX;
}

static void tell(struct child *c)
{
	assert(c->fn);
	struct child_result r = {.error = c->timed_out ? -ETIMEDOUT : c->start_error, .exit_code = -1};

	headtail_straighten(&c->out);
	if (c->exited && c->end.si_code == CLD_EXITED)
		r.exit_code = c->end.si_status;
	else if (c->exited)
		r.signal = c->end.si_status;
	r.unkillable = c->pid > 0 && !c->exited;
	r.output = buf_text(&c->out.buf);
	r.output_len = c->out.buf.len;
	r.output_lost = c->out.lost;
	r.output_gap = headtail_gap(&c->out);
	r.error_text = buf_text(&c->err.buf);
	c->phase = CHILD_ENDED;
	c->fn(c->arg, &r);
}

static void child_finish(struct child *c)
{
	assert(c->phase != CHILD_ENDED);
	if (c->exited && c->timed_out)
		kill(-c->pid, SIGKILL); /* what it left behind in its group had its grace */
	if (c->exited)
		reap(c);
	tell(c);
	if (c->pid > 0 && !c->exited)
		child_abandon(c);
	else
		c->phase = CHILD_GONE;
}

static void set_phase(struct child *c, enum child_phase phase, int64_t us)
{
	assert(us >= 0);
	c->phase = phase;
	c->due_us = clock_later(clock_mono_us(), us);
}

static void send_signal(struct child *c, int sig, enum child_phase phase)
{
	assert(c->pid > 0);
	kill(-c->pid, sig);
	c->timed_out = true;
	set_phase(c, phase, c->grace_us);
}

static void time_passed(struct child *c)
{
	if (c->phase == CHILD_RUNNING && c->pid > 0)
		send_signal(c, SIGTERM, CHILD_TERM_SENT);
	else if (c->phase == CHILD_TERM_SENT)
		send_signal(c, SIGKILL, CHILD_KILL_SENT);
	else
		child_finish(c); /* drained, unkillable or never started */
}

/* After SIGTERM the rest of the group keeps its grace while it holds the output open. */
static void after_exit(struct child *c)
{
	if (c->out_fd < 0 && c->err_fd < 0)
		child_finish(c);
	else if (c->phase == CHILD_RUNNING || c->phase == CHILD_KILL_SENT)
		set_phase(c, CHILD_DRAINING, DRAIN_US);
}

static void child_step(struct child *c)
{
	look_for_exit(c); /* before reading: what it wrote before its exit is in the pipe now */
	feed(c);
	drain(&c->out_fd, &c->out);
	drain(&c->err_fd, &c->err);
	if (c->exited)
		after_exit(c);
	if (c->phase != CHILD_GONE && c->due_us <= clock_mono_us())
		time_passed(c);
}

static void abandoned_step(struct child *c)
{
	look_for_exit(c);
	if (c->exited)
		reap(c);
	if (c->exited || c->pid == 0)
		c->phase = CHILD_GONE;
}

/* Only here children leave the list, so callbacks may cancel and start what they like. At most as many as
 * there are now: one that cannot start must not be told, and started again, for ever. */
void children_turn(struct children *all)
{
	assert(all);
	struct child *c = TAILQ_FIRST(&all->list), *next;

	for (unsigned left = all->n; left > 0 && c; left--, c = next) {
		if (c->phase == CHILD_ABANDONED)
			abandoned_step(c);
		else
			child_step(c);
		next = TAILQ_NEXT(c, link);
		if (c->phase == CHILD_GONE) {
			TAILQ_REMOVE(&all->list, c, link);
			all->n--;
			child_delete(c);
		}
	}
}

int64_t children_due_us(const struct children *all)
{
	const struct child *c;
	int64_t due = INT64_MAX;

	for (c = TAILQ_FIRST(&all->list); c; c = TAILQ_NEXT(c, link))
		due = c->due_us < due ? c->due_us : due;
	return due;
}

static unsigned want(struct pollfd *fds, unsigned n, int fd, short events)
{
	assert(events != 0);
	if (fd < 0)
		return n;
	fds[n] = (struct pollfd) {.fd = fd, .events = events};
	return n + 1;
}

unsigned children_fds(const struct children *all, struct pollfd *fds)
{
	assert(all && fds);
	const struct child *c;
	unsigned n = 0;

	for (c = TAILQ_FIRST(&all->list); c; c = TAILQ_NEXT(c, link)) {
		n = want(fds, n, c->exited && c->phase != CHILD_ABANDONED ? -1 : c->pidfd, POLLIN);
		n = want(fds, n, c->in_fd, POLLOUT);
		n = want(fds, n, c->out_fd, POLLIN);
		n = want(fds, n, c->err_fd, POLLIN);
	}
	return n;
}

/* Start. */

static char home[PATH_MAX] = "HOME=/nonexistent";

void children_init(void)
{
	const struct passwd *pw = getpwuid(geteuid());

	if (pw && pw->pw_dir && pw->pw_dir[0] == '/' && strlen(pw->pw_dir) + sizeof("HOME=") <= sizeof(home))
		snprintf(home, sizeof(home), "HOME=%s", pw->pw_dir);
}

const char *children_home(void)
{
	return home;
}

static const char *const default_env[] = {
	"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
	"LANG=C.UTF-8",
	home,
	"TZ=UTC",
};

static bool env_has(const char *const *env, const char *entry)
{
	assert(strchr(entry, '='));
	size_t len = (size_t)(strchr(entry, '=') - entry) + 1;

	for (; env && *env; env++)
		if (!strncmp(*env, entry, len))
			return true;
	return false;
}

/* The strings stay the spec's. */
static const char **make_env(const char *const *env)
{
	size_t n = 0;
	const char **all;

	while (env && env[n])
		n++;
	all = calloc(n + ARRAY_LEN(default_env) + 1, sizeof(*all));
	if (!all)
		return NULL;
	for (size_t i = 0; i < n; i++)
		all[i] = env[i];
	for (size_t i = 0; i < ARRAY_LEN(default_env); i++)
		if (!env_has(env, default_env[i]))
			all[n++] = default_env[i];
	return all;
}

static bool spec_ok(const struct child_spec *s)
{
	if (!s->argv || !s->argv[0] || s->argv[0][0] != '/' || s->timeout_us <= 0 || s->grace_us < 0)
		return false;
	for (const char *const *e = s->env; e && *e; e++)
		if (!strchr(*e, '=') || **e == '=')
			return false;
	return true;
}

/* Only our end may be non-blocking: programs do not expect EAGAIN on their stdout. */
static int make_pipe(int *ours, int *theirs, bool we_read)
{
	int ends[2];

	if (pipe2(ends, O_CLOEXEC) < 0)
		return -errno;
	*ours = ends[we_read ? 0 : 1];
	*theirs = ends[we_read ? 1 : 0];
	return fcntl(*ours, F_SETFL, O_NONBLOCK) < 0 ? -errno : 0;
}

struct spawn_plan {
	posix_spawn_file_actions_t actions;
	posix_spawnattr_t attr;
};

static void plan_cleanup(struct spawn_plan *p)
{
	posix_spawn_file_actions_destroy(&p->actions);
	posix_spawnattr_destroy(&p->attr);
}

static int plan_files(posix_spawn_file_actions_t *a, int in, int out, int err)
{
	int bad = in >= 0 ? posix_spawn_file_actions_adddup2(a, in, STDIN_FILENO)
	                  : posix_spawn_file_actions_addopen(a, STDIN_FILENO, "/dev/null", O_RDONLY, 0);

	bad |= posix_spawn_file_actions_adddup2(a, out, STDOUT_FILENO);
	bad |= posix_spawn_file_actions_adddup2(a, err >= 0 ? err : out, STDERR_FILENO);
	bad |= posix_spawn_file_actions_addclosefrom_np(a, STDERR_FILENO + 1);
	bad |= posix_spawn_file_actions_addchdir_np(a, "/");
	return bad ? -ENOMEM : 0;
}

static void plan_attr(posix_spawnattr_t *attr)
{
	sigset_t none, all;

	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(attr, &none);
	posix_spawnattr_setsigdefault(attr, &all);
	posix_spawnattr_setflags(attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
}

static int child_exec(struct child *c, const struct child_spec *s, int in, int out, int err)
{
	CLEANUP(cleanup_free) const char **env = make_env(s->env);
	CLEANUP(plan_cleanup) struct spawn_plan p;

	/* glibc: neither can fail. */
	posix_spawn_file_actions_init(&p.actions);
	posix_spawnattr_init(&p.attr);
	if (!env || plan_files(&p.actions, in, out, err) < 0)
		return -ENOMEM;
	plan_attr(&p.attr);
	c->start_error =
		-posix_spawn(&c->pid, s->argv[0], &p.actions, &p.attr, (char *const *)s->argv, (char *const *)env);
	if (c->start_error)
		c->pid = 0;
	return 0;
}

static int child_start(struct child *c, const struct child_spec *s)
{
	CLEANUP(cleanup_fd) int in = -1;
	CLEANUP(cleanup_fd) int out = -1;
	CLEANUP(cleanup_fd) int err = -1;
	int r = make_pipe(&c->out_fd, &out, true);

	if (r == 0 && s->separate_stderr)
		r = make_pipe(&c->err_fd, &err, true);
	if (r == 0 && s->input)
		r = make_pipe(&c->in_fd, &in, false);
	if (r < 0)
		return r;
	return child_exec(c, s, in, out, err);
}

static int child_new(struct children *all, const struct child_spec *s, struct child **ret)
{
	CLEANUP(child_cleanup) struct child *c = calloc(1, sizeof(*c));
	size_t input_len = s->input ? s->input_len : 0;

	if (!c)
		return -ENOMEM;
	c->all = all;
	c->pidfd = c->in_fd = c->out_fd = c->err_fd = -1;
	c->grace_us = s->grace_us ? s->grace_us : GRACE_US;
	c->input = BUF(input_len);
	c->out = HEADTAIL(s->max_output, s->max_output / 2);
	c->err = HEADTAIL(STDERR_MAX, STDERR_MAX);
	if (buf_add(&c->input, s->input ? s->input : "", input_len) < 0)
		return -ENOMEM;
	*ret = TAKE(c);
	return 0;
}

/* The process exists: from here on it stays in the list until it is reaped. */
static int child_watch(struct child *c, int64_t timeout_us)
{
	assert(c->all->n < CHILDREN_MAX && timeout_us > 0);
	TAILQ_INSERT_TAIL(&c->all->list, c, link);
	c->all->n++;
	if (c->start_error)
		return 0; /* due at once: told in the next turn */
	set_phase(c, CHILD_RUNNING, timeout_us);
	c->pidfd = pidfd_open(c->pid, 0);
	if (c->pidfd < 0) {
		int e = errno;

		kill(-c->pid, SIGKILL);
		child_abandon(c);
		return -e;
	}
	return 0;
}

int child_spawn(struct children *all, const struct child_spec *spec, child_fn *fn, void *arg, struct child **ret)
{
	assert(all && spec && fn);
	CLEANUP(child_cleanup) struct child *c = NULL;
	struct child *linked;
	int r;

	if (!spec_ok(spec))
		return -EINVAL;
	if (all->n >= CHILDREN_MAX)
		return -EAGAIN;
	r = child_new(all, spec, &c);
	if (r < 0)
		return r;
	r = child_start(c, spec);
	if (r < 0)
		return r;
	linked = TAKE(c);
	linked->fn = fn;
	linked->arg = arg;
	r = child_watch(linked, spec->timeout_us);
	if (r == 0 && ret)
		*ret = linked;
	return r;
}

void child_stop(struct child *c)
{
	assert(c);
	if (c->phase == CHILD_RUNNING)
		c->due_us = clock_mono_us();
}

void child_cancel(struct child *c)
{
	if (!c || c->phase == CHILD_ENDED) /* its own callback */
		return;
	if (c->pid > 0)
		kill(-c->pid, SIGKILL);
	child_abandon(c);
}

void children_free(struct children *all)
{
	struct child *c = TAILQ_FIRST(&all->list), *next;

	for (; c; c = next) {
		next = TAILQ_NEXT(c, link);
		child_delete(c);
	}
}
