#include "deploy/demo/traffic.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TICK_NS	   50000000L
#define BEHIND_MAX 1.0 /* s: a machine that slept does not serve the night at once */
#define USERS	   10000
#define BUCKETS_N  10

static const double latency_bounds[BUCKETS_N] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};

/* A healthy pipeline. */
static const struct character {
	const char *name;
	double errors, latency, cache_hits; /* share, typical seconds, share */
	double rss;			    /* bytes */
} characters[PIPELINE_N] = {
    [PIPELINE_CST] = {"cst", 0.0005, 0.04, 0.90, 220e6},
    [PIPELINE_LEGACY] = {"legacy", 0.0005, 0.06, 0.85, 310e6},
};

struct tally {
	uint64_t requests, errors, cache_hits, cache_misses;
	uint64_t latency[BUCKETS_N]; /* of the bucket alone, not cumulative */
	double latency_sum;
	double leaked; /* bytes; both pipelines live in one process, so this is told, not measured */
};

struct traffic {
	const char *salt;
	int rate;
	pthread_t thread;
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t wake;  /* CLOCK_MONOTONIC */
	bool stop;
	int32_t pct;
	uint64_t random;
	struct tally tally[PIPELINE_N];
	struct fault fault[PIPELINE_N];
};

static uint32_t rotl(uint32_t x, int by)
{
	return x << by | x >> (32 - by);
}

static uint32_t murmur_mix(uint32_t k)
{
	return rotl(k * 0xcc9e2d51u, 15) * 0x1b873593u;
}

uint32_t murmur3_32(const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t whole = len / 4 * 4;
	uint32_t h = 0, tail = 0;

	for (size_t i = 0; i < whole; i += 4) {
		uint32_t k =
		    p[i] | (uint32_t)p[i + 1] << 8 | (uint32_t)p[i + 2] << 16 | (uint32_t)p[i + 3] << 24;
		h = rotl(h ^ murmur_mix(k), 13) * 5 + 0xe6546b64u;
	}
	for (size_t i = len; i > whole; i--)
		tail = tail << 8 | p[i - 1];
	h ^= murmur_mix(tail); /* 0 mixes to 0 */
	h ^= (uint32_t)len;
	h = (h ^ h >> 16) * 0x85ebca6bu;
	h = (h ^ h >> 13) * 0xc2b2ae35u;
	return h ^ h >> 16;
}

uint32_t sampling_bucket(const char *salt, const char *key)
{
	char text[256]; /* a longer key is cut: still stable */
	int n = snprintf(text, sizeof(text), "%s:%s", salt, key);
	size_t len = n < (int)sizeof(text) ? (size_t)n : sizeof(text) - 1;

	return (uint32_t)((uint64_t)murmur3_32(text, len) * PCT_MAX >> 32);
}

bool sampling_on(uint32_t bucket, int32_t pct)
{
	return bucket < (uint32_t)pct;
}

int pipeline_find(const char *name)
{
	for (int p = 0; p < PIPELINE_N; p++)
		if (strcmp(characters[p].name, name) == 0)
			return p;
	return -EINVAL;
}

/* xorshift64: 0 <= result < 1. With the lock held. */
static double chance(struct traffic *t)
{
	t->random ^= t->random << 13;
	t->random ^= t->random >> 7;
	t->random ^= t->random << 17;
	return (double)(t->random >> 11) / 9007199254740992.0;
}

static void record_latency(struct tally *n, double seconds)
{
	n->latency_sum += seconds;
	for (int i = 0; i < BUCKETS_N; i++)
		if (seconds <= latency_bounds[i]) {
			n->latency[i]++;
			return;
		}
}

static void serve_one(struct traffic *t)
{
	char key[32];
	snprintf(key, sizeof(key), "user-%d", (int)(chance(t) * USERS));
	enum pipeline p = sampling_on(sampling_bucket(t->salt, key), t->pct) ? PIPELINE_CST : PIPELINE_LEGACY;
	const struct character *c = &characters[p];
	const struct fault *f = &t->fault[p];
	struct tally *n = &t->tally[p];

	n->requests++;
	if (chance(t) < c->errors + f->errors)
		n->errors++;
	if (chance(t) < c->cache_hits)
		n->cache_hits++;
	else
		n->cache_misses++;
	record_latency(n, c->latency * (0.5 - log(1 - chance(t))) + f->slow_ms / 1000);
}

static void leak(struct traffic *t, double seconds)
{
	const int32_t share[PIPELINE_N] = {[PIPELINE_CST] = t->pct, [PIPELINE_LEGACY] = PCT_MAX - t->pct};

	for (int p = 0; p < PIPELINE_N; p++)
		if (share[p] > 0)
			t->tally[p].leaked += t->fault[p].leak_mb_per_min * 1e6 / 60 * seconds;
}

static double seconds_between(const struct timespec *from, const struct timespec *to)
{
	return (double)(to->tv_sec - from->tv_sec) + (double)(to->tv_nsec - from->tv_nsec) / 1e9;
}

static void wait_tick(struct traffic *t)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_nsec += TICK_NS;
	if (until.tv_nsec >= 1000000000L) {
		until.tv_sec++;
		until.tv_nsec -= 1000000000L;
	}
	while (!t->stop && pthread_cond_timedwait(&t->wake, &t->lock, &until) != ETIMEDOUT)
		;
}

static void *traffic_main(void *arg)
{
	struct traffic *t = arg;
	struct timespec last, now;
	double due = 0;

	clock_gettime(CLOCK_MONOTONIC, &last);
	pthread_mutex_lock(&t->lock);
	while (!t->stop) {
		wait_tick(t);
		clock_gettime(CLOCK_MONOTONIC, &now);
		double seconds = fmin(seconds_between(&last, &now), BEHIND_MAX);
		last = now;
		leak(t, seconds);
		due += seconds * t->rate;
		for (long n = (long)due; n > 0; n--)
			serve_one(t);
		due -= floor(due);
	}
	pthread_mutex_unlock(&t->lock);
	return NULL;
}

int traffic_start(const char *salt, int rate, struct traffic **ret)
{
	struct traffic *t = calloc(1, sizeof(*t));
	pthread_condattr_t attr;

	if (!t)
		return -ENOMEM;
	t->salt = salt;
	t->rate = rate;
	t->random = 0x9e3779b97f4a7c15u;
	pthread_mutex_init(&t->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&t->wake, &attr);
	pthread_condattr_destroy(&attr);
	int r = pthread_create(&t->thread, NULL, traffic_main, t);
	if (r != 0) {
		free(t);
		return -r;
	}
	*ret = t;
	return 0;
}

void traffic_stop(struct traffic *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&t->lock);
	t->stop = true;
	pthread_cond_signal(&t->wake);
	pthread_mutex_unlock(&t->lock);
	pthread_join(t->thread, NULL);
	pthread_cond_destroy(&t->wake);
	pthread_mutex_destroy(&t->lock);
	free(t);
}

int32_t traffic_percentage(struct traffic *t)
{
	pthread_mutex_lock(&t->lock);
	int32_t pct = t->pct;
	pthread_mutex_unlock(&t->lock);
	return pct;
}

void traffic_set_percentage(struct traffic *t, int32_t pct)
{
	pthread_mutex_lock(&t->lock);
	t->pct = pct;
	pthread_mutex_unlock(&t->lock);
}

struct fault traffic_fault(struct traffic *t, enum pipeline p)
{
	pthread_mutex_lock(&t->lock);
	struct fault fault = t->fault[p];
	pthread_mutex_unlock(&t->lock);
	return fault;
}

void traffic_set_fault(struct traffic *t, enum pipeline p, const struct fault *fault)
{
	pthread_mutex_lock(&t->lock);
	t->fault[p] = *fault;
	pthread_mutex_unlock(&t->lock);
}

void traffic_heal(struct traffic *t)
{
	pthread_mutex_lock(&t->lock);
	for (int p = 0; p < PIPELINE_N; p++) {
		t->fault[p] = (struct fault) {0};
		t->tally[p].leaked = 0;
	}
	pthread_mutex_unlock(&t->lock);
}

static void print_counter(FILE *out, const char *pipeline, const char *what, const char *help, uint64_t value)
{
	fprintf(out, "# HELP %s_%s %s\n# TYPE %s_%s counter\n%s_%s %llu\n", pipeline, what, help, pipeline,
		what, pipeline, what, (unsigned long long)value);
}

static void print_latency(FILE *out, const char *pipeline, const struct tally *n)
{
	uint64_t sum = 0;

	fprintf(out, "# HELP %s_latency Time to answer a request, in seconds.\n# TYPE %s_latency histogram\n",
		pipeline, pipeline);
	for (int i = 0; i < BUCKETS_N; i++) {
		sum += n->latency[i];
		fprintf(out, "%s_latency_bucket{le=\"%g\"} %llu\n", pipeline, latency_bounds[i],
			(unsigned long long)sum);
	}
	fprintf(out, "%s_latency_bucket{le=\"+Inf\"} %llu\n", pipeline, (unsigned long long)n->requests);
	fprintf(out, "%s_latency_sum %.6f\n", pipeline, n->latency_sum);
	fprintf(out, "%s_latency_count %llu\n", pipeline, (unsigned long long)n->requests);
}

static void print_pipeline(FILE *out, const struct character *c, const struct tally *n)
{
	print_counter(out, c->name, "requests_total", "Requests served.", n->requests);
	print_counter(out, c->name, "errors_total", "Requests that failed.", n->errors);
	print_counter(out, c->name, "cache_hits_total", "Requests answered from the cache.", n->cache_hits);
	print_counter(out, c->name, "cache_misses_total", "Requests not answered from the cache.",
		      n->cache_misses);
	print_latency(out, c->name, n);
	fprintf(out, "# HELP %s_memory_rss_bytes Resident memory.\n# TYPE %s_memory_rss_bytes gauge\n",
		c->name, c->name);
	fprintf(out, "%s_memory_rss_bytes %.0f\n", c->name, c->rss + n->leaked);
}

char *traffic_metrics(struct traffic *t)
{
	struct tally tally[PIPELINE_N];
	char *text = NULL;
	size_t size;
	FILE *out = open_memstream(&text, &size);

	if (!out)
		return NULL;
	pthread_mutex_lock(&t->lock);
	memcpy(tally, t->tally, sizeof(tally));
	int32_t pct = t->pct;
	pthread_mutex_unlock(&t->lock);
	for (int p = 0; p < PIPELINE_N; p++)
		print_pipeline(out, &characters[p], &tally[p]);
	fprintf(out,
		"# HELP cst_rollout_percentage Share of the keys that take the cst pipeline, in effect now.\n"
		"# TYPE cst_rollout_percentage gauge\ncst_rollout_percentage %g\n",
		pct / 100.0);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
