/*
 * The table of routes: all that is true of one stands in its row, and the description of the API (openapi.c) is made of
 * nothing else. Constant; any thread. Internal to the API.
 */
#ifndef HANDLERS_API_ROUTES_H
#define HANDLERS_API_ROUTES_H

#include "handlers/api/api.h"

typedef enum http_verdict api_handle_fn(struct api *, struct http_req *, struct http_reply *, const char *,
                                        const char *);

struct api_route {
	enum http_method method;
	const char *pattern; /* '*' is one path segment */
	unsigned roles;
	api_handle_fn *handle; /* either: on the http thread */
	const char *params;    /* of the query; NULL: it takes none */
	api_read_fn *read;     /* or: on a reading thread, and in which lane */
	enum db_read_lane lane;
	const char *dear; /* with this parameter it is DB_READ_DEAR; NULL: always as lane says */
	bool form;        /* takes a form of a page, with its token; else JSON */
	void (*without)(struct api *, struct http_reply *); /* its answer when nothing can be read; NULL: an error */

	/* For people and their programs. */
	const char *summary; /* a sentence without its point */
	const char *words;   /* what may stand for the second '*', "cancel,retry" */
	const char *body;    /* the members of the JSON body that it knows, or the fields of the form; NULL: api_body is
	                        not used */
	const char *type;    /* of a good answer; NULL: application/json, in the usual envelope */
	const char *type_too; /* that it has as well, for who asks with Accept */
	bool list;            /* data is an array; with limit and cursor next stands beside it */
};

const struct api_route *api_routes(size_t *ret_n);
/* The row of a request that is under way. */
const struct api_route *api_route_of(const struct http_req *req);

/* What a parameter of that route, or a member of its body, means; NULL: nobody wrote it down. */
struct api_word {
	const char *pattern; /* NULL: of every route that has it */
	const char *name, *type, *help;
	const char *of;      /* one of these, "daily,weekly"; NULL: anything */
	const char *example; /* that the running server takes */
};
const struct api_word *api_param(const struct api_route *r, const char *name);
const struct api_word *api_member(const struct api_route *r, const char *name);

/* The whole description (OpenAPI 3.0). */
struct json_object *openapi_document(const char *version);

#endif
