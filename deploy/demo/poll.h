/*
 * Flags by polling: rollbackd's GET /api/v1/rollouts/NAME/flags, on a thread of its own.
 *
 * The percentage and its generation are taken together. An answer that cannot be had or read changes nothing: the last
 * good flags stay.
 */
#ifndef DEPLOY_DEMO_POLL_H
#define DEPLOY_DEMO_POLL_H

struct service;
struct poll;

/* Asks once a second from now on. s and url are borrowed. -errno */
int poll_start(struct service *s, const char *url, struct poll **ret);
/* Asks again at once. Any thread; NULL is fine. */
void poll_now(struct poll *p);
/* Within TOTAL_MS of poll.c. NULL is fine. */
void poll_stop(struct poll *p);

#endif
