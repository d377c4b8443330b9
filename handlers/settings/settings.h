/*
 * What the config says about rollouts, playbooks and limits, as the rollback modules want it.
 *
 * The config loader checks the YAML against its table of keys and hands over a normalised JSON tree (durations in
 * seconds, percentages as numbers, defaults filled in); these structs are views of it. The same reader serves an
 * incident's frozen plan, so a live incident keeps what it was opened with.
 * A struct settings is immutable and shared behind a reference count: any thread.
 */
#ifndef HANDLERS_SETTINGS_SETTINGS_H
#define HANDLERS_SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include "alertmanager/matcher.h"
#include "handlers/settings/events.h"
#include "server/core/json.h"

enum act_kind { ACT_COMMAND = 1, ACT_HTTP };

/* Something to run: a command (argv, no shell) or one HTTP request. Strings borrowed from the tree. */
struct act {
	enum act_kind kind;
	const char *name;                /* for people: "systemctl reload …" when not given */
	const char **argv;               /* owned array, NULL-terminated */
	const char *method, *url, *body; /* body may hold ${percentage} */
	int64_t timeout_us;
	bool idempotent; /* may run again when a crash left it in doubt; apply: true, then: false by default */
};

/* Another way to get there, tried so long after the apply when nobody acknowledged. */
struct fallback {
	struct act act;
	int64_t after_us;
};

enum check_kind { CHECK_PROMETHEUS = 1, CHECK_COMMAND, CHECK_HTTP };
struct check {
	enum check_kind kind;
	const char *query, *instances; /* instances may be NULL */
	const char **argv;
	const char *url, *pointer; /* JSON pointer of the number */
	int64_t timeout_us;
};

/* What must hold to leave a stage: one number within a bound. */
struct criterion {
	const char *name, *query, *unit;
	bool is_min; /* at least bound; else at most */
	double bound;
	int64_t over_us;     /* the worst value over so long; 0: now */
	int64_t after_us;    /* not judged in the stage's first so long */
	const char *samples; /* query of the sample size; NULL: none asked for */
	int64_t min_samples;
};

/* Another flag that entering a stage writes. */
struct stage_flag {
	const char *name, *value;
};

struct stage {
	int32_t number;
	const char *name, *environment; /* environment: global.environment unless given */
	int32_t pct;                    /* hundredths */
	int64_t duration_us;            /* clean time; 0: for good */
	const char **approvals;         /* owned, NULL-terminated: roles */
	const char *checklist;          /* NULL: none */
	struct criterion *criteria;
	size_t n_criteria;
	struct stage_flag *set;
	size_t n_set;
	const char *release_notes; /* "": none */
};

struct check_item {
	const char *text;
	int64_t valid_us, every_us; /* 0: for the whole run; not recurring */
};
struct checklist {
	const char *name;
	struct check_item *items;
	size_t n_items;
};

/* A time in which nothing is raised. */
struct freeze {
	const char *cron, *reason;
	int64_t duration_us;
};

struct milestone {
	int32_t after_stage;
	int64_t in_us;
	const char *text, *owner; /* owner "": nobody named */
};

struct named_query {
	const char *name, *query;
};

/* How to tell that the canary is being watched. */
struct watch {
	struct named_query *data; /* must return data above 0 % */
	size_t n_data;
	const char *share;     /* NULL: not compared */
	int32_t tolerance_pct; /* hundredths of a point */
	int64_t after_us, patience_us;
};

struct baseline_query {
	const char *metric, *query, *samples; /* samples NULL: not asked */
	int64_t min_samples;
};

/* New way against old way (handlers/rollout/compare.h). */
enum compare_kind { COMPARE_ERRORS = 1, COMPARE_HISTOGRAM, COMPARE_VALUE };
struct compare_queries {
	const char *query, *bad; /* errors: all events and the bad ones; else bad is NULL */
};
struct compare_metric {
	const char *name, *unit;
	enum compare_kind kind;
	struct compare_queries candidate, baseline;
	double absolute; /* errors: accepted difference of the ratios */
	bool lower_is_worse;
	double *quantiles; /* owned; of a histogram */
	size_t n_quantiles;
};
struct compare_options {
	int64_t step_us;   /* 0: nothing is configured */
	const char *share; /* NULL: not known */
	struct compare_metric *metrics;
	size_t n_metrics;
};

struct snapshot_query {
	const char *name, *unit, *query;
};

struct rollout {
	struct json_object *tree; /* owned reference */
	char *frozen; /* owned: tree as text, for plans: a shared tree is never printed (json-c caches in it) */
	const char *name, *title, *dashboard_url; /* title: the name unless given; dashboard_url "" */
	struct matchers alerts;
	const char *flags_file, *flags_key; /* NULL: no flags file */
	const char *salt;                   /* of the sampling rule */
	struct act *apply;
	size_t n_apply;
	int64_t verify_delay_us, verify_every_us, verify_timeout_us;
	int passes;
	const char *effective_query; /* NULL: not asked */
	double effective_max;
	const char *cured_query; /* NULL: not asked */
	double cured_max;
	int64_t cured_timeout_us;
	struct fallback *fallbacks;
	size_t n_fallbacks;
	struct check *checks;
	size_t n_checks;
	int64_t snapshot_window_us;
	struct snapshot_query *queries;
	size_t n_queries;
	struct stage *stages;
	size_t n_stages;
	struct checklist *checklists;
	size_t n_checklists;
	struct freeze *freezes;
	size_t n_freezes;
	struct milestone *milestones;
	size_t n_milestones;
	struct watch watch;
	struct baseline_query *baselines;
	size_t n_baselines;
	const char *owner; /* "" : nobody named */
	struct compare_options compare;
};

/* What follows a rollback. */
struct followup {
	struct act act;
	bool needs_approval;
};

struct playbook {
	struct json_object *tree;    /* owned reference */
	char *frozen;                /* owned: as in struct rollout */
	const char *name, *severity; /* severity "" : the alert's own label */
	struct matchers match;
	bool hold;           /* no rollback: tells people */
	bool previous_stage; /* else to_pct */
	int32_t to_pct;
	int64_t after_us;           /* 0: at once */
	struct followup *followups; /* after the apply steps, in order, beside verification */
	size_t n_followups;
	bool review;        /* nothing is raised before the incident is reviewed */
	int32_t restart_at; /* and then only from this stage; -1: any */
};

/* Budgets in microseconds. */
struct sla {
	int64_t detection_us, decision_us, execution_us, verification_us, total_us, manual_decision_us, manual_total_us;
};

struct limits {
	int64_t cooldown_us, quiet_us, stale_us;
	int rollbacks_per_day;
};

struct report_plan {
	const char *name, *cron;
};

struct prometheus_options {
	const char *url; /* "" : none */
	int64_t timeout_us;
};

/* Who hears what: the name of a channel and its event classes; the rest of a channel is handlers/notify's. */
struct audience {
	const char *channel;
	unsigned events; /* bits of enum event_class */
};

struct settings {
	struct json_object *tree; /* owned: the whole normalised config */
	const char *external_url, *environment, *timezone;
	struct prometheus_options prometheus;
	const char *alertmanager_url; /* "": none */
	int64_t evaluation_us;        /* how often rollouts are looked after */
	struct report_plan *reports;
	size_t n_reports;
	struct matchers heartbeat; /* n == 0: none configured */
	int64_t heartbeat_timeout_us;
	struct rollout *rollouts;
	size_t n_rollouts;
	struct playbook *playbooks; /* the built-in auto-rollback is the last */
	size_t n_playbooks;
	struct sla sla;
	struct limits limits;
	int64_t retention_us;
	struct audience *audiences;
	size_t n_audiences;
	char *frozen; /* owned: the rest of a plan as text */
	char sha[65]; /* of the whole: another one means that somebody changed the config */
	int refs;     /* atomic */
};

/* Builds the views. The tree is already checked: a failure (-EINVAL, -ENOMEM) is a bug or out of memory; why (>= 200)
 * says which key. Takes its own reference of tree. */
int settings_read(struct json_object *tree, struct settings **ret, char *why, size_t why_size);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* NULL is fine; any thread */
void settings_cleanup(struct settings **s);

const struct rollout *settings_rollout(const struct settings *s, const char *name); /* NULL */
const struct playbook *settings_playbook(const struct settings *s, const char *name);
const struct checklist *rollout_checklist(const struct rollout *r, const char *name); /* NULL; name may be NULL */

/* The parts of a rollout that make up its plan (options_plan.c). */
int rollout_read_plan(struct json_object *o, struct rollout *r);
void rollout_free_plan(struct rollout *r);
/* Its section compare (options_compare.c). o may be NULL. */
int compare_options_read(struct json_object *o, struct compare_options *ret);
void compare_options_free(struct compare_options *c);

/* What an incident freezes: {"rollout": …, "playbook": …, "prometheus": …, "sla": …, "limits": …, "external_url": …}.
 */
char *plan_text(const struct settings *s, const struct rollout *r, const struct playbook *p);

/* A frozen plan, read back. */
struct plan {
	struct json_object *tree;
	struct rollout rollout;
	struct playbook playbook;
	struct sla sla;
	struct limits limits;
	struct prometheus_options prometheus;
	const char *external_url;
	int refs; /* atomic; nobody changes a plan that was read */
};
int plan_read(const char *text, struct plan **ret); /* a plan of its own: one reference. -EINVAL, -ENOMEM */
struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p); /* NULL is fine; any thread */
void plan_cleanup(struct plan **p);

/* One act as the JSON of a step's spec, and back. act_free releases the owned array; strings borrow from spec. */
char *act_text(const struct act *a);
int act_read(struct json_object *spec, struct act *ret);
void act_free(struct act *a);

/* body with ${percentage} replaced; the caller's to free. */
char *act_body(const struct act *a, int32_t pct);
/* The same of a command's arguments (not of the program itself): NULL-terminated, for act_argv_free; NULL: out of
 * memory. */
char **act_argv(const struct act *a, int32_t pct);
void act_argv_free(char **argv);

/* --- stages (stages.c). Pure --- */

/* The stage with that number; NULL. */
const struct stage *rollout_stage(const struct rollout *r, int32_t number);
/* The stage of this environment with that percentage, NULL: unstaged. */
const struct stage *stage_of_percentage(const struct settings *s, const struct rollout *r, int32_t pct);
/* previous_stage: the nearest earlier stage of the environment with a lower percentage than is there, else 0. */
int32_t stage_previous(const struct settings *s, const struct rollout *r, int32_t stage, int32_t there);

#endif
