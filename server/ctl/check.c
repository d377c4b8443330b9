/*
 * The offline checks: is a config right, and what would a webhook body do under it.
 */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "alertmanager/payload.h"
#include "alertmanager/promql.h"
#include "handlers/incident/drill.h"
#include "handlers/incident/intake.h"
#include "server/core/text.h"
#include "server/ctl/ctl.h"
#include "server/ctl/show/words.h"
#include "server/auth/web_config.h"

#define BODY_MAX (16 * 1024 * 1024)

static void print_faults(struct config_faults *f)
{
	for (size_t i = 0; i < f->n; i++)
		fprintf(stderr, "%s\n", f->line[i]);
	config_faults_free(f);
}

int ctl_load(const char *file, enum config_use use, struct config **ret)
{
	assert(file && ret);
	struct config_faults faults = {0};
	int r = config_load(file, use, ret, &faults);

	print_faults(&faults);
	return r;
}

/* Right, and slower than people expect. */
static void tell_recorded_check(const struct rollout *r, const struct check *c)
{
	struct promql p = {0};
	int e = c->kind == CHECK_PROMETHEUS ? promql_scan(c->query, &p) : 0;
	size_t i = 0;

	while (e == 0 && i < p.n && !strchr(p.list[i].name, ':'))
		i++;
	if (e == 0 && i < p.n)
		fprintf(stderr,
		        "note: %s: its check asks for %s, which a rule records: what it says counts only %d s after "
		        "the last act. A series that the service itself exports is seen sooner\n",
		        r->name, p.list[i].name, PROMQL_RULE_LAG_S);
	promql_free(&p);
}

static void tell_recorded(const struct settings *s)
{
	for (size_t i = 0; i < s->n_rollouts; i++)
		for (size_t k = 0; k < s->rollouts[i].n_checks; k++)
			tell_recorded_check(&s->rollouts[i], &s->rollouts[i].checks[k]);
}

/* "-" is the standard input. */
static const char *of_input(const char *name)
{
	return strcmp(name, "-") != 0 ? name : "/dev/stdin";
}

static struct json_object *lines_json(const struct config_faults *f)
{
	struct json_object *lines = json_object_new_array();

	for (size_t i = 0; i < f->n; i++)
		json_object_array_add(lines, json_object_new_string(f->line[i]));
	return lines;
}

static void say_right(const char *name, const struct config *cfg)
{
	for (size_t i = 0; i < cfg->notes.n; i++)
		fprintf(stderr, "cannot tell here: %s\n", cfg->notes.line[i]);
	tell_recorded(cfg->settings);
	const struct settings *s = cfg->settings;

	printf("%s is right%s: %zu %s, %zu %s, %zu %s\n", name, cfg->notes.n ? " as far as can be told here" : "",
	       s->n_rollouts, text_many((int64_t)s->n_rollouts, "rollout", "rollouts"), s->n_playbooks,
	       text_many((int64_t)s->n_playbooks, "playbook", "playbooks"), s->n_channels,
	       text_many((int64_t)s->n_channels, "channel", "channels"));
}

/* With -o json its verdict goes to verdicts. */
static bool is_right(const char *name, struct json_object *verdicts, const struct ctl *asks, int *ret_code)
{
	assert(name && ret_code);
	struct config_faults faults = {0}, none = {0};
	struct config *cfg = NULL;
	CLEANUP(json_cleanup) struct json_object *changes = NULL;
	bool right = config_load(of_input(name), CONFIG_CHECK, &cfg, &faults) == 0;

	if (right && !verdicts)
		say_right(name, cfg);
	if (right && asks)
		*ret_code = ctl_against(asks, cfg->settings, verdicts ? &changes : NULL);
	if (verdicts) {
		struct json_object *o = json_object_new_object();

		json_add_str(o, "file", name);
		json_add_bool(o, "right", right);
		json_add(o, "faults", lines_json(&faults));
		json_add(o, "notes", lines_json(right ? &cfg->notes : &none));
		if (changes)
			json_add(o, "against", TAKE(changes));
		json_object_array_add(verdicts, o);
		config_faults_free(&faults);
	}
	print_faults(&faults);
	config_free(cfg);
	return right;
}

int cmd_check_config(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *verdicts = c->json ? json_object_new_array() : NULL;
	const char *against = ctl_value(c, "against");
	int code = CTL_YES;
	bool right = true;

	if (against && n != 1)
		return ctl_usage(c, "--against takes one file");
	c->url = against ? against : c->url;
	for (int i = 0; i < n; i++)
		right &= is_right(words[i], verdicts, against ? c : NULL, &code);
	if (verdicts)
		ctl_print(c, verdicts, NULL);
	return right ? code : CTL_NO;
}

int cmd_check_web_config(struct ctl *c, int n, const char **words)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	struct config_faults faults = {0};
	struct web_config *w = NULL;
	int r = web_config_load(of_input(words[0]), &w, &faults);

	(void)n;
	json_add_str(o, "file", words[0]);
	json_add_bool(o, "right", r == 0);
	json_add(o, "faults", lines_json(&faults));
	if (c->json)
		ctl_print(c, o, NULL);
	else if (r == 0)
		printf("%s is right: %zu %s\n", words[0], w->n, text_many((int64_t)w->n, "user", "users"));
	print_faults(&faults);
	if (r < 0)
		return CTL_NO;
	web_config_free(w);
	return CTL_YES;
}

/* "-" is the standard input. */
static int read_file(const char *name, struct buf *b)
{
	FILE *f = strcmp(name, "-") ? fopen(name, "re") : stdin;
	char chunk[65536];
	size_t got = sizeof(chunk);
	int r = 0;

	if (!f)
		return perror(name), -1;
	while (r == 0 && got == sizeof(chunk)) {
		got = fread(chunk, 1, sizeof(chunk), f);
		r = buf_add(b, chunk, got);
	}
	r = r == 0 && ferror(f) ? -EIO : r;
	fclose(f);
	return r;
}

/* In words: what the daemon would do on the first delivery of this alert. */
static void would(struct buf *b, const struct alert *a, const struct route *rt)
{
	assert(b && a && rt);
	char to[16], after[32];
	const struct playbook *p = rt->playbook;

	bool pages = a->rejected || (p && !rt->n_rollouts); /* somebody thinks that it does something */

	if (a->rejected || (!rt->heartbeat && (!p || !rt->n_rollouts)))
		buf_printf(b, "only record it%s", pages ? ", and page: nothing is rolled back" : "");
	else if (rt->heartbeat)
		buf_str(b, "note the heartbeat");
	else if (a->status == ALERT_RESOLVED)
		buf_str(b, "record that it resolved");
	else if (drill_is(a))
		buf_str(b, "rehearse it: a drill, nothing is changed");
	else if (p->hold)
		buf_str(b, "hold and tell people");
	else {
		text_pct(p->to_pct, to, sizeof(to));
		text_duration(p->after_us, after, sizeof(after));
		buf_printf(b, "roll back to %s%s", p->previous_stage ? "the previous stage" : to,
		           p->previous_stage ? "" : "%");
		if (p->after_us)
			buf_printf(b, " after %s", after);
	}
}

/* What it would do, as -o json has it. */
static struct json_object *alert_json(const struct alert *a, const struct route *rt)
{
	CLEANUP(buf_free) struct buf b = BUF(2000);
	struct json_object *o = json_object_new_object(), *rollouts = json_object_new_array();

	would(&b, a, rt);
	json_add_str(o, "alertname", a->rejected ? NULL : alert_label(a, "alertname"));
	json_add_str(o, "fingerprint", a->fingerprint);
	json_add_str(o, "status", a->rejected ? "rejected" : a->status == ALERT_RESOLVED ? "resolved" : "firing");
	json_add_str(o, "would", buf_text(&b));
	json_add_str(o, "because", rt->why);
	for (size_t i = 0; i < rt->n_rollouts; i++)
		json_object_array_add(rollouts, json_object_new_string(rt->rollouts[i]->name));
	json_add(o, "rollouts", rollouts);
	return o;
}

static void show_alert(struct json_object *o)
{
	struct json_object *rollouts = json_arr_of(o, "rollouts");

	printf("%s %s (%s)\n  would %s\n  because %s\n", json_str_or(o, "alertname", "(no name)"),
	       json_str_or(o, "fingerprint", ""), json_str_or(o, "status", ""), json_str_or(o, "would", ""),
	       json_str_or(o, "because", ""));
	for (size_t i = 0; i < json_len(rollouts); i++)
		printf("  rollout %s\n", json_object_get_string(json_item(rollouts, i)));
}

static void show_alerts(struct json_object *o)
{
	struct json_object *alerts = json_arr_of(o, "alerts");
	long long cut_off = (long long)json_int_or(o, "cut_off", 0),
		  left_out = (long long)json_int_or(o, "left_out", 0),
		  deciding = (long long)json_int_or(o, "left_out_deciding", 0);

	show_inert(alerts);
	for (size_t i = 0; i < json_len(alerts); i++)
		show_alert(json_item(alerts, i));
	if (cut_off > 0)
		printf("%lld alerts were cut off by max_alerts: a trigger may be among them\n", cut_off);
	if (left_out > 0)
		printf("%lld %s beyond %d left out; %lld of them %s a playbook\n", left_out,
		       text_many(left_out, "alert", "alerts"), PAYLOAD_ALERTS_MAX, deciding,
		       text_many(deciding, "matches", "match"));
}

static int explain(const struct ctl *c, const struct settings *s, const struct alert_group *g)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	struct json_object *alerts = json_object_new_array();

	json_add(o, "alerts", alerts);
	for (size_t i = 0; i < g->n; i++) {
		struct route rt = {0};

		if (route_alert(s, &g->alerts[i], &rt) < 0)
			return CTL_UNKNOWN;
		json_object_array_add(alerts, alert_json(&g->alerts[i], &rt));
		route_free(&rt);
	}
	json_add_int(o, "cut_off", g->truncated);
	json_add_int(o, "left_out", (int64_t)g->left_out);
	json_add_int(o, "left_out_deciding", (int64_t)g->left_out_deciding);
	ctl_print(c, o, show_alerts);
	return CTL_YES;
}

static int refuse(const struct ctl *c, int status, const char *why)
{
	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();

	json_add_int(o, "refused", status);
	json_add_str(o, "because", why);
	if (c->json)
		ctl_print(c, o, NULL);
	else
		printf("refused with status %d: %s\n", status, why);
	return CTL_NO;
}

int cmd_check_alert(struct ctl *c, int n, const char **words)
{
	CLEANUP(buf_free) struct buf body = BUF(BODY_MAX);
	CLEANUP(alert_group_cleanup) struct alert_group *g = NULL;
	const char *file = ctl_value(c, "config") ? ctl_value(c, "config") : "rollbackd.yml";
	struct payload_fault fault = {.why = ""};
	struct config *cfg = NULL;

	(void)n;
	if (read_file(words[0], &body) < 0 || ctl_load(file, CONFIG_OFFLINE, &cfg) < 0)
		return CTL_USAGE;
	int r = intake_parse(cfg->settings, buf_text(&body), body.len, &g, &fault);
	r = r < 0 ? refuse(c, r == -E2BIG ? 413 : 400, fault.why) : explain(c, cfg->settings, g);
	config_free(cfg);
	return r;
}
