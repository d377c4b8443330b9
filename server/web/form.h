/*
 * A form as a browser sends it (application/x-www-form-urlencoded), and the token that shows that the page it stands
 * on was made for the one who sends it.
 *
 * The server parses the body of a route that takes a form and compares its token before any handler sees it, so a
 * handler only reads fields. Pure; any thread.
 */
#ifndef SERVER_WEB_FORM_H
#define SERVER_WEB_FORM_H

#include <stdbool.h>
#include <stddef.h>
#include "server/core/http_types.h"
#include "server/core/scope.h"

#define FORM_MAX        (64 * 1024) /* bytes of a body */
#define FORM_FIELDS_MAX 200
#define FORM_TOKEN      "csrf" /* the field that carries http_req.form_token; every form has it, hidden */

/* All zero: no field. */
struct form {
	char *text; /* owned: name NUL value NUL, and so on */
	size_t n;
};

/* Ends of lines become "\n". 0, or with *why, which is static: -EINVAL (malformed escapes or UTF-8, control characters
 * but tab and ends of lines), -E2BIG (too long, too many fields); -ENOMEM. */
int form_parse(const char *body, size_t len, struct form *ret, const char **why) MUST_CHECK;
void form_free(struct form *f);

/* The first of that name; NULL: there is none. */
const char *form_get(const struct form *f, const char *name);
/* Whether one of that name has that value: of boxes that were ticked. */
bool form_has(const struct form *f, const char *name, const char *value);
/* The first name that is neither one of known ("reason,stage"; NULL: none) nor the token; NULL: all are known. */
const char *form_unknown(const struct form *f, const char *known);

/* Whether the form carries the token of who asks. Nobody's token fits who has none. */
bool form_token_fits(const struct form *f, const struct http_req *req);

#endif
