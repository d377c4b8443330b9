#include "handlers/checks/onset.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "handlers/checks/prom_query.h"
#include "server/core/clock.h"

#define QUERY_MAX (8 * 1024)

struct onset {
	struct prom_query *query;
	int64_t starts_at_us;
	onset_fn *fn;
	void *arg;
};

static bool is_label_name(const char *s)
{
	return (isalpha((unsigned char)*s) || *s == '_') && strncmp(s, "__", 2) != 0 &&
	       s[strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_")] == '\0';
}

/* Inside a PromQL string in double quotes; as_regex: so that it matches itself. */
static void add_value(struct buf *b, const char *s, bool as_regex)
{
	for (; *s; s++) {
		if (as_regex && strchr("\\.+*?()|[]{}^$", *s))
			buf_str(b, "\\\\");
		if (*s == '\n')
			buf_str(b, "\\n");
		else if (*s == '"' || *s == '\\')
			buf_printf(b, "\\%c", *s);
		else
			buf_char(b, *s);
	}
}

int onset_query(struct buf *b, const struct text_pair *labels, size_t n)
{
	assert(b && (labels || n == 0));
	const char *name = NULL;

	for (size_t i = 0; i < n; i++)
		if (strcmp(labels[i].name, "alertname") == 0)
			name = labels[i].value;
	if (!name || !name[0] || text_was_replaced(name))
		return -EINVAL;
	buf_str(b, "ALERTS_FOR_STATE{alertname=\"");
	add_value(b, name, false);
	buf_char(b, '"');
	for (size_t i = 0; i < n; i++) {
		/* What is left out makes the question wider; a value that nobody has would make it empty. */
		if (strcmp(labels[i].name, "alertname") == 0 || !is_label_name(labels[i].name) ||
		    text_was_replaced(labels[i].value))
			continue;
		buf_printf(b, ",%s=~\"|", labels[i].name);
		add_value(b, labels[i].value, true);
		buf_char(b, '"');
	}
	return buf_char(b, '}');
}

int onset_of(const struct prom_vector *v, int64_t starts_at_us, int64_t *ret_onset_us)
{
	assert(v && ret_onset_us);
	double latest = (double)starts_at_us / US_PER_S, earliest = INFINITY;

	for (size_t i = 0; i < v->n; i++)
		if (v->samples[i].value > 0 && v->samples[i].value <= latest && v->samples[i].value < earliest)
			earliest = v->samples[i].value;
	if (isinf(earliest))
		return -ENOENT;
	*ret_onset_us = (int64_t)(earliest * US_PER_S);
	return 0;
}

static void on_reply(void *arg, const struct prom_reply *r)
{
	struct onset *o = arg;
	int64_t onset_us = 0;
	int err = r->why[0] ? -EBADMSG : onset_of(&r->vector, o->starts_at_us, &onset_us);
	onset_fn *fn = o->fn;
	void *told = o->arg;

	assert(o->fn);
	free(o);
	fn(told, err, onset_us);
}

int onset_start(struct loop *l, const struct plan *plan, const struct text_pair *labels, size_t n_labels,
                int64_t starts_at_us, onset_fn *fn, void *arg, struct onset **ret)
{
	assert(l && plan && fn && ret);
	CLEANUP(buf_free) struct buf query = BUF(QUERY_MAX);
	const struct prometheus_options *po = &plan->prometheus;
	int r = po->url[0] ? onset_query(&query, labels, n_labels) : -EINVAL;

	if (r < 0)
		return r;
	CLEANUP(cleanup_free) struct onset *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	*o = (struct onset) {.starts_at_us = starts_at_us, .fn = fn, .arg = arg};
	struct prom_question ask = {.query = buf_text(&query), .timeout_us = po->timeout_us, .share = LOOP_SHARE_ACT};
	r = prom_query_start(l, po, &ask, on_reply, o, &o->query);
	if (r < 0)
		return r;
	*ret = TAKE(o);
	return 0;
}

void onset_cancel(struct onset *o)
{
	if (!o)
		return;
	prom_query_cancel(o->query);
	free(o);
}
