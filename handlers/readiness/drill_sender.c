#include "handlers/readiness/drill_sender.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/readiness/drill_alert.h"
#include "handlers/readiness/drill_schedule.h"
#include "server/core/answer.h"
#include "server/core/clock.h"
#include "server/core/log.h"
#include "server/core/text.h"

#define ALERT_FOR_US   (5 * 60 * US_PER_S) /* then Alertmanager reports it resolved */
#define TIMEOUT_US     (5 * US_PER_S)
#define BODY_MAX       4096
#define RULES_MAX_BODY (2UL * 1024 * 1024)

/* What the last drill of a rollout was sent with. The loop's thread. */
struct known {
	struct known *next;
	char *rollout;
	int64_t asked_us;
	struct json_object *labels;
};

struct sending {
	struct sending *next;
	struct drill_sender *of;
	struct settings *settings;
	char *rollout;
	int64_t asked_us;
	struct loop_fetch *fetch;
	struct known *known; /* the sender's */
};

struct drill_sender {
	struct loop *loop;
	pthread_mutex_t lock; /* guards the list */
	struct sending *list;
	struct known *known;
};

/* --- the list --- */

static void sending_free(struct sending *s)
{
	settings_unref(s->settings);
	free(s->rollout);
	free(s);
}

/* NULL: one of that rollout is under way, or there is no memory. */
static struct sending *sending_new(struct drill_sender *d, struct settings *settings, const char *rollout,
                                   int64_t asked_us)
{
	struct sending *s = calloc(1, sizeof(*s)), *other = NULL;

	if (!s || !(s->rollout = strdup(rollout))) {
		free(s);
		return NULL;
	}
	s->of = d;
	s->settings = settings_ref(settings);
	s->asked_us = asked_us;
	pthread_mutex_lock(&d->lock);
	for (other = d->list; other && strcmp(other->rollout, rollout) != 0;)
		other = other->next;
	if (!other) {
		s->next = d->list;
		d->list = s;
	}
	pthread_mutex_unlock(&d->lock);
	if (other)
		sending_free(s);
	return other ? NULL : s;
}

static void sending_end(struct sending *s)
{
	struct drill_sender *d = s->of;
	struct sending **at = &d->list;

	pthread_mutex_lock(&d->lock);
	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	pthread_mutex_unlock(&d->lock);
	sending_free(s);
}

/* --- the alert --- */

/* labels: as drill_labels says. */
static struct json_object *alert_of(const struct sending *s, struct json_object *labels, const char *summary)
{
	struct json_object *list = json_object_new_array(), *o = json_object_new_object();
	struct json_object *annotations = json_object_new_object();
	char id[40];

	text_time(s->asked_us, id, sizeof(id));
	json_add_str(labels, "drill", id); /* last: nothing takes the mark off */
	json_add_str(annotations, "summary", summary);
	json_add_str(annotations, "description", "A drill: nothing is changed");
	json_add(o, "labels", json_object_get(labels));
	json_add(o, "annotations", annotations);
	json_add_time(o, "startsAt", s->asked_us);
	json_add_time(o, "endsAt", s->asked_us + ALERT_FOR_US);
	json_object_array_add(list, o);
	return list;
}

static void could_not_send(struct sending *s, int error)
{
	log_warn("the alert of a scheduled drill could not be sent", "rollout", s->rollout, "err", strerror(-error));
	sending_end(s);
}

static void on_answer(void *arg, const struct fetch_result *r)
{
	CLEANUP(buf_free) struct buf why = BUF(300);
	struct sending *s = arg;

	s->fetch = NULL;
	if (!answer_is_good(r)) {
		answer_failure(&why, r, TIMEOUT_US);
		log_warn("the alert of a scheduled drill was not taken by Alertmanager; it is sent again", "rollout",
		         s->rollout, "err", buf_text(&why));
	}
	sending_end(s);
}

static void send_alert(struct sending *s)
{
	static const char *const headers[] = {"Content-Type: application/json", NULL};
	CLEANUP(cleanup_free) char *url = text_format("%s/api/v2/alerts", s->settings->alertmanager_url);
	CLEANUP(cleanup_free) char *summary = drill_summary(s->asked_us);
	CLEANUP(json_cleanup) struct json_object *alert = summary ? alert_of(s, s->known->labels, summary) : NULL;
	const char *body = alert ? json_text(alert) : NULL;
	const struct fetch_spec spec = {.method = "POST",
	                                .url = url,
	                                .headers = headers,
	                                .body = body,
	                                .body_len = body ? strlen(body) : 0,
	                                .timeout_us = TIMEOUT_US,
	                                .max_body = BODY_MAX,
	                                .share = LOOP_SHARE_STUDY};
	int r = url && body ? loop_fetch(s->of->loop, &spec, on_answer, s, &s->fetch) : -ENOMEM;

	if (r < 0)
		could_not_send(s, r);
}

/* --- its labels: found once, for another fingerprint would be another drill --- */

static struct known *known_of(struct drill_sender *d, const char *rollout)
{
	struct known *k = d->known;

	while (k && strcmp(k->rollout, rollout) != 0)
		k = k->next;
	if (k)
		return k;
	k = calloc(1, sizeof(*k));
	if (!k || !(k->rollout = strdup(rollout))) {
		free(k);
		return NULL;
	}
	k->next = d->known;
	d->known = k;
	return k;
}

/* rules NULL: they are not known. */
static void send_with(struct sending *s, struct json_object *rules)
{
	const struct rollout *r = settings_rollout(s->settings, s->rollout);
	struct json_object *labels = NULL;
	int e = r ? drill_labels(s->settings, r, rules, &labels) : -ENOENT;

	if (e < 0) {
		could_not_send(s, e);
		return;
	}
	json_object_put(s->known->labels);
	s->known->labels = labels;
	s->known->asked_us = s->asked_us;
	send_alert(s);
}

static void on_rules(void *arg, const struct fetch_result *r)
{
	CLEANUP(json_cleanup) struct json_object *o = NULL;
	CLEANUP(buf_free) struct buf why = BUF(300);
	struct sending *s = arg;

	s->fetch = NULL;
	if (!answer_is_good(r) || json_parse(r->body, r->body_len, &o, NULL) < 0) {
		answer_failure(&why, r, TIMEOUT_US);
		log_warn("the rules could not be read: a scheduled drill goes by the config's matchers alone",
		         "rollout", s->rollout, "err", buf_text(&why));
	}
	send_with(s, json_obj_of(o, "data"));
}

static void send_now(void *arg)
{
	struct sending *s = arg;
	const char *base = s->settings->rules_url[0] ? s->settings->rules_url : s->settings->prometheus.url;
	CLEANUP(cleanup_free) char *url = base && base[0] ? text_format("%s/api/v1/rules?type=alert", base) : NULL;
	const struct fetch_spec spec = {.method = "GET",
	                                .url = url,
	                                .timeout_us = TIMEOUT_US,
	                                .max_body = RULES_MAX_BODY,
	                                .share = LOOP_SHARE_STUDY};

	s->known = known_of(s->of, s->rollout);
	if (!s->known)
		could_not_send(s, -ENOMEM);
	else if (s->known->asked_us == s->asked_us)
		send_alert(s);
	else if (!url || loop_fetch(s->of->loop, &spec, on_rules, s, &s->fetch) < 0)
		send_with(s, NULL);
}

void drill_send(struct drill_sender *d, struct settings *s, const char *rollout, int64_t asked_us)
{
	assert(d && s && rollout && asked_us > 0);
	struct sending *one = sending_new(d, s, rollout, asked_us);

	if (one && loop_post(d->loop, send_now, one) < 0)
		sending_end(one);
}

int drill_sender_new(struct loop *l, struct drill_sender **ret)
{
	assert(l && ret);
	struct drill_sender *d = calloc(1, sizeof(*d));

	if (!d)
		return -ENOMEM;
	d->loop = l;
	pthread_mutex_init(&d->lock, NULL);
	*ret = d;
	return 0;
}

void drill_sender_free(struct drill_sender *d)
{
	while (d && d->list) {
		struct sending *s = d->list;

		if (s->fetch)
			loop_fetch_cancel(d->loop, s->fetch);
		d->list = s->next;
		sending_free(s);
	}
	while (d && d->known) {
		struct known *k = d->known;

		d->known = k->next;
		json_object_put(k->labels);
		free(k->rollout);
		free(k);
	}
	if (d)
		pthread_mutex_destroy(&d->lock);
	free(d);
}
