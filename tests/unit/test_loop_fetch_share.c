#include "tests/unit/fetch_fixture.h"

/* Shares. */

static int behind;

static void count_timeout(void *arg, const struct fetch_result *r)
{
	(void)arg;
	assert_int_equal(r->error, -ETIMEDOUT);
	behind += !strcmp(r->error_text, "time limit reached behind other transfers");
	if (--awaited == 0)
		loop_stop(loop);
}

static void a_share_runs_so_many_at_once_and_the_rest_times_out_in_the_queue(void **state)
{
	static const struct {
		enum loop_share share;
		int limit;
	} rows[] = {{LOOP_SHARE_ACT, 16}, {LOOP_SHARE_TELL, 8}};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct fetch_spec spec = spec_of("/hang");
		int64_t start = clock_mono_us();

		behind = 0;
		server.n_requests = 0;
		awaited = rows[i].limit + 3;
		spec.share = rows[i].share;
		for (int k = 0; k < rows[i].limit + 3; k++) {
			spec.timeout_us = k < rows[i].limit ? 500 * MS : 200 * MS;
			assert_int_equal(loop_fetch(loop, &spec, count_timeout, NULL, NULL), 0);
		}
		assert_int_equal(loop_run(loop), 0);
		assert_int_equal(behind, 3);
		assert_int_equal(server.n_requests, rows[i].limit);
		assert_true(clock_mono_us() - start < 2 * US_PER_S);
	}
}

static void a_dead_chat_does_not_hold_up_a_rollback(void **state)
{
	struct fetch_spec tell = spec_of("/hang"), act;
	struct loop_fetch *f;

	(void)state;
	tell.share = LOOP_SHARE_TELL;
	for (int i = 0; i < 100; i++)
		assert_int_equal(loop_fetch(loop, &tell, count_timeout, NULL, &f), 0);
	run_for(50 * MS);
	act = spec_of("/ok");
	run_spec(&act);
	assert_int_equal(seen.r.status, 200);
	assert_true(seen.took_us < US_PER_S);
}

static int order[40], n_order;

static void note_order(void *arg, const struct fetch_result *r)
{
	assert_int_equal(r->error, 0);
	order[n_order++] = (int)(intptr_t)arg;
	if (--awaited == 0)
		loop_stop(loop);
}

static void those_that_wait_get_their_turn(void **state)
{
	struct fetch_spec spec = spec_of("/ok");
	int64_t start = clock_mono_us();
	bool came[40] = {false};

	(void)state;
	n_order = 0;
	awaited = 40;
	spec.share = LOOP_SHARE_TELL;
	for (intptr_t i = 0; i < 40; i++)
		assert_int_equal(loop_fetch(loop, &spec, note_order, (void *)i, NULL), 0);
	assert_int_equal(loop_run(loop), 0);
	for (int i = 0; i < n_order; i++) {
		came[order[i]] = true;
		assert_true(order[i] < i + 8); /* started in order, at most seven beside it */
	}
	for (int i = 0; i < 40; i++)
		assert_true(came[i]);
	assert_true(clock_mono_us() - start < 2 * US_PER_S);
}

static void a_full_queue_is_refused(void **state)
{
	struct fetch_spec spec = spec_of("/ok");
	struct loop_fetch *f = NULL;

	(void)state;
	for (int i = 0; i < 1024; i++)
		assert_int_equal(loop_fetch(loop, &spec, ended, NULL, &f), 0);
	assert_int_equal(loop_fetch(loop, &spec, ended, NULL, NULL), -EAGAIN);
	loop_fetch_cancel(loop, f);
	assert_int_equal(loop_fetch(loop, &spec, ended, NULL, NULL), 0);
}

/* Callbacks. */

static void next_in_chain(void *arg, const struct fetch_result *r)
{
	int *left = arg;
	struct fetch_spec spec = spec_of("/ok");

	assert_int_equal(r->error, 0);
	if (--*left > 0)
		assert_int_equal(loop_fetch(loop, &spec, next_in_chain, left, NULL), 0);
	else
		loop_stop(loop);
}

/* Completions read after the wait cost 150 ms each. */
static void one_answer_may_start_the_next_request_without_delay(void **state)
{
	struct fetch_spec spec = spec_of("/ok");
	int left = 30;
	int64_t start = clock_mono_us();

	(void)state;
	assert_int_equal(loop_fetch(loop, &spec, next_in_chain, &left, NULL), 0);
	assert_int_equal(loop_run(loop), 0);
	assert_int_equal(left, 0);
	assert_true(clock_mono_us() - start < 2 * US_PER_S);
}

static struct loop_fetch *handles[12];

static void cancelled_fetch_called(void *arg, const struct fetch_result *r)
{
	(void)arg;
	(void)r;
	fail();
}

static void cancel_handles(void *arg)
{
	(void)arg;
	for (size_t i = 0; i < ARRAY_LEN(handles); i++)
		loop_fetch_cancel(loop, handles[i]);
}

static void cancelled_ones_never_call_back(void **state)
{
	struct fetch_spec spec = spec_of("/hang");

	(void)state;
	spec.share = LOOP_SHARE_TELL; /* eight run, four wait */
	spec.timeout_us = US_PER_S;
	for (size_t i = 0; i < ARRAY_LEN(handles); i++)
		assert_int_equal(loop_fetch(loop, &spec, cancelled_fetch_called, NULL, &handles[i]), 0);
	assert_non_null(loop_timer_at(loop, clock_mono_us() + 50 * MS, cancel_handles, NULL));
	run_for(1200 * MS);
	loop_fetch_cancel(loop, NULL);
	run("/ok");
	assert_int_equal(seen.r.status, 200);
}

static int pair_calls;

static void cancel_pair(void *arg, const struct fetch_result *r)
{
	(void)arg;
	assert_int_equal(r->error, -ECONNREFUSED);
	pair_calls++;
	loop_fetch_cancel(loop, handles[0]);
	loop_fetch_cancel(loop, handles[1]);
}

static void a_callback_may_cancel_itself_and_others(void **state)
{
	struct fetch_spec spec = spec_of("/");
	int port, fd = bind_somewhere(&port);
	char url[100];

	(void)state;
	snprintf(url, sizeof(url), "http://127.0.0.1:%d/", port);
	spec.url = url;
	pair_calls = 0;
	for (int i = 0; i < 2; i++)
		assert_int_equal(loop_fetch(loop, &spec, cancel_pair, NULL, &handles[i]), 0);
	run_for(200 * MS);
	assert_int_equal(pair_calls, 1);
	close(fd);
}

static void a_freed_loop_drops_running_and_waiting_ones(void **state)
{
	struct fetch_spec spec = spec_of("/drip");

	(void)state;
	spec.share = LOOP_SHARE_TELL;
	for (int i = 0; i < 12; i++)
		assert_int_equal(loop_fetch(loop, &spec, cancelled_fetch_called, NULL, NULL), 0);
	run_for(100 * MS);
}

#define T(test) cmocka_unit_test_setup_teardown(test, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		T(a_share_runs_so_many_at_once_and_the_rest_times_out_in_the_queue),
		T(a_dead_chat_does_not_hold_up_a_rollback),
		T(those_that_wait_get_their_turn),
		T(a_full_queue_is_refused),
		T(one_answer_may_start_the_next_request_without_delay),
		T(cancelled_ones_never_call_back),
		T(a_callback_may_cancel_itself_and_others),
		T(a_freed_loop_drops_running_and_waiting_ones),
	};

	if (loop_global_init() < 0)
		return 1;
	return cmocka_run_group_tests(tests, NULL, NULL);
}
