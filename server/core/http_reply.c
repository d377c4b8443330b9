#include "server/core/http_reply.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "server/core/json.h"

#define SENTENCE_MAX 2500
#define BODY_MAX     (6 * SENTENCE_MAX + 200) /* every byte may need six in JSON */

void http_error(struct http_reply *reply, int status, const char *type, const char *fmt, ...)
{
	assert(reply && type && fmt && status >= 400 && status <= 599);
	char sentence[SENTENCE_MAX];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sentence, sizeof(sentence), fmt, ap);
	va_end(ap);

	CLEANUP(json_cleanup) struct json_object *o = json_object_new_object();
	json_add_str(o, "status", "error");
	json_add_str(o, "errorType", type);
	json_add_str(o, "error", sentence);
	reply->status = status;
	reply->content_type = NULL;
	reply->encoding = reply->cache = reply->vary = NULL;
	reply->location[0] = reply->etag[0] = '\0';
	buf_free(&reply->body);
	reply->body.max = BODY_MAX;
	buf_printf(&reply->body, "%s\n", json_text(o));
}

static const struct {
	const char *name;
	unsigned role;
} role_names[] = {
	{"webhook", ROLE_WEBHOOK}, {"viewer", ROLE_VIEWER}, {"operator", ROLE_OPERATOR}, {"evidence", ROLE_EVIDENCE}};

unsigned http_role_find(const char *name)
{
	assert(name);
	for (size_t i = 0; i < ARRAY_LEN(role_names); i++)
		if (!strcmp(role_names[i].name, name))
			return role_names[i].role;
	return 0;
}

void http_forbidden(struct http_reply *reply, const struct http_req *req, unsigned roles)
{
	assert(reply && req);
	char wanted[100] = "";
	size_t len = 0;

	for (size_t i = 0; i < ARRAY_LEN(role_names); i++)
		if (roles & role_names[i].role)
			len += (size_t)snprintf(wanted + len, sizeof(wanted) - len, "%s%s", len ? " or " : "",
			                        role_names[i].name);
	http_error(reply, 403, "forbidden",
	           len ? "%s may not do this: the role %s is missing (section users of the config)"
	               : "%s may not do this%s",
	           req->user, wanted);
}
