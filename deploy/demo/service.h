/*
 * The demo service: what its main program (service.c) and its HTTP side (web.c) share.
 */
#ifndef DEPLOY_DEMO_SERVICE_H
#define DEPLOY_DEMO_SERVICE_H

#include <netinet/in.h>
#include <pthread.h>
#include "deploy/demo/poll.h"
#include "deploy/demo/traffic.h"

#define SALT "cst-pipeline" /* the rollout's name: another rollout picks other keys */

struct service {
	struct traffic *traffic;
	const char *flags_path; /* NULL: only polled */
	struct poll *poll;      /* NULL: only the file */
	pthread_mutex_t lock;   /* of the two below */
	bool ignore_reload;
	bool reload_missed;
};

/* "10", "0.5", "33.33" to hundredths. -EINVAL, -ERANGE */
int percentage_parse(const char *s, int32_t *ret);

/* Reads the flags file, if there is one to read; an unusable one is logged and changes nothing. Then the flags are
 * polled, if they are. Any thread. */
void service_reload(struct service *s);

/* The HTTP side, on a thread of its own. Port 0: any free one. -errno */
struct web;
int web_start(struct service *s, const struct sockaddr_in *at, struct web **ret, uint16_t *ret_port);
void web_stop(struct web *w);

#endif
