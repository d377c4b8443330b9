#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "handlers/checks/verify.h"
#include "server/core/text.h"

#define SHOWN_MAX      40 /* bytes of a wrong answer that people are shown */
#define LAGGARDS_SHOWN 3  /* instances that are named; of the others how many */
#define NAME_SHOWN_MAX 50 /* bytes of a label's value */

static void PRINTF_LIKE(3, 4) say(struct verdict *v, enum condition_status state, const char *fmt, ...)
{
	va_list ap;

	v->state = state;
	va_start(ap, fmt);
	vsnprintf(v->note, sizeof(v->note), fmt, ap);
	va_end(ap);
}

bool wanted_is_met(struct wanted t, int32_t pct)
{
	return t.at_most ? pct <= t.pct : pct == t.pct;
}

/* One answer that is a percentage. */
static void count(struct verdict *v, int32_t pct, struct wanted t)
{
	v->agree += wanted_is_met(t, pct);
	if (pct > v->seen)
		v->seen = pct;
	if (v->least < 0 || pct < v->least)
		v->least = pct;
}

static void judge_pct(int32_t pct, struct wanted t, struct verdict *ret)
{
	char is[16], should[16];

	text_pct(pct, is, sizeof(is));
	text_pct(t.pct, should, sizeof(should));
	*ret = (struct verdict) {.answers = 1, .seen = -1, .least = -1};
	count(ret, pct, t);
	if (wanted_is_met(t, pct))
		say(ret, STATUS_YES, "%s%%", is);
	else
		say(ret, STATUS_NO, "%s%%, not %s%%", is, should);
}

static void no_percentage(const char *text, size_t len, struct verdict *ret)
{
	struct buf shown = BUF(SHOWN_MAX);

	*ret = (struct verdict) {.answers = 1, .seen = -1, .least = -1, .partial = true};
	text_one_line(&shown, text, len, SHOWN_MAX);
	if (len == 0)
		say(ret, STATUS_UNKNOWN, "an empty answer");
	else
		say(ret, STATUS_UNKNOWN, "\"%s\" is no percentage", buf_text(&shown));
	buf_free(&shown);
}

void judge_value(const char *text, size_t len, struct wanted t, struct verdict *ret)
{
	assert((text || len == 0) && ret);
	int32_t pct;

	if (text_pct_parse(text, len, &pct) == 0)
		judge_pct(pct, t, ret);
	else
		no_percentage(text, len, ret);
}

void judge_json(struct json_object *value, struct wanted t, struct verdict *ret)
{
	assert(ret);
	enum json_type type = json_object_get_type(value);
	int32_t pct;

	if (type == json_type_string) {
		judge_value(json_object_get_string(value), (size_t)json_object_get_string_len(value), t, ret);
		return;
	}
	if ((type == json_type_int || type == json_type_double) &&
	    text_pct_from_double(json_object_get_double(value), &pct) == 0) {
		judge_pct(pct, t, ret);
		return;
	}
	const char *text = value ? json_text(value) : "nothing at that place";
	no_percentage(text, strlen(text), ret);
}

/* Percentages are counted; what is none is remembered as trouble. */
static void count_samples(const struct prom_vector *v, struct wanted t, struct verdict *ret, const double **ret_trouble)
{
	for (size_t i = 0; i < v->n; i++) {
		int32_t pct;

		if (text_pct_from_double(v->samples[i].value, &pct) == 0)
			count(ret, pct, t);
		else
			*ret_trouble = &v->samples[i].value;
	}
}

/* --- who lags --- */

static const char *label(const struct prom_sample *s, const char *name)
{
	struct json_object *v = NULL;

	return s->metric && json_object_object_get_ex(s->metric, name, &v) ? json_object_get_string(v) : NULL;
}

/* Does this label tell the sample from every other one? */
static bool identifies(const struct prom_vector *v, const struct prom_sample *s, const char *name)
{
	const char *mine = label(s, name);

	for (size_t i = 0; mine && i < v->n; i++) {
		const char *other = &v->samples[i] == s ? NULL : label(&v->samples[i], name);

		if (other && !strcmp(other, mine))
			return false;
	}
	return mine != NULL;
}

static void add_label(struct buf *b, const char *name, const char *value)
{
	buf_printf(b, "%s=\"", name);
	text_one_line(b, value, strlen(value), NAME_SHOWN_MAX);
	buf_char(b, '"');
}

/* As people call it: by the pod or the instance where that is enough, else by all its labels. */
static void add_name(struct buf *b, const struct prom_vector *v, const struct prom_sample *s)
{
	static const char *const usual[] = {"pod", "instance", "host", "node"};
	int n = 0;

	for (size_t i = 0; i < ARRAY_LEN(usual); i++)
		if (identifies(v, s, usual[i])) {
			add_label(b, usual[i], label(s, usual[i]));
			return;
		}
	json_object_object_foreach(s->metric, name, value)
	{
		if (!strcmp(name, "__name__") || !strcmp(name, "job"))
			continue;
		buf_str(b, n++ ? " " : "");
		add_label(b, name, json_object_get_string(value));
	}
}

/* The highest percentage below so much that is another one than wanted; -1: none is. */
static int32_t not_wanted(const struct prom_vector *v, struct wanted t, int32_t below)
{
	int32_t highest = -1;

	for (size_t i = 0; i < v->n; i++) {
		int32_t pct;

		if (text_pct_from_double(v->samples[i].value, &pct) == 0 && !wanted_is_met(t, pct) && pct > highest &&
		    pct < below)
			highest = pct;
	}
	return highest;
}

/* "; at 25%: pod="web-7", pod="web-8"": of those that are at pct as many as there is room for. Returns how many are. */
static size_t add_laggards(struct buf *b, const struct prom_vector *v, int32_t pct, size_t *shown)
{
	size_t n = 0, here = 0;
	char at[16];

	text_pct(pct, at, sizeof(at));
	for (size_t i = 0; i < v->n; i++) {
		int32_t is;

		if (text_pct_from_double(v->samples[i].value, &is) < 0 || is != pct)
			continue;
		n++;
		if (*shown == LAGGARDS_SHOWN)
			continue;
		if (here++ == 0)
			buf_printf(b, "; at %s%%", at);
		if (v->samples[i].metric) { /* a scalar has no name */
			buf_str(b, here == 1 ? ": " : ", ");
			add_name(b, v, &v->samples[i]);
		}
		(*shown)++;
	}
	return n;
}

static void say_laggards(struct verdict *ret, const struct prom_vector *v, struct wanted t)
{
	struct buf b = BUF(sizeof(ret->note) - 1);
	size_t shown = 0, all = 0;
	char should[16];

	text_pct(t.pct, should, sizeof(should));
	buf_printf(&b, "%zu of %zu at %s%%", ret->agree, ret->answers, should);
	for (int32_t pct = INT32_MAX; (pct = not_wanted(v, t, pct)) >= 0;)
		all += add_laggards(&b, v, pct, &shown);
	if (all > shown)
		buf_printf(&b, " and %zu more", all - shown);
	say(ret, STATUS_NO, "%s", buf_text(&b));
	buf_free(&b);
}

void judge_prometheus(const struct prom_vector *v, int64_t instances, struct wanted t, struct verdict *ret)
{
	assert(v && ret);
	const double *trouble = NULL;
	char should[16], odd[32];

	*ret = (struct verdict) {.answers = v->n ? v->n : 1, .seen = -1, .least = -1};
	count_samples(v, t, ret, &trouble);
	text_pct(t.pct, should, sizeof(should));
	if (instances >= 0 && (size_t)instances > ret->answers)
		ret->answers = (size_t)instances;
	ret->partial = trouble || v->n == 0 || (instances >= 0 && v->n != (size_t)instances);
	if (not_wanted(v, t, INT32_MAX) >= 0) {
		say_laggards(ret, v, t);
	} else if (trouble) {
		text_double(*trouble, odd, sizeof(odd));
		say(ret, STATUS_UNKNOWN, "%s is no percentage", odd);
	} else if (v->n == 0) {
		say(ret, STATUS_UNKNOWN, "no data");
	} else if (instances >= 0 && v->n != (size_t)instances) {
		say(ret, STATUS_UNKNOWN, "%zu %s, but %lld %s", v->n, text_many((int64_t)v->n, "answer", "answers"),
		    (long long)instances, text_many(instances, "instance", "instances"));
	} else {
		say(ret, STATUS_YES, "%zu of %zu at %s%%", ret->agree, ret->answers, should);
	}
}

void judge_all(const struct verdict *v, size_t n, struct verdict *ret)
{
	assert((v || n == 0) && ret);
	const struct verdict *worst = NULL;
	bool open = false,
	     old = true; /* somebody has not answered; none of them for another reason than want of youth */

	*ret = (struct verdict) {.seen = -1, .least = -1, .partial = n == 0};
	for (size_t i = 0; i < n; i++) {
		ret->agree += v[i].agree;
		ret->answers += v[i].answers;
		if (v[i].seen > ret->seen)
			ret->seen = v[i].seen;
		if (v[i].least >= 0 && (ret->least < 0 || v[i].least < ret->least))
			ret->least = v[i].least;
		ret->partial |= v[i].partial;
		if (v[i].partial || v[i].state == STATUS_UNKNOWN) {
			open = true;
			old &= v[i].stale;
		}
		if (v[i].state == STATUS_NO && (!worst || worst->state != STATUS_NO))
			worst = &v[i];
		if (v[i].state == STATUS_UNKNOWN &&
		    (!worst || (worst->state == STATUS_UNKNOWN && worst->stale && !v[i].stale)))
			worst = &v[i];
	}
	if (n == 0)
		say(ret, STATUS_UNKNOWN, "no checks are configured");
	else if (!worst)
		say(ret, STATUS_YES, "%zu of %zu", ret->agree, ret->answers);
	else if (n == 1)
		say(ret, worst->state, "%s", worst->note);
	else
		say(ret, worst->state, "%zu of %zu; %.250s", ret->agree, ret->answers, worst->note);
	ret->stale = open && old;
}
