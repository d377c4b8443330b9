#include "handlers/notify/notify.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/random.h>

#include "db/event.h"
#include "db/outbox.h"
#include "handlers/incident/text.h"
#include "handlers/notify/delivery.h"
#include "handlers/notify/input.h"
#include "handlers/notify/late.h"
#include "handlers/notify/program.h"
#include "server/core/clock.h"
#include "server/core/failpoint.h"
#include "server/core/log.h"
#include "server/core/metrics.h"
#include "server/core/text.h"
#include "server/core/thread.h"

#define ORDER_US                                                                                                       \
	(2 * US_PER_S) /* so long a page waits for the page before it: to come in order where both are taken           \
	                */
#define NET_US        (30 * US_PER_S) /* looks at least so often, doorbell or not */
#define SEND_US       (10 * US_PER_S)
#define GIVE_UP_US    (24 * 3600 * US_PER_S)
#define ATTEMPTS_MAX  1000 /* more than a day has at the longest pauses, whatever the clock says */
#define DUE_MAX       16   /* looked at of each channel at once */
#define ANSWER_MAX    (64 * 1024)
#define FALL_BACK_MAX (40 * 1024) /* bytes; the longest text with every character escaped is shorter */

/* On their way at the same time, and of them for one channel: a dead chat cannot hold up another, nor the pager. */
static const struct {
	size_t at_once, per_channel;
	enum loop_share share;
} lanes[] = {{8, 2, LOOP_SHARE_TELL}, {16, 4, LOOP_SHARE_PAGE}};

enum outcome { SENT, RETRIED, UNDELIVERABLE, DROPPED, OUTCOME_N }; /* order of rollbackd_notifications_total */

static const struct {
	enum message_state state;
	const char *what; /* on the timeline; NULL: not there */
} outcomes[OUTCOME_N] = {
	[SENT] = {MSG_SENT, NULL},
	[RETRIED] = {MSG_QUEUED, NULL},
	[UNDELIVERABLE] = {MSG_UNDELIVERABLE, "message undeliverable"},
	[DROPPED] = {MSG_DROPPED, "message dropped"},
};

struct sending {
	struct sending *next;
	struct notify *notify;
	struct message message;    /* owned */
	struct json_object *input; /* owned: what the program gets */
	struct lateness late;      /* when it was started */
	int64_t began_us;          /* mono */
	char *body;                /* owned: what is posted */
	struct child *child;       /* the program while it runs */
	struct loop_fetch *fetch;  /* the posting while it runs */
	struct db_job job;         /* recording the outcome */
	enum outcome outcome;
	int64_t wait_us; /* RETRIED: how long until the next try */
	char error[300];
	int result;
};

struct notify {
	struct loop *loop;
	struct db *db;
	struct db_conn *reader;
	char *exe;
	struct channels channels; /* the loop's thread */
	struct sending *sendings;
	struct loop_timer *timer;
	atomic_bool condition;
	pthread_mutex_t lock; /* guards next */
	struct channels next;
	bool has_next;
};

static void scan(struct notify *n);

static void sending_free(struct sending *s)
{
	loop_child_cancel(s->notify->loop, s->child);
	loop_fetch_cancel(s->notify->loop, s->fetch);
	message_free(&s->message);
	json_object_put(s->input);
	free(s->body);
	free(s);
}

static void sending_drop(struct sending *s)
{
	assert(s->notify->sendings);
	struct sending **at = &s->notify->sendings;

	while (*at != s)
		at = &(*at)->next;
	*at = s->next;
	sending_free(s);
}

/* --- recording the outcome --- */

static int tell_timeline(struct db_tx *tx, const struct sending *s)
{
	char text[400];
	struct event e = {.incident_id = s->message.incident_id,
	                  .rollout = s->message.rollout,
	                  .who = (char *)"rollbackd",
	                  .what = (char *)outcomes[s->outcome].what,
	                  .note = text};

	snprintf(text, sizeof(text), "channel %s, message %s: %s", s->message.channel, s->message.what, s->error);
	return event_add(tx, &e);
}

/* By what is on record now: while it was under way the clock may have been set, and its times moved with it. */
static bool is_given_up(const struct db_tx *tx, const struct message *m)
{
	return db_tx_now(tx) - m->since_us > GIVE_UP_US || m->attempts >= ATTEMPTS_MAX;
}

static int record(struct db_tx *tx, struct db_job *job)
{
	struct sending *s = (struct sending *)((char *)job - offsetof(struct sending, job));
	struct message m = {0};
	int r = outbox_load(db_tx_conn(tx), s->message.id, &m);

	assert(s->message.id > 0);
	if (r < 0 || m.state != MSG_QUEUED) {
		message_free(&m);
		return r;
	}
	m.attempts++;
	if (s->outcome == RETRIED && is_given_up(tx, &m))
		s->outcome = UNDELIVERABLE;
	m.state = outcomes[s->outcome].state;
	m.sent_at_us = s->outcome == SENT ? db_tx_now(tx) : 0;
	m.due_at_us = s->outcome == RETRIED ? db_tx_now(tx) + s->wait_us : 0;
	free(m.error);
	m.error = s->error[0] ? text_format("%s", s->error) : NULL;
	r = outbox_save(tx, &m);
	if (r == 0 && outcomes[s->outcome].what)
		r = tell_timeline(tx, s);
	message_free(&m);
	return r;
}

static void tell_log(const struct sending *s)
{
	const char *channel = s->message.channel, *what = s->message.what;

	if (s->outcome == UNDELIVERABLE)
		log_error("a message could not be delivered and is given up", "channel", channel, "what", what, "err",
		          s->error);
	else if (s->outcome == DROPPED)
		log_warn("a message is dropped", "channel", channel, "what", what, "err", s->error);
	else if (s->outcome == RETRIED)
		log_warn("a message was not taken; it will be sent again", "channel", channel, "what", what, "err",
		         s->error);
	else
		log_info("message sent", "channel", channel, "what", what, "incident", log_num(s->message.incident_id));
}

static void finish(struct sending *s);

static void on_retry_record(void *arg)
{
	finish(arg);
}

static void on_recorded(void *arg)
{
	assert(thread_may(THREAD_ENGINE));
	struct sending *s = arg;
	struct notify *n = s->notify;

	if (s->result < 0) { /* the outcome is known but not on disk: keep it, try to record it again */
		if (!loop_timer_at(n->loop, clock_mono_us() + US_PER_S, on_retry_record, s))
			abort(); /* out of memory: after the restart the message is sent once more */
		return;
	}
	metric_add(M_NOTIFICATIONS, s->outcome, 1);
	tell_log(s);
	sending_drop(s);
	scan(n);
}

static void recorded(struct db_job *job, int result)
{
	struct sending *s = (struct sending *)((char *)job - offsetof(struct sending, job));

	s->result = result;
	if (loop_post(s->notify->loop, on_recorded, s) < 0)
		abort();
}

static void finish(struct sending *s)
{
	s->job = (struct db_job) {.run = record, .done = recorded};
	int r = db_submit(s->notify->db, &s->job, DB_URGENT);

	if (r < 0 && r != -ESHUTDOWN) {
		s->result = r;
		on_recorded(s);
	}
}

static void end(struct sending *s, enum outcome o, int64_t wait_us)
{
	s->outcome = o;
	s->wait_us = wait_us;
	finish(s);
}

/* --- posting --- */

static void again_later(struct sending *s, const char *retry_after)
{
	assert(s->message.attempts >= 0);
	int64_t now = clock_wall_us();
	uint32_t random = 0;

	if (!late_is_worth_trying(&s->late)) {
		end(s, DROPPED, 0);
		return;
	}
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) < 0)
		random = (uint32_t)now;
	end(s, RETRIED, delivery_wait_us(s->message.page, s->message.attempts + 1, random, retry_after, now));
}

static void on_posted(void *arg, const struct fetch_result *r)
{
	struct sending *s = arg;

	s->fetch = NULL;
	switch (delivery_verdict(r, s->error, sizeof(s->error))) {
	case VERDICT_SENT:
		FAILPOINT(FAIL_MESSAGE_ACCEPTED);
		end(s, SENT, 0);
		break;
	case VERDICT_RETRY:
		again_later(s, r->retry_after);
		break;
	case VERDICT_REFUSED:
		end(s, UNDELIVERABLE, 0);
		break;
	}
}

struct post_headers {
	char stamp[64], signature[128], key[128];
	const char *list[6];
};

/* The receiver checks HMAC-SHA256(secret, "<timestamp>:<body>"): the timestamp keeps an old message from being
 * replayed. */
static void sign(struct post_headers *h, size_t *n, const struct channel *c, const char *body)
{
	char hex[65];
	long long now = (long long)(clock_wall_us() / US_PER_S);
	CLEANUP(cleanup_free) char *text = text_format("%lld:%s", now, body);

	if (!text || text_hmac_sha256(c->secret, strlen(c->secret), text, strlen(text), hex) < 0)
		return;
	snprintf(h->stamp, sizeof(h->stamp), "X-Rollbackd-Timestamp: %lld", now);
	snprintf(h->signature, sizeof(h->signature), "X-Rollbackd-Signature: %s", hex);
	h->list[(*n)++] = h->stamp;
	h->list[(*n)++] = h->signature;
}

static void post(struct sending *s)
{
	assert(!s->fetch && !s->child);
	const struct channel *c = channels_find(&s->notify->channels, s->message.channel);
	struct post_headers h = {.list = {"Content-Type: application/json"}};
	size_t n = 1;

	if (!c) {
		snprintf(s->error, sizeof(s->error), "the config has no channel of this name any more");
		end(s, UNDELIVERABLE, 0);
		return;
	}
	if (c->kind == CHANNEL_WEBHOOK) {
		message_key(s->notify->db, &s->message, h.key, sizeof(h.key));
		h.list[n++] = h.key;
		if (c->secret)
			sign(&h, &n, c, s->body);
	}
	struct fetch_spec spec = {.method = "POST",
	                          .url = c->url,
	                          .headers = h.list,
	                          .body = s->body,
	                          .body_len = strlen(s->body),
	                          .timeout_us = SEND_US,
	                          .max_body = ANSWER_MAX,
	                          .share = lanes[s->message.page].share};
	int r = loop_fetch(s->notify->loop, &spec, on_posted, s, &s->fetch);
	if (r < 0) {
		snprintf(s->error, sizeof(s->error), "it could not be sent: %s", strerror(-r));
		again_later(s, NULL);
	}
}

/* --- rendering --- */

/* When the program fails people still hear it, in plain words. */
static void fall_back(struct sending *s, const char *why)
{
	const struct channel *c = channels_find(&s->notify->channels, s->message.channel);

	log_error("a channel's message program failed; sending plain text", "channel", s->message.channel, "err", why);
	metric_add(M_MESSAGE_PROGRAM_FAILURES, 0, 1);
	free(s->body);
	s->body = message_plain(c ? c->kind : CHANNEL_WEBHOOK, s->input);
}

static bool is_json(const char *text, size_t len)
{
	return json_check(text, len, NULL) == 0;
}

static void on_rendered(void *arg, const struct child_result *r)
{
	struct sending *s = arg;

	s->child = NULL;
	if (r->error == 0 && r->exit_code == 0 && !r->output_lost && is_json(r->output, r->output_len))
		s->body = strdup(r->output);
	else
		fall_back(s, r->error_text && r->error_text[0] ? r->error_text
		                                               : "it took too long, died, yielded too much or no JSON");
	if (s->body)
		post(s);
	else
		abort(); /* out of memory */
}

static void render(struct sending *s)
{
	assert(!s->fetch && !s->child);
	const struct channel *c = channels_find(&s->notify->channels, s->message.channel);
	CLEANUP(cleanup_free) char *in = NULL;

	if (!c) {
		post(s); /* says what is wrong */
		return;
	}
	in = program_input(c->program, s->input);
	struct child_spec spec = program_spec(s->notify->exe, in ? in : "");
	int r = in ? loop_spawn(s->notify->loop, &spec, on_rendered, s, &s->child) : -ENOMEM;
	if (r < 0) {
		fall_back(s, strerror(-r));
		if (s->body)
			post(s);
	}
}

/* --- looking what is due --- */

static bool under_way(const struct notify *n, int64_t id)
{
	for (const struct sending *s = n->sendings; s; s = s->next)
		if (s->message.id == id)
			return true;
	return false;
}

/* Of the lane of m; of any channel: all of it. */
static size_t count_sendings(const struct notify *n, const struct message *m, bool any_channel)
{
	size_t k = 0;

	for (const struct sending *s = n->sendings; s; s = s->next)
		k += s->message.page == m->page && (any_channel || !strcmp(s->message.channel, m->channel));
	return k;
}

/* A page of the same incident has just been started: it gets a moment to arrive first. */
static bool is_behind(const struct notify *n, const struct message *m)
{
	for (const struct sending *s = n->sendings; s; s = s->next)
		if (m->page && m->incident_id && s->message.page && s->message.incident_id == m->incident_id &&
		    s->message.id < m->id && !strcmp(s->message.channel, m->channel) &&
		    clock_mono_us() - s->began_us < ORDER_US)
			return true;
	return false;
}

static int judge_lateness(struct sending *s)
{
	const struct message *m = &s->message;
	int64_t by = 0, by_page = 0, now = db_now(s->notify->db);
	int r = outbox_overtaken(s->notify->reader, m, &by, &by_page);

	s->late = (struct lateness) {.page = m->page,
	                             .waited_us = now > m->since_us ? now - m->since_us : 0,
	                             .overtaken = by != 0,
	                             .overtaken_by_page = by_page != 0};
	return r;
}

/* What has become of the incident since: NULL: it stands where it stood, or there is none. */
static char *since_then(struct sending *s)
{
	struct json_object *then = NULL;
	struct incident inc = {0};
	char *word = NULL;

	if (!s->message.incident_id || json_get_obj(s->input, "incident", &then) != 1 ||
	    incident_load(s->notify->reader, s->message.incident_id, &inc) < 0)
		return NULL;
	if (strcmp(json_str_or(then, "state", ""), incident_state_name(inc.state)) != 0)
		word = text_format("%s", message_state_word(&inc, inc.state));
	incident_free(&inc);
	for (char *at = word; at && *at; at++)
		*at = *at == '_' ? ' ' : *at;
	return word;
}

static void tell(struct sending *s)
{
	enum telling how = late_telling(&s->late);

	if (how == TELL_NOT) {
		snprintf(s->error, sizeof(s->error), "superseded: a later page about this was taken meanwhile");
		end(s, DROPPED, 0);
		return;
	}
	if (!s->message.body) {
		snprintf(s->error, sizeof(s->error), "its text is lost");
		end(s, UNDELIVERABLE, 0);
		return;
	}
	s->input = message_input(s->notify->db, &s->message);
	if (how == TELL_AS_PAST) {
		CLEANUP(cleanup_free) char *since = since_then(s);

		late_mark(s->input, s->message.queued_at_us, s->late.waited_us, since);
	}
	render(s);
}

static void start(struct notify *n, int64_t id)
{
	assert(id > 0 && !under_way(n, id));
	struct sending *s = calloc(1, sizeof(*s));

	if (!s)
		return; /* the net finds it again */
	s->notify = n;
	s->began_us = clock_mono_us();
	if (outbox_load(n->reader, id, &s->message) < 0 || s->message.state != MSG_QUEUED || judge_lateness(s) < 0) {
		message_free(&s->message);
		free(s);
		return;
	}
	s->next = n->sendings;
	n->sendings = s;
	tell(s);
}

static void on_timer(void *arg)
{
	assert(thread_may(THREAD_ENGINE));
	struct notify *n = arg;

	n->timer = NULL;
	scan(n);
}

static void arm(struct notify *n)
{
	int64_t due = 0, wait = NET_US;

	if (outbox_next_due(n->reader, &due) == 0 && due - db_now(n->db) < wait)
		wait = due - db_now(n->db);
	if (wait <= 0)
		wait = US_PER_S; /* what is due but under way, or behind another; the end of a sending scans anyway */
	loop_timer_cancel(n->loop, n->timer);
	n->timer = loop_timer_at(n->loop, clock_mono_us() + wait, on_timer, n);
}

static void take_channels(struct notify *n)
{
	pthread_mutex_lock(&n->lock);
	if (n->has_next) {
		channels_free(&n->channels);
		n->channels = n->next;
		n->next = (struct channels) {0};
		n->has_next = false;
	}
	pthread_mutex_unlock(&n->lock);
}

/* Starts what fits while no channel has more than so many under way. */
static void start_up_to(struct notify *n, const struct message_list *l, bool page, size_t per_channel)
{
	assert(per_channel > 0);
	for (size_t i = 0; i < l->n; i++) {
		const struct message *m = &l->item[i];

		if (m->page == page && !under_way(n, m->id) && !is_behind(n, m) &&
		    count_sendings(n, m, true) < lanes[page].at_once && count_sendings(n, m, false) < per_channel)
			start(n, m->id);
	}
}

static void scan(struct notify *n)
{
	struct message_list l = {0};

	take_channels(n);
	if (outbox_due(n->reader, db_now(n->db), DUE_MAX, &l) == 0)
		for (int page = 1; page >= 0; page--)
			for (size_t k = 1; k <= lanes[page].per_channel;
			     k++) /* each channel its first before any its second */
				start_up_to(n, &l, page, k);
	message_list_free(&l);
	arm(n);
}

static void on_ring(void *arg)
{
	assert(thread_may(THREAD_ENGINE));
	struct notify *n = arg;

	atomic_store(&n->condition, false);
	scan(n);
}

void notify_ring(struct notify *n)
{
	assert(n);
	if (!atomic_exchange(&n->condition, true) && loop_post(n->loop, on_ring, n) < 0)
		atomic_store(&n->condition, false); /* the net finds it */
}

void notify_set_channels(struct notify *n, struct channels *c)
{
	assert(n && c);
	pthread_mutex_lock(&n->lock);
	channels_free(&n->next);
	n->next = *c;
	n->has_next = true;
	*c = (struct channels) {0};
	pthread_mutex_unlock(&n->lock);
	notify_ring(n);
}

int notify_new(struct loop *l, struct db *db, const char *exe, struct notify **ret)
{
	assert(l && db && exe && ret);
	struct notify *n = calloc(1, sizeof(*n));

	if (!n)
		return -ENOMEM;
	n->loop = l;
	n->db = db;
	pthread_mutex_init(&n->lock, NULL);
	n->exe = strdup(exe);
	int r = n->exe ? db_reader_open(db, &n->reader) : -ENOMEM;
	if (r < 0) {
		notify_free(n);
		return r;
	}
	*ret = n;
	return 0;
}

void notify_free(struct notify *n)
{
	if (!n)
		return;
	while (n->sendings)
		sending_drop(n->sendings);
	loop_timer_cancel(n->loop, n->timer);
	channels_free(&n->channels);
	channels_free(&n->next);
	db_reader_close(n->reader);
	pthread_mutex_destroy(&n->lock);
	free(n->exe);
	free(n);
}
