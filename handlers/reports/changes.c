#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/reports/private.h"
#include "server/core/text.h"

#define EVENTS_MAX 20   /* lines of one kind, unless they are of weight */
#define WEIGHT_MAX 100  /* lines of weight */
#define AT_ONCE    300  /* events asked for */
#define LOOKED_MAX 3000 /* of the span */
#define NOTE_MAX   200

/* --- what people decided --- */

static void event_line(struct report *p, const struct event *e)
{
	char at[40];

	const char *note = e->note ? e->note : "";
	bool names_itself = strstr(note, e->who) != NULL; /* "held by alice: ..." */

	text_time_words(e->at_us, at, sizeof(at));
	buf_printf(p->b, "  - %s: ", at);
	if (!names_itself)
		buf_printf(p->b, "%s, ", e->who);
	for (const char *c = names_itself ? "" : e->what; *c; c++)
		buf_char(p->b, *c == '_' ? ' ' : *c);
	buf_str(p->b, !names_itself && note[0] ? ": " : "");
	text_one_line(p->b, note, strlen(note), NOTE_MAX);
	buf_char(p->b, '\n');
}

struct event_kind {
	const char *title, *what, *word; /* word: which its note holds; NULL: any */
};

static bool is_of(const struct event *e, const struct event_kind *k, int64_t from_us)
{
	return e->at_us >= from_us && (!k->word || (e->note && strstr(e->note, k->word)));
}

/* Oldest first, the newest EVENTS_MAX of them. */
static int list_events(struct report *p, const struct event_kind *k, int64_t from_us)
{
	const struct event_filter f = {.rollout = p->r->name, .what = k->what, .limit = AT_ONCE};
	struct event_list l = {0};
	size_t n = 0, first = 0;
	int r = event_find(p->c, &f, &l);

	for (size_t i = 0; i < l.n; i++)
		if (is_of(&l.item[i], k, from_us) && n++ < EVENTS_MAX)
			first = i + 1;
	if (n)
		buf_printf(p->b, "- %s: %s%zu\n", k->title, l.n == AT_ONCE ? "at least " : "", n);
	for (size_t i = first; i-- > 0;)
		if (is_of(&l.item[i], k, from_us))
			event_line(p, &l.item[i]);
	if (n > EVENTS_MAX)
		buf_printf(p->b, "  - and %zu older\n", n - EVENTS_MAX);
	event_list_free(&l);
	return r;
}

static int list_all(struct report *p, const struct event_kind *kinds, size_t n, int64_t from_us)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < n; i++)
		r = list_events(p, &kinds[i], from_us);
	return r;
}

int report_decisions(struct report *p)
{
	assert(p && p->b && p->c);
	static const struct event_kind kinds[] = {
		{"Approvals", "approved", NULL},
		{"Forced advances", "advance", "FORCED"},
		{"Stages set past their gates", "stage_set", "FORCED"},
		{"Holds", "held", NULL},
		{"Holds ended", "resumed", NULL},
		{"Freezes", "frozen", NULL},
	};

	return list_all(p, kinds, ARRAY_LEN(kinds), 0);
}

int report_steps(struct report *p)
{
	assert(p && p->b && p->c);
	static const struct event_kind kinds[] = {{"Advances", "advance", NULL},
	                                          {"Stages set by hand", "stage_set", NULL},
	                                          {"Approvals", "approved", NULL}};

	return list_all(p, kinds, ARRAY_LEN(kinds), p->from);
}

/* --- what happened in the span --- */

/* What is counted and not listed: it recurs by itself, or each would hide the rest. */
static size_t *counter_of(struct changes *ch, const struct event *e)
{
	return !strcmp(e->what, "ticked") ? &ch->ticked : !strcmp(e->what, "overdue") ? &ch->reminded : NULL;
}

/* Incidents have lines of their own; the last page reaches farther back than the span. */
static bool is_elsewhere(const struct report *p, const struct event *e)
{
	return e->at_us < p->from || e->incident_id || !strcmp(e->what, "stage run begun");
}

/* What changed where the rollout stands or who answers for it: never left out for what merely happened. */
static bool is_of_weight(const struct event *e)
{
	static const char *const light[] = {
		"milestone",   "release notes published", "eta passed", "sees_again", "not_above", "heard",
		"flags_usable"};

	for (size_t i = 0; i < ARRAY_LEN(light); i++)
		if (!strcmp(e->what, light[i]))
			return false;
	return true;
}

/* Takes what l holds. */
static int append(struct event_list *to, struct event_list *l)
{
	struct event *more = reallocarray(to->item, to->n + l->n, sizeof(*more));

	if (!more)
		return -ENOMEM;
	to->item = more;
	memcpy(to->item + to->n, l->item, l->n * sizeof(*l->item));
	to->n += l->n;
	free(l->item);
	*l = (struct event_list) {0};
	return 0;
}

/* Newest first, until one is older than the span. */
static int look_back(const struct report *p, struct changes *ch)
{
	struct event_filter f = {.rollout = p->r->name, .limit = AT_ONCE};

	for (;;) {
		struct event_list l = {0};
		int r = event_find(p->c, &f, &l);
		bool more = r == 0 && l.n == AT_ONCE && l.item[l.n - 1].at_us >= p->from;

		f.before_id = more ? l.item[l.n - 1].id : 0;
		if (r == 0 && l.n)
			r = append(&ch->all, &l);
		event_list_free(&l);
		ch->cut = more && ch->all.n >= LOOKED_MAX;
		if (r < 0 || !more || ch->cut)
			return r;
	}
}

/* All of weight, and of the others the newest that there is room for. */
static void choose(const struct report *p, struct changes *ch, bool of_weight, size_t max)
{
	for (size_t i = 0; i < ch->all.n && ch->n_listed < max; i++) {
		const struct event *e = &ch->all.item[i];

		if (is_elsewhere(p, e) || counter_of(ch, e) || is_of_weight(e) != of_weight)
			continue;
		ch->listed[i] = true;
		ch->n_listed++;
	}
}

int report_find_changes(struct report *p, struct changes *ret)
{
	assert(p && p->c && ret);
	int r = look_back(p, ret);

	ret->listed = calloc(ret->all.n + 1, sizeof(*ret->listed));
	if (r < 0 || !ret->listed)
		return r < 0 ? r : -ENOMEM;
	for (size_t i = 0; i < ret->all.n; i++) {
		const struct event *e = &ret->all.item[i];
		size_t *count = counter_of(ret, e);

		if (!is_elsewhere(p, e))
			++*(count ? count : &ret->n);
	}
	choose(p, ret, true, WEIGHT_MAX);
	choose(p, ret, false, EVENTS_MAX);
	return 0;
}

void changes_free(struct changes *c)
{
	assert(c);
	event_list_free(&c->all);
	free(c->listed);
}

int report_changes(struct report *p)
{
	assert(p && p->b && p->c);
	struct changes ch = {0};
	int r = report_find_changes(p, &ch);

	buf_printf(p->b, "- Changes: %s%zu; items ticked: %zu, reminders: %zu\n", ch.cut ? "at least " : "", ch.n,
	           ch.ticked, ch.reminded);
	for (size_t i = ch.all.n; r == 0 && i-- > 0;)
		if (ch.listed[i])
			event_line(p, &ch.all.item[i]);
	if (ch.n > ch.n_listed)
		buf_printf(p->b, "  - and %zu older\n", ch.n - ch.n_listed);
	changes_free(&ch);
	return r;
}
