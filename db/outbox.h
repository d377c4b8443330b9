/*
 * The outbox: messages decided in a transaction, delivered afterwards, in order per incident and channel.
 */
#ifndef DB_OUTBOX_H
#define DB_OUTBOX_H

#include "db/db.h"

enum message_state { MSG_QUEUED = 1, MSG_SENT, MSG_UNDELIVERABLE, MSG_STATE_N }; /* stored */
const char *message_state_name(enum message_state s);

struct message {
	int64_t id;
	int64_t incident_id;   /* 0: not about an incident */
	char *rollout;         /* owned, may be NULL */
	char *channel, *event; /* owned: channel name; event class "incident", "page" … */
	char *what;            /* owned: "opened", "rolled_back", "failed" … */
	char *body;            /* owned: the JSON given to the channel's program, as things stood when it was decided */
	int64_t number;        /* 1, 2, … per incident and channel (0 without incident): recognises a repeat */
	enum message_state state;
	int64_t attempts;
	int64_t queued_at_us, due_at_us, sent_at_us;
	char *error; /* owned: the last failure, one sentence; may be NULL */
};
struct message_list {
	struct message *item;
	size_t n;
};

/* Adds one; number is given here. All strings borrowed. */
int outbox_add(struct db_tx *tx, struct message *m);
/* What may be sent now: queued, due, and the first unsent of its (incident, channel); messages without incident are
 * ordered by channel alone. Oldest first; without bodies. */
int outbox_due(struct db_conn *c, int64_t now_us, size_t limit, struct message_list *ret);
/* When the next queued message falls due; -ENOENT if none is queued. */
int outbox_next_due(struct db_conn *c, int64_t *ret_us);
/* A body of more than 1 MiB, of before there was a limit, comes without what its incident was. */
int outbox_load(struct db_conn *c, int64_t id, struct message *ret);
int outbox_save(struct db_tx *tx, const struct message *m); /* state, attempts, due, sent, error */
int outbox_of_incident(struct db_conn *c, int64_t incident_id, struct message_list *ret); /* without bodies */
void message_free(struct message *m);
void message_list_free(struct message_list *l);
/* For metrics: per channel how many are queued and undeliverable. */
typedef int outbox_count_fn(void *arg, const char *channel, int64_t queued, int64_t undeliverable);
int outbox_count(struct db_conn *c, outbox_count_fn *fn, void *arg);

#endif
