#include "handlers/steps/command.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/wait.h>

#include "handlers/steps/runner_private.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/log.h"

#define OUTPUT_MAX    (48 * 1024) /* raw bytes; escaped they may be more, the text is cut then */
#define POLL_FIRST_US (5 * US_PER_MS)
#define POLL_MAX_US   (50 * US_PER_MS)
#define SPARE_US      (15 * US_PER_S) /* beyond the time limit: the runner's way from SIGTERM to giving up takes 10.5 s */
#define LABELS_MAX    64
#define LABEL_MAX     4096
#define ENV_FIXED     6

extern char **environ;

struct command {
	struct loop *loop;
	struct loop_timer *timer;   /* the time limit, or the next look */
	struct loop_watch *watch;   /* of pidfd; NULL: not ours, then it is looked at again and again */
	int pidfd;                  /* of our runner; -1: not ours */
	struct attempt attempt;     /* point into names */
	pid_t runner;               /* our child; 0: not ours, or reaped */
	bool started;               /* by us */
	int64_t until_us, pause_us; /* mono */
	command_fn *fn;
	void *arg;
	char names[];
};

/* The environment. */

void command_env_free(char **env)
{
	for (char **e = env; e && *e; e++)
		free(*e);
	free(env);
}

static void env_cleanup(char ***env)
{
	command_env_free(*env);
}

/* False when out of memory. */
static bool env_add(char **env, size_t *n, char *text_taken)
{
	assert(env && n);
	env[*n] = text_taken;
	*n += text_taken != NULL;
	return text_taken != NULL;
}

static bool env_has(char **env, const char *name, size_t len)
{
	for (; *env; env++)
		if (strncmp(*env, name, len) == 0)
			return true;
	return false;
}

/* Label values come from outside: one line, bounded. Of two names that become the same the first stays. */
static bool env_add_label(char **env, size_t *n, const struct text_pair *label)
{
	CLEANUP(buf_free) struct buf b = BUF(2 * LABEL_MAX + 100);

	buf_str(&b, "ROLLBACKD_LABEL_");
	for (const char *c = label->name; *c && b.len < LABEL_MAX; c++)
		buf_char(&b, isascii(*c) && isalnum(*c) ? (char)toupper(*c) : '_');
	buf_char(&b, '=');
	if (!b.error && env_has(env, b.data, b.len))
		return true;
	text_one_line(&b, label->value, strlen(label->value), LABEL_MAX);
	return !b.error && env_add(env, n, buf_take(&b));
}

char **command_env_new(const struct command_env *e)
{
	assert(e && (e->labels || e->n_labels == 0) && e->step && e->rollout);
	size_t n_labels = e->n_labels < LABELS_MAX ? e->n_labels : LABELS_MAX, n = 0;
	CLEANUP(env_cleanup) char **env = calloc(ENV_FIXED + n_labels, sizeof(*env));
	char pct[16];

	text_pct(e->pct, pct, sizeof(pct));
	if (!env || !env_add(env, &n, text_format("ROLLBACKD_INCIDENT_ID=%lld", (long long)e->incident_id)) ||
	    !env_add(env, &n, text_format("ROLLBACKD_STEP=%s", e->step)) ||
	    !env_add(env, &n, text_format("ROLLBACKD_ATTEMPT=%d", e->attempt)) ||
	    !env_add(env, &n, text_format("ROLLBACKD_ROLLOUT=%s", e->rollout)) ||
	    (e->pct >= 0 && !env_add(env, &n, text_format("ROLLBACKD_PERCENTAGE=%s", pct))))
		return NULL;
	for (size_t i = 0; i < n_labels; i++)
		if (!env_add_label(env, &n, &e->labels[i]))
			return NULL;
	return TAKE(env);
}

/* Starting. */

static struct json_object *strings(const char *const *all)
{
	struct json_object *arr = json_object_new_array();

	for (; all && *all; all++)
		json_object_array_add(arr, json_object_new_string(*all));
	return arr;
}

static int put_spec(const struct attempt *a, const struct act *act, const struct command_env *e)
{
	CLEANUP(json_cleanup) struct json_object *root = json_object_new_object();
	CLEANUP(env_cleanup) char **env = command_env_new(e), **argv = act_argv(act, e->pct);

	if (!env || !argv)
		return -ENOMEM;
	json_add(root, "argv", strings((const char *const *)argv));
	struct json_object *all = strings((const char *const *)env);

	json_object_array_add(all, json_object_new_string(children_home())); /* looked up once, by us */
	json_add(root, "env", all);
	json_add_int(root, "timeout_us", act->timeout_us);
	json_add_int(root, "max_output", OUTPUT_MAX);
	json_add_bool(root, "idempotent", act->idempotent);
	const char *text = json_text(root);
	return attempt_write(a, "spec", text, strlen(text), !act->idempotent);
}

/* The empty claim comes first: it says whether this name was used before. */
static int put_files(const struct attempt *a, const struct act *act, const struct command_env *env)
{
	assert(a && act && env);
	int claim = attempt_open(a, "claim", O_RDWR | O_CREAT | O_EXCL);

	if (claim < 0)
		return claim;
	close(claim);
	int r = put_spec(a, act, env); /* where it syncs the directory, that holds for both */
	if (r < 0)
		command_forget(a->dir, a->name);
	return r;
}

static int spawn_files(posix_spawn_file_actions_t *files)
{
	int bad = posix_spawn_file_actions_addopen(files, STDIN_FILENO, "/dev/null", O_RDWR, 0);

	bad |= posix_spawn_file_actions_adddup2(files, STDIN_FILENO, STDOUT_FILENO);
	bad |= posix_spawn_file_actions_adddup2(files, STDIN_FILENO, STDERR_FILENO);
	bad |= posix_spawn_file_actions_addclosefrom_np(files, STDERR_FILENO + 1);
	bad |= posix_spawn_file_actions_addchdir_np(files, "/");
	return bad ? -ENOMEM : 0;
}

/* In a session of its own and with nothing of ours open, so that nothing of our end reaches it. The
 * environment is ours, for the failpoints; what it runs gets a clean one. */
static int spawn_runner(struct command *c, const char *runner)
{
	assert(runner && c->runner == 0);
	const char *const argv[] = {runner, c->attempt.dir, c->attempt.name, NULL};
	posix_spawn_file_actions_t files;
	posix_spawnattr_t attr;
	sigset_t none, all;

	/* glibc: neither can fail. */
	posix_spawn_file_actions_init(&files);
	posix_spawnattr_init(&attr);
	sigemptyset(&none);
	sigfillset(&all);
	posix_spawnattr_setsigmask(&attr, &none);
	posix_spawnattr_setsigdefault(&attr, &all);
	posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSID | POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
	int r = spawn_files(&files);
	if (r == 0)
		r = -posix_spawn(&c->runner, runner, &files, &attr, (char *const *)argv, environ);
	posix_spawn_file_actions_destroy(&files);
	posix_spawnattr_destroy(&attr);
	return r;
}

/* Watching. */

static void command_free(struct command *c)
{
	if (!c)
		return;
	loop_timer_cancel(c->loop, c->timer);
	loop_watch_cancel(c->loop, c->watch);
	cleanup_fd(&c->pidfd);
	free(c);
}

static void command_cleanup(struct command **c)
{
	command_free(*c);
}

/* Takes the runner's end from the kernel. True: it lives. */
static bool runner_lives(struct command *c)
{
	siginfo_t end = {0};

	if (c->runner == 0)
		return false;
	if (waitid(P_PID, (id_t)c->runner, &end, WEXITED | WNOHANG) == 0 && end.si_pid == 0)
		return true;
	c->runner = 0;
	return false;
}

static struct command_outcome outcome(enum command_end end, const char *text)
{
	return (struct command_outcome) {.end = end, .exit_code = -1, .text = text};
}

static struct command_outcome in_doubt(void)
{
	return outcome(COMMAND_IN_DOUBT,
	               "its runner was stopped before it could say how the command ended: it may have run, "
	               "wholly or in part");
}

/* What the runner wrote. *ret_root holds the text. */
static struct command_outcome read_result(const struct attempt *a, struct json_object **ret_root)
{
	CLEANUP(buf_free) struct buf text = BUF(RUNNER_FILE_MAX);
	const char *word = NULL;

	if (attempt_read(a, "res", &text) < 0 || json_parse(buf_text(&text), text.len, ret_root, NULL) < 0 ||
	    json_get_str(*ret_root, "end", &word) != 1)
		return in_doubt();
	int end = command_end_find(word);
	if (end < 0)
		return in_doubt();
	struct command_outcome o = outcome((enum command_end)end, json_str_or(*ret_root, "text", ""));
	o.exit_code = (int)json_int_or(*ret_root, "exit_code", -1);
	o.signal = (int)json_int_or(*ret_root, "signal", 0);
	return o;
}

static struct command_outcome never_started(const struct command *c)
{
	if (c->started)
		return outcome(COMMAND_COULD_NOT_START, "it was not started: its runner ended before that");
	return outcome(COMMAND_NOT_STARTED,
	               "it was not started before rollbackd stopped, and will not be under this number");
}

/* Under the lock of the claim. -errno: not known. */
static int decide(const struct command *c, int claim, struct json_object **ret_root, struct command_outcome *ret)
{
	int mark = claim_read(claim), r = mark < 0 ? mark : 0;

	assert(claim >= 0 && ret);
	if (mark == '\0')
		r = claim_write(claim, RUNNER_CANCELLED, true);
	if (r < 0)
		return r;
	*ret = mark == RUNNER_CLAIMED ? read_result(&c->attempt, ret_root) : never_started(c);
	return 0;
}

/* 0 *ret is how it ended; -EAGAIN it runs; other -errno: not known yet. */
static int look(struct command *c, struct json_object **ret_root, struct command_outcome *ret)
{
	if (runner_lives(c))
		return -EAGAIN;
	CLEANUP(cleanup_fd) int claim = attempt_open(&c->attempt, "claim", O_RDWR);
	if (claim == -ENOENT) {
		*ret = never_started(c);
		return 0;
	}
	if (claim < 0)
		return claim;
	if (flock(claim, LOCK_EX | LOCK_NB) < 0)
		return errno == EWOULDBLOCK ? -EAGAIN : -errno;
	return decide(c, claim, ret_root, ret);
}

static struct command_outcome time_is_up(int r)
{
	return r == -EAGAIN ? outcome(COMMAND_UNKILLABLE, "its runner did not end, long after the command's time limit")
	                    : outcome(COMMAND_IN_DOUBT, "what became of it could not be found out");
}

static void look_again(struct command *c);

static void look_now(struct command *c)
{
	CLEANUP(json_cleanup) struct json_object *root = NULL;
	struct command_outcome o;
	int r = look(c, &root, &o);

	assert(c->fn);
	if (r < 0 && clock_mono_us() < c->until_us) {
		look_again(c);
		return;
	}
	if (r < 0)
		o = time_is_up(r);
	command_fn *fn = c->fn;
	void *told = c->arg;
	command_free(c);
	fn(told, &o);
}

static void on_timer(void *arg)
{
	struct command *c = arg;

	c->timer = NULL;
	look_now(c);
}

/* Our runner has ended: what it held of the claim went with it. */
static void on_runner_end(void *arg)
{
	struct command *c = arg;

	c->watch = NULL;
	loop_timer_cancel(c->loop, c->timer);
	c->timer = NULL;
	look_now(c);
}

static void wake_at(struct command *c, int64_t at_us)
{
	assert(!c->timer);
	c->timer = loop_timer_at(c->loop, at_us, on_timer, c);
	if (!c->timer)
		abort(); /* out of memory: a crash is safe, a command nobody watches is not */
}

/* A runner of ours tells by its pidfd. One of an earlier life is no child of ours: only its lock tells of it. */
static void look_again(struct command *c)
{
	assert(c->pause_us > 0);
	if (c->watch) {
		wake_at(c, c->until_us);
		return;
	}
	wake_at(c, clock_mono_us() + c->pause_us);
	c->pause_us = c->pause_us * 2 < POLL_MAX_US ? c->pause_us * 2 : POLL_MAX_US;
}

static void watch_runner(struct command *c)
{
	assert(c->runner > 0);
	c->pidfd = pidfd_open(c->runner, 0);
	if (c->pidfd >= 0)
		c->watch = loop_watch_read(c->loop, c->pidfd, on_runner_end, c);
	look_again(c);
}

static int command_new(struct loop *l, const char *dir, const char *name, int64_t timeout_us, command_fn *fn, void *arg,
                       struct command **ret)
{
	assert(fn && ret);
	size_t dir_size = strlen(dir) + 1, name_size = strlen(name) + 1;

	if (attempt_check(&(struct attempt) {dir, name}) < 0)
		return -EINVAL;
	struct command *c = malloc(sizeof(*c) + dir_size + name_size);
	if (!c)
		return -ENOMEM;
	*c = (struct command) {.loop = l, .pidfd = -1, .pause_us = POLL_FIRST_US, .fn = fn, .arg = arg};
	c->until_us = clock_mono_us() + timeout_us + SPARE_US;
	c->attempt.dir = memcpy(c->names, dir, dir_size);
	c->attempt.name = memcpy(c->names + dir_size, name, name_size);
	*ret = c;
	return 0;
}

int command_start(struct loop *l, const char *runner, const char *dir, const char *name, const struct act *act,
                  const struct command_env *env, command_fn *fn, void *arg, struct command **ret)
{
	assert(l && runner && dir && name && act && env && act->kind == ACT_COMMAND && act->argv && fn && ret);
	CLEANUP(command_cleanup) struct command *c = NULL;
	int r = command_new(l, dir, name, act->timeout_us, fn, arg, &c);

	assert(act->timeout_us > 0);
	if (r == 0)
		r = put_files(&c->attempt, act, env);
	if (r < 0)
		return r;
	r = spawn_runner(c, runner);
	if (r < 0) {
		command_forget(dir, name);
		return r;
	}
	FAILPOINT(FAIL_RUNNER_SPAWNED);
	c->started = true;
	watch_runner(c);
	*ret = TAKE(c);
	return 0;
}

/* How long the command may take; 0 when nobody can say. */
static int64_t timeout_of(const struct attempt *a)
{
	CLEANUP(buf_free) struct buf text = BUF(RUNNER_FILE_MAX);
	CLEANUP(json_cleanup) struct json_object *root = NULL;

	if (attempt_read(a, "spec", &text) < 0 || json_parse(buf_text(&text), text.len, &root, NULL) < 0)
		return 0;
	return json_int_or(root, "timeout_us", 0);
}

int command_resolve(struct loop *l, const char *dir, const char *name, command_fn *fn, void *arg, struct command **ret)
{
	assert(l && dir && name && fn && ret);
	CLEANUP(command_cleanup) struct command *c = NULL;
	int r = command_new(l, dir, name, timeout_of(&(struct attempt) {dir, name}), fn, arg, &c);

	if (r < 0)
		return r;
	look_again(c);
	*ret = TAKE(c);
	return 0;
}

/* A file, because the runner may be one that an earlier life of ours began. Without it the command's own time limit
 * holds. */
void command_stop(struct command *c)
{
	assert(c);
	CLEANUP(cleanup_fd) int fd = attempt_open(&c->attempt, "stop", O_WRONLY | O_CREAT);

	if (fd < 0)
		log_warn("a command that gave way cannot be stopped; waiting for its time limit", "command",
		         c->attempt.name, "error", strerrordesc_np(-fd));
}

void command_abandon(struct command *c)
{
	if (c)
		runner_lives(c); /* lets the kernel forget it if it has ended */
	command_free(c);
}

int command_forget(const char *dir, const char *name)
{
	assert(dir && name);
	/* The spec first: without it no late runner starts. */
	static const char *const suffixes[] = {"spec", "claim", "res", "tmp", "stop"};
	struct attempt a = {dir, name};
	int r = attempt_check(&a);

	for (size_t i = 0; r == 0 && i < ARRAY_LEN(suffixes); i++)
		r = attempt_remove(&a, suffixes[i]);
	return r;
}
