#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "server/core/text.h"
#include "server/ctl/doctor/doctor.h"

static struct inhibition_side side_of(const struct doctor_alert *a)
{
	return (struct inhibition_side) {a->labels, a->n, label_may_come_from_series, (void *)a};
}

/* The alert rule that surely hides it; else one that may (*ret_sure false); NULL: none is known. */
static const struct rule *hider_of(const struct inhibition *i, const struct doctor_alert *a, bool *ret_sure)
{
	const struct doctor_facts *d = a->facts;
	const struct inhibition_side target = side_of(a);
	const struct rule *best = NULL;

	*ret_sure = false;
	for (size_t k = 0; k < d->book.n && !*ret_sure; k++) {
		struct doctor_alert other = {0};

		if (!d->book.list[k].alerting || doctor_alert_init(&other, d, &d->book.list[k]) < 0)
			continue;
		const struct inhibition_side source = side_of(&other);
		enum matchers_result say = inhibition_hides(i, &source, &target);
		doctor_alert_free(&other);
		*ret_sure = say == MATCHERS_YES;
		if (*ret_sure || (say == MATCHERS_MAYBE && !best))
			best = &d->book.list[k];
	}
	return best;
}

static void matchers_text(const struct config_matchers *m, struct buf *b)
{
	for (size_t i = 0; i < m->read.n; i++)
		buf_printf(b, "%s%s", i ? ", " : "", matcher_text(m->read.list[i]));
	if (m->odd)
		buf_printf(b, "%s%s", m->read.n ? ", " : "", m->odd);
}

/* Which rule of the config it is, by its two sides. */
static void inhibition_text(const struct inhibition *i, struct buf *b)
{
	buf_str(b, "{");
	matchers_text(&i->source, b);
	buf_str(b, "} hides {");
	matchers_text(&i->target, b);
	buf_str(b, "}");
	for (size_t k = 0; k < json_len(i->equal); k++)
		buf_printf(b, "%s%s", k ? ", " : " with the same ", json_object_get_string(json_item(i->equal, k)));
}

void judge_inhibitions(const struct doctor_alert *a, struct findings *f)
{
	assert(a && a->facts && f);
	const struct inhibitions *all = &a->facts->inhibitions;
	const struct inhibition_side target = side_of(a);
	const char *rule = a->rule->name;

	for (size_t i = 0; i < all->n; i++) {
		CLEANUP(buf_free) struct buf text = BUF(1000);
		enum matchers_result about = inhibition_is_about(&all->list[i], &target);
		bool sure = false;

		if (about == MATCHERS_NO)
			continue;
		const struct rule *hider = hider_of(&all->list[i], a, &sure);
		inhibition_text(&all->list[i], &text);
		if (sure)
			found(f, FOUND_BAD, rule, "route",
			      "is hidden while %s fires: nothing reaches rollbackd meanwhile (inhibit_rules: %s)",
			      hider->name, buf_text(&text));
		else if (hider)
			found(f, FOUND_UNKNOWN, rule, "route",
			      "may be hidden while %s fires: that depends on labels which the rules do not set "
			      "(inhibit_rules: %s)",
			      hider->name, buf_text(&text));
		else if (about == MATCHERS_YES)
			found(f, FOUND_NOTE, rule, "route",
			      "could be hidden by an alert that no rule here has: what fires elsewhere takes it away "
			      "(inhibit_rules: %s)",
			      buf_text(&text));
	}
}
