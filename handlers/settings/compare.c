#include "handlers/settings/settings.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "handlers/settings/settings_private.h"

static const double usual_quantiles[] = {0.5, 0.95, 0.99};

/* As words, because the table of keys has no list of numbers. */
static int read_quantiles(struct json_object *o, struct compare_metric *m)
{
	struct json_object *list;
	size_t n = list_of(o, "quantiles", &list), all = n ? n : ARRAY_LEN(usual_quantiles);

	m->quantiles = array_of(all, sizeof(*m->quantiles));
	if (!m->quantiles)
		return -ENOMEM;
	for (; m->n_quantiles < all; m->n_quantiles++)
		m->quantiles[m->n_quantiles] =
			n ? strtod(json_object_get_string(json_object_array_get_idx(list, m->n_quantiles)), NULL)
			  : usual_quantiles[m->n_quantiles];
	return 0;
}

static struct compare_queries counts_of(struct json_object *o, const char *side)
{
	struct json_object *s = section_of(o, side);

	return (struct compare_queries) {str(s, "events"), str(s, "bad")};
}

static int read_metric(struct json_object *o, struct compare_metric *m)
{
	struct json_object *errors = section_of(o, "errors"), *histogram = section_of(o, "histogram");
	struct json_object *one = errors ? errors : histogram ? histogram : section_of(o, "value");

	m->name = str(o, "name");
	m->unit = str(o, "unit");
	m->kind = errors ? COMPARE_ERRORS : histogram ? COMPARE_HISTOGRAM : COMPARE_VALUE;
	m->candidate = errors ? counts_of(errors, "candidate") : (struct compare_queries) {str(one, "candidate"), NULL};
	m->baseline = errors ? counts_of(errors, "baseline") : (struct compare_queries) {str(one, "baseline"), NULL};
	if (errors)
		json_get_double(errors, "absolute", &m->absolute);
	m->lower_is_worse = !errors && !strcmp(json_str_or(one, "worse", "higher"), "lower");
	return histogram ? read_quantiles(histogram, m) : 0;
}

int compare_options_read(struct json_object *o, struct compare_options *ret)
{
	assert(ret);
	struct json_object *list;
	size_t n = o ? list_of(o, "metrics", &list) : 0;

	ret->step_us = o ? duration_of(o, "step") : 0;
	ret->share = o ? json_str_or(o, "share", NULL) : NULL;
	ret->metrics = array_of(n, sizeof(*ret->metrics));
	if (!ret->metrics)
		return -ENOMEM;
	while (ret->n_metrics < n) { /* counted before it is filled */
		size_t i = ret->n_metrics++;
		int e = read_metric(json_object_array_get_idx(list, i), &ret->metrics[i]);

		if (e < 0)
			return e;
	}
	return 0;
}

void compare_options_free(struct compare_options *c)
{
	assert(c && (c->metrics || c->n_metrics == 0));
	for (size_t i = 0; i < c->n_metrics; i++)
		free(c->metrics[i].quantiles);
	free(c->metrics);
}
