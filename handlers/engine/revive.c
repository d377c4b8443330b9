#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "db/alert.h"
#include "handlers/checks/activity.h"
#include "handlers/incident/intake.h"
#include "handlers/settings/current.h"
#include "server/core/clock.h"
#include "server/core/json.h"
#include "server/core/log.h"

static struct revival *take(struct engine *e, const struct stale_copy *copy)
{
	assert(copy->alert > 0);
	struct revival *found = NULL;

	pthread_mutex_lock(&e->lock);
	for (size_t i = 0; i < REVIVALS_MAX; i++) {
		struct revival *r = &e->revivals[i];

		if (r->taken && r->copy.alert == copy->alert) {
			found = NULL;
			break;
		}
		if (!r->taken && !found)
			found = r;
	}
	if (found)
		*found = (struct revival) {.engine = e, .taken = true, .copy = *copy};
	pthread_mutex_unlock(&e->lock);
	return found;
}

static void release(struct revival *r)
{
	struct engine *e = r->engine;

	assert(r->taken && !r->question);
	intake_free(r->intake);
	pthread_mutex_lock(&e->lock);
	r->intake = NULL;
	r->taken = false;
	pthread_mutex_unlock(&e->lock);
}

/* --- it fires again --- */

/* The row as a body of a webhook, which is read as every other. */
static struct json_object *body_of(const struct alert_row *a, int64_t starts_at_us)
{
	struct json_object *root = json_object_new_object(), *list = json_object_new_array(),
			   *alert = json_object_new_object();

	json_add_str(alert, "status", "firing");
	json_add_str(alert, "fingerprint", a->fingerprint);
	json_add_str(alert, "generatorURL", a->generator_url);
	json_add_time(alert, "startsAt", starts_at_us);
	json_add(alert, "labels", json_tokener_parse(a->labels));
	json_add(alert, "annotations", json_tokener_parse(a->annotations));
	json_object_array_add(list, alert);
	json_add(root, "alerts", list);
	return root;
}

static int plan(struct revival *r)
{
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	CLEANUP(json_cleanup) struct json_object *body = NULL;
	struct payload_fault fault = {.why = ""};
	struct alert_group *group = NULL;
	struct alert_list l = {0};
	int e = alert_load(r->engine->reader, r->copy.alert, &l);

	if (e < 0)
		return e;
	body = body_of(&l.item[0], r->copy.starts_at_us);
	alert_list_free(&l);
	const char *text = json_text(body);
	e = alert_group_parse(text, strlen(text), &group, &fault);
	if (e == 0)
		e = intake_plan(s, group, clock_wall_us(), &r->intake);
	if (e == 0)
		r->intake->called_active = true;
	return e;
}

static void on_recorded(void *arg)
{
	struct revival *r = arg;

	if (r->result < 0)
		log_error("an alert that is active again could not be recorded; its next copy is asked about", "err",
		          strerror(-r->result));
	for (size_t i = 0; r->result >= 0 && i < r->intake->touched.n; i++)
		engine_notify(r->engine, r->intake->touched.item[i]);
	if (r->result >= 0 && r->engine->o.on_outbox)
		r->engine->o.on_outbox(r->engine->o.on_outbox_arg);
	release(r);
}

static struct revival *revival_of(struct db_job *job)
{
	return (struct revival *)((char *)job - offsetof(struct revival, job));
}

static int record(struct db_tx *tx, struct db_job *job)
{
	return intake_record(tx, revival_of(job)->intake);
}

static void recorded(struct db_job *job, int result)
{
	struct revival *r = revival_of(job);

	r->result = result;
	if (loop_post(r->engine->o.loop, on_recorded, r) < 0)
		abort(); /* out of memory: the restart takes the incident up from disk */
}

static void revive(struct revival *r, const char *why)
{
	int e = plan(r);

	if (e == 0) {
		log_info("an alert that was reported resolved fires", "alert", log_num(r->copy.alert), "reason", why);
		r->job = (struct db_job) {.run = record, .done = recorded};
		e = db_submit(r->engine->o.db, &r->job, DB_URGENT);
	}
	if (e == 0)
		return;
	log_error("an alert that is active again could not be taken; its next copy is asked about", "err",
	          strerror(-e));
	release(r);
}

/* --- asking --- */

static void on_activity(void *arg, enum activity a, const char *why)
{
	struct revival *r = arg;

	r->question = NULL;
	if (a == ACTIVITY_ACTIVE)
		revive(r, why);
	else
		release(r); /* then limits.stale decides */
}

static void ask(void *arg)
{
	struct revival *r = arg;
	CLEANUP(settings_cleanup) struct settings *s = current_settings();
	struct alert_list l = {0};
	int e = alert_load(r->engine->reader, r->copy.alert, &l);

	if (e == 0)
		e = activity_start(r->engine->o.loop, s, &l.item[0].labels, 1, on_activity, r, &r->question);
	alert_list_free(&l);
	if (e == 0)
		return;
	log_error("whether a stale alert is active could not be asked", "err", strerror(-e));
	release(r);
}

void engine_ask_active(struct engine *e, const struct stale_copy *copy)
{
	assert(e && copy);
	struct revival *r = take(e, copy);

	if (r && loop_post(e->o.loop, ask, r) < 0)
		release(r);
}

void revivals_drop(struct engine *e)
{
	assert(e);
	for (size_t i = 0; i < REVIVALS_MAX; i++) {
		activity_cancel(e->revivals[i].question);
		intake_free(e->revivals[i].intake);
		e->revivals[i] = (struct revival) {0};
	}
}
