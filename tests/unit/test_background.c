/* The thread for what would keep the http thread too long. */
#include "handlers/api/background.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static struct {
	int order[BACKGROUND_JOBS_MAX + 8];
	int n;
	pthread_t thread;
} ran;

/* The first one waits until the gate is opened. */
static pthread_mutex_t gate = PTHREAD_MUTEX_INITIALIZER;

struct numbered {
	struct background_job job;
	int number;
};

static void note(struct background_job *j)
{
	pthread_mutex_lock(&gate);
	ran.order[ran.n++] = ((struct numbered *)j)->number;
	ran.thread = pthread_self();
	pthread_mutex_unlock(&gate);
}

static void jobs_run_in_order_on_another_thread_and_none_is_lost_at_the_stop(void **state)
{
	static struct numbered jobs[BACKGROUND_JOBS_MAX];
	struct background *b = NULL;

	(void)state;
	ran.n = 0;
	assert_int_equal(background_start(&b), 0);
	for (int i = 0; i < BACKGROUND_JOBS_MAX; i++) {
		jobs[i] = (struct numbered) {{.run = note}, i};
		assert_int_equal(background_submit(b, &jobs[i].job), 0);
	}
	background_stop(b);
	assert_int_equal(ran.n, BACKGROUND_JOBS_MAX);
	for (int i = 0; i < BACKGROUND_JOBS_MAX; i++)
		assert_int_equal(ran.order[i], i);
	assert_false(pthread_equal(ran.thread, pthread_self()));
	assert_int_equal(background_submit(b, &jobs[0].job), -ESHUTDOWN);
	background_free(b);
}

static void more_than_may_wait_are_refused(void **state)
{
	static struct numbered jobs[BACKGROUND_JOBS_MAX + 8];
	struct background *b = NULL;
	int taken = 0, refused = 0;

	(void)state;
	ran.n = 0;
	assert_int_equal(background_start(&b), 0);
	pthread_mutex_lock(&gate); /* one may be under way, and waits here */
	for (int i = 0; i < BACKGROUND_JOBS_MAX + 8; i++) {
		jobs[i] = (struct numbered) {{.run = note}, i};
		int r = background_submit(b, &jobs[i].job);

		assert_true(r == 0 || r == -EAGAIN);
		taken += r == 0;
		refused += r == -EAGAIN;
	}
	pthread_mutex_unlock(&gate);
	background_stop(b);
	assert_in_range(taken, BACKGROUND_JOBS_MAX, BACKGROUND_JOBS_MAX + 1);
	assert_int_equal(refused, BACKGROUND_JOBS_MAX + 8 - taken);
	assert_int_equal(ran.n, taken);
	background_free(b);
}

static void without_a_thread_a_job_runs_at_once(void **state)
{
	struct numbered job = {{.run = note}, 7};

	(void)state;
	ran.n = 0;
	assert_int_equal(background_submit(NULL, &job.job), 0);
	assert_int_equal(ran.n, 1);
	assert_true(pthread_equal(ran.thread, pthread_self()));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(jobs_run_in_order_on_another_thread_and_none_is_lost_at_the_stop),
		cmocka_unit_test(more_than_may_wait_are_refused),
		cmocka_unit_test(without_a_thread_a_job_runs_at_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
