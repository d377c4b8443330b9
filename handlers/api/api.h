/*
 * The HTTP API: a table of routes over handlers that see a request and fill a reply.
 *
 * Handlers run on the http thread, which waits for nobody: what reads the database, or a file, is a handler of another
 * kind, which gets the connection of the reading thread that it runs on, and its row in the table says its lane.
 */
#ifndef HANDLERS_API_API_H
#define HANDLERS_API_API_H

#include <sys/queue.h>
#include "db/readers.h"
#include "handlers/engine/engine.h"
#include "handlers/plan/controller.h"
#include "server/core/http_types.h"
#include "server/core/json.h"

/* Somebody waits for a reload: for one that begins after he asked. */
struct reload_request {
	/* Main thread, or whoever stops it; once. result: 0; -EINVAL: why says what is wrong, the old one stays;
	 * -ESHUTDOWN. */
	void (*done)(struct reload_request *rq, int result, const char *why);
	STAILQ_ENTRY(reload_request) link; /* the queue's */
};

struct api {
	struct db *db;
	struct engine *engine;
	struct controller *controller;
	struct comparisons *comparisons; /* of the reports */
	struct background *background;
	struct loop *loop; /* the engine's */
	const char *version;
	/* Rings the sender of messages. Any thread. */
	void (*ring)(void *arg);
	/* The answers of /login and /logout. Http thread. */
	enum http_verdict (*sign_in)(void *arg, struct http_req *req, struct http_reply *reply);
	enum http_verdict (*sign_out)(void *arg, struct http_req *req, struct http_reply *reply);
	/* Has the config read again: 0, and rq->done comes; -EAGAIN, -ESHUTDOWN: it does not. Any thread, waits for
	 * nobody. */
	int (*reload)(void *arg, struct reload_request *rq);
	void *arg;
};

/* A question that is answered from the record. */
struct api_read {
	struct api *api;
	struct db_conn *conn;
	const struct settings *settings; /* those of when it was asked */
	struct http_req *req;
	const char *segment, *word; /* what stands for the first and the second '*' of its route */
};
/* On a reading thread. What it says of the reply does not count when its time was over. HTTP_DEFERRED: another job has
 * the request now. */
typedef enum http_verdict api_read_fn(const struct api_read *q, struct http_reply *reply);

/* What is known of a request before its body is read. */
struct route_info {
	int status;        /* 200, 404 or 405 */
	const char *allow; /* for 405 */
	unsigned roles;    /* any of these may call it; 0: everybody */
	bool takes_body;
	bool form;          /* a form of a page; the server has compared its token */
	const char *params; /* the query parameters that it knows, "limit,cursor"; NULL: none */
};
struct route_info api_route(enum http_method method, const char *path);
/* As http_refused_fn: somebody is told when it was a webhook. */
void api_refused(void *arg, const struct http_req *req, const struct http_reply *reply, bool sure);

/* arg is the struct api. */
enum http_verdict api_handle(void *arg, struct http_req *req, struct http_reply *reply);

/* --- for the handlers --- */

#define API_BODY_MAX (32 * 1024 * 1024) /* of an answer */

/* {"status":"success","data":data,"next":next}; takes data; next NULL: left out. */
void api_answer(struct http_reply *reply, int status, struct json_object *data, const char *next);
/* The fitting status and sentence for -errno of a job or a query. why may be "". */
void api_answer_errno(struct http_reply *reply, int err, const char *why);
/* The request's JSON object (an empty body is {}), at most 64 KiB, with no keys but those that its route knows;
 * -EINVAL: the reply says what is wrong. */
int api_body(const struct http_req *req, struct http_reply *reply, struct json_object **ret);
/* A parameter that is a time, or a duration ago; *ret stays as it is without it. -EINVAL: the reply says what is wrong.
 */
int api_time(const struct http_req *req, struct http_reply *reply, const char *name, int64_t *ret);
/* Has the one who asks this role: webhook, viewer, operator, or a named one (which only somebody authenticated can
 * have). */
bool api_may(const struct http_req *req, const char *role);
struct incident_filter;
/* What a list of incidents is asked for. -EINVAL: the reply is filled. */
int api_incident_filter(const struct http_req *req, struct http_reply *reply, struct incident_filter *f);
/* The id in a path. -EINVAL: the reply is filled. */
int api_incident_id(const char *segment, struct http_reply *reply, int64_t *ret);
/* A rollout as JSON, as it stands and what is missing: the caller's to put. On a reading thread. */
int api_rollout_json(const struct api_read *q, const struct rollout *r, struct json_object **ret);
/* A page of a list: at most limit items and about a MiB, whichever comes first, but one at least. When it was cut there
 * is a "next": the place of the last one, which the next page begins behind, so that nothing is lost. */
#define API_PAGE_BYTES (1024 * 1024)
struct api_list {
	struct http_reply *reply;
	size_t n, limit;
	int64_t last; /* the place of the last one */
	bool cut;
	/* Of a list that may not be all there is, for api_list_end: where the next page goes on if this one was not cut
	 * (0: there is none), and a sentence for "warnings", as in Prometheus' answers (NULL: nothing to say). */
	int64_t next;
	const char *warning;
};
struct api_list api_list_begin(struct http_reply *reply, size_t limit);
/* Takes item. False: it found no room, and the page is over. */
bool api_list_add(struct api_list *l, struct json_object *item, int64_t place);
void api_list_end(struct api_list *l);
/* limit and cursor of a list. -EINVAL: the reply is filled. */
int api_page(const struct http_req *req, struct http_reply *reply, size_t *ret_limit, int64_t *ret_before);

/* That a webhook was refused before it was read: as http_refused_fn. HTTP thread. */
void webhook_refused(struct api *a, const struct http_req *req, const struct http_reply *reply, bool sure);
/* The handlers of the route table; segment is what stands for the first '*', word for the second. */
enum http_verdict webhook_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word);
enum http_verdict incident_open(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                const char *word);
enum http_verdict incident_act(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word);
enum http_verdict rollout_rollback(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                   const char *word);
enum http_verdict plan_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                            const char *word);
enum http_verdict plan_approve_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                    const char *word);
enum http_verdict flags_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                             const char *word);
enum http_verdict notification_test(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                    const char *word);
enum http_verdict plan_evidence_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                     const char *word);
enum http_verdict login_any(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                            const char *word);
enum http_verdict logout_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                              const char *word);
enum http_verdict openapi_show(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word);
enum http_verdict healthy_show(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                               const char *word);
enum http_verdict asset_show(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                             const char *word);
enum http_verdict ready_show(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                             const char *word);
enum http_verdict reload_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                              const char *word);

enum http_verdict page_incident_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                     const char *word);
enum http_verdict page_rollout_post(struct api *a, struct http_req *req, struct http_reply *reply, const char *segment,
                                    const char *word);

enum http_verdict page_rollout_approve(struct api *a, struct http_req *req, struct http_reply *reply,
                                       const char *segment, const char *word);

/* Those that read. */
api_read_fn incidents_list;
api_read_fn incident_show;
api_read_fn incident_report_show;
api_read_fn rollouts_list;
api_read_fn rollout_show;
api_read_fn rollout_flags;
api_read_fn rollout_plan;
api_read_fn rollout_compare;
api_read_fn plan_report;
api_read_fn rollout_sla;
api_read_fn events_list;
api_read_fn notification_show;
api_read_fn metrics_show;
api_read_fn page_index;
api_read_fn page_incident;
api_read_fn page_rollout;
api_read_fn page_incidents;
api_read_fn page_incident_act;
api_read_fn page_rollout_act;

/* What the process knows by itself: the answer of /metrics when nothing can be read. Any thread. */
void metrics_own(struct api *a, struct http_reply *reply);

#endif
