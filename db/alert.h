/*
 * Alert episodes (fingerprint and startsAt) and what was said about them.
 *
 * Each disposition is said once per episode, status and rollout; a copy finds the row and answers "duplicate".
 */
#ifndef DB_ALERT_H
#define DB_ALERT_H

#include "db/db.h"

/* Stored: append, never renumber. Order is that of the metric rollbackd_alerts_total, from 1. */
enum disposition {
	DISP_ROLLBACK_STARTED = 1,
	DISP_PENDING,
	DISP_HELD,
	DISP_ATTACHED,
	DISP_ALREADY_THERE,
	DISP_DUPLICATE,
	DISP_RESOLVED,
	DISP_STALE,
	DISP_HEARTBEAT,
	DISP_NO_MATCH,
	DISP_REJECTED,
	DISP_N
};
const char *disposition_name(enum disposition d);

/* What a delivery claimed. Stored: append, never renumber. */
enum delivery { DELIVERY_FIRING = 1, DELIVERY_RESOLVED = 2, DELIVERY_STALE = 3, DELIVERY_REJECTED = 4 };

struct alert_seen { /* input; all borrowed */
	const char *fingerprint;
	int64_t starts_at_us;
	enum delivery delivery; /* FIRING, RESOLVED or REJECTED */
	const char *labels;     /* JSON objects as text */
	const char *annotations;
	const char *generator_url;
	int64_t ends_at_us;
};

struct alert_known { /* output of alert_record */
	int64_t id;
	bool firing_said, resolved_said, stale_said, rejected_said; /* before this delivery */
};

/* Inserts the episode or counts it again (last_at, times; a resolved delivery sets status and resolved_at once, newer
 * annotations of a firing one replace older ones). */
int alert_record(struct db_tx *tx, const struct alert_seen *seen, struct alert_known *ret);

struct alert_said {
	char *rollout; /* owned; "" when it concerned none */
	enum disposition disposition;
	int64_t incident_id; /* 0: none */
};
struct alert_said_list {
	struct alert_said *item;
	size_t n;
};
int alert_say(struct db_tx *tx, int64_t alert_id, enum delivery delivery, const char *rollout, enum disposition d,
              int64_t incident_id, const char *reason);
/* What was said about an episode and delivery. */
int alert_said(struct db_conn *c, int64_t alert_id, enum delivery delivery, struct alert_said_list *ret);
void alert_said_free(struct alert_said_list *l);

/* The alerts of an incident. */
struct alert_row {
	int64_t id;
	char *fingerprint, *labels, *annotations, *generator_url; /* owned */
	enum delivery status;                                     /* FIRING or RESOLVED */
	int64_t starts_at_us, ends_at_us, first_at_us, last_at_us;
	int64_t times;
};
struct alert_list {
	struct alert_row *item;
	size_t n;
};
int alert_attach(struct db_tx *tx, int64_t incident_id, int64_t alert_id); /* again: no harm */
int alert_of_incident(struct db_conn *c, int64_t incident_id, size_t limit, struct alert_list *ret); /* oldest first */
void alert_list_free(struct alert_list *l);
/* How many of an incident's alerts are there, and not resolved. */
int alert_count(struct db_conn *c, int64_t incident_id, int64_t *ret_all, int64_t *ret_firing);
/* The open incidents (state not ended) that an episode is attached to. At most max ids; returns how many. */
int alert_incidents(struct db_conn *c, int64_t alert_id, int64_t *ids, size_t max);
/* Labels (JSON, the caller's to free) of an incident's alerts, each set once. At most max; returns how many. */
int alert_labels_of_incident(struct db_conn *c, int64_t incident_id, char **ret_labels, size_t max);
/* Labels (JSON, the caller's to free) of the alerts that were attached to an incident of the rollout opened since, and
 * that nobody reported resolved. At most max; returns how many. */
int alert_unresolved(struct db_conn *c, const char *rollout, int64_t since_us, char **ret_labels, size_t max);

#endif
