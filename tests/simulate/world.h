/*
 * The model of everything outside: services that run with a percentage, their flags files, Prometheus, the programs
 * that steps and checks run. What it says is the truth that the daemon is measured by.
 */
#ifndef TESTS_SIMULATE_WORLD_H
#define TESTS_SIMULATE_WORLD_H

#include <stdbool.h>
#include <stdint.h>

#define SERVICES  3 /* of rollouts r0 and r1, and one that r0 can be moved to */
#define ROLLOUTS  2
#define INSTANCES 3

/* How a service comes by its percentage. */
enum service_kind {
	SERVICE_RELOADS, /* reads the flags file when it is told to */
	SERVICE_POLLS,   /* reads the flags file every few seconds */
	SERVICE_COMMAND, /* a command sets it; no flags file */
	SERVICE_HTTP,    /* a request sets it; no flags file */
	SERVICE_KINDS
};
enum { CHECK_BY_PROMETHEUS = 1, CHECK_BY_COMMAND = 2, CHECK_BY_HTTP = 4 };

struct instance {
	int32_t pct; /* hundredths, what it really runs with */
	bool up;
	int32_t scraped;       /* what Prometheus has */
	int64_t scraped_at_us; /* wall; 0: nothing */
};

struct service {
	enum service_kind kind;
	unsigned checks;
	int n;
	struct instance instance[INSTANCES];
	int64_t changed_us;         /* when anything of it last changed */
	int32_t lowest;             /* the lowest it was as a whole since the last act of the daemon ended */
	int64_t lowered_outside_us; /* when somebody else last lowered it; what was seen before is old */
	int64_t file_written_us;    /* when somebody else last wrote the file alone */
	int64_t program_of;         /* whose program was the last to change it and end; an incident, 0: none's */
	int64_t program_ended_us;
	char file[200]; /* "" : none */
};

/* What goes wrong, each until its time (monotonic). */
enum fault {
	FAULT_PROM_DOWN,     /* no answer */
	FAULT_PROM_500,      /* a good looking body with status 500 */
	FAULT_PROM_REDIRECT, /* 302, with a body */
	FAULT_PROM_PARTIAL,  /* "warnings", and instances missing */
	FAULT_PROM_MISSING,  /* instances missing, and not a word about it */
	FAULT_PROM_FROZEN,   /* nothing is scraped */
	FAULT_SLOW,          /* answers near and beyond their time limit */
	FAULT_ACT_FAILS,     /* commands and requests of steps fail */
	FAULT_ACT_HANGS,
	FAULT_LAGS, /* an instance takes what it is told much later */
	FAULT_DEAF, /* the first instance takes what it is told once this is over */
	FAULT_FILE, /* the flags file cannot be written */
	FAULT_FILE_LOCKED,
	FAULT_CHECK_FAILS, /* programs and requests of checks fail */
	FAULT_DISK,        /* commits fail */
	FAULT_N
};
extern const char *const fault_names[FAULT_N];

void world_begin(const char *dir);
void world_end(void);
struct service *world_service(int which);
/* The highest percentage an instance runs with; -1: none is up. */
int32_t world_pct(const struct service *s);
/* Neither an instance nor the file is at 0. */
bool world_holds_more(const struct service *s);
/* What the flags file says; -1: none, or nothing. */
int32_t world_file_pct(const struct service *s);

void world_fault(enum fault f, int64_t for_us);
void world_no_faults(void);
bool world_has(enum fault f);

/* Somebody else, not the daemon: sets what all run with (and the file, with file). */
void world_outside(struct service *s, int32_t pct, bool file);
/* One of its instances alone. */
void world_lowers_one(struct service *s, int32_t pct);
/* Somebody else writes its flags file, and nothing more. */
void world_writes_file(struct service *s, int32_t pct);
/* An instance stops, and comes back with what its flags file says, or what it had. */
void world_bounce(struct service *s);

/* --- acts of the daemon --- */

/* Before pct is applied for incident: it must not raise. */
void world_act_begins(struct service *s, int32_t pct, int64_t incident);
/* Instances take pct; pct -1: what the file says. by the daemon. */
void world_applies(struct service *s, int32_t pct);
void world_act_ends(struct service *s);

/* --- answers (answers.c) --- */

struct world_answer {
	int error;  /* of the way: -ECONNREFUSED …; 0 */
	int status; /* or exit code */
	int64_t took_us;
	char *body; /* owned */
	/* Fills body, when it is what is true at the end. */
	void (*read)(struct world_answer *a);
	/* The asker lets go. */
	void (*cancel)(struct world_answer *a);
	int service, kind;
	char query[300];
};
struct fetch_spec;
struct child_spec;
void world_fetch(const struct fetch_spec *spec, struct world_answer *ret);
void world_spawn(const struct child_spec *spec, struct world_answer *ret);

/* --- programs of steps (acts.c) --- */

void acts_begin(void);
/* What begins to act from now on, for so long, takes its time and does not listen when it is to stop. */
void acts_are_stubborn(int64_t for_us);
/* A program of another incident than this one that could still change the service. 0: none. */
int64_t acts_alive(const struct service *s, int64_t but_incident);
bool acts_of_incident_run(int64_t incident);

#endif
