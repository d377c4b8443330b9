/*
 * The daemon put together as server/daemon.c does it, without its doors to the network; and the way of everything
 * that is committed, which is seen here.
 */
#include <errno.h>
#include <fcntl.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include "db/db.h"
#include "handlers/api/api.h"
#include "handlers/engine/engine.h"
#include "handlers/plan/controller.h"
#include "handlers/plan/percentage_sync.h"
#include "handlers/settings/current.h"
#include "server/config/load.h"
#include "server/reload.h"
#include "tests/simulate/config.h"
#include "tests/simulate/sim.h"
#include "tests/simulate/watch.h"
#include "tests/simulate/world.h"

struct ask {
	struct http_req req; /* first: complete() gets it back */
	char *path, *body;
	house_fn *fn;
	void *arg;
	bool answered;
	LIST_ENTRY(ask) link;
};

static struct {
	struct db *db;
	struct db_conn *reader; /* of the watch */
	struct loop *loop;
	struct engine *engine;
	struct controller *controller;
	struct api api;
	bool up;

	struct db_job *first, **last; /* submitted, not yet at the writer */
	bool turning;
	int crash_after; /* commits; 0: none */
	bool silent;     /* the commit that is under way is heard by nobody */
	LIST_HEAD(asks, ask) asks;
} house;

/* --- the writer: one job at a time, while this thread waits --- */

int __real_db_submit(struct db *db, struct db_job *job, enum db_lane lane);
int __wrap_db_submit(struct db *db, struct db_job *job, enum db_lane lane);

struct passage {
	struct db_job job;
	struct db_job *of;
	bool fails; /* nothing of it gets to the disk */
	sem_t ended;
};

static int pass_run(struct db_tx *tx, struct db_job *job)
{
	struct passage *p = (struct passage *)job;

	if (p->fails)
		return -EIO;
	return p->of->run(tx, p->of);
}

static void pass_done(struct db_job *job, int result)
{
	struct passage *p = (struct passage *)job;

	if (!house.silent)
		p->of->done(p->of, result);
	sem_post(&p->ended);
}

static void commit(struct db_job *of, bool fails)
{
	struct passage p = {.job = {.run = pass_run, .done = pass_done}, .of = of, .fails = fails};

	sem_init(&p.ended, 0, 0);
	if (__real_db_submit(house.db, &p.job, DB_URGENT) < 0)
		abort();
	while (sem_wait(&p.ended) < 0)
		;
	sem_destroy(&p.ended);
}

static void writer_turn(void *arg);

static void turn_soon(void)
{
	if (!house.turning && house.first)
		sim_at(sim_now() + rnd_us(50, 20 * US_PER_MS), &house, writer_turn, NULL);
	house.turning = house.first != NULL;
}

static void writer_turn(void *arg)
{
	struct db_job *job = house.first;

	(void)arg;
	house.first = job->next;
	if (!house.first)
		house.last = &house.first;
	house.silent = house.crash_after == 1;
	house.crash_after -= house.crash_after > 0;
	commit(job, world_has(FAULT_DISK) && rnd_chance(50));
	watch_commit();
	house.turning = false;
	if (house.silent) {
		say("crash, right after a commit");
		house.silent = false;
		house_crash();
		return;
	}
	turn_soon();
}

int __wrap_db_submit(struct db *db, struct db_job *job, enum db_lane lane)
{
	(void)db;
	(void)lane;
	job->next = NULL;
	*house.last = job;
	house.last = &job->next;
	turn_soon();
	return 0;
}

void house_crash_after_commit(int n)
{
	house.crash_after = n;
}

struct db_conn *house_reader(void)
{
	return house.reader;
}

/* --- requests --- */

static const char *no_value(const struct http_req *req, const char *name)
{
	(void)req;
	return !strcasecmp(name, "content-type") ? "application/json" : NULL;
}

static const char *no_param(const struct http_req *req, const char *name)
{
	(void)req;
	(void)name;
	return NULL;
}

struct arrival {
	struct ask *ask;
	int status;
	char *body;
};

/* On the simulator's thread, whatever thread the answer came on. */
static void answer_arrives(void *arg)
{
	struct arrival *a = arg;

	a->ask->fn(a->ask->arg, a->status, a->body ? a->body : "");
	free(a->body);
	free(a->ask->path);
	free(a->ask->body);
	free(a->ask);
	free(a);
}

static void answer(struct ask *k, int status, char *body)
{
	struct arrival *a = calloc(1, sizeof(*a));

	if (!a || k->answered)
		abort();
	k->answered = true;
	LIST_REMOVE(k, link);
	*a = (struct arrival) {k, status, body};
	sim_at(sim_now(), NULL, answer_arrives, a);
}

static void complete(struct http_req *req, struct http_reply *reply)
{
	answer((struct ask *)req, reply->status, buf_take(&reply->body));
}

void house_ask(const char *path, const char *body, house_fn *fn, void *arg)
{
	struct ask *k = calloc(1, sizeof(*k));
	struct http_reply reply = {.status = 200};

	if (!k)
		abort();
	*k = (struct ask) {.path = strdup(path), .body = strdup(body), .fn = fn, .arg = arg};
	k->req = (struct http_req) {.method = HTTP_POST,
	                            .method_name = "POST",
	                            .path = k->path,
	                            .user = "alice",
	                            .authenticated = true,
	                            .roles = ROLE_ALL,
	                            .body = k->body,
	                            .body_len = strlen(body),
	                            .received_us = clock_wall_us(),
	                            .param = no_param,
	                            .header = no_value,
	                            .complete = complete};
	LIST_INSERT_HEAD(&house.asks, k, link);
	if (!house.up)
		answer(k, 0, NULL);
	else if (api_handle(&house.api, &k->req, &reply) == HTTP_REPLIED)
		answer(k, reply.status, buf_take(&reply.body));
}

bool house_owes_answers(void)
{
	return !LIST_EMPTY(&house.asks);
}

/* --- the parts --- */

static void ring(void *arg)
{
	(void)arg;
}

static void incident_begun(void *arg, int64_t id)
{
	(void)arg;
	engine_notify(house.engine, id);
}

static int no_reload(void *arg, struct reload_request *rq)
{
	(void)arg;
	(void)rq;
	return -ESHUTDOWN;
}

struct sync_job {
	struct db_job job;
	struct settings *settings;
	struct flags_look *looks;
};

static int sync_run(struct db_tx *tx, struct db_job *job)
{
	const struct sync_job *j = (struct sync_job *)job;

	return percentage_sync_all(tx, j->settings, j->looks);
}

static void sync_done(struct db_job *job, int result)
{
	(void)job;
	if (result < 0)
		violate("the percentages could not be recorded: %s", strerror(-result));
}

/* As the daemon does it, at the start and at a reload: waited for. */
static void put_in_force(struct config *cfg)
{
	struct sync_job j = {.job = {.run = sync_run, .done = sync_done},
	                     .settings = cfg->settings,
	                     .looks = percentage_look_all(cfg->settings, db_now(house.db))};

	if (!j.looks)
		abort();
	current_set(cfg->settings);
	config_in_force();
	commit(&j.job, false);
	percentage_looks_free(cfg->settings, j.looks);
	config_free(cfg);
}

static void must(int r, const char *what)
{
	if (r < 0) {
		fprintf(stderr, "%s: %s\n", what, strerror(-r));
		abort();
	}
}

void house_start(void)
{
	struct engine_options eo = {.db = house.db, .runner = "/bin/true", .on_outbox = ring};
	struct controller_options co = {.db = house.db, .on_incident = incident_begun, .on_outbox = ring};

	say("the daemon starts");
	must(loop_new(&house.loop), "loop");
	eo.loop = co.loop = house.loop;
	must(engine_new(&eo, &house.engine), "engine");
	must(controller_new(&co, &house.controller), "controller");
	put_in_force(config_now());
	must(engine_start(house.engine), "engine");
	house.api.db = house.db;
	house.api.engine = house.engine;
	house.api.controller = house.controller;
	house.api.loop = house.loop;
	house.api.version = "simulated";
	house.api.ring = ring;
	house.api.reload = no_reload;
	house.up = true;
	watch_commit();
}

bool house_is_up(void)
{
	return house.up;
}

static void fail_asks(void)
{
	while (!LIST_EMPTY(&house.asks))
		answer(LIST_FIRST(&house.asks), 0, NULL);
}

void house_crash(void)
{
	if (!house.up)
		return;
	house.up = false;
	house.crash_after = 0;
	if (watch_open(0) || watch_open(1))
		count(COUNT_CRASHES);
	if (acts_of_incident_run(watch_open(0)) || acts_of_incident_run(watch_open(1)))
		count(COUNT_CRASHES_IN_AN_ACT);
	sim_drop(&house);
	house.first = NULL;
	house.last = &house.first;
	house.turning = false;
	controller_stop(house.controller);
	fail_asks();
	engine_free(house.engine);
	controller_free(house.controller);
	loop_free(house.loop);
}

void house_reload(void)
{
	if (!house.up)
		return;
	struct config *cfg = config_now();
	char why[300] = "";

	if (reload_drops_open(house.reader, cfg->settings, why, sizeof(why))) {
		say("the config is not reloaded: %s", why);
		config_stays();
		config_free(cfg);
		return;
	}
	say("the config is reloaded");
	if (watch_open(0) || watch_open(1))
		count(COUNT_RELOADS_THAT_MOVE);
	put_in_force(cfg);
	watch_commit();
}

/* --- the database of one history --- */

int house_open(const char *dir)
{
	char why[300] = "";
	int r = db_open(dir, &house.db, why, sizeof(why));

	if (r == 0)
		r = db_start(house.db);
	if (r == 0)
		r = db_reader_open(house.db, &house.reader);
	if (r < 0)
		fprintf(stderr, "%s: %s\n", dir, why);
	house.last = &house.first;
	LIST_INIT(&house.asks);
	return r;
}

void house_close(void)
{
	house_crash();
	db_reader_close(house.reader);
	db_close(house.db);
	house.db = NULL;
	current_set(NULL);
}
