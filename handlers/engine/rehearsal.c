#include "handlers/engine/rehearsal.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "handlers/steps/flags_file.h"
#include "handlers/steps/runner.h"
#include "server/core/text.h"

int rehearse_flags(const struct rollout *r, int32_t pct, char *text, size_t size)
{
	assert(r && r->flags_file && text && size > 0);
	struct flags_change ch = {.before = -1};
	char why[256] = "", at[16];
	int e = flags_file_rehearse(r->flags_file, r->flags_key, pct, &ch, why, sizeof(why));

	text_pct(ch.before, at, sizeof(at));
	if (e < 0)
		snprintf(text, size, "%s", why);
	else
		snprintf(text, size, "not written: a drill. %s is at %s%s, and could be lowered%s%s", r->flags_key, at,
		         ch.before < 0 ? "" : "%", ch.note[0] ? ": " : "", ch.note);
	return e;
}

static int try_command(const struct act *a, const char *runner, char *text, size_t size)
{
	char why[256];
	const char *const programs[] = {a->argv[0], runner}; /* it, and what runs it */
	int e = runner_trusts(a->argv[0], why, sizeof(why));

	for (size_t i = 0; e == 0 && i < ARRAY_LEN(programs); i++)
		if (access(programs[i], X_OK) < 0) {
			e = -errno;
			snprintf(why, sizeof(why), "%.150s: %s", programs[i], strerrordesc_np(-e));
		}
	if (e == 0)
		snprintf(text, size, "not run: a drill. %.200s could be run", a->argv[0]);
	else
		snprintf(text, size, "%s", why);
	return e;
}

static int try_act(const struct step *step, const char *runner, char *text, size_t size)
{
	CLEANUP(json_cleanup) struct json_object *tree = json_tokener_parse(step->spec);
	struct act act = {0};
	int e = tree ? act_read(tree, &act) : -EINVAL;

	if (e < 0)
		snprintf(text, size, "the step cannot be read: %s", strerrordesc_np(-e));
	else if (act.kind == ACT_HTTP)
		snprintf(text, size, "not sent: a drill. It would be %s %.200s", act.method, act.url);
	else
		e = try_command(&act, runner, text, size);
	act_free(&act);
	return e;
}

enum step_state rehearse_act(const struct step *step, const char *runner, char *text, size_t size)
{
	assert(step && runner && text && size > 0);
	return try_act(step, runner, text, size) < 0 ? STEP_FAILED : STEP_DONE;
}

/* --- of a config --- */

static void try_one(const char *whose, const char **argv, const char *runner, rehearsed_fn *fn)
{
	const struct act a = {.kind = ACT_COMMAND, .argv = argv};
	char why[400];

	if (argv && try_command(&a, runner, why, sizeof(why)) < 0)
		fn(whose, argv[0], why);
}

static void try_rollout(const struct rollout *r, const char *runner, rehearsed_fn *fn)
{
	for (size_t i = 0; i < r->n_apply; i++)
		try_one(r->name, r->apply[i].argv, runner, fn);
	for (size_t i = 0; i < r->n_fallbacks; i++)
		try_one(r->name, r->fallbacks[i].act.argv, runner, fn);
	for (size_t i = 0; i < r->n_checks; i++)
		try_one(r->name, r->checks[i].argv, runner, fn);
}

void rehearse_commands(const struct settings *s, const char *runner, rehearsed_fn *fn)
{
	assert(s && runner && fn);
	for (size_t i = 0; i < s->n_rollouts; i++)
		try_rollout(&s->rollouts[i], runner, fn);
	for (size_t i = 0; i < s->n_playbooks; i++)
		for (size_t n = 0; n < s->playbooks[i].n_followups; n++)
			try_one(s->playbooks[i].name, s->playbooks[i].followups[n].act.argv, runner, fn);
}
