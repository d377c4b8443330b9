#include "server/reload.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <pthread.h>
#include <sys/eventfd.h>

#include "db/incident.h"

struct reloads {
	int bell;
	pthread_mutex_t lock; /* guards the rest */
	struct reload_requests waiting;
	size_t n;
	bool stopping;
};

int reloads_new(struct reloads **ret)
{
	assert(ret);
	struct reloads *q = calloc(1, sizeof(*q));

	if (!q)
		return -ENOMEM;
	q->bell = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (q->bell < 0) {
		free(q);
		return -errno;
	}
	pthread_mutex_init(&q->lock, NULL);
	STAILQ_INIT(&q->waiting);
	*ret = q;
	return 0;
}

int reloads_ask(struct reloads *q, struct reload_request *rq)
{
	assert(q && rq && rq->done);
	pthread_mutex_lock(&q->lock);
	int r = q->stopping ? -ESHUTDOWN : q->n >= RELOADS_MAX ? -EAGAIN : 0;
	if (r == 0) {
		STAILQ_INSERT_TAIL(&q->waiting, rq, link);
		q->n++;
		eventfd_write(q->bell, 1);
	}
	pthread_mutex_unlock(&q->lock);
	return r;
}

int reloads_fd(const struct reloads *q)
{
	assert(q && q->bell >= 0);
	return q->bell;
}

void reloads_take(struct reloads *q, struct reload_requests *ret)
{
	assert(q && ret);
	eventfd_t rings;

	STAILQ_INIT(ret);
	pthread_mutex_lock(&q->lock);
	eventfd_read(q->bell, &rings);
	STAILQ_CONCAT(ret, &q->waiting);
	q->n = 0;
	pthread_mutex_unlock(&q->lock);
}

void reloads_answer(struct reload_requests *who, int result, const char *why)
{
	struct reload_request *rq;

	while ((rq = STAILQ_FIRST(who))) {
		STAILQ_REMOVE_HEAD(who, link);
		rq->done(rq, result, why);
	}
}

void reloads_stop(struct reloads *q)
{
	struct reload_requests late;

	if (!q)
		return;
	pthread_mutex_lock(&q->lock);
	q->stopping = true;
	pthread_mutex_unlock(&q->lock);
	reloads_take(q, &late);
	reloads_answer(&late, -ESHUTDOWN, "");
}

void reloads_free(struct reloads *q)
{
	if (!q)
		return;
	assert(q->stopping && STAILQ_EMPTY(&q->waiting));
	cleanup_fd(&q->bell);
	pthread_mutex_destroy(&q->lock);
	free(q);
}

/* 1 dropped, 0 not, -errno. */
static int drops(struct db_conn *c, const struct settings *s, int64_t id, char *why, size_t size)
{
	struct incident inc = {0};
	int r = incident_load(c, id, &inc);

	if (r == 0 && !settings_rollout(s, inc.rollout)) {
		r = 1;
		snprintf(why, size,
		         "it drops rollout %.60s, whose incident %lld (%s) is still open: see it through, or resolve "
		         "it first",
		         inc.rollout, (long long)id, incident_state_name(inc.state));
	}
	incident_free(&inc);
	return r == -ENOENT ? 0 : r;
}

bool reload_drops_open(struct db_conn *c, const struct settings *s, char *why, size_t size)
{
	CLEANUP(cleanup_free) int64_t *ids = NULL;
	size_t n = 0;

	assert(c && s && why);
	int r = incident_open_ids(c, &ids, &n);
	for (size_t i = 0; r == 0 && i < n; i++)
		r = drops(c, s, ids[i], why, size);
	if (r < 0)
		snprintf(why, size, "the open incidents could not be read");
	return r != 0;
}
