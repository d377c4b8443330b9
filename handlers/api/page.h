/*
 * The page: HTML for browsers (web.c), text for everybody else (page.c). On a reading thread.
 */
#ifndef HANDLERS_API_PAGE_H
#define HANDLERS_API_PAGE_H

#include "handlers/api/api.h"

/* Whether who asks would rather have HTML than text: who says so. */
bool page_is_html(const struct http_req *req);
enum http_verdict page_incident_html(const struct api_read *q, int64_t id, struct http_reply *reply);

#endif
