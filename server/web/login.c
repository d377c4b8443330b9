#include "server/web/login.h"

#include <assert.h>

#include "server/web/form.h"
#include "server/web/private.h"

static void begin(struct buf *b, const char *title, bool again)
{
	const struct web_page nobody = {.user = "", .environment = "", .csrf = ""};
	const struct web_frame frame = {.page = "login"};

	frame_begin(b, &nobody, &frame, title);
	if (again) /* allowed in the body, too */
		html(b, "<meta http-equiv=\"refresh\" content=\"0\">\n");
}

static void sign_in_form(struct buf *b, const struct login_page *p)
{
	html(b,
	     "<form method=\"post\" action=\"/login\">\n<input type=\"hidden\" name=\"%s\" value=\"%s\">\n"
	     "<input type=\"hidden\" name=\"next\" value=\"%s\">\n"
	     "<p><label for=\"user\">Name</label><br>\n<input id=\"user\" name=\"user\" autocomplete=\"username\" "
	     "autocapitalize=\"none\" spellcheck=\"false\" required value=\"%s\"></p>\n"
	     "<p><label for=\"password\">Password</label><br>\n<input id=\"password\" name=\"password\" "
	     "type=\"password\" "
	     "autocomplete=\"current-password\" required></p>\n"
	     "<p><button type=\"submit\">Sign in</button></p>\n</form>\n",
	     FORM_TOKEN, p->token, p->next, p->user);
}

static void sign_out_form(struct buf *b, const struct login_page *p)
{
	html(b,
	     "<p>%s is signed in.</p>\n<form method=\"post\" action=\"/logout\">\n"
	     "<input type=\"hidden\" name=\"%s\" value=\"%s\">\n"
	     "<p><button type=\"submit\">Sign out</button></p>\n</form>\n<p><a href=\"%s\">Go on</a></p>\n",
	     p->user, FORM_TOKEN, p->token, p->next);
}

void login_page(struct buf *b, const struct login_page *p)
{
	assert(b && p && p->host && p->token && p->user && p->next && p->why);
	begin(b, p->known ? "Signed in · rollbackd" : "Sign in · rollbackd", p->again);
	html(b, "<h1>%s</h1>\n", p->known ? "Signed in" : "Sign in");
	if (p->host[0])
		html(b, "<p>This is rollbackd on %s.</p>\n", p->host);
	if (p->why[0])
		html(b, "<p role=\"alert\">%s</p>\n", p->why);
	if (p->known)
		sign_out_form(b, p);
	else
		sign_in_form(b, p);
	frame_end(b);
}

void logout_page(struct buf *b, const char *user, bool had_session)
{
	assert(b && user);
	begin(b, "Signed out · rollbackd", false);
	html(b, "<h1>Signed out</h1>\n<p>%s%s</p>\n<p><a href=\"/login\">Sign in</a></p>\n", user,
	     had_session ? " is signed out here, and what this browser had of it is worth nothing any more."
	                 : " was not signed in by the form: whoever let you in (a password that the browser keeps, or "
	                   "a proxy in "
	                   "front) does so again. Close the browser, or sign out there.");
	frame_end(b);
}
