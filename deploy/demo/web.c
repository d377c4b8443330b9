/*
 *   GET  /metrics                 what Prometheus scrapes
 *   GET  /flags                   {"rollout_percentage": 10}: what is in effect, whatever the file says
 *   PUT  /flags                   the same document sets it
 *   GET  /decide?key=user-7       {"pipeline": "legacy", "bucket": 7261}
 *   GET  /probe?pipeline=legacy   {"pipeline": "legacy", "seconds": 0.06}: one request that takes that way, whatever
 * the percentage; 503 when most of its requests fail POST /fault?pipeline=cst&errors=0.2&slow_ms=300&leak_mb_per_min=60
 *        and cache_misses=0.3, reuse_loss=0.2, index_failures_per_min=6, p0_per_min=60
 *   POST /fault?ignore_reload=1   from now on SIGHUP changes nothing, and nothing is polled
 *   POST /fault/clear             healthy again; a SIGHUP ignored meanwhile is made up for
 */
#include <errno.h>
#include <microhttpd.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "deploy/demo/service.h"
#include "server/core/sampling.h"

#define BODY_MAX 4096

struct body {
	size_t n;
	bool too_long;
	char text[BODY_MAX + 1];
};

struct answer {
	unsigned code;
	const char *type;
	char *text; /* owned */
};

static struct answer __attribute__((format(printf, 2, 3))) reply(unsigned code, const char *fmt, ...)
{
	struct answer a = {.code = code, .type = code < 300 ? "application/json" : "text/plain"};
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&a.text, fmt, ap) < 0)
		a.text = NULL;
	va_end(ap);
	return a;
}

static struct answer get_metrics(struct service *s, struct MHD_Connection *c, const char *body)
{
	(void)c, (void)body;
	return (struct answer) {MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", traffic_metrics(s->traffic)};
}

static struct answer get_flags(struct service *s, struct MHD_Connection *c, const char *body)
{
	(void)c, (void)body;
	return reply(MHD_HTTP_OK, "{\"rollout_percentage\": %g}\n", traffic_percentage(s->traffic) / 100.0);
}

static struct answer put_flags(struct service *s, struct MHD_Connection *c, const char *body)
{
	char number[16];
	int32_t pct;
	int end = 0;

	if (sscanf(body, " { \"rollout_percentage\" : %15[0-9.] } %n", number, &end) != 1 || end == 0 ||
	    body[end] != '\0' || percentage_parse(number, &pct) < 0)
		return reply(MHD_HTTP_BAD_REQUEST, "want {\"rollout_percentage\": N}, N from 0 to 100\n");
	traffic_set_percentage(s->traffic, pct);
	fprintf(stderr, "told over HTTP: %g%%\n", pct / 100.0);
	return get_flags(s, c, body);
}

static struct answer get_decide(struct service *s, struct MHD_Connection *c, const char *body)
{
	const char *key = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "key");

	(void)body;
	if (!key || !*key)
		return reply(MHD_HTTP_BAD_REQUEST, "want /decide?key=KEY\n");
	uint32_t bucket = sampling_bucket(SALT, key);
	bool on = sampling_on(bucket, traffic_percentage(s->traffic));
	return reply(MHD_HTTP_OK, "{\"pipeline\": \"%s\", \"bucket\": %u}\n", on ? "cst" : "legacy", bucket);
}

static struct answer get_probe(struct service *s, struct MHD_Connection *c, const char *body)
{
	const char *name = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "pipeline");
	int p = name ? pipeline_find(name) : -1;
	double seconds = 0;

	(void)body;
	if (p < 0)
		return reply(MHD_HTTP_BAD_REQUEST, "want /probe?pipeline=cst or legacy\n");
	if (!traffic_probe(s->traffic, (enum pipeline)p, &seconds))
		return reply(MHD_HTTP_SERVICE_UNAVAILABLE, "most requests of %s fail\n", name);
	return reply(MHD_HTTP_OK, "{\"pipeline\": \"%s\", \"seconds\": %g}\n", name, seconds);
}

/* A request to misbehave, read completely before any of it is done. */
struct order {
	int pipeline; /* enum pipeline, -1: not named */
	int ignore_reload;
	struct fault fault;
	bool names_fault;
	bool wrong;
};

static const struct fault_kind {
	const char *name;
	size_t offset;
	double max;
} fault_kinds[] = {
	{"errors", offsetof(struct fault, errors), 1},
	{"slow_ms", offsetof(struct fault, slow_ms), 60000},
	{"leak_mb_per_min", offsetof(struct fault, leak_mb_per_min), 100000},
	{"cache_misses", offsetof(struct fault, cache_misses), 1},
	{"reuse_loss", offsetof(struct fault, reuse_loss), 1},
	{"index_failures_per_min", offsetof(struct fault, index_failures_per_min), 100000},
	{"p0_per_min", offsetof(struct fault, p0_per_min), 100000},
};

static bool order_fault(struct order *o, const char *key, const char *value)
{
	for (size_t i = 0; i < sizeof(fault_kinds) / sizeof(*fault_kinds); i++) {
		char *end;
		double v = strtod(value, &end);
		if (strcmp(key, fault_kinds[i].name) != 0)
			continue;
		if (end == value || *end || !(v >= 0 && v <= fault_kinds[i].max))
			return false;
		memcpy((char *)&o->fault + fault_kinds[i].offset, &v, sizeof(v));
		return o->names_fault = true;
	}
	return false;
}

static enum MHD_Result order_argument(void *cls, enum MHD_ValueKind kind, const char *key, const char *value)
{
	struct order *o = cls;

	(void)kind;
	if (strcmp(key, "pipeline") == 0)
		return MHD_YES; /* read before */
	if (value && strcmp(key, "ignore_reload") == 0 && (!strcmp(value, "0") || !strcmp(value, "1")))
		o->ignore_reload = value[0] - '0';
	else if (!value || !order_fault(o, key, value))
		o->wrong = true;
	return MHD_YES;
}

static struct answer post_fault(struct service *s, struct MHD_Connection *c, const char *body)
{
	const char *name = MHD_lookup_connection_value(c, MHD_GET_ARGUMENT_KIND, "pipeline");
	struct order o = {.pipeline = name ? pipeline_find(name) : -1, .ignore_reload = -1};

	(void)body;
	if (o.pipeline >= 0)
		o.fault = traffic_fault(s->traffic, (enum pipeline)o.pipeline);
	int n = MHD_get_connection_values(c, MHD_GET_ARGUMENT_KIND, order_argument, &o);
	bool nobody = (name || o.names_fault) && o.pipeline < 0;
	if (n < 1 || o.wrong || nobody)
		return reply(MHD_HTTP_BAD_REQUEST,
		             "want pipeline=cst or legacy with errors, cache_misses or reuse_loss=0..1, slow_ms=MS, "
		             "leak_mb_per_min=MB, index_failures_per_min or p0_per_min=N; or ignore_reload=0 or 1\n");
	if (o.names_fault)
		traffic_set_fault(s->traffic, (enum pipeline)o.pipeline, &o.fault);
	if (o.ignore_reload >= 0) {
		pthread_mutex_lock(&s->lock);
		s->ignore_reload = o.ignore_reload;
		pthread_mutex_unlock(&s->lock);
	}
	return reply(MHD_HTTP_OK, "{\"ok\": true}\n");
}

static struct answer post_fault_clear(struct service *s, struct MHD_Connection *c, const char *body)
{
	(void)c, (void)body;
	traffic_heal(s->traffic);
	pthread_mutex_lock(&s->lock);
	bool missed = s->reload_missed;
	s->ignore_reload = s->reload_missed = false;
	pthread_mutex_unlock(&s->lock);
	if (missed)
		service_reload(s);
	return reply(MHD_HTTP_OK, "{\"ok\": true}\n");
}

static const struct route {
	const char *method, *path;
	struct answer (*handle)(struct service *s, struct MHD_Connection *c, const char *body);
} routes[] = {
	{"GET", "/metrics", get_metrics},
	{"GET", "/flags", get_flags},
	{"PUT", "/flags", put_flags},
	{"GET", "/decide", get_decide},
	{"GET", "/probe", get_probe},
	{"POST", "/fault", post_fault},
	{"POST", "/fault/clear", post_fault_clear},
};

static struct answer dispatch(struct service *s, struct MHD_Connection *c, const char *method, const char *path,
                              const struct body *body)
{
	if (body->too_long)
		return reply(MHD_HTTP_CONTENT_TOO_LARGE, "too long\n");
	for (size_t i = 0; i < sizeof(routes) / sizeof(*routes); i++)
		if (strcmp(routes[i].method, method) == 0 && strcmp(routes[i].path, path) == 0)
			return routes[i].handle(s, c, body->text);
	return reply(MHD_HTTP_NOT_FOUND, "no such request here\n");
}

static enum MHD_Result send_answer(struct MHD_Connection *c, struct answer *a)
{
	if (!a->text)
		return MHD_NO; /* out of memory: the connection is closed */
	struct MHD_Response *r = MHD_create_response_from_buffer(strlen(a->text), a->text, MHD_RESPMEM_MUST_FREE);
	if (!r) {
		free(a->text);
		return MHD_NO;
	}
	MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, a->type);
	enum MHD_Result queued = MHD_queue_response(c, a->code, r);
	MHD_destroy_response(r);
	return queued;
}

static void collect(struct body *b, const char *data, size_t n)
{
	if (n > BODY_MAX - b->n) {
		b->too_long = true;
		return;
	}
	memcpy(b->text + b->n, data, n);
	b->n += n;
}

static enum MHD_Result on_request(void *cls, struct MHD_Connection *c, const char *path, const char *method,
                                  const char *version, const char *data, size_t *n, void **state)
{
	struct body *body = *state;

	(void)version;
	if (!body) {
		*state = calloc(1, sizeof(struct body));
		return *state ? MHD_YES : MHD_NO;
	}
	if (*n > 0) {
		collect(body, data, *n);
		*n = 0;
		return MHD_YES;
	}
	struct answer a = dispatch(cls, c, method, path, body);
	return send_answer(c, &a);
}

static void on_completed(void *cls, struct MHD_Connection *c, void **state, enum MHD_RequestTerminationCode code)
{
	(void)cls, (void)c, (void)code;
	free(*state);
	*state = NULL;
}

/* A struct web is MHD's daemon under a name of our own. */
int web_start(struct service *s, const struct sockaddr_in *at, struct web **ret, uint16_t *ret_port)
{
	errno = 0;
	struct MHD_Daemon *d = MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ITC, 0, NULL, NULL, on_request,
	                                        s, MHD_OPTION_SOCK_ADDR, at, MHD_OPTION_CONNECTION_TIMEOUT, 30u,
	                                        MHD_OPTION_CONNECTION_LIMIT, 256u, MHD_OPTION_NOTIFY_COMPLETED,
	                                        on_completed, NULL, MHD_OPTION_END);
	if (!d)
		return errno ? -errno : -EIO;
	*ret_port = MHD_get_daemon_info(d, MHD_DAEMON_INFO_BIND_PORT)->port;
	*ret = (struct web *)d;
	return 0;
}

void web_stop(struct web *w)
{
	MHD_stop_daemon((struct MHD_Daemon *)w);
}
