#include "server/core/http_reply.h"

#include <stdio.h>

#include "server/core/json.h"

#define SENTENCE_MAX 2500
#define BODY_MAX     (6 * SENTENCE_MAX + 200) /* every byte may need six in JSON */

void http_error(struct http_reply *reply, int status, const char *type, const char *fmt, ...)
{
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
	reply->etag[0] = '\0';
	buf_free(&reply->body);
	reply->body.max = BODY_MAX;
	buf_printf(&reply->body, "%s\n", json_text(o));
}
