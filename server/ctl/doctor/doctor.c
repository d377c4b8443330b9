/*
 * rollbackctl doctor: asks the running Prometheus and Alertmanager whether a rollback would happen, and in time.
 *
 * Two rounds on a loop of its own: first what they are configured with, then the queries. It changes nothing anywhere.
 */
#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "handlers/checks/symptoms.h"
#include "server/core/answer.h"
#include "server/config/yaml_any.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/ctl/doctor/doctor.h"
#include "server/ctl/show/words.h"
#include "server/ctl/ctl.h"

#define ASK_US   (30 * US_PER_S) /* each: spans of a week take their time */
#define BODY_MAX (32 * 1024 * 1024)
#define URL_MAX  (16 * 1024)

/* --- findings --- */

const char *const found_names[FOUND_N] = {"ok", "note", "unknown", "bad"};

void found(struct findings *f, enum found state, const char *name, const char *of, const char *fmt, ...)
{
	assert(f && f->list && state < FOUND_N && name && fmt);
	CLEANUP(buf_free) struct buf raw = BUF(4000), says = BUF(2000), what = BUF(800);
	struct json_object *o = json_object_new_object();
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&raw, fmt, ap);
	va_end(ap);
	text_one_line(&says, buf_text(&raw), raw.len, 1500);
	text_one_line(&what, name, strlen(name), 300);
	if (of) {
		buf_char(&what, ' ');
		text_one_line(&what, of, strlen(of), 300);
	}
	json_add_str(o, "state", found_names[state]);
	json_add_str(o, "what", buf_text(&what));
	json_add_str(o, "says", buf_text(&says));
	json_object_array_add(f->list, o);
	f->n[state]++;
}

static int exit_code(const struct findings *f)
{
	if (f->n[FOUND_BAD])
		return CTL_NO;
	if (f->unreachable)
		return CTL_UNREACHABLE;
	return f->n[FOUND_UNKNOWN] ? CTL_UNKNOWN : CTL_YES;
}

static void print(const struct ctl *c, struct findings *f)
{
	struct json_object *o = json_object_new_object();

	json_add(o, "findings", json_object_get(f->list));
	for (size_t i = 0; i < FOUND_N; i++)
		json_add_int(o, found_names[i], (int64_t)f->n[i]);
	if (c->json)
		show_json(o, true);
	for (size_t i = 0; !c->json && i < json_len(f->list); i++) {
		struct json_object *one = json_item(f->list, i);

		const char *state = json_str_or(one, "state", "");

		printf("%s%-7s%s  %s: %s\n", show_colour(state), state, show_plain(), json_str_or(one, "what", ""),
		       json_str_or(one, "says", ""));
	}
	if (!c->json)
		printf("\n%zu bad, %zu unknown, %zu %s, %zu ok\n", f->n[FOUND_BAD], f->n[FOUND_UNKNOWN],
		       f->n[FOUND_NOTE], text_many((int64_t)f->n[FOUND_NOTE], "note", "notes"), f->n[FOUND_OK]);
	json_object_put(o);
}

/* --- asking --- */

enum page {
	PAGE_RULES,
	PAGE_CONFIG,
	PAGE_RUNTIME,
	PAGE_SENDS_TO,
	PAGE_TARGETS,
	PAGE_LABELS,
	PAGE_STATUS,
	PAGE_SILENCES,
	PAGE_JOBS,
	PAGE_N
};
static const struct {
	const char *path;
	bool of_alertmanager;
} pages[PAGE_N] = {
	[PAGE_RULES] = {"/api/v1/rules", false},
	[PAGE_CONFIG] = {"/api/v1/status/config", false},
	[PAGE_RUNTIME] = {"/api/v1/status/runtimeinfo", false},
	[PAGE_SENDS_TO] = {"/api/v1/alertmanagers", false},
	[PAGE_TARGETS] = {"/api/v1/targets?state=active", false},
	[PAGE_LABELS] = {"/api/v1/labels", false},
	[PAGE_STATUS] = {"/api/v2/status", true},
	[PAGE_SILENCES] = {"/api/v2/silences", true},
	[PAGE_JOBS] = {"/api/v1/query", false},
};
/* What the one who evaluates the rules is asked instead, when global.rules_url names him: vmalert. */
static const char *const ruler_pages[PAGE_N] = {
	[PAGE_RULES] = "/api/v1/rules",
	[PAGE_SENDS_TO] = "/api/v1/notifiers",
};

struct doctor;
struct asked {
	struct doctor *of;
	char *body; /* owned; NULL: no good answer, and why says it */
	size_t len;
	char why[300];
};

struct doctor {
	const struct ctl *ctl;
	struct loop *loop;
	struct asked asked[PAGE_N];
	size_t waiting;
	struct json_object *root[PAGE_N]; /* owned: what came, parsed */
	struct doctor_facts facts;
	struct findings findings;
	struct doctor_queries queries;
};

static void on_page(void *arg, const struct fetch_result *r)
{
	struct asked *a = arg;
	struct buf b = BUF(sizeof(a->why) - 1);

	if (answer_is_good(r) && r->error == 0) {
		a->body = strndup(r->body, r->body_len);
		a->len = a->body ? strlen(a->body) : 0;
	} else {
		answer_failure(&b, r, ASK_US);
		snprintf(a->why, sizeof(a->why), "%s", buf_text(&b));
	}
	buf_free(&b);
	if (--a->of->waiting == 0)
		loop_stop(a->of->loop);
}

static void send_page(struct doctor *d, enum page p, const char *url)
{
	assert(p < PAGE_N && url);
	struct fetch_spec spec = {
		.method = "GET", .url = url, .timeout_us = ASK_US, .max_body = BODY_MAX, .share = LOOP_SHARE_ACT};

	d->asked[p].of = d;
	int r = loop_fetch(d->loop, &spec, on_page, &d->asked[p], NULL);
	if (r < 0)
		snprintf(d->asked[p].why, sizeof(d->asked[p].why), "could not be asked: %s", strerrordesc_np(-r));
	else
		d->waiting++;
}

static void base_url(struct buf *b, const char *base, const char *path)
{
	size_t len = strlen(base);

	while (len && base[len - 1] == '/')
		len--;
	buf_printf(b, "%.*s%s", (int)len, base, path);
}

static bool is_rulers(const struct doctor *d, enum page p)
{
	return d->facts.settings->rules_url[0] && ruler_pages[p];
}

/* Whom it is asked of; "": nobody. */
static const char *base_of(const struct doctor *d, enum page p)
{
	const struct settings *s = d->facts.settings;

	return pages[p].of_alertmanager ? s->alertmanager_url : is_rulers(d, p) ? s->rules_url : s->prometheus.url;
}

static void ask_pages(struct doctor *d)
{
	for (size_t i = 0; i < PAGE_JOBS; i++) {
		const char *base = base_of(d, (enum page)i);
		CLEANUP(buf_free) struct buf url = BUF(URL_MAX);

		base_url(&url, base, is_rulers(d, (enum page)i) ? ruler_pages[i] : pages[i].path);
		if (base[0] && !url.error)
			send_page(d, (enum page)i, buf_text(&url));
	}
	if (d->waiting)
		loop_run(d->loop);
}

/* A name as a regular expression, inside of a string. */
static void add_name(struct buf *b, const char *name)
{
	for (; *name; name++) {
		if (strchr(".+*?()|[]{}^$", *name))
			buf_str(b, "\\\\");
		else if (*name == '"' || *name == '\\')
			buf_char(b, '\\');
		buf_char(b, *name);
	}
}

/* group by (__name__, job) ({__name__=~"a|b"}): who delivers what the triggers stand on. */
static void ask_jobs(struct doctor *d)
{
	CLEANUP(buf_free) struct buf query = BUF(URL_MAX / 4), url = BUF(URL_MAX);
	struct series_names names = {0};
	char why[200];

	if (trigger_series(&d->facts, &names) < 0 || !names.n)
		return;
	buf_str(&query, "group by (__name__, job) ({__name__=~\"");
	for (size_t i = 0; i < names.n; i++) {
		buf_str(&query, i ? "|" : "");
		add_name(&query, names.list[i]);
	}
	buf_str(&query, "\"})");
	series_names_free(&names);
	if (query.error ||
	    prom_query_url(&url, d->facts.settings->prometheus.url, buf_text(&query), (double)ASK_US / US_PER_S) < 0 ||
	    url.error)
		return;
	send_page(d, PAGE_JOBS, buf_text(&url));
	if (d->waiting)
		loop_run(d->loop);
	if (d->asked[PAGE_JOBS].body)
		d->facts.has_jobs = prom_vector_parse(d->asked[PAGE_JOBS].body, d->asked[PAGE_JOBS].len, &d->facts.jobs,
		                                      why, sizeof(why)) == 0;
}

/* --- what came --- */

/* NULL: no answer, or no JSON. */
static struct json_object *root_of(struct doctor *d, enum page p)
{
	assert(p < PAGE_N);
	if (d->asked[p].body && !d->root[p] &&
	    json_parse_within(d->asked[p].body, d->asked[p].len, RULES_TREE_MAX, &d->root[p], NULL, NULL) < 0)
		return NULL;
	return d->root[p];
}

/* The data of Prometheus' envelope; NULL. */
static struct json_object *data_of(struct doctor *d, enum page p)
{
	struct json_object *root = root_of(d, p);

	return json_object_is_type(root, json_type_object) ? json_object_object_get(root, "data") : NULL;
}

static void no_answer(struct doctor *d, const char *what, const struct asked *a)
{
	found(&d->findings, FOUND_UNKNOWN, what, NULL, "%s", a->why[0] ? a->why : "what it answered is not understood");
	d->findings.unreachable |= a->why[0] != '\0';
}

static void read_prometheus_config(struct doctor *d)
{
	struct json_object *data = data_of(d, PAGE_CONFIG);
	const char *yaml = data ? json_str_or(data, "yaml", "") : "";
	char why[300] = "";

	if (!data)
		no_answer(d, "Prometheus config", &d->asked[PAGE_CONFIG]);
	else if (config_yaml_any(yaml, strlen(yaml), &d->facts.prometheus, why, sizeof(why)) < 0)
		found(&d->findings, FOUND_UNKNOWN, "Prometheus config", NULL, "%s", why);
}

/* A Prometheus without any rule has somebody else to evaluate them, or nobody: it cannot tell. */
static void read_rules(struct doctor *d)
{
	const struct asked *a = &d->asked[PAGE_RULES];
	const char *url = base_of(d, PAGE_RULES);
	bool read = a->body && rule_book_parse(a->body, a->len, &d->facts.book) == 0;

	d->facts.has_rules = read && d->facts.book.n > 0;
	if (!read)
		no_answer(d, "Prometheus rules", a);
	else if (!d->facts.has_rules)
		found(&d->findings, FOUND_UNKNOWN, "Prometheus rules", NULL,
		      "%s has no rules. If another program evaluates them (vmalert, Thanos or Mimir ruler), name it in "
		      "global.rules_url; else load some: no alert rolls anything back",
		      url);
	else
		found(&d->findings, FOUND_OK, "Prometheus", NULL, "%s: %zu %s", url, d->facts.book.n,
		      text_many((int64_t)d->facts.book.n, "rule", "rules"));
}

static bool prometheus_answers(const struct doctor *d)
{
	for (size_t i = 0; i < PAGE_JOBS; i++)
		if (!pages[i].of_alertmanager && !is_rulers(d, (enum page)i) && d->asked[i].body)
			return true;
	return false;
}

static void read_prometheus(struct doctor *d)
{
	struct json_object *names = data_of(d, PAGE_LABELS);

	read_rules(d);
	if (!prometheus_answers(d)) { /* every page would say the same */
		if (is_rulers(d, PAGE_RULES))
			no_answer(d, "Prometheus", &d->asked[PAGE_CONFIG]);
		return;
	}
	read_prometheus_config(d);
	d->facts.retention = json_str_or(data_of(d, PAGE_RUNTIME), "storageRetention", NULL);
	if (!d->facts.retention)
		no_answer(d, "Prometheus retention", &d->asked[PAGE_RUNTIME]);
	d->facts.targets = json_arr_of(data_of(d, PAGE_TARGETS), "activeTargets");
	d->facts.label_names = json_object_is_type(names, json_type_array) ? names : NULL;
}

static void read_routes(struct doctor *d, struct json_object *status)
{
	CLEANUP(json_cleanup) struct json_object *config = NULL;
	char why[400] = "it shows no config";
	const char *yaml = json_str_or(json_obj_of(status, "config"), "original", "");
	int r = yaml[0] ? config_yaml_any(yaml, strlen(yaml), &config, why, sizeof(why)) : -1;

	if (r == 0)
		r = route_tree_read(config, &d->facts.routes, why, sizeof(why));
	if (r == 0)
		r = inhibitions_read(config, &d->facts.inhibitions);
	if (r < 0)
		found(&d->findings, FOUND_UNKNOWN, "Alertmanager config", NULL, "%s", why);
	else
		found(&d->findings, FOUND_OK, "Alertmanager", NULL, "%s: its routes are known",
		      d->facts.settings->alertmanager_url);
}

static void read_alertmanager(struct doctor *d)
{
	const struct asked *a = &d->asked[PAGE_STATUS];

	if (!d->facts.settings->alertmanager_url[0]) {
		found(&d->findings, FOUND_UNKNOWN, "Alertmanager", NULL,
		      "global.alertmanager.url is not set: the way of the alerts cannot be looked at");
		return;
	}
	if (!json_object_is_type(root_of(d, PAGE_STATUS), json_type_object)) {
		no_answer(d, "Alertmanager", a);
		return;
	}
	read_routes(d, root_of(d, PAGE_STATUS));
	if (json_object_is_type(root_of(d, PAGE_SILENCES), json_type_array))
		d->facts.silences = root_of(d, PAGE_SILENCES);
	else
		no_answer(d, "Alertmanager silences", &d->asked[PAGE_SILENCES]);
}

/* --- from Prometheus to Alertmanager --- */

/* The addresses that the alerts are sent to: an array of strings; NULL: that did not come. */
static struct json_object *sent_to(struct doctor *d)
{
	struct json_object *data = data_of(d, PAGE_SENDS_TO), *active = json_arr_of(data, "activeAlertmanagers"),
			   *notifiers = json_arr_of(data, "notifiers"), *urls = NULL;

	if (active || notifiers)
		urls = json_object_new_array();
	for (size_t i = 0; i < json_len(active); i++)
		json_object_array_add(urls, json_object_new_string(json_str_or(json_item(active, i), "url", "")));
	for (size_t i = 0; i < json_len(notifiers); i++) {
		struct json_object *targets = json_arr_of(json_item(notifiers, i), "targets");

		for (size_t k = 0; k < json_len(targets); k++)
			json_object_array_add(
				urls, json_object_new_string(json_str_or(json_item(targets, k), "address", "")));
	}
	return urls;
}

/* Whether one of them is this Alertmanager: the same host and port. */
static bool sends_to(struct json_object *urls, const char *url)
{
	for (size_t i = 0; i < json_len(urls); i++)
		if (url_same_address(json_object_get_string(json_item(urls, i)), url))
			return true;
	return false;
}

static void judge_sending(struct doctor *d)
{
	CLEANUP(json_cleanup) struct json_object *urls = sent_to(d);
	const char *url = d->facts.settings->alertmanager_url;

	if (!urls)
		no_answer(d, "Prometheus alertmanagers", &d->asked[PAGE_SENDS_TO]);
	else if (!json_len(urls))
		found(&d->findings, FOUND_BAD, "Prometheus alertmanagers", NULL, "it sends alerts to no Alertmanager");
	else if (url[0] && sends_to(urls, url))
		found(&d->findings, FOUND_OK, "Prometheus alertmanagers", NULL, "it sends alerts to %s", url);
	else
		found(&d->findings, FOUND_UNKNOWN, "Prometheus alertmanagers", NULL,
		      "it sends alerts to %s; whether that is global.alertmanager.url cannot be told",
		      json_object_get_string(json_item(urls, 0)));
	if (json_arr_of(json_obj_of(d->facts.prometheus, "alerting"), "alert_relabel_configs"))
		found(&d->findings, FOUND_UNKNOWN, "Prometheus alertmanagers", NULL,
		      "alert_relabel_configs may change the labels of every alert on the way");
}

/* --- the queries --- */

/* Answers to as many questions as there are queries. */
struct round {
	struct loop *loop;
	size_t n;
	char **texts;                /* owned, with what it points to; NULL: not asked */
	struct prom_answer *answers; /* owned */
};

static void round_free(struct round *r)
{
	for (size_t i = 0; r->texts && i < r->n; i++)
		free(r->texts[i]);
	free(r->texts);
	free(r->answers);
}

static void on_answers(void *arg, const struct prom_answer *answers, size_t n)
{
	struct round *r = arg;

	memcpy(r->answers, answers, n * sizeof(*answers));
	loop_stop(r->loop);
}

static struct round round_of(const struct doctor *d)
{
	size_t n = d->queries.n;

	return (struct round) {d->loop, n, calloc(n + 1, sizeof(char *)), calloc(n + 1, sizeof(struct prom_answer))};
}

static int round_ask(struct round *r, const char *url)
{
	const struct prometheus_options o = {.url = url, .timeout_us = ASK_US};
	struct prom_ask *ask = NULL;
	int e = prom_ask_start(r->loop, &o, (const char *const *)r->texts, r->n, 0, on_answers, r, &ask);

	return e < 0 ? e : loop_run(r->loop);
}

/* "Was there anything so long ago?", for what has no data now. */
static void ask_of_old(const struct doctor *d, const struct round *first, struct round *second)
{
	for (size_t i = 0; i < d->queries.n; i++) {
		int64_t back = doctor_query_back(&d->facts, &d->queries.list[i]);

		if (answer_is_empty(&first->answers[i]) && back)
			second->texts[i] = text_format("count(up offset %lldms)", (long long)(back / US_PER_MS));
	}
}

static void ask_queries(struct doctor *d)
{
	const char *url = d->facts.settings->prometheus.url;
	CLEANUP(round_free) struct round first = round_of(d), second = round_of(d);
	int e = first.texts && first.answers && second.texts && second.answers ? 0 : -ENOMEM;

	for (size_t i = 0; e == 0 && i < d->queries.n; i++)
		e = (first.texts[i] = symptom_query_now(d->queries.list[i].text)) ? 0 : -ENOMEM;
	if (e == 0)
		e = round_ask(&first, url);
	if (e == 0)
		ask_of_old(d, &first, &second);
	if (e == 0)
		e = round_ask(&second, url);
	if (e == 0)
		judge_data(&d->facts, &d->queries, first.answers, second.answers, &d->findings);
	else
		found(&d->findings, FOUND_UNKNOWN, "queries", NULL, "could not be asked: %s", strerrordesc_np(-e));
}

static void examine(struct doctor *d)
{
	if (ctl_is_ready(d->ctl))
		found(&d->findings, FOUND_OK, "rollbackd", NULL, "%s answers and is ready", d->ctl->url);
	else
		found(&d->findings, FOUND_BAD, "rollbackd", NULL,
		      "%s does not answer, or is not ready: no alert causes anything", d->ctl->url);
	judge_flags(d->facts.settings, &d->findings);
	judge_commands(d->facts.settings, &d->findings);
	ask_pages(d);
	read_prometheus(d);
	read_alertmanager(d);
	if (d->facts.has_rules) {
		judge_sending(d);
		ask_jobs(d);
		judge_rules(&d->facts, &d->findings);
	}
	if (!prometheus_answers(d))
		return;
	if (doctor_queries_of(d->facts.settings, &d->queries) < 0)
		return found(&d->findings, FOUND_UNKNOWN, "queries", NULL, "out of memory");
	judge_retention(&d->facts, &d->queries, &d->findings);
	ask_queries(d);
}

static void doctor_free(struct doctor *d)
{
	for (size_t i = 0; i < PAGE_N; i++) {
		free(d->asked[i].body);
		json_object_put(d->root[i]);
	}
	rule_book_free(&d->facts.book);
	json_object_put(d->facts.prometheus);
	inhibitions_free(&d->facts.inhibitions);
	route_tree_free(d->facts.routes);
	prom_vector_free(&d->facts.jobs);
	json_object_put(d->findings.list);
	free(d->queries.list);
	if (d->loop)
		loop_free(d->loop);
}

/* All is well: what that ticks, under the name of whoever runs it. What is refused is said, and changes no verdict. */
static void tick(const struct ctl *c, const struct rollout *r)
{
	for (size_t i = 0; i < r->n_checklists; i++)
		for (size_t k = 0; k < r->checklists[i].n_items; k++) {
			const struct check_item *item = &r->checklists[i].items[k];
			CLEANUP(json_cleanup) struct json_object *data = NULL;

			if (!item->by || strcmp(item->by, "doctor") != 0)
				continue;
			int e = ctl_ask(c, "POST", "rollouts", r->name, "/check",
			                ctl_body("item", item->text, "checklist", r->checklists[i].name, "note",
			                         "rollbackctl doctor: all is well", NO_MORE),
			                &data);
			if (e == 0 && !c->json)
				printf("ticked: %s, %s: %s\n", r->name, r->checklists[i].name, item->text);
		}
}

int cmd_doctor(struct ctl *c, int n, const char **words)
{
	const char *file = ctl_config(c);
	struct config *config = NULL;

	(void)n, (void)words;
	if (ctl_load(file, CONFIG_OFFLINE, &config) < 0)
		return CTL_USAGE;
	int r;
	struct doctor d = {.ctl = c,
	                   .facts = {.settings = config->settings, .url = c->url},
	                   .findings = {.list = json_object_new_array()}};
	if (!config->settings->prometheus.url[0]) {
		fprintf(stderr, "rollbackctl: %s has no global.prometheus: there is nobody to ask\n", file);
		r = CTL_USAGE;
	} else if (loop_global_init() < 0 || loop_new(&d.loop) < 0) {
		fputs("rollbackctl: out of memory or descriptors\n", stderr);
		r = CTL_UNKNOWN;
	} else {
		examine(&d);
		print(c, &d.findings);
		r = exit_code(&d.findings);
		for (size_t i = 0; r == CTL_YES && i < config->settings->n_rollouts; i++)
			tick(c, &config->settings->rollouts[i]);
	}
	doctor_free(&d);
	config_free(config);
	return r;
}
