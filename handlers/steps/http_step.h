/*
 * An HTTP step: one request that sets the percentage. Trying again is the engine's business.
 *
 * Engine thread. Calls back once, never inside the call. Redirects are not followed: a 3xx is a failure.
 */
#ifndef HANDLERS_STEPS_HTTP_STEP_H
#define HANDLERS_STEPS_HTTP_STEP_H

#include "handlers/settings/settings.h"
#include "server/core/loop.h"

struct http_step_result {
	bool done;        /* answered 2xx */
	int status;       /* 0: no answer came, the request may have been carried out all the same */
	const char *text; /* one sentence, and how the answer begins when it is no 2xx. Borrowed */
};
typedef void http_step_fn(void *arg, const struct http_step_result *r);

struct http_step;
/* act is borrowed during the call. idempotency_key: the same for every attempt of a step; no control
 * characters (-EINVAL). */
int http_step_start(struct loop *l, const struct act *act, int32_t pct, const char *idempotency_key, http_step_fn *fn,
                    void *arg, struct http_step **ret) MUST_CHECK;
void http_step_cancel(struct http_step *h); /* no call back; NULL is fine */

#endif
