#include "alertmanager/rule_book.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include "server/core/clock.h"

#define DEPTH_MAX 50 /* rules that stand on rules */

/* --- reading --- */

static int64_t seconds_of(struct json_object *o, const char *key)
{
	double s = 0;

	return json_get_double(o, key, &s) == 1 && s > 0 && s < 1e9 ? (int64_t)(s * (double)US_PER_S + 0.5) : 0;
}

static int read_rule(struct json_object *o, const struct rule *of_group, struct rule_book *b)
{
	assert(b->list);
	struct rule *r = &b->list[b->n];

	*r = *of_group;
	r->at = b->n;
	r->name = json_str_or(o, "name", "");
	r->expr = json_str_or(o, "query", "");
	r->health = json_str_or(o, "health", "unknown");
	r->last_error = json_str_or(o, "lastError", "");
	r->alerting = !strcmp(json_str_or(o, "type", ""), "alerting");
	r->for_us = seconds_of(o, "duration");
	(void)json_get_obj(o, "labels", &r->labels);
	int e = promql_scan(r->expr, &r->scan);
	r->odd = e == -EINVAL;
	b->n += e != -ENOMEM;
	return e == -ENOMEM ? e : 0;
}

static int read_group(struct json_object *o, size_t number, struct rule_book *b)
{
	const struct rule of_group = {.interval_us = seconds_of(o, "interval"), .group = number};
	struct json_object *rules = NULL;
	int r = 0;

	if (json_get_arr(o, "rules", &rules) != 1)
		return 0;
	size_t n = json_object_array_length(rules);
	if (b->n + n > RULES_MAX)
		return -E2BIG;
	struct rule *list = reallocarray(b->list, b->n + n + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	b->list = list;
	for (size_t i = 0; r == 0 && i < n; i++)
		r = read_rule(json_object_array_get_idx(rules, i), &of_group, b);
	return r;
}

int rule_book_parse(const char *body, size_t len, struct rule_book *ret)
{
	assert((body || len == 0) && ret);
	struct json_object *data = NULL, *groups = NULL;
	struct rule_book b = {0};
	int r = json_parse_within(body, len, RULES_TREE_MAX, &b.root, NULL, NULL);

	if (r == 0 && (json_get_obj(b.root, "data", &data) != 1 || json_get_arr(data, "groups", &groups) != 1))
		r = -EBADMSG;
	for (size_t i = 0; r == 0 && i < json_object_array_length(groups); i++)
		r = read_group(json_object_array_get_idx(groups, i), i, &b);
	if (r < 0)
		rule_book_free(&b);
	else
		*ret = b;
	return r == -EINVAL ? -EBADMSG : r;
}

void rule_book_free(struct rule_book *b)
{
	assert(b && (b->list || b->n == 0));
	for (size_t i = 0; i < b->n; i++)
		promql_free(&b->list[i].scan);
	free(b->list);
	json_object_put(b->root);
	*b = (struct rule_book) {0};
}

/* --- what stands on what --- */

/* What is known of a rule on the way: each is looked at once, and a circle is noticed. */
struct way {
	enum { WAY_NEW, WAY_OPEN, WAY_KNOWN } state;
	int64_t span_us, eval_us; /* span -1: no way to a series that a fault moves */
	int64_t back_us;
};

struct walk {
	const struct rule_book *book;
	const struct series_names *still; /* may be NULL */
	struct series_names *leaves;      /* may be NULL */
	struct way *ways;                 /* one a rule */
	bool odd;
	int error;
};

bool series_names_has(const struct series_names *s, const char *name)
{
	assert(s && name);
	for (size_t i = 0; i < s->n; i++)
		if (!strcmp(s->list[i], name))
			return true;
	return false;
}

void series_names_free(struct series_names *s)
{
	assert(s && (s->list || s->n == 0));
	for (size_t i = 0; i < s->n; i++)
		free(s->list[i]);
	free(s->list);
	*s = (struct series_names) {0};
}

static int add_name(struct series_names *s, const char *name)
{
	assert(name);
	if (!name[0] || series_names_has(s, name))
		return 0;
	char **list = reallocarray(s->list, s->n + 1, sizeof(char *));
	if (!list)
		return -ENOMEM;
	s->list = list;
	list[s->n] = strdup(name);
	if (!list[s->n])
		return -ENOMEM;
	s->n++;
	return 0;
}

static struct way follow(struct walk *w, const struct promql *p, const struct rule *of, size_t depth);

static struct way way_of(struct walk *w, const struct rule *r, size_t depth)
{
	assert(r->at < w->book->n);
	struct way *known = &w->ways[r->at];

	if (known->state == WAY_OPEN || depth > DEPTH_MAX) {
		w->odd = true;
		return (struct way) {.span_us = -1};
	}
	if (known->state == WAY_NEW) {
		known->state = WAY_OPEN;
		w->odd = w->odd || r->odd;
		*known = follow(w, &r->scan, r, depth + 1);
		known->state = WAY_KNOWN;
	}
	return *known;
}

/* A rule that stands before of in the same group was evaluated just before it; any other up to an interval ago. */
static int64_t wait_for(const struct rule *r, const struct rule *of)
{
	return of && r->group == of->group && r->at < of->at ? 0 : r->interval_us;
}

/* The slowest way through one series; false: no rule records it. */
static bool through_rules(struct walk *w, const char *name, const struct rule *of, size_t depth, struct way *ret)
{
	bool found = false;

	*ret = (struct way) {.span_us = -1};
	for (size_t i = 0; name[0] && i < w->book->n; i++) {
		const struct rule *r = &w->book->list[i];

		if (r->alerting || strcmp(r->name, name) != 0)
			continue;
		struct way one = way_of(w, r, depth);
		one.eval_us += wait_for(r, of);
		found = true;
		ret->back_us = one.back_us > ret->back_us ? one.back_us : ret->back_us;
		if (one.span_us >= 0 && (ret->span_us < 0 || one.span_us + one.eval_us > ret->span_us + ret->eval_us)) {
			ret->span_us = one.span_us;
			ret->eval_us = one.eval_us;
		}
	}
	return found;
}

static struct way through(struct walk *w, const struct promql_selector *s, const struct rule *of, size_t depth)
{
	struct way one;

	if (!through_rules(w, s->name, of, depth, &one)) {
		one = (struct way) {.span_us = w->still && series_names_has(w->still, s->name) ? -1 : 0};
		if (w->leaves && w->error == 0)
			w->error = add_name(w->leaves, s->name);
	}
	one.back_us += s->back_us;
	if (one.span_us >= 0)
		one.span_us += s->span_us;
	return one;
}

static void slower(struct way *to, const struct way *one)
{
	if (one->span_us >= 0 && (to->span_us < 0 || one->span_us + one->eval_us > to->span_us + to->eval_us)) {
		to->span_us = one->span_us;
		to->eval_us = one->eval_us;
	}
}

/* What lies behind an offset is compared with and not waited for, unless there is nothing else. */
static struct way follow(struct walk *w, const struct promql *p, const struct rule *of, size_t depth)
{
	struct way now = {.span_us = -1}, past = {.span_us = -1};
	int64_t back = 0;

	for (size_t i = 0; i < p->n; i++) {
		struct way one = through(w, &p->list[i], of, depth);

		slower(p->list[i].shifted ? &past : &now, &one);
		back = one.back_us > back ? one.back_us : back;
	}
	if (now.span_us < 0)
		now = past;
	now.back_us = back;
	return now;
}

static int walk_from(struct walk *w, const struct promql *p, const struct rule *of, struct way *ret)
{
	w->ways = calloc(w->book->n + 1, sizeof(*w->ways));
	if (!w->ways)
		return -ENOMEM;
	*ret = follow(w, p, of, 0);
	free(w->ways);
	return w->error;
}

int rule_book_leaves(const struct rule_book *b, const struct promql *p, struct series_names *to)
{
	assert(b && p && to);
	struct walk w = {.book = b, .leaves = to};
	struct way ignored;

	return walk_from(&w, p, NULL, &ignored);
}

int rule_book_back(const struct rule_book *b, const struct promql *p, int64_t *ret_us)
{
	assert(b && p && ret_us);
	struct walk w = {.book = b};
	struct way way;
	int r = walk_from(&w, p, NULL, &way);

	if (r == 0)
		*ret_us = way.back_us;
	return r;
}

int rule_book_delay(const struct rule_book *b, const struct rule *r, const struct series_names *still,
                    struct rule_delay *ret)
{
	assert(b && r && ret);
	struct walk w = {.book = b, .still = still};
	struct way way;
	int e = walk_from(&w, &r->scan, r, &way);

	if (e == 0 && way.span_us < 0) { /* a rule about nothing but what is compared with */
		w = (struct walk) {.book = b};
		e = walk_from(&w, &r->scan, r, &way);
	}
	if (e < 0)
		return e;
	int64_t steps = r->interval_us ? (r->for_us + r->interval_us - 1) / r->interval_us : 0;
	*ret = (struct rule_delay) {.span_us = way.span_us > 0 ? way.span_us : 0,
	                            .eval_us = way.eval_us + r->interval_us,
	                            .for_us = r->interval_us ? steps * r->interval_us : r->for_us,
	                            .back_us = way.back_us + r->for_us,
	                            .odd = w.odd || r->odd};
	return 0;
}
