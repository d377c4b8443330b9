/* The reading threads: who goes before whom, what is refused, and how a read that takes too long ends. */
#include "tests/unit/db_fixture.h"

#include <pthread.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include "db/event.h"
#include "db/private.h"
#include "db/readers.h"
#include "server/core/metrics.h"
#include "server/core/thread.h"

static struct db *start(void)
{
	struct db *db = fixture_start();

	assert_int_equal(db_readers_start(db), 0);
	return db;
}

static void stop(struct db *db)
{
	db_readers_stop(db);
	db_close(db);
}

/* --- a read that can be waited for --- */

struct read {
	struct db_read_job job; /* first */
	int (*fn)(struct db_conn *c, struct read *r);
	sem_t begun, open, ended;
	int result, runs, told;
	int turn; /* the how-manieth of all it was to begin */
	pthread_t thread;
	char name[16];
	int nice;
};

static atomic_int turns;

static int run(struct db_conn *c, struct db_read_job *job)
{
	struct read *r = (struct read *)job;

	r->runs++;
	r->turn = atomic_fetch_add(&turns, 1) + 1;
	r->thread = pthread_self();
	r->nice = getpriority(PRIO_PROCESS, (id_t)gettid());
	pthread_getname_np(pthread_self(), r->name, sizeof(r->name));
	return r->fn(c, r);
}

static void done(struct db_read_job *job, int result)
{
	struct read *r = (struct read *)job;

	r->result = result;
	r->told++;
	sem_post(&r->ended);
}

static struct read a_read(int (*fn)(struct db_conn *c, struct read *r))
{
	struct read r = {.job = {.run = run, .done = done}, .fn = fn};

	return r;
}

static void submit(struct db *db, struct read *r, enum db_read_lane lane)
{
	sem_init(&r->begun, 0, 0);
	sem_init(&r->open, 0, 0);
	sem_init(&r->ended, 0, 0);
	assert_int_equal(db_read(db, &r->job, lane), 0);
}

static void wait_for(sem_t *s)
{
	struct timespec until;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	assert_int_equal(sem_timedwait(s, &until), 0);
}

static int result_of(struct read *r)
{
	wait_for(&r->ended);
	assert_int_equal(r->told, 1);
	return r->result;
}

static int at_once(struct db_conn *c, struct read *r)
{
	(void)c;
	(void)r;
	return 7;
}

/* Holds its thread until it is let go. */
static int gate(struct db_conn *c, struct read *r)
{
	(void)c;
	sem_post(&r->begun);
	wait_for(&r->open);
	return 0;
}

static void let_go(struct read *gate)
{
	sem_post(&gate->open);
	assert_int_equal(result_of(gate), 0);
}

/* Both threads, the dear one's by dear. */
static void hold_both(struct db *db, struct read *cheap, struct read *dear)
{
	*cheap = *dear = a_read(gate);
	submit(db, dear, DB_READ_DEAR);
	wait_for(&dear->begun);
	submit(db, cheap, DB_READ_CHEAP);
	wait_for(&cheap->begun);
	assert_false(pthread_equal(cheap->thread, dear->thread));
}

/* --- what it is for --- */

static int add_event(struct db_tx *tx, void *arg)
{
	struct event e = {.who = (char *)"test", .what = arg};

	return event_add(tx, &e);
}

static int count_events(struct db_conn *c, struct read *r)
{
	const struct event_filter f = {.limit = 100};
	struct event_list l = {0};
	int e = event_find(c, &f, &l), n = (int)l.n;

	(void)r;
	event_list_free(&l);
	return e < 0 ? e : n;
}

static void it_sees_what_is_committed_from_a_thread_of_its_own(void **state)
{
	struct db *db = start();

	(void)state;
	for (int i = 1; i <= 3; i++) {
		struct read r = a_read(count_events);

		assert_int_equal(in_tx(db, add_event, (void *)"one"), 0);
		submit(db, &r, DB_READ_CHEAP);
		assert_int_equal(result_of(&r), i);
		assert_string_equal(r.name, "reader");
		/* Whoever answers webhooks and lowers has a processor first. */
		assert_true(r.nice > getpriority(PRIO_PROCESS, (id_t)gettid()) || r.nice == 19);
	}
	stop(db);
}

/* SQLite looks at the clock by the steps of a statement over all its runs, that of the last one too, which ends a read.
 */
static void the_bound_of_a_read_ends_with_it_however_many_there_were(void **state)
{
	struct db *db = start();

	(void)state;
	for (int i = 0; i < 30000; i++) {
		struct read r = a_read(at_once);

		submit(db, &r, DB_READ_CHEAP);
		assert_int_equal(result_of(&r), 7);
	}
	stop(db);
}

/* --- lanes --- */

static void no_number_of_dear_reads_holds_up_the_others(void **state)
{
	struct db *db = start();
	struct read dear[DB_READ_DEAR_MAX], cheap = a_read(at_once), urgent = a_read(at_once);

	(void)state;
	for (size_t i = 0; i < DB_READ_DEAR_MAX; i++) {
		dear[i] = a_read(gate);
		submit(db, &dear[i], DB_READ_DEAR);
	}
	wait_for(&dear[0].begun);
	submit(db, &cheap, DB_READ_CHEAP);
	submit(db, &urgent, DB_READ_URGENT);
	assert_int_equal(result_of(&cheap), 7);
	assert_int_equal(result_of(&urgent), 7);
	for (size_t i = 1; i < DB_READ_DEAR_MAX; i++)
		assert_int_equal(dear[i].runs, 0);
	for (size_t i = 0; i < DB_READ_DEAR_MAX; i++) {
		let_go(&dear[i]);
		assert_true(pthread_equal(dear[i].thread, dear[0].thread));
	}
	stop(db);
}

static void urgent_ones_go_first_and_within_a_lane_it_is_the_order_of_asking(void **state)
{
	struct db *db = start();
	struct read held, dear, first = a_read(at_once), second = a_read(at_once), urgent = a_read(at_once);

	(void)state;
	hold_both(db, &held, &dear);
	submit(db, &first, DB_READ_CHEAP);
	submit(db, &second, DB_READ_CHEAP);
	submit(db, &urgent, DB_READ_URGENT);
	let_go(&held);
	assert_int_equal(result_of(&second), 7);
	assert_true(urgent.turn < first.turn && first.turn < second.turn);
	let_go(&dear);
	stop(db);
}

static void no_number_of_cheap_reads_starves_a_dear_one(void **state)
{
	struct db *db = start();
	struct read held, holds, dear = a_read(at_once), cheap[20];

	(void)state;
	hold_both(db, &held, &holds);
	for (size_t i = 0; i < ARRAY_LEN(cheap); i++) {
		cheap[i] = a_read(at_once);
		submit(db, &cheap[i], DB_READ_CHEAP);
	}
	submit(db, &dear, DB_READ_DEAR);
	let_go(&holds); /* the other thread is still held */
	assert_int_equal(result_of(&dear), 7);
	for (size_t i = 0; i < ARRAY_LEN(cheap); i++) {
		assert_int_equal(result_of(&cheap[i]), 7);
		assert_true(dear.turn < cheap[i].turn);
	}
	let_go(&held);
	stop(db);
}

/* --- limits --- */

static void a_full_lane_refuses_and_the_others_do_not(void **state)
{
	static const size_t most[] = {DB_READ_URGENT_MAX, DB_READ_CHEAP_MAX, DB_READ_DEAR_MAX};
	struct db *db = start();
	struct read held, dear, more = a_read(at_once);
	struct read *waiting[DB_READ_LANES];
	uint64_t refused = metric_get(M_READS, 1);

	(void)state;
	hold_both(db, &held, &dear);
	for (size_t lane = 0; lane < DB_READ_LANES; lane++) {
		waiting[lane] = calloc(most[lane], sizeof(struct read));
		for (size_t i = 0; i < most[lane]; i++) {
			waiting[lane][i] = a_read(at_once);
			submit(db, &waiting[lane][i], (enum db_read_lane)lane);
		}
		assert_int_equal(db_read(db, &more.job, (enum db_read_lane)lane), -EAGAIN);
	}
	assert_int_equal(metric_get(M_READS, 1) - refused, DB_READ_LANES);
	let_go(&held);
	let_go(&dear);
	for (size_t lane = 0; lane < DB_READ_LANES; lane++) {
		for (size_t i = 0; i < most[lane]; i++)
			assert_int_equal(result_of(&waiting[lane][i]), 7);
		free(waiting[lane]);
	}
	assert_int_equal(more.told, 0);
	stop(db);
}

static void what_has_waited_too_long_is_told_so_and_not_run(void **state)
{
	struct db *db = start();
	struct read held, dear, late = a_read(at_once);

	(void)state;
	hold_both(db, &held, &dear);
	submit(db, &late, DB_READ_CHEAP);
	late.job.waits_until_us = clock_mono_us(); /* nobody looks at it while both are held */
	let_go(&held);
	assert_int_equal(result_of(&late), -EAGAIN);
	assert_int_equal(late.runs, 0);
	let_go(&dear);
	stop(db);
}

static int endless(struct db_conn *c)
{
	return sqlite3_exec(c->sql,
	                    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n) SELECT count(*) FROM n",
	                    NULL, NULL, NULL);
}

/* Its bound is now, and it does not say that anything went wrong. */
static int forgetful(struct db_conn *c, struct read *r)
{
	(void)r;
	assert_true(c->until_us > clock_mono_us());
	c->until_us = clock_mono_us() + 20 * US_PER_MS;
	assert_int_equal(endless(c), SQLITE_INTERRUPT);
	return 0;
}

static int begins_late(struct db_conn *c, struct read *r)
{
	c->until_us = clock_mono_us();
	return count_events(c, r);
}

static void a_statement_that_runs_at_its_bound_is_interrupted_and_none_is_begun_after_it(void **state)
{
	struct db *db = start();
	struct read reads[] = {a_read(forgetful), a_read(begins_late)};
	uint64_t timeouts = metric_get(M_READS, 2);

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(reads); i++) {
		struct read after = a_read(count_events);

		submit(db, &reads[i], DB_READ_CHEAP);
		assert_int_equal(result_of(&reads[i]), -ETIMEDOUT);
		submit(db, &after, DB_READ_CHEAP);
		assert_int_equal(result_of(&after), 0);
	}
	assert_int_equal(metric_get(M_READS, 2) - timeouts, 2);
	stop(db);
}

/* --- the end --- */

static int for_ever(struct db_conn *c, struct read *r)
{
	sem_post(&r->begun);
	return endless(c) == SQLITE_INTERRUPT ? -ETIMEDOUT : 0;
}

static void at_the_end_what_runs_is_interrupted_and_everybody_is_told(void **state)
{
	struct db *db = start();
	struct read runs[2] = {a_read(for_ever), a_read(for_ever)}, waits[3], late = a_read(at_once);

	(void)state;
	submit(db, &runs[1], DB_READ_DEAR);
	wait_for(&runs[1].begun);
	submit(db, &runs[0], DB_READ_CHEAP);
	wait_for(&runs[0].begun);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		waits[i] = a_read(at_once);
		submit(db, &waits[i], (enum db_read_lane)i);
	}
	db_readers_stop(db);
	for (size_t i = 0; i < ARRAY_LEN(runs); i++)
		assert_int_equal(result_of(&runs[i]), -ESHUTDOWN);
	for (size_t i = 0; i < ARRAY_LEN(waits); i++) {
		assert_int_equal(result_of(&waits[i]), -ESHUTDOWN);
		assert_int_equal(waits[i].runs, 0);
	}
	assert_int_equal(db_read(db, &late.job, DB_READ_URGENT), -ESHUTDOWN);
	db_close(db);
}

static void before_the_start_it_refuses_and_stopping_is_nothing(void **state)
{
	struct db *db = fixture_start();
	struct read r = a_read(at_once);

	(void)state;
	assert_int_equal(db_read(db, &r.job, DB_READ_CHEAP), -ESHUTDOWN);
	stop(db);
}

static void it_says_since_when_it_has_been_at_one_read(void **state)
{
	struct db *db = start();
	struct read held, dear;
	int64_t before = clock_mono_us();

	(void)state;
	assert_int_equal(db_readers_busy_since_us(db), 0);
	hold_both(db, &held, &dear);
	int64_t since = db_readers_busy_since_us(db);
	assert_true(since >= before && since <= clock_mono_us());
	let_go(&dear);
	UNTIL(db_readers_busy_since_us(db) > since);
	let_go(&held);
	UNTIL(db_readers_busy_since_us(db) == 0);
	stop(db);
}

/* --- whose connection it is --- */

struct use {
	struct db_conn *conn;
	enum thread_name as;
	sem_t used;
};

static void *uses_it(void *arg)
{
	struct use *u = arg;

	thread_is(u->as);
	count_events(u->conn, NULL);
	sem_post(&u->used);
	pause();
	return NULL;
}

/* So many threads one after the other, each still there when the next one comes. The signal that ended it, or 0. */
static int use_by(struct db_conn *c, enum thread_name as, int n)
{
	struct use u = {.conn = c, .as = as};
	pthread_t thread;
	int status;

	sem_init(&u.used, 0, 0);
	pid_t pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(2); /* the assertion's text */
		for (int i = 0; i < n; i++) {
			pthread_create(&thread, NULL, uses_it, &u);
			sem_wait(&u.used);
		}
		_exit(0);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

static void a_connection_is_its_first_threads_and_never_the_http_threads(void **state)
{
	struct db *db = fixture_open();
	struct db_conn *c = NULL;

	(void)state;
	assert_int_equal(db_reader_open(db, &c), 0);
	assert_int_equal(count_events(c, NULL), 0); /* without a name: the only one */
	assert_int_equal(use_by(c, THREAD_ENGINE, 1), 0);
	assert_int_equal(use_by(c, THREAD_ENGINE, 2), SIGABRT);
	assert_int_equal(use_by(c, THREAD_HTTP, 1), SIGABRT);
	db_reader_close(c);
	db_close(db);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		T(the_bound_of_a_read_ends_with_it_however_many_there_were),
		T(it_sees_what_is_committed_from_a_thread_of_its_own),
		T(no_number_of_dear_reads_holds_up_the_others),
		T(urgent_ones_go_first_and_within_a_lane_it_is_the_order_of_asking),
		T(no_number_of_cheap_reads_starves_a_dear_one),
		T(a_full_lane_refuses_and_the_others_do_not),
		T(what_has_waited_too_long_is_told_so_and_not_run),
		T(a_statement_that_runs_at_its_bound_is_interrupted_and_none_is_begun_after_it),
		T(at_the_end_what_runs_is_interrupted_and_everybody_is_told),
		T(before_the_start_it_refuses_and_stopping_is_nothing),
		T(it_says_since_when_it_has_been_at_one_read),
		T(a_connection_is_its_first_threads_and_never_the_http_threads),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
