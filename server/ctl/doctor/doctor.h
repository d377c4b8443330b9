/*
 * rollbackctl doctor: what its parts share. doctor.c asks and prints; the others judge what came, without I/O.
 */
#ifndef SERVER_CTL_DOCTOR_DOCTOR_H
#define SERVER_CTL_DOCTOR_DOCTOR_H

#include "alertmanager/inhibition.h"
#include "alertmanager/prometheus.h"
#include "alertmanager/route_tree.h"
#include "alertmanager/rule_book.h"
#include "handlers/checks/prom_query.h"

/* NOTE: worth knowing, and nothing wrong; the exit code does not see it. */
enum found { FOUND_OK, FOUND_NOTE, FOUND_UNKNOWN, FOUND_BAD, FOUND_N };
extern const char *const found_names[FOUND_N];

struct findings {
	struct json_object *list; /* owned: [{state, what, says}] */
	size_t n[FOUND_N];
	bool unreachable; /* somebody did not answer */
};
/* About "NAME OF"; of may be NULL. */
void found(struct findings *f, enum found state, const char *name, const char *of, const char *fmt, ...)
	PRINTF_LIKE(5, 6);

/* What the two programs said. All borrowed by the judges; NULL or empty: it did not come. */
struct doctor_facts {
	const struct settings *settings;
	const char *url; /* where rollbackctl reaches rollbackd */
	struct rule_book book;
	bool has_rules;
	struct json_object *prometheus;  /* its config, every scalar a string */
	struct json_object *targets;     /* array of the active ones */
	struct json_object *label_names; /* array of strings */
	const char *retention;           /* "15d", "15d or 10GiB" */
	struct route_tree *routes;
	struct inhibitions inhibitions; /* of the config that routes hold */
	struct json_object *silences;   /* array */
	struct prom_vector jobs; /* a sample for each __name__ and job of the series that the triggers stand on */
	bool has_jobs;
};

/* --- flags.c: could a rollback lower each flags file? Asks by itself. --- */

void judge_flags(const struct settings *s, struct findings *f);
/* And run each command? */
void judge_commands(const struct settings *s, struct findings *f);

/* --- doctor_rules.c: every alert that matches a playbook, and the heartbeat --- */

void judge_rules(const struct doctor_facts *d, struct findings *f);
/* The series that the triggers stand on in the end, for the question that fills jobs. */
int trigger_series(const struct doctor_facts *d, struct series_names *ret) MUST_CHECK;

/* --- doctor_route.c: does it reach us --- */

/* An alert as Alertmanager gets it, as far as the rule tells. */
struct doctor_alert {
	const struct doctor_facts *facts;
	const struct rule *rule;
	struct text_pair *labels; /* owned array, strings borrowed */
	size_t n;
};
int doctor_alert_init(struct doctor_alert *a, const struct doctor_facts *d, const struct rule *r) MUST_CHECK;
void doctor_alert_free(struct doctor_alert *a);
/* "": the rule does not set it, or by a template. */
const char *doctor_label(const struct doctor_alert *a, const char *name);
/* For matchers_might_hold: a template, or (may_come_from_series) any label that some series has. */
bool label_is_template(void *alert, const char *label);
bool label_may_come_from_series(void *alert, const char *label);
/* Same host and port; the names of this machine are all the same. */
bool url_same_address(const char *a, const char *b);
/* Says where the alert goes. Returns the route that surely reaches us, or NULL. */
const struct route_node *judge_route(const struct doctor_alert *a, struct findings *f);

/* --- inhibit.c: which of inhibit_rules can hide it --- */

void judge_inhibitions(const struct doctor_alert *a, struct findings *f);

/* --- doctor_data.c: the config's own queries, and the retention --- */

struct doctor_query {
	const struct rollout *rollout;
	const char *what, *of; /* "criterion", "error rate" */
	const char *text;
	int64_t over_us;    /* asked over so long */
	bool is_percentage; /* its answer is the percentage that the service is at */
};
struct doctor_queries {
	struct doctor_query *list; /* owned */
	size_t n;
};
int doctor_queries_of(const struct settings *s, struct doctor_queries *ret) MUST_CHECK;
/* For a query that was answered without data: how far it looks back. */
int64_t doctor_query_back(const struct doctor_facts *d, const struct doctor_query *q);
bool answer_is_empty(const struct prom_answer *a);
/* old: what Prometheus said when asked for anything at all from so long ago; not asked where it does not matter. */
void judge_data(const struct doctor_facts *d, const struct doctor_queries *q, const struct prom_answer *answers,
                const struct prom_answer *old, struct findings *f);
void judge_retention(const struct doctor_facts *d, const struct doctor_queries *q, struct findings *f);

#endif
