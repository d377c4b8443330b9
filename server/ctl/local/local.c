#include "server/ctl/local/local.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "handlers/engine/round.h"
#include "handlers/steps/command.h"
#include "handlers/steps/http_step.h"
#include "handlers/steps/runner.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define OUTPUT_MAX 4096

int local_open(const char *file, const char *rollout, struct local *ret)
{
	assert(file && rollout && ret);
	static const struct playbook by_hand = {.name = "offline", .restart_at = -1, .severity = ""};
	struct local w = {0};
	int r = CTL_NO;

	if (ctl_load(file, CONFIG_OFFLINE, &w.config) < 0)
		return r; /* nothing was rolled back: the script that asked says CRITICAL */
	w.rollout = settings_rollout(w.config->settings, rollout);
	if (!w.rollout) {
		fprintf(stderr, "rollbackctl: %s has no rollout %s\n", file, rollout);
		r = CTL_USAGE;
	} else if (!(w.plan = plan_of_settings(w.config->settings, w.rollout, &by_hand)) || loop_global_init() < 0 ||
	           loop_new(&w.loop) < 0) {
		fputs("rollbackctl: out of memory or descriptors\n", stderr);
	} else {
		*ret = w;
		return 0;
	}
	local_close(&w);
	return r;
}

void local_close(struct local *w)
{
	assert(w);
	if (w->loop)
		loop_free(w->loop);
	plan_unref(w->plan);
	config_free(w->config);
	*w = (struct local) {0};
}

/* --- one thing at a time on the loop --- */

static void on_time(void *arg)
{
	loop_stop(((struct local *)arg)->loop);
}

void local_wait(struct local *w, int64_t us)
{
	assert(w && w->loop);
	if (us > 0 && loop_timer_at(w->loop, clock_mono_us() + us, on_time, w))
		loop_run(w->loop);
}

struct looking {
	struct local *w;
	struct change *round;
};

static void on_round(void *arg, const struct verify_result *r)
{
	struct looking *l = arg;

	round_hear(l->round, r);
	loop_stop(l->w->loop);
}

void local_check(struct local *w, struct wanted wanted, struct change *round)
{
	assert(w && w->loop && w->plan && round);
	struct looking l = {w, round};
	struct verify *p = NULL;
	int r = verify_start(w->loop, w->plan, wanted, w->acted_mono_us, NULL, on_round, &l, &p);

	if (r == 0)
		r = loop_run(w->loop);
	if (r == 0 || round->text)
		return;
	CLEANUP(cleanup_free) char *why = text_format("the checks could not be started: %s\n", strerrordesc_np(-r));
	round_hear(round, &(struct verify_result) {.partial = true, .file = -1, .seen = -1, .least = -1, .text = why});
}

struct acting {
	struct local *w;
	int64_t timeout_us;
	char *text;
	size_t size;
	bool done;
};

static void on_child(void *arg, const struct child_result *r)
{
	struct acting *a = arg;
	char limit[32], what[200];
	struct buf b = BUF(500);

	text_duration(a->timeout_us, limit, sizeof(limit));
	if (r->error == -ETIMEDOUT)
		snprintf(what, sizeof(what), "stopped after %s", limit);
	else if (r->error)
		snprintf(what, sizeof(what), "could not be started: %s", strerrordesc_np(-r->error));
	else if (r->signal)
		snprintf(what, sizeof(what), "ended by signal %d", r->signal);
	else
		snprintf(what, sizeof(what), "exit code %d", r->exit_code);
	text_one_line(&b, r->output ? r->output : "", r->output_len, 400);
	snprintf(a->text, a->size, "%s%s%s", what, b.len ? ": " : "", buf_text(&b));
	buf_free(&b);
	a->done = !r->error && !r->signal && r->exit_code == 0;
	loop_stop(a->w->loop);
}

static void on_answer(void *arg, const struct http_step_result *r)
{
	struct acting *a = arg;

	snprintf(a->text, a->size, "%s", r->text ? r->text : "");
	a->done = r->done;
	loop_stop(a->w->loop);
}

static int start_command(struct acting *a, const struct act *act, int32_t pct)
{
	struct command_env about = {.step = "offline", .attempt = 1, .rollout = a->w->plan->rollout.name, .pct = pct};
	char **env = command_env_new(&about), **argv = act_argv(act, pct);
	struct child_spec spec = {.argv = (const char *const *)argv,
	                          .env = (const char *const *)env,
	                          .timeout_us = act->timeout_us,
	                          .max_output = OUTPUT_MAX};
	char why[200];
	int r = env && argv ? runner_trusts(act->argv[0], why, sizeof(why)) : -ENOMEM;

	mode_t mask = umask(COMMAND_UMASK);
	if (r < 0 && r != -ENOMEM)
		snprintf(a->text, a->size, "not started: %s", why);
	else if (r == 0)
		r = loop_spawn(a->w->loop, &spec, on_child, a, NULL);
	umask(mask);
	act_argv_free(argv);
	command_env_free(env);
	return r;
}

static int start_request(struct acting *a, const struct act *act, int32_t pct)
{
	struct http_step *ignored = NULL;
	char key[64];

	snprintf(key, sizeof(key), "rollbackctl-%lld-%d", (long long)clock_wall_us(), (int)getpid());
	return http_step_start(a->w->loop, act, pct, key, on_answer, a, &ignored);
}

bool local_act(struct local *w, const struct act *act, int32_t pct, char *text, size_t size)
{
	assert(w && w->loop && act && text && size >= 600);
	struct acting a = {.w = w, .timeout_us = act->timeout_us, .text = text, .size = size};

	text[0] = '\0';
	int r = act->kind == ACT_HTTP ? start_request(&a, act, pct) : start_command(&a, act, pct);
	if (r == 0)
		r = loop_run(w->loop);
	if (r < 0 && !text[0])
		snprintf(text, size, "could not be started: %s", strerrordesc_np(-r));
	w->acted_mono_us = clock_mono_us();
	return a.done;
}
