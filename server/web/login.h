/*
 * The page by which people sign in: a form, and nothing else. Pure; any thread.
 */
#ifndef SERVER_WEB_LOGIN_H
#define SERVER_WEB_LOGIN_H

#include <stdbool.h>
#include "server/core/buf.h"

#define LOGIN_PAGE_MAX (256 * 1024) /* the style sheet stands in it */

struct login_page {
	const char *host;  /* by which name it was called; "": not said */
	const char *token; /* of the form */
	const char *user;  /* what was typed before, or who is signed in; "" */
	bool known;        /* he is: the form signs him out */
	const char *next;  /* a path of ours, where it leads then */
	const char *why;   /* a sentence above the form; "" */
	/* The browser came by a link of another site, and did not send its cookies for that: it is made to come once
	 * more, from this page. */
	bool again;
};
void login_page(struct buf *b, const struct login_page *p);
/* Signed out; forgotten: the browser has nothing of ours any more, else it may remember a password by itself. */
void logout_page(struct buf *b, const char *user, bool had_session);

#endif
