#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "handlers/plan/reconcile.h"
#include "server/core/clock.h"
#include "server/core/text.h"

/* An alert that fires in Prometheus and has not come, from when that was first seen until it was no more. */
struct episode_unheard {
	int64_t fingerprint, since, told; /* fingerprint 0: nobody's; told 0: not yet */
};
struct hearing {
	struct episode_unheard list[UNHEARD_MAX];
};

static const char *number(size_t i)
{
	static const char *const names[UNHEARD_MAX] = {"0", "1", "2", "3", "4", "5", "6", "7"};

	return names[i];
}

static void load(const struct reconcile *l, struct hearing *h)
{
	for (size_t i = 0; i < UNHEARD_MAX; i++)
		h->list[i] = (struct episode_unheard) {.fingerprint = reconcile_mark(l, "unheard", number(i)),
		                                       .since = reconcile_mark(l, "unheard_since", number(i)),
		                                       .told = reconcile_mark(l, "unheard_told", number(i))};
}

static int save(const struct reconcile *l, const struct hearing *h, const struct hearing *before)
{
	bool any = false;
	int r = 0;

	for (size_t i = 0; r == 0 && i < UNHEARD_MAX; i++) {
		const struct episode_unheard *e = &h->list[i];

		any = any || e->fingerprint;
		if (!memcmp(e, &before->list[i], sizeof(*e)))
			continue;
		r = reconcile_set_mark(l, "unheard", number(i), e->fingerprint);
		if (r == 0)
			r = reconcile_set_mark(l, "unheard_since", number(i), e->since);
		if (r == 0)
			r = reconcile_set_mark(l, "unheard_told", number(i), e->told);
	}
	return r == 0 && any != (reconcile_mark(l, "unheard_any", NULL) != 0)
	               ? reconcile_set_mark(l, "unheard_any", NULL, any)
	               : r;
}

static const struct unheard_alert *alert_of(const struct unheard *u, int64_t fingerprint)
{
	for (size_t i = 0; fingerprint && i < u->n && i < UNHEARD_MAX; i++)
		if ((int64_t)u->list[i].fingerprint == fingerprint)
			return &u->list[i];
	return NULL;
}

static struct episode_unheard *episode_of(struct hearing *h, int64_t fingerprint)
{
	for (size_t i = 0; i < UNHEARD_MAX; i++)
		if (h->list[i].fingerprint == fingerprint)
			return &h->list[i];
	return NULL;
}

/* How many of those that were told have come, or are over. Of more than are told apart nobody knows. */
static size_t end_episodes(const struct unheard *u, struct hearing *h)
{
	size_t ended = 0;

	for (size_t i = 0; u->n <= UNHEARD_MAX && i < UNHEARD_MAX; i++) {
		struct episode_unheard *e = &h->list[i];

		if (!e->fingerprint || alert_of(u, e->fingerprint))
			continue;
		ended += e->told != 0;
		*e = (struct episode_unheard) {0};
	}
	return ended;
}

static void begin_episodes(const struct reconcile *l, const struct unheard *u, struct hearing *h)
{
	for (size_t i = 0; i < u->n && i < UNHEARD_MAX; i++) {
		int64_t fingerprint = (int64_t)u->list[i].fingerprint;
		struct episode_unheard *e = episode_of(h, fingerprint), *room = episode_of(h, 0);

		if (!e && room)
			*room = (struct episode_unheard) {fingerprint, l->now, 0};
		else if (e && e->since > l->now) /* the clock was set back */
			e->since = l->now;
	}
}

static int tell(const struct reconcile *l, const struct unheard_alert *first, int64_t since, size_t more)
{
	char span[40], others[40] = "";

	text_duration_words(l->now - since, span, sizeof(span));
	if (more)
		snprintf(others, sizeof(others), " and %zu more", more);
	CLEANUP(cleanup_free)
	char *text = text_format(
		"NOT HEARD: %s%s fires in Prometheus for %s and does not come here: %s. Nothing was rolled "
		"back. More: rollbackctl doctor. Roll back by hand: rollbackctl rollback %s --stage current",
		first->name, others, span,
		first->obstacle[0] ? first->obstacle
				   : "a silence, an inhibition or a route of Alertmanager is in the way, or "
				     "it is down",
		l->r->name);
	return text ? reconcile_announce(l, ANNOUNCE_UNHEARD, text) : -ENOMEM;
}

/* So long as detection may take it may be on its way. */
static int tell_due(const struct reconcile *l, const struct unheard *u, struct hearing *h)
{
	const struct unheard_alert *first = NULL;
	int64_t since = 0;
	size_t n = 0;

	for (size_t i = 0; i < UNHEARD_MAX; i++) {
		struct episode_unheard *e = &h->list[i];
		const struct unheard_alert *a = alert_of(u, e->fingerprint);

		if (!a || e->told || l->now - e->since < l->s->sla.detection_us)
			continue;
		if (!n++) {
			first = a;
			since = e->since;
		}
		e->told = l->now;
	}
	return n ? tell(l, first, since, n - 1 + (u->n > UNHEARD_MAX ? u->n - UNHEARD_MAX : 0)) : 0;
}

static int tell_ended(const struct reconcile *l, size_t ended, size_t left)
{
	char rest[80] = "";

	if (!ended)
		return 0;
	if (left)
		snprintf(rest, sizeof(rest), "; %zu still %s not come", left, text_many((int64_t)left, "does", "do"));
	CLEANUP(cleanup_free)
	char *text = text_format("what fired in Prometheus and did not come here has come, or is over%s", rest);
	return text ? reconcile_announce(l, ANNOUNCE_HEARD, text) : -ENOMEM;
}

int reconcile_hear(const struct reconcile *l)
{
	assert(l && l->ev);
	const struct unheard *u = &l->ev->unheard;
	struct hearing h = {0}, before;

	if (!l->ev->heard || (!u->n && !reconcile_mark(l, "unheard_any", NULL)))
		return 0;
	load(l, &h);
	before = h;
	size_t ended = end_episodes(u, &h);
	begin_episodes(l, u, &h);
	int r = tell_ended(l, ended, u->n);
	if (r == 0)
		r = tell_due(l, u, &h);
	return r < 0 ? r : save(l, &h, &before);
}
