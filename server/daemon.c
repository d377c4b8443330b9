#include "server/daemon.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/incident.h"
#include "db/readers.h"
#include "handlers/api/api.h"
#include "handlers/api/page.h"
#include "handlers/api/background.h"
#include "handlers/api/job.h"
#include "handlers/notify/notify.h"
#include "handlers/plan/percentage_sync.h"
#include "handlers/offline/import.h"
#include "handlers/settings/current.h"
#include "handlers/engine/engine.h"
#include "handlers/engine/rehearsal.h"
#include "handlers/engine/retention.h"
#include "handlers/steps/flags_file.h"
#include "handlers/steps/flags_writer.h"
#include "handlers/plan/controller.h"
#include "handlers/reports/comparisons.h"
#include "handlers/reports/schedule.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/loop.h"
#include "server/core/metrics.h"
#include "server/core/thread.h"
#include "server/auth/authenticate.h"
#include "server/http/server.h"
#include "server/reload.h"
#include "server/systemd.h"
#include "server/zone.h"

#define DRAIN_US (5 * US_PER_S)
#define STUCK_US (20 * US_PER_S) /* a thread that has not turned for so long is stuck */

struct app {
	struct app_options o;
	struct db *db;
	struct loop *loop;
	struct flags_writer *flags;
	struct engine *engine;
	struct notify *notify;
	struct retire *retire;
	struct comparisons *comparisons;
	struct controller *controller;
	struct auth *auth;
	struct http *http;
	struct api api;
	pthread_t loop_thread;
	bool looping;
	struct reloads *reloads;
	struct db_conn *reader; /* the main thread's */
};

static void clock_was_set(void *arg)
{
	struct app *a = arg;

	engine_clock_was_set(a->engine);
	notify_ring(a->notify);
}

static void ring(void *arg)
{
	struct app *a = arg;

	notify_ring(a->notify);
}

static void wake_streams(void *arg)
{
	http_wake(((struct app *)arg)->http);
}

static void incident_begun(void *arg, int64_t id)
{
	engine_notify(((struct app *)arg)->engine, id);
}

/* --- one job, waited for: at start and at a reload only --- */

struct sync_job {
	struct db_job job;
	const struct settings *settings;
	struct flags_look *looks; /* at the flags files, before the writer's transaction */
	int result;
	sem_t ended;
};

static int sync_run(struct db_tx *tx, struct db_job *job)
{
	const struct sync_job *j = (struct sync_job *)job;

	return percentage_sync_all(tx, j->settings, j->looks);
}

/* At the start, before the engine takes up what is open: first what was done while nobody was here. */
static int start_run(struct db_tx *tx, struct db_job *job)
{
	const struct settings *s = ((struct sync_job *)job)->settings;
	int64_t ignored = 0;
	int r = 0;

	for (size_t i = 0; r == 0 && i < s->n_rollouts; i++)
		r = import_offline(tx, s, &s->rollouts[i], &ignored);
	return r < 0 ? r : sync_run(tx, job);
}

static void sync_done(struct db_job *job, int result)
{
	struct sync_job *j = (struct sync_job *)job;

	j->result = result;
	sem_post(&j->ended);
}

static int sync_now(struct db *db, const struct settings *s, int (*run)(struct db_tx *, struct db_job *))
{
	struct flags_look *looks = percentage_look_all(s, db_now(db));
	struct sync_job j = {.job = {.run = run, .done = sync_done}, .settings = s, .looks = looks};

	if (!looks)
		return -ENOMEM;
	sem_init(&j.ended, 0, 0);
	int r = db_submit(db, &j.job, DB_URGENT);
	if (r == 0) {
		while (sem_wait(&j.ended) < 0 && errno == EINTR)
			;
		r = j.result;
	}
	sem_destroy(&j.ended);
	percentage_looks_free(s, looks);
	return r;
}

/* What a rollback would find out too late. */
static void cannot_run(const char *whose, const char *command, const char *why)
{
	log_error("a command of a rollback could not be run", "of", whose, "command", command, "err", why);
}

/* --- reload --- */

static void join_faults(const struct config_faults *f, char *why, size_t size)
{
	size_t at = 0;

	why[0] = '\0';
	for (size_t i = 0; i < f->n && at < size; i++) {
		int n = snprintf(why + at, size - at, "%s%s", i ? "; " : "", f->line[i]);

		at += n > 0 ? (size_t)n : 0;
	}
}

/* Takes web. -ENOMEM: nothing changed. */
static int put_in_force(struct app *a, struct config *cfg, struct web_config *web)
{
	int r = auth_set(a->auth, web, cfg->settings);

	if (r < 0)
		return r;
	zone_set(cfg->settings->timezone);
	current_set(cfg->settings);
	rehearse_commands(cfg->settings, a->o.runner, cannot_run);
	if (a->http) {
		http_set_external_url(a->http, cfg->settings->external_url);
		http_end_streams(a->http); /* they come again, and are looked at anew */
	}
	notify_set_channels(a->notify, &cfg->channels);
	metric_set(M_RELOADS_OK, 0, 1);
	metric_set(M_RELOAD_TIME, 0, clock_wall_us() / US_PER_S);
	return 0;
}

static bool load_web(const struct app *a, struct web_config **ret, char *why, size_t size)
{
	struct config_faults faults = {0};
	int r = a->o.web_config_file ? web_config_load(a->o.web_config_file, ret, &faults) : 0;

	if (r < 0)
		join_faults(&faults, why, size);
	config_faults_free(&faults);
	return r == 0;
}

static bool try_reload(struct app *a, char *why, size_t size)
{
	struct config_faults faults = {0};
	struct web_config *web = NULL;
	struct config *cfg = NULL;
	bool ok = false;

	if (!load_web(a, &web, why, size))
		return false;
	if (config_load(a->o.config_file, CONFIG_RUN, &cfg, &faults) < 0)
		join_faults(&faults, why, size);
	else if (notify_try_programs(&cfg->channels, a->o.exe, why, size) == 0 &&
	         !reload_drops_open(a->reader, cfg->settings, why, size))
		ok = true;
	if (ok && put_in_force(a, cfg, TAKE(web)) < 0) {
		ok = false;
		snprintf(why, size, "out of memory");
	}
	if (ok) {
		if (sync_now(a->db, cfg->settings, sync_run) < 0)
			log_error("the percentages found after the reload could not be recorded");
	}
	config_faults_free(&faults);
	config_free(cfg);
	web_config_free(web);
	return ok;
}

void app_where(const struct app *a, struct buf *b)
{
	http_where(a->http, b);
}

int app_reload_fd(const struct app *a)
{
	assert(a);
	return reloads_fd(a->reloads);
}

bool app_reload(struct app *a)
{
	assert(a && thread_self() == THREAD_UNNAMED);
	struct reload_requests who;
	char why[2000] = "";

	reloads_take(a->reloads, &who);
	bool ok = try_reload(a, why, sizeof(why));
	if (ok) {
		log_info("config reloaded", "file", a->o.config_file);
	} else {
		metric_set(M_RELOADS_OK, 0, 0);
		log_error("config not reloaded, the old one stays", "file", a->o.config_file, "err", why);
	}
	reloads_answer(&who, ok ? 0 : -EINVAL, why);
	return ok;
}

static int ask_reload(void *app, struct reload_request *rq)
{
	return reloads_ask(((struct app *)app)->reloads, rq);
}

/* --- start --- */

static void *loop_main(void *arg)
{
	struct app *a = arg;

	thread_is(THREAD_ENGINE);
	int r = loop_run(a->loop);
	if (r < 0)
		log_error("the engine's loop ended", "err", strerror(-r));
	return NULL;
}

static int start_state(struct app *a, char *why, size_t size)
{
	int r = db_open(a->o.storage_path, &a->db, why, size);

	if (r == 0)
		flags_file_spare_dir(db_dir(a->db));
	if (r == 0 && (r = db_start(a->db)) < 0)
		snprintf(why, size, "the writer could not start: %s", strerror(-r));
	if (r == 0 && (r = db_reader_open(a->db, &a->reader)) < 0)
		snprintf(why, size, "the database cannot be read: %s", strerror(-r));
	return r;
}

static int start_engine(struct app *a, char *why, size_t size)
{
	int r = loop_new(&a->loop);

	if (r == 0)
		r = notify_new(a->loop, a->db, a->o.exe, &a->notify);
	if (r == 0)
		r = flags_writer_start(&a->flags);
	struct engine_options eo = {.loop = a->loop,
	                            .db = a->db,
	                            .runner = a->o.runner,
	                            .flags = a->flags,
	                            .on_outbox = ring,
	                            .on_outbox_arg = a};
	if (r == 0)
		r = engine_new(&eo, &a->engine);
	if (r == 0)
		r = retire_new(a->loop, a->db, &a->retire);
	if (r == 0)
		r = comparisons_new(a->loop, a->db, &a->comparisons);
	struct controller_options co = {.loop = a->loop,
	                                .db = a->db,
	                                .on_incident = incident_begun,
	                                .on_outbox = ring,
	                                .arg = a,
	                                .last = {.fn = reports_send_due, .arg = a->comparisons}};
	if (r == 0)
		r = controller_new(&co, &a->controller);
	if (r < 0)
		snprintf(why, size, "the engine could not start: %s", strerror(-r));
	return r;
}

static int start_threads(struct app *a, struct config *cfg, struct web_config *web, char *why, size_t size)
{
	int r = put_in_force(a, cfg, web);

	if (r == 0)
		r = sync_now(a->db, cfg->settings, start_run);
	if (r == 0)
		r = engine_start(a->engine);
	if (r == 0)
		r = -pthread_create(&a->loop_thread, NULL, loop_main, a);
	if (r < 0) {
		snprintf(why, size, "the engine could not start: %s", strerror(-r));
		return r;
	}
	a->looping = true;
	db_on_clock(a->db, clock_was_set, a);
	notify_ring(a->notify);
	return 0;
}

static struct http_admission admit(void *arg, enum http_method method, const char *path)
{
	struct route_info i = api_route(method, path);

	(void)arg;
	return (struct http_admission) {.status = i.status,
	                                .allow = i.allow,
	                                .roles = i.roles,
	                                .takes_body = i.takes_body,
	                                .form = i.form,
	                                .params = i.params};
}

static enum http_access auth_request(void *arg, struct http_req *req, struct http_reply *reply)
{
	const struct app *a = ((struct api *)arg)->arg;

	return auth_admit(a->auth, req, reply);
}

static enum http_verdict sign_in(void *app, struct http_req *req, struct http_reply *reply)
{
	return auth_sign_in(((struct app *)app)->auth, req, reply);
}

/* What he has open ends with his session; the others come again. */
static enum http_verdict sign_out(void *app, struct http_req *req, struct http_reply *reply)
{
	struct app *a = app;
	enum http_verdict v = auth_sign_out(a->auth, req, reply);

	if (reply->cookie[0])
		http_end_streams(a->http);
	return v;
}

static int start_http(struct app *a, char *why, size_t size)
{
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	struct http_options ho = {.addresses = a->o.address.item,
	                          .n_addresses = a->o.address.n,
	                          .allowed_hosts = a->o.allowed_host.item,
	                          .n_allowed_hosts = a->o.allowed_host.n,
	                          .external_url = s->external_url,
	                          .admit = admit,
	                          .allow_remote = a->o.web_config_file != NULL,
	                          .authenticate = auth_request,
	                          .handle = api_handle,
	                          .refused = api_refused,
	                          .dress = page_dress,
	                          .arg = &a->api};
	int fds[HTTP_LISTENERS_MAX], n_fds = systemd_listen_fds(fds, ARRAY_LEN(fds));
	int r = db_readers_start(a->db);

	if (n_fds > 0) {
		ho.fds = fds;
		ho.n_fds = (size_t)n_fds;
	}
	if (r < 0) {
		snprintf(why, size, "the database cannot be read: %s", strerror(-r));
		return r;
	}
	if ((r = background_start(&a->api.background)) < 0) {
		snprintf(why, size, "the reading of webhooks could not start: %s", strerror(-r));
		return r;
	}
	a->api.db = a->db;
	a->api.engine = a->engine;
	a->api.controller = a->controller;
	a->api.comparisons = a->comparisons;
	a->api.loop = a->loop;
	a->api.version = ROLLBACKD_VERSION;
	a->api.ring = ring;
	a->api.reload = ask_reload;
	a->api.sign_in = sign_in;
	a->api.sign_out = sign_out;
	a->api.arg = a;
	r = http_start(&ho, &a->http, why, size);
	if (r == 0) {
		db_on_events(a->db, wake_streams, a);
		http_wake(a->http); /* what was committed meanwhile */
	}
	return r;
}

int app_start(const struct app_options *o, struct config *cfg, struct web_config *web, struct app **ret,
              bool *ret_state, char *why, size_t size)
{
	struct app *a = calloc(1, sizeof(*a));

	if (!a) {
		config_free(cfg);
		web_config_free(web);
		return -ENOMEM;
	}
	a->o = *o;
	*ret_state = true;
	int r = reloads_new(&a->reloads);
	if (r == 0)
		r = start_state(a, why, size);
	if (r == 0) {
		*ret_state = false;
		r = start_engine(a, why, size);
	}
	if (r == 0 && (r = auth_new(&a->auth)) < 0)
		snprintf(why, size, "the checking of passwords could not start: %s", strerror(-r));
	if (r == 0)
		r = start_threads(a, cfg, TAKE(web), why, size);
	config_free(cfg);
	web_config_free(web);
	if (r == 0)
		r = start_http(a, why, size);
	if (r < 0) {
		app_stop(a);
		return r;
	}
	*ret = a;
	return 0;
}

bool app_alive(const struct app *a)
{
	assert(a && a->db && a->loop && a->http);
	/* Since when each has been at what it does; 0: it waits. */
	const int64_t since[] = {db_last_turn_us(a->db), loop_last_turn_us(a->loop), db_readers_busy_since_us(a->db),
	                         http_busy_since_us(a->http)};
	int64_t now = clock_mono_us();

	for (size_t i = 0; i < ARRAY_LEN(since); i++)
		if (since[i] && now - since[i] >= STUCK_US)
			return false;
	return true;
}

void app_stop(struct app *a)
{
	if (!a)
		return;
	reloads_stop(a->reloads);
	if (a->http)
		http_drain(a->http, DRAIN_US);
	background_stop(a->api.background);
	auth_stop(a->auth);
	if (a->db)
		db_readers_stop(a->db);
	if (a->looping) {
		loop_stop(a->loop);
		pthread_join(a->loop_thread, NULL);
	}
	api_jobs_cancel();
	if (a->db)
		db_stop(a->db);
	flags_writer_stop(a->flags);
	controller_stop(a->controller);
	http_stop(a->http);
	reloads_free(a->reloads);
	background_free(a->api.background);
	auth_free(a->auth);
	engine_free(a->engine);
	flags_writer_free(a->flags);
	notify_free(a->notify);
	retire_free(a->retire);
	controller_free(a->controller);
	comparisons_free(a->comparisons);
	loop_free(a->loop);
	db_reader_close(a->reader);
	db_close(a->db);
	current_set(NULL);
	free(a);
}
