/*
 * What is in the way of alerts that fire in Prometheus and do not come here: Alertmanager is asked. Loop's thread.
 */
#ifndef HANDLERS_GATES_OBSTACLE_H
#define HANDLERS_GATES_OBSTACLE_H

#include "handlers/gates/unheard.h"
#include "server/core/loop.h"

struct obstacle_question;
typedef void obstacle_fn(void *arg);

/* Asks for each alert of u, whose obstacle is filled before fn is called, once; u and s stay where they are until then,
 * or until it is cancelled. *ret NULL: there is nobody or nothing to ask, and fn is not called. -ENOMEM. */
int obstacle_start(struct loop *l, const struct settings *s, struct unheard *u, obstacle_fn *fn, void *arg,
                   struct obstacle_question **ret) MUST_CHECK;
void obstacle_cancel(struct obstacle_question *q); /* NULL is fine */

#endif
