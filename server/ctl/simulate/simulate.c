/*
 * rollbackctl simulate: reads rule files, lets Prometheus evaluate them, and tells what would have happened.
 */
#include "server/ctl/simulate/simulate.h"

#include <assert.h>
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "handlers/incident/intake.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"

#define FILES_MAX    50
#define BOUNDS_MAX   50
#define LABELS_MAX   64
#define STEP_DEFAULT (60 * US_PER_S) /* Prometheus' own evaluation_interval, where a group names none */
#define SINCE        "30d"

struct words {
	const char *files[FILES_MAX], *bounds[BOUNDS_MAX];
	int n_files, n_bounds;
	const char *since, *until, *config;
};

/* --- what a rule would make happen --- */

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct text_pair *)a)->name, ((const struct text_pair *)b)->name);
}

/* NULL: nothing. */
static const struct playbook *playbook_of(const struct settings *s, const struct sim_rule *r)
{
	struct text_pair labels[LABELS_MAX];
	struct alert a = {.status = ALERT_FIRING, .labels = labels, .generator_url = ""};
	struct route route;

	labels[a.n_labels++] = (struct text_pair) {"alertname", r->name};
	if (r->labels) {
		json_object_object_foreach(r->labels, name, value)
		{
			if (a.n_labels < LABELS_MAX)
				labels[a.n_labels++] = (struct text_pair) {name, json_object_get_string(value)};
		}
	}
	qsort(labels, a.n_labels, sizeof(*labels), by_name);
	if (route_alert(s, &a, &route) < 0)
		return NULL;
	const struct playbook *p = route.playbook;
	route_free(&route);
	return p;
}

static void add_action(struct json_object *o, const struct playbook *p)
{
	char to[16];

	json_add_str(o, "playbook", p->name);
	json_add_str(o, "action", p->hold ? "hold" : "rollback");
	text_pct(p->to_pct, to, sizeof(to));
	json_add_str(o, "to", p->hold ? NULL : p->previous_stage ? "previous_stage" : to);
	json_add_double(o, "after", (double)p->after_us / US_PER_S);
}

/* Each trigger by itself: what others did meanwhile is not played. */
static const char *outcome_of(const struct sim *s, const struct playbook *p, const struct sim_episode *e)
{
	int64_t until = e->until_us ? e->until_us : s->until_us;

	if (p->hold)
		return "held";
	if (until - e->at_us >= p->after_us)
		return "rolled_back";
	return e->until_us ? "called_off" : "pending";
}

/* --- one rule --- */

static double seconds(int64_t us)
{
	return (double)us / US_PER_S;
}

static void add_episodes(struct json_object *o, const struct sim *s, const struct playbook *p,
                         const struct sim_outcome *out)
{
	struct json_object *arr = json_object_new_array();

	for (size_t i = 0; i < out->kept; i++) {
		const struct sim_episode *e = &out->list[i];
		struct json_object *one = json_object_new_object();

		json_add_time(one, "at", e->at_us);
		json_add_time(one, "until", e->until_us);
		json_add_str(one, "outcome", outcome_of(s, p, e));
		json_add(one, "labels", json_tokener_parse(e->labels));
		json_object_array_add(arr, one);
	}
	json_add(o, "fired", arr);
	json_add_int(o, "fired_n", (int64_t)out->n);
	json_add_double(o, "held_longest", seconds(out->longest_us));
}

static void add_near(struct json_object *o, const struct sim_rule *r, const struct sim_near *near)
{
	struct json_object *n = json_object_new_object();
	struct promql_parts parts;
	bool has = promql_parts(r->expr, &parts) == 0 && parts.n;
	CLEANUP(cleanup_free) char *bound = has ? strndup(parts.list[0].bound, parts.list[0].bound_len) : NULL;
	double number;

	json_add_double(o, "unknown", (double)(near->steps - near->known) * seconds(r->step_us));
	json_add_time(o, "known_since", near->first_us);
	json_add(o, "nearest", isfinite(near->value) ? n : NULL);
	if (!isfinite(near->value)) {
		json_object_put(n);
		return;
	}
	json_add_time(n, "at", near->at_us);
	json_add(n, "value", NULL);
	if (sim_bound(&parts.list[0], &number))
		json_add_double(n, "value", near->value);
	json_add_str(n, "op", parts.list[0].op);
	json_add_str(n, "bound", bound);
	json_add_double(n, "of_bound", near->of_bound);
}

/* NULL: none was asked for. */
static const char *bound_for(const struct words *w, const char *name)
{
	size_t len = strlen(name);

	for (int i = 0; i < w->n_bounds; i++)
		if (!strncmp(w->bounds[i], name, len) && w->bounds[i][len] == '=')
			return w->bounds[i] + len + 1;
	return NULL;
}

static int add_changed(struct json_object *o, struct sim *s, const struct sim_rule *r, const char *text)
{
	struct json_object *n = json_object_new_object();
	struct sim_outcome out = {0};
	double bound = strtod(text, NULL), was = NAN;
	CLEANUP(cleanup_free) char *expr = sim_changed(r, bound, &was);
	int e = expr ? sim_run(s, r, expr, &out) : 0;

	json_add(o, "changed", n);
	json_add_double(n, "bound", bound);
	json_add_double(n, "instead_of", was);
	json_add(n, "fired_n", expr && e == 0 ? json_object_new_int64((int64_t)out.n) : NULL);
	json_add_time(n, "first_at", out.kept ? out.list[0].at_us : 0);
	sim_outcome_free(&out);
	return e;
}

static int simulate_rule(struct sim *s, const struct words *w, const struct sim_rule *r, const struct playbook *p,
                         struct json_object *arr)
{
	struct json_object *o = json_object_new_object();
	struct sim_outcome out = {0};
	struct sim_near near = {.value = NAN};
	const char *bound = bound_for(w, r->name);
	int e = sim_run(s, r, r->expr, &out);

	json_object_array_add(arr, o);
	json_add_str(o, "name", r->name);
	json_add_str(o, "file", r->file);
	add_action(o, p);
	add_episodes(o, s, p, &out);
	json_add_double(o, "for", seconds(r->for_us));
	sim_outcome_free(&out);
	if (e == 0)
		e = sim_near(s, r, &near);
	if (e == 0)
		add_near(o, r, &near);
	if (e == 0 && bound)
		e = add_changed(o, s, r, bound);
	json_add_str(o, "recorded", r->recorded[0] ? r->recorded : NULL);
	json_add_str(o, "error", e < 0 ? s->why : NULL);
	return e;
}

/* --- what people read --- */

static void show_unknown(struct json_object *o)
{
	double unknown = json_double_or(o, "unknown", 0);
	const char *since = json_str_or(o, "known_since", NULL), *recorded = json_str_or(o, "recorded", NULL);
	char words[40];

	if (unknown > 0) {
		text_duration_words((int64_t)(unknown * US_PER_S), words, sizeof(words));
		printf("  UNKNOWN for %s: no data%s%s\n", words, since ? "; the first is of " : " at all",
		       since ? since : "");
	}
	if (recorded)
		printf("  %s stands in it as it was recorded, which may not reach back so far\n", recorded);
}

static void show_near(struct json_object *o)
{
	struct json_object *n = json_obj_of(o, "nearest");
	double value = 0, share = 0;
	char held[40], of[40];

	if (n && json_get_double(n, "of_bound", &share) == 1)
		printf("  nearest: %.0f%% of its bound", 100 * share);
	else if (n)
		printf("  nearest");
	if (n && json_get_double(n, "value", &value) == 1)
		printf(" (%.4g, %s %s)", value, json_str_or(n, "op", ""), json_str_or(n, "bound", ""));
	if (n)
		printf(" at %s\n", json_str_or(n, "at", ""));
	text_duration_words((int64_t)(json_double_or(o, "held_longest", 0) * US_PER_S), held, sizeof(held));
	text_duration_words((int64_t)(json_double_or(o, "for", 0) * US_PER_S), of, sizeof(of));
	if (json_double_or(o, "held_longest", 0) > 0 && !json_int_or(o, "fired_n", 0))
		printf("  its condition held for %s, of the %s that it waits\n", held, of);
}

static void show_changed(struct json_object *o)
{
	struct json_object *c = json_obj_of(o, "changed");
	int64_t n = 0;

	if (!c)
		return;
	printf("  with %.6g", json_double_or(c, "bound", 0));
	if (json_get_int(c, "fired_n", &n) == 1)
		printf(" instead of %.6g: %lld %s%s%s\n", json_double_or(c, "instead_of", 0), (long long)n,
		       text_many(n, "time", "times"), n ? ", first at " : "", n ? json_str_or(c, "first_at", "") : "");
	else
		puts(": cannot tell, its bound is no number");
}

static void show_rule(struct json_object *o)
{
	struct json_object *fired = json_arr_of(o, "fired");
	long long n = (long long)json_int_or(o, "fired_n", 0);
	const char *error = json_str_or(o, "error", NULL);
	bool unknown = error || json_double_or(o, "unknown", 0) > 0;

	printf("%s: ", json_str_or(o, "name", ""));
	if (n)
		printf("would have fired %lld %s\n", n, text_many(n, "time", "times"));
	else
		puts(!unknown                              ? "would not have fired"
		     : json_str_or(o, "known_since", NULL) ? "did not fire where it is known"
		                                           : "cannot tell");
	for (size_t i = 0; i < json_len(fired); i++) {
		struct json_object *e = json_item(fired, i);

		printf("  %s to %s: %s %s\n", json_str_or(e, "at", ""), json_str_or(e, "until", "the end"),
		       json_str_or(e, "outcome", ""), json_text(json_obj_of(e, "labels")));
	}
	if ((size_t)n > json_len(fired))
		printf("  and %lld more\n", n - (long long)json_len(fired));
	if (error)
		printf("  UNKNOWN: %s\n", error);
	show_unknown(o);
	show_near(o);
	show_changed(o);
}

static void show(struct json_object *o)
{
	struct json_object *rules = json_arr_of(o, "rules");

	int64_t others = json_int_or(o, "left_out", 0);

	printf("%s to %s: %zu %s, each by itself; %lld other %s nothing here\n", json_str_or(o, "from", ""),
	       json_str_or(o, "until", ""), json_len(rules), text_many((int64_t)json_len(rules), "trigger", "triggers"),
	       (long long)others, text_many(others, "alert causes", "alerts cause"));
	for (size_t i = 0; i < json_len(rules); i++)
		show_rule(json_item(rules, i));
}

/* 1: something would have fired; 4: of something it is unknown. */
static int exit_code_of(struct json_object *rules)
{
	int code = CTL_YES;

	for (size_t i = 0; i < json_len(rules); i++) {
		struct json_object *o = json_item(rules, i);

		if (json_int_or(o, "fired_n", 0) > 0)
			return CTL_NO;
		if (json_str_or(o, "error", NULL) || json_double_or(o, "unknown", 0) > 0)
			code = CTL_UNKNOWN;
	}
	return code;
}

/* --- together --- */

static struct json_object *simulate(struct sim *s, const struct words *w, const struct settings *settings,
                                    const struct sim_book *book)
{
	struct json_object *o = json_object_new_object(), *rules = json_object_new_array();
	int64_t left_out = 0;

	json_add_time(o, "from", s->from_us);
	json_add_time(o, "until", s->until_us);
	json_add(o, "rules", rules);
	for (size_t i = 0; i < book->n; i++) {
		const struct sim_rule *r = &book->list[i];
		const struct playbook *p = r->alerting ? playbook_of(settings, r) : NULL;

		left_out += r->alerting && !p;
		if (p)
			(void)!simulate_rule(s, w, r, p, rules); /* its error stands in its row */
	}
	json_add_int(o, "left_out", left_out);
	if (s->progress)
		fputc('\n', stderr);
	return o;
}

/* "30d" ago, or a time. */
static bool moment(const char *text, int64_t now, int64_t *ret)
{
	int64_t ago;

	if (text_duration_parse(text, &ago) == 0) {
		*ret = now - ago;
		return true;
	}
	return text_time_parse(text, strlen(text), ret) == 0;
}

/* --rules may stand once before several files, or before each. Too many of either: -1. */
static int read_words(const struct ctl *c, int n, const char **words, struct words *w)
{
	const char *one;

	for (size_t nth = 0; (one = ctl_nth(c, "rules", nth)); w->files[w->n_files++] = one, nth++)
		if (w->n_files == FILES_MAX)
			return -1;
	for (int i = 0; i < n; w->files[w->n_files++] = words[i++])
		if (w->n_files == FILES_MAX)
			return -1;
	for (size_t nth = 0; (one = ctl_nth(c, "bound", nth)); w->bounds[w->n_bounds++] = one, nth++)
		if (w->n_bounds == BOUNDS_MAX || !strchr(one, '='))
			return -1;
	return 0;
}

static int run(struct ctl *c, const struct words *w, const struct settings *settings, const struct sim_book *book)
{
	struct sim s = {.prometheus = settings->prometheus, .progress = !c->json && isatty(STDERR_FILENO)};
	int64_t now = clock_wall_us();

	if (!settings->prometheus.url[0]) {
		fputs("rollbackctl: the config has no global.prometheus: there is nobody to ask\n", stderr);
		return CTL_USAGE;
	}
	if (!moment(w->since, now, &s.from_us) || !moment(w->until, now, &s.until_us) || s.from_us >= s.until_us) {
		fputs("rollbackctl: --since and --until are durations back from now, or times, the first before the "
		      "second\n",
		      stderr);
		return CTL_USAGE;
	}
	if (loop_global_init() < 0 || loop_new(&s.loop) < 0) {
		fputs("rollbackctl: out of memory or descriptors\n", stderr);
		return CTL_UNKNOWN;
	}
	CLEANUP(json_cleanup) struct json_object *o = simulate(&s, w, settings, book);
	ctl_print(c, o, show);
	loop_free(s.loop);
	return exit_code_of(json_arr_of(o, "rules"));
}

int cmd_simulate(struct ctl *c, int n, const char **words)
{
	const char *since = ctl_value(c, "since"), *until = ctl_value(c, "until");
	struct words w = {.since = since ? since : SINCE, .until = until ? until : "0s", .config = ctl_config(c)};
	struct config *config = NULL;
	struct sim_book book = {0};

	if (read_words(c, n, words, &w) < 0)
		return ctl_usage(c, "at most %d files and %d bounds, each NAME=NUMBER", FILES_MAX, BOUNDS_MAX);
	if (ctl_load(w.config, CONFIG_OFFLINE, &config) < 0)
		return CTL_USAGE;
	int r = CTL_USAGE;
	if (sim_book_read(w.files, (size_t)w.n_files, STEP_DEFAULT, &book) == 0)
		r = run(c, &w, config->settings, &book);
	sim_book_free(&book);
	config_free(config);
	return r;
}
