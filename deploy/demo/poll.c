#include "deploy/demo/poll.h"

#include <curl/curl.h>
#include <errno.h>
#include <json-c/json.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include "deploy/demo/service.h"

#define EVERY_S    1
#define CONNECT_MS 1000L
#define TOTAL_MS   3000L
#define BODY_MAX   65536u
#define ETAG_MAX   128u

struct poll {
	struct service *service;
	CURL *curl; /* of the thread, as is everything down to trouble */
	char body[BODY_MAX + 1];
	size_t n;
	char etag_now[ETAG_MAX]; /* of the answer that is coming in */
	char etag[ETAG_MAX];     /* of the flags that were taken last, with their generation; "": none */
	int64_t generation;
	char trouble[256]; /* said last; "": all was well */
	pthread_t thread;
	pthread_mutex_t lock; /* of the two below */
	pthread_cond_t wake;  /* CLOCK_MONOTONIC */
	bool stop, now;
};

static size_t on_body(char *data, size_t size, size_t n, void *arg)
{
	struct poll *p = arg;

	n *= size;
	if (n > BODY_MAX - p->n)
		return 0; /* ends the transfer with an error */
	memcpy(p->body + p->n, data, n);
	p->n += n;
	return n;
}

/* Keeps the ETag; one that is too long is as good as none. */
static size_t on_header(char *data, size_t size, size_t n, void *arg)
{
	static const char name[] = "ETag:";
	struct poll *p = arg;
	const char *from = data + sizeof(name) - 1, *end = data + size * n;

	if (size * n < sizeof(name) || strncasecmp(data, name, sizeof(name) - 1) != 0)
		return size * n;
	while (from < end && strchr(" \t", *from))
		from++;
	while (end > from && strchr(" \t\r\n", end[-1]))
		end--;
	if ((size_t)(end - from) < sizeof(p->etag_now))
		snprintf(p->etag_now, sizeof(p->etag_now), "%.*s", (int)(end - from), from);
	return size * n;
}

/* {"data": {"percentage": 10, "generation": 7, ...}}. -EINVAL: it is not that, and nothing is made of it. */
static int flags_parse(const char *text, int32_t *ret_pct, int64_t *ret_generation)
{
	struct json_object *root = json_tokener_parse(text), *data = NULL, *pct = NULL, *generation = NULL;
	int r = -EINVAL;

	if (json_object_object_get_ex(root, "data", &data) && json_object_object_get_ex(data, "percentage", &pct) &&
	    json_object_object_get_ex(data, "generation", &generation) &&
	    (json_object_is_type(pct, json_type_int) || json_object_is_type(pct, json_type_double)) &&
	    json_object_is_type(generation, json_type_int) && json_object_get_int64(generation) >= 0) {
		double cents = json_object_get_double(pct) * 100;
		if (cents >= 0 && cents <= PCT_MAX && fabs(cents - round(cents)) < 1e-6) {
			*ret_pct = (int32_t)lround(cents);
			*ret_generation = json_object_get_int64(generation);
			r = 0;
		}
	}
	json_object_put(root);
	return r;
}

/* HTTP status, or -1 with p->trouble's next sentence in why. */
static long ask(struct poll *p, bool conditional, char *why, size_t size)
{
	char line[ETAG_MAX + 32];
	struct curl_slist *headers = NULL;
	long status = -1;

	if (conditional) {
		snprintf(line, sizeof(line), "If-None-Match: %s", p->etag);
		headers = curl_slist_append(NULL, line);
	}
	p->n = 0;
	p->etag_now[0] = '\0';
	curl_easy_setopt(p->curl, CURLOPT_HTTPHEADER, headers);
	CURLcode c = curl_easy_perform(p->curl);
	p->body[p->n] = '\0';
	if (c == CURLE_OK)
		curl_easy_getinfo(p->curl, CURLINFO_RESPONSE_CODE, &status);
	else
		snprintf(why, size, "%s", curl_easy_strerror(c));
	curl_easy_setopt(p->curl, CURLOPT_HTTPHEADER, NULL);
	curl_slist_free_all(headers);
	return status;
}

static void take(struct poll *p, int32_t pct, int64_t generation)
{
	struct traffic *t = p->service->traffic;
	int32_t before = traffic_percentage(t);

	traffic_set_flags(t, pct, generation);
	memcpy(p->etag, p->etag_now, sizeof(p->etag));
	p->generation = generation;
	fprintf(stderr, "polled: %g%%, generation %lld (before: %g%%)\n", pct / 100.0, (long long)generation,
	        before / 100.0);
}

/* Each trouble is said once, and its end. */
static void say(struct poll *p, const char *why)
{
	if (strcmp(p->trouble, why) == 0)
		return;
	if (*why)
		fprintf(stderr, "cannot poll the flags: %s; still at %g%%\n", why,
		        traffic_percentage(p->service->traffic) / 100.0);
	else
		fprintf(stderr, "polling the flags works again\n");
	snprintf(p->trouble, sizeof(p->trouble), "%s", why);
}

static void round_trip(struct poll *p)
{
	/* Somebody else may have set the percentage since: then the whole answer is wanted. */
	bool conditional = p->etag[0] && traffic_generation(p->service->traffic) == p->generation;
	char why[sizeof(p->trouble)] = "";
	int32_t pct;
	int64_t generation;
	long status = ask(p, conditional, why, sizeof(why));

	if (status == 200 && flags_parse(p->body, &pct, &generation) == 0)
		take(p, pct, generation);
	else if (status == 200)
		snprintf(why, sizeof(why), "the answer holds no percentage from 0 to 100 with a generation");
	else if (status >= 0 && !(status == 304 && conditional))
		snprintf(why, sizeof(why), "HTTP %ld", status);
	say(p, why);
}

/* False: to stop. */
static bool wait_turn(struct poll *p)
{
	struct timespec until;

	clock_gettime(CLOCK_MONOTONIC, &until);
	until.tv_sec += EVERY_S;
	pthread_mutex_lock(&p->lock);
	while (!p->stop && !p->now && pthread_cond_timedwait(&p->wake, &p->lock, &until) != ETIMEDOUT)
		;
	p->now = false;
	bool go_on = !p->stop;
	pthread_mutex_unlock(&p->lock);
	return go_on;
}

static bool deaf(struct service *s)
{
	pthread_mutex_lock(&s->lock);
	bool ignored = s->ignore_reload;
	pthread_mutex_unlock(&s->lock);
	return ignored;
}

static void *poll_main(void *arg)
{
	struct poll *p = arg;

	do
		if (!deaf(p->service))
			round_trip(p);
	while (wait_turn(p));
	return NULL;
}

static int curl_prepare(struct poll *p, const char *url)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != 0)
		return -ENOMEM;
	p->curl = curl_easy_init();
	if (!p->curl) {
		curl_global_cleanup();
		return -ENOMEM;
	}
	curl_easy_setopt(p->curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(p->curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(p->curl, CURLOPT_PROXY, "");
	curl_easy_setopt(p->curl, CURLOPT_CONNECTTIMEOUT_MS, CONNECT_MS);
	curl_easy_setopt(p->curl, CURLOPT_TIMEOUT_MS, TOTAL_MS);
	curl_easy_setopt(p->curl, CURLOPT_WRITEFUNCTION, on_body);
	curl_easy_setopt(p->curl, CURLOPT_WRITEDATA, p);
	curl_easy_setopt(p->curl, CURLOPT_HEADERFUNCTION, on_header);
	curl_easy_setopt(p->curl, CURLOPT_HEADERDATA, p);
	if (curl_easy_setopt(p->curl, CURLOPT_URL, url) == CURLE_OK)
		return 0;
	curl_easy_cleanup(p->curl);
	curl_global_cleanup();
	return -ENOMEM;
}

static void destroy(struct poll *p)
{
	pthread_cond_destroy(&p->wake);
	pthread_mutex_destroy(&p->lock);
	curl_easy_cleanup(p->curl);
	curl_global_cleanup();
	free(p);
}

int poll_start(struct service *s, const char *url, struct poll **ret)
{
	struct poll *p = calloc(1, sizeof(*p));
	pthread_condattr_t attr;

	if (!p)
		return -ENOMEM;
	p->service = s;
	int r = curl_prepare(p, url);
	if (r < 0) {
		free(p);
		return r;
	}
	pthread_mutex_init(&p->lock, NULL);
	pthread_condattr_init(&attr);
	pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	pthread_cond_init(&p->wake, &attr);
	pthread_condattr_destroy(&attr);
	r = pthread_create(&p->thread, NULL, poll_main, p);
	if (r != 0) {
		destroy(p);
		return -r;
	}
	*ret = p;
	return 0;
}

void poll_now(struct poll *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->now = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
}

void poll_stop(struct poll *p)
{
	if (!p)
		return;
	pthread_mutex_lock(&p->lock);
	p->stop = true;
	pthread_cond_signal(&p->wake);
	pthread_mutex_unlock(&p->lock);
	pthread_join(p->thread, NULL);
	destroy(p);
}
