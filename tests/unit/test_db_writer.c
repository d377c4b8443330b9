#include "tests/unit/db_fixture.h"

#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include "db/event.h"
#include "db/private.h"
#include "server/core/metrics.h"

#define MANY 600

static int note(struct db_tx *tx, void *arg)
{
	struct event e = {.who = (char *)"test", .what = arg};

	return event_add(tx, &e);
}

static int note_and_fail(struct db_tx *tx, void *arg)
{
	int r = note(tx, arg);

	return r < 0 ? r : -EPERM;
}

static int note_and_count(struct db_tx *tx, void *arg)
{
	int r = note(tx, arg);

	return r < 0 ? r : 17;
}

/* How many events say what; -1 on an error. */
static int noted(struct db *db, const char *what)
{
	struct db_conn *c = NULL;
	struct event_filter f = {.limit = 1000000};
	struct event_list l = {0};
	int n = -1;

	assert_int_equal(db_reader_open(db, &c), 0);
	if (event_find(c, &f, &l) == 0) {
		n = 0;
		for (size_t i = 0; i < l.n; i++)
			n += !what || !strcmp(l.item[i].what, what);
	}
	event_list_free(&l);
	db_reader_close(c);
	return n;
}

/* A job that holds the writer up until it is let go: what is submitted meanwhile stands in the queue. */
struct gate {
	struct call call;
	sem_t reached, open;
	const char *what; /* noted first, and undone: it fails. NULL: it writes nothing */
};

static int gate_run(struct db_tx *tx, void *arg)
{
	struct gate *g = arg;
	int r = g->what ? note_and_fail(tx, (void *)g->what) : 0;

	sem_post(&g->reached);
	while (sem_wait(&g->open) < 0 && errno == EINTR)
		;
	return r;
}

static void gate_close(struct gate *g, struct db *db)
{
	sem_init(&g->reached, 0, 0);
	sem_init(&g->open, 0, 0);
	call_init(&g->call, gate_run, g);
	assert_int_equal(db_submit(db, &g->call.job, DB_URGENT), 0);
	while (sem_wait(&g->reached) < 0 && errno == EINTR)
		;
}

static void gate_open(struct gate *g)
{
	sem_post(&g->open);
}

static void what_run_returned_is_told_after_the_commit(void **state)
{
	(void)state;
	struct db *db = fixture_start();
	assert_int_equal(in_tx(db, note_and_count, (void *)"a"), 17);
	assert_int_equal(noted(db, "a"), 1);
	assert_int_equal(in_tx(db, note_and_fail, (void *)"b"), -EPERM);
	assert_int_equal(noted(db, "b"), 0);
	db_close(db);
}

/* It has no savepoint: what came before it in the transaction, and what comes after it, is there all the same. */
static void the_first_job_that_fails_undoes_only_itself(void **state)
{
	struct gate g = {.what = "undone"};
	struct call c[3];

	(void)state;
	struct db *db = fixture_start();
	gate_close(&g, db);
	for (int i = 0; i < 3; i++) {
		call_init(&c[i], i == 1 ? note_and_fail : note, i == 1 ? (void *)"undone" : (void *)"kept");
		assert_int_equal(db_submit(db, &c[i].job, DB_NORMAL), 0);
	}
	gate_open(&g);
	assert_int_equal(call_wait(&g.call), -EPERM);
	for (int i = 0; i < 3; i++)
		assert_int_equal(call_wait(&c[i]), i == 1 ? -EPERM : 0);
	assert_int_equal(noted(db, "kept"), 2);
	assert_int_equal(noted(db, "undone"), 0);
	db_close(db);
}

static void a_job_that_fails_undoes_only_itself(void **state)
{
	struct gate g = {.what = NULL};
	struct call c[5];

	(void)state;
	struct db *db = fixture_start();
	uint64_t commits = metric_get(M_COMMITS, 0);
	gate_close(&g, db);
	for (int i = 0; i < 5; i++) {
		call_init(&c[i], i % 2 ? note_and_fail : note, i % 2 ? (void *)"undone" : (void *)"kept");
		assert_int_equal(db_submit(db, &c[i].job, DB_NORMAL), 0);
	}
	gate_open(&g);
	for (int i = 0; i < 5; i++)
		assert_int_equal(call_wait(&c[i]), i % 2 ? -EPERM : 0);
	assert_int_equal(call_wait(&g.call), 0);
	assert_int_equal(noted(db, "kept"), 3);
	assert_int_equal(noted(db, "undone"), 0);
	assert_true(metric_get(M_COMMITS, 0) - commits <=
	            2); /* the gate's 50 ms may be over, then a second transaction */
	db_close(db);
}

/* Each appends its number to a text; the order of the text is the order of running. */
static char order[16];

static int append(struct db_tx *tx, void *arg)
{
	(void)tx;
	strcat(order, arg);
	return 0;
}

/* They are one part of the transaction, which is undone when one fails; the others, and those between, remain. */
static void of_jobs_that_may_run_again_a_failed_one_undoes_only_itself(void **state)
{
	static const struct {
		bool again, fails;
	} kinds[] = {{true, false}, {true, true},  {true, false}, {false, false}, {true, false}, {true, true},
	             {true, false}, {false, true}, {true, true},  {true, false},  {true, true}};
	struct call c[ARRAY_LEN(kinds)];

	(void)state;
	for (size_t from = 0; from < ARRAY_LEN(kinds); from++) {
		struct db *db = fixture_open();
		int kept = 0, before = noted(db, "kept");

		for (size_t i = from; i < ARRAY_LEN(kinds); i++) {
			call_init(&c[i], kinds[i].fails ? note_and_fail : note,
			          kinds[i].fails ? (void *)"undone" : (void *)"kept");
			c[i].job.again = kinds[i].again;
			kept += !kinds[i].fails;
			assert_int_equal(db_submit(db, &c[i].job, DB_NORMAL), 0);
		}
		assert_int_equal(db_start(db), 0);
		for (size_t i = from; i < ARRAY_LEN(kinds); i++)
			assert_int_equal(call_wait(&c[i]), kinds[i].fails ? -EPERM : 0);
		assert_int_equal(noted(db, "kept"), before + kept);
		assert_int_equal(noted(db, "undone"), 0);
		db_close(db);
	}
}

static void the_urgent_lane_goes_first_each_in_its_order(void **state)
{
	static const char *const normal[] = {"a", "b", "c"}, *const urgent[] = {"1", "2", "3"};
	struct gate g = {.what = NULL};
	struct call n[3], u[3];

	(void)state;
	order[0] = '\0';
	struct db *db = fixture_start();
	gate_close(&g, db);
	for (int i = 0; i < 3; i++) {
		call_init(&n[i], append, (void *)normal[i]);
		call_init(&u[i], append, (void *)urgent[i]);
		assert_int_equal(db_submit(db, &n[i].job, DB_NORMAL), 0);
		assert_int_equal(db_submit(db, &u[i].job, DB_URGENT), 0);
	}
	gate_open(&g);
	for (int i = 0; i < 3; i++) {
		call_wait(&n[i]);
		call_wait(&u[i]);
	}
	assert_string_equal(order, "123abc");
	db_close(db);
}

static int nothing(struct db_tx *tx, void *arg)
{
	(void)tx;
	(void)arg;
	return 0;
}

static void a_full_queue_refuses_and_keeps_room_for_the_urgent(void **state)
{
	struct gate g = {.what = NULL};
	size_t n = 0, refused = 0;

	(void)state;
	struct call *c = calloc(2 * DB_QUEUE_MAX + 10, sizeof(*c));
	assert_non_null(c);
	struct db *db = fixture_start();
	uint64_t before = metric_get(M_QUEUE_FULL, 0);
	gate_close(&g, db);
	for (size_t i = 0; i < DB_QUEUE_MAX + 5; i++) {
		call_init(&c[n], nothing, NULL);
		int r = db_submit(db, &c[n].job, DB_NORMAL);
		assert_int_equal(r, i < DB_QUEUE_MAX ? 0 : -EAGAIN);
		n += r == 0;
		refused += r < 0;
	}
	for (size_t i = 0; i < DB_QUEUE_MAX + 3; i++) {
		call_init(&c[n], nothing, NULL);
		int r = db_submit(db, &c[n].job, DB_URGENT);
		assert_int_equal(r, i < DB_QUEUE_MAX ? 0 : -EAGAIN);
		n += r == 0;
		refused += r < 0;
	}
	assert_int_equal(metric_get(M_QUEUE_FULL, 0) - before, refused);
	gate_open(&g);
	for (size_t i = 0; i < n; i++)
		assert_int_equal(call_wait(&c[i]), 0);
	call_wait(&g.call);
	assert_int_equal(in_tx(db, nothing, NULL), 0);
	db_close(db);
	free(c);
}

static void what_is_queued_shares_commits_but_a_batch_has_an_end(void **state)
{
	struct gate g = {.what = NULL};
	static struct call c[MANY];

	(void)state;
	struct db *db = fixture_start();
	gate_close(&g, db);
	uint64_t commits = metric_get(M_COMMITS, 0);
	for (int i = 0; i < MANY; i++) {
		call_init(&c[i], note, (void *)"x");
		assert_int_equal(db_submit(db, &c[i].job, DB_NORMAL), 0);
	}
	gate_open(&g);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(call_wait(&c[i]), 0);
	uint64_t used = metric_get(M_COMMITS, 0) - commits;
	assert_true(used >= (MANY + 1 + 255) / 256); /* 256 at most in one */
	assert_true(used <= MANY / 4);               /* by time: even a slow machine does four in 50 ms */
	assert_int_equal(noted(db, "x"), MANY);
	db_close(db);
}

static void stopping_runs_what_is_queued_and_refuses_what_comes(void **state)
{
	struct gate g = {.what = NULL};
	static struct call c[MANY];
	int told = 0;

	(void)state;
	struct db *db = fixture_start();
	gate_close(&g, db);
	for (int i = 0; i < MANY; i++) {
		call_init(&c[i], note, (void *)"queued");
		c[i].told = &told;
		assert_int_equal(db_submit(db, &c[i].job, i % 3 ? DB_NORMAL : DB_URGENT), 0);
	}
	gate_open(&g);
	db_stop(db);
	assert_int_equal(told, MANY);
	for (int i = 0; i < MANY; i++)
		assert_int_equal(c[i].result, 0);
	struct call late;
	call_init(&late, note, (void *)"late");
	late.told = &told;
	assert_int_equal(db_submit(db, &late.job, DB_URGENT), -ESHUTDOWN);
	assert_int_equal(db_submit(db, &late.job, DB_NORMAL), -ESHUTDOWN);
	assert_int_equal(noted(db, "queued"), MANY);
	db_stop(db);
	db_close(db);
	assert_int_equal(told, MANY);
}

/* --- many threads --- */

#define THREADS 8
#define EACH    250

struct submitter {
	struct db *db;
	pthread_t thread;
	int kept, refused;
	struct call call[EACH];
};

static void *submit_all(void *arg)
{
	struct submitter *s = arg;

	for (int i = 0; i < EACH; i++) {
		call_init(&s->call[i], i % 10 ? note : note_and_fail, (void *)(i % 10 ? "kept" : "undone"));
		while (db_submit(s->db, &s->call[i].job, i % 2 ? DB_NORMAL : DB_URGENT) < 0)
			usleep(100);
		if (i % 50 == 49) /* now and then it waits, as a person would */
			while (sem_wait(&s->call[i].ended) < 0 && errno == EINTR)
				;
		if (i % 50 == 49)
			sem_post(&s->call[i].ended);
	}
	for (int i = 0; i < EACH; i++) {
		while (sem_wait(&s->call[i].ended) < 0 && errno == EINTR)
			;
		s->kept += s->call[i].result == 0;
		s->refused += s->call[i].result == -EPERM;
	}
	return NULL;
}

static void many_threads_may_submit_and_each_job_is_told_once(void **state)
{
	struct submitter *s = calloc(THREADS, sizeof(*s));

	(void)state;
	assert_non_null(s);
	struct db *db = fixture_start();
	for (int i = 0; i < THREADS; i++) {
		s[i].db = db;
		assert_int_equal(pthread_create(&s[i].thread, NULL, submit_all, &s[i]), 0);
	}
	while (pthread_tryjoin_np(s[0].thread, NULL) == EBUSY) { /* meanwhile others ask how it is */
		assert_true(db_healthy(db, NULL));
		assert_true(clock_mono_us() - db_last_turn_us(db) < 10 * US_PER_S);
		usleep(1000);
	}
	for (int i = 1; i < THREADS; i++)
		pthread_join(s[i].thread, NULL);
	for (int i = 0; i < THREADS; i++) {
		assert_int_equal(s[i].kept, EACH - EACH / 10);
		assert_int_equal(s[i].refused, EACH / 10);
	}
	assert_int_equal(noted(db, NULL), THREADS * (EACH - EACH / 10));
	db_close(db);
	free(s);
}

/* --- a disk that fails --- */

static off_t size_of(const char *name)
{
	struct stat st;

	return stat(scratch_path(name), &st) < 0 ? -1 : st.st_size;
}

/* Writes behind the given size fail (EFBIG): for SQLite an I/O error like any other. */
static void limit_files(rlim_t bytes)
{
	struct rlimit l;

	assert_int_equal(getrlimit(RLIMIT_FSIZE, &l), 0);
	l.rlim_cur = bytes;
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &l), 0);
}

static void a_failed_transaction_tells_every_job_and_recovers_by_itself(void **state)
{
	struct gate g = {.what = NULL};
	struct call c[4];
	const char *text = NULL;

	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	struct db *db = fixture_start();
	assert_int_equal(in_tx(db, note, (void *)"before"), 0);
	gate_close(&g, db);
	limit_files(0);
	for (int i = 0; i < 4; i++) {
		call_init(&c[i], i == 1 ? note_and_fail : note, (void *)"doubtful");
		assert_int_equal(db_submit(db, &c[i].job, i % 2 ? DB_NORMAL : DB_URGENT), 0);
	}
	gate_open(&g);
	for (int i = 0; i < 4; i++)
		assert_int_equal(call_wait(&c[i]), -EIO);
	assert_int_equal(call_wait(&g.call), -EIO);
	assert_false(db_healthy(db, &text));
	assert_string_equal(text, "the last write to the database failed");
	assert_int_equal(db_submit(db, &c[0].job, DB_NORMAL), -EIO);
	assert_int_equal(in_tx(db, note, (void *)"doubtful"), -EIO); /* the engine may try, and is told at once */
	assert_int_equal(noted(db, "before"), 1);                    /* and reading goes on */
	limit_files(RLIM_INFINITY);
	int64_t since = clock_mono_us();
	UNTIL(db_healthy(db, NULL));
	assert_true(clock_mono_us() - since < 5 * US_PER_S);
	assert_int_equal(in_tx(db, note, (void *)"after"), 0);
	assert_int_equal(noted(db, "doubtful"), 0);
	db_close(db);
	db = fixture_open();
	assert_int_equal(noted(db, "doubtful"), 0);
	assert_int_equal(noted(db, "before"), 1);
	assert_int_equal(noted(db, "after"), 1);
	db_close(db);
}

static void a_disk_that_fails_does_not_hold_up_the_stop(void **state)
{
	(void)state;
	signal(SIGXFSZ, SIG_IGN);
	struct db *db = fixture_start();
	assert_int_equal(in_tx(db, note, (void *)"before"), 0);
	limit_files(0);
	assert_int_equal(in_tx(db, note, (void *)"lost"), -EIO);
	db_close(db);
	limit_files(RLIM_INFINITY);
	db = fixture_open();
	assert_int_equal(noted(db, "before"), 1);
	assert_int_equal(noted(db, "lost"), 0);
	db_close(db);
}

/* --- who waits for events --- */

static void count(void *arg)
{
	atomic_fetch_add((atomic_int *)arg, 1);
}

static int no_event(struct db_tx *tx, void *arg)
{
	(void)arg;
	return meta_set(tx, "nothing", 1);
}

/* What done was told comes first, so the next job's end is awaited. */
static void a_commit_with_an_event_is_told_to_who_waits_for_events(void **state)
{
	atomic_int told = 0;
	struct db *db = fixture_start();

	(void)state;
	assert_int_equal(in_tx(db, note, (void *)"before anybody waits"), 0);
	assert_int_equal(in_tx(db, no_event, NULL), 0);
	db_on_events(db, count, &told);
	assert_int_equal(in_tx(db, note, (void *)"one"), 0);
	UNTIL(atomic_load(&told) == 1);
	assert_int_equal(in_tx(db, no_event, NULL), 0);
	assert_int_equal(in_tx(db, no_event, NULL), 0);
	assert_int_equal(atomic_load(&told), 1);
	assert_int_equal(in_tx(db, note, (void *)"two"), 0);
	UNTIL(atomic_load(&told) == 2);
	db_close(db);
	assert_int_equal(atomic_load(&told), 2);
}

/* --- the log's length --- */

static int much(struct db_tx *tx, void *arg)
{
	int r = 0;

	for (int i = 0; i < 100 && r >= 0; i++)
		r = note(tx, arg);
	return r;
}

static void the_log_is_cut_when_a_slow_reader_let_it_grow(void **state)
{
	static char text[10001];
	struct db_conn *slow = NULL;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	struct db *db = fixture_start();
	assert_int_equal(in_tx(db, much, text), 0);
	assert_int_equal(db_reader_open(db, &slow), 0);
	assert_int_equal(sqlite3_exec(slow->sql, "BEGIN; SELECT count(*) FROM event", NULL, NULL, NULL), SQLITE_OK);
	for (int i = 0; i < 20; i++)
		assert_int_equal(in_tx(db, much, text), 0);
	assert_true(size_of("state/rollbackd.db-wal") > 16 * 1024 * 1024);
	int64_t asked = clock_mono_us();
	assert_int_equal(in_tx(db, note, (void *)"quick"), 0);
	assert_true(clock_mono_us() - asked < 2 * US_PER_S); /* the reader does not hold the writer up */
	assert_int_equal(sqlite3_exec(slow->sql, "COMMIT", NULL, NULL, NULL), SQLITE_OK);
	UNTIL(size_of("state/rollbackd.db-wal") == 0);
	assert_int_equal(noted(db, text), 2100);
	db_reader_close(slow);
	db_close(db);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, scratch_remove)
	const struct CMUnitTest tests[] = {
		T(what_run_returned_is_told_after_the_commit),
		T(a_job_that_fails_undoes_only_itself),
		T(the_first_job_that_fails_undoes_only_itself),
		T(of_jobs_that_may_run_again_a_failed_one_undoes_only_itself),
		T(the_urgent_lane_goes_first_each_in_its_order),
		T(a_full_queue_refuses_and_keeps_room_for_the_urgent),
		T(what_is_queued_shares_commits_but_a_batch_has_an_end),
		T(stopping_runs_what_is_queued_and_refuses_what_comes),
		T(many_threads_may_submit_and_each_job_is_told_once),
		T(a_failed_transaction_tells_every_job_and_recovers_by_itself),
		T(a_disk_that_fails_does_not_hold_up_the_stop),
		T(a_commit_with_an_event_is_told_to_who_waits_for_events),
		T(the_log_is_cut_when_a_slow_reader_let_it_grow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
