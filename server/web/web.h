/*
 * The page: HTML out of the JSON that the API serves, readable and usable without JavaScript.
 *
 * Pure functions; any thread. The JSON is borrowed. Nothing is asked or counted here: what a page says beside the JSON
 * (who looks, when, what of rollbackd itself is not well) stands in struct web_page. Each fills b, whose maximum is the
 * caller's (WEB_MAX); what would be too long says how much more there is and where. Errors stick in b.
 *
 * What a script may rely on, and nothing else:
 *   <main id="main" data-page="home|incident|incidents|rollout|act|error" data-id="12" data-rollout="beta"
 * data-state="failed" data-seq="345">   seq: the newest event that the page knows of, for /api/v1/events with
 * Last-Event-ID <div id="banner" role="alert" hidden>   empty, for "Not live since …"; <p id="news" role="status"
 * hidden> for "2 new events" <time datetime="RFC 3339 UTC"> with <span data-ago> ("3 min ago", "in 4 min") and <span
 * class="clock"> in it <section id="…">, one for each part: verdict over waits acts who why now ladder steps timeline
 * alerts metrics sla messages; a part that has nothing to say is left out. An update replaces whole sections by those
 * of the same id in a page that was fetched anew (the same URL, Accept: text/html); acts, and what holds the focus, it
 * leaves alone. <figure data-plot="name"> in #metrics, one a query: the plot's place; the numbers stay beside it <form
 * data-act="acknowledge"> each form; <details id="…"> keeps whether it is open by its id
 */
#ifndef SERVER_WEB_WEB_H
#define SERVER_WEB_WEB_H

#include <stdbool.h>
#include <stdint.h>
#include "server/core/buf.h"
#include "server/core/json.h"
#include "server/web/form.h"

#define WEB_MAX (2 * 1024 * 1024) /* bytes of a page */

struct web_page {
	int64_t now_us;
	int64_t seq;             /* the newest event's id */
	const char *user;        /* "": not known */
	bool operates;           /* may act; else viewer */
	bool signed_in;          /* by a password or a session: he can sign out */
	const char *environment; /* "" : none */
	const char *csrf;        /* the token that each form carries; "" : none is asked for */
	/* How rollbackd itself is: {"queued", "queued_since", "undeliverable", "heartbeat_at", "heartbeat_late",
	 * "config_refused", "blind": {rollout: why}}; NULL: not known. */
	struct json_object *health;
};

/* Content-Security-Policy of every page: no 'unsafe-…'; the one style sheet stands in the page, by its hash. Static. */
const char *web_policy(void);

/* Something that people can do, by its word in the URL ("retry"); NULL: nothing goes by it. */
struct web_act;
const struct web_act *web_act_find(bool on_rollout, const char *word);
/* What a form says, as the API takes it: the caller's to put. NULL: why says what is wrong. */
struct json_object *web_act_body(const struct web_act *act, const struct form *f, char *why, size_t size);
struct web_asked {
	struct json_object *incident, *rollout; /* as for web_incident; either may be NULL, not both */
	const struct form *given;               /* what was typed before; NULL: nothing */
	const char *error;                      /* why that was refused; NULL: it was not */
};
/* The page on which an act is confirmed: what follows from it, and its form. */
void web_act_page(struct buf *b, const struct web_page *p, const struct web_act *act, const struct web_asked *asked);

/* incident: as GET /api/v1/incidents/{id}, and "before": the id of the one before it, or null. rollout: as GET
 * /api/v1/rollouts/{name}; NULL: it is in the config no more. */
void web_incident(struct buf *b, const struct web_page *p, struct json_object *incident, struct json_object *rollout);

/* rollouts: as GET /api/v1/rollouts. day: the incidents of the last 24 h, as GET /api/v1/incidents. */
void web_home(struct buf *b, const struct web_page *p, struct json_object *rollouts, struct json_object *day);

/* rollout: as GET /api/v1/rollouts/{name}; in each of its approvals "may": whether who looks has the role, and
 * "people": who has it. last: its newest incidents. */
void web_rollout(struct buf *b, const struct web_page *p, struct json_object *rollout, struct json_object *last);

struct web_list {
	struct json_object *incidents;
	const char *state, *kind, *rollout, *q; /* what is asked for; NULL: any */
	const char *next, *warning;             /* the cursor of the next page; NULL: there is none */
};
void web_incidents(struct buf *b, const struct web_page *p, const struct web_list *l);

/* That something is not there, or not allowed. newest: incidents to go on with; NULL: none. */
void web_error(struct buf *b, const struct web_page *p, int status, const char *sentence, struct json_object *newest);

#endif
