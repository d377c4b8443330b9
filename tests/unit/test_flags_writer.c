#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#include <setjmp.h>
#include <cmocka.h>

#include "handlers/steps/flags_writer.h"
#include "server/core/scope.h"

#define FILES      60
#define PATIENCE_S 60
#define PART       8 /* DIRECTORY_MAX of flags_writer.c */

struct one {
	struct flags_task task; /* first */
	sem_t *ended;
	char path[200];
};

static void on_done(struct flags_task *t)
{
	sem_post(((struct one *)t)->ended);
}

static char dirs[3][64];

static void make_dirs(void)
{
	for (int i = 0; i < 3; i++) {
		snprintf(dirs[i], sizeof(dirs[i]), "/tmp/rollbackd-flags-XXXXXX");
		assert_non_null(mkdtemp(dirs[i]));
	}
}

static void remove_dirs(void)
{
	char command[300];

	snprintf(command, sizeof(command), "rm -r %s %s %s", dirs[0], dirs[1], dirs[2]);
	assert_int_equal(system(command), 0);
}

static void put(const char *path, const char *text)
{
	FILE *f = fopen(path, "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static int32_t value(const char *path, const char *key)
{
	char why[256];
	int32_t pct = -1;

	assert_int_equal(flags_file_read(path, key, &pct, why, sizeof(why)), 0);
	return pct;
}

static void wait_for(sem_t *s)
{
	while (sem_wait(s) < 0)
		assert_int_equal(errno, EINTR);
}

static void one_init(struct one *o, const char *path, const char *key, sem_t *ended)
{
	*o = (struct one) {.ended = ended};
	snprintf(o->path, sizeof(o->path), "%s", path);
	o->task = (struct flags_task) {.path = o->path, .key = (char *)key, .done = on_done};
}

static void files_of_several_directories_are_all_lowered(void **state)
{
	static struct one all[FILES];
	struct flags_writer *w = NULL;
	sem_t ended;

	(void)state;
	make_dirs();
	sem_init(&ended, 0, 0);
	assert_int_equal(flags_writer_start(&w), 0);
	for (int i = 0; i < FILES; i++) {
		char path[200];

		snprintf(path, sizeof(path), "%s/%d.env", dirs[i % 3], i);
		put(path, "A=1\nPCT=10\n");
		one_init(&all[i], path, "PCT", &ended);
	}
	for (int i = 0; i < FILES; i++)
		assert_int_equal(flags_writer_submit(w, &all[i].task), 0);
	for (int i = 0; i < FILES; i++)
		wait_for(&ended);
	for (int i = 0; i < FILES; i++) {
		assert_int_equal(all[i].task.result, 1);
		assert_int_equal(all[i].task.change.before, 1000);
		assert_int_equal(value(all[i].path, "PCT"), 0);
	}
	flags_writer_stop(w);
	flags_writer_free(w);
	remove_dirs();
}

/* Each reads the file, replaces its own value and renames: side by side one would take the other's back. */
static void two_rollouts_in_one_file_lose_nothing(void **state)
{
	static struct one all[FILES];
	struct flags_writer *w = NULL;
	char text[FILES * 20] = "", path[200];
	static char keys[FILES][16];
	sem_t ended;

	(void)state;
	make_dirs();
	sem_init(&ended, 0, 0);
	snprintf(path, sizeof(path), "%s/all.env", dirs[0]);
	for (int i = 0; i < FILES; i++) {
		snprintf(keys[i], sizeof(keys[i]), "K%d", i);
		snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s=10\n", keys[i]);
		one_init(&all[i], path, keys[i], &ended);
	}
	put(path, text);
	assert_int_equal(flags_writer_start(&w), 0);
	for (int i = 0; i < FILES; i++)
		assert_int_equal(flags_writer_submit(w, &all[i].task), 0);
	for (int i = 0; i < FILES; i++)
		wait_for(&ended);
	for (int i = 0; i < FILES; i++) {
		assert_int_equal(all[i].task.result, 1);
		assert_int_equal(value(path, keys[i]), 0);
	}
	flags_writer_stop(w);
	flags_writer_free(w);
	remove_dirs();
}

static void another_programs_lock_is_kept_to(void **state)
{
	struct flags_writer *w = NULL;
	struct one held, free;
	char path[200];
	sem_t ended;

	(void)state;
	make_dirs();
	sem_init(&ended, 0, 0);
	snprintf(path, sizeof(path), "%s/held.env", dirs[0]);
	put(path, "PCT=10\n");
	one_init(&held, path, "PCT", &ended);
	snprintf(path, sizeof(path), "%s/free.env", dirs[1]);
	put(path, "PCT=10\n");
	one_init(&free, path, "PCT", &ended);
	CLEANUP(cleanup_fd) int lock = open(dirs[0], O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(lock, LOCK_EX), 0);
	assert_int_equal(flags_writer_start(&w), 0);
	assert_int_equal(flags_writer_submit(w, &held.task), 0);
	assert_int_equal(flags_writer_submit(w, &free.task), 0);
	wait_for(&ended);
	wait_for(&ended);
	assert_int_equal(held.task.result, -EBUSY);
	assert_int_equal(value(held.path, "PCT"), 1000);
	assert_int_equal(free.task.result, 1);
	assert_int_equal(flock(lock, LOCK_UN), 0);
	assert_int_equal(flags_writer_submit(w, &held.task), 0);
	wait_for(&ended);
	assert_int_equal(held.task.result, 1);
	flags_writer_stop(w);
	flags_writer_free(w);
	remove_dirs();
}

/* A thread that does not come back, here because of what it was told to do at the end. */
static struct flags_writer *of_chain;
static struct one second;

static void then_second(struct flags_task *t)
{
	assert_int_equal(flags_writer_submit(of_chain, &second.task), 0);
	wait_for(second.ended); /* on another thread: this one is here */
	sem_post(((struct one *)t)->ended);
}

static void one_that_takes_long_holds_up_nobody(void **state)
{
	struct one first;
	char path[200];
	sem_t ended, inner;

	(void)state;
	make_dirs();
	sem_init(&ended, 0, 0);
	sem_init(&inner, 0, 0);
	snprintf(path, sizeof(path), "%s/first.env", dirs[0]);
	put(path, "PCT=10\n");
	one_init(&first, path, "PCT", &ended);
	first.task.done = then_second;
	snprintf(path, sizeof(path), "%s/second.env", dirs[1]);
	put(path, "PCT=10\n");
	one_init(&second, path, "PCT", &inner);
	assert_int_equal(flags_writer_start(&of_chain), 0);
	assert_int_equal(flags_writer_submit(of_chain, &first.task), 0);
	wait_for(&ended);
	assert_int_equal(second.task.result, 1);
	flags_writer_stop(of_chain);
	assert_int_equal(flags_writer_submit(of_chain, &first.task), -ESHUTDOWN);
	flags_writer_free(of_chain);
	remove_dirs();
}

/* --- a file system that hangs: who syncs a file whose path begins so waits until it is let go --- */

static _Atomic(const char *) hung;
static atomic_int hanging;
static sem_t let_go, one_hangs; /* posted for each that begins to hang */

int fsync(int fd)
{
	char link[40], at[PATH_MAX] = "";
	const char *where = atomic_load(&hung);

	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	if (where && readlink(link, at, sizeof(at) - 1) > 0 && !strncmp(at, where, strlen(where))) {
		atomic_fetch_add(&hanging, 1);
		sem_post(&one_hangs);
		wait_for(&let_go);
	}
	return (int)syscall(SYS_fsync, fd);
}

static void hang(const char *where)
{
	sem_init(&let_go, 0, 0);
	sem_init(&one_hangs, 0, 0);
	atomic_store(&hanging, 0);
	atomic_store(&hung, where);
}

static void let_all_go(void)
{
	atomic_store(&hung, NULL);
	for (int i = 0; i < FILES; i++)
		sem_post(&let_go);
}

static bool ends(sem_t *s)
{
	struct timespec until;
	int r;

	clock_gettime(CLOCK_REALTIME, &until);
	until.tv_sec += PATIENCE_S;
	while ((r = sem_timedwait(s, &until)) < 0 && errno == EINTR)
		;
	return r == 0;
}

static bool will_hang(int n)
{
	while (atomic_load(&hanging) < n && ends(&one_hangs))
		;
	return atomic_load(&hanging) == n;
}

static void submit(struct flags_writer *w, struct one *o, const char *dir, const char *name, const char *key,
                   sem_t *ended)
{
	char path[200];

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	if (access(path, F_OK) < 0)
		put(path, "PCT=10\nOTHER=10\n");
	one_init(o, path, key, ended);
	assert_int_equal(flags_writer_submit(w, &o->task), 0);
}

static void one_file_system_that_hangs_leaves_threads_for_the_others(void **state)
{
	static struct one stuck[20], free[10];
	struct flags_writer *w = NULL;
	sem_t late, ended;
	char name[20];

	(void)state;
	make_dirs();
	sem_init(&late, 0, 0);
	sem_init(&ended, 0, 0);
	hang(dirs[0]);
	assert_int_equal(flags_writer_start(&w), 0);
	for (int i = 0; i < 20; i++) {
		snprintf(name, sizeof(name), "%d.env", i);
		submit(w, &stuck[i], dirs[0], name, "PCT", &late);
	}
	assert_true(will_hang(PART));
	for (int i = 0; i < 10; i++) {
		snprintf(name, sizeof(name), "%d.env", i);
		submit(w, &free[i], dirs[1 + i % 2], name, "PCT", &ended);
	}
	for (int i = 0; i < 10; i++)
		assert_true(ends(&ended));
	assert_int_equal(atomic_load(&hanging), PART);
	let_all_go();
	for (int i = 0; i < 20; i++)
		assert_true(ends(&late));
	for (int i = 0; i < 20; i++)
		assert_int_equal(value(stuck[i].path, "PCT"), 0);
	flags_writer_stop(w);
	flags_writer_free(w);
	remove_dirs();
}

static void one_file_is_written_by_one_at_a_time(void **state)
{
	struct one first, same, other, elsewhere;
	struct flags_writer *w = NULL;
	sem_t late, ended;

	(void)state;
	make_dirs();
	sem_init(&late, 0, 0);
	sem_init(&ended, 0, 0);
	hang(dirs[0]);
	assert_int_equal(flags_writer_start(&w), 0);
	submit(w, &first, dirs[0], "same.env", "PCT", &late);
	submit(w, &same, dirs[0], "same.env", "OTHER", &late);
	submit(w, &other, dirs[0], "other.env", "PCT", &late);
	assert_true(will_hang(2));
	submit(w, &elsewhere, dirs[1], "free.env", "PCT", &ended);
	assert_true(ends(&ended));
	assert_int_equal(atomic_load(&hanging), 2); /* the first and the other: the second was passed over */
	let_all_go();
	for (int i = 0; i < 3; i++)
		assert_true(ends(&late));
	assert_int_equal(value(first.path, "PCT"), 0);
	assert_int_equal(value(first.path, "OTHER"), 0);
	flags_writer_stop(w);
	flags_writer_free(w);
	remove_dirs();
}

/* One descriptor holds it for all who write there; else another program would write beside the last of them. */
static void the_lock_of_a_directory_is_held_until_the_last_has_written(void **state)
{
	struct one slow, quick;
	struct flags_writer *w = NULL;
	sem_t late, ended;
	char where[100];

	(void)state;
	make_dirs();
	sem_init(&late, 0, 0);
	sem_init(&ended, 0, 0);
	snprintf(where, sizeof(where), "%s/.slow", dirs[0]); /* its temporary file */
	hang(where);
	assert_int_equal(flags_writer_start(&w), 0);
	submit(w, &slow, dirs[0], "slow.env", "PCT", &late);
	assert_true(will_hang(1));
	submit(w, &quick, dirs[0], "quick.env", "PCT", &ended);
	assert_true(ends(&ended));
	CLEANUP(cleanup_fd) int lock = open(dirs[0], O_RDONLY | O_DIRECTORY);
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), -1);
	assert_int_equal(errno, EWOULDBLOCK);
	let_all_go();
	assert_true(ends(&late));
	assert_int_equal(flock(lock, LOCK_EX | LOCK_NB), 0);
	assert_int_equal(value(slow.path, "PCT"), 0);
	flags_writer_stop(w);
	flags_writer_free(w);
	remove_dirs();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files_of_several_directories_are_all_lowered),
		cmocka_unit_test(two_rollouts_in_one_file_lose_nothing),
		cmocka_unit_test(another_programs_lock_is_kept_to),
		cmocka_unit_test(one_that_takes_long_holds_up_nobody),
		cmocka_unit_test(one_file_system_that_hangs_leaves_threads_for_the_others),
		cmocka_unit_test(one_file_is_written_by_one_at_a_time),
		cmocka_unit_test(the_lock_of_a_directory_is_held_until_the_last_has_written),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
