/*
 * rollbackctl: what its parts share. One thread; the process is short-lived.
 */
#ifndef SERVER_CTL_CTL_H
#define SERVER_CTL_CTL_H

#include <stdbool.h>
#include "server/config/load.h"
#include "server/core/buf.h"
#include "server/core/json.h"

/* Exit codes: done; the answer is no; wrong usage; cannot reach or not allowed; cannot tell. */
enum { CTL_YES = 0, CTL_NO = 1, CTL_USAGE = 2, CTL_UNREACHABLE = 3, CTL_UNKNOWN = 4 };

struct ctl {
	const struct ctl_command *command; /* that runs */
	struct ctl_given *given;           /* options, in their order; owned */
	size_t n_given;
	struct json_object *own; /* of its own config; owned. NULL: not read */
	const char *url, *user;
	char *password;  /* owned; NULL: none */
	bool json;       /* -o json */
	bool md, csv;    /* -o md, -o csv: a comparison */
	long timeout_ms; /* of one question; 0: 30 s */
	bool mute;       /* that nobody answers is said by whoever asks */
	bool quiet;      /* what goes on without the daemon needs no advice how to */
	long *status;    /* where the HTTP status of the last answer goes (0: none came); NULL: nowhere */
};

/* --- client.c --- */

/* Asks the daemon. body may be NULL (taken). 0: *ret_data (the caller's) is the envelope's data, *ret_next its cursor
 * (may be NULL). Else an exit code, with the daemon's or curl's sentence on stderr. */
int ctl_call(const struct ctl *c, const char *method, const char *path, struct json_object *body,
             struct json_object **ret_data);
/* The same of one thing in a list: "rollouts", NAME, "/advance". what: "" for itself. */
int ctl_ask(const struct ctl *c, const char *method, const char *list, const char *name, const char *what,
            struct json_object *body, struct json_object **ret_data);
/* GETs one thing in a list and prints it. 0, or an exit code. */
int ctl_show(const struct ctl *c, const char *list, const char *name, const char *what,
             void (*show)(struct json_object *));
/* An incident by its number. */
int ctl_incident(const struct ctl *c, int64_t id, struct json_object **ret_data);
/* Appends "&key=value", percent-encoded, to a path that ends in "?" or has parameters; nothing when value is NULL. */
void ctl_param(struct buf *path, const char *key, const char *value);
/* Texts for a body: keys and values in turn, then NO_MORE. A value that is NULL is left out. */
struct json_object *ctl_body(const char *key, ...);
/* POST to somebody else, named whom in the sentence when it fails. 0: taken (2xx); else CTL_UNREACHABLE. body is taken.
 */
int ctl_send(const struct ctl *c, const char *whom, const char *path, struct json_object *body);
/* GET of a text that is no JSON. 0, or an exit code as above. */
int ctl_fetch(const struct ctl *c, const char *path, struct buf *ret);
/* Prints the text of one thing in a list; with -o json as the member text. 0, or an exit code. */
int ctl_print_text(const struct ctl *c, const char *list, const char *name, const char *what);
/* Does it answer within 3 s, and can it record? Says nothing. */
bool ctl_is_ready(const struct ctl *c);
/* Follows an incident, or a stage being entered, until it is decided; prints what happens from the seen-th line of its
 * timeline on; with -o json, if print, it at the end. An exit code. */
int ctl_follow(const struct ctl *c, int64_t id, size_t seen, bool print);
/* The rollout that was named, or else the only one there is. The caller's to free; NULL with a sentence on stderr. */
char *ctl_rollout(struct ctl *c, const char *named, int *ret_code);
/* Between two questions about what is under way. */
void ctl_pause(void);

/* --- show.c, show_incident.c, show_compare.c, show_plan.c --- */

/* Prints data: as it came with -o json, else by show (NULL: there is no other way). */
void ctl_print(const struct ctl *c, struct json_object *data, void (*show)(struct json_object *));
void show_rollouts(struct json_object *arr);
void show_incidents(struct json_object *arr);
/* One of them, in a line. */
void show_rollout_line(struct json_object *o);
void show_incident_line(struct json_object *o);
void show_health(const char *metrics); /* what is wrong with rollbackd itself, out of its /metrics */
void show_incident(struct json_object *o);
void show_incident_verbose(struct json_object *o); /* with what the steps' programs wrote */
void show_over(struct json_object *o);             /* "Over: …" and "Next: …" */
void show_compare(struct json_object *o);
void show_stage(struct json_object *o); /* of a rollout, as the next two */
void show_checklists(struct json_object *o);
void show_milestones(struct json_object *o);
void show_compare_md(struct json_object *o);
void show_compare_csv(struct json_object *o);
/* One line a step or move that is not yet in seen (count of timeline rows shown); for --wait. Returns the new count. */
size_t show_news(struct json_object *incident, size_t seen);
/* Which incident a person's wish joined, and who opened it. */
void show_joined(struct json_object *o);

/* --- the words of a command line (args.c) --- */

struct ctl_option {
	const char *name, *value; /* "stage" of --stage; "N", what it takes; NULL: it is a switch. A name takes a value
	                           * in all commands or in none */
	const char *help;
	char letter;      /* 'v': -v, too */
	const char *also; /* another name, for those who guess; not in the help */
	bool needed;
};

struct ctl_command {
	const char *name, *verb; /* "incident", "ack"; verb NULL: the name alone */
	const char *args;        /* its words: "ROLLOUT", "[ROLLOUT] N", "FILE|- …" (one or more) */
	const char *help, *more; /* what it does, a line; what else there is to know, or NULL */
	const char *example;
	int (*run)(struct ctl *c, int n, const char **words); /* n words, and NULL behind them; as many as args says */
	const struct ctl_option *options;                     /* till one without a name; NULL: none */
	bool offline;                                         /* asks nobody, so needs no password */
};
/* Both till one without a name. */
extern const struct ctl_command ctl_commands[];
extern const struct ctl_option ctl_globals[];

/* Options may stand anywhere, in both forms: --stage 2, --stage=2. The words that are left stay in argv, from
 * argv[1] on. Returns how many, or -1 with a sentence on stderr. */
int ctl_args(struct ctl *c, int argc, char **argv);
/* The command that the words name; *ret_used: how many of them do. asked: for help, so one of several will do. NULL:
 * said what is wrong. */
const struct ctl_command *ctl_command_of(int n, const char **words, bool asked, int *ret_used);
/* Whether options and words, those behind its name, fit the command. If not, said what is wrong. */
bool ctl_fits(const struct ctl *c, int n, const char **words);
/* What was given for an option of the command, or a global one; NULL: nothing. nth: where it may stand several times.
 */
const char *ctl_value(const struct ctl *c, const char *name);
const char *ctl_nth(const struct ctl *c, const char *name, size_t nth);
bool ctl_has(const struct ctl *c, const char *name);
/* rollbackctl's own config files (own_config.c). -1: said what is wrong with one. */
int ctl_read_own_config(struct ctl *c);
/* A global option: the command line's, else of the environment (env may be NULL), else its own config's; NULL. */
const char *ctl_setting(const struct ctl *c, const char *name, const char *env);
/* The daemon's config: --config, ROLLBACKD_CONFIG, or where the package has it. */
const char *ctl_config(const struct ctl *c);

/* --- help.c --- */

void help_all(void);
/* Of a command, or of all that begin with its name when it is one without a verb. */
void help_of(const struct ctl_command *cmd);
/* The table, as JSON: for completion and the manual page. */
void help_dump(void);
/* "rollbackctl rollback ROLLOUT". */
void help_synopsis(struct buf *b, const struct ctl_command *cmd);

/* A sentence on what is wrong with the words, and where the help is: CTL_USAGE. */
int ctl_usage(const struct ctl *c, const char *what, ...) PRINTF_LIKE(2, 3);
/* What changes in the plan against the daemon, and what would begin anew for it (check-config --against). An exit code;
 * with -o json the answer goes to ret. */
int ctl_against(const struct ctl *c, const struct settings *s, struct json_object **ret);
/* The config, or -EINVAL with its faults on stderr. */
int ctl_load(const char *file, enum config_use use, struct config **ret);

/* --- commands --- */

int cmd_status(struct ctl *c, int n, const char **words);
int cmd_incidents(struct ctl *c, int n, const char **words);
int cmd_incident(struct ctl *c, int n, const char **words);
int cmd_incident_act(struct ctl *c, int n, const char **words);
int cmd_incident_report(struct ctl *c, int n, const char **words);
int cmd_incident_open(struct ctl *c, int n, const char **words);
int cmd_rollback(struct ctl *c, int n, const char **words);
int cmd_flags(struct ctl *c, int n, const char **words);
int cmd_flags_set(struct ctl *c, int n, const char **words);
int cmd_flags_explain(struct ctl *c, int n, const char **words);
int cmd_stage(struct ctl *c, int n, const char **words);
int cmd_stage_advance(struct ctl *c, int n, const char **words);
int cmd_stage_set(struct ctl *c, int n, const char **words);
int cmd_stage_note(struct ctl *c, int n, const char **words);
int cmd_checklist(struct ctl *c, int n, const char **words);
int cmd_milestones(struct ctl *c, int n, const char **words);
int cmd_freeze(struct ctl *c, int n, const char **words);
int cmd_drill(struct ctl *c, int n, const char **words);
int cmd_report(struct ctl *c, int n, const char **words);
int cmd_sla(struct ctl *c, int n, const char **words);
int cmd_percentage(struct ctl *c, int n, const char **words);
int cmd_compare(struct ctl *c, int n, const char **words);
int cmd_doctor(struct ctl *c, int n, const char **words);
int cmd_notify_test(struct ctl *c, int n, const char **words);
int cmd_simulate(struct ctl *c, int n, const char **words);
int cmd_check_config(struct ctl *c, int n, const char **words);
int cmd_check_web_config(struct ctl *c, int n, const char **words);
int cmd_check_alert(struct ctl *c, int n, const char **words);

#endif
