/*
 * A channel's jq program, run in a process of its own: it may loop for ever, eat memory or abort without harm.
 */
#include <assert.h>
#include <errno.h>
#include <jq.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "handlers/notify/notify.h"
#include "handlers/notify/program.h"
#include "server/core/clock.h"
#include "server/core/json.h"

#define PROGRAM_MEMORY    (256UL * 1024 * 1024)
#define PROGRAM_CPU_S     2
#define PROGRAM_INPUT_MAX (8 * 1024 * 1024)
#define TRY_US            (3 * US_PER_S)

static int read_stdin(struct buf *b)
{
	char chunk[65536];
	size_t n;

	while ((n = fread(chunk, 1, sizeof(chunk), stdin)) > 0)
		if (buf_add(b, chunk, n) < 0)
			return -E2BIG;
	return ferror(stdin) ? -EIO : 0;
}

static void on_jq_error(void *data, jv msg)
{
	(void)data;
	if (jv_get_kind(msg) == JV_KIND_STRING)
		fprintf(stderr, "%s\n", jv_string_value(msg));
	jv_free(msg);
}

static int print_result(jv result)
{
	if (jv_get_kind(result) == JV_KIND_STRING) {
		fputs(jv_string_value(result), stdout);
		jv_free(result);
	} else {
		jv_dumpf(result, stdout, 0);
	}
	return fflush(stdout) == 0 ? 0 : 1;
}

static int why_no_result(jv invalid)
{
	if (jv_invalid_has_msg(jv_copy(invalid)))
		on_jq_error(NULL, jv_invalid_get_msg(invalid));
	else {
		fputs("the program yields nothing\n", stderr);
		jv_free(invalid);
	}
	return 1;
}

static int run(const char *program, jv input)
{
	assert(program);
	jq_state *jq = jq_init();

	if (!jq)
		return 1;
	jq_set_error_cb(jq, on_jq_error, NULL);
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	if (!jq_compile(jq, program)) {
		jv_free(input);
		jq_teardown(&jq);
		return 1;
	}
	jq_start(jq, input, 0);
	jv result = jq_next(jq);
	int r = jv_is_valid(result) ? print_result(result) : why_no_result(result);
	jq_teardown(&jq);
	return r;
}

struct complaint {
	char *why;
	size_t size;
};

/* The first line of the first one: what follows is the program again. */
static void keep_complaint(void *data, jv msg)
{
	static const char prefix[] = "jq: error: ";
	struct complaint *c = data;

	if (!c->why[0] && jv_get_kind(msg) == JV_KIND_STRING) {
		const char *text = jv_string_value(msg);

		text += strncmp(text, prefix, sizeof(prefix) - 1) == 0 ? sizeof(prefix) - 1 : 0;
		snprintf(c->why, c->size, "%.*s", (int)strcspn(text, "\n"), text);
	}
	jv_free(msg);
}

int notify_program_check(const char *program, char *why, size_t why_size)
{
	assert(program && why && why_size > 0);
	struct complaint c = {why, why_size};
	jq_state *jq = jq_init();

	if (!jq)
		return -ENOMEM;
	why[0] = '\0';
	jq_set_error_cb(jq, keep_complaint, &c);
	jq_set_attr(jq, jv_string("JQ_LIBRARY_PATH"), jv_array());
	int r = jq_compile(jq, program) ? 0 : -EINVAL;
	jq_teardown(&jq);
	return r;
}

int notify_program_main(void)
{
	struct rlimit memory = {PROGRAM_MEMORY, PROGRAM_MEMORY}, cpu = {PROGRAM_CPU_S, PROGRAM_CPU_S};
	CLEANUP(buf_free) struct buf in = BUF(PROGRAM_INPUT_MAX);

#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their shadow memory needs terabytes */
	setrlimit(RLIMIT_AS, &memory);
#else
	(void)memory;
#endif
	setrlimit(RLIMIT_CPU, &cpu);
	if (read_stdin(&in) < 0)
		return 1;
	jv both = jv_parse_sized(buf_text(&in), (int)in.len);
	if (jv_get_kind(both) != JV_KIND_OBJECT) {
		jv_free(both);
		return 1;
	}
	jv program = jv_object_get(jv_copy(both), jv_string("program"));
	jv input = jv_object_get(both, jv_string("input"));
	int r = jv_get_kind(program) == JV_KIND_STRING ? run(jv_string_value(program), input) : (jv_free(input), 1);
	jv_free(program);
	return r;
}

char *program_input(const char *program, struct json_object *input)
{
	assert(program && input);
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();

	json_add_str(o, "program", program);
	json_add(o, "input", json_object_get(input));
	return strdup(json_text(o));
}

/* --- trying at load: a child, waited for --- */

static const char sample[] =
	"{\"event\":\"incident\",\"what\":\"rolled_back\",\"title\":\"Sample\",\"text\":\"[INCIDENT] Sample "
	"Auto-Rollback\\n"
	"- Action: Rolled back to "
	"0%\",\"link\":\"https://example.com/incidents/1\",\"number\":1,\"id\":\"1.1\",\"incident\":"
	"{\"id\":1,\"rollout\":\"sample\",\"state\":\"rolled_back\",\"kind\":\"auto\",\"severity\":\"critical\","
	"\"summary\":"
	"\"sample\",\"stage\":1,\"percentage_before\":10,\"percentage_wanted\":0,\"percentage_seen\":0,\"alerts\":[],"
	"\"steps\":[]}}";

struct trial {
	char output[2048];
	size_t len;
	bool ended;
	int status; /* of the program's process; valid when ended */
};

static void on_trial(void *arg, const struct child_result *r)
{
	struct trial *t = arg;

	t->ended = true;
	t->status = r->error == 0 && r->signal == 0 ? r->exit_code : -1;
	t->len = r->output_len < sizeof(t->output) ? r->output_len : sizeof(t->output) - 1;
	memcpy(t->output, r->output_len ? r->output : r->error_text, t->len);
	if (!r->output_len)
		snprintf(t->output, sizeof(t->output), "%s", r->error_text);
	else
		t->output[t->len] = '\0';
}

struct trial_run {
	struct trial t;
	struct loop *loop;
};

static void on_trial_stop(void *arg, const struct child_result *r)
{
	struct trial_run *run = arg;

	on_trial(&run->t, r);
	loop_stop(run->loop);
}

static int try_one(const struct channel *c, const char *exe, char *why, size_t size)
{
	CLEANUP(json_cleanup) struct json_object *input = json_tokener_parse(sample);
	CLEANUP(cleanup_free) char *in = program_input(c->program, input);
	struct trial_run run = {0};
	struct child *child = NULL;

	if (!in || loop_new(&run.loop) < 0)
		return -ENOMEM;
	struct child_spec spec = program_spec(exe, in);
	spec.timeout_us = TRY_US;
	int r = loop_spawn(run.loop, &spec, on_trial_stop, &run, &child);
	if (r == 0)
		r = loop_run(run.loop);
	loop_free(run.loop);
	if (r == 0 && run.t.ended && run.t.status == 0)
		return 0;
	snprintf(why, size, "channel %s: its program fails on a sample: %.200s", c->name,
	         run.t.output[0] ? run.t.output : "it took too long or died");
	return -EINVAL;
}

struct child_spec program_spec(const char *exe, const char *in)
{
	assert(exe && in);
	static _Thread_local const char *argv[3]; /* a reload tries programs on its own thread */

	argv[0] = exe;
	argv[1] = "--run-program";
	return (struct child_spec) {.argv = argv,
	                            .input = in,
	                            .input_len = strlen(in),
	                            .timeout_us = PROGRAM_US,
	                            .max_output = PROGRAM_OUTPUT_MAX,
	                            .separate_stderr = true};
}

int notify_try_programs(const struct channels *c, const char *exe, char *why, size_t why_size)
{
	assert(c && exe && why && why_size > 0);
	for (size_t i = 0; i < c->n; i++) {
		int r = try_one(&c->item[i], exe, why, why_size);

		if (r < 0)
			return r;
	}
	return 0;
}
