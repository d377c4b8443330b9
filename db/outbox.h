/*
 * The outbox: messages decided in a transaction, delivered afterwards, in order per incident and channel, unless one is
 * not taken. Adding and saving: the writer's thread; the rest: any, with a connection of its own.
 *
 * Bounded: OUTBOX_QUEUE_MAX messages of a kind wait for a channel. The one that has waited longest makes room for a new
 * one, undeliverable.
 */
#ifndef DB_OUTBOX_H
#define DB_OUTBOX_H

#include "db/db.h"
#include "server/core/clock.h"

#define OUTBOX_QUEUE_MAX 1000 /* pages, and as many others, of one channel */
#define OUTBOX_BLOCKED_US                                                                                              \
	(60 * US_PER_S) /* so long a message that is not taken holds up the later ones of its incident */

enum message_state { MSG_QUEUED = 1, MSG_SENT, MSG_UNDELIVERABLE, MSG_DROPPED, MSG_STATE_N }; /* stored: append */
const char *message_state_name(enum message_state s);

struct message {
	int64_t id;
	int64_t incident_id;   /* 0: not about an incident */
	char *rollout;         /* owned, may be NULL */
	char *channel, *event; /* owned: channel name; event class "incident", "page" … */
	char *what;            /* owned: "opened", "rolled_back", "failed" … */
	int64_t body_id;       /* of the body, which several messages share; 0 once it waits no more */
	char *body;     /* owned: the JSON given to the channel's program, as things stood when it was decided. Lists
	                   leave it NULL */
	bool page;      /* it must wake somebody: it waits for no other message */
	int64_t number; /* 1, 2, … per incident and channel (0 without incident): recognises a repeat */
	enum message_state state;
	int64_t attempts;
	int64_t queued_at_us; /* when it was decided: part of its name outside, and never changed */
	int64_t since_us;     /* how long it has waited is counted from here: moves with a clock that is set */
	int64_t due_at_us, sent_at_us;
	char *error; /* owned: the last failure, one sentence; may be NULL */
};
DB_LIST(message_list, struct message);

/* Adds one; id and number are given here, and body_id unless it is there: then that body is told once more. All strings
 * borrowed. */
int outbox_add(struct db_tx *tx, struct message *m);
/* What may be sent now, without bodies: queued, due, and held up by none before it (OUTBOX_BLOCKED_US; pages never
 * are). Messages without incident are ordered by channel alone. Per channel at most limit: pages first, then what was
 * not tried yet, then by age. */
int outbox_due(struct db_conn *c, int64_t now_us, size_t limit, struct message_list *ret);
/* When the next queued message falls due; -ENOENT if none is queued. */
int outbox_next_due(struct db_conn *c, int64_t *ret_us);
/* Since when the queued message that has waited longest does; -ENOENT if none is queued. */
int outbox_oldest(struct db_conn *c, int64_t *ret_us);
int outbox_load(struct db_conn *c, int64_t id, struct message *ret); /* body: while it waits, else NULL */
/* The newest message about the same incident that its channel has taken since, and the newest page of them; 0: none. */
int outbox_overtaken(struct db_conn *c, const struct message *m, int64_t *ret_by, int64_t *ret_by_page);
int outbox_save(struct db_tx *tx, const struct message *m); /* state, attempts, due, sent, error */
int outbox_of_incident(struct db_conn *c, int64_t incident_id, struct message_list *ret); /* without bodies */
void message_free(struct message *m);
/* For metrics: per channel how many are queued and undeliverable. */
struct channel_count {
	char *channel; /* owned */
	int64_t queued, undeliverable;
};
DB_LIST(channel_count_list, struct channel_count);
int outbox_count(struct db_conn *c, struct channel_count_list *ret);

#endif
