/*
 * From a webhook to the record: what each alert means, decided and written in one savepoint.
 *
 * intake_plan runs on the http thread (matching only), intake_record on the writer thread.
 */
#ifndef HANDLERS_INCIDENT_INTAKE_H
#define HANDLERS_INCIDENT_INTAKE_H

#include "alertmanager/payload.h"
#include "db/alert.h"
#include "handlers/settings/settings.h"

/* What the config says of one alert, before anything on disk was asked. */
struct route {
	bool heartbeat;
	bool blind; /* it says that its source of data is blind: playbook holds instead of the one that matches */
	const struct playbook *playbook; /* NULL: no playbook matches */
	const struct rollout **rollouts; /* owned array; which rollouts it concerns */
	size_t n_rollouts;
	const char *why; /* one sentence: why it was routed so, or what did not match. Owned */
};
/* Pure. */
int route_alert(const struct settings *s, const struct alert *a, struct route *ret);
void route_free(struct route *r);
/* Routing an alert takes microseconds: no regular expression, and not many of all. */
bool route_is_quick(const struct settings *s);

struct intake_result {
	char fingerprint[33];
	int64_t starts_at_us;
	char *rollout; /* owned; NULL: none */
	enum disposition disposition;
	size_t alert, order; /* the n-th of the webhook; and in which order it was answered */
	int64_t incident_id; /* 0: none */
	char *reason;        /* owned; may be NULL */
	bool drill;          /* counted nowhere */
};

#define INTAKE_STALE_MAX 16

struct id_list {       /* each once */
	int64_t *item; /* owned */
	size_t n, cap;
};

/* What came of the alerts of this webhook that mean the same: one rollout, one playbook. */
struct applied {
	const struct rollout *rollout;
	const struct playbook *playbook;
	int64_t incident, onset_us; /* of the latest */
	size_t n, more;             /* applied one by one; only attached after that */
};

/* Why a rollback trigger is not acted on: somebody thinks this is protected. */
enum unseen_kind {
	UNSEEN_UNCLAIMED, /* a playbook matches, and no rollout does */
	UNSEEN_REJECTED,  /* it is malformed */
	UNSEEN_CUT,       /* max_alerts cut it off, perhaps */
	UNSEEN_TOO_MANY,  /* it stands behind more of them than one webhook may have */
	UNSEEN_BLIND,     /* it only says that its source of data is blind */
	UNSEEN_N
};
#define UNSEEN_NAMES 3
struct unseen {
	size_t n, n_new; /* in this webhook; those that were not said before */
	size_t n_names;
	char names[UNSEEN_NAMES][128];
};

/* A copy of an episode that ended: is it active? The sender's clock may have been set back, and it is another one. */
struct stale_copy {
	int64_t alert;        /* the row of the ended one */
	int64_t starts_at_us; /* what the copy says */
};

/* What was on record of up to eight alerts, all of which were copies (repeats.h); n 0: nothing that may be kept. */
struct repeats_mark {
	size_t n;
	unsigned short counter[8];
	unsigned changes;
};

/* The intention to lower its flags file to 0 % was written. */
struct begun {
	int64_t incident;
	const struct rollout *rollout; /* of the intake's settings */
};

struct intake {
	struct settings *settings;     /* a reference */
	struct alert_group *group;     /* owned */
	struct route *routes;          /* owned, one per alert */
	struct intake_result *results; /* owned; filled by intake_record */
	size_t n_results, cap_results;
	struct id_list touched; /* incidents the engine must look at */
	struct begun *begun;    /* owned: flags files to write as soon as this is committed */
	size_t n_begun, cap_begun;
	struct id_list calming;                    /* incidents of which an alert resolved */
	struct stale_copy stale[INTAKE_STALE_MAX]; /* to ask Prometheus and Alertmanager about */
	size_t n_stale;
	struct unseen unseen[UNSEEN_N];
	struct applied *applied; /* owned */
	size_t n_applied, cap_applied;
	size_t n_copies;                         /* alerts that said no more than what is on record … */
	int64_t copies_from_us, copies_until_us; /* … since when, and how long that is no older than a second */
	struct repeats_mark mark;
	bool called_active; /* not a webhook, but an episode that Prometheus or Alertmanager call active */
	int64_t received_us;
};

/* A webhook's body. Of more than PAYLOAD_ALERTS_MAX alerts those that no playbook and no heartbeat matches are left
 * out. As alert_group_parse. */
int intake_parse(const struct settings *s, const char *body, size_t len, struct alert_group **ret,
                 struct payload_fault *fault) MUST_CHECK;
/* Takes group and a reference of s. -E2BIG: matching took longer than a body may take; a regular expression may need
 * milliseconds, times alerts, times matchers. */
#define INTAKE_MATCH_S 3
int intake_plan(struct settings *s, struct alert_group *group, int64_t received_us, struct intake **ret);
/* Is there a firing alert among them that rolls back? That is taken when the disk is nearly full, too. */
bool intake_lowers(const struct intake *in);
int intake_record(struct db_tx *tx, struct intake *in);
/* What was recorded touches no incident and pages nobody. */
bool intake_is_quiet(const struct intake *in);
void intake_free(struct intake *in);
void intake_cleanup(struct intake **in);
/* {alerts, rejected, results: […]} as text, and left_out when alerts were; of more results than fit into
 * INTAKE_ANSWER_MAX bytes the first, and results_left_out tells how many more there are. b has room for a few kilobytes
 * more. */
#define INTAKE_ANSWER_MAX (12 * 1024 * 1024)
void intake_answer(struct buf *b, const struct intake *in);

#endif
