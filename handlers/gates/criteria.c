#include "handlers/gates/criteria.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "server/core/clock.h"
#include "server/core/text.h"

#define POINTS     300 /* of a span, so that a week costs Prometheus no more than an hour */
#define STEP_LEAST (US_PER_S)

const char *criterion_state_name(enum criterion_state s)
{
	assert(s <= CRITERION_NOT_YET);
	static const char *const names[] = {"unknown", "holds", "fails", "not_judged_yet"};

	return names[s];
}

/* How much of `over` there is to look at. */
static int64_t span_of(const struct criterion *c, int64_t age_us)
{
	int64_t warm = age_us - c->after_us;

	return warm < c->over_us ? warm : c->over_us;
}

bool criterion_query(struct buf *b, const struct criterion *c, int64_t age_us)
{
	assert(b && c);
	int64_t span = span_of(c, age_us), step = span / POINTS > STEP_LEAST ? span / POINTS : STEP_LEAST;

	if (c->after_us && age_us < c->after_us)
		return false;
	if (!c->over_us) {
		buf_str(b, c->query);
		return true;
	}
	if (span < STEP_LEAST)
		return false;
	buf_printf(b, "%s_over_time((%s)[%lldms:%lldms])", c->is_min ? "min" : "max", c->query,
	           (long long)(span / US_PER_MS), (long long)(step / US_PER_MS));
	return true;
}

static bool too_few(const struct criterion *c, const struct prom_answer *samples, struct criterion_result *ret)
{
	char text[32];

	if (!c->samples || !c->min_samples)
		return false;
	ret->samples = prom_answer_worst(samples, true);
	if (isnan(ret->samples)) {
		snprintf(ret->why, sizeof(ret->why), "unknown: how many samples there are could not be found out: %s",
		         samples->why);
		return true;
	}
	text_double(floor(ret->samples), text, sizeof(text));
	if (ret->samples >= (double)c->min_samples)
		return false;
	snprintf(ret->why, sizeof(ret->why), "unknown: %s of %lld %s so far", text, (long long)c->min_samples,
	         text_many(c->min_samples, "sample", "samples"));
	return true;
}

static void not_yet(const struct criterion *c, int64_t age_us, struct criterion_result *ret)
{
	char left[40];

	text_duration_words(c->after_us > age_us ? c->after_us - age_us : STEP_LEAST, left, sizeof(left));
	ret->state = CRITERION_NOT_YET;
	snprintf(ret->why, sizeof(ret->why), "not judged yet: the stage is young, %s to go", left);
}

static void say_left_out(const struct prom_answer *left_out, struct criterion_result *ret)
{
	struct buf b = BUF(sizeof(ret->why) - 1);

	if (!left_out->names[0])
		return;
	buf_printf(&b, "%s; too small to be judged: %s", ret->why, left_out->names);
	snprintf(ret->why, sizeof(ret->why), "%s", buf_text(&b));
	buf_free(&b);
}

void criterion_judge(const struct criterion *c, int64_t age_us, const struct prom_answer *value,
                     const struct prom_answer *samples, const struct prom_answer *left_out,
                     struct criterion_result *ret)
{
	assert(c && value && left_out && ret);
	char v[100], bound[100];

	*ret = (struct criterion_result) {.state = CRITERION_UNKNOWN, .value = NAN, .samples = NAN};
	if (!value->asked) {
		not_yet(c, age_us, ret);
		return;
	}
	ret->value = prom_answer_worst(value, c->is_min);
	if (isnan(ret->value)) {
		snprintf(ret->why, sizeof(ret->why), "unknown: %s", value->why[0] ? value->why : "no data");
		return;
	}
	if (too_few(c, samples, ret))
		return;
	bool good = c->is_min ? ret->value >= c->bound : ret->value <= c->bound;
	text_against(ret->value, c->bound, c->unit, v, bound, sizeof(v));
	ret->state = good ? CRITERION_HOLDS : CRITERION_FAILS;
	snprintf(ret->why, sizeof(ret->why), "%s: %s, %s %s", good ? "holds" : "fails", v,
	         c->is_min ? "at least" : "at most", bound);
	say_left_out(left_out, ret);
}
