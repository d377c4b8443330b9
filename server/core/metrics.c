#include "server/core/metrics.h"
#include "server/core/log.h"
#include "server/core/scope.h"
#include "server/core/text.h"

#include <assert.h>
#include <dirent.h>
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>

#define VALUES_MAX  16 /* label values of one metric */
#define PHASE_NAME  "rollbackd_rollback_phase_seconds"
#define SECONDS_MAX 1e9 /* so that no sum of microseconds overflows */

static const struct family {
	const char *name, *type, *help;
	const char *label;  /* NULL: one series */
	const char *values; /* each ends with NUL, the list with an empty one */
} families[M_N] = {
#define METRIC_ROW(id, name, type, help, label, values) [id] = {name, type, help, label, values},
	METRICS(METRIC_ROW)};

/* A series is one atomic; gauges keep their int64_t here as two's complement. */
static atomic_uint_least64_t series[M_N][VALUES_MAX];

static const double bucket_bounds[] = {0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600, 900, 1200, 1500, 1800};
#define BUCKETS (ARRAY_LEN(bucket_bounds) + 1) /* the last is +Inf */

static const char *const phase_names[PHASE_N] = {
	[PHASE_DETECTION] = "detection",       [PHASE_DECISION] = "decision", [PHASE_EXECUTION] = "execution",
	[PHASE_VERIFICATION] = "verification", [PHASE_TOTAL] = "total",
};

static struct {
	atomic_uint_least64_t in_bucket[BUCKETS]; /* not cumulative */
	atomic_uint_least64_t sum_us;
} phases[PHASE_N];

static unsigned values_count(const struct family *f)
{
	unsigned n = 0;

	if (!f->label)
		return 1;
	for (const char *v = f->values; *v; v += strlen(v) + 1)
		n++;
	return n;
}

static atomic_uint_least64_t *series_at(enum metric m, unsigned index)
{
	assert(m < M_N && index < VALUES_MAX && index < values_count(&families[m]));
	return &series[m][index];
}

void metric_add(enum metric m, unsigned index, uint64_t n)
{
	atomic_fetch_add_explicit(series_at(m, index), n, memory_order_relaxed);
}

void metric_set(enum metric m, unsigned index, int64_t v)
{
	atomic_store_explicit(series_at(m, index), (uint64_t)v, memory_order_relaxed);
}

uint64_t metric_get(enum metric m, unsigned index)
{
	return atomic_load_explicit(series_at(m, index), memory_order_relaxed);
}

const char *metric_phase_name(enum metric_phase phase)
{
	assert(phase < PHASE_N);
	return phase_names[phase];
}

void metric_phase(enum metric_phase phase, double seconds)
{
	assert(phase < PHASE_N);
	size_t bucket = 0;

	if (isnan(seconds))
		return;
	seconds = fmin(fmax(seconds, 0), SECONDS_MAX); /* the wall clock may have jumped */
	while (bucket < ARRAY_LEN(bucket_bounds) && seconds > bucket_bounds[bucket])
		bucket++;
	atomic_fetch_add_explicit(&phases[phase].in_bucket[bucket], 1, memory_order_relaxed);
	atomic_fetch_add_explicit(&phases[phase].sum_us, (uint64_t)llround(seconds * 1e6), memory_order_relaxed);
}

/* Backslash and newline, and in label values the quote. Malformed UTF-8 would spoil the whole scrape. */
static void add_escaped(struct buf *b, const char *s, bool label)
{
	uint32_t c;

	for (size_t left = strlen(s), n; left > 0; s += n, left -= n) {
		n = text_utf8_next(s, left, &c);
		if (n == 0) {
			buf_str(b, "\xef\xbf\xbd");
			n = 1;
		} else if (c == '\n') {
			buf_str(b, "\\n");
		} else if (c == '\\' || (label && c == '"')) {
			buf_char(b, '\\');
			buf_char(b, (char)c);
		} else {
			buf_add(b, s, n);
		}
	}
}

int metrics_family(struct buf *b, const char *name, const char *type, const char *help)
{
	assert(b && name && type && help);
	buf_printf(b, "# HELP %s ", name);
	add_escaped(b, help, false);
	return buf_printf(b, "\n# TYPE %s %s\n", name, type);
}

int metrics_sample(struct buf *b, const char *name, double value, ...)
{
	assert(b && name);
	char number[32];
	char before = '{';
	va_list ap;

	buf_str(b, name);
	va_start(ap, value);
	for (const char *label; (label = va_arg(ap, const char *)); before = ',') {
		const char *text = va_arg(ap, const char *);
		buf_printf(b, "%c%s=\"", before, label);
		add_escaped(b, text ? text : "", true);
		buf_char(b, '"');
	}
	va_end(ap);
	text_double(value, number, sizeof(number));
	return buf_printf(b, "%s %s\n", before == '{' ? "" : "}", number);
}

static void write_family(struct buf *b, enum metric m)
{
	const struct family *f = &families[m];
	const char *value = f->values;

	metrics_family(b, f->name, f->type, f->help);
	for (unsigned i = 0; i < values_count(f); i++) {
		uint64_t raw = metric_get(m, i);
		double v = strcmp(f->type, "gauge") == 0 ? (double)(int64_t)raw : (double)raw;
		metrics_sample(b, f->name, v, f->label, value, NO_MORE);
		value += strlen(value) + 1;
	}
}

static void write_phase(struct buf *b, enum metric_phase phase)
{
	const char *name = phase_names[phase];
	uint64_t count = 0;
	char bound[32];

	for (size_t i = 0; i < BUCKETS; i++) {
		count += atomic_load_explicit(&phases[phase].in_bucket[i], memory_order_relaxed);
		text_double(i < ARRAY_LEN(bucket_bounds) ? bucket_bounds[i] : (double)INFINITY, bound, sizeof(bound));
		metrics_sample(b, PHASE_NAME "_bucket", (double)count, "phase", name, "le", bound, NO_MORE);
	}
	uint64_t sum_us = atomic_load_explicit(&phases[phase].sum_us, memory_order_relaxed);
	metrics_sample(b, PHASE_NAME "_sum", (double)sum_us / 1e6, "phase", name, NO_MORE);
	metrics_sample(b, PHASE_NAME "_count", (double)count, "phase", name, NO_MORE);
}

/* --- process_*: named and measured as Prometheus' client libraries do; what /proc does not tell is left out --- */

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

static void write_one(struct buf *b, const char *name, const char *type, const char *help, double value)
{
	metrics_family(b, name, type, help);
	metrics_sample(b, name, value, NO_MORE);
}

static void write_usage(struct buf *b, const struct usage *u)
{
	double hz = (double)sysconf(_SC_CLK_TCK);
	uint64_t boot = 0;

	write_one(b, "process_cpu_seconds_total", "counter", "Total user and system CPU time spent in seconds.",
	          (double)(u->utime + u->stime) / hz);
	write_one(b, "process_resident_memory_bytes", "gauge", "Resident memory size in bytes.",
	          (double)u->rss * (double)sysconf(_SC_PAGESIZE));
	write_one(b, "process_virtual_memory_bytes", "gauge", "Virtual memory size in bytes.", (double)u->vsize);
	if (read_boot_time(&boot))
		write_one(b, "process_start_time_seconds", "gauge",
		          "Start time of the process since unix epoch in seconds.",
		          (double)boot + (double)u->start / hz);
}

/* Unlimited is RLIM_INFINITY, which the client libraries print as 1.8446744073709552e+19 too. */
static void write_limit(struct buf *b, __rlimit_resource_t which, const char *name, const char *help)
{
	struct rlimit limit;

	if (getrlimit(which, &limit) == 0)
		write_one(b, name, "gauge", help, (double)limit.rlim_cur);
}

static void write_process(struct buf *b)
{
	struct usage u = {0};
	int fds = count_fds();

	if (read_usage(&u))
		write_usage(b, &u);
	write_limit(b, RLIMIT_AS, "process_virtual_memory_max_bytes",
	            "Maximum amount of virtual memory available in bytes.");
	if (fds >= 0)
		write_one(b, "process_open_fds", "gauge", "Number of open file descriptors.", fds);
	write_limit(b, RLIMIT_NOFILE, "process_max_fds", "Maximum number of open file descriptors.");
}

int metrics_write(struct buf *b, const char *version)
{
	assert(b && version);
	metric_set(M_LOG_DROPPED, 0, (int64_t)log_dropped());
	for (unsigned m = 0; m < M_N; m++)
		write_family(b, (enum metric)m);
	metrics_family(b, PHASE_NAME, "histogram", "How long the phases of rollbacks took.");
	for (unsigned p = 0; p < PHASE_N; p++)
		write_phase(b, (enum metric_phase)p);
	write_process(b);
	metrics_family(b, "rollbackd_build_info", "gauge", "The version that runs; always 1.");
	return metrics_sample(b, "rollbackd_build_info", 1, "version", version, NO_MORE);
}
