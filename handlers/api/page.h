/*
 * The page: HTML for browsers (web.c), text for everybody else (page.c). On a reading thread.
 */
#ifndef HANDLERS_API_PAGE_H
#define HANDLERS_API_PAGE_H

#include "handlers/api/api.h"

/* Whether who asks would rather have HTML than text: who says so. */
bool page_is_html(const struct http_req *req);

struct web_act;
struct form;
/* The page on which something is confirmed, of q.segment. */
struct page_act {
	const struct web_act *act;
	bool on_rollout;
	const struct form *given; /* what was typed before; NULL: nothing */
	const char *error;        /* why it was refused; NULL: it was not */
};
enum http_verdict page_act_html(const struct api_read *q, const struct page_act *pa, struct http_reply *reply);
enum http_verdict page_rollout_html(const struct api_read *q, struct http_reply *reply);
enum http_verdict page_index_html(const struct api_read *q, struct http_reply *reply);
/* As http_dress_fn: what went wrong, as a page for browsers; for the API's own clients it stays as it is. */
void page_dress(void *arg, const struct http_req *req, struct http_reply *reply);
enum http_verdict page_incident_html(const struct api_read *q, int64_t id, struct http_reply *reply);

#endif
