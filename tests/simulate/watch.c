#include "tests/simulate/watch.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/incident.h"
#include "db/outbox.h"
#include "db/step.h"
#include "handlers/incident/open.h"
#include "tests/simulate/alerts.h"
#include "tests/simulate/config.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/world.h"

#define KNOWN_MAX  64
#define OPENED_MAX 64
#define PAGES_MAX  256

struct known {
	int64_t id;
	enum incident_state state;
	int rollout, service;
	bool advance, drill;
	bool acted;
	int64_t program_started_us; /* its last that can change the service; 0: none did */
	bool by_alert;              /* some alert is one of its own: it ends with them */
	int32_t wanted;
	int64_t since_us;      /* what was seen before is no evidence, says the record */
	int64_t gave_up_at_us; /* where it is could not be told, so that it is to be at 0; 0: never */
};

struct demand {
	bool made;
	int service;
	int32_t pct; /* -1: what its incident wants */
	int64_t at_us;
};

struct opened {
	int rollout, alert;
	int64_t starts_at_us, incident;
};

struct page {
	char what[32];
	int64_t incident, at_us;
};

static struct {
	struct known known[KNOWN_MAX];
	int n_known;
	struct demand demand[ROLLOUTS];
	struct opened opened[OPENED_MAX];
	int n_opened;
	struct page page[PAGES_MAX];
	int n_pages;
	bool zero_asked[ROLLOUTS];     /* since its last incident, heard or not */
	int64_t risen_at_us[SERVICES]; /* by somebody else's hand, last; 0: never */
} watch;

void watch_begin(void)
{
	memset(&watch, 0, sizeof(watch));
}

/* --- what people are told --- */

int __real_outbox_add(struct db_tx *tx, struct message *m);
int __wrap_outbox_add(struct db_tx *tx, struct message *m);

/* On the writer thread, while this one waits. */
int __wrap_outbox_add(struct db_tx *tx, struct message *m)
{
	int r = __real_outbox_add(tx, m);

	if (r < 0 || strcmp(m->channel, "pager") != 0 || watch.n_pages == PAGES_MAX)
		return r;
	struct page *p = &watch.page[watch.n_pages++];
	*p = (struct page) {.incident = m->incident_id, .at_us = sim_now()};
	snprintf(p->what, sizeof(p->what), "%s", m->what);
	say("  page: %s (incident %lld)", m->what, (long long)m->incident_id);
	return r;
}

/* Something is wrong and somebody must look: no mere news of a rollback. */
static bool is_alarm(const char *what)
{
	static const char *const news[] = {
		"rollback_started", "rolled_back", "rolled_back_late", "resolved", "cancelled", "opened", "held"};

	for (size_t i = 0; i < ARRAY_LEN(news); i++)
		if (!strcmp(what, news[i]))
			return false;
	return true;
}

static bool paged_since(int64_t at_us)
{
	for (int i = 0; i < watch.n_pages; i++)
		if (watch.page[i].at_us >= at_us && is_alarm(watch.page[i].what))
			return true;
	return false;
}

/* It is told in the transaction that gives up. */
static bool paged_that_nobody_can_tell(int64_t at_us)
{
	for (int i = 0; i < watch.n_pages; i++)
		if (llabs(watch.page[i].at_us - at_us) < US_PER_S && !strcmp(watch.page[i].what, "there_unknown"))
			return true;
	return false;
}

static bool paged_of(int64_t incident, const char *what)
{
	for (int i = 0; i < watch.n_pages; i++)
		if (watch.page[i].incident == incident && !strcmp(watch.page[i].what, what))
			return true;
	return false;
}

/* --- what is on disk --- */

static struct known *known_of(int64_t id)
{
	for (int i = 0; i < watch.n_known; i++)
		if (watch.known[i].id == id)
			return &watch.known[i];
	return NULL;
}

bool watch_may_raise(int64_t incident)
{
	const struct known *k = known_of(incident);

	return k && k->advance;
}

bool watch_first_act(int64_t incident)
{
	struct known *k = known_of(incident);
	bool first = k && !k->advance && !k->acted;

	if (k)
		k->acted = true;
	return first;
}

void watch_program_starts(int64_t incident)
{
	struct known *k = known_of(incident);

	if (k)
		k->program_started_us = sim_now();
}

static void check_rolled_back(const struct known *k)
{
	const struct service *s;

	if (k->advance || k->drill || k->service < 0)
		return;
	s = world_service(k->service);
	int64_t other = acts_alive(s, k->id);
	if (s->lowest > k->wanted)
		violate("rolled back: incident %lld says so, but service %d was above %d ever since the last act ended "
		        "(lowest %d)",
		        (long long)k->id, k->service, k->wanted, s->lowest);
	if (other)
		violate("rolled back: incident %lld says so while a program of incident %lld still runs",
		        (long long)k->id, (long long)other);
	if (k->wanted == 0 && k->program_started_us && s->program_of != k->id &&
	    s->program_ended_us > k->program_started_us) /* above 0 a round decides whether ours begins again */
		violate("rolled back: incident %lld says so, but the last to act was a program of incident %lld",
		        (long long)k->id, (long long)s->program_of);
}

static void moved(struct known *k, enum incident_state to)
{
	say("  incident %lld of r%d: %s -> %s, wants %d", (long long)k->id, k->rollout,
	    k->state ? incident_state_name(k->state) : "nothing", incident_state_name(to), k->wanted);
	bool begins = to == INC_ROLLING_BACK && !k->advance && k->service >= 0;
	if (begins && acts_alive(world_service(k->service), k->id))
		count(COUNT_SUPERSEDED_ALIVE);
	if (to == INC_ROLLING_BACK && k->advance)
		count(COUNT_ADVANCES);
	if (to == INC_ROLLED_BACK)
		count(k->state == INC_FAILED ? COUNT_LATE : COUNT_ROLLED_BACK);
	if (k->state == INC_PENDING && to != INC_CANCELLED) /* when it is due it goes by the config in force */
		k->service = config_service(k->rollout);
	if (to == INC_FAILED || to == INC_CANCELLED || to == INC_RESOLVED)
		count(to == INC_FAILED ? COUNT_FAILED : to == INC_RESOLVED ? COUNT_RESOLVED : COUNT_CALLED_OFF);
	k->state = to;
	if (!incident_is_open(to))
		watch.zero_asked[k->rollout] = false;
	if (to == INC_ROLLED_BACK)
		check_rolled_back(k);
	if (to == INC_FAILED && !k->advance && !k->drill && !paged_of(k->id, "failed"))
		violate("incident %lld has failed, and nobody was paged", (long long)k->id);
}

/* An act or a trigger: only what is true from now on counts. */
static void take_evidence(struct known *k, const struct incident *inc)
{
	bool begins = k->state == INC_VERIFYING && inc->state == INC_ROLLING_BACK;

	if (k->since_us != inc->evidence_since_us && k->service >= 0)
		world_act_ends(world_service(k->service));
	k->since_us = inc->evidence_since_us;
	if (begins && !watch.zero_asked[k->rollout] && !k->advance && k->wanted > 0 && inc->pct_wanted == 0 &&
	    k->service >= 0 && world_holds_more(world_service(k->service)))
		k->gave_up_at_us = sim_now();
}

static void look_at(int64_t id)
{
	struct incident inc = {0};
	struct known *k = known_of(id);

	if (incident_load(house_reader(), id, &inc) < 0) {
		violate("incident %lld cannot be read", (long long)id);
		return;
	}
	if (!k && watch.n_known < KNOWN_MAX) {
		k = &watch.known[watch.n_known++];
		*k = (struct known) {.id = id,
		                     .rollout = inc.rollout[1] - '0',
		                     .advance = inc.kind == KIND_ADVANCE,
		                     .drill = inc.kind == KIND_DRILL};
		k->service = config_service(k->rollout);
	}
	if (k) {
		take_evidence(k, &inc);
		k->wanted = inc.pct_wanted;
		if (k->state != inc.state)
			moved(k, inc.state);
	}
	incident_free(&inc);
}

static void one_of_each(const int64_t *ids, size_t n)
{
	int open[ROLLOUTS] = {0};

	for (size_t i = 0; i < n; i++)
		if (known_of(ids[i]) && ++open[known_of(ids[i])->rollout] > 1)
			violate("rollout r%d has two open incidents", known_of(ids[i])->rollout);
}

void watch_commit(void)
{
	int64_t *ids = NULL;
	size_t n = 0;

	if (incident_open_ids(house_reader(), &ids, &n) < 0)
		violate("the open incidents cannot be read");
	for (int i = 0; i < watch.n_known; i++) /* those that may have ended */
		if (incident_is_open(watch.known[i].state))
			look_at(watch.known[i].id);
	for (size_t i = 0; i < n; i++)
		if (!known_of(ids[i]))
			look_at(ids[i]);
	one_of_each(ids, n);
	free(ids);
}

/* --- what was asked for --- */

int64_t watch_open(int rollout)
{
	for (int i = 0; i < watch.n_known; i++)
		if (watch.known[i].rollout == rollout && incident_is_open(watch.known[i].state))
			return watch.known[i].id;
	return 0;
}

void watch_world(int service)
{
	(void)service;
}

/* It went up before, and how far is no news. */
static bool is_above(int service)
{
	for (int i = 0; i < watch.n_known; i++) {
		const struct known *k = &watch.known[i];

		if (k->service == service && k->state == INC_ROLLED_BACK &&
		    world_pct(world_service(service)) > k->wanted && watch.risen_at_us[service])
			return true;
	}
	return false;
}

void watch_outside(int service, int32_t pct)
{
	for (int i = 0; i < ROLLOUTS; i++)
		if (watch_open(i) && config_service(i) == service && pct > world_pct(world_service(service)))
			count(COUNT_RAISED_OUTSIDE);
	if (pct > world_pct(world_service(service)) && !is_above(service))
		watch.risen_at_us[service] = sim_now();
	for (int i = 0; i < ROLLOUTS; i++)
		if (watch.demand[i].made && watch.demand[i].service == service && pct > 0)
			watch.demand[i].made = false;
}

void watch_demand(int rollout, int service, int32_t pct)
{
	struct demand *d = &watch.demand[rollout];

	for (int i = 0; i < watch.n_known; i++)
		if (watch.known[i].rollout == rollout && incident_is_open(watch.known[i].state))
			watch.known[i].service = service;
	if (d->made && d->service == service && d->pct >= 0 && (pct < 0 || d->pct < pct))
		pct = d->pct;
	*d = (struct demand) {true, service, pct, sim_now()};
}

void watch_asks_zero(int rollout)
{
	watch.zero_asked[rollout] = true;
}

void watch_void(int rollout)
{
	watch.demand[rollout].made = false;
}

void watch_goes_by(int64_t incident, int service)
{
	struct known *k = known_of(incident);

	if (k)
		k->service = service;
}

void watch_attached(int64_t incident, int service)
{
	struct known *k = known_of(incident);

	if (!k)
		return;
	k->by_alert = true;
	if (service >= 0)
		k->service = service;
}

void watch_opened(int rollout, int alert, int64_t starts_at_us, int64_t incident)
{
	for (int i = 0; i < watch.n_opened; i++) {
		const struct opened *o = &watch.opened[i];

		if (o->rollout == rollout && o->alert == alert && o->starts_at_us == starts_at_us &&
		    o->incident != incident)
			violate("one trigger, two incidents: A%d opened %lld and %lld", alert, (long long)o->incident,
			        (long long)incident);
	}
	if (watch.n_opened < OPENED_MAX)
		watch.opened[watch.n_opened++] = (struct opened) {rollout, alert, starts_at_us, incident};
}

void watch_denied(int alert)
{
	for (int i = 0; i < watch.n_opened; i++)
		if (watch.opened[i].alert == alert)
			watch.opened[i].alert = -1;
}

bool watch_is_open(int64_t incident)
{
	const struct known *k = known_of(incident);

	return k && incident_is_open(k->state);
}

/* --- the end --- */

/* What fires is what some incident is about, or was, until a person ended it. */
static void end_of_alerts(int rollout)
{
	int alert = config_service(rollout) >= 0 ? alerts_ignored(rollout) : -1;

	if (alert >= 0)
		violate("alert A%d fires, and nothing is done about r%d", alert, rollout);
}

static void end_of_demand(int rollout)
{
	const struct demand *d = &watch.demand[rollout];
	int64_t open = watch_open(rollout);
	int32_t pct = d->pct >= 0 ? d->pct : open ? known_of(open)->wanted : -1;

	if (!d->made || pct < 0 || world_pct(world_service(d->service)) <= pct || paged_since(d->at_us))
		return;
	violate("a trigger wanted %d, service %d runs with %d, and nobody was paged", pct, d->service,
	        world_pct(world_service(d->service)));
}

/* After a rollback the service went up by itself: somebody must have been told, trigger or not. */
static void end_of_drift(const struct known *k)
{
	int service = config_service(k->rollout);
	int64_t risen = service >= 0 ? watch.risen_at_us[service] : 0;

	if (k->state == INC_ROLLED_BACK && risen && k->service == service &&
	    world_pct(world_service(service)) > k->wanted && !paged_since(risen))
		violate("service %d went up to %d after incident %lld had rolled it back to %d, and nobody was paged",
		        service, world_pct(world_service(service)), (long long)k->id, k->wanted);
}

static void end_of_steps(const struct known *k)
{
	struct step_list l = {0};

	if (step_of_incident(house_reader(), k->id, &l) < 0)
		violate("the steps of incident %lld cannot be read", (long long)k->id);
	for (size_t i = 0; i < l.n; i++)
		if (l.item[i].state == STEP_RUNNING && l.item[i].kind != STEP_VERIFY && !acts_of_incident_run(k->id))
			violate("step \"%s\" of incident %lld is running, and nothing runs", l.item[i].name,
			        (long long)k->id);
	step_list_free(&l);
}

static void end_of_incident(const struct known *k)
{
	bool waits = k->state == INC_ROLLED_BACK || k->state == INC_HELD;

	if (k->gave_up_at_us && !paged_that_nobody_can_tell(k->gave_up_at_us))
		violate("incident %lld rolls back to 0, which nobody asked for, and nobody was paged",
		        (long long)k->id);
	if (!incident_is_open(k->state))
		return;
	if (k->state == INC_FAILED && k->service >= 0 && !k->advance)
		violate("incident %lld is failed at the end, though nothing is in its way", (long long)k->id);
	else if (!waits && k->state != INC_FAILED)
		violate("incident %lld is %s at the end: waits for nothing", (long long)k->id,
		        incident_state_name(k->state));
	if (k->state == INC_ROLLED_BACK && k->by_alert && !alerts_fire_for(k->rollout) && !alerts_unended(k->rollout))
		violate("incident %lld goes on, though its alerts are over for long", (long long)k->id);
	end_of_drift(k);
	end_of_steps(k);
}

void watch_end(void)
{
	for (int i = 0; i < ROLLOUTS; i++) {
		end_of_demand(i);
		end_of_alerts(i);
	}
	for (int i = 0; i < watch.n_known; i++)
		end_of_incident(&watch.known[i]);
	if (house_owes_answers())
		violate("a request waits for nothing: it was never answered");
}
