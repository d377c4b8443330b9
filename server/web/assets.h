/*
 * The style and the script of the page: files that stand in the program itself, under names that change with what is in
 * them, so that a browser keeps them for ever. `make PAGE=no` leaves the script out: the HTML stands alone.
 *
 * All of it is static. Any thread.
 */
#ifndef SERVER_WEB_ASSETS_H
#define SERVER_WEB_ASSETS_H

#include <stddef.h>
#include "server/core/http_types.h"

struct asset {
	const char *name; /* "page.css" */
	const char *href; /* "/assets/page-0123456789abcdef.css" */
	const char *content_type;
	const char *etag;           /* quoted */
	const unsigned char *plain; /* both with a NUL behind them that does not count */
	size_t plain_len;
	const unsigned char *packed; /* by gzip */
	size_t packed_len;
};
extern const struct asset assets[]; /* made by embed.sh */
extern const size_t n_assets;

/* "page.css", which stands in each page, and "page.js". NULL: it was left out. */
const struct asset *asset_named(const char *name);

/* The answer to GET /assets/file: it, 304 to who has it, or 404 for what has another content by now. */
void asset_answer(const struct http_req *req, const char *file, struct http_reply *reply);

#endif
