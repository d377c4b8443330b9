#include "handlers/steps/http_step.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "server/core/answer.h"
#include "server/core/text.h"

#define BODY_MAX (64 * 1024)
#define TEXT_MAX 1000

struct http_step {
	struct loop *loop;
	struct loop_fetch *fetch;
	int64_t timeout_us;
	struct buf text; /* begins with the request: "PUT http://…" */
	http_step_fn *fn;
	void *arg;
};

static void http_step_free(struct http_step *h)
{
	if (h)
		buf_free(&h->text);
	free(h);
}

static void http_step_cleanup(struct http_step **h)
{
	http_step_free(*h);
}

static void on_answer(void *arg, const struct fetch_result *r)
{
	struct http_step *h = arg;
	struct http_step_result result = {.done = answer_is_good(r), .status = r->error ? 0 : r->status};

	assert(h->fn);
	if (result.done) {
		buf_printf(&h->text, ": answered %d", r->status);
	} else {
		buf_str(&h->text, ": ");
		answer_failure(&h->text, r, h->timeout_us);
	}
	result.text = buf_text(&h->text);
	h->fn(h->arg, &result);
	http_step_free(h);
}

static int http_step_new(struct loop *l, const struct act *act, http_step_fn *fn, void *arg, struct http_step **ret)
{
	struct http_step *h = calloc(1, sizeof(*h));

	if (!h)
		return -ENOMEM;
	*h = (struct http_step) {.loop = l, .timeout_us = act->timeout_us, .text = BUF(TEXT_MAX), .fn = fn, .arg = arg};
	buf_printf(&h->text, "%s ", act->method);
	answer_url(&h->text, act->url);
	*ret = h;
	return 0;
}

int http_step_start(struct loop *l, const struct act *act, int32_t pct, const char *idempotency_key, http_step_fn *fn,
                    void *arg, struct http_step **ret)
{
	assert(l && act && act->kind == ACT_HTTP && idempotency_key && fn && act->url && ret);
	CLEANUP(cleanup_free) char *body = act->body ? act_body(act, pct) : NULL;
	CLEANUP(cleanup_free) char *key = text_format("Idempotency-Key: %s", idempotency_key);
	CLEANUP(http_step_cleanup) struct http_step *h = NULL;
	const char *headers[] = {key, body ? "Content-Type: application/json" : NULL, NULL};

	assert(pct >= 0 && pct <= 10000);
	if (!key || (act->body && !body))
		return -ENOMEM;
	int r = http_step_new(l, act, fn, arg, &h);
	if (r != 0)
		return r;
	struct fetch_spec spec = {
		.method = act->method,
		.url = act->url,
		.headers = headers,
		.body = body,
		.body_len = body ? strlen(body) : 0,
		.timeout_us = act->timeout_us,
		.max_body = BODY_MAX,
		.share = LOOP_SHARE_ACT,
	};
	r = loop_fetch(l, &spec, on_answer, h, &h->fetch);
	if (r != 0)
		return r;
	*ret = TAKE(h);
	return 0;
}

void http_step_cancel(struct http_step *h)
{
	if (!h)
		return;
	loop_fetch_cancel(h->loop, h->fetch);
	http_step_free(h);
}
