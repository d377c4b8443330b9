#include "handlers/engine/engine_private.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "db/alert.h"
#include "handlers/checks/activity.h"
#include "handlers/incident/over.h"
#include "handlers/settings/current.h"
#include "server/core/clock.h"
#include "server/core/log.h"

#define PENDING_AGAIN_US (5 * US_PER_S)  /* a rollback waits for the answer */
#define QUIET_AGAIN_US   (60 * US_PER_S) /* an incident's end is in no hurry */

/* What the incident would do if its alerts are over; 0: nothing. */
static int event_of(const struct open_incident *l)
{
	if (!l->inc.quiet_since_us)
		return 0;
	if (machine_edge(l->inc.state, EV_CALM))
		return EV_CALM;
	bool open = followup_is_open(l) || incident_symptom_persists(&l->inc);
	return machine_edge(l->inc.state, EV_QUIET) && !open ? EV_QUIET : 0;
}

int64_t calm_wake(struct open_incident *l)
{
	assert(l);
	int ev = l->slot[SLOT_CALM].busy ? 0 : event_of(l);

	if (!ev)
		return 0;
	if (l->calm.since_us != l->inc.quiet_since_us) /* another calm than the one that was asked about */
		l->calm = (struct calm) {.since_us = l->inc.quiet_since_us};
	int64_t at = ev == EV_QUIET
	                     ? deadline_mono(l->engine, &l->quiet, l->inc.quiet_since_us + l->plan->limits.quiet_us)
	                     : 1;

	return at > l->calm.again_us ? at : l->calm.again_us;
}

static void drop_question(struct open_incident *l, struct slot *s)
{
	(void)l;
	activity_cancel(s->handle);
}

/* Said once: a question that is repeated says no more. */
static void doubt(struct open_incident *l, struct slot *s, enum activity a, const char *why)
{
	bool pending = s->ch.event == EV_CALM;

	log_warn(pending ? "a rollback goes on waiting though its alerts resolved"
	                 : "an incident stays open though its alerts resolved",
	         "incident", log_num(l->id), "err", why);
	s->ch.kind = CHANGE_DOUBT;
	s->ch.text = text_format("every alert resolved, but %s%s",
	                         a == ACTIVITY_ACTIVE ? "" : "whether it is over is unknown: ", why);
	l->calm.doubted = s->ready = true;
}

static void on_activity(void *arg, enum activity a, const char *why)
{
	struct open_incident *l = arg;
	struct slot *s = &l->slot[SLOT_CALM];
	/* Without anybody to ask, alerts that stay resolved for long enough end an incident; they call no rollback off.
	 */
	bool over = a == ACTIVITY_OVER || (a == ACTIVITY_NOBODY && s->ch.event == EV_QUIET);

	assert(s->busy && !s->ready);
	s->busy = false;
	s->handle = NULL;
	l->calm.again_us = clock_mono_us() + (s->ch.event == EV_CALM ? PENDING_AGAIN_US : QUIET_AGAIN_US);
	if (over) {
		log_info("an incident's alerts are over", "incident", log_num(l->id), "err", why);
		if (s->ch.event == EV_CALM)
			s->ch.text = strdup("every alert resolved before its time came");
		s->ready = true;
	} else if (!l->calm.doubted) {
		doubt(l, s, a, why);
	}
	engine_advance(l);
}

bool calm_ask(struct open_incident *l)
{
	struct slot *s = &l->slot[SLOT_CALM];
	int64_t at = calm_wake(l);
	char *labels[ACTIVITY_ALERTS_MAX + 1];
	struct activity_question *q = NULL;

	if (!at || clock_mono_us() < at)
		return false;
	int n = alert_labels_of_incident(l->engine->reader, l->id, labels, ACTIVITY_ALERTS_MAX + 1);
	CLEANUP(settings_cleanup) struct settings *settings = current_settings();
	int r = n < 0 ? n : activity_start(l->engine->o.loop, settings, labels, (size_t)n, on_activity, l, &q);

	for (int i = 0; i < n; i++)
		free(labels[i]);
	l->calm.again_us = clock_mono_us() + PENDING_AGAIN_US;
	if (r < 0) {
		log_error("whether an incident's alerts are over could not be asked", "incident", log_num(l->id), "err",
		          strerror(-r));
		return false;
	}
	change_clear(&s->ch);
	s->ch = (struct change) {.kind = CHANGE_EVENT,
	                         .event = (enum incident_event)event_of(l),
	                         .calm_since_us = l->inc.quiet_since_us};
	s->busy = true;
	s->handle = q;
	s->drop = drop_question;
	return false;
}
