#include "handlers/readiness/drill_schedule.h"

#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "db/event.h"
#include "db/incident.h"
#include "db/outbox.h"
#include "handlers/incident/drill.h"
#include "handlers/readiness/marks.h"
#include "server/core/clock.h"
#include "server/core/text.h"

#define HOUR_US    (3600 * US_PER_S)
#define DAY_US     (24 * HOUR_US)
#define PUT_OFF_US HOUR_US          /* so long a drill waits for a quiet time; then the next one comes */
#define ARRIVE_US  (120 * US_PER_S) /* as rollbackctl drill: the whole detection budget */
#define CHAT_US    (60 * US_PER_S)  /* as rollbackctl drill */
#define BACK_US    (8 * DAY_US)     /* what fell due while rollbackd was down is known so far back */
#define SEARCH_MAX 5                /* drills since it was asked for: those of people may be among them */

struct schedule {
	struct db_tx *tx;
	const struct settings *s;
	const struct rollout *r;
	int64_t now;
};

char *drill_summary(int64_t asked_us)
{
	char at[40];

	text_time(asked_us, at, sizeof(at));
	return text_format("Scheduled drill of %s", at);
}

void drill_standing_load(struct db_conn *c, const struct rollout *r, struct drill_standing *ret)
{
	assert(c && r && ret);
	*ret = (struct drill_standing) {mark_get(c, r, DRILL_PASSED_MARK), mark_get(c, r, DRILL_FAILED_MARK)};
}

int drill_standing_of(const struct drill_standing *d)
{
	assert(d);
	return d->passed_us > d->failed_us ? 1 : d->failed_us ? 0 : -1;
}

static int note(const struct schedule *d, const char *what, const char *text)
{
	struct event e = {
		.rollout = (char *)d->r->name, .who = (char *)"rollbackd", .what = (char *)what, .note = (char *)text};

	return event_add(d->tx, &e);
}

/* --- its end --- */

static int over(const struct schedule *d, const char *what, const char *text)
{
	int r = note(d, what, text);

	return r < 0 ? r : mark_set(d->tx, d->r, "drill_asked", 0);
}

/* paged: its incident has told it already. */
static int failed(const struct schedule *d, const char *why, bool paged)
{
	CLEANUP(cleanup_free)
	char *text = text_format(
		"THE SCHEDULED DRILL FAILED: %s. A real rollback might fail, too. Mend it, then: rollbackctl "
		"drill %s",
		why, d->r->name);
	int r = text ? 0 : -ENOMEM;

	if (r == 0 && !paged)
		r = readiness_announce(d->tx, d->s, d->r, ANNOUNCE_SCHEDULED_DRILL_FAILED, text);
	if (r == 0)
		r = mark_set(d->tx, d->r, DRILL_FAILED_MARK, d->now);
	return r < 0 ? r : over(d, "scheduled_drill_failed", why);
}

/* The message that was not taken. 1: there is one, and waiting is of no use any more; 0: all were; -EAGAIN: it may
 * still be. */
static int untaken(const struct schedule *d, const struct incident *inc, char *why, size_t size)
{
	struct message_list l = {0};
	int r = outbox_of_incident(db_tx_conn(d->tx), inc->id, &l);

	for (size_t i = 0; r == 0 && i < l.n; i++) {
		const struct message *m = &l.item[i];

		if (m->state == MSG_UNDELIVERABLE || m->state == MSG_QUEUED) {
			bool gave_up = m->state == MSG_UNDELIVERABLE || d->now - inc->resolved_at_us > CHAT_US;

			snprintf(why, size, "its message to %.100s was not taken: %.200s", m->channel,
			         m->error ? m->error : "it is still queued");
			r = gave_up ? 1 : -EAGAIN;
		}
	}
	message_list_free(&l);
	return r;
}

static int passed(const struct schedule *d, const struct incident *inc)
{
	char why[400];
	int r = untaken(d, inc, why, sizeof(why));

	if (r == -EAGAIN)
		return 0;
	if (r != 0)
		return r < 0 ? r : failed(d, why, false);
	snprintf(why, sizeof(why), "drill %lld", (long long)inc->id);
	return over(d, "scheduled_drill_passed", why);
}

static int ended(const struct schedule *d, const struct incident *inc)
{
	char why[100];

	if (drill_passed(inc))
		return passed(d, inc);
	snprintf(why, sizeof(why), "drill %lld: %s", (long long)inc->id, incident_state_name(inc->state));
	if (inc->state == INC_CANCELLED) /* something real took its place */
		return over(d, "scheduled_drill_called_off", why);
	return inc->state == INC_FAILED || !incident_is_open(inc->state) ? failed(d, why, true) : 0;
}

/* 1: its incident, for the caller to free. 0: it has not come. */
static int find(const struct schedule *d, int64_t asked, struct incident *ret)
{
	const struct incident_filter f = {
		.rollout = d->r->name, .kind = KIND_DRILL, .since_us = asked - US_PER_S, .limit = SEARCH_MAX};
	CLEANUP(cleanup_free) char *summary = drill_summary(asked);
	struct incident_list l = {0};
	int r = summary ? incident_find(db_tx_conn(d->tx), &f, &l) : -ENOMEM;

	for (size_t i = 0; r == 0 && i < l.n; i++)
		if (!strcmp(l.item[i].summary, summary)) {
			*ret = l.item[i];
			l.item[i] = (struct incident) {0};
			r = 1;
		}
	incident_list_free(&l);
	return r;
}

/* Its alert came, and met something real. 1, or 0: nothing is known of that; -errno. */
static int is_refused(const struct schedule *d, int64_t asked, char *why, size_t size)
{
	const struct event_filter f = {.rollout = d->r->name, .what = DRILL_REFUSED, .limit = 1};
	struct event_list l = {0};
	int r = event_find(db_tx_conn(d->tx), &f, &l);

	if (r == 0 && l.n && l.item[0].at_us >= asked) {
		snprintf(why, size, "%s", l.item[0].note ? l.item[0].note : "");
		r = 1;
	}
	event_list_free(&l);
	return r;
}

static int not_there(const struct schedule *d, int64_t asked, int64_t *ret_asked)
{
	char why[300];
	int r = is_refused(d, asked, why, sizeof(why));

	if (r == 1)
		return over(d, "scheduled_drill_called_off", why);
	if (r == 0 && d->now - asked > ARRIVE_US)
		return failed(d,
		              "its alert did not come here through Alertmanager within 2 minutes (rollbackctl doctor)",
		              false);
	if (r == 0)
		*ret_asked = asked;
	return r;
}

static int follow(const struct schedule *d, int64_t asked, int64_t *ret_asked)
{
	struct incident inc = {0};
	int r = find(d, asked, &inc);

	if (r == 1)
		r = ended(d, &inc);
	else if (r == 0)
		r = not_there(d, asked, ret_asked);
	incident_free(&inc);
	return r;
}

/* --- its beginning --- */

static int leave_out(const struct schedule *d, const char *why)
{
	int r = note(d, "scheduled_drill_left_out", why);

	return r < 0 ? r : mark_set(d->tx, d->r, "drill_considered", d->now);
}

static int begin(const struct schedule *d, int64_t *ret_asked)
{
	int r = note(d, "scheduled_drill", "through Alertmanager");

	if (r == 0)
		r = mark_set(d->tx, d->r, "drill_considered", d->now);
	if (r == 0)
		r = mark_set(d->tx, d->r, "drill_asked", d->now);
	if (r == 0)
		*ret_asked = d->now;
	return r;
}

static int consider(const struct schedule *d, const char *not_now, int64_t *ret_asked)
{
	const struct calendar *when = &d->r->drill.when;
	int64_t before = mark_get(db_tx_conn(d->tx), d->r, "drill_considered");

	/* Never: the first one comes at its next time. In the future: the clock was wrong. */
	if (!before || before > d->now + DAY_US)
		return mark_set(d->tx, d->r, "drill_considered", d->now);
	int64_t due = calendar_last_us(when, d->now, d->now - before < BACK_US ? d->now - before : BACK_US);
	if (!due)
		return 0;
	if (when->suspend)
		return leave_out(d, "drills are suspended (drill.suspend)");
	if (d->now - due > PUT_OFF_US)
		return leave_out(d, not_now ? not_now : "rollbackd did not run at its time");
	return not_now ? 0 : begin(d, ret_asked);
}

int drill_schedule(struct db_tx *tx, const struct settings *s, const struct rollout *r, const char *not_now,
                   int64_t *ret_asked)
{
	assert(tx && s && r && ret_asked);
	const struct schedule d = {tx, s, r, db_tx_now(tx)};
	int64_t asked = mark_get(db_tx_conn(tx), r, "drill_asked");

	if (asked)
		return follow(&d, asked, ret_asked);
	return r->drill.when.cron ? consider(&d, not_now, ret_asked) : 0;
}
