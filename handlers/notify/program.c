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
#define TRIALS_US         (10 * US_PER_S) /* a reload is given up by who asked after 20 s */
#define TRIALS_AT_ONCE    4

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

/* --- trying at load: a child for each, waited for --- */

static const char sample[] =
	"{\"event\":\"incident\",\"what\":\"rolled_back\",\"title\":\"Sample\",\"text\":\"[INCIDENT] Sample "
	"Auto-Rollback\\n"
	"- Action: Rolled back to "
	"0%\",\"link\":\"https://example.com/incidents/1\",\"number\":1,\"id\":\"1.1\",\"incident\":"
	"{\"id\":1,\"rollout\":\"sample\",\"state\":\"rolled_back\",\"kind\":\"auto\",\"severity\":\"critical\","
	"\"summary\":"
	"\"sample\",\"stage\":1,\"percentage_before\":10,\"percentage_wanted\":0,\"percentage_seen\":0,\"alerts\":[],"
	"\"steps\":[]}}";

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

struct trial {
	struct trials *all;
	const struct channel *channel;
	struct child *child; /* NULL: not begun, or ended */
	bool ended, works, too_long;
	char output[300]; /* of one that does not */
};

struct trials {
	struct loop *loop;
	const char *exe;
	struct trial *item;
	size_t n, begun, ended;
};

static void begin_more(struct trials *all);

static void on_trial(void *arg, const struct child_result *r)
{
	struct trial *t = arg;

	t->child = NULL;
	t->ended = true;
	t->works = r->error == 0 && r->signal == 0 && r->exit_code == 0;
	t->too_long = r->error == -ETIMEDOUT;
	snprintf(t->output, sizeof(t->output), "%s", r->output_len ? r->output : r->error_text);
	t->all->ended++;
	begin_more(t->all);
}

static int begin_one(struct trial *t)
{
	CLEANUP(json_cleanup) struct json_object *input = json_tokener_parse(sample);
	CLEANUP(cleanup_free) char *in = program_input(t->channel->program, input);

	if (!in)
		return -ENOMEM;
	struct child_spec spec = program_spec(t->all->exe, in);
	spec.timeout_us = TRY_US;
	return loop_spawn(t->all->loop, &spec, on_trial, t, &t->child);
}

static void begin_more(struct trials *all)
{
	assert(all->ended <= all->begun && all->begun <= all->n);
	while (all->begun < all->n && all->begun - all->ended < TRIALS_AT_ONCE) {
		struct trial *t = &all->item[all->begun++];
		int r = begin_one(t);

		if (r < 0) {
			snprintf(t->output, sizeof(t->output), "it cannot be started: %s", strerror(-r));
			t->ended = true;
			all->ended++;
		}
	}
	if (all->ended == all->n)
		loop_stop(all->loop);
}

static void time_is_up(void *arg)
{
	struct trials *all = arg;

	for (size_t i = 0; i < all->n; i++)
		if (all->item[i].child)
			loop_child_cancel(all->loop, all->item[i].child);
	loop_stop(all->loop);
}

static int run_trials(struct trials *all)
{
	int r = loop_new(&all->loop);

	if (r < 0)
		return r;
	if (!loop_timer_at(all->loop, clock_mono_us() + TRIALS_US, time_is_up, all))
		r = -ENOMEM;
	if (r == 0) {
		begin_more(all);
		r = loop_run(all->loop);
	}
	loop_free(all->loop);
	return r;
}

/* The first one, in the order of the config, that does not work; one that only took too long comes after all others. */
static int judge_trials(const struct trials *all, char *why, size_t size)
{
	const struct trial *bad = NULL;

	for (size_t i = 0; i < all->n; i++) {
		const struct trial *t = &all->item[i];
		bool slow = t->too_long || !t->ended;

		if (!t->works && (!bad || ((bad->too_long || !bad->ended) && !slow)))
			bad = t;
	}
	if (!bad)
		return 0;
	snprintf(why, size, "channel %s: its program fails on a sample: %.200s", bad->channel->name,
	         bad->output[0] ? bad->output : "it took too long or died");
	return bad->too_long || !bad->ended ? -ETIMEDOUT : -EINVAL;
}

int notify_try_programs(const struct channels *c, const char *exe, char *why, size_t why_size)
{
	assert(c && exe && why && why_size > 0);
	CLEANUP(cleanup_free) struct trial *item = calloc(c->n + 1, sizeof(*item));
	struct trials all = {.exe = exe, .item = item, .n = c->n};

	if (!item)
		return -ENOMEM;
	if (!c->n)
		return 0;
	for (size_t i = 0; i < c->n; i++)
		item[i] = (struct trial) {.all = &all, .channel = &c->item[i]};
	int r = run_trials(&all);
	if (r < 0) {
		snprintf(why, why_size, "the channels' programs cannot be tried: %s", strerror(-r));
		return -EINVAL;
	}
	return judge_trials(&all, why, why_size);
}
