/* Jobs of the API: each is answered once and freed once, whatever becomes of it. */
#include "tests/unit/db_fixture.h"

#include "handlers/api/job.h"

#include "db/private.h"
#include "server/core/loop.h"

static atomic_int freed, completed, cancelled, last_status;

static void complete(struct http_req *req, struct http_reply *reply)
{
	(void)req;
	last_status = reply->status;
	buf_free(&reply->body);
	completed++;
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

/* --- asking the database --- */

static int begin(void **state)
{
	return setup(state) || scratch_make(state);
}

static int query_well(struct db_conn *c, struct api_job *j)
{
	assert_non_null(c);
	j->data = json_object_new_object();
	return 0;
}

static int query_wrong(struct db_conn *c, struct api_job *j)
{
	(void)c;
	snprintf(j->why, sizeof(j->why), "there is none");
	return -ENOENT;
}

/* Its statement is told that time is over, and it makes nothing of that. */
static int query_long(struct db_conn *c, struct api_job *j)
{
	c->until_us = 1;
	assert_true(db_conn_over(c));
	return query_well(c, j);
}

static int query_hands_on(struct db_conn *c, struct api_job *j)
{
	static const struct api_job_kind kind = {.read = read_well, .free = job_free};
	struct http_reply reply = {.status = 200};

	(void)c;
	assert_int_equal(api_job_read(job(j->api, &kind), &reply), HTTP_DEFERRED);
	return API_HANDED_ON;
}

static void what_was_asked_of_the_database_is_answered_once_whatever_became_of_it(void **state)
{
	static const struct {
		struct api_job_kind kind;
		int status, jobs;
	} cases[] = {
		{{.query = query_well, .free = job_free}, 200, 1},
		{{.query = query_wrong, .free = job_free}, 404, 1},
		{{.query = query_long, .free = job_free}, 503, 1},
		{{.query = query_hands_on, .free = job_free}, 200, 2},
	};
	struct api a = {.db = fixture_start()};
	struct http_reply reply = {.status = 200};

	(void)state;
	assert_int_equal(db_readers_start(a.db), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		freed = completed = 0;
		assert_int_equal(api_job_query(job(&a, &cases[i].kind), DB_READ_CHEAP, &reply), HTTP_DEFERRED);
		UNTIL(completed == 1 && freed == cases[i].jobs);
		assert_int_equal(last_status, cases[i].status);
	}
	db_readers_stop(a.db);
	assert_int_equal(api_job_query(job(&a, &cases[0].kind), DB_READ_CHEAP, &reply), HTTP_REPLIED);
	assert_int_equal(reply.status, 503);
	buf_free(&reply.body);
	db_close(a.db);
}

static sem_t opened;

static int query_waits(struct db_conn *c, struct api_job *j)
{
	sem_wait(&opened);
	return query_well(c, j);
}

static void beyond_the_lanes_limit_it_is_503_with_a_time_to_come_again(void **state)
{
	static const struct api_job_kind kind = {.query = query_waits, .free = job_free};
	struct api a = {.db = fixture_start()};
	struct http_reply reply = {.status = 200};
	int taken = 0;

	(void)state;
	sem_init(&opened, 0, 0);
	assert_int_equal(db_readers_start(a.db), 0);
	while (api_job_query(job(&a, &kind), DB_READ_DEAR, &reply) == HTTP_DEFERRED)
		taken++;
	assert_in_range(taken, DB_READ_DEAR_MAX, DB_READ_DEAR_MAX + 1); /* one may run already */
	assert_int_equal(reply.status, 503);
	assert_true(reply.retry_after_s > 0);
	assert_non_null(strstr(buf_text(&reply.body), "too many such questions are waiting; try again"));
	buf_free(&reply.body);
	for (int i = 0; i < taken; i++)
		sem_post(&opened);
	UNTIL(completed == taken && freed == taken + 1);
	assert_int_equal(last_status, 200);
	db_readers_stop(a.db);
	db_close(a.db);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(what_was_read_is_answered_with_its_data_or_the_fitting_error, setup),
		cmocka_unit_test_setup(what_could_not_be_handed_over_is_answered_at_once, setup),
		cmocka_unit_test_setup(more_questions_than_may_be_asked_are_refused_and_the_rest_ends_with_the_loop,
	                               setup),
		cmocka_unit_test_setup_teardown(what_was_asked_of_the_database_is_answered_once_whatever_became_of_it,
	                                        begin, scratch_remove),
		cmocka_unit_test_setup_teardown(beyond_the_lanes_limit_it_is_503_with_a_time_to_come_again, begin,
	                                        scratch_remove),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
