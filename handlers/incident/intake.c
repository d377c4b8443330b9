#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "db/incident.h"
#include "handlers/incident/intake_private.h"
#include "handlers/incident/repeats.h"
#include "server/core/clock.h"
#include "server/core/text.h"
#include "server/core/thread.h"

/* Takes group, also when it fails. */
static struct intake *intake_new(struct settings *s, struct alert_group *group, int64_t received_us)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (!in) {
		alert_group_free(group);
		return NULL;
	}
	in->settings = settings_ref(s);
	in->group = group;
	in->received_us = received_us;
	in->routes = calloc(group->n ? group->n : 1, sizeof(*in->routes));
	return in;
}

/* --- reading --- */

struct judging {
	const struct settings *s;
	int64_t until_us;
};

static int decides(void *arg, const struct alert *a)
{
	const struct judging *j = arg;
	struct route route;

	if (a->rejected)
		return 1;
	if (clock_mono_us() > j->until_us)
		return -E2BIG;
	int r = route_alert(j->s, a, &route);
	if (r < 0)
		return r;
	r = route.heartbeat || route.playbook;
	route_free(&route);
	return r;
}

int intake_parse(const struct settings *s, const char *body, size_t len, struct alert_group **ret,
                 struct payload_fault *fault)
{
	assert(s && ret && fault);
	struct judging j = {s, clock_mono_us() + INTAKE_MATCH_S * US_PER_S};

	return alert_group_parse_judged(body, len, &(struct payload_judge) {decides, &j}, ret, fault);
}

int intake_plan(struct settings *s, struct alert_group *group, int64_t received_us, struct intake **ret)
{
	assert(s && group && ret);
	CLEANUP(intake_cleanup) struct intake *in = intake_new(s, group, received_us);

	if (!in || !in->routes)
		return -ENOMEM;
	int64_t until_us = clock_mono_us() + INTAKE_MATCH_S * US_PER_S;
	for (size_t i = 0; i < group->n; i++) {
		if (clock_mono_us() > until_us)
			return -E2BIG;
		int r = route_alert(s, &group->alerts[i], &in->routes[i]);

		if (r < 0)
			return r;
	}
	*ret = TAKE(in);
	return 0;
}

int intake_grow(void *list, size_t *cap, size_t n, size_t size)
{
	assert(list && cap && n <= *cap && size > 0);
	void **slot = list;

	if (n < *cap)
		return 0;
	size_t want = *cap ? *cap * 2 : 16;
	void *more = reallocarray(*slot, want, size);
	if (!more)
		return -ENOMEM;
	*slot = more;
	*cap = want;
	return 0;
}

static void result_free(struct intake_result *r)
{
	free(r->rollout);
	free(r->reason);
}

int intake_add_result(struct intake *in, const struct alert *a, const char *rollout, enum disposition d,
                      int64_t incident, const char *reason)
{
	assert(in && a && d > 0 && d < DISP_N && incident >= 0);
	int r = intake_grow(&in->results, &in->cap_results, in->n_results, sizeof(*in->results));

	if (r < 0)
		return r;
	struct intake_result *res = &in->results[in->n_results++];
	*res = (struct intake_result) {.starts_at_us = a->starts_at_us,
	                               .disposition = d,
	                               .incident_id = incident,
	                               .alert = (size_t)(a - in->group->alerts)};
	memcpy(res->fingerprint, a->fingerprint, sizeof(res->fingerprint));
	res->rollout = rollout && rollout[0] ? strdup(rollout) : NULL;
	res->reason = reason ? strdup(reason) : NULL;
	return 0;
}

int intake_note_id(struct id_list *l, int64_t id)
{
	assert(l && l->n <= l->cap && id > 0);
	for (size_t i = 0; i < l->n; i++)
		if (l->item[i] == id)
			return 0;
	int r = intake_grow(&l->item, &l->cap, l->n, sizeof(*l->item));

	if (r == 0)
		l->item[l->n++] = id;
	return r;
}

int intake_note_begun(struct intake *in, int64_t incident, const struct rollout *r)
{
	assert(in && incident > 0 && r && r->flags_file);
	int e = intake_grow(&in->begun, &in->cap_begun, in->n_begun, sizeof(*in->begun));

	if (e == 0)
		in->begun[in->n_begun++] = (struct begun) {incident, r};
	return e;
}

/* More than may be taken: what matches nothing is only counted, a trigger among them is told. */
static int note_left_out(struct db_tx *tx, struct intake *in)
{
	const struct alert_group *g = in->group;
	char text[200];
	struct event e = {.who = (char *)"alertmanager", .what = (char *)"alerts left out", .note = text};

	if (g->left_out_deciding)
		unseen_note(in, UNSEEN_TOO_MANY, g->left_out_name, true);
	if (!g->left_out)
		return 0;
	snprintf(text, sizeof(text), "%zu %s beyond %d in one webhook; %zu of them %s a playbook", g->left_out,
	         text_many((int64_t)g->left_out, "alert", "alerts"), PAYLOAD_ALERTS_MAX, g->left_out_deciding,
	         text_many((int64_t)g->left_out_deciding, "matches", "match"));
	return event_add(tx, &e);
}

static int note_truncated(struct db_tx *tx, struct intake *in)
{
	char text[200];
	struct event e = {.who = (char *)"alertmanager", .what = (char *)"alerts cut off", .note = text};

	if (in->group->truncated <= 0)
		return 0;
	unseen_note(in, UNSEEN_CUT, NULL, true);
	snprintf(text, sizeof(text), "%lld %s cut off by max_alerts: a trigger may be among them",
	         (long long)in->group->truncated, text_many(in->group->truncated, "alert was", "alerts were"));
	return event_add(tx, &e);
}

static int tell_more(struct db_tx *tx, const struct applied *a)
{
	char note[80];
	struct event e = {.incident_id = a->incident,
	                  .rollout = (char *)a->rollout->name,
	                  .who = (char *)"alertmanager",
	                  .what = (char *)"attached",
	                  .note = note};

	snprintf(note, sizeof(note), "%zu more %s of the same webhook", a->more,
	         text_many((int64_t)a->more, "alert", "alerts"));
	return a->more ? event_add(tx, &e) : 0;
}

/* An incident of which an alert resolved: when none fires any more, whether it is over is the engine's to find out. */
static int calm(struct db_tx *tx, int64_t id)
{
	struct incident inc = {0};
	int64_t all = 0, firing = 0;
	int r = alert_count(db_tx_conn(tx), id, &all, &firing);

	if (r < 0 || firing > 0)
		return r;
	r = incident_load(db_tx_conn(tx), id, &inc);
	inc.quiet_since_us = db_tx_now(tx);
	if (r == 0)
		r = incident_save(tx, &inc);
	incident_free(&inc);
	return r;
}

/* --- in which order --- */

struct moment {
	const struct alert *alert;
	size_t index;
	int64_t at_us;
};

/* When what an alert says was so: it ended, or it began. Without times an end counts as earlier than a beginning. */
static struct moment moment_of(const struct alert_group *g, size_t i)
{
	const struct alert *a = &g->alerts[i];
	int64_t at = a->starts_at_us;

	if (a->status == ALERT_RESOLVED)
		at = a->ends_at_us ? a->ends_at_us : a->starts_at_us;
	else if (!at)
		at = INT64_MAX;
	return (struct moment) {a, i, at};
}

static int by_alert_and_time(const void *x, const void *y)
{
	const struct moment *a = x, *b = y;
	int d = strcmp(a->alert->fingerprint, b->alert->fingerprint);

	if (d == 0)
		d = (a->at_us > b->at_us) - (a->at_us < b->at_us);
	if (d == 0)
		d = (int)a->alert->status - (int)b->alert->status;
	return d ? d : (a->index > b->index) - (a->index < b->index);
}

static int by_index(const void *x, const void *y)
{
	const size_t *a = x, *b = y;

	return (*a > *b) - (*a < *b);
}

/* The n moments are one alert's, by time: they take each other's places. */
static void place(size_t *order, const struct moment *m, size_t n)
{
	size_t *places = n > 1 ? malloc(n * sizeof(*places)) : NULL;

	for (size_t i = 0; i < n; i++)
		order[m[i].index] = m[i].index;
	if (!places)
		return;
	for (size_t i = 0; i < n; i++)
		places[i] = m[i].index;
	qsort(places, n, sizeof(*places), by_index);
	for (size_t i = 0; i < n; i++)
		order[places[i]] = m[i].index;
	free(places);
}

/* As they stand, but for one alert that comes more than once: what it says is taken in the order of its times, not of
 * the body. *ret is the caller's to free. */
static int order_of(const struct alert_group *g, size_t **ret)
{
	CLEANUP(cleanup_free) struct moment *m = calloc(g->n + 1, sizeof(*m));
	size_t *order = calloc(g->n + 1, sizeof(*order));

	if (!m || !order) {
		free(order);
		return -ENOMEM;
	}
	for (size_t i = 0; i < g->n; i++)
		m[i] = moment_of(g, i);
	if (g->n > 1)
		qsort(m, g->n, sizeof(*m), by_alert_and_time);
	for (size_t i = 0, n; i < g->n; i += n) {
		for (n = 1; i + n < g->n && !strcmp(m[i].alert->fingerprint, m[i + n].alert->fingerprint); n++)
			;
		place(order, &m[i], n);
	}
	*ret = order;
	return 0;
}

static int by_place(const void *x, const void *y)
{
	const struct intake_result *a = x, *b = y;

	if (a->alert != b->alert)
		return a->alert < b->alert ? -1 : 1;
	return (a->order > b->order) - (a->order < b->order);
}

/* The answer has the order of the body. */
static void sort_results(struct intake *in)
{
	for (size_t i = 0; i < in->n_results; i++)
		in->results[i].order = i;
	if (in->n_results > 1)
		qsort(in->results, in->n_results, sizeof(*in->results), by_place);
}

/* Nothing is left of a run that was undone. */
static void begin_anew(struct intake *in)
{
	assert(in);
	for (size_t i = 0; i < in->n_results; i++)
		result_free(&in->results[i]);
	in->n_results = in->touched.n = in->calming.n = in->n_stale = in->n_applied = in->n_copies = in->n_begun = 0;
	memset(in->unseen, 0, sizeof(in->unseen));
	in->mark.n = 0;
}

/* One webhook is one moment: what is over is judged after all its alerts, in whatever order they stand. */
int intake_record(struct db_tx *tx, struct intake *in)
{
	assert(tx && thread_may(THREAD_WRITER));
	CLEANUP(cleanup_free) size_t *order = NULL;

	assert(in->group && in->routes);
	begin_anew(in);
	int r = order_of(in->group, &order);

	if (r == 0)
		r = note_truncated(tx, in);
	if (r == 0)
		r = note_left_out(tx, in);
	for (size_t i = 0; r == 0 && i < in->group->n; i++)
		r = take_alert(tx, in, &in->group->alerts[order[i]], &in->routes[order[i]]);
	for (size_t i = 0; r == 0 && i < in->n_applied; i++)
		r = tell_more(tx, &in->applied[i]);
	for (size_t i = 0; r == 0 && i < in->calming.n; i++)
		r = calm(tx, in->calming.item[i]);
	if (r == 0)
		r = unseen_page(tx, in);
	sort_results(in);
	if (r == 0)
		in->mark = repeats_mark(in);
	return r;
}

bool intake_is_quiet(const struct intake *in)
{
	assert(in);
	bool quiet = in->touched.n == 0;

	for (size_t i = 0; i < UNSEEN_N; i++)
		quiet &= in->unseen[i].n == 0;
	return quiet;
}

bool intake_lowers(const struct intake *in)
{
	assert(in && in->group);
	for (size_t i = 0; i < in->group->n; i++) {
		const struct route *rt = &in->routes[i];

		if (in->group->alerts[i].status == ALERT_FIRING && rt->n_rollouts && rt->playbook &&
		    !rt->playbook->hold)
			return true;
	}
	return false;
}

void intake_free(struct intake *in)
{
	if (!in)
		return;
	for (size_t i = 0; in->routes && i < in->group->n; i++)
		route_free(&in->routes[i]);
	free(in->routes);
	for (size_t i = 0; i < in->n_results; i++)
		result_free(&in->results[i]);
	free(in->results);
	free(in->touched.item);
	free(in->calming.item);
	free(in->applied);
	free(in->begun);
	alert_group_free(in->group);
	settings_unref(in->settings);
	free(in);
}

void intake_cleanup(struct intake **in)
{
	intake_free(*in);
}

static void answer_one(struct buf *b, const struct intake_result *res)
{
	char at[40] = "";

	if (res->starts_at_us)
		text_time(res->starts_at_us, at, sizeof(at));
	buf_str(b, "{\"fingerprint\":");
	json_write_str(b, res->fingerprint);
	buf_str(b, ",\"starts_at\":");
	json_write_str(b, at[0] ? at : NULL);
	buf_str(b, ",\"rollout\":");
	json_write_str(b, res->rollout);
	buf_str(b, ",\"disposition\":");
	json_write_str(b, disposition_name(res->disposition));
	buf_str(b, ",\"incident\":");
	if (res->incident_id)
		buf_number(b, res->incident_id);
	else
		buf_str(b, "null");
	buf_str(b, ",\"reason\":");
	json_write_str(b, res->reason);
	buf_char(b, '}');
}

/* A tree of all results would take ten times their text. */
void intake_answer(struct buf *b, const struct intake *in)
{
	assert(b && in && in->group);
	size_t rejected = 0, i;

	for (i = 0; i < in->group->n; i++)
		rejected += in->group->alerts[i].rejected;
	buf_str(b, "{\"alerts\":");
	buf_number(b, (int64_t)in->group->n);
	buf_str(b, ",\"rejected\":");
	buf_number(b, (int64_t)rejected);
	buf_str(b, ",\"results\":[");
	for (i = 0; i < in->n_results && b->len < INTAKE_ANSWER_MAX; i++) {
		buf_str(b, i ? "," : "");
		answer_one(b, &in->results[i]);
	}
	buf_char(b, ']');
	if (i < in->n_results)
		buf_printf(b, ",\"results_left_out\":%zu", in->n_results - i);
	if (in->group->left_out)
		buf_printf(b, ",\"left_out\":%zu", in->group->left_out);
	buf_char(b, '}');
}
