#include "alertmanager/promql_duration.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <string.h>
#include "server/core/clock.h"
#include "server/core/text.h"

#define NESTED_MAX 20
#define WORD_MAX   40

struct expression {
	const char *p, *end;
	int depth;
	bool odd;
};

static double sum(struct expression *e);

static char look(struct expression *e)
{
	while (e->p < e->end && strchr(" \t\r\n", *e->p))
		e->p++;
	return e->p < e->end ? *e->p : '\0';
}

static bool take(struct expression *e, char c)
{
	bool there = look(e) == c && c;

	e->p += there;
	return there;
}

static double fail(struct expression *e)
{
	e->odd = true;
	return 0;
}

/* Letters, digits, points, and the sign of an exponent. */
static size_t word_len(const struct expression *e)
{
	bool hex = e->end - e->p > 1 && e->p[0] == '0' && (e->p[1] | 32) == 'x';
	size_t n = 0, most = (size_t)(e->end - e->p);

	while (n < most && (isalnum((unsigned char)e->p[n]) || e->p[n] == '.' || e->p[n] == '_' ||
	                    (n && !hex && (e->p[n - 1] | 32) == 'e' && strchr("+-", e->p[n]))))
		n++;
	return n;
}

static double literal(struct expression *e)
{
	char text[WORD_MAX], *end;
	size_t n = word_len(e), out = 0;
	int64_t us;

	if (n == 0 || n >= sizeof(text))
		return fail(e);
	for (size_t i = 0; i < n; i++)
		if (e->p[i] != '_')
			text[out++] = e->p[i];
	text[out] = '\0';
	e->p += n;
	if (text_duration_parse(text, &us) == 0)
		return (double)us / US_PER_S;
	double seconds = strtod(text, &end);
	return *end || !isfinite(seconds) ? fail(e) : seconds;
}

/* min(a, b), max(a, b); step() and range() are not known here. */
static double call(struct expression *e)
{
	bool least = !strncasecmp(e->p, "min", 3), most = !strncasecmp(e->p, "max", 3);

	if ((!least && !most) || e->end - e->p < 3)
		return fail(e);
	e->p += 3;
	if (!take(e, '('))
		return fail(e);
	double a = sum(e);
	if (!take(e, ','))
		return fail(e);
	double b = sum(e);
	if (!take(e, ')'))
		return fail(e);
	return least ? fmin(a, b) : fmax(a, b);
}

static double operand(struct expression *e)
{
	double v;

	if (e->odd || ++e->depth > NESTED_MAX)
		return fail(e);
	char c = look(e);
	if (take(e, '-'))
		v = -operand(e);
	else if (take(e, '+'))
		v = operand(e);
	else if (take(e, '(')) {
		v = sum(e);
		if (!take(e, ')'))
			v = fail(e);
	} else {
		v = isalpha((unsigned char)c) ? call(e) : literal(e);
	}
	e->depth--;
	return v;
}

static double product(struct expression *e)
{
	double v = operand(e);

	for (char c = look(e); !e->odd && c && strchr("*/%", c); c = look(e)) {
		e->p++;
		double by = operand(e);
		v = c == '*' ? v * by : by == 0 ? fail(e) : c == '/' ? v / by : fmod(v, by);
	}
	return v;
}

static double sum(struct expression *e)
{
	double v = product(e);

	for (char c = look(e); !e->odd && c && strchr("+-", c); c = look(e)) {
		e->p++;
		double by = product(e);
		v = c == '+' ? v + by : v - by;
	}
	return v;
}

static int to_us(const struct expression *e, double seconds, int64_t *ret_us)
{
	if (e->odd || !(fabs(seconds) < 1e10))
		return -EINVAL;
	*ret_us = (int64_t)llround(seconds * US_PER_S);
	return 0;
}

int promql_duration(const char *p, size_t len, int64_t *ret_us)
{
	assert(p && ret_us);
	struct expression e = {.p = p, .end = p + len};
	double seconds = look(&e) ? sum(&e) : 0;

	return look(&e) ? -EINVAL : to_us(&e, seconds, ret_us);
}

int promql_duration_take(const char **p, int64_t *ret_us)
{
	assert(p && *p && ret_us);
	struct expression e = {.p = *p, .end = *p + strlen(*p)};
	int r = to_us(&e, operand(&e), ret_us);

	*p = e.p;
	return r;
}
