#include "handlers/steps/runner.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "handlers/steps/runner_private.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/json.h"
#include "server/core/loop.h"

#define STOP_LOOK_US (100 * US_PER_MS)
#define PART_MAX     (RUNNER_TEXT_MAX / 2 - 512) /* of the text: head and tail of the output, beside a sentence or two */

struct spec {
	struct json_object *root; /* owned; the rest borrows from it */
	const char **argv, **env; /* owned arrays, NULL-terminated */
	int64_t timeout_us, max_output;
};

struct run {
	const struct spec *spec;
	struct loop *loop;
	const struct attempt *attempt;
	struct loop_child *child; /* NULL: none runs */
	bool stopped;
	struct command_outcome end;
	struct buf text;
};

/* The spec. */

static void spec_free(struct spec *s)
{
	json_object_put(s->root);
	free(s->argv);
	free(s->env);
}

static int read_strings(struct json_object *obj, const char *key, const char ***ret)
{
	struct json_object *arr = NULL;

	if (json_get_arr(obj, key, &arr) != 1)
		return -EINVAL;
	size_t n = json_object_array_length(arr);
	const char **all = calloc(n + 1, sizeof(*all));
	if (!all)
		return -ENOMEM;
	*ret = all;
	for (size_t i = 0; i < n; i++) {
		struct json_object *one = json_object_array_get_idx(arr, i);

		if (!json_object_is_type(one, json_type_string))
			return -EINVAL;
		all[i] = json_object_get_string(one);
	}
	return 0;
}

static int spec_read(const struct attempt *a, struct spec *s)
{
	CLEANUP(buf_free) struct buf text = BUF(RUNNER_FILE_MAX);
	int r = attempt_read(a, "spec", &text);

	if (r == 0)
		r = json_parse(buf_text(&text), text.len, &s->root, NULL);
	if (r == 0)
		r = read_strings(s->root, "argv", &s->argv);
	if (r == 0)
		r = read_strings(s->root, "env", &s->env);
	if (r < 0)
		return r;
	if (!s->argv || !s->argv[0] || json_get_int(s->root, "timeout_us", &s->timeout_us) != 1 || s->timeout_us <= 0)
		return -EINVAL;
	if (json_get_int(s->root, "max_output", &s->max_output) != 1 || s->max_output < 0 ||
	    s->max_output > RUNNER_TEXT_MAX)
		return -EINVAL;
	return 0;
}

/* The claim. */

/* Ours alone from here to the end of the process. -ECANCELED: the daemon has decided otherwise. */
static int claim(const struct attempt *a, int *ret_fd)
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
	int r = claim_write(fd, RUNNER_CLAIMED);
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
	loop_stop(run->loop);
}

static bool is_stopped(const struct attempt *a)
{
	CLEANUP(cleanup_fd) int fd = attempt_open(a, "stop", O_RDONLY);

	return fd >= 0;
}

static void watch_stop(void *arg)
{
	struct run *run = arg;

	if (!run->stopped && run->child && is_stopped(run->attempt)) {
		run->stopped = true;
		loop_child_stop(run->loop, run->child);
	}
	loop_timer_at(run->loop, clock_mono_us() + STOP_LOOK_US, watch_stop, run);
}

static int run_in_loop(struct run *run)
{
	assert(run->spec && run->spec->argv);
	struct child_spec child = {
		.argv = run->spec->argv,
		.env = run->spec->env,
		.timeout_us = run->spec->timeout_us,
		.max_output = (size_t)run->spec->max_output,
	};
	int r = loop_global_init();

	if (r == 0)
		r = loop_new(&run->loop);
	umask(COMMAND_UMASK); /* the command inherits it; this process has one thread */
	if (r == 0)
		r = loop_spawn(run->loop, &child, on_end, run, &run->child);
	umask(077);
	if (r == 0)
		watch_stop(run);
	if (r == 0)
		r = loop_run(run->loop);
	loop_free(run->loop);
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
	r = run_in_loop(run);
	if (r < 0)
		buf_printf(&run->text, "it could not be started: %s\n", strerrordesc_np(-r));
}

static int put_result(const struct attempt *a, const struct run *run)
{
	CLEANUP(json_cleanup) struct json_object *root = json_object_new_object();

	assert(command_end_name(run->end.end)); /* only what ended is stored */
	json_add_str(root, "end", command_end_name(run->end.end));
	json_add_int(root, "exit_code", run->end.exit_code);
	json_add_int(root, "signal", run->end.signal);
	json_add_str(root, "text", buf_text(&run->text));
	const char *text = json_text(root);
	return attempt_write(a, "res", text, strlen(text));
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
		r = claim(&a, &fd);
	if (r != 0)
		return r == -ECANCELED ? 0 : 1;
	FAILPOINT(FAIL_RUNNER_CLAIMED);
	run_command(&run, spec.argv[0]);
	FAILPOINT(FAIL_RUNNER_RAN);
	r = put_result(&a, &run);
	buf_free(&run.text);
	return r < 0 ? 1 : 0;
}
