/*
 * What the parts of the engine share: open_incident.c (an incident in memory), advance.c (deciding), acts*.c (doing),
 * calm.c. Engine thread only.
 */
#ifndef HANDLERS_ENGINE_ENGINE_PRIVATE_H
#define HANDLERS_ENGINE_ENGINE_PRIVATE_H

#include <pthread.h>
#include "handlers/engine/engine.h"
#include "db/config.h"
#include "handlers/engine/next.h"
#include "handlers/engine/record.h"
#include "handlers/incident/intake.h"
#include "handlers/steps/flags_file.h"

struct open_incident;

/* Things that run beside each other for one incident. Each ends in a change to commit. */
enum slot_id { SLOT_FLAGS, SLOT_ACT, SLOT_FOLLOWUP, SLOT_ROUND, SLOT_SNAPSHOT, SLOT_ONSET, SLOT_CALM, SLOT_N };
#define ACT_SLOTS 3
struct slot {
	struct open_incident *of;
	bool busy;    /* started, has not ended */
	bool stopped; /* it was told to end early */
	bool ready;   /* ended: ch waits to be committed */
	struct change ch;
	int64_t until_us; /* SLOT_FLAGS: mono; so long is the lock waited for */
	void *handle;     /* of what is busy: a command, http_step, probe, snapshot, onset query or question */
	void (*drop)(struct open_incident *, struct slot *); /* lets go of handle */
};

struct deadline { /* a wall time on disk, waited for on the monotonic clock */
	int64_t wall_us, mono_us;
};

/* Its alerts are resolved: whether that is so is asked until the answer is yes (calm.c). */
struct calm {
	int64_t since_us; /* the incident's quiet_since that was asked about last */
	int64_t again_us; /* monotonic: not asked before */
	bool doubted;     /* that it is not over, or unknown, was said already */
};

struct open_incident {
	struct open_incident *next;
	struct engine *engine;
	int64_t id;
	struct incident inc; /* as last read from disk */
	struct plan *plan;   /* that inc.config names; what is under way borrows from it, or from an older one */
	char plan_sha[CONFIG_SHA_SIZE];
	struct plan **older; /* owned references, while something is under way */
	size_t n_older;
	struct step_list steps;
	struct slot slot[SLOT_N];
	bool onset_asked; /* … of the trigger that decided at */
	int64_t onset_of_us;
	bool met;                   /* what an earlier life left under way was asked about */
	bool looked;                /* a round has ended in this life */
	struct sighting seen;       /* of the last round */
	int64_t no_snapshot_before; /* monotonic: after one that could not be started */
	struct calm calm;

	struct db_job job; /* the one change on its way to disk */
	struct settings *job_settings;
	struct change own;         /* INTENT and EVENT changes */
	struct change *committing; /* &own or a slot's; NULL: none */
	int commit_result;

	struct loop_timer *timer;
	struct deadline due, round, until, quiet, snapshot, retry;
	struct deadline evidence; /* what was asked or sampled before counts for nothing */
};

#define REVIVALS_MAX 16

struct intake;

/* A stale alert about which somebody is asked (revive.c). Engine thread, but for taken and copy, which the lock
 * guards, and intake while its job is with the writer. */
struct revival {
	struct engine *engine;
	bool taken;
	struct stale_copy copy;
	struct activity_question *question;
	struct intake *intake; /* owned: called active */
	struct db_job job;
	int result;
};

struct engine {
	struct engine_options o;
	int64_t began_us; /* wall: what is running on disk since before was begun by an earlier life */
	int64_t taken_up; /* incidents up to this one were opened in an earlier life */
	struct db_conn *reader;
	struct open_incident *open;
	char *commands;       /* directory of the runners' files */
	pthread_mutex_t lock; /* guards inbox, which revivals are taken, and the list of lowerings */
	struct lowering *lowerings;
	unsigned lowering;                /* of them: not ended; under the lock */
	struct loop_timer *held_outcomes; /* until then those that have ended wait for the others; NULL: none does */
	int64_t *inbox;                   /* incident ids to look at */
	size_t n_inbox, cap_inbox;
	struct revival revivals[REVIVALS_MAX];
};

/* --- open_incident.c: one incident in memory --- */
struct open_incident *open_incident_find(struct engine *e, int64_t id); /* NULL */
struct open_incident *open_incident_new(struct engine *e, int64_t id);  /* NULL: out of memory */
void open_incident_drop(struct open_incident *l);
/* Reads the incident again. 1 open, 0 over or gone, -errno. */
int open_incident_read(struct open_incident *l);

/* --- advance.c: deciding --- */
/* Others of its rollout wait for what it had under way. */
void tell_others(struct open_incident *l);

/* Lets go of what is asked about stale alerts. After the loop has stopped. */
void revivals_drop(struct engine *e);

/* It, as the rules of what comes next see it; borrows from l. */
struct situation situation_of(const struct open_incident *l);
/* Looks at the incident and starts or commits what is next. */
void engine_advance(struct open_incident *l);
/* The same, when it was read just now; r: what open_incident_read said. */
void engine_advance_as_read(struct open_incident *l, int r);

/* Slots of acts that change the world; the percentage first. */
extern const enum slot_id act_slots[ACT_SLOTS];
/* Which slot does a step of that phase. */
enum slot_id slot_of(const struct step *step);

/* --- acts.c --- */
/* Something begins in a slot, or has ended: then its change waits to be committed. */
void slot_begin(struct slot *s, const struct step *step, int32_t attempt);
void slot_end(struct slot *s, enum step_state outcome, const char *text);
/* The flags file: in this thread, a few milliseconds (acts_flags.c). */
void act_write_flags(struct open_incident *l, const struct step *step);
/* Its outcome, as of flags_file_write: the slot ends, or pauses before it is tried again. */
void flags_written(struct slot *s, int err, const struct flags_change *change, const char *why);
/* --- lowering.c --- */
/* The flags file of the slot's incident goes to pct, and flags_written is told: now, when it was begun before. */
int lowering_start(struct slot *s, int32_t pct);
/* The slot waits for that: it cannot be stopped, and ends by itself. */
bool is_lowering(const struct slot *s);
/* The incident was looked at: what was begun for it and not asked for by now, nobody will. */
void lowering_forget(struct engine *e, int64_t incident);
void lowerings_free(struct engine *e); /* after their threads have ended */
/* A slot's drop, while its handle is a timer after which it goes on. */
void drop_pause(struct open_incident *l, struct slot *s);
/* After the intent is on disk. step is borrowed. */
void act_begin(struct open_incident *l, const struct step *step);
/* The step is running on disk but not here: an earlier life began it, or whoever opened the incident committed the
 * intention together with it (trigger_add_steps). Asks what is true before it repeats anything. */
void act_recover(struct open_incident *l, const struct step *step);
/* The incident is over, the step is running on disk: sees it to its end. */
void act_watch_end(struct open_incident *l, const struct step *step);
void acts_stop(struct open_incident *l);
/* --- acts_ask.c --- */
void round_begin(struct open_incident *l);
void snapshot_begin(struct open_incident *l, const struct step *step);
void onset_begin(struct open_incident *l);
/* A slot's drop, while its handle is a round of verification. */
void drop_round(struct open_incident *l, struct slot *s);
/* The labels of the alert that decides the incident: pairs borrow from *ret_tree, the caller's to put. Returns how
 * many. */
size_t first_labels(struct open_incident *l, struct json_object **ret_tree, struct text_pair *pairs, size_t max);

/* Every alert resolved: a waiting rollback is called off, or the incident ends, when those who should know say that it
 * is over. A rule of engine_advance; calm_wake is when it wants to look again (monotonic; 0: not at all). */
bool calm_ask(struct open_incident *l);
int64_t calm_wake(struct open_incident *l);
/* The deadline on the monotonic clock. */
int64_t deadline_mono(const struct engine *e, struct deadline *d, int64_t wall_us);
/* What follows the rollback is not over. */
bool followup_is_open(const struct open_incident *l);
/* Lets go of everything that is busy. */
void acts_drop(struct open_incident *l);

#endif
