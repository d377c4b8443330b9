#include "handlers/checks/preserve.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "alertmanager/prometheus.h"
#include "server/core/answer.h"
#include "server/core/clock.h"

#define BODY_MAX         (8 * 1024 * 1024)
#define URL_MAX          (16 * 1024)
#define QUERY_MAX        (8 * 1024)
#define WHY_MAX          500
#define SERIES_BYTES_MAX (512 * 1024) /* of one query, as kept: 50 series of 240 points have about 300 KiB */

/* Queries. */

struct query {
	struct snapshot *of;
	struct loop_fetch *fetch; /* NULL: answered, or never sent */
	char *series, *error;     /* owned; one of them once answered */
};

struct snapshot {
	struct loop *loop;
	struct loop_timer *timer; /* when there is nothing to wait for */
	const struct plan *plan;
	struct query *queries; /* one per query of the plan's rollout */
	size_t n, waiting;
	snapshot_fn *fn;
	void *arg;
};

void snapshot_items_free(struct snapshot_item *items, size_t n)
{
	for (size_t i = 0; items && i < n; i++) {
		free(items[i].name);
		free(items[i].unit);
		free(items[i].series);
		free(items[i].error);
	}
	free(items);
}

static void snapshot_free(struct snapshot *s)
{
	for (size_t i = 0; i < s->n; i++) {
		free(s->queries[i].series);
		free(s->queries[i].error);
	}
	free(s->queries);
	free(s);
}

/* Out of memory is no reason to lose what was fetched without a word: a crash is safe, the snapshot is taken
 * again. */
static void *must(void *p)
{
	if (!p)
		abort();
	return p;
}

int64_t snapshot_step_s(int64_t from_us, int64_t to_us)
{
	int64_t span = to_us > from_us ? (to_us - from_us) / US_PER_S : 0;

	return span / SNAPSHOT_POINTS_MAX + 1;
}

static void snapshot_tell(void *arg)
{
	struct snapshot *s = arg;
	size_t n = s->n;
	struct snapshot_item *items = calloc(n + 1, sizeof(*items));
	snapshot_fn *fn = s->fn;
	void *told = s->arg;

	must(items);
	for (size_t i = 0; i < n; i++) {
		const struct snapshot_query *q = &s->plan->rollout.queries[i];

		items[i].name = must(text_format("%s", q->name));
		items[i].unit = must(text_format("%s", q->unit ? q->unit : ""));
		items[i].series = TAKE(s->queries[i].series);
		items[i].error = TAKE(s->queries[i].error);
	}
	snapshot_free(s);
	fn(told, items, n);
}

/* JSON, whatever the status: errors of Prometheus come as JSON, too. Those of a proxy do not. */
static bool is_reply(const struct fetch_result *r)
{
	return answer_is_good(r) || (r->error == 0 && r->body_len > 0 && r->body[0] == '{');
}

static void take_answer(struct query *q, const struct fetch_result *r)
{
	CLEANUP(json_cleanup) struct json_object *series = NULL;
	CLEANUP(buf_free) struct buf b = BUF(WHY_MAX);
	char why[WHY_MAX];

	if (!is_reply(r)) {
		buf_str(&b, "Prometheus: ");
		answer_failure(&b, r, q->of->plan->prometheus.timeout_us);
		q->error = must(buf_take(&b));
	} else if (prom_matrix_parse(r->body, r->body_len, SNAPSHOT_SERIES_MAX, SNAPSHOT_POINTS_MAX, &series, why,
	                             sizeof(why)) < 0) {
		q->error = must(text_format("Prometheus: %s", why));
	} else {
		const char *text = json_text(series);

		if (strlen(text) > SERIES_BYTES_MAX)
			q->error = must(
				text_format("the series take %zu bytes, more than %d", strlen(text), SERIES_BYTES_MAX));
		else
			q->series = must(text_format("%s", text));
	}
}

static void on_series(void *arg, const struct fetch_result *r)
{
	struct query *q = arg;

	q->fetch = NULL;
	take_answer(q, r);
	if (--q->of->waiting == 0)
		snapshot_tell(q->of);
}

static int ask(struct loop *l, const struct prometheus_options *o, const struct buf *url, loop_fetch_fn *fn, void *arg,
               struct loop_fetch **ret)
{
	struct fetch_spec spec = {.method = "GET",
	                          .url = buf_text(url),
	                          .timeout_us = o->timeout_us,
	                          .max_body = BODY_MAX,
	                          .share = LOOP_SHARE_ACT};

	return url->error ? url->error : loop_fetch(l, &spec, fn, arg, ret);
}

static void ask_for_series(struct query *q, const char *query, int64_t from_us, int64_t to_us)
{
	CLEANUP(buf_free) struct buf url = BUF(URL_MAX);
	const struct prometheus_options *o = &q->of->plan->prometheus;

	if (!o->url[0]) {
		q->error = must(text_format("no Prometheus is configured"));
		return;
	}
	prom_range_url(&url, o->url, query, (double)from_us / US_PER_S, (double)to_us / US_PER_S,
	               (double)snapshot_step_s(from_us, to_us), (double)o->timeout_us / US_PER_S);
	int r = ask(q->of->loop, o, &url, on_series, q, &q->fetch);
	if (r < 0)
		q->error = must(text_format("Prometheus could not be asked: %s", strerrordesc_np(-r)));
	else
		q->of->waiting++;
}

int snapshot_start(struct loop *l, const struct plan *plan, int64_t from_us, int64_t to_us, snapshot_fn *fn, void *arg,
                   struct snapshot **ret)
{
	size_t n = plan->rollout.n_queries;
	struct snapshot *s = malloc(sizeof(*s));
	struct query *queries = calloc(n + 1, sizeof(*queries));

	if (!s || !queries) {
		free(s);
		free(queries);
		return -ENOMEM;
	}
	*s = (struct snapshot) {.loop = l, .plan = plan, .queries = queries, .n = n, .fn = fn, .arg = arg};
	for (size_t i = 0; i < n; i++) {
		s->queries[i].of = s;
		ask_for_series(&s->queries[i], plan->rollout.queries[i].query, from_us, to_us);
	}
	if (s->waiting == 0)
		s->timer = must(loop_timer_at(l, clock_mono_us(), snapshot_tell, s));
	*ret = s;
	return 0;
}

void snapshot_cancel(struct snapshot *s)
{
	if (!s)
		return;
	loop_timer_cancel(s->loop, s->timer);
	for (size_t i = 0; i < s->n; i++)
		if (s->queries[i].fetch)
			loop_fetch_cancel(s->loop, s->queries[i].fetch);
	snapshot_free(s);
}

/* When it began. */

struct onset {
	struct loop *loop;
	struct loop_fetch *fetch;
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
	double latest = (double)starts_at_us / US_PER_S, earliest = INFINITY;

	for (size_t i = 0; i < v->n; i++)
		if (v->samples[i].value > 0 && v->samples[i].value <= latest && v->samples[i].value < earliest)
			earliest = v->samples[i].value;
	if (isinf(earliest))
		return -ENOENT;
	*ret_onset_us = (int64_t)(earliest * US_PER_S);
	return 0;
}

static int read_onset(const struct fetch_result *r, int64_t starts_at_us, int64_t *ret_onset_us)
{
	struct prom_vector v = {0};
	char why[WHY_MAX];

	if (r->error)
		return r->error;
	if (!answer_is_good(r))
		return -EBADMSG;
	int err = prom_vector_parse(r->body, r->body_len, &v, why, sizeof(why));
	if (err == 0)
		err = onset_of(&v, starts_at_us, ret_onset_us);
	prom_vector_free(&v);
	return err;
}

static void on_onset(void *arg, const struct fetch_result *r)
{
	struct onset *o = arg;
	int64_t onset_us = 0;
	int err = read_onset(r, o->starts_at_us, &onset_us);
	onset_fn *fn = o->fn;
	void *told = o->arg;

	free(o);
	fn(told, err, onset_us);
}

int onset_start(struct loop *l, const struct plan *plan, const struct text_pair *labels, size_t n_labels,
                int64_t starts_at_us, onset_fn *fn, void *arg, struct onset **ret)
{
	CLEANUP(buf_free) struct buf query = BUF(QUERY_MAX);
	CLEANUP(buf_free) struct buf url = BUF(URL_MAX);
	const struct prometheus_options *po = &plan->prometheus;
	int r = po->url[0] ? onset_query(&query, labels, n_labels) : -EINVAL;

	if (r < 0)
		return r;
	CLEANUP(cleanup_free) struct onset *o = calloc(1, sizeof(*o));
	if (!o)
		return -ENOMEM;
	*o = (struct onset) {.loop = l, .starts_at_us = starts_at_us, .fn = fn, .arg = arg};
	prom_query_url(&url, po->url, buf_text(&query), (double)po->timeout_us / US_PER_S);
	r = ask(l, po, &url, on_onset, o, &o->fetch);
	if (r < 0)
		return r;
	*ret = TAKE(o);
	return 0;
}

void onset_cancel(struct onset *o)
{
	if (!o)
		return;
	loop_fetch_cancel(o->loop, o->fetch);
	free(o);
}
