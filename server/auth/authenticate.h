/*
 * Who asks: a password of the web config, sent with each request or once by a form (then the session of a browser
 * stands for it), or the peer of the unix socket; and which roles the config gives him.
 *
 * What takes time (bcrypt, the system's user database) is done by one worker thread: whoever floods it with
 * wrong passwords costs one processor at most. Its queue is bounded, also per address and name; beyond it the
 * answer is 503, which Alertmanager tries again (it would not after 429).
 *
 * A known sender never waits behind a flood: a password that was right is remembered, as a keyed hash, as long as
 * the web config keeps that user's hash, whatever else is reloaded. Who comes for the first time during a flood is
 * told 503 at worst; when he comes again with the same he has room of his own and is checked next.
 */
#ifndef SERVER_AUTH_AUTHENTICATE_H
#define SERVER_AUTH_AUTHENTICATE_H

#include "server/http/server.h"
#include "server/auth/web_config.h"

struct auth;

/* Starts the worker. */
int auth_new(struct auth **ret) MUST_CHECK;
/* Puts passwords (taken; NULL: none, everybody has every role) and the users of the config in force; forgets
 * the verdicts on whom the passwords have changed for. Any thread. 0, or -ENOMEM with nothing changed. */
int auth_set(struct auth *a, struct web_config *passwords, const struct settings *s) MUST_CHECK;
/* An http_authenticate_fn, but for its first argument. Http thread. */
enum http_access auth_admit(struct auth *a, struct http_req *req, struct http_reply *reply);
/* GET and POST of /login, and POST of /logout: the answers. The form of a POST has been read, and its token fits. Http
 * thread. */
enum http_verdict auth_sign_in(struct auth *a, struct http_req *req, struct http_reply *reply);
enum http_verdict auth_sign_out(struct auth *a, struct http_req *req, struct http_reply *reply);
/* Ends the worker and answers 503 to all who still wait; to be called before http_stop. Waits for the check
 * under way: a second, or as long as the system's user database takes. NULL is fine. */
void auth_stop(struct auth *a);
void auth_free(struct auth *a);

#endif
