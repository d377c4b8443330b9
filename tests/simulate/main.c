/*
 * simulate [--seeds=N] [--first=N] [--jobs=N] [--only=WORDS]: so many histories. Exit code 1: one of them broke a rule;
 * its seed is printed, and it is told whole. simulate --seed=N [-v]: one.
 */
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <getopt.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "server/core/log.h"
#include "tests/simulate/plot.h"
#include "tests/simulate/sim.h"

#define JOBS_MAX  64
#define ENOUGH    1000 /* histories, for everything to happen that is counted */
#define FOUND_MAX 100  /* violations of a job; then it stops */

struct options {
	uint64_t first, seeds;
	bool one, verbose;
	int jobs;
};

static char folder[100];

/* --- in place of server/core/log.c: a part of the history --- */

void log_setup(enum log_level least, bool json)
{
	(void)least;
	(void)json;
}

int log_level_parse(const char *word, enum log_level *ret)
{
	(void)word;
	*ret = LOG_LEVEL_INFO;
	return 0;
}

uint64_t log_dropped(void)
{
	return 0;
}

bool log_writes(enum log_level level)
{
	return sim_verbose() && level >= LOG_LEVEL_INFO;
}

void log_write(enum log_level level, const char *file, int line, const char *msg, ...)
{
	char text[2000];
	va_list ap;
	size_t n;

	(void)file;
	(void)line;
	if (!log_writes(level))
		return;
	n = (size_t)snprintf(text, sizeof(text), "%s", msg);
	va_start(ap, msg);
	for (const char *key; n < sizeof(text) && (key = va_arg(ap, const char *)) != NULL;) {
		const char *value = va_arg(ap, const char *);

		n += (size_t)snprintf(text + n, sizeof(text) - n, " %s=%.200s", key, value ? value : "");
	}
	va_end(ap);
	say("  log: %s", text);
}

/* --- a folder of our own, on a disk of memory where there is one --- */

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *walk)
{
	(void)st;
	(void)type;
	(void)walk;
	return remove(path);
}

static void folder_remove(void)
{
	nftw(folder, remove_one, 16, FTW_DEPTH | FTW_PHYS);
}

static void folder_make(int job)
{
	snprintf(folder, sizeof(folder), "%s/rollbackd-simulate.%d.%d",
	         access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp", (int)getpid(), job);
	folder_remove();
	if (mkdir(folder, 0700) < 0) {
		perror(folder);
		exit(2);
	}
}

/* A new history has a new database. The folder is kept, and with it the room that is reserved on the disk. */
static void forget(void)
{
	static const char *const files[] = {"state/rollbackd.db", "state/rollbackd.db-wal", "state/rollbackd.db-shm"};
	char path[200];

	for (size_t i = 0; i < ARRAY_LEN(files); i++) {
		snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
		unlink(path);
	}
}

/* --- many --- */

static int run_job(const struct options *o, int job)
{
	int found = 0;

	folder_make(job);
	for (uint64_t i = (uint64_t)job; i < o->seeds && found < FOUND_MAX; i += (uint64_t)o->jobs) {
		forget();
		if (plot_play(o->first + i, false, folder))
			continue;
		found++;
		printf("seed %llu: %s\n", (unsigned long long)(o->first + i), sim_violation());
		fflush(stdout);
	}
	folder_remove();
	return found ? 1 : 0;
}

static int run_jobs(const struct options *o)
{
	pid_t pid[JOBS_MAX];
	int bad = count_begin() < 0;

	for (int i = 0; i < o->jobs && !bad; i++) {
		pid[i] = fork();
		if (pid[i] == 0)
			exit(run_job(o, i));
	}
	for (int i = 0; i < o->jobs; i++) {
		int status = 0;

		if (pid[i] < 0 || waitpid(pid[i], &status, 0) < 0 || status != 0)
			bad = 1;
		if (WIFSIGNALED(status))
			printf("job %d was ended by signal %d\n", i, WTERMSIG(status));
	}
	if (count_tell() > 0 && o->seeds >= ENOUGH) {
		printf("the histories no longer come to all of these\n");
		bad = 1;
	}
	printf("%llu histories from seed %llu on: %s\n", (unsigned long long)o->seeds, (unsigned long long)o->first,
	       bad ? "a rule was broken" : "every rule held");
	return bad;
}

static int run_one(const struct options *o)
{
	folder_make(0);
	bool good = plot_play(o->first, o->verbose, folder);
	printf("seed %llu: %s\n", (unsigned long long)o->first, good ? "every rule held" : sim_violation());
	folder_remove();
	return good ? 0 : 1;
}

int main(int argc, char **argv)
{
	static const struct option longs[] = {{"seeds", required_argument, NULL, 'n'},
	                                      {"seed", required_argument, NULL, 's'},
	                                      {"first", required_argument, NULL, 'f'},
	                                      {"jobs", required_argument, NULL, 'j'},
	                                      {"only", required_argument, NULL, 'o'},
	                                      {"verbose", no_argument, NULL, 'v'},
	                                      {0}};
	struct options o = {.first = 1, .seeds = 1000, .jobs = (int)sysconf(_SC_NPROCESSORS_ONLN)};
	int c;

	while ((c = getopt_long(argc, argv, "v", longs, NULL)) >= 0)
		switch (c) {
		case 'n':
			o.seeds = strtoull(optarg, NULL, 10);
			break;
		case 's':
			o.one = true;
			/* fall through */
		case 'f':
			o.first = strtoull(optarg, NULL, 10);
			break;
		case 'j':
			o.jobs = atoi(optarg);
			break;
		case 'o':
			plot_only(optarg);
			break;
		case 'v':
			o.verbose = true;
			break;
		default:
			return 2;
		}
	if (o.jobs < 1 || o.jobs > JOBS_MAX)
		o.jobs = o.jobs < 1 ? 1 : JOBS_MAX;
	return o.one ? run_one(&o) : run_jobs(&o);
}
