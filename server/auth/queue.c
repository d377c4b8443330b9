/*
 * What waits for the worker: passwords to be checked, names to be looked up. Everything under the lock.
 */
#include "server/auth/private.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"

#define JOBS_MAX         64 /* checks waiting; at cost 10 some three seconds of work */
#define JOBS_PER_ADDRESS 16
#define JOBS_PER_SOURCE  4
#define WAITERS_MAX      256 /* requests that wait for the same check */

static struct auth_source source_of(const struct auth *a, const struct http_req *req, const char *name)
{
	char hash[AUTH_MAC_LEN] = "";

	text_hmac_sha256(a->key, sizeof(a->key), name, strlen(name), hash);
	return auth_source(&req->peer, hash);
}

void auth_job_end(struct auth *a, struct auth_job *j)
{
	TAILQ_REMOVE(&a->jobs, j, link);
	explicit_bzero(&j->c, sizeof(j->c));
	free(j->waiting);
	free(j);
}

static int wait_for(struct auth_job *j, struct auth_waiter w)
{
	assert(j->n_waiting > 0);
	if (j->n_waiting == WAITERS_MAX)
		return -EAGAIN;
	j->waiting[j->n_waiting++] = w;
	return 0;
}

static struct auth_job *job_new(enum auth_lane lane, struct auth_waiter w)
{
	struct auth_job *j = calloc(1, sizeof(*j));

	if (!j)
		return NULL;
	j->lane = lane;
	j->uid = lane == LANE_NAME ? w.req->peer.uid : -1;
	j->waiting = calloc(WAITERS_MAX, sizeof(*j->waiting));
	if (j->waiting) {
		j->waiting[j->n_waiting++] = w;
		return j;
	}
	free(j);
	return NULL;
}

static void enqueue(struct auth *a, struct auth_job *j)
{
	assert(!a->stop && j->n_waiting == 1);
	TAILQ_INSERT_TAIL(&a->jobs, j, link);
	pthread_cond_signal(&a->changed);
}

/* s is NULL for LANE_NAME, whose jobs are as many as this machine's users that ask. */
static bool has_room(const struct auth *a, enum auth_lane lane, const struct auth_source *s)
{
	size_t all = 0, address = 0, source = 0;

	for (const struct auth_job *j = TAILQ_FIRST(&a->jobs); j; j = TAILQ_NEXT(j, link)) {
		if (j->lane != lane)
			continue;
		all++;
		address += s && auth_same_address(&j->source, s);
		source += s && auth_same_source(&j->source, s);
	}
	return all < JOBS_MAX && address < JOBS_PER_ADDRESS && source < JOBS_PER_SOURCE;
}

static struct auth_job *same_password(const struct auth *a, const char *mac)
{
	for (struct auth_job *j = TAILQ_FIRST(&a->jobs); j; j = TAILQ_NEXT(j, link))
		if (j->lane != LANE_NAME && !strcmp(j->mac, mac))
			return j;
	return NULL;
}

/* -EPERM: too many failures came from there; -EAGAIN: too much is waiting. */
static int queue_password(struct auth *a, struct auth_waiter w, const struct credentials *c, const char *mac)
{
	struct auth_source s = source_of(a, w.req, c->user);
	enum auth_lane lane = auth_came_before(&a->seen, mac) ? LANE_AGAIN : LANE_NEW;
	int64_t now = clock_mono_us();

	if (!has_room(a, lane, &s))
		return -EAGAIN;
	if (auth_failed_too_often(&a->failures, &s, now) &&
	    (lane == LANE_NEW || !auth_may_try_again(&a->failures, &s, now)))
		return -EPERM;
	struct auth_job *j = job_new(lane, w);
	if (!j)
		return -EAGAIN;
	j->c = *c;
	j->source = s;
	memcpy(j->mac, mac, AUTH_MAC_LEN);
	enqueue(a, j);
	return 0;
}

int auth_ask_password(struct auth *a, struct auth_waiter w, const struct credentials *c, const char *mac)
{
	struct auth_job *j = same_password(a, mac);

	if (j) {
		j->lane = LANE_AGAIN;
		return wait_for(j, w);
	}
	int r = queue_password(a, w, c, mac);
	if (r < 0)
		auth_note(&a->seen, mac);
	return r;
}

int auth_ask_name(struct auth *a, struct http_req *req)
{
	assert(a && req && req->peer.uid >= 0);
	const struct auth_waiter w = {.req = req};

	for (struct auth_job *j = TAILQ_FIRST(&a->jobs); j; j = TAILQ_NEXT(j, link))
		if (j->lane == LANE_NAME && j->uid == req->peer.uid)
			return wait_for(j, w);
	struct auth_job *j = has_room(a, LANE_NAME, NULL) ? job_new(LANE_NAME, w) : NULL;
	if (!j)
		return -EAGAIN;
	enqueue(a, j);
	return 0;
}

struct auth_job *auth_next_job(const struct auth *a)
{
	struct auth_job *best = NULL;
	int best_rank = 0;

	for (struct auth_job *j = TAILQ_FIRST(&a->jobs); j; j = TAILQ_NEXT(j, link)) {
		int rank = 2 * (int)j->lane + (j->lane != LANE_NAME && auth_same_address(&j->source, &a->last));

		if (!best || rank < best_rank) {
			best = j;
			best_rank = rank;
		}
	}
	return best;
}
