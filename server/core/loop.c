#include <assert.h>
#include <errno.h>
#include <signal.h>
#include <string.h>
#include "server/core/clock.h"
#include "server/core/loop_private.h"

#define WAIT_MAX_US US_PER_S /* an idle loop still shows the watchdog that it lives */

struct loop_posted {
	STAILQ_ENTRY(loop_posted) link;
	loop_fn *fn;
	void *arg;
};

struct loop_timer {
	int64_t at_us;
	uint64_t order;
	size_t place; /* in the heap; NOWHERE while its callback runs */
	loop_fn *fn;
	void *arg;
};

#define NOWHERE SIZE_MAX

struct loop_watch {
	LIST_ENTRY(loop_watch) link;
	int fd;
	unsigned place; /* among what the turn waits for */
	bool ready;
	loop_fn *fn;
	void *arg;
};

int loop_global_init(void)
{
	/* A child may close its stdin early, a server its connection. */
	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		return -errno;
	/* Who started us may have left it ignored; then the kernel would reap our children. */
	if (signal(SIGCHLD, SIG_DFL) == SIG_ERR)
		return -errno;
	children_init();
	return curl_global_init(CURL_GLOBAL_DEFAULT) == CURLE_OK ? 0 : -EIO;
}

static void loop_cleanup(struct loop **l)
{
	loop_free(*l);
}

int loop_new(struct loop **ret)
{
	assert(ret);
	CLEANUP(loop_cleanup) struct loop *l = calloc(1, sizeof(*l));

	if (!l)
		return -ENOMEM;
	pthread_mutex_init(&l->inbox_lock, NULL); /* glibc: cannot fail for a default mutex */
	STAILQ_INIT(&l->inbox);
	TAILQ_INIT(&l->children.list);
	LIST_INIT(&l->watches);
	for (int i = 0; i < LOOP_SHARE_N; i++) {
		TAILQ_INIT(&l->waiting[i]);
		TAILQ_INIT(&l->running[i]);
	}
	l->multi = curl_multi_init();
	if (!l->multi || curl_multi_setopt(l->multi, CURLMOPT_MAXCONNECTS,
	                                   (long)(LOOP_ACT_MAX + LOOP_PAGE_MAX + LOOP_TELL_MAX + LOOP_STUDY_MAX)))
		return -ENOMEM;
	*ret = TAKE(l);
	return 0;
}

static void watches_free(struct loop *l);

static void inbox_free(struct loop_inbox *inbox)
{
	struct loop_posted *p;

	while ((p = STAILQ_FIRST(inbox)) != NULL) {
		STAILQ_REMOVE_HEAD(inbox, link);
		free(p);
	}
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	loop_fetches_free(l);
	children_free(&l->children);
	watches_free(l);
	for (size_t i = 0; i < l->timers.n; i++)
		free(l->timers.heap[i]);
	free(l->timers.heap);
	inbox_free(&l->inbox);
	if (l->multi)
		curl_multi_cleanup(l->multi);
	pthread_mutex_destroy(&l->inbox_lock);
	free(l);
}

/* Timers: a binary heap in an array. */

static bool timer_before(const struct loop_timer *a, const struct loop_timer *b)
{
	return a->at_us != b->at_us ? a->at_us < b->at_us : a->order < b->order;
}

static void timer_put(struct loop_timers *ts, size_t place, struct loop_timer *t)
{
	assert(place < ts->cap);
	ts->heap[place] = t;
	t->place = place;
}

static void timer_rise(struct loop_timers *ts, struct loop_timer *t)
{
	size_t i = t->place;

	for (; i > 0 && timer_before(t, ts->heap[(i - 1) / 2]); i = (i - 1) / 2)
		timer_put(ts, i, ts->heap[(i - 1) / 2]);
	timer_put(ts, i, t);
}

static void timer_sink(struct loop_timers *ts, struct loop_timer *t)
{
	size_t i = t->place;

	for (;;) {
		size_t least = 2 * i + 1;

		if (least + 1 < ts->n && timer_before(ts->heap[least + 1], ts->heap[least]))
			least++;
		if (least >= ts->n || !timer_before(ts->heap[least], t))
			break;
		timer_put(ts, i, ts->heap[least]);
		i = least;
	}
	timer_put(ts, i, t);
}

static void timer_remove(struct loop_timers *ts, struct loop_timer *t)
{
	assert(ts->n > 0 && t->place < ts->n);
	struct loop_timer *last = ts->heap[--ts->n];

	if (last != t) {
		timer_put(ts, t->place, last);
		timer_rise(ts, last);
		timer_sink(ts, last);
	}
	t->place = NOWHERE;
}

static int timers_reserve(struct loop_timers *ts)
{
	assert(ts->n <= ts->cap);
	size_t cap = ts->cap ? ts->cap * 2 : 64;
	struct loop_timer **heap;

	if (ts->n < ts->cap)
		return 0;
	heap = reallocarray(ts->heap, cap, sizeof(struct loop_timer *));
	if (!heap)
		return -ENOMEM;
	ts->heap = heap;
	ts->cap = cap;
	return 0;
}

struct loop_timer *loop_timer_at(struct loop *l, int64_t at_mono_us, loop_fn *fn, void *arg)
{
	assert(l && fn && loop_is_ours(l));
	struct loop_timers *ts = &l->timers;
	int64_t now = clock_mono_us();
	struct loop_timer *t;

	if (timers_reserve(ts) < 0)
		return NULL;
	t = malloc(sizeof(*t));
	if (!t)
		return NULL;
	*t = (struct loop_timer) {
		.at_us = at_mono_us > now ? at_mono_us : now, .order = ts->order++, .fn = fn, .arg = arg};
	timer_put(ts, ts->n++, t);
	timer_rise(ts, t);
	return t;
}

void loop_timer_cancel(struct loop *l, struct loop_timer *t)
{
	assert(l && loop_is_ours(l));
	if (!t || t->place == NOWHERE) /* its own callback: timers_run frees it */
		return;
	timer_remove(&l->timers, t);
	free(t);
}

/* At most as many as there are now: a timer that always sets a new one for "now" must not starve the rest;
 * nor the timers that are due: loop_timer_at queues what is asked for too late behind them. */
static void timers_run(struct loop *l)
{
	struct loop_timers *ts = &l->timers;
	int64_t now = clock_mono_us();

	/* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): it does not see that timer_remove counts n down */
	for (size_t left = ts->n; left > 0 && ts->n > 0 && ts->heap[0]->at_us <= now; left--) {
		struct loop_timer *t = ts->heap[0];

		timer_remove(ts, t);
		t->fn(t->arg);
		free(t);
	}
}

/* Watches. */

struct loop_watch *loop_watch_read(struct loop *l, int fd, loop_fn *fn, void *arg)
{
	assert(l && fd >= 0 && fn && loop_is_ours(l));
	struct loop_watch *w = malloc(sizeof(*w));

	if (!w)
		return NULL;
	*w = (struct loop_watch) {.fd = fd, .fn = fn, .arg = arg};
	LIST_INSERT_HEAD(&l->watches, w, link);
	l->n_watches++;
	return w;
}

void loop_watch_cancel(struct loop *l, struct loop_watch *w)
{
	assert(l && loop_is_ours(l));
	if (!w)
		return;
	assert(l->n_watches > 0);
	LIST_REMOVE(w, link);
	l->n_watches--;
	free(w);
}

static struct loop_watch *first_ready(struct loop *l)
{
	struct loop_watch *w;

	for (w = LIST_FIRST(&l->watches); w; w = LIST_NEXT(w, link))
		if (w->ready)
			return w;
	return NULL;
}

/* A callback may cancel any of them: from the start again after each. */
static void watches_run(struct loop *l)
{
	struct loop_watch *w;

	while ((w = first_ready(l)) != NULL) {
		loop_fn *fn = w->fn;
		void *arg = w->arg;

		loop_watch_cancel(l, w);
		fn(arg);
	}
}

static void watches_free(struct loop *l)
{
	struct loop_watch *w;

	while ((w = LIST_FIRST(&l->watches)) != NULL)
		loop_watch_cancel(l, w);
	free(l->fds);
}

/* The children. */

int loop_spawn(struct loop *l, const struct child_spec *spec, child_fn *fn, void *arg, struct child **ret)
{
	assert(l && loop_is_ours(l));
	return child_spawn(&l->children, spec, fn, arg, ret);
}

void loop_child_stop(struct loop *l, struct child *c)
{
	assert(l && loop_is_ours(l));
	(void)l;
	child_stop(c);
}

void loop_child_cancel(struct loop *l, struct child *c)
{
	assert(l && loop_is_ours(l));
	(void)l;
	child_cancel(c);
}

/* Inbox. */

int loop_post(struct loop *l, loop_fn *fn, void *arg)
{
	assert(l && fn);
	struct loop_posted *p = malloc(sizeof(*p));
	bool first;

	if (!p)
		return -ENOMEM;
	*p = (struct loop_posted) {.fn = fn, .arg = arg};
	pthread_mutex_lock(&l->inbox_lock);
	first = STAILQ_EMPTY(&l->inbox);
	STAILQ_INSERT_TAIL(&l->inbox, p, link);
	pthread_mutex_unlock(&l->inbox_lock);
	if (first) /* else whoever posted the first one wakes the loop */
		curl_multi_wakeup(l->multi);
	return 0;
}

void loop_stop(struct loop *l)
{
	assert(l);
	atomic_store(&l->stop, true);
	curl_multi_wakeup(l->multi);
}

static void inbox_run(struct loop *l)
{
	struct loop_inbox now = STAILQ_HEAD_INITIALIZER(now);
	struct loop_posted *p;

	pthread_mutex_lock(&l->inbox_lock);
	STAILQ_CONCAT(&now, &l->inbox);
	pthread_mutex_unlock(&l->inbox_lock);
	while ((p = STAILQ_FIRST(&now)) != NULL) {
		STAILQ_REMOVE_HEAD(&now, link);
		p->fn(p->arg);
		free(p);
	}
}

/* The turn. */

int64_t loop_last_turn_us(const struct loop *l)
{
	assert(l);
	return atomic_load(&l->last_turn_us);
}

/* Milliseconds, rounded up: a wait that ends too early would turn the loop for nothing. */
static int wait_ms(const struct loop *l)
{
	int64_t now = clock_mono_us(), due = clock_later(now, WAIT_MAX_US), child_due = children_due_us(&l->children);

	if (l->timers.n > 0 && l->timers.heap[0]->at_us < due)
		due = l->timers.heap[0]->at_us;
	if (child_due < due)
		due = child_due;
	if (due <= now || loop_fetches_ready(l))
		return 0;
	return (int)((due - now + US_PER_MS - 1) / US_PER_MS);
}

/* Room for what children may need at most, and for each watch. */
static int fds_reserve(struct loop *l)
{
	size_t most = (size_t)l->children.n * CHILD_FDS + l->n_watches;

	if (most <= l->cap_fds)
		return 0;
	struct curl_waitfd *fds = reallocarray(l->fds, most * 2, sizeof(*fds));
	if (!fds)
		return -ENOMEM;
	l->fds = fds;
	l->cap_fds = most * 2;
	return 0;
}

static unsigned fill_fds(struct loop *l)
{
	struct pollfd of_children[CHILDREN_MAX * CHILD_FDS];
	unsigned n = children_fds(&l->children, of_children);
	struct loop_watch *w;

	assert(n + l->n_watches <= l->cap_fds || n + l->n_watches == 0);
	for (unsigned i = 0; i < n; i++)
		l->fds[i] = (struct curl_waitfd) {.fd = of_children[i].fd,
		                                  .events = of_children[i].events & POLLOUT ? CURL_WAIT_POLLOUT
		                                                                            : CURL_WAIT_POLLIN};
	for (w = LIST_FIRST(&l->watches); w; w = LIST_NEXT(w, link)) {
		w->place = n;
		l->fds[n++] = (struct curl_waitfd) {.fd = w->fd, .events = CURL_WAIT_POLLIN};
	}
	return n;
}

static int loop_wait(struct loop *l)
{
	struct loop_watch *w;

	if (fds_reserve(l) < 0)
		return -ENOMEM;
	CURLMcode m = curl_multi_poll(l->multi, l->fds, fill_fds(l), wait_ms(l), NULL);
	if (m != CURLM_OK)
		return m == CURLM_OUT_OF_MEMORY ? -ENOMEM : -EIO;
	for (w = LIST_FIRST(&l->watches); w; w = LIST_NEXT(w, link))
		w->ready = l->fds[w->place].revents != 0;
	return 0;
}

static int run_turns(struct loop *l)
{
	for (;;) {
		int r;
		bool last;

		atomic_store(&l->last_turn_us, clock_mono_us());
		/* Completions are read before the wait: read after it they came 150 ms late (measured). */
		r = loop_fetches_turn(l);
		if (r < 0)
			return r;
		children_turn(&l->children);
		watches_run(l);
		/* Read before the inbox, so that all that was posted before loop_stop still runs; read after
		 * curl_multi_perform, which swallows wake-ups in later versions of curl. */
		last = atomic_exchange(&l->stop, false);
		inbox_run(l);
		timers_run(l);
		if (last)
			return 0;
		r = loop_wait(l);
		if (r < 0)
			return r;
	}
}

int loop_run(struct loop *l)
{
	assert(l && !atomic_load(&l->turns));
	l->thread = pthread_self();
	atomic_store(&l->turns, true);
	int r = run_turns(l);
	atomic_store(&l->turns, false);
	return r;
}
