/*
 * Alert episodes (one time of an alert's firing each) and what was made of them: dispositions (table said).
 *
 * Each disposition is added once per episode, status and rollout; a copy finds the row and answers "duplicate".
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
	int64_t starts_at_us, began_us;
	enum delivery delivery; /* FIRING, RESOLVED or REJECTED */
	const char *labels;     /* JSON objects as text */
	const char *annotations;
	const char *generator_url;
	int64_t ends_at_us;
	const char *decided; /* the config by which its dispositions are decided; NULL: by none */
};
/* A new episode. */
int alert_add(struct db_tx *tx, const struct alert_seen *seen, int64_t *ret_id) MUST_CHECK;

/* Times of the sender's clock: starts, began, ends. Of ours: the others. What they mean: handlers/incident/episode.h.
 */
struct episode {
	int64_t id;
	bool firing;
	int64_t starts_at_us;  /* as told; 0: the sender gives none */
	int64_t told_start_us; /* another, earlier one that a copy told; 0: none */
	int64_t began_us;      /* it cannot have begun before: startsAt, or the end of the episode before it */
	int64_t ends_at_us;    /* as told; 0: it fires, or the sender gives none */
	int64_t last_at_us;    /* the last delivery, within a second */
	int64_t ended_at_us;   /* when its end was reported, last; 0: it fires */
	int64_t stale_at_us;   /* the first copy after its end; 0: none came */
	int64_t stale_times;   /* how many came since the end was reported */
	char decided[65];      /* the config by which its dispositions were decided; "" : not known */
};
struct episode_list {
	struct episode *item;
	size_t n;
};
/* The latest of that fingerprint and status. 1 found, 0 none, -errno. */
int episode_last(struct db_conn *c, const char *fingerprint, enum delivery status, struct episode *ret) MUST_CHECK;
/* Whether that fingerprint is on record at all: 1, 0, -errno. */
int episode_any(struct db_conn *c, const char *fingerprint) MUST_CHECK;
/* All that fire: more than one only where a resolved got lost. *ret->item is the caller's to free. */
int episode_firing(struct db_conn *c, const char *fingerprint, struct episode_list *ret) MUST_CHECK;

/* It came again; a copy of one that fires, with the other start it tells, its labels and annotations of now; its end;
 * its end, told anew; a copy after the end; by which config it was decided. 0 or -errno. Of copies within a second that
 * say the same one is written, and counted: alert_copy says 1 for it, 0 for the others. */
int alert_again(struct db_tx *tx, int64_t id) MUST_CHECK;
int alert_copy(struct db_tx *tx, int64_t id, int64_t told_start_us, const char *labels,
               const char *annotations) MUST_CHECK;
int alert_end(struct db_tx *tx, int64_t id, int64_t ends_at_us) MUST_CHECK;
int alert_ended_again(struct db_tx *tx, int64_t id) MUST_CHECK;
int alert_stale(struct db_tx *tx, int64_t id) MUST_CHECK;
int alert_decided(struct db_tx *tx, int64_t id, const char *config) MUST_CHECK;

struct alert_disposition {
	char *rollout; /* owned; "" when it concerned none */
	enum disposition disposition;
	int64_t incident_id; /* 0: none */
};
DB_LIST(disposition_list, struct alert_disposition);
int disposition_add(struct db_tx *tx, int64_t alert_id, enum delivery delivery, const char *rollout, enum disposition d,
                    int64_t incident_id, const char *reason);
/* That it concerns no rollout: it is decided anew. */
int disposition_withdraw(struct db_tx *tx, int64_t alert_id, enum delivery delivery) MUST_CHECK;
/* Those of an episode and delivery. */
int disposition_of_alert(struct db_conn *c, int64_t alert_id, enum delivery delivery, struct disposition_list *ret);

/* The alerts of an incident. */
struct alert_row {
	int64_t id;
	char *fingerprint, *labels, *annotations, *generator_url; /* owned */
	enum delivery status;                                     /* FIRING or RESOLVED */
	int64_t starts_at_us, ends_at_us, first_at_us, last_at_us;
	int64_t times;
};
DB_LIST(alert_list, struct alert_row);
int alert_load(struct db_conn *c, int64_t id, struct alert_list *ret);     /* one, or -ENOENT */
int alert_attach(struct db_tx *tx, int64_t incident_id, int64_t alert_id); /* again: no harm */
/* The one that decides an incident, else its first one; it may have none. */
struct incident;
int alert_deciding(struct db_conn *c, const struct incident *inc, struct alert_list *ret);
int alert_of_incident(struct db_conn *c, int64_t incident_id, size_t limit, struct alert_list *ret); /* oldest first */
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
