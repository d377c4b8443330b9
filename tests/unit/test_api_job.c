/* Jobs of the API: each is answered once and freed once, whatever becomes of it. */
#include "handlers/api/job.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <cmocka.h>

#include "server/core/loop.h"

static int freed, completed, cancelled, last_status;

static void complete(struct http_req *req, struct http_reply *reply)
{
	(void)req;
	completed++;
	last_status = reply->status;
	buf_free(&reply->body);
}

static struct http_req req = {.method_name = "GET", .path = "/", .complete = complete};

static void job_free(struct api_job *j)
{
	freed++;
	free(j);
}

static void read_well(struct api_job *j)
{
	j->data = json_object_new_object();
	api_job_done(j, 0);
}

static void read_wrong(struct api_job *j)
{
	api_job_done(j, -ENOENT);
}

static void ask(struct api_job *j)
{
	(void)j; /* others are being asked */
}

static void cancel(struct api_job *j)
{
	(void)j;
	cancelled++;
}

static struct api_job *job(struct api *a, const struct api_job_kind *kind)
{
	struct api_job *j = calloc(1, sizeof(*j));

	assert_non_null(j);
	api_job_init(j, kind, a, &req);
	return j;
}

static int setup(void **state)
{
	(void)state;
	freed = completed = cancelled = last_status = 0;
	return 0;
}

static void what_was_read_is_answered_with_its_data_or_the_fitting_error(void **state)
{
	static const struct api_job_kind well = {.read = read_well, .free = job_free};
	static const struct api_job_kind wrong = {.read = read_wrong, .free = job_free};
	struct http_reply reply = {.status = 200};
	struct api a = {0};

	(void)state;
	assert_int_equal(api_job_read(job(&a, &well), &reply), HTTP_DEFERRED);
	assert_int_equal(last_status, 200);
	assert_int_equal(api_job_read(job(&a, &wrong), &reply), HTTP_DEFERRED);
	assert_int_equal(last_status, 404);
	assert_int_equal(completed, 2);
	assert_int_equal(freed, 2);
}

static void what_could_not_be_handed_over_is_answered_at_once(void **state)
{
	static const struct api_job_kind kind = {.free = job_free};
	struct http_reply reply = {.status = 200};
	struct api a = {0};

	(void)state;
	assert_int_equal(api_job_handed(job(&a, &kind), -EAGAIN, &reply), HTTP_REPLIED);
	assert_int_equal(reply.status, 503);
	assert_int_equal(completed, 0);
	assert_int_equal(freed, 1);
	buf_free(&reply.body);
}

static void more_questions_than_may_be_asked_are_refused_and_the_rest_ends_with_the_loop(void **state)
{
	static const struct api_job_kind kind = {.ask = ask, .cancel = cancel, .free = job_free};
	struct http_reply reply = {.status = 200};
	struct api a = {0};

	(void)state;
	assert_int_equal(loop_new(&a.loop), 0);
	for (int i = 0; i < API_ASKING_MAX; i++)
		assert_int_equal(api_job_ask(job(&a, &kind), &reply), HTTP_DEFERRED);
	assert_int_equal(api_job_ask(job(&a, &kind), &reply), HTTP_REPLIED);
	assert_int_equal(reply.status, 503);
	assert_int_equal(freed, 1);
	buf_free(&reply.body);

	api_jobs_cancel();
	assert_int_equal(cancelled, API_ASKING_MAX);
	assert_int_equal(completed, API_ASKING_MAX);
	assert_int_equal(last_status, 503);
	assert_int_equal(freed, API_ASKING_MAX + 1);
	loop_free(a.loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_read_is_answered_with_its_data_or_the_fitting_error, setup),
		cmocka_unit_test_setup(what_could_not_be_handed_over_is_answered_at_once, setup),
		cmocka_unit_test_setup(more_questions_than_may_be_asked_are_refused_and_the_rest_ends_with_the_loop,
	                               setup),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
