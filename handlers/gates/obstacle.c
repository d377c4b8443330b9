#include "handlers/gates/obstacle.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

#include "alertmanager/alerts_api.h"
#include "server/core/answer.h"
#include "server/core/clock.h"

#define ANSWER_US (3 * US_PER_S)
#define BODY_MAX  (1024 * 1024)
#define URL_MAX   4096

struct obstacle_of {
	struct obstacle_question *question;
	struct unheard_alert *alert;
	struct loop_fetch *fetch; /* NULL: not asked, or answered */
};

struct obstacle_question {
	struct loop *loop;
	obstacle_fn *fn;
	void *arg;
	size_t waiting;
	struct obstacle_of list[UNHEARD_MAX];
};

static void on_answer(void *arg, const struct fetch_result *r)
{
	struct obstacle_of *o = arg;
	struct obstacle_question *q = o->question;
	char *why = o->alert->obstacle;
	const size_t size = sizeof(o->alert->obstacle);

	o->fetch = NULL;
	if (!answer_is_good(r)) {
		struct buf b = BUF(150);

		answer_failure(&b, r, ANSWER_US);
		snprintf(why, size, "Alertmanager does not tell: %s", buf_text(&b));
		buf_free(&b);
	} else if (alerts_api_obstacle(r->body, r->body_len, why, size) < 0) {
		snprintf(why, size, "what Alertmanager says of it is not understood");
	}
	if (--q->waiting)
		return;
	obstacle_fn *fn = q->fn;
	void *fn_arg = q->arg;
	free(q);
	fn(fn_arg);
}

static int ask(struct obstacle_of *o, const struct settings *s)
{
	CLEANUP(json_cleanup) struct json_object *labels = json_object_new_object();
	CLEANUP(buf_free) struct buf url = BUF(URL_MAX);
	struct fetch_spec spec = {
		.method = "GET", .timeout_us = ANSWER_US, .max_body = BODY_MAX, .share = LOOP_SHARE_STUDY};

	json_add_str(labels, "alertname", o->alert->name);
	int r = alerts_api_url(&url, s->alertmanager_url, labels);
	spec.url = buf_text(&url);
	return r < 0 ? r : loop_fetch(o->question->loop, &spec, on_answer, o, &o->fetch);
}

int obstacle_start(struct loop *l, const struct settings *s, struct unheard *u, obstacle_fn *fn, void *arg,
                   struct obstacle_question **ret)
{
	assert(l && s && u && fn && ret);
	struct obstacle_question *q;

	*ret = NULL;
	if (!u->n || !s->alertmanager_url[0])
		return 0;
	q = calloc(1, sizeof(*q));
	if (!q)
		return -ENOMEM;
	*q = (struct obstacle_question) {.loop = l, .fn = fn, .arg = arg};
	for (size_t i = 0; i < u->n && i < UNHEARD_MAX; i++) {
		q->list[i] = (struct obstacle_of) {.question = q, .alert = &u->list[i]};
		q->waiting += ask(&q->list[i], s) == 0;
	}
	if (q->waiting)
		*ret = q;
	else
		free(q);
	return 0;
}

void obstacle_cancel(struct obstacle_question *q)
{
	for (size_t i = 0; q && i < UNHEARD_MAX; i++)
		if (q->list[i].fetch)
			loop_fetch_cancel(q->loop, q->list[i].fetch);
	free(q);
}
