#include "server/web/assets.h"

#include <assert.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "server/core/http_reply.h"

#define PREFIX "/assets/"

static const struct asset *find(const char *file)
{
	for (size_t i = 0; i < n_assets; i++)
		if (strcmp(assets[i].href + strlen(PREFIX), file) == 0)
			return &assets[i];
	return NULL;
}

const struct asset *asset_named(const char *name)
{
	assert(name);
	for (size_t i = 0; i < n_assets; i++)
		if (strcmp(assets[i].name, name) == 0)
			return &assets[i];
	return NULL;
}

/* RFC 9110, 12.5.3: "gzip;q=0" refuses it, "*" is any. What is not said is refused: such a client may be a person with
 * curl, who wants to read. */
static bool takes_gzip(const char *accepted)
{
	for (const char *p = accepted; p && *p; p += strcspn(p, ","), p += *p == ',') {
		p += strspn(p, " \t");
		size_t len = strcspn(p, ";, \t");
		const char *rest = p + len + strspn(p + len, " \t");
		const char *q = *rest == ';' ? rest + 1 + strspn(rest + 1, " \t") : "";
		bool named = (len == 4 && strncasecmp(p, "gzip", 4) == 0) || (len == 1 && *p == '*');

		if (named)
			return strncasecmp(q, "q=", 2) != 0 || strtod(q + 2, NULL) > 0;
	}
	return false;
}

void asset_answer(const struct http_req *req, const char *file, struct http_reply *reply)
{
	assert(req && file && reply && !reply->body.len);
	const struct asset *a = find(file);
	const char *known = req->header(req, "If-None-Match");

	if (!a) {
		http_error(reply, 404, "not_found", "there is no such file; one of another version may have had it");
		return;
	}
	reply->content_type = a->content_type;
	reply->cache = "public, max-age=31536000, immutable";
	reply->vary = "Accept-Encoding";
	snprintf(reply->etag, sizeof(reply->etag), "%s", a->etag);
	if (known && (strcmp(known, "*") == 0 || strstr(known, a->etag + strlen("W/")))) {
		reply->status = 304;
		return;
	}
	bool gzip = takes_gzip(req->header(req, "Accept-Encoding"));
	reply->status = 200;
	reply->encoding = gzip ? "gzip" : NULL;
	reply->body.max = a->plain_len + a->packed_len;
	buf_add(&reply->body, (const char *)(gzip ? a->packed : a->plain), gzip ? a->packed_len : a->plain_len);
}
