/* A disk that fills up: a small file system of the test's own, in a mount namespace that ends with the process. */
#include "tests/unit/db_fixture.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include "db/event.h"

static bool may_mount;

static void write_text(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, text, strlen(text)) < 0)
		print_message("%s could not be written: %s\n", path, strerror(errno));
	if (fd >= 0)
		close(fd);
}

/* As root, or as root of a user namespace; where neither is allowed the tests are skipped. */
static int enter_namespace(void **state)
{
	char user[32], group[32];

	(void)state;
	snprintf(user, sizeof(user), "0 %u 1", (unsigned)geteuid());
	snprintf(group, sizeof(group), "0 %u 1", (unsigned)getegid());
	if (unshare(CLONE_NEWNS) < 0) {
		if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
			return 0;
		write_text("/proc/self/setgroups", "deny");
		write_text("/proc/self/uid_map", user);
		write_text("/proc/self/gid_map", group);
	}
	may_mount = mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) == 0;
	return 0;
}

static void use_disk_of(const char *size)
{
	char options[64];

	snprintf(options, sizeof(options), "size=%s,mode=0700", size);
	if (!may_mount || mount("none", scratch, "tmpfs", 0, options) < 0)
		skip();
}

static int unmount(void **state)
{
	umount2(scratch, MNT_DETACH);
	return scratch_remove(state);
}

/* Takes all room, whatever the writer takes meanwhile. */
static void fill(void)
{
	static char block[64 * 1024];
	int fd = open(scratch_path("filler"), O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	while (write(fd, block, sizeof(block)) > 0)
		;
	assert_int_equal(errno, ENOSPC);
	close(fd);
}

static int note(struct db_tx *tx, void *arg)
{
	struct event e = {.who = (char *)"test", .what = (char *)"noted", .note = arg};

	return event_add(tx, &e);
}

/* More than any room that the tests leave. */
static int note_much(struct db_tx *tx, void *arg)
{
	int r = 0;

	for (int i = 0; i < 32 && r >= 0; i++)
		r = note(tx, arg);
	return r;
}

static char *megabyte(void)
{
	char *text = malloc((1 << 20) + 1);

	assert_non_null(text);
	memset(text, 'x', 1 << 20);
	text[1 << 20] = '\0';
	return text;
}

static size_t events(struct db *db)
{
	struct db_conn *c = NULL;
	struct event_list l = {0};

	assert_int_equal(db_reader_open(db, &c), 0);
	assert_int_equal(event_find(c, &(struct event_filter) {.limit = 1000}, &l), 0);
	size_t n = l.n;
	event_list_free(&l);
	db_reader_close(c);
	return n;
}

static int in_normal_lane(struct db *db, void *arg)
{
	struct call c;

	call_init(&c, note, arg);
	int r = db_submit(db, &c.job, DB_NORMAL);
	return r < 0 ? r : call_wait(&c);
}

static void with_little_room_only_what_runs_is_recorded(void **state)
{
	const char *why = NULL;

	(void)state;
	use_disk_of("16m");
	struct db *db = fixture_start();
	assert_false(db_healthy(db, &why));
	assert_non_null(strstr(why, "nearly full"));
	assert_int_equal(in_normal_lane(db, NULL), -ENOSPC);
	assert_int_equal(in_tx(db, note, NULL), 0);
	assert_int_equal(events(db), 1);
	db_close(db);
}

static void a_job_too_large_for_the_disk_fails_whole_and_harms_nothing(void **state)
{
	CLEANUP(cleanup_free) char *text = NULL;

	(void)state;
	use_disk_of("16m");
	text = megabyte();
	struct db *db = fixture_start();
	assert_int_equal(in_tx(db, note, NULL), 0);
	int r = in_tx(db, note_much, text);
	assert_true(r == -ENOSPC || r == -EIO);
	assert_int_equal(events(db), 1);
	assert_int_equal(in_tx(db, note, NULL), 0);
	assert_int_equal(events(db), 2);
	db_close(db);
	db = fixture_open();
	assert_int_equal(events(db), 2);
	db_close(db);
}

static void a_full_disk_gives_way_to_what_runs_and_recovers(void **state)
{
	(void)state;
	use_disk_of("64m");
	struct db *db = fixture_start();
	assert_true(db_healthy(db, NULL));
	assert_int_equal(in_normal_lane(db, NULL), 0);
	struct stat ballast;
	assert_int_equal(stat(scratch_path("state/ballast"), &ballast), 0);
	assert_true(ballast.st_blocks * 512 >= 8 << 20);
	fill();
	UNTIL(!db_healthy(db, NULL));
	assert_int_equal(in_normal_lane(db, NULL), -ENOSPC);
	UNTIL(access(scratch_path("state/ballast"), F_OK) < 0);
	for (int i = 0; i < 100; i++)
		assert_int_equal(in_tx(db, note, NULL), 0);
	assert_int_equal(unlink(scratch_path("filler")), 0);
	UNTIL(db_healthy(db, NULL));
	assert_int_equal(in_normal_lane(db, NULL), 0);
	UNTIL(access(scratch_path("state/ballast"), F_OK) == 0);
	assert_int_equal(events(db), 102);
	db_close(db);
}

static void a_start_on_a_full_disk_gives_the_ballast_back_first(void **state)
{
	(void)state;
	use_disk_of("64m");
	struct db *db = fixture_start();
	assert_int_equal(in_tx(db, note, NULL), 0);
	db_close(db);
	assert_int_equal(access(scratch_path("state/ballast"), F_OK), 0);
	fill();
	db = fixture_start();
	assert_int_equal(in_tx(db, note, NULL), 0);
	assert_int_equal(events(db), 2);
	db_close(db);
}

int main(void)
{
#define T(f) cmocka_unit_test_setup_teardown(f, scratch_make, unmount)
	const struct CMUnitTest tests[] = {
		T(with_little_room_only_what_runs_is_recorded),
		T(a_job_too_large_for_the_disk_fails_whole_and_harms_nothing),
		T(a_full_disk_gives_way_to_what_runs_and_recovers),
		T(a_start_on_a_full_disk_gives_the_ballast_back_first),
	};

	return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
