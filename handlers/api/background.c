#include "handlers/api/background.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>

#include "server/core/thread.h"

struct background {
	pthread_t thread;
	pthread_mutex_t lock; /* guards the rest */
	pthread_cond_t more;
	struct background_job *first, **last;
	size_t waiting;
	bool stopping;
};

/* NULL: nothing comes any more. */
static struct background_job *wait_job(struct background *b)
{
	assert(b->last);
	pthread_mutex_lock(&b->lock);
	while (!b->first && !b->stopping)
		pthread_cond_wait(&b->more, &b->lock);
	struct background_job *j = b->first;
	if (j) {
		b->first = j->next;
		b->waiting--;
	}
	if (!b->first)
		b->last = &b->first;
	pthread_mutex_unlock(&b->lock);
	return j;
}

static void *work(void *arg)
{
	struct background_job *j;

	thread_is(THREAD_BACKGROUND);
	while ((j = wait_job(arg)) != NULL)
		j->run(j);
	return NULL;
}

int background_start(struct background **ret)
{
	assert(ret);
	struct background *b = calloc(1, sizeof(*b));

	if (!b)
		return -ENOMEM;
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->more, NULL);
	b->last = &b->first;
	int r = -pthread_create(&b->thread, NULL, work, b);
	if (r < 0) {
		free(b);
		return r;
	}
	*ret = b;
	return 0;
}

int background_submit(struct background *b, struct background_job *j)
{
	assert(j->run != NULL);
	if (!b) {
		j->run(j);
		return 0;
	}
	pthread_mutex_lock(&b->lock);
	int r = b->stopping ? -ESHUTDOWN : b->waiting >= BACKGROUND_JOBS_MAX ? -EAGAIN : 0;
	if (r == 0) {
		j->next = NULL;
		*b->last = j;
		b->last = &j->next;
		b->waiting++;
		pthread_cond_signal(&b->more);
	}
	pthread_mutex_unlock(&b->lock);
	return r;
}

void background_stop(struct background *b)
{
	if (!b)
		return;
	pthread_mutex_lock(&b->lock);
	assert(!b->stopping);
	b->stopping = true;
	pthread_cond_signal(&b->more);
	pthread_mutex_unlock(&b->lock);
	pthread_join(b->thread, NULL);
}

void background_free(struct background *b)
{
	if (!b)
		return;
	assert(b->stopping && !b->first);
	pthread_cond_destroy(&b->more);
	pthread_mutex_destroy(&b->lock);
	free(b);
}
