/*
 * What the parts of the page share.
 */
#ifndef SERVER_WEB_PRIVATE_H
#define SERVER_WEB_PRIVATE_H

#include "server/web/html.h"
#include "server/web/web.h"

/* What one page is about, and where it is written to. */
struct web_about {
	struct buf *b;
	const struct web_page *p;
	struct json_object *inc;     /* an incident; NULL: none */
	struct json_object *rollout; /* NULL: none */
};

/* --- frame.c: what stands around every page --- */

struct web_frame {
	const char *page;  /* data-page */
	const char *state; /* data-state; NULL: none */
	const char *rollout;
	int64_t id; /* 0: none */
};
/* Up to and with <main>; the title is added to it first, by the caller, and taken from there. */
void frame_begin(struct buf *b, const struct web_page *p, const struct web_frame *f, const char *title);
void frame_end(struct buf *b);

/* A part of the page with its heading. */
void part_begin(struct buf *b, const char *id, const char *heading);
void part_end(struct buf *b);
/* What holds at most so many bytes from start on: false says that there is no room for more. */
bool part_has_room(const struct buf *b, size_t start, size_t most);

/* --- verdict.c --- */

/* What an incident comes to: a sign, a colour (never alone), a word for the title, and a sentence. */
struct web_verdict {
	const char *tone; /* "bad", "warn", "act", "ok", "done" */
	const char *sign;
	const char *word; /* "FAILED" */
	char sentence[500];
	char more[300];   /* a second line; "" : none */
	int64_t since_us; /* when what goes on now began; 0: nothing does */
	int64_t until_us; /* what it waits for; 0: nothing */
};
void verdict_of(struct json_object *inc, int64_t now_us, struct web_verdict *ret);
bool is_drill(struct json_object *inc);
bool is_open(struct json_object *inc);
bool has_state(struct json_object *o, const char *state);
/* The newest entry of the timeline of that kind; NULL: none. */
struct json_object *timeline_last(struct json_object *inc, const char *what);

/* --- confirm.c --- */

/* The step that waits for a person's approval now; NULL: none. */
struct json_object *waiting_step(struct json_object *inc);
bool step_that_waits(struct json_object *inc);
/* The role in which the one who looks may approve what is missing of a rollout; "": in none. */
const char *role_to_approve(struct json_object *rollout);
/* The beginning of an act's form, with its token. */
struct web_act;
void form_begin(const struct web_about *a, const struct web_act *act);
/* What can be done with an incident: the buttons. */
void part_acts(const struct web_about *a);

/* --- home.c --- */

/* An incident in a list: sign, verdict, age, who has it. */
void put_incident_row(const struct web_about *a, struct json_object *inc);
/* "31 h of 72 h clean", as a bar and in words; nothing where no clean time is asked for. */
void put_clean(const struct web_about *a, struct json_object *clock);

/* --- parts of an incident --- */

void part_waits(const struct web_about *a);
void part_who(const struct web_about *a);
void part_why(const struct web_about *a);
void part_now(const struct web_about *a);
void part_ladder(const struct web_about *a);
void part_steps(const struct web_about *a);
void part_timeline(const struct web_about *a);
void part_alerts(const struct web_about *a);
void part_metrics(const struct web_about *a);
void part_sla(const struct web_about *a);
void part_messages(const struct web_about *a);

#endif
