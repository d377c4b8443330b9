/*
 * What Prometheus, the services and the checks' programs answer.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "server/core/buf.h"
#include "server/core/loop.h"
#include "server/core/text.h"
#include "tests/simulate/alerts.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/watch.h"
#include "tests/simulate/world.h"

#define LOOKBACK_US (300 * US_PER_S)
#define UUID_LEN    36

static int64_t latency(void)
{
	return world_has(FAULT_SLOW) && rnd_chance(60) ? rnd_us(100 * US_PER_MS, 20 * US_PER_S)
	                                               : rnd_us(US_PER_MS, 80 * US_PER_MS);
}

/* --- Prometheus --- */

static void decode(const char *url, char *out, size_t size)
{
	const char *from = strstr(url, "query=");
	size_t n = 0;

	for (from = from ? from + 6 : ""; *from && *from != '&' && n + 1 < size; from++) {
		unsigned byte;

		if (*from == '%' && sscanf(from + 1, "%2x", &byte) == 1) {
			out[n++] = (char)byte;
			from += 2;
		} else {
			out[n++] = *from == '+' ? ' ' : *from;
		}
	}
	out[n] = '\0';
}

/* "pct_1" in the query names service 1; -1: none. */
static int service_in(const char *query, const char *prefix)
{
	const char *at = strstr(query, prefix);
	int which = at ? at[strlen(prefix)] - '0' : -1;

	return which >= 0 && which < SERVICES ? which : -1;
}

static void add_sample(struct buf *b, int *n, const char *instance, double value)
{
	buf_printf(b, "%s{\"metric\":{\"instance\":\"%s\"},\"value\":[%.3f,\"%.3f\"]}", (*n)++ ? "," : "", instance,
	           (double)sim_true_us() / (double)US_PER_S, value);
}

static bool is_there(const struct instance *in)
{
	int64_t age = sim_true_us() - in->scraped_at_us;

	return in->scraped_at_us && age >= 0 && age < LOOKBACK_US;
}

/* What an error page or a redirect brings along is not what its giver stands behind: another's numbers. */
static double value(const struct instance *in)
{
	return world_has(FAULT_PROM_500) || world_has(FAULT_PROM_REDIRECT) ? 0 : in->scraped / 100.0;
}

static bool is_left_out(int instance)
{
	return (world_has(FAULT_PROM_PARTIAL) || world_has(FAULT_PROM_MISSING)) && (instance == 0 || rnd_chance(50));
}

static void add_percentages(struct buf *b, int *n, const struct service *s)
{
	char name[16];

	for (int i = 0; i < s->n; i++) {
		snprintf(name, sizeof(name), "i%d", i);
		if (is_there(&s->instance[i]) && !is_left_out(i))
			add_sample(b, n, name, value(&s->instance[i]));
	}
}

/* min(timestamp(…)) */
static void add_oldest(struct buf *b, int *n, const struct service *s)
{
	int64_t oldest = 0;

	for (int i = 0; i < s->n; i++)
		if (is_there(&s->instance[i]) && !is_left_out(i) && (!oldest || s->instance[i].scraped_at_us < oldest))
			oldest = s->instance[i].scraped_at_us;
	if (oldest)
		add_sample(b, n, "", (double)oldest / (double)US_PER_S);
}

static void add_up(struct buf *b, int *n, const struct service *s)
{
	int up = 0;

	for (int i = 0; i < s->n; i++)
		up += is_there(&s->instance[i]) && !(world_has(FAULT_PROM_PARTIAL) && i == 0);
	if (up)
		add_sample(b, n, "", up);
}

static void add_result(struct buf *b, const char *query)
{
	int n = 0, which = service_in(query, "pct_"), counted = service_in(query, "svc");

	if (strstr(query, "timestamp(") && (which >= 0 || counted >= 0))
		add_oldest(b, &n, world_service(which >= 0 ? which : counted));
	else if (which >= 0)
		add_percentages(b, &n, world_service(which));
	else if (counted >= 0)
		add_up(b, &n, world_service(counted));
	else if (strstr(query, "ALERTS") && alerts_active(query))
		add_sample(b, &n, "", 1);
}

static void read_prometheus(struct world_answer *a)
{
	struct buf b = BUF(8192);

	buf_str(&b, "{\"status\":\"success\",");
	if (world_has(FAULT_PROM_PARTIAL))
		buf_str(&b, "\"warnings\":[\"a store could not be reached\"],");
	buf_str(&b, "\"data\":{\"resultType\":\"vector\",\"result\":[");
	add_result(&b, a->query);
	buf_str(&b, "]}}");
	a->body = buf_take(&b);
}

static void ask_prometheus(const char *url, struct world_answer *ret)
{
	decode(url, ret->query, sizeof(ret->query));
	ret->status = world_has(FAULT_PROM_500) ? 500 : world_has(FAULT_PROM_REDIRECT) ? 302 : 200;
	if (world_has(FAULT_PROM_DOWN))
		ret->error = -ECONNREFUSED;
	else if (rnd_chance(50))
		read_prometheus(ret); /* what was true when it was asked */
	else
		ret->read = read_prometheus;
}

/* --- the services --- */

static void read_service(struct world_answer *a)
{
	char pct[16];
	int32_t is = world_pct(world_service(a->service));

	text_pct(is, pct, sizeof(pct));
	if (is < 0)
		a->error = -ECONNREFUSED;
	else
		a->body = text_format(a->kind ? "{\"pct\": %s}" : "%s\n", pct);
}

static void ask_service(int which, bool json, struct world_answer *ret)
{
	ret->service = which;
	ret->kind = json;
	ret->status = json ? 200 : 0;
	if (world_has(FAULT_CHECK_FAILS) && rnd_chance(70))
		ret->status = json ? 503 : 1;
	else if (rnd_chance(50))
		read_service(ret);
	else
		ret->read = read_service;
}

struct put {
	int service;
	int32_t pct;
	bool late; /* nobody listens any more */
};

static void put_arrives(void *arg)
{
	struct put *p = arg;

	if (p->late) {
		say("  a request of long ago is carried out");
		watch_outside(p->service, p->pct); /* nobody can know, but somebody must be told */
	}
	world_applies(world_service(p->service), p->pct);
	if (!p->late)
		world_act_ends(world_service(p->service));
	free(p);
}

/* The incident stands in the idempotency key, behind the database's UUID. */
static int64_t incident_of(const struct fetch_spec *spec)
{
	static const char start[] = "rollbackd-";

	for (const char *const *h = spec->headers; h && *h; h++) {
		const char *at = strncasecmp(*h, "Idempotency-Key", 15) == 0 ? strstr(*h, start) : NULL;

		if (!at)
			continue;
		at += sizeof(start) - 1;
		return strtoll(strlen(at) > UUID_LEN && at[8] == '-' ? at + UUID_LEN + 1 : at, NULL, 10);
	}
	return 0;
}

static void put_service(int which, const struct fetch_spec *spec, struct world_answer *ret)
{
	const char *at = spec->body ? strstr(spec->body, "\"pct\":") : NULL;
	struct put *p = calloc(1, sizeof(*p));
	bool fails = world_has(FAULT_ACT_FAILS) && rnd_chance(70), heard = !fails || rnd_chance(30);
	double pct = at ? strtod(at + 6, NULL) : -1;

	if (!p)
		abort();
	*p = (struct put) {.service = which, .pct = (int32_t)(pct * 100 + 0.5)};
	say("  request sets service %d to %d%s%s", which, p->pct, fails ? ", fails" : "", heard ? "" : ", unheard");
	world_act_begins(world_service(which), p->pct, incident_of(spec));
	if (world_has(FAULT_ACT_HANGS) && rnd_chance(60))
		ret->took_us = spec->timeout_us;
	ret->status = fails ? 500 : 200;
	int64_t arrives = ret->took_us < spec->timeout_us ? ret->took_us : spec->timeout_us;
	p->late = arrives == spec->timeout_us && rnd_chance(40);
	if (p->late)
		arrives = 2 * (spec->timeout_us + rnd_us(US_PER_S, 120 * US_PER_S));
	if (heard)
		sim_at(sim_now() + arrives / 2, p, put_arrives, p);
	else
		free(p);
}

void world_fetch(const struct fetch_spec *spec, struct world_answer *ret)
{
	int which = service_in(spec->url, "//svc");

	*ret = (struct world_answer) {.status = 404, .took_us = latency()};
	if (!strncmp(spec->url, "http://prom/", 12))
		ask_prometheus(spec->url, ret);
	else if (which >= 0 && strcmp(spec->method, "GET") != 0)
		put_service(which, spec, ret);
	else if (which >= 0)
		ask_service(which, true, ret);
}

void world_spawn(const struct child_spec *spec, struct world_answer *ret)
{
	*ret = (struct world_answer) {.status = 127, .took_us = latency()};
	if (spec->argv[1] && !strcmp(spec->argv[1], "get"))
		ask_service(spec->argv[2][0] - '0', false, ret);
}
