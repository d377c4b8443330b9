/*
 * What the config says, as everybody else wants it. The table of keys (keys.c) fills these structs from YAML.
 *
 * What belongs to an incident is kept as text as well ("frozen"): the same as JSON, durations in seconds, percentages
 * as numbers, defaults filled in, keys in the order of the file. The same table reads it back, so an open incident goes
 * on by what it was opened with, whatever release wrote it. A struct settings is immutable and shared behind a
 * reference count: any thread. All it points to dies with it.
 */
#ifndef HANDLERS_SETTINGS_SETTINGS_H
#define HANDLERS_SETTINGS_SETTINGS_H

#include <stdbool.h>
#include <stdint.h>
#include "alertmanager/arena.h"
#include "alertmanager/matcher.h"
#include "handlers/settings/calendar.h"
#include "handlers/settings/events.h"
#include "handlers/settings/faults.h"
#include "server/core/json.h"

enum act_kind { ACT_COMMAND = 1, ACT_HTTP };

/* Something to run: a command (argv, no shell) or one HTTP request. */
struct act {
	enum act_kind kind;
	const char *name;                /* for people: "systemctl reload …" when not given */
	const char **argv;               /* NULL-terminated */
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

/* One check of the old way: it answers, or gives a number within its bounds. */
struct fallback_check {
	struct check check; /* first; pointer NULL: that it answers is all that counts */
	const char *name;
	double min, max;
	bool has_min, has_max;
};

/* What must hold to leave a stage: one number within a bound. */
struct criterion {
	const char *name, *query, *unit;
	bool is_min; /* at least bound; else at most */
	double bound;
	int64_t over_us;     /* the worst value over so long; 0: now */
	int64_t after_us;    /* not judged in the stage's first so long */
	const char *samples; /* query of the sample size; NULL: none asked for */
	int32_t min_samples;
	const char *left_out; /* query of what is too small to be judged; NULL: none asked for */
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
	const char **approvals;         /* NULL-terminated: roles */
	const char *checklist;          /* NULL: none */
	struct criterion *criteria;
	size_t n_criteria;
	struct stage_flag *set;
	size_t n_set;
	const char *release_notes; /* "": none */
	int64_t certify_us;        /* clean time after which it may be called stable; 0: nobody asks */
	const char *frozen;
};

struct check_item {
	const char *text;
	const char *by;             /* what ticks it: drill, doctor …; NULL: people alone */
	int64_t valid_us, every_us; /* 0: for the whole run; not recurring */
	const char *evidence;       /* name of what CI posts; NULL: a person ticks it */
	const char *prefill;        /* what is known of it already (handlers/plan/prefill.h); NULL: nothing */
};
struct checklist {
	const char *name;
	struct check_item *items;
	size_t n_items;
	const char *frozen;
};

/* A time in which nothing is raised. */
struct freeze {
	struct calendar when;
	const char *reason;
	int64_t duration_us;
};

struct milestone {
	int32_t after_stage;
	int64_t in_us;
	const char *text, *owner; /* owner "": nobody named */
	bool removes_fallback;    /* not due while the old way is not known to be ready */
	const char **approvals;   /* NULL-terminated: roles, before it may be done; NULL: none */
	const char *prefill;      /* as that of an item */
};

/* Something else that has to be over before anything is raised. */
struct blocker {
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
	int32_t min_samples;
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
	bool cost;         /* what the work costs, as the reports to management show it */
	double *quantiles; /* of a histogram */
	size_t n_quantiles;
	const char **quantile_words, *worse; /* what those stand for in the file */
};
struct compare_options {
	int64_t step_us;   /* 0: nothing is configured */
	const char *share; /* NULL: not known */
	struct compare_metric *metrics;
	size_t n_metrics;
};

/* Rehearses a rollback by itself. */
struct drill_plan {
	struct calendar when; /* its cron NULL: never */
	const char *through;
};

struct snapshot_query {
	const char *name, *unit, *query;
};

/* One of the other flags of a rollout. */
struct flag_value {
	const char *name, *type;
};

/* What a trigger was about: is it gone, once nothing takes the new way any more? */
struct symptom {
	const char *name, *query;
	struct matchers match; /* of the triggers */
	double max;
};

struct rollout {
	const char *frozen;
	const char *name, *title, *dashboard_url; /* title: the name unless given; dashboard_url "" */
	struct matchers alerts;
	const char *flags_file, *flags_key; /* NULL: no flags file */
	const char *salt;                   /* of the sampling rule */
	struct flag_value *values;
	size_t n_values;
	struct act *apply;
	size_t n_apply;
	int64_t verify_delay_us, verify_every_us, verify_timeout_us;
	int passes;
	const char *effective_query; /* NULL: not asked */
	double effective_max;
	const char *cured_query; /* of triggers that no symptom names, and of people; NULL: none is asked for */
	double cured_max;
	struct symptom *symptoms;
	size_t n_symptoms;
	int64_t cured_timeout_us;
	struct fallback *fallbacks;
	size_t n_fallbacks;
	struct fallback_check *probes;
	size_t n_probes;
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
	struct blocker *blocked_by;
	size_t n_blocked_by;
	int32_t review_before; /* the plan is reviewed before this stage is entered; 0: nobody asks */
	struct watch watch;
	struct baseline_query *baselines;
	size_t n_baselines;
	const char *owner; /* "" : nobody named */
	struct compare_options compare;
	struct drill_plan drill;
};

/* What follows a rollback. */
struct followup {
	struct act act;
	bool needs_approval;
};

struct playbook {
	const char *frozen;
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
	const char *frozen;
};

struct limits {
	int64_t cooldown_us, quiet_us, stale_us;
	int rollbacks_per_day;
	const char *frozen;
};

struct report_plan {
	const char *name;
	struct calendar when;
};

struct prometheus_options {
	const char *url; /* "" : none */
	int64_t timeout_us;
	const char *frozen;
};

enum channel_kind { CHANNEL_SLACK = 1, CHANNEL_WEBHOOK, CHANNEL_KIND_N };

/* Who hears what, and where: what stands in the files is handlers/notify's. */
struct channel_options {
	const char *name;
	unsigned events; /* bits of enum event_class */
	const char **event_words;
	enum channel_kind kind;
	const char *url, *url_file, *secret, *secret_file; /* NULL: not given */
	const char *program;                               /* NULL: the shipped one */
};

/* Somebody who is authenticated, and what they may do. */
struct user_options {
	const char *name, **roles; /* NULL-terminated */
};

struct settings {
	struct arena arena;
	const char *external_url, *environment, *timezone;
	struct prometheus_options prometheus;
	const char *alertmanager_url; /* "": none */
	const char *rules_url;        /* "": Prometheus evaluates the rules itself */
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
	struct channel_options *channels;
	size_t n_channels;
	struct user_options *users;
	size_t n_users;
	const char *proxy_header, **proxy_from; /* NULL or "": no proxy says who asks */
	const char *frozen;                     /* the rest of a plan */
	char sha[65];                           /* of the whole: another one means that somebody changed the config */
	int refs;                               /* atomic */
};

/* Rules over several sections, for settings_read: adds its faults to r. */
typedef void settings_check_fn(const struct config_reader *r, const struct settings *s, void *arg);

/* The settings that the text means, which a NUL follows: YAML as people write it, judged by check too; check NULL: JSON
 * as it is kept. 0, or -EINVAL with faults in r. */
int settings_read(const struct config_reader *r, const char *text, size_t len, settings_check_fn *check, void *arg,
                  struct settings **ret);
struct settings *settings_ref(struct settings *s);
void settings_unref(struct settings *s); /* NULL is fine; any thread */
void settings_cleanup(struct settings **s);

const struct rollout *settings_rollout(const struct settings *s, const char *name); /* NULL */
const struct playbook *settings_playbook(const struct settings *s, const char *name);
const struct checklist *rollout_checklist(const struct rollout *r, const char *name); /* NULL; name may be NULL */

/* What an incident freezes: {"rollout": …, "playbook": …, "prometheus": …, "sla": …, "limits": …, "external_url": …}.
 */
char *plan_text(const struct settings *s, const struct rollout *r, const struct playbook *p);

/* A frozen plan: read back from its text, or the parts of the config that is in force. */
struct plan {
	struct arena arena;  /* of the text; empty: */
	struct settings *of; /* owned reference: rollout and playbook are this config's own, nothing was read */
	struct rollout rollout;
	struct playbook playbook;
	struct sla sla;
	struct limits limits;
	struct prometheus_options prometheus;
	const char *external_url;
	int refs; /* atomic; nobody changes a plan that was read */
};
int plan_read(const char *text, struct plan **ret); /* a plan of its own: one reference. -EINVAL, -ENOMEM */
/* Without reading anything: what p points to is s's or static, r is s's. NULL: out of memory. */
struct plan *plan_of_settings(const struct settings *s, const struct rollout *r, const struct playbook *p);
struct plan *plan_ref(struct plan *p);
void plan_unref(struct plan *p); /* NULL is fine; any thread */
void plan_cleanup(struct plan **p);

/* One act as the JSON of a step's spec, and back. act_free releases the array of one that was read so; strings borrow
 * from spec. */
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
/* The greatest number of a stage; -1: there is none. */
int32_t rollout_last_stage(const struct rollout *r);
/* The stage of this environment with that percentage, NULL: unstaged. */
const struct stage *stage_of_percentage(const struct settings *s, const struct rollout *r, int32_t pct);
/* previous_stage: the nearest earlier stage of the environment with a lower percentage than is there, else 0. */
int32_t stage_previous(const struct settings *s, const struct rollout *r, int32_t stage, int32_t there);

#endif
