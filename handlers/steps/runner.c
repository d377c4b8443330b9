#include "handlers/steps/runner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "handlers/steps/runner_private.h"
#include "server/core/child.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/json.h"
#include "server/core/json_raw.h"
#include "server/core/text.h"

#define STOP_LOOK_US (100 * US_PER_MS)
#define PART_MAX     (RUNNER_TEXT_MAX / 2 - 512) /* of the text: head and tail of the output, beside a sentence or two */

struct spec {
	char *strings;            /* owned; the rest borrows from it */
	const char **argv, **env; /* owned arrays, NULL-terminated */
	int64_t timeout_us, max_output;
	bool idempotent; /* it is done again after a power cut, whatever is on disk: nothing is synced for it */
};

struct run {
	const struct spec *spec;
	struct children children;
	const struct attempt *attempt;
	struct child *child; /* NULL: none runs */
	bool stopped;
	struct command_outcome end;
	struct buf text;
};

/* The spec: read without json-c, for this program links libc only. */

static void spec_free(struct spec *s)
{
	free(s->strings);
	free(s->argv);
	free(s->env);
}

static size_t count_items(struct json_raw array)
{
	struct json_raw rest = json_raw_inside(array), item;
	size_t n = 0;

	while (json_raw_item(&rest, &item))
		n++;
	return n;
}

/* at: where the next string goes; there is room, for none is longer than in the text. */
static int read_strings(struct json_raw root, const char *key, char **at, const char ***ret)
{
	struct json_raw array, rest, item;

	if (!json_raw_find(root, key, &array) || *array.text != '[')
		return -EINVAL;
	const char **all = calloc(count_items(array) + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	*ret = all;
	rest = json_raw_inside(array);
	for (size_t n = 0; json_raw_item(&rest, &item); n++) {
		if (!json_raw_is_string(item))
			return -EINVAL;
		all[n] = *at;
		*at += json_raw_decode(item, *at, json_raw_size(item)) + 1;
	}
	return 0;
}

/* The text goes on behind a number: strtoll ends there. */
static int read_number(struct json_raw root, const char *key, int64_t *ret)
{
	struct json_raw value;
	char *end = NULL;

	if (!json_raw_find(root, key, &value))
		return -EINVAL;
	errno = 0;
	*ret = strtoll(value.text, &end, 10);
	return errno == 0 && end == value.text + value.len ? 0 : -EINVAL;
}

static int spec_take(struct json_raw root, struct spec *s)
{
	char *at = s->strings;
	struct json_raw value;
	int r = read_strings(root, "argv", &at, &s->argv);

	if (r == 0)
		r = read_strings(root, "env", &at, &s->env);
	if (r == 0)
		r = read_number(root, "timeout_us", &s->timeout_us);
	if (r == 0)
		r = read_number(root, "max_output", &s->max_output);
	if (r < 0)
		return r;
	s->idempotent = json_raw_find(root, "idempotent", &value) && *value.text == 't';
	return s->argv[0] && s->timeout_us > 0 && s->max_output >= 0 && s->max_output <= RUNNER_TEXT_MAX ? 0 : -EINVAL;
}

static int spec_read(const struct attempt *a, struct spec *s)
{
	CLEANUP(buf_free) struct buf text = BUF(RUNNER_FILE_MAX);
	int r = attempt_read(a, "spec", &text);

	if (r == 0)
		r = json_check(buf_text(&text), text.len, NULL);
	if (r < 0)
		return r;
	s->strings = malloc(text.len + 1); /* an escape is longer than what it stands for, a quote at least its NUL */
	return s->strings ? spec_take(json_raw_whole(text.data, text.len), s) : -ENOMEM;
}

/* The claim. */

/* Ours alone from here to the end of the process. -ECANCELED: the daemon has decided otherwise. */
static int claim(const struct attempt *a, bool idempotent, int *ret_fd)
{
	assert(a && ret_fd);
	CLEANUP(cleanup_fd) int fd = attempt_open(a, "claim", O_RDWR);
	struct stat st;

	if (fd < 0)
		return fd == -ENOENT ? -ECANCELED : fd;
	/* Others hold it for an instant, or for as long as they run this very attempt. */
	while (flock(fd, LOCK_EX) < 0)
		if (errno != EINTR)
			return -errno;
	if (fstat(fd, &st) < 0)
		return -errno;
	int mark = claim_read(fd);
	if (mark < 0)
		return mark;
	if (st.st_nlink == 0 || mark != '\0')
		return -ECANCELED;
	int r = claim_write(fd, RUNNER_CLAIMED, !idempotent);
	if (r == 0)
		*ret_fd = take_fd(&fd);
	return r;
}

/* The run. */

static enum command_end end_of(const struct child_result *r)
{
	if (r->unkillable)
		return COMMAND_UNKILLABLE;
	if (r->error == -ETIMEDOUT)
		return COMMAND_TIMED_OUT;
	if (r->error)
		return COMMAND_COULD_NOT_START;
	return r->signal ? COMMAND_SIGNALLED : COMMAND_EXITED;
}

static void add_sentence(struct run *run, const struct child_result *r)
{
	char limit[32];

	text_duration(run->spec->timeout_us, limit, sizeof(limit));
	switch (run->end.end) {
	case COMMAND_STOPPED:
		buf_str(&run->text, "it was stopped: something else took its place\n");
		break;
	case COMMAND_UNKILLABLE:
		buf_printf(&run->text, "it did not end within %s and could not be stopped\n", limit);
		break;
	case COMMAND_TIMED_OUT:
		buf_printf(&run->text, "it did not end within %s and was stopped\n", limit);
		break;
	case COMMAND_COULD_NOT_START:
		buf_printf(&run->text, "it could not be started: %s\n", strerrordesc_np(-r->error));
		break;
	case COMMAND_SIGNALLED:
		buf_printf(&run->text, "it was ended by signal %d (%s)\n", r->signal,
		           sigdescr_np(r->signal) ? sigdescr_np(r->signal) : "no name");
		break;
	case COMMAND_EXITED:
		if (r->exit_code != 0)
			buf_printf(&run->text, "it ended with exit code %d\n", r->exit_code);
		break;
	case COMMAND_NOT_STARTED:
	case COMMAND_IN_DOUBT:
		break;
	}
}

static void add_output(struct buf *to, const struct child_result *r)
{
	if (r->output_lost == 0) {
		text_output(to, r->output, r->output_len, 2 * PART_MAX);
		return;
	}
	text_output(to, r->output, r->output_gap, PART_MAX);
	buf_printf(to, "\n[%zu bytes left out]\n", r->output_lost);
	text_output(to, r->output + r->output_gap, r->output_len - r->output_gap, PART_MAX);
}

static void on_end(void *arg, const struct child_result *r)
{
	struct run *run = arg;

	run->child = NULL;
	run->end = (struct command_outcome) {.end = run->stopped ? COMMAND_STOPPED : end_of(r), .exit_code = -1};
	if (r->unkillable)
		run->end.end = COMMAND_UNKILLABLE;
	if (run->end.end == COMMAND_EXITED)
		run->end.exit_code = r->exit_code;
	if (run->end.end == COMMAND_SIGNALLED)
		run->end.signal = r->signal;
	add_sentence(run, r);
	add_output(&run->text, r);
}

static bool is_stopped(const struct attempt *a)
{
	CLEANUP(cleanup_fd) int fd = attempt_open(a, "stop", O_RDONLY);

	return fd >= 0;
}

static void look_for_stop(struct run *run)
{
	if (run->stopped || !is_stopped(run->attempt))
		return;
	run->stopped = true;
	child_stop(run->child);
}

/* Until something happens, but no longer than until the next look. */
static void wait_for_child(const struct run *run)
{
	struct pollfd fds[CHILD_FDS];
	int64_t wait = children_due_us(&run->children) - clock_mono_us();

	assert(run->children.n == 1);
	if (wait > STOP_LOOK_US)
		wait = STOP_LOOK_US;
	poll(fds, children_fds(&run->children, fds), wait > 0 ? (int)((wait + US_PER_MS - 1) / US_PER_MS) : 0);
}

static bool has_home(const char *const *env)
{
	for (; *env; env++)
		if (!strncmp(*env, "HOME=", strlen("HOME=")))
			return true;
	return false;
}

static int run_to_its_end(struct run *run)
{
	assert(run->spec && run->spec->argv);
	struct child_spec child = {
		.argv = run->spec->argv,
		.env = run->spec->env,
		.timeout_us = run->spec->timeout_us,
		.max_output = (size_t)run->spec->max_output,
	};

	if (!has_home(run->spec->env)) /* a daemon of an earlier release left it to us */
		children_init();
	TAILQ_INIT(&run->children.list);
	umask(COMMAND_UMASK); /* the command inherits it; this process has one thread */
	int r = child_spawn(&run->children, &child, on_end, run, &run->child);
	umask(077);
	while (r == 0 && run->child) {
		wait_for_child(run);
		children_turn(&run->children);
		if (run->child)
			look_for_stop(run);
	}
	children_free(&run->children);
	return r;
}

static void run_command(struct run *run, const char *program)
{
	char why[300];
	int r = runner_trusts(program, why, sizeof(why));

	run->end = (struct command_outcome) {.end = COMMAND_COULD_NOT_START, .exit_code = -1};
	if (r < 0) {
		buf_printf(&run->text, "it was not started: %s\n", why);
		return;
	}
	if (is_stopped(run->attempt)) {
		run->end.end = COMMAND_STOPPED;
		buf_str(&run->text, "it was stopped before it began\n");
		return;
	}
	r = run_to_its_end(run);
	if (r < 0)
		buf_printf(&run->text, "it could not be started: %s\n", strerrordesc_np(-r));
}

/* What text_output made is UTF-8 without control bytes but newlines and tabs. */
static void add_quoted(struct buf *b, const char *text)
{
	for (; *text; text++) {
		unsigned char c = (unsigned char)*text;

		if (c < 0x20)
			buf_printf(b, "\\u%04x", c);
		else if (c == '"' || c == '\\')
			buf_printf(b, "\\%c", c);
		else
			buf_char(b, (char)c);
	}
}

static int put_result(const struct attempt *a, const struct run *run)
{
	CLEANUP(buf_free) struct buf b = BUF(RUNNER_FILE_MAX);

	assert(command_end_name(run->end.end)); /* only what ended is stored */
	buf_printf(&b, "{\"end\":\"%s\",\"exit_code\":%d,\"signal\":%d,\"text\":\"", command_end_name(run->end.end),
	           run->end.exit_code, run->end.signal);
	add_quoted(&b, buf_text(&run->text));
	buf_str(&b, "\"}");
	return b.error ? b.error : attempt_write(a, "res", b.data, b.len, !run->spec->idempotent);
}

int runner_main(const char *dir, const char *name)
{
	assert(dir && name);
	CLEANUP(spec_free) struct spec spec = {0};
	CLEANUP(cleanup_fd) int fd = -1;
	struct attempt a = {dir, name};
	struct run run = {.spec = &spec, .attempt = &a, .text = BUF(RUNNER_TEXT_MAX)};
	int r = attempt_check(&a);

	umask(077);
	if (r == 0)
		r = spec_read(&a, &spec);
	if (r == 0)
		r = claim(&a, spec.idempotent, &fd);
	if (r != 0)
		return r == -ECANCELED ? 0 : 1;
	FAILPOINT(FAIL_RUNNER_CLAIMED);
	run_command(&run, spec.argv[0]);
	FAILPOINT(FAIL_RUNNER_RAN);
	r = put_result(&a, &run);
	buf_free(&run.text);
	return r < 0 ? 1 : 0;
}
