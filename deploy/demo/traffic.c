#include "deploy/demo/traffic.h"

#include <errno.h>
#include <math.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include "server/core/sampling.h"

#define TICK_NS    50000000L
#define BEHIND_MAX 1.0 /* s: a machine that slept does not serve the night at once */
#define USERS      10000
#define BUCKETS_N  10

static const double latency_bounds[BUCKETS_N] = {0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5};

/* A healthy pipeline. */
static const struct character {
	const char *name;
	double errors, latency, cache_hits; /* share, typical seconds, share */
	double rss;                         /* bytes */
	double cpu, api_calls, reused;      /* seconds and calls per request; share of embeddings */
} characters[PIPELINE_N] = {
	[PIPELINE_CST] = {"cst", 0.0005, 0.04, 0.90, 220e6, 0.012, 0.3, 0.92},
	[PIPELINE_LEGACY] = {"legacy", 0.0005, 0.06, 0.85, 310e6, 0.020, 0.8, 0},
};

static const struct {
	const char *name;
	double share;
} languages[] = {{"rust", 0.4}, {"python", 0.3}, {"typescript", 0.2}, {"go", 0.1}};
#define LANGUAGES_N 4

/* What is counted per language. */
struct by_language {
	uint64_t requests, errors;
	uint64_t latency[BUCKETS_N]; /* of the bucket alone, not cumulative */
	double latency_sum;
};

struct tally {
	struct by_language language[LANGUAGES_N];
	uint64_t cache_hits, cache_misses, embeddings_reused, embeddings_computed, fallbacks;
	uint64_t nodes, changes; /* looked at by the change detection */
	double change_seconds, cpu_seconds, api_calls;
	double index_failures, p0; /* come by the minute, so in fractions */
	double leaked;             /* bytes; both pipelines live in one process, so this is told, not measured */
};

struct traffic {
	const char *salt;
	int rate;
	pthread_t thread;
	pthread_mutex_t lock; /* of everything below */
	pthread_cond_t wake;  /* CLOCK_MONOTONIC */
	bool stop;
	int32_t pct;
	int64_t generation; /* -1: unknown */
	uint64_t random;
	struct tally tally[PIPELINE_N];
	struct fault fault[PIPELINE_N];
};

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

static void record_latency(struct by_language *n, double seconds)
{
	n->latency_sum += seconds;
	for (int i = 0; i < BUCKETS_N; i++)
		if (seconds <= latency_bounds[i]) {
			n->latency[i]++;
			return;
		}
}

static int a_language(struct traffic *t)
{
	double at = chance(t);
	int i = 0;

	while (i < LANGUAGES_N - 1 && at >= languages[i].share)
		at -= languages[i++].share;
	return i;
}

static void serve_one(struct traffic *t)
{
	char key[32];
	snprintf(key, sizeof(key), "user-%d", (int)(chance(t) * USERS));
	enum pipeline p = sampling_on(sampling_bucket(t->salt, key), t->pct) ? PIPELINE_CST : PIPELINE_LEGACY;
	const struct character *c = &characters[p];
	const struct fault *f = &t->fault[p];
	struct tally *n = &t->tally[p];
	struct by_language *l = &n->language[a_language(t)];
	double nodes = 200 + 800 * chance(t);

	l->requests++;
	if (chance(t) < c->errors + f->errors)
		l->errors++;
	else if (p == PIPELINE_CST && chance(t) < 0.001)
		n->fallbacks++;
	if (chance(t) < c->cache_hits - f->cache_misses)
		n->cache_hits++;
	else
		n->cache_misses++;
	if (chance(t) < c->reused - f->reuse_loss)
		n->embeddings_reused++;
	else
		n->embeddings_computed++;
	n->changes++;
	n->nodes += (uint64_t)nodes;
	n->change_seconds += nodes * 0.4e-6; /* 0.4 ms per 1,000 nodes */
	n->cpu_seconds += c->cpu * (0.5 + chance(t));
	n->api_calls += chance(t) < c->api_calls;
	record_latency(l, c->latency * (0.5 - log(1 - chance(t))) + f->slow_ms / 1000);
}

/* What comes by the minute, as long as the pipeline has traffic. */
static void leak(struct traffic *t, double seconds)
{
	const int32_t share[PIPELINE_N] = {[PIPELINE_CST] = t->pct, [PIPELINE_LEGACY] = PCT_MAX - t->pct};

	for (int p = 0; p < PIPELINE_N; p++)
		if (share[p] > 0) {
			t->tally[p].leaked += t->fault[p].leak_mb_per_min * 1e6 / 60 * seconds;
			t->tally[p].index_failures += t->fault[p].index_failures_per_min / 60 * seconds;
			t->tally[p].p0 += t->fault[p].p0_per_min / 60 * seconds;
		}
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
	t->generation = -1;
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

int64_t traffic_generation(struct traffic *t)
{
	pthread_mutex_lock(&t->lock);
	int64_t generation = t->generation;
	pthread_mutex_unlock(&t->lock);
	return generation;
}

void traffic_set_flags(struct traffic *t, int32_t pct, int64_t generation)
{
	pthread_mutex_lock(&t->lock);
	t->pct = pct;
	t->generation = generation;
	pthread_mutex_unlock(&t->lock);
}

void traffic_set_percentage(struct traffic *t, int32_t pct)
{
	traffic_set_flags(t, pct, -1);
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

bool traffic_probe(struct traffic *t, enum pipeline p, double *ret_seconds)
{
	struct fault fault = traffic_fault(t, p);

	*ret_seconds = characters[p].latency + fault.slow_ms / 1000;
	return characters[p].errors + fault.errors < 0.5;
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

static void print_head(FILE *out, const char *pipeline, const char *what, const char *type, const char *help)
{
	fprintf(out, "# HELP %s_%s %s\n# TYPE %s_%s %s\n", pipeline, what, help, pipeline, what, type);
}

static void print_counter(FILE *out, const char *pipeline, const char *what, const char *help, double value)
{
	print_head(out, pipeline, what, "counter", help);
	fprintf(out, "%s_%s %.15g\n", pipeline, what, value);
}

static void print_languages(FILE *out, const char *pipeline, const struct tally *n)
{
	print_head(out, pipeline, "requests_total", "counter", "Requests served.");
	for (int i = 0; i < LANGUAGES_N; i++)
		fprintf(out, "%s_requests_total{language=\"%s\"} %llu\n", pipeline, languages[i].name,
		        (unsigned long long)n->language[i].requests);
	print_head(out, pipeline, "errors_total", "counter", "Requests that failed.");
	for (int i = 0; i < LANGUAGES_N; i++)
		fprintf(out, "%s_errors_total{language=\"%s\"} %llu\n", pipeline, languages[i].name,
		        (unsigned long long)n->language[i].errors);
}

static void print_latency(FILE *out, const char *pipeline, const char *language, const struct by_language *n)
{
	uint64_t sum = 0;

	for (int i = 0; i < BUCKETS_N; i++) {
		sum += n->latency[i];
		fprintf(out, "%s_latency_bucket{language=\"%s\",le=\"%g\"} %llu\n", pipeline, language,
		        latency_bounds[i], (unsigned long long)sum);
	}
	fprintf(out, "%s_latency_bucket{language=\"%s\",le=\"+Inf\"} %llu\n", pipeline, language,
	        (unsigned long long)n->requests);
	fprintf(out, "%s_latency_sum{language=\"%s\"} %.6f\n", pipeline, language, n->latency_sum);
	fprintf(out, "%s_latency_count{language=\"%s\"} %llu\n", pipeline, language, (unsigned long long)n->requests);
}

static void print_pipeline(FILE *out, const struct character *c, const struct tally *n)
{
	print_languages(out, c->name, n);
	print_counter(out, c->name, "cache_hits_total", "Requests answered from the cache.", (double)n->cache_hits);
	print_counter(out, c->name, "cache_misses_total", "Requests not answered from the cache.",
	              (double)n->cache_misses);
	print_counter(out, c->name, "cpu_seconds_total", "Compute time.", n->cpu_seconds);
	print_counter(out, c->name, "api_calls_total", "Calls of paid services.", n->api_calls);
	print_head(out, c->name, "latency", "histogram", "Time to answer a request, in seconds.");
	for (int i = 0; i < LANGUAGES_N; i++)
		print_latency(out, c->name, languages[i].name, &n->language[i]);
	print_head(out, c->name, "memory_rss_bytes", "gauge", "Resident memory.");
	fprintf(out, "%s_memory_rss_bytes %.0f\n", c->name, c->rss + n->leaked);
}

/* What only the new pipeline has. */
static void print_new(FILE *out, const struct character *c, const struct tally *n)
{
	print_counter(out, c->name, "embeddings_reused_total", "Embeddings taken from before.",
	              (double)n->embeddings_reused);
	print_counter(out, c->name, "embeddings_computed_total", "Embeddings computed.",
	              (double)n->embeddings_computed);
	print_counter(out, c->name, "index_validation_failures_total", "Checks of the index that failed.",
	              floor(n->index_failures));
	print_counter(out, c->name, "p0_incidents_total", "P0 incidents that the service reported itself.",
	              floor(n->p0));
	print_counter(out, c->name, "fallbacks_total", "Requests that legacy answered after an error.",
	              (double)n->fallbacks);
	print_counter(out, c->name, "change_detection_nodes_total", "Syntax nodes compared.", (double)n->nodes);
	print_head(out, c->name, "change_detection_seconds", "summary", "Time to find what changed.");
	fprintf(out, "%s_change_detection_seconds_sum %.9g\n%s_change_detection_seconds_count %llu\n", c->name,
	        n->change_seconds, c->name, (unsigned long long)n->changes);
}

/* A number of our own would look like a generation and mean nothing: without rollbackd's there is none. */
static void print_flags(FILE *out, int32_t pct, int64_t generation)
{
	print_head(out, "cst", "rollout_percentage", "gauge",
	           "Share of the keys that take the cst pipeline, in effect now.");
	fprintf(out, "cst_rollout_percentage %g\n", pct / 100.0);
	if (generation < 0)
		return;
	print_head(out, "cst", "flags_generation", "gauge",
	           "Generation of the flags in effect, as rollbackd counts them.");
	fprintf(out, "cst_flags_generation %lld\n", (long long)generation);
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
	int64_t generation = t->generation;
	pthread_mutex_unlock(&t->lock);
	for (int p = 0; p < PIPELINE_N; p++)
		print_pipeline(out, &characters[p], &tally[p]);
	print_new(out, &characters[PIPELINE_CST], &tally[PIPELINE_CST]);
	print_flags(out, pct, generation);
	if (fclose(out) != 0) {
		free(text);
		return NULL;
	}
	return text;
}
