#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>
#include "server/core/clock.h"
#include "server/core/loop.h"

static struct loop *loop;

static int setup(void **state)
{
	(void)state;
	return loop_new(&loop);
}

static int teardown(void **state)
{
	(void)state;
	loop_free(loop);
	return 0;
}

static void stop(void *arg)
{
	(void)arg;
	loop_stop(loop);
}

static void run_for(int64_t us)
{
	assert_non_null(loop_timer_at(loop, clock_mono_us() + us, stop, NULL));
	assert_int_equal(loop_run(loop), 0);
}

static void count(void *arg)
{
	++*(int *)arg;
}

/* Timers. */

struct tick {
	struct loop_timer *timer;
	int64_t at;
	int asked, fired, place;
	bool early;
};

static int n_fired;

static void tick_fire(void *arg)
{
	struct tick *t = arg;

	t->fired++;
	t->place = n_fired++;
	t->early = clock_mono_us() < t->at;
}

static void check_order(const struct tick *ticks, int n)
{
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++)
			if (ticks[i].fired && ticks[j].fired && ticks[i].at <= ticks[j].at && i < j)
				assert_true(ticks[i].place < ticks[j].place);
}

static void timers_fire_once_in_order_unless_cancelled(void **state)
{
	enum { N = 500 };
	static struct tick ticks[N];
	int64_t first = clock_mono_us() + 200 * US_PER_MS;
	unsigned seed = 7;

	(void)state;
	n_fired = 0;
	for (int i = 0; i < N; i++) {
		ticks[i] = (struct tick) {.at = first + (int64_t)(rand_r(&seed) % 40) * US_PER_MS, .asked = i};
		ticks[i].timer = loop_timer_at(loop, ticks[i].at, tick_fire, &ticks[i]);
		assert_non_null(ticks[i].timer);
		if (i % 3 == 0) {
			int victim = rand_r(&seed) % (i + 1);

			loop_timer_cancel(loop, TAKE(ticks[victim].timer));
		}
	}
	run_for(300 * US_PER_MS);
	for (int i = 0; i < N; i++) {
		assert_int_equal(ticks[i].fired, ticks[i].timer ? 1 : 0);
		assert_false(ticks[i].early);
	}
	check_order(ticks, N);
}

struct pair {
	struct loop_timer *self, *other;
	int fired;
};

static void cancel_both(void *arg)
{
	struct pair *p = arg;

	p->fired++;
	loop_timer_cancel(loop, p->other);
	loop_timer_cancel(loop, p->self);
}

static void a_timer_may_cancel_itself_and_others(void **state)
{
	struct pair p = {0};
	int others = 0;
	int64_t now = clock_mono_us();

	(void)state;
	p.self = loop_timer_at(loop, now, cancel_both, &p);
	p.other = loop_timer_at(loop, now, count, &others);
	run_for(5 * US_PER_MS);
	assert_int_equal(p.fired, 1);
	assert_int_equal(others, 0);
	loop_timer_cancel(loop, NULL);
}

static void again_at_once(void *arg)
{
	++*(int *)arg;
	assert_non_null(loop_timer_at(loop, INT64_MIN, again_at_once, arg));
}

static void a_timer_that_always_asks_for_now_starves_nobody(void **state)
{
	int turns = 0, posted = 0;

	(void)state;
	assert_non_null(loop_timer_at(loop, 0, again_at_once, &turns));
	assert_int_equal(loop_post(loop, count, &posted), 0);
	run_for(5 * US_PER_MS);
	assert_int_equal(posted, 1);
	assert_true(turns > 1);
}

static void a_timer_at_the_end_of_time_does_not_fire(void **state)
{
	int fired = 0;

	(void)state;
	assert_non_null(loop_timer_at(loop, INT64_MAX, count, &fired));
	run_for(5 * US_PER_MS);
	assert_int_equal(fired, 0);
}

static void waiting_costs_no_processor_time(void **state)
{
	struct timespec before, after;

	(void)state;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &before);
	run_for(300 * US_PER_MS);
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &after);
	assert_true((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 < 100);
}

/* Inbox. */

enum { POSTERS = 4, POSTS = 500 };

struct post {
	int poster, number;
};

static int next_number[POSTERS], n_posts;

static void take_post(void *arg)
{
	struct post *p = arg;

	assert_int_equal(p->number, next_number[p->poster]++);
	if (++n_posts == POSTERS * POSTS)
		loop_stop(loop);
	free(p);
}

static void *post_many(void *arg)
{
	for (int i = 0; i < POSTS; i++) {
		struct post *p = malloc(sizeof(*p));

		if (!p)
			abort();
		*p = (struct post) {.poster = (int)(intptr_t)arg, .number = i};
		if (loop_post(loop, take_post, p) < 0)
			abort();
	}
	return NULL;
}

static void posts_of_many_threads_arrive_once_and_in_order(void **state)
{
	pthread_t t[POSTERS];

	(void)state;
	for (intptr_t i = 0; i < POSTERS; i++)
		pthread_create(&t[i], NULL, post_many, (void *)i);
	assert_int_equal(loop_run(loop), 0);
	for (int i = 0; i < POSTERS; i++) {
		pthread_join(t[i], NULL);
		assert_int_equal(next_number[i], POSTS);
	}
}

struct echo {
	pthread_mutex_t lock;
	pthread_cond_t heard;
	int n;
};

static void hear(void *arg)
{
	struct echo *e = arg;

	pthread_mutex_lock(&e->lock);
	e->n++;
	pthread_cond_signal(&e->heard);
	pthread_mutex_unlock(&e->lock);
}

static void *post_and_wait(void *arg)
{
	struct echo *e = arg;

	for (int i = 1; i <= 20; i++) {
		if (loop_post(loop, hear, e) < 0)
			abort();
		pthread_mutex_lock(&e->lock);
		while (e->n < i)
			pthread_cond_wait(&e->heard, &e->lock);
		pthread_mutex_unlock(&e->lock);
	}
	loop_stop(loop);
	return NULL;
}

/* Unwoken, each of them would wait for the idle turn: about a second. */
static void a_post_wakes_a_waiting_loop(void **state)
{
	struct echo e = {PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0};
	int64_t start = clock_mono_us();
	pthread_t t;

	(void)state;
	pthread_create(&t, NULL, post_and_wait, &e);
	assert_int_equal(loop_run(loop), 0);
	pthread_join(t, NULL);
	assert_int_equal(e.n, 20);
	assert_true(clock_mono_us() - start < 2 * US_PER_S);
}

static void post_again(void *arg)
{
	int *left = arg;

	if (--*left > 0)
		assert_int_equal(loop_post(loop, post_again, left), 0);
	else
		loop_stop(loop);
}

static void a_callback_may_post(void **state)
{
	int left = 100;
	int64_t start = clock_mono_us();

	(void)state;
	assert_int_equal(loop_post(loop, post_again, &left), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(left, 0);
	assert_true(clock_mono_us() - start < 2 * US_PER_S);
}

static void what_was_posted_before_the_stop_still_runs(void **state)
{
	(void)state;
	for (int round = 1; round <= 3; round++) { /* and a stopped loop runs again */
		int n = 0;

		for (int i = 0; i < 5; i++)
			assert_int_equal(loop_post(loop, count, &n), 0);
		loop_stop(loop);
		assert_int_equal(loop_run(loop), 0);
		assert_int_equal(n, 5);
	}
}

static void a_freed_loop_calls_nobody(void **state)
{
	struct loop *l = NULL;
	int n = 0;

	(void)state;
	assert_int_equal(loop_new(&l), 0);
	assert_int_equal(loop_post(l, count, &n), 0);
	assert_non_null(loop_timer_at(l, 0, count, &n));
	loop_free(l);
	loop_free(NULL);
	assert_int_equal(n, 0);
}

static void *await_turn(void *arg)
{
	int64_t first = loop_last_turn_us(loop), give_up = clock_mono_us() + 5 * US_PER_S;

	(void)arg;
	while (loop_last_turn_us(loop) <= first && clock_mono_us() < give_up)
		nanosleep(&(struct timespec) {.tv_nsec = 5000000}, NULL);
	loop_stop(loop);
	return clock_mono_us() < give_up ? loop : NULL;
}

static void an_idle_loop_shows_that_it_lives(void **state)
{
	void *seen = NULL;
	pthread_t t;

	(void)state;
	run_for(0);
	pthread_create(&t, NULL, await_turn, NULL);
	assert_int_equal(loop_run(loop), 0);
	pthread_join(t, &seen);
	assert_non_null(seen);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

/* Watches. */

static void what_can_be_read_is_told_once_and_at_once(void **state)
{
	int ends[2], n = 0;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	assert_non_null(loop_watch_read(loop, ends[0], count, &n));
	run_for(20 * US_PER_MS);
	assert_int_equal(n, 0);
	assert_int_equal(write(ends[1], "x", 1), 1);
	run_for(20 * US_PER_MS);
	run_for(20 * US_PER_MS); /* it still can be read, and nobody asks any more */
	assert_int_equal(n, 1);
	close(ends[0]);
	close(ends[1]);
}

static struct loop_watch *many[100];
static int told;

static void tell_first_cancel_rest(void *arg)
{
	told++;
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		if (&many[i] != arg)
			loop_watch_cancel(loop, many[i]);
	memset(many, 0, sizeof(many));
	loop_stop(loop);
}

static void a_watch_that_was_cancelled_is_silent(void **state)
{
	int ends[2];

	(void)state;
	told = 0;
	assert_int_equal(pipe(ends), 0);
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		many[i] = loop_watch_read(loop, ends[0], tell_first_cancel_rest, &many[i]);
	close(ends[1]); /* the end of file can be read, too */
	run_for(2 * US_PER_S);
	assert_int_equal(told, 1);
	loop_watch_cancel(loop, NULL);
	close(ends[0]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(timers_fire_once_in_order_unless_cancelled),
		T(a_timer_may_cancel_itself_and_others),
		T(a_timer_that_always_asks_for_now_starves_nobody),
		T(a_timer_at_the_end_of_time_does_not_fire),
		T(waiting_costs_no_processor_time),
		T(posts_of_many_threads_arrive_once_and_in_order),
		T(a_post_wakes_a_waiting_loop),
		T(a_callback_may_post),
		T(what_was_posted_before_the_stop_still_runs),
		T(a_freed_loop_calls_nobody),
		T(an_idle_loop_shows_that_it_lives),
		T(what_can_be_read_is_told_once_and_at_once),
		T(a_watch_that_was_cancelled_is_silent),
	};

	if (loop_global_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
