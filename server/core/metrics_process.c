/*
 * process_* of metrics.h, named and measured as Prometheus' client libraries do.
 * What /proc does not tell is left out.
 */
#include "server/core/metrics.h"
#include "server/core/scope.h"

#include <dirent.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

struct usage {
	uint64_t utime, stime, start; /* clock ticks; start counts from the boot */
	uint64_t vsize;               /* bytes */
	int64_t rss;                  /* pages */
};

/* proc(5). The command in parentheses may hold anything, also spaces and parentheses. */
static bool read_usage(struct usage *ret)
{
	FILE *f = fopen("/proc/self/stat", "re");
	char line[1024] = "";

	if (!f)
		return false;
	const char *fields = fgets(line, sizeof(line), f) ? strrchr(line, ')') : NULL;
	fclose(f);
	return fields && sscanf(fields,
	                        ") %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %" SCNu64 " %" SCNu64
	                        " %*d %*d %*d %*d %*d %*d %" SCNu64 " %" SCNu64 " %" SCNd64,
	                        &ret->utime, &ret->stime, &ret->start, &ret->vsize, &ret->rss) == 5;
}

/* Unix seconds. */
static bool read_boot_time(uint64_t *ret)
{
	FILE *f = fopen("/proc/stat", "re");
	char line[4096];
	bool found = false;

	if (!f)
		return false;
	while (!found && fgets(line, sizeof(line), f))
		found = sscanf(line, "btime %" SCNu64, ret) == 1;
	fclose(f);
	return found;
}

static int count_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	int n = 0;

	if (!d)
		return -1;
	for (const struct dirent *e; (e = readdir(d));)
		n += e->d_name[0] != '.';
	closedir(d);
	return n - 1; /* not the one that counts */
}

static void one(struct buf *b, const char *name, const char *type, const char *help, double value)
{
	metrics_family(b, name, type, help);
	metrics_sample(b, name, value, NO_MORE);
}

static void write_usage(struct buf *b, const struct usage *u)
{
	double hz = (double)sysconf(_SC_CLK_TCK);
	uint64_t boot = 0;

	one(b, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
	    (double)(u->utime + u->stime) / hz);
	one(b, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
	    (double)u->rss * (double)sysconf(_SC_PAGESIZE));
	one(b, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", (double)u->vsize);
	if (read_boot_time(&boot))
		one(b, "process_start_time_seconds", "gauge", "Start time of the process since unix epoch in seconds.",
		    (double)boot + (double)u->start / hz);
}

/* Unlimited is RLIM_INFINITY, which the client libraries print as 1.8446744073709552e+19 too. */
static void write_limit(struct buf *b, __rlimit_resource_t which, const char *name, const char *help)
{
	struct rlimit limit;

	if (getrlimit(which, &limit) == 0)
		one(b, name, "gauge", help, (double)limit.rlim_cur);
}

void metrics_process(struct buf *b)
{
	struct usage u = {0};
	int fds = count_fds();

	if (read_usage(&u))
		write_usage(b, &u);
	write_limit(b, RLIMIT_AS, "process_virtual_memory_max_bytes",
	            "Maximum amount of virtual memory available in bytes.");
	if (fds >= 0)
		one(b, "process_open_fds", "gauge", "Number of open file descriptors.", fds);
	write_limit(b, RLIMIT_NOFILE, "process_max_fds", "Maximum number of open file descriptors.");
}
